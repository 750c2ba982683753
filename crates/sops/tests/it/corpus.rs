//! The inputs that fuzzing starts from, and what it found, played again.

use std::path::Path;

use crate::hostile;

/// A target and the fewest inputs that its corpus has.
type Target = (&'static str, fn(&[u8]), usize);

#[test]
fn corpora_are_read_without_panics() {
    let targets: [Target; 6] = [
        ("sops_stores", hostile::stores, 60),
        ("sops_metadata", hostile::metadata, 60),
        ("sops_layouts", hostile::layouts, 60),
        ("sops_sealed", hostile::sealed, 60),
        ("sops_rules", hostile::rules, 40),
        ("sops_shamir", hostile::shares, 20),
    ];
    for (name, target, fewest) in targets {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut seen = 0;
        for file in std::fs::read_dir(&dir).expect("the corpus is there").flatten() {
            target(&std::fs::read(file.path()).expect("is a file"));
            seen += 1;
        }
        assert!(seen >= fewest, "only {seen} inputs in {name}");
    }
}

/// Every file of the recordings is such an input too.
#[test]
fn recordings_are_read_without_panics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops");
    let mut seen = 0;
    for case in std::fs::read_dir(root).expect("the recordings are there").flatten() {
        for file in std::fs::read_dir(case.path()).into_iter().flatten().flatten() {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            hostile::metadata(&bytes);
            hostile::rules(&bytes);
            seen += 1;
        }
    }
    assert!(seen > 300, "only {seen} files");
}

#[test]
fn hostile_inputs_end_in_an_error() {
    use sealfast_sops::document::Plain;
    use sealfast_sops::store::Format;
    let deep = |open: &str, close: &str, levels: usize| [open.repeat(levels), close.repeat(levels)].concat();
    let block: String = (0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let cases: [(&str, Format, String); 8] = [
        ("flow sequences", Format::Yaml, format!("a: {}", deep("[", "]", 100_000))),
        ("flow mappings", Format::Yaml, format!("a: {}", deep("{a: ", "}", 100_000))),
        ("block mappings", Format::Yaml, block),
        ("objects", Format::Json, deep("{\"a\":", "}", 100_000)),
        ("lists", Format::Json, format!("{{\"a\":{}}}", deep("[", "]", 100_000))),
        ("a repeated key", Format::Yaml, "a: 1\na: 2\n".to_owned()),
        ("NUL", Format::Yaml, "a: \0\n".to_owned()),
        ("unclosed quotes", Format::Yaml, format!("a: \"{}", "x".repeat(1 << 20))),
    ];
    for (name, format, text) in cases {
        assert!(Plain::load(text.as_bytes(), format).is_err(), "{name}");
    }
    for format in [Format::Yaml, Format::Json] {
        assert!(Plain::load(b"{\"a\": \"\xff\xfe\"", format).is_err(), "{format:?}");
    }
    // A long text is no attack.
    let long = format!("a: \"{}\"\n", "x".repeat(8 << 20));
    assert!(Plain::load(long.as_bytes(), Format::Yaml).is_ok());
}

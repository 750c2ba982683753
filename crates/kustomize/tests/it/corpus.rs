//! The fuzzing corpus of small directories, with the laws of its fuzz target.

use std::path::Path;

use sealfast_kustomize::engine::{Options, Restriction, build};
use sealfast_kustomize::files::Memory;

#[test]
fn small_directories_build_to_the_same_bytes_or_words_twice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/kustomize");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let Some(files) = tree(&text) else { continue };
        count += 1;
        let flux = Options {
            load: Restriction::None,
            overlay: Some(serde_json::json!({ "targetNamespace": "ns" })),
            ..Options::default()
        };
        for options in [Options::default(), flux] {
            assert_eq!(outcome(&files, &options), outcome(&files, &options), "{}", path.display());
        }
    }
    assert!(count > 50, "the corpus is there");
}

fn outcome(files: &Memory, options: &Options) -> Result<String, String> {
    build(files, "/", options).map(|built| built.to_yaml()).map_err(|error| error.chain())
}

/// Reads a tree: each file begins with a line `>>> PATH`, a link with `>>> PATH -> TARGET`.
fn tree(text: &str) -> Option<Memory> {
    let mut files = Memory::new();
    let all: Vec<&str> = text.split(">>> ").skip(1).take(32).collect();
    for file in &all {
        let (head, content) = file.split_once('\n')?;
        match head.split_once(" -> ") {
            Some((path, target)) => files.insert_link(path, target),
            None => files.insert(head, content),
        }
    }
    (!all.is_empty()).then_some(files)
}

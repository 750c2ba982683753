//! One wrong byte: an encrypted file is refused, or gives the same values.
//!
//! What a MAC cannot cover, here as with the reference: names of keys whose values are in the clear (they are in no
//! additional data), names of sections that hold nothing else, keys of empty values, comments in the clear, and the
//! selector, of which only those changes are found that choose other values.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

const NESTED: &str = "user: admin\nport: 8080\nlist:\n  - one\n  - deep: 1.5\nname_unencrypted: shown\n";

#[test]
fn every_byte_of_yaml_counts() {
    check(NESTED, Format::Yaml, Format::Yaml, &["name_unencrypted:", "unencrypted_suffix: _unencrypted"]);
}

#[test]
fn every_byte_of_json_counts() {
    let uncovered = ["\"name_unencrypted\"", "\"unencrypted_suffix\": \"_unencrypted\""];
    check(NESTED, Format::Yaml, Format::Json, &uncovered);
}

#[test]
fn every_byte_of_dotenv_counts() {
    let text = "USER=admin\nTEXT=two\\nlines\nname_unencrypted=shown\n";
    // An empty value is not encrypted, so that one can be added: a field of the metadata under another name, say.
    let uncovered =
        ["name_unencrypted=", "sops_age__list_0__map_enc=", "sops_unencrypted_suffix=_unencrypted\n"];
    check(text, Format::Dotenv, Format::Dotenv, &uncovered);
}

#[test]
fn every_byte_of_ini_counts() {
    let text = "[one]\nuser = admin\nport = 8080\n\n[two]\nuser = root\nname_unencrypted = shown\n";
    let uncovered = ["name_unencrypted =", "unencrypted_suffix         = _unencrypted"];
    check(text, Format::Ini, Format::Ini, &uncovered);
}

#[test]
fn every_byte_of_binary_counts() {
    check("any bytes\n", Format::Binary, Format::Binary, &[]);
}

/// Changes each byte but those of the `uncovered` texts.
fn check(text: &str, from: Format, format: Format, uncovered: &[&str]) {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    let metadata = Metadata::new(groups, now);
    let selector = metadata.selector.clone().filter(|_| format != Format::Binary);
    let plain = Plain::load(text.as_bytes(), from).expect("reads");
    let options = EmitOptions::default();
    let mut rng = StdRng::seed_from_u64(1);
    let context = Context { now, rng: &mut rng, reuse: None };
    let document = plain.encrypt(Metadata { selector, ..metadata }, &key, context).expect("encrypts");
    let file = document.emit(format, &options).expect("writes");
    let opened = |bytes: &[u8]| {
        let document = Encrypted::load(bytes, format).ok()?;
        document.decrypt(&key, MacCheck::Verify).ok()?.plain.emit(format, &options).ok()
    };
    let wanted = opened(&file).expect("opens");
    let covered = covered(&file, uncovered);
    let mut refused = 0;
    for at in (0..file.len()).filter(|&at| covered[at]) {
        for other in
            [file[at] ^ 1, file[at] ^ 0x20, b'\n', b'A'].into_iter().filter(|&other| other != file[at])
        {
            let mut bad = file.clone();
            bad[at] = other;
            match opened(&bad) {
                None => refused += 1,
                Some(found) => assert_eq!(
                    String::from_utf8_lossy(found.expose()),
                    String::from_utf8_lossy(wanted.expose()),
                    "byte {at} became {other}: {}",
                    String::from_utf8_lossy(&bad)
                ),
            }
        }
    }
    assert!(refused > 2 * file.len(), "only {refused} were refused");
}

fn covered(file: &[u8], uncovered: &[&str]) -> Vec<bool> {
    let mut covered = vec![true; file.len()];
    for text in uncovered {
        let found = file.windows(text.len()).position(|part| part == text.as_bytes());
        let start = found.unwrap_or_else(|| panic!("no `{text}` in {}", String::from_utf8_lossy(file)));
        covered[start..start + text.len()].fill(false);
    }
    covered
}

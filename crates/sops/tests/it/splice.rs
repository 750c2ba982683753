//! Documents written into their former text.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::path;
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

const TEXT: &str = "\
# A secret.
apiVersion: v1
kind:   'Secret'

stringData:
  user: \"admin\"   # who

  note: |
    two
    lines
  list: [a, b]
  empty:
";

fn key() -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(7))
}

fn metadata(regex: &str) -> Metadata {
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    Metadata { selector: Some(Selector::EncryptedRegex(regex.into())), ..Metadata::new(groups, now) }
}

fn seal(plain: Plain, metadata: Metadata, now: &str, reuse: Option<&Nonces>) -> Encrypted {
    let mut rng = StdRng::seed_from_u64(1);
    let context = Context { now: Time::parse(now).expect("a valid time"), rng: &mut rng, reuse };
    plain.encrypt(metadata, &key(), context).expect("encrypts")
}

fn over(document: &Encrypted, original: &str) -> String {
    let options = EmitOptions { yaml_indent: 2, ..EmitOptions::default() };
    let bytes = document.emit_over(original.as_bytes(), Format::Yaml, &options).expect("writes");
    String::from_utf8(bytes).expect("is UTF-8")
}

#[test]
fn plain_text_keeps_its_looks_when_values_are_encrypted() {
    let plain = Plain::load(TEXT.as_bytes(), Format::Yaml).expect("reads");
    let text = over(&seal(plain, metadata("^(note|list)$"), "2026-01-02T03:04:05Z", None), TEXT);
    let head = TEXT.split("|").next().expect("has a note");
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("\n  note: ENC[") && text.contains("\n  list: [\"ENC["), "{text}");
    assert!(text.contains("\n  empty:\nsops:\n  age:\n"), "{text}");
    let read = Encrypted::load(text.as_bytes(), Format::Yaml).expect("reads");
    assert!(read.decrypt(&key(), MacCheck::Verify).is_ok());
}

#[test]
fn one_changed_value_changes_one_line_and_the_metadata() {
    let plain = Plain::load(TEXT.as_bytes(), Format::Yaml).expect("reads");
    let before = over(&seal(plain, metadata("^(user|note)$"), "2026-01-02T03:04:05Z", None), TEXT);
    let read = Encrypted::load(before.as_bytes(), Format::Yaml).expect("reads");
    let metadata = read.metadata().clone();
    let mut opened = read.decrypt(&key(), MacCheck::Verify).expect("decrypts");
    let user = path::parse("[\"stringData\"][\"user\"]").expect("a path");
    opened.plain.set(&user, "root".into()).expect("sets");
    let after = over(&seal(opened.plain, metadata, "2027-01-02T03:04:05Z", Some(&opened.nonces)), &before);
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(old, new)| old != new)
        .filter_map(|(old, _)| old.trim().split(':').next())
        .collect();
    assert_eq!(changed, ["user", "lastmodified", "mac"]);
    assert_eq!(before.lines().count(), after.lines().count());
}

#[test]
fn metadata_may_stand_anywhere_and_in_any_order() {
    let plain = Plain::load(b"a: one\n", Format::Yaml).expect("reads");
    let document = seal(plain, metadata("^a$"), "2026-01-02T03:04:05Z", None);
    let text = over(&document, "a: one\n");
    let (value, block) = text.split_once('\n').expect("has metadata");
    let (fields, version) = block.trim_end().rsplit_once("\n").expect("has fields");
    let moved = format!("{}\n\n{value}\n", fields.replacen("sops:\n", &format!("sops:\n{version}\n"), 1));
    assert_eq!(over(&document, &moved), moved);
}

#[test]
fn another_structure_is_written_anew() {
    let mut plain = Plain::load(TEXT.as_bytes(), Format::Yaml).expect("reads");
    plain.set(&path::parse("[\"new\"]").expect("a path"), "x".into()).expect("sets");
    let document = seal(plain, metadata("^user$"), "2026-01-02T03:04:05Z", None);
    let options = EmitOptions { yaml_indent: 2, ..EmitOptions::default() };
    let anew = document.emit(Format::Yaml, &options).expect("writes");
    assert_eq!(over(&document, TEXT).into_bytes(), anew);
}

#[test]
fn texts_of_several_lines_stay_blocks() {
    let text = "a: one\nb: |\n   x\n   y\nc: |-\n  z\n  w\n";
    let plain = Plain::load(text.replace('y', "long\n\n   tail").as_bytes(), Format::Yaml).expect("reads");
    let document = seal(plain, metadata("^a$"), "2026-01-02T03:04:05Z", None);
    assert!(over(&document, text).contains("b: |\n   x\n   long\n\n   tail\nc: |-\n  z\n  w\nsops:\n"));
}

//! What a `sops` block may look like, and how what it may not is told.

use sealfast_sops::document::Encrypted;
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::Format;
use sealfast_sops::time::Time;

/// Reads a file whose block has these fields beside what it must have.
fn load(fields: &str) -> Result<Encrypted, Error> {
    let file = format!(
        "a: b\nsops:\n  mac: m\n  version: 3.13.2\n  lastmodified: \"2020-01-02T03:04:05Z\"\n  age: [{{recipient: r, enc: e}}]\n{fields}"
    );
    Encrypted::load(file.as_bytes(), Format::Yaml)
}

fn problems(fields: &str) -> Vec<String> {
    match load(fields) {
        Err(Error::MetadataFields { problems }) => problems,
        other => panic!("{fields}: {other:?}"),
    }
}

#[test]
fn fields_are_read_as_weakly_as_by_the_reference() {
    let metadata = |fields: &str| load(fields).expect("reads").metadata().clone();
    assert_eq!(metadata("  shamir_threshold: \"0x10\"\n").shamir_threshold, 16);
    assert_eq!(metadata("  shamir_threshold: 2.9\n").shamir_threshold, 2);
    assert!(metadata("  mac_only_encrypted: 2\n").mac_only_encrypted);
    assert!(
        metadata("  MAC_Only_Encrypted: T\n").mac_only_encrypted,
        "other letters count where there is none"
    );
    assert_eq!(metadata("  encrypted_regex: 7\n").selector.expect("is there").text(), "7");
    assert_eq!(metadata("  pgp: {}\n  kms: null\n").master_keys().count(), 1);
    let single = "  pgp: {fp: X, created_at: \"2020-01-02T03:04:05Z\", enc: e}\n";
    assert_eq!(metadata(single).master_keys().count(), 2);
}

#[test]
fn every_field_that_holds_something_else_is_told() {
    for (fields, told) in [
        (
            "  mac_only_encrypted: x\n",
            "'mac_only_encrypted' cannot parse value as 'bool': strconv.ParseBool: invalid syntax",
        ),
        (
            "  shamir_threshold: x\n",
            "'shamir_threshold' cannot parse value as 'int': strconv.ParseInt: invalid syntax",
        ),
        (
            "  shamir_threshold: 2020-01-01\n",
            "'shamir_threshold' expected type 'int', got unconvertible type 'time.Time'",
        ),
        ("  kms: x\n", "'kms[0]' expected a map or struct, got \"string\""),
        (
            "  kms: [{context: x}]\n",
            "'kms[0].context' expected type 'map[string]*string', got unconvertible type 'string'",
        ),
        (
            "  key_groups: [{}, {age: [{enc: [1]}]}]\n",
            "'key_groups[1].age[0].enc' expected type 'string', got unconvertible type '[]interface {}'",
        ),
        (
            "  encrypted_suffix: {a: 1}\n",
            "'encrypted_suffix' expected type 'string', got unconvertible type 'map[string]interface {}'",
        ),
    ] {
        assert_eq!(problems(fields), [told], "{fields}");
    }
    assert_eq!(problems("  mac_only_encrypted: x\n  shamir_threshold: x\n  kms: [1, 2]\n").len(), 4);
}

#[test]
fn a_time_must_be_a_text() {
    let file = "a: b\nsops:\n  lastmodified: 2020-01-02T03:04:05Z\n  age: [{recipient: r, enc: e}]\n";
    let told = Encrypted::load(file.as_bytes(), Format::Yaml).expect_err("is refused").to_string();
    assert!(
        told.contains("'lastmodified' expected type 'string', got unconvertible type 'time.Time'"),
        "{told}"
    );
}

#[test]
fn keys_must_be_texts() {
    let told = load("  1: 2\n").expect_err("is refused").to_string();
    assert!(told.contains("Unexpected key type int"), "{told}");
}

/// What holds another data key, or the same one in another way, has another name.
#[test]
fn fingerprints_tell_wrapped_keys_apart() {
    let group = |recipient: &str, enc: &str| KeyGroup {
        keys: vec![MasterKey::Age { recipient: recipient.into(), enc: enc.into() }],
    };
    let both = |one: KeyGroup, other: KeyGroup| KeyGroup { keys: [one.keys, other.keys].concat() };
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let name = |groups: Vec<KeyGroup>, shamir_threshold| {
        Metadata { shamir_threshold, ..Metadata::new(groups, now) }.fingerprint()
    };
    let (a, b) = (|| group("a", "1"), || group("b", "2"));
    let names = [
        name(vec![a()], 0),
        name(vec![group("a1", "")], 0),
        name(vec![group("", "a1")], 0),
        name(vec![a(), b()], 0),
        name(vec![a(), b()], 2),
        name(vec![b(), a()], 0),
        name(vec![both(a(), b())], 0),
    ];
    names.iter().enumerate().for_each(|(at, one)| assert!(!names[..at].contains(one), "{at}"));
    assert_eq!(name(vec![a()], 0), names[0]);
}

//! Recorded YAML files are encrypted in their lines, and a change touches its own.

use std::path::{Path, PathBuf};

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::path;
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

/// Files whose plain text the record holds as a whole, and why.
const NOT_IN_LINES: [(&str, &str); 8] = [
    ("yaml/own/a-basic.yaml", "an alias is a key"),
    ("yaml/own/b-root-null.yaml", "the document is a null that is written out"),
    ("yaml/own/c-cr-only.yaml", "lines end with a carriage return alone"),
    ("yaml/own/c-nel.yaml", "comments end with other breaks than lines"),
    ("yaml/own/f-alias-colon.yaml", "an alias is a key"),
    ("yaml/own/r-cr.yaml", "lines end with a carriage return alone"),
    ("yaml/own/r-utf16be.yaml", "it is not UTF-8"),
    ("yaml/own/r-utf16le.yaml", "it is not UTF-8"),
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden")
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else if Format::for_path(&path.to_string_lossy()) == Format::Yaml {
            found.push(path);
        }
    }
}

fn key() -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(7))
}

/// Nothing for what cannot be encrypted at all.
fn sealed(text: &[u8]) -> Option<Vec<u8>> {
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    let selector = Some(Selector::UnencryptedSuffix("_unencrypted".into()));
    let metadata = Metadata { selector, ..Metadata::new(groups, now) };
    let (plain, original) = Plain::read(text, Format::Yaml).ok()?;
    if plain.is_empty() || plain.check_unencrypted(Format::Yaml).is_err() {
        return None;
    }
    let mut rng = StdRng::seed_from_u64(1);
    let document = plain.encrypt(metadata, &key(), Context { now, rng: &mut rng, reuse: None }).ok()?;
    document.seal(&original, None, &key(), &mut rng, &EmitOptions::default()).ok()
}

fn keeps_whole_text(file: &[u8]) -> bool {
    let read = Encrypted::load(file, Format::Yaml).expect("reads");
    read.metadata().keeps_whole_text(&key())
}

/// Sets one new key of the first document.
fn with_new_key(file: &[u8]) -> Vec<u8> {
    let (read, original) = Encrypted::read(file, Format::Yaml).expect("reads");
    let metadata = read.metadata().clone();
    let (mut opened, nonces) = read.decrypt_to_change(&key(), MacCheck::Verify).expect("decrypts");
    let path = path::parse("[\"new key\"]").expect("a path");
    opened.plain.set(&path, "v".into()).expect("sets");
    let now = Time::parse("2027-01-02T03:04:05Z").expect("a valid time");
    let mut rng = StdRng::seed_from_u64(2);
    let context = Context { now, rng: &mut rng, reuse: Some(&nonces) };
    let document = opened.plain.encrypt(metadata, &key(), context).expect("encrypts");
    document.update(&original, &key(), &mut rng, &EmitOptions::default()).expect("writes")
}

/// The lines that one text has more than another one; date, MAC and record left out.
fn lines_only_in(one: &str, other: &str) -> Vec<String> {
    let is_stamp =
        |line: &str| ["lastmodified", "mac:", "sealfast_layout"].iter().any(|name| line.contains(name));
    let mut others: Vec<&str> = other.lines().collect();
    let mut found = Vec::new();
    for line in one.lines().filter(|line| !is_stamp(line)) {
        match others.iter().position(|other| *other == line) {
            Some(at) => drop(others.swap_remove(at)),
            None => found.push(line.to_owned()),
        }
    }
    found
}

#[test]
fn recorded_files_are_encrypted_and_changed_in_their_lines() {
    let root = golden();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    files.sort();
    assert!(files.len() > 1000, "only {} files in {}: is the folder whole?", files.len(), root.display());
    let (mut tried, mut wrong) = (0, Vec::new());
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&root).expect("is below").to_string_lossy().into_owned();
        // What kustomize prints and reads is much alike.
        if !name.starts_with("yaml/") && !name.starts_with("sops/") && number % 4 != 0 {
            continue;
        }
        let Some(sealed) = sealed(&std::fs::read(file).expect("is there")) else { continue };
        tried += 1;
        let reason = NOT_IN_LINES.iter().find(|(listed, _)| *listed == name).map(|(_, reason)| reason);
        match (keeps_whole_text(&sealed), reason) {
            (true, None) => wrong.push(format!("{name}: is not encrypted in its lines")),
            (false, Some(reason)) => wrong.push(format!("{name}: is, though {reason}: take it off the list")),
            _ => {}
        }
        let changed = with_new_key(&sealed);
        let (before, after) = (String::from_utf8_lossy(&sealed), String::from_utf8_lossy(&changed));
        let (gone, came) = (lines_only_in(&before, &after), lines_only_in(&after, &before));
        // A document in brackets is one line, and a comment is encrypted again for the key that it comes to stand before.
        let is_new =
            |line: &String| line.contains("new key") || line.trim().is_empty() || line.starts_with("#ENC[");
        if gone.len() > 1 || came.len() > 2 || !came.iter().all(is_new) {
            wrong.push(format!(
                "{name}: setting one key changes\n-{}\n+{}",
                gone.join("\n-"),
                came.join("\n+")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong[..wrong.len().min(8)].join("\n"));
    assert!(tried > 700, "only {tried} files");
}

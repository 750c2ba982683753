//! JSON, dotenv and INI files keep their looks, as YAML does.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::path;
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

fn key() -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(7))
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("is UTF-8")
}

fn sealed(text: &str, format: Format, regex: &str) -> String {
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    let selector = Some(Selector::EncryptedRegex(regex.into()));
    let metadata = Metadata { selector, ..Metadata::new(groups, now) };
    let (plain, original) = Plain::read(text.as_bytes(), format).expect("reads");
    let mut rng = StdRng::seed_from_u64(1);
    let document =
        plain.encrypt(metadata, &key(), Context { now, rng: &mut rng, reuse: None }).expect("encrypts");
    let bytes = document.seal(&original, None, &key(), &mut rng, &EmitOptions::default());
    text_of(&bytes.expect("writes"))
}

fn opened(text: &str, format: Format) -> String {
    let (read, original) = Encrypted::read(text.as_bytes(), format).expect("reads");
    let metadata = read.metadata().clone();
    let plain = read.decrypt(&key(), MacCheck::Verify).expect("decrypts").plain;
    text_of(plain.open(&original, &metadata, &key(), &EmitOptions::default()).expect("writes").expose())
}

/// Sets or, without a value, unsets a path; returns the lines that went and came, those of date and MAC left out.
fn change(text: &str, format: Format, path: &str, value: Option<&str>) -> (Vec<String>, Vec<String>) {
    let (read, original) = Encrypted::read(text.as_bytes(), format).expect("reads");
    let metadata = read.metadata().clone();
    let (mut opened, nonces) = read.decrypt_to_change(&key(), MacCheck::Verify).expect("decrypts");
    let path = path::parse(path).expect("a path");
    match value {
        Some(value) => drop(opened.plain.set(&path, value.into()).expect("sets")),
        None => opened.plain.unset(&path).expect("unsets"),
    }
    let now = Time::parse("2027-01-02T03:04:05Z").expect("a valid time");
    let context = Context { now, rng: &mut StdRng::seed_from_u64(2), reuse: Some(&nonces) };
    let document = opened.plain.encrypt(metadata, &key(), context).expect("encrypts");
    let after = text_of(
        &document
            .update(&original, &key(), &mut StdRng::seed_from_u64(3), &EmitOptions::default())
            .expect("writes"),
    );
    let again = Encrypted::load(after.as_bytes(), format).expect("reads");
    assert!(again.decrypt(&key(), MacCheck::Verify).is_ok(), "{after}");
    let is_stamp = |line: &&str| {
        line.contains("lastmodified")
            || line.trim().trim_start_matches("sops_").starts_with(['m', '"']) && line.contains("mac")
    };
    let lines = |one: &str, other: &str| -> Vec<String> {
        let other: Vec<&str> = other.lines().collect();
        let own = one.lines().filter(|line| !is_stamp(line) && !other.contains(line));
        own.map(|line| line.split("ENC[").next().unwrap_or_default().to_owned()).collect()
    };
    (lines(text, &after), lines(&after, text))
}

const JSON: &str = r#"{
  "plain" : [ 1.50, "\u00e9\/", {} ],
  "a": "x",

  "b": { "c": 1e3, "d": "\u0041", "e": [1,2 , 3] },
  "n": null
}
"#;

const DOTENV: &str = "# first\nA=x\n\n\nB= spaced \nexport C=\"q\"\n# last\nD=a\\nb\n";

const INI: &str = "\
; about
top=1

# of the section
# in two lines
[one]
a   = x    ; behind
b: 'quoted'

c = `tick;ed`
[two]   # here
d =
e = \"\"\"first
second\"\"\"
-=dash
";

#[test]
fn what_is_not_chosen_keeps_its_bytes_and_all_comes_back() {
    let cases = [
        (Format::Json, JSON, vec!["  \"plain\" : [ 1.50, \"\\u00e9\\/\", {} ],", "  \"n\": null,", ""]),
        (Format::Json, "{\"a\":1,\"b\":{\"c\":[2]}}", vec![]),
        (Format::Json, "{}", vec![]),
        (Format::Json, "\r\n{\r\n\t\"a\":1\r\n}\r\n", vec!["{"]),
        (Format::Dotenv, DOTENV, vec!["", "B= spaced ", "export C=\"q\""]),
        (Format::Dotenv, "A=1\nB=2", vec!["B=2"]),
        (Format::Dotenv, "", vec![]),
        (Format::Ini, INI, vec!["top=1", "[one]", "b: 'quoted'", "", "[two]   # here", "d =", "-=dash"]),
        (Format::Ini, "a=1\r\n\r\n[s]\r\nk = v", vec!["[s]"]),
        (Format::Ini, "[a]\n\n", vec!["[a]"]),
        (Format::Ini, "", vec![]),
    ];
    for (format, text, lines) in cases {
        let file = sealed(text, format, "^(a|A|c|d|D|e|k)$");
        let found: Vec<&str> = file.lines().collect();
        lines.iter().for_each(|line| assert!(found.contains(line), "{line:?} is not in\n{file}"));
        assert_eq!(opened(&file, format), text, "{file}");
        assert_eq!(
            file.ends_with('\n'),
            text.is_empty() && format != Format::Json || text.ends_with('\n'),
            "{file}"
        );
    }
}

#[test]
fn only_what_ciphertext_cannot_tell_is_recorded() {
    let without = ["{\n  \"a\": \"x\",\n  \"b\": 2\n}\n", "{\"a\":[1,2]}"];
    without
        .iter()
        .for_each(|text| assert!(!sealed(text, Format::Json, "^a$").contains("sealfast_layout"), "{text}"));
    for (format, text) in [(Format::Json, JSON), (Format::Ini, INI)] {
        let file = sealed(text, format, "^(b|e)$");
        let record = file.lines().find(|line| line.contains("sealfast_layout")).expect("has a record");
        assert!(record.len() < 500, "{record}");
    }
    assert!(!sealed(DOTENV, Format::Dotenv, ".").contains("sealfast_layout"));
}

type Lines = &'static [&'static str];
type Case<'c> = (&'c str, Format, &'c str, Option<&'c str>, Lines, Lines);

#[test]
fn changes_touch_their_lines_alone() {
    let json = sealed(JSON, Format::Json, "^(a|c|new)$");
    let dotenv = sealed(DOTENV, Format::Dotenv, "^(A|D|NEW)$");
    let ini = sealed(INI, Format::Ini, "^(a|new)$");
    let cases: [Case<'_>; 9] = [
        (&json, Format::Json, r#"["a"]"#, Some("y"), &["  \"a\": \""], &["  \"a\": \""]),
        (&json, Format::Json, r#"["a"]"#, None, &["  \"a\": \""], &[]),
        (
            &json,
            Format::Json,
            r#"["plain"][1]"#,
            Some("y"),
            &["  \"plain\" : [ 1.50, \"\\u00e9\\/\", {} ],"],
            &["  \"plain\" : [ 1.50, \"y\", {} ],"],
        ),
        (&json, Format::Json, r#"["new"]"#, Some("y"), &[], &["  \"new\" : \""]),
        (&dotenv, Format::Dotenv, r#"["A"]"#, Some("y"), &["A="], &["A="]),
        (&dotenv, Format::Dotenv, r#"["D"]"#, None, &["D="], &[]),
        (&dotenv, Format::Dotenv, r#"["NEW"]"#, Some("y"), &[], &["NEW="]),
        (&ini, Format::Ini, r#"["one"]["a"]"#, Some("y"), &["a   = "], &["a   = "]),
        (&ini, Format::Ini, r#"["one"]["new"]"#, Some("y"), &[], &["new = "]),
    ];
    for (text, format, path, value, gone, came) in cases {
        let (old, new) = change(text, format, path, value);
        assert_eq!(
            (old, new),
            (gone.iter().map(ToString::to_string).collect(), came.iter().map(ToString::to_string).collect()),
            "{path} of\n{text}"
        );
    }
}

/// A comment that belongs to nothing is kept, encrypted, and so are sections of one name.
#[test]
fn ini_files_change_in_their_lines_around_what_is_odd() {
    let texts = [
        "; about\ntop=1\n\n[one]\na   = x    ; behind\n\n# end note\n",
        "[one]\na   = 1\n\n[two]\nb=2\n\n[one]\na =   3\n# end note\n\n; more",
        "# end note\n",
    ];
    for text in texts {
        let file = sealed(text, Format::Ini, "^(a|one)$");
        assert_eq!(opened(&file, Format::Ini), text, "{file}");
        assert!(!file.contains("end note"), "{file}");
        for path in [r#"["one"]["new"]"#, r#"["three"]["new"]"#] {
            let (gone, came) = change(&file, Format::Ini, path, Some("y"));
            assert!(gone.is_empty(), "{gone:?}");
            assert!(came.contains(&"new = ".to_owned()) || came.contains(&"new = y".to_owned()), "{came:?}");
            assert!(came.iter().all(|line| line.contains("new") || line.starts_with('[')), "{came:?}");
        }
    }
}

/// What is not part of the tree would stay in the clear; it goes.
#[test]
fn nothing_that_is_passed_over_stays() {
    let cases = [
        (Format::Json, "{\"a\": 1} {\"secret\": 2}"),
        (Format::Ini, "a=1\n; secret\n"),
        (Format::Ini, "a=1\na=secret\n"),
        (Format::Ini, "[one] secret\na=1\n"),
        (Format::Ini, "a=`1` secret\n"),
        (Format::Ini, "a=\"\"\"1\n2\"\"\" secret\n"),
        (Format::Ini, "\"a\" secret = 1\n"),
    ];
    for (format, text) in cases {
        let file = sealed(text, format, "^(a|one)$");
        assert!(!file.contains("secret"), "{file}");
    }
}

/// Where a text cannot be kept, and what its format would make of it does not read back, nothing is written.
#[test]
fn what_would_not_read_back_is_refused() {
    let cases = [(Format::Ini, "[one] x\n- = dash\n"), (Format::Ini, "[one] x\ntri = \"\"\"")];
    for (format, text) in cases {
        let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
        let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
        let metadata =
            Metadata { selector: Some(Selector::EncryptedRegex("^b$".into())), ..Metadata::new(groups, now) };
        let (plain, original) = Plain::read(text.as_bytes(), format).expect("reads");
        let mut rng = StdRng::seed_from_u64(1);
        let document =
            plain.encrypt(metadata, &key(), Context { now, rng: &mut rng, reuse: None }).expect("encrypts");
        let written = document.seal(&original, None, &key(), &mut rng, &EmitOptions::default());
        assert!(matches!(written, Err(Error::Emit { .. })), "{text}");
    }
}

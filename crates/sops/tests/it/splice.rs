//! Documents written into their former text.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::{DataKey, Nonces};
use sealfast_sops::document::{Context, Encrypted, MacCheck, Original, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::path;
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;
use sealfast_sops::tree::{Branch, Value};

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

/// Encrypts a text, keeping its looks.
fn sealed(text: &str, metadata: Metadata) -> String {
    let (plain, original) = Plain::read(text.as_bytes(), Format::Yaml).expect("reads");
    let document = seal(plain, metadata, "2026-01-02T03:04:05Z", None);
    let mut rng = StdRng::seed_from_u64(2);
    let options = EmitOptions::default();
    let bytes = document.seal(&original, None, &key(), &mut rng, &options);
    String::from_utf8(bytes.expect("writes")).expect("is UTF-8")
}

/// Decrypts a text, keeping its looks.
fn opened(text: &str) -> String {
    let (read, original) = Encrypted::read(text.as_bytes(), Format::Yaml).expect("reads");
    let metadata = read.metadata().clone();
    let decrypted = read.decrypt(&key(), MacCheck::Verify).expect("decrypts");
    let options = EmitOptions::default();
    let plain = decrypted.plain.open(&original, &metadata, &key(), &options);
    String::from_utf8(plain.expect("writes").expose().to_vec()).expect("is UTF-8")
}

fn over(document: &Encrypted, original: &str) -> String {
    let options = EmitOptions { yaml_indent: 2, ..EmitOptions::default() };
    let original = Original::of(original.as_bytes(), Format::Yaml);
    let bytes =
        document.clone().update(&original, &key(), &mut StdRng::seed_from_u64(3), &options).expect("writes");
    String::from_utf8(bytes).expect("is UTF-8")
}

#[test]
fn plain_text_keeps_its_looks_when_values_are_encrypted() {
    let plain = Plain::load(TEXT.as_bytes(), Format::Yaml).expect("reads");
    let text = over(&seal(plain, metadata("^(note|list)$"), "2026-01-02T03:04:05Z", None), TEXT);
    let head = TEXT.split("|").next().expect("has a note");
    assert!(text.starts_with(head), "{text}");
    assert!(text.contains("\n  note: |-\n    ENC[") && text.contains("\n  list: ['ENC["), "{text}");
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
    let (mut opened, nonces) = read.decrypt_to_change(&key(), MacCheck::Verify).expect("decrypts");
    let user = path::parse("[\"stringData\"][\"user\"]").expect("a path");
    opened.plain.set(&user, "root".into()).expect("sets");
    let after = over(&seal(opened.plain, metadata, "2027-01-02T03:04:05Z", Some(&nonces)), &before);
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
fn texts_of_several_lines_stay_blocks() {
    let text = "a: one\nb: |\n   x\n   y\nc: |-\n  z\n  w\n";
    let plain = Plain::load(text.replace('y', "long\n\n   tail").as_bytes(), Format::Yaml).expect("reads");
    let document = seal(plain, metadata("^a$"), "2026-01-02T03:04:05Z", None);
    assert!(over(&document, text).contains("b: |\n   x\n   long\n\n   tail\nc: |-\n  z\n  w\nsops:\n"));
}

/// Sets (or, without a value, unsets) one path of an encrypted text, and returns the lines that went and came.
fn change(text: &str, path: &str, value: Option<Value>) -> (Vec<String>, Vec<String>) {
    let (document, after) = changed(text, path, value);
    assert_eq!(opened_values(&after), opened_values(&document_text(&document)), "{after}");
    (lines_only_in(text, &after), lines_only_in(&after, text))
}

fn changed(text: &str, path: &str, value: Option<Value>) -> (Encrypted, String) {
    let (read, original) = Encrypted::read(text.as_bytes(), Format::Yaml).expect("reads");
    let metadata = read.metadata().clone();
    let (mut opened, nonces) = read.decrypt_to_change(&key(), MacCheck::Verify).expect("decrypts");
    let path = path::parse(path).expect("a path");
    match value {
        Some(value) => drop(opened.plain.set(&path, value).expect("sets")),
        None => opened.plain.unset(&path).expect("unsets"),
    }
    let document = seal(opened.plain, metadata, "2027-01-02T03:04:05Z", Some(&nonces));
    let bytes = document
        .clone()
        .update(&original, &key(), &mut StdRng::seed_from_u64(3), &EmitOptions::default())
        .expect("writes");
    (document, String::from_utf8(bytes).expect("is UTF-8"))
}

/// Date and MAC left out.
fn lines_only_in(one: &str, other: &str) -> Vec<String> {
    let is_metadata =
        |line: &&str| line.trim().starts_with("lastmodified") || line.trim().starts_with("mac:");
    let other: Vec<&str> = other.lines().collect();
    one.lines().filter(|line| !is_metadata(line) && !other.contains(line)).map(str::to_owned).collect()
}

fn document_text(document: &Encrypted) -> String {
    let bytes = document.emit(Format::Yaml, &EmitOptions::default()).expect("writes");
    String::from_utf8(bytes).expect("is UTF-8")
}

/// The decrypted values as JSON.
fn opened_values(text: &str) -> String {
    let read = Encrypted::load(text.as_bytes(), Format::Yaml).expect("reads");
    let plain = read.decrypt(&key(), MacCheck::Verify).expect("decrypts").plain;
    let json = plain.emit(Format::Json, &EmitOptions::default()).expect("writes");
    String::from_utf8(json.expose().to_vec()).expect("is UTF-8")
}

const NESTED: &str = "\
# top
data:
  # first
  a:   1 # one

  b: 'two'
  # last
list:
- x # ex
- y
flow: {p: 1, q: [1, 2]}
last: z
";

#[test]
fn entries_come_and_go_line_by_line() {
    let text = sealed(NESTED, metadata("^(data|list|flow|last)$"));
    assert_eq!(opened(&text), NESTED);
    let keys = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| line.split("ENC[").next().unwrap_or_default().to_owned()).collect()
    };
    type Lines = &'static [&'static str];
    let cases: [(&str, Option<Value>, Lines, Lines); 11] = [
        (r#"["data"]["c"]"#, Some("three".into()), &[], &["  c: "]),
        (r#"["data"]["a"]"#, None, &["  a:   "], &[]),
        (r#"["data"]["b"]"#, Some("2".into()), &["  b: '"], &["  b: '"]),
        (r#"["list"][9]"#, Some("z".into()), &[], &["- "]),
        // Comments count: the first one is ` ex`.
        (r#"["list"][0]"#, None, &["- "], &["- "]),
        (r#"["list"][1]"#, None, &["- "], &[]),
        (r#"["new"]["deep"]"#, Some("v".into()), &[], &["new:", "  deep: v"]),
        (r#"["flow"]["r"]"#, Some("v".into()), &["flow: {p: '"], &["flow: {p: '"]),
        (r#"["flow"]["p"]"#, None, &["flow: {p: '"], &["flow: {q: ['"]),
        (r#"["data"]["b"]["in"]"#, Some("v".into()), &["  b: '"], &["  b: {\"in\": \""]),
        (r#"["last"]["in"]"#, Some("v".into()), &["last: "], &["last:", "  in: "]),
    ];
    for (path, value, gone, come) in cases {
        let (old, new) = change(&text, path, value);
        assert_eq!(
            (keys(&old), keys(&new)),
            (gone.iter().map(ToString::to_string).collect(), come.iter().map(ToString::to_string).collect()),
            "{path}"
        );
    }
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    for text in ["a: 1", "a: x\r\nb:\r\n  - w\r\n", "a: 1\n\n\n", "---\na: 1\n---\nb: 2\n...\n", "{\"a\": 1}"]
    {
        let file = sealed(text, metadata("^[ab]$"));
        assert_eq!(opened(&file), text, "{file}");
        assert!(!file.contains("sealfast_layout"), "{file}");
        assert_eq!(file.ends_with('\n'), text.ends_with('\n'));
        assert_eq!(file.contains("\r\nsops:\r\n"), text.contains('\r'));
    }
}

#[test]
fn a_record_goes_when_its_value_does() {
    let text = sealed("a: 0x1F\nb: 2\n", metadata("^[ab]$"));
    assert!(text.contains("sealfast_layout") && opened(&text) == "a: 0x1F\nb: 2\n");
    let (gone, _) = change(&text, r#"["a"]"#, Some(Value::Int(5)));
    assert!(gone.iter().any(|line| line.contains("sealfast_layout")), "{gone:?}");
    let (gone, _) = change(&text, r#"["b"]"#, Some(Value::Int(5)));
    assert_eq!(gone.len(), 1, "{gone:?}");
}

/// Gives a text other key groups, as `updatekeys` and `groups` do, and returns it.
fn regrouped(text: &str, format: Format, groups: &[&str]) -> String {
    let (mut read, original) = Encrypted::read(text.as_bytes(), format).expect("reads");
    let metadata = read.metadata_mut();
    let keys = |list: &&str| KeyGroup { keys: MasterKey::age_list(list) };
    metadata.key_groups = groups.iter().map(keys).collect();
    metadata.shamir_threshold = if groups.len() > 1 { 2 } else { 0 };
    let bytes = read
        .update(&original, &key(), &mut StdRng::seed_from_u64(3), &EmitOptions::default())
        .expect("writes");
    String::from_utf8(bytes).expect("is UTF-8")
}

/// The lines before the metadata.
fn content<'t>(text: &'t str, metadata: &str) -> &'t str {
    text.split_once(metadata).expect("has metadata").0
}

#[test]
fn metadata_change_in_several_places_and_nothing_else_does() {
    let plain = "a:   1 # c\n\n\nb: {x: 2,   y: [3]}\n";
    let file = sealed(plain, metadata("^[ab]$"));
    let json = "{\n  \"a\":   1,\n\n  \"b\": [2,   3]\n}\n";
    let (read, original) = Plain::read(json.as_bytes(), Format::Json).expect("reads");
    let document = seal(read, metadata("^[ab]$"), "2026-01-02T03:04:05Z", None);
    let mut rng = StdRng::seed_from_u64(2);
    let bytes = document.seal(&original, None, &key(), &mut rng, &EmitOptions::default());
    let json_file = String::from_utf8(bytes.expect("writes")).expect("is UTF-8");
    for (file, format, start) in
        [(file, Format::Yaml, "\nsops:\n"), (json_file, Format::Json, "\n  \"sops\":")]
    {
        let mut now = file.clone();
        for groups in [
            &["age1a,age1b", "age1c"][..],
            &["age1c,age1b"],
            &["age1b", "age1d,age1b", "age1c"],
            &["age1test"],
        ] {
            now = regrouped(&now, format, groups);
            assert_eq!(content(&now, start), content(&file, start), "{now}");
            let read = Encrypted::load(now.as_bytes(), format).expect("reads");
            let found: Vec<KeyGroup> = read.metadata().key_groups.clone();
            let keys = |list: &&str| KeyGroup { keys: MasterKey::age_list(list) };
            assert_eq!(found, groups.iter().map(keys).collect::<Vec<_>>());
            assert!(read.decrypt(&key(), MacCheck::Verify).is_ok());
        }
        assert_eq!(now.lines().count(), file.lines().count(), "{now}");
    }
}

#[test]
fn one_recipient_comes_and_one_goes_in_their_lines() {
    let file = regrouped(&sealed("a: 1\n", metadata("^a$")), Format::Yaml, &["age1a,age1b,age1c"]);
    let after = regrouped(&file, Format::Yaml, &["age1b,age1c,age1d"]);
    assert_eq!(lines_only_in(&file, &after), ["          recipient: age1a"]);
    assert_eq!(lines_only_in(&after, &file), ["          recipient: age1d"]);
}

#[test]
fn entries_that_change_places_leave_the_others_alone() {
    let file = sealed("a: 1\nmap:\n  x:  1\n\n  y: 2 # two\n  z: 3\nb:  2\n", metadata("^nothing$"));
    let order = [("z", 3), ("x", 1), ("y", 2)];
    let mut map = Branch::new();
    order.into_iter().for_each(|(name, value)| map.push(name, Value::Int(value)));
    let (gone, come) = change(&file, r#"["map"]"#, Some(map.into()));
    assert_eq!(
        (gone.as_slice(), come.as_slice()),
        (&["  y: 2 # two".to_owned()][..], &["  y: 2".to_owned()][..])
    );
}

#[test]
fn not_a_number_stays_as_it_is_written() {
    let file = sealed("a: .NaN\nb: .NAN\nc: 1\n", metadata("^a$"));
    let (_, after) = changed(&file, r#"["c"]"#, Some(Value::Int(2)));
    assert_eq!(lines_only_in(&file, &after), ["c: 1"]);
    assert_eq!(lines_only_in(&after, &file), ["c: 2"]);
}

/// Plain texts with comments and keys in odd places, and a path into each of them.
const ODD: [(&str, &str); 9] = [
    ("x:\n- b: 1\n- # note\n  d: 3\n\n\nz:   1\n", r#"["x"][1]["d"]"#),
    ("x:\n-\n  # note\n  d: 3\n- y\nz:   1\n", r#"["x"][1]"#),
    ("a: &x # note\n  b: 1\n\nc:   2\n", r#"["a"]["b"]"#),
    ("a: &y # note\n  one\nc:   2\n", r#"["a"]"#),
    ("f: [ # note\n  a, # one\n  # two\n  b ]\n\nc:   2\n", r#"["f"][1]"#),
    ("h: { # note\n  a: 1, # one\n  b: 2 # two\n }\nc:   2\n", r#"["h"]["a"]"#),
    ("? key # note\n: value\nc:   2\n", r#"["key"]"#),
    ("g: {a: , b} # note\nc:   2\n", r#"["g"]["b"]"#),
    ("t: |- # note\n  one\nc:   2\n", r#"["t"]"#),
];

#[test]
fn odd_places_keep_their_lines() {
    for (text, path) in ODD {
        let file = sealed(text, Metadata { selector: None, ..metadata(".") });
        assert_eq!(opened(&file), text, "{file}");
        let read = Encrypted::load(file.as_bytes(), Format::Yaml).expect("reads");
        assert!(!read.metadata().keeps_whole_text(&key()), "{file}");
        assert!(!file.contains("note"), "{file}");
        let (_, after) = changed(&file, path, Some("new".into()));
        let (before, after) = (opened(&file), opened(&after));
        let (gone, came) = (lines_only_in(&before, &after), lines_only_in(&after, &before));
        assert!(gone.len() <= 1 && came.len() == 1 && came[0].contains("new"), "{after}");
        assert_eq!(before.lines().count(), after.lines().count(), "{after}");
        assert!(after.contains("# note"), "{after}");
    }
}

#[test]
fn a_comment_goes_with_the_container_it_is_read_in() {
    let texts = [
        "list:\n- a\n# end\n",
        "data:\n  a: 1\n\n  b: 2\n# end\n",
        "data:\n  a: {}  # in\n\n  list:\n  - b\n# end",
        "a: 1\n---\n# end\n",
        "# end\n---\n",
    ];
    for text in texts {
        for regex in [".", "^(data|list)$"] {
            let file = sealed(text, metadata(regex));
            assert_eq!(opened(&file), text, "{file}");
            let read = Encrypted::load(file.as_bytes(), Format::Yaml).expect("reads");
            assert!(!read.metadata().keeps_whole_text(&key()), "{file}");
            let (_, more) = changed(&file, r#"["new"]"#, Some("v".into()));
            let read = Encrypted::load(more.as_bytes(), Format::Yaml).expect("reads");
            let decrypted = read.decrypt(&key(), MacCheck::Verify).expect("decrypts");
            assert!(decrypted.clear_comments.is_empty(), "{more}");
            assert!(
                opened(&more).contains("# end") && lines_only_in(text, &opened(&more)).is_empty(),
                "{more}"
            );
        }
    }
}

#[test]
fn a_comment_between_two_documents_is_as_readable_as_the_selector_says() {
    let text = "k3: 1\n# end\n---\n# c4\n\nk5: 2\n";
    let file = sealed(text, metadata("^k3$"));
    assert!(file.contains("# end"), "{file}");
    assert_eq!(opened(&file), text, "{file}");
}

#[test]
fn setting_and_unsetting_gives_the_bytes_back() {
    for (text, _) in ODD.into_iter().chain([(NESTED, "")]) {
        let file = sealed(text, metadata("."));
        let (_, more) = changed(&file, r#"["new"]"#, Some("v".into()));
        let (_, back) = changed(&more, r#"["new"]"#, None);
        assert_eq!(opened(&back), text, "{more}");
    }
}

#[test]
fn inner_comments_go_with_what_is_unset() {
    let text = "a:\n  b: 1 # one\n  # foot\n\nc:\n  - 1\n  # last\nd: 4\n";
    let file = sealed(text, metadata("^nothing$"));
    assert_eq!(
        changed(&file, r#"["a"]"#, None).1.split("sops:").next(),
        Some("\nc:\n  - 1\n  # last\nd: 4\n")
    );
    let (_, after) = changed(&file, r#"["c"]"#, None);
    assert_eq!(content(&after, "sops:"), "a:\n  b: 1 # one\n  # foot\n\nd: 4\n");
}

#[test]
fn what_the_reference_passes_over_is_no_item() {
    let file = sealed("f: [ # note\n  a,\n  b ]\n", metadata("."));
    let (_, after) = changed(&file, r#"["f"][0]"#, None);
    assert_eq!(opened(&after), "f: [ # note\n  b ]\n");
}

/// What is changed and how the opened text looks before and after.
type Opened<'c> = (&'c str, &'c str, Option<&'c str>, &'c str);

#[test]
fn odd_texts_change_in_their_lines() {
    let cases: [Opened<'_>; 9] = [
        // A list as far left as its key gives way to brackets behind the key.
        ("k:\n# note\n- x\nz:   1\n", r#"["k"][1]"#, None, "k: []\n# note\nz:   1\n"),
        ("k: # one\n# two\n- x\nz:   1\n", r#"["k"][1]"#, None, "k: [] # one\n# two\nz:   1\n"),
        // Comments of the first line stay there.
        ("k: x # note\nz:   1\n", r#"["k"]"#, Some("a\nb\n"), "k: | # note\n    a\n    b\nz:   1\n"),
        // Empty lines that belong to a text go with it.
        ("k: |+\n  x\n\n\nz:   1\n", r#"["k"]"#, Some("y"), "k: |-\n  y\nz:   1\n"),
        // A string that was tagged becomes another one; an anchor's aliases are spelled when it changes.
        ("k: !!str 3\nz:   1\n", r#"["k"]"#, Some("v"), "k: !!str v\nz:   1\n"),
        (
            "k: &a\n  x: 1\n  y: 0x2\nz:\n  <<: *a\nw:   0x3\n",
            r#"["k"]["x"]"#,
            None,
            "k: &a\n  y: 0x2\nz:\n  <<: {\"x\": 1, \"y\": 2}\nw:   0x3\n",
        ),
        // Of two empty lines around what goes one goes too.
        ("k: 1\n\nz:   1\n\ny:   2\n", r#"["z"]"#, None, "k: 1\n\ny:   2\n"),
        ("k: 1\n\nz:   1\ny:   2\n", r#"["z"]"#, None, "k: 1\n\ny:   2\n"),
        ("k: 1\nz:   1\n\ny:   2\n", r#"["z"]"#, None, "k: 1\n\ny:   2\n"),
    ];
    for (text, path, value, wanted) in cases {
        let file = sealed(text, Metadata { selector: None, ..metadata(".") });
        assert_eq!(opened(&file), text, "{file}");
        let (_, after) = changed(&file, path, value.map(Value::from));
        assert_eq!(opened(&after), wanted, "{after}");
        let read = Encrypted::load(after.as_bytes(), Format::Yaml).expect("reads");
        let decrypted = read.decrypt(&key(), MacCheck::Verify).expect("decrypts");
        assert!(decrypted.clear_comments.is_empty(), "{after}");
    }
}

#[test]
fn a_tagged_string_becomes_a_number() {
    let file = sealed("k: [!!str 3, x]\nz:   1\n", metadata("^nothing$"));
    let (gone, came) = change(&file, r#"["k"][0]"#, Some(Value::Int(4)));
    assert_eq!((gone.len(), came.as_slice()), (1, &["k: [4, x]".to_owned()][..]));
}

/// What was set in below an empty line takes that one along.
#[test]
fn setting_and_unsetting_below_a_comment_gives_the_bytes_back() {
    for text in ["k:\n- x\n# note\n\n\n", "k:\n  a: 1\n# note\n\n", "k: |+\n\n\nz:   1\n"] {
        let file = sealed(text, Metadata { selector: None, ..metadata(".") });
        let (_, more) = changed(&file, r#"["new"]"#, Some("v".into()));
        let (_, back) = changed(&more, r#"["new"]"#, None);
        assert_eq!(opened(&back), text, "{more}");
    }
}

/// The last comment belongs to the document, but in its place it would be read in a mapping that is not encrypted.
#[test]
fn a_comment_at_the_end_is_encrypted_in_line_with_its_document() {
    let regex = Selector::UnencryptedRegex("^k".into());
    for text in ["k7:\n  k8:\n  # note\n", "k1:\n  k2: {}\n\n  # note\n"] {
        let file = sealed(text, Metadata { selector: Some(regex.clone()), ..metadata(".") });
        assert_eq!(opened(&file), text, "{file}");
        let read = Encrypted::load(file.as_bytes(), Format::Yaml).expect("reads");
        assert!(!read.metadata().keeps_whole_text(&key()) && !file.contains("note"), "{file}");
    }
}

/// A document that is written anew has its comments in other containers; they open there.
#[test]
fn comments_of_documents_that_are_written_anew_open() {
    let text = "k1:\n  'k4': # one\n    k5: [\n      b # two\n      ]\n    # three\n    k19: # four\n  # five\nk32: [ # six\n  ]\n";
    let file = sealed(text, Metadata { selector: None, ..metadata(".") });
    for path in [r#"["k1"]["k4"]"#, r#"["k1"]"#, r#"["k32"]"#] {
        for value in [None, Some(Value::from(vec![Value::from("x"), Value::from("y")]))] {
            let (_, after) = changed(&file, path, value);
            let read = Encrypted::load(after.as_bytes(), Format::Yaml).expect("reads");
            let decrypted = read.decrypt(&key(), MacCheck::Verify).expect("decrypts");
            assert!(decrypted.clear_comments.is_empty(), "{after}");
        }
    }
}

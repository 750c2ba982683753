//! Laws: what is encrypted comes back, unchanged values keep their text.

use proptest::prelude::*;
use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{self, Context, Encrypted, MacCheck, Original, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::select::Selector;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;
use sealfast_sops::tree::{Branch, Comment, Value};
use sealfast_sops::{path, shamir};

fn now() -> Time {
    Time::parse("2026-01-02T03:04:05Z").expect("a valid time")
}

fn metadata() -> Metadata {
    Metadata::new(vec![KeyGroup { keys: MasterKey::age_list("age1test") }], now())
}

fn seal(plain: Plain, metadata: Metadata, key: &DataKey, seed: u64) -> Encrypted {
    let mut rng = StdRng::seed_from_u64(seed);
    plain.encrypt(metadata, key, Context { now: now(), rng: &mut rng, reuse: None }).expect("encrypts")
}

fn key() -> DataKey {
    DataKey::generate(&mut StdRng::seed_from_u64(7))
}

/// Scalars that every format of nested values keeps apart.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_filter("not whole", |float| float.fract() != 0.0).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "(a|b|\n| |#|: ){0,12}".prop_map(Value::from),
    ]
}

fn branch(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Branch> {
    prop::collection::btree_map("[a-z_.#: ]{1,8}", value, 0..5).prop_map(|entries| {
        let mut branch = Branch::new();
        entries
            .into_iter()
            .filter(|(name, _)| name != "sops")
            .for_each(|(name, value)| branch.push(name, value));
        branch
    })
}

fn tree() -> impl Strategy<Value = Branch> {
    let value = scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            branch(inner).prop_map(Value::from),
        ]
    });
    branch(value)
}

fn selector() -> impl Strategy<Value = Option<Selector>> {
    prop_oneof![
        Just(None),
        Just(Some(Selector::UnencryptedSuffix("a".into()))),
        Just(Some(Selector::EncryptedSuffix("b".into()))),
        Just(Some(Selector::EncryptedRegex("^[a-m]".into()))),
        Just(Some(Selector::UnencryptedRegex("[x-z]$".into()))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn documents_come_back(tree in tree(), selector in selector(), only in any::<bool>(), seed in any::<u64>()) {
        let key = key();
        let metadata = Metadata { selector, mac_only_encrypted: only, ..metadata() };
        let plain = Plain::from_branches(vec![tree]);
        for format in [Format::Yaml, Format::Json] {
            let options = EmitOptions::default();
            let sealed = seal(plain.clone(), metadata.clone(), &key, seed);
            let original = plain.emit(format, &options).expect("writes");
            let file = sealed.emit(format, &options).expect("writes");
            let original = Original::of(original.expose(), format);
            let over = sealed.update(&original, &key, &mut StdRng::seed_from_u64(seed), &options).expect("writes");
            let over = Encrypted::load(&over, format).expect("reads");
            let read = Encrypted::load(&file, format).expect("reads");
            prop_assert_eq!(over.branches(), read.branches());
            prop_assert_eq!(read.metadata().selector.is_some(), true);
            let opened = read.decrypt(&key, MacCheck::Verify).expect("decrypts");
            prop_assert_eq!(
                opened.plain.emit(format, &options).expect("writes"),
                plain.emit(format, &options).expect("writes")
            );
        }
    }

    #[test]
    fn flat_files_come_back(lines in prop::collection::btree_map("[A-Z][A-Z0-9]{0,6}", "[ -~]{0,16}", 0..6)) {
        let text: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let key = key();
        let plain = Plain::load(text.as_bytes(), Format::Dotenv).expect("reads");
        let options = EmitOptions::default();
        let written = plain.emit(Format::Dotenv, &options).expect("writes");
        let file = seal(plain, metadata(), &key, 1).emit(Format::Dotenv, &options).expect("writes");
        let opened = Encrypted::load(&file, Format::Dotenv).expect("reads").decrypt(&key, MacCheck::Verify);
        prop_assert_eq!(opened.expect("decrypts").plain.emit(Format::Dotenv, &options).expect("writes"), written);
    }

    /// Neither indentation nor the format counts, only values, keys and their order.
    #[test]
    fn the_mac_does_not_depend_on_layout(
        tree in tree(), selector in selector(), only in any::<bool>(), indent in 1..9i32,
    ) {
        let metadata = Metadata { selector, mac_only_encrypted: only, ..metadata() };
        let sealed = seal(Plain::from_branches(vec![tree]), metadata, &key(), 1);
        let options = EmitOptions { yaml_indent: indent, json_indent: indent, ..EmitOptions::default() };
        let open = |file: &[u8], format| {
            let document = Encrypted::load(file, format).expect("reads");
            document.decrypt(&key(), MacCheck::Verify).expect("opens").plain
        };
        let wanted = open(&sealed.emit(Format::Yaml, &EmitOptions::default()).expect("writes"), Format::Yaml);
        let yaml = sealed.emit(Format::Yaml, &options).expect("writes");
        prop_assert_eq!(&open(&yaml, Format::Yaml), &wanted);
        let text = String::from_utf8_lossy(&yaml);
        // Empty lines are part of a block text that keeps those at its end.
        if !text.lines().any(|line| line.ends_with('+')) {
            let spaced = text.replace("\nsops:\n", "\n\n# a comment\n\nsops:\n");
            let spaced = Encrypted::load(spaced.as_bytes(), Format::Yaml).expect("reads");
            prop_assert!(spaced.decrypt(&key(), MacCheck::Verify).is_ok());
        }
        let json = sealed.emit(Format::Json, &options).expect("writes");
        let compact = serde_json::from_slice::<serde_json::Value>(&json).expect("is JSON").to_string();
        prop_assert!(!compact.contains('\n'));
        open(&json, Format::Json);
    }

    #[test]
    fn ini_files_come_back(
        sections in prop::collection::btree_map(
            "[a-zA-Z][a-z .]{0,6}[a-z]",
            prop::collection::btree_map("[a-zA-Z][a-z0-9_.]{0,6}", "[ -~é]{0,16}|[a-z]{1,4}\n[a-z]{1,4}", 0..5),
            0..4,
        ),
    ) {
        let mut branch = Branch::new();
        for (name, keys) in sections {
            let mut section = Branch::new();
            keys.into_iter().for_each(|(key, value)| section.push(key, value));
            branch.push(name, section);
        }
        let options = EmitOptions::default();
        // Of what INI cannot hold the first text is the measure.
        let text = Plain::from_branches(vec![branch]).emit(Format::Ini, &options).expect("writes");
        let plain = Plain::load(text.expose(), Format::Ini);
        prop_assume!(plain.is_ok());
        let plain = plain.expect("reads");
        prop_assume!(plain.check_unencrypted(Format::Ini).is_ok());
        let file = seal(plain.clone(), metadata(), &key(), 1).emit(Format::Ini, &options).expect("writes");
        let opened = Encrypted::load(&file, Format::Ini).expect("reads").decrypt(&key(), MacCheck::Verify);
        prop_assert_eq!(opened.expect("opens").plain, plain);
    }

    #[test]
    fn binary_files_come_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let options = EmitOptions::default();
        let plain = Plain::load(&bytes, Format::Binary).expect("reads");
        let file = seal(plain, metadata(), &key(), 1).emit(Format::Binary, &options).expect("writes");
        let opened = Encrypted::load(&file, Format::Binary).expect("reads").decrypt(&key(), MacCheck::Verify);
        let back = opened.expect("opens").plain.emit(Format::Binary, &options).expect("writes");
        prop_assert_eq!(back.expose(), bytes.as_slice());
    }

    #[test]
    fn any_threshold_of_shares_is_enough(
        secret in prop::collection::vec(any::<u8>(), 1..40), parts in 2..8usize, spare in 0..6usize, seed in any::<u64>(),
    ) {
        let threshold = parts.saturating_sub(spare).max(2);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut shares = shamir::split(&secret, parts, threshold, &mut rng).expect("splits");
        shares.rotate_left(seed as usize % parts);
        let taken: Vec<&[u8]> = shares[..threshold].iter().map(|share| share.as_slice()).collect();
        let combined = shamir::combine(&taken).expect("combines");
        prop_assert_eq!(combined.as_slice(), secret.as_slice());
    }

    #[test]
    fn hostile_text_is_an_error_and_no_panic(text in ".{0,200}") {
        for format in [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary] {
            let _ = Plain::load(text.as_bytes(), format);
            let _ = Encrypted::load(text.as_bytes(), format);
        }
        let _ = path::parse(&text);
    }
}

#[test]
fn unchanged_values_keep_their_ciphertext() {
    let key = key();
    let plain = Plain::load(b"a: one\nb: two\n", Format::Yaml).expect("reads");
    let first = seal(plain, metadata(), &key, 1);
    let (opened, nonces) = first.clone().decrypt_to_change(&key, MacCheck::Verify).expect("decrypts");
    let mut plain = opened.plain;
    plain.set(&path::parse("[\"b\"]").expect("a path"), "three".into()).expect("sets");
    let mut rng = StdRng::seed_from_u64(2);
    let context = Context { now: now(), rng: &mut rng, reuse: Some(&nonces) };
    let second = plain.encrypt(metadata(), &key, context).expect("encrypts");
    let value = |document: &Encrypted, name: &str| document.branches()[0].get(name).cloned();
    assert_eq!(value(&first, "a"), value(&second, "a"));
    assert_ne!(value(&first, "b"), value(&second, "b"));
}

#[test]
fn comments_in_lists_are_left_out_of_the_mac() {
    let key = key();
    let mut branch = Branch::new();
    branch.push("list", vec![Value::Comment(Comment::line(" note")), Value::from("item")]);
    let file = seal(Plain::from_branches(vec![branch]), metadata(), &key, 1)
        .emit(Format::Yaml, &EmitOptions::default())
        .expect("writes");
    let opened = Encrypted::load(&file, Format::Yaml).expect("reads").decrypt(&key, MacCheck::Verify);
    let text = opened.expect("decrypts").plain.emit(Format::Yaml, &EmitOptions::default()).expect("writes");
    assert_eq!(text.expose(), b"list:\n    # note\n    - item\n");
}

#[test]
fn objects_are_decrypted_in_memory() {
    let key = key();
    let text = br#"{"kind": "Secret", "stringData": {"port": 8080, "password": "hunter2"}}"#;
    let selector = Some(Selector::EncryptedRegex("^(data|stringData)$".into()));
    let file =
        seal(Plain::load(text, Format::Json).expect("reads"), Metadata { selector, ..metadata() }, &key, 1)
            .emit(Format::Json, &EmitOptions::default())
            .expect("writes");
    let object: serde_json::Value = serde_json::from_slice(&file).expect("is JSON");
    assert!(document::is_encrypted_object(&object));
    let opened = document::decrypt_object(&object, &key, MacCheck::Verify).expect("decrypts");
    assert_eq!(opened, serde_json::from_slice::<serde_json::Value>(text).expect("is JSON"));
    assert!(!document::is_encrypted_object(&opened));
}

#[test]
fn a_moved_value_names_its_place() {
    let key = key();
    let plain = Plain::load(b"a:\n  b: one\n  c: two\n", Format::Yaml).expect("reads");
    let file = seal(plain, metadata(), &key, 1).emit(Format::Yaml, &EmitOptions::default()).expect("writes");
    let moved = String::from_utf8_lossy(&file).replace("    b: ", "    x: ");
    let opened =
        Encrypted::load(moved.as_bytes(), Format::Yaml).expect("reads").decrypt(&key, MacCheck::Skip);
    match opened {
        Err(Error::Decrypt { path, .. }) => assert_eq!(path.to_string(), "a.x"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_documents_are_bounded() {
    let deep = [b"{\"a\":".repeat(5000), b"1".to_vec(), b"}".repeat(5000)].concat();
    assert!(Plain::load(&deep, Format::Json).is_err());
    assert!(Plain::load("[".repeat(50_000).as_bytes(), Format::Yaml).is_err());
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|level| {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            format!("a{level}: &a{level} [{items}]\n")
        }))
        .collect();
    assert!(Plain::load(bomb.as_bytes(), Format::Yaml).is_err());
}

#[test]
fn errors_and_values_do_not_print_plaintext() {
    let input = b"password: hunter2\npin: 4711\nrate: 0.815\nbig: 18446744073709551557\nyes: true\nborn: 2019-07-13\n";
    let plain = Plain::load(input, Format::Yaml).expect("reads");
    let shown = format!("{plain:?}");
    for secret in ["hunter2", "4711", "815", "18446744073709551557", "true", "2019", "1562976000"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    for kind in ["string", "int", "float64", "uint64", "bool", "time.Time", "born"] {
        assert!(shown.contains(kind), "no {kind} in {shown}");
    }
    let plain = Plain::load(b"password: hunter2\n", Format::Yaml).expect("reads");
    let document = seal(plain, metadata(), &key(), 1);
    let file = document.emit(Format::Yaml, &EmitOptions::default()).expect("writes");
    let tampered = String::from_utf8_lossy(&file).replace("password: ENC", "password: hunter3 ENC");
    let wrong = Encrypted::load(tampered.as_bytes(), Format::Yaml)
        .expect("reads")
        .decrypt(&key(), MacCheck::Verify)
        .expect_err("is no ciphertext");
    assert!(!format!("{wrong} {wrong:?}").contains("hunter3"));
}

#[test]
fn aliases_copy_a_bounded_number_of_bytes() {
    let long = format!("'{}'", "x".repeat(1 << 20));
    let many = |item: &str, times: usize| vec![item; times].join(", ");
    let bombs = [
        format!("a: &a {long}\nb: [{}]\n", many("*a", 200_000)),
        format!("a: &a {long}\nb: {{{}}}\n", (0..200).map(|at| format!("k{at}: *a, ")).collect::<String>()),
        format!("a: &a {long}\nb: [{}]\n", many("{? *a : 1}", 200)),
        format!("a: &a\n  # {long}\n  b: 1\nb: [{}]\n", many("*a", 200)),
        format!("a: &a {long}\nb: [{0}]\n", many("*a", 40))
            + &format!("---\na: &a {long}\nb: [{0}]\n", many("*a", 40)),
    ];
    let lines = [2, 2, 2, 4, 5];
    for (bomb, line) in bombs.iter().zip(lines) {
        let refused = Plain::load(bomb.as_bytes(), Format::Yaml).expect_err("copies too much");
        let wanted = format!("line {line}: the document's aliases expand to more than 67108864 bytes");
        assert_eq!(refused.to_string(), wanted);
    }
    let comments = Plain::read(bombs[3].as_bytes(), Format::Yaml);
    assert!(comments.is_err(), "comments that are read as numbers copy too much");
    let few = format!("a: &a {long}\nb: [{}]\n", many("*a", 60));
    assert!(Plain::load(few.as_bytes(), Format::Yaml).is_ok());
}

/// Nothing would be encrypted, and nobody would notice.
#[test]
fn selectors_that_do_not_compile_are_refused() {
    for selector in [
        Selector::EncryptedRegex("(".into()),
        Selector::UnencryptedRegex("a**".into()),
        Selector::EncryptedCommentRegex("[".into()),
        Selector::UnencryptedCommentRegex("\\".into()),
    ] {
        let metadata = || Metadata { selector: Some(selector.clone()), ..metadata() };
        let encrypt = |leniently: bool| {
            let plain = Plain::load(b"password: hunter2\n", Format::Yaml).expect("reads");
            let mut rng = StdRng::seed_from_u64(1);
            let context = Context { now: now(), rng: &mut rng, reuse: None };
            if leniently {
                plain.encrypt_leniently(metadata(), &key(), context)
            } else {
                plain.encrypt(metadata(), &key(), context)
            }
        };
        let refused = encrypt(false).expect_err("does not compile");
        assert!(matches!(refused, Error::Selector { field, .. } if field == selector.field()), "{refused}");
        // As the reference: it matches nothing, so that what should be chosen is not, and what should be left out is.
        let is_sealed = encrypt(true).expect("encrypts").has_encrypted_values();
        assert_eq!(is_sealed, selector.field().starts_with("unencrypted"), "{selector:?}");
    }
}

#[test]
fn without_a_selector_the_usual_suffix_counts() {
    let plain = Plain::load(b"a_unencrypted: x\nb: y\n", Format::Yaml).expect("reads");
    let document = seal(plain.clone(), Metadata { selector: None, ..metadata() }, &key(), 1);
    let file = document.emit(Format::Yaml, &EmitOptions::default()).expect("writes");
    assert!(file.starts_with(b"a_unencrypted: x\nb: ENC["), "{}", String::from_utf8_lossy(&file));
    let opened = Encrypted::load(&file, Format::Yaml).expect("reads").decrypt(&key(), MacCheck::Verify);
    assert_eq!(opened.expect("opens").plain, plain);
}

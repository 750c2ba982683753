//! `.sops.yaml`: which rule is taken and what it asks for.

use std::collections::BTreeMap;

use sealfast_sops::error::Error;
use sealfast_sops::metadata::MasterKey;
use sealfast_sops::path::Step;
use sealfast_sops::rules::{Config, Destination, line_of, place_at, unknown_fields};
use sealfast_sops::select::Selector;
use sealfast_sops::time::Time;

const CONFIG: &str = r"
stores:
  yaml: {indent: 2}
  json: {indent: 3}
creation_rules:
  - path_regex: ^clusters/prod/.*\.yaml$
    encrypted_regex: ^(data|stringData)$
    age: &keys >-
      age1a, age1b,
    pgp: [AB CD, EF]
  - path_regex: \.groups$
    shamir_threshold: 2
    key_groups:
      - merge:
          - age: [age1a]
          - pgp: [AB CD]
        age: [age1a, age1c]
      - hc_vault: [https://v:8200/v1/transit/keys/k]
      - kms:
          - arn: arn:aws:kms:eu-central-1:1:key/x
            context: {a: b}
  - path_regex: two
    encrypted_regex: a
    unencrypted_suffix: b
  - path_regex: wrong
    age: [1]
destination_rules:
  - path_regex: s3/
    s3_bucket: bucket
    recreation_rule: {age: age1z}
  - vault_path: secrets
    vault_kv_version: 1
";

fn config() -> Config {
    Config::parse(CONFIG.as_bytes(), "/repo").expect("a good configuration")
}

fn now() -> Time {
    Time::parse("2026-01-02T03:04:05Z").expect("a valid time")
}

/// Names of the keys, group by group.
fn groups(path: &str) -> Result<Vec<Vec<String>>, Error> {
    let config = config();
    let rule = config.rule_for(path)?.expect("there are rules");
    let groups = rule.key_groups(&BTreeMap::new(), now())?;
    Ok(groups.iter().map(|group| group.keys.iter().map(MasterKey::identity_string).collect()).collect())
}

#[test]
fn the_first_rule_that_matches_below_the_configuration_is_taken() {
    assert_eq!(groups("/repo/clusters/prod/a.yaml").expect("matches"), [["age1a", "age1b", "ABCD", "EF"]]);
    assert!(groups("/elsewhere/clusters/prod/a.yaml").is_err());
    let config = config();
    let rule = config.rule_for("/repo/clusters/prod/a.yaml").expect("matches").expect("there are rules");
    assert_eq!(rule.selector(), Some(&Selector::EncryptedRegex("^(data|stringData)$".into())));
    assert_eq!(
        (config.stores.yaml_indent, config.stores.json_indent, config.stores.binary_indent),
        (2, 3, -1)
    );
}

#[test]
fn groups_are_merged_first_and_keys_are_unique() {
    let names = groups("/repo/x.groups").expect("matches");
    assert_eq!(names[0], ["age1a", "ABCD", "age1c"]);
    assert_eq!(names[1], ["https://v:8200/v1/transit/keys/k"]);
    assert_eq!(names[2], ["arn:aws:kms:eu-central-1:1:key/x|a:b"]);
}

#[test]
fn mistakes_are_told() {
    let message = |path: &str| groups(path).expect_err("is wrong").to_string();
    let rules = config();
    let none = rules.rule_for("/repo/none");
    assert!(matches!(none, Err(Error::NoRule { path }) if path == "/repo/none"));
    assert!(message("/repo/none").contains("no matching creation rules found"));
    assert!(message("/repo/two").contains("are given, but a rule has one selector"));
    assert!(message("/repo/wrong").contains("a text in the list is wanted, not int"));
    assert!(Config::parse(b"creation_rules: 5", "/").is_err());
    let broken = Config::parse(b"creation_rules: [{path_regex: '('}]", "/").expect("reads");
    assert!(broken.rule_for("/x").expect_err("is wrong").to_string().contains("does not compile"));
}

#[test]
fn no_rules_at_all_is_no_configuration() {
    for text in ["", "# nothing\n", "stores: {}\n", "creation_rules:\n"] {
        let config = Config::parse(text.as_bytes(), "/").expect("reads");
        assert_eq!(config.rule_for("/x").expect("is fine"), None, "{text:?}");
    }
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text =
        "base: &base {age: age1a, encrypted_regex: x}\ncreation_rules:\n  - <<: *base\n    age: age1b\n";
    let config = Config::parse(text.as_bytes(), "/").expect("reads");
    let rule = config.rule_for("/x").expect("matches").expect("there are rules");
    assert_eq!(rule.selector(), Some(&Selector::EncryptedRegex("x".into())));
    let keys = rule.key_groups(&BTreeMap::new(), now()).expect("reads");
    assert_eq!(keys[0].keys, MasterKey::age_list("age1b"));
}

#[test]
fn destinations_are_found_by_the_path_as_given() {
    let config = config();
    let rule = config.destination_for("s3/a").expect("matches");
    assert_eq!(rule.destination, Some(Destination::S3 { bucket: "bucket".into(), prefix: String::new() }));
    let rule = config.destination_for("other").expect("matches");
    assert!(
        matches!(&rule.destination, Some(Destination::Vault { mount, version: 1, .. }) if mount == "secret/")
    );
}

#[test]
fn switches_and_numbers_are_read_as_freely_as_by_the_reference() {
    let rule = |fields: &str| {
        let config = Config::parse(format!("creation_rules: [{{{fields}}}]").as_bytes(), "/")?;
        config.rule_for("/x").map(|rule| rule.expect("there are rules").clone())
    };
    for (word, on) in
        [("yes", true), ("'on'", true), ("y", true), ("YES", true), ("off", false), ("No", false)]
    {
        let rule = rule(&format!("mac_only_encrypted: {word}")).expect("reads");
        assert_eq!(rule.mac_only_encrypted, on, "{word}");
    }
    assert!(rule("mac_only_encrypted: yEs").is_err());
    assert_eq!(rule("shamir_threshold: 2.9").expect("reads").shamir_threshold, 2);
    assert_eq!(rule("shamir_threshold: -1").expect("reads").shamir_threshold, 1, "cannot be split");
    assert!(rule("shamir_threshold: .inf").is_err());
    assert!(rule("shamir_threshold: '2'").is_err());
}

#[test]
fn wrong_types_are_told_with_their_lines() {
    let told = |text: &str| match Config::parse(text.as_bytes(), "/") {
        Err(Error::Configuration { full, .. }) => full.to_string_lossy().into_owned(),
        other => panic!("{text}: {other:?}"),
    };
    let unmarshal = |lines: &str| {
        format!("error loading config: Could not unmarshal config file: yaml: unmarshal errors:\n  {lines}")
    };
    for (text, lines) in [
        ("[]\n", "line 1: cannot unmarshal !!seq into config.configFile"),
        ("creation_rules: x\n", "line 1: cannot unmarshal !!str `x` into []config.creationRule"),
        ("creation_rules:\n  a: b\n", "line 2: cannot unmarshal !!map into []config.creationRule"),
        ("stores: 5\n", "line 1: cannot unmarshal !!int `5` into config.StoresConfig"),
        ("stores:\n  yaml:\n    indent: '2'\n", "line 3: cannot unmarshal !!str `2` into int"),
        (
            "creation_rules:\n- hckms: 5\n  mac_only_encrypted: 'true'\n- key_groups:\n  - age: a-long-recipient\n    kms: [x]\n",
            "line 2: cannot unmarshal !!int `5` into []string\n  line 3: cannot unmarshal !!str `true` into bool\n  \
             line 5: cannot unmarshal !!str `a-long-...` into []string\n  line 6: cannot unmarshal !!str `x` into config.kmsKey",
        ),
        ("stores: {}\nstores: {}\n", "line 2: mapping key \"stores\" already defined at line 1"),
        ("creation_rules:\n- age: {a: 1, a: 2}\n", "line 2: mapping key \"a\" already defined at line 2"),
    ] {
        assert_eq!(told(text), unmarshal(lines), "{text}");
    }
}

#[test]
fn texts_stay_as_they_are_written() {
    let text =
        "creation_rules: [{path_regex: 1.0, aws_profile: 007, kms: arn, key_groups: null}]\n---\nother: [";
    let config = Config::parse(text.as_bytes(), "/").expect("the first document counts alone");
    let rule = config.rule_for("/1.0").expect("matches").expect("there are rules");
    let keys = rule.key_groups(&BTreeMap::new(), now()).expect("reads");
    assert_eq!((rule.path_regex.as_str(), keys[0].keys[0].identity_string().as_str()), ("1.0", "arn||007"));
}

#[test]
fn mistakes_have_their_place() {
    let place = |text: &str| {
        let config = Config::parse(text.as_bytes(), "/").expect("reads");
        let found = config.rule_for("/x").and_then(|rule| {
            rule.expect("there are rules").key_groups(&BTreeMap::new(), now())?;
            Ok(())
        });
        let Err(Error::InRules { place, error }) = found else { panic!("{text}: {found:?}") };
        let shown = place.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        (shown, line_of(text.as_bytes(), &place).expect("is there"), error.to_string())
    };
    let (shown, line, error) = place("creation_rules:\n  - path_regex: y\n  - path_regex: (\n");
    assert_eq!((shown.as_str(), line), ("creation_rules.1.path_regex", 3));
    assert!(error.starts_with("does not compile: missing closing )"), "{error}");
    let (shown, line, _) = place("creation_rules:\n  - encrypted_regex: y\n    encrypted_suffix: x\n");
    assert_eq!((shown.as_str(), line), ("creation_rules.0.encrypted_regex", 2));
    let (shown, line, _) = place("creation_rules:\n  - kms: a\n    age:\n      - 5\n");
    assert_eq!((shown.as_str(), line), ("creation_rules.0.age", 3));
    let groups = "creation_rules:\n- key_groups:\n  - age: [a]\n  - merge:\n    - hc_vault:\n      - x\n";
    assert_eq!(place(groups).0, "creation_rules.0.key_groups.1.merge.0.hc_vault.0");
    assert_eq!(place(groups).1, 6);
}

#[test]
fn fields_that_are_not_known_are_found() {
    let text = "keys:\n  - &a age1a\nx-note: 1\nstore: {}\ncreation_rules:\n  - path_regexp: x\n    age: *a\n    \
                key_groups:\n      - kms: [{arns: x}]\n        <<: {}\n";
    let found = unknown_fields(text.as_bytes());
    let lines: Vec<usize> = found.iter().map(|unknown| unknown.line).collect();
    assert_eq!(lines, [4, 6, 9]);
    assert!(found[1].known.contains(&"path_regex") && found[2].known.contains(&"arn"));
    assert_eq!(place_at(text.as_bytes(), 6)[1], Step::Index(0));
    assert!(unknown_fields(b"creation_rules: [").is_empty() && unknown_fields(b"").is_empty());
}

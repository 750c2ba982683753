//! Mistakes in `.sops.yaml` are told with line, rule, field and what mends them.

use std::fs;
use std::process::Output;

use crate::sops::Desk;

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What `encrypt` says with these rules, `AGE` being a recipient.
fn encrypt(desk: &Desk, rules: &str) -> Output {
    fs::write(desk.path(".sops.yaml"), rules.replace("AGE", &desk.recipient)).unwrap();
    fs::write(desk.path("f.yaml"), "a: one\n").unwrap();
    desk.run(&["encrypt", "f.yaml"])
}

#[test]
fn mistakes_have_file_line_rule_and_field() {
    let desk = Desk::new();
    for (rules, message, hint) in [
        (
            "creation_rules:\n  - path_regex: ^y\n    pgp: 1\n  - age: 12\n",
            ".sops.yaml:4: creation rule 2: `age`: a text or a list of texts is wanted, not a number",
            "write one key, `age: KEY`, or a list",
        ),
        (
            "creation_rules:\n  - path_regex: (\n    age: AGE\n",
            ".sops.yaml:2: creation rule 1 (path_regex `(`): `path_regex`: does not compile",
            "write it in single quotes",
        ),
        (
            "creation_rules:\n  - path_regex: x\n    age: AGE\n  - path_regex: f\n    age: age1bad\n",
            ".sops.yaml:5: creation rule 2 (path_regex `f`): `age`: ",
            "an age recipient begins with age1",
        ),
        (
            "creation_rules:\n  - age: AGE\n    encrypted_regex: x\n    unencrypted_suffix: y\n",
            ".sops.yaml:3: creation rule 1: `encrypted_regex`: unencrypted_suffix and encrypted_regex are given",
            "remove `encrypted_regex`",
        ),
        (
            "creation_rules:\n  - age: AGE\n    encrypted_regex: (\n",
            ".sops.yaml:3: creation rule 1: `encrypted_regex`: ",
            "as '^(data|stringData)$'",
        ),
        (
            "creation_rules:\n  - key_groups:\n    - hc_vault:\n      - foo\n",
            ".sops.yaml:4: creation rule 1: `key_groups[0].hc_vault[0]`: missing scheme",
            "write it as `https://vault",
        ),
        (
            "creation_rules:\n  - age: AGE\n    shamir_threshold: many\n",
            ".sops.yaml:3: creation rule 1: `shamir_threshold`: a whole number is wanted, not a text",
            "without quotes",
        ),
        (
            "creation_rules:\n  age: AGE\n",
            ".sops.yaml:2: `creation_rules`: a list is wanted, not a mapping",
            "begin each item with `- `",
        ),
        (
            "creation_rules:\n  - path_regex: ^x$\n    age: AGE\n",
            ".sops.yaml:1: `creation_rules`: no creation rule is for ",
            "`- {path_regex: '^f\\.yaml$', age: age1…}`",
        ),
        (
            "creation_rules:\n  - age: []\n",
            ".sops.yaml:2: creation rule 1: it names no key",
            "add `age: RECIPIENT`",
        ),
        (
            "creation_rules:\n  - kms: foo\n",
            "no valid ARN found in 'foo'",
            "the keys are those of creation rule 1 at .sops.yaml:2",
        ),
        ("stores: {}\n", ".sops.yaml has no creation_rules", "creation_rules: [{age: age1…}]"),
    ] {
        let output = encrypt(&desk, rules);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{rules}{told}");
        assert!(told.contains(message) && told.contains("\nhint: "), "{rules}{told}");
        assert!(told.contains(hint), "{rules}{told}");
    }
}

#[test]
fn a_rule_that_is_added_as_told_is_for_the_file() {
    let desk = Desk::new();
    fs::create_dir(desk.path("odd (x)+")).unwrap();
    fs::write(desk.path("odd (x)+/f[1].yaml"), "a: one\n").unwrap();
    let mut rules = "creation_rules:\n- {path_regex: ^none$, pgp: A}\n".to_owned();
    fs::write(desk.path(".sops.yaml"), &rules).unwrap();
    let told = told(&desk.run(&["encrypt", "odd (x)+/f[1].yaml"]));
    let rule = told.split('`').find(|part| part.starts_with("- {")).expect("a rule is told");
    rules.push_str(&format!("{}\n", rule.replace("age1…", &desk.recipient)));
    fs::write(desk.path(".sops.yaml"), &rules).unwrap();
    assert!(desk.text(&["encrypt", "odd (x)+/f[1].yaml"]).contains("ENC["));
}

#[test]
fn fields_that_are_not_known_are_warned_about() {
    const RULES: &str =
        "keys:\n  - &me AGE\ncreation_rules:\n  - path_regexp: x\n    age: *me\n    recipients: x\n";
    let desk = Desk::new();
    let output = encrypt(&desk, RULES);
    let words = told(&output);
    assert!(output.status.success());
    let wanted =
        "warning: .sops.yaml:4: creation rule 1 has no field `path_regexp`: did you mean `path_regex`?\n";
    assert!(words.contains(wanted), "{words}");
    assert!(words.contains("has no field `recipients`: it may have path_regex, "), "{words}");
    assert_eq!(words.lines().count(), 2, "{words}");
    fs::create_dir(desk.path("below")).unwrap();
    fs::write(desk.path("below/g.yaml"), "a: one\n").unwrap();
    let many = desk.run(&["encrypt", "--check", "f.yaml", "below/g.yaml"]);
    assert_eq!(told(&many).matches("path_regexp").count(), 1, "{}", told(&many));
    let output = desk.command_as("sops", &["encrypt", "f.yaml"]).output().unwrap();
    assert!(output.status.success() && told(&output).is_empty(), "{}", told(&output));
}

#[test]
fn a_second_selector_is_told_with_both_places() {
    let desk = Desk::new();
    encrypt(&desk, "creation_rules:\n  - age: AGE\n    encrypted_regex: x\n");
    let output = desk.run(&["encrypt", "--unencrypted-regex", "y", "f.yaml"]);
    assert_eq!(output.status.code(), Some(8));
    let wanted = "`--unencrypted-regex` and `encrypted_regex` of creation rule 1 at .sops.yaml:2";
    assert!(told(&output).contains(wanted), "{}", told(&output));
}

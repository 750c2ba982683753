//! What errors tell besides what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::sops::Desk;

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a call says that fails with a code.
fn refusal(desk: &Desk, code: i32, args: &[&str]) -> String {
    let output = desk.run(args);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
    told
}

#[test]
fn an_identity_that_does_not_fit_is_told_with_its_place() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
    let recipient = fs::read_to_string(keys.join("age2.pub")).unwrap();
    fs::copy(keys.join("age2.agekey"), desk.path("other.txt")).unwrap();
    let decrypt = |command: &mut Command| {
        let output = command.env("SOPS_AGE_KEY_FILE", desk.path("other.txt")).output().unwrap();
        assert_eq!(output.status.code(), Some(128));
        told(&output)
    };
    let told = decrypt(&mut desk.command(&["decrypt", "a.yaml"]));
    let wanted = format!(
        "{} (SOPS_AGE_KEY_FILE) holds the identity of {}: the file is not encrypted for it.",
        desk.path("other.txt").display(),
        recipient.trim()
    );
    assert!(told.contains(&wanted), "{told}");
    assert!(told.contains("to the file that SOPS_AGE_KEY_FILE names"), "{told}");
    assert!(!told.contains("AGE-SECRET-KEY"), "{told}");
    let told = decrypt(&mut desk.command_as("sops", &["decrypt", "a.yaml"]));
    assert!(!told.contains("holds the identity"), "{told}");
}

#[test]
fn an_identity_that_opens_one_group_of_two_is_told_so() {
    let desk = Desk::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
    let other = fs::read_to_string(keys.join("age2.pub")).unwrap();
    let rules = format!(
        "creation_rules:\n  - shamir_threshold: 2\n    key_groups:\n      - age: [{}]\n      - age: [{}]\n",
        desk.recipient,
        other.trim()
    );
    fs::write(desk.path(".sops.yaml"), rules).unwrap();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    desk.text(&["encrypt", "-i", "a.yaml"]);
    let told = refusal(&desk, 128, &["decrypt", "a.yaml"]);
    let wanted = format!(
        "holds the identity of {}: it opens one key group, but others are needed, too.",
        desk.recipient
    );
    assert!(told.contains(&wanted), "{told}");
    assert!(!told.contains("not encrypted for it"), "{told}");
}

#[test]
fn a_path_that_leads_nowhere_is_told_with_what_there_is() {
    let desk = Desk::new();
    let file = desk.encrypted("a.yaml", "a:\n  b: hunter2\n  c: [1, 2]\nd: 3\n");
    let extract = |path: &str| refusal(&desk, 1, &["decrypt", "--extract", path, "a.yaml"]);
    let told = extract("[\"a\"][\"x\"]");
    assert!(told.contains(file.to_str().unwrap()), "{told}");
    assert!(told.contains("hint: `[\"a\"]` has the keys b, c\n"), "{told}");
    assert!(extract("[\"x\"][\"y\"]").contains("hint: the document has the keys a, d\n"));
    assert!(extract("[\"a\"][\"c\"][7]").contains("hint: `[\"a\"][\"c\"]` is a list of 2\n"));
    let told = extract("[\"a\"][\"b\"][\"y\"]");
    assert!(told.contains("hint: `[\"a\"][\"b\"]` is a value with nothing below it\n"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let told = refusal(&desk, 1, &["unset", "a.yaml", "[\"a\"][\"x\"]"]);
    assert!(told.contains("hint: `[\"a\"]` has the keys b, c\n"), "{told}");
}

#[test]
fn lines_are_told() {
    let desk = Desk::new();
    let encrypt = |name: &str, text: &[u8], code| {
        fs::write(desk.path(name), text).unwrap();
        refusal(&desk, code, &["encrypt", "--age", &desk.recipient, name])
    };
    let told = encrypt("a.yaml", b"a: 1\nb: \x01\n", 2);
    assert!(told.contains("a.yaml: line 2: yaml: control characters are not allowed"), "{told}");
    let told = encrypt("a.json", b"{\"a\": 1,\n\"b\": x}\n", 2);
    assert!(told.contains("a.json: line 2: "), "{told}");
    let told = encrypt("b.yaml", b"a:\n  b: 1\n  3: 2\n", 23);
    assert!(told.contains("b.yaml:3: key `3` at `a` is not a string"), "{told}");
    let told = encrypt("c.yaml", b"3: 2\n", 23);
    assert!(told.contains("c.yaml:1: key `3`"), "{told}");
}

#[test]
fn our_own_words_name_no_flags_of_others() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    let told = refusal(&desk, 7, &["set", "a.yaml", "[\"a\"]", "x"]);
    assert!(told.starts_with("error: the value is not valid JSON\n"), "{told}");
    let told = refusal(&desk, 4, &["decrypt", "--output-type", "binary", "a.yaml"]);
    assert_eq!(told.matches("hint:").count(), 1, "{told}");
    let told = refusal(&desk, 8, &["encrypt", "."]);
    assert!(told.contains("hint: add --recursive"), "{told}");
    for verb in ["set", "updatekeys", "decrypt", "publish", "keyservice"] {
        let help = desk.text(&[verb, "--help"]);
        assert!(!help.contains("comment-regex"), "{help}");
        assert_eq!(help.matches("--verbose").count(), 1, "{help}");
    }
    assert!(desk.text(&["set", "--help"]).contains("Usage: sealfast set [options] file… path value\n"));
    assert_eq!(desk.text(&["version"]), desk.text(&["--version"]));
}

#[test]
fn a_directory_that_cannot_be_looked_at_is_a_failure() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    fs::write(desk.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", desk.recipient)).unwrap();
    fs::create_dir(desk.path("closed")).unwrap();
    fs::set_permissions(desk.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let args = ["filestatus", "--recursive", "."];
    let output = if fs::read_dir(desk.path("closed")).is_ok() {
        // The superuser, who must do without that.
        let without = ["--bounding-set=-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_sealfast")];
        desk.command_of("setpriv".as_ref(), &[&without[..], &args].concat()).output().unwrap()
    } else {
        desk.run(&args)
    };
    let told = told(&output);
    fs::set_permissions(desk.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("closed: permission denied"), "{told}");
    assert!(told.ends_with("\n2 files: 0 changed, 1 unchanged, 1 failed\n"), "{told}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "a.yaml: encrypted\n");
}

#[test]
fn a_manifest_that_no_controller_could_read_is_told() {
    const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  a: one\n";
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), SECRET).unwrap();
    let age = desk.recipient.clone();
    let encrypt =
        |more: &[&'static str]| [&["encrypt", "--age", age.as_str()][..], more, &["a.yaml"]].concat();
    let output = desk.run(&encrypt(&[]));
    let words = told(&output);
    assert!(output.status.success() && words.contains("`apiVersion`, `kind`, `metadata.name`"), "{words}");
    assert!(words.contains("--encrypted-regex '^(data|stringData)$'"), "{words}");
    let words = refusal(&desk, 1, &encrypt(&["--strict"]));
    assert!(words.contains("hint: encrypt only what is secret"), "{words}");
    let words = refusal(&desk, 1, &encrypt(&["--strict", "--unencrypted-regex", "^(apiVersion|kind)$"]));
    assert!(words.contains("`metadata.name`") && !words.contains("`kind`"), "{words}");
    let output = desk.run(&encrypt(&["--strict", "--encrypted-regex", "^(data|stringData)$"]));
    assert!(output.status.success() && told(&output).is_empty(), "{}", told(&output));
    fs::write(desk.path("a.yaml"), "kind: of\nmetadata: x\n").unwrap();
    assert_eq!(told(&desk.run(&encrypt(&["--strict"]))), "");
    let output = desk.command_as("sops", &["encrypt", "--age", &age, "a.yaml"]).output().unwrap();
    assert_eq!(told(&output), "");
}

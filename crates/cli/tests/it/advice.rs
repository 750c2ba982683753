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
fn an_ssh_key_is_wanted_by_the_variables_of_ssh_keys() {
    let desk = Desk::new();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
    let ssh = fs::read_to_string(keys.join("ssh-ed25519.pub")).unwrap();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    desk.text(&["encrypt", "-i", "--age", ssh.trim(), "a.yaml"]);
    let words = refusal(&desk, 128, &["decrypt", "a.yaml"]);
    let (_, hints) = words.split_once("hint: ").unwrap();
    assert!(hints.contains("SOPS_AGE_SSH_PRIVATE_KEY_FILE"), "{hints}");
    assert!(!hints.contains("SOPS_AGE_KEY_FILE"), "{hints}");
    let mut command = desk.command(&["decrypt", "a.yaml"]);
    command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", keys.join("ssh-ed25519"));
    assert!(command.output().unwrap().status.success());
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
    assert!(told.ends_with("\n2 files: 1 encrypted, 0 not, 1 failed\n"), "{told}");
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
    fs::write(desk.path("a.yaml"), format!("{SECRET}---\na: 1\n---\n{SECRET}")).unwrap();
    let words = refusal(&desk, 1, &encrypt(&["--strict", "--unencrypted-regex", "^(apiVersion|kind)$"]));
    assert!(words.contains("`metadata.name` in document 1, `metadata.name` in document 3 of"), "{words}");
    fs::write(desk.path("a.yaml"), "kind: of\nmetadata: x\n").unwrap();
    assert_eq!(told(&desk.run(&encrypt(&["--strict"]))), "");
    let output = desk.command_as("sops", &["encrypt", "--age", &age, "a.yaml"]).output().unwrap();
    assert_eq!(told(&output), "");
}

#[test]
fn the_last_key_of_a_group_is_not_taken_away() {
    let desk = Desk::new();
    let file = desk.encrypted("a.yaml", "a: one\n");
    let before = fs::read(&file).unwrap();
    let words = refusal(&desk, 1, &["rotate", "-i", "--rm-age", &desk.recipient, "a.yaml"]);
    assert!(words.contains("a key group would have no key left") && words.contains("--add-age"), "{words}");
    let words = refusal(&desk, 1, &["groups", "delete", "-i", "-f", "a.yaml", "0"]);
    assert!(words.contains("it is the last key group") && words.contains("hint: add another"), "{words}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_secret_key_in_the_place_of_a_recipient_is_not_repeated() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let keys =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys/age2.agekey"));
    let identity = keys.unwrap().lines().last().unwrap().to_owned();
    fs::write(desk.path("rules.yaml"), format!("creation_rules:\n  - age: {identity}\n")).unwrap();
    let calls: [&[&str]; 3] = [
        &["encrypt", "--age", &identity, "a.yaml"],
        &["encrypt", "--age", &identity.to_lowercase(), "a.yaml"],
        &["encrypt", "--config", "rules.yaml", "a.yaml"],
    ];
    for args in calls {
        let words = refusal(&desk, 1, args);
        assert!(words.contains("a secret key stands where a recipient belongs"), "{words}");
        assert!(words.contains("hint: `age-keygen -y FILE` prints its recipient"), "{words}");
        assert!(!words.to_lowercase().contains(&identity.to_lowercase()[..30]), "{words}");
    }
    let output = desk.command_as("sops", &["encrypt", "--age", &identity, "a.yaml"]).output().unwrap();
    assert!(output.status.code() == Some(1) && !told(&output).contains(&identity[..30]), "{}", told(&output));
}

#[test]
fn keys_of_services_that_have_another_shape_are_told_theirs() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    for (flag, shape) in [
        ("--kms", "arn:aws:kms:REGION:ACCOUNT:key/ID"),
        ("--gcp-kms", "projects/P/locations/L/keyRings/R/cryptoKeys/K"),
        ("--azure-kv", "https://NAME.vault.azure.net/keys/KEY/VERSION"),
        ("--hc-vault-transit", "https://vault.example.com:8200/v1/transit/keys/NAME"),
        ("--hckms", "REGION:KEY-UUID"),
    ] {
        let words = refusal(&desk, 1, &["encrypt", flag, "bad", "a.yaml"]);
        assert!(words.contains(&format!("hint: write it as `{shape}`")), "{words}");
    }
}

#[test]
fn files_that_cannot_be_read_are_told_in_few_words() {
    let desk = Desk::new();
    for (verb, code) in [("filestatus", 2), ("rotate", 2), ("updatekeys", 1), ("publish", 1)] {
        let words = refusal(&desk, code, &[verb, "none.yaml"]);
        assert!(words.ends_with("none.yaml: no such file or directory\n"), "{words}");
        assert!(words.starts_with("error: ") && !words.contains("open "), "{words}");
    }
    fs::write(desk.path("a.yaml"), "a: [\n").unwrap();
    assert!(refusal(&desk, 1, &["filestatus", "a.yaml"]).starts_with("error: a.yaml: "));
}

#[test]
fn hints_are_in_the_summary_for_programs() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    fs::write(desk.path("b.yaml"), "a: one\n").unwrap();
    let output = desk.run(&["decrypt", "--check", "--output", "json", "a.yaml", "b.yaml"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["files"][0].get("hints"), None);
    assert_eq!(summary["files"][1]["hints"][0], "the file is not encrypted; `encrypt` it first");
}

#[test]
fn help_of_each_verb_tells_its_exit_codes_and_of_groups_each_half() {
    let desk = Desk::new();
    assert!(desk.text(&["decrypt", "--help"]).contains("\n  51   the file was changed since"));
    let add = desk.text(&["groups", "add", "--help"]);
    assert!(add.contains("Usage: sealfast groups add [options]\n") && add.contains("--age value"), "{add}");
    assert!(!add.contains("groups delete"), "{add}");
    let delete = desk.text(&["groups", "delete", "--help"]);
    assert!(delete.contains("Usage: sealfast groups delete [options] INDEX\n"), "{delete}");
    assert!(!delete.contains("--age value") && delete.contains("groups delete -f secret.yaml"), "{delete}");
    assert!(!desk.text(&["sops", "decrypt", "--help"]).contains("Exit codes"));
}

#[test]
fn the_configuration_of_a_stranger_says_nothing() {
    let desk = Desk::new();
    fs::create_dir(desk.path("own")).unwrap();
    fs::write(desk.path("own/a.yaml"), "a: one\n").unwrap();
    let config = desk.path(".sops.yaml");
    fs::write(&config, format!("creation_rules:\n  - age: {}\n", desk.recipient)).unwrap();
    assert!(desk.run(&["encrypt", "own/a.yaml"]).status.success());
    // Only the superuser can give a file away; what counts is tried beside the rule, too.
    if std::os::unix::fs::chown(&config, Some(4321), None).is_ok() {
        let words = refusal(&desk, 1, &["encrypt", "own/a.yaml"]);
        assert!(words.contains(".sops.yaml belongs to another user (uid 4321)"), "{words}");
        assert!(
            words.contains("hint: see what it holds; to use it all the same: --config .sops.yaml"),
            "{words}"
        );
        assert!(desk.run(&["encrypt", "--config", ".sops.yaml", "own/a.yaml"]).status.success());
        assert!(desk.command_as("sops", &["encrypt", "own/a.yaml"]).output().unwrap().status.success());
        // A directory that is still to come has an owner already: that of the one it will be made in.
        let words = refusal(&desk, 1, &["encrypt", "--filename-override", "own/none/a.yaml", "own/a.yaml"]);
        assert!(words.contains(".sops.yaml belongs to another user (uid 4321)"), "{words}");
        // Who owns a link chooses what it leads to, also where that is none of theirs.
        fs::rename(&config, desk.path("rules")).unwrap();
        std::os::unix::fs::symlink("rules", &config).unwrap();
        std::os::unix::fs::chown(desk.path("rules"), Some(0), None).unwrap();
        assert!(desk.run(&["encrypt", "own/a.yaml"]).status.success());
        std::os::unix::fs::lchown(&config, Some(4321), None).unwrap();
        let words = refusal(&desk, 1, &["encrypt", "own/a.yaml"]);
        assert!(words.contains(".sops.yaml belongs to another user (uid 4321)"), "{words}");
        std::os::unix::fs::chown(desk.path("own"), Some(4321), None).unwrap();
        assert!(desk.run(&["encrypt", "own/a.yaml"]).status.success());
    }
}

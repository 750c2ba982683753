//! What `sops` tells where something is damaged, missing or full.

use std::fs::{self, File};
use std::process::Output;

use crate::sops::Desk;

fn sops(desk: &Desk, args: &[&str]) -> (Option<i32>, String) {
    told(&desk.command_as("sops", args).output().unwrap())
}

fn told(output: &Output) -> (Option<i32>, String) {
    let whole = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8(whole).unwrap())
}

#[track_caller]
fn assert_tells((code, text): (Option<i32>, String), wanted: i32, part: &str) {
    assert_eq!(code, Some(wanted), "{text}");
    assert!(text.contains(part), "no {part:?} in: {text}");
}

/// Changes a text of an encrypted file.
fn change(desk: &Desk, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(desk.path(name)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(desk.path(name), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_damaged_block_of_age_is_told_in_its_words() {
    let desk = Desk::new();
    desk.encrypted("e.json", "{\"a\": \"one\"}\n");
    // `age-` of the first line in base64.
    change(&desk, "e.json", "YWdlLWVuY3J5", "YXdlLWVuY3J5");
    let (code, text) = sops(&desk, &["decrypt", "e.json"]);
    let line = text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
    let wanted = "failed to read header: parsing age header: unexpected intro: \"awe-encryption.org/v1\\n\".";
    assert_tells((code, line), 128, wanted);
}

#[test]
fn comments_in_the_clear_are_told_before_a_mac_that_does_not_fit() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n# two\nb_unencrypted: three\n");
    let text = fs::read_to_string(desk.path("e.yaml")).unwrap();
    let comment = text.lines().find(|line| line.starts_with('#')).unwrap();
    change(&desk, "e.yaml", comment, "# \"plain\"");
    change(&desk, "e.yaml", "three", "four");
    let (code, text) = sops(&desk, &["decrypt", "e.yaml"]);
    assert!(text.starts_with("[SOPS]\t time="), "{text}");
    assert_tells(
        (code, text),
        51,
        "created with an older version of SOPS.\" comment=\" \\\"plain\\\"\"\nMAC mismatch.",
    );
    let own = told(&desk.run(&["decrypt", "e.yaml"]));
    assert!(!own.1.contains("plain\""), "{}", own.1);
    assert_tells(own, 51, "warning: a comment in the clear");
}

#[test]
fn a_configuration_has_to_be_right_for_every_command() {
    let desk = Desk::new();
    desk.encrypted("e.env", "A=one\n");
    fs::write(desk.path(".sops.yaml"), "creation_rules: 5\n").unwrap();
    for args in [&["exec-env", "e.env", "true"][..], &["filestatus", "e.env"]] {
        assert_tells(sops(&desk, args), 1, "error loading config: ");
    }
    assert_tells(told(&desk.run(&["exec-env", "e.env", "echo $A"])), 0, "one");
}

#[test]
fn keys_of_a_rule_have_to_be_right_where_flags_name_others() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    fs::write(desk.path(".sops.yaml"), "creation_rules:\n  - hc_vault_transit_uri: x\n").unwrap();
    let args =
        ["encrypt", "--age", &desk.recipient, "--encrypted-regex", "a", "--encrypted-suffix", "b", "a.yaml"];
    assert_tells(sops(&desk, &args), 1, "missing scheme in Vault URL");
}

#[test]
fn deleting_a_group_takes_no_keys() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let args = ["groups", "delete", "-f", "e.yaml", "--age", &desk.recipient, "0"];
    assert_tells(sops(&desk, &args), 1, "flag provided but not defined: -age");
}

#[test]
fn a_threshold_that_nobody_reaches_is_refused_in_its_own_words() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let threshold = "--shamir-secret-sharing-threshold";
    let args = ["groups", "add", "-f", "e.yaml", "--age", &desk.recipient, threshold, "3"];
    assert_tells(sops(&desk, &args), 1, "the Shamir threshold of 3 is more than the 2 key groups there are");
}

#[test]
fn what_cannot_be_written_is_named_by_its_flag() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let args = ["encrypt", "--age", &desk.recipient, "--output", "no/x", "a.yaml"];
    let wanted = "Could not open output file for writing: open no/x: no such file or directory";
    assert_tells(sops(&desk, &args), 3, wanted);
}

#[test]
fn failures_of_gpg_name_the_keyring_that_was_looked_for() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567";
    let args = ["encrypt", "--pgp", fingerprint, "a.yaml"];
    let library = "github.com/ProtonMail/go-crypto/openpgp error: ";
    let wanted = format!(
        "{library}key with fingerprint '{fingerprint}' is not available in keyring; GnuPG binary error: "
    );
    assert_tells(sops(&desk, &args), 1, &wanted);
    assert!(!told(&desk.run(&args)).1.contains("ProtonMail"));
}

#[test]
fn a_full_disk_is_never_success() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    fs::copy(desk.path("e.yaml"), desk.path("f.yaml")).unwrap();
    let calls: [&[&str]; 5] = [
        &["filestatus", "--output", "json", "e.yaml", "f.yaml"],
        &["filestatus", "e.yaml", "f.yaml"],
        &["decrypt", "e.yaml"],
        &["--help"],
        &["--version"],
    ];
    for args in calls {
        let mut command = desk.command(args);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let (code, text) = told(&command.output().unwrap());
        assert_eq!(code, Some(1), "{args:?}: {text}");
        assert!(text.contains("failed to write to standard output"), "{args:?}: {text}");
    }
}

//! Passphrases from the real gpg-agent, with a pinentry that answers by itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use age::secrecy::SecretString;
use sealfast_testkit::gnupg::Home;
use sealfast_testkit::{place, program};

const PASSPHRASE: &str = "horse-battery";

/// Starts an agent whose pinentry gives a passphrase and counts how often it was asked.
fn agent(home: &Home, passphrase: &str) {
    let pinentry = home.path().join("pinentry");
    let counted = home.path().join("asked");
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r word rest; do\n  case $word in\n  GETPIN) echo \"$rest\" >>{counted}; echo \"D {passphrase}\"; echo OK ;;\n  \
         BYE) echo OK; exit ;;\n  *) echo OK ;;\n  esac\ndone\n",
        counted = counted.display()
    );
    fs::write(&pinentry, script).unwrap();
    fs::set_permissions(&pinentry, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = format!("pinentry-program {}\n", pinentry.display());
    fs::write(home.path().join("gpg-agent.conf"), settings).unwrap();
    let mut launch = program::clean("gpgconf").unwrap();
    let launched = launch.env("GNUPGHOME", home.path()).args(["--launch", "gpg-agent"]).status().unwrap();
    assert!(launched.success());
}

fn asked(home: &Home) -> usize {
    fs::read_to_string(home.path().join("asked")).unwrap_or_default().lines().count()
}

fn run(home: &Home, dir: &Path, identity: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
    command.args(args).current_dir(dir).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir);
    command.env("GNUPGHOME", home.path());
    if let Some(identity) = identity {
        command.env("SOPS_AGE_KEY", identity);
    }
    command.output().unwrap()
}

/// The first age identity of the recorded keys, encrypted with the passphrase.
fn locked_identity() -> String {
    let text = fs::read(place::golden("sops/keys").join("age1.agekey")).unwrap();
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE));
    recipient.set_work_factor(2);
    age::encrypt_and_armor(&recipient, &text).unwrap()
}

#[test]
fn the_agent_unlocks_an_age_identity_and_keeps_its_passphrase() {
    let home = Home::new().unwrap();
    agent(&home, PASSPHRASE);
    let recipient = fs::read_to_string(place::golden("sops/keys").join("age1.pub")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "a: one\n").unwrap();
    let output =
        run(&home, dir.path(), None, &["sops", "encrypt", "-i", "--age", recipient.trim(), "a.yaml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let identity = locked_identity();
    for _ in 0..2 {
        let output = run(&home, dir.path(), Some(&identity), &["sops", "decrypt", "a.yaml"]);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a: one\n", "{talk}");
        assert_eq!(asked(&home), 1, "the agent keeps what it was told: {talk}");
    }
}

#[test]
fn a_wrong_passphrase_is_forgotten() {
    let home = Home::new().unwrap();
    agent(&home, "wrong");
    let recipient = fs::read_to_string(place::golden("sops/keys").join("age1.pub")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "a: one\n").unwrap();
    run(&home, dir.path(), None, &["sops", "encrypt", "-i", "--age", recipient.trim(), "a.yaml"]);
    let identity = locked_identity();
    for count in 1..3 {
        let output = run(&home, dir.path(), Some(&identity), &["sops", "decrypt", "a.yaml"]);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && talk.contains("is protected by a passphrase"), "{talk}");
        assert_eq!(asked(&home), count, "{talk}");
    }
}

#[test]
fn the_agent_unlocks_an_openpgp_key_of_a_file() {
    let home = Home::new().unwrap();
    let unlock = ["--pinentry-mode", "loopback", "--passphrase", PASSPHRASE];
    home.run(
        &[&unlock[..], &["--quick-generate-key", "me", "future-default", "default", "never"]].concat(),
        b"",
    )
    .unwrap();
    let secret = home.run(&[&unlock[..], &["--armor", "--export-secret-keys", "me"]].concat(), b"").unwrap();
    let fingerprint = sealfast_keys::pgp::fingerprints(&secret).unwrap().remove(0);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("key.asc"), &secret).unwrap();
    let repository = dir.path().join("repo");
    fs::create_dir_all(repository.join(".git")).unwrap();
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  a: one\n";
    fs::write(repository.join("s.yaml"), manifest).unwrap();
    let sealed =
        ["sops", "encrypt", "-i", "--encrypted-regex", "^stringData$", "--pgp", &fingerprint, "repo/s.yaml"];
    let output = run(&home, dir.path(), None, &sealed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // Another home, which has the agent but not the key.
    let other = Home::new().unwrap();
    agent(&other, PASSPHRASE);
    let output = run(&other, dir.path(), None, &["render", "repo", "--identity", "key.asc"]);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("kind: Secret"), "{talk}");
    assert_eq!(asked(&other), 1, "{talk}");
}

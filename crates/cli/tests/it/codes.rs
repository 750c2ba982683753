//! Exit codes: those that help prints, and no others, each of them provoked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::sops::Desk;

/// Calls that end with a code that help prints. `FULL` before a call: nothing can be written.
const CALLS: &[(&str, &str, &str)] = &[
    ("encrypt", "2", "encrypt bad.yaml"),
    ("encrypt", "3", "encrypt --output none/a.yaml plain.yaml"),
    ("encrypt", "8", "encrypt --in-place --output a.yaml plain.yaml"),
    ("encrypt", "23", "encrypt number.yaml"),
    ("encrypt", "100", "encrypt none.yaml"),
    ("encrypt", "203", "encrypt secret.yaml"),
    ("decrypt", "2", "decrypt large.yaml"),
    ("decrypt", "3", "decrypt --output none/a.yaml secret.yaml"),
    ("decrypt", "8", "decrypt --in-place --output a.yaml secret.yaml"),
    ("decrypt", "25", "decrypt swapped.yaml"),
    ("decrypt", "51", "decrypt short.yaml"),
    ("decrypt", "91", "decrypt --extract [\"a secret.yaml"),
    ("decrypt", "100", "decrypt none.yaml"),
    ("decrypt", "128", "decrypt other.yaml"),
    ("edit", "2", "edit large.yaml"),
    ("edit", "3", "FULL edit secret.yaml"),
    ("edit", "25", "edit swapped.yaml"),
    ("edit", "51", "edit short.yaml"),
    ("edit", "100", "edit"),
    ("edit", "128", "edit other.yaml"),
    ("edit", "200", "edit secret.yaml"),
    ("edit", "201", "EDITOR=false edit secret.yaml"),
    ("set", "2", "set none.yaml [\"a\"] 1"),
    ("set", "3", "FULL set secret.yaml [\"a\"] 1"),
    ("set", "7", "set secret.yaml a 1"),
    ("set", "7", "set secret.yaml [\"a\"] x"),
    ("set", "25", "set swapped.yaml [\"a\"] 1"),
    ("set", "51", "set short.yaml [\"a\"] 1"),
    ("set", "100", "set"),
    ("set", "128", "set other.yaml [\"a\"] 1"),
    ("unset", "2", "unset none.yaml [\"a\"]"),
    ("unset", "3", "FULL unset secret.yaml [\"a\"]"),
    ("unset", "7", "unset secret.yaml a"),
    ("unset", "25", "unset swapped.yaml [\"a\"]"),
    ("unset", "51", "unset short.yaml [\"a\"]"),
    ("unset", "100", "unset"),
    ("unset", "128", "unset other.yaml [\"a\"]"),
    ("rotate", "2", "rotate none.yaml"),
    ("rotate", "3", "rotate --output none/a.yaml secret.yaml"),
    ("rotate", "8", "rotate --in-place --output a.yaml secret.yaml"),
    ("rotate", "25", "rotate swapped.yaml"),
    ("rotate", "51", "rotate short.yaml"),
    ("rotate", "100", "rotate"),
    ("rotate", "128", "rotate other.yaml"),
    ("updatekeys", "2", "updatekeys --yes large.yaml"),
    ("updatekeys", "3", "FULL updatekeys --yes both.yaml"),
    ("updatekeys", "100", "updatekeys"),
    ("updatekeys", "128", "updatekeys --yes other.yaml"),
    ("groups", "2", "groups add -f none.yaml --age R"),
    ("groups", "3", "FULL groups add -i -f secret.yaml --age R"),
    ("groups", "100", "groups delete 0"),
    ("groups", "128", "groups add -f other.yaml --age R"),
    ("exec-env", "2", "exec-env none.yaml true"),
    ("exec-env", "25", "exec-env swapped.yaml true"),
    ("exec-env", "51", "exec-env short.yaml true"),
    ("exec-env", "128", "exec-env other.yaml true"),
    ("exec-env", "N", "exec-env secret.yaml exit\u{a0}9"),
    ("exec-file", "2", "exec-file none.yaml true"),
    ("exec-file", "25", "exec-file swapped.yaml true"),
    ("exec-file", "51", "exec-file short.yaml true"),
    ("exec-file", "128", "exec-file other.yaml true"),
    ("exec-file", "N", "exec-file secret.yaml exit\u{a0}9"),
    ("publish", "2", "publish --yes large.yaml"),
    ("publish", "25", "publish --yes swapped.yaml"),
    ("publish", "51", "publish --yes short.yaml"),
    ("publish", "100", "publish"),
    ("publish", "128", "publish --yes other.yaml"),
    ("filestatus", "2", "filestatus none.yaml"),
    ("filestatus", "100", "filestatus"),
];

fn desk() -> Desk {
    let desk = Desk::new();
    let write = |name: &str, text: &str| fs::write(desk.path(name), text).unwrap();
    write("plain.yaml", "a: one\nb: two\n");
    write("bad.yaml", "a: [\n");
    write("number.yaml", "1: one\n");
    fs::File::create(desk.path("large.yaml")).unwrap().set_len(1 << 28).unwrap();
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys/age2.pub");
    let other = fs::read_to_string(other).unwrap().trim().to_owned();
    let both = format!("{},{other}", desk.recipient);
    for (name, age) in [("secret.yaml", &desk.recipient), ("other.yaml", &other), ("both.yaml", &both)] {
        write(name, &desk.text(&["encrypt", "--age", age, "plain.yaml"]));
    }
    let secret = fs::read_to_string(desk.path("secret.yaml")).unwrap();
    let lines: Vec<&str> = secret.lines().collect();
    let (rest, one, two) = (lines[2..].join("\n"), &lines[0]["a: ".len()..], &lines[1]["b: ".len()..]);
    write("swapped.yaml", &format!("a: {two}\nb: {one}\n{rest}\n"));
    write("short.yaml", &format!("a: {one}\n{rest}\n"));
    let published = "destination_rules:\n  - vault_path: x/\n    vault_address: http://127.0.0.1:1\n";
    write(".sops.yaml", &format!("creation_rules:\n  - age: {}\n{published}", desk.recipient));
    desk
}

#[test]
fn an_empty_file_name_is_the_working_directory() {
    let desk = desk();
    for verb in ["encrypt", "decrypt", "rotate", "edit"] {
        for output in [desk.run(&[verb, ""]), desk.command_as("sops", &[verb, ""]).output().unwrap()] {
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(2) && told.contains("is a directory"), "{verb}: {told}");
        }
    }
}

#[test]
fn each_exit_code_in_help_is_met() {
    let desk = desk();
    let mut met: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (verb, code, line) in CALLS {
        let mut words: Vec<&str> = line.split(' ').collect();
        let first = words.remove(0);
        let editor = if first == "EDITOR=false" { "false" } else { "true" };
        // Where nothing can be written because a file may not grow.
        let limit = if first == "FULL" { "trap '' XFSZ; ulimit -f 0; " } else { "" };
        if first == *verb {
            words.insert(0, first);
        }
        let words = words.iter().map(|word| if *word == "R" { &desk.recipient } else { *word });
        let output = desk
            .command_of(Path::new("/bin/sh"), &["-c", &format!("{limit}exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_sealfast"))
            .args(words.map(|word| word.replace('\u{a0}', " ")))
            .env("EDITOR", editor)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let wanted = if *code == "N" { 9 } else { code.parse().unwrap() };
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(wanted), "{line}: {told}");
        met.entry(verb).or_default().insert(code);
    }
    for (verb, met) in met {
        let help = desk.text(&[verb, "--help"]);
        let (_, codes) = help.split_once("\nExit codes:\n").unwrap();
        let printed: BTreeSet<&str> =
            codes.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(&printed - &BTreeSet::from(["0", "1"]), met, "{verb}");
    }
}

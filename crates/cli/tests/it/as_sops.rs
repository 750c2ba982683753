//! The command line of `sops` where it is easily taken for another.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::sops::Desk;

/// What a call through the link `sops` printed and how it ended.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn told(output: Output) -> Told {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn sops(desk: &Desk, args: &[&str]) -> Told {
    told(desk.command_as("sops", args).output().unwrap())
}

/// Runs the editor's script, which gets the file as `$1`, with answers on standard input.
fn edit(desk: &Desk, args: &[&str], script: &str) -> Told {
    let file = desk.path("editor.sh");
    fs::write(&file, script).unwrap();
    let mut command = desk.command_as("sops", args);
    command.env("EDITOR", format!("sh {}", file.display()));
    told(command.output().unwrap())
}

/// As [`edit`], with a terminal for input and output; nothing is typed there.
fn edit_on_terminal(desk: &Desk, script: &str) -> Told {
    // Makes the link.
    desk.command_as("sops", &[]);
    let file = desk.path("editor.sh");
    fs::write(&file, script).unwrap();
    let line = format!("{} edit e.yaml", desk.path("sops").display());
    let mut command = desk.command_of(Path::new("script"), &["-qec", &line, "/dev/null"]);
    command.env("EDITOR", format!("sh {}", file.display()));
    let mut told = told(command.output().unwrap());
    told.err = std::mem::take(&mut told.out).replace("\r\n", "\n");
    told
}

const GONE: &str = "what was edited is gone: without a terminal nothing is kept in the clear";

#[test]
fn flags_of_a_command_count_behind_the_file() {
    let desk = Desk::new();
    let recipient = desk.recipient.clone();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let told = sops(&desk, &["encrypt", "a.yaml", "--age", &recipient, "--output", "x.yaml"]);
    assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (Some(0), "", ""));
    assert!(fs::read_to_string(desk.path("x.yaml")).unwrap().contains("ENC["));
    assert_eq!(sops(&desk, &["decrypt", "x.yaml", "--extract", "[\"a\"]"]).out, "one");
    assert_eq!(sops(&desk, &["encrypt", "a.yaml", "-i", "--age", &recipient]).code, Some(0));
    assert!(fs::read_to_string(desk.path("a.yaml")).unwrap().contains("ENC["));
}

#[test]
fn a_flag_takes_the_word_behind_it_along() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    // `-i a.yaml` goes to the front together, so what follows stands behind the file.
    let told = sops(&desk, &["encrypt", "-i", "a.yaml", "--age", &desk.recipient]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("which looks like a flag"), "{}", told.err);
    let told = sops(&desk, &["encrypt", "--age", &desk.recipient, "a.yaml", "--", "--output", "x"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(!desk.path("x").exists(), "flags behind `--` are words");
    let told = sops(&desk, &["-d", "a.yaml", "--output", "x"]);
    assert!(told.err.contains("which looks like a flag"), "without a command nothing moves: {}", told.err);
}

#[test]
fn expressions_for_comments_do_not_reach_commands() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let flag = ["--encrypted-comment-regex", "x"];
    let told = sops(&desk, &[&flag[..], &["encrypt", "--age", &desk.recipient, "a.yaml"]].concat());
    assert_eq!(told.code, Some(0));
    assert!(told.out.contains("unencrypted_suffix") && told.out.contains("a: ENC["), "{}", told.out);
    let told = sops(&desk, &["--mac-only-encrypted", "encrypt", "--age", &desk.recipient, "a.yaml"]);
    assert!(told.out.contains("mac_only_encrypted: true"), "{}", told.out);
}

#[test]
fn mistakes_on_the_command_line_show_what_there_is() {
    let desk = Desk::new();
    let told = sops(&desk, &["decrypt", "--nonsense", "a.yaml"]);
    assert_eq!(told.code, Some(1));
    assert!(told.out.starts_with("Incorrect Usage: flag provided but not defined: -nonsense\n\nNAME:"));
    assert!(told.err.contains("level=fatal msg=\"flag provided but not defined: -nonsense\""));
    let told = sops(&desk, &["--nonsense"]);
    assert!(told.out.starts_with("Incorrect Usage. flag provided but not defined: -nonsense\n\nNAME:"));
    let told = sops(&desk, &["decrypt", "--in-place=maybe"]);
    assert!(told.err.contains("invalid boolean value \\\"maybe\\\" for -in-place: parse error"));
    let told = sops(&desk, &["decrypt", "--in-place", "-i", "a.yaml"]);
    assert!(told.err.contains("Cannot use two forms of the same flag: i in-place"));
}

#[test]
fn help_is_no_mistake() {
    let desk = Desk::new();
    for args in [&["groups"][..], &["completion"], &["help", "encrypt"], &["groups", "--help"], &["-h"]] {
        let told = sops(&desk, args);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(told.out.starts_with("NAME:\n   sops"), "{args:?}: {}", told.out);
    }
    for args in [["completion", "fish"], ["groups", "fish"], ["help", "fish"]] {
        let told = sops(&desk, &args);
        assert_eq!((told.code, told.err.as_str()), (Some(3), "No help topic for 'fish'\n"));
    }
}

#[test]
fn completion_offers_what_goes_on() {
    let desk = Desk::new();
    let offered = |args: &[&str]| {
        let told = sops(&desk, &[args, &["--generate-bash-completion"]].concat());
        told.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(offered(&[])[..3], ["completion", "exec-env", "exec-file"]);
    assert_eq!(offered(&["groups"]), ["add", "delete", "help", "h"]);
    assert_eq!(offered(&["encrypt", "--age"]), Vec::<String>::new());
    assert_eq!(
        offered(&["rotate", "--add-a"]),
        ["--add-azure-kv", "--add-age", "--add-azure-kv", "--add-age"]
    );
    assert_eq!(offered(&["-d"]), ["--disable-version-check", "--decryption-order"]);
}

#[test]
fn files_that_are_missing_end_as_with_sops() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\nb: two\n");
    let told = sops(&desk, &["rotate", "m.yaml"]);
    assert_eq!(told.code, Some(2));
    assert!(told.err.starts_with("Error reading file: open /"), "{}", told.err);
    assert_eq!(sops(&desk, &["-r", "m.yaml"]).code, Some(100));
    let told = sops(&desk, &["set", "--value-file", "e.yaml", "[\"b\"]", "nofile"]);
    assert_eq!((told.code, told.err.as_str()), (Some(1), "open nofile: no such file or directory\n"));
    let told = sops(&desk, &["filestatus", "m.yaml"]);
    assert!(told.err.contains("open m.yaml: no such file"), "{}", told.err);
}

#[test]
fn paths_are_read_as_sops_reads_them() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: 1\nb: two\nc:\n  d: e\n");
    assert_eq!(sops(&desk, &["set", "e.yaml", "[\"c\"] [\"d\"]", "1"]).code, Some(7));
    let extract = |path: &str| sops(&desk, &["decrypt", "--extract", path, "e.yaml"]);
    let told = extract("[a]");
    let words = "error parsing --extract path: strconv.Atoi: parsing \"a\": invalid syntax\n";
    assert_eq!((told.code, told.err.as_str()), (Some(91), words));
    assert!(extract("[99999999999999999999]").err.contains("value out of range"));
    let told = extract("[\"b\"]]");
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("component ['b\"'] not found"), "{}", told.err);
    // An index leads nowhere in a mapping: nothing changes, and nobody is told.
    assert_eq!(sops(&desk, &["set", "e.yaml", "[\"c\"][0]", "\"q\""]).code, Some(0));
    assert_eq!(extract("[\"c\"][\"d\"]").out, "e");
    assert_eq!(desk.run(&["set", "e.yaml", "[\"c\"][0]", "\"q\""]).status.code(), Some(1));
}

#[test]
fn the_directory_of_an_entry_stays_with_whoever_made_it() {
    let desk = Desk::new();
    desk.encrypted("e.env", "A=1\n");
    let me = std::process::Command::new("id").arg("-un").output().expect("id runs");
    let me = String::from_utf8(me.stdout).expect("a name");
    for flags in [&[][..], &["--no-fifo"]] {
        let line = "stat -c %a $(dirname {}); cat {}";
        let told = sops(&desk, &[&["exec-file", "--user", me.trim()], flags, &["e.env", line]].concat());
        assert_eq!((told.code, told.out.as_str()), (Some(0), "711\nA=1\n"), "{}", told.err);
    }
}

#[test]
fn programs_that_fail_are_told() {
    let desk = Desk::new();
    desk.encrypted("e.env", "A=1\n");
    let told = sops(&desk, &["exec-env", "e.env", "exit 9"]);
    assert_eq!((told.code, told.err.as_str()), (Some(9), "exit status 9\n"));
    let told = sops(&desk, &["exec-env", "e.env", "kill -9 $$"]);
    assert_eq!((told.code, told.err.as_str()), (Some(255), "signal: killed\n"));
    let told = sops(&desk, &["exec-file", "e.env", "kill -TERM $$"]);
    assert_eq!((told.code, told.err.as_str()), (Some(255), "signal: terminated\n"));
    let told = sops(&desk, &["exec-env", "--user", "nosuch", "e.env", "true"]);
    assert!(told.err.starts_with("[EXEC]\t "), "{}", told.err);
    assert!(told.err.contains("level=fatal msg=\"user: unknown user nosuch\""), "{}", told.err);
    let told = sops(&desk, &["exec-file", "--no-fifo", "--filename", "a/b", "e.env", "true"]);
    assert!(told.err.ends_with("/a/b: no such file or directory\n"), "{}", told.err);
    assert_eq!(desk.run(&["exec-env", "e.env", "kill -9 $$"]).status.code(), Some(137));
}

#[test]
fn a_context_that_is_none_stops_encryption_alone() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let told = sops(&desk, &["rotate", "--encryption-context", "x", "e.yaml"]);
    assert_eq!(told.code, Some(0));
    assert!(told.err.starts_with("[AWSKMS]\t "), "{}", told.err);
    assert_eq!(told.err.matches("context will not be used").count(), 1, "{}", told.err);
    let told = sops(&desk, &["encrypt", "--encryption-context", "x", "--age", &desk.recipient, "e.yaml"]);
    assert_eq!(told.code, Some(6));
}

#[test]
fn groups_log_what_stops_them() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    desk.encrypted("e.yaml", "a: one\n");
    let told = sops(&desk, &["groups", "add", "--age", &desk.recipient, "-f", "a.yaml"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("level=fatal msg=\"sops metadata not found\""), "{}", told.err);
    let told = sops(&desk, &["groups", "delete", "x", "-f", "e.yaml"]);
    assert!(told.err.contains("strconv.ParseUint: parsing \\\"x\\\": invalid syntax"), "{}", told.err);
    fs::remove_file(desk.path("keys.txt")).unwrap();
    let told = sops(&desk, &["groups", "add", "--age", &desk.recipient, "-f", "e.yaml"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("Error getting data key: 0 successful groups required, got 0"), "{}", told.err);
}

#[test]
fn editing_says_why_a_text_is_not_taken() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let told = edit(&desk, &["edit", "e.yaml"], "echo 'a: [' > $1");
    assert!(
        told.err.contains("msg=\"Could not load tree, probably due to invalid syntax. Press enter"),
        "{}",
        told.err
    );
    assert!(told.err.contains("\" error=\""), "{}", told.err);
    let told = edit(&desk, &["edit", "e.yaml"], "rm $1");
    assert_eq!(told.code, Some(2));
    assert!(told.err.starts_with("Could not hash file: open /"), "{}", told.err);
    let mut command = desk.command_as("sops", &["edit", "e.yaml"]);
    let told = self::told(command.env("EDITOR", "nosucheditor").output().unwrap());
    let words = "Could not run editor: exec: \"nosucheditor\": executable file not found in $PATH\n";
    assert_eq!((told.code, told.err.as_str()), (Some(201), words));
}

#[test]
fn what_an_editor_wrote_before_it_failed_is_kept() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let told = edit(&desk, &["edit", "e.yaml"], "exit 3");
    assert_eq!((told.code, told.err.as_str()), (Some(201), "Could not run editor: exit status 3\n"));
    assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0);
    let script = "echo 'a: two' > $1; exit 3";
    let told = edit(&desk, &["edit", "e.yaml"], script);
    assert_eq!((told.code, fs::read_dir(desk.path("tmp")).unwrap().count()), (Some(201), 0), "{}", told.err);
    assert!(told.err.contains(GONE), "{}", told.err);
    let told = edit_on_terminal(&desk, script);
    assert_eq!(told.code, Some(201), "{}", told.err);
    let dir = fs::read_dir(desk.path("tmp")).unwrap().next().expect("a directory is kept").unwrap().path();
    assert!(told.err.contains(&format!("is kept in {}", dir.display())), "{}", told.err);
    assert!(told.err.ends_with("Could not run editor: exit status 3\n"), "{}", told.err);
    assert_eq!(fs::read_to_string(dir.join("e.yaml")).unwrap(), "a: two\n");
}

#[test]
fn what_was_edited_and_cannot_be_encrypted_is_kept() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let before = fs::read(desk.path("e.yaml")).unwrap();
    let kept = |told: &Told, wanted: &str| {
        let dir =
            fs::read_dir(desk.path("tmp")).unwrap().next().expect("a directory is kept").unwrap().path();
        assert!(told.err.contains(&format!("is kept in {}", dir.display())), "{}", told.err);
        assert_eq!(fs::read_to_string(dir.join("e.yaml")).unwrap(), wanted);
        fs::remove_dir_all(dir).unwrap();
    };
    let script = "echo 'a: 18446744073709551615' > $1";
    let told = edit_on_terminal(&desk, script);
    assert_eq!(told.code, Some(23), "{}", told.err);
    kept(&told, "a: 18446744073709551615\n");
    // Nobody is there who could mend it.
    for script in [script, "echo 'a: [' > $1"] {
        let told = edit(&desk, &["edit", "e.yaml"], script);
        assert!(!told.err.contains("is kept in /") && told.err.contains(GONE), "{}", told.err);
        assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0, "{}", told.err);
    }
    assert_eq!(fs::read(desk.path("e.yaml")).unwrap(), before);
    let told = edit(&desk, &["edit", "e.yaml"], "true");
    assert_eq!((told.code, fs::read_dir(desk.path("tmp")).unwrap().count()), (Some(200), 0));
}

#[test]
fn what_sops_is_silent_about_is_not_told() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    fs::write(desk.path("a.bin"), "one").unwrap();
    let told = sops(&desk, &["encrypt", "--age", &desk.recipient, "--encrypted-regex", "(", "a.yaml"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let flags = ["-e", "--age", &desk.recipient, "--unencrypted-comment-regex", "x", "a.bin"];
    assert_eq!(sops(&desk, &flags).err, "");
    let flags = ["-e", "--age", &desk.recipient, "--encrypted-comment-regex", "x", "a.bin"];
    assert_eq!(sops(&desk, &flags).err.matches("does not make sense").count(), 1);
}

#[test]
fn numbers_in_paths_are_told_as_sops_tells_them() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\nb: {c: 1}\n");
    let unset = |path: &str| sops(&desk, &["unset", "e.yaml", path]).err;
    assert!(unset("[\"b\"][0]").contains("Key not found: %!s(int=0)"));
    assert!(unset("[\"a\"][0]").contains("Unsupported type: string for item '%!s(int=0)'"));
    assert!(unset("[\"a\"][\"x\"]").contains("Unsupported type: string for item 'x'"));
    assert_eq!(sops(&desk, &["unset", "--idempotent", "e.yaml", "[\"b\"][0]"]).code, Some(0));
}

#[test]
fn versions_and_blocks_of_other_shapes_are_told() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let whole = fs::read_to_string(desk.path("e.yaml")).unwrap();
    let told = |from: &str, to: &str| {
        assert!(whole.contains(from));
        fs::write(desk.path("x.yaml"), whole.replacen(from, to, 1)).unwrap();
        let told = sops(&desk, &["decrypt", "x.yaml"]);
        (told.code, told.err)
    };
    let (code, err) = told("version: 3", "version: 03");
    assert_eq!((code, err.as_str()), (Some(1), "Major number must not contain leading zeroes \"03\"\n"));
    let (code, err) = told("lastmodified: \"", "lastmodified: \"x");
    assert_eq!(code, Some(1));
    assert!(err.contains("cannot parse \"x20"), "{err}");
    let (code, err) = told("    version:", "    mac_only_encrypted: x\n    version:");
    let words =
        "decoding failed due to the following error(s):\n\n'mac_only_encrypted' cannot parse value as 'bool'";
    assert!(code == Some(1) && err.starts_with(words), "{err}");
    let (code, err) = told("-----BEGIN AGE", "-----BEGUN AGE");
    assert_eq!(code, Some(128));
    assert!(err.contains("invalid armor: invalid first line"), "{err}");
    let end = whole.split_inclusive('\n').find(|line| line.contains("-----END AGE")).unwrap();
    let (code, err) = told(end, "");
    assert_eq!(code, Some(128));
    assert!(err.contains("age decrypted data") && err.contains("unexpected EOF"), "{err}");
}

#[test]
fn names_that_are_no_keys_are_told() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let none = "failed to encrypt new data key with master key";
    for (flag, name, wanted) in [
        ("--kms", "x", format!("{none} \"x\": no valid ARN found in 'x'")),
        (
            "--gcp-kms",
            "x",
            format!("{none} \"x\": cannot create GCP KMS service: no valid resource ID found in \"x\""),
        ),
        ("--pgp", ",", format!("{none} \"\": could not encrypt data key with PGP key: ")),
    ] {
        let told = sops(&desk, &["encrypt", flag, name, "a.yaml"]);
        assert!(told.err.contains(&wanted), "{}", told.err);
    }
}

#[test]
fn the_last_character_of_a_key_is_its_quote() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "ab: one\n");
    assert_eq!(sops(&desk, &["decrypt", "--extract", "[\"abx]", "e.yaml"]).out, "one");
}

#[test]
fn keys_that_were_edited_get_the_data_key() {
    let desk = Desk::new();
    desk.encrypted("e.yaml", "a: one\n");
    let keys = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
    let other = fs::read_to_string(keys.join("age2.pub")).unwrap();
    let script = format!("sed -i 's/recipient: .*/recipient: {}/' $1", other.trim());
    let told = edit(&desk, &["edit", "-s", "e.yaml"], &script);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_ne!(sops(&desk, &["decrypt", "e.yaml"]).code, Some(0), "the former key opens it no more");
    let mut command = desk.command_as("sops", &["decrypt", "e.yaml"]);
    let told = self::told(command.env("SOPS_AGE_KEY_FILE", keys.join("age2.agekey")).output().unwrap());
    assert_eq!((told.code, told.out.as_str()), (Some(0), "a: one\n"));
}

#[test]
fn the_namespace_may_stand_before_the_verb() {
    let desk = Desk::new();
    let args = [
        "-n",
        "apps",
        "create",
        "secret",
        "generic",
        "s",
        "--from-literal=a=b",
        "--dry-run=client",
        "-o",
        "yaml",
    ];
    for name in ["kubectl-sealfast", "sealfast"] {
        let told = told(desk.command_as(name, &args).output().unwrap());
        assert_eq!(told.code, Some(0), "{name}: {}", told.err);
        assert!(told.out.contains("namespace: apps"), "{name}: {}", told.out);
    }
}

#[test]
fn what_is_wrong_is_told_in_the_order_of_sops() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    fs::write(desk.path("b.bin"), "x").unwrap();
    fs::write(desk.path("bad.yaml"), "creation_rules: 5\n").unwrap();
    fs::write(desk.path("keys.yaml"), "creation_rules:\n  - age: bad\n").unwrap();
    let said = |code: i32, args: &[&str]| {
        let output = desk.command_as("sops", args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    };
    assert!(
        said(1, &["--config", "none", "set", "a.yaml", "[\"a", "1"]).starts_with("could not read config")
    );
    assert!(said(1, &["--config", "none", "unset", "a.yaml", "[\"a"]).starts_with("could not read config"));
    assert!(said(7, &["set", "a.yaml", "", "[1]"]).starts_with("Invalid --set value format"));
    // Go's decoder knows no half of a pair, and replaces it.
    said(0, &["set", "a.yaml", "[\"b\"]", "\"\\ud800\""]);
    assert_eq!(desk.text(&["decrypt", "--extract", "[\"b\"]", "a.yaml"]), "\u{fffd}");
    assert!(said(7, &["set", "a.yaml", "[\"a\"]", "1 2"]).starts_with("Value for --set is not valid JSON"));
    assert!(said(2, &["set", "none", "", "1"]).starts_with("Error reading file: open "));
    assert!(said(1, &["--config", "keys.yaml", "-r", "-i", "a.yaml"]).contains("unknown recipient type"));
    assert!(
        said(1, &["--config", "keys.yaml", "--set", "[\"a\"] 1", "a.yaml"]).contains("unknown recipient")
    );
    let told = said(1, &["--config", "bad.yaml", "updatekeys", "-y", "a.yaml", "a.yaml"]);
    assert!(told.ends_with("failed updating 2 key(s)\n") && !told.contains("Syncing"), "{told}");
    let args = ["decrypt", "-i", "--output", "x", "a.yaml", "b"];
    assert!(said(8, &args).starts_with("[CMD]\t "));
    assert!(said(112, &["decrypt", "--decryption-order", "age,age", "b.bin"]).starts_with("Duplicate"));
    assert!(said(100, &["--config", "bad.yaml", "publish", "-y"]).contains("no file specified"));
    assert!(said(2, &["decrypt", "."]).starts_with("Error reading file: read /"));
    let args =
        ["-e", "--age", &desk.recipient, "--encrypted-regex", "a", "--unencrypted-regex", "b", "b.bin"];
    let told = said(0, &args);
    let (first, second) = (told.find("an encrypted regex"), told.find("an unencrypted regex"));
    assert!(first.is_some() && first < second && told.lines().count() == 2, "{told}");
    let told = said(1, &["encrypt", "--age", "age1bad", "a.yaml"]);
    let wanted = "malformed recipient \"age1bad\": separator '1' at invalid position: pos=3, len=7\n";
    assert!(told.ends_with(wanted), "{told}");
    fs::write(desk.path("c.json"), "{\"sops\": {}}").unwrap();
    assert_eq!(said(1, &["decrypt", "c.json"]), "sops metadata not found\n");
    fs::write(desk.path("d.ini"), "[s]\nnokey\n").unwrap();
    assert!(said(2, &["encrypt", "--age", &desk.recipient, "d.ini"]).ends_with(": nokey\n\n"));
}

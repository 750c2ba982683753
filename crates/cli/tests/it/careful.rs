//! What is neither lost nor left behind when something goes wrong.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sealfast_testkit::program;

use crate::sops::Desk;

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn listing(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_batch_that_is_ended_leaves_no_new_file() {
    const FILES: usize = 150;
    let plain = |number: usize| format!("a: plain {number}\n");
    for (signal, number) in [("-TERM", 15), ("-HUP", 1)] {
        let desk = Desk::new();
        for number in 0..FILES {
            fs::write(desk.path(&format!("f{number}.yaml")), plain(number)).unwrap();
        }
        desk.text(&["encrypt", "-i", "--age", &desk.recipient, "*.yaml"]);
        // Nobody writes into this pipe, so the batch does not end by itself.
        assert!(Command::new("mkfifo").arg(desk.path("pipe.yaml")).status().unwrap().success());
        let before = listing(&desk.path(""));
        let child =
            desk.command(&["decrypt", "-i", "pipe.yaml", "*.yaml"]).stderr(Stdio::null()).spawn().unwrap();
        let read = |number: usize| fs::read_to_string(desk.path(&format!("f{number}.yaml"))).unwrap();
        let start = Instant::now();
        while !(0..FILES).any(|number| read(number) == plain(number)) {
            assert!(start.elapsed() < Duration::from_secs(60), "no file was decrypted");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = program::ended(child).expect("nothing around the tests ignores SIGHUP, as `nohup` does");
        assert_eq!(ended.signal(), Some(number));
        assert_eq!(listing(&desk.path("")), before);
        for number in 0..FILES {
            let text = read(number);
            assert!(text == plain(number) || text.contains("\n    mac: ENC["), "{text}");
        }
    }
}

#[test]
fn damaged_files_of_a_directory_fail() {
    let desk = Desk::new();
    fs::write(desk.path(".sops.yaml"), format!("creation_rules:\n  - age: {}\n", desk.recipient)).unwrap();
    let good = desk.encrypted("good.yaml", "a: one\n");
    let text = fs::read_to_string(&good).unwrap();
    let without_mac: String = text.split_inclusive('\n').filter(|line| !line.contains("mac:")).collect();
    assert_ne!(text, without_mac);
    fs::write(desk.path("conflict.yaml"), format!("<<<<<<< HEAD\n{text}")).unwrap();
    fs::write(desk.path("unsigned.yaml"), &without_mac).unwrap();
    fs::write(desk.path("values.yaml"), "sops:\n  enabled: true\n").unwrap();
    for args in [&["rotate", "-i"][..], &["updatekeys", "--yes"], &["filestatus"], &["decrypt", "--check"]] {
        let output = desk.run(&[args, &["--recursive", "."]].concat());
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.contains("conflict.yaml") && told.contains("merge conflict"), "{args:?}: {told}");
        assert!(told.contains("unsigned.yaml") && told.contains("2 failed"), "{args:?}: {told}");
        assert!(!told.contains("values.yaml"), "{args:?}: {told}");
    }
    assert_ne!(fs::read_to_string(&good).unwrap(), text, "it was rotated");
    assert_eq!(fs::read_to_string(desk.path("unsigned.yaml")).unwrap(), without_mac);
}

#[test]
fn patterns_work_below_a_directory_that_looks_like_one() {
    let desk = Desk::new();
    let dir = desk.path("x[1]{a}*?");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("f.yaml"), "a: one\n").unwrap();
    let output = desk.command(&["filestatus", "*.yaml"]).current_dir(&dir).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "f.yaml: not encrypted\n", "{}", told(&output));
    assert_eq!(desk.text(&["filestatus", "x[[]1]*/?.yaml"]), "x[1]{a}*?/f.yaml: not encrypted\n");
}

#[test]
fn an_edit_does_not_overwrite_what_others_wrote_meanwhile() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    let program = env!("CARGO_BIN_EXE_sealfast");
    let editor = format!("{program} set a.yaml '[\"b\"]' '\"theirs\"' && echo 'a: mine' > \"$1\"\n");
    fs::write(desk.path("editor.sh"), editor).unwrap();
    let line = format!("{program} edit a.yaml");
    let mut edit = desk.command_of(Path::new("script"), &["-qec", &line, "/dev/null"]);
    let output =
        edit.env("SOPS_EDITOR", format!("sh {}", desk.path("editor.sh").display())).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("was changed by another program"), "{told}");
    let kept = desk.path("tmp").join(listing(&desk.path("tmp")).first().expect("the edit is kept"));
    assert!(told.contains(&kept.display().to_string()), "{told}");
    assert_eq!(fs::read_to_string(kept.join("a.yaml")).unwrap(), "a: mine\n");
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: one\nb: theirs\n");
}

#[test]
fn numbers_are_set_with_all_their_digits() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    for number in ["-1", "0", "123456789012", "12345678901234567", "-9223372036854775808", "1.5", "-0.25"] {
        desk.text(&["set", "a.yaml", "[\"a\"]", number]);
        assert_eq!(desk.text(&["decrypt", "a.yaml"]), format!("a: {number}\n"));
    }
    desk.text(&["set", "a.yaml", "[\"b\"]", "[12345678901234567, {\"c\": 1e3}]"]);
    assert!(desk.text(&["decrypt", "a.yaml"]).contains("- 12345678901234567\n"));
    for many in
        ["12345678901234567890", "[1, 12345678901234567890]", "{\"a\": [{\"b\": -12345678901234567890}]}"]
    {
        let output = desk.run(&["set", "a.yaml", "[\"a\"]", many]);
        assert_eq!(output.status.code(), Some(7), "{many}");
        assert!(told(&output).contains("more digits"), "{}", told(&output));
    }
    desk.text(&["unset", "a.yaml", "[\"b\"]"]);
    let set = desk.command_as("sops", &["set", "a.yaml", "[\"a\"]", "123456789012"]).status().unwrap();
    assert!(set.success());
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: 1.23456789012e+11\n");
    for zero in ["-0", " -0"] {
        let set = desk.command_as("sops", &["set", "a.yaml", "[\"a\"]", zero]).status().unwrap();
        assert!(set.success());
        assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: -0\n");
    }
}

#[test]
fn an_error_about_a_reused_file_names_that_one() {
    let desk = Desk::new();
    fs::write(desk.path("new.yaml"), "a: one\n").unwrap();
    fs::write(desk.path("clear.yaml"), "a: one\n").unwrap();
    for former in ["clear.yaml", "missing.yaml"] {
        let output = desk.run(&["encrypt", "--age", &desk.recipient, "--reuse", former, "new.yaml"]);
        let told = told(&output);
        assert!(!output.status.success());
        assert!(told.contains(former) && !told.contains("new.yaml"), "{told}");
    }
}

#[test]
fn a_damaged_layout_record_is_told() {
    const RECORD: &str = "sealfast_layout: ENC[AES256_GCM,data:";
    let desk = Desk::new();
    let file = desk.encrypted("a.yaml", "a: 0x1F90\n");
    let text = fs::read_to_string(&file).unwrap();
    let at = text.find(RECORD).expect("a number in hexadecimal is kept") + RECORD.len();
    let other = if text[at..].starts_with('A') { "B" } else { "A" };
    fs::write(&file, format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
    let output = desk.run(&["decrypt", "a.yaml"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"a: 8080\n"[..]));
    assert!(told(&output).contains("`sealfast_layout` was changed or damaged"), "{}", told(&output));
    let output = desk.run(&["decrypt", "--strict", "a.yaml"]);
    assert_eq!(output.status.code(), Some(25), "{}", told(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_list_is_set_as_a_whole() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    desk.text(&["set", "a.yaml", "[\"list\"]", "[1, [\"x\"], {\"b\": 1.5}]"]);
    let list = desk.text(&["decrypt", "--output-type", "json", "--extract", "[\"list\"]", "a.yaml"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list, serde_json::json!([1, ["x"], {"b": 1.5}]));
}

//! Files that are larger than any document may be.

use std::fs::{self, File};
use std::process::Output;

use crate::sops::Desk;

/// Kilobytes of memory that a call may have: less than half of what each file would take.
const MOST_MEMORY: u32 = 384 << 10;

/// Runs a command line of a shell that has no more memory.
fn bounded(desk: &Desk, line: &str) -> Output {
    let line =
        format!("ulimit -d {MOST_MEMORY}; {}", line.replace("sealfast", env!("CARGO_BIN_EXE_sealfast")));
    desk.command_of("/bin/sh".as_ref(), &["-c", &line]).output().unwrap()
}

fn lines(recipient: &str) -> Vec<String> {
    let mut lines: Vec<String> = [
        "sealfast set --value-file small.yaml '[\"a\"]' large.bin",
        "sealfast set --value-stdin small.yaml '[\"a\"]' < large.bin",
        "sealfast set large.yaml '[\"a\"]' 1",
        "sealfast unset large.yaml '[\"a\"]'",
        "sealfast updatekeys --yes small.yaml large.yaml",
        "sealfast encrypt --reuse large.yaml plain.yaml",
        "sealfast encrypt --config large.yaml plain.yaml",
        "sealfast exec-env large.env true",
        "sealfast exec-file large.json true",
        "SOPS_AGE_KEY_FILE=large.bin sealfast decrypt small.yaml",
    ]
    .map(str::to_owned)
    .into();
    for ending in ["yaml", "json", "env", "ini", "bin"] {
        let name = format!("large.{ending}");
        lines.push(format!("sealfast encrypt --age {recipient} {name}"));
        lines.push(format!("sealfast sops encrypt --age {recipient} {name}"));
        lines.push(format!("sealfast encrypt --age {recipient} --filename-override {name} < {name}"));
        lines.push(format!(
            "head -c 200000000 /dev/zero | sealfast decrypt --filename-override {name} /dev/stdin"
        ));
        lines.extend(
            ["decrypt", "edit", "rotate", "filestatus", "sops -d", "sops -r"]
                .map(|verb| format!("sealfast {verb} {name}")),
        );
    }
    lines
}

#[test]
fn what_is_too_large_is_refused_unread() {
    let desk = Desk::new();
    let small = desk.encrypted("small.yaml", "a: one\n");
    fs::write(desk.path("plain.yaml"), "a: one\n").unwrap();
    let rules = format!("creation_rules: [{{age: {}}}]\n", desk.recipient);
    fs::write(desk.path(".sops.yaml"), rules).unwrap();
    for ending in ["yaml", "json", "env", "ini", "bin"] {
        File::create(desk.path(&format!("large.{ending}"))).unwrap().set_len(1 << 30).unwrap();
    }
    for line in lines(&desk.recipient) {
        let output = bounded(&desk, &line);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{line}");
        // A report about keys breaks its lines.
        let words: Vec<&str> = told.split_whitespace().filter(|word| *word != "|").collect();
        assert!(words.join(" ").contains("more than 128 MiB"), "{line}: {told}");
        assert!(output.stdout.len() < 1000, "{line}");
    }
    assert_eq!(desk.text(&["decrypt", small.to_str().unwrap()]), "a: one\n");
}

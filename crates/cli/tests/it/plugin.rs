//! An age plugin that asks for a PIN, on a terminal and without one.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use sealfast_testkit::scratch::Scratch;

const RECIPIENT: &str = "age1sftest1w3jhxaqesffcv";
const IDENTITY: &str = "AGE-PLUGIN-SFTEST-1W3JHXAQQGMA79";

/// Wraps by turning bits, opens with the PIN 1234 alone; speaks C2SP `age-plugin.md` as far as that needs.
const PLUGIN: &str = r#"#!/usr/bin/python3
import base64, sys

def read():
    args = sys.stdin.readline().rstrip("\n")[3:].split(" ")
    text = part = sys.stdin.readline().rstrip("\n")
    while len(part) == 64:
        part = sys.stdin.readline().rstrip("\n")
        text += part
    return args, base64.b64decode(text + "=" * (-len(text) % 4))

def write(*args, body=b""):
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[at:at + 64] for at in range(0, len(text) + 1, 64)]
    print("-> " + " ".join(args), *lines, sep="\n", flush=True)

def ask(*args, body=b""):
    write(*args, body=body)
    return read()

def turned(body):
    return bytes(byte ^ 0x5A for byte in body)

said = []
while True:
    said.append(read())
    if said[-1][0][0] == "done":
        break
if sys.argv[1] == "--age-plugin=recipient-v1":
    keys = [body for args, body in said if args[0] == "wrap-file-key"]
    for index, key in enumerate(keys):
        ask("recipient-stanza", str(index), "sftest", body=turned(key))
else:
    ask("msg", body=b"hold still")
    (answer, *_), pin = ask("request-secret", body=b"PIN of the test key:")
    for args, body in said:
        if args[0] == "recipient-stanza" and args[2] == "sftest" and answer == "ok" and pin == b"1234":
            ask("file-key", args[1], body=turned(body))
write("done")
"#;

fn command(folder: &Scratch, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("HOME", folder.path())
        .env("SOPS_AGE_KEY", IDENTITY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn a_pin_is_asked_on_the_terminal() {
    let folder = Scratch::new().unwrap();
    let program = folder.write("age-plugin-sftest", PLUGIN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder.write("a.yaml", "a: one\n").unwrap();
    let sealfast = env!("CARGO_BIN_EXE_sealfast");
    let encrypt = command(&folder, sealfast, &["encrypt", "-i", "--age", RECIPIENT, "a.yaml"]).output().unwrap();
    assert!(encrypt.status.success(), "{}", String::from_utf8_lossy(&encrypt.stderr));

    for (pin, opens) in [("1234", true), ("9999", false)] {
        let line = format!("{sealfast} decrypt --output {pin}.out a.yaml");
        let mut child = command(&folder, "script", &["-qec", &line, "/dev/null"]).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{pin}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("hold still") && shown.contains("PIN of the test key:"), "{shown}");
        assert_eq!(output.status.success(), opens, "{shown}");
        assert_eq!(folder.join(format!("{pin}.out")).exists(), opens);
    }
}

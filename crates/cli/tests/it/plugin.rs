//! An age plugin that asks for a PIN, on a terminal and without one.

use std::fs;
use std::io::{Read as _, Write as _};
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
    let encrypt =
        command(&folder, sealfast, &["encrypt", "-i", "--age", RECIPIENT, "a.yaml"]).output().unwrap();
    assert!(encrypt.status.success(), "{}", String::from_utf8_lossy(&encrypt.stderr));

    for (pin, opens) in [("1234", true), ("9999", false)] {
        let line = format!("{sealfast} decrypt --output out.{opens} a.yaml");
        let mut child = command(&folder, "script", &["-qec", &line, "/dev/null"]).spawn().unwrap();
        let (mut typing, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // What was typed before the question does not count.
        let mut shown = Vec::new();
        while !shown.ends_with(b"PIN of the test key: ") {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        typing.write_all(format!("{pin}\n").as_bytes()).unwrap();
        screen.read_to_end(&mut shown).unwrap();
        let status = child.wait().unwrap();
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(shown.contains("hold still"), "{shown}");
        assert!(!shown.contains(pin), "what is secret is not shown: {shown}");
        assert_eq!(status.success(), opens, "{shown}");
        assert_eq!(folder.join(format!("out.{opens}")).exists(), opens);
    }
}

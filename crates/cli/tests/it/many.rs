//! Many files, edits that keep bytes, publishing, as a person calls them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealfast_testkit::scratch::Scratch;

/// A directory with a key, a configuration and a home of its own.
struct Desk {
    scratch: Scratch,
    recipient: String,
}

impl Desk {
    fn new() -> Result<Self> {
        let mut desk = Self { scratch: Scratch::new()?, recipient: String::new() };
        desk.call(&["keys", "generate", "age", "--output", "key.txt"])?;
        let text = fs::read_to_string(desk.path("key.txt"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap_or_default();
        desk.recipient = line.to_owned();
        desk.write(
            ".sops.yaml",
            &format!("creation_rules:\n  - path_regex: secret.*\n    age: {line}\n    encrypted_regex: ^(data|password)$\n"),
        )?;
        Ok(desk)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.scratch.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(fs::write(path, text)?)
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.path(name))?)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
        command.args(args).current_dir(self.scratch.path()).env_clear();
        command.env("PATH", sealfast_testkit::program::search_path()).env("HOME", self.scratch.path());
        command.env("SOPS_AGE_KEY_FILE", self.path("key.txt")).env("NO_COLOR", "1");
        command
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        Ok(self.command(args).output()?)
    }

    /// Runs a command that must succeed and returns its standard output.
    fn call(&self, args: &[&str]) -> Result<String> {
        let output = self.run(args)?;
        ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

const TEXT: &str = "# kept\npassword:   'one' # also\n\nplain: x\n";

#[test]
fn a_directory_is_encrypted_by_its_rules_and_comes_back() -> Result<()> {
    let desk = Desk::new()?;
    for name in ["a/secret1.yaml", "a/b/secret2.yaml", "a/other.yaml", "a/ignored/secret3.yaml"] {
        desk.write(name, TEXT)?;
    }
    desk.write("a/.gitignore", "ignored/\n")?;
    let check = desk.run(&["encrypt", "--recursive", "--check", "a"])?;
    ensure!(check.status.code() == Some(1) && desk.read("a/secret1.yaml")? == TEXT);
    let summary = desk.call(&["encrypt", "-i", "--recursive", "--output", "json", "a"])?;
    let summary: serde_json::Value = serde_json::from_str(&summary)?;
    ensure!(summary["changed"] == 2 && summary["failed"] == 0, "{summary}");
    ensure!(desk.read("a/secret1.yaml")?.contains("password:   'ENC["), "{}", desk.read("a/secret1.yaml")?);
    for name in ["a/other.yaml", "a/ignored/secret3.yaml"] {
        ensure!(desk.read(name)? == TEXT, "{name}");
    }
    ensure!(desk.run(&["encrypt", "--recursive", "--check", "a"])?.status.success());
    desk.write("a/secret3.yaml", TEXT)?;
    let check = desk.run(&["filestatus", "--check", "--recursive", "a"])?;
    let told = String::from_utf8(check.stdout)?;
    ensure!(check.status.code() == Some(1), "{told}");
    ensure!(told.contains("a/secret3.yaml: exposed: not encrypted, but should be\n"), "{told}");
    ensure!(told.contains("a/other.yaml: not encrypted\n"), "{told}");
    let talk = String::from_utf8(check.stderr)?;
    ensure!(talk.contains("4 files: 2 encrypted, 1 not, 1 exposed, 0 failed\n"), "{talk}");
    let check = desk.run(&["filestatus", "--check", "--recursive", "--output", "json", "a"])?;
    ensure!(check.status.code() == Some(1));
    let summary: serde_json::Value = serde_json::from_slice(&check.stdout)?;
    let counts = ["encrypted", "clear", "exposed", "failed"].map(|count| summary[count].as_u64());
    ensure!(counts == [Some(2), Some(1), Some(1), Some(0)], "{summary}");
    let result = |name: &str| {
        let files = summary["files"].as_array().into_iter().flatten();
        files.into_iter().find(|file| file["path"] == name).map(|file| file["result"].clone())
    };
    ensure!(result("a/secret3.yaml") == Some("exposed".into()), "{summary}");
    ensure!(result("a/other.yaml") == Some("not encrypted".into()), "{summary}");
    ensure!(result("a/secret1.yaml") == Some("encrypted".into()), "{summary}");
    fs::remove_file(desk.path("a/secret3.yaml"))?;
    ensure!(desk.run(&["filestatus", "--check", "--recursive", "a"])?.status.success());
    let status = desk.call(&["filestatus", "a/*.yaml"])?;
    ensure!(status == "a/other.yaml: not encrypted\na/secret1.yaml: encrypted\n", "{status}");
    desk.call(&["decrypt", "-i", "a/secret1.yaml", "a/b/secret2.yaml"])?;
    ensure!(desk.read("a/secret1.yaml")? == TEXT && desk.read("a/b/secret2.yaml")? == TEXT);
    Ok(())
}

#[test]
fn a_file_that_fails_does_not_stop_the_others() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret1.yaml", TEXT)?;
    desk.write("secret2.yaml", "password: [\n")?;
    let output = desk.run(&["encrypt", "-i", "secret1.yaml", "secret2.yaml"])?;
    let talk = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1) && talk.contains("secret2.yaml") && talk.contains("1 failed"),
        "{talk}"
    );
    ensure!(desk.read("secret1.yaml")?.contains("ENC[") && desk.read("secret2.yaml")? == "password: [\n");
    ensure!(desk.run(&["encrypt", "secret1.yaml", "secret2.yaml"])?.status.code() == Some(8));
    let talk = String::from_utf8(desk.run(&["rotate", "-i", "secret1.yaml", "none.yaml"])?.stderr)?;
    ensure!(talk.matches("none.yaml").count() == 1, "{talk}");
    Ok(())
}

#[test]
fn keys_and_values_change_only_their_lines() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret.yaml", TEXT)?;
    desk.call(&["encrypt", "-i", "secret.yaml"])?;
    let before = desk.read("secret.yaml")?;
    desk.call(&["keys", "generate", "age", "--output", "second.txt"])?;
    let text = desk.read("second.txt")?;
    let second = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap_or_default();
    let rules = desk.read(".sops.yaml")?.replace(&desk.recipient, &format!("{},{second}", desk.recipient));
    desk.write(".sops.yaml", &rules)?;
    ensure!(desk.run(&["updatekeys", "--check", "secret.yaml"])?.status.code() == Some(1));
    desk.call(&["updatekeys", "--yes", "secret.yaml"])?;
    let after = desk.read("secret.yaml")?;
    ensure!(before.lines().all(|line| after.lines().any(|other| other == line)), "{before}\nbecame\n{after}");
    ensure!(after.contains(second) && desk.call(&["decrypt", "secret.yaml"])? == TEXT);

    desk.write("new.yaml", &TEXT.replace("plain: x", "plain: y"))?;
    let again =
        desk.call(&["encrypt", "--reuse", "secret.yaml", "--filename-override", "secret.yaml", "new.yaml"])?;
    let changed: Vec<&str> = after.lines().filter(|line| !again.contains(line)).map(str::trim).collect();
    let is_time = |line: &&str| line.starts_with("lastmodified") || line.starts_with("mac");
    ensure!(changed[0] == "plain: x" && changed[1..].iter().all(is_time), "{changed:?}\n{again}");
    let same = desk.call(&["decrypt", "secret.yaml"])?;
    desk.write("new.yaml", &same)?;
    let again =
        desk.call(&["encrypt", "--reuse", "secret.yaml", "--filename-override", "secret.yaml", "new.yaml"])?;
    ensure!(again == after, "nothing changed, so the old file is the new one");

    desk.call(&["rotate", "-i", "secret.yaml"])?;
    ensure!(desk.read("secret.yaml")?.contains("\npassword:   'ENC["));
    ensure!(desk.call(&["decrypt", "secret.yaml"])? == TEXT);
    Ok(())
}

#[test]
fn an_edit_keeps_what_was_not_edited() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret.yaml", &format!("{TEXT}data:\n- 0x1F\n- &x two\n- *x\n"))?;
    desk.call(&["encrypt", "-i", "secret.yaml"])?;
    let before = desk.read("secret.yaml")?;
    let mut edit = desk.command(&["edit", "secret.yaml"]);
    let edited = edit.env("SOPS_EDITOR", "sed -i s/one/three/").output()?;
    ensure!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    let after = desk.read("secret.yaml")?;
    let keys = |text: &str, other: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !other.lines().any(|other| other == *line));
        lines.map(|line| line.split(':').next().unwrap_or_default().trim().to_owned()).collect()
    };
    let changed = keys(&before, &after);
    ensure!(
        changed
            .iter()
            .all(|key| ["password", "lastmodified", "mac", "sealfast_layout"].contains(&key.as_str())),
        "{changed:?}"
    );
    ensure!(
        desk.call(&["decrypt", "secret.yaml"])?
            == format!("{}data:\n- 0x1F\n- &x two\n- *x\n", TEXT.replace("one", "three"))
    );
    Ok(())
}

#[test]
fn strict_refuses_a_file_without_secrets() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret.yaml", "plain: x\n")?;
    let output = desk.run(&["encrypt", "--strict", "secret.yaml"])?;
    let talk = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && talk.contains("encrypted_regex"), "{talk}");
    ensure!(desk.run(&["encrypt", "secret.yaml"])?.status.success());
    Ok(())
}

#[test]
fn a_command_in_the_background_reads_the_file_and_cleans_up() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret.yaml", TEXT)?;
    desk.call(&["encrypt", "-i", "secret.yaml"])?;
    for flags in [&["--no-fifo"][..], &[]] {
        let line = "sleep 0.2; cat {} > out.part; echo {} > where; mv out.part out";
        let args = [&["exec-file", "--background"], flags, &["secret.yaml", line]].concat();
        desk.call(&args)?;
        ensure!(!desk.path("out").exists(), "it does not wait");
        until(|| desk.path("out").exists())?;
        ensure!(desk.read("out")?.contains("one"));
        let handed_out = desk.read("where")?;
        until(|| !Path::new(handed_out.trim()).exists())?;
        fs::remove_file(desk.path("out"))?;
    }
    Ok(())
}

fn until(what: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !what() {
        ensure!(start.elapsed() < Duration::from_secs(20), "it did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Answers one request after the other and tells what was asked.
fn stand_in(
    answers: &'static [(u16, &'static str)],
) -> Result<(String, std::thread::JoinHandle<Vec<String>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let asked = std::thread::spawn(move || {
        let answer = |(code, body): &(u16, &str)| -> Result<String> {
            let (mut stream, _) = listener.accept()?;
            let mut reader = BufReader::new(stream.try_clone()?);
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse()?;
                }
                request.push_str(&line);
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut content = vec![0; length];
            reader.read_exact(&mut content)?;
            let head = format!(
                "HTTP/1.1 {code} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            Ok(request + &String::from_utf8_lossy(&content))
        };
        answers.iter().map(|given| answer(given).unwrap_or_else(|wrong| wrong.to_string())).collect()
    });
    Ok((address, asked))
}

fn publishing(desk: &Desk, destination: &str) -> Result<()> {
    let rules = desk.read(".sops.yaml")?;
    desk.write(".sops.yaml", &format!("{rules}destination_rules:\n  - path_regex: secret.*\n{destination}"))?;
    desk.write("secret.yaml", TEXT)?;
    desk.call(&["encrypt", "-i", "secret.yaml"]).map(drop)
}

#[test]
fn vault_gets_decrypted_values_once() -> Result<()> {
    let desk = Desk::new()?;
    const SAME: &str = r#"{"data":{"data":{"password":"one","plain":"x"}}}"#;
    let (address, asked) = stand_in(&[(404, "{}"), (200, "{}"), (200, SAME)])?;
    publishing(
        &desk,
        &format!("    vault_path: app/\n    vault_address: {address}\n    omit_extensions: true\n"),
    )?;
    for _ in 0..2 {
        let mut publish = desk.command(&["publish", "--yes", "secret.yaml"]);
        let output = publish.env("VAULT_TOKEN", "t0k").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let asked = asked.join().unwrap_or_default();
    ensure!(
        asked[0].starts_with("GET /v1/secret/data/app/secret ") && asked[0].contains("t0k"),
        "{}",
        asked[0]
    );
    ensure!(asked[1].starts_with("PUT /v1/secret/data/app/secret "), "{}", asked[1]);
    ensure!(asked[1].ends_with(r#"{"data":{"password":"one","plain":"x"}}"#), "{}", asked[1]);
    Ok(())
}

#[test]
fn buckets_get_the_encrypted_file() -> Result<()> {
    for kind in ["s3", "gcs"] {
        let desk = Desk::new()?;
        let (address, asked) = stand_in(&[(200, "{}")])?;
        publishing(&desk, &format!("    {kind}_bucket: store\n    {kind}_prefix: in/\n"))?;
        let mut publish = desk.command(&["publish", "secret.yaml"]);
        publish.env("AWS_ENDPOINT_URL_S3", &address).env("STORAGE_EMULATOR_HOST", &address);
        publish.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "secret");
        let mut child =
            publish.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn()?;
        child.stdin.take().map(|mut input| input.write_all(b"maybe\ny\n")).transpose()?;
        let output = child.wait_with_output()?;
        let talk = String::from_utf8(output.stdout)?;
        ensure!(
            output.status.success()
                && talk.matches(&format!("to {kind}://store/in/secret.yaml ? (y/n): ")).count() == 2,
            "{talk}"
        );
        let asked = asked.join().unwrap_or_default().remove(0);
        ensure!(asked.ends_with(&desk.read("secret.yaml")?), "{asked}");
        let head = if kind == "s3" {
            "PUT /store/in/secret.yaml "
        } else {
            "POST /upload/storage/v1/b/store/o?uploadType=media&name=in%2Fsecret.yaml "
        };
        ensure!(asked.starts_with(head) && (kind == "gcs" || asked.contains("Credential=AKID/")), "{asked}");
    }
    Ok(())
}

#[test]
fn an_error_names_file_line_and_place() -> Result<()> {
    let desk = Desk::new()?;
    desk.write("secret.yaml", "data:\n  a: one\n  b: two\n")?;
    desk.call(&["encrypt", "-i", "secret.yaml"])?;
    let moved = desk.read("secret.yaml")?.replace("  b: ", "  c: ");
    desk.write("secret.yaml", &moved)?;
    let talk = String::from_utf8(desk.run(&["decrypt", "secret.yaml"])?.stderr)?;
    ensure!(
        talk.contains("secret.yaml:3: ") && talk.contains("`data.c`") && talk.contains("hint:"),
        "{talk}"
    );
    Ok(())
}

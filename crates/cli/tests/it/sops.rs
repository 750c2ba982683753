//! What the recorded cases of `sops` do not show.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A directory with an identity, removed afterwards.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
    pub(crate) recipient: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("sealfast-it-").tempdir().unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops/keys");
        fs::copy(keys.join("age1.agekey"), dir.path().join("keys.txt")).unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let recipient = fs::read_to_string(keys.join("age1.pub")).unwrap().trim().to_owned();
        Self { dir, recipient }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_sealfast")), args)
    }

    /// A call through a link with another name.
    pub(crate) fn command_as(&self, name: &str, args: &[&str]) -> Command {
        let link = self.path(name);
        if !link.exists() {
            symlink(env!("CARGO_BIN_EXE_sealfast"), &link).unwrap();
        }
        self.command_of(&link, args)
    }

    pub(crate) fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.path("tmp"))
            .env("SOPS_AGE_KEY_FILE", self.path("keys.txt"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs what must go well and returns what it printed.
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Writes a file and encrypts it in place.
    pub(crate) fn encrypted(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        self.text(&["encrypt", "--age", &self.recipient, "-i", name]);
        path
    }
}

#[test]
fn replacing_keeps_mode_and_follows_links() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    fs::set_permissions(desk.path("a.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a.yaml", desk.path("link.yaml")).unwrap();
    desk.text(&["encrypt", "link.yaml", "--in-place", "--age", &desk.recipient]);
    assert!(fs::symlink_metadata(desk.path("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::metadata(desk.path("a.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(desk.path("a.yaml")).unwrap().contains("ENC["));
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: one\n");
}

#[test]
fn our_own_verbs_keep_the_looks_of_a_file() {
    let desk = Desk::new();
    let plain = "# kept\nkind:   'Secret'\n\nstringData:\n  a: \"one\"  # who\n\n  b: two\n";
    fs::write(desk.path("a.yaml"), plain).unwrap();
    let args = ["encrypt", "-i", "a.yaml", "--age", &desk.recipient, "--encrypted-regex", "^[ab]$"];
    desk.text(&args);
    let first = fs::read_to_string(desk.path("a.yaml")).unwrap();
    assert!(first.starts_with("# kept\nkind:   'Secret'\n\nstringData:\n  a: \"ENC["), "{first}");
    desk.text(&["set", "a.yaml", "[\"stringData\"][\"b\"]", "\"three\""]);
    let second = fs::read_to_string(desk.path("a.yaml")).unwrap();
    assert_eq!(first.lines().count(), second.lines().count());
    // The value, the MAC, and the time unless both happened in one second.
    let changed = first.lines().zip(second.lines()).filter(|(old, new)| old != new).count();
    assert!((2..=3).contains(&changed), "{second}");
    assert_eq!(desk.text(&["decrypt", "a.yaml", "--extract", "[\"stringData\"][\"b\"]"]), "three");
}

#[test]
fn flags_may_stand_behind_the_file() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\nb: two\n");
    assert_eq!(desk.text(&["decrypt", "a.yaml", "--extract", "[\"b\"]"]), "two");
}

#[test]
fn editing_leaves_no_plaintext_behind_when_it_is_ended() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let desk = Desk::new();
        let file = desk.encrypted("a.yaml", "a: one\n");
        let before = fs::read(&file).unwrap();
        let mut child = desk
            .command(&["edit", "a.yaml"])
            .env("SOPS_EDITOR", "sh -c 'exec sleep 60' x")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut seen = None;
        for _ in 0..200 {
            seen = fs::read_dir(desk.path("tmp"))
                .unwrap()
                .flatten()
                .find(|dir| dir.path().join("a.yaml").exists());
            if seen.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let dir = seen.expect("the plaintext is handed to the editor").path();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(dir.join("a.yaml")).unwrap().permissions().mode() & 0o777, 0o600);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        assert!(!child.wait().unwrap().success());
        assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0, "{signal}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn what_an_editor_wrote_before_it_failed_is_kept() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "a: one\n");
    let edit = |mut command: Command, editor: &str| {
        let output = command.env("SOPS_EDITOR", editor).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    let dies = r"sh -c 'echo a: two > $0; kill -9 $$'";
    for editor in ["sh -c 'exit 3' x", dies] {
        let (code, told) = edit(desk.command(&["edit", "a.yaml"]), editor);
        assert_eq!((code, fs::read_dir(desk.path("tmp")).unwrap().count()), (Some(201), 0), "{told}");
        assert_eq!(told.contains("hint: what was edited is gone"), editor == dies, "{told}");
    }
    let line = format!("{} edit a.yaml", env!("CARGO_BIN_EXE_sealfast"));
    let (code, told) = edit(desk.command_of(Path::new("script"), &["-qec", &line, "/dev/null"]), dies);
    assert_eq!(code, Some(201), "{told}");
    let dir = fs::read_dir(desk.path("tmp")).unwrap().next().expect("a directory is kept").unwrap().path();
    assert!(told.contains(&dir.display().to_string()), "{told}");
    assert_eq!(fs::read_to_string(dir.join("a.yaml")).unwrap(), "a: two\n");
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(desk.text(&["decrypt", "a.yaml"]), "a: one\n");
}

#[test]
fn a_selector_that_does_not_compile_is_refused_before_the_editor_opens() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    desk.text(&["encrypt", "-i", "a.yaml", "--age", &desk.recipient, "--unencrypted-regex", "^x$"]);
    let text = fs::read_to_string(desk.path("a.yaml")).unwrap();
    let wrong = text.replace("unencrypted_regex: ^x$", "unencrypted_regex: (");
    assert_ne!(text, wrong);
    fs::write(desk.path("a.yaml"), &wrong).unwrap();
    let mark = desk.path("opened");
    let editor = format!("sh -c 'touch {}; echo a: two > $0'", mark.display());
    let output = desk.command(&["edit", "a.yaml"]).env("SOPS_EDITOR", editor).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(23), "{told}");
    assert!(told.contains("a.yaml") && told.contains("unencrypted_regex does not compile"), "{told}");
    assert!(!mark.exists(), "the editor was opened");
    assert_eq!(fs::read_to_string(desk.path("a.yaml")).unwrap(), wrong);
}

#[test]
fn keys_of_paths_need_their_closing_quote() {
    let desk = Desk::new();
    desk.encrypted("a.yaml", "ab: one\n");
    for path in ["[\"abx]", "[\"ab']", "[\"]"] {
        assert!(!desk.command(&["set", "a.yaml", path, "\"two\""]).output().unwrap().status.success());
        let output = desk.command(&["decrypt", "a.yaml", "--extract", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(91), "{path}");
    }
    assert_eq!(desk.text(&["decrypt", "a.yaml", "--extract", "['ab']"]), "one");
}

#[test]
fn errors_name_file_and_place_and_say_what_to_do() {
    let desk = Desk::new();
    let file = desk.encrypted("a.yaml", "outer:\n  password: hunter2\n");
    let moved = fs::read_to_string(&file).unwrap().replace("password:", "word:");
    fs::write(&file, moved).unwrap();
    let output = desk.run(&["decrypt", "a.yaml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(25));
    assert!(text.contains("a.yaml:2: cannot decrypt the value at `outer.word`"), "{text}");
    assert!(text.contains("hint: "), "{text}");

    let output = desk.run(&["encrypt", "a.yaml"]);
    assert_eq!(output.status.code(), Some(203));
    assert!(String::from_utf8(output.stderr).unwrap().contains("already has a top-level `sops` entry"));
}

#[test]
fn a_selector_that_chooses_nothing_is_told() {
    let desk = Desk::new();
    fs::write(desk.path("a.yaml"), "a: one\n").unwrap();
    let args = ["encrypt", "a.yaml", "--age", &desk.recipient, "--encrypted-regex"];
    let output = desk.run(&[&args[..], &["^data$"]].concat());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no value was encrypted"));
    let output = desk.run(&[&args[..], &["("]].concat());
    assert_eq!(output.status.code(), Some(1));
}

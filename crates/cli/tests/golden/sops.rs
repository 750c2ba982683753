//! Walks `golden/sops` as `sops`, and again through our own verbs.
//!
//! One test a case; those of the second walk are named `native::CASE`: what is compared there is exit codes and the
//! meaning of files and output, not layout and messages. `sops-not-yet.txt` beside this file names the cases that do not pass yet, each with its reason;
//! a case that is named there and passes fails the run, so that the list stays true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

#[path = "sops/expect.rs"]
mod expect;
#[path = "sops/meaning.rs"]
mod meaning;
#[path = "sops/normal.rs"]
mod normal;

const NOT_YET: &str = include_str!("sops-not-yet.txt");

fn main() -> std::process::ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops");
    let Ok(root) = root.canonicalize() else {
        // A checkout without recordings has nothing to walk.
        return std::process::ExitCode::SUCCESS;
    };
    let not_yet: BTreeMap<&str, &str> = NOT_YET
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .collect();
    let mut trials = Vec::new();
    for name in cases(&root) {
        let dir = root.join(&name);
        for manner in [Manner::AsSops, Manner::Native] {
            let name = if manner == Manner::Native { format!("native::{name}") } else { name.clone() };
            let listed = not_yet.get(name.as_str()).map(|reason| (*reason).to_owned());
            let dir = dir.clone();
            if manner == Manner::AsSops || has_only_verbs(&dir) {
                trials.push(Trial::test(name, move || judge(run(&dir, manner), listed)));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn cases(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("case.json").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whose command line a case is played on.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    AsSops,
    Native,
}

const VERBS: [&str; 13] = [
    "encrypt",
    "decrypt",
    "edit",
    "set",
    "unset",
    "rotate",
    "updatekeys",
    "groups",
    "exec-env",
    "exec-file",
    "publish",
    "filestatus",
    "keyservice",
];

/// Does every step name a verb? The old spellings are those of `sops` alone.
fn has_only_verbs(dir: &Path) -> bool {
    let Ok(Ok(case)) = fs::read(dir.join("case.json")).map(|text| serde_json::from_slice::<Value>(&text))
    else {
        return false;
    };
    let steps = case["steps"].as_array().cloned().unwrap_or_default();
    steps.iter().all(|step| texts(step, "args").iter().any(|arg| VERBS.contains(&arg.as_str())))
}

/// The verb first, as our own command line has it.
fn verb_first(mut args: Vec<String>) -> Vec<String> {
    if let Some(at) = args.iter().position(|arg| VERBS.contains(&arg.as_str())) {
        args[..=at].rotate_right(1);
    }
    args
}

fn judge(result: anyhow::Result<()>, listed: Option<String>) -> Result<(), Failed> {
    match (result, listed) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(reason)) => {
            Err(format!("passes now; take it out of sops-not-yet.txt (there: {reason})").into())
        }
        (Err(wrong), None) => Err(format!("{wrong:#}").into()),
    }
}

/// One case in a fresh directory.
struct Bench {
    case: Value,
    case_dir: PathBuf,
    scratch: PathBuf,
    program: PathBuf,
    manner: Manner,
    background: Vec<Child>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.case.get("gnupg").is_some() {
            let _ = self.command(Path::new("gpgconf")).args(["--kill", "gpg-agent"]).output();
        }
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

fn run(case_dir: &Path, manner: Manner) -> anyhow::Result<()> {
    let case: Value = serde_json::from_slice(&fs::read(case_dir.join("case.json"))?)?;
    // The stand-in for key services has one port, so only one case at a time may use it.
    static SERVICES: Mutex<()> = Mutex::new(());
    let _turn = case.get("mock").map(|_| SERVICES.lock().unwrap_or_else(PoisonError::into_inner));
    let scratch = scratch_dir()?;
    let program = scratch.join(if manner == Manner::Native { "sealfast" } else { "sops" });
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sealfast"), &program)?;
    let mut bench =
        Bench { case, case_dir: case_dir.to_owned(), scratch, program, manner, background: Vec::new() };
    bench.set_up()?;
    if bench.case.get("mock").is_some() {
        bench.start_services()?;
    }
    let mut problems = Vec::new();
    let steps = bench.case["steps"].as_array().cloned().unwrap_or_default();
    for (index, step) in steps.iter().enumerate() {
        let found = bench.step(step).with_context(|| format!("step {index}"))?;
        let stops = !found.is_empty() && step.get("exit").is_none_or(|exit| *exit == 0);
        problems.extend(found.into_iter().map(|problem| format!("step {index} {}: {problem}", step["args"])));
        if stops {
            break;
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}

/// Short, because sockets of gpg-agent lie in it.
fn scratch_dir() -> anyhow::Result<PathBuf> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("sg{}.{number}", std::process::id()));
    fs::create_dir(&dir)?;
    Ok(dir.canonicalize()?)
}

impl Bench {
    fn work(&self) -> PathBuf {
        self.scratch.join("w")
    }

    fn keys(&self) -> PathBuf {
        self.case_dir.join("../keys").canonicalize().unwrap_or_default()
    }

    /// Fills placeholders in.
    fn fill(&self, text: &str) -> String {
        let places = [
            ("{keys}", self.keys()),
            ("{work}", self.work()),
            ("{home}", self.scratch.join("home")),
            ("{gnupghome}", self.scratch.join("g")),
        ];
        places
            .iter()
            .fold(text.to_owned(), |text, (place, path)| text.replace(place, &path.to_string_lossy()))
    }

    /// A program with nothing in its environment but what every case has.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", sealfast_testkit::program::search_path())
            .env("HOME", self.scratch.join("home"))
            .env("GNUPGHOME", self.scratch.join("g"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", &self.scratch)
            .env("SOPS_DISABLE_VERSION_CHECK", "1");
        command
    }

    fn set_up(&self) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        copy_case(&self.case_dir, &self.work())?;
        for dir in texts(&self.case, "mkdirs") {
            fs::create_dir_all(self.work().join(dir))?;
        }
        fs::create_dir_all(self.scratch.join("home"))?;
        let gnupg = self.scratch.join("g");
        fs::create_dir(&gnupg)?;
        fs::set_permissions(&gnupg, fs::Permissions::from_mode(0o700))?;
        for file in texts(&self.case, "gnupg") {
            let import = self
                .command(Path::new("gpg"))
                .args(["--batch", "--quiet", "--import"])
                .arg(self.keys().join(&file))
                .output()?;
            ensure!(import.status.success(), "gpg does not import {file}");
        }
        for (name, source) in pairs(&self.case, "home_files") {
            let path = self.scratch.join("home").join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.scratch))?;
            fs::copy(self.keys().join(source), &path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Starts the stand-in for AWS KMS and Vault.
    fn start_services(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("python3");
        command.arg(self.case_dir.join("../mock_server.py")).arg(self.work().join("mock.log"));
        self.background.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        for _ in 0..100 {
            if std::net::TcpStream::connect("127.0.0.1:18231").is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the stand-in for key services does not answer")
    }

    /// Runs a step and returns what is wrong with it.
    fn step(&mut self, step: &Value) -> anyhow::Result<Vec<String>> {
        for (name, source) in pairs(step, "copy") {
            fs::copy(self.work().join(source), self.work().join(name))?;
        }
        for (name, text) in pairs(step, "write") {
            fs::write(self.work().join(name), text)?;
        }
        let mut command = self.command(&self.program.clone());
        for vars in [&self.case["env"], &step["env"]] {
            for (name, value) in vars.as_object().into_iter().flatten() {
                match value.as_str() {
                    Some(value) => command.env(name, self.fill(value)),
                    None => command.env_remove(name),
                };
            }
        }
        command.current_dir(self.work().join(step["cwd"].as_str().unwrap_or(".")));
        let mut args: Vec<String> = texts(step, "args").iter().map(|arg| self.fill(arg)).collect();
        if self.manner == Manner::Native {
            args = verb_first(args);
        }
        command.args(args);
        if step["background"] == true {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            self.background.push(command.spawn()?);
            self.wait_for(Path::new(&self.fill(step["wait_for"].as_str().unwrap_or_default())));
            return Ok(Vec::new());
        }
        let stdin = match (step["stdin_file"].as_str(), step["stdin"].as_str()) {
            (Some(file), _) => fs::read(self.work().join(file))?,
            (None, Some(text)) => text.as_bytes().to_vec(),
            (None, None) => Vec::new(),
        };
        let output = communicate(command, stdin)?;
        if let Some(name) = step["save_stdout"].as_str() {
            fs::write(self.work().join(name), &output.stdout)?;
        }
        if self.manner == Manner::Native {
            return meaning::check(step, &self.case_dir, &self.work(), &output);
        }
        expect::check(step, &self.case_dir, &self.work(), &output, &|text| self.fill(text))
    }

    fn wait_for(&self, path: &Path) {
        for _ in 0..100 {
            if path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn communicate(mut command: Command, stdin: Vec<u8>) -> anyhow::Result<std::process::Output> {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().context("piped above")?;
    let writer = std::thread::spawn(move || {
        // A program that does not read closes the pipe early.
        let _ = pipe.write_all(&stdin);
    });
    let output = child.wait_with_output()?;
    let _ = writer.join();
    Ok(output)
}

/// Copies a case without what describes it.
fn copy_case(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "case.json" || name == "cmd.txt" || name.starts_with("expected") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_case(&entry.path(), &to.join(name))?;
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let items = value[name].as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn pairs(value: &Value, name: &str) -> Vec<(String, String)> {
    let fields = value[name].as_object().into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

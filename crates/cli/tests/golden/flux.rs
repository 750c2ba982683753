//! Walks `golden/flux-cli`: `flux …` and `kubectl create secret …`.
//!
//! Cases that need a cluster run without one here, and so are on the list of those that do not pass yet.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use regex::Regex;
use sealfast_testkit::golden::{Case, Walk};

fn main() -> ExitCode {
    Walk::area("flux-cli")
        .only(|case| case.has("cmd.txt"))
        .not_yet(include_str!("flux-not-yet.txt"))
        .run(check)
}

fn check(case: &Case) -> Result<()> {
    ensure!(!case.has("cluster.txt"), "needs the recorded cluster");
    let mut words = shell_words::split(&case.read("cmd.txt")?)?;
    let scratch = tempfile::TempDir::with_prefix("flux-case-")?;
    let work = scratch.path().join("work");
    let home = scratch.path().join("home");
    fs::create_dir_all(&home)?;
    copy(&case.dir.join("files"), &work)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealfast"));
    command.env_clear().current_dir(&work);
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &home);
    command.env("LANG", "C.UTF-8").env("TZ", "UTC").env("NO_COLOR", "1");
    while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
        command.env(name, value);
        words.remove(0);
    }
    command.args(&words);
    let stdin = match fs::File::open(case.dir.join("stdin")) {
        Ok(file) => Stdio::from(file),
        Err(_) => Stdio::null(),
    };
    let output = command.stdin(stdin).output().context("running the program")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let wanted: i32 = case.read("expected.exit").unwrap_or_else(|_| "0".to_owned()).trim().parse()?;
    ensure!(output.status.code() == Some(wanted), "exit {:?}, not {wanted}\n{stderr}", output.status.code());
    stdout_fits(case, &stdout)?;
    if case.has("expected.stderr-pattern") {
        pattern_fits("stderr", &case.read("expected.stderr-pattern")?, &stderr)?;
    }
    Ok(())
}

/// One of the recorded texts, or the pattern.
fn stdout_fits(case: &Case, stdout: &str) -> Result<()> {
    if case.has("expected.stdout-pattern") {
        return pattern_fits("stdout", &case.read("expected.stdout-pattern")?, stdout);
    }
    let mut recorded = Vec::new();
    for entry in fs::read_dir(&case.dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("expected.stdout") {
            recorded.push(case.read(&name)?);
        }
    }
    // A warning that the reference puts among the data belongs to standard error.
    let fits = |text: &String| {
        text == stdout
            || text
                .split_once('\n')
                .is_some_and(|(first, rest)| first.starts_with("Flag --") && rest == stdout)
    };
    if recorded.iter().any(fits) {
        return Ok(());
    }
    bail!("stdout\n{stdout}\nexpected\n{}", recorded.first().map_or("", String::as_str))
}

fn pattern_fits(what: &str, pattern: &str, text: &str) -> Result<()> {
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("Flag --") && !line.starts_with("⚠️ --decryption-secret"))
        .collect();
    let text = text.join("\n");
    let regex = Regex::new(&format!("(?s)^(?:{})$", pattern.trim_end_matches('\n')))?;
    ensure!(regex.is_match(text.trim_end_matches('\n')), "{what}\n{text}\ndoes not match\n{pattern}");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

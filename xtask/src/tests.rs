//! Runs the tests, shows what they print, and sums up.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What the test programs said.
#[derive(Default)]
struct Tally {
    programs: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
    names: Vec<String>,
    is_list: bool,
}

/// Runs `cargo test --workspace` and ends with a summary; `missing` are programs that some tests will ask for.
pub(crate) fn run(args: &[OsString], missing: &[String]) -> ExitCode {
    let start = Instant::now();
    let mut tally = Tally::default();
    let is_success = match cargo(args, &mut tally) {
        Ok(is_success) => is_success,
        Err(error) => {
            eprintln!("error: cargo test did not start: {error}");
            false
        }
    };
    println!("\n{}", tally.summary(is_success, start.elapsed()));
    for line in missing {
        println!("missing: {line}");
    }
    if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::disallowed_methods, reason = "cargo names itself to what it runs")]
fn cargo(args: &[OsString], tally: &mut Tally) -> std::io::Result<bool> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells this errand about itself would make build scripts run again.
    let about_us = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || name.starts_with("CARGO_BIN_")
    };
    for (name, _) in env::vars_os().filter(|(name, _)| about_us(name)) {
        command.env_remove(name);
    }
    command.args(["test", "--no-fail-fast"]);
    let names_package = args.iter().any(|arg| arg == "-p" || arg.to_string_lossy().starts_with("--package"));
    if !names_package {
        command.arg("--workspace");
    }
    let mut child = command.args(args).stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            tally.read(&line);
        }
    }
    Ok(child.wait()?.success())
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.programs += 1;
            self.is_list = false;
            for part in result.split([';', '.']) {
                let mut words = part.split_whitespace();
                let count = words.next().and_then(|word| word.parse::<usize>().ok());
                match (count, words.next()) {
                    (Some(count), Some("passed")) => self.passed += count,
                    (Some(count), Some("failed")) => self.failed += count,
                    (Some(count), Some("ignored")) => self.ignored += count,
                    _ => {}
                }
            }
        } else if line == "failures:" {
            self.is_list = true;
        } else if self.is_list && line.starts_with("    ") && !line.trim().contains(' ') {
            let name = line.trim().to_owned();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    fn summary(&self, is_success: bool, took: Duration) -> String {
        let Self { programs, passed, failed, ignored, names, .. } = self;
        let seconds = took.as_secs();
        let verdict = if is_success { "all tests passed" } else { "TESTS FAILED" };
        let mut text = format!(
            "{verdict}: {passed} passed, {failed} failed, {ignored} ignored in {programs} programs, {seconds} s"
        );
        for name in names {
            text.push_str(&format!("\n  failed: {name}"));
        }
        if !is_success && *failed == 0 {
            text.push_str("\n  something did not compile or a test program ended early: see above");
        }
        text
    }
}

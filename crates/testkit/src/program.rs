//! Programs that tests call, and what to install when they are missing.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Program, Debian package and purpose in a line.
const PROGRAMS: &str = include_str!("../programs.tsv");

/// Returns the path of a program on `PATH`, or where servers lie, which is not on everybody's.
///
/// # Errors
/// When it is not there; the message names the Debian package.
pub fn find(name: &str) -> Result<PathBuf> {
    let folders = env::split_paths(&search_path()).chain([PathBuf::from("/usr/sbin")]).collect::<Vec<_>>();
    let found = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.with_context(|| {
        let package = package(name);
        format!("`{name}` is not on PATH, and this test needs it: apt-get install {package} (or run `cargo xtask test` as root)")
    })
}

fn package(program: &str) -> &str {
    let mut lines = PROGRAMS.lines().map(|line| line.split('\t'));
    let line = lines.find_map(|mut columns| (columns.next() == Some(program)).then_some(columns));
    line.and_then(|mut columns| columns.next()).unwrap_or(program)
}

/// Waits until a program ends by itself, a minute at most.
///
/// # Errors
/// When it goes on; it is killed then.
pub fn ended(mut child: Child) -> Result<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    bail!("it did not end within a minute")
}

/// Returns the path of a program that `cargo xtask test` got beside the build, or that is on `PATH`.
#[must_use]
pub fn find_packaged(name: &str) -> Option<PathBuf> {
    let here = env::current_exe().unwrap_or_default();
    let beside = here.ancestors().map(|folder| folder.join("programs/bin").join(name));
    let on_path: Vec<PathBuf> = env::split_paths(&search_path()).map(|folder| folder.join(name)).collect();
    beside.chain(on_path).find(|file| file.is_file())
}

/// Returns the value of `PATH`, for commands that get an environment of their own.
#[must_use]
pub fn search_path() -> OsString {
    variable("PATH").unwrap_or_default()
}

/// Returns a command with no environment but `PATH`, `TMPDIR` and a fixed locale and time zone.
///
/// # Errors
/// When the program is not there.
pub fn clean(name: &str) -> Result<Command> {
    let mut command = Command::new(find(name)?);
    command.env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    for kept in ["PATH", "TMPDIR"] {
        if let Some(value) = variable(kept) {
            command.env(kept, value);
        }
    }
    Ok(command)
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it does not start or ends with a failure; the message carries both outputs.
pub fn output(command: &mut Command) -> Result<Output> {
    let line = format!("{command:?}");
    let output = command.output().with_context(|| format!("starting {line}"))?;
    if !output.status.success() {
        bail!(
            "{line} ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// Runs a command to its end and returns its standard output without the last line break.
///
/// # Errors
/// As [`output`].
pub fn text(command: &mut Command) -> Result<String> {
    let text = String::from_utf8(output(command)?.stdout)?;
    Ok(text.trim_end_matches('\n').to_owned())
}

#[expect(clippy::disallowed_methods, reason = "tests find their programs as a shell does")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

//! Standard output for data, standard error for talk; a closed pipe is no error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Writes data to standard output; the exit code is success, also when the reader has gone.
#[must_use]
pub(crate) fn data(bytes: &[u8]) -> ExitCode {
    part(bytes).err().unwrap_or(ExitCode::SUCCESS)
}

/// Writes data and returns the exit code, which is not success when writing failed.
#[must_use]
pub(crate) fn then(bytes: &[u8], code: ExitCode) -> ExitCode {
    match part(bytes) {
        Err(failed) if code == ExitCode::SUCCESS => failed,
        _ => code,
    }
}

/// Writes data of which more may come.
///
/// # Errors
/// The code to end with: the reader has gone, or writing failed and that was said.
pub(crate) fn part(bytes: &[u8]) -> Result<(), ExitCode> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| failed(&error))
}

/// What the program ends with when standard output takes no more.
fn failed(error: &std::io::Error) -> ExitCode {
    if error.kind() == ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    talk(&format!("error: failed to write to standard output\n  because: {error}"));
    ExitCode::FAILURE
}

/// Waits until nobody reads standard output any more: its pipe is closed at the other end. A file is always read.
#[expect(deprecated, reason = "standard output stays open as long as the process is there")]
pub(crate) async fn unread() {
    if let Ok(out) = AsyncFd::with_interest(std::io::stdout(), Interest::ERROR)
        && out.ready(Interest::ERROR).await.is_ok_and(|guard| guard.ready().is_error())
    {
        return;
    }
    std::future::pending().await
}

/// Writes one line to standard error; there is nowhere to report its failure.
pub(crate) fn talk(line: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{line}");
}

/// Prints help to standard output or a usage mistake to standard error, as clap rendered it.
#[must_use]
pub(crate) fn usage(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() {
        // There is nowhere to report its failure.
        let _ = usage.print();
        return ExitCode::FAILURE;
    }
    match usage.print() {
        Err(error) => failed(&error),
        Ok(()) => ExitCode::SUCCESS,
    }
}

/// One line that is drawn over and over on a terminal; elsewhere only its lasting lines are printed.
pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Starts the line; it goes away on drop.
    pub(crate) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    /// Draws nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Says what is being waited for.
    pub(crate) fn waits_for(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.to_owned());
        }
    }

    /// Prints a line that stays.
    pub(crate) fn talk(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.println(line),
            None => talk(line),
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

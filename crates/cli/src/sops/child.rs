//! Programs that are run while something must be cleaned up after them, whatever ends us.

use std::process::{Command, ExitStatus};

use tokio::signal::unix::{SignalKind, signal};

/// How waiting for a program ended.
pub(super) enum Ended {
    /// The program ended by itself.
    Exited(ExitStatus),
    /// This process was asked to end; the program has been ended too.
    Interrupted,
}

/// Runs a program in the foreground. Signals that would end this process end the wait instead, so that the caller
/// can clean up.
pub(super) fn wait(command: Command) -> std::io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut child = tokio::process::Command::from(command).spawn()?;
        tokio::select! {
            status = child.wait() => return status.map(Ended::Exited),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
        let _ = child.kill().await;
        Ok(Ended::Interrupted)
    });
    // Nothing may wait for a reader that never came.
    runtime.shutdown_background();
    ended
}

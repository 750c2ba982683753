//! Programs and questions with something to clean up behind them, whatever ends us.
//!
//! While a [`Watch`] is there, signals that would end this process end what it waits for instead, so that the caller
//! comes to its clean-up.

use std::io::{Error, ErrorKind};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How waiting ended.
pub(super) enum Ended<T> {
    /// With what was waited for.
    With(T),
    /// This process was asked to end.
    Interrupted,
}

/// Listens for signals from its making on.
pub(crate) struct Watch {
    runtime: Option<Runtime>,
    /// Each with its number.
    signals: Vec<(i32, Signal)>,
}

/// Once listened to, signals no longer end this process by themselves.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Was there ever a [`Watch`]?
pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

impl Watch {
    pub(crate) fn new() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let kinds =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit(), SignalKind::hangup()];
        // Under `nohup` a hangup is no reason to end.
        let kinds = &kinds[..if ignores_hangup() { 3 } else { 4 }];
        let signals: Result<_, Error> =
            kinds.iter().map(|kind| Ok((kind.as_raw_value(), signal(*kind)?))).collect();
        let signals = signals?;
        drop(entered);
        WATCHED.store(true, Ordering::Relaxed);
        Ok(Self { runtime: Some(runtime), signals })
    }

    /// Runs a program in the foreground; it is ended when this process is asked to end.
    pub(super) fn run(&mut self, command: Command) -> Result<Ended<ExitStatus>, Error> {
        self.wait(async {
            let mut command = tokio::process::Command::from(command);
            command.kill_on_drop(true).spawn()?.wait().await
        })
    }

    /// Waits for a line on standard input; an error of kind `UnexpectedEof` at its end.
    pub(super) fn line(&mut self) -> Result<Ended<()>, Error> {
        self.wait(async {
            let read = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
            match read.await {
                Ok(Ok(0)) | Err(_) => Err(Error::from(ErrorKind::UnexpectedEof)),
                Ok(read) => read.map(drop),
            }
        })
    }

    /// Waits for a signal that ends programs and returns its number.
    pub(crate) fn signal(&mut self) -> Option<i32> {
        let runtime = self.runtime.as_ref()?;
        Some(runtime.block_on(first(&mut self.signals)))
    }

    fn wait<T>(&mut self, work: impl Future<Output = Result<T, Error>>) -> Result<Ended<T>, Error> {
        let Some(runtime) = &self.runtime else { return Ok(Ended::Interrupted) };
        runtime.block_on(async {
            tokio::select! {
                done = work => done.map(Ended::With),
                _ = first(&mut self.signals) => Ok(Ended::Interrupted),
            }
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A read of standard input that never ends must not hold us.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The number of the first signal that comes.
async fn first(signals: &mut [(i32, Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        let mut came = signals
            .iter_mut()
            .filter_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
        came.next().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Was this process started with hangups ignored? Where the system does not tell, it was not.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// How a program ended, in the words of `sops`.
pub(super) fn told(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit status {}", status.code().unwrap_or(1));
    };
    let dumped = if status.core_dumped() { " (core dumped)" } else { "" };
    let name = SIGNALS.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name);
    format!("signal: {}{dumped}", name.map_or_else(|| format!("signal {signal}"), str::to_owned))
}

const SIGNALS: [(i32, &str); 15] = [
    (1, "hangup"),
    (2, "interrupt"),
    (3, "quit"),
    (4, "illegal instruction"),
    (5, "trace/breakpoint trap"),
    (6, "aborted"),
    (7, "bus error"),
    (8, "floating point exception"),
    (9, "killed"),
    (10, "user defined signal 1"),
    (11, "segmentation fault"),
    (12, "user defined signal 2"),
    (13, "broken pipe"),
    (14, "alarm clock"),
    (15, "terminated"),
];

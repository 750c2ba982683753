//! How a server is started: address, state, limits and promises.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a server is started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// A loopback address; port 0 picks one.
    pub listen: SocketAddr,
    /// Where objects are kept.
    pub state: State,
    /// Fills the status of workloads, so that health checks pass although no Pod runs.
    pub ready_workloads: bool,
    /// What clients may ask of the server.
    pub limits: Limits,
    /// What an acknowledged write has survived.
    pub sync: Sync,
    /// How long Events are kept after their last write.
    pub event_ttl: Duration,
}

/// What an acknowledged write survives. It makes no difference to a state in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// The end of this process at any moment; a power cut may lose the last second.
    #[default]
    Second,
    /// A power cut, too: the write is on the disk before it is acknowledged. Writes that wait share one flush.
    Commit,
}

/// What clients may ask of the server; what is beyond is refused or cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Time in which the head of a request must arrive.
    pub head: Duration,
    /// Time in which the body of a request must arrive.
    pub body: Duration,
    /// Time in which a watching client must take an event.
    pub event: Duration,
    /// Time in which a client must take something of the answers that wait for it.
    pub answer: Duration,
    /// Time in which a client must take a long list, or what a watch begins with, whole: so long the objects are kept as
    /// they were.
    pub whole: Duration,
    /// Watches at the same time; half of them for one user.
    pub watches: usize,
    /// Connections at the same time; half of them for one user.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(60),
            event: Duration::from_secs(60),
            answer: Duration::from_secs(60),
            whole: Duration::from_secs(5 * 60),
            watches: 5000,
            connections: 2000,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state: State::Memory,
            ready_workloads: true,
            limits: Limits::default(),
            sync: Sync::default(),
            event_ttl: Duration::from_secs(60 * 60),
        }
    }
}

impl Options {
    /// The same options with another state.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// The same options with another address.
    #[must_use]
    pub fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// The same options with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same options with other promises to writers.
    #[must_use]
    pub fn with_sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// The same options with Events kept for another time.
    #[must_use]
    pub fn with_event_ttl(mut self, ttl: Duration) -> Self {
        self.event_ttl = ttl;
        self
    }

    /// The same options with workloads marked ready or not.
    #[must_use]
    pub fn with_ready_workloads(mut self, ready: bool) -> Self {
        self.ready_workloads = ready;
        self
    }
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Nowhere but in memory.
    Memory,
    /// In a directory, which also keeps certificate, token and keys (mode 0600).
    Dir(PathBuf),
}

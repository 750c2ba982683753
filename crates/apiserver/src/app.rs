//! What requests and tasks share: the store, what is served, room for clients.

use std::time::Duration;

use tokio::sync::watch;

use crate::addresses::Pool;
use crate::auth::Auth;
use crate::kinds::Registry;
use crate::metrics::Metrics;
use crate::options::{Limits, Options, Sync};
use crate::room::{Bodies, Room};
use crate::seats::Seats;
use crate::storage::Store;

/// What all requests share.
pub(crate) struct App {
    pub store: Store,
    pub kinds: Registry,
    pub auth: Auth,
    pub stopping: watch::Sender<bool>,
    pub ready_workloads: bool,
    pub limits: Limits,
    pub watches: Seats,
    pub connections: Seats,
    pub event_ttl: Duration,
    /// Bodies of requests that are being answered.
    pub bodies: Bodies,
    /// Answers that nobody has taken yet, in units of 1 KiB.
    pub answers: Room,
    /// Events that nobody has taken yet, in units of 1 KiB.
    pub events: Room,
    /// Lists that are being written, in units of 1 KiB.
    pub texts: Room,
    /// Turns of requests that take long.
    pub aside: Room,
    /// Turns of those that want a document about all kinds.
    pub documents: Room,
    pub sync: Sync,
    /// How far the journal is on the disk.
    pub flushed: watch::Sender<Flushed>,
    /// Addresses and ports of Services.
    pub addresses: Pool,
    /// Held while a budget is asked and its pod goes.
    pub evictions: parking_lot::Mutex<()>,
    pub metrics: Metrics,
    /// Shared by who makes custom objects; held alone by who lets a definition go that has none left.
    pub definitions: parking_lot::RwLock<()>,
    /// Held while what is served is made from what is stored.
    pub writes_to_kinds: parking_lot::Mutex<()>,
    /// Held while a definition is given its names.
    pub naming: parking_lot::Mutex<()>,
}

/// The last flush of the journal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flushed {
    /// All writes up to this one were there to be flushed.
    pub revision: u64,
    /// The disk took them.
    pub taken: bool,
}

impl App {
    pub(crate) fn new(store: Store, auth: Auth, options: &Options) -> Self {
        let limits = &options.limits;
        Self {
            store,
            kinds: Registry::new(),
            auth,
            stopping: watch::channel(false).0,
            ready_workloads: options.ready_workloads,
            limits: limits.clone(),
            watches: Seats::new("watches", limits.watches),
            connections: Seats::new("connections", limits.connections),
            event_ttl: options.event_ttl,
            bodies: Bodies::new(),
            answers: Room::new(ANSWERS, ANSWERS / 4),
            events: Room::new(EVENTS, EVENTS / 4),
            texts: Room::new(ANSWERS, ANSWERS / 4),
            aside: Room::new(ASIDE, ASIDE / 2),
            documents: Room::new(DOCUMENTS, 1),
            sync: options.sync,
            flushed: watch::channel(Flushed::default()).0,
            addresses: Pool::default(),
            evictions: Default::default(),
            metrics: Metrics::default(),
            definitions: Default::default(),
            writes_to_kinds: Default::default(),
            naming: Default::default(),
        }
    }

    /// Waits for the disk where writers are promised that; false when it did not take what was written.
    pub(crate) async fn until_flushed(&self) -> bool {
        if self.sync == Sync::Second {
            return true;
        }
        let revision = self.store.revision();
        let mut flushed = self.flushed.subscribe();
        flushed.wait_for(|last| last.revision >= revision).await.is_ok_and(|last| last.taken)
    }
}

/// Returns when the server is to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await.map(|_| ());
}

/// How often the server starts a write of its own anew that another one came before.
pub(crate) const TRIES: usize = 20;
/// Room for 128 MiB of answers, in units of 1 KiB.
const ANSWERS: usize = 128 << 10;
/// The same for events.
const EVENTS: usize = 128 << 10;
/// Requests that take long and are served at the same time.
const ASIDE: usize = 8;
/// Documents about all kinds that are made at the same time.
const DOCUMENTS: usize = 2;

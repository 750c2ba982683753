//! The front door: start a server, hand out its kubeconfig, stop it.
//!
//! ```no_run
//! # async fn demo() -> Result<(), sealfast_apiserver::error::Error> {
//! use sealfast_apiserver::server::{Options, start};
//! let running = start(Options::default()).await?;
//! let kubeconfig = running.kubeconfig();
//! running.stop().await;
//! # let _ = kubeconfig;
//! # Ok(()) }
//! ```

mod again;
mod answers;
mod health;
mod identity;
mod listen;
pub(crate) mod metrics;
pub(crate) mod room;
pub(crate) mod seats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use self::seats::Seats;
use crate::auth::Auth;
use crate::auth::token::Signer;
use crate::error::Error;
use crate::kinds::Registry;
use crate::objects::{self, Actor, Operation};
use crate::storage::journal::Journal;
use crate::storage::lock::Lock;
use crate::storage::{Expect, Key, Store, Stored};
use crate::{crds, fields, namespaces};
use identity::Identity;

/// How long writes may wait until they are handed to the disk.
const FLUSH: Duration = Duration::from_secs(1);

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

/// A server that answers.
pub struct Running {
    addr: SocketAddr,
    identity: Arc<Identity>,
    app: Arc<App>,
    tasks: Vec<JoinHandle<()>>,
}

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
    pub(crate) event_ttl: Duration,
    /// Bodies of requests that are being answered.
    bodies: listen::Bodies,
    /// Answers that nobody has taken yet, in units of 1 KiB.
    answers: room::Room,
    /// Events that nobody has taken yet, in units of 1 KiB.
    pub(crate) events: room::Room,
    /// Turns of requests that take long.
    aside: Arc<Semaphore>,
    sync: Sync,
    /// How far the journal is on the disk.
    flushed: watch::Sender<Flushed>,
    /// Addresses and ports of Services.
    pub addresses: crate::addresses::Pool,
    /// Held while a budget is asked and its pod goes.
    pub evictions: parking_lot::Mutex<()>,
    pub metrics: metrics::Metrics,
    /// Shared by who makes custom objects; held alone by who lets a definition go that has none left.
    pub definitions: parking_lot::RwLock<()>,
    writes_to_kinds: parking_lot::Mutex<()>,
    /// Held while a definition is given its names.
    naming: parking_lot::Mutex<()>,
}

/// Starts a server.
///
/// # Errors
/// When the address or the state directory cannot be used.
pub async fn start(options: Options) -> Result<Running, Error> {
    if !options.listen.ip().is_loopback() {
        return Err(Error::NotLoopback { address: options.listen });
    }
    let (identity, store) = match &options.state {
        State::Memory => (Identity::fresh(options.listen.ip())?, Store::new(None)),
        State::Dir(dir) => {
            let lock = Lock::take(dir)?;
            let identity = Identity::load_or_make(dir, options.listen.ip())?;
            let (key, key_path) = identity::state_key(dir)?;
            let (mut journal, records) = Journal::open(&dir.join("state"), &key_path, &key)?;
            journal.hold(lock);
            (identity, Store::new(Some((journal, records))))
        }
    };
    let identity = Arc::new(identity);
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .map_err(|source| Error::Listen { address: options.listen, source })?;
    let addr = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
    let app = Arc::new(App {
        store,
        kinds: Registry::new(),
        addresses: Default::default(),
        evictions: Default::default(),
        auth: Auth::new(identity.token(), Signer::new(identity.signing_key())),
        stopping: watch::channel(false).0,
        ready_workloads: options.ready_workloads,
        watches: Seats::new("watches", options.limits.watches),
        connections: Seats::new("connections", options.limits.connections),
        bodies: listen::Bodies::new(),
        answers: room::Room::new(ANSWERS, ANSWERS / 4),
        events: room::Room::new(EVENTS, EVENTS / 4),
        aside: Arc::new(Semaphore::new(ASIDE)),
        sync: options.sync,
        flushed: watch::channel(Flushed::default()).0,
        event_ttl: options.event_ttl,
        limits: options.limits,
        metrics: metrics::Metrics::default(),
        definitions: Default::default(),
        writes_to_kinds: Default::default(),
        naming: Default::default(),
    });
    app.prepare();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(identity.tls()?));
    let tasks = vec![
        tokio::spawn(listen::run(Arc::clone(&app), listener, acceptor)),
        tokio::spawn(crate::gc::run(Arc::clone(&app))),
        tokio::spawn(flush(Arc::clone(&app))),
        tokio::spawn(rewrite(Arc::clone(&app))),
        tokio::spawn(crate::expiry::run(Arc::clone(&app))),
    ];
    Ok(Running { addr, identity, app, tasks })
}

impl Running {
    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A kubeconfig with the certificate and the administrator's token. Write it with mode 0600.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.identity.kubeconfig(self.addr)
    }

    /// Ends all watches and connections and hands the state to the disk.
    pub async fn stop(mut self) {
        self.app.stopping.send_replace(true);
        for task in &mut self.tasks {
            let _ = tokio::time::timeout(Duration::from_secs(5), task).await;
        }
        self.app.store.sync();
    }
}

impl Drop for Running {
    /// Whoever drops it without a stop leaves nothing behind that could write once the directory is free for another.
    fn drop(&mut self) {
        self.app.stopping.send_replace(true);
        self.app.store.close();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// The last flush of the journal.
#[derive(Debug, Clone, Copy, Default)]
struct Flushed {
    /// All writes up to this one were there to be flushed.
    revision: u64,
    /// The disk took them.
    taken: bool,
}

impl App {
    /// Waits for the disk where writers are promised that; false when it did not take what was written.
    async fn flushed(&self) -> bool {
        if self.sync == Sync::Second {
            return true;
        }
        let revision = self.store.revision();
        let mut flushed = self.flushed.subscribe();
        flushed.wait_for(|last| last.revision >= revision).await.is_ok_and(|last| last.taken)
    }

    fn prepare(&self) {
        for name in namespaces::INITIAL {
            self.ensure_namespace(name);
        }
        crate::bootstrap::roles(self);
        crate::gathered::settle(self);
        crate::bootstrap::priorities(self);
        crate::bootstrap::service(self);
        self.catch_up();
        self.refresh_kinds();
        self.drop_undefined();
    }

    /// Does what should have followed writes before the last stop, and did not.
    fn catch_up(&self) {
        for resource in ["namespaces", crds::KEY] {
            for stored in self.store.list(&Arc::from(resource), None).items {
                self.follow_up(resource, &stored.object());
            }
        }
    }

    /// Drops objects whose definition is gone: they would come back under the next one of that name.
    fn drop_undefined(&self) {
        let definition = |name: &str| self.store.get(&Key::new(&Arc::from(crds::KEY), "", name));
        let kinds = self.kinds.current();
        for (resource, _) in self.store.counts() {
            let Some((_, group)) = resource.split_once('.') else { continue };
            let built_in = kinds.group(group).is_some_and(|group| !group.custom);
            if built_in || definition(&resource).is_some() {
                continue;
            }
            for stored in self.store.list(&resource, None).items {
                let marks = stored.marks();
                let key = Key::new(&resource, &marks.namespace, &marks.name);
                let _ = self.store.delete(&key, stored.revision);
            }
        }
    }

    /// Serves what the stored definitions say.
    pub(crate) fn refresh_kinds(&self) {
        let _guard = self.writes_to_kinds.lock();
        self.kinds.define(&self.store.list(&Arc::from(crds::KEY), None).items);
    }

    /// Does what follows from a new object. When that fails, the collector tries again.
    pub(crate) fn created(&self, resource: &str, object: &Value) {
        self.follow_up(resource, object);
    }

    /// Does what follows from a changed object.
    pub(crate) fn updated(&self, resource: &str, object: &Value) {
        if resource == crds::KEY {
            self.establish(fields::name(object));
        }
    }

    /// Does what follows from an object that went.
    pub(crate) fn deleted(&self, resource: &str) {
        if resource == crds::KEY {
            self.definitions_changed();
        }
    }

    /// Brings into line what belongs to an object that stays; false when it could not be written.
    pub(crate) fn follow_up(&self, resource: &str, object: &Value) -> bool {
        match resource {
            "namespaces" if !fields::is_deleting(object) => self.ensure_account(fields::name(object)),
            crds::KEY if !crds::is_settled(object) => self.establish(fields::name(object)),
            _ => true,
        }
    }

    /// Gives names that became free to those that wait for them, and serves what is there now.
    pub(crate) fn definitions_changed(&self) {
        self.refresh_kinds();
        for name in self.kinds.waiting() {
            self.establish(&name);
        }
    }

    /// The definitions of a group, which their names end with.
    fn definitions_of(&self, group: &str) -> Vec<Value> {
        let all = self.store.list(&Arc::from(crds::KEY), None).items;
        let is_of = |stored: &&Stored| {
            let name = stored.marks().name.strip_suffix(group);
            name.is_some_and(|plural| plural.ends_with('.'))
        };
        all.iter().filter(is_of).map(Stored::object).collect()
    }

    /// Settles the names and the conditions of a definition; false when they could not be written.
    pub(crate) fn establish(&self, name: &str) -> bool {
        let settled = {
            // What others have got is looked at and written in one go: of two that want a name, one gets it.
            let _guard = self.naming.lock();
            (0..TRIES).any(|_| self.try_to_establish(name))
        };
        self.refresh_kinds();
        settled
    }

    /// Does it once; false when another write came before.
    fn try_to_establish(&self, name: &str) -> bool {
        let key = Key::new(&Arc::from(crds::KEY), "", name);
        let Some(stored) = self.store.get(&key) else { return true };
        let before = stored.object();
        let mut definition = before.clone();
        let others = self.definitions_of(fields::text(&definition, &["spec", "group"]));
        let now = crate::clock::now();
        crds::establish(&mut definition, &others, &now);
        if fields::is_deleting(&definition) {
            let text = "CustomResource deletion is in progress";
            let reason = "InstanceDeletionInProgress";
            crate::conditions::set(&mut definition, "Terminating", "True", reason, text, &now);
        }
        if definition == before {
            return true;
        }
        if let Some(resource) = self.kinds.current().stored_under(crds::KEY) {
            let actor = Actor { manager: "kube-apiserver".into(), operation: Operation::Update };
            let owners = objects::owners(resource, Some(&before), &definition, &actor, "status");
            fields::put_meta(&mut definition, "managedFields", owners);
        }
        self.store.put(&key, &definition, Expect::Revision(stored.revision)).is_ok()
    }
}

/// Returns when the server is to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await.map(|_| ());
}

/// Writes the journal anew whenever most of it is history.
async fn rewrite(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    let wasteful = app.store.wasteful();
    loop {
        tokio::select! {
            () = crate::server::stopped(&mut stopping) => return,
            () = wasteful.notified() => {}
        }
        let app = Arc::clone(&app);
        let _ = tokio::task::spawn_blocking(move || app.store.rewrite_if_wasteful()).await;
    }
}

/// Hands the journal to the disk while there are writes: once a second, or as soon as somebody waits for it.
async fn flush(app: Arc<App>) {
    let mut latest = app.store.subscribe();
    let mut stopping = app.stopping.subscribe();
    // What was written before anybody could ask.
    latest.mark_changed();
    loop {
        tokio::select! {
            changed = latest.changed() => if changed.is_err() { return },
            () = crate::server::stopped(&mut stopping) => return,
        }
        tokio::select! {
            // What comes after the stop is handed over by the one who stops.
            () = crate::server::stopped(&mut stopping) => return,
            () = tokio::time::sleep(FLUSH), if app.sync == Sync::Second => {}
            () = std::future::ready(()), if app.sync == Sync::Commit => {}
        }
        // Everybody whose write is in the journal by now has waited for this flush.
        let revision = app.store.revision();
        let flushing = Arc::clone(&app);
        let taken = tokio::task::spawn_blocking(move || flushing.store.sync()).await.unwrap_or(false);
        app.flushed.send_replace(Flushed { revision, taken });
    }
}

/// How often the server starts a write of its own anew that another one came before.
pub(crate) const TRIES: usize = 20;
/// Room for 128 MiB of answers, in units of 1 KiB.
const ANSWERS: usize = 128 << 10;
/// The same for events.
const EVENTS: usize = 128 << 10;
/// Requests that take long and are served at the same time.
const ASIDE: usize = 8;

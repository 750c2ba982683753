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
#[cfg(test)]
mod disks;
#[cfg(test)]
mod halves;
mod health;
mod identity;
mod listen;
#[cfg(test)]
mod power;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::{App, Flushed, stopped};
use crate::auth::Auth;
use crate::auth::token::Signer;
use crate::error::Error;
pub use crate::options::{Limits, Options, State, Sync};
use crate::storage::Store;
use crate::storage::disk::Disk;
use crate::storage::journal::Journal;
use crate::storage::lock::Lock;
use crate::{bootstrap, definitions, follow_ups, gc, namespaces};
use identity::Identity;

/// How long writes may wait until they are handed to the disk.
const FLUSH: Duration = Duration::from_secs(1);

/// A server that answers.
pub struct Running {
    addr: SocketAddr,
    identity: Arc<Identity>,
    app: Arc<App>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a server.
///
/// # Errors
/// When the address or the state directory cannot be used.
pub async fn start(options: Options) -> Result<Running, Error> {
    start_on(&Disk::default(), options).await
}

async fn start_on(disk: &Disk, options: Options) -> Result<Running, Error> {
    if !options.listen.ip().is_loopback() {
        return Err(Error::NotLoopback { address: options.listen });
    }
    let (identity, store) = match &options.state {
        State::Memory => (Identity::fresh(options.listen.ip())?, Store::new(None)),
        State::Dir(dir) => kept(disk, dir, options.listen.ip())?,
    };
    let identity = Arc::new(identity);
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .map_err(|source| Error::Listen { address: options.listen, source })?;
    let addr = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
    let auth = Auth::new(identity.token(), Signer::new(identity.signing_key()));
    let app = Arc::new(App::new(store, auth, &options));
    prepare(&app);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(identity.tls()?));
    let tasks = vec![
        tokio::spawn(listen::run(Arc::clone(&app), listener, acceptor)),
        tokio::spawn(gc::run(Arc::clone(&app))),
        tokio::spawn(flush(Arc::clone(&app))),
        tokio::spawn(rewrite(Arc::clone(&app))),
        tokio::spawn(crate::expiry::run(Arc::clone(&app))),
    ];
    Ok(Running { addr, identity, app, tasks })
}

/// What a directory keeps, which is made when absent.
fn kept(disk: &Disk, dir: &Path, address: IpAddr) -> Result<(Identity, Store), Error> {
    let lock = Lock::take(disk, dir)?;
    let identity = Identity::load_or_make(disk, dir, address)?;
    let (key, key_path) = identity::state_key(disk, dir)?;
    let (mut journal, records) = Journal::open(disk, &dir.join("state"), &key_path, &key)?;
    journal.hold(lock);
    Ok((identity, Store::new(Some((journal, records)))))
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

fn prepare(app: &App) {
    for name in namespaces::INITIAL {
        namespaces::ensure(app, name);
    }
    bootstrap::roles(app);
    gc::roles::gather(app);
    bootstrap::priorities(app);
    bootstrap::service(app);
    follow_ups::catch_up(app);
    definitions::refresh(app);
    definitions::drop_undefined(app);
}

/// Writes the journal anew whenever most of it is history.
async fn rewrite(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    let wasteful = app.store.wasteful();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
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
            () = stopped(&mut stopping) => return,
        }
        tokio::select! {
            // What comes after the stop is handed over by the one who stops.
            () = stopped(&mut stopping) => return,
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

//! What can go wrong while the server starts and keeps its state.

use std::path::PathBuf;

/// A failure to start, or to keep state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the state directory could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried: "read", "write", "create", "remove", "lock".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the state directory.
    #[error("state directory `{}` is in use by another process", path.display())]
    InUse {
        /// The state directory.
        path: PathBuf,
    },
    /// The journal starts with something this version cannot read.
    #[error("`{}` is not a state file of this version", path.display())]
    NotOurs {
        /// The journal.
        path: PathBuf,
    },
    /// The key does not open the journal.
    #[error("the key in `{}` does not open the state beside it", path.display())]
    WrongKey {
        /// The key file.
        path: PathBuf,
    },
    /// There is a journal, but the key file beside it is gone.
    #[error("`{}` is missing, and the state beside it cannot be opened without it", path.display())]
    NoKey {
        /// The key file.
        path: PathBuf,
    },
    /// A file that holds a key may be read by others.
    #[error("`{}` may be read by other users (mode {mode:03o}, 600 is wanted)", path.display())]
    OpenToOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A record of the journal cannot be read although others follow it.
    #[error("`{}` is damaged at byte {offset}", path.display())]
    DamagedRecord {
        /// The journal.
        path: PathBuf,
        /// Where the record starts.
        offset: usize,
    },
    /// A record could not be encrypted.
    #[error("cannot seal a record of the state")]
    Seal,
    /// The address could not be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Only loopback addresses are served.
    #[error("`{address}` is not a loopback address")]
    NotLoopback {
        /// The address asked for.
        address: std::net::SocketAddr,
    },
    /// The certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate {
        /// The cause.
        #[source]
        source: rcgen::Error,
    },
    /// TLS could not be set up with the certificate at hand.
    #[error("cannot set up TLS")]
    Tls {
        /// The cause.
        #[source]
        source: rustls::Error,
    },
    /// A file of the state directory has the wrong content.
    #[error("`{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

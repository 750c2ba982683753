//! What can keep the controllers from starting.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A failed start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The artifact server cannot listen.
    #[error("cannot serve artifacts on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The storage cannot be used.
    #[error("cannot keep artifacts in `{}`", path.display())]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The endpoint for metrics or health cannot listen.
    #[error("cannot answer probes on {address}")]
    Probe {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A feature gate that does not exist, or a value that is none.
    #[error("`{text}` is no feature gate with `=true` or `=false`")]
    Gate {
        /// The text as given.
        text: String,
    },
}

//! The address of a kept cluster stays, so that copies of its kubeconfig hold.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::diagnostic::Failure;
use crate::replace;

fn file(state: &str) -> Option<PathBuf> {
    (state != "memory").then(|| PathBuf::from(state).join("address"))
}

/// The address of the last start, where any port will do and that one is free.
pub(super) fn kept(listen: SocketAddr, state: &str) -> SocketAddr {
    let written = file(state).and_then(|file| std::fs::read_to_string(file).ok());
    let known = written.and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let fits = |known: &SocketAddr| {
        listen.port() == 0 && known.ip() == listen.ip() && TcpListener::bind(known).is_ok()
    };
    known.filter(fits).unwrap_or(listen)
}

/// Remembers the address.
pub(super) fn keep(address: SocketAddr, state: &str) -> Result<(), Failure> {
    let Some(file) = file(state) else { return Ok(()) };
    replace::private(&file, format!("{address}\n").as_bytes())
        .map_err(|error| Failure::because(format!("failed to write `{}`", file.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_comes_again_unless_somebody_has_it_or_another_one_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().to_str().expect("a name").to_owned();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(kept(any, &state), any);
        let taken = TcpListener::bind(any).expect("a free port");
        let address = taken.local_addr().expect("it has one");
        assert!(keep(address, &state).is_ok());
        assert_eq!(kept(any, &state), any);
        drop(taken);
        assert_eq!(kept(any, &state), address);
        let other: SocketAddr = "127.0.0.1:9".parse().expect("an address");
        assert_eq!((kept(other, &state), kept(any, "memory")), (other, any));
    }
}

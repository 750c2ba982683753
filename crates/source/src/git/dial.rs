//! What people read of a connection that does not come about.
//!
//! Follows: the words of Go's `net` and `net/http`.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::ToSocketAddrs as _;

use rustls::{CertificateError, Error as TlsError};
use url::Url;

/// Why nobody was reached there.
pub(super) fn failed(host: &str, port: u16, error: &io::Error) -> String {
    // People read the address that was tried, not the name that led there.
    let tried = || {
        let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
        found.map_or_else(|| format!("{host}:{port}"), |found| found.to_string())
    };
    match error.kind() {
        ErrorKind::ConnectionRefused if error.raw_os_error().is_some() => {
            format!("dial tcp {}: connect: connection refused", tried())
        }
        ErrorKind::NetworkUnreachable => format!("dial tcp {}: connect: network is unreachable", tried()),
        ErrorKind::HostUnreachable => format!("dial tcp {}: connect: no route to host", tried()),
        ErrorKind::TimedOut => format!("dial tcp {}: i/o timeout", tried()),
        _ if is_about_names(error) => format!("dial tcp: lookup {host}: no such host"),
        _ if host.contains(':') => format!("dial tcp [{host}]:{port}: {error}"),
        _ => format!("dial tcp {host}:{port}: {error}"),
    }
}

/// The same for a request over HTTP; none when it failed later than that, or nobody can tell why.
pub(super) fn failed_request(url: &Url, proxy: Option<&str>, error: &reqwest::Error) -> Option<String> {
    let causes = causes(error);
    if !error.is_connect() {
        return None;
    }
    // It may have been sent on from there.
    let url = error.url().unwrap_or(url);
    let (met, through) = match proxy {
        Some(proxy) => (Url::parse(proxy).ok()?, "proxyconnect tcp: "),
        None => (url.clone(), ""),
    };
    let (host, port) = (met.host_str()?, met.port_or_known_default()?);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Some(doubt) = causes.iter().find_map(|cause| cause.downcast_ref::<TlsError>())
        && let TlsError::InvalidCertificate(doubt) = doubt
    {
        let why = doubted(doubt, host);
        return Some(format!("{}: tls: failed to verify certificate: x509: {why}", asked(url)));
    }
    let why = match causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) if error.raw_os_error().is_some() || is_about_names(error) => failed(host, port, error),
        _ if causes.iter().any(|cause| cause.to_string() == "dns error") => {
            format!("dial tcp: lookup {host}: no such host")
        }
        _ => return None,
    };
    Some(format!("{}: {through}{why}", asked(url)))
}

/// What was asked of whom.
pub(super) fn asked(url: &Url) -> String {
    format!("{} \"{}\"", method(url), shown(url))
}

/// An address without credentials.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Only an address without a host has no room for them, and that one has none to begin with.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.into()
}

fn method(url: &Url) -> &'static str {
    if url.path().ends_with("/info/refs") { "Get" } else { "Post" }
}

/// Why a certificate is not trusted, in the words of Go's `crypto/x509`.
fn doubted(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        // One that was signed with its own key, as most that people make themselves.
        CertificateError::Other(other)
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("certificate is not valid for {host}")
        }
        other => other.to_string(),
    }
}

fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let (mut found, mut next) = (Vec::new(), Error::source(error));
    while let Some(cause) = next {
        found.push(cause);
        // What an I/O error holds is not what it names as its source.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    found
}

fn is_about_names(error: &io::Error) -> bool {
    error.to_string().contains("failed to lookup address information")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_go() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(failed("127.0.0.1", 1, &refused), "dial tcp 127.0.0.1:1: connect: connection refused");
        assert_eq!(failed("::1", 1, &refused), "dial tcp [::1]:1: connect: connection refused");
        let at_home =
            ["127.0.0.1:1", "[::1]:1"].map(|at| format!("dial tcp {at}: connect: connection refused"));
        assert!(at_home.contains(&failed("localhost", 1, &refused)));
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(failed("none.invalid", 22, &unknown), "dial tcp: lookup none.invalid: no such host");
        let said = io::Error::new(ErrorKind::ConnectionRefused, "the proxy answered with status 403");
        assert_eq!(failed("a", 22, &said), "dial tcp a:22: the proxy answered with status 403");
    }
}

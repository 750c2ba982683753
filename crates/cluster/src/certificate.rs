//! Certificates of authorities, as clients read them from PEM.
//!
//! Follows: the certificate pool of client-go, and its words.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Whether a text holds a certificate that an authority may have.
///
/// # Errors
/// What is wrong with it.
pub fn check(pem: &[u8]) -> Result<(), &'static str> {
    let mut blocks = CertificateDer::pem_slice_iter(pem).map_while(Result::ok).peekable();
    if blocks.peek().is_none() {
        return Err("unable to parse bytes as PEM block");
    }
    let is_usable = |der| RootCertStore::empty().add(der).is_ok();
    if blocks.any(is_usable) { Ok(()) } else { Err("no valid certificate authority data seen") }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_no_certificate_is_told() {
        assert_eq!(check(b"ca"), Err("unable to parse bytes as PEM block"));
        let hollow = b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
        assert_eq!(check(hollow), Err("no valid certificate authority data seen"));
    }
}

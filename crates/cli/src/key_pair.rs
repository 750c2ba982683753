//! Whether a certificate and a private key belong together.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Checks a certificate chain and a key, both in PEM; says why they are refused.
pub(crate) fn check(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or("tls: failed to find any PEM data in certificate input")?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| "tls: failed to find any PEM data in key input")?;
    let provider = rustls::crypto::ring::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err("tls: private key does not match public key".to_owned())
        }
        Err(error) => Err(format!("tls: {error}")),
    }
}

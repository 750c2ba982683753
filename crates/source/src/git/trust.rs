//! Whom to believe over TLS when authorities are given.
//!
//! The system's authorities, these, and a server that shows one of these certificates itself.
//!
//! Differs: the TLS library refuses a trusted certificate itself from a server, that of an authority and one of which the
//! authority is not known; Go, and so the reference, takes both. Name and dates must hold in any case.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use secrecy::ExposeSecret as _;

use super::ClientCertificate;
use crate::error::Error;

/// Makes a configuration from PEM.
pub(super) fn config(ca: &[u8], own: Option<&ClientCertificate>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = Trust::new(ca, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setting("tls"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust));
    let Some(own) = own else { return Ok(builder.with_no_client_auth()) };
    own.check()?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&own.certificate).collect();
    let key =
        PrivateKeyDer::from_pem_slice(own.key.expose_secret().as_bytes()).map_err(setting("tls.key"))?;
    builder.with_client_auth_cert(chain.map_err(setting("tls.crt"))?, key).map_err(setting("tls.crt"))
}

#[derive(Debug)]
struct Trust {
    authorities: Verifier,
    given: Vec<CertificateDer<'static>>,
}

impl Trust {
    fn new(ca: &[u8], provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(ca).collect();
        let given = given.map_err(setting("ca.crt"))?;
        if given.is_empty() {
            return Err(setting("ca.crt")(std::io::Error::other("it holds no certificate")));
        }
        let authorities =
            Verifier::new_with_extra_roots(given.clone(), provider).map_err(setting("ca.crt"))?;
        Ok(Self { authorities, given })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verdict = self.authorities.verify_server_cert(shown, between, name, ocsp, now);
        match verdict {
            // The dates were looked at before this was found.
            Err(TlsError::InvalidCertificate(why)) if self.given.contains(shown) && is_about_rank(&why) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.authorities.verify_tls12_signature(message, shown, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.authorities.verify_tls13_signature(message, shown, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Whether a certificate is doubted for whom it stands below, or for standing below nobody.
fn is_about_rank(why: &CertificateError) -> bool {
    match why {
        // An authority of the same name may have been tried.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        CertificateError::Other(other) => other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity),
        _ => false,
    }
}

fn setting<E: std::error::Error + Send + Sync + 'static>(setting: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::Setting { setting, source: Box::new(error) }
}

//! TLS for the Git server: an authority and certificates by it.

use std::sync::Arc;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// An authority, and a certificate by it for 127.0.0.1 and `localhost`, or for other names.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate, PEM.
    pub ca: String,
    /// The server's certificate, PEM.
    pub shown: String,
    ca_der: CertificateDer<'static>,
    ca_key: String,
    server: (CertificateDer<'static>, Vec<u8>),
    wants_client: bool,
}

impl Certificates {
    /// Makes an authority and a server certificate.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new() -> Result<Self> {
        Self::naming(&["127.0.0.1", "localhost"])
    }

    /// The same with a server certificate for these names.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn naming(names: &[&str]) -> Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, &ca_key);
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let server = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        Ok(Self {
            ca: ca.pem(),
            shown: server.pem(),
            ca_der: ca.der().clone(),
            ca_key: ca_key.serialize_pem(),
            server: (server.der().clone(), key.serialize_der()),
            wants_client: false,
        })
    }

    /// Makes an authority that is the server, too, as people make them in one step.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn in_one() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key)?;
        let server = (ca.der().clone(), key.serialize_der());
        Ok(Self {
            ca: ca.pem(),
            shown: ca.pem(),
            ca_der: ca.der().clone(),
            ca_key: key.serialize_pem(),
            server,
            wants_client: false,
        })
    }

    /// Makes the server refuse clients without a certificate of the authority.
    #[must_use]
    pub fn with_clients(mut self) -> Self {
        self.wants_client = true;
        self
    }

    /// Makes a client's certificate and key, PEM.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<(String, String)> {
        let ca_key = KeyPair::from_pem(&self.ca_key)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(params, &ca_key);
        let key = KeyPair::generate()?;
        let client = CertificateParams::new(vec!["client".to_owned()])?.signed_by(&key, &issuer)?;
        Ok((client.pem(), key.serialize_pem()))
    }

    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        Ok(TlsAcceptor::from(self.server()?))
    }

    /// What a server with these certificates is made of.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca_der.clone())?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let (certificate, key) = self.server.clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        Ok(Arc::new(builder.with_single_cert(vec![certificate], key)?))
    }
}

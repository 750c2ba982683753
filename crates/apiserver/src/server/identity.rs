//! Certificate, token and keys: fresh ones, or those of a state directory.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand08::{RngCore, rngs::OsRng};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::clock;
use crate::error::Error;
use crate::storage::disk::Disk;

/// What proves who the server is, and who its administrator is.
pub(crate) struct Identity {
    authority: String,
    certificate: String,
    key: SecretString,
    token: SecretString,
    signing_key: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// A fresh authority, token and signing key, and a certificate for an address.
    pub(crate) fn fresh(address: IpAddr) -> Result<Self, Error> {
        Self::certified(address, clock::token().into(), random())
    }

    /// A fresh authority and certificate for secrets that there are.
    fn certified(
        address: IpAddr,
        token: SecretString,
        signing_key: Zeroizing<[u8; 32]>,
    ) -> Result<Self, Error> {
        let made = make(address).map_err(|source| Error::Certificate { source })?;
        let (authority, certificate) = (made.authority, made.certificate);
        Ok(Self { authority, certificate, key: made.key.into(), token, signing_key })
    }

    /// What the directory keeps, made and kept when absent. The secrets outlive a certificate that is gone or for another
    /// address.
    pub(crate) fn load_or_make(disk: &Disk, dir: &Path, address: IpAddr) -> Result<Self, Error> {
        let (key_path, certificate_path) = (dir.join("server.key"), dir.join("server.crt"));
        let identity = if key_path.exists() {
            let kept = Self::load(dir)?;
            if kept.is_for(address)? {
                return Ok(kept);
            }
            tracing::warn!(
                path = %certificate_path.display(),
                "no certificate for {address} is kept there; a new one is made, and older kubeconfigs do not know it"
            );
            Self::certified(address, kept.token, kept.signing_key)?
        } else {
            Self::fresh(address)?
        };
        // A certificate beside another key cannot be used; one that is missing is made anew.
        if certificate_path.exists() {
            disk.remove(&certificate_path).map_err(|source| Error::File {
                action: "remove",
                path: certificate_path.clone(),
                source,
            })?;
        }
        let secret = Zeroizing::new(format!(
            "{}\n{}\n{}",
            identity.token.expose_secret(),
            clock::hex(&*identity.signing_key),
            identity.key.expose_secret()
        ));
        write(disk, &key_path, secret.as_bytes())?;
        let chain = format!("{}{}", identity.certificate, identity.authority);
        write(disk, &certificate_path, chain.as_bytes())?;
        Ok(identity)
    }

    /// Whether there is a certificate that clients who ask for an address accept.
    fn is_for(&self, address: IpAddr) -> Result<bool, Error> {
        let Some(certificate) = self.chain()?.into_iter().next() else { return Ok(false) };
        let parsed = rustls::server::ParsedCertificate::try_from(&certificate)
            .map_err(|source| Error::Tls { source })?;
        let name = rustls::pki_types::ServerName::IpAddress(address.into());
        Ok(rustls::client::verify_server_name(&parsed, &name).is_ok())
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<_, _>>();
        chain.map_err(|_| broken())
    }

    /// The secrets of a directory, and the certificate if there is one.
    fn load(dir: &Path) -> Result<Self, Error> {
        let (key_path, certificate_path) = (dir.join("server.key"), dir.join("server.crt"));
        let damaged =
            || Error::Damaged { path: key_path.clone(), what: "it does not hold a token and two keys" };
        let secret = Zeroizing::new(String::from_utf8(read_key(&key_path)?).map_err(|_| damaged())?);
        let mut lines = secret.splitn(3, '\n');
        let (Some(token), Some(signing), Some(key)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(damaged());
        };
        let mut signing_key = Zeroizing::new([0_u8; 32]);
        for (at, byte) in signing_key.iter_mut().enumerate() {
            let digits = signing.get(2 * at..2 * at + 2).ok_or_else(damaged)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| damaged())?;
        }
        let chain = if certificate_path.exists() { read(&certificate_path)? } else { Vec::new() };
        let chain = String::from_utf8(chain).map_err(|_| damaged())?;
        let end = "-----END CERTIFICATE-----\n";
        let split = chain.find(end).map(|at| at + end.len());
        let (certificate, authority) = match split {
            None if chain.is_empty() => ("", ""),
            split => chain.split_at(split.ok_or_else(damaged)?),
        };
        Ok(Self {
            authority: authority.to_owned(),
            certificate: certificate.to_owned(),
            key: key.to_owned().into(),
            token: token.to_owned().into(),
            signing_key,
        })
    }

    pub(crate) fn token(&self) -> SecretString {
        self.token.clone()
    }

    pub(crate) fn signing_key(&self) -> Zeroizing<[u8; 32]> {
        self.signing_key.clone()
    }

    /// TLS settings with HTTP/2 and HTTP/1.1.
    pub(crate) fn tls(&self) -> Result<rustls::ServerConfig, Error> {
        let chain = self.chain()?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes()).map_err(|_| broken())?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|source| Error::Tls { source })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    pub(crate) fn kubeconfig(&self, addr: SocketAddr) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: sealfast\n  cluster:\n    server: https://{addr}\n    certificate-authority-data: {}\n\
             users:\n- name: sealfast\n  user:\n    token: {}\n\
             contexts:\n- name: sealfast\n  context:\n    cluster: sealfast\n    user: sealfast\n\
             current-context: sealfast\n",
            STANDARD.encode(&self.authority),
            self.token.expose_secret(),
        )
    }
}

/// The key that seals the state, made when absent.
pub(crate) fn state_key(disk: &Disk, dir: &Path) -> Result<(Zeroizing<[u8; 32]>, PathBuf), Error> {
    let path = dir.join("state.key");
    let kept = Zeroizing::new(if path.exists() { read_key(&path)? } else { Vec::new() });
    if kept.is_empty() {
        if std::fs::metadata(dir.join("state")).is_ok_and(|state| state.len() > 0) {
            return Err(Error::NoKey { path });
        }
        let key = random();
        write(disk, &path, &*key)?;
        return Ok((key, path));
    }
    let bytes: [u8; 32] = kept
        .as_slice()
        .try_into()
        .map_err(|_| Error::Damaged { path: path.clone(), what: "it is not 32 bytes long" })?;
    Ok((Zeroizing::new(bytes), path))
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    OsRng.fill_bytes(&mut *bytes);
    bytes
}

struct Made {
    authority: String,
    certificate: String,
    key: String,
}

fn broken() -> Error {
    Error::Tls { source: rustls::Error::General("the kept certificate cannot be read".into()) }
}

fn make(address: IpAddr) -> Result<Made, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, format!("sealfast authority {}", clock::suffix(8)));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate()?;
    let names =
        ["127.0.0.1", "::1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let mut names = names.map(str::to_owned).to_vec();
    let address = address.to_string();
    if !names.contains(&address) {
        names.push(address);
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "sealfast");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Made { authority, certificate, key: key.serialize_pem() })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let done = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    done.map_err(|source| Error::File { action: "read", path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Reads a file that nobody else may read.
fn read_key(path: &Path) -> Result<Vec<u8>, Error> {
    use std::os::unix::fs::PermissionsExt;
    let about = std::fs::metadata(path);
    let about = about.map_err(|source| Error::File { action: "read", path: path.to_owned(), source })?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::OpenToOthers { path: path.to_owned(), mode });
    }
    read(path)
}

/// Writes a file of mode 0600 whole: another name first, then in place.
fn write(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fresh = path.with_extension("tmp");
    let written = || {
        let file = disk.open(&fresh)?;
        file.cut(0)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        disk.rename(&fresh, path)?;
        disk.folder_of(path)?.sync()
    };
    written().map_err(|source| Error::File { action: "write", path: path.to_owned(), source })
}

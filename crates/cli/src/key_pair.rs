//! Whether a certificate and a private key belong together.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Checks a certificate chain and a key, both in PEM; says why they are refused.
pub(crate) fn check(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| no_certificate(&labels(certificate)))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key(&labels(key)))?;
    let provider = rustls::crypto::ring::default_provider();
    match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err("tls: private key does not match public key".to_owned())
        }
        Err(error) => Err(format!("tls: {error}")),
    }
}

/// Says what there is in the place of a certificate.
fn no_certificate(found: &[&str]) -> String {
    match found {
        [] => "tls: failed to find any PEM data in certificate input".to_owned(),
        [one] if one.ends_with("PRIVATE KEY") => "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned(),
        several => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            several.join(" ")
        ),
    }
}

/// Says what there is in the place of a private key.
fn no_key(found: &[&str]) -> String {
    match found {
        [] => "tls: failed to find any PEM data in key input".to_owned(),
        ["CERTIFICATE"] => {
            "tls: found a certificate rather than a key in the PEM for the private key".to_owned()
        }
        several => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            several.join(" ")
        ),
    }
}

/// What the blocks of a PEM file are called.
fn labels(pem: &[u8]) -> Vec<&str> {
    let lines = pem.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_stands_in_the_wrong_place_is_named() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let told = |certificate: &str, key: &str| {
            check(certificate.as_bytes(), key.as_bytes()).err().unwrap_or_default()
        };
        let (certificate, key) = (block("CERTIFICATE"), block("PRIVATE KEY"));
        assert!(told(&key, &key).ends_with("but did find a private key; PEM inputs may have been switched"));
        assert!(told(&block("X"), &key).ends_with("following types: [X]"));
        assert!(told("", &key).ends_with("any PEM data in certificate input"));
        assert!(told(&certificate, &certificate).contains("found a certificate rather than a key"));
        assert!(told(&certificate, "").ends_with("any PEM data in key input"));
        assert!(
            told(&certificate, &(certificate.clone() + &certificate)).ends_with("[CERTIFICATE CERTIFICATE]")
        );
    }
}

//! `flux create secret tls`: a certificate with its key, an authority, or both.

use zeroize::Zeroizing;

use crate::flux::args::{Args, Flag, Kind};
use crate::flux::secret::{self, Secret};
use crate::flux::{Failed, labels};
use crate::key_pair;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("tls-crt-file", Kind::Text),
    Flag::long("tls-key-file", Kind::Text),
    Flag::long("ca-crt-file", Kind::Text),
];

pub(super) const HELP: &str = "\
Create a Secret with certificates for TLS.

Usage:
  flux create secret tls NAME [--tls-crt-file FILE --tls-key-file FILE] [--ca-crt-file FILE] [flags]

Flags:
      --tls-crt-file, --tls-key-file FILE   certificate and its key, in PEM; they must belong together
      --ca-crt-file FILE                    certificate authority of the other side
      --label KEY=VALUE
      --export                              print the Secret instead of creating it

Examples:
  flux create secret tls certs --tls-crt-file=client.crt --tls-key-file=client.key --ca-crt-file=ca.crt --export
";

pub(super) fn make(args: &Args, secret: Secret) -> Result<Secret, Failed> {
    let secret = secret.labelled(labels(args)?);
    Files::read(args)?.into_secret(secret)
}

/// What the flags name; an empty file counts as none.
pub(super) struct Files {
    authority: Option<Zeroizing<String>>,
    certificate: Option<Zeroizing<String>>,
    key: Option<Zeroizing<String>>,
}

impl Files {
    pub(super) fn read(args: &Args) -> Result<Self, Failed> {
        let file = |flag: &str, what: &str| secret::file(args.text(flag).unwrap_or_default(), what);
        Ok(Self {
            authority: file("ca-crt-file", "unable to read TLS CA file")?,
            certificate: file("tls-crt-file", "failed to read cert file")?,
            key: file("tls-key-file", "failed to read key file")?,
        })
    }

    /// Tells whether a certificate or a key is there.
    pub(super) fn has_client(&self) -> bool {
        self.certificate.is_some() || self.key.is_some()
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.as_deref().map(String::as_str)
    }

    /// Checks that all belongs together, and puts it into a Secret.
    pub(super) fn into_secret(self, mut secret: Secret) -> Result<Secret, Failed> {
        let kind = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                key_pair::check(certificate.as_bytes(), key.as_bytes())
                    .map_err(|why| format!("invalid TLS certificate and key pair: {why}"))?;
                secret.set("tls.crt", certificate);
                secret.set("tls.key", key);
                "kubernetes.io/tls"
            }
            (Some(_), None) => return Err("found certificate but missing private key".into()),
            (None, Some(_)) => return Err("found private key but missing certificate".into()),
            (None, None) if self.authority.is_none() => {
                return Err("no CA certificate or client certificate pair found".into());
            }
            (None, None) => "Opaque",
        };
        secret.set_some("ca.crt", self.authority());
        Ok(secret.typed(kind))
    }
}

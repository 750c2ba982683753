//! age recipients: X25519, post-quantum, SSH keys, plugins.
//!
//! Follows: `age/keysource.go` of sops 3.13.2.

use ::age::plugin::RecipientPluginV1;
use ::age::ssh::ParseRecipientKeyError;
use ::age::{plugin, ssh, x25519};

use super::post_quantum;
use super::prompts::Plugins;
use crate::error::Error;

/// A parsed recipient.
pub(super) enum Recipient {
    X25519(x25519::Recipient),
    PostQuantum(Box<post_quantum::Recipient>),
    Ssh(ssh::Recipient),
    Plugin(plugin::Recipient),
}

const NATIVE: &str = "Bech32-encoded age public key";

impl Recipient {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let malformed = |kind| move |reason: &str| Error::Recipient { kind, reason: reason.to_owned() };
        if text.starts_with("age1pq1") {
            return post_quantum::Recipient::parse(text)
                .map(|recipient| Self::PostQuantum(Box::new(recipient)))
                .map_err(malformed(NATIVE));
        }
        if text.starts_with("age1") && text.matches('1').count() > 1 {
            return text.parse().map(Self::Plugin).map_err(malformed("age key from age plugin"));
        }
        if text.starts_with("age1") {
            return text.parse().map(Self::X25519).map_err(malformed(NATIVE));
        }
        if text.starts_with("ssh-") {
            let kind = "age-ssh public key";
            return text.parse().map(Self::Ssh).map_err(|error| malformed(kind)(ssh_reason(&error)));
        }
        Err(Error::UnknownRecipient { recipient: text.to_owned() })
    }

    /// Returns what wraps a file key.
    pub(super) fn stanzas(self, plugins: &Plugins) -> Result<Box<dyn ::age::Recipient>, Error> {
        Ok(match self {
            Self::X25519(recipient) => Box::new(recipient),
            Self::PostQuantum(recipient) => recipient,
            Self::Ssh(recipient) => Box::new(recipient),
            Self::Plugin(recipient) => {
                let Plugins::Allowed(person) = plugins else {
                    return Err(Error::AgeWrap { reason: "plugins are not used here".to_owned() });
                };
                let name = recipient.plugin().to_owned();
                let program = RecipientPluginV1::new(&name, &[recipient], &[], person.clone());
                Box::new(program.map_err(|error| Error::AgeWrap { reason: one_line(&error.to_string()) })?)
            }
        })
    }
}

/// The age crate's words may be several lines.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn ssh_reason(error: &ParseRecipientKeyError) -> &'static str {
    match error {
        ParseRecipientKeyError::RsaModulusTooLarge => "the RSA key is larger than is supported",
        ParseRecipientKeyError::RsaModulusTooSmall => "RSA keys of less than 2048 bits are too weak",
        ParseRecipientKeyError::Unsupported(_) | ParseRecipientKeyError::Ignore => {
            "keys of this type are not supported"
        }
        _ => "malformed SSH public key",
    }
}

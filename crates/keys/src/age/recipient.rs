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
                .map_err(|reason| malformed(NATIVE)(&reason_of(text, reason)));
        }
        if text.starts_with("age1") && text.matches('1').count() > 1 {
            return text.parse().map(Self::Plugin).map_err(malformed("age key from age plugin"));
        }
        if text.starts_with("age1") {
            return text
                .parse()
                .map(Self::X25519)
                .map_err(|reason: &str| malformed(NATIVE)(&reason_of(text, reason)));
        }
        if text.starts_with("ssh-") {
            let kind = "age-ssh public key";
            return text.parse().map(Self::Ssh).map_err(|error| malformed(kind)(ssh_reason(&error)));
        }
        Err(if is_secret(text) {
            Error::IdentityForRecipient
        } else {
            Error::UnknownRecipient { recipient: text.to_owned() }
        })
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

/// Why a recipient is none: what is wrong with its letters in the words of the reference, else the reason known.
fn reason_of(text: &str, known: &str) -> String {
    let checksum = || (known == "invalid Bech32 encoding").then(|| "invalid checksum".to_owned());
    let flaw = flaw(text).or_else(checksum);
    flaw.map_or_else(|| known.to_owned(), |flaw| format!("malformed recipient {text:?}: {flaw}"))
}

/// Follows: `internal/bech32` of age 1.3.
fn flaw(text: &str) -> Option<String> {
    const LETTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const CHECKSUM: usize = 6;
    if text.to_lowercase() != text && text.to_uppercase() != text {
        return Some("mixed case".to_owned());
    }
    let (at, length) = (text.rfind('1')?, text.len());
    if at < 1 || at + CHECKSUM + 1 > length {
        return Some(format!("separator '1' at invalid position: pos={at}, len={length}"));
    }
    let mut letters = text[at + 1..].char_indices();
    let (at, letter) = letters.find(|(_, letter)| !LETTERS.contains(letter.to_ascii_lowercase()))?;
    Some(format!("invalid character data part: s[{at}]={}", u32::from(letter)))
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

/// Identities of age and private keys in PEM, which a message would give away.
fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    ["AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY-----"].iter().any(|mark| text.contains(mark))
}

//! age identities of every kind, and what people are told when none of them fits.
//!
//! Follows: `age/keysource.go` and `age/ssh_parse.go` of sops 3.13.2.

use std::io::Cursor;
use std::sync::Arc;

use ::age::plugin::IdentityPluginV1;
use ::age::{DecryptError, plugin, ssh, x25519};
use age_core::format::{FileKey, Stanza as Sealed};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::header::{Kind, Stanza};
use super::post_quantum;
use super::prompts::{Person, Plugins, Prompts};
use crate::error::Error;

/// Identities in the order in which they were given, and notes on where others were looked for.
#[derive(Clone, Default)]
pub(crate) struct Identities {
    list: Vec<Identity>,
    places: Vec<String>,
    problems: Vec<String>,
    plugins: Plugins,
}

#[derive(Clone)]
enum Identity {
    X25519(x25519::Identity),
    PostQuantum(post_quantum::Identity),
    Ssh(ssh::Identity),
    Plugin(plugin::Identity, Person),
}

impl Identities {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = &dyn ::age::Identity> {
        self.list.iter().map(|identity| identity as &dyn ::age::Identity)
    }

    /// Tells whether a plugin may be run, which may ask a person: one of an identity, or that of the recipient.
    pub(crate) fn may_wait(&self, recipient: Option<&str>) -> bool {
        let is_plugin = |identity: &Identity| matches!(identity, Identity::Plugin(..));
        match recipient {
            Some(recipient) => {
                matches!(self.plugins, Plugins::Allowed(_)) && recipient.rfind('1') > Some("age".len())
            }
            None => self.list.iter().any(is_plugin),
        }
    }

    pub(crate) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    pub(crate) fn allow_plugins(&mut self, prompts: Arc<dyn Prompts>) {
        self.plugins = Plugins::Allowed(Person(prompts));
    }

    pub(crate) fn note_place(&mut self, place: String) {
        self.places.push(place);
    }

    pub(crate) fn note_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(crate) fn add(&mut self, text: &str) -> Result<(), Error> {
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            if line.trim_start().starts_with('#') {
                continue;
            }
            for word in line.split_whitespace() {
                let identity = Identity::parse(word, &self.plugins)
                    .map_err(|reason| Error::Identity { line: line_number, reason })?;
                found.push(identity);
            }
        }
        self.list.append(&mut found);
        Ok(())
    }

    pub(crate) fn add_ssh(&mut self, pem: &[u8], passphrase: Option<SecretString>) -> Result<(), Error> {
        let refuse = |reason: String| Error::SshIdentity { reason };
        let locked = |reason| Error::Passphrase { what: "the SSH key".to_owned(), reason };
        let parsed =
            ssh::Identity::from_buffer(Cursor::new(pem), None).map_err(|error| refuse(error.to_string()))?;
        let open = match (parsed, passphrase) {
            (open @ ssh::Identity::Unencrypted(_), _) => open,
            (ssh::Identity::Encrypted(_), None) => return Err(locked("none was given")),
            (ssh::Identity::Encrypted(key), Some(passphrase)) => {
                key.decrypt(passphrase).map_err(|_| locked("the one given does not open it"))?.into()
            }
            (ssh::Identity::Unsupported(_), _) => {
                return Err(refuse("a key of this kind is not supported".to_owned()));
            }
        };
        self.list.push(Identity::Ssh(open));
        Ok(())
    }

    /// Returns the recipients of the identities that are age's own.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let recipient = |identity: &Identity| match identity {
            Identity::X25519(identity) => Some(identity.to_public().to_string()),
            Identity::PostQuantum(identity) => Some(identity.recipient().to_string()),
            Identity::Ssh(_) | Identity::Plugin(..) => None,
        };
        self.list.iter().filter_map(recipient).collect()
    }

    /// Says why no identity opens a file, as the reference does: what the first one that looks at a broken stanza finds,
    /// else that none fits.
    pub(super) fn refusal(&self, stanzas: &[Stanza], error: &DecryptError) -> String {
        match error {
            DecryptError::NoMatchingKeys => self.fault(stanzas).unwrap_or_else(|| self.no_match().to_owned()),
            DecryptError::InvalidHeader | DecryptError::DecryptionFailed => {
                self.fault(stanzas).or_else(|| self.sealed_fault(stanzas)).unwrap_or_else(|| words(error))
            }
            error => words(error),
        }
    }

    fn fault(&self, stanzas: &[Stanza]) -> Option<String> {
        let (own, others): (Vec<_>, Vec<_>) = self.list.iter().partition(|identity| identity.is_native());
        let mut kinds = own.into_iter().chain(others).filter_map(Identity::kind);
        kinds.find_map(|kind| stanzas.iter().find_map(|stanza| stanza.fault(kind)))
    }

    /// What is said of the stanza that was made for an identity and does not open all the same.
    fn sealed_fault(&self, stanzas: &[Stanza]) -> Option<String> {
        let mut marks = self.list.iter().filter_map(Identity::mark);
        let own = marks.find_map(|(tag, mark)| stanzas.iter().find(|stanza| stanza.is_for(&tag, &mark)));
        own.map(Stanza::sealed_fault)
    }

    /// Says that no identity fits, with another text for one than for several.
    fn no_match(&self) -> &'static str {
        match self.list.len() {
            1 => "identity did not match any of the recipients: incorrect identity for recipient block",
            _ => "no identity matched any of the recipients",
        }
    }

    /// Says where else was looked, beginning with a full stop; empty when nothing was noted.
    pub(crate) fn notes(&self) -> String {
        let mut notes = String::new();
        if !self.problems.is_empty() {
            notes = format!(". Errors while loading age identities: {}", self.problems.join("; "));
        }
        let quoted: Vec<String> = self.places.iter().map(|place| format!("'{place}'")).collect();
        match quoted.as_slice() {
            [] => {}
            [one] => notes.push_str(&format!(". Did not find keys in location {one}.")),
            [one, two] => notes.push_str(&format!(". Did not find keys in locations {one} and {two}.")),
            [first @ .., last] => {
                notes
                    .push_str(&format!(". Did not find keys in locations {}, and {last}.", first.join(", ")));
            }
        }
        notes
    }
}

impl Identity {
    /// Is it tried before the others?
    fn is_native(&self) -> bool {
        matches!(self, Self::X25519(_) | Self::PostQuantum(_))
    }

    /// What it looks at in a stanza; a plugin does not tell.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::X25519(_) => Some(Kind::X25519),
            Self::PostQuantum(_) => Some(Kind::PostQuantum),
            Self::Ssh(_) => Some(Kind::Ssh),
            Self::Plugin(..) => None,
        }
    }

    /// How a stanza that is for it begins: the kind of its key and four bytes of the digest. Only SSH keys have that.
    fn mark(&self) -> Option<(String, String)> {
        let Self::Ssh(identity) = self else { return None };
        let recipient = ssh::Recipient::try_from(identity.clone()).ok()?.to_string();
        let (tag, key) = recipient.split_once(' ')?;
        let digest = Sha256::digest(STANDARD.decode(key).ok()?);
        Some((tag.to_owned(), STANDARD_NO_PAD.encode(digest.get(..4)?)))
    }

    fn parse(word: &str, plugins: &Plugins) -> Result<Self, String> {
        if word.starts_with("AGE-PLUGIN-") {
            let Plugins::Allowed(person) = plugins else {
                return Err("plugins are not used here".to_owned());
            };
            let identity = word.parse().map_err(|reason: &str| reason.to_owned())?;
            return Ok(Self::Plugin(identity, person.clone()));
        }
        if word.starts_with("AGE-SECRET-KEY-PQ-1") {
            let malformed = |reason: &str| format!("malformed secret key: {reason}");
            return post_quantum::Identity::parse(word).map(Self::PostQuantum).map_err(malformed);
        }
        if word.starts_with("AGE-SECRET-KEY-1") {
            let malformed = |reason: &str| format!("malformed secret key: {reason}");
            return word.parse().map(Self::X25519).map_err(malformed);
        }
        Err("unknown identity type".to_owned())
    }
}

impl ::age::Identity for Identity {
    fn unwrap_stanza(&self, stanza: &Sealed) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Sealed]) -> Option<Result<FileKey, DecryptError>> {
        match self {
            Self::X25519(identity) => identity.unwrap_stanzas(stanzas),
            Self::PostQuantum(identity) => identity.unwrap_stanzas(stanzas),
            Self::Ssh(identity) => identity.unwrap_stanzas(stanzas),
            Self::Plugin(identity, person) => {
                let identities = std::slice::from_ref(identity);
                let program = IdentityPluginV1::new(identity.plugin(), identities, person.clone());
                match program {
                    Ok(program) => program.unwrap_stanzas(stanzas),
                    Err(error) => Some(Err(DecryptError::PluginResolve(error))),
                }
            }
        }
    }
}

/// Says what is wrong with an age file in one line.
pub(super) fn words(error: &DecryptError) -> String {
    match error {
        DecryptError::InvalidHeader => "parsing age header: the header is malformed".to_owned(),
        DecryptError::InvalidMac => "bad header MAC".to_owned(),
        DecryptError::UnknownFormat => "parsing age header: this is no age file of version 1".to_owned(),
        DecryptError::DecryptionFailed => "the wrapped data key is damaged".to_owned(),
        DecryptError::Io(error) => format!("parsing age header: {error}"),
        error => error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "),
    }
}

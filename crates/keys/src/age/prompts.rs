//! What an age plugin asks of the person who runs it.

use std::fmt;
use std::sync::Arc;

use ::age::Callbacks;
use secrecy::SecretString;

/// Answers the questions of age plugins; it may wait for the person. No answer makes the plugin do without, or fail.
pub trait Prompts: Send + Sync {
    /// Shows a message, as "touch the key".
    fn message(&self, text: &str);
    /// Asks for a choice between one answer, or two; true for the first.
    fn confirm(&self, question: &str, first: &str, second: Option<&str>) -> Option<bool>;
    /// Asks for a text that may be seen.
    fn text(&self, question: &str) -> Option<String>;
    /// Asks for a text that may not, as a PIN.
    fn secret(&self, question: &str) -> Option<SecretString>;
}

/// Nobody is there: every question stays without answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Prompts for Nobody {
    fn message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }
}

/// Whether programs may be run for recipients and identities that need one, and who answers them.
#[derive(Clone, Default)]
pub(crate) enum Plugins {
    Allowed(Person),
    #[default]
    Refused,
}

/// Whoever answers, as the age crate wants to have it.
#[derive(Clone)]
pub(crate) struct Person(pub(crate) Arc<dyn Prompts>);

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

impl Callbacks for Person {
    fn display_message(&self, message: &str) {
        self.0.message(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        self.0.confirm(message, yes, no)
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.0.text(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        self.0.secret(description)
    }
}

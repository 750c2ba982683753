//! Asks the person at the terminal; what is secret is not shown while it is typed.

use std::fs::{File, OpenOptions};
use std::io::{Error, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use sealfast_keys::age::Prompts;
use sealfast_keys::pgp::Passphrases;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::sops::keyring::agent;

/// The person at the controlling terminal, whatever the standard streams are; age plugins ask there too.
pub(super) struct Terminal;

impl Prompts for Terminal {
    fn message(&self, text: &str) {
        let _turn = turn();
        // Without a terminal nobody would read it.
        drop(open().and_then(|mut terminal| writeln!(terminal, "{text}")));
    }

    fn confirm(&self, question: &str, first: &str, second: Option<&str>) -> Option<bool> {
        let choice = match second {
            Some(second) => format!("{question} [y: {first}, n: {second}] "),
            None => format!("{question} [Enter: {first}] "),
        };
        let answer = line(&choice, shown).ok()?;
        match (answer.trim(), second) {
            ("y" | "Y", _) | (_, None) => Some(true),
            ("n" | "N", Some(_)) => Some(false),
            _ => None,
        }
    }

    fn text(&self, question: &str) -> Option<String> {
        line(&format!("{question} "), shown).ok().map(|line| line.to_string())
    }

    fn secret(&self, question: &str) -> Option<SecretString> {
        passphrase(&format!("{question} ")).ok()
    }
}

impl Passphrases for Terminal {
    fn ask(&self, fingerprint: &str) -> Option<SecretString> {
        let short = short_id(fingerprint);
        match agent::passphrase(short, &format!("Unlock key {short} to decrypt sops's key")) {
            Some(answer) => answer.ok(),
            None => passphrase(&format!("Enter PGP key passphrase for {fingerprint}: ")).ok(),
        }
    }

    fn was_wrong(&self, fingerprint: &str) {
        agent::forget(short_id(fingerprint));
    }
}

/// The last eight digits, under which the agent keeps a passphrase.
fn short_id(fingerprint: &str) -> &str {
    fingerprint.len().checked_sub(8).and_then(|start| fingerprint.get(start..)).unwrap_or(fingerprint)
}

/// Waits until nobody else asks: questions do not mix, and the terminal shows again what is typed after a secret.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for a passphrase.
pub(super) fn passphrase(question: &str) -> Result<SecretString, Error> {
    line(question, silently).map(|line| SecretString::from(line.as_str()))
}

fn open() -> Result<File, Error> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Asks and reads a line, without its end.
fn line(
    question: &str,
    ask: fn(&File, &str) -> Result<Zeroizing<String>, Error>,
) -> Result<Zeroizing<String>, Error> {
    let _turn = turn();
    let mut line = ask(&open()?, question)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn shown(mut terminal: &File, question: &str) -> Result<Zeroizing<String>, Error> {
    terminal.write_all(question.as_bytes())?;
    agent::line_of(terminal)
}

/// The terminal is silent before the question is seen: an answer that comes at once is neither shown nor lost.
fn silently(mut terminal: &File, question: &str) -> Result<Zeroizing<String>, Error> {
    let before = tcgetattr(terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let line = shown(terminal, question);
    tcsetattr(terminal, OptionalActions::Flush, &before)?;
    terminal.write_all(b"\n")?;
    line
}

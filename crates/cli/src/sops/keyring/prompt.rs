//! Asks for a passphrase on the terminal, without showing what is typed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Error, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Asks on the controlling terminal, whatever the standard streams are.
pub(super) fn passphrase(question: &str) -> Result<SecretString, Error> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question.as_bytes())?;
    let line = silently(&terminal);
    terminal.write_all(b"\n")?;
    line.map(|line| SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

fn silently(terminal: &File) -> Result<Zeroizing<String>, Error> {
    let before = tcgetattr(terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = BufReader::new(terminal).read_line(&mut line);
    tcsetattr(terminal, OptionalActions::Flush, &before)?;
    read.map(|_| line)
}

//! Passphrases from gpg-agent, which keeps them for a while.
//!
//! The agent is spoken to over its socket (Assuan), where `gpgconf --list-dirs agent-socket` finds it. One that does not run
//! is not started.
//!
//! Follows: "The GNU Privacy Guard Manual", `GET_PASSPHRASE` and `CLEAR_PASSPHRASE`, and the names of sops 3.13.2 for what
//! the agent keeps.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use crate::env;
use crate::sops::keyring::prompt;

/// An answer is shorter.
const MOST_LINE: usize = 4096;

/// Asks for a passphrase; none when no agent runs. `kept_as` names it for the next time.
pub(super) fn passphrase(kept_as: &str, question: &str) -> Option<Result<SecretString, String>> {
    // Its pinentry may use the same terminal.
    let _turn = prompt::turn();
    let mut agent = Agent::connect()?;
    agent.tell_terminal();
    let line = format!("GET_PASSPHRASE {kept_as} X Passphrase {}", escaped(question));
    let answer =
        agent.ask(&line).and_then(|hex| decoded(&hex).ok_or("its answer is no passphrase".to_owned()));
    Some(answer.map_err(|reason| format!("gpg-agent passphrase request errored: {reason}")))
}

/// Lets the agent forget a passphrase that was wrong.
pub(super) fn forget(kept_as: &str) {
    if let Some(mut agent) = Agent::connect() {
        drop(agent.ask(&format!("CLEAR_PASSPHRASE {kept_as}")));
    }
}

struct Agent(UnixStream);

impl Agent {
    fn connect() -> Option<Self> {
        let stream = sockets().iter().find_map(|path| UnixStream::connect(path).ok())?;
        let mut agent = Self(stream);
        agent.answer().ok()?;
        Some(agent)
    }

    /// Says where the person is, so that pinentry finds them. What the agent does not know does not matter.
    fn tell_terminal(&mut self) {
        let of_input = || std::fs::read_link("/proc/self/fd/0").ok().filter(|path| path.starts_with("/dev"));
        let terminal = env::GPG_TTY.path().or_else(of_input).map(|path| path.to_string_lossy().into_owned());
        let options =
            [("ttyname", terminal), ("ttytype", env::TERM.text()), ("display", env::DISPLAY.text())];
        for (name, value) in options {
            if let Some(value) = value.filter(|value| !value.contains(['\r', '\n'])) {
                drop(self.ask(&format!("OPTION {name}={value}")));
            }
        }
    }

    fn ask(&mut self, line: &str) -> Result<Zeroizing<String>, String> {
        self.0.write_all(format!("{line}\n").as_bytes()).map_err(|wrong| wrong.to_string())?;
        self.answer()
    }

    /// Reads up to the line that ends an answer; what stands behind `OK` is returned.
    fn answer(&mut self) -> Result<Zeroizing<String>, String> {
        loop {
            let line = line_of(&self.0).map_err(|wrong| wrong.to_string())?;
            if line.is_empty() {
                return Err("it ended the conversation".to_owned());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(rest) = line.strip_prefix("OK") {
                return Ok(Zeroizing::new(rest.trim_start().to_owned()));
            }
            if let Some(reason) = line.strip_prefix("ERR ") {
                return Err(reason.split_once(' ').map_or(reason, |(_, words)| words).to_owned());
            }
        }
    }
}

/// Reads a line with its end, byte by byte: no memory holds any of it but what is wiped.
pub(super) fn line_of(mut from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MOST_LINE));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MOST_LINE && line.last() != Some(&b'\n') {
        match from.read(byte.as_mut_slice()) {
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            Err(wrong) if wrong.kind() == ErrorKind::Interrupted => {}
            Err(wrong) => return Err(wrong),
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Where the agent may listen, as its own tools look for it.
fn sockets() -> Vec<PathBuf> {
    let run = PathBuf::from(format!("/run/user/{}/gnupg", rustix::process::geteuid().as_raw()));
    let usual = env::HOME.path().map(|home| home.join(".gnupg"));
    let home = env::GNUPGHOME.path().or_else(|| usual.clone());
    let own = match &home {
        Some(home) if usual.as_ref() != Some(home) => run.join(format!("d.{}", short_name(home))),
        _ => run,
    };
    [Some(own), home].into_iter().flatten().map(|dir| dir.join("S.gpg-agent")).collect()
}

/// The name of the folder for the sockets of another home: the first 15 bytes of a SHA-1 in z-base-32.
fn short_name(home: &Path) -> String {
    let digest = Sha1::digest(home.as_os_str().as_encoded_bytes());
    in_letters(&digest[..15], b"ybndrfg8ejkmcpqxot1uwisza345h769")
}

/// Writes bytes, five at a time, as letters for five bits each.
pub(super) fn in_letters(bytes: &[u8], letters: &[u8; 32]) -> String {
    let fives = bytes.chunks(5).flat_map(|chunk| {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..8).rev().map(move |place| (bits >> (5 * place)) & 31)
    });
    fives.filter_map(|five| usize::try_from(five).ok()).map(|five| char::from(letters[five])).collect()
}

/// Blanks become `+`; what has a meaning of its own is escaped.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            b'+' | b'%' | 0..=31 | 127.. => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
        out
    })
}

fn decoded(hex: &str) -> Option<SecretString> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(hex.len() / 2));
    for pair in hex.as_bytes().chunks(2) {
        bytes.push(
            u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok()?,
        );
    }
    std::str::from_utf8(&bytes).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::{decoded, escaped, short_name};

    #[test]
    fn texts_are_escaped_and_answers_decoded() {
        assert_eq!(escaped("Unlock 50% + 'ü'\n"), "Unlock+50%25+%2B+'%C3%BC'%0A");
        assert_eq!(
            decoded("68756E746572").map(|text| text.expose_secret().to_owned()).as_deref(),
            Some("hunter")
        );
        assert!(decoded("6").is_none() && decoded("zz").is_none() && decoded("ff").is_none());
    }

    #[test]
    fn folders_of_other_homes_are_named_as_gpgconf_names_them() {
        assert_eq!(short_name(Path::new("/tmp/x")), "h6s1g4fjrjgazzbo8pfcmbbo");
    }
}

//! A `known_hosts` text: which keys a host may show.
//!
//! Follows: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names with `*`, `?` and `!`, hashed names, ports in `[host]:port`,
//! `@revoked`. Differs: certificates of hosts (`@cert-authority`) are not used.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use hmac::{Hmac, Mac as _};
use russh::keys::PublicKey;
use russh::keys::ssh_key::{Algorithm, HashAlg};
use sha1::Sha1;

/// The keys of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct HostKeys {
    trusted: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

/// Why a host is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing is known about it.
    Unknown,
    /// It has other keys.
    Mismatch,
    /// It shows a key that somebody revoked.
    Revoked,
}

impl HostKeys {
    /// Reads the keys of a host; lines that cannot be read are passed over.
    pub(super) fn of(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut found = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_ascii_whitespace().peekable();
            let marker = words.next_if(|word| word.starts_with('@'));
            if !words.next().is_some_and(|hosts| matches(hosts, &name)) {
                continue;
            }
            let (Some(kind), Some(blob)) = (words.next(), words.next()) else { continue };
            let Ok(key) = PublicKey::from_openssh(&format!("{kind} {blob}")) else { continue };
            match marker {
                None => found.trusted.push(key),
                Some("@revoked") => found.revoked.push(key),
                Some(_) => {}
            }
        }
        found
    }

    /// Returns true when no key would be accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Says whether a key is one of the host's.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), Doubt> {
        let holds = |keys: &[PublicKey]| keys.iter().any(|known| known.key_data() == key.key_data());
        if holds(&self.revoked) {
            return Err(Doubt::Revoked);
        }
        match holds(&self.trusted) {
            true => Ok(()),
            false if self.is_empty() => Err(Doubt::Unknown),
            false => Err(Doubt::Mismatch),
        }
    }

    /// Lists the algorithms with which the host can show a key that is known: others would only be refused.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for key in &self.trusted {
            let ways = match key.algorithm() {
                // One key, three hashes, the better ones first.
                Algorithm::Rsa { .. } => {
                    let hashes = [Some(HashAlg::Sha512), Some(HashAlg::Sha256), None];
                    hashes.map(|hash| Algorithm::Rsa { hash }).to_vec()
                }
                other => vec![other],
            };
            for way in ways {
                if !found.contains(&way) {
                    found.push(way);
                }
            }
        }
        found
    }
}

/// What is wrong with the first line that cannot be read.
pub(super) fn fault(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.find_map(|line| {
        let mut words = line.split_ascii_whitespace().peekable();
        words.next_if(|word| matches!(*word, "@cert-authority" | "@revoked"));
        let (_hosts, kind, blob) = (words.next(), words.next(), words.next());
        match (kind, blob) {
            (None, _) => Some("knownhosts: missing host pattern".to_owned()),
            (_, None) => Some("knownhosts: missing key type pattern".to_owned()),
            (_, Some(blob)) => match STANDARD.decode(blob) {
                Ok(key) => (key.len() < 4).then(|| "ssh: short read".to_owned()),
                Err(DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _)) => {
                    Some(broken(at))
                }
                Err(_) => Some(broken(blob.len())),
            },
        }
    })
}

fn broken(at: usize) -> String {
    format!("illegal base64 data at input byte {at}")
}

/// Returns true when one of the patterns fits and none that begins with `!` does.
fn matches(patterns: &str, name: &str) -> bool {
    let mut hit = false;
    for pattern in patterns.split(',') {
        if let Some(unwanted) = pattern.strip_prefix('!') {
            if fits(unwanted, name) {
                return false;
            }
        } else {
            hit |= fits(pattern, name);
        }
    }
    hit
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("|1|") {
        Some(hashed) => fits_hash(hashed, name).unwrap_or(false),
        None => {
            let plain =
                pattern.strip_prefix('[').and_then(|rest| rest.strip_suffix("]:22")).unwrap_or(pattern);
            wildcard(plain.as_bytes(), name.as_bytes())
        }
    }
}

/// `salt|hash`, both in base64: the name is what HMAC-SHA-1 with that salt says.
fn fits_hash(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&hash).is_ok())
}

/// `*` is any text, `?` any character; upper case is lower case.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(&name[n]) => {
                (p, n) = (p + 1, n + 1)
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn names_fit_as_ssh_reads_them() {
        for (pattern, name) in [
            ("host", "host"),
            ("other,host", "host"),
            ("*.example.com", "git.Example.com"),
            ("h?st", "host"),
            ("[host]:2222", "[host]:2222"),
            ("[host]:22", "host"),
            // ssh-keygen -H of `host`.
            ("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=", "192.168.1.61"),
        ] {
            assert!(matches(pattern, name), "{pattern} is to fit {name}");
        }
        for (pattern, name) in [
            ("host", "hosts"),
            ("*,!host", "host"),
            ("host", "[host]:2222"),
            ("|1|bad", "host"),
            ("", "host"),
        ] {
            assert!(!matches(pattern, name), "{pattern} is not to fit {name}");
        }
    }

    #[test]
    fn what_is_no_line_of_hosts_is_told() {
        for (text, wanted) in [
            ("# remark\n\n@cert-authority host ssh-rsa AAAA\n", Some("ssh: short read")),
            ("y", Some("knownhosts: missing host pattern")),
            ("@revoked y\n", Some("knownhosts: missing host pattern")),
            ("nonsense here\n", Some("knownhosts: missing key type pattern")),
            ("host ssh-rsa AA!A", Some("illegal base64 data at input byte 2")),
            (&format!("host {ONE} remark\n"), None),
        ] {
            assert_eq!(fault(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn keys_are_those_of_the_host() {
        let text = format!("# remark\n\nhost {ONE} remark\n@cert-authority host {ONE}\nbroken\n");
        let key = PublicKey::from_openssh(ONE).expect("a key");
        assert_eq!(HostKeys::of(&text, "host", 22).check(&key), Ok(()));
        assert_eq!(HostKeys::of(&text, "host", 22).algorithms(), [Algorithm::Ed25519]);
        assert_eq!(HostKeys::of(&text, "host", 2222).check(&key), Err(Doubt::Unknown));
        let revoked = format!("{text}@revoked * {ONE}\n");
        assert_eq!(HostKeys::of(&revoked, "host", 22).check(&key), Err(Doubt::Revoked));
    }
}

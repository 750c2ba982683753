//! Signatures of commits and tags, by OpenPGP and SSH keys that somebody trusts.
//!
//! What is checked is the object as the repository holds it, byte for byte without its signature.
//!
//! Follows: `fluxcd/pkg/git` in its words, and go-crypto in what makes an OpenPGP key valid: neither revoked nor expired
//! now, and bound to its certificate. Differs: an object with two signatures is refused.

use jiff::Timestamp;

use crate::error::Error;
use crate::git::commit::Commit;

mod pgp;
mod ssh;

/// Keys of a Secret with this suffix hold SSH keys in the form of `authorized_keys`.
const SSH_SUFFIX: &str = ".sshpub";
/// The suffix that OpenPGP keys should have; other names are read as such keys too.
const PGP_SUFFIX: &str = ".asc";

/// What must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The commit.
    Head,
    /// The annotated tag.
    Tag,
    /// Both.
    TagAndHead,
}

impl Mode {
    /// Reads `HEAD`, `head`, `Tag` or `TagAndHEAD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "HEAD" | "head" => Some(Self::Head),
            "Tag" => Some(Self::Tag),
            "TagAndHEAD" => Some(Self::TagAndHead),
            _ => None,
        }
    }

    /// Returns the mode as the status holds it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "HEAD",
            Self::Tag => "Tag",
            Self::TagAndHead => "TagAndHEAD",
        }
    }

    /// Returns true when what this mode checked is all that another one asks for.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self == Self::TagAndHead || self == other
    }
}

/// Public keys that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    openpgp: Vec<String>,
    ssh: Vec<String>,
}

impl Keys {
    /// Adds an entry of a Secret; its name tells the kind of key.
    pub fn add(&mut self, name: &str, content: &[u8]) {
        let text = String::from_utf8_lossy(content).into_owned();
        let kind = if name.ends_with(SSH_SUFFIX) { &mut self.ssh } else { &mut self.openpgp };
        kind.push(text);
    }
}

/// Checks what a mode asks for; returns what was verified and by which key, for people.
///
/// # Errors
/// [`Error::NoTag`], [`Error::UnsignedTag`], [`Error::TagSignature`], [`Error::CommitSignature`].
pub fn verify(commit: &Commit, mode: Mode, keys: &Keys, now: Timestamp) -> Result<String, Error> {
    let mut lines = Vec::new();
    if mode != Mode::Head {
        let tag = commit.tag.as_ref().ok_or(Error::NoTag)?;
        let signed = Signed::of_tag(&tag.raw);
        if signed.signature.is_empty() {
            return Err(Error::UnsignedTag { tag: tag.to_string() });
        }
        let failed = |reason| Error::TagSignature { tag: tag.to_string(), reason };
        let key = signed.verify("tag", keys, now).map_err(failed)?;
        lines.push(format!("tag '{tag}' with key '{key}'"));
    }
    if mode != Mode::Tag {
        let failed = |reason| Error::CommitSignature { commit: commit.hash.clone(), reason };
        let signed = Signed::of_commit(&commit.raw).map_err(failed)?;
        let key = signed.verify("commit", keys, now).map_err(failed)?;
        lines.push(format!("commit '{}' with key '{key}'", commit.hash));
    }
    Ok(format!("verified signature of\n\t- {}", lines.join("\n\t- ")))
}

/// An object taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Signed {
    /// What was signed.
    payload: Vec<u8>,
    /// Armored; empty when there is none.
    signature: String,
}

impl Signed {
    /// The signature of a commit stands in a header of its own, whose further lines begin with a blank.
    fn of_commit(raw: &[u8]) -> Result<Self, String> {
        let end = find(raw, b"\n\n").map_or(raw.len(), |at| at + 1);
        let (mut payload, mut signature) = (Vec::new(), String::new());
        let (mut inside, mut count) = (false, 0);
        for line in raw[..end].split_inclusive(|byte| *byte == b'\n') {
            if let Some(first) = line.strip_prefix(b"gpgsig ") {
                inside = true;
                count += 1;
                signature.push_str(&String::from_utf8_lossy(first));
            } else if inside && line.starts_with(b" ") {
                signature.push_str(&String::from_utf8_lossy(&line[1..]));
            } else {
                inside = false;
                payload.extend_from_slice(line);
            }
        }
        if count > 1 {
            return Err("more than one signature".to_owned());
        }
        payload.extend_from_slice(&raw[end..]);
        Ok(Self { payload, signature })
    }

    /// The signature of a tag is the end of its message, from the last line that begins one.
    fn of_tag(raw: &[u8]) -> Self {
        let begins = [pgp::BEGIN, ssh::BEGIN, X509_BEGIN];
        let (mut at, mut found) = (0, raw.len());
        for line in raw.split_inclusive(|byte| *byte == b'\n') {
            if begins.iter().any(|begin| line.starts_with(begin.as_bytes())) {
                found = at;
            }
            at += line.len();
        }
        let signature = String::from_utf8_lossy(&raw[found..]).into_owned();
        Self { payload: raw[..found].to_vec(), signature }
    }

    /// Returns the name of the key that made the signature.
    fn verify(&self, what: &str, keys: &Keys, now: Timestamp) -> Result<String, String> {
        let armored = self.signature.trim();
        let none = |kind: &str, suffix: &str| {
            format!(
                "{kind} signature detected but no {kind} public keys found in secret (keys with {suffix} suffix)"
            )
        };
        if armored.starts_with(pgp::BEGIN) {
            if keys.openpgp.is_empty() {
                return Err(none("PGP", PGP_SUFFIX));
            }
            let verdict = pgp::verify(armored, &self.payload, &keys.openpgp, now);
            return verdict.map_err(|reason| format!("unable to verify Git {what}: {reason}"));
        }
        if armored.starts_with(ssh::BEGIN) {
            if keys.ssh.is_empty() {
                return Err(none("SSH", SSH_SUFFIX));
            }
            let verdict = ssh::verify(armored, &self.payload, &keys.ssh);
            return verdict.map_err(|reason| format!("unable to verify Git {what} SSH signature: {reason}"));
        }
        let kind = match armored {
            "" => "empty",
            text if text.starts_with(X509_BEGIN) => "x509",
            _ => "unknown",
        };
        Err(format!("unsupported signature type: {kind}"))
    }
}

const X509_BEGIN: &str = "-----BEGIN SIGNED MESSAGE-----";

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_gives_its_signature_and_what_was_signed() {
        let raw = b"tree 1\nauthor a\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END\nencoding x\n\ngpgsig no\n";
        let signed = Signed::of_commit(raw).expect("one signature");
        assert_eq!(signed.payload, b"tree 1\nauthor a\nencoding x\n\ngpgsig no\n");
        assert_eq!(signed.signature, "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END\n");
        assert!(Signed::of_commit(b"gpgsig a\ngpgsig b\n\n").is_err());
        assert_eq!(Signed::of_commit(b"tree 1\n\nx").map(|found| found.signature), Ok(String::new()));
    }

    #[test]
    fn a_tag_ends_with_its_signature() {
        let raw = b"object 1\ntag v1\n\ntext\n-----BEGIN SSH SIGNATURE-----\nabc\n";
        let signed = Signed::of_tag(raw);
        assert_eq!(signed.payload, b"object 1\ntag v1\n\ntext\n");
        assert_eq!(signed.signature, "-----BEGIN SSH SIGNATURE-----\nabc\n");
        assert_eq!(Signed::of_tag(b"object 1\n\ntext\n").signature, "");
    }

    #[test]
    fn modes_cover_one_another() {
        assert!(Mode::TagAndHead.covers(Mode::Tag) && Mode::TagAndHead.covers(Mode::Head));
        assert!(!Mode::Tag.covers(Mode::Head) && !Mode::Head.covers(Mode::TagAndHead));
        assert_eq!(Mode::parse("head"), Some(Mode::Head));
        assert_eq!(Mode::parse("tag"), None);
    }
}

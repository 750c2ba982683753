//! The header of an age file, read for what is wrong with it.
//!
//! Follows: `internal/format` and the identities of age 1.3, whose words the reasons have.

use base64::DecodeError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::armor::Content;
use super::file::COLUMNS;

const INTRO: &[u8] = b"age-encryption.org/v1\n";
const OPENING: &[u8] = b"->";
const CLOSING: &[u8] = b"---";
const PARSING: &str = "parsing age header: ";
const MAC_BYTES: usize = 32;
const SHARE_BYTES: usize = 32;
const SEALED_KEY_BYTES: usize = 32;
/// A ciphertext of ML-KEM-768 and a share of X25519.
const ENCAPSULATED_BYTES: usize = 1088 + SHARE_BYTES;
/// What stands between the header and the payload.
pub(super) const NONCE_BYTES: usize = 16;
/// A line as it is told; longer ones are cut.
const MOST_TOLD: usize = 4096;

/// One recipient of a header.
pub(super) struct Stanza {
    tag: String,
    args: Vec<String>,
    body_bytes: usize,
}

/// What a header has, and how much follows it.
pub(super) struct Header {
    pub(super) stanzas: Vec<Stanza>,
    payload_bytes: usize,
}

impl Header {
    /// Reads the header, or says what is wrong with it.
    pub(super) fn read(content: &Content) -> Result<Self, String> {
        let mut reader = Reader::of(content);
        reader.intro()?;
        let mut stanzas = Vec::new();
        while reader.peek()? != CLOSING {
            stanzas.push(reader.stanza().map_err(|why| format!("failed to parse header: {why}"))?);
        }
        reader.closing()?;
        Ok(Self { stanzas, payload_bytes: reader.rest.len() })
    }

    /// Why the payload cannot even begin.
    pub(super) fn short_payload(&self, content: &Content) -> Option<String> {
        let end = match (&content.flaw, self.payload_bytes) {
            (_, NONCE_BYTES..) => return None,
            (Some(flaw), _) => flaw,
            (None, 0) => "EOF",
            (None, _) => "unexpected EOF",
        };
        Some(format!("failed to read nonce: {end}"))
    }

    /// Is there nothing behind the nonce?
    pub(super) fn is_without_payload(&self) -> bool {
        self.payload_bytes == NONCE_BYTES
    }
}

/// Whose identities look at a stanza.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    X25519,
    PostQuantum,
    Ssh,
}

impl Kind {
    fn looks_at(self, tag: &str) -> bool {
        match self {
            Self::X25519 => tag == "X25519",
            Self::PostQuantum => tag == "mlkem768x25519",
            Self::Ssh => matches!(tag, "ssh-ed25519" | SSH_RSA),
        }
    }
}

const SSH_RSA: &str = "ssh-rsa";

impl Stanza {
    /// What an identity of this kind has to say about the shape of the stanza; nothing when it is not for that kind.
    pub(super) fn fault(&self, kind: Kind) -> Option<String> {
        let tag = self.tag.as_str();
        if !kind.looks_at(tag) {
            return None;
        }
        let invalid = || Some(format!("invalid {tag} recipient block"));
        let share = match (tag, self.args.as_slice()) {
            (SSH_RSA, [_]) => return None,
            ("X25519" | "mlkem768x25519", [share]) | ("ssh-ed25519", [_, share]) => share,
            _ => return invalid(),
        };
        let length = match decoded(share.as_bytes()) {
            Ok(share) => share.len(),
            Err(why) => return Some(format!("failed to parse {tag} recipient: {why}")),
        };
        match kind {
            Kind::X25519 | Kind::Ssh if length != SHARE_BYTES => invalid(),
            Kind::X25519 if self.body_bytes != SEALED_KEY_BYTES => {
                Some(format!("invalid {tag} recipient block: incorrect file key size"))
            }
            Kind::PostQuantum if self.body_bytes != SEALED_KEY_BYTES => Some(LENGTH.to_owned()),
            Kind::PostQuantum if length != ENCAPSULATED_BYTES => {
                Some(format!("invalid {tag} recipient: invalid encapsulated key size"))
            }
            _ => None,
        }
    }

    /// Is it for the SSH key with this mark?
    pub(super) fn is_for(&self, tag: &str, mark: &str) -> bool {
        self.tag == tag && self.args.first().is_some_and(|arg| arg == mark)
    }

    /// Why the key in it does not open, once it is known to be for an identity.
    pub(super) fn sealed_fault(&self) -> String {
        let why = match self.tag.as_str() {
            SSH_RSA => "crypto/rsa: decryption error",
            _ => "chacha20poly1305: message authentication failed",
        };
        format!("failed to decrypt file key: {why}")
    }
}

const LENGTH: &str = "encrypted value has unexpected length";

struct Reader<'c> {
    rest: &'c [u8],
    /// What is told where the bytes end.
    end: &'c str,
}

impl<'c> Reader<'c> {
    fn of(content: &'c Content) -> Self {
        Self { rest: &content.bytes, end: content.flaw.as_deref().unwrap_or("EOF") }
    }

    /// The next line with its line break.
    fn line(&mut self) -> Result<&'c [u8], &'c str> {
        let at = self.rest.iter().position(|byte| *byte == b'\n').ok_or(self.end)?;
        let (line, rest) = self.rest.split_at(at + 1);
        self.rest = rest;
        Ok(line)
    }

    fn intro(&mut self) -> Result<(), String> {
        match self.line() {
            Ok(INTRO) => Ok(()),
            Ok(line) => Err(format!("{PARSING}unexpected intro: {}", quoted(line))),
            Err("EOF") => Err(format!("{PARSING}file is empty")),
            Err(end) => Err(format!("{PARSING}failed to read intro: {end}")),
        }
    }

    fn peek(&self) -> Result<&'c [u8], String> {
        let next = self.rest.get(..CLOSING.len());
        next.ok_or_else(|| format!("{PARSING}failed to read header: {}", self.end))
    }

    fn closing(&mut self) -> Result<(), String> {
        let line = self.line().map_err(|end| format!("failed to read header: {end}"))?;
        let malformed = |why: &str| format!("{PARSING}malformed closing line{why}");
        let [CLOSING, mac] = words(line)[..] else { return Err(malformed(&format!(": {}", quoted(line)))) };
        match decoded(mac) {
            Ok(mac) if mac.len() == MAC_BYTES => Ok(()),
            Ok(_) => Err(malformed(&format!(" {}: <nil>", quoted(line)))),
            Err(why) => Err(malformed(&format!(" {}: {why}", quoted(line)))),
        }
    }

    fn stanza(&mut self) -> Result<Stanza, String> {
        let line = self.line().map_err(unread)?;
        if !line.starts_with(OPENING) {
            return Err(format!("malformed stanza opening line: {}", quoted(line)));
        }
        let malformed = || format!("malformed stanza: {}", quoted(line));
        let [OPENING, args @ ..] = &words(line)[..] else { return Err(malformed()) };
        let args: Option<Vec<String>> = args.iter().map(|arg| argument(arg)).collect();
        let mut args = args.filter(|args| !args.is_empty()).ok_or_else(malformed)?;
        let tag = args.remove(0);
        Ok(Stanza { tag, args, body_bytes: self.body()? })
    }

    /// How many bytes a body has, which ends with the first line that is not full.
    fn body(&mut self) -> Result<usize, String> {
        let mut length = 0;
        loop {
            let line = self.line().map_err(unread)?;
            let told = |why: &str| format!("malformed body line {}: {why}", quoted(line));
            let part = match decoded(&line[..line.len() - 1]) {
                Ok(part) => part.len(),
                Err(_) if line.starts_with(CLOSING) || line.starts_with(OPENING) => {
                    return Err(told(UNENDED));
                }
                Err(why) => return Err(format!("{PARSING}{}", told(&why))),
            };
            if part > FULL_BYTES {
                return Err(format!("{PARSING}{}", told("too long")));
            }
            length += part;
            if part < FULL_BYTES {
                return Ok(length);
            }
        }
    }
}

const FULL_BYTES: usize = COLUMNS / 4 * 3;

const UNENDED: &str = "stanza ended without a short line\nnote: this might be a file encrypted with an old beta \
    version of age or rage; use age v1.0.0-beta6 or rage to decrypt it";

fn unread(end: &str) -> String {
    format!("failed to read line: {end}")
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    line.strip_suffix(b"\n").unwrap_or(line).split(|byte| *byte == b' ').collect()
}

/// A word of visible ASCII.
fn argument(word: &[u8]) -> Option<String> {
    let is_visible = !word.is_empty() && word.iter().all(u8::is_ascii_graphic);
    is_visible.then(|| String::from_utf8_lossy(word).into_owned())
}

fn decoded(text: &[u8]) -> Result<Vec<u8>, String> {
    if text.contains(&b'\r') {
        return Err("unexpected newline character".to_owned());
    }
    STANDARD_NO_PAD.decode(text).map_err(|wrong| {
        let at = match wrong {
            DecodeError::InvalidByte(at, _) => at,
            // The one that should not have been begun.
            DecodeError::InvalidLastSymbol(at, _) if text.len() % 4 == 2 => at.saturating_sub(1),
            DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len().saturating_sub(1),
        };
        format!("illegal base64 data at input byte {at}")
    })
}

/// A line in quotes, what cannot be printed escaped.
pub(super) fn quoted(line: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in line[..line.len().min(MOST_TOLD)].utf8_chunks() {
        chunk.valid().chars().for_each(|letter| push_escaped(&mut out, letter));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out + "\""
}

fn push_escaped(out: &mut String, letter: char) {
    let escape = match letter {
        '"' | '\\' => letter,
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        _ => {
            match u32::from(letter) {
                0x20..0x7f => out.push(letter),
                code @ ..0x80 => out.push_str(&format!("\\x{code:02x}")),
                _ if !letter.is_control() && !letter.is_whitespace() => out.push(letter),
                code @ ..0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            }
            return;
        }
    };
    out.extend(['\\', escape]);
}

#[cfg(test)]
mod tests {
    use super::super::armor::Content;
    use super::super::file::armor;
    use super::{Header, Kind};

    const MAC: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(header: &str) -> Result<Header, String> {
        Header::read(&Content::read(&armor(header.as_bytes())))
    }

    fn flaw(header: &str) -> String {
        read(header).err().unwrap_or_default()
    }

    #[test]
    fn flaws_are_told_as_age_tells_them() {
        let intro = "age-encryption.org/v1\n";
        let told = |rest: &str| flaw(&format!("{intro}{rest}"));
        assert_eq!(flaw(""), "parsing age header: file is empty");
        assert_eq!(flaw("age v2\n"), "parsing age header: unexpected intro: \"age v2\\n\"");
        assert_eq!(told("--"), "parsing age header: failed to read header: EOF");
        assert_eq!(told("-> X25519 a\n"), "failed to parse header: failed to read line: EOF");
        assert_eq!(told("x> a\n"), "failed to parse header: malformed stanza opening line: \"x> a\\n\"");
        assert_eq!(told("-> \n"), "failed to parse header: malformed stanza: \"-> \\n\"");
        assert_eq!(told("-> é\n"), "failed to parse header: malformed stanza: \"-> é\\n\"");
        assert_eq!(
            told("-> a\nx\n"),
            "failed to parse header: parsing age header: malformed body line \"x\\n\": illegal base64 data at input byte 0"
        );
        assert!(told("-> a\n-> b\n").contains("stanza ended without a short line\nnote: "));
        assert_eq!(told("--- \n"), "parsing age header: malformed closing line \"--- \\n\": <nil>");
        assert_eq!(told("---x\n"), "parsing age header: malformed closing line: \"---x\\n\"");
        assert_eq!(told(&format!("--- {MAC}\n")), "");
    }

    #[test]
    fn stanzas_are_told_by_who_looks_at_them() {
        let fault = |stanza: &str, kind| {
            let text = format!("age-encryption.org/v1\n-> {stanza}\n--- {MAC}\n");
            let fault = read(&text).map(|header| header.stanzas[0].fault(kind));
            fault.ok().flatten().unwrap_or_default()
        };
        assert_eq!(fault("X25519\n", Kind::X25519), "invalid X25519 recipient block");
        assert_eq!(
            fault(&format!("X25519 {MAC}\n"), Kind::X25519),
            "invalid X25519 recipient block: incorrect file key size"
        );
        assert_eq!(
            fault("X25519 !\n", Kind::X25519),
            "failed to parse X25519 recipient: illegal base64 data at input byte 0"
        );
        assert_eq!(fault(&format!("X25519 {MAC}\n{MAC}"), Kind::X25519), "");
        assert_eq!(fault("X25519\n", Kind::Ssh), "");
        assert_eq!(fault("ssh-rsa\n", Kind::Ssh), "invalid ssh-rsa recipient block");
    }
}

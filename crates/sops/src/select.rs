//! Which leaves are encrypted: one selector per document.
//!
//! Suffix and regex look at every key on the way to a leaf; the comment selectors look at the comments that stand
//! before it, at its own level and the levels above.
//!
//! Follows: `shouldBeEncrypted` of sops 3.13.2.

use regex::bytes::Regex;

use crate::re2;

/// The rule that tells encrypted from clear values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Clear when any key on the way ends with this.
    UnencryptedSuffix(String),
    /// Encrypted only when a key on the way ends with this.
    EncryptedSuffix(String),
    /// Clear when any key on the way matches.
    UnencryptedRegex(String),
    /// Encrypted only when a key on the way matches.
    EncryptedRegex(String),
    /// Clear when an active comment matches.
    UnencryptedCommentRegex(String),
    /// Encrypted only when an active comment matches.
    EncryptedCommentRegex(String),
}

impl Selector {
    /// Names of the six metadata fields.
    pub const FIELDS: [&'static str; 6] = [
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ];

    /// Returns the selector of a metadata field; none for other names.
    #[must_use]
    pub fn of_field(field: &str, text: String) -> Option<Self> {
        Some(match field {
            "unencrypted_suffix" => Self::UnencryptedSuffix(text),
            "encrypted_suffix" => Self::EncryptedSuffix(text),
            "unencrypted_regex" => Self::UnencryptedRegex(text),
            "encrypted_regex" => Self::EncryptedRegex(text),
            "unencrypted_comment_regex" => Self::UnencryptedCommentRegex(text),
            "encrypted_comment_regex" => Self::EncryptedCommentRegex(text),
            _ => return None,
        })
    }

    /// Returns the name of its metadata field.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::UnencryptedSuffix(_) => Self::FIELDS[0],
            Self::EncryptedSuffix(_) => Self::FIELDS[1],
            Self::UnencryptedRegex(_) => Self::FIELDS[2],
            Self::EncryptedRegex(_) => Self::FIELDS[3],
            Self::UnencryptedCommentRegex(_) => Self::FIELDS[4],
            Self::EncryptedCommentRegex(_) => Self::FIELDS[5],
        }
    }

    /// Returns the suffix or expression.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::UnencryptedSuffix(text)
            | Self::EncryptedSuffix(text)
            | Self::UnencryptedRegex(text)
            | Self::EncryptedRegex(text)
            | Self::UnencryptedCommentRegex(text)
            | Self::EncryptedCommentRegex(text) => text,
        }
    }
}

/// A selector made ready to be asked.
pub(crate) enum Matcher {
    /// Everything is encrypted.
    All,
    Suffix {
        suffix: String,
        encrypts: bool,
    },
    Regex {
        regex: Option<Regex>,
        encrypts: bool,
    },
    Comment {
        regex: Option<Regex>,
        encrypts: bool,
    },
}

impl Matcher {
    /// An expression that does not compile matches nothing.
    pub(crate) fn new(selector: Option<&Selector>) -> Self {
        let regex = |text: &str| re2::compile_bytes(text).ok();
        match selector {
            None => Self::All,
            Some(Selector::UnencryptedSuffix(text)) => Self::Suffix { suffix: text.clone(), encrypts: false },
            Some(Selector::EncryptedSuffix(text)) => Self::Suffix { suffix: text.clone(), encrypts: true },
            Some(Selector::UnencryptedRegex(text)) => Self::Regex { regex: regex(text), encrypts: false },
            Some(Selector::EncryptedRegex(text)) => Self::Regex { regex: regex(text), encrypts: true },
            Some(Selector::UnencryptedCommentRegex(text)) => {
                Self::Comment { regex: regex(text), encrypts: false }
            }
            Some(Selector::EncryptedCommentRegex(text)) => {
                Self::Comment { regex: regex(text), encrypts: true }
            }
        }
    }

    /// Does a key on the way match?
    pub(crate) fn key(&self, key: &str) -> bool {
        match self {
            Self::Suffix { suffix, .. } => key.ends_with(suffix.as_str()),
            Self::Regex { regex: Some(regex), .. } => regex.is_match(key.as_bytes()),
            _ => false,
        }
    }

    /// Does a comment match?
    pub(crate) fn comment(&self, text: &[u8]) -> bool {
        matches!(self, Self::Comment { regex: Some(regex), .. } if regex.is_match(text))
    }

    /// Could an encrypted comment switch encryption off for what follows it?
    pub(crate) fn is_undone_by(&self, ciphertext: &str) -> bool {
        matches!(self, Self::Comment { encrypts: false, .. }) && self.comment(ciphertext.as_bytes())
    }
}

//! Which leaves are encrypted: one selector per document.
//!
//! Suffix and regex look at every key on the way to a leaf; the comment selectors look at the comments that stand
//! before it, at its own level and the levels above.
//!
//! Follows: `shouldBeEncrypted` of sops 3.13.2. Differs: an expression that does not compile is refused where it would
//! leave a document in the clear; there it matches nothing.

use regex::bytes::Regex;
use sealfast_re2 as re2;

use crate::error::Error;
use crate::metadata::DEFAULT_UNENCRYPTED_SUFFIX;

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

    /// Makes sure that its expression compiles.
    ///
    /// # Errors
    /// [`Error::Selector`] when it does not.
    pub fn check(&self) -> Result<(), Error> {
        Matcher::new(Some(self)).map(|_| ())
    }
}

/// A selector made ready to be asked.
pub(crate) enum Matcher {
    Suffix { suffix: String, encrypts: bool },
    Regex { regex: Option<Regex>, encrypts: bool },
    Comment { regex: Option<Regex>, encrypts: bool },
}

impl Matcher {
    /// Without a selector the usual suffix counts, as it will when the document is read again.
    pub(crate) fn new(selector: Option<&Selector>) -> Result<Self, Error> {
        let compile = |selector: &Selector| {
            let refuse = |message| Error::Selector { field: selector.field(), message };
            re2::compile_bytes(selector.text()).map(Some).map_err(refuse)
        };
        Self::with(selector, compile)
    }

    /// An expression that does not compile matches nothing.
    pub(crate) fn lenient(selector: Option<&Selector>) -> Self {
        let compile = |selector: &Selector| Ok(re2::compile_bytes(selector.text()).ok());
        Self::with(selector, compile)
            .unwrap_or_else(|_: Error| Self::suffix(DEFAULT_UNENCRYPTED_SUFFIX, false))
    }

    fn with(
        selector: Option<&Selector>,
        compile: impl Fn(&Selector) -> Result<Option<Regex>, Error>,
    ) -> Result<Self, Error> {
        let Some(selector) = selector else { return Ok(Self::suffix(DEFAULT_UNENCRYPTED_SUFFIX, false)) };
        Ok(match selector {
            Selector::UnencryptedSuffix(text) => Self::suffix(text, false),
            Selector::EncryptedSuffix(text) => Self::suffix(text, true),
            Selector::UnencryptedRegex(_) => Self::Regex { regex: compile(selector)?, encrypts: false },
            Selector::EncryptedRegex(_) => Self::Regex { regex: compile(selector)?, encrypts: true },
            Selector::UnencryptedCommentRegex(_) => {
                Self::Comment { regex: compile(selector)?, encrypts: false }
            }
            Selector::EncryptedCommentRegex(_) => Self::Comment { regex: compile(selector)?, encrypts: true },
        })
    }

    fn suffix(suffix: &str, encrypts: bool) -> Self {
        Self::Suffix { suffix: suffix.to_owned(), encrypts }
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

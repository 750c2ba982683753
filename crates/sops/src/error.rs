//! What can go wrong with a SOPS document, each with its place.

use std::fmt;

use crate::path::Step;
use crate::time::Flaw;
use crate::tree::Text;

/// A place in the tree: the keys on the way, as `a.b.c`; list indexes are not part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePath(pub Vec<String>);

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(top level)");
        }
        f.write_str(&self.0.join("."))
    }
}

/// Why one value could not be decrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CipherError {
    /// The text is no `ENC[AES256_GCM,…]`.
    #[error("the value is not in the form `ENC[AES256_GCM,…]`")]
    Format {
        /// The text that was found, for presentations that show it.
        found: Text,
    },
    /// A part is not base64.
    #[error("the `{part}` part of the value is not base64 from its byte {at} on")]
    Base64 {
        /// `data`, `iv` or `tag`.
        part: &'static str,
        /// Which of its bytes is the first that does not fit, from 0.
        at: usize,
    },
    /// The key does not fit, or the value, its key or its place was changed.
    #[error("the value does not authenticate: it was changed or moved, or belongs to another data key")]
    Authentication,
    /// A nonce length that no known writer uses.
    #[error("a nonce of {length} bytes is not supported")]
    Nonce {
        /// Bytes found.
        length: usize,
    },
    /// The type label is not known.
    #[error("unknown value type `{label}`")]
    Type {
        /// The label found.
        label: String,
    },
    /// The plaintext does not fit the type label.
    #[error("the decrypted value is not of its type `{label}`")]
    Content {
        /// The label found.
        label: &'static str,
    },
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input does not parse; the message is the format's own.
    #[error("{message}")]
    Parse {
        /// What is wrong, with the line where known.
        message: String,
    },
    /// The input does not parse, and the format's own message would show what stands there.
    #[error("{}{message}", at_line(*line))]
    Unreadable {
        /// What is wrong, without the text.
        message: String,
        /// Where, from 1.
        line: Option<usize>,
        /// The format's own message, which may show a secret.
        full: Text,
    },
    /// A configuration does not read, or a field of it holds something else than it should.
    #[error("{message}")]
    Configuration {
        /// Everything that is wrong, without values.
        message: String,
        /// The same in the reference's words, which may show values.
        full: Text,
        /// The line of the first mistake, from 1.
        line: Option<usize>,
        /// The first mistake, without its line.
        mistake: String,
        /// Where that is a value of another kind than is wanted: its tag, and what is wanted as Go names the type.
        misfit: Option<(String, String)>,
    },
    /// The document cannot be written in this format.
    #[error("{message}")]
    Emit {
        /// What does not fit.
        message: String,
    },
    /// There is no `sops` block.
    #[error("sops metadata not found")]
    NoMetadata,
    /// The `sops` block lists no key.
    #[error("no keys found in the sops metadata")]
    NoKeys,
    /// The `sops` block has a field of the wrong shape.
    #[error("sops metadata: {message}")]
    Metadata {
        /// Which field and why.
        message: String,
    },
    /// Fields of the `sops` block hold something else than they should.
    #[error("sops metadata: {}", problems.join("; "))]
    MetadataFields {
        /// Each field, with what is wrong, in the reference's words.
        problems: Vec<String>,
    },
    /// More than one selector.
    #[error("more than one of the encrypted and unencrypted suffix, regex and comment regex is set")]
    Selectors,
    /// The expression of the selector does not compile, so it would choose nothing.
    #[error("{field} does not compile: {message}")]
    Selector {
        /// The metadata field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A document without the one text that binary files consist of.
    #[error("{message}")]
    NotBinary {
        /// What is missing.
        message: String,
    },
    /// The version of the metadata is empty or no version.
    #[error("version of the sops metadata: {message}")]
    Version {
        /// What is wrong with it.
        message: String,
    },
    /// Not an RFC 3339 time.
    #[error("`{text}` is not an RFC 3339 time: {flaw}")]
    Time {
        /// The text found.
        text: String,
        /// What does not fit.
        flaw: Flaw,
    },
    /// A whole number that is to keep all its digits does not fit 64 signed bits.
    #[error("the number has more digits than can be kept")]
    Digits,
    /// The plain document already has a `sops` entry.
    #[error("the document already has a top-level `sops` entry")]
    AlreadyEncrypted,
    /// A later document of the stream already has a `sops` entry.
    #[error("document {index} already has a top-level `sops` entry")]
    LaterAlreadyEncrypted {
        /// The document, from 1.
        index: usize,
    },
    /// A key that is not a string.
    #[error("key `{text}` at `{path}` is not a string but of type {kind}")]
    KeyType {
        /// The mapping it is in.
        path: TreePath,
        /// Its type in the reference's words.
        kind: &'static str,
        /// The key as written.
        text: String,
    },
    /// A value that has no encrypted form.
    #[error("value at `{path}` of type {kind} cannot be encrypted")]
    ValueType {
        /// Where it is.
        path: TreePath,
        /// Its type in the reference's words.
        kind: &'static str,
    },
    /// A value that should be ciphertext is not even a string.
    #[error("value at `{path}` should be encrypted, but is of type {kind}")]
    NotCiphertext {
        /// Where it is.
        path: TreePath,
        /// Its type in the reference's words.
        kind: &'static str,
    },
    /// A value could not be decrypted.
    #[error("cannot decrypt the value at `{path}`")]
    Decrypt {
        /// Where it is.
        path: TreePath,
        /// Why.
        #[source]
        source: CipherError,
    },
    /// An encrypted comment looks like the comment that leaves values unencrypted.
    #[error("an encrypted comment at `{path}` matches unencrypted_comment_regex, which could not be undone")]
    CommentCollision {
        /// The mapping or list it is in.
        path: TreePath,
    },
    /// The MAC itself could not be decrypted.
    #[error("cannot decrypt the MAC of the document")]
    MacDecrypt {
        /// Why.
        #[source]
        source: CipherError,
    },
    /// The MAC does not fit the document.
    #[error("MAC mismatch: the document was changed since it was encrypted")]
    MacMismatch {
        /// The MAC in the file in hex; empty for none.
        stored: String,
        /// The MAC of the tree in hex.
        computed: String,
    },
    /// A path component that is not in the tree.
    #[error("`{component}` not found")]
    NotFound {
        /// The key or index.
        component: String,
    },
    /// An index behind the end of its list.
    #[error("index {index} is out of bounds")]
    OutOfBounds {
        /// The index.
        index: usize,
    },
    /// A path that does not fit the tree.
    #[error("{message}")]
    Path {
        /// Which component and why.
        message: String,
    },
    /// An index that leads into a mapping.
    #[error("index {step} used on a mapping")]
    NoList {
        /// The index.
        step: String,
    },
    /// A step that leads into a value that contains nothing.
    #[error("a value of type {kind} has no item `{step}`")]
    NoContainer {
        /// Its type in the reference's words.
        kind: &'static str,
        /// The key or index.
        step: String,
        /// Whether it is an index.
        is_index: bool,
    },
    /// A step of a path that is neither a quoted key nor an index.
    #[error("component {text} is neither a quoted key nor an index")]
    Index {
        /// The step.
        text: String,
        /// Whether it is a number, but larger than any index.
        is_too_large: bool,
    },
    /// The `.sops.yaml` is wrong.
    #[error("{message}")]
    Rules {
        /// Which field and why.
        message: String,
    },
    /// A part of the `.sops.yaml` is wrong.
    #[error("{error}")]
    InRules {
        /// Where: the fields and indexes on the way.
        place: Vec<Step>,
        /// What is wrong there.
        error: Box<Error>,
    },
    /// The expression of a rule's path does not compile.
    #[error("does not compile: {message}")]
    RulePath {
        /// What is wrong with it.
        message: String,
    },
    /// A rule has more than one selector.
    #[error("{} are given, but a rule has one selector", fields.join(" and "))]
    RuleSelectors {
        /// Their fields.
        fields: Vec<&'static str>,
    },
    /// A field with keys holds something else.
    #[error("{wanted} is wanted, not {found}")]
    RuleKeys {
        /// The field.
        field: &'static str,
        /// The keys in the reference's words.
        shown: &'static str,
        /// What it should hold: `a text or a list of texts`, `a text`.
        wanted: &'static str,
        /// The type of what was found, in the reference's words.
        found: &'static str,
    },
    /// No creation rule is for this path.
    #[error("error loading config: no matching creation rules found")]
    NoRule {
        /// The path that was asked for.
        path: String,
    },
    /// Shares that do not fit together.
    #[error("{message}")]
    Shamir {
        /// What does not fit.
        message: &'static str,
    },
    /// A data key of the wrong length.
    #[error("a data key has 32 bytes, not {length}")]
    DataKey {
        /// Bytes given.
        length: usize,
    },
    /// Larger than this program holds.
    #[error("the document has more than {limit} {unit}")]
    Size {
        /// The limit.
        limit: usize,
        /// What is limited: `bytes`, `values` or `lines`.
        unit: &'static str,
    },
    /// Nested deeper than this program follows.
    #[error("{}the document is nested deeper than {limit} levels", at_line(*line))]
    Depth {
        /// Where, from 1, when a text was read.
        line: Option<usize>,
        /// The limit.
        limit: usize,
    },
    /// Aliases that expand to more than this program follows.
    #[error("line {line}: the document's aliases expand to more than {limit} {unit}")]
    Expansion {
        /// Where the alias stands that was too much.
        line: usize,
        /// The limit.
        limit: usize,
        /// What is limited: `values` or `bytes`.
        unit: &'static str,
    },
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl Error {
    /// Returns the key or value that the error is about, to find its line.
    #[must_use]
    pub fn place(&self) -> Option<TreePath> {
        let mut place = self.path()?.clone();
        if let Self::KeyType { text, .. } = self {
            place.0.push(text.clone());
        }
        Some(place)
    }

    /// Returns the place in the tree that the error is about, where it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&TreePath> {
        match self {
            Self::KeyType { path, .. }
            | Self::ValueType { path, .. }
            | Self::NotCiphertext { path, .. }
            | Self::Decrypt { path, .. }
            | Self::CommentCollision { path } => Some(path),
            _ => None,
        }
    }
}

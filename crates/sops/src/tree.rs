//! The document in memory: branches of keys, values and comments.
//!
//! Every store reads into this tree and writes from it; the order of entries is part of the format, because the
//! MAC runs over the leaves in order. Plaintext lives in [`Text`], which is wiped when dropped and prints nothing.
//!
//! Follows: the tree of sops 3.13.2 (`sops.go`).

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

use crate::time::Time;

/// Bytes of a string or comment: usually UTF-8, wiped on drop, never printed by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Zeroizing<Vec<u8>>);

impl Text {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text when it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the text with U+FFFD for bytes that are not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Returns true for no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(hidden)")
    }
}

impl From<Zeroizing<Vec<u8>>> for Text {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

/// One comment: its text without the comment character, everything after it kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// The text, a leading blank included.
    pub text: Text,
    /// True when it stood behind a value on the same line.
    pub inline: bool,
    /// True when it stands where the reference passes over comments. It counts neither as an item nor for selectors.
    pub stray: bool,
    /// True when it closes an INI file: it belongs to no section, and is encrypted whatever is chosen.
    pub closing: bool,
}

impl Comment {
    /// Returns a comment on a line of its own.
    #[must_use]
    pub fn line(text: impl Into<Text>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What an entry of a mapping is filed under.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// An ordinary key.
    Name(String),
    /// No key: the entry is a comment (its value is null).
    Comment(Comment),
    /// A key that is not a string. It can be read, but such a tree can be neither encrypted nor decrypted.
    Other {
        /// The type in the reference's words (`int`, `float64`, `bool`, `<nil>`).
        kind: &'static str,
        /// The key as written.
        text: String,
    },
}

impl Key {
    /// Returns the name of an ordinary key.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key or comment.
    pub key: Key,
    /// The value; null for comments.
    pub value: Value,
}

/// An ordered mapping; keys may repeat, as files do not always forbid it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Branch {
    /// Entries in file order, comments among them.
    pub entries: Vec<Entry>,
}

impl Branch {
    /// Returns an empty mapping.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an entry under a name.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.entries.push(Entry { key: Key::Name(name.into()), value: value.into() });
    }

    /// Appends a comment.
    pub fn push_comment(&mut self, comment: Comment) {
        self.entries.push(Entry { key: Key::Comment(comment), value: Value::Null });
    }

    /// Returns the value of the first entry with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.key.name() == Some(name)).map(|entry| &entry.value)
    }

    /// Returns the value of the first entry with this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.entries.iter_mut().find(|entry| entry.key.name() == Some(name)).map(|entry| &mut entry.value)
    }

    /// Iterates over the named entries.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().filter_map(|entry| entry.key.name().map(|name| (name, &entry.value)))
    }
}

/// A value of the tree; `Debug` names the kinds of leaves, never what they hold.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing. Never encrypted and not part of the MAC.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An integer above the signed range: it can be read, but not encrypted.
    Uint(u64),
    /// A double.
    Float(f64),
    /// An instant with its offset.
    Time(Time),
    /// A string.
    Str(Text),
    /// A comment among the items of a list.
    Comment(Comment),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Branch(Branch),
}

impl Value {
    /// Returns the type in the reference's words, as its messages use them.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Time(_) => "time.Time",
            Self::Str(_) => "string",
            Self::Comment(_) => "sops.Comment",
            Self::List(_) => "[]interface {}",
            Self::Branch(_) => "sops.TreeBranch",
        }
    }

    /// Returns the text of a UTF-8 string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { text.as_str() } else { None }
    }

    /// Returns the mapping, when it is one.
    #[must_use]
    pub fn as_branch(&self) -> Option<&Branch> {
        if let Self::Branch(branch) = self { Some(branch) } else { None }
    }

    /// Returns true for mappings and lists.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        matches!(self, Self::List(_) | Self::Branch(_))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Branch(branch) => branch.fmt(f),
            leaf => f.write_str(leaf.type_name()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Str(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Branch> for Value {
    fn from(branch: Branch) -> Self {
        Self::Branch(branch)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

//! What can be wrong with a YAML text or tree, in the reference's words.

use std::fmt;

/// A refusal to read or write YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong, without place.
    pub message: String,
    /// Line in the source from 1, as the reference counts it (it leaves line 1 out).
    pub line: Option<usize>,
    /// True for mistakes in the text; false for a tree that does not fit what is asked of it.
    pub syntax: bool,
}

impl Error {
    /// Returns an error of the text at a line; line 0 means no line.
    #[must_use]
    pub fn syntax(message: impl Into<String>, line: usize) -> Self {
        Self { message: message.into(), line: (line > 0).then_some(line), syntax: true }
    }

    /// Returns an error of the tree.
    #[must_use]
    pub fn tree(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, syntax: false }
    }

    /// Returns an error of the tree at a line.
    #[must_use]
    pub fn tree_at(message: impl Into<String>, line: usize) -> Self {
        Self { message: message.into(), line: (line > 0).then_some(line), syntax: false }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "yaml: line {line}: {}", self.message),
            None => write!(f, "yaml: {}", self.message),
        }
    }
}

//! What can be wrong with a YAML text or tree, in the reference's words.

use std::fmt;

/// A refusal to read or write YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong, without place.
    pub message: String,
    /// Line in the source from 1, as the reference counts it (it leaves line 1 out).
    pub line: Option<usize>,
    /// Column in the source from 1, where it is known.
    pub column: Option<usize>,
    /// True for mistakes in the text; false for a tree that does not fit what is asked of it.
    pub syntax: bool,
    /// True when the reference prints the message without its `yaml: ` prefix.
    pub bare: bool,
    /// The line as v2 counts it.
    pub(crate) older_line: Option<usize>,
    /// Context and marks of a scanner's mistake.
    pub(crate) detail: Option<Box<str>>,
}

impl Error {
    /// Returns an error of the text at a line; line 0 means no line.
    #[must_use]
    pub fn syntax(message: impl Into<String>, line: usize) -> Self {
        Self { syntax: true, line: (line > 0).then_some(line), ..Self::tree(message) }
    }

    /// Returns an error of the tree.
    #[must_use]
    pub fn tree(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: None,
            column: None,
            syntax: false,
            bare: false,
            older_line: None,
            detail: None,
        }
    }

    /// Returns an error of the tree at a line.
    #[must_use]
    pub fn tree_at(message: impl Into<String>, line: usize) -> Self {
        Self { line: (line > 0).then_some(line), ..Self::tree(message) }
    }

    /// Returns an error that is printed as it stands.
    #[must_use]
    pub fn bare(message: impl Into<String>) -> Self {
        Self { bare: true, ..Self::tree(message) }
    }

    /// Returns an error of the text between two marks, lines from 0; `ahead` is added to a line that is told.
    pub(crate) fn marked(problem: &str, context: usize, at: usize, ahead: usize) -> Self {
        let shown = |line: usize, ahead: usize| (line > 0).then_some(line + ahead);
        Self {
            line: shown(context, ahead).or(shown(at, ahead)),
            older_line: shown(at, ahead).or(shown(context, 0)),
            syntax: true,
            ..Self::tree(problem)
        }
    }

    /// Returns the error as v2 tells it.
    pub(crate) fn into_older(mut self) -> Self {
        if self.syntax {
            self.line = self.older_line;
        }
        self
    }

    /// Returns the error that gathers everything in a tree that does not fit, a line each.
    pub(crate) fn unfit(problems: &[String]) -> Self {
        Self::tree(format!("unmarshal errors:\n  {}", problems.join("\n  ")))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            _ if self.bare => f.write_str(&self.message),
            Some(line) => write!(f, "yaml: line {line}: {}", self.message),
            None => write!(f, "yaml: {}", self.message),
        }
    }
}

//! What can be wrong with a YAML text or tree, in the reference's words.
//!
//! The reference quotes values of the document in some messages. Values may be secrets, so ours leave them out;
//! [`Error::in_full`] has them, for comparisons.

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
    /// Line in the source from 1 that a person should look at where the reference tells none.
    pub place: Option<usize>,
    /// What does not fit in a tree, the first of it.
    pub mistake: Option<Box<Mistake>>,
    /// True for mistakes in the text; false for a tree that does not fit what is asked of it.
    pub syntax: bool,
    /// True when the reference prints the message without its `yaml: ` prefix.
    pub bare: bool,
    /// The line as v2 counts it.
    pub(crate) older_line: Option<usize>,
    /// Context and marks of a scanner's mistake.
    pub(crate) detail: Option<Box<str>>,
    /// The message with what the reference quotes from the document.
    pub(crate) full: Option<Box<Quoted>>,
}

/// Something in a tree that does not fit, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its line in the source, from 1.
    pub line: usize,
    /// What is wrong, without its line and without values.
    pub message: String,
    /// Where a value is of another kind than is wanted, both of them.
    pub misfit: Option<Misfit>,
}

/// A value of another kind than is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Its tag, in the short form.
    pub found: String,
    /// The type that is wanted, as Go names it.
    pub wanted: String,
}

/// A text that has values of a document in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Quoted(String);

impl fmt::Debug for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quoted(hidden)")
    }
}

/// Something that does not fit, told without and with what the reference quotes from the document.
pub(crate) struct Problem {
    message: String,
    full: String,
    mistake: Option<Mistake>,
}

impl Problem {
    /// Takes the words before and behind what is quoted, a blank before that included.
    pub(crate) fn quoting(before: &str, quoted: &str, behind: &str) -> Self {
        let (message, full) = (format!("{before}{behind}"), format!("{before}{quoted}{behind}"));
        Self { message, full, mistake: None }
    }

    /// Something at a line.
    pub(crate) fn at(line: usize, message: String) -> Self {
        let whole = format!("line {line}: {message}");
        let mistake = Some(Mistake { line, message, misfit: None });
        Self { full: whole.clone(), message: whole, mistake }
    }

    /// A value at a line, quoted with a blank before it, is of another kind than is wanted.
    pub(crate) fn misfit(line: usize, found: &str, quoted: &str, wanted: &str) -> Self {
        let told = |quoted: &str| format!("cannot unmarshal {found}{quoted} into {wanted}");
        let misfit = Some(Misfit { found: found.to_owned(), wanted: wanted.to_owned() });
        let mistake = Some(Mistake { line, message: told(""), misfit });
        Self { full: format!("line {line}: {}", told(quoted)), mistake, ..Self::at(line, told("")) }
    }
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
            place: None,
            mistake: None,
            syntax: false,
            bare: false,
            older_line: None,
            detail: None,
            full: None,
        }
    }

    /// Says which line it is about, although the reference does not.
    #[must_use]
    pub fn about(self, line: usize) -> Self {
        Self { place: (line > 0).then_some(line), ..self }
    }

    /// Returns an error of the tree that quotes a value.
    pub(crate) fn quoting(Problem { message, full, .. }: Problem) -> Self {
        Self { full: Some(Box::new(Quoted(full))), ..Self::tree(message) }
    }

    /// Returns the error about an alias whose anchor is nowhere. What stands there may be a secret that starts with `*`.
    #[must_use]
    pub fn unknown_anchor(name: &str, line: usize) -> Self {
        Self::quoting(Problem {
            message: format!("line {line}: unknown anchor referenced"),
            full: format!("unknown anchor '{name}' referenced"),
            mistake: None,
        })
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
            // What has no line stands in the first.
            place: Some(1),
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
    pub(crate) fn unfit(problems: &[Problem]) -> Self {
        let told = |text: fn(&Problem) -> &str| {
            let lines: Vec<&str> = problems.iter().map(text).collect();
            format!("unmarshal errors:\n  {}", lines.join("\n  "))
        };
        let quoted = Self::quoting(Problem {
            message: told(|problem| &problem.message),
            full: told(|problem| &problem.full),
            mistake: None,
        });
        let mistake = problems.first().and_then(|problem| problem.mistake.clone()).map(Box::new);
        Self { mistake, ..quoted }
    }

    /// Returns the error with the values that the reference quotes: for comparisons with it, never for people or logs.
    #[must_use]
    pub fn in_full(&self) -> String {
        self.told(self.full.as_ref().map_or(&self.message, |quoted| &quoted.0))
    }

    fn told(&self, message: &str) -> String {
        match self.line {
            _ if self.bare => message.to_owned(),
            Some(line) => format!("yaml: line {line}: {message}"),
            None => format!("yaml: {message}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&self.message))
    }
}

//! What can go wrong in a build, in the words users know from the original tool.
//!
//! Messages keep the stable cores of the reference, because people search for them and because
//! they end up in the status of Flux objects. A chain of causes is joined by [`Error::chain`].

use std::error::Error as _;
use std::fmt::Write as _;

use thiserror::Error;

use crate::files::{FileError, join};

/// How many levels of quotes a message has at most.
const MOST_QUOTES: usize = 5;

/// A failed build.
#[derive(Debug, Error)]
pub enum Error {
    /// A step failed because of another failure.
    #[error("{context}")]
    Within {
        /// The step.
        context: String,
        /// What stopped it.
        #[source]
        source: Box<Error>,
    },
    /// An entry of a kustomization file cannot be done.
    #[error("{} ({entry})", .cause.chain())]
    Entry {
        /// The entry and the file.
        entry: String,
        /// What stopped it; its words stand before the entry.
        cause: Box<Error>,
    },
    /// A component cannot be taken in: its failure is told in quotes, as the original does.
    #[error("{step} {:?}", .cause.chain())]
    Quoted {
        /// What was done with the component.
        step: &'static str,
        /// What stopped it.
        cause: Box<Error>,
    },
    /// An entry of `resources` is neither a file with objects nor a root.
    #[error("accumulation err='{file}'")]
    Neither {
        /// Why it is not a file with objects.
        file: String,
        /// Why it is not a root.
        #[source]
        source: Box<Error>,
    },
    /// Text that is not YAML.
    #[error("MalformedYAMLError: {message} in File: {file}")]
    MalformedYaml {
        /// The parser's words.
        message: String,
        /// The file as the kustomization names it.
        file: String,
    },
    /// A file or directory could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A root, its file or an entry of it cannot be used.
    #[error("{0}")]
    Root(String),
    /// The kustomization file does not have the right shape.
    #[error("{0}")]
    Kustomization(String),
    /// An object cannot be read or does not fit beside the others.
    #[error("{0}")]
    Object(String),
    /// A generator cannot make its object.
    #[error("{0}")]
    Generator(String),
    /// A patch cannot be read or does not apply.
    #[error("{0}")]
    Patch(String),
    /// A name, kind or label expression cannot be read.
    #[error("{0}")]
    Selector(String),
    /// A transformer met a field that it cannot change, or is not configured properly.
    #[error("{0}")]
    Transform(String),
    /// A replacement has no source, no target or no such field.
    #[error("{0}")]
    Replacement(String),
    /// A variable of the kustomization cannot be resolved.
    #[error("{0}")]
    Variable(String),
    /// A plugin is unknown or not allowed.
    #[error("{0}")]
    Plugin(String),
    /// The build is larger than is good for anyone.
    #[error("{0}")]
    Limit(String),
    /// A `${…}` expansion is not well formed or names an unset variable.
    #[error("{0}")]
    Substitution(String),
}

/// Returns an entry of a file as messages name it.
pub(crate) fn entry_of(entry: &str, root: &str, file_name: &str) -> String {
    format!("{entry} of '{}'", join(root, file_name))
}

impl Error {
    /// Returns the message and those of all causes, joined by `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(inner) = cause {
            let _ = write!(text, ": {inner}");
            cause = inner.source();
        }
        text
    }

    /// Puts the step that failed in front.
    #[must_use]
    pub(crate) fn within(self, context: impl Into<String>) -> Self {
        Self::Within { context: context.into(), source: Box::new(self) }
    }

    /// Leaves out the file, for a text that names it already.
    #[must_use]
    pub(crate) fn without_file(self) -> Self {
        match self {
            Self::MalformedYaml { message, .. } => Self::Root(format!("MalformedYAMLError: {message}")),
            Self::Within { context, source } => {
                Self::Within { context, source: Box::new(source.without_file()) }
            }
            other => other,
        }
    }

    /// Tells the failure in quotes behind a step. Quotes in quotes double their backslashes at each level, so those of outer
    /// levels are left out.
    #[must_use]
    pub(crate) fn quoted(self, step: &'static str) -> Self {
        if self.and_causes().filter(|error| matches!(error, Self::Quoted { .. })).count() < MOST_QUOTES {
            Self::Quoted { step, cause: Box::new(self) }
        } else {
            self.within(step.trim_end_matches(':'))
        }
    }

    /// Names the entry of a file that failed.
    #[must_use]
    pub(crate) fn of_entry(self, entry: &str, root: &str, file_name: &str) -> Self {
        Self::Entry { entry: entry_of(entry, root, file_name), cause: Box::new(self) }
    }

    /// Whether a limit was reached, which no other reading of an entry can mend.
    #[must_use]
    pub(crate) fn is_limit(&self) -> bool {
        self.and_causes().any(|error| matches!(error, Self::Limit(_)))
    }

    /// Whether the failure is text that is no YAML at all.
    #[must_use]
    pub(crate) fn is_malformed_yaml(&self) -> bool {
        self.and_causes()
            .take_while(|error| !matches!(error, Self::Neither { .. }))
            .any(|error| matches!(error, Self::MalformedYaml { .. }))
    }

    /// Whether a file could not be read at all.
    #[must_use]
    pub(crate) fn is_of_reading(&self) -> bool {
        self.and_causes().any(|error| matches!(error, Self::File(_) | Self::Root(_)))
    }

    fn and_causes(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| match error {
            Self::Within { source: inner, .. }
            | Self::Neither { source: inner, .. }
            | Self::Entry { cause: inner, .. }
            | Self::Quoted { cause: inner, .. } => Some(&**inner),
            _ => None,
        })
    }
}

//! What a run did not find: written into the message of a condition, read there.
//!
//! Follows: the texts of kustomize-controller 1.9.

use std::fmt::{Display, Formatter};

/// The group of sources.
const SOURCES: &str = ".source.toolkit.fluxcd.io \"";
/// What ends the message about a source.
const NOT_FOUND: &str = "\" not found";
/// How the message about a path begins, and how it ends.
const NO_PATH: (&str, &str) = ("kustomization path not found: stat ", ": no such file or directory");

/// What is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The source.
    Source {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The path in the artifact.
    Path(String),
}

impl Missing {
    /// What the message of a condition tells; none when it tells of something else.
    pub fn told(message: &str) -> Option<Missing> {
        // A hint may follow.
        let line = message.lines().next()?;
        let path = || line.strip_prefix(NO_PATH.0)?.strip_suffix(NO_PATH.1);
        if let Some(path) = path() {
            return Some(Missing::Path(path.to_owned()));
        }
        let (kind, name) = line.strip_suffix(NOT_FOUND)?.split_once(SOURCES)?;
        Some(Missing::Source { kind: kind.to_owned(), name: name.to_owned() })
    }
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Missing::Source { kind, name } => write!(f, "{kind}{SOURCES}{name}{NOT_FOUND}"),
            Missing::Path(path) => write!(f, "{}{path}{}", NO_PATH.0, NO_PATH.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (missing, text) in [
            (
                Missing::Source { kind: "GitRepository".into(), name: "fleet".into() },
                "GitRepository.source.toolkit.fluxcd.io \"fleet\" not found",
            ),
            (
                Missing::Path("/tmp/k/apps".into()),
                "kustomization path not found: stat /tmp/k/apps: no such file or directory",
            ),
        ] {
            assert_eq!(missing.to_string(), text);
            assert_eq!(Missing::told(&format!("{text}\nhint: look")), Some(missing));
        }
        assert_eq!(Missing::told("dependency 'a/b' not found"), None);
        assert_eq!(Missing::told(""), None);
    }
}

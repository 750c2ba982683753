//! What can go wrong between us and an API server.
//!
//! The text of a refusal is the server's own, unchanged: people grep for it.

use kube::core::response::Status;

/// A request that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig, the in-cluster files or the address could not be used.
    #[error("cannot use the cluster configuration{}", place(.path))]
    Config {
        /// The file, when there is one.
        path: Option<String>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A kubeconfig that somebody else wrote cannot be used.
    #[error("invalid configuration: {why}")]
    Kubeconfig {
        /// Why; nothing of it is shown.
        why: String,
    },
    /// A kubeconfig that somebody else wrote trusts an authority that is none.
    #[error("unable to load root certificates: {why}")]
    Authority {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The server does not know the kind.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    NoMatch {
        /// The kind asked for.
        kind: String,
        /// Group and version asked for.
        api_version: String,
    },
    /// The server answered with a refusal.
    #[error("{}", .0.message)]
    Refused(Box<Status>),
    /// No answer, or one cut short.
    #[error("cannot reach the API server at `{address}`: {reason}")]
    Transport {
        /// The server's address.
        address: String,
        /// Why, in the words of the system or of TLS.
        reason: String,
    },
    /// No answer in time.
    #[error("the API server at `{address}` takes too long to answer")]
    Silent {
        /// The server's address.
        address: String,
    },
    /// A "not found" that is not about what was asked for, as whatever stands before an API server says it of all there is.
    #[error("`{address}` answers \"not found\" and does not say of what: it may be no API server")]
    Astray {
        /// The server's address.
        address: String,
    },
    /// The work that it belongs to took too long.
    #[error("context deadline exceeded")]
    Late,
    /// Nothing may be sent any more.
    #[error("the time has passed in which requests may be sent")]
    Fenced,
    /// An answer, or a list in all its pages, that is longer than any should be.
    #[error("the API server at `{address}` answers with more than can be taken in")]
    TooLarge {
        /// The server's address.
        address: String,
    },
    /// An answer that is not the JSON it should be.
    #[error("the API server's answer is not valid JSON")]
    Answer(#[source] serde_json::Error),
    /// A request that cannot be written down (an invalid header or address).
    #[error("cannot form the request")]
    Request(#[source] http::Error),
    /// There is no token to show.
    #[error("{reason}")]
    Token {
        /// Why.
        reason: String,
    },
    /// An object lacks something that a request needs.
    #[error("object has no `{field}`")]
    Incomplete {
        /// The missing field.
        field: &'static str,
    },
}

fn place(path: &Option<String>) -> String {
    path.as_ref().map(|p| format!(" in `{p}`")).unwrap_or_default()
}

impl Error {
    /// The server's answer, when there is one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Error::Refused(status) => Some(status),
            _ => None,
        }
    }

    /// This object does not exist, though its kind does.
    pub(crate) fn is_absence_of(&self, name: &str) -> bool {
        self.is_not_found()
            && self.status().and_then(|s| s.details.as_ref()).is_some_and(|details| details.name == name)
    }

    /// The refusal says what it is about.
    pub(crate) fn is_named(&self) -> bool {
        self.status().and_then(|s| s.details.as_ref()).is_some_and(|details| !details.name.is_empty())
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(|s| s.code == 404 || s.reason == "NotFound")
    }

    /// The server does not know the kind.
    pub fn is_no_match(&self) -> bool {
        matches!(self, Error::NoMatch { .. })
    }

    /// Somebody else was faster (409 with reason Conflict).
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(|s| s.reason == "Conflict" || (s.code == 409 && s.reason.is_empty()))
    }

    /// An object of that name is already there.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(|s| s.reason == "AlreadyExists")
    }

    /// The server calls the object invalid (422).
    pub fn is_invalid(&self) -> bool {
        self.status().is_some_and(|s| s.reason == "Invalid" || s.code == 422)
    }

    /// The version to watch from is no longer kept (410).
    pub fn is_gone(&self) -> bool {
        self.status().is_some_and(|s| s.code == 410 || s.reason == "Expired" || s.reason == "Gone")
    }

    /// The server may answer otherwise in a moment: it was not reached, was busy, or had a fault of its own.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Answer(_) => true,
            error if error.is_about_server() => true,
            Error::Refused(status) => {
                // An object that its schema refuses is told as a fault of the server (500).
                let is_about_object = status.message.starts_with("failed to create typed patch object");
                status.code == 429 || (status.code >= 500 && status.code != 501 && !is_about_object)
            }
            _ => false,
        }
    }

    /// Nobody was there who could have said something about the object.
    pub(crate) fn is_about_server(&self) -> bool {
        matches!(self, Error::Transport { .. } | Error::Silent { .. } | Error::Astray { .. } | Error::Late)
    }

    /// The machine-readable reason of a refusal; empty when there is none.
    pub fn reason(&self) -> &str {
        self.status().map(|s| s.reason.as_str()).unwrap_or_default()
    }

    /// The whole chain on one line: message, then each cause behind a colon.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            let more = inner.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            cause = inner.source();
        }
        text
    }
}

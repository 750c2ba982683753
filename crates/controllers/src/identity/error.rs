//! Why there are no credentials.

use sealfast_cluster::error::Error as ClusterError;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account cannot be read.
    #[error("failed to get service account '{place}'")]
    Account {
        /// `namespace/name`.
        place: String,
        /// Why.
        #[source]
        source: Box<ClusterError>,
    },
    /// An annotation of the account is missing or wrong.
    #[error("failed to get provider identity from service account '{place}' annotations: {reason}")]
    Annotation {
        /// `namespace/name`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Accounts are not used.
    #[error("ObjectLevelWorkloadIdentity feature gate is not enabled")]
    Gate,
    /// The API server gives no token for the account.
    #[error("failed to create kubernetes token for service account '{place}'")]
    Token {
        /// `namespace/name`.
        place: String,
        /// Why.
        #[source]
        source: Box<ClusterError>,
    },
    /// The cloud takes the token for nothing.
    #[error("failed to create provider access token for {who}: {reason}")]
    Exchange {
        /// The account, or the controller.
        who: String,
        /// What was said.
        reason: String,
    },
    /// There is no token for a cluster.
    #[error("failed to get access token for cluster: {}", .source.chain())]
    Access {
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// Something else than an exchange failed.
    #[error("{reason}")]
    Other {
        /// What.
        reason: String,
    },
}

impl Error {
    /// Whether the account is gone, or says something else than it did.
    pub fn is_of_account(&self) -> bool {
        match self {
            Error::Account { source, .. } | Error::Token { source, .. } => !source.is_transient(),
            Error::Access { source } => source.is_of_account(),
            Error::Annotation { .. } | Error::Gate => true,
            Error::Exchange { .. } | Error::Other { .. } => false,
        }
    }

    /// The message and its cause.
    pub fn chain(&self) -> String {
        match self {
            Error::Account { place, source } if source.is_not_found() => {
                let name = place.rsplit('/').next().unwrap_or_default();
                format!("{self}: ServiceAccount \"{name}\" not found")
            }
            Error::Account { source, .. } | Error::Token { source, .. } => {
                format!("{self}: {}", source.chain())
            }
            _ => self.to_string(),
        }
    }
}

//! What can be wrong with Kubernetes words.

/// A word that does not have the form it must have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A duration that Go's parser refuses.
    #[error("invalid duration `{text}`")]
    Duration {
        /// The text as given.
        text: String,
    },
    /// An inventory id that is not `namespace_name_group_kind`.
    #[error("invalid inventory id `{id}`")]
    InventoryId {
        /// The id as given.
        id: String,
    },
}

//! Where a schema stands in the schema of a kind.

/// Where a schema stands.
#[derive(Clone)]
pub(super) struct Place {
    /// At the root of the object.
    pub(super) root: bool,
    /// How many such values one object may have; `None` where a list or map above says nothing.
    pub(super) times: Option<u64>,
    /// Whether rules are looked at.
    pub(super) rules: bool,
    /// Within metadata, kind or version of an object.
    pub(super) in_meta: bool,
    /// Why there may be no default.
    pub(super) no_default: Option<String>,
    /// The part within which nobody can tell what a value was before.
    pub(super) uncorrelated: Option<String>,
}

impl Place {
    /// A place below, within a part that is told by this path.
    pub(super) fn within(&self, uncorrelated: bool, path: &str) -> Place {
        let new = || uncorrelated.then(|| path.to_owned());
        Place { root: false, uncorrelated: self.uncorrelated.clone().or_else(new), ..self.clone() }
    }
}

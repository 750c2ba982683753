//! Where a schema stands in the schema of a kind.

use crate::path::Path;

/// Where a schema stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// At the root of the object.
    pub(super) root: bool,
    /// How many such values one object may have; `None` where a list or map above says nothing.
    pub(super) times: Option<u64>,
    /// Whether rules are looked at.
    pub(super) rules: bool,
    /// Within metadata, kind or version of an object.
    pub(super) in_meta: bool,
    /// Why there may be no default.
    pub(super) no_default: Option<&'static str>,
    /// The part within which nobody can tell what a value was before.
    pub(super) uncorrelated: Option<&'a Path<'a>>,
}

impl<'a> Place<'a> {
    /// A place below, within a part that is told by this path.
    pub(super) fn within(&self, uncorrelated: bool, path: &'a Path<'a>) -> Place<'a> {
        let new = uncorrelated.then_some(path);
        Place { root: false, uncorrelated: self.uncorrelated.or(new), ..*self }
    }
}

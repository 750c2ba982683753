//! The path of a field, as a link to the path of what the field is in.
//!
//! So a long key above many fields is not copied for each of them.

use std::fmt;

/// Where a value stands. It is put into words only where something is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    /// The object itself.
    Root,
    /// `above.name`
    Field(&'a Path<'a>, &'a str),
    /// `above[0]`
    Item(&'a Path<'a>, usize),
    /// `above[name]`: an entry of a map where these are told apart from fields.
    Entry(&'a Path<'a>, &'a str),
}

impl Path<'_> {
    /// Whether it is the object itself.
    pub(crate) fn is_root(&self) -> bool {
        matches!(self, Self::Root)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(above, name) => write!(f, "{above}.{name}"),
            Self::Item(above, at) => write!(f, "{above}[{at}]"),
            Self::Entry(above, name) => write!(f, "{above}[{name}]"),
        }
    }
}

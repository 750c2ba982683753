//! The built-in transformers, one file each.

pub mod images;
pub mod labels;
pub mod name_refs;
pub mod names;
pub mod namespace;
pub mod replacements;
pub mod replicas;
pub(crate) mod twins;
pub(crate) mod value_add;
pub mod vars;

//! Defaults of a schema: they have to fit it.
//!
//! Follows: the checks of defaults in the apiextensions part of kube-apiserver 1.36.

use serde_json::Value;

use super::schema::META;
use super::structural::EMBEDDED;
use crate::causes::{Cause, Causes};
use crate::path::Path;
use crate::validate::{prunes, validate};

/// Gathers what is wrong with the defaults of a structural schema.
pub(super) fn check(schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    below(schema, path, Part::Root, causes);
}

/// Which part of an object a schema describes.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Root,
    /// What every object has, and what lies in it.
    Meta,
    Rest,
}

fn below(schema: &Value, path: &Path<'_>, part: Part, causes: &mut Causes) {
    if causes.is_full() {
        return;
    }
    let embedded = schema[EMBEDDED] == true;
    let part = if part == Part::Meta && embedded { Part::Rest } else { part };
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        one(schema, default, &Path::Field(path, "default"), part, causes);
    }
    let properties = Path::Field(path, "properties");
    for (name, known) in schema["properties"].as_object().into_iter().flatten() {
        let is_meta = (part == Part::Root || embedded) && META.contains(&name.as_str());
        let inner = if is_meta || part == Part::Meta { Part::Meta } else { Part::Rest };
        below(known, &Path::Entry(&properties, name), inner, causes);
    }
    let inner = if part == Part::Meta { Part::Meta } else { Part::Rest };
    for key in ["additionalProperties", "items"] {
        if let Some(known) = schema.get(key).filter(|known| known.is_object()) {
            below(known, &Path::Field(path, key), inner, causes);
        }
    }
}

fn one(schema: &Value, default: &Value, field: &Path<'_>, part: Part, causes: &mut Causes) {
    if part != Part::Meta && prunes(schema, default) {
        causes.push(Cause::invalid(field.to_string(), default, "must not have unknown fields"));
    }
    for problem in validate(schema, default, None) {
        // The place of a problem inside the default follows the place of the default.
        let inner = match problem.field.as_str() {
            "<nil>" => String::new(),
            field => format!(".{}", field.trim_start_matches('.')),
        };
        causes.push(Cause {
            reason: problem.reason(),
            message: problem.message(),
            field: format!("{field}{inner}"),
        });
    }
}

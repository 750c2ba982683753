//! Labels and annotations set on all objects and what they make.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::resource;
use crate::resources::Resources;
use crate::transform::twins::{self, Made};

/// Sets entries in every mapping that the field specs name.
///
/// # Errors
/// When a path leads through a scalar.
pub fn run(
    resources: &mut Resources,
    entries: &BTreeMap<String, String>,
    fields: &[FieldSpec],
) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        let mut made = Made::default();
        for spec in fields {
            spec.visit(resource, Leaf::Mapping, &mut |value| {
                set(value, entries, &mut |key| made.add(key, spec))
            })?;
        }
        twins::settle(resource);
        resource.twins.extend(made.into_twins(entries));
    }
    Ok(())
}

/// Sets all entries of a mapping, and says which were not there.
fn set(
    value: &mut Value,
    entries: &BTreeMap<String, String>,
    note_new: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else {
        return Err(Error::Transform("wrong node kind: expected MappingNode".to_owned()));
    };
    for (key, entry) in entries {
        if resource::entry(map, key).is_none() {
            note_new(key);
        }
        resource::set(map, key, Value::String(entry.clone()));
    }
    Ok(())
}

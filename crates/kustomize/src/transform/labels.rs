//! Labels and annotations set on all objects and what they make.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::flaw::Flaw;
use crate::resource;
use crate::resources::Resources;
use crate::transform::twins::{self, Had, Made};

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
    let clock = resources.clock();
    for resource in resources.iter_mut() {
        clock.check()?;
        let mut made = Made::default();
        let mut flaw = None;
        let kind = resource.kind().to_owned();
        for spec in fields.iter().filter(|spec| spec.gvk.kind.is_empty() || spec.gvk.kind == kind) {
            let mut nth = 0;
            spec.visit(resource, Leaf::Mapping, &mut |value| {
                set(value, entries, &mut |entry, key, had| {
                    if had == Had::Nothing && flaw.is_none() {
                        flaw = Flaw::of_new_key(key);
                    }
                    made.add(entry, spec, nth, had);
                })?;
                nth += 1;
                Ok(())
            })?;
        }
        twins::settle(resource);
        resource.twins.extend(made.into_twins(entries));
        resource.flaw = resource.flaw.take().or(flaw);
    }
    Ok(())
}

/// Sets all entries of a mapping, and says what was there.
fn set(
    value: &mut Value,
    entries: &BTreeMap<String, String>,
    note: &mut dyn FnMut(usize, &str, Had),
) -> Result<(), Error> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else {
        return Err(Error::Transform("wrong node kind: expected MappingNode".to_owned()));
    };
    for (position, (key, entry)) in entries.iter().enumerate() {
        if key.is_empty() {
            let what = "wrong node kind: expected ScalarNode but got MappingNode";
            return Err(Error::Transform(what.to_owned()));
        }
        let new = Value::String(entry.clone());
        match resource::entry_mut(map, key) {
            Some(present) => {
                note(position, key, Had::Entry);
                *present = new;
            }
            None => {
                note(position, key, Had::Nothing);
                map.insert(key.clone(), new);
            }
        }
    }
    Ok(())
}

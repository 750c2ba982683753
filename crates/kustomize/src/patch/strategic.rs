//! Strategic merge: a partial object laid over an object.
//!
//! Follows: the two-way merge of kyaml 0.21.1, which is neither kubectl's nor the API server's:
//! patched list elements come first, and only `$patch` is understood among the directives.

mod keyed;
mod noted;
mod places;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::flaw::Flaw;
use crate::patch::schema::{Field, Schema, Type};
use crate::patch::strategic::keyed::KeyedLists;
use crate::resource::{Resource, Step, entry, entry_mut, scalar_text, set, text};
use crate::written::Notes;

/// The directive's key.
const DIRECTIVE: &str = "$patch";

/// Lays a patch over an object. An object that the patch deletes becomes null.
///
/// # Errors
/// When the two differ in shape, or a directive is unknown.
pub fn merge(resource: &mut Resource, patch: &Resource, schema: &Schema) -> Result<(), Error> {
    // The original computes the replacement of a whole object and then drops it.
    if patch.value.as_object().map(strategy_in).transpose()? == Some(Strategy::Replace) {
        return Ok(());
    }
    let written = std::mem::take(&mut resource.written);
    let merger = Merger { schema, own: &written, patch: &patch.written };
    let root = merger.type_of(Some(&resource.value), Some(&patch.value));
    drop_blanks(resource, &merger, root);
    resource.loose.close(&mut resource.value, |place| merger.visits(place, root));
    let ways: Vec<_> =
        resource.loose.places().map(|place| merger.way(place, resource, patch, root)).collect();
    Flaw::add(&mut resource.flaw, patch.flaw.as_ref(), &resource.value);
    let dest = std::mem::take(&mut resource.value);
    let merged = merger.value(Some(dest), Some(&patch.value), Known { of: root, ..Known::default() })?;
    resource.value = merged.unwrap_or(Value::Null);
    resource.loose.follow(ways.into_iter().map(|way| noted::place(&way?, &resource.value)));
    resource.written = written;
    resource.written.add(&patch.written);
    Ok(())
}

/// Removes the blank nulls that a merge visits: those in mappings and in elements of merged lists.
fn drop_blanks(resource: &mut Resource, merger: &Merger<'_>, root: Option<&Type>) {
    let blanks = std::mem::take(&mut resource.blanks);
    for blank in blanks {
        if merger.visits(&blank, root) {
            remove_null(&mut resource.value, &blank);
        } else {
            resource.blanks.push(blank);
        }
    }
}

fn remove_null(value: &mut Value, path: &[Step]) {
    match (path, value) {
        ([Step::Key(key)], Value::Object(map)) if map.get(key).is_some_and(Value::is_null) => {
            map.shift_remove(key);
        }
        ([Step::Key(key), rest @ ..], Value::Object(map)) => {
            if let Some(child) = map.get_mut(key) {
                remove_null(child, rest);
            }
        }
        ([Step::Index(index), rest @ ..], Value::Array(items)) => {
            if let Some(child) = items.get_mut(*index) {
                remove_null(child, rest);
            }
        }
        _ => {}
    }
}

/// What the schema knows of a value.
#[derive(Clone, Copy, Default)]
struct Known<'a> {
    /// The type of the value, or of its elements.
    of: Option<&'a Type>,
    /// The keys by which it is merged, if it is a list that is.
    keys: Option<&'a [String]>,
    /// The key under which it stands.
    name: &'a str,
}

struct Merger<'a> {
    schema: &'a Schema,
    /// How the scalars of the object were written.
    own: &'a Notes,
    /// How those of the patch were.
    patch: &'a Notes,
}

/// What a directive asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Merge,
    Replace,
    Delete,
}

impl<'a> Merger<'a> {
    fn known(&self, field: Option<&'a Field>) -> Known<'a> {
        Known { of: self.schema.target(field), keys: field.and_then(Field::merge_keys), name: "" }
    }

    /// Returns the type that an object names itself: a whole one, or one that lies in a field of no known type.
    fn type_of(&self, dest: Option<&Value>, patch: Option<&Value>) -> Option<&'a Type> {
        [dest, patch].into_iter().flatten().find_map(|object| {
            let (version, kind) = (text(object, "apiVersion"), text(object, "kind"));
            if version.is_empty() || kind.is_empty() { None } else { self.schema.root(version, kind) }
        })
    }

    fn visits(&self, path: &[Step], root: Option<&Type>) -> bool {
        let mut known = Known { of: root, ..Known::default() };
        for step in path {
            match step {
                Step::Key(key) => known = self.known(known.of.and_then(|of| of.field(key))),
                Step::Index(_) if known.keys.is_none() => return false,
                Step::Index(_) => known.keys = None,
            }
        }
        true
    }

    /// Merges two values of which either may be missing; none means that the field goes away.
    fn value(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        known: Known<'_>,
    ) -> Result<Option<Value>, Error> {
        let is_some = |value: &Value| !value.is_null();
        let leader =
            dest.as_ref().filter(|dest| is_some(dest)).or_else(|| patch.filter(|patch| is_some(patch)));
        match leader {
            None => Ok(if patch.is_some() { None } else { dest }),
            Some(Value::Object(_)) => {
                check(dest.as_ref(), patch, Value::is_object, "MappingNode")?;
                let of = known.of.or_else(|| self.type_of(dest.as_ref(), patch));
                self.mapping(dest, patch, of)
            }
            Some(Value::Array(_)) => {
                check(dest.as_ref(), patch, Value::is_array, "SequenceNode")?;
                match known.keys {
                    Some(keys) => self.merged_list(dest, patch, keys, known.of),
                    None => Ok(replaced(dest, patch)),
                }
            }
            Some(_) => {
                let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
                check(dest.as_ref(), patch, is_scalar, "ScalarNode")?;
                Ok(self.scalar(dest, patch, known.name))
            }
        }
    }

    fn mapping(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        of: Option<&Type>,
    ) -> Result<Option<Value>, Error> {
        let dest = match dest {
            Some(Value::Object(map)) => map,
            _ => {
                let Some(Value::Object(patch)) = patch else { return Ok(None) };
                if strategy_in(patch)? == Strategy::Delete {
                    return Ok(None);
                }
                return self.added(patch, of).map(|map| Some(Value::Object(map)));
            }
        };
        match patch {
            None => self.untouched(dest, of).map(|map| Some(Value::Object(map))),
            Some(Value::Object(patch)) => match strategy_in(patch)? {
                Strategy::Delete => Ok(None),
                Strategy::Replace => self.added(patch, of).map(|map| Some(Value::Object(map))),
                Strategy::Merge => self.overlaid(dest, patch, of).map(|map| Some(Value::Object(map))),
            },
            Some(_) => Ok(None),
        }
    }

    /// Merges the fields of a patch into a mapping.
    fn overlaid(
        &self,
        dest: Map<String, Value>,
        patch: &Map<String, Value>,
        of: Option<&Type>,
    ) -> Result<Map<String, Value>, Error> {
        let mut dest = self.untouched_except(dest, of, patch)?;
        if entry(patch, DIRECTIVE).is_some() {
            // Only a mapping that is laid over itself holds one.
            dest.shift_remove(DIRECTIVE);
        }
        for (key, value) in without_directive(patch) {
            let known = Known { name: key, ..self.known(of.and_then(|of| of.field(key))) };
            let old = entry_mut(&mut dest, key).map(std::mem::take);
            match self.value(old, Some(value), known)? {
                Some(merged) => set(&mut dest, key, merged),
                None => {
                    dest.shift_remove(key);
                }
            }
        }
        Ok(dest)
    }

    /// Returns what a patch adds where there was nothing: itself, without nulls and deleted parts.
    fn added(&self, patch: &Map<String, Value>, of: Option<&Type>) -> Result<Map<String, Value>, Error> {
        let mut added = Map::with_capacity(patch.len());
        for (key, value) in without_directive(patch) {
            let known = self.known(of.and_then(|of| of.field(key)));
            // What comes as a whole is laid over itself, so that its lists obey their directives.
            let own = match value {
                Value::Array(items) if known.keys.is_some() => Some(take_list_directive(items)?.1.into()),
                _ => None,
            };
            if let Some(value) = self.value(own, Some(value), known)? {
                added.insert(key.clone(), value);
            }
        }
        Ok(added)
    }

    fn untouched(&self, dest: Map<String, Value>, of: Option<&Type>) -> Result<Map<String, Value>, Error> {
        self.untouched_except(dest, of, &Map::new())
    }

    /// Lets a merge pass over what a patch does not mention: merged lists lose doubled elements.
    fn untouched_except(
        &self,
        mut dest: Map<String, Value>,
        of: Option<&Type>,
        patch: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let Some(of) = of else { return Ok(dest) };
        let is_passed = |key: &&String| {
            let known = self.known(of.field(key));
            (known.of.is_some() || known.keys.is_some()) && entry(patch, key).is_none()
        };
        let keys: Vec<String> = dest.keys().filter(is_passed).cloned().collect();
        for key in keys {
            let known = self.known(of.field(&key));
            let old = dest.get_mut(&key).map(std::mem::take);
            match self.value(old, None, known)? {
                Some(value) => {
                    dest.insert(key, value);
                }
                None => {
                    dest.shift_remove(&key);
                }
            }
        }
        Ok(dest)
    }

    /// Returns the scalar of the patch, or the old one; what comes in the place of a text in quotes is one.
    fn scalar(&self, dest: Option<Value>, patch: Option<&Value>, name: &str) -> Option<Value> {
        match (&dest, patch) {
            (Some(Value::String(old)), Some(new @ (Value::Number(_) | Value::Bool(_))))
                if self.own.had_quotes(name, old) =>
            {
                self.patch.text(new).map(Value::String)
            }
            _ => replaced(dest, patch),
        }
    }

    fn merged_list(
        &self,
        dest: Option<Value>,
        patch: Option<&Value>,
        keys: &[String],
        of: Option<&Type>,
    ) -> Result<Option<Value>, Error> {
        let own = match dest {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        };
        let (strategy, patch_items) = match patch {
            // Where there was no list, the original does not look for directives, and lays the patch over itself.
            Some(Value::Array(items)) if own.is_none() => (Strategy::Merge, items.clone()),
            Some(Value::Array(items)) => take_list_directive(items)?,
            Some(_) => return Ok(None),
            None => (Strategy::Merge, Vec::new()),
        };
        let own = match (strategy, own) {
            (Strategy::Delete, Some(_)) => return Ok(None),
            (Strategy::Merge, Some(own)) => own,
            _ => patch_items.clone(),
        };
        let list = KeyedLists { merger: self, keys, of };
        let merged = if keys == ["."] { scalars(&patch_items, own)? } else { list.merge(&patch_items, own)? };
        Ok(Some(Value::Array(merged)))
    }
}

/// Returns the patch's value, or the old one when the patch has none.
fn replaced(dest: Option<Value>, patch: Option<&Value>) -> Option<Value> {
    match patch {
        None => dest,
        Some(Value::Null) => None,
        Some(value) => Some(value.clone()),
    }
}

fn check(
    dest: Option<&Value>,
    patch: Option<&Value>,
    fits: impl Fn(&Value) -> bool,
    wanted: &str,
) -> Result<(), Error> {
    let wrong = [dest, patch].into_iter().flatten().find(|value| !value.is_null() && !fits(value));
    wrong.map_or(Ok(()), |value| {
        let found = match value {
            Value::Object(_) => "MappingNode",
            Value::Array(_) => "SequenceNode",
            _ => "ScalarNode",
        };
        Err(Error::Patch(format!("wrong node kind: expected {wanted} but got {found}")))
    })
}

fn strategy_of(value: &Value) -> Result<Strategy, Error> {
    match value.as_str() {
        Some("merge") => Ok(Strategy::Merge),
        Some("replace") => Ok(Strategy::Replace),
        Some("delete") => Ok(Strategy::Delete),
        _ => {
            Err(Error::Patch(format!("unknown patch strategy '{}'", scalar_text(value).unwrap_or_default())))
        }
    }
}

/// Returns what the directive of a mapping asks for; one without is merged.
fn strategy_in(patch: &Map<String, Value>) -> Result<Strategy, Error> {
    entry(patch, DIRECTIVE).map_or(Ok(Strategy::Merge), strategy_of)
}

/// Returns the fields of a mapping that are no directive.
fn without_directive(patch: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    patch.iter().filter(|(key, _)| *key != DIRECTIVE)
}

/// Splits a list into the directive that one of its elements is, and the other elements.
fn take_list_directive(items: &[Value]) -> Result<(Strategy, Vec<Value>), Error> {
    let marked = items.iter().find_map(|item| item.as_object().filter(|map| map.contains_key(DIRECTIVE)));
    let Some(marked) = marked.filter(|map| map.len() == 1) else {
        return Ok((Strategy::Merge, items.to_vec()));
    };
    let directive = &marked[DIRECTIVE];
    let strategy = strategy_of(directive)?;
    let rest = items.iter().filter(|item| item.get(DIRECTIVE) != Some(directive)).cloned().collect();
    Ok((strategy, rest))
}

/// Unites two lists of scalars, the patch's first.
fn scalars(patch: &[Value], own: Vec<Value>) -> Result<Vec<Value>, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut all: Vec<Value> = patch.iter().cloned().chain(own).collect();
    all.iter().try_for_each(|value| {
        check(Some(value), None, |value| !value.is_object() && !value.is_array(), "ScalarNode")
    })?;
    all.retain(|value| seen.insert(scalar_text(value)));
    Ok(all)
}

//! Field specs: which field a transformer changes, and the walk to it.
//!
//! A path is written `spec/template/metadata/labels`; `\/` is a slash in a name, and `[]` behind a
//! name says that a list is expected there. Lists are entered by themselves. Follows: the field
//! spec filter of kustomize 5.8.1.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::id::Gvk;
use crate::resource::{Resource, Step, entry, entry_mut};

/// A field of some kinds.
#[derive(Clone, Debug, Default)]
pub struct FieldSpec {
    /// The kinds; empty parts stand for any.
    pub gvk: Gvk,
    /// The path as written.
    pub path: String,
    /// Whether the field is made where it is missing.
    pub create: bool,
    /// The parts of the path, made when they are first asked for: few of the built-in specs ever are.
    segments: OnceLock<Arc<[Segment]>>,
}

impl PartialEq for FieldSpec {
    fn eq(&self, other: &Self) -> bool {
        (&self.gvk, &self.path, self.create) == (&other.gvk, &other.path, other.create)
    }
}

impl Eq for FieldSpec {}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Segment {
    /// The field.
    pub(crate) name: String,
    is_list: bool,
}

impl Segment {
    fn written(&self) -> String {
        if self.is_list { format!("{}[]", self.name) } else { self.name.clone() }
    }
}

/// What a missing field is made as, where the spec says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// It is not made, whatever the spec says.
    Found,
    /// A mapping.
    Mapping,
    /// A scalar.
    Scalar,
}

impl FieldSpec {
    /// Returns a spec.
    #[must_use]
    pub fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        Self { gvk, path: path.to_owned(), create, segments: OnceLock::new() }
    }

    /// Returns the parts of the path.
    pub(crate) fn segments(&self) -> &Arc<[Segment]> {
        self.segments.get_or_init(|| {
            let parts = split_path(&self.path, '/').into_iter();
            let segment = |part: String| match part.strip_suffix("[]") {
                Some(name) => Segment { name: name.to_owned(), is_list: true },
                None => Segment { name: part, is_list: false },
            };
            parts.map(segment).collect()
        })
    }

    /// Whether a place is the field, an element of it or an entry in it, whatever the kind of the object is.
    pub(crate) fn leads_to(&self, place: &[Step]) -> bool {
        let mut keys = place.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        });
        self.segments().iter().all(|segment| keys.next() == Some(&segment.name)) && keys.count() <= 1
    }

    /// Calls `change` on every place of an object that the spec names.
    ///
    /// # Errors
    /// When the path leads through a scalar, or `change` fails.
    pub fn visit(
        &self,
        resource: &mut Resource,
        leaf: Leaf,
        change: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if resource.is_selected_by(&self.gvk) { self.visit_any(resource, leaf, change) } else { Ok(()) }
    }

    /// As [`FieldSpec::visit`], whatever the kind of the object is.
    pub(crate) fn visit_any(
        &self,
        resource: &mut Resource,
        leaf: Leaf,
        change: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let walk = Walk { leaf: if self.create { leaf } else { Leaf::Found } };
        walk.enter(&mut resource.value, self.segments(), change).map_err(|error| {
            error.within(format!("considering field '{}' of object {}", self.path, resource.id()))
        })
    }
}

/// Splits a path; an escaped delimiter is part of a name, a leading one is ignored.
#[must_use]
pub fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let path = path.strip_prefix(delimiter).unwrap_or(path);
    if !path.contains('\\') {
        return path.split(delimiter).map(str::to_owned).collect();
    }
    let mut parts = vec![String::new()];
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = parts.len() - 1;
        if letter == '\\' && letters.peek() == Some(&delimiter) {
            parts[last].push(delimiter);
            letters.next();
        } else if letter == delimiter {
            parts.push(String::new());
        } else {
            parts[last].push(letter);
        }
    }
    parts
}

struct Walk {
    leaf: Leaf,
}

impl Walk {
    fn enter(
        &self,
        value: &mut Value,
        segments: &[Segment],
        change: &mut dyn FnMut(&mut Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some((segment, rest)) = segments.split_first() else {
            return change(value);
        };
        match value {
            Value::Null => Ok(()),
            Value::Array(items) => {
                let mut entered = items.iter_mut();
                entered.try_for_each(|item| self.enter(item, segments, change)).map_err(|error| {
                    let path: Vec<String> = segments.iter().map(Segment::written).collect();
                    error.within(format!("visit traversal on path: [{}]", path.join(" ")))
                })
            }
            Value::Object(map) => match self.child(map, segment, rest.is_empty())? {
                Some(child) => self.enter(child, rest, change),
                None => Ok(()),
            },
            _ => Err(Error::Transform("expected sequence or mapping node".to_owned())),
        }
    }

    fn child<'a>(
        &self,
        map: &'a mut Map<String, Value>,
        segment: &Segment,
        is_last: bool,
    ) -> Result<Option<&'a mut Value>, Error> {
        if segment.name.is_empty() {
            return Err(Error::Transform("cannot set or create an empty field name".to_owned()));
        }
        if self.leaf == Leaf::Found || segment.is_list {
            let Some(child) = entry_mut(map, &segment.name) else { return Ok(None) };
            if child.is_null() && segment.is_list {
                *child = Value::Array(Vec::new());
            }
            return Ok(Some(child));
        }
        if entry(map, &segment.name).is_none() {
            map.insert(segment.name.clone(), Value::Null);
        }
        let Some(child) = entry_mut(map, &segment.name) else { return Ok(None) };
        if child.is_null() && !(is_last && self.leaf == Leaf::Scalar) {
            *child = Value::Object(Map::new());
        }
        Ok(Some(child))
    }
}

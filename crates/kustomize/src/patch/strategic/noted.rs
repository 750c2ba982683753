//! Where a merge leaves scalars that a replacement wrote.
//!
//! Notes about them lie beside the object, by place. What the patch brings takes the place of the
//! scalar and has a type of its own; elements of lists that are merged by keys may move.

use serde_json::Value;

use crate::patch::schema::Type;
use crate::patch::strategic::{Known, Merger, Strategy, strategy_in, take_list_directive};
use crate::resource::{Resource, Step, field, scalar_text};

/// One step of a way that a merge does not change.
pub(super) enum Part {
    /// Where it was before.
    Step(Step),
    /// The element with these fields, which was at a position.
    Element(usize, Vec<(String, String)>),
}

impl Merger<'_> {
    /// Returns the way to a scalar of an object that outlives a patch; none when it does not.
    pub(super) fn way(
        &self,
        place: &[Step],
        object: &Resource,
        patch: &Resource,
        root: Option<&Type>,
    ) -> Option<Vec<Part>> {
        let mut known = Known { of: root, ..Known::default() };
        let (mut dest, mut patch) = (&object.value, Some(&patch.value));
        let mut way = Vec::with_capacity(place.len());
        for step in place {
            if patch.is_some_and(is_replaced) {
                return None;
            }
            match (step, known.keys) {
                (Step::Key(key), _) => {
                    let of = known.of.or_else(|| self.type_of(Some(dest), patch));
                    known = self.known(of.and_then(|of| of.field(key)));
                    dest = dest.get(key)?;
                    patch = patch.and_then(|patch| patch.get(key));
                    way.push(Part::Step(step.clone()));
                }
                (Step::Index(_), None) if patch.is_some() => return None,
                (Step::Index(at), None) => {
                    dest = dest.get(at)?;
                    way.push(Part::Step(step.clone()));
                }
                (Step::Index(at), Some(keys)) => {
                    dest = dest.get(at)?;
                    let fields = fields_of(dest, keys);
                    patch = patch.and_then(|patch| element(patch, &fields));
                    known.keys = None;
                    way.push(Part::Element(*at, fields));
                }
            }
        }
        patch.is_none().then_some(way)
    }
}

/// Returns where a way leads now.
pub(super) fn place(way: &[Part], object: &Value) -> Option<Vec<Step>> {
    let mut value = object;
    let mut place = Vec::with_capacity(way.len());
    for part in way {
        let step = match part {
            Part::Step(step) => step.clone(),
            Part::Element(at, fields) if fields.is_empty() => Step::Index(*at),
            Part::Element(_, fields) => {
                Step::Index(value.as_array()?.iter().position(|item| has(item, fields))?)
            }
        };
        value = match &step {
            Step::Key(key) => value.get(key)?,
            Step::Index(at) => value.get(at)?,
        };
        place.push(step);
    }
    Some(place)
}

/// Whether nothing is left of what was there, whatever lies inside the patch.
fn is_replaced(patch: &Value) -> bool {
    let strategy = match patch {
        Value::Object(map) => strategy_in(map).ok(),
        Value::Array(items) => take_list_directive(items).ok().map(|(strategy, _)| strategy),
        _ => None,
    };
    strategy != Some(Strategy::Merge)
}

fn fields_of(item: &Value, keys: &[String]) -> Vec<(String, String)> {
    let text = |key: &String| Some((key.clone(), part(item, key).and_then(scalar_text)?));
    keys.iter().filter_map(text).collect()
}

/// Returns the field of a key, which is the element itself in lists of scalars.
fn part<'a>(item: &'a Value, key: &str) -> Option<&'a Value> {
    let part = if key == "." { Some(item) } else { field(item, key) };
    part.filter(|part| !part.is_null())
}

fn has(item: &Value, fields: &[(String, String)]) -> bool {
    fields.iter().all(|(key, text)| match part(item, key) {
        Some(Value::String(own)) => own == text,
        other => other.and_then(scalar_text).is_some_and(|own| own == *text),
    })
}

/// Returns the element of a patch that is laid over one with these fields; one that is to replace it does not.
fn element<'a>(patch: &'a Value, fields: &[(String, String)]) -> Option<&'a Value> {
    let found = patch.as_array()?.iter().find(|item| !fields.is_empty() && has(item, fields))?;
    let strategy = found.as_object().and_then(|map| strategy_in(map).ok());
    (strategy != Some(Strategy::Replace)).then_some(found)
}

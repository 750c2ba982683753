//! Scalars whose type is not, or not yet, that of their text.
//!
//! The original keeps type and text of a scalar apart: a replacement exchanges the text alone. A text that does not
//! fit the type is an error only when the object is written, so a later replacement or patch may mend it. A scalar
//! that a replacement made has no type until then. Here values are plain JSON, and these scalars are noted beside
//! them; a note counts as long as its place holds what was left there.
//!
//! Follows: the replacement filter of kustomize 5.8.1.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use sealfast_yaml::scalar::plain_tag;
use serde_json::Value;

use crate::manifest;
use crate::resource::Step;

/// The type of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// None: the text decides.
    Open,
    /// That of a tag, other than text.
    Tagged(&'static str),
}

/// Whether messages may show what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The text stands in them.
    Text,
    /// They say only of what type it is.
    Nothing,
}

#[derive(Clone)]
struct Scalar {
    of: Type,
    text: String,
    left: Value,
    shown: Shown,
}

/// Its text may be that of a Secret.
impl fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scalar").field("of", &self.of).finish_non_exhaustive()
    }
}

/// The notes about one object, or a part of it, by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loose(BTreeMap<Vec<Step>, Scalar>);

impl Loose {
    /// Returns type and text of what a place holds, where they were noted.
    pub(crate) fn at(&self, place: &[Step], value: &Value) -> Option<(Type, &str)> {
        let noted = self.0.get(place).filter(|noted| noted.left == *value)?;
        Some((noted.of, &noted.text))
    }

    /// Returns a text as a scalar of a type, and notes it where its value alone would not tell all.
    pub(crate) fn write(&mut self, place: &[Step], of: Type, text: String, shown: Shown) -> Value {
        let left = match of {
            Type::Tagged(tag) if !fits(plain_tag(&text), tag) => Value::String(text.clone()),
            _ => manifest::plain(&text),
        };
        self.forget(place);
        if of != Type::Tagged(plain_tag(&text)) {
            self.0.insert(place.to_vec(), Scalar { of, text, left: left.clone(), shown });
        }
        left
    }

    /// Forgets what was noted of a place and all inside it.
    pub(crate) fn forget(&mut self, place: &[Step]) {
        let gone: Vec<Vec<Step>> = self.inside(place).map(|(inside, _)| inside.clone()).collect();
        for inside in gone {
            self.0.remove(&inside);
        }
    }

    /// Returns the notes about a place and all inside it, as a part of its own.
    pub(crate) fn part(&self, place: &[Step]) -> Self {
        let inside = self.inside(place);
        Self(inside.map(|(inside, noted)| (inside[place.len()..].to_vec(), noted.clone())).collect())
    }

    /// Notes of a place what was noted of a part that is copied there.
    pub(crate) fn put(&mut self, place: &[Step], part: &Self, shown: Shown) {
        self.forget(place);
        for (inside, noted) in &part.0 {
            let mut noted = noted.clone();
            if shown == Shown::Nothing {
                noted.shown = shown;
            }
            self.0.insert([place, inside].concat(), noted);
        }
    }

    fn inside<'a>(&'a self, place: &'a [Step]) -> impl Iterator<Item = (&'a Vec<Step>, &'a Scalar)> {
        let from = (Bound::Included(place), Bound::Unbounded);
        self.0.range::<[Step], _>(from).take_while(move |(inside, _)| inside.starts_with(place))
    }

    /// Returns the places of all notes.
    pub(crate) fn places(&self) -> impl Iterator<Item = &[Step]> {
        self.0.keys().map(Vec::as_slice)
    }

    /// Takes the notes to where their places are now, in the order of [`Loose::places`]; none is nowhere.
    pub(crate) fn follow(&mut self, places: impl Iterator<Item = Option<Vec<Step>>>) {
        let noted = std::mem::take(&mut self.0).into_values();
        self.0 = places.zip(noted).filter_map(|(place, noted)| Some((place?, noted))).collect();
    }

    /// Makes texts of the scalars without type that the test accepts, as a merge leaves them behind it: all but times
    /// and what has no letters.
    pub(crate) fn close(&mut self, object: &mut Value, accepts: impl Fn(&[Step]) -> bool) {
        self.0.retain(|place, noted| {
            let is_kept = noted.text.is_empty() || plain_tag(&noted.text) == "!!timestamp";
            if noted.of != Type::Open || is_kept || !accepts(place) {
                return true;
            }
            if let Some(value) = held_mut(object, place).filter(|value| **value == noted.left) {
                *value = Value::String(noted.text.clone());
            }
            false
        });
    }

    /// Forgets everything: the object was written anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Says why the object cannot be written: a scalar is no value of its type. The first one in the object counts.
    pub(crate) fn flaw(&self, object: &Value) -> Option<String> {
        let flaws = self.0.iter().filter_map(|(place, noted)| {
            let flaw = noted.flaw().filter(|_| held(object, place) == Some(&noted.left))?;
            Some((position(object, place), flaw))
        });
        flaws.min().map(|(_, flaw)| flaw)
    }
}

impl Scalar {
    fn flaw(&self) -> Option<String> {
        let Type::Tagged(tag) = self.of else { return None };
        let found = plain_tag(&self.text);
        if fits(found, tag) {
            return None;
        }
        let shown = match self.shown {
            Shown::Text => format!("`{}` ", self.text),
            Shown::Nothing => String::new(),
        };
        Some(format!("yaml: cannot decode {found} {shown}as a {tag}"))
    }
}

/// Whether a text of one type can be read as another.
fn fits(found: &str, wanted: &str) -> bool {
    found == wanted || (found, wanted) == ("!!int", "!!float")
}

/// Returns what an object has in a place.
pub(crate) fn held<'a>(object: &'a Value, place: &[Step]) -> Option<&'a Value> {
    place.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// Returns where in an object a place is, as numbers that sort.
fn position(mut value: &Value, place: &[Step]) -> Vec<usize> {
    let mut position = Vec::with_capacity(place.len());
    for step in place {
        let (at, child) = match step {
            Step::Key(key) => {
                let mut entries = value.as_object().into_iter().flatten().enumerate();
                entries.find(|(_, (name, _))| *name == key).map(|(at, (_, child))| (at, child))
            }
            Step::Index(at) => value.get(at).map(|child| (*at, child)),
        }
        .unwrap_or((usize::MAX, value));
        position.push(at);
        value = child;
    }
    position
}

/// Returns what an object has in a place, to be changed.
pub(crate) fn held_mut<'a>(object: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    place.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Loose, Shown, Type};
    use crate::resource::Step;

    #[test]
    fn notes_are_kept_by_place_and_show_no_text() {
        let place = |at: usize| [Step::Key("l".to_owned()), Step::Index(at)];
        let mut loose = Loose::default();
        for at in 0..3 {
            loose.write(&place(at), Type::Open, "1.50".to_owned(), Shown::Nothing);
        }
        let other = [Step::Key("l2".to_owned())];
        loose.write(&other, Type::Open, "2.50".to_owned(), Shown::Nothing);
        let part = loose.part(&place(0)[..1]);
        assert_eq!(part.places().count(), 3);
        loose.forget(&place(0)[..1]);
        assert!(loose.at(&place(1), &json!(1.5)).is_none());
        assert_eq!(loose.at(&other, &json!(2.5)), Some((Type::Open, "2.50")));
        assert!(!format!("{part:?}").contains('5'), "{part:?}");
    }
}

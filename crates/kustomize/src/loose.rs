//! Scalars whose type is not, or not yet, that of their text.
//!
//! The original keeps type and text of a scalar apart: a replacement exchanges the text alone. A text that does not
//! fit the type is an error only when the object is written, so a later replacement or patch may mend it. A scalar
//! that a replacement made has no type until then. Here values are plain JSON, and these scalars are noted beside
//! them; a note counts as long as its place holds what was left there.
//!
//! Follows: the replacement filter of kustomize 5.8.1.

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

#[derive(Clone, Debug)]
struct Scalar {
    place: Vec<Step>,
    of: Type,
    text: String,
    left: Value,
    shown: Shown,
}

/// The notes about one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loose(Vec<Scalar>);

impl Loose {
    /// Returns type and text of what a place holds, where they were noted.
    pub(crate) fn at(&self, place: &[Step], value: &Value) -> Option<(Type, &str)> {
        let noted = self.0.iter().find(|noted| noted.place == place && noted.left == *value)?;
        Some((noted.of, &noted.text))
    }

    /// Returns a text as a scalar of a type, and notes it where its value alone would not tell all.
    pub(crate) fn write(&mut self, place: &[Step], of: Type, text: String, shown: Shown) -> Value {
        let left = match of {
            Type::Tagged(tag) if !fits(plain_tag(&text), tag) => Value::String(text.clone()),
            _ => manifest::plain(&text),
        };
        self.0.retain(|noted| noted.place != place);
        if of != Type::Tagged(plain_tag(&text)) {
            self.0.push(Scalar { place: place.to_vec(), of, text, left: left.clone(), shown });
        }
        left
    }

    /// Makes texts of the scalars without type that the test accepts, as a merge leaves them behind it.
    pub(crate) fn close(&mut self, object: &mut Value, accepts: impl Fn(&[Step]) -> bool) {
        self.0.retain(|noted| {
            if noted.of != Type::Open || !accepts(&noted.place) {
                return true;
            }
            if let Some(value) = held(object, &noted.place).filter(|value| **value == noted.left) {
                *value = Value::String(noted.text.clone());
            }
            false
        });
    }

    /// Forgets everything: the object was written anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Says why the object cannot be written: a scalar is no value of its type.
    pub(crate) fn flaw(&self, object: &Value) -> Option<String> {
        self.0.iter().find_map(|noted| {
            let Type::Tagged(tag) = noted.of else { return None };
            let found = plain_tag(&noted.text);
            if fits(found, tag) || !holds(object, &noted.place, &noted.left) {
                return None;
            }
            let shown = match noted.shown {
                Shown::Text => format!("`{}` ", noted.text),
                Shown::Nothing => String::new(),
            };
            Some(format!("yaml: cannot decode {found} {shown}as a {tag}"))
        })
    }
}

/// Whether a text of one type can be read as another.
fn fits(found: &str, wanted: &str) -> bool {
    found == wanted || (found, wanted) == ("!!int", "!!float")
}

fn held<'a>(object: &'a mut Value, place: &[Step]) -> Option<&'a mut Value> {
    place.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Whether a place still holds a value; elements of lists may have moved.
fn holds(value: &Value, place: &[Step], left: &Value) -> bool {
    match place.split_first() {
        None => value == left,
        Some((Step::Key(key), rest)) => value.get(key).is_some_and(|child| holds(child, rest, left)),
        Some((Step::Index(_), rest)) => {
            value.as_array().is_some_and(|items| items.iter().any(|item| holds(item, rest, left)))
        }
    }
}

//! The walk along the path of a target, through an object or a text in it.

use sealfast_yaml::node::{Kind, Node};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::resource::Step;
use crate::transform::replacements::embedded;
use crate::transform::replacements::path::{Segment, index, unclear, wrong_kind};

/// What happens where a field is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing.
    Skip,
    /// It is made.
    Make,
}

/// What a part of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A null.
    Null,
    /// Any other scalar.
    Scalar,
    /// A list.
    List,
    /// A mapping.
    Mapping,
    /// A name for another part.
    Alias,
}

/// A tree that paths lead through.
pub(crate) trait Tree: Sized {
    /// Returns what the root is.
    fn shape(&self) -> Shape;
    /// Returns a field of a mapping.
    fn field(&self, key: &str) -> Option<&Self>;
    /// Returns a field of a mapping, to be changed.
    fn field_mut(&mut self, key: &str) -> Option<&mut Self>;
    /// Returns the elements of a list.
    fn items_mut(&mut self) -> Option<&mut Vec<Self>>;
    /// Adds a field to a mapping that does not have it.
    fn insert(&mut self, key: &str, value: Self);
    /// Returns an empty list, an empty mapping, or a scalar without text.
    fn empty(shape: Shape) -> Self;
}

/// Who knows how a tree was written, and changes the places that a path leads to.
pub(crate) trait Visitor<T> {
    /// Returns the text of a scalar at the end of a way.
    fn text(&self, way: &[Step], scalar: &T) -> String;
    /// Returns what an expression is compared with: a part as it is written, quotes included.
    fn shown(&self, key: &str, part: &T) -> String;
    /// Returns a scalar of no type that is made at the end of a way.
    fn scalar(&mut self, way: &[Step], text: &str) -> T;
    /// Changes a place at the end of the path.
    ///
    /// # Errors
    /// When it takes no such value.
    fn arrive(&mut self, found: Found<'_, T>) -> Result<(), Error>;
}

/// A place at the end of a path.
pub(crate) struct Found<'a, T> {
    /// What is there.
    pub(crate) place: &'a mut T,
    /// Whether it was made for that.
    pub(crate) is_new: bool,
    /// The way to it.
    pub(crate) steps: &'a [Step],
}

/// Leads a visitor to every place at the end of a path; returns how many there are, with those inside texts, which are
/// found but not changed.
///
/// # Errors
/// When the visitor fails, or a part of the path does not fit what is there.
pub(crate) fn visit<T: Tree>(
    value: &mut T,
    path: &[Segment],
    missing: Missing,
    visitor: &mut dyn Visitor<T>,
) -> Result<usize, Error> {
    let mut walk = Walk { missing, visitor, steps: Vec::new(), found: 0 };
    walk.enter(value, path)?;
    Ok(walk.found)
}

struct Walk<'a, T> {
    missing: Missing,
    visitor: &'a mut dyn Visitor<T>,
    /// The way to where the walk is.
    steps: Vec<Step>,
    found: usize,
}

/// Whether something was there before, or is made for the path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    There,
    New,
}

impl<T: Tree> Walk<'_, T> {
    fn enter(&mut self, value: &mut T, path: &[Segment]) -> Result<(), Error> {
        let Some((segment, rest)) = path.split_first() else { return self.arrive(value, Is::There) };
        if value.shape() == Shape::Null && !matches!(segment, Segment::Unclear) {
            // What is made in a null is found there and not kept.
            let shape = if segment.wants_list() || matches!(segment, Segment::Every) {
                Shape::List
            } else {
                Shape::Mapping
            };
            return self.enter(&mut T::empty(shape), path);
        }
        match segment {
            Segment::Unclear => Err(unclear()),
            Segment::Key(key) => match index(key) {
                Some(at) => self.in_list(value, at, rest),
                None => self.in_mapping(value, key, rest),
            },
            Segment::Every => {
                list(value)?;
                self.each(value, rest, |_, _| true)
            }
            Segment::Match { key, text, expression } => {
                let items = list(value)?;
                let is_match = |walk: &Self, item: &T| walk.is_match(item, (key, text), expression);
                if self.missing == Missing::Make && !items.iter().any(|item| is_match(self, item)) {
                    return self.in_new_element(items, (key, text), rest);
                }
                // An element that is a scalar is the end of the path.
                self.each(value, if key.is_empty() { &[] } else { rest }, is_match)
            }
        }
    }

    fn arrive(&mut self, place: &mut T, is: Is) -> Result<(), Error> {
        self.found += 1;
        self.visitor.arrive(Found { place, is_new: is == Is::New, steps: &self.steps })
    }

    /// Whether an element of a list has the field, or is the scalar, that a part asks for.
    fn is_match(&self, item: &T, (key, text): (&str, &str), expression: &regex::Regex) -> bool {
        let Some(field) = (if key.is_empty() { Some(item) } else { item.field(key) }) else { return false };
        // A word is met in a text with and without its quotes.
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let written = match field.shape() {
            Shape::Scalar if is_word => self.visitor.text(&[], field),
            _ => self.visitor.shown(key, field),
        };
        expression.is_match(written.trim())
    }

    /// Enters the elements that the test accepts.
    fn each(
        &mut self,
        value: &mut T,
        rest: &[Segment],
        accepts: impl Fn(&Self, &T) -> bool,
    ) -> Result<(), Error> {
        for (at, item) in value.items_mut().into_iter().flatten().enumerate() {
            if accepts(self, item) {
                self.step(Step::Index(at), |walk| walk.enter(item, rest))?;
            }
        }
        Ok(())
    }

    /// Adds the element that is made where none has a field like this, and enters it.
    fn in_new_element(
        &mut self,
        items: &mut Vec<T>,
        (key, text): (&str, &str),
        rest: &[Segment],
    ) -> Result<(), Error> {
        self.step(Step::Index(items.len()), |walk| {
            let mut made = T::empty(Shape::Mapping);
            if key.is_empty() {
                made = walk.visitor.scalar(&walk.steps, text);
                walk.arrive(&mut made, Is::New)?;
            } else {
                let field =
                    walk.step(Step::Key(key.to_owned()), |walk| walk.visitor.scalar(&walk.steps, text));
                made.insert(key, field);
                walk.child(&mut made, rest, Is::There)?;
            }
            items.push(made);
            Ok(())
        })
    }

    fn in_list(&mut self, value: &mut T, at: usize, rest: &[Segment]) -> Result<(), Error> {
        let items = list(value)?;
        let count = items.len();
        let is = if at == count && self.missing == Missing::Make { Is::New } else { Is::There };
        if is == Is::New {
            items.push(T::empty(wanted(rest)));
        }
        let item = items.get_mut(at).ok_or_else(|| {
            Error::Replacement(format!("index {at} specified but only {count} elements found"))
        })?;
        self.step(Step::Index(at), |walk| walk.child(item, rest, is))
    }

    fn in_mapping(&mut self, value: &mut T, key: &str, rest: &[Segment]) -> Result<(), Error> {
        if value.shape() != Shape::Mapping {
            return Err(wrong_kind("MappingNode", value.shape()));
        }
        let is = if value.field(key).is_none() { Is::New } else { Is::There };
        if is == Is::New {
            if self.missing == Missing::Skip {
                return Ok(());
            }
            value.insert(key, T::empty(wanted(rest)));
        }
        let Some(child) = value.field_mut(key) else { return Ok(()) };
        self.step(Step::Key(key.to_owned()), |walk| match child.shape() {
            Shape::Null | Shape::Scalar if !rest.is_empty() => {
                walk.found += embedded::count(&walk.visitor.text(&walk.steps, child), rest, walk.missing)?;
                Ok(())
            }
            _ => walk.child(child, rest, is),
        })
    }

    fn child(&mut self, child: &mut T, rest: &[Segment], is: Is) -> Result<(), Error> {
        if rest.is_empty() { self.arrive(child, is) } else { self.enter(child, rest) }
    }

    fn step<R>(&mut self, step: Step, go: impl FnOnce(&mut Self) -> R) -> R {
        self.steps.push(step);
        let done = go(self);
        self.steps.pop();
        done
    }
}

fn list<T: Tree>(value: &mut T) -> Result<&mut Vec<T>, Error> {
    let shape = value.shape();
    value.items_mut().ok_or_else(|| wrong_kind("SequenceNode", shape))
}

/// Returns what is made for the rest of a path.
fn wanted(rest: &[Segment]) -> Shape {
    match rest.first() {
        None => Shape::Scalar,
        Some(segment) if segment.wants_list() => Shape::List,
        Some(_) => Shape::Mapping,
    }
}

impl Tree for Value {
    fn shape(&self) -> Shape {
        match self {
            Self::Null => Shape::Null,
            Self::Array(_) => Shape::List,
            Self::Object(_) => Shape::Mapping,
            _ => Shape::Scalar,
        }
    }

    fn field(&self, key: &str) -> Option<&Self> {
        self.get(key)
    }

    fn field_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.get_mut(key)
    }

    fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        self.as_array_mut()
    }

    fn insert(&mut self, key: &str, value: Self) {
        if let Some(map) = self.as_object_mut() {
            map.insert(key.to_owned(), value);
        }
    }

    fn empty(shape: Shape) -> Self {
        match shape {
            Shape::List => Self::Array(Vec::new()),
            Shape::Mapping => Self::Object(Map::new()),
            Shape::Null | Shape::Scalar | Shape::Alias => Self::Null,
        }
    }
}

impl Tree for Node {
    fn shape(&self) -> Shape {
        match self.kind {
            Kind::Scalar if self.tag == "!!null" => Shape::Null,
            Kind::Scalar | Kind::Document => Shape::Scalar,
            Kind::Sequence => Shape::List,
            Kind::Mapping => Shape::Mapping,
            Kind::Alias => Shape::Alias,
        }
    }

    fn field(&self, key: &str) -> Option<&Self> {
        Self::field(self, key)
    }

    fn field_mut(&mut self, key: &str) -> Option<&mut Self> {
        let is_mapping = self.kind == Kind::Mapping;
        let mut pairs = self.content.chunks_exact_mut(2).filter(|_| is_mapping);
        pairs.find(|pair| pair[0].value == key).map(|pair| &mut pair[1])
    }

    fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        (self.kind == Kind::Sequence).then_some(&mut self.content)
    }

    fn insert(&mut self, key: &str, value: Self) {
        self.content.push(Self::scalar("!!str", key));
        self.content.push(value);
    }

    fn empty(shape: Shape) -> Self {
        match shape {
            Shape::List => Self::sequence(),
            Shape::Mapping => Self::mapping(),
            Shape::Null | Shape::Scalar | Shape::Alias => Self::scalar("", ""),
        }
    }
}

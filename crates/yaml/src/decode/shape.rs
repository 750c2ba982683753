//! Wanted shapes: what a program decodes its configuration into.
//!
//! Follows: `decode.go` of `go.yaml.in/yaml/v3` 3.0.4, where it decodes into the types of a program.

use std::fmt;

use super::{Decoder, Plain};
use crate::error::Error;
use crate::node::Node;
use crate::scalar::{self, Scalar};

/// What a value is decoded into. Null fits everywhere and is none; messages name shapes as the reference does.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Whatever the node says.
    Any,
    /// A string; other scalars count as they are written.
    Text,
    /// A whole number; of one with a point, what stands before that.
    Int,
    /// A switch, which may be a word of YAML 1.1.
    Truth,
    /// Items of one shape.
    List(&'static Shape),
    /// A mapping of strings under any keys.
    Texts,
    /// A mapping with known keys, under a name; others are passed over.
    Struct(&'static str, &'static [(&'static str, Shape)]),
}

impl Shape {
    /// What a value of a mapping is decoded into; none when it is passed over.
    pub(super) fn of_value(&'static self, key: &Plain) -> Option<&'static Self> {
        match (self, key) {
            (Self::Struct(_, fields), Plain::Str(name)) => {
                fields.iter().find(|(field, _)| *field == name.as_str()).map(|(_, shape)| shape)
            }
            (Self::Struct(..), _) => None,
            (Self::Texts, _) => Some(&Self::Text),
            _ => Some(&Self::Any),
        }
    }

    /// What the keys of a mapping are decoded into; none when they decide that themselves.
    pub(super) fn of_keys(&self) -> Option<&'static Self> {
        matches!(self, Self::Struct(..) | Self::Texts).then_some(&Self::Text)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("interface {}"),
            Self::Text => f.write_str("string"),
            Self::Int => f.write_str("int"),
            Self::Truth => f.write_str("bool"),
            Self::List(item) => write!(f, "[]{item}"),
            Self::Texts => f.write_str("map[string]*string"),
            Self::Struct(name, _) => f.write_str(name),
        }
    }
}

impl<'a> Decoder<'a> {
    /// Returns a document in a shape; null for an empty one.
    ///
    /// # Errors
    ///
    /// Every value that does not fit, with its line; duplicate keys, too many aliases.
    pub fn shaped(&mut self, document: &'a Node, shape: &'static Shape) -> Result<Plain, Error> {
        self.start();
        let value = self.node(document, shape)?;
        self.finish()?;
        Ok(value.unwrap_or(Plain::Null))
    }

    /// A scalar where a number, a switch or a container is wanted.
    pub(super) fn fitting(&mut self, node: &Node, shape: &Shape) -> Result<Option<Plain>, Error> {
        let fitting = match (shape, scalar::resolve_as(node, self.words)?) {
            (_, Scalar::Null) => return Ok(None),
            (Shape::Int, Scalar::Int(number)) => Some(Plain::Int(number)),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the bound is checked, and a fraction is dropped"
            )]
            (Shape::Int, Scalar::Float(number)) if number <= i64::MAX as f64 => {
                Some(Plain::Int(number as i64))
            }
            (Shape::Truth, Scalar::Bool(truth)) => Some(Plain::Bool(truth)),
            (Shape::Truth, Scalar::Str(word)) => old_truth(&word).map(Plain::Bool),
            _ => None,
        };
        if fitting.is_none() {
            self.misfit(node, &shape.to_string());
        }
        Ok(fitting)
    }
}

/// The words of YAML 1.1 for truth values.
fn old_truth(word: &str) -> Option<bool> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

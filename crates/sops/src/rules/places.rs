//! Where things stand in a configuration, and what it does not know.

use sealfast_yaml::decode::Shape;
use sealfast_yaml::node::{Kind, Node};
use sealfast_yaml::parse;

use crate::path::Step;
use crate::rules::{key, shape};

/// Fields that are told at most.
const MOST: usize = 100;

/// A field that nothing is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands: the fields and indexes on the way, itself the last.
    pub place: Vec<Step>,
    /// Its line, from 1.
    pub line: usize,
    /// The fields that could stand there.
    pub known: Vec<&'static str>,
}

/// Returns the line, from 1, of a place in a configuration, or of what it stands in.
#[must_use]
pub fn line_of(input: &[u8], place: &[Step]) -> Option<usize> {
    let document = parse::first(input).ok()??;
    let mut node = document.content.first()?;
    let mut line = node.start.line();
    for step in place {
        let Some((at, value)) = below(node, step) else { break };
        line = at.start.line();
        node = value;
    }
    (line > 0).then_some(line)
}

/// Returns the text of a scalar of a configuration.
#[must_use]
pub fn text_of(input: &[u8], place: &[Step]) -> Option<String> {
    let document = parse::first(input).ok()??;
    let root = document.content.first()?;
    let node = place.iter().try_fold(root, |node, step| below(node, step).map(|(_, value)| value))?;
    (node.kind == Kind::Scalar).then(|| node.value.clone())
}

/// A step down: what stands first in its line, and the value.
fn below<'n>(node: &'n Node, step: &Step) -> Option<(&'n Node, &'n Node)> {
    match step {
        Step::Key(name) => node.pairs().find(|(key, _)| key.value == *name),
        Step::Index(index) if node.kind == Kind::Sequence => {
            node.content.get(*index).map(|item| (item, item))
        }
        Step::Index(_) => None,
    }
}

/// Returns the innermost place that stands on a line, from 1, of a configuration that reads as YAML, or begins above it.
#[must_use]
pub fn place_at(input: &[u8], line: usize) -> Vec<Step> {
    let mut place = Vec::new();
    let Ok(Some(document)) = parse::first(input) else { return place };
    let Some(mut node) = document.content.first() else { return place };
    loop {
        let begins = |node: &Node| node.start.line() <= line;
        let next = match node.kind {
            Kind::Mapping => {
                node.pairs().filter(|(at, _)| begins(at)).last().map(|(at, value)| (key(&at.value), value))
            }
            Kind::Sequence => {
                let mut items = node.content.iter().enumerate().filter(|(_, item)| begins(item));
                items.next_back().map(|(index, item)| (Step::Index(index), item))
            }
            _ => None,
        };
        let Some((step, value)) = next else { return place };
        place.push(step);
        node = value;
    }
}

/// Returns the fields of a configuration that nothing is read from, in the order of the text, at most 100.
#[must_use]
pub fn unknown_fields(input: &[u8]) -> Vec<Unknown> {
    let mut found = Vec::new();
    if let Ok(Some(document)) = parse::first(input)
        && let Some(root) = document.content.first()
    {
        gather(root, &shape::FILE, &mut Vec::new(), &mut found);
    }
    found
}

/// A merge key, or a place for what aliases elsewhere stand for, such as a list of the keys of a team.
fn is_meant_otherwise(name: &Node, value: &Node) -> bool {
    name.value == "<<" || name.value.starts_with("x-") || has_anchor(value)
}

fn has_anchor(node: &Node) -> bool {
    !node.anchor.is_empty() || node.content.iter().any(has_anchor)
}

/// Aliases are not followed: what they stand for is looked at where it stands.
fn gather(node: &Node, shape: &'static Shape, place: &mut Vec<Step>, found: &mut Vec<Unknown>) {
    match shape {
        Shape::List(item) if node.kind == Kind::Sequence => {
            for (index, node) in node.content.iter().enumerate() {
                place.push(Step::Index(index));
                gather(node, item, place, found);
                place.pop();
            }
        }
        Shape::Struct(_, fields) => {
            for (name, value) in node.pairs() {
                place.push(key(&name.value));
                match fields.iter().find(|(field, _)| *field == name.value) {
                    Some((_, shape)) => gather(value, shape, place, found),
                    None if is_meant_otherwise(name, value) || found.len() >= MOST => {}
                    None => found.push(Unknown {
                        place: place.clone(),
                        line: name.start.line(),
                        known: fields.iter().map(|(field, _)| *field).collect(),
                    }),
                }
                place.pop();
            }
        }
        _ => {}
    }
}

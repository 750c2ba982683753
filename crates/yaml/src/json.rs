//! YAML to and from JSON values.
//!
//! [`from_yaml`] and [`to_yaml`] are the way of `sigs.k8s.io/yaml` 1.6: the words of YAML 1.1, integers exact, keys
//! turned into strings, keys sorted when written. [`from_node`] is the way of `go.yaml.in/yaml/v3`.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use crate::emit::sorted;
use crate::error::Error;
use crate::node::{Kind, Node, Style};
use crate::parse;
use crate::scalar::{self, Scalar, Words, float_text};

/// What happens to a key that stands twice in a mapping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duplicates {
    LastWins,
    Refused,
}

/// Reads the first document as a JSON value; no document at all is `null`.
///
/// # Errors
///
/// A mistake in the text, or a tree that has no JSON form.
///
/// ```
/// let value = sealfast_yaml::json::from_yaml(b"a: [1, yes]\n")?;
/// assert_eq!(value, serde_json::json!({ "a": [1, true] }));
/// # Ok::<(), sealfast_yaml::error::Error>(())
/// ```
pub fn from_yaml(input: &[u8]) -> Result<Value, Error> {
    first(input, Duplicates::LastWins)
}

/// Reads the first document as a JSON value, and refuses keys that stand twice.
///
/// # Errors
///
/// As [`from_yaml`]; also a duplicate key.
pub fn from_yaml_strict(input: &[u8]) -> Result<Value, Error> {
    first(input, Duplicates::Refused)
}

fn first(input: &[u8], duplicates: Duplicates) -> Result<Value, Error> {
    let (documents, error) = parse::partial(input);
    match (documents.first(), error) {
        (Some(document), _) => convert(document, Words::V2, duplicates),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Value::Null),
    }
}

/// Reads every document of a manifest stream; empty documents are left out.
///
/// # Errors
///
/// The first mistake in the text, or a tree that has no JSON form.
pub fn documents(input: &[u8]) -> Result<Vec<Value>, Error> {
    let mut values = Vec::new();
    for document in parse::documents(input)? {
        let value = convert(&document, Words::V2, Duplicates::LastWins)?;
        if !value.is_null() {
            values.push(value);
        }
    }
    Ok(values)
}

/// Returns a node's value by v3's rules: merge keys applied, aliases expanded within bounds.
///
/// # Errors
///
/// Keys that are no scalars, duplicate keys, scalars that do not fit their tag, too many aliases.
pub fn from_node(node: &Node) -> Result<Value, Error> {
    convert(node, Words::V3, Duplicates::Refused)
}

/// Writes a value as YAML with sorted keys, long lines folded at 80.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    sorted::text(value)
}

/// Orders two keys as [`to_yaml`] orders them.
#[must_use]
pub fn key_order(left: &str, right: &str) -> std::cmp::Ordering {
    sorted::natural(left, right)
}

/// Returns a tree that reads back as the value, fields in their order.
#[must_use]
pub fn node_from(value: &Value) -> Node {
    match value {
        Value::Null => Node::scalar("!!null", "null"),
        Value::Bool(truth) => Node::scalar("!!bool", truth.to_string()),
        Value::Number(number) if number.is_f64() => {
            Node::scalar("!!float", float_text(number.as_f64().unwrap_or_default()))
        }
        Value::Number(number) => Node::scalar("!!int", number.to_string()),
        Value::String(text) => scalar::string_node(text),
        Value::Array(items) => {
            let mut sequence = Node::sequence();
            sequence.content = items.iter().map(node_from).collect();
            if items.is_empty() {
                sequence.style = Style::Flow;
            }
            sequence
        }
        Value::Object(fields) => {
            let mut mapping = Node::mapping();
            for (key, value) in fields {
                mapping.content.push(scalar::string_node(key));
                mapping.content.push(node_from(value));
            }
            if fields.is_empty() {
                mapping.style = Style::Flow;
            }
            mapping
        }
    }
}

fn convert(document: &Node, words: Words, duplicates: Duplicates) -> Result<Value, Error> {
    let mut anchors = HashMap::new();
    collect_anchors(document, &mut anchors);
    let mut converter =
        Converter { anchors, words, duplicates, values: 0, aliased: 0, alias_depth: 0, open: Vec::new() };
    converter.value(document)
}

/// The last anchor of a name counts for aliases behind it; a document rarely uses a name twice.
fn collect_anchors<'a>(node: &'a Node, anchors: &mut HashMap<&'a str, Vec<&'a Node>>) {
    if !node.anchor.is_empty() {
        anchors.entry(&node.anchor).or_default().push(node);
    }
    for child in &node.content {
        collect_anchors(child, anchors);
    }
}

/// Whose value counts when a field is both merged and present.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precedence {
    Present,
    Merged,
}

struct Converter<'a> {
    anchors: HashMap<&'a str, Vec<&'a Node>>,
    words: Words,
    duplicates: Duplicates,
    values: usize,
    aliased: usize,
    alias_depth: usize,
    open: Vec<*const Node>,
}

/// Values that a document may expand to before its share of aliases is looked at.
const FREE_VALUES: usize = 100;

impl<'a> Converter<'a> {
    fn value(&mut self, node: &'a Node) -> Result<Value, Error> {
        self.count()?;
        match node.kind {
            Kind::Document => node.content.first().map_or(Ok(Value::Null), |root| self.value(root)),
            Kind::Alias => self.alias(node),
            Kind::Scalar => self.scalar(node),
            Kind::Sequence => node.content.iter().map(|item| self.value(item)).collect(),
            Kind::Mapping => self.mapping(node),
        }
    }

    /// Refuses documents that are mostly made of aliases, as the reference does.
    fn count(&mut self) -> Result<(), Error> {
        self.values += 1;
        if self.alias_depth > 0 {
            self.aliased += 1;
        }
        let share = self.aliased as f64 / self.values as f64;
        if self.aliased > FREE_VALUES && self.values > 1000 && share > allowed_alias_share(self.values) {
            return Err(Error::tree("document contains excessive aliasing"));
        }
        Ok(())
    }

    fn target(&self, alias: &Node) -> Result<&'a Node, Error> {
        let unknown = || Error::tree(format!("unknown anchor '{}' referenced", alias.value));
        let nodes = self.anchors.get(alias.value.as_str()).ok_or_else(unknown)?;
        let before = nodes.iter().rev().find(|node| node.start.offset <= alias.start.offset);
        before.or(nodes.first()).copied().ok_or_else(unknown)
    }

    fn alias(&mut self, alias: &'a Node) -> Result<Value, Error> {
        let target = self.target(alias)?;
        let address: *const Node = target;
        if self.open.contains(&address) || encloses(target, alias) {
            return Err(Error::tree(format!("anchor '{}' value contains itself", alias.value)));
        }
        self.open.push(address);
        self.alias_depth += 1;
        let value = self.value(target);
        self.alias_depth -= 1;
        self.open.pop();
        value
    }

    fn scalar(&self, node: &Node) -> Result<Value, Error> {
        Ok(match scalar::resolve_as(node, self.words)? {
            Scalar::Null => Value::Null,
            Scalar::Bool(truth) => Value::Bool(truth),
            Scalar::Int(number) => Value::from(number),
            Scalar::Uint(number) => Value::from(number),
            Scalar::Float(number) => float_value(number)?,
            Scalar::Time(text) | Scalar::Str(text) => Value::String(text),
            Scalar::Binary(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Scalar::Merge => Value::String("<<".to_owned()),
        })
    }

    fn mapping(&mut self, node: &'a Node) -> Result<Value, Error> {
        let mut fields = Map::new();
        let mut merges = Vec::new();
        for (key, value) in node.pairs() {
            if key.kind == Kind::Scalar && key.tag == "!!merge" {
                match self.words {
                    // The older reader merges where the key stands: over what came before, under what follows.
                    Words::V2 => self.merge(value, &mut fields, Precedence::Merged)?,
                    Words::V3 => merges.push(value),
                }
                continue;
            }
            let name = self.key(key)?;
            if self.duplicates == Duplicates::Refused && fields.contains_key(&name) {
                let message = format!("mapping key {name:?} already defined");
                return Err(Error::tree_at(message, key.start.line));
            }
            let value = self.value(value)?;
            fields.insert(name, value);
        }
        for merge in merges {
            self.merge(merge, &mut fields, Precedence::Present)?;
        }
        Ok(Value::Object(fields))
    }

    /// Adds the fields of a merged mapping, or of several: earlier ones win over later ones.
    fn merge(
        &mut self,
        node: &'a Node,
        fields: &mut Map<String, Value>,
        precedence: Precedence,
    ) -> Result<(), Error> {
        let wanted = "map merge requires map or sequence of maps as the value";
        let items: Vec<&'a Node> = match node.kind {
            Kind::Sequence => node.content.iter().collect(),
            Kind::Mapping | Kind::Alias => vec![node],
            _ => return Err(Error::tree(wanted)),
        };
        let mut all = Map::new();
        for item in items {
            let Value::Object(merged) = self.value(item)? else { return Err(Error::tree(wanted)) };
            for (name, value) in merged {
                all.entry(name).or_insert(value);
            }
        }
        for (name, value) in all {
            match precedence {
                Precedence::Merged => drop(fields.insert(name, value)),
                Precedence::Present => drop(fields.entry(name).or_insert(value)),
            }
        }
        Ok(())
    }

    fn key(&mut self, node: &'a Node) -> Result<String, Error> {
        let node = if node.kind == Kind::Alias { self.target(node)? } else { node };
        if node.kind != Kind::Scalar {
            return Err(Error::tree_at("invalid map key: only scalars can be keys", node.start.line));
        }
        Ok(match scalar::resolve_as(node, self.words)? {
            Scalar::Str(text) | Scalar::Time(text) => text,
            Scalar::Bool(truth) => truth.to_string(),
            Scalar::Int(number) => number.to_string(),
            Scalar::Uint(number) => number.to_string(),
            Scalar::Float(number) => float_key(number),
            Scalar::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Scalar::Merge => "<<".to_owned(),
            Scalar::Null => return Err(Error::tree_at("unsupported map key: null", node.start.line)),
        })
    }
}

/// An integral float is an integer in JSON text, and one again when that text is read.
fn float_value(number: f64) -> Result<Value, Error> {
    if number.fract() == 0.0 && number.abs() < 9e18 {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| Error::tree(format!("unsupported value: {number}")))
}

/// Keys that are floats keep at most 32 bits, as the reference's converter has it.
fn float_key(number: f64) -> String {
    match float_text(f64::from(number as f32)) {
        text if text == ".inf" => "+Inf".to_owned(),
        text if text == "-.inf" => "-Inf".to_owned(),
        text if text == ".nan" => "NaN".to_owned(),
        _ => float_text(number),
    }
}

/// An alias inside the node that its anchor marks.
fn encloses(target: &Node, alias: &Node) -> bool {
    target.start.offset < alias.start.offset && alias.end.offset < target.end.offset
}

/// From 99 % of a small document down to 10 % of one with four million values.
fn allowed_alias_share(values: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let values = values as f64;
    if values <= LOW {
        0.99
    } else if values >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * (values - LOW) / (HIGH - LOW)
    }
}

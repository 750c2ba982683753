//! From a node tree to plain JSON, and what the JSON does not tell of it.
//!
//! Values are read by YAML 1.2-like rules and become plain JSON at once, because the original
//! sends every object through JSON before it prints: whole floats turn into integers, dates into
//! text.

use std::collections::HashMap;

use sealfast_yaml::node::{Kind, Node, Style};
use sealfast_yaml::scalar::{self, Scalar};
use sealfast_yaml::{emit, parse};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::manifest::Failure;
use crate::resource::Step;
use crate::written::Written;

/// How many nodes aliases may bring into one text altogether.
const MAX_ALIASED: usize = 2_000_000;

/// How many bytes aliases, and the places of blank nulls, may bring into one text altogether.
const MAX_BROUGHT: usize = 64 << 20;

/// How deep values may be nested.
const MAX_DEPTH: usize = 1_000;

/// One step on the way to the node that is being read.
#[derive(Clone, Copy)]
enum Place<'a> {
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    fn to_step(self) -> Step {
        match self {
            Self::Key(key) => Step::Key(key.to_owned()),
            Self::Index(index) => Step::Index(index),
        }
    }
}

/// Turns a node tree into JSON, noting what that does not tell.
#[derive(Default)]
pub(super) struct Reader<'a> {
    anchors: HashMap<&'a str, &'a Node>,
    open: Vec<&'a str>,
    path: Vec<Place<'a>>,
    /// Whether the object is a list, whose items are objects.
    pub(super) is_list: bool,
    /// How many collections in flow style are open.
    flow: usize,
    /// Places of nulls that were written as nothing at all.
    pub(super) blanks: Vec<Vec<Step>>,
    /// How scalars were written.
    pub(super) written: Written,
    /// What the object cannot be printed for.
    pub(super) flaw: Option<String>,
    /// Places of keys that are no texts.
    pub(super) odd_keys: Vec<Vec<Step>>,
    /// How many nodes aliases have brought.
    pub(super) aliased: usize,
    /// How many bytes aliases and places have brought.
    pub(super) brought: usize,
}

impl<'a> Reader<'a> {
    /// Returns the value of a node.
    pub(super) fn read(&mut self, node: &'a Node) -> Result<Value, Failure> {
        self.count(node)?;
        if self.path.len() > MAX_DEPTH {
            return Err(Failure::Syntax("yaml: exceeded max depth".to_owned()));
        }
        self.note_anchor(node);
        let flow = usize::from(node.style == Style::Flow);
        self.flow += flow;
        let value = match node.kind {
            Kind::Document => node.content.first().map_or(Ok(Value::Null), |root| self.read(root)),
            Kind::Mapping => {
                let mut map = Map::with_capacity(node.content.len() / 2);
                self.read_mapping(node, &mut map).map(|()| Value::Object(map))
            }
            Kind::Sequence => self.read_sequence(node),
            Kind::Scalar => self.read_scalar(node),
            Kind::Alias => self.aliased(node, |reader, target| reader.read(target)),
        };
        self.flow -= flow;
        value
    }

    fn note_anchor(&mut self, node: &'a Node) {
        if !node.anchor.is_empty() && node.kind != Kind::Alias {
            self.anchors.insert(&node.anchor, node);
        }
    }

    fn read_sequence(&mut self, node: &'a Node) -> Result<Value, Failure> {
        let mut items = Vec::with_capacity(node.content.len());
        for (index, item) in node.content.iter().enumerate() {
            self.path.push(Place::Index(index));
            let value = self.read(item);
            self.path.pop();
            items.push(value?);
        }
        Ok(Value::Array(items))
    }

    /// Counts a node that an alias brings.
    fn count(&mut self, node: &Node) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Ok(());
        }
        self.aliased += 1;
        self.brought = self.brought.saturating_add(node.value.len());
        if self.aliased > MAX_ALIASED || self.brought > MAX_BROUGHT {
            return Err(Failure::Syntax("yaml: document contains excessive aliasing".to_owned()));
        }
        Ok(())
    }

    /// Notes that the place holds a null that was written as nothing at all.
    fn note_blank(&mut self) -> Result<(), Failure> {
        let steps = self.steps()?;
        self.blanks.push(steps);
        Ok(())
    }

    /// Returns the way to the node that is being read.
    fn steps(&mut self) -> Result<Vec<Step>, Failure> {
        let steps: Vec<Step> = self.path.iter().map(|place| place.to_step()).collect();
        let bytes = steps.iter().map(|step| match step {
            Step::Key(key) => size_of::<Step>() + key.len(),
            Step::Index(_) => size_of::<Step>(),
        });
        self.brought = self.brought.saturating_add(bytes.sum());
        if self.brought > MAX_BROUGHT {
            return Err(Failure::Syntax(format!(
                "yaml: the places of empty values take more than {MAX_BROUGHT} bytes"
            )));
        }
        Ok(steps)
    }

    /// Follows an alias, unless it is part of what it refers to.
    fn aliased<T>(
        &mut self,
        alias: &'a Node,
        visit: impl FnOnce(&mut Self, &'a Node) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let name = alias.value.as_str();
        let target = self.anchors.get(name).copied();
        let Some(target) = target else {
            let line = alias.start.line();
            return Err(Failure::Syntax(format!("yaml: line {line}: unknown anchor referenced")));
        };
        if self.open.contains(&name) {
            return Err(Failure::Syntax(format!("yaml: anchor '{name}' value contains itself")));
        }
        self.open.push(name);
        let result = visit(self, target);
        self.open.pop();
        result
    }

    fn read_mapping(&mut self, node: &'a Node, map: &mut Map<String, Value>) -> Result<(), Failure> {
        let mut merges = Vec::new();
        for (key, value) in node.pairs() {
            if is_merge(key) {
                merges.push(value);
                continue;
            }
            self.count(key)?;
            let name = self.read_key(key)?;
            self.path.push(Place::Key(name));
            let value = self.read(value);
            self.path.pop();
            let value = value?;
            match map.entry(name) {
                Entry::Vacant(place) => _ = place.insert(value),
                Entry::Occupied(_) => {
                    self.note_flaw(|| format!("yaml: mapping key {name:?} already defined"));
                }
            }
        }
        match merges.as_slice() {
            [] => Ok(()),
            [one] => self.merge(one, map),
            _ => Err(Failure::Content("duplicate merge key".to_owned())),
        }
    }

    /// Notes why the object cannot be printed; the first reason stays.
    fn note_flaw(&mut self, reason: impl FnOnce() -> String) {
        self.flaw.get_or_insert_with(reason);
    }

    /// Adds what a `<<` entry brings and the mapping does not have.
    fn merge(&mut self, value: &'a Node, map: &mut Map<String, Value>) -> Result<(), Failure> {
        match value.kind {
            Kind::Alias => self.aliased(value, |reader, target| reader.merge(target, map)),
            Kind::Sequence => value.content.iter().try_for_each(|item| self.merge(item, map)),
            Kind::Mapping => {
                let mut other = Map::new();
                self.read_mapping(value, &mut other)?;
                for (key, value) in other {
                    map.entry(key).or_insert(value);
                }
                Ok(())
            }
            _ => Err(Failure::Content("map merge requires map or sequence of maps as the value".to_owned())),
        }
    }

    fn read_key(&mut self, key: &'a Node) -> Result<&'a str, Failure> {
        self.note_anchor(key);
        match key.kind {
            Kind::Scalar if key.tag == "!!str" => Ok(&key.value),
            Kind::Scalar => {
                // The keys of the object itself become text; others that are none have no JSON form.
                if !self.path.is_empty() && !matches!(scalar::resolve(key), Ok(Scalar::Str(_))) {
                    let mut place = self.steps()?;
                    place.push(Step::Key(key.value.clone()));
                    self.odd_keys.push(place);
                }
                Ok(&key.value)
            }
            Kind::Alias => self.aliased(key, |reader, target| reader.read_key(target)),
            _ => {
                self.note_flaw(|| "yaml: a key is no scalar".to_owned());
                Ok("")
            }
        }
    }

    /// Whether the place is an annotation of the object or of an item of a list: always text, as written.
    fn is_annotation(&self) -> bool {
        let is_key = |step: &Place<'_>, name: &str| matches!(step, Place::Key(key) if *key == name);
        match self.path.as_slice() {
            [metadata, annotations, _] => is_key(metadata, "metadata") && is_key(annotations, "annotations"),
            [items, Place::Index(_), metadata, annotations, _] if self.is_list => {
                is_key(items, "items") && is_key(metadata, "metadata") && is_key(annotations, "annotations")
            }
            _ => false,
        }
    }

    pub(super) fn read_scalar(&mut self, node: &Node) -> Result<Value, Failure> {
        if node.tag == "!!str" {
            if matches!(node.style, Style::DoubleQuoted | Style::SingleQuoted) {
                self.written.note_quoted(self.key(), &node.value);
            }
            // Annotations are read before the original writes the object out.
            let is_written = self.flow == 0 && !self.is_annotation();
            let folded = is_written.then(|| folded_again(node)).flatten();
            return Ok(Value::String(folded.unwrap_or_else(|| node.value.clone())));
        }
        let resolved = scalar::resolve(node).map_err(|error| Failure::Syntax(error.to_string()))?;
        if self.is_annotation() && !matches!(resolved, Scalar::Null) {
            self.written.note_bare(self.key(), &node.value);
            return Ok(Value::String(node.value.clone()));
        }
        if matches!(resolved, Scalar::Null) && node.value.is_empty() {
            self.note_blank()?;
            return Ok(Value::Null);
        }
        let value = self.plain(resolved, node);
        self.written.note_spelling(&value, &node.value);
        Ok(value)
    }

    /// Returns the key under which the node that is being read stands.
    fn key(&self) -> &'a str {
        match self.path.last() {
            Some(Place::Key(key)) => key,
            _ => "",
        }
    }

    fn plain(&mut self, resolved: Scalar, node: &Node) -> Value {
        match resolved {
            Scalar::Null => Value::Null,
            Scalar::Bool(flag) => Value::Bool(flag),
            Scalar::Int(number) => Value::Number(number.into()),
            Scalar::Uint(number) => Value::Number(number.into()),
            Scalar::Float(number) => float(number).unwrap_or_else(|reason| {
                self.note_flaw(|| reason);
                Value::Null
            }),
            // The original writes the object out first: with quotes, where a colon stands in flow style.
            Scalar::Time(source) if self.flow > 0 && source.contains(':') => Value::String(source),
            Scalar::Time(source) => Value::String(scalar::time_text(&source).unwrap_or(source)),
            Scalar::Str(text) => Value::String(text),
            Scalar::Binary(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Scalar::Merge => Value::String(node.value.clone()),
        }
    }
}

/// Folds keys as [`folded_again`] does; few texts have any, so that the others are not walked through.
pub(super) fn fold_keys(text: &str, node: &mut Node) {
    if text.contains("? ") && text.contains('>') {
        fold_keys_of(node);
    }
}

fn fold_keys_of(node: &mut Node) {
    let is_mapping = node.kind == Kind::Mapping;
    for (at, child) in node.content.iter_mut().enumerate() {
        if is_mapping
            && at % 2 == 0
            && let Some(folded) = folded_again(child)
        {
            child.value = folded;
        }
        fold_keys_of(child);
    }
}

/// Returns what is read of a folded text of several lines once the original has written it out, which it does not do
/// faithfully: lines that are indented further, and empty ones at the end, get another empty one.
fn folded_again(node: &Node) -> Option<String> {
    let lines = node.value.strip_suffix('\n').unwrap_or(&node.value);
    if node.style != Style::Folded || !lines.contains('\n') {
        return None;
    }
    let mut mapping = Node::mapping();
    let text = Node { style: Style::Folded, ..Node::scalar("!!str", node.value.clone()) };
    mapping.content = vec![Node::scalar("!!str", "k"), text];
    let written = emit::documents(&[Node::document(mapping)], &emit::Options::default()).ok()?;
    let read = parse::documents(written.as_bytes()).ok()?;
    Some(read.first()?.content.first()?.field("k")?.value.clone())
}

fn is_merge(key: &Node) -> bool {
    key.kind == Kind::Scalar
        && key.value == "<<"
        && key.style == Style::Plain
        && (key.tag.is_empty() || key.tag == "!!merge" || key.tag == "!!str" && !key.tagged)
}

/// Returns a float as JSON: whole numbers in the range of integers lose their point.
pub(crate) fn float(number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        let shown = if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        };
        return Err(format!("json: unsupported value: {shown}"));
    }
    if number.fract() == 0.0 {
        // By its digits: those that tell a large float from its neighbours, and zeros behind them.
        let digits = number.abs().to_string();
        let whole = if number < 0.0 {
            format!("-{digits}").parse::<i64>().map(Number::from)
        } else {
            digits.parse::<u64>().map(Number::from)
        };
        if let Ok(whole) = whole {
            return Ok(Value::Number(whole));
        }
    }
    Number::from_f64(number).map(Value::Number).ok_or_else(|| format!("json: unsupported value: {number}"))
}

//! Objects from the text of a manifest: documents, aliases, lists.
//!
//! Values are read by YAML 1.2-like rules and become plain JSON at once, because the original
//! sends every object through JSON before it prints: whole floats turn into integers, dates into
//! text. Follows: the byte reader and resource factory of kustomize 5.8.1.

use std::collections::HashMap;

use sealfast_yaml::node::{Kind, Node};
use sealfast_yaml::scalar::{self, Scalar};
use serde_json::{Map, Number, Value};

use crate::error::Error;
use crate::resource::{Resource, Step, text};

/// How many nodes aliases may bring into one text altogether.
const MAX_ALIASED: usize = 2_000_000;

/// How many bytes aliases, and the places of blank nulls, may bring into one text altogether.
const MAX_BROUGHT: usize = 64 << 20;

/// How deep values may be nested.
const MAX_DEPTH: usize = 1_000;

/// Reads all objects of a manifest; `file` is named when the text is no YAML.
///
/// # Errors
/// When the text is no YAML, or a document in it is no object with kind and name.
pub fn objects(input: &[u8], file: &str) -> Result<Vec<Resource>, Error> {
    let documents = documents(input).map_err(|failure| match failure {
        Failure::Syntax(message) => Error::MalformedYaml { message, file: file.to_owned() },
        Failure::Content(message) => Error::Object(message),
    })?;
    expand_lists(documents)?.into_iter().map(|resource| check_object(&resource).map(|()| resource)).collect()
}

/// Why a text gave no documents.
#[derive(Debug)]
pub enum Failure {
    /// It is no YAML.
    Syntax(String),
    /// It is YAML of a shape that no object has.
    Content(String),
}

impl Failure {
    /// Returns the words for it.
    #[must_use]
    pub fn message(self) -> String {
        match self {
            Self::Syntax(message) | Self::Content(message) => message,
        }
    }
}

/// Reads the documents of a text that are not empty.
///
/// # Errors
/// When the text is no YAML.
pub fn documents(input: &[u8]) -> Result<Vec<Resource>, Failure> {
    let source = String::from_utf8_lossy(input).replace("\r\n", "\n");
    let mut found = Vec::new();
    let (mut aliased, mut brought) = (0, 0);
    for piece in split(&source)? {
        if piece.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        let nodes = sealfast_yaml::parse::documents(piece.as_bytes())
            .map_err(|error| Failure::Syntax(error.to_string()))?;
        for node in &nodes {
            let mut reader = Reader { aliased, brought, ..Reader::default() };
            let value = reader.read(node)?;
            (aliased, brought) = (reader.aliased, reader.brought);
            let is_empty = value.as_object().is_some_and(Map::is_empty);
            if !value.is_null() && !is_empty {
                found.push(Resource { blanks: reader.blanks, ..Resource::new(value) });
            }
        }
    }
    Ok(found)
}

/// Returns what a plain scalar with this text means.
#[must_use]
pub fn plain(text: &str) -> Value {
    let node = Node::scalar(scalar::plain_tag(text), text);
    Reader::default().read_scalar(&node).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Splits at lines that begin with `---`.
fn split(source: &str) -> Result<Vec<&str>, Failure> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut position = 0;
    for line in source.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(Failure::Content(format!("invalid document separator: {}", line.trim_end())));
            }
            pieces.push(&source[start..position]);
            start = position + line.len();
        }
        position += line.len();
    }
    pieces.push(&source[start..]);
    Ok(pieces)
}

/// Replaces lists of objects by the objects: one that is alone in the text in its place, others at the end.
fn expand_lists(mut documents: Vec<Resource>) -> Result<Vec<Resource>, Error> {
    if let [only] = documents.as_slice()
        && matches!(only.kind(), "List" | "ResourceList")
        && only.value.get("items").is_some()
    {
        documents = items_of(&documents[0])?;
    }
    let mut queue: std::collections::VecDeque<Resource> = documents.into();
    let mut expanded = Vec::new();
    while let Some(next) = queue.pop_front() {
        if next.value.is_null() {
            continue;
        }
        if next.kind().ends_with("List") && next.value.get("items").is_some() {
            queue.extend(items_of(&next)?);
        } else {
            expanded.push(next);
        }
    }
    Ok(expanded)
}

/// Returns the items of a list object, with their share of the blank places.
fn items_of(list: &Resource) -> Result<Vec<Resource>, Error> {
    match list.value.get("items") {
        Some(Value::Array(items)) => {
            let mut found: Vec<Resource> = items.iter().cloned().map(Resource::new).collect();
            for blank in &list.blanks {
                if let [Step::Key(key), Step::Index(index), rest @ ..] = blank.as_slice()
                    && key == "items"
                    && !rest.is_empty()
                {
                    found[*index].blanks.push(rest.to_vec());
                }
            }
            Ok(found)
        }
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(_) => Err(Error::Object(format!("items of {} is not a list", list.kind()))),
    }
}

/// Checks that an object has a kind and, unless it is a list, a name.
pub(crate) fn check_object(resource: &Resource) -> Result<(), Error> {
    let value = &resource.value;
    if ["apiVersion", "kind", "metadata"].iter().all(|field| value.get(field).is_none()) {
        return Err(Error::Object("missing Resource metadata".to_owned()));
    }
    if value.get("kind").and_then(Value::as_str).unwrap_or_default().is_empty() {
        return Err(Error::Object(format!("missing kind in object {}", shape(value))));
    }
    if resource.name().is_empty() && !resource.kind().ends_with("List") {
        return Err(Error::Object(format!("missing metadata.name in object {}", shape(value))));
    }
    Ok(())
}

/// Returns what the original shows of an object that it cannot take.
fn shape(value: &Value) -> String {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let map = |field: &str| {
        let mut pairs: Vec<String> = metadata
            .get(field)
            .and_then(Value::as_object)
            .map(|entries| {
                entries.iter().map(|(key, entry)| format!("{key}:{}", entry.as_str().unwrap_or(""))).collect()
            })
            .unwrap_or_default();
        pairs.sort();
        pairs.join(" ")
    };
    format!(
        "{{{{{} {}}} {{{{{} {}}} map[{}] map[{}]}}}}",
        text(value, "apiVersion"),
        text(value, "kind"),
        text(metadata, "name"),
        text(metadata, "namespace"),
        map("labels"),
        map("annotations"),
    )
}

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

/// Turns a node tree into JSON, noting the places of blank nulls.
#[derive(Default)]
struct Reader<'a> {
    anchors: HashMap<&'a str, &'a Node>,
    open: Vec<&'a str>,
    path: Vec<Place<'a>>,
    blanks: Vec<Vec<Step>>,
    /// How many nodes aliases have brought.
    aliased: usize,
    /// How many bytes aliases and places have brought.
    brought: usize,
}

impl<'a> Reader<'a> {
    fn read(&mut self, node: &'a Node) -> Result<Value, Failure> {
        self.count(node)?;
        if self.path.len() > MAX_DEPTH {
            return Err(Failure::Syntax("yaml: exceeded max depth".to_owned()));
        }
        if !node.anchor.is_empty() && node.kind != Kind::Alias {
            self.anchors.insert(&node.anchor, node);
        }
        match node.kind {
            Kind::Document => node.content.first().map_or(Ok(Value::Null), |root| self.read(root)),
            Kind::Mapping => {
                let mut map = Map::with_capacity(node.content.len() / 2);
                self.read_mapping(node, &mut map)?;
                Ok(Value::Object(map))
            }
            Kind::Sequence => {
                let mut items = Vec::with_capacity(node.content.len());
                for (index, item) in node.content.iter().enumerate() {
                    self.path.push(Place::Index(index));
                    let value = self.read(item);
                    self.path.pop();
                    items.push(value?);
                }
                Ok(Value::Array(items))
            }
            Kind::Scalar => self.read_scalar(node),
            Kind::Alias => self.aliased(node, |reader, target| reader.read(target)),
        }
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
        self.blanks.push(steps);
        Ok(())
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
            let line = alias.start.line;
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
            if map.insert(name.to_owned(), value?).is_some() {
                return Err(self.doubled(node, key, name));
            }
        }
        merges.into_iter().try_for_each(|value| self.merge(value, map))
    }

    /// Says where a key was written that is there a second time.
    fn doubled(&mut self, node: &'a Node, again: &Node, name: &str) -> Failure {
        let mut earlier = node.pairs().take_while(|(key, _)| key.start != again.start);
        let first =
            earlier.find(|(key, _)| !is_merge(key) && self.read_key(key).is_ok_and(|key| key == name));
        let line = first.map_or(again.start.line, |(key, _)| key.start.line);
        Failure::Syntax(format!(
            "yaml: unmarshal errors:\n  line {}: mapping key {name:?} already defined at line {line}",
            again.start.line
        ))
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
        let unsupported =
            || Failure::Content("json: unsupported type: map[interface {}]interface {}".to_owned());
        match key.kind {
            Kind::Scalar if key.tag == "!!str" => Ok(&key.value),
            Kind::Scalar => match scalar::resolve(key) {
                Ok(Scalar::Str(_)) => Ok(&key.value),
                _ => Err(unsupported()),
            },
            Kind::Alias => self.aliased(key, |reader, target| reader.read_key(target)),
            _ => Err(unsupported()),
        }
    }

    /// Whether the place is an annotation of the object or of an item of a list: always text, as written.
    fn is_annotation(&self) -> bool {
        let is_key = |step: &Place<'_>, name: &str| matches!(step, Place::Key(key) if *key == name);
        match self.path.as_slice() {
            [metadata, annotations, _] => is_key(metadata, "metadata") && is_key(annotations, "annotations"),
            [items, Place::Index(_), metadata, annotations, _] => {
                is_key(items, "items") && is_key(metadata, "metadata") && is_key(annotations, "annotations")
            }
            _ => false,
        }
    }

    fn read_scalar(&mut self, node: &Node) -> Result<Value, Failure> {
        if node.tag == "!!str" {
            return Ok(Value::String(node.value.clone()));
        }
        let resolved = scalar::resolve(node).map_err(|error| Failure::Syntax(error.to_string()))?;
        if self.is_annotation() && !matches!(resolved, Scalar::Null) {
            return Ok(Value::String(node.value.clone()));
        }
        Ok(match resolved {
            Scalar::Null => {
                if node.value.is_empty() {
                    self.note_blank()?;
                }
                Value::Null
            }
            Scalar::Bool(flag) => Value::Bool(flag),
            Scalar::Int(number) => Value::Number(number.into()),
            Scalar::Uint(number) => Value::Number(number.into()),
            Scalar::Float(number) => float(number).map_err(Failure::Content)?,
            Scalar::Time(source) => Value::String(timestamp(&source).unwrap_or(source)),
            Scalar::Str(text) => Value::String(text),
            Scalar::Binary(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Scalar::Merge => Value::String(node.value.clone()),
        })
    }
}

fn is_merge(key: &Node) -> bool {
    key.kind == Kind::Scalar
        && key.value == "<<"
        && key.style == sealfast_yaml::node::Style::Plain
        && (key.tag.is_empty() || key.tag == "!!merge" || key.tag == "!!str" && !key.tagged)
}

/// Returns a float as JSON: whole numbers in the range of integers lose their point.
pub(crate) fn float(number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        return Err(format!("json: unsupported value: {number}"));
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

/// Returns a YAML timestamp as RFC 3339 text; none when it is not one.
fn timestamp(source: &str) -> Option<String> {
    let (date, rest) = source.split_at(source.find(['T', 't', ' ']).unwrap_or(source.len()));
    let mut parts = date.splitn(3, '-');
    let mut number = |width: usize| -> Option<String> {
        let value: u32 = parts.next()?.parse().ok()?;
        Some(format!("{value:0width$}"))
    };
    let day = format!("{}-{}-{}", number(4)?, number(2)?, number(2)?);
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    if rest.is_empty() {
        return Some(format!("{day}T00:00:00Z"));
    }
    let end = rest.find(['Z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut fields = Vec::new();
    for field in clock.split(':') {
        fields.push(format!("{:02}", field.parse::<u32>().ok()?));
    }
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    let zone = zone.trim();
    let zone = if zone.is_empty() || zone == "+00:00" { "Z" } else { zone };
    Some(format!("{day}T{}{fraction}{zone}", fields.join(":")))
}

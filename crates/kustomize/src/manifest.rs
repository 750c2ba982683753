//! Objects from the text of a manifest: documents, aliases, lists.
//!
//! Follows: the byte reader and resource factory of kustomize 5.8.1.

mod reader;

use std::borrow::Cow;

use sealfast_yaml::node::Node;
use sealfast_yaml::scalar;
use serde_json::Value;

use crate::error::Error;
use crate::flaw::Flaw;
use crate::hash::write_json;
use crate::manifest::reader::Reader;
pub(crate) use crate::manifest::reader::float;
use crate::resource::{NO_OBJECT, Resource, Step, field, text};

/// Reads all objects of a manifest; `file` is named when the text is no YAML.
///
/// # Errors
/// When the text is no YAML, or a document in it is no object with kind and name.
pub fn objects(input: &[u8], file: &str) -> Result<Vec<Resource>, Error> {
    let documents = documents(input).map_err(|failure| match failure {
        Failure::Syntax(message) => Error::MalformedYaml { message, file: file.to_owned() },
        Failure::Content(message) => Error::Object(message),
    })?;
    expand_lists(documents, is_one(input))?
        .into_iter()
        .map(|resource| check_object(&resource).map(|()| resource))
        .collect()
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
/// Only the first document between two lines of `---` counts; what follows it is passed over.
///
/// # Errors
/// When the text is no YAML.
pub fn documents(input: &[u8]) -> Result<Vec<Resource>, Failure> {
    let source = utf8(input)?;
    let source =
        if source.contains("\r\n") { source.replace("\r\n", "\n").into() } else { Cow::Borrowed(source) };
    let mut found = Vec::new();
    let (mut aliased, mut brought) = (0, 0);
    for piece in split(&source)? {
        if piece.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        let read = sealfast_yaml::parse::first(piece.as_bytes());
        let Some(mut node) = read.map_err(|error| Failure::Syntax(error.to_string()))? else { continue };
        reader::fold_keys(piece, &mut node);
        let kind = node.content.first().and_then(|root| root.field("kind"));
        let is_list = kind.is_some_and(|kind| kind.value.ends_with("List"));
        let mut reader = Reader::default();
        (reader.aliased, reader.brought, reader.is_list) = (aliased, brought, is_list);
        let value = reader.read(&node)?;
        (aliased, brought) = (reader.aliased, reader.brought);
        if !is_nothing(&value) {
            let flaw = Flaw::of(reader.flaw.map(|reason| flaw(&node, reason)), reader.odd_keys);
            let written = reader.written.into_notes();
            found.push(resource(Resource { blanks: reader.blanks, written, flaw, ..Resource::new(value) }));
        }
    }
    Ok(found)
}

/// Whether a document or an item of a list is passed over.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Returns the text of bytes.
fn utf8(input: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(input).map_err(|_| {
        let told = sealfast_yaml::parse::documents(input).err().map(|error| error.to_string());
        Failure::Syntax(told.unwrap_or_else(|| "yaml: invalid UTF-8".to_owned()))
    })
}

/// Says why an object cannot be printed, with the lines that it has when the original writes it anew.
fn flaw(node: &Node, reason: String) -> String {
    let layout = sealfast_yaml::emit::Options { indent: 2, compact_sequences: true };
    let anew = sealfast_yaml::emit::documents(std::slice::from_ref(node), &layout).ok();
    let again = anew.and_then(|text| sealfast_yaml::parse::first(text.as_bytes()).ok().flatten());
    match again.map(|node| sealfast_yaml::json::from_node(&node)) {
        Some(Err(error)) if reason.starts_with("yaml: ") => {
            format!("{NO_OBJECT}{error}")
        }
        _ => reason,
    }
}

/// The fields that name an object, each as a pointer, and by the mapping that it stands in.
const NAMES: [(&str, Option<&str>, &str); 4] = [
    ("/apiVersion", None, "apiVersion"),
    ("/kind", None, "kind"),
    ("/metadata/name", Some("metadata"), "name"),
    ("/metadata/namespace", Some("metadata"), "namespace"),
];

/// Makes text of the fields that name an object; they are known by it also where they are numbers.
fn resource(mut resource: Resource) -> Resource {
    name_by_text(&mut resource);
    resource
}

/// As [`resource`], in place.
pub(crate) fn name_by_text(resource: &mut Resource) {
    for (place, parent, name) in NAMES {
        let parent = parent.map_or(Some(&resource.value), |parent| field(&resource.value, parent));
        let Some(value @ (Value::Number(_) | Value::Bool(_))) = parent.and_then(|parent| field(parent, name))
        else {
            continue;
        };
        let Some(text) = resource.written.text(value) else { continue };
        if let Some(value) = resource.value.pointer_mut(place) {
            *value = Value::String(text);
            resource.unquoted.push(place);
        }
    }
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

/// Replaces lists of objects by the objects: one that is alone in the text, or the input of a function, in its place,
/// others at the end.
fn expand_lists(mut documents: Vec<Resource>, is_one: bool) -> Result<Vec<Resource>, Error> {
    if let [only] = documents.as_slice()
        && is_one
        && matches!(only.kind(), "List" | "ResourceList")
        && ["items", "functionConfig"].iter().any(|field| only.value.get(field).is_some())
    {
        documents = items_of(&documents[0])?;
    }
    let mut queue: std::collections::VecDeque<Resource> = documents.into();
    let mut expanded = Vec::new();
    while let Some(next) = queue.pop_front() {
        if is_nothing(&next.value) {
            continue;
        }
        if next.kind().ends_with("List") && next.value.get("items").is_some() {
            let items = items_of(&next)?.into_iter().map(through_json);
            queue.extend(items.collect::<Result<Vec<_>, Error>>()?);
        } else {
            expanded.push(next);
        }
    }
    Ok(expanded)
}

/// Whether no line of dashes parts a text; one at its beginning does not, nor one that no line ends.
fn is_one(input: &[u8]) -> bool {
    let mut lines = input.split_inclusive(|&byte| byte == b'\n').skip(1);
    !lines.any(|line| line.starts_with(b"---") && line.ends_with(b"\n"))
}

/// Returns the items of a list object, with their share of the blank places.
fn items_of(list: &Resource) -> Result<Vec<Resource>, Error> {
    match list.value.get("items") {
        Some(Value::Array(items)) => {
            let item = |(at, value): (usize, &Value)| {
                let flaw = list.flaw.as_ref().and_then(|flaw| flaw.of_item(at));
                let written = list.written.clone();
                resource(Resource { written, flaw, ..Resource::new(value.clone()) })
            };
            let mut found: Vec<Resource> = items.iter().enumerate().map(item).collect();
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
        Some(other) => Err(Error::Object(format!(
            "expected array in {}/items, but found {}",
            list.kind(),
            go_type(other)
        ))),
    }
}

/// Returns an object as it is read from its JSON, through which the original sends the items of a list.
fn through_json(mut item: Resource) -> Result<Resource, Error> {
    let annotations = item.value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    for (key, value) in annotations.into_iter().flatten() {
        // There an annotation without quotes is what it says.
        if let Value::String(text) = value
            && item.written.is_bare(key, text)
        {
            *value = plain(text);
        }
    }
    let mut text = String::new();
    write_json(&item.value, &mut text);
    let read = documents(text.as_bytes()).map_err(|failure| Error::Object(failure.message()))?;
    let again = read.into_iter().next();
    Ok(again
        .map_or_else(Resource::default, |again| Resource { flaw: item.flaw.or(again.flaw.clone()), ..again }))
}

/// Returns the type that the original reads a value as.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
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

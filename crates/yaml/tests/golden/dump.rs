//! Trees and values in the JSON shape of the recordings.

use std::collections::HashMap;

use sealfast_yaml::decode::{Decoder, Plain};
use sealfast_yaml::node::{Kind, Node, Style};
use sealfast_yaml::scalar::float_text;
use serde_json::{Map, Value, json};

/// Dumps trees one after the other; anchors live on from document to document.
pub(crate) struct Dumper<'a> {
    tags: HashMap<String, String>,
    decoder: Decoder<'a>,
}

impl<'a> Dumper<'a> {
    pub(crate) fn new(documents: &'a [Node]) -> Self {
        Self { tags: HashMap::new(), decoder: Decoder::new(documents) }
    }

    pub(crate) fn tree(&mut self, node: &'a Node) -> Value {
        let mut fields = Map::new();
        let kind = match node.kind {
            Kind::Document => "document",
            Kind::Mapping => "map",
            Kind::Sequence => "seq",
            Kind::Scalar => "scalar",
            Kind::Alias => "alias",
        };
        fields.insert("kind".into(), kind.into());
        let styles = styles(node);
        if !styles.is_empty() {
            fields.insert("style".into(), json!(styles));
        }
        self.tag_and_value(node, &mut fields);
        fields.insert("line".into(), node.start.line().into());
        fields.insert("column".into(), node.start.column().into());
        if let Some(comments) = &node.comments {
            put(&mut fields, "head", &comments.head);
            put(&mut fields, "line_comment", &comments.line);
            put(&mut fields, "foot", &comments.foot);
        }
        if !node.content.is_empty() {
            let content = node.content.iter().map(|child| self.tree(child)).collect();
            fields.insert("content".into(), Value::Array(content));
        }
        Value::Object(fields)
    }

    fn tag_and_value(&mut self, node: &'a Node, fields: &mut Map<String, Value>) {
        if node.kind == Kind::Alias {
            put(fields, "tag", self.tags.get(&node.value).map_or("", String::as_str));
            fields.insert("raw_tag".into(), "".into());
            put(fields, "alias", &node.value);
            return;
        }
        put(fields, "tag", &node.tag);
        if node.kind == Kind::Scalar {
            fields.insert("value".into(), node.value.as_str().into());
            if let Some(go) = self.go(node) {
                fields.insert("go".into(), go);
            }
        }
        put(fields, "anchor", &node.anchor);
        if !node.anchor.is_empty() {
            self.tags.insert(node.anchor.clone(), node.tag.to_string());
        }
    }

    fn go(&mut self, node: &'a Node) -> Option<Value> {
        Some(match self.decoder.value(node) {
            Err(error) => json!(["error", error.in_full()]),
            Ok(Plain::Null) => json!(["null"]),
            Ok(Plain::Bool(truth)) => json!(["bool", truth.to_string()]),
            Ok(Plain::Int(number)) => json!(["int", number.to_string()]),
            Ok(Plain::Uint(number)) => json!(["uint64", number.to_string()]),
            Ok(Plain::Float(number)) => json!(["float", float_text(number)]),
            Ok(Plain::Time(time)) => json!(["time", time]),
            Ok(Plain::Bytes(bytes)) => json!(["bytes", hex(&bytes)]),
            Ok(Plain::Str(text)) if text == node.value => return None,
            Ok(Plain::Str(text)) => json!(["string", text]),
            Ok(Plain::List(_) | Plain::Map(_)) => json!(["collection"]),
        })
    }
}

fn styles(node: &Node) -> Vec<&'static str> {
    let mut styles = Vec::new();
    if node.tagged {
        styles.push("tagged");
    }
    match node.style {
        Style::Plain => {}
        Style::DoubleQuoted => styles.push("double"),
        Style::SingleQuoted => styles.push("single"),
        Style::Literal => styles.push("literal"),
        Style::Folded => styles.push("folded"),
        Style::Flow => styles.push("flow"),
    }
    styles
}

fn put(fields: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        fields.insert(name.into(), text.into());
    }
}

/// Returns a decoded value; what JSON has no form for stands in objects with a `!` key.
pub(crate) fn plain(value: &Plain) -> Value {
    match value {
        Plain::Null => Value::Null,
        Plain::Bool(truth) => json!(truth),
        Plain::Int(number) => json!(number),
        Plain::Uint(number) => json!(number),
        Plain::Float(number) => json!({ "!float": float_text(*number) }),
        Plain::Time(time) => json!({ "!time": time }),
        Plain::Bytes(bytes) => json!({ "!bytes": hex(bytes) }),
        Plain::Str(text) => json!(text),
        Plain::List(items) => items.iter().map(plain).collect(),
        Plain::Map(entries) if entries.keys().all(|key| matches!(key, Plain::Str(_))) => {
            let field = |(key, value): (&Plain, &Plain)| match key {
                Plain::Str(key) => Some((key.clone(), plain(value))),
                _ => None,
            };
            Value::Object(entries.iter().filter_map(field).collect())
        }
        Plain::Map(entries) => {
            let pairs: Vec<Value> =
                entries.iter().map(|(key, value)| json!([plain(key), plain(value)])).collect();
            json!({ "!pairs": pairs })
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

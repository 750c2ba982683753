//! The strict reading of a kustomization: field names and types.
//!
//! Field names match without regard to case; the messages are those of Go's JSON decoder, because
//! users search for them.

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string whose type has a name of its own.
    Word(&'static str),
    /// A boolean.
    Flag,
    /// A whole number; the name of the type.
    Whole(&'static str),
    /// A list.
    List(&'static Shape),
    /// A mapping with string values.
    Texts,
    /// A struct.
    Record(&'static Record),
    /// Anything.
    Any,
}

/// A struct: its name and its fields.
#[derive(Debug)]
pub(crate) struct Record {
    /// The name in messages.
    pub(crate) name: &'static str,
    /// Field names with their types.
    pub(crate) fields: &'static [(&'static str, Shape)],
}

impl Shape {
    fn go_name(&self) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Word(name) => format!("types.{name}"),
            Self::Flag => "bool".to_owned(),
            Self::Whole(name) => (*name).to_owned(),
            Self::List(item) => format!("[]{}", item.go_name()),
            Self::Texts => "map[string]string".to_owned(),
            Self::Record(record) => format!("types.{}", record.name),
            Self::Any => "interface {}".to_owned(),
        }
    }

    /// Returns what null stands for in a list of such values.
    fn zero(&self) -> Value {
        match self {
            Self::Text | Self::Word(_) => Value::String(String::new()),
            Self::Flag => Value::Bool(false),
            Self::Whole(_) => Value::Number(0.into()),
            Self::List(_) => Value::Array(Vec::new()),
            Self::Texts | Self::Record(_) | Self::Any => Value::Object(Map::new()),
        }
    }
}

/// Checks a value against a record and returns it with the field names as declared.
pub(crate) fn record(value: Value, record: &'static Record) -> Result<Value, String> {
    Decoder { owner: record.name, path: Vec::new(), unknown: Unknown::Refused }.whole(value, record)
}

/// As [`record`], but leaves unknown fields out instead of refusing them, and takes numbers and truth values for text.
pub(crate) fn lenient_record(value: Value, record: &'static Record) -> Result<Value, String> {
    Decoder { owner: record.name, path: Vec::new(), unknown: Unknown::Dropped }.whole(value, record)
}

/// What happens to unknown fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Dropped,
}

struct Decoder {
    owner: &'static str,
    /// The fields on the way, each with its struct.
    path: Vec<(&'static str, &'static str)>,
    unknown: Unknown,
}

impl Decoder {
    fn whole(&mut self, value: Value, record: &'static Record) -> Result<Value, String> {
        match value {
            Value::Null => Ok(Value::Null),
            Value::Object(map) => self.fields(map, record),
            other => Err(format!(
                "json: cannot unmarshal {} into Go value of type types.{}",
                kind(&other),
                record.name
            )),
        }
    }

    fn shape(&mut self, value: Value, shape: &'static Shape) -> Result<Value, String> {
        match (shape, value) {
            (_, Value::Null) => Ok(Value::Null),
            (Shape::Any, value)
            | (Shape::Text | Shape::Word(_), value @ Value::String(_))
            | (Shape::Flag, value @ Value::Bool(_)) => Ok(value),
            (Shape::Text | Shape::Word(_), value @ (Value::Number(_) | Value::Bool(_)))
                if self.unknown == Unknown::Dropped =>
            {
                Ok(Value::String(sealfast_yaml::json::to_yaml(&value).trim_end().to_owned()))
            }
            (Shape::Whole(_), value @ Value::Number(_)) if value.is_i64() || value.is_u64() => Ok(value),
            (Shape::Whole(name), Value::Number(number)) => {
                Err(self.mismatch(&format!("number {number}"), &Shape::Whole(name)))
            }
            (Shape::List(item), Value::Array(items)) => items
                .into_iter()
                .map(|value| if value.is_null() { Ok(item.zero()) } else { self.shape(value, item) })
                .collect(),
            (Shape::Texts, Value::Object(map)) => self.texts(map),
            (Shape::Record(record), Value::Object(map)) => self.fields(map, record),
            (shape, value) => Err(self.mismatch(kind(&value), shape)),
        }
    }

    fn texts(&mut self, map: Map<String, Value>) -> Result<Value, String> {
        let mut read = Map::new();
        for (key, value) in map {
            let value = self.shape(value, &Shape::Text)?;
            read.insert(key, if value.is_null() { Value::String(String::new()) } else { value });
        }
        Ok(Value::Object(read))
    }

    fn fields(&mut self, map: Map<String, Value>, record: &'static Record) -> Result<Value, String> {
        let mut entries: Vec<(String, Value)> = map.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut read = Map::new();
        for (key, value) in entries {
            let exact = record.fields.iter().find(|(name, _)| *name == key);
            let found =
                exact.or_else(|| record.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key)));
            let Some((name, shape)) = found else {
                if self.unknown == Unknown::Dropped {
                    continue;
                }
                return Err(format!("json: unknown field \"{key}\""));
            };
            let owner = std::mem::replace(&mut self.owner, record.name);
            self.path.push((record.name, name));
            let value = self.shape(value, shape);
            self.path.pop();
            self.owner = owner;
            let value = value?;
            if !value.is_null() {
                read.insert((*name).to_owned(), value);
            }
        }
        Ok(Value::Object(read))
    }

    fn mismatch(&self, found: &str, wanted: &Shape) -> String {
        let path: Vec<String> =
            self.path.iter().map(|(owner, name)| format!("{}{name}", embedded(owner, name))).collect();
        format!(
            "json: cannot unmarshal {found} into Go struct field {}.{} of type {}",
            self.owner,
            path.join("."),
            wanted.go_name()
        )
    }
}

/// Returns the structs inside a struct that a field comes from; Go names them, too.
fn embedded(record: &str, field: &str) -> &'static str {
    match (record, field) {
        ("Selector" | "SourceSelector", "group" | "version" | "kind") => "ResId.Gvk.",
        ("Selector" | "SourceSelector", "name" | "namespace") => "ResId.",
        ("FieldSpec" | "Target", "group" | "version" | "kind") => "Gvk.",
        ("ReplacementField", "source" | "sourceValue" | "targets") => "Replacement.",
        ("ConfigMapArgs" | "SecretArgs", "literals" | "files" | "envs" | "env") => {
            "GeneratorArgs.KvPairSources."
        }
        ("ConfigMapArgs" | "SecretArgs", "namespace" | "name" | "behavior" | "options") => "GeneratorArgs.",
        ("Kustomization", "apiVersion" | "kind") => "TypeMeta.",
        _ => "",
    }
}

/// Returns the name of a value's type.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

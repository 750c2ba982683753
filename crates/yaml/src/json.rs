//! YAML to and from JSON values.
//!
//! [`from_yaml`] and [`to_yaml`] are the way of `sigs.k8s.io/yaml` 1.6: the words of YAML 1.1, integers exact, keys
//! turned into strings, keys sorted when written. [`from_node`] is the way of `go.yaml.in/yaml/v3`.

use serde_json::{Map, Number, Value};

use crate::decode::{Decoder, Duplicates, Entries, Plain, go_syntax};
use crate::emit::sorted::{self, Origin};
use crate::error::{Error, Problem};
use crate::node::{Node, Style};
use crate::parse::{self, Limits};
use crate::scalar::{self, Words, float_text};

mod owned;
pub(crate) mod text;

pub use text::{quote, text};

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
    from_yaml_within(input, &Limits::default())
}

/// The same within bounds, for text from strangers.
///
/// # Errors
///
/// As [`from_yaml`]; also a bound that the text exceeds.
pub fn from_yaml_within(input: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(input, limits, Duplicates::LastWins, Floats::AsJson)
}

/// Reads the first document as a JSON value, and refuses keys that stand twice.
///
/// # Errors
///
/// As [`from_yaml`]; also duplicate keys, all of them with their lines.
pub fn from_yaml_strict(input: &[u8]) -> Result<Value, Error> {
    from_yaml_strict_within(input, &Limits::default())
}

/// The same within bounds, for text from strangers.
///
/// # Errors
///
/// As [`from_yaml_strict`]; also a bound that the text exceeds.
pub fn from_yaml_strict_within(input: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(input, limits, Duplicates::Refused, Floats::AsJson)
}

/// Writes JSON text (or any YAML) as YAML with sorted keys: numbers keep their kind, so `1e10` stays a float.
///
/// # Errors
///
/// What the YAML reader does not take, some JSON escapes among them.
pub fn text_to_yaml(input: &str) -> Result<String, Error> {
    first(input.as_bytes(), &Limits::default(), Duplicates::LastWins, Floats::AsTheyAre)
        .map(|value| sorted::text(&value, Origin::Read))
}

fn first(input: &[u8], limits: &Limits, duplicates: Duplicates, floats: Floats) -> Result<Value, Error> {
    match parse::first_older(input, limits)? {
        None => Ok(Value::Null),
        Some(document) => convert(document, duplicates, floats, &mut 0),
    }
}

/// Reads every document of a manifest stream; empty documents are left out.
///
/// # Errors
///
/// The first mistake in the text, or a tree that has no JSON form.
pub fn documents(input: &[u8]) -> Result<Vec<Value>, Error> {
    let (mut values, mut copied) = (Vec::new(), 0);
    parse::each(input, |document| {
        let value = convert(document, Duplicates::LastWins, Floats::AsJson, &mut copied)?;
        if !value.is_null() {
            values.push(value);
        }
        Ok(())
    })?;
    Ok(values)
}

/// Returns a node's value by v3's rules: merge keys applied, aliases expanded within bounds.
///
/// # Errors
///
/// Keys that are no scalars, duplicate keys, scalars that do not fit their tag, too many aliases.
pub fn from_node(node: &Node) -> Result<Value, Error> {
    let value = Decoder::new(std::slice::from_ref(node)).value(node)?;
    json_value(value, Floats::AsJson, Words::V3)
}

/// Writes a value as YAML with sorted keys, long lines folded at 80.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    sorted::text(value, Origin::Made)
}

/// Returns a tree that reads back as the value, fields in their order.
#[must_use]
pub fn node_from(value: &Value) -> Node {
    match value {
        Value::Null => Node::scalar("!!null", "null"),
        Value::Bool(truth) => Node::scalar("!!bool", truth.to_string()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => scalar::float_node(float),
            _ => Node::scalar("!!int", number.to_string()),
        },
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

/// What becomes of floats without a fraction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Floats {
    /// They go through JSON text, which writes them as integers.
    AsJson,
    /// They stay floats.
    AsTheyAre,
}

/// `copied` counts the bytes that aliases copy in all documents of the stream.
fn convert(
    document: Node,
    duplicates: Duplicates,
    floats: Floats,
    copied: &mut usize,
) -> Result<Value, Error> {
    if duplicates == Duplicates::LastWins && owned::fits(&document) {
        return owned::value(document, floats);
    }
    let stream = std::slice::from_ref(&document);
    let mut decoder = Decoder::with(stream, Words::V2, duplicates).behind(*copied);
    let value = decoder.value(&document)?;
    *copied = decoder.copied();
    json_value(value, floats, Words::V2)
}

/// The value in JSON; odd keys are met before floats without a form there, as they are by the reference.
fn json_value(value: Plain, floats: Floats, words: Words) -> Result<Value, Error> {
    let lost = first_lost(&value, words);
    let value = to_value(value, floats, words)?;
    match lost {
        Some(name) => Err(Error::bare(format!("json: unsupported value: {name}"))),
        None => Ok(value),
    }
}

fn to_value(value: Plain, floats: Floats, words: Words) -> Result<Value, Error> {
    Ok(match value {
        Plain::Null => Value::Null,
        Plain::Bool(truth) => Value::Bool(truth),
        Plain::Int(number) => Value::from(number),
        Plain::Uint(number) => Value::from(number),
        Plain::Float(number) => float_value(number, floats),
        Plain::Time(text) | Plain::Str(text) => Value::String(text),
        Plain::Bytes(bytes) => Value::String(text::lossy(&bytes)),
        Plain::List(items) => {
            items.into_iter().map(|item| to_value(item, floats, words)).collect::<Result<_, _>>()?
        }
        Plain::Map(entries) => Value::Object(fields(entries, floats, words)?),
    })
}

fn fields(entries: Entries, floats: Floats, words: Words) -> Result<Map<String, Value>, Error> {
    let mut fields = Map::with_capacity(entries.len());
    for (key, value) in entries {
        let name = match key_name(key, words) {
            Ok(name) => name,
            Err(key) => return Err(unsupported_key(&key, &value)),
        };
        fields.insert(name, to_value(value, floats, words)?);
    }
    Ok(fields)
}

/// The name that a key has in JSON, or the key when it has none.
fn key_name(key: Plain, words: Words) -> Result<String, Plain> {
    Ok(match key {
        Plain::Str(text) | Plain::Time(text) => text,
        Plain::Bool(truth) => truth.to_string(),
        Plain::Int(number) => number.to_string(),
        Plain::Uint(number) if words == Words::V3 => number.to_string(),
        Plain::Float(number) => float_key(number),
        Plain::Bytes(bytes) => text::lossy(&bytes),
        key => return Err(key),
    })
}

pub(crate) fn infinity(number: f64) -> &'static str {
    if number > 0.0 { "+Inf" } else { "-Inf" }
}

/// The first float, by the order of keys in JSON, that JSON has no form for.
fn first_lost(value: &Plain, words: Words) -> Option<&'static str> {
    match value {
        Plain::Float(number) if number.is_nan() => Some("NaN"),
        Plain::Float(number) if number.is_infinite() => Some(infinity(*number)),
        Plain::List(items) => items.iter().find_map(|item| first_lost(item, words)),
        Plain::Map(entries) => {
            let lost = entries.iter().filter_map(|(key, value)| {
                let name = first_lost(value, words)?;
                Some((key_name(key.clone(), words).unwrap_or_default(), name))
            });
            lost.min().map(|(_, name)| name)
        }
        _ => None,
    }
}

/// The reference shows the key and all of its value.
fn unsupported_key(key: &Plain, value: &Plain) -> Error {
    let shown = |value: &Plain| match value {
        Plain::Null => "<nil>".to_owned(),
        value => go_syntax(value, Words::V2),
    };
    let kind = if *key == Plain::Null { "%!s(<nil>)" } else { "uint64" };
    let before = format!("unsupported map key of type: {kind}, key: {}", shown(key));
    let quoted = format!(", value: {}", shown(value));
    Error { bare: true, ..Error::quoting(Problem::quoting(&before, &quoted, "")) }
}

/// The JSON number; none for what is no number or has no end.
fn float_value(number: f64, floats: Floats) -> Value {
    // Negative zero stays a float: its JSON text has a sign.
    let negative_zero = number == 0.0 && number.is_sign_negative();
    if floats == Floats::AsJson && number.fract() == 0.0 && number.abs() < 1e21 && !negative_zero {
        let digits = number.to_string();
        if let Ok(whole) = digits.parse::<i64>() {
            return Value::from(whole);
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Value::from(whole);
        }
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Keys that are floats keep 32 bits, as the reference's converter has it.
fn float_key(number: f64) -> String {
    scalar::float32_text(number as f32)
}

impl From<&Plain> for Value {
    /// Floats that JSON has no form for become `null`.
    fn from(value: &Plain) -> Self {
        to_value(value.clone(), Floats::AsTheyAre, Words::V3).unwrap_or(Self::Null)
    }
}

/// Returns a number as the printers of the reference write it.
pub(crate) fn number_text(number: &Number, origin: Origin) -> String {
    match number.as_f64() {
        Some(0.0) if origin == Origin::Made => "0".to_owned(),
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

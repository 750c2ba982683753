//! Values of expressions: what is written down, and what is within another.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;
use cel::common::ast::LiteralValue;
use cel::objects::{Key, Map, Opaque, OptionalValue};

use super::super::{operations, type_name};
use super::{Outcome, Stop, failed};

/// A type as a value.
#[derive(Debug, PartialEq, Eq)]
struct TypeName(String);

impl Opaque for TypeName {
    fn runtime_type_name(&self) -> &str {
        "type"
    }
}

pub(super) fn named(name: &str) -> Value {
    Value::Opaque(Arc::new(TypeName(name.to_owned())))
}

/// The name of a type that a value is.
#[must_use]
pub fn type_within(value: &Value) -> Option<&str> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<TypeName>().map(|found| found.0.as_str()),
        _ => None,
    }
}

/// What may be absent.
#[must_use]
pub fn optional(value: Option<Value>) -> Value {
    Value::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

pub(super) fn as_optional(value: &Value) -> Option<&OptionalValue> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<OptionalValue>(),
        _ => None,
    }
}

pub(super) fn literal_value(literal: &LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(truth) => Value::Bool(*truth.inner()),
        LiteralValue::Bytes(bytes) => Value::Bytes(Arc::new(bytes.inner().to_vec())),
        LiteralValue::Double(number) => Value::Float(*number.inner()),
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => Value::String(Arc::new(text.inner().to_owned())),
        LiteralValue::UInt(number) => Value::UInt(*number.inner()),
    }
}

/// What an entry that may be absent puts into a list or map.
pub(super) fn absent_or(value: &Value) -> Result<Option<Value>, Stop> {
    match as_optional(value) {
        Some(found) => Ok(found.value().cloned()),
        None => failed(format!(
            "cannot initialize optional list element from non-optional value {}",
            type_name(value)
        )),
    }
}

pub(super) fn key_of(value: Value) -> Result<Key, Stop> {
    match value {
        Value::Int(number) => Ok(Key::Int(number)),
        Value::UInt(number) => Ok(Key::Uint(number)),
        Value::Bool(truth) => Ok(Key::Bool(truth)),
        Value::String(text) => Ok(Key::String(text)),
        other => failed(format!("unsupported key type: {}", type_name(&other))),
    }
}

pub(super) fn inserted(map: &Map, entries: impl IntoIterator<Item = (Key, Value)>) -> Outcome {
    let mut all = HashMap::clone(&map.map);
    for (key, value) in entries {
        if all.insert(key, value).is_some() {
            return failed("insert failed: key already exists");
        }
    }
    Ok(Value::Map(all.into()))
}

/// The value at a place, if there is one.
pub(super) fn found(value: &Value, place: &Value) -> Result<Option<Value>, Stop> {
    Ok(match (value, place) {
        (Value::Map(map), place) => operations::entry(map, place),
        (Value::List(items), place) => {
            let at = match place {
                Value::Int(at) => *at,
                Value::UInt(at) => i64::try_from(*at).unwrap_or(i64::MAX),
                Value::Float(at) if at.fract() == 0.0 => *at as i64,
                Value::Float(at) => return failed(format!("unsupported index value {at} in list")),
                other => return failed(format!("unsupported index type '{}' in list", type_name(other))),
            };
            usize::try_from(at).ok().and_then(|at| items.get(at)).cloned()
        }
        _ => None,
    })
}

pub(super) fn member(value: &Value, place: &Value) -> Outcome {
    if let Some(within) = as_optional(value) {
        return match within.value() {
            None => Ok(value.clone()),
            Some(inner) => {
                found(inner, place)?.map_or_else(|| missing(inner, place), |found| Ok(optional(Some(found))))
            }
        };
    }
    found(value, place)?.map_or_else(|| missing(value, place), Ok)
}

pub(super) fn missing(value: &Value, place: &Value) -> Outcome {
    let shown = match place {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => type_name(other).to_owned(),
    };
    match value {
        Value::List(_) => failed(format!("index out of bounds: {shown}")),
        _ => failed(format!("no such key: {shown}")),
    }
}

/// The value at a place, as one that may be absent.
pub(super) fn perhaps(value: &Value, place: &Value) -> Outcome {
    let inner = match as_optional(value) {
        None => value,
        Some(within) => match within.value() {
            None => return Ok(value.clone()),
            Some(inner) => inner,
        },
    };
    Ok(optional(found(inner, place)?))
}

pub(super) fn presence(value: &Value, field: &str) -> Outcome {
    let place = Value::String(Arc::new(field.to_owned()));
    let inner = match as_optional(value) {
        None => value,
        Some(within) => match within.value() {
            None => return Ok(false.into()),
            Some(inner) => inner,
        },
    };
    match inner {
        Value::Map(_) => Ok(found(inner, &place)?.is_some().into()),
        Value::List(_) => found(inner, &place).map(|found| found.is_some().into()),
        _ => Ok(false.into()),
    }
}

/// The name of a value's type, those of libraries included.
pub(super) fn long_name(value: &Value) -> String {
    match value {
        Value::Opaque(opaque) => opaque.runtime_type_name().to_owned(),
        other => type_name(other).to_owned(),
    }
}

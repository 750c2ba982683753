//! Why a call or an expression has no value, in the reference's words.
//!
//! Differs: values of the object are not shown, but for the texts that a function could not read.

use cel::{ExecutionError, Value};

use sealfast_k8s::expression::type_name;

use super::text_of;
use crate::go_text;

/// What is wrong with the values of a call.
pub(super) fn told(name: &str, values: &[Value]) -> Option<String> {
    let text = || values.first().and_then(text_of);
    let letters = || text().map_or(0, |text| text.chars().count());
    Some(match (name, values) {
        ("charAt" | "substring", [Value::String(_), Value::Int(at)]) => out_of_range(*at),
        ("substring", [Value::String(_), Value::Int(start), Value::Int(end)]) => {
            let outside = |at: i64| usize::try_from(at).map_or(true, |at| at > letters());
            match [*start, *end].into_iter().find(|at| outside(*at)) {
                Some(at) => out_of_range(at),
                None => format!("invalid substring range. start: {start}, end: {end}"),
            }
        }
        ("indexOf" | "lastIndexOf", [Value::String(_), Value::String(_), Value::Int(at)]) => {
            out_of_range(*at)
        }
        ("min" | "max", [Value::List(items)]) if items.is_empty() => format!("{name} called on empty list"),
        ("ip" | "ip.isCanonical", [Value::String(text)]) => address(text),
        ("cidr", [Value::String(text)]) => network(text),
        ("url", [Value::String(text)]) => url(text),
        ("quantity", [Value::String(_)]) => QUANTITY.to_owned(),
        ("asInteger", [Value::Opaque(_)]) => "cannot convert value to integer".to_owned(),
        ("semver", [Value::String(text), ..]) if text.matches('.').count() < 2 => {
            "No Major.Minor.Patch elements found".to_owned()
        }
        ("format", [Value::String(layout), Value::List(arguments)]) => {
            super::text::format_fault(layout, arguments)?
        }
        ("@merged", _) => "insert failed: key already exists".to_owned(),
        _ => return None,
    })
}

fn out_of_range(at: i64) -> String {
    format!("index out of range: {at}")
}

fn address(text: &str) -> String {
    let quoted = go_text::quoted(text);
    match text.parse::<std::net::IpAddr>() {
        Ok(_) => format!("IPv4-mapped IPv6 address {quoted} is not allowed"),
        Err(_) => format!(
            "IP Address {quoted} parse error during conversion from string: ParseAddr({quoted}): unable to parse IP"
        ),
    }
}

fn network(text: &str) -> String {
    let quoted = go_text::quoted(text);
    let why = match text.split_once('/') {
        None => "no '/'",
        Some((address, _)) if address.parse::<std::net::IpAddr>().is_err() => "unable to parse IP",
        Some(_) => "prefix length out of range",
    };
    format!(
        "network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix({quoted}): {why}"
    )
}

fn url(text: &str) -> String {
    let why = if text.is_empty() { "empty url" } else { "invalid URI for request" };
    format!("URL parse error during conversion from string: parse {}: {why}", go_text::quoted(text))
}

/// Why an expression has no value.
pub(in crate::validate) fn why(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } if message.starts_with("string parse error") => {
            format!("type conversion error from 'string' to '{function}'")
        }
        ExecutionError::FunctionError { message, .. } => lower(message),
        ExecutionError::Overflow(_, left, _) => match left {
            Value::UInt(_) => "unsigned integer overflow",
            Value::Timestamp(_) => "timestamp overflow",
            Value::Duration(_) => "duration overflow",
            _ => "integer overflow",
        }
        .to_owned(),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::IndexOutOfBounds(Value::Int(at)) => format!("index out of bounds: {at}"),
        ExecutionError::UnsupportedIndex(Value::Float(at), Value::List(_)) => {
            format!("unsupported index value {at} in list")
        }
        ExecutionError::UnsupportedIndex(at, Value::List(_)) => {
            format!("unsupported index type '{}' in list", type_name(at))
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, _) => {
            let sign = match *operator {
                "add" => "_+_",
                "sub" => "_-_",
                "mul" => "_*_",
                "div" => "_/_",
                _ => "_%_",
            };
            match left {
                Value::Null | Value::Bool(_) | Value::Map(_) => format!("no such overload: {sign}"),
                _ => NO_OVERLOAD.to_owned(),
            }
        }
        ExecutionError::UnexpectedType { .. } | ExecutionError::ValuesNotComparable(..) => {
            NO_OVERLOAD.to_owned()
        }
        ExecutionError::NoSuchOverload(overload) => no_overload(&overload.to_string()),
        ExecutionError::DuplicateKey(_) => "duplicate key".to_owned(),
        other => lower(&other.to_string()),
    }
}

/// Of `found no matching overload for 'F' applied to '(A, B)'` the reference tells less.
fn no_overload(text: &str) -> String {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(name), Some(types)) = (quoted.next(), quoted.next()) else { return lower(text) };
    let first = types.trim_start_matches('(').split([',', ')']).next().unwrap_or_default();
    match name {
        "_[_]" if first == "list" => {
            let index = types.trim_end_matches(')').rsplit(", ").next().unwrap_or_default();
            format!("unsupported index type '{index}' in list")
        }
        "_<_" | "_<=_" | "_>_" | "_>=_" if ["list", "map", "null_type"].contains(&first) => {
            format!("{NO_OVERLOAD}: {name}")
        }
        _ if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) => NO_OVERLOAD.to_owned(),
        _ => format!("{NO_OVERLOAD}: {name}{types}"),
    }
}

/// A text that goes on in a sentence.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let kept = text.starts_with("IP ")
        || text.starts_with("URL ")
        || text.starts_with("IPv4")
        || text.starts_with("No Major");
    match letters.next() {
        Some(first) if !kept => first.to_ascii_lowercase().to_string() + letters.as_str(),
        _ => text.to_owned(),
    }
}

const NO_OVERLOAD: &str = "no such overload";
const QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn faults_are_told_without_values() {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let (number, secret) = (Value::Int(7), text("secret"));
        for (error, wanted) in [
            (ExecutionError::Overflow("add", Value::Int(1), Value::Int(2)), "integer overflow"),
            (ExecutionError::Overflow("sub", Value::UInt(1), Value::UInt(2)), "unsigned integer overflow"),
            (ExecutionError::IndexOutOfBounds(number.clone()), "index out of bounds: 7"),
            (
                ExecutionError::UnsupportedBinaryOperator("add", secret.clone(), number.clone()),
                "no such overload",
            ),
            (
                ExecutionError::UnsupportedBinaryOperator("add", Value::Null, secret.clone()),
                "no such overload: _+_",
            ),
            (ExecutionError::ValuesNotComparable(secret.clone(), number), "no such overload"),
            (
                ExecutionError::no_such_overload("_[_]", vec!["list".into(), "string".into()]),
                "unsupported index type 'string' in list",
            ),
            (
                ExecutionError::no_such_overload("_<_", vec!["list".into(), "list".into()]),
                "no such overload: _<_",
            ),
            (ExecutionError::no_such_overload("string", vec!["map".into()]), "no such overload: string(map)"),
        ] {
            assert_eq!(why(&error), wanted);
        }
        let list = Value::List(Arc::new(vec![secret.clone()]));
        for (name, values, wanted) in [
            ("substring", vec![secret.clone(), Value::Int(1), Value::Int(9)], "index out of range: 9"),
            ("min", vec![Value::List(Arc::new(Vec::new()))], "min called on empty list"),
            (
                "format",
                vec![text("%d"), list.clone()],
                "error during formatting: decimal clause can only be used on integers, was given string",
            ),
            ("format", vec![text("%s %s"), list], "index 1 out of range"),
            ("url", vec![text("")], "URL parse error during conversion from string: parse \"\": empty url"),
        ] {
            assert_eq!(told(name, &values).as_deref(), Some(wanted));
        }
        assert_eq!(told("trim", &[secret]), None);
    }
}

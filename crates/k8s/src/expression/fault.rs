//! Why an expression has no value, in cel-go's words.
//!
//! Differs: values are not shown, but for the number that an index was.

use cel::{ExecutionError, Value};

use super::type_name;

/// Why an expression has no value.
#[must_use]
pub fn why(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } if message.starts_with("string parse error") => {
            format!("type conversion error from 'string' to '{function}'")
        }
        ExecutionError::FunctionError { function, message } => match function.as_str() {
            // What does not read as one may be anything.
            "duration" => "type conversion error from 'string' to 'google.protobuf.Duration'".to_owned(),
            "timestamp" => "type conversion error from 'string' to 'google.protobuf.Timestamp'".to_owned(),
            "timezone" => "unknown time zone".to_owned(),
            _ => lower(message),
        },
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
        ExecutionError::NoSuchKey(_)
        | ExecutionError::UndeclaredReference(_)
        | ExecutionError::InvalidArgumentCount { .. }
        | ExecutionError::MissingArgumentOrTarget => lower(&error.to_string()),
        // What these tell has values in it.
        _ => NO_OVERLOAD.to_owned(),
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
        // What a function is called on counts as its first value.
        _ => match types.split_once(".(") {
            Some((receiver, ")")) => format!("{NO_OVERLOAD}: {name}({receiver})"),
            Some((receiver, others)) => format!("{NO_OVERLOAD}: {name}({receiver}, {others}"),
            None => format!("{NO_OVERLOAD}: {name}{types}"),
        },
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
            (ExecutionError::UnsupportedKeyType(secret.clone()), "no such overload"),
            (
                ExecutionError::function_error("duration", "`secret` is no duration"),
                "type conversion error from 'string' to 'google.protobuf.Duration'",
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
    }
}

//! Operators and conversions: what they give, and what is wrong with their values.

use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::sync::Arc;

use cel::Value;
use cel::common::ast::operators;
use cel::objects::{Key, Map};

use super::budget::Budget;
use super::type_name;
use crate::duration;

type Outcome = Result<Value, String>;

/// What an operator or a conversion gives; `None` when it is none of them.
pub(super) fn operator(name: &str, values: &[Value], budget: &Budget) -> Option<Outcome> {
    Some(match (name, values) {
        (operators::EQUALS, [left, right]) => Ok(is_same(left, right, budget).into()),
        (operators::NOT_EQUALS, [left, right]) => Ok((!is_same(left, right, budget)).into()),
        (
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
            [left, right],
        ) => ordered(name, left, right),
        (operators::ADD, [left, right]) => sum(left, right),
        (operators::SUBSTRACT, [left, right]) => difference(left, right),
        (operators::MULTIPLY | operators::DIVIDE | operators::MODULO, [left, right]) => {
            calculated(name, left, right)
        }
        (operators::NEGATE, [one]) => match one {
            Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(|| overflow("integer")),
            Value::Float(number) => Ok(Value::Float(-number)),
            Value::Duration(length) => lasting(Some(-*length)),
            _ => Err(lacking(name)),
        },
        (operators::LOGICAL_NOT, [one]) => match one {
            Value::Bool(truth) => Ok((!truth).into()),
            _ => Err(lacking(name)),
        },
        (operators::IN, [value, range]) => match range {
            Value::List(items) => Ok(is_among(items, value, budget).into()),
            Value::Map(map) => Ok(entry(map, value).is_some().into()),
            _ => Err(NO_OVERLOAD.to_owned()),
        },
        ("size", [one]) => match one {
            Value::String(text) => Ok(count(text.chars().count())),
            Value::Bytes(bytes) => Ok(count(bytes.len())),
            Value::List(items) => Ok(count(items.len())),
            Value::Map(map) => Ok(count(map.map.len())),
            _ => Err(super::no_overload(name, values)),
        },
        ("startsWith", [Value::String(text), Value::String(part)]) => Ok(text.starts_with(&***part).into()),
        ("endsWith", [Value::String(text), Value::String(part)]) => Ok(text.ends_with(&***part).into()),
        ("contains", [Value::String(text), Value::String(part)]) => Ok(text.contains(&***part).into()),
        ("startsWith" | "endsWith" | "contains", _) => Err(super::no_overload(name, values)),
        ("duration", [Value::String(text)]) => read_length(text),
        // These the reader takes, and the reference does not.
        ("timestamp", [Value::String(text)]) if text.contains(['t', 'z', ' ']) || is_leap_second(text) => {
            Err(unread(&values[0], "google.protobuf.Timestamp"))
        }
        ("timestamp", [Value::Int(seconds)]) if !SECONDS.contains(seconds) => Err(overflow("timestamp")),
        ("int" | "uint" | "double" | "bool" | "string" | "bytes", [one]) => return converted(name, one),
        _ => return None,
    })
}

fn count(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn is_among(items: &[Value], value: &Value, budget: &Budget) -> bool {
    items.iter().any(|item| is_same(item, value, budget))
}

/// Whether two values are the same; numbers of several types may be. What it says is nothing once the time is over.
fn is_same(left: &Value, right: &Value, budget: &Budget) -> bool {
    let letters = match left {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    if !budget.work(1 + letters as u64 / LETTERS_A_STEP) {
        return false;
    }
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(one, other)| is_same(one, other, budget))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.map.len() == right.map.len()
                && left.map.iter().all(|(key, one)| {
                    entry(right, &Value::from(key)).is_some_and(|other| is_same(one, &other, budget))
                })
        }
        (
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
        ) => compared(left, right) == Some(Ordering::Equal),
        _ => left == right,
    }
}

/// The value of a key; numbers of several types may be one key.
pub(super) fn entry(map: &Map, key: &Value) -> Option<Value> {
    let key = match key {
        Value::String(text) => Key::String(Arc::clone(text)),
        Value::Bool(truth) => Key::Bool(*truth),
        Value::Int(number) => Key::Int(*number),
        Value::UInt(number) => Key::Uint(*number),
        Value::Float(number) if number.fract() == 0.0 => Key::Int(*number as i64),
        _ => return None,
    };
    let other = match &key {
        Key::Int(number) => u64::try_from(*number).ok().map(Key::Uint),
        Key::Uint(number) => i64::try_from(*number).ok().map(Key::Int),
        _ => None,
    };
    map.map.get(&key).or_else(|| map.map.get(&other?)).cloned()
}

/// Which of two values comes first; `None` of those that have no order.
pub(super) fn compared(left: &Value, right: &Value) -> Option<Ordering> {
    use Value::{Bool, Bytes, Duration, Float, Int, String, Timestamp, UInt};
    match (left, right) {
        (Int(left), Int(right)) => Some(left.cmp(right)),
        (UInt(left), UInt(right)) => Some(left.cmp(right)),
        (Int(left), UInt(right)) => Some(i128::from(*left).cmp(&i128::from(*right))),
        (UInt(left), Int(right)) => Some(i128::from(*left).cmp(&i128::from(*right))),
        (Float(left), Float(right)) => left.partial_cmp(right),
        (Float(left), Int(right)) => with_whole(*left, i128::from(*right)),
        (Float(left), UInt(right)) => with_whole(*left, i128::from(*right)),
        (Int(left), Float(right)) => with_whole(*right, i128::from(*left)).map(Ordering::reverse),
        (UInt(left), Float(right)) => with_whole(*right, i128::from(*left)).map(Ordering::reverse),
        (String(left), String(right)) => Some(left.cmp(right)),
        (Bytes(left), Bytes(right)) => Some(left.cmp(right)),
        (Bool(left), Bool(right)) => Some(left.cmp(right)),
        (Timestamp(left), Timestamp(right)) => Some(left.cmp(right)),
        (Duration(left), Duration(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn with_whole(number: f64, whole: i128) -> Option<Ordering> {
    if number.is_nan() {
        return None;
    }
    if number.is_infinite() || number.abs() > 1e30 {
        return Some(if number > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    let floor = number.floor();
    Some((floor as i128).cmp(&whole).then(if number > floor { Ordering::Greater } else { Ordering::Equal }))
}

fn ordered(name: &str, left: &Value, right: &Value) -> Outcome {
    use Value::{Bool, Bytes, Duration, Float, Int, String, Timestamp, UInt};
    if !matches!(
        left,
        Int(_) | UInt(_) | Float(_) | String(_) | Bytes(_) | Bool(_) | Timestamp(_) | Duration(_)
    ) {
        return Err(lacking(name));
    }
    let nan = |value: &Value| matches!(value, Float(number) if number.is_nan());
    let Some(order) = compared(left, right) else {
        let numbers = |value: &Value| matches!(value, Int(_) | UInt(_) | Float(_));
        if numbers(left) && numbers(right) && (nan(left) || nan(right)) {
            return Err("NaN values cannot be ordered".to_owned());
        }
        return Err(NO_OVERLOAD.to_owned());
    };
    Ok(match name {
        operators::LESS => order.is_lt(),
        operators::LESS_EQUALS => order.is_le(),
        operators::GREATER => order.is_gt(),
        _ => order.is_ge(),
    }
    .into())
}

fn sum(left: &Value, right: &Value) -> Outcome {
    use Value::{Bytes, Duration, Float, Int, List, String, Timestamp, UInt};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_add(*right).map(Int).ok_or_else(|| overflow("integer")),
        (UInt(left), UInt(right)) => {
            left.checked_add(*right).map(UInt).ok_or_else(|| overflow("unsigned integer"))
        }
        (Float(left), Float(right)) => Ok(Float(left + right)),
        (String(left), String(right)) => Ok(String(Arc::new(format!("{left}{right}")))),
        (Bytes(left), Bytes(right)) => Ok(Bytes(Arc::new([left.as_slice(), right.as_slice()].concat()))),
        (List(left), List(right)) => Ok(List(Arc::new([left.as_slice(), right.as_slice()].concat()))),
        (Duration(left), Duration(right)) => lasting(left.checked_add(right)),
        (Timestamp(time), Duration(length)) | (Duration(length), Timestamp(time)) => {
            moment(time.checked_add_signed(*length))
        }
        (Int(_) | UInt(_) | Float(_) | String(_) | Bytes(_) | List(_) | Duration(_) | Timestamp(_), _) => {
            Err(NO_OVERLOAD.to_owned())
        }
        _ => Err(lacking(operators::ADD)),
    }
}

fn difference(left: &Value, right: &Value) -> Outcome {
    use Value::{Duration, Float, Int, Timestamp, UInt};
    match (left, right) {
        (Int(left), Int(right)) => left.checked_sub(*right).map(Int).ok_or_else(|| overflow("integer")),
        (UInt(left), UInt(right)) => {
            left.checked_sub(*right).map(UInt).ok_or_else(|| overflow("unsigned integer"))
        }
        (Float(left), Float(right)) => Ok(Float(left - right)),
        (Duration(left), Duration(right)) => lasting(left.checked_sub(right)),
        (Timestamp(time), Duration(length)) => moment(time.checked_sub_signed(*length)),
        (Timestamp(left), Timestamp(right)) => lasting(Some(left.signed_duration_since(right))),
        (Int(_) | UInt(_) | Float(_) | Duration(_) | Timestamp(_), _) => Err(NO_OVERLOAD.to_owned()),
        _ => Err(lacking(operators::SUBSTRACT)),
    }
}

/// A length of time has no more nanoseconds than a number has room for.
fn lasting(length: Option<chrono::Duration>) -> Outcome {
    let length = length.filter(|length| length.num_nanoseconds().is_some());
    length.map(Value::Duration).ok_or_else(|| overflow("duration"))
}

/// A point in time is in the years 1 to 9999.
fn moment(time: Option<chrono::DateTime<chrono::FixedOffset>>) -> Outcome {
    let time = time.filter(|time| SECONDS.contains(&time.timestamp()));
    time.map(Value::Timestamp).ok_or_else(|| overflow("timestamp"))
}

fn calculated(name: &str, left: &Value, right: &Value) -> Outcome {
    use Value::{Float, Int, UInt};
    match (left, right) {
        (Int(_), Int(0)) | (UInt(_), UInt(0)) if name == operators::DIVIDE => {
            Err("division by zero".to_owned())
        }
        (Int(_), Int(0)) | (UInt(_), UInt(0)) if name == operators::MODULO => {
            Err("modulus by zero".to_owned())
        }
        (Int(left), Int(right)) => {
            let result = match name {
                operators::MULTIPLY => left.checked_mul(*right),
                operators::DIVIDE => left.checked_div(*right),
                _ => left.checked_rem(*right),
            };
            result.map(Int).ok_or_else(|| overflow("integer"))
        }
        (UInt(left), UInt(right)) => {
            let result = match name {
                operators::MULTIPLY => left.checked_mul(*right),
                operators::DIVIDE => left.checked_div(*right),
                _ => left.checked_rem(*right),
            };
            result.map(UInt).ok_or_else(|| overflow("unsigned integer"))
        }
        (Float(left), Float(right)) if name == operators::MULTIPLY => Ok(Float(left * right)),
        (Float(left), Float(right)) if name == operators::DIVIDE => Ok(Float(left / right)),
        (Int(_) | UInt(_), _) => Err(NO_OVERLOAD.to_owned()),
        (Float(_), _) if name != operators::MODULO => Err(NO_OVERLOAD.to_owned()),
        _ => Err(lacking(name)),
    }
}

fn unread(value: &Value, name: &str) -> String {
    format!("type conversion error from '{}' to '{name}'", type_name(value))
}

/// A length of time as Go reads it.
fn read_length(text: &str) -> Outcome {
    let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let length = duration::parse(rest).ok().filter(|_| !(is_negative && rest.starts_with('+')));
    let length = length.and_then(|length| chrono::Duration::from_std(length).ok());
    let length = length.map(|length| if is_negative { -length } else { length });
    length.map(Value::Duration).ok_or_else(|| {
        format!(
            "type conversion error from 'string' to '{}'",
            type_name(&Value::Duration(chrono::Duration::zero()))
        )
    })
}

fn is_leap_second(text: &str) -> bool {
    text.split(':').nth(2).is_some_and(|seconds| seconds.starts_with("60"))
}

/// What conversions of plain values give; `None` of those that are left to others.
fn converted(name: &str, value: &Value) -> Option<Outcome> {
    use Value::{Bool, Bytes, Duration, Float, Int, String, Timestamp, UInt};
    let unread = || Err(unread(value, name));
    let text = |text: std::string::String| Ok(String(Arc::new(text)));
    Some(match (name, value) {
        ("int", Int(_)) | ("uint", UInt(_)) | ("double", Float(_)) | ("bool", Bool(_)) => Ok(value.clone()),
        ("string", String(_)) | ("bytes", Bytes(_)) => Ok(value.clone()),
        ("int", UInt(number)) => i64::try_from(*number).map(Int).map_err(|_| overflow("integer")),
        // The greatest number that a double has below is the last that fits.
        ("int", Float(number)) => {
            let fits = *number > -9_223_372_036_854_775_808.0 && *number < 9_223_372_036_854_775_808.0;
            if fits { Ok(Int(*number as i64)) } else { Err(overflow("integer")) }
        }
        ("int", String(text)) => go_number(text).map_or_else(unread, |number: i64| Ok(Int(number))),
        ("int", Timestamp(time)) => Ok(Int(time.timestamp())),
        ("int", Duration(length)) => length.num_nanoseconds().map(Int).ok_or_else(|| overflow("integer")),
        ("uint", Int(number)) => u64::try_from(*number).map(UInt).map_err(|_| overflow("unsigned integer")),
        ("uint", Float(number)) => {
            let fits = *number >= 0.0 && *number < 18_446_744_073_709_551_616.0;
            if fits { Ok(UInt(*number as u64)) } else { Err(overflow("unsigned integer")) }
        }
        ("uint", String(text)) => {
            let signed = text.starts_with(['+', '-']);
            let read = go_number(text).filter(|_| !signed);
            read.map_or_else(unread, |number: u64| Ok(UInt(number)))
        }
        ("double", Int(number)) => Ok(Float(*number as f64)),
        ("double", UInt(number)) => Ok(Float(*number as f64)),
        ("double", String(text)) => {
            let read = text.parse::<f64>().ok().filter(|number| number.is_finite() || is_named(text));
            read.map_or_else(unread, |number| Ok(Float(number)))
        }
        ("bool", String(text)) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Bool(false)),
            _ => unread(),
        },
        ("string", Int(number)) => text(number.to_string()),
        ("string", UInt(number)) => text(number.to_string()),
        ("string", Bool(truth)) => text(truth.to_string()),
        ("string", Float(number)) => text(go_float(*number)),
        ("string", Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(read) => text(read.to_owned()),
            Err(_) => Err("invalid UTF-8 in bytes, cannot convert to string".to_owned()),
        },
        ("string", Timestamp(time)) => text(time_text(time)),
        ("string", Duration(length)) => text(length_text(length)),
        ("bytes", String(text)) => Ok(Bytes(Arc::new(text.as_bytes().to_vec()))),
        (_, Value::Opaque(_)) => return None,
        _ => Err(super::no_overload(name, std::slice::from_ref(value))),
    })
}

/// A whole number as Go reads it: a sign and digits.
fn go_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// What is written as a number without end.
fn is_named(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    ["inf", "infinity", "nan"].contains(&text.as_str())
}

/// A number as Go prints it: the fewest digits, and an exponent for what is large or small.
#[must_use]
pub fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A point in time with as many digits as it needs, in UTC.
#[must_use]
pub fn time_text(time: &chrono::DateTime<chrono::FixedOffset>) -> String {
    let nanos = format!("{:09}", time.timestamp_subsec_nanos());
    let digits = nanos.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("{}{point}{digits}Z", time.to_utc().format("%Y-%m-%dT%H:%M:%S"))
}

/// A length of time in seconds.
#[must_use]
pub fn length_text(length: &chrono::Duration) -> String {
    let nanos = length.num_nanoseconds().unwrap_or(i64::MAX);
    format!("{}s", nanos as f64 / 1e9)
}

fn overflow(of: &str) -> String {
    format!("{of} overflow")
}

/// What a value has no operator for.
fn lacking(name: &str) -> String {
    format!("{NO_OVERLOAD}: {name}")
}

/// Seconds of the years 1 to 9999.
pub const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// Letters that are compared in one step.
const LETTERS_A_STEP: u64 = 256;
const NO_OVERLOAD: &str = "no such overload";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn endless() -> Budget {
        Budget::new(1000, 1000, Duration::from_secs(1 << 20))
    }

    #[test]
    fn whole_values_are_compared_as_long_as_there_is_time() {
        let mut value = Value::Int(1);
        // As a tree it has more parts than could ever be compared.
        for _ in 0..60 {
            value = Value::List(Arc::new(vec![value.clone(), value]));
        }
        for (name, range) in [
            (operators::EQUALS, value.clone()),
            (operators::NOT_EQUALS, value.clone()),
            (operators::IN, Value::List(Arc::new(vec![value.clone()]))),
        ] {
            let late = Budget::new(1000, 1000, Duration::ZERO);
            assert!(operator(name, &[value.clone(), range], &late).is_some());
            assert!(late.is_spent(), "{name}");
        }
    }

    #[test]
    fn numbers_are_compared_across_their_types_and_shown_as_go_does() {
        let budget = endless();
        let same = |one: &Value, other: &Value| is_same(one, other, &budget);
        assert!(same(&Value::Int(1), &Value::Float(1.0)) && same(&Value::UInt(1), &Value::Int(1)));
        assert_eq!(
            compared(&Value::Int(i64::MAX), &Value::Float(9_223_372_036_854_775_808.0)),
            Some(Ordering::Less)
        );
        assert_eq!(compared(&Value::Float(1.5), &Value::Int(1)), Some(Ordering::Greater));
        assert_eq!(compared(&Value::Float(f64::NAN), &Value::Int(1)), None);
        for (number, wanted) in [(1e6, "1e+06"), (100_000.0, "100000"), (0.000_01, "1e-05"), (1.5, "1.5")] {
            assert_eq!(go_float(number), wanted);
        }
    }

    #[test]
    fn what_is_wrong_with_values_is_told_as_by_the_reference() {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        for (name, values, wanted) in [
            (operators::ADD, vec![Value::Int(i64::MAX), Value::Int(1)], "integer overflow"),
            (operators::SUBSTRACT, vec![Value::UInt(0), Value::UInt(1)], "unsigned integer overflow"),
            (operators::DIVIDE, vec![Value::Int(1), Value::Int(0)], "division by zero"),
            (operators::MODULO, vec![Value::Int(1), Value::Int(0)], "modulus by zero"),
            (operators::ADD, vec![text("a"), Value::Int(1)], "no such overload"),
            (operators::ADD, vec![Value::Null, Value::Int(1)], "no such overload: _+_"),
            (operators::LESS, vec![Value::Null, Value::Int(1)], "no such overload: _<_"),
            ("int", vec![text("0x1")], "type conversion error from 'string' to 'int'"),
            ("int", vec![Value::Float(1e30)], "integer overflow"),
            ("uint", vec![Value::Int(-1)], "unsigned integer overflow"),
            ("timestamp", vec![Value::Int(i64::MAX)], "timestamp overflow"),
        ] {
            assert_eq!(operator(name, &values, &endless()), Some(Err(wanted.to_owned())), "{name}");
        }
    }
}

//! Quantities and versions.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use cel::Value;
use cel::objects::Opaque;

use super::{Function, text_of};
use crate::quantity;

/// A quantity in nanos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Quantity(i128);

/// A version of semver.org without its build.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    /// What follows the dash; a release has none and is the greatest.
    pre: Vec<String>,
}

impl Opaque for Quantity {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.Quantity"
    }
}

impl Opaque for Version {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.Semver"
    }
}

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("quantity", |values| Some(wrapped(parsed(values.first()?)?))),
    ("isQuantity", |values| {
        text_of(values.first()?)?;
        Some(parsed(&values[0]).is_some().into())
    }),
    ("sign", |values| Some(Value::Int(held(values.first()?)?.0.signum() as i64))),
    ("isInteger", |values| {
        let nanos = held(values.first()?)?.0;
        Some((nanos % NANO == 0 && i64::try_from(nanos / NANO).is_ok()).into())
    }),
    ("asInteger", |values| {
        let nanos = held(values.first()?)?.0;
        (nanos % NANO == 0).then(|| i64::try_from(nanos / NANO).ok().map(Value::Int)).flatten()
    }),
    ("asApproximateFloat", |values| Some(Value::Float(held(values.first()?)?.0 as f64 / NANO as f64))),
    ("add", |values| Some(wrapped(Quantity(held(values.first()?)?.0.checked_add(number(values.get(1)?)?)?)))),
    ("sub", |values| Some(wrapped(Quantity(held(values.first()?)?.0.checked_sub(number(values.get(1)?)?)?)))),
    ("semver", |values| Some(Value::Opaque(Arc::new(version(&spelled(values)?)?)))),
    ("isSemver", |values| Some(version(&spelled(values)?).is_some().into())),
    ("major", |values| part(values, 0)),
    ("minor", |values| part(values, 1)),
    ("patch", |values| part(values, 2)),
    ("isGreaterThan", |values| Some((compared(values)? == Ordering::Greater).into())),
    ("isLessThan", |values| Some((compared(values)? == Ordering::Less).into())),
    ("compareTo", |values| Some(Value::Int(compared(values)? as i64))),
];

fn parsed(value: &Value) -> Option<Quantity> {
    let text = text_of(value)?;
    // The reference takes a unit alone for none of it.
    let alone = || UNITS.contains(&text).then_some(0);
    quantity::nanos(text).or_else(alone).map(Quantity)
}

fn wrapped(quantity: Quantity) -> Value {
    Value::Opaque(Arc::new(quantity))
}

fn held(value: &Value) -> Option<Quantity> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Quantity>().copied(),
        _ => None,
    }
}

/// The nanos of a quantity or a whole number.
fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number) * NANO),
        other => held(other).map(|quantity| quantity.0),
    }
}

fn compared(values: &[Value]) -> Option<Ordering> {
    let [Value::Opaque(left), Value::Opaque(right)] = values else { return None };
    if let (Some(left), Some(right)) = (left.downcast_ref::<Quantity>(), right.downcast_ref::<Quantity>()) {
        return Some(left.cmp(right));
    }
    let (left, right) = (left.downcast_ref::<Version>()?, right.downcast_ref::<Version>()?);
    Some(left.numbers.cmp(&right.numbers).then_with(|| precedence(&left.pre, &right.pre)))
}

fn precedence(left: &[String], right: &[String]) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let pairs =
        left.iter().zip(right).map(|(left, right)| match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
        });
    pairs.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
}

fn part(values: &[Value], at: usize) -> Option<Value> {
    let Value::Opaque(opaque) = values.first()? else { return None };
    i64::try_from(opaque.downcast_ref::<Version>()?.numbers[at]).ok().map(Value::Int)
}

/// The text of a version; `true` beside it allows a `v`, missing numbers and leading zeros.
fn spelled(values: &[Value]) -> Option<Cow<'_, str>> {
    match values {
        [Value::String(text)] | [Value::String(text), Value::Bool(false)] => {
            Some(Cow::Borrowed(text.as_str()))
        }
        [Value::String(text), Value::Bool(true)] => Some(Cow::Owned(normal(text))),
        _ => None,
    }
}

/// Follows: `normalizeAndParse` of the reference, by which a short version takes no suffix.
fn normal(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if !parts.last().is_some_and(|last| last.contains(['+', '-'])) {
        parts.resize(3.max(parts.len()), "0".to_owned());
    }
    parts.join(".")
}

fn without_zeros(part: &str) -> String {
    if part.len() < 2 {
        return part.to_owned();
    }
    let short = part.trim_start_matches('0');
    let whole = !short.starts_with(|letter: char| letter.is_ascii_digit());
    if whole { format!("0{short}") } else { short.to_owned() }
}

fn version(text: &str) -> Option<Version> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_padded = |part: &str| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_sound = build.is_none_or(|build| build.split('.').all(is_word))
        && pre.is_none_or(|pre| pre.split('.').all(|part| is_word(part) && !is_padded(part)));
    if !is_sound {
        return None;
    }
    let mut numbers = core.split('.').map(|part| {
        let plain = part == "0" || !part.starts_with('0');
        part.parse::<u64>().ok().filter(|_| plain && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    let pre: Vec<String> = pre.into_iter().flat_map(|pre| pre.split('.')).map(str::to_owned).collect();
    numbers.next().is_none().then_some(Version { numbers: found, pre })
}

const NANO: i128 = 1_000_000_000;
const UNITS: [&str; 15] = ["n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_those_of_semver() {
        for text in ["1.0.0", "1.0.0-a.b", "1.0.0-0.1", "1.0.0-01a", "1.0.0-a-b+c.d", "1.0.0+01", "1.0.0--"] {
            assert!(version(text).is_some(), "{text}");
        }
        for text in [
            "1.0.0-a..b",
            "1.0.0-01",
            "1.0.0+?",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-a+",
            "1.0.0-é",
            "1.0",
            "01.0.0",
            "1.0.0.0",
        ] {
            assert!(version(text).is_none(), "{text}");
        }
    }
}

//! What expressions may call beside CEL itself: strings, sets, encoders.
//!
//! Follows: the libraries that fluxcd/pkg/runtime/cel switches on. A function takes its receiver and arguments in one
//! list; `None` is an overload that does not exist.

use std::sync::Arc;

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use cel::Value;
use sealfast_k8s::expression::overloads::Declared;
use sealfast_k8s::expression::quoted;
use sealfast_k8s::expression::run::Function;

mod format;

/// Those that texts and sets do not have.
pub(super) const DECLARED: &[Declared] = &[
    ("reverse", &[("string_reverse", "s.()s")]),
    ("base64.encode", &[("base64_encode_bytes", "(y)s")]),
    ("base64.decode", &[("base64_decode_string", "(s)y")]),
];

/// What is wrong with the values of a call; `None` when they are of the wrong types.
pub(super) fn told(name: &str, values: &[Value]) -> Option<String> {
    let outside = |at: &i64| format!("index out of range: {at}");
    Some(match (name, values) {
        ("substring", [Value::String(_), Value::Int(start), Value::Int(end)]) if start > end => {
            format!("invalid substring range. start: {start}, end: {end}")
        }
        ("substring", [Value::String(text), Value::Int(start), Value::Int(end)]) => {
            let count = text.chars().count();
            let is_outside = |at: &&i64| usize::try_from(**at).map_or(true, |at| at > count);
            outside([start, end].into_iter().find(is_outside)?)
        }
        ("charAt" | "substring", [Value::String(_), Value::Int(at)]) => outside(at),
        ("indexOf" | "lastIndexOf", [Value::String(_), Value::String(_), Value::Int(at)]) => outside(at),
        ("format", values) => format(values)?.err()?,
        ("base64.decode", [Value::String(text)]) => decoded(text).err()?,
        _ => return None,
    })
}

/// Each by its name.
pub(super) const FUNCTIONS: [(&str, Function); 18] = [
    ("charAt", |values| {
        let (letters, at) = (letters(values.first()?)?, place(values.get(1)?)?);
        (at <= letters.len()).then(|| texted(letters.get(at).map(char::to_string).unwrap_or_default()))
    }),
    ("indexOf", |values| {
        if let Some(place) = of_nothing(values) {
            return Some(place);
        }
        let (text, from) = (letters(values.first()?)?, values.get(2).map_or(Some(0), place)?);
        let wanted = letters(values.get(1)?)?;
        let mut places = from..=text.len().saturating_sub(wanted.len());
        let fits = |at: &usize| text.get(*at..*at + wanted.len()) == Some(&wanted[..]);
        Some(Value::Int(places.find(fits).map_or(-1, number)))
    }),
    ("lastIndexOf", |values| {
        if let Some(place) = of_nothing(values) {
            return Some(place);
        }
        let (text, wanted) = (letters(values.first()?)?, letters(values.get(1)?)?);
        let most = values.get(2).map_or(Some(text.len()), place)?;
        let last = text.len().checked_sub(wanted.len()).map(|last| last.min(most));
        let fits = |at: &usize| text.get(*at..*at + wanted.len()) == Some(&wanted[..]);
        Some(Value::Int(last.and_then(|last| (0..=last).rev().find(fits)).map_or(-1, number)))
    }),
    ("lowerAscii", |values| Some(texted(text(values.first()?)?.to_ascii_lowercase()))),
    ("upperAscii", |values| Some(texted(text(values.first()?)?.to_ascii_uppercase()))),
    ("trim", |values| Some(texted(text(values.first()?)?.trim()))),
    ("reverse", |values| Some(texted(letters(values.first()?)?.iter().rev().collect::<String>()))),
    ("replace", |values| {
        let (from, to) = (text(values.get(1)?)?, text(values.get(2)?)?);
        Some(texted(text(values.first()?)?.replacen(from, to, most(values.get(3))?)))
    }),
    ("split", split),
    ("substring", |values| {
        let letters = letters(values.first()?)?;
        let start = place(values.get(1)?)?;
        let end = values.get(2).map_or(Some(letters.len()), place)?;
        Some(texted(letters.get(start..end)?.iter().collect::<String>()))
    }),
    ("join", |values| {
        let parts: Option<Vec<&str>> = list(values.first()?)?.iter().map(text).collect();
        Some(texted(parts?.join(values.get(1).map_or(Some(""), text)?)))
    }),
    ("format", |values| Some(texted(format(values)?.ok()?))),
    ("strings.quote", |values| Some(texted(quoted(text(values.first()?)?)))),
    ("sets.contains", |values| {
        let (all, some) = (list(values.first()?)?, list(values.get(1)?)?);
        Some(holds(all, some).into())
    }),
    ("sets.intersects", |values| {
        let (left, right) = (list(values.first()?)?, list(values.get(1)?)?);
        Some(left.iter().any(|item| right.contains(item)).into())
    }),
    ("sets.equivalent", |values| {
        let (left, right) = (list(values.first()?)?, list(values.get(1)?)?);
        Some((holds(left, right) && holds(right, left)).into())
    }),
    ("base64.encode", |values| match values {
        [Value::Bytes(bytes)] => Some(texted(STANDARD.encode(bytes.as_slice()))),
        _ => None,
    }),
    ("base64.decode", |values| Some(Value::Bytes(Arc::new(decoded(text(values.first()?)?).ok()?)))),
];

fn holds(all: &[Value], some: &[Value]) -> bool {
    some.iter().all(|item| all.contains(item))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn letters(value: &Value) -> Option<Vec<char>> {
    text(value).map(|text| text.chars().collect())
}

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(items) => Some(items),
        _ => None,
    }
}

fn place(value: &Value) -> Option<usize> {
    match value {
        Value::Int(at) => usize::try_from(*at).ok(),
        _ => None,
    }
}

/// No letters are wherever they are looked for.
fn of_nothing(values: &[Value]) -> Option<Value> {
    match values {
        [Value::String(_), Value::String(part), Value::Int(at)] if part.is_empty() => Some(Value::Int(*at)),
        _ => None,
    }
}

fn number(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

/// No number, or a negative one: as many as there are.
fn most(value: Option<&Value>) -> Option<usize> {
    match value {
        None => Some(usize::MAX),
        Some(Value::Int(most)) => Some(usize::try_from(*most).unwrap_or(usize::MAX)),
        Some(_) => None,
    }
}

fn texted(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

fn split(values: &[Value]) -> Option<Value> {
    let (whole, by, most) = (text(values.first()?)?, text(values.get(1)?)?, most(values.get(2))?);
    let parts: Vec<Value> = match by {
        _ if most == 0 => Vec::new(),
        "" if most == usize::MAX => whole.chars().map(|letter| texted(letter.to_string())).collect(),
        _ => whole.splitn(most, by).map(texted).collect(),
    };
    Some(Value::List(Arc::new(parts)))
}

/// The values of a call of `format`, filled in.
fn format(values: &[Value]) -> Option<Result<String, String>> {
    Some(format::filled(text(values.first()?)?, list(values.get(1)?)?))
}

/// Base64 with or without its padding; line breaks count for nothing, and neither do bits that are left over.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let whole: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    let decoded = PADDED.decode(&whole).or_else(|_| UNPADDED.decode(&whole));
    decoded.map_err(|_| {
        let is_wrong = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+/\r\n".contains(byte);
        let at = text.bytes().position(|byte| is_wrong(&byte));
        format!("illegal base64 data at input byte {}", at.unwrap_or(text.len().saturating_sub(1)))
    })
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    LENIENT.with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

//! What expressions may call beside CEL itself: strings, sets, encoders.
//!
//! Follows: the libraries that fluxcd/pkg/runtime/cel switches on. A function takes its receiver and arguments in one
//! list; `None` is an overload that does not exist.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use cel::Value;
use sealfast_k8s::expression::overloads::Declared;
use sealfast_k8s::expression::quoted;
use sealfast_k8s::expression::run::Function;

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
        let (text, from) = (letters(values.first()?)?, values.get(2).map_or(Some(0), place)?);
        let wanted = letters(values.get(1)?)?;
        let mut places = from..=text.len().saturating_sub(wanted.len());
        let fits = |at: &usize| text.get(*at..*at + wanted.len()) == Some(&wanted[..]);
        Some(Value::Int(places.find(fits).map_or(-1, number)))
    }),
    ("lastIndexOf", |values| {
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
    ("format", format),
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
    ("base64.decode", |values| {
        let text = text(values.first()?)?;
        let bytes = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
        Some(Value::Bytes(Arc::new(bytes)))
    }),
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

/// `%s`, `%d`, `%f` with a precision, and `%%`.
fn format(values: &[Value]) -> Option<Value> {
    let mut given = list(values.get(1)?)?.iter();
    let (mut out, mut rest) = (String::new(), text(values.first()?)?.chars().peekable());
    while let Some(letter) = rest.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut digits = String::new();
        if rest.next_if_eq(&'.').is_some() {
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
        }
        let digits = digits.parse::<usize>().ok().filter(|digits| *digits <= 100).unwrap_or(6);
        match rest.next()? {
            '%' => out.push('%'),
            verb => out.push_str(&formatted(verb, digits, given.next()?)?),
        }
    }
    given.next().is_none().then(|| texted(out))
}

fn formatted(verb: char, digits: usize, value: &Value) -> Option<String> {
    Some(match (verb, value) {
        ('s', Value::String(text)) => text.to_string(),
        ('s', Value::Bool(truth)) => truth.to_string(),
        ('s', Value::Null) => "null".to_owned(),
        ('s', Value::List(items)) => {
            let items: Option<Vec<String>> = items.iter().map(|item| formatted('s', digits, item)).collect();
            format!("[{}]", items?.join(", "))
        }
        ('s' | 'd', Value::Int(number)) => number.to_string(),
        ('s' | 'd', Value::UInt(number)) => number.to_string(),
        ('s', Value::Float(number)) => number.to_string(),
        ('f', Value::Float(number)) => format!("{number:.digits$}"),
        ('f', Value::Int(number)) => format!("{:.digits$}", *number as f64),
        _ => return None,
    })
}

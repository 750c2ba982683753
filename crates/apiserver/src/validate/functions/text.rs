//! Strings and regular expressions.

use std::time::{Duration, Instant};

use cel::Value;
use sealfast_k8s::expression::matching::compiled;
use sealfast_k8s::expression::quoted;

use super::{Function, listed, text_of, texted};

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("charAt", |values| match values {
        [Value::String(text), Value::Int(at)] => {
            let count = text.chars().count();
            let at = usize::try_from(*at).ok().filter(|at| *at <= count)?;
            Some(texted(text.chars().nth(at).map(String::from).unwrap_or_default()))
        }
        _ => None,
    }),
    ("lowerAscii", |values| Some(texted(text_of(values.first()?)?.to_ascii_lowercase()))),
    ("upperAscii", |values| Some(texted(text_of(values.first()?)?.to_ascii_uppercase()))),
    ("trim", |values| Some(texted(text_of(values.first()?)?.trim()))),
    ("replace", replace),
    ("split", split),
    ("substring", substring),
    ("join", join),
    ("format", format),
    ("find", |values| match values {
        [Value::String(text), Value::String(pattern)] => {
            let found = compiled(pattern).ok()?.find(text).map(|found| found.as_str().to_owned());
            Some(texted(found.unwrap_or_default()))
        }
        _ => None,
    }),
    ("findAll", find_all),
    ("strings.quote", |values| Some(texted(quoted(text_of(values.first()?)?)))),
];

/// Some patterns look at all the rest of a text for each match, so the search as a whole has an end, too.
fn find_all(values: &[Value]) -> Option<Value> {
    let (text, pattern) = (text_of(values.first()?)?, text_of(values.get(1)?)?);
    let pattern = compiled(pattern).ok()?;
    let ends = Instant::now() + LONGEST_SEARCH;
    let found = pattern.find_iter(text).take(limit(values.get(2))?);
    let found: Option<Vec<Value>> =
        found.map(|found| (Instant::now() < ends).then(|| texted(found.as_str()))).collect();
    found.map(listed)
}

const LONGEST_SEARCH: Duration = Duration::from_secs(1);

/// No number, or a negative one: as many as there are.
fn limit(value: Option<&Value>) -> Option<usize> {
    match value {
        None => Some(usize::MAX),
        Some(Value::Int(most)) => Some(usize::try_from(*most).unwrap_or(usize::MAX)),
        Some(_) => None,
    }
}

fn replace(values: &[Value]) -> Option<Value> {
    let text = text_of(values.first()?)?;
    let (from, to) = (text_of(values.get(1)?)?, text_of(values.get(2)?)?);
    Some(texted(text.replacen(from, to, limit(values.get(3))?)))
}

fn split(values: &[Value]) -> Option<Value> {
    let (text, by) = (text_of(values.first()?)?, text_of(values.get(1)?)?);
    let most = limit(values.get(2))?;
    let parts: Vec<String> = match (most, by) {
        (0, _) => Vec::new(),
        (_, "") => {
            let letters: Vec<String> = text.chars().map(String::from).collect();
            let (head, tail) = letters.split_at(most.saturating_sub(1).min(letters.len()));
            let rest = tail.concat();
            if most > letters.len() { letters } else { [head, &[rest]].concat() }
        }
        _ => text.splitn(most, by).map(str::to_owned).collect(),
    };
    Some(listed(parts.into_iter().map(texted).collect()))
}

fn substring(values: &[Value]) -> Option<Value> {
    let letters: Vec<char> = text_of(values.first()?)?.chars().collect();
    let place = |value: &Value| match value {
        Value::Int(at) => usize::try_from(*at).ok().filter(|at| *at <= letters.len()),
        _ => None,
    };
    let start = place(values.get(1)?)?;
    let end = values.get(2).map_or(Some(letters.len()), place)?;
    Some(texted(letters.get(start..end)?.iter().collect::<String>()))
}

fn join(values: &[Value]) -> Option<Value> {
    let Value::List(items) = values.first()? else { return None };
    let by = values.get(1).map_or(Some(""), text_of)?;
    let parts: Option<Vec<&str>> = items.iter().map(text_of).collect();
    Some(texted(parts?.join(by)))
}

/// `%s %d %f %e %b %x %X %o %%` with an optional precision.
fn format(values: &[Value]) -> Option<Value> {
    let layout = text_of(values.first()?)?;
    let Value::List(arguments) = values.get(1)? else { return None };
    let mut arguments = arguments.iter();
    let mut out = String::new();
    let mut rest = layout.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut precision = None;
        if rest.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision = digits.parse::<usize>().ok().filter(|digits| *digits <= 100);
        }
        out.push_str(&verb(rest.next()?, precision, arguments.next()?)?);
    }
    arguments.next().is_none().then(|| texted(out))
}

fn verb(verb: char, precision: Option<usize>, value: &Value) -> Option<String> {
    let digits = precision.unwrap_or(6);
    let float = match value {
        Value::Int(number) => *number as f64,
        Value::UInt(number) => *number as f64,
        Value::Float(number) => *number,
        _ => 0.0,
    };
    Some(match (verb, value) {
        ('s', value) => shown(value)?,
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::UInt(number)) => number.to_string(),
        ('d', Value::Float(number)) if number.fract() == 0.0 => format!("{number:.0}"),
        ('f', Value::Int(_) | Value::UInt(_) | Value::Float(_)) => format!("{float:.digits$}"),
        ('e', Value::Int(_) | Value::UInt(_) | Value::Float(_)) => exponential(float, digits),
        ('b', Value::Int(number)) => format!("{number:b}"),
        ('b', Value::Bool(truth)) => u8::from(*truth).to_string(),
        ('x', Value::Int(number)) => format!("{number:x}"),
        ('X', Value::Int(number)) => format!("{number:X}"),
        ('x', Value::String(text)) => crate::clock::hex(text.as_bytes()),
        ('X', Value::String(text)) => crate::clock::hex(text.as_bytes()).to_uppercase(),
        ('o', Value::Int(number)) => format!("{number:o}"),
        _ => return None,
    })
}

/// The exponent has a sign and two digits.
fn exponential(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn shown(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(shown).collect();
            format!("[{}]", items?.join(", "))
        }
        _ => return None,
    })
}

//! Strings and regular expressions.

use std::time::{Duration, Instant};

use cel::Value;
use cel::objects::Key;
use sealfast_k8s::expression::matching::compiled;
use sealfast_k8s::expression::operations::{go_float, length_text, time_text};
use sealfast_k8s::expression::{quoted, type_name};

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
    let Value::List(arguments) = values.get(1)? else { return None };
    formatted(text_of(values.first()?)?, arguments).ok().map(texted)
}

/// Why nothing can be formatted so.
pub(super) fn format_fault(layout: &str, arguments: &[Value]) -> Option<String> {
    formatted(layout, arguments).err()
}

fn formatted(layout: &str, arguments: &[Value]) -> Result<String, String> {
    let mut count = 0;
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
        let letter = rest.next().ok_or("unexpected end of string")?;
        if !"sdfebxXo".contains(letter) {
            return Err(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{letter}\""
            ));
        }
        let argument = arguments.get(count).ok_or_else(|| format!("index {count} out of range"))?;
        count += 1;
        let told = |why: String| format!("error during formatting: {why}");
        out.push_str(&verb(letter, precision, argument).map_err(told)?);
    }
    if count == arguments.len() {
        Ok(out)
    } else {
        Err(format!(
            "too many arguments supplied to string.format (expected {count}, got {})",
            arguments.len()
        ))
    }
}

fn verb(verb: char, precision: Option<usize>, value: &Value) -> Result<String, String> {
    let given = || type_name(value);
    Ok(match (verb, value) {
        ('s', value) => shown(value).ok_or_else(|| {
            format!("string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {}", given())
        })?,
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::UInt(number)) => number.to_string(),
        ('d', _) => return Err(format!("decimal clause can only be used on integers, was given {}", given())),
        ('f', Value::Float(number)) if number.is_finite() => format!("{number:.0$}", precision.unwrap_or(6)),
        ('e', Value::Float(number)) if number.is_finite() => exponential(*number),
        ('f' | 'e', Value::Float(number)) => go_float(*number),
        ('f', _) => return Err(format!("fixed-point clause can only be used on doubles, was given {}", given())),
        ('e', _) => {
            return Err(format!("scientific clause can only be used on doubles, was given {}", given()));
        }
        ('b', Value::Int(number)) => signed(*number, |number| format!("{number:b}")),
        ('b', Value::UInt(number)) => format!("{number:b}"),
        ('b', Value::Bool(truth)) => u8::from(*truth).to_string(),
        ('b', _) => {
            return Err(format!("only integers and bools can be formatted as binary, was given {}", given()));
        }
        ('x', Value::Int(number)) => signed(*number, |number| format!("{number:x}")),
        ('X', Value::Int(number)) => signed(*number, |number| format!("{number:X}")),
        ('x', Value::UInt(number)) => format!("{number:x}"),
        ('X', Value::UInt(number)) => format!("{number:X}"),
        ('x', Value::String(text)) => crate::clock::hex(text.as_bytes()),
        ('X', Value::String(text)) => crate::clock::hex(text.as_bytes()).to_uppercase(),
        ('x', Value::Bytes(bytes)) => crate::clock::hex(bytes),
        ('X', Value::Bytes(bytes)) => crate::clock::hex(bytes).to_uppercase(),
        ('x' | 'X', _) => {
            return Err(format!(
                "only integers, byte buffers, and strings can be formatted as hex, was given {}",
                given()
            ));
        }
        ('o', Value::Int(number)) => signed(*number, |number| format!("{number:o}")),
        ('o', Value::UInt(number)) => format!("{number:o}"),
        _ => return Err(format!("octal clause can only be used on integers, was given {}", given())),
    })
}

/// A number of another base, its sign before it.
fn signed(number: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", digits(number.unsigned_abs()))
}

/// `1.234500×10⁰³`: six digits, and an exponent of two at least.
fn exponential(number: f64) -> String {
    let text = format!("{number:.6e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { "⁻" } else { "" };
    let raised = |digit: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10).unwrap_or(0) as usize);
    let digits: String = format!("{:02}", exponent.abs()).chars().filter_map(raised).collect();
    format!("{mantissa}×10{sign}{digits}")
}

fn shown(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Float(number) => go_float(*number),
        Value::Duration(_) | Value::Timestamp(_) => time(value),
        other => shown_inside(other)?,
    })
}

/// What stands in a list or a map: texts in quotes, and numbers with six digits.
fn shown_inside(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => crate::go_text::quoted(text),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => format!("{number:.6}"),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bytes(bytes) => format!("b{}", crate::go_text::quoted(&String::from_utf8_lossy(bytes))),
        Value::Duration(_) => format!("duration(\"{}\")", time(value)),
        Value::Timestamp(_) => format!("timestamp(\"{}\")", time(value)),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(shown_inside).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value): (&Key, &Value)| {
                Some(format!("{}:{}", shown_inside(&Value::from(key))?, shown_inside(value)?))
            };
            let entries: Option<Vec<String>> = map.map.iter().map(entry).collect();
            let mut entries = entries?;
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        _ => return None,
    })
}

/// `1.5s`, or a point in time.
fn time(value: &Value) -> String {
    match value {
        Value::Duration(length) => length_text(length),
        Value::Timestamp(time) => time_text(time),
        _ => String::new(),
    }
}

//! `format` of CEL: a text with places -> the text with values in them.
//!
//! Follows: version 4 of the strings library of cel-go. Differs: whole numbers have a fraction where one is asked for,
//! and none is longer than a hundred digits.

use std::iter::Peekable;
use std::str::Chars;

use cel::Value;
use cel::objects::Key;
use sealfast_k8s::expression::operations::{length_text, time_text};
use sealfast_k8s::expression::run::type_within;
use sealfast_k8s::expression::type_name;

/// The most digits of a fraction.
const MOST_DIGITS: usize = 100;
const USUAL_DIGITS: usize = 6;

/// The text with the values in their places.
pub(super) fn filled(text: &str, values: &[Value]) -> Result<String, String> {
    let (mut out, mut rest, mut at) = (String::new(), text.chars().peekable(), 0);
    while let Some(letter) = rest.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        rest.peek().ok_or("unexpected end of string")?;
        let value = values.get(at).ok_or_else(|| format!("index {at} out of range"))?;
        at += 1;
        let digits = precision(&mut rest).map_err(|why| {
            format!("could not parse formatting clause: error while parsing precision: {why}")
        })?;
        let verb = rest.next().unwrap_or_default();
        out.push_str(&shown(verb, digits, value)?);
    }
    Ok(out)
}

fn precision(rest: &mut Peekable<Chars<'_>>) -> Result<usize, String> {
    if rest.next_if_eq(&'.').is_none() {
        return Ok(USUAL_DIGITS);
    }
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    rest.peek().ok_or("could not find end of precision specifier")?;
    let refused = |why: &str| {
        format!("error while converting precision to integer: strconv.Atoi: parsing \"{digits}\": {why}")
    };
    match digits.parse::<usize>() {
        Ok(number) if number <= MOST_DIGITS => Ok(number),
        Err(_) if digits.is_empty() => Err(refused("invalid syntax")),
        _ => Err(refused("value out of range")),
    }
}

fn shown(verb: char, digits: usize, value: &Value) -> Result<String, String> {
    let (shown, wants) = match verb {
        's' => return text(value).map_err(during),
        'd' => (decimal(value), "decimal clause can only be used on ints, uints, and doubles"),
        'f' => {
            let fixed = |number| format!("{number:.digits$}");
            (number(value, fixed), "fixed-point clause can only be used on ints, uints, and doubles")
        }
        'e' => (
            number(value, |number| scientific(number, digits)),
            "scientific clause can only be used on ints, uints, and doubles",
        ),
        'b' => (binary(value), "only ints, uints, and bools can be formatted as binary"),
        'x' => (hex(value), "only ints, uints, bytes, and strings can be formatted as hex"),
        'X' => (
            hex(value).map(|text| text.to_uppercase()),
            "only ints, uints, bytes, and strings can be formatted as hex",
        ),
        'o' => (octal(value), "octal clause can only be used on ints and uints"),
        other => {
            return Err(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{other}\""
            ));
        }
    };
    shown.ok_or_else(|| during(format!("{wants}, was given {}", type_name(value))))
}

fn during(why: String) -> String {
    format!("error during formatting: {why}")
}

/// A value as a text, those within it too.
fn text(value: &Value) -> Result<String, String> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Duration(length) => length_text(length),
        Value::Timestamp(time) => time_text(time),
        Value::List(items) => {
            let items: Result<Vec<String>, String> = items.iter().map(text).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Map(map) => {
            let pair = |(key, value): (&Key, &Value)| Ok((key.to_string(), text(value)?));
            let mut pairs = map.map.iter().map(pair).collect::<Result<Vec<_>, String>>()?;
            pairs.sort_by(|left, right| left.0.cmp(&right.0));
            let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => decimal(other).or_else(|| type_within(other).map(str::to_owned)).ok_or_else(|| {
            format!(
                "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {}",
                type_name(other)
            )
        })?,
    })
}

fn decimal(value: &Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(_) => number(value, |number| number.to_string()),
        _ => None,
    }
}

/// A number that is shown somehow; what is no finite one has a name.
fn number(value: &Value, shown: impl Fn(f64) -> String) -> Option<String> {
    let number = match value {
        Value::Int(number) => *number as f64,
        Value::UInt(number) => *number as f64,
        Value::Float(number) => *number,
        _ => return None,
    };
    Some(match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_finite() => shown(number),
        _ if number > 0.0 => "Infinity".to_owned(),
        _ => "-Infinity".to_owned(),
    })
}

/// As Go writes an exponent: with its sign, and two digits at least.
fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    format!("{mantissa}e{sign}{:0>2}", exponent.trim_start_matches('-'))
}

/// The sign and the size of a whole number.
fn whole(value: &Value) -> Option<(&'static str, u64)> {
    match value {
        Value::Int(number) => Some((if *number < 0 { "-" } else { "" }, number.unsigned_abs())),
        Value::UInt(number) => Some(("", *number)),
        _ => None,
    }
}

fn binary(value: &Value) -> Option<String> {
    if let Value::Bool(truth) = value {
        return Some(if *truth { "1" } else { "0" }.to_owned());
    }
    whole(value).map(|(sign, size)| format!("{sign}{size:b}"))
}

fn octal(value: &Value) -> Option<String> {
    whole(value).map(|(sign, size)| format!("{sign}{size:o}"))
}

fn hex(value: &Value) -> Option<String> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match value {
        Value::String(text) => Some(bytes(text.as_bytes())),
        Value::Bytes(all) => Some(bytes(all)),
        _ => whole(value).map(|(sign, size)| format!("{sign}{size:x}")),
    }
}

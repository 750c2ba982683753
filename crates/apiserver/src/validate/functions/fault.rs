//! Why a call has no value, in the reference's words.
//!
//! Differs: values of the object are not shown, but for places and the texts that a function could not read.

use std::net::IpAddr;

use cel::Value;
use sealfast_k8s::expression::matching::compiled;

use super::text_of;
use crate::go_text;

/// What is wrong with the values of a call.
pub(super) fn told(name: &str, values: &[Value]) -> Option<String> {
    let text = || values.first().and_then(text_of);
    let letters = || text().map_or(0, |text| text.chars().count());
    Some(match (name, values) {
        ("charAt" | "substring", [Value::String(_), Value::Int(at)]) => out_of_range(*at),
        ("substring", [Value::String(_), Value::Int(start), Value::Int(end)]) if start > end => {
            format!("invalid substring range. start: {start}, end: {end}")
        }
        ("substring", [Value::String(_), Value::Int(start), Value::Int(end)]) => {
            let outside = |at: &i64| usize::try_from(*at).map_or(true, |at| at > letters());
            out_of_range([*start, *end].into_iter().find(outside).unwrap_or(*end))
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
        ("semver", [Value::String(text)]) => version(text),
        ("semver", [Value::String(text), ..]) if text.is_empty() => "Version string empty".to_owned(),
        ("semver", [Value::String(_), ..]) => "No Major.Minor.Patch elements found".to_owned(),
        ("find" | "findAll", [Value::String(_), Value::String(pattern), ..]) => match compiled(pattern) {
            Err(why) => format!("Illegal regex: error parsing regexp: {why}"),
            Ok(_) => "operation interrupted".to_owned(),
        },
        ("format", [Value::String(layout), Value::List(arguments)]) => {
            super::text::format_fault(layout, arguments)?
        }
        _ => return None,
    })
}

fn out_of_range(at: i64) -> String {
    format!("index out of range: {at}")
}

fn address(text: &str) -> String {
    let quoted = go_text::quoted(text);
    match text.parse::<IpAddr>() {
        Ok(_) => format!("IPv4-mapped IPv6 address {quoted} is not allowed"),
        Err(_) => {
            format!("IP Address {quoted} parse error during conversion from string: {}", unread_address(text))
        }
    }
}

/// Why a text is no address, in the words of Go's `netip`.
fn unread_address(text: &str) -> String {
    let why = match text.chars().find(|letter| ".:%".contains(*letter)) {
        Some('.') => unread_v4(text),
        Some(':') if text.starts_with(|first: char| !first.is_ascii_hexdigit() && first != ':') => {
            at("each colon-separated field must have at least one digit", text)
        }
        Some(':') => {
            let rest = text.trim_start_matches(|letter: char| letter.is_ascii_hexdigit() || letter == ':');
            at("unexpected character, want colon", rest)
        }
        Some(_) => "missing IPv6 address".to_owned(),
        None => "unable to parse IP".to_owned(),
    };
    format!("ParseAddr({}): {why}", go_text::quoted(text))
}

fn at(why: &str, rest: &str) -> String {
    format!("{why} (at {})", go_text::quoted(rest))
}

fn unread_v4(text: &str) -> String {
    let (mut value, mut digits, mut fields) = (0, 0, 0);
    for (place, letter) in text.char_indices() {
        let rest = &text[place..];
        if let Some(digit) = letter.to_digit(10) {
            if digits == 1 && value == 0 {
                return "IPv4 field has octet with leading zero".to_owned();
            }
            (value, digits) = (value * 10 + digit, digits + 1);
            if value > 255 {
                return "IPv4 field has value >255".to_owned();
            }
        } else if letter != '.' {
            return at("unexpected character", rest);
        } else if digits == 0 || rest.len() == 1 {
            return at("IPv4 field must have at least one digit", rest);
        } else if fields == 3 {
            return "IPv4 address too long".to_owned();
        } else {
            (value, digits, fields) = (0, 0, fields + 1);
        }
    }
    "IPv4 address too short".to_owned()
}

/// Why a text is no version, in the words of the library that the reference reads them with.
fn version(text: &str) -> String {
    if text.is_empty() {
        return "Version string empty".to_owned();
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return "No Major.Minor.Patch elements found".to_owned();
    };
    let patch = rest.split(['-', '+']).next().unwrap_or_default();
    for (name, title, number) in
        [("major", "Major", *major), ("minor", "Minor", *minor), ("patch", "Patch", patch)]
    {
        let quoted = go_text::quoted(number);
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return format!("Invalid character(s) found in {name} number {quoted}");
        }
        if number.len() > 1 && number.starts_with('0') {
            return format!("{title} number must not contain leading zeroes {quoted}");
        }
        if number.parse::<u64>().is_err() {
            let why = if number.is_empty() { "invalid syntax" } else { "value out of range" };
            return format!("strconv.ParseUint: parsing {quoted}: {why}");
        }
    }
    "Prerelease is empty".to_owned()
}

fn network(text: &str) -> String {
    let quoted = go_text::quoted(text);
    let why = match text.split_once('/') {
        None => "no '/'".to_owned(),
        Some((address, _)) if address.parse::<IpAddr>().is_err() => unread_address(address),
        Some(_) => "prefix length out of range".to_owned(),
    };
    format!(
        "network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix({quoted}): {why}"
    )
}

fn url(text: &str) -> String {
    let why = match text {
        "" => "empty url",
        _ if text.starts_with(':') => "missing protocol scheme",
        _ => "invalid URI for request",
    };
    format!("URL parse error during conversion from string: parse {}: {why}", go_text::quoted(text))
}

const QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn faults_are_told_without_values() {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let secret = text("secret");
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

//! Why a call has no value, in the reference's words.
//!
//! Differs: values of the object are not shown, but for the texts that a function could not read.

use cel::Value;

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

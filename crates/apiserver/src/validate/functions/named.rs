//! Formats by their names: what is wrong with a text.
//!
//! Follows: the format library of apiserver 1.36.

use std::sync::Arc;

use cel::Value;
use cel::objects::Opaque;

use super::{Function, listed, optional, text_of, texted};
use crate::go_text;
use crate::grammar;
use crate::validate::format::is_valid;

/// One of [`FORMATS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format(usize);

impl Opaque for Format {
    fn runtime_type_name(&self) -> &str {
        "kubernetes.NamedFormat"
    }
}

pub(super) const FUNCTIONS: &[(&str, Function)] = &[
    ("format.named", |values| {
        let name = text_of(values.first()?)?;
        let place = FORMATS.iter().position(|(known, _)| known.strip_prefix("format.") == Some(name));
        Some(optional(place.map(wrapped)))
    }),
    ("validate", |values| {
        let [Value::Opaque(format), text] = values else { return None };
        let (_, faults) = FORMATS[format.downcast_ref::<Format>()?.0];
        let whys = faults(text_of(text)?);
        Some(optional((!whys.is_empty()).then(|| listed(whys.into_iter().map(texted).collect()))))
    }),
];

/// What is wrong with a text.
type Faults = fn(&str) -> Vec<String>;

/// The functions that give a format, and what they give.
pub(super) fn constants() -> impl Iterator<Item = (&'static str, Value)> {
    FORMATS.iter().enumerate().map(|(place, (name, _))| (*name, wrapped(place)))
}

/// The function that gives a format, and what is wrong with a text that should have it.
const FORMATS: [(&str, Faults); 13] = [
    ("format.dns1123Label", grammar::label),
    ("format.dns1123Subdomain", grammar::subdomain),
    ("format.dns1035Label", grammar::label_1035),
    ("format.qualifiedName", grammar::qualified),
    ("format.dns1123LabelPrefix", |text| grammar::label(&without_dash(text))),
    ("format.dns1123SubdomainPrefix", |text| grammar::subdomain(&without_dash(text))),
    ("format.dns1035LabelPrefix", |text| grammar::label_1035(&without_dash(text))),
    ("format.labelValue", grammar::label_value),
    ("format.uri", |text| {
        let why = || format!("parse {}: invalid URI for request", go_text::quoted(text));
        fault(is_valid("uri", text), why)
    }),
    ("format.uuid", |text| fault(is_valid("uuid", text), || "does not match the UUID format".into())),
    ("format.byte", |text| fault(is_valid("byte", text), || "invalid base64".into())),
    ("format.date", |text| fault(is_valid("date", text), || "invalid date".into())),
    ("format.datetime", |text| fault(is_valid("datetime", text), || "invalid datetime".into())),
];

fn wrapped(place: usize) -> Value {
    Value::Opaque(Arc::new(Format(place)))
}

fn fault(valid: bool, why: impl FnOnce() -> String) -> Vec<String> {
    if valid { Vec::new() } else { vec![why()] }
}

/// A prefix that may end with a dash, as a name that is made of it does not.
fn without_dash(prefix: &str) -> String {
    let mut letters: Vec<char> = prefix.chars().collect();
    if letters.len() > 1 && letters.last() == Some(&'-') {
        letters.truncate(letters.len() - 2);
        letters.push('a');
    }
    letters.into_iter().collect()
}

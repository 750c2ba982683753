//! One step of a path: a field, a list item by key or value, an index.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A field of a struct or map.
    Field(String),
    /// The item of a keyed list, by the values of its keys, sorted by name.
    Key(Vec<(String, Value)>),
    /// The item of a set, by its value.
    Item(Value),
    /// The item of a list, by its place.
    Index(u64),
}

impl Step {
    /// Returns the form in `fieldsV1`.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Map<String, Value> = keys.iter().cloned().collect();
                format!("k:{}", json(&Value::Object(keys)))
            }
            Self::Item(value) => format!("v:{}", json(value)),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads the form in `fieldsV1`.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                let mut keys: Vec<(String, Value)> = keys.into_iter().collect();
                keys.sort_by(|left, right| left.0.cmp(&right.0));
                Some(Self::Key(keys))
            }
            "v" => serde_json::from_str(rest).ok().map(Self::Item),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Item(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// The form in messages: `.name`, `[name="a"]`, `[="v"]`, `[0]`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Item(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Steps one after another, each linked to those before it: put into words only where something is told of them.
#[derive(Clone, Copy)]
pub(super) enum Trail<'a> {
    /// No step at all.
    Root,
    Step(&'a Trail<'a>, &'a Step),
    Field(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Step(before, step) => write!(f, "{before}{step}"),
            Self::Field(before, name) => write!(f, "{before}.{name}"),
            Self::Index(before, at) => write!(f, "{before}[{at}]"),
        }
    }
}

/// A value as Go writes JSON: what could end a piece of HTML or of a script is escaped.
fn json(value: &Value) -> String {
    let text = value.to_string();
    let plain = |letter: char| !matches!(letter, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if text.chars().all(plain) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if plain(letter) => out.push(letter),
            letter => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    out
}

impl Eq for Step {}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => {
                let by_key = left
                    .iter()
                    .zip(right)
                    .map(|(left, right)| left.0.cmp(&right.0).then_with(|| order(&left.1, &right.1)));
                by_key.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
            }
            (Self::Item(left), Self::Item(right)) => order(left, right),
            (Self::Index(left), Self::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
        },
        _ => left.to_string().cmp(&right.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_paths_are_written_as_go_writes_json() {
        for (value, written) in [
            ("a<b>&c", r#"v:"a\u003cb\u003e\u0026c""#),
            ("\u{2028}x", r#"v:"\u2028x""#),
            ("é\"\\\t", "v:\"é\\\"\\\\\\t\""),
        ] {
            let step = Step::Item(value.into());
            assert_eq!(step.encode(), written);
            assert_eq!(Step::decode(written), Some(step));
        }
    }
}

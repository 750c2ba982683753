//! What a scalar means, and how a value is best written.
//!
//! Follows: `resolve.go` and the scalar half of `encode.go` of `go.yaml.in/yaml/v3` 3.0.4; [`Words::V2`] is the
//! older resolver that `sigs.k8s.io/yaml` still uses, with the booleans of YAML 1.1.

use crate::error::{Error, Problem};
use crate::node::{Node, Style};

mod number;
mod time;

pub use number::{float_text, float32_text};
pub(crate) use time::is_timestamp;
pub use time::time_text;

/// Which words are booleans, and which digits are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// `true` and `false` only.
    V3,
    /// Also `yes`, `no`, `on`, `off`, `y` and `n`.
    V2,
}

/// The value of a scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An integer above the signed range.
    Uint(u64),
    /// A floating point number.
    Float(f64),
    /// An instant; the text as written.
    Time(String),
    /// A string.
    Str(String),
    /// Bytes given as base64 (`!!binary`), decoded.
    Binary(Vec<u8>),
    /// The merge key `<<`.
    Merge,
}

impl Scalar {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Time(_) => "!!timestamp",
            Self::Str(_) => "!!str",
            Self::Binary(_) => "!!binary",
            Self::Merge => "!!merge",
        }
    }
}

const LONG_PREFIX: &str = "tag:yaml.org,2002:";

/// Returns `!!x` for `tag:yaml.org,2002:x`, any other tag as it is.
#[must_use]
pub fn short_tag(tag: &str) -> String {
    tag.strip_prefix(LONG_PREFIX).map_or_else(|| tag.to_owned(), |rest| format!("!!{rest}"))
}

/// Returns `tag:yaml.org,2002:x` for `!!x`, any other tag as it is.
pub(crate) fn long_tag(tag: &str) -> String {
    tag.strip_prefix("!!").map_or_else(|| tag.to_owned(), |rest| format!("{LONG_PREFIX}{rest}"))
}

/// Returns the tag that a plain scalar resolves to.
#[must_use]
pub fn plain_tag(text: &str) -> &'static str {
    if text == "<<" { "!!merge" } else { resolved_tag(text) }
}

/// Returns the tag by which a writer decides about quotes: the merge key counts as a string.
pub(crate) fn resolved_tag(text: &str) -> &'static str {
    non_string(text, Words::V3).map_or("!!str", |value| value.tag())
}

/// Returns the value of a scalar node, by its tag and text.
///
/// # Errors
///
/// A tag that the text does not fit, or broken base64 under `!!binary`.
pub fn resolve(node: &Node) -> Result<Scalar, Error> {
    resolve_as(node, Words::V3)
}

/// Tells scalars that are their own text as a value.
pub(crate) fn is_text(node: &Node, words: Words) -> bool {
    match (&*node.tag, node.tagged) {
        ("!!str", true) => true,
        (_, true) => false,
        (_, false) if node.style != Style::Plain => node.tag == "!!str",
        ("!!str", false) => !(words == Words::V2 && old_bool(&node.value).is_some()),
        _ => false,
    }
}

pub(crate) fn resolve_as(node: &Node, words: Words) -> Result<Scalar, Error> {
    let text = node.value.as_str();
    if node.tag == "!!merge" {
        return Ok(Scalar::Merge);
    }
    if node.nonspecific && words == Words::V2 {
        return Ok(Scalar::Str(text.to_owned()));
    }
    let tag = if node.tagged || node.style != Style::Plain { &*node.tag } else { "" };
    match tag {
        "!!str" => Ok(Scalar::Str(text.to_owned())),
        "!!binary" => decode_base64(text).map(Scalar::Binary).ok_or_else(|| {
            Error::tree("!!binary value contains invalid base64 data").about(node.start.line())
        }),
        "" | "!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp" => {
            let mut value = resolve_plain(text, words);
            if matches!(value, Scalar::Time(_)) && !tag.is_empty() && tag != "!!timestamp" {
                // Instants are only looked for where one is wanted.
                value = number::number(text, words).unwrap_or_else(|| Scalar::Str(text.to_owned()));
            }
            match (tag, value) {
                ("", value) => Ok(value),
                ("!!float", Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
                (tag, value) if value.tag() == tag => Ok(value),
                (tag, value) => {
                    let found = value.tag();
                    let before = format!("cannot decode {found}");
                    let told = Problem::quoting(&before, &format!(" `{text}`"), &format!(" as a {tag}"));
                    Err(Error::quoting(told).about(node.start.line()))
                }
            }
        }
        _ => Ok(Scalar::Str(text.to_owned())),
    }
}

/// Returns the value of a plain, untagged scalar.
pub(crate) fn resolve_plain(text: &str, words: Words) -> Scalar {
    non_string(text, words).unwrap_or_else(|| Scalar::Str(text.to_owned()))
}

/// Tells texts that are strings when they stand plain.
pub(crate) fn is_string(text: &str, words: Words) -> bool {
    non_string(text, words).is_none()
}

/// Returns what a plain scalar means when that is not a string.
fn non_string(text: &str, words: Words) -> Option<Scalar> {
    let Some(first) = text.bytes().next() else { return Some(Scalar::Null) };
    match first {
        b'.' | b'+' | b'-' | b'0'..=b'9' => known_word(text, words).or_else(|| {
            if first == b'.' {
                return number::float(text).map(Scalar::Float);
            }
            if is_timestamp(text) {
                return Some(Scalar::Time(text.to_owned()));
            }
            number::number(text, words)
        }),
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => known_word(text, words),
        _ => None,
    }
}

fn known_word(text: &str, words: Words) -> Option<Scalar> {
    Some(match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ if words == Words::V2 => return old_bool(text).map(Scalar::Bool),
        _ => return None,
    })
}

/// Returns the truth value of a word that YAML 1.1 took for one.
pub(crate) fn old_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Tells numbers in base 60, as YAML 1.1 had them (`1:30`).
pub(crate) fn is_base60(text: &str) -> bool {
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-')) {
        return false;
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut parts = whole.split(':');
    let head = parts.next().unwrap_or_default();
    let mut places = 0;
    let places_fit = parts.all(|place| {
        places += 1;
        match place.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [b'0'..=b'5', digit] => digit.is_ascii_digit(),
            _ => false,
        }
    });
    let is_digit_or_low_line = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    places_fit
        && places > 0
        && head.starts_with(|letter: char| letter.is_ascii_digit())
        && head.bytes().all(is_digit_or_low_line)
        && fraction.is_none_or(|rest| rest.bytes().all(is_digit_or_low_line))
}

/// Returns a node that reads back as the string `text`, written as Go's `Marshal` writes strings.
///
/// ```
/// use sealfast_yaml::{node::Style, scalar};
/// assert_eq!(scalar::string_node("yes").style, Style::DoubleQuoted);
/// assert_eq!(scalar::string_node("maybe").style, Style::Plain);
/// ```
#[must_use]
pub fn string_node(text: &str) -> Node {
    let plain = is_string(text, Words::V3) && !is_base60(text) && old_bool(text).is_none();
    let style = match plain {
        _ if text.contains('\n') => Style::Literal,
        true => Style::Plain,
        false => Style::DoubleQuoted,
    };
    Node { style, ..Node::scalar("!!str", text) }
}

/// Returns a node for a float, as `Marshal` writes it: `1.0` loses its fraction and is an integer from then on.
#[must_use]
pub fn float_node(value: f64) -> Node {
    let text = float_text(value);
    Node::scalar(resolved_tag(&text), text)
}

/// Returns a node for bytes that are no text: base64 under `!!binary`, in lines of 70.
#[must_use]
pub fn binary_node(bytes: &[u8]) -> Node {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let all = [group[0], group.get(1).copied().unwrap_or(0), group.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, all[0], all[1], all[2]]);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) as usize & 63;
            letters.push(if place > group.len() { '=' } else { char::from(LETTERS[index]) });
        }
    }
    const LINE: usize = 70;
    let mut text = String::new();
    if letters.len() < LINE {
        text = letters;
    } else {
        for line in letters.as_bytes().chunks(LINE) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push('\n');
        }
    }
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    Node { tagged: true, style, ..Node::scalar("!!binary", text) }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0u32;
    let (mut letters, mut padding) = (0, 0);
    for letter in text.bytes().filter(|letter| !matches!(letter, b'\n' | b'\r')) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if letters >= 2 => {
                padding += 1;
                0
            }
            _ => return None,
        };
        if padding > 0 && letter != b'=' || padding > 2 {
            return None;
        }
        group = group << 6 | u32::from(value);
        letters += 1;
        if letters == 4 {
            bytes.extend_from_slice(&group.to_be_bytes()[1..4 - padding]);
            (group, letters) = (0, 0);
        }
    }
    (letters == 0).then_some(bytes)
}

//! Values without comments, styles or tags, and trees made of them.
//!
//! Follows: `sorter.go` and `encode.go` of `go.yaml.in/yaml/v3` 3.0.4.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::Entries;
use crate::json;
use crate::node::Node;
use crate::scalar::{self, Words, float_text};

/// A decoded value.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
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
    /// An instant in RFC 3339 form.
    Time(String),
    /// A string.
    Str(String),
    /// Bytes that are not UTF-8.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Plain>),
    /// Keys and values in the order of the text.
    Map(Entries),
}

// A NaN is never a key that is looked up, so the relation holds wherever it matters.
impl Eq for Plain {}

impl Hash for Plain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(truth) => truth.hash(state),
            Self::Int(number) => number.hash(state),
            Self::Uint(number) => number.hash(state),
            // 0.0 and -0.0 are equal, so their hashes are too.
            Self::Float(number) => (number + 0.0).to_bits().hash(state),
            Self::Time(text) | Self::Str(text) => text.hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::List(items) => items.hash(state),
            Self::Map(entries) => entries.len().hash(state),
        }
    }
}

/// Returns the tree that Go's `Marshal` writes for a value: keys sorted, words of YAML 1.1 quoted.
#[must_use]
pub fn tree(value: &Plain) -> Node {
    match value {
        Plain::Null => Node::scalar("!!null", "null"),
        Plain::Bool(truth) => Node::scalar("!!bool", truth.to_string()),
        Plain::Int(number) => Node::scalar("!!int", number.to_string()),
        Plain::Uint(number) => Node::scalar("!!int", number.to_string()),
        Plain::Float(number) => scalar::float_node(*number),
        Plain::Time(text) => Node::scalar("!!timestamp", text.as_str()),
        Plain::Str(text) => scalar::string_node(text),
        Plain::Bytes(bytes) => scalar::binary_node(bytes),
        Plain::List(items) => {
            let mut sequence = Node::sequence();
            sequence.content = items.iter().map(tree).collect();
            sequence
        }
        Plain::Map(entries) => {
            let mut sorted: Vec<(&Plain, &Plain)> = entries.iter().collect();
            merge_sort(&mut sorted, &|left, right| less(left.0, right.0));
            let mut mapping = Node::mapping();
            for (key, value) in sorted {
                mapping.content.push(tree(key));
                mapping.content.push(tree(value));
            }
            mapping
        }
    }
}

/// Sorts by an order that need not be one (v2's is not), which the standard sort may refuse.
pub(crate) fn merge_sort<T: Copy>(items: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    if items.len() <= 12 {
        for end in 1..items.len() {
            let mut at = end;
            while at > 0 && less(&items[at], &items[at - 1]) {
                items.swap(at, at - 1);
                at -= 1;
            }
        }
        return;
    }
    let (left, right) = items.split_at_mut(items.len() / 2);
    merge_sort(left, less);
    merge_sort(right, less);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (0, 0);
    while a < left.len() && b < right.len() {
        if less(&right[b], &left[a]) {
            merged.push(right[b]);
            b += 1;
        } else {
            merged.push(left[a]);
            a += 1;
        }
    }
    merged.extend_from_slice(&left[a..]);
    merged.extend_from_slice(&right[b..]);
    items.copy_from_slice(&merged);
}

/// Numbers and truth values first by what they are worth, other kinds by their rank in Go, strings naturally.
fn less(left: &Plain, right: &Plain) -> bool {
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        if a != b {
            return a < b;
        }
        if rank(left) != rank(right) {
            return rank(left) < rank(right);
        }
        return match (left, right) {
            (Plain::Int(a), Plain::Int(b)) => a < b,
            (Plain::Uint(a), Plain::Uint(b)) => a < b,
            _ => false,
        };
    }
    match (left, right) {
        (Plain::Str(a), Plain::Str(b)) => natural(a, b) == Ordering::Less,
        _ => rank(left) < rank(right),
    }
}

fn number(value: &Plain) -> Option<f64> {
    match value {
        Plain::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Plain::Int(number) => Some(*number as f64),
        Plain::Uint(number) => Some(*number as f64),
        Plain::Float(number) => Some(*number),
        _ => None,
    }
}

fn rank(value: &Plain) -> u8 {
    match value {
        Plain::Bool(_) => 1,
        Plain::Int(_) => 2,
        Plain::Uint(_) => 11,
        Plain::Float(_) => 14,
        Plain::Null => 20,
        Plain::Map(_) => 21,
        Plain::List(_) => 23,
        Plain::Str(_) | Plain::Bytes(_) => 24,
        Plain::Time(_) => 25,
    }
}

/// v3's order of keys: digits before letters, except behind a digit; runs of digits by their value.
fn natural(left: &str, right: &str) -> Ordering {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let Some(at) = (0..left.len().min(right.len())).find(|at| left[*at] != right[*at]) else {
        return left.len().cmp(&right.len());
    };
    let (a, b) = (left[at], right[at]);
    match (is_letter(a), is_letter(b)) {
        (true, true) => return a.cmp(&b),
        (false, false) => {}
        (a_letter, _) => {
            let behind_digit = at > 0 && is_digit(left[at - 1]);
            return if a_letter == behind_digit { Ordering::Less } else { Ordering::Greater };
        }
    }
    digit_runs(&left, &right, at)
}

/// Whether a character is a letter for Go.
pub(crate) fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() && !letter.is_numeric()
}

/// Whether a character is a decimal digit of any script.
fn is_digit(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_digit();
    }
    letter.is_numeric() && ZEROS.iter().any(|zero| (0..10).contains(&u32::from(letter).wrapping_sub(*zero)))
}

/// The zeros of all scripts but ASCII; nine digits follow each.
const ZEROS: [u32; 67] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0,
    0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
    0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0,
];

/// Compares from the first difference on, where at least one run of digits may begin or go on.
pub(crate) fn digit_runs(left: &[char], right: &[char], at: usize) -> Ordering {
    let (a, b) = (left[at], right[at]);
    let leads = (a == '0' || b == '0')
        && left[..at].iter().rev().take_while(|letter| is_digit(**letter)).any(|letter| *letter != '0');
    let run = |letters: &[char]| {
        let digits = letters[at..].iter().take_while(|letter| is_digit(**letter));
        digits.fold((i64::from(leads), 0), |(value, count), digit| {
            // Of a digit that is not ASCII, too: the reference counts from the ASCII zero.
            let digit = i64::from(u32::from(*digit)) - i64::from(u32::from('0'));
            (value.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    let ((a_value, a_count), (b_value, b_count)) = (run(left), run(right));
    a_value.cmp(&b_value).then(a_count.cmp(&b_count)).then(a.cmp(&b))
}

/// Returns a value as Go's `%#v` prints it.
pub(crate) fn go_syntax(value: &Plain, words: Words) -> String {
    match value {
        Plain::Null => "interface {}(nil)".to_owned(),
        Plain::Bool(truth) => truth.to_string(),
        Plain::Int(number) => number.to_string(),
        Plain::Uint(number) => format!("0x{number:x}"),
        Plain::Float(number) if number.is_infinite() => json::infinity(*number).to_owned(),
        Plain::Float(number) if number.is_nan() => "NaN".to_owned(),
        Plain::Float(number) => float_text(*number),
        Plain::Time(text) | Plain::Str(text) => go_quoted(text),
        Plain::Bytes(bytes) => go_quoted(&String::from_utf8_lossy(bytes)),
        Plain::List(items) => {
            let items: Vec<String> = items.iter().map(|item| go_syntax(item, words)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Plain::Map(entries) => {
            let strings = words == Words::V3 && entries.keys().all(|key| matches!(key, Plain::Str(_)));
            let key_type = if strings { "string" } else { "interface {}" };
            let mut sorted: Vec<(&Plain, &Plain)> = entries.iter().collect();
            let place = |key: &Plain| (*key != Plain::Null, go_syntax(key, words));
            merge_sort(&mut sorted, &|left, right| place(left.0) < place(right.0));
            let pairs: Vec<String> = sorted
                .iter()
                .map(|(key, value)| format!("{}:{}", go_syntax(key, words), go_syntax(value, words)))
                .collect();
            format!("map[{key_type}]interface {{}}{{{}}}", pairs.join(", "))
        }
    }
}

/// Returns a string in Go's double quotes.
pub(crate) fn go_quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if letter.is_control() && u32::from(letter) < 0x80 => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            letter if letter.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

//! JSON values as block YAML with sorted keys: what `sigs.k8s.io/yaml` prints.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::analysis::{Tabs, analyze};
use super::writer::{Breaks, Habits, Writer};
use crate::decode::{digit_runs, is_letter, merge_sort};
use crate::json::number_text;
use crate::scalar::{Words, is_base60, is_string};

const WIDTH: usize = 80;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A program: it goes through JSON text, which makes an integer of negative zero, and a fold of NEL.
    Made,
    /// A text that was read: it is written as it is.
    Read,
}

/// Returns the YAML text of a value.
pub(crate) fn text(value: &Value, origin: Origin) -> String {
    let mut writer = Writer::new(2, WIDTH, Habits::V2);
    writer.origin = origin;
    node(&mut writer, value, Place::Root);
    writer.indent = -1;
    writer.write_indent();
    String::from_utf8(writer.out)
        .unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Value,
    SimpleKey,
    Key,
}

fn node(writer: &mut Writer, value: &Value, place: Place) {
    match value {
        Value::Null => writer.plain(b"null", Breaks::Allowed),
        Value::Bool(truth) => writer.plain(if *truth { b"true" } else { b"false" }, Breaks::Allowed),
        Value::Number(number) => writer.plain(number_text(number, writer.origin).as_bytes(), Breaks::Allowed),
        Value::String(text) => string(writer, text, place),
        Value::Array(items) if items.is_empty() => empty(writer, b"[", b"]"),
        Value::Object(fields) if fields.is_empty() => empty(writer, b"{", b"}"),
        Value::Array(items) => sequence(writer, items, place),
        Value::Object(fields) => mapping(writer, fields),
    }
}

fn empty(writer: &mut Writer, open: &[u8], close: &[u8]) {
    writer.open_flow(open);
    writer.tight_indicator(close);
}

fn deepen(writer: &mut Writer, indentless: bool) -> isize {
    let outer = writer.indent;
    if outer < 0 {
        writer.indent = 0;
    } else if !indentless {
        writer.indent += 2;
    }
    outer
}

fn sequence(writer: &mut Writer, items: &[Value], place: Place) {
    let outer = deepen(writer, place == Place::Value && !writer.indention);
    for item in items {
        writer.write_indent();
        writer.block_indicator(b"-");
        node(writer, item, Place::Item);
    }
    writer.indent = outer;
}

fn mapping(writer: &mut Writer, fields: &Map<String, Value>) {
    let outer = deepen(writer, false);
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    // Not the standard sort: the order goes in circles for some keys.
    merge_sort(&mut sorted, &|left, right| natural(left.0, right.0) == Ordering::Less);
    for (key, value) in sorted {
        writer.write_indent();
        if key.len() <= 128 && !analyze(key.as_bytes(), Tabs::Quoted).multiline {
            string(writer, key, Place::SimpleKey);
            writer.tight_indicator(b":");
        } else {
            writer.block_indicator(b"?");
            string(writer, key, Place::Key);
            writer.write_indent();
            writer.block_indicator(b":");
        }
        node(writer, value, Place::Value);
    }
    writer.indent = outer;
}

fn string(writer: &mut Writer, text: &str, place: Place) {
    let text = &*if writer.origin == Origin::Made { without_nel(text) } else { Cow::Borrowed(text) };
    let bytes = text.as_bytes();
    let analysis = analyze(bytes, Tabs::Quoted);
    let key = place == Place::SimpleKey;
    let breaks = if key { Breaks::Forbidden } else { Breaks::Allowed };
    let outer = writer.indent;
    // A scalar is written as if it were nested: its further lines are indented once more.
    writer.indent = if outer < 0 { 2 } else { outer + 2 };
    let stays_string = is_string(text, Words::V2) && !is_base60(text);
    let has_break = analysis.multiline && text.contains('\n');
    if has_break && analysis.block && !key {
        writer.block_header(b"|", bytes);
        writer.put_break();
        writer.literal_body(bytes);
    } else if has_break || !stays_string {
        writer.double_quoted(bytes, breaks);
    } else if analysis.block_plain && !(bytes.is_empty() && key) {
        writer.plain(bytes, breaks);
    } else if analysis.single_quoted {
        writer.single_quoted(bytes, breaks);
    } else {
        writer.double_quoted(bytes, breaks);
    }
    writer.indent = outer;
}

/// The reference goes through JSON text, where its reader takes NEL for a line break and folds it.
fn without_nel(text: &str) -> Cow<'_, str> {
    const NEL: char = '\u{85}';
    if text.is_ascii() || !text.contains(NEL) {
        return Cow::Borrowed(text);
    }
    let mut folded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(NEL) {
        folded.push_str(rest[..at].trim_end_matches([' ', '\t']));
        let behind = rest[at..].trim_start_matches([NEL, ' ', '\t']);
        let breaks = rest[at..rest.len() - behind.len()].matches(NEL).count();
        folded.push_str(if breaks == 1 { " " } else { "" });
        folded.extend(std::iter::repeat_n('\n', breaks - 1));
        rest = behind;
    }
    folded.push_str(rest);
    Cow::Owned(folded)
}

/// Order of keys: letters after digits and signs, runs of digits by their value.
fn natural(left: &str, right: &str) -> Ordering {
    // Almost all keys of one mapping differ first in a letter.
    let common = left.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    if left.is_ascii() && right.is_ascii() {
        if let (Some(a), Some(b)) = (left.as_bytes().get(common), right.as_bytes().get(common)) {
            if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() {
                return a.cmp(b);
            }
        } else {
            return left.len().cmp(&right.len());
        }
    }
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let Some(at) = (0..left.len().min(right.len())).find(|at| left[*at] != right[*at]) else {
        return left.len().cmp(&right.len());
    };
    let (a, b) = (left[at], right[at]);
    match (is_letter(a), is_letter(b)) {
        (true, true) => return a.cmp(&b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    digit_runs(&left, &right, at)
}

//! The text of one value in the place of an old one, in its style.

use sealfast_yaml::node::{Node, Style};
use sealfast_yaml::scalar;

use crate::cipher;
use crate::store::yaml::Documents;
use crate::store::yaml::write::{Column, text_node, write};
use crate::tree::{Branch, Value};

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// Inside brackets.
    pub(super) flow: bool,
    /// Column, from 0, of the key or dash that it belongs to.
    pub(super) column: usize,
    /// Behind the colon or dash that leads to it.
    pub(super) from: usize,
    /// There is no colon behind the key.
    pub(super) bare: bool,
}

impl At {
    /// Is this the document itself?
    pub(super) fn is_root(self) -> bool {
        self.from == 0
    }
}

/// What the text around looks like.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// How lines end.
    pub(super) newline: &'static str,
    /// Blanks a level.
    pub(super) step: usize,
}

/// Writes a scalar in the style of the one that stood there; `old` is that one's own text.
pub(super) fn scalar_text(style: Style, old: &str, new: &Value, at: At, manner: Manner) -> Option<String> {
    match new {
        Value::Str(text) => match text.as_str() {
            Some(text) => string(style, old, text, at, manner),
            None => Some(format!("!!binary {}", scalar::binary_node(text.as_bytes()).value)),
        },
        Value::Null => Some("null".to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Int(int) => Some(int.to_string()),
        Value::Float(float) => Some(scalar::float_text(*float)),
        Value::Time(time) => Some(time.to_string()),
        _ => None,
    }
}

fn string(style: Style, old: &str, text: &str, at: At, manner: Manner) -> Option<String> {
    match style {
        Style::DoubleQuoted => Some(double_quoted(text)),
        // Ciphertext has commas; so single quotes in brackets stand for none.
        Style::Plain if at.flow && cipher::is_sealed(text.as_bytes()) => Some(format!("'{text}'")),
        Style::SingleQuoted if at.flow && !cipher::is_sealed(text.as_bytes()) => Some(plain(text, true)),
        Style::SingleQuoted if is_printable(text) && !text.contains('\n') => {
            Some(format!("'{}'", text.replace('\'', "''")))
        }
        Style::Literal | Style::Folded if !at.flow => {
            let indent = block_indent(old).unwrap_or(at.column + manner.step);
            let mark =
                if style == Style::Folded && !text.trim_end_matches('\n').contains('\n') { '>' } else { '|' };
            Some(block(text, mark, indent, manner).unwrap_or_else(|| double_quoted(text)))
        }
        _ if text.contains('\n') && !at.flow => {
            Some(block(text, '|', at.column + manner.step, manner).unwrap_or_else(|| double_quoted(text)))
        }
        _ => Some(plain(text, at.flow)),
    }
}

/// Plain where that reads back as the same string, else in quotes.
fn plain(text: &str, flow: bool) -> String {
    if flow && text.contains(['[', ']', '{', '}', ',', ':', '#', '\n']) {
        return double_quoted(text);
    }
    if cipher::is_sealed(text.as_bytes()) && !text.contains('\n') {
        return text.to_owned();
    }
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b' ');
    let node = text_node(text, Column::Aligned);
    // What the emitter would say of words is told without asking it.
    if node.style == Style::Plain
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.ends_with(' ')
        && text.bytes().all(is_safe)
    {
        return text.to_owned();
    }
    emitted(node).unwrap_or_else(|| double_quoted(text))
}

/// The emitter's own choice.
fn emitted(node: Node) -> Option<String> {
    let mut mapping = Node::mapping();
    mapping.content.extend([Node::scalar("!!str", "k"), node]);
    let bytes =
        write(&Documents(vec![Node::document(mapping)]), &sealfast_yaml::emit::Options::default()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.strip_prefix("k: ")?.strip_suffix('\n')?;
    (!text.contains('\n')).then(|| text.to_owned())
}

/// A block text; nothing when it would need more than a header of one or two letters.
fn block(text: &str, mark: char, indent: usize, manner: Manner) -> Option<String> {
    let (chomp, body) = match text.strip_suffix('\n') {
        Some(body) => ("", body),
        None => ("-", text),
    };
    let is_odd = body.is_empty() || body.starts_with([' ', '\t', '\n']) || body.ends_with(['\n', ' ', '\t']);
    if is_odd || !is_printable(body) {
        return None;
    }
    let mut out = format!("{mark}{chomp}");
    for line in body.split('\n') {
        out.push_str(manner.newline);
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
    }
    Some(out)
}

/// The indentation of a block text's first line.
fn block_indent(old: &str) -> Option<usize> {
    let mut lines = old.split('\n').skip(1);
    let first = lines.find(|line| !line.trim().is_empty())?;
    Some(first.len() - first.trim_start_matches(' ').len())
}

fn is_printable(text: &str) -> bool {
    text.chars().all(|letter| letter == '\n' || letter == '\t' || !needs_escape(letter))
}

fn needs_escape(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

pub(super) fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if needs_escape(letter) => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// A value on one line, containers in brackets.
pub(super) fn flow_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Str(text) => double_quoted(text.as_str()?),
        Value::List(items) => {
            let items = items.iter().filter(|item| !matches!(item, Value::Comment(_)));
            format!("[{}]", items.map(flow_text).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Branch(branch) => format!("{{{}}}", flow_entries(branch)?),
        Value::Uint(_) | Value::Comment(_) => return None,
        other => scalar_text(Style::Plain, "", other, NOWHERE, UNLIKE)?,
    })
}

/// The entries of a mapping as they stand between braces.
pub(super) fn flow_entries(branch: &Branch) -> Option<String> {
    let entry =
        |(name, value): (&str, &Value)| Some(format!("{}: {}", double_quoted(name), flow_text(value)?));
    Some(branch.named().map(entry).collect::<Option<Vec<_>>>()?.join(", "))
}

const NOWHERE: At = At { flow: true, column: 0, from: 0, bare: false };
const UNLIKE: Manner = Manner { newline: "\n", step: 4 };

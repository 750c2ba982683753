//! Writes a changed document into its former text, value by value.
//!
//! Comments, blank lines, indentation and quoting stay. What comes out is read again and must be the wanted tree; when it
//! is not, or when the structure itself changed, there is no splice and the caller writes the document anew.

use std::ops::Range;

use sealfast_yaml::node::{Kind, Node, Style};
use sealfast_yaml::parse;

use crate::store::yaml::{load, mapping_node, scalar_value, write};
use crate::store::{ENTRY, yaml::Column};
use crate::tree::{Branch, Entry, Key, Value};

/// Returns the new text, or nothing when it cannot be had by replacing scalars and appending metadata.
pub(in crate::store) fn splice(original: &[u8], wanted: &[Branch], indent: usize) -> Option<Vec<u8>> {
    let documents = parse::documents(original).ok()?;
    if documents.len() != wanted.len() {
        return None;
    }
    let mut edits = Edits { original, list: Vec::new() };
    let mut appended = None;
    for (document, branch) in documents.iter().zip(wanted) {
        let root = document.content.first()?;
        edits.mapping(root, branch, Order::Kept)?;
        if root.field(ENTRY).is_none() && branch.get(ENTRY).is_some() {
            // Behind the last document only the end of the text follows.
            appended = (documents.len() == 1 && root.style != Style::Flow).then_some(branch)?.get(ENTRY);
        }
    }
    let mut text = edits.apply();
    if let Some(block) = appended {
        append(&mut text, block, indent)?;
    }
    let read = load(&text).ok()?;
    (read.len() == wanted.len() && read.iter().zip(wanted).all(|(read, wanted)| same(read, wanted)))
        .then_some(text)
}

/// Puts the metadata behind the document.
fn append(text: &mut Vec<u8>, block: &Value, indent: usize) -> Option<()> {
    let mut branch = Branch::new();
    branch.push(ENTRY, block.clone());
    let options = sealfast_yaml::emit::Options { indent, ..sealfast_yaml::emit::Options::default() };
    let emitted = write(&[Node::document(mapping_node(&branch, Column::Aligned))], &options).ok()?;
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(emitted);
    Some(())
}

/// Equal but for where comments stand: an encrypted one loses its place behind a value when it is opened.
fn same(left: &Branch, right: &Branch) -> bool {
    let is_metadata = |entry: &&Entry| entry.key.name() == Some(ENTRY);
    let content = |branch: &Branch| Branch {
        entries: branch.entries.iter().filter(|entry| !is_metadata(entry)).cloned().collect(),
    };
    same_entries(&content(left), &content(right))
        && same_fields(left.get(ENTRY).unwrap_or(&Value::Null), right.get(ENTRY).unwrap_or(&Value::Null))
}

/// Equal metadata, in whatever order; comments in it do not count.
fn same_fields(left: &Value, right: &Value) -> bool {
    let items = |value: &Value| match value {
        Value::List(items) => {
            items.iter().filter(|item| !matches!(item, Value::Comment(_))).cloned().collect()
        }
        other => vec![other.clone()],
    };
    match (left, right) {
        (Value::Branch(left), Value::Branch(right)) => {
            left.named().count() == right.named().count()
                && left
                    .named()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same_fields(value, other)))
        }
        (Value::List(_), Value::List(_)) => {
            let (left, right) = (items(left), items(right));
            left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| same_fields(left, right))
        }
        (left, right) => left == right,
    }
}

fn same_entries(left: &Branch, right: &Branch) -> bool {
    let entry = |(left, right): (&Entry, &Entry)| match (&left.key, &right.key) {
        (Key::Comment(left), Key::Comment(right)) => left.text == right.text,
        (left_key, right_key) => left_key == right_key && same_value(&left.value, &right.value),
    };
    left.entries.len() == right.entries.len() && left.entries.iter().zip(&right.entries).all(entry)
}

fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Branch(left), Value::Branch(right)) => same_entries(left, right),
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Value::Comment(left), Value::Comment(right)) => left.text == right.text,
        (left, right) => left == right,
    }
}

/// Whether the entries of a mapping must stand in the wanted order.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Kept,
    Any,
}

struct Edits<'t> {
    original: &'t [u8],
    list: Vec<(Range<usize>, Vec<u8>)>,
}

impl Edits<'_> {
    /// Metadata may stand anywhere, its fields in any order.
    fn mapping(&mut self, node: &Node, branch: &Branch, order: Order) -> Option<()> {
        if node.kind != Kind::Mapping {
            return None;
        }
        if order == Order::Any {
            return node
                .pairs()
                .try_for_each(|(key, value)| self.value(value, branch.get(&key.value)?, order));
        }
        let mut wanted = branch.named().filter(|(name, _)| *name != ENTRY);
        for (key, value) in node.pairs() {
            if key.value == ENTRY {
                self.value(value, branch.get(ENTRY)?, Order::Any)?;
                continue;
            }
            let (name, new) = wanted.next()?;
            if key.kind != Kind::Scalar || key.value != name {
                return None;
            }
            self.value(value, new, order)?;
        }
        wanted.next().is_none().then_some(())
    }

    fn value(&mut self, node: &Node, new: &Value, order: Order) -> Option<()> {
        match (node.kind, new) {
            (Kind::Mapping, Value::Branch(branch)) => self.nested_mapping(node, branch, order),
            (Kind::Sequence, Value::List(items)) => {
                let mut items = items.iter().filter(|item| !matches!(item, Value::Comment(_)));
                node.content.iter().try_for_each(|node| self.value(node, items.next()?, order))?;
                items.next().is_none().then_some(())
            }
            (Kind::Scalar, Value::Branch(_) | Value::List(_)) => None,
            (Kind::Scalar, new) => {
                if scalar_value(node).ok()? != *new {
                    let text = self.replacement(node, new)?;
                    self.list.push((self.without_breaks(&node.text), text));
                }
                Some(())
            }
            // What an alias stands for is changed where it is, or the check at the end fails.
            (Kind::Alias, _) => Some(()),
            _ => None,
        }
    }

    /// Below the top, `sops` is a key like any other.
    fn nested_mapping(&mut self, node: &Node, branch: &Branch, order: Order) -> Option<()> {
        if order == Order::Any {
            return self.mapping(node, branch, order);
        }
        let mut wanted = branch.named();
        for (key, value) in node.pairs() {
            let (name, new) = wanted.next()?;
            if key.kind != Kind::Scalar || key.value != name {
                return None;
            }
            self.value(value, new, order)?;
        }
        wanted.next().is_none().then_some(())
    }

    /// A block text reaches to the end of its last line; that line break and blank lines behind it stay.
    fn without_breaks(&self, range: &Range<usize>) -> Range<usize> {
        let kept = self.original[range.clone()].iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        range.start..range.start + kept.map_or(0, |at| at + 1)
    }

    fn replacement(&self, node: &Node, new: &Value) -> Option<Vec<u8>> {
        let text = match new {
            Value::Str(text) => self.string(node, text.as_str()?)?,
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Int(int) => int.to_string(),
            Value::Float(float) => sealfast_yaml::scalar::float_text(*float),
            Value::Time(time) => time.to_string(),
            _ => return None,
        };
        // A value that was left out has no blank before it.
        let is_bare = node.text.is_empty() && node.text.start > 0;
        let needs_blank = is_bare && matches!(self.original[node.text.start - 1], b':' | b'-');
        Some(if needs_blank { format!(" {text}").into_bytes() } else { text.into_bytes() })
    }

    /// Ciphertext stands as it is, other strings in the quotes they had, or in double quotes.
    fn string(&self, node: &Node, text: &str) -> Option<String> {
        let is_simple = !text.contains(['"', '\'', '\\']) && text.chars().all(|letter| !letter.is_control());
        match node.style {
            Style::Literal if text.contains('\n') => self.block(node, text),
            Style::SingleQuoted if is_simple => Some(format!("'{text}'")),
            Style::DoubleQuoted if is_simple => Some(format!("\"{text}\"")),
            _ if text.starts_with("ENC[AES256_GCM,") && !self.is_in_flow(node) => Some(text.to_owned()),
            _ => serde_json::to_string(text).ok(),
        }
    }

    /// A text in the block of the old one: same header, same indentation.
    fn block(&self, node: &Node, text: &str) -> Option<String> {
        let old = std::str::from_utf8(self.original.get(node.text.clone())?).ok()?;
        let (header, lines) = old.split_once('\n')?;
        let indent = lines.len() - lines.trim_start_matches(' ').len();
        let body = match header.trim_end() {
            "|" => text.strip_suffix('\n')?,
            "|-" => text,
            _ => return None,
        };
        if body.starts_with([' ', '\n']) || body.ends_with('\n') {
            return None;
        }
        let lines: Vec<String> = body
            .split('\n')
            .map(|line| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(indent)) })
            .collect();
        Some(format!("{}\n{}", header.trim_end(), lines.join("\n")))
    }

    /// Inside brackets a comma ends a plain text; the byte before on the same line tells well enough, and the check
    /// at the end tells for sure.
    fn is_in_flow(&self, node: &Node) -> bool {
        let line_start =
            self.original[..node.text.start].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.original[line_start..node.text.start].iter().any(|byte| matches!(byte, b'{' | b'['))
    }

    fn apply(mut self) -> Vec<u8> {
        self.list.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.original.len());
        let mut done = 0;
        for (range, text) in self.list {
            out.extend(&self.original[done..range.start.max(done)]);
            out.extend(text);
            done = range.end.max(done);
        }
        out.extend(&self.original[done..]);
        out
    }
}

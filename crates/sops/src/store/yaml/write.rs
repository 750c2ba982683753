//! Branches -> nodes of YAML documents, and their text.
//!
//! Follows: `stores/yaml/store.go` of sops 3.13.2. Differs: texts that it writes so that they cannot be read back are
//! quoted.

use sealfast_yaml::emit;
use sealfast_yaml::node::{Comments, Node, Style};
use sealfast_yaml::scalar;

use super::Documents;
use crate::error::Error;
use crate::tree::{Branch, Comment, Key, Value};

/// The indentation that is meant: 0 stands for the usual one.
pub(in crate::store) fn indentation(indent: i32) -> Result<usize, Error> {
    match usize::try_from(indent) {
        Ok(0) => Ok(4),
        Ok(indent) => Ok(indent),
        Err(_) => Err(Error::Emit { message: "YAML Negative indentation not accepted".to_owned() }),
    }
}

pub(in crate::store) fn emit(branches: &[Branch], indent: i32) -> Result<Vec<u8>, Error> {
    let options = emit::Options { indent: indentation(indent)?, ..emit::Options::default() };
    let nodes = branches.iter().map(|branch| Node::document(mapping_node(branch, Column::Aligned)));
    write(&Documents(nodes.collect()), &options)
}

pub(in crate::store) fn emit_value(value: &Value) -> Result<Vec<u8>, Error> {
    write(
        &Documents(vec![Node::document(value_node(value, Column::Aligned))]),
        &emit::Options { indent: 4, ..emit::Options::default() },
    )
}

pub(super) fn write(documents: &Documents, options: &emit::Options) -> Result<Vec<u8>, Error> {
    let text = emit::documents(documents, options)
        .map_err(|wrong| Error::Emit { message: format!("Error marshaling to YAML: {wrong}") })?;
    Ok(text.into_bytes())
}

/// Where a block text would stand. Behind a dash and in a mapping behind a dash its lines are indented by less than the
/// hint says that the reference writes for a text with a leading blank, and could not be read back.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Column {
    Aligned,
    BehindDash,
}

pub(super) fn mapping_node(branch: &Branch, column: Column) -> Node {
    let mut node = Node::mapping();
    let mut pending = Pending::default();
    for entry in &branch.entries {
        let key = match &entry.key {
            Key::Comment(comment) => {
                pending.take(comment);
                continue;
            }
            Key::Name(name) => text_node(name, Column::Aligned),
            Key::Other { text, .. } => Node { value: text.clone(), ..Node::default() },
        };
        pending.head(&mut node);
        let (mut key, mut value) = (key, value_node(&entry.value, column));
        pending.item_head(&mut key);
        pending.inline(&mut value);
        node.content.extend([key, value]);
    }
    pending.rest(&mut node, 2);
    node
}

pub(super) fn sequence_node(items: &[Value]) -> Node {
    let mut node = Node::sequence();
    let mut pending = Pending::default();
    for item in items {
        if let Value::Comment(comment) = item {
            pending.take(comment);
            continue;
        }
        pending.head(&mut node);
        let mut item = match item {
            Value::Branch(branch) => mapping_node(branch, Column::BehindDash),
            item => value_node(item, Column::BehindDash),
        };
        pending.item_head(&mut item);
        pending.inline(&mut item);
        node.content.push(item);
    }
    pending.rest(&mut node, 1);
    node
}

fn value_node(value: &Value, column: Column) -> Node {
    let plain = |tag: &str, text: String| Node::scalar(tag, text);
    match value {
        Value::Null => plain("!!null", "null".to_owned()),
        Value::Bool(flag) => plain("!!bool", flag.to_string()),
        Value::Int(int) => plain("!!int", int.to_string()),
        Value::Uint(int) => plain("!!int", int.to_string()),
        Value::Float(float) => {
            let text = scalar::float_text(*float);
            // A float without a point reads back as an integer; the tag stays out of the way of that.
            let tag = if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                "!!int"
            } else {
                "!!float"
            };
            plain(tag, text)
        }
        Value::Time(time) => plain("!!timestamp", time.to_string()),
        Value::Str(text) | Value::Comment(Comment { text, .. }) => match text.as_str() {
            Some(text) => text_node(text, column),
            None => scalar::binary_node(text.as_bytes()),
        },
        Value::List(items) => sequence_node(items),
        Value::Branch(branch) => mapping_node(branch, Column::Aligned),
    }
}

/// The merge key cannot be told from a string by its looks and keeps its tag.
pub(super) fn text_node(text: &str, column: Column) -> Node {
    if text == "<<" {
        return Node { tagged: true, ..Node::scalar("!!merge", text) };
    }
    let mut node = scalar::string_node(text);
    let is_misread = match column {
        Column::Aligned => text.starts_with('\t'),
        Column::BehindDash => text.starts_with([' ', '\n', '\t']),
    };
    if node.style == Style::Literal && is_misread {
        node.style = Style::DoubleQuoted;
    }
    node
}

/// Comments that wait for the node they belong to.
#[derive(Default)]
struct Pending {
    head: Vec<String>,
    inline: Vec<String>,
    started: bool,
}

impl Pending {
    fn take(&mut self, comment: &Comment) {
        // What is missing before later lines is put there by the emitter.
        let text = comment.text.to_string_lossy().into_owned();
        if comment.inline { self.inline.push(text) } else { self.head.push(text) }
    }

    /// Comments before the first entry belong to the container.
    fn head(&mut self, container: &mut Node) {
        if !self.started {
            append(container, &mut self.head, |comments| &mut comments.head);
            self.started = true;
        }
    }

    fn item_head(&mut self, item: &mut Node) {
        prepend_head(item, &mut self.head);
    }

    fn inline(&mut self, item: &mut Node) {
        append(item, &mut self.inline, |comments| &mut comments.line);
    }

    /// What is left belongs below the last item or key, or to the container when it is empty.
    fn rest(mut self, container: &mut Node, step: usize) {
        self.head.append(&mut self.inline);
        match container.content.len().checked_sub(step) {
            Some(last) => append(&mut container.content[last], &mut self.head, |comments| &mut comments.foot),
            None => append(container, &mut self.head, |comments| &mut comments.head),
        }
    }
}

/// An item that is a container has its own head already when its first entries are comments.
fn prepend_head(node: &mut Node, texts: &mut Vec<String>) {
    if texts.is_empty() {
        return;
    }
    let head = &mut node.comments_mut().head;
    let own = std::mem::take(head);
    *head = format!("#{}", texts.join("\n#"));
    if !own.is_empty() {
        head.push('\n');
        head.push_str(&own);
    }
    texts.clear();
}

fn append(node: &mut Node, texts: &mut Vec<String>, field: fn(&mut Comments) -> &mut String) {
    if texts.is_empty() {
        return;
    }
    let field = field(node.comments_mut());
    if !field.is_empty() {
        field.push('\n');
    }
    field.push('#');
    field.push_str(&texts.join("\n#"));
    texts.clear();
}

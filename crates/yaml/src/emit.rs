//! Text from trees, laid out as the reference's encoder lays it out.
//!
//! Follows: `emitterc.go` and `encode.go` of `go.yaml.in/yaml/v3` 3.0.4, its placing of comments included;
//! [`sorted`] follows `go.yaml.in/yaml/v2` 2.4, as `sigs.k8s.io/yaml` uses it.

use crate::error::Error;
use crate::node::{Comments, Kind, Node, Style};
use crate::scalar;

mod analysis;
mod flow;
mod scalars;
pub(crate) mod sorted;
mod writer;

use analysis::{Tabs, analyze};
use scalars::{collection_tag, scalar_tag_and_style};
use writer::{Habits, Writer};

/// How trees are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Blanks a level, 2 to 9; anything else means 2.
    pub indent: usize,
    /// Puts the dashes of a sequence below its key without further indentation.
    pub compact_sequences: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { indent: 4, compact_sequences: false }
    }
}

/// Writes documents as one stream, separated by `---`.
///
/// # Errors
///
/// A tree that cannot be written, such as an anchor with a blank in its name.
///
/// ```
/// let documents = sealfast_yaml::parse::documents(b"a:   1\n# two\nb: [x,  y]\n")?;
/// let text = sealfast_yaml::emit::documents(&documents, &Default::default())?;
/// assert_eq!(text, "a: 1\n# two\nb: [x, y]\n");
/// # Ok::<(), sealfast_yaml::error::Error>(())
/// ```
pub fn documents(documents: &[Node], options: &Options) -> Result<String, Error> {
    let indent = if (2..=9).contains(&options.indent) { options.indent } else { 2 };
    let mut emitter = Emitter {
        writer: Writer::new(indent, usize::MAX, Habits::V3),
        compact_sequences: options.compact_sequences,
        flow_level: 0,
        head: Vec::new(),
        line: Vec::new(),
        foot: Vec::new(),
        tail: Vec::new(),
        key_line: Vec::new(),
    };
    for (number, document) in documents.iter().enumerate() {
        emitter.document(document, number == 0)?;
    }
    String::from_utf8(emitter.writer.out).map_err(|_| Error::tree("cannot marshal invalid UTF-8 data"))
}

/// What a node stands in; decides about indentation and what is written around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    BlockItem,
    FlowItem,
    BlockValue,
    FlowValue,
    SimpleKey,
    Key,
}

struct Emitter {
    writer: Writer,
    compact_sequences: bool,
    flow_level: usize,
    /// Comments taken up and not yet written, as the reference keeps them.
    head: Vec<u8>,
    line: Vec<u8>,
    foot: Vec<u8>,
    /// Foot comment of the key before, written before the next key.
    tail: Vec<u8>,
    /// Line comment of a key, on its way behind the value.
    key_line: Vec<u8>,
}

impl Emitter {
    fn document(&mut self, document: &Node, first: bool) -> Result<(), Error> {
        let (root, comments) = match document.kind {
            Kind::Document => (document.content.first(), document.comments.as_deref()),
            _ => (Some(document), None),
        };
        set(&mut self.head, comments.map_or("", |comments| &comments.head));
        if !first {
            self.writer.write_indent();
            self.writer.indicator(b"---");
            self.writer.write_indent();
        }
        if !self.head.is_empty() {
            self.head_comment();
            self.writer.put_break();
        }
        if let Some(root) = root {
            self.take_up(root, "");
            self.head_comment();
            self.node(root, Place::Root)?;
        }
        set(&mut self.foot, comments.map_or("", |comments| &comments.foot));
        self.writer.foot_indent = 0;
        self.foot_comment();
        self.writer.foot_indent = -1;
        self.writer.write_indent();
        Ok(())
    }

    /// Takes up the comments that go with a node's beginning.
    fn take_up(&mut self, node: &Node, tail: &str) {
        if matches!(node.kind, Kind::Scalar | Kind::Mapping) {
            set(&mut self.tail, tail);
        }
        if let Some(comments) = &node.comments {
            set(&mut self.head, &comments.head);
            if matches!(node.kind, Kind::Scalar | Kind::Alias) {
                set(&mut self.line, &comments.line);
                set(&mut self.foot, &comments.foot);
            }
        }
    }

    /// Takes up the comments that go with a collection's end.
    fn take_up_end(&mut self, comments: Option<&Comments>, tail: &str, place: Place) {
        set(&mut self.tail, tail);
        set(&mut self.line, comments.map_or("", |comments| &comments.line));
        // The foot of a key waits for the next key.
        if !matches!(place, Place::SimpleKey | Place::Key) {
            set(&mut self.foot, comments.map_or("", |comments| &comments.foot));
        }
    }

    /// Writes a node whose comments were taken up.
    fn node(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        match node.kind {
            Kind::Alias => {
                self.anchor(b"*", &node.value)?;
                self.behind(place);
            }
            Kind::Scalar => {
                self.scalar(node, place)?;
                self.behind(place);
            }
            Kind::Sequence | Kind::Mapping => {
                self.anchor(b"&", &node.anchor)?;
                let tag = collection_tag(node);
                self.tag(&tag);
                self.behind(place);
                let flow = self.flow_level > 0 || node.style == Style::Flow || node.content.is_empty();
                match (node.kind, flow) {
                    (Kind::Sequence, true) => self.flow_sequence(node, place)?,
                    (Kind::Sequence, false) => self.block_sequence(node, place)?,
                    (_, true) => self.flow_mapping(node, place)?,
                    (_, false) => self.block_mapping(node, place)?,
                }
            }
            Kind::Document => return Err(Error::tree("a document cannot stand inside a document")),
        }
        Ok(())
    }

    /// Writes what stands behind a scalar, or behind the beginning of a collection.
    fn behind(&mut self, place: Place) {
        if matches!(place, Place::SimpleKey | Place::Key) {
            return;
        }
        if matches!(place, Place::FlowItem | Place::FlowValue) && self.comments_wait() {
            self.writer.tight_indicator(b",");
        }
        self.line_comment();
        self.foot_comment();
    }

    fn comments_wait(&self) -> bool {
        !self.line.is_empty() || !self.foot.is_empty() || !self.tail.is_empty()
    }

    // ---- collections

    fn block_sequence(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        let in_mapping =
            matches!(place, Place::BlockValue | Place::FlowValue | Place::SimpleKey | Place::Key);
        let compact =
            self.compact_sequences && in_mapping && (self.writer.column == 0 || !self.writer.indention);
        let outer = self.deepen(place, self.writer.best_indent, false, compact);
        for item in &node.content {
            self.take_up(item, "");
            self.head_comment();
            self.writer.write_indent();
            self.writer.block_indicator(b"-");
            self.node(item, Place::BlockItem)?;
        }
        self.take_up_end(node.comments.as_deref(), "", place);
        self.writer.indent = outer;
        Ok(())
    }

    fn block_mapping(&mut self, node: &Node, place: Place) -> Result<(), Error> {
        let outer = self.deepen(place, self.writer.best_indent, false, false);
        let mut tail = "";
        for pair in node.content.chunks_exact(2) {
            let (key, value) = (&pair[0], &pair[1]);
            self.take_up_key(key, tail);
            tail = foot_of(key);
            self.head_comment();
            self.writer.write_indent();
            if !self.line.is_empty() {
                self.key_line = std::mem::take(&mut self.line);
            }
            if is_simple_key(key) {
                self.node(key, Place::SimpleKey)?;
                self.take_up(value, "");
                self.writer.tight_indicator(b":");
            } else {
                self.writer.block_indicator(b"?");
                self.node(key, Place::Key)?;
                self.take_up(value, "");
                self.writer.write_indent();
                self.writer.block_indicator(b":");
            }
            self.key_line_comment(value);
            self.node(value, Place::BlockValue)?;
        }
        self.take_up_end(node.comments.as_deref(), tail, place);
        self.head_comment();
        self.writer.indent = outer;
        Ok(())
    }

    /// A key's line comment goes behind a scalar value, or behind the colon of a block collection.
    fn key_line_comment(&mut self, value: &Node) {
        if self.key_line.is_empty() {
            return;
        }
        match value.kind {
            Kind::Scalar if self.line.is_empty() => self.line = std::mem::take(&mut self.key_line),
            Kind::Mapping | Kind::Sequence if value.style != Style::Flow => {
                std::mem::swap(&mut self.line, &mut self.key_line);
                self.line_comment();
                std::mem::swap(&mut self.line, &mut self.key_line);
            }
            _ => {}
        }
    }

    /// A key's foot comment is written before the next key, not behind this one.
    fn take_up_key(&mut self, key: &Node, tail: &str) {
        let foot = std::mem::take(&mut self.foot);
        self.take_up(key, tail);
        self.foot = foot;
    }

    /// Indents for the inside of a node; returns the indentation to go back to.
    fn deepen(&mut self, place: Place, best: usize, flow: bool, compact: bool) -> isize {
        let outer = self.writer.indent;
        let best = best as isize;
        self.writer.indent = if outer < 0 {
            if flow { best } else { 0 }
        } else if place == Place::BlockItem {
            outer + 2
        } else {
            let next = best * ((outer + best) / best);
            if compact { next - 2 } else { next }
        };
        outer
    }

    // ---- comments

    fn head_comment(&mut self) {
        if !self.tail.is_empty() {
            self.writer.write_indent();
            let tail = std::mem::take(&mut self.tail);
            self.writer.comment(&tail);
            self.writer.foot_indent = self.writer.indent.max(0);
        }
        if !self.head.is_empty() {
            self.writer.write_indent();
            let head = std::mem::take(&mut self.head);
            self.writer.comment(&head);
        }
    }

    fn line_comment(&mut self) {
        if self.line.is_empty() {
            return;
        }
        if !self.writer.whitespace {
            self.writer.put(b' ');
        }
        let line = std::mem::take(&mut self.line);
        self.writer.comment(&line);
    }

    fn line_comment_or_break(&mut self) {
        if self.line.is_empty() {
            self.writer.put_break();
        } else {
            self.line_comment();
        }
    }

    fn foot_comment(&mut self) {
        if self.foot.is_empty() {
            return;
        }
        self.writer.write_indent();
        let foot = std::mem::take(&mut self.foot);
        self.writer.comment(&foot);
        self.writer.foot_indent = self.writer.indent.max(0);
    }
}

fn foot_of(node: &Node) -> &str {
    node.comments.as_ref().map_or("", |comments| &comments.foot)
}

/// Replaces what waits, unless there is nothing new.
fn set(waiting: &mut Vec<u8>, text: &str) {
    if !text.is_empty() {
        waiting.clear();
        waiting.extend_from_slice(text.as_bytes());
    }
}

/// Tells keys that fit before a colon: one line, at most 128 bytes.
fn is_simple_key(key: &Node) -> bool {
    let tag_length = |tag: &str| {
        let long = scalar::long_tag(tag);
        long.strip_prefix("tag:yaml.org,2002:").map_or(long.len(), |suffix| suffix.len() + 2)
    };
    let length = match key.kind {
        Kind::Alias => key.value.len(),
        Kind::Scalar => {
            if analyze(key.value.as_bytes(), Tabs::InBlocks).multiline {
                return false;
            }
            let (tag, _) = scalar_tag_and_style(key);
            key.anchor.len() + tag_length(&tag) + key.value.len()
        }
        Kind::Sequence | Kind::Mapping if key.content.is_empty() => {
            key.anchor.len() + tag_length(&collection_tag(key))
        }
        _ => return false,
    };
    length <= 128
}

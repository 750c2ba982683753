//! Nodes from events; comments find their final node here.
//!
//! Follows: the node half of `decode.go` of `go.yaml.in/yaml/v3` 3.0.4.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::event::{Event, EventKind, Properties, text};
use super::machine::Machine;
use super::{Limits, MAX_DEPTH};
use crate::error::Error;
use crate::node::{Kind, Mark, Node, Style, known_tag};
use crate::read::Source;
use crate::scalar;
use crate::scan::Pos;

/// Builds one document after the other.
pub(super) struct Builder<'a> {
    machine: Machine<'a>,
    anchors: HashSet<String>,
    /// Bytes of the input before the text.
    skipped: usize,
    /// Nodes that there may be, and that may still come.
    most_nodes: usize,
    nodes_left: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(source: &'a Source<'_>, limits: &Limits) -> Self {
        let Source { skipped, .. } = *source;
        let most_nodes = limits.nodes;
        Self {
            machine: Machine::new(source),
            anchors: HashSet::new(),
            skipped,
            most_nodes,
            nodes_left: most_nodes,
        }
    }

    /// Reads as v2 does, which looks less far ahead.
    pub(super) fn look_less(mut self) -> Self {
        self.machine.look_less();
        self
    }

    /// Gives comments their numbers for words.
    pub(super) fn number_comments(mut self) -> Self {
        self.machine.number_comments();
        self
    }

    /// Returns where comment lines stand in the input, by their numbers.
    pub(super) fn into_comment_places(self) -> Vec<Range<usize>> {
        let skipped = self.skipped;
        self.machine
            .into_comment_places()
            .into_iter()
            .map(|place| place.start + skipped..place.end + skipped)
            .collect()
    }

    /// Returns the next document, or nothing at the end of the stream.
    pub(super) fn document(&mut self) -> Result<Option<Node>, Error> {
        let mut start = self.take()?;
        if start.kind == EventKind::StreamStart {
            start = self.take()?;
        }
        if start.kind == EventKind::StreamEnd {
            return Ok(None);
        }
        let mut document = self.plain_node(Kind::Document, &mut start);
        let root = self.root()?;
        document.content.push(root);
        let end = self.take()?;
        document.end = self.end(&end);
        set_foot(&mut document, end.notes.map(|notes| notes.into_comments().foot).unwrap_or_default());
        Ok(Some(document))
    }

    fn take(&mut self) -> Result<Event, Error> {
        self.machine.next()
    }

    /// Reads the node of a document. Collections wait on a stack of their own until they are complete, and what they
    /// hold on another, from where it moves into no more room than it takes.
    fn root(&mut self) -> Result<Node, Error> {
        let mut open: Vec<Open> = Vec::new();
        let mut content: Vec<Node> = Vec::new();
        loop {
            let mut event = self.take()?;
            self.count()?;
            let mut complete = match event.kind {
                EventKind::Scalar => self.scalar(event),
                EventKind::Alias => self.alias(event)?,
                EventKind::SequenceStart | EventKind::MappingStart => {
                    if open.len() == MAX_DEPTH {
                        return Err(self.too_deep(event.start.line + 1));
                    }
                    open.push(Open { node: self.collection(&mut event), from: content.len() });
                    continue;
                }
                EventKind::SequenceEnd | EventKind::MappingEnd => match open.pop() {
                    Some(Open { mut node, from }) => {
                        node.content = content.split_off(from);
                        self.close(&mut node, event);
                        node
                    }
                    None => return Err(Error::tree("attempted to parse unknown event")),
                },
                _ => return Err(Error::tree("attempted to parse unknown event")),
            };
            let Some(Open { node, from }) = open.last() else { return Ok(complete) };
            follow(node, &mut content[*from..], &mut complete);
            content.push(complete);
        }
    }

    /// The end of a collection counts as one more.
    fn count(&mut self) -> Result<(), Error> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| self.too_many())?;
        Ok(())
    }

    fn too_many(&self) -> Error {
        let most = self.most_nodes;
        Error::tree(format!(
            "too many nodes: a stream may have {most} keys, values and ends of lists and mappings"
        ))
    }

    /// A mistake further down in the text is reported before the depth of the tree.
    fn too_deep(&mut self, line: usize) -> Error {
        loop {
            match self.machine.next() {
                Err(error) => return error,
                Ok(event) if event.kind == EventKind::StreamEnd => {
                    return Error::syntax(format!("exceeded max depth of {MAX_DEPTH}"), 0).about(line);
                }
                Ok(_) => {}
            }
        }
    }

    fn anchor(&mut self, node: &mut Node, properties: Option<Box<Properties>>) {
        if let Some(properties) = properties.filter(|properties| !properties.anchor.is_empty()) {
            node.anchor = text(properties.anchor);
            self.anchors.insert(node.anchor.clone());
        }
    }

    fn alias(&mut self, mut event: Event) -> Result<Node, Error> {
        let name = event.properties.take().map_or_else(String::new, |properties| text(properties.anchor));
        if !self.anchors.contains(&name) {
            return Err(Error::unknown_anchor(&name, self.mark(event.start).line()));
        }
        let mut alias = self.plain_node(Kind::Alias, &mut event);
        alias.value = name;
        Ok(alias)
    }

    fn scalar(&mut self, mut event: Event) -> Node {
        let mut scalar = self.plain_node(Kind::Scalar, &mut event);
        scalar.style = event.style;
        scalar.value = text(std::mem::take(&mut event.value));
        scalar.nonspecific = event.tag() == b"!";
        scalar.text = event.text.start + self.skipped..event.text.end + self.skipped;
        match written_tag(event.tag()) {
            Some(tag) => {
                scalar.tag = tag;
                scalar.tagged = true;
            }
            None if scalar.style != Style::Plain => scalar.tag = Cow::Borrowed("!!str"),
            None => scalar.tag = Cow::Borrowed(scalar::plain_tag(&scalar.value)),
        }
        self.anchor(&mut scalar, event.properties);
        scalar
    }

    fn collection(&mut self, event: &mut Event) -> Node {
        let (kind, default) = match event.kind {
            EventKind::MappingStart => (Kind::Mapping, "!!map"),
            _ => (Kind::Sequence, "!!seq"),
        };
        let mut collection = self.plain_node(kind, event);
        let tag = written_tag(event.tag());
        collection.tagged = tag.is_some();
        collection.tag = tag.unwrap_or(Cow::Borrowed(default));
        collection.style = event.style;
        self.anchor(&mut collection, event.properties.take());
        collection
    }

    /// Takes over what the end of a collection carries.
    fn close(&self, node: &mut Node, end: Event) {
        node.end = self.end(&end);
        let notes = end.notes.map(|notes| notes.into_comments()).unwrap_or_default();
        if notes.line.is_empty() && notes.foot.is_empty() && node.comments.is_none() {
            return;
        }
        let comments = node.comments_mut();
        comments.line = notes.line;
        comments.foot = notes.foot;
        let block = node.kind == Kind::Mapping && node.style != Style::Flow && !foot(node).is_empty();
        if let Some(last) = node.content.len().checked_sub(2).filter(|_| block) {
            let text = take_foot(node);
            set_foot(&mut node.content[last], text);
        }
    }

    fn plain_node(&self, kind: Kind, event: &mut Event) -> Node {
        let (start, end) = (self.mark(event.start), self.end(event));
        let mut node = Node { kind, start, end, ..Node::default() };
        if let Some(notes) = event.notes.take() {
            node.comments = Some(Box::new(notes.into_comments()));
        }
        node
    }

    fn end(&self, event: &Event) -> usize {
        event.end.offset + self.skipped
    }

    fn mark(&self, pos: Pos) -> Mark {
        Mark::new(pos.offset + self.skipped, pos.line + 1, pos.column + 1)
    }
}

/// A collection that is not complete, and where what it holds begins on the stack.
struct Open {
    node: Node,
    from: usize,
}

/// Makes an item, a key or a value ready to follow the others; foot comments move to the key that they follow.
fn follow(parent: &Node, others: &mut [Node], node: &mut Node) {
    let count = others.len();
    if parent.kind == Kind::Mapping && !foot(node).is_empty() {
        let is_key = count.is_multiple_of(2);
        if is_key && count >= 2 && parent.style != Style::Flow {
            // A foot comment met at a key is the foot of the key before.
            let text = take_foot(node);
            set_foot(&mut others[count - 2], text);
        } else if !is_key && foot(&others[count - 1]).is_empty() {
            let text = take_foot(node);
            set_foot(&mut others[count - 1], text);
        }
    }
}

/// Returns the short form of a tag that was written (`!` alone says nothing).
fn written_tag(tag: &[u8]) -> Option<Cow<'static, str>> {
    if tag.is_empty() || tag == b"!" {
        return None;
    }
    Some(known_tag(&scalar::short_tag(&String::from_utf8_lossy(tag))))
}

fn foot(node: &Node) -> &str {
    node.comments.as_ref().map_or("", |comments| comments.foot.as_str())
}

fn take_foot(node: &mut Node) -> String {
    node.comments.as_mut().map(|comments| std::mem::take(&mut comments.foot)).unwrap_or_default()
}

fn set_foot(node: &mut Node, text: String) {
    if !text.is_empty() || node.comments.is_some() {
        node.comments_mut().foot = text;
    }
}

//! Nodes from events; comments find their final node here.

use std::collections::HashSet;

use super::event::{Event, EventKind};
use super::machine::Machine;
use crate::error::Error;
use crate::node::{Comments, Kind, Mark, Node, Style};
use crate::scalar;
use crate::scan::Pos;

/// Builds one document after the other.
pub(super) struct Builder<'a> {
    machine: Machine<'a>,
    next: Option<Event>,
    anchors: HashSet<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { machine: Machine::new(text), next: None, anchors: HashSet::new() }
    }

    /// Returns the next document, or nothing at the end of the stream.
    pub(super) fn document(&mut self) -> Result<Option<Node>, Error> {
        if self.peek()?.kind == EventKind::StreamStart {
            self.take()?;
        }
        if self.peek()?.kind == EventKind::StreamEnd {
            return Ok(None);
        }
        let start = self.take()?;
        let mut document = node(Kind::Document, start, String::new(), false);
        let root = self.node()?;
        document.content.push(root);
        let end = self.take()?;
        document.end = mark(end.end);
        set_foot(&mut document, text(end.foot));
        Ok(Some(document))
    }

    fn peek(&mut self) -> Result<&mut Event, Error> {
        if self.next.is_none() {
            self.next = Some(self.machine.next()?);
        }
        match &mut self.next {
            Some(event) => Ok(event),
            None => Err(Error::tree("attempted to go past the end of stream; corrupted value?")),
        }
    }

    fn take(&mut self) -> Result<Event, Error> {
        match self.next.take() {
            Some(event) => Ok(event),
            None => self.machine.next(),
        }
    }

    fn node(&mut self) -> Result<Node, Error> {
        let event = self.take()?;
        match event.kind {
            EventKind::Scalar => Ok(self.scalar(event)),
            EventKind::Alias => self.alias(event),
            EventKind::SequenceStart => self.sequence(event),
            EventKind::MappingStart => self.mapping(event),
            _ => Err(Error::tree("attempted to parse unknown event")),
        }
    }

    fn anchor(&mut self, node: &mut Node, anchor: Vec<u8>) {
        if !anchor.is_empty() {
            node.anchor = text(anchor);
            self.anchors.insert(node.anchor.clone());
        }
    }

    fn alias(&mut self, mut event: Event) -> Result<Node, Error> {
        let name = text(std::mem::take(&mut event.anchor));
        if !self.anchors.contains(&name) {
            return Err(Error::tree(format!("unknown anchor '{name}' referenced")));
        }
        let mut alias = node(Kind::Alias, event, String::new(), false);
        alias.value = name;
        Ok(alias)
    }

    fn scalar(&mut self, mut event: Event) -> Node {
        let value = text(std::mem::take(&mut event.value));
        let anchor = std::mem::take(&mut event.anchor);
        let style = event.style;
        let (tag, tagged) = match written_tag(&mut event) {
            Some(tag) => (tag, true),
            None if style != Style::Plain => ("!!str".to_owned(), false),
            None => (scalar::plain_tag(&value).to_owned(), false),
        };
        let mut scalar = node(Kind::Scalar, event, tag, tagged);
        scalar.style = style;
        scalar.value = value;
        self.anchor(&mut scalar, anchor);
        scalar
    }

    fn sequence(&mut self, mut event: Event) -> Result<Node, Error> {
        let mut sequence = self.collection(Kind::Sequence, &mut event, "!!seq");
        while self.peek()?.kind != EventKind::SequenceEnd {
            let item = self.node()?;
            sequence.content.push(item);
        }
        let end = self.take()?;
        close(&mut sequence, end);
        Ok(sequence)
    }

    fn mapping(&mut self, mut event: Event) -> Result<Node, Error> {
        let mut mapping = self.collection(Kind::Mapping, &mut event, "!!map");
        let block = mapping.style != Style::Flow;
        while self.peek()?.kind != EventKind::MappingEnd {
            let mut key = self.node()?;
            // A foot comment met at a key is the foot of the key before.
            let before = mapping.content.len().checked_sub(2);
            if let Some(before) = before.filter(|_| block && !foot(&key).is_empty()) {
                let text = take_foot(&mut key);
                set_foot(&mut mapping.content[before], text);
            }
            let mut value = self.node()?;
            if foot(&key).is_empty() && !foot(&value).is_empty() {
                let text = take_foot(&mut value);
                set_foot(&mut key, text);
            }
            mapping.content.push(key);
            mapping.content.push(value);
        }
        let end = self.take()?;
        close(&mut mapping, end);
        if let Some(last) =
            mapping.content.len().checked_sub(2).filter(|_| block && !foot(&mapping).is_empty())
        {
            let text = take_foot(&mut mapping);
            set_foot(&mut mapping.content[last], text);
        }
        Ok(mapping)
    }

    fn collection(&mut self, kind: Kind, event: &mut Event, default: &str) -> Node {
        let anchor = std::mem::take(&mut event.anchor);
        let style = event.style;
        let tag = written_tag(event);
        let tagged = tag.is_some();
        let empty = Event::new(event.kind, event.start, event.end);
        let event = std::mem::replace(event, empty);
        let mut collection = node(kind, event, tag.unwrap_or_else(|| default.to_owned()), tagged);
        collection.style = style;
        self.anchor(&mut collection, anchor);
        collection
    }
}

/// Returns the short form of a tag that was written (`!` alone says nothing).
fn written_tag(event: &mut Event) -> Option<String> {
    let tag = text(std::mem::take(&mut event.tag));
    (!tag.is_empty() && tag != "!").then(|| scalar::short_tag(&tag))
}

fn node(kind: Kind, event: Event, tag: String, tagged: bool) -> Node {
    let mut node =
        Node { kind, tag, tagged, start: mark(event.start), end: mark(event.end), ..Node::default() };
    if !event.head.is_empty() || !event.line.is_empty() || !event.foot.is_empty() {
        node.comments = Some(Box::new(Comments {
            head: text(event.head),
            line: text(event.line),
            foot: text(event.foot),
        }));
    }
    node
}

/// Takes over what the end of a collection carries.
fn close(node: &mut Node, end: Event) {
    node.end = mark(end.end);
    if end.line.is_empty() && end.foot.is_empty() && node.comments.is_none() {
        return;
    }
    let comments = node.comments_mut();
    comments.line = text(end.line);
    comments.foot = text(end.foot);
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

fn mark(pos: Pos) -> Mark {
    Mark { offset: pos.offset, line: pos.line + 1, column: pos.column + 1 }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
}

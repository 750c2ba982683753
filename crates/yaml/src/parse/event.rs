//! What the parser reports, one thing at a time.
//!
//! Follows: `parserc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::node::{Comments, Style};
use crate::scan::Pos;
use crate::trace::style_name;

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias,
    Scalar,
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
}

/// One event with everything that it carries; what most events lack is boxed.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) style: Style,
    pub(super) start: Pos,
    pub(super) end: Pos,
    pub(super) value: Vec<u8>,
    /// Bytes of a scalar's own text.
    pub(super) text: Range<usize>,
    pub(super) properties: Option<Box<Properties>>,
    pub(super) notes: Option<Box<Notes>>,
    pub(super) directives: Option<Box<Directives>>,
}

/// What stands before a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    /// Anchor, or the name an alias refers to.
    pub(super) anchor: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

/// Comments on their way to a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) head: Vec<u8>,
    pub(super) line: Vec<u8>,
    pub(super) foot: Vec<u8>,
}

impl Notes {
    /// Returns the notes in a box, unless there are none.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        let empty = self.head.is_empty() && self.line.is_empty() && self.foot.is_empty();
        (!empty).then(|| Box::new(self))
    }

    pub(super) fn into_comments(self) -> Comments {
        Comments { head: text(self.head), line: text(self.line), foot: text(self.foot) }
    }
}

/// Returns bytes of the text as a string.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
}

/// What stood above a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Directives {
    pub(super) version: bool,
    /// Handles and prefixes.
    pub(super) tags: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Event {
    pub(super) fn new(kind: EventKind, start: Pos, end: Pos) -> Self {
        Self {
            kind,
            style: Style::Plain,
            start,
            end,
            value: Vec::new(),
            text: start.offset..end.offset,
            properties: None,
            notes: None,
            directives: None,
        }
    }

    pub(super) fn tag(&self) -> &[u8] {
        self.properties.as_ref().map_or(&[], |properties| &properties.tag)
    }

    /// Returns the event as it is recorded: places from 1, nothing that is empty.
    pub(super) fn trace(&self) -> Value {
        let kind = match self.kind {
            EventKind::StreamStart => "stream-start",
            EventKind::StreamEnd => "stream-end",
            EventKind::DocumentStart => "document-start",
            EventKind::DocumentEnd => "document-end",
            EventKind::Alias => "alias",
            EventKind::Scalar => "scalar",
            EventKind::SequenceStart => "sequence-start",
            EventKind::SequenceEnd => "sequence-end",
            EventKind::MappingStart => "mapping-start",
            EventKind::MappingEnd => "mapping-end",
        };
        let (start, end) = (self.start, self.end);
        let mut fields = Map::new();
        fields.insert("e".into(), kind.into());
        fields.insert("at".into(), json!([start.line + 1, start.column + 1, end.line + 1, end.column + 1]));
        if self.kind == EventKind::Scalar {
            fields.insert("style".into(), style_name(self.style).into());
        } else if self.style == Style::Flow {
            fields.insert("style".into(), "flow".into());
        }
        if self.kind == EventKind::Scalar {
            fields.insert("value".into(), "".into());
        }
        let none = Notes::default();
        let notes = self.notes.as_deref().unwrap_or(&none);
        let anchor = self.properties.as_ref().map_or(&[][..], |properties| &properties.anchor);
        let texts = [("value", self.value.as_slice()), ("tag", self.tag()), ("anchor", anchor)];
        let comments = [("head", &*notes.head), ("line", &*notes.line), ("foot", &*notes.foot)];
        for (name, text) in texts.into_iter().chain(comments).filter(|(_, text)| !text.is_empty()) {
            fields.insert(name.into(), String::from_utf8_lossy(text).into());
        }
        self.trace_implicit(&mut fields);
        if let Some(directives) = &self.directives {
            if directives.version {
                fields.insert("version".into(), "1.1".into());
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let tags =
                directives.tags.iter().map(|(handle, prefix)| format!("{} {}", text(handle), text(prefix)));
            let tags: Vec<String> = tags.collect();
            if !tags.is_empty() {
                fields.insert("tags".into(), json!(tags));
            }
        }
        Value::Object(fields)
    }

    fn trace_implicit(&self, fields: &mut Map<String, Value>) {
        let untagged = self.tag().is_empty();
        let implicit = match self.kind {
            EventKind::DocumentStart => json!(false),
            EventKind::DocumentEnd => json!(self.start == self.end),
            EventKind::SequenceStart | EventKind::MappingStart => json!(untagged),
            EventKind::Scalar if self.tag() == b"!" => {
                // Without any text the tag stands alone.
                json!([self.style != Style::Plain || !self.value.is_empty(), false])
            }
            EventKind::Scalar => {
                json!([untagged && self.style == Style::Plain, untagged && self.style != Style::Plain])
            }
            _ => return,
        };
        fields.insert("implicit".into(), implicit);
    }
}

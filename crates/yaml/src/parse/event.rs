//! What the parser reports, one thing at a time.

use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::node::Style;
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

/// One event with everything that it carries.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) start: Pos,
    pub(super) end: Pos,
    /// Anchor, or the name an alias refers to.
    pub(super) anchor: Vec<u8>,
    pub(super) tag: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) style: Style,
    pub(super) head: Vec<u8>,
    pub(super) line: Vec<u8>,
    pub(super) foot: Vec<u8>,
    /// Bytes of a scalar's own text.
    pub(super) text: Range<usize>,
    pub(super) directives: Option<Box<Directives>>,
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
            start,
            end,
            anchor: Vec::new(),
            tag: Vec::new(),
            value: Vec::new(),
            style: Style::Plain,
            head: Vec::new(),
            line: Vec::new(),
            foot: Vec::new(),
            text: start.offset..end.offset,
            directives: None,
        }
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
        let texts = [("value", &self.value), ("tag", &self.tag), ("anchor", &self.anchor)];
        let comments = [("head", &self.head), ("line", &self.line), ("foot", &self.foot)];
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
        let untagged = self.tag.is_empty();
        let implicit = match self.kind {
            EventKind::DocumentStart => json!(false),
            EventKind::DocumentEnd => json!(self.start == self.end),
            EventKind::SequenceStart | EventKind::MappingStart => json!(untagged),
            EventKind::Scalar if self.tag == b"!" => {
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

//! What the parser reports, one thing at a time.

use crate::node::Style;
use crate::scan::Pos;

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
        }
    }
}

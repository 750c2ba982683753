//! The grammar as a state machine: tokens in, events out.
//!
//! Follows: `parserc.go` of `go.yaml.in/yaml/v3` 3.0.4.

use super::event::{Event, EventKind, Notes, Properties};
use crate::error::Error;
use crate::node::Style;
use crate::read::Source;
use crate::scan::{Pos, Scanner, Token, TokenKind};

mod block;
mod document;
mod flow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    StreamStart,
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirstEntry,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingFirstKey,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

/// Whether a node may be a block collection, or even a sequence without indentation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allows {
    Flow,
    Block,
    Indentless,
}

/// The parser over one text.
pub(super) struct Machine<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    marks: Vec<Pos>,
    tag_directives: Vec<(Vec<u8>, Vec<u8>)>,
    head: Vec<u8>,
    line: Vec<u8>,
    foot: Vec<u8>,
    /// Head comment of a collection, split from that of its first entry.
    stem: Vec<u8>,
    /// What went wrong where the reference looks ahead without heeding mistakes.
    unheeded: Option<Error>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(source: &'a Source<'_>) -> Self {
        Self {
            scanner: Scanner::new(source),
            state: State::StreamStart,
            states: Vec::new(),
            marks: Vec::new(),
            tag_directives: Vec::new(),
            head: Vec::new(),
            line: Vec::new(),
            foot: Vec::new(),
            stem: Vec::new(),
            unheeded: None,
        }
    }

    /// Reads as v2 does, which looks less far ahead.
    pub(super) fn look_less(&mut self) {
        self.scanner.look_less();
    }

    /// Returns the next event; after the end of the stream, its end again.
    pub(super) fn next(&mut self) -> Result<Event, Error> {
        let event = self.step();
        match (event, self.unheeded.take()) {
            (Ok(_), Some(error)) => Err(error),
            (event, _) => event,
        }
    }

    fn step(&mut self) -> Result<Event, Error> {
        match self.state {
            State::StreamStart => self.stream_start(),
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(Allows::Block),
            State::BlockSequenceFirstEntry => self.block_sequence_entry(true),
            State::BlockSequenceEntry => self.block_sequence_entry(false),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirstKey => self.block_mapping_key(true),
            State::BlockMappingKey => self.block_mapping_key(false),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirstEntry => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowSequenceEntryMappingKey => self.flow_sequence_entry_mapping_key(),
            State::FlowSequenceEntryMappingValue => self.flow_sequence_entry_mapping_value(),
            State::FlowSequenceEntryMappingEnd => self.flow_sequence_entry_mapping_end(),
            State::FlowMappingFirstKey => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
            State::End => Ok(Event::new(EventKind::StreamEnd, Pos::default(), Pos::default())),
        }
    }

    pub(super) fn number_comments(&mut self) {
        self.scanner.numbers_comments = true;
    }

    pub(super) fn into_comment_places(self) -> Vec<std::ops::Range<usize>> {
        self.scanner.places
    }

    // ---- tokens and comments

    /// Returns kind and marks of the next token; comments that end before it are gathered.
    fn peek(&mut self) -> Result<(TokenKind, Pos, Pos), Error> {
        let token = self.scanner.peek()?;
        let (kind, start, end) = (token.kind, token.start, token.end);
        self.unfold_comments(kind, start);
        Ok((kind, start, end))
    }

    fn take(&mut self) -> Token {
        self.scanner.take()
    }

    fn unfold_comments(&mut self, kind: TokenKind, start: Pos) {
        while let Some(comment) = self.scanner.comments.front() {
            if start.index < comment.token.index {
                return;
            }
            if !comment.head.is_empty() && kind == TokenKind::BlockEnd {
                // A head comment before the end of a block belongs to what comes after it.
                return;
            }
            let Some(comment) = self.scanner.comments.pop_front() else { return };
            join(&mut self.head, comment.head);
            join(&mut self.foot, comment.foot);
            join(&mut self.line, comment.line);
        }
    }

    fn set_comments(&mut self, event: &mut Event) {
        let head = std::mem::take(&mut self.head);
        let line = std::mem::take(&mut self.line);
        let foot = std::mem::take(&mut self.foot);
        event.notes = Notes { head, line, foot }.boxed();
        self.stem.clear();
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn empty_scalar(mark: Pos) -> Event {
        Event::new(EventKind::Scalar, mark, mark)
    }

    fn unexpected(&mut self, problem: &str, at: Pos) -> Error {
        let context = self.marks.pop().unwrap_or_default();
        error(problem, context, at)
    }

    // ---- nodes

    fn node(&mut self, allows: Allows) -> Result<Event, Error> {
        let (mut kind, mut start, mut end) = self.peek()?;
        if kind == TokenKind::Alias {
            self.pop_state();
            let mut event = Event::new(EventKind::Alias, start, end);
            self.set_comments(&mut event);
            let anchor = self.take().value;
            event.properties = Some(Box::new(Properties { anchor, tag: Vec::new() }));
            return Ok(event);
        }
        let node_start = start;
        let mut node_end = start;
        let mut anchor = Vec::new();
        let mut tag_token = None;
        for _ in 0..2 {
            match kind {
                TokenKind::Anchor if anchor.is_empty() => anchor = self.take().value,
                TokenKind::Tag if tag_token.is_none() => tag_token = Some(self.take()),
                _ => break,
            }
            node_end = end;
            (kind, start, end) = self.peek()?;
        }
        let tag = match tag_token {
            Some(token) => self.full_tag(token, node_start)?,
            None => Vec::new(),
        };
        let properties = !anchor.is_empty() || !tag.is_empty();
        let mut event = Event::new(EventKind::Scalar, node_start, node_end);
        if properties {
            event.properties = Some(Box::new(Properties { anchor, tag }));
        }
        match kind {
            TokenKind::BlockEntry if allows == Allows::Indentless => {
                self.state = State::IndentlessSequenceEntry;
                event.kind = EventKind::SequenceStart;
                event.end = end;
            }
            TokenKind::Scalar => {
                self.pop_state();
                self.set_comments(&mut event);
                let token = self.take();
                event.end = token.end;
                event.value = token.value;
                event.text = token.start.offset..token.text_end;
                event.style = token.style;
            }
            TokenKind::FlowSequenceStart | TokenKind::FlowMappingStart => {
                let sequence = kind == TokenKind::FlowSequenceStart;
                self.state =
                    if sequence { State::FlowSequenceFirstEntry } else { State::FlowMappingFirstKey };
                event.kind = if sequence { EventKind::SequenceStart } else { EventKind::MappingStart };
                event.style = Style::Flow;
                event.end = end;
                self.set_comments(&mut event);
            }
            TokenKind::BlockSequenceStart | TokenKind::BlockMappingStart if allows != Allows::Flow => {
                let sequence = kind == TokenKind::BlockSequenceStart;
                self.state =
                    if sequence { State::BlockSequenceFirstEntry } else { State::BlockMappingFirstKey };
                event.kind = if sequence { EventKind::SequenceStart } else { EventKind::MappingStart };
                event.end = end;
                event.notes = Notes { head: std::mem::take(&mut self.stem), ..Notes::default() }.boxed();
            }
            _ if properties => self.pop_state(),
            _ => return Err(error("did not find expected node content", node_start, start)),
        }
        Ok(event)
    }

    fn full_tag(&self, token: Token, start: Pos) -> Result<Vec<u8>, Error> {
        if token.value.is_empty() {
            return Ok(token.suffix);
        }
        let Some((_, prefix)) = self.tag_directives.iter().find(|(handle, _)| *handle == token.value) else {
            return Err(error("found undefined tag handle", start, token.start));
        };
        Ok([prefix.as_slice(), &token.suffix].concat())
    }

    fn first_token(&mut self, first: bool) -> Result<(), Error> {
        if first {
            let (_, start, _) = self.peek()?;
            self.marks.push(start);
            self.take();
        }
        Ok(())
    }

    fn end_collection(&mut self, kind: EventKind, start: Pos, end: Pos) -> Event {
        self.pop_state();
        self.marks.pop();
        Event::new(kind, start, end)
    }

    /// Emits an empty scalar in `state`, or the node that begins here and then goes on in `state`.
    fn entry(&mut self, empty: bool, at: Pos, state: State, allows: Allows) -> Result<Event, Error> {
        if empty {
            self.state = state;
            return Ok(Self::empty_scalar(at));
        }
        self.states.push(state);
        self.node(allows)
    }
}

/// Joins comment texts by a line break.
fn join(text: &mut Vec<u8>, mut more: Vec<u8>) {
    if more.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push(b'\n');
    }
    text.append(&mut more);
}

/// The reference counts lines from 0 and leaves 0 out.
fn error(problem: &str, context: Pos, at: Pos) -> Error {
    Error { column: Some(at.column + 1), ..Error::marked(problem, context.line, at.line, 0) }
}

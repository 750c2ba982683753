//! Lists and mappings by indentation.

use crate::error::Error;
use crate::parse::event::{Event, EventKind};
use crate::scan::TokenKind;

use super::{Allows, Machine, State};

impl Machine<'_> {
    pub(super) fn block_sequence_entry(&mut self, first: bool) -> Result<Event, Error> {
        self.first_token(first)?;
        let (kind, start, end) = self.peek()?;
        if kind == TokenKind::BlockEntry {
            self.take_dash();
            let (next, ..) = self.peek()?;
            let empty = matches!(next, TokenKind::BlockEntry | TokenKind::BlockEnd);
            return self.entry(empty, end, State::BlockSequenceEntry, Allows::Block);
        }
        if kind == TokenKind::BlockEnd {
            let event = self.end_collection(EventKind::SequenceEnd, start, end);
            self.take();
            return Ok(event);
        }
        Err(self.unexpected("did not find expected '-' indicator", start))
    }

    pub(super) fn indentless_sequence_entry(&mut self) -> Result<Event, Error> {
        let (kind, start, end) = self.peek()?;
        if kind != TokenKind::BlockEntry {
            self.pop_state();
            return Ok(Event::new(EventKind::SequenceEnd, start, start));
        }
        self.take_dash();
        let (next, ..) = self.peek()?;
        let empty =
            matches!(next, TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
        self.entry(empty, end, State::IndentlessSequenceEntry, Allows::Block)
    }

    /// Takes a dash; the head comment before it belongs to the collection that begins behind it.
    ///
    /// A mistake there ends the text with this event, or with what is wrong when the reference then looks again.
    fn take_dash(&mut self) {
        let before = self.head.len();
        self.take();
        if before == 0 {
            return;
        }
        let next = match self.peek() {
            Ok((next, ..)) => next,
            Err(error) => {
                self.unheeded = Some(error);
                return;
            }
        };
        if matches!(next, TokenKind::BlockSequenceStart | TokenKind::BlockMappingStart) {
            let rest = if self.head.len() == before { Vec::new() } else { self.head[before + 1..].to_vec() };
            self.head.truncate(before);
            self.stem = std::mem::replace(&mut self.head, rest);
        }
    }

    pub(super) fn block_mapping_key(&mut self, first: bool) -> Result<Event, Error> {
        self.first_token(first)?;
        let (kind, start, end) = self.peek()?;
        if kind == TokenKind::Key {
            self.take();
            let (next, ..) = self.peek()?;
            let empty = matches!(next, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
            return self.entry(empty, end, State::BlockMappingValue, Allows::Indentless);
        }
        if kind == TokenKind::BlockEnd {
            let mut event = self.end_collection(EventKind::MappingEnd, start, end);
            self.set_comments(&mut event);
            self.take();
            return Ok(event);
        }
        Err(self.unexpected("did not find expected key", start))
    }

    pub(super) fn block_mapping_value(&mut self) -> Result<Event, Error> {
        let (kind, start, end) = self.peek()?;
        if kind != TokenKind::Value {
            self.state = State::BlockMappingKey;
            return Ok(Self::empty_scalar(start));
        }
        self.take();
        let (next, ..) = self.peek()?;
        let empty = matches!(next, TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd);
        self.entry(empty, end, State::BlockMappingKey, Allows::Indentless)
    }
}

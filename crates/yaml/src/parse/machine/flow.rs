//! Lists and mappings between brackets.

use crate::error::Error;
use crate::node::Style;
use crate::parse::event::{Event, EventKind};
use crate::scan::TokenKind;

use super::{Allows, Machine, State};

impl Machine<'_> {
    pub(super) fn flow_sequence_entry(&mut self, first: bool) -> Result<Event, Error> {
        self.first_token(first)?;
        let (mut kind, mut start, mut end) = self.peek()?;
        if kind != TokenKind::FlowSequenceEnd {
            if !first {
                if kind != TokenKind::FlowEntry {
                    return Err(self.unexpected("did not find expected ',' or ']'", start));
                }
                self.take();
                (kind, start, end) = self.peek()?;
            }
            if kind == TokenKind::Key {
                self.state = State::FlowSequenceEntryMappingKey;
                let mut event = Event::new(EventKind::MappingStart, start, end);
                event.style = Style::Flow;
                self.take();
                return Ok(event);
            }
            if kind != TokenKind::FlowSequenceEnd {
                self.states.push(State::FlowSequenceEntry);
                return self.node(Allows::Flow);
            }
        }
        let mut event = self.end_collection(EventKind::SequenceEnd, start, end);
        self.set_comments(&mut event);
        self.take();
        Ok(event)
    }

    pub(super) fn flow_sequence_entry_mapping_key(&mut self) -> Result<Event, Error> {
        let (kind, _, end) = self.peek()?;
        if !matches!(kind, TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd) {
            self.states.push(State::FlowSequenceEntryMappingValue);
            return self.node(Allows::Flow);
        }
        self.take();
        self.state = State::FlowSequenceEntryMappingValue;
        Ok(Self::empty_scalar(end))
    }

    pub(super) fn flow_sequence_entry_mapping_value(&mut self) -> Result<Event, Error> {
        let (kind, mut start, _) = self.peek()?;
        if kind == TokenKind::Value {
            self.take();
            let (next, next_start, _) = self.peek()?;
            if !matches!(next, TokenKind::FlowEntry | TokenKind::FlowSequenceEnd) {
                self.states.push(State::FlowSequenceEntryMappingEnd);
                return self.node(Allows::Flow);
            }
            start = next_start;
        }
        self.state = State::FlowSequenceEntryMappingEnd;
        Ok(Self::empty_scalar(start))
    }

    pub(super) fn flow_sequence_entry_mapping_end(&mut self) -> Result<Event, Error> {
        let (_, start, _) = self.peek()?;
        self.state = State::FlowSequenceEntry;
        Ok(Event::new(EventKind::MappingEnd, start, start))
    }

    pub(super) fn flow_mapping_key(&mut self, first: bool) -> Result<Event, Error> {
        self.first_token(first)?;
        let (mut kind, mut start, mut end) = self.peek()?;
        if kind != TokenKind::FlowMappingEnd {
            if !first {
                if kind != TokenKind::FlowEntry {
                    return Err(self.unexpected("did not find expected ',' or '}'", start));
                }
                self.take();
                (kind, start, end) = self.peek()?;
            }
            if kind == TokenKind::Key {
                self.take();
                let (next, next_start, _) = self.peek()?;
                let empty =
                    matches!(next, TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd);
                return self.entry(empty, next_start, State::FlowMappingValue, Allows::Flow);
            }
            if kind != TokenKind::FlowMappingEnd {
                self.states.push(State::FlowMappingEmptyValue);
                return self.node(Allows::Flow);
            }
        }
        let mut event = self.end_collection(EventKind::MappingEnd, start, end);
        self.set_comments(&mut event);
        self.take();
        Ok(event)
    }

    pub(super) fn flow_mapping_value(&mut self, empty: bool) -> Result<Event, Error> {
        let (kind, mut start, _) = self.peek()?;
        if !empty && kind == TokenKind::Value {
            self.take();
            let (next, next_start, _) = self.peek()?;
            if !matches!(next, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                self.states.push(State::FlowMappingKey);
                return self.node(Allows::Flow);
            }
            start = next_start;
        }
        self.state = State::FlowMappingKey;
        Ok(Self::empty_scalar(start))
    }
}

//! The stream, its documents and what stands before and between them.

use crate::error::Error;
use crate::parse::event::{Directives, Event, EventKind, Notes};
use crate::scan::{Pos, TokenKind};

use super::{Allows, Machine, State, error};

impl Machine<'_> {
    pub(super) fn stream_start(&mut self) -> Result<Event, Error> {
        let (_, start, end) = self.peek()?;
        self.state = State::ImplicitDocumentStart;
        self.take();
        Ok(Event::new(EventKind::StreamStart, start, end))
    }

    pub(super) fn document_start(&mut self, implicit: bool) -> Result<Event, Error> {
        let (mut kind, mut start, mut end) = self.peek()?;
        if !implicit {
            while kind == TokenKind::DocumentEnd {
                self.take();
                (kind, start, end) = self.peek()?;
            }
        }
        let explicit = matches!(
            kind,
            TokenKind::Version { .. }
                | TokenKind::TagDirective
                | TokenKind::DocumentStart
                | TokenKind::StreamEnd
        );
        if implicit && !explicit {
            self.directives()?;
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            let mut event = Event::new(EventKind::DocumentStart, start, end);
            event.notes = Notes { head: self.split_document_head(), ..Notes::default() }.boxed();
            return Ok(event);
        }
        if kind == TokenKind::StreamEnd {
            self.state = State::End;
            self.take();
            return Ok(Event::new(EventKind::StreamEnd, start, end));
        }
        let directives = self.directives()?;
        let (kind, at, end) = self.peek()?;
        if kind != TokenKind::DocumentStart {
            return Err(error("did not find expected <document start>", Pos::default(), at));
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        self.take();
        let mut event = Event::new(EventKind::DocumentStart, start, end);
        event.directives = directives.map(Box::new);
        Ok(event)
    }

    /// Splits the head comment at its last empty line: what is above belongs to the document.
    fn split_document_head(&mut self) -> Vec<u8> {
        for at in (1..self.head.len()).rev() {
            if self.head[at] != b'\n' {
                continue;
            }
            let cut = if at == self.head.len() - 1 {
                at
            } else if self.head[at - 1] == b'\n' {
                at - 1
            } else {
                continue;
            };
            let rest = self.head.split_off(at + 1);
            let mut head = std::mem::replace(&mut self.head, rest);
            head.truncate(cut);
            return head;
        }
        Vec::new()
    }

    pub(super) fn document_content(&mut self) -> Result<Event, Error> {
        let (kind, start, _) = self.peek()?;
        match kind {
            TokenKind::Version { .. }
            | TokenKind::TagDirective
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                self.pop_state();
                Ok(Self::empty_scalar(start))
            }
            _ => self.node(Allows::Block),
        }
    }

    pub(super) fn document_end(&mut self) -> Result<Event, Error> {
        let (kind, start, end) = self.peek()?;
        let mut event = Event::new(EventKind::DocumentEnd, start, start);
        if kind == TokenKind::DocumentEnd {
            event.end = end;
            self.take();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        self.set_comments(&mut event);
        if let Some(notes) = event.notes.as_mut().filter(|notes| notes.foot.is_empty()) {
            notes.foot = std::mem::take(&mut notes.head);
        }
        Ok(event)
    }

    fn directives(&mut self) -> Result<Option<Directives>, Error> {
        let mut found = Directives::default();
        loop {
            let (kind, start, _) = self.peek()?;
            match kind {
                TokenKind::Version { major, minor } => {
                    if found.version {
                        return Err(error("found duplicate %YAML directive", Pos::default(), start));
                    }
                    if (major, minor) != (1, 1) {
                        return Err(error("found incompatible YAML document", Pos::default(), start));
                    }
                    found.version = true;
                    self.take();
                }
                TokenKind::TagDirective => {
                    let token = self.take();
                    if self.tag_directives.iter().any(|(handle, _)| *handle == token.value) {
                        return Err(error("found duplicate %TAG directive", Pos::default(), start));
                    }
                    found.tags.push((token.value.clone(), token.suffix.clone()));
                    self.tag_directives.push((token.value, token.suffix));
                }
                _ => break,
            }
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle.as_bytes()) {
                self.tag_directives.push((handle.into(), prefix.into()));
            }
        }
        Ok((found.version || !found.tags.is_empty()).then_some(found))
    }
}

//! What is to change in a text, and how.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::layout::{Layout, Place};
use crate::store::yaml::Former;

/// How a document is written into a text.
#[derive(Clone, Copy)]
pub(in crate::store) struct How<'h> {
    /// Former texts of decrypted values.
    pub(in crate::store) layout: &'h Layout,
    /// How encrypted values looked before.
    pub(in crate::store) former: Option<&'h Former>,
    /// Blanks a level for what is put in; none to do as the text does.
    pub(in crate::store) indent: Option<usize>,
    /// How a container is written where a scalar was.
    pub(in crate::store) growth: Growth,
    /// Whether what is replaced is noted.
    pub(in crate::store) records: bool,
}

impl<'h> How<'h> {
    pub(in crate::store) fn new(layout: &'h Layout, indent: Option<usize>) -> Self {
        Self { layout, former: None, indent, growth: Growth::Lines, records: false }
    }
}

/// How a container is written where a scalar was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Growth {
    Lines,
    /// On one line, which never changes whose the comments below are.
    Brackets,
}

/// An encrypted value that took the place of a text, or the other way round.
pub(in crate::store) struct Replaced {
    pub(in crate::store) place: Place,
    pub(in crate::store) old: Zeroizing<String>,
    pub(in crate::store) new: Zeroizing<String>,
}

/// Whose fields a mapping has.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::store) enum Fields {
    /// The document's: order counts.
    Document,
    /// The metadata's: order and empty fields do not count.
    Metadata,
}

/// What takes the place of parts of a text. Where a document is opened it is plaintext, so it is wiped.
#[derive(Default)]
pub(in crate::store) struct Changes(Vec<(Range<usize>, Zeroizing<Vec<u8>>)>);

impl Changes {
    pub(in crate::store) fn put(&mut self, range: Range<usize>, text: impl Into<Vec<u8>>) {
        self.0.push((range, Zeroizing::new(text.into())));
    }

    /// The text with its changes; of those that overlap the first counts.
    pub(in crate::store) fn apply(mut self, base: &[u8]) -> Zeroizing<Vec<u8>> {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let grown: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(base.len() + grown));
        let mut done = 0;
        for (range, text) in &self.0 {
            if range.start < done {
                continue;
            }
            out.extend_from_slice(&base[done..range.start]);
            out.extend_from_slice(text);
            done = range.end;
        }
        out.extend_from_slice(&base[done..]);
        out
    }
}

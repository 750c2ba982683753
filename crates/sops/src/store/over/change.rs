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
    pub(in crate::store) way: Way,
    /// Whether what is replaced is noted.
    pub(in crate::store) records: bool,
}

impl<'h> How<'h> {
    pub(in crate::store) fn new(layout: &'h Layout, indent: Option<usize>) -> Self {
        let way = Way { blank_line: layout.has_blank_line(), ..Way::default() };
        Self { layout, former: None, indent, way, records: false }
    }
}

/// What is done where the nearest text would not read as wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Way {
    pub(in crate::store) growth: Growth,
    pub(in crate::store) comments: Comments,
    pub(in crate::store) aliases: Aliases,
    /// An empty line stands before what is put in at the top, so that a comment above stays where it belongs.
    pub(in crate::store) blank_line: bool,
}

/// What becomes of comments whose container another text beside them would change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) enum Comments {
    /// That must not be.
    #[default]
    Stay,
    /// They are encrypted again for the other one.
    Move,
    /// They are indented as their container is.
    Indent,
}

/// What becomes of aliases that stand for what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) enum Aliases {
    #[default]
    Stay,
    /// Their anchors change, so they give way to what they stand for.
    Spelled,
}

/// How a container is written where a scalar was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) enum Growth {
    #[default]
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

/// Where something changes, and what comes there. Where a document is opened it is plaintext, so it is wiped.
type Part = (Range<usize>, Zeroizing<Vec<u8>>);

/// What takes the place of parts of a text.
#[derive(Default)]
pub(in crate::store) struct Changes(Vec<Part>);

impl Changes {
    pub(in crate::store) fn put(&mut self, range: Range<usize>, text: impl Into<Vec<u8>>) {
        self.0.push((range, Zeroizing::new(text.into())));
    }

    /// The text with its changes; of those that overlap the first counts.
    pub(in crate::store) fn apply(self, base: &[u8]) -> Zeroizing<Vec<u8>> {
        let parts = self.apart();
        let (gone, came) =
            parts.iter().fold((0, 0), |(gone, came), (range, text)| (gone + range.len(), came + text.len()));
        // Not a byte more: all of it is wiped in the end.
        let mut out = Zeroizing::new(Vec::with_capacity(base.len() - gone + came));
        let mut done = 0;
        for (range, text) in parts {
            out.extend_from_slice(&base[done..range.start]);
            out.extend_from_slice(&text);
            done = range.end;
        }
        out.extend_from_slice(&base[done..]);
        out
    }

    /// Is this the text with its changes?
    pub(in crate::store) fn give(self, base: &[u8], wanted: &[u8]) -> bool {
        let (mut done, mut rest) = (0, wanted);
        for (range, text) in self.apart() {
            let behind =
                rest.strip_prefix(&base[done..range.start]).and_then(|rest| rest.strip_prefix(&**text));
            let Some(behind) = behind else { return false };
            (done, rest) = (range.end, behind);
        }
        rest == &base[done..]
    }

    /// In order, without those that overlap one before them.
    fn apart(mut self) -> Vec<Part> {
        self.0.sort_by_key(|(range, _)| (range.start, range.end));
        let mut done = 0;
        self.0.retain(|(range, _)| {
            let is_apart = range.start >= done;
            done = if is_apart { range.end } else { done };
            is_apart
        });
        self.0
    }
}

//! The layout record: how values looked that their ciphertext cannot tell.
//!
//! A number in hexadecimal, a folded text or an alias is not the same text again when its value is written anew. Where
//! that is so the former text is kept, encrypted, in the field `sealfast_layout` of the metadata, which others pass
//! over. Each text is filed under the start of the tag of its ciphertext, so it is found for as long as that value
//! stays. A text only counts when the document that it gives has the decrypted values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::cipher::{self, Cipher, DataKey, Random};
use crate::metadata::Metadata;
use crate::tree::{Branch, Comment, Key, Value};

/// The name of the field and the additional data of its ciphertext.
pub(crate) const FIELD: &str = "sealfast_layout";

/// Which value: the start of its tag, and how many levels above the first such value the text stands.
pub(crate) type Place = (String, usize);

/// Former texts; they are plaintext, so they are wiped and not printed.
#[derive(Clone, Default)]
pub(crate) struct Layout {
    texts: BTreeMap<Place, Zeroizing<String>>,
    whole: Option<Zeroizing<Vec<u8>>>,
    /// An empty line stands before the metadata that is not part of the document.
    blank_line: bool,
}

impl Layout {
    /// Keeps a document as a whole.
    pub(crate) fn of_whole(text: &[u8]) -> Self {
        Self { whole: Some(Zeroizing::new(text.to_vec())), ..Self::default() }
    }

    pub(crate) fn with_blank_line() -> Self {
        Self { blank_line: true, ..Self::default() }
    }

    pub(crate) fn has_blank_line(&self) -> bool {
        self.blank_line
    }

    pub(crate) fn keep(&mut self, place: Place, text: Zeroizing<String>) {
        self.texts.insert(place, text);
    }

    /// Without the aliases, which may stand for something else by now.
    pub(crate) fn without_aliases(&self) -> Self {
        let mut layout = self.clone();
        layout.texts.retain(|_, text| !text.starts_with('*'));
        layout
    }

    pub(crate) fn text(&self, place: &Place) -> Option<&str> {
        self.texts.get(place).map(|text| text.as_str())
    }

    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.whole.as_ref().map(|text| text.as_slice())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.whole.is_none() && !self.blank_line
    }

    /// Is there a text for more than a single value?
    pub(crate) fn has_containers(&self) -> bool {
        self.texts.keys().any(|(_, levels)| *levels > 0)
    }

    /// Drops the texts of values that are gone; a whole document never outlives a change.
    fn prune(&mut self, branches: &[Branch]) -> bool {
        let before = (self.texts.len(), self.whole.take().is_some());
        let mut marks = Vec::new();
        branches.iter().for_each(|branch| marks_of_branch(branch, &mut marks));
        marks.sort_unstable();
        self.texts.retain(|(mark, _), _| marks.binary_search(mark).is_ok());
        before != (self.texts.len(), false)
    }

    /// Encrypts the record for the metadata; empty for nothing.
    pub(crate) fn seal(&self, cipher: &Cipher, rng: &mut dyn Random) -> String {
        if self.is_empty() {
            return String::new();
        }
        let texts = self.texts.iter().map(|((mark, levels), text)| json!([mark, levels, text.as_str()]));
        let whole = self.whole.iter().map(|text| json!(["", 0, STANDARD.encode(text.as_slice())]));
        let blank_line = self.blank_line.then(|| json!(["", 1, ""]));
        let record = Json::Array(texts.chain(whole).chain(blank_line).collect()).to_string();
        cipher.encrypt(&Value::from(record), FIELD, rng, None).unwrap_or_default()
    }

    /// Opens the record of a document; one that does not open or read is none, see [`Metadata::has_whole_layout`].
    pub(crate) fn open(sealed: &str, cipher: &Cipher) -> Self {
        Self::read(sealed, cipher).unwrap_or_default()
    }

    fn read(sealed: &str, cipher: &Cipher) -> Option<Self> {
        let mut layout = Self::default();
        if sealed.is_empty() {
            return Some(layout);
        }
        let opened = cipher.decrypt(sealed.as_bytes(), FIELD, None).ok()?;
        let Json::Array(entries) = serde_json::from_str(opened.as_str()?).ok()? else { return None };
        for entry in entries {
            let (Some(mark), Some(levels), Some(text)) =
                (entry[0].as_str(), entry[1].as_u64(), entry[2].as_str())
            else {
                continue;
            };
            if mark.is_empty() && levels == 1 {
                layout.blank_line = true;
            } else if mark.is_empty() {
                layout.whole = STANDARD.decode(text).ok().map(Zeroizing::new);
            } else if let Ok(levels) = usize::try_from(levels) {
                layout.keep((mark.to_owned(), levels), Zeroizing::new(text.to_owned()));
            }
        }
        Some(layout)
    }

    /// Brings a sealed record up to date with the values there are; another data key gives none.
    pub(crate) fn renew(sealed: &str, branches: &[Branch], cipher: &Cipher, rng: &mut dyn Random) -> String {
        if sealed.is_empty() {
            return String::new();
        }
        let mut layout = Self::open(sealed, cipher);
        if layout.prune(branches) { layout.seal(cipher, rng) } else { sealed_if(sealed, &layout) }
    }
}

impl Metadata {
    /// Returns true when the layout record, if there is one, opens with the data key. Another one is passed over: the
    /// values are what they were, but their text may not be.
    #[must_use]
    pub fn has_whole_layout(&self, key: &DataKey) -> bool {
        Layout::read(&self.layout, &Cipher::new(key)).is_some()
    }

    /// Returns true when the layout record holds the plain text as a whole: the values could not be encrypted in their
    /// places, and how they stood is lost with the first change.
    #[must_use]
    pub fn keeps_whole_text(&self, key: &DataKey) -> bool {
        Layout::open(&self.layout, &Cipher::new(key)).whole.is_some()
    }
}

fn sealed_if(sealed: &str, layout: &Layout) -> String {
    if layout.is_empty() { String::new() } else { sealed.to_owned() }
}

/// The first encrypted value in a value, and how many levels below it stands.
pub(crate) fn place_of(value: &Value) -> Option<Place> {
    match value {
        Value::Str(text) => cipher::mark(text.as_bytes()).map(|mark| (mark, 0)),
        Value::List(items) => items.iter().find_map(place_of).map(|(mark, levels)| (mark, levels + 1)),
        Value::Branch(branch) => {
            branch.named().find_map(|(_, value)| place_of(value)).map(|(mark, levels)| (mark, levels + 1))
        }
        _ => None,
    }
}

fn marks_of_branch(branch: &Branch, marks: &mut Vec<String>) {
    for entry in &branch.entries {
        if let Key::Comment(comment) = &entry.key {
            marks.extend(cipher::mark(comment.text.as_bytes()));
        }
        marks_of(&entry.value, marks);
    }
}

fn marks_of(value: &Value, marks: &mut Vec<String>) {
    match value {
        Value::Str(text) | Value::Comment(Comment { text, .. }) => {
            marks.extend(cipher::mark(text.as_bytes()))
        }
        Value::List(items) => items.iter().for_each(|item| marks_of(item, marks)),
        Value::Branch(branch) => marks_of_branch(branch, marks),
        _ => {}
    }
}

//! How the scalars of an object were written, where their values do not tell it.
//!
//! The original keeps the text and the quotes of every scalar until it prints. Both come to light
//! where a number takes the place of a text, or becomes one: `1.50` laid over `"a"` is `"1.50"`.
//! Here values are plain JSON, and the few scalars for which that is not enough are noted beside
//! them: texts that had quotes by their key, and numbers and words by what they mean.
//!
//! Differs: a number that one object writes in two ways has its first way in all places.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::manifest;
use crate::resource::scalar_text;

/// The notes about one text.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Hashes of key and text.
    quoted: Vec<u64>,
    /// Hashes of key and text of annotations without quotes around what is no text.
    bare: Vec<u64>,
    /// Meaning and text, where they differ.
    spelled: Vec<(String, String)>,
}

impl Written {
    /// Notes that a text under a key had quotes.
    pub(crate) fn note_quoted(&mut self, key: &str, text: &str) {
        self.quoted.push(hash(key, text));
    }

    /// Notes that an annotation had no quotes around what is no text.
    pub(crate) fn note_bare(&mut self, key: &str, text: &str) {
        self.bare.push(hash(key, text));
    }

    /// Notes how a value that is no text was written.
    pub(crate) fn note_spelling(&mut self, value: &Value, written: &str) {
        if value.is_string() || is_usual(written) {
            return;
        }
        if let Some(meaning) = scalar_text(value).filter(|meaning| meaning != written) {
            self.spelled.push((meaning, written.to_owned()));
        }
    }

    /// Returns the notes, ready for questions.
    pub(crate) fn into_notes(mut self) -> Notes {
        if self.quoted.is_empty() && self.bare.is_empty() && self.spelled.is_empty() {
            return Notes::default();
        }
        self.quoted.sort_unstable();
        self.bare.sort_unstable();
        self.spelled.sort_by(|a, b| a.0.cmp(&b.0));
        self.spelled.dedup_by(|later, first| later.0 == first.0);
        Notes(vec![Arc::new(self)])
    }
}

/// The notes about all texts that an object was made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Vec<Arc<Written>>);

impl Notes {
    /// Adds those about another text that has become part of the object.
    pub(crate) fn add(&mut self, others: &Self) {
        for other in &others.0 {
            if !self.0.iter().any(|known| Arc::ptr_eq(known, other)) {
                self.0.push(Arc::clone(other));
            }
        }
    }

    /// Forgets everything: the object was written anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a text under a key had quotes, which stay when it is overwritten.
    pub(crate) fn had_quotes(&self, key: &str, text: &str) -> bool {
        let wanted = hash(key, text);
        self.0.iter().any(|written| written.quoted.binary_search(&wanted).is_ok()) || needs_quotes(text)
    }

    /// Whether an annotation had no quotes around what is no text.
    pub(crate) fn is_bare(&self, key: &str, text: &str) -> bool {
        let wanted = hash(key, text);
        self.0.iter().any(|written| written.bare.binary_search(&wanted).is_ok())
    }

    /// Returns the text of a scalar as it was written, or none for mappings and lists.
    pub(crate) fn text(&self, value: &Value) -> Option<String> {
        let meaning = scalar_text(value)?;
        if value.is_string() {
            return Some(meaning);
        }
        let spelled = self.0.iter().find_map(|written| {
            let at = written.spelled.binary_search_by(|(known, _)| known.as_str().cmp(&meaning)).ok()?;
            written.spelled.get(at).map(|(_, text)| text.clone())
        });
        Some(spelled.unwrap_or(meaning))
    }
}

/// Whether a text cannot have stood in a file without quotes.
fn needs_quotes(text: &str) -> bool {
    text.contains('\n')
        || !manifest::plain(text).is_string()
        || sealfast_yaml::json::to_yaml(&Value::String(text.to_owned())).starts_with(['"', '\''])
}

/// Whether a scalar is written as its meaning is: nearly all are.
fn is_usual(written: &str) -> bool {
    let is_number =
        !written.is_empty() && written.len() < 16 && written.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (written.len() == 1 || !written.starts_with('0')) || matches!(written, "true" | "false")
}

fn hash(key: &str, text: &str) -> u64 {
    FixedState::default().hash_one((key, text))
}

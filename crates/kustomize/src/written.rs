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
#[derive(Clone, Debug, Default)]
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

    /// Notes how a value that is no text was written; a time has become one.
    pub(crate) fn note_spelling(&mut self, value: &Value, written: &str) {
        if value.is_null() {
            // Its plain way counts, too, when it comes first: there are few nulls, and two ways are usual.
            self.spelled.push(("null".to_owned(), written.to_owned()));
            return;
        }
        if value.as_str().is_some_and(|meaning| !is_time(meaning)) || is_usual(written) {
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
        self.sort();
        Notes(vec![Arc::new(self)])
    }

    /// Puts everything into order; of two ways to write one meaning the first stays.
    fn sort(&mut self) {
        self.quoted.sort_unstable();
        self.quoted.dedup();
        self.bare.sort_unstable();
        self.bare.dedup();
        self.spelled.sort_by(|a, b| a.0.cmp(&b.0));
        self.spelled.dedup_by(|later, first| later.0 == first.0);
    }

    fn len(&self) -> usize {
        self.quoted.len() + self.bare.len() + self.spelled.len()
    }

    /// Returns both, ready for questions; what `self` says comes first.
    fn joined(&self, later: &Self) -> Self {
        let mut joined = self.clone();
        joined.quoted.extend_from_slice(&later.quoted);
        joined.bare.extend_from_slice(&later.bare);
        joined.spelled.extend_from_slice(&later.spelled);
        joined.sort();
        joined
    }
}

/// As many texts are asked one by one; with more, small ones are joined.
const FEW: usize = 4;

/// The notes about all texts that an object was made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Vec<Arc<Written>>);

impl Notes {
    /// Adds those about another text that has become part of the object.
    pub(crate) fn add(&mut self, others: &Self) {
        for other in &others.0 {
            if !self.0.iter().any(|known| Arc::ptr_eq(known, other)) {
                self.0.push(Arc::clone(other));
                self.join_small();
            }
        }
    }

    /// Keeps each text behind the first few less than half as long as the one before it, so that many patches on one
    /// object are not all asked about each scalar.
    fn join_small(&mut self) {
        while let [.., before, last] = self.0.as_slice()
            && self.0.len() > FEW
            && 2 * last.len() >= before.len()
        {
            let joined = Arc::new(before.joined(last));
            self.0.truncate(self.0.len() - 2);
            self.0.push(joined);
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
        if value.is_string() && !is_time(&meaning) {
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

/// Whether a text is a time as it is written anew.
fn is_time(text: &str) -> bool {
    matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..])
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Notes, Written};

    fn note(at: usize) -> Notes {
        let mut written = Written::default();
        written.note_quoted("key", &format!("text-{at}"));
        written.note_bare("key", &format!("text-{at}"));
        written.note_spelling(&json!(1.5), &format!("1.5{}", "0".repeat(at % 7 + 1)));
        written.note_spelling(&json!(at), &format!("0{at}"));
        written.into_notes()
    }

    #[test]
    fn many_texts_are_few_tables_that_say_the_same() {
        const MANY: usize = 5000;
        let mut notes = Notes::default();
        let mut most = 0;
        for at in 0..MANY {
            notes.add(&note(at));
            most = most.max(notes.0.len());
        }
        assert!(most < 20, "{most} tables");
        for at in 0..MANY {
            let text = format!("text-{at}");
            assert!(notes.had_quotes("key", &text) && notes.is_bare("key", &text), "{at}");
            assert_eq!(notes.text(&json!(at)), Some(format!("0{at}")));
        }
        assert!(!notes.had_quotes("key", "x") && !notes.is_bare("other", "text-1"));
        assert_eq!(notes.text(&json!(1.5)).as_deref(), Some("1.50"), "the first way stays");
        let before = notes.0.iter().map(|written| written.len()).sum::<usize>();
        notes.add(&note(7));
        notes.add(&note(7));
        assert!(notes.0.iter().map(|written| written.len()).sum::<usize>() <= before + 8);
    }
}

//! A text made ready for splicing: its nodes, its tree, and where comments stand.
//!
//! Comments have no place in the tree that leads back to the text. So each comment's words are replaced by its number
//! before the text is read: the tree then says which comment is which.

use std::ops::Range;

use sealfast_yaml::node::Node;
use sealfast_yaml::parse;

use crate::store::yaml::{AliasComments, branches, check};
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

/// A read text.
pub(in crate::store) struct Source {
    /// The text, each comment being `#` and its number.
    pub(super) base: Vec<u8>,
    /// What stood behind each `#`.
    words: Vec<Text>,
    /// Where each comment stands in `base`, from `#` to the end of its line.
    pub(super) places: Vec<Range<usize>>,
    pub(super) documents: Vec<Node>,
    /// The tree of each document, numbers for comments; comments behind aliases are left out.
    pub(super) branches: Vec<Branch>,
}

impl Source {
    /// Reads a text; nothing when it does not read, or when it has comments that are not in its tree.
    pub(in crate::store) fn read(text: &[u8]) -> Option<Self> {
        // Positions in other encodings are not positions in the bytes.
        if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
            return None;
        }
        let (mut documents, found) = parse::documents_and_comments(text).ok()?;
        check(documents.first()?).ok()?;
        let (mut base, mut words, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut done = 0;
        for (number, place) in found.into_iter().enumerate() {
            base.extend_from_slice(&text[done..place.start]);
            let start = base.len();
            base.extend_from_slice(format!("#{number}").as_bytes());
            places.push(start..base.len());
            words.push(Text::new(&text[place.start + 1..place.end]));
            done = place.end;
        }
        base.extend_from_slice(&text[done..]);
        if !places.is_empty() {
            documents = parse::documents(&base).ok()?;
        }
        let branches = branches(&documents, AliasComments::Dropped).ok()?;
        let source = Self { base, words, places, documents, branches };
        source.has_every_comment().then_some(source)
    }

    /// The number of a comment of the tree.
    pub(super) fn number(comment: &Comment) -> Option<usize> {
        comment.text.as_str()?.parse().ok()
    }

    /// What stood behind the `#` of a comment.
    pub(super) fn words(&self, comment: &Comment) -> Option<&Text> {
        self.words.get(Self::number(comment)?)
    }

    pub(super) fn words_of(&self, number: usize) -> Option<&Text> {
        self.words.get(number)
    }

    /// The documents with the words of their comments.
    pub(in crate::store) fn tree(&self) -> Vec<Branch> {
        let mut branches = self.branches.clone();
        branches.iter_mut().for_each(|branch| self.speak(branch));
        branches
    }

    fn speak(&self, branch: &mut Branch) {
        if self.words.is_empty() {
            return;
        }
        for entry in &mut branch.entries {
            if let Key::Comment(comment) = &mut entry.key {
                comment.text = self.words(comment).cloned().unwrap_or_default();
            }
            self.speak_in(&mut entry.value);
        }
    }

    fn speak_in(&self, value: &mut Value) {
        match value {
            Value::Comment(comment) => comment.text = self.words(comment).cloned().unwrap_or_default(),
            Value::List(items) => items.iter_mut().for_each(|item| self.speak_in(item)),
            Value::Branch(branch) => self.speak(branch),
            _ => {}
        }
    }

    fn has_every_comment(&self) -> bool {
        let mut seen = vec![false; self.places.len()];
        let mut mark = |comment: &Comment| {
            if let Some(seen) = Self::number(comment).and_then(|number| seen.get_mut(number)) {
                *seen = true;
            }
        };
        self.branches.iter().for_each(|branch| each_comment(branch, &mut mark));
        seen.into_iter().all(|seen| seen)
    }
}

fn each_comment(branch: &Branch, visit: &mut dyn FnMut(&Comment)) {
    for Entry { key, value } in &branch.entries {
        if let Key::Comment(comment) = key {
            visit(comment);
        }
        each_comment_in(value, visit);
    }
}

fn each_comment_in(value: &Value, visit: &mut dyn FnMut(&Comment)) {
    match value {
        Value::Comment(comment) => visit(comment),
        Value::List(items) => items.iter().for_each(|item| each_comment_in(item, visit)),
        Value::Branch(branch) => each_comment(branch, visit),
        _ => {}
    }
}

//! A text made ready for splicing: its nodes, its tree, and where comments stand.
//!
//! Comments have no place in the tree that leads back to the text. So the text is read with a number for the words of
//! each comment: the tree then says which comment is which.

use std::ops::Range;

use sealfast_yaml::parse::{self, Numbered};

use crate::error::Error;
use crate::store::yaml::read::{AliasComments, branches};
use crate::store::yaml::{Documents, readable};
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

/// A read text.
pub(in crate::store) struct Source<'t> {
    pub(super) base: &'t [u8],
    /// Where each comment stands, from `#` to the end of its line.
    pub(super) places: Vec<Range<usize>>,
    pub(super) documents: Documents,
    /// The tree of each document, numbers for comments; comments behind aliases are left out.
    pub(super) branches: Vec<Branch>,
}

impl<'t> Source<'t> {
    /// Positions in other encodings are not positions in the bytes.
    pub(in crate::store) fn is_encoded(text: &[u8]) -> bool {
        text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff])
    }

    /// Reads a text; nothing when it does not read, or when it has comments that are not in its tree.
    pub(in crate::store) fn read(text: &'t [u8]) -> Option<Self> {
        if Self::is_encoded(text) {
            return None;
        }
        let Numbered { documents, places, mistake } = parse::numbered(text);
        let documents = readable(documents, mistake, text.len()).ok()?;
        Self::new(text, documents, places).ok()?.complete()
    }

    /// Takes documents whose comments are numbers.
    pub(in crate::store) fn new(
        text: &'t [u8],
        documents: Documents,
        places: Vec<Range<usize>>,
    ) -> Result<Self, Error> {
        let branches = branches(&documents, AliasComments::Dropped, text.len())?;
        Ok(Self { base: text, places, documents, branches })
    }

    /// Nothing when a comment is not in the tree.
    pub(in crate::store) fn complete(self) -> Option<Self> {
        self.has_every_comment().then_some(self)
    }

    pub(in crate::store) fn has_comments(&self) -> bool {
        !self.places.is_empty()
    }

    pub(in crate::store) fn base(&self) -> &'t [u8] {
        self.base
    }

    /// The comment that reaches to a place.
    pub(super) fn comment_before(&self, end: usize) -> Option<&Range<usize>> {
        let at = self.places.partition_point(|place| place.start < end).checked_sub(1)?;
        self.places.get(at).filter(|place| end <= place.end)
    }

    /// The comment that begins at a place.
    pub(super) fn comment_at(&self, start: usize) -> Option<&Range<usize>> {
        self.places.binary_search_by_key(&start, |place| place.start).ok().and_then(|at| self.places.get(at))
    }

    /// The first comment in a part of the text.
    pub(super) fn comment_in(&self, range: &Range<usize>) -> Option<&Range<usize>> {
        let at = self.places.partition_point(|place| place.start < range.start);
        self.places.get(at).filter(|place| place.start < range.end)
    }

    /// The number of a comment of the tree.
    pub(super) fn number(comment: &Comment) -> Option<usize> {
        comment.text.as_str()?.parse().ok()
    }

    /// What stands behind the `#` of a comment.
    pub(super) fn words(&self, comment: &Comment) -> Option<&[u8]> {
        let place = self.places.get(Self::number(comment)?)?;
        self.base.get(place.start + 1..place.end)
    }

    /// The documents with the words of their comments.
    pub(in crate::store) fn tree(&self) -> Vec<Branch> {
        let mut branches = self.branches.clone();
        branches.iter_mut().for_each(|branch| self.speak(branch));
        branches
    }

    /// Gives comments their words back.
    pub(in crate::store) fn speak(&self, branch: &mut Branch) {
        if self.places.is_empty() {
            return;
        }
        for entry in &mut branch.entries {
            if let Key::Comment(comment) = &mut entry.key {
                comment.text = Text::new(self.words(comment).unwrap_or_default());
            }
            self.speak_in(&mut entry.value);
        }
    }

    fn speak_in(&self, value: &mut Value) {
        match value {
            Value::Comment(comment) => comment.text = Text::new(self.words(comment).unwrap_or_default()),
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

pub(super) fn each_comment_in(value: &Value, visit: &mut dyn FnMut(&Comment)) {
    match value {
        Value::Comment(comment) => visit(comment),
        Value::List(items) => items.iter().for_each(|item| each_comment_in(item, visit)),
        Value::Branch(branch) => each_comment(branch, visit),
        _ => {}
    }
}

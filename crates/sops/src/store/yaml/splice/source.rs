//! A text made ready for splicing: its nodes, its tree, and where comments stand.
//!
//! Comments have no place in the tree that leads back to the text. So the text is read with a number for the words of
//! each comment: the tree then says which comment is which.

use std::collections::HashSet;
use std::ops::Range;

use sealfast_yaml::parse::{self, Numbered};

use crate::error::Error;
use crate::store::ENTRY;
use crate::store::yaml::read::{self, AliasComments, branches};
use crate::store::yaml::splice::strays::adopt;
use crate::store::yaml::{Documents, has_alias, readable};
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

/// A read text.
pub(in crate::store) struct Source<'t> {
    pub(super) base: &'t [u8],
    /// Where each comment stands, from `#` to the end of its line.
    pub(super) places: Vec<Range<usize>>,
    pub(in crate::store) documents: Documents,
    /// The tree of each document, numbers for comments; comments behind aliases are left out.
    pub(super) branches: Vec<Branch>,
    /// The comments that the reference passes over.
    strays: HashSet<usize>,
}

impl<'t> Source<'t> {
    /// Positions in other encodings are not positions in the bytes.
    pub(in crate::store) fn is_encoded(text: &[u8]) -> bool {
        text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff])
    }

    /// Reads a text; nothing when it does not read.
    pub(in crate::store) fn read(text: &'t [u8]) -> Option<Self> {
        if Self::is_encoded(text) {
            return None;
        }
        let Numbered { documents, places, mistake } = parse::numbered(text);
        let documents = readable(documents, mistake, text.len()).ok()?;
        let mut source = Self::new(text, documents, places).ok()?;
        source.forget_values();
        Some(source)
    }

    /// The tree has the values, so the nodes need not.
    pub(in crate::store) fn forget_values(&mut self) {
        self.documents.0.iter_mut().for_each(read::forget_values);
    }

    /// Takes documents whose comments are numbers. Where there are aliases the nodes keep their values.
    pub(in crate::store) fn new(
        text: &'t [u8],
        documents: Documents,
        places: Vec<Range<usize>>,
    ) -> Result<Self, Error> {
        let mut source = Self { base: text, places, documents, branches: Vec::new(), strays: HashSet::new() };
        if source.has_comments() {
            source.branches = read::comments(&source.documents, text.len())?;
            let strays = source.not_in_tree();
            if !strays.is_empty() {
                adopt(&mut source.documents.0, text, &source.places, &strays);
                source.strays.extend(strays);
            }
        }
        source.branches = if source.documents.iter().any(has_alias) {
            branches(&source.documents, AliasComments::Dropped, text.len())?
        } else {
            read::branches_moved(&mut source.documents.0)?
        };
        Ok(source)
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

    /// The documents as they will be read from an encrypted text of them, opened: with the values of this text and the
    /// comments where that one has them.
    pub(in crate::store) fn tree_in(&self, sealed: &Source<'_>) -> Vec<Branch> {
        if self.places.len() != sealed.places.len() || self.branches.len() != sealed.branches.len() {
            return self.tree();
        }
        let opened = |(branch, own): (&Branch, &Branch)| {
            let mut entries = branch.entries.iter().filter(|entry| entry.key.name() != Some(ENTRY));
            let mut branch = with_values(&mut entries, own);
            self.speak(&mut branch);
            branch
        };
        sealed.branches.iter().zip(&self.branches).map(opened).collect()
    }

    /// Gives comments their words back.
    pub(in crate::store) fn speak(&self, branch: &mut Branch) {
        if self.places.is_empty() {
            return;
        }
        for entry in &mut branch.entries {
            if let Key::Comment(comment) = &mut entry.key {
                self.speak_of(comment);
            }
            self.speak_in(&mut entry.value);
        }
    }

    fn speak_in(&self, value: &mut Value) {
        match value {
            Value::Comment(comment) => self.speak_of(comment),
            Value::List(items) => items.iter_mut().for_each(|item| self.speak_in(item)),
            Value::Branch(branch) => self.speak(branch),
            _ => {}
        }
    }

    fn speak_of(&self, comment: &mut Comment) {
        comment.stray = Self::number(comment).is_some_and(|number| self.strays.contains(&number));
        comment.text = Text::new(self.words(comment).unwrap_or_default());
    }

    /// The numbers of the comments that no branch has.
    fn not_in_tree(&self) -> Vec<usize> {
        let mut seen = vec![false; self.places.len()];
        let mut mark = |comment: &Comment| {
            if let Some(seen) = Self::number(comment).and_then(|number| seen.get_mut(number)) {
                *seen = true;
            }
        };
        self.branches.iter().for_each(|branch| each_comment(branch, &mut mark));
        seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(number, _)| number).collect()
    }
}

/// Entries with the values of another tree of the same shape.
fn with_values(entries: &mut dyn Iterator<Item = &Entry>, own: &Branch) -> Branch {
    let mut own = own.entries.iter().filter(|entry| !matches!(entry.key, Key::Comment(_)));
    let opened = |entry: &Entry| match (&entry.key, &entry.value) {
        (Key::Comment(_), _) => entry.clone(),
        (key, value) => {
            Entry { key: key.clone(), value: with_value(value, own.next().map(|own| &own.value)) }
        }
    };
    Branch { entries: entries.map(opened).collect() }
}

fn with_value(value: &Value, own: Option<&Value>) -> Value {
    match (value, own) {
        (Value::Branch(branch), Some(Value::Branch(own))) => {
            with_values(&mut branch.entries.iter(), own).into()
        }
        (Value::List(items), Some(Value::List(own))) => {
            let mut own = own.iter().filter(|item| !matches!(item, Value::Comment(_)));
            let opened = |item: &Value| match item {
                Value::Comment(_) => item.clone(),
                item => with_value(item, own.next()),
            };
            items.iter().map(opened).collect::<Vec<_>>().into()
        }
        (value, own) => own.unwrap_or(value).clone(),
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

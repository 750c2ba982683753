//! Writes a changed document into its former text.
//!
//! Comments, blank lines, indentation, quoting, flow style and line ends stay; values, comments and entries that
//! differ are replaced, taken out or put in. What comes out is read again and must be the wanted tree; when it is not,
//! or when a change does not fit into the text, there is no splice and the caller writes the document anew.

use std::collections::HashMap;

use sealfast_yaml::node::{Kind, Node};

use crate::cipher;
use crate::layout::Layout;
use crate::store::yaml::scalar_value;
use crate::tree::{Branch, Text, Value};

mod edits;
mod entries;
mod fields;
mod notes;
mod places;
mod same;
mod scalar;
mod source;

use edits::{Edits, Replaced};
pub(in crate::store) use source::Source;

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
}

impl<'h> How<'h> {
    pub(in crate::store) fn new(layout: &'h Layout, indent: Option<usize>) -> Self {
        Self { layout, former: None, indent, growth: Growth::Lines }
    }
}

/// How a container is written where a scalar was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Growth {
    Lines,
    /// On one line, which never changes whose the comments below are.
    Brackets,
}

/// Returns the new text, or nothing when it cannot be had.
pub(in crate::store) fn splice(source: &Source, wanted: &[Branch], how: &How<'_>) -> Option<Vec<u8>> {
    [Growth::Lines, Growth::Brackets].into_iter().find_map(|growth| {
        let (text, _, adjusted) = edited(source, wanted, &How { growth, ..*how })?;
        same::is_same(&Source::read(&text)?, &adjusted).then_some(text)
    })
}

/// The text with its edits, not checked; what was replaced; and the tree without the comments that went on the way.
fn edited(
    source: &Source,
    wanted: &[Branch],
    how: &How<'_>,
) -> Option<(Vec<u8>, Vec<Replaced>, Vec<Branch>)> {
    if source.documents.len() != wanted.len() {
        return None;
    }
    let mut adjusted = wanted.to_vec();
    let mut edits = Edits::new(source, how);
    for (index, branch) in adjusted.iter_mut().enumerate() {
        edits.document(index, branch)?;
    }
    let (text, replaced) = edits.apply()?;
    Some((text, replaced, adjusted))
}

/// Writes an encrypted document into its plain text, and finds what must be kept so that decrypting gives that text
/// again.
pub(in crate::store) fn seal(original: &[u8], wanted: &[Branch], how: &How<'_>) -> Option<(Vec<u8>, Layout)> {
    let source = Source::read(original)?;
    let spaced = Layout::with_blank_line();
    // A comment at the end may need an empty line behind it to stay where it belongs.
    [how.layout, &spaced].into_iter().find_map(|layout| {
        let (text, replaced, adjusted) = edited(&source, wanted, &How { layout, ..*how })?;
        let sealed = Source::read(&text).filter(|sealed| same::is_same(sealed, &adjusted))?;
        Some((text, record(&source, &sealed, replaced, original, layout, how.indent)))
    })
}

/// What the encrypted text cannot tell of the original.
fn record(
    source: &Source,
    sealed: &Source,
    replaced: Vec<Replaced>,
    original: &[u8],
    layout: &Layout,
    indent: Option<usize>,
) -> Layout {
    let plain = source.tree();
    let opened = |layout: &Layout| edited(sealed, &plain, &How::new(layout, indent));
    let mut layout = layout.clone();
    let Some((first, back, _)) = opened(&layout) else { return Layout::of_whole(original) };
    if first == original {
        return layout;
    }
    let back: HashMap<_, _> = back.into_iter().map(|item| (item.place, item.new)).collect();
    for Replaced { place, old, .. } in replaced {
        if back.get(&place) != Some(&old) {
            layout.keep(place, old);
        }
    }
    let is_enough = opened(&layout).is_some_and(|(second, ..)| second == original);
    if is_enough { layout } else { Layout::of_whole(original) }
}

/// Is this the text of these documents?
pub(in crate::store) fn is_text_of(text: &[u8], plain: &[Branch]) -> bool {
    super::load(text).is_ok_and(|read| {
        read.len() == plain.len()
            && read.iter().zip(plain).all(|(read, plain)| same::is_same_branch(read, plain))
    })
}

/// How the values of an encrypted text are quoted, by their nonces, which stay with unchanged values.
pub(in crate::store) struct Former(HashMap<Vec<u8>, &'static str>);

impl Former {
    pub(in crate::store) fn of(text: &[u8]) -> Option<Self> {
        let source = Source::read(text)?;
        let mut found = HashMap::new();
        source.documents.iter().for_each(|document| note_quotes(&source.base, document, &mut found));
        Some(Self(found))
    }

    /// The text of an encrypted value as it was quoted before.
    fn looks(&self, text: &Text, flow: bool) -> Option<String> {
        let quote = *self.0.get(cipher::nonce_of(text.as_bytes())?)?;
        (!flow || !quote.is_empty())
            .then(|| text.as_str().map(|text| format!("{quote}{text}{quote}")))
            .flatten()
    }
}

fn note_quotes(base: &[u8], node: &Node, found: &mut HashMap<Vec<u8>, &'static str>) {
    if node.kind == Kind::Scalar
        && let Ok(Value::Str(text)) = scalar_value(node)
        && let Some(nonce) = cipher::nonce_of(text.as_bytes())
    {
        let quote = match base.get(node.text.start) {
            Some(b'"') => Some("\""),
            Some(b'\'') => Some("'"),
            Some(b'E') => Some(""),
            _ => None,
        };
        found.extend(quote.map(|quote| (nonce.to_vec(), quote)));
    }
    node.content.iter().for_each(|child| note_quotes(base, child, found));
}

//! Writes a changed document into its former text.
//!
//! Comments, blank lines, indentation, quoting, flow style and line ends stay; values, comments and entries that
//! differ are replaced, taken out or put in. What comes out is read again and must be the wanted tree; when it is not,
//! or when a change does not fit into the text, there is no splice and the caller writes the document anew.

use std::collections::{BTreeSet, HashMap};

use sealfast_yaml::node::{Kind, Node};

use crate::cipher;
use crate::store::over::change::{Changes, How, Replaced};
use crate::tree::{Branch, Text};

mod containers;
mod edits;
mod entries;
mod notes;
mod places;
mod same;
mod scalar;
mod settle;
mod source;
mod strays;
mod values;

use edits::Edits;
pub(in crate::store) use same::is_same;
pub(in crate::store) use settle::settled;
pub(in crate::store) use source::Source;

/// The edits of the text, not checked, and what was replaced.
pub(in crate::store) fn edited(
    source: &Source<'_>,
    wanted: &mut [Branch],
    how: &How<'_>,
) -> Option<(Changes, Vec<Replaced>)> {
    if source.documents.len() != wanted.len() {
        return None;
    }
    let mut anew = BTreeSet::new();
    loop {
        let mut edits = Edits::new(source, how, &anew);
        let mut wanted = wanted.iter_mut().enumerate();
        if wanted.try_for_each(|(index, branch)| edits.document(index, branch)).is_some() {
            return Some((edits.list, edits.replaced));
        }
        // One container after the other is laid out anew, the innermost first.
        let stuck = edits.stuck.filter(|_| anew.len() < MOST_ANEW)?;
        anew.insert(stuck);
    }
}

/// When more containers than these cannot be changed in their places, the document is laid out anew.
const MOST_ANEW: usize = 64;

/// How the values of an encrypted text are quoted, by their nonces, which stay with unchanged values.
pub(in crate::store) struct Former(HashMap<Vec<u8>, &'static str>);

impl Former {
    pub(in crate::store) fn of(source: &Source<'_>) -> Self {
        let mut found = HashMap::new();
        source.documents.iter().for_each(|document| note_quotes(source.base, document, &mut found));
        Self(found)
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
    if node.kind == Kind::Scalar {
        let text = base.get(node.text.clone()).unwrap_or_default().trim_ascii_end();
        let quote = match text.first() {
            Some(b'"') => "\"",
            Some(b'\'') => "'",
            _ => "",
        };
        let text = &text[quote.len()..text.len().saturating_sub(quote.len()).max(quote.len())];
        found.extend(cipher::nonce_of(text).map(|nonce| (nonce.to_vec(), quote)));
    }
    node.content.iter().for_each(|child| note_quotes(base, child, found));
}

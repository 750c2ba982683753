//! YAML store: documents of nodes <-> branches, comments becoming entries.
//!
//! Aliases are expanded in place, merge keys stay ordinary keys, custom tags are dropped. Head and line comments of a
//! key become entries before it, foot comments entries behind it; on the way out the leading comments of a mapping
//! go to its head, trailing ones below its last key, inline ones behind their value.
//!
//! Follows: `stores/yaml/store.go` of sops 3.13.2. Differs: the expansion of aliases is bounded, a scalar that does not
//! fit its tag is an error in every document, and texts that the reference writes so that they cannot be read back
//! are quoted.

use std::collections::HashSet;
use std::ops::Deref;

use sealfast_yaml::decode::Decoder;
use sealfast_yaml::node::{Comments, Kind, Node};
use sealfast_yaml::parse::{self, Numbered};
use zeroize::Zeroize;

use crate::error::Error;
use crate::tree::Branch;

mod read;
mod splice;
mod write;

use read::{AliasComments, branches};
pub(super) use splice::{Former, Source, edited, is_same, settled};
pub(super) use write::{emit, emit_value, indentation};

pub(super) fn load(input: &[u8]) -> Result<Vec<Branch>, Error> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let (documents, mistake) = parse::partial(input);
    let documents = readable(documents, mistake, input.len())?;
    branches(&documents, AliasComments::Kept, input.len())
}

/// Reads documents and, where later changes can be written into the text, what is needed to do so.
pub(super) fn load_with_source(input: &[u8]) -> Result<(Vec<Branch>, Option<Source<'_>>), Error> {
    if input.is_empty() || Source::is_encoded(input) {
        return Ok((load(input)?, None));
    }
    let Numbered { documents, places, mistake } = parse::numbered(input);
    let documents = readable(documents, mistake, input.len())?;
    let has_alias = documents.iter().any(has_alias);
    if !places.is_empty() && has_alias {
        // Numbers are shorter than the comments they stand for, so that only these tell what aliases copy.
        load(input)?;
    }
    let mut source = Source::new(input, documents, places)?;
    let kept =
        if has_alias { Some(branches(&source.documents, AliasComments::Kept, input.len())?) } else { None };
    source.forget_values();
    let kept = match kept {
        Some(mut kept) => {
            kept.iter_mut().for_each(|branch| source.speak(branch));
            kept
        }
        // Without aliases there is nothing that the source leaves out.
        None => source.tree(),
    };
    Ok((kept, Some(source)))
}

fn has_alias(node: &Node) -> bool {
    node.kind == Kind::Alias || node.content.iter().any(has_alias)
}

/// The reference decodes the first document before it looks at the others.
fn readable(
    documents: Vec<Node>,
    mistake: Option<sealfast_yaml::error::Error>,
    length: usize,
) -> Result<Documents, Error> {
    let documents = Documents(documents);
    let has_first = !documents.is_empty();
    if has_first {
        if documents.iter().any(has_alias)
            && let Err(wrong @ (Error::Expansion { .. } | Error::Depth { .. })) =
                branches(&documents, AliasComments::Kept, length)
        {
            // Our bounds are lower than those of the check, which copies what aliases stand for.
            return Err(wrong);
        }
        check(&documents)?;
    }
    match mistake {
        None if has_first => Ok(documents),
        None => Err(Error::Parse { message: "EOF".to_owned() }),
        Some(mistake) if has_first => Err(unreadable(&mistake, "Error unmarshaling input YAML: ")),
        Some(mistake) => Err(unreadable(&mistake, "")),
    }
}

fn unreadable(wrong: &sealfast_yaml::error::Error, prefix: &str) -> Error {
    Error::Unreadable {
        message: format!("{prefix}{wrong}"),
        line: wrong.place.filter(|_| wrong.line.is_none()),
        full: format!("{prefix}{}", wrong.in_full()).into(),
    }
}

/// Documents with plaintext in their nodes, which is wiped.
pub(in crate::store) struct Documents(Vec<Node>);

impl Deref for Documents {
    type Target = [Node];

    fn deref(&self) -> &[Node] {
        &self.0
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

fn wipe(node: &mut Node) {
    node.value.zeroize();
    if let Some(comments) = &mut node.comments {
        let Comments { head, line, foot } = &mut **comments;
        [head, line, foot].into_iter().for_each(Zeroize::zeroize);
    }
    node.content.iter_mut().for_each(wipe);
}

/// The first document must be a mapping that decodes: no repeated keys, no merges of what is no mapping. Most documents
/// show that they do; only others are decoded.
fn check(documents: &[Node]) -> Result<(), Error> {
    let is_root =
        |node: &Node| node.kind == Kind::Mapping || node.kind == Kind::Scalar && node.tag == "!!null";
    match documents.first().and_then(|document| document.content.first()) {
        Some(root) if is_root(root) && decodes(root) => Ok(()),
        Some(_) => Decoder::new(documents).string_map(&documents[0]).map_err(|wrong| unreadable(&wrong, "")),
        None => Ok(()),
    }
}

/// Is this so plain that it surely decodes?
fn decodes(node: &Node) -> bool {
    const FEW: usize = 8;
    match node.kind {
        Kind::Scalar => !node.tagged || matches!(&*node.tag, "!!str"),
        Kind::Mapping => {
            let is_plain = |key: &Node| key.kind == Kind::Scalar && !key.tagged && key.tag == "!!str";
            let keys = || node.pairs().map(|(key, _)| key.value.as_str());
            let is_new = |(at, key)| !keys().take(at).any(|other| other == key);
            let has_new_keys = if node.content.len() <= 2 * FEW {
                keys().enumerate().all(is_new)
            } else {
                let mut seen = HashSet::with_capacity(node.content.len() / 2);
                keys().all(|key| seen.insert(key))
            };
            has_new_keys && node.pairs().all(|(key, value)| is_plain(key) && decodes(value))
        }
        Kind::Sequence => node.content.iter().all(decodes),
        Kind::Alias | Kind::Document => false,
    }
}

/// The line of the last key on a way through the first document that has it.
pub(super) fn line_of(input: &[u8], path: &[String]) -> Option<usize> {
    let documents = Documents(parse::documents(input).ok()?);
    documents.iter().filter_map(|document| document.content.first()).find_map(|root| key_line(root, path))
}

fn key_line(node: &Node, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    if node.kind == Kind::Sequence {
        return node.content.iter().find_map(|item| key_line(item, path));
    }
    let (key, value) = node.pairs().find(|(key, _)| key.value == *first)?;
    if rest.is_empty() { Some(key.start.line()) } else { key_line(value, rest) }
}

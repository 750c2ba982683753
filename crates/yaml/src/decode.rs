//! Plain values from trees: aliases expanded, merge keys applied.
//!
//! Follows: `decode.go` of `go.yaml.in/yaml/v3` 3.0.4, and of v2 2.4.4 for the way through `sigs.k8s.io/yaml`.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::error::{Error, Problem};
use crate::json;
use crate::node::{Kind, Node, Style};
use crate::scalar::{self, Scalar, Words, time_text};

mod plain;
mod shape;
mod v2;

pub use plain::{Plain, tree};
pub(crate) use plain::{digit_runs, go_syntax, is_letter, merge_sort};
pub use shape::Shape;
pub(crate) use v2::Duplicates;

/// Entries of a decoded mapping, in the order of the text.
pub type Entries = IndexMap<Plain, Plain>;

/// Decodes trees of one stream; an alias may refer to any document before its own.
pub struct Decoder<'a> {
    documents: &'a [Node],
    /// Named nodes; gathered when the first alias is met.
    anchors: OnceCell<HashMap<&'a str, Vec<&'a Node>>>,
    words: Words,
    budget: Budget,
    /// Aliases being expanded.
    open: Vec<*const Node>,
    /// What does not fit, gathered to be reported together.
    problems: Vec<Problem>,
    /// Keys that a mapping has of its own while another is merged into it.
    merged: Option<HashSet<Plain>>,
    duplicates: Duplicates,
    depth: usize,
}

/// What a mapping is decoded into: its keys, and the whole of it, which says what its values are.
#[derive(Clone, Copy)]
struct Target {
    keys: &'static Shape,
    whole: &'static Shape,
}

/// Counts values, and refuses documents that are mostly made of aliases.
#[derive(Default)]
struct Budget {
    values: usize,
    aliased: usize,
    alias_depth: usize,
    /// Bytes, of all documents of the stream.
    copied: usize,
}

/// Values that may come from aliases altogether, whatever their share.
const MAX_ALIASED: usize = 2_000_000;

/// Bytes of text that may be copied for aliases.
const MAX_COPIED: usize = 256 << 20;

impl Budget {
    fn count_text(&mut self, text: &str) -> Result<(), Error> {
        if self.alias_depth > 0 {
            self.copied += text.len();
            if self.copied > MAX_COPIED {
                return Err(Error::tree("document contains excessive aliasing"));
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.values += 1;
        if self.alias_depth > 0 {
            self.aliased += 1;
        }
        if self.aliased > 100 && self.values > 1000 {
            let share = self.aliased as f64 / self.values as f64;
            if share > allowed_share(self.values) || self.aliased > MAX_ALIASED {
                return Err(Error::tree("document contains excessive aliasing"));
            }
        }
        Ok(())
    }
}

/// From 99 % of a small document down to 10 % of one with four million values.
fn allowed_share(values: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let values = values as f64;
    if values <= LOW {
        0.99
    } else if values >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * (values - LOW) / (HIGH - LOW)
    }
}

/// Aliases can nest values deeper than the text does; the document counts too.
const MAX_DEPTH: usize = crate::parse::MAX_DEPTH + 2;

const WANT_MAP: &str = "map merge requires map or sequence of maps as the value";

impl<'a> Decoder<'a> {
    /// Returns a decoder for the documents of one stream, by v3's rules.
    #[must_use]
    pub fn new(documents: &'a [Node]) -> Self {
        Self::with(documents, Words::V3, Duplicates::Refused)
    }

    pub(crate) fn with(documents: &'a [Node], words: Words, duplicates: Duplicates) -> Self {
        Self {
            documents,
            anchors: OnceCell::new(),
            words,
            budget: Budget::default(),
            open: Vec::new(),
            problems: Vec::new(),
            merged: None,
            duplicates,
            depth: 0,
        }
    }

    /// Goes on counting the bytes that aliases copy, behind other documents of the stream.
    pub(crate) fn behind(mut self, copied: usize) -> Self {
        self.budget.copied = copied;
        self
    }

    /// Returns how many bytes aliases have copied so far.
    pub(crate) fn copied(&self) -> usize {
        self.budget.copied
    }

    /// Returns the value of a node.
    ///
    /// # Errors
    ///
    /// Duplicate keys, keys that are no scalars, scalars that do not fit their tag, too many aliases.
    pub fn value(&mut self, node: &'a Node) -> Result<Plain, Error> {
        self.start();
        let value = self.node(node, &Shape::Any)?;
        self.finish()?;
        Ok(value.unwrap_or(Plain::Null))
    }

    /// Checks that a document is a mapping with string keys, as the reference checks it by decoding.
    ///
    /// # Errors
    ///
    /// As [`Decoder::value`]; also a root that is no mapping.
    pub fn string_map(&mut self, document: &'a Node) -> Result<(), Error> {
        self.start();
        let mut root = match document.kind {
            Kind::Document => document.content.first(),
            _ => Some(document),
        };
        self.budget.count()?;
        if let Some(alias) = root.filter(|root| root.kind == Kind::Alias) {
            root = Some(self.target(alias)?);
        }
        let Some(root) = root else { return Ok(()) };
        self.budget.count()?;
        match root.kind {
            Kind::Mapping => {
                let target = Target { keys: &Shape::Text, whole: &Shape::Any };
                self.mapping_into(root, &mut Entries::new(), target)?;
            }
            Kind::Scalar => {
                if self.scalar(root)? != Plain::Null {
                    self.misfit(root, "map[string]interface {}");
                }
            }
            _ => self.misfit(root, "map[string]interface {}"),
        }
        self.finish()
    }

    fn start(&mut self) {
        self.budget = Budget { copied: self.budget.copied, ..Budget::default() };
        self.problems.clear();
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::unfit(&std::mem::take(&mut self.problems))) }
    }

    fn misfit(&mut self, node: &Node, wanted: &str) {
        let tag = scalar::short_tag(&node.tag);
        let value = if tag == "!!seq" || tag == "!!map" {
            // Empty, but for scalars with such a tag.
            node.value.clone()
        } else if node.value.len() > 10 {
            format!(" `{}...`", json::text::lossy(&node.value.as_bytes()[..7]))
        } else {
            format!(" `{}`", node.value)
        };
        self.problems.push(Problem::misfit(node.start.line(), &tag, &value, wanted));
    }

    /// Returns nothing when the node does not fit; what was wrong has then been noted.
    fn node(&mut self, node: &'a Node, shape: &'static Shape) -> Result<Option<Plain>, Error> {
        self.budget.count()?;
        self.budget.count_text(&node.value)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::tree(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let value = match (node.kind, shape) {
            (Kind::Document, _) => match node.content.first() {
                Some(root) => self.node(root, shape),
                None => Ok(None),
            },
            (Kind::Alias, _) => self.alias(node, shape),
            (Kind::Scalar, Shape::Any) => self.scalar(node).map(Some),
            (Kind::Scalar, Shape::Text) => self.text(node),
            (Kind::Scalar, _) => self.fitting(node, shape),
            (Kind::Sequence, Shape::Any) => self.sequence(node, &Shape::Any),
            (Kind::Sequence, Shape::List(item)) => self.sequence(node, item),
            (Kind::Mapping, Shape::Any | Shape::Texts | Shape::Struct(..)) => self.mapping(node, shape),
            (Kind::Sequence | Kind::Mapping, _) => {
                self.misfit(node, &shape.to_string());
                Ok(None)
            }
        };
        self.depth -= 1;
        value
    }

    fn target(&self, alias: &Node) -> Result<&'a Node, Error> {
        let unknown = || Error::unknown_anchor(&alias.value, alias.start.line());
        let anchors = self.anchors.get_or_init(|| {
            let mut anchors = HashMap::new();
            self.documents.iter().for_each(|document| collect_anchors(document, &mut anchors));
            anchors
        });
        let nodes = anchors.get(alias.value.as_str()).ok_or_else(unknown)?;
        let before = nodes.iter().rev().find(|node| node.start.offset() <= alias.start.offset());
        before.or(nodes.first()).copied().ok_or_else(unknown)
    }

    fn alias(&mut self, alias: &'a Node, shape: &'static Shape) -> Result<Option<Plain>, Error> {
        let address: *const Node = alias;
        if self.open.contains(&address) {
            let message = format!("anchor '{}' value contains itself", alias.value);
            return Err(Error::tree(message).about(alias.start.line()));
        }
        let node = self.target(alias)?;
        self.open.push(address);
        self.budget.alias_depth += 1;
        let value = self.node(node, shape);
        self.budget.alias_depth -= 1;
        self.open.pop();
        value
    }

    fn scalar(&self, node: &Node) -> Result<Plain, Error> {
        Ok(match scalar::resolve_as(node, self.words)? {
            Scalar::Null => Plain::Null,
            Scalar::Bool(truth) => Plain::Bool(truth),
            Scalar::Int(number) => Plain::Int(number),
            Scalar::Uint(number) => Plain::Uint(number),
            Scalar::Float(number) => Plain::Float(number),
            Scalar::Time(text) if self.words == Words::V2 => Plain::Str(text),
            Scalar::Time(text) => time_text(&text).map_or(Plain::Str(text), Plain::Time),
            Scalar::Str(text) => Plain::Str(text),
            Scalar::Binary(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Plain::Str(text),
                Err(bytes) => Plain::Bytes(bytes.into_bytes()),
            },
            Scalar::Merge => Plain::Str(node.value.clone()),
        })
    }

    /// A scalar wanted as a string is its own text; null is none.
    fn text(&self, node: &Node) -> Result<Option<Plain>, Error> {
        Ok(match scalar::resolve_as(node, self.words)? {
            Scalar::Null => None,
            Scalar::Binary(bytes) => Some(Plain::Str(String::from_utf8_lossy(&bytes).into_owned())),
            _ => Some(Plain::Str(node.value.clone())),
        })
    }

    fn sequence(&mut self, node: &'a Node, shape: &'static Shape) -> Result<Option<Plain>, Error> {
        let mut items = Vec::with_capacity(node.content.len());
        for item in &node.content {
            items.extend(self.node(item, shape)?);
        }
        Ok(Some(Plain::List(items)))
    }

    fn mapping(&mut self, node: &'a Node, whole: &'static Shape) -> Result<Option<Plain>, Error> {
        let mut entries = Entries::with_capacity(node.content.len() / 2);
        if self.words == Words::V2 {
            self.mapping_v2(node, &mut entries)?;
            return Ok(Some(Plain::Map(entries)));
        }
        let own = || if has_string_keys(node, self) { &Shape::Text } else { &Shape::Any };
        let keys = whole.of_keys().unwrap_or_else(own);
        let fits = self.mapping_into(node, &mut entries, Target { keys, whole })?;
        Ok(fits.then_some(Plain::Map(entries)))
    }

    /// Adds a mapping's entries to those of its own or of the mapping it is merged into.
    fn mapping_into(&mut self, node: &'a Node, entries: &mut Entries, target: Target) -> Result<bool, Error> {
        let before = self.problems.len();
        duplicate_keys(node, &mut self.problems);
        if self.problems.len() > before {
            return Ok(false);
        }
        let mut merged = self.merged.take();
        let mut merge = None;
        for (key_node, value_node) in node.pairs() {
            if is_merge(key_node) {
                merge = Some(value_node);
                continue;
            }
            let Some(key) = self.node(key_node, target.keys)? else { continue };
            if let Some(merged) = &mut merged {
                check_hashable(&key, key_node)?;
                if !merged.insert(key.clone()) {
                    continue;
                }
            }
            if matches!(key, Plain::List(_) | Plain::Map(_)) {
                return Err(invalid_key(&key, self.words).about(key_node.start.line()));
            }
            let Some(shape) = target.whole.of_value(&key) else { continue };
            if let Some(value) = self.node(value_node, shape)? {
                entries.insert(key, value);
            }
        }
        self.merged = merged;
        if let Some(merge) = merge {
            self.merge(node, merge, entries, target)?;
        }
        Ok(true)
    }

    fn merge(
        &mut self,
        parent: &'a Node,
        merge: &'a Node,
        entries: &mut Entries,
        target: Target,
    ) -> Result<(), Error> {
        // Mappings merged into one that is itself merged share its set of keys.
        let outermost = self.merged.is_none();
        if outermost {
            let mut own = HashSet::new();
            for (key, _) in parent.pairs() {
                if let Some(plain) = self.node(key, &Shape::Any)? {
                    check_hashable(&plain, key)?;
                    own.insert(plain);
                }
            }
            self.merged = Some(own);
        }
        if merge.kind == Kind::Sequence {
            for item in &merge.content {
                self.merge_one(item, entries, target)?;
            }
        } else {
            self.merge_one(merge, entries, target)?;
        }
        if outermost {
            self.merged = None;
        }
        Ok(())
    }

    fn merge_one(&mut self, node: &'a Node, entries: &mut Entries, target: Target) -> Result<(), Error> {
        let mapping = if node.kind == Kind::Alias { self.target(node)? } else { node };
        if mapping.kind != Kind::Mapping {
            return Err(Error::tree(WANT_MAP).about(node.start.line()));
        }
        self.within(node, mapping, |decoder| {
            if decoder.words == Words::V2 {
                return decoder.mapping_v2(mapping, entries);
            }
            decoder.mapping_into(mapping, entries, target).map(|_| ())
        })
    }

    /// Runs a step inside a mapping that may stand behind an alias, counting both.
    fn within(
        &mut self,
        node: &'a Node,
        mapping: &'a Node,
        step: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let aliased = !std::ptr::eq(node, mapping);
        let address: *const Node = node;
        if aliased && self.open.contains(&address) {
            let message = format!("anchor '{}' value contains itself", node.value);
            return Err(Error::tree(message).about(node.start.line()));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::tree(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.budget.count()?;
        if aliased {
            self.open.push(address);
            self.budget.alias_depth += 1;
            self.budget.count()?;
        }
        let outcome = step(self);
        if aliased {
            self.budget.alias_depth -= 1;
            self.open.pop();
        }
        self.depth -= 1;
        outcome
    }
}

/// Refuses a key that the reference cannot look up among merged ones.
fn check_hashable(key: &Plain, node: &Node) -> Result<(), Error> {
    let kind = match key {
        Plain::List(_) => "[]interface {}",
        Plain::Map(entries) if entries.keys().all(|key| matches!(key, Plain::Str(_))) => {
            "map[string]interface {}"
        }
        Plain::Map(_) => "map[interface {}]interface {}",
        _ => return Ok(()),
    };
    Err(Error::tree(format!("runtime error: hash of unhashable type {kind}")).about(node.start.line()))
}

/// A list or mapping for a key: its type, behind which the reference shows all of it.
fn invalid_key(key: &Plain, words: Words) -> Error {
    const TYPE_END: &str = "interface {}";
    let shown = go_syntax(key, words);
    let end = shown.find(TYPE_END).map_or(0, |at| at + TYPE_END.len());
    let (kind, content) = shown.split_at(end);
    Error::quoting(Problem::quoting(&format!("invalid map key: {kind}"), content, ""))
}

/// Notes every pair of equal keys; the reference compares kind and text.
fn duplicate_keys(node: &Node, problems: &mut Vec<Problem>) {
    const LISTED: usize = 1_000;
    let keys: Vec<&Node> = node.pairs().map(|(key, _)| key).collect();
    let same = |a: &Node, b: &Node| a.kind == b.kind && a.value == b.value;
    let doubled = if keys.len() < 12 {
        keys.iter().enumerate().any(|(at, key)| keys[at + 1..].iter().any(|other| same(key, other)))
    } else {
        let mut seen = HashSet::with_capacity(keys.len());
        !keys.iter().all(|key| seen.insert((key.kind, key.value.as_str())))
    };
    if !doubled {
        return;
    }
    let mut places: HashMap<(Kind, &str), Vec<usize>> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        places.entry((key.kind, key.value.as_str())).or_default().push(at);
    }
    let last = problems.len() + LISTED;
    for (at, key) in keys.iter().enumerate() {
        let all = places.get(&(key.kind, key.value.as_str())).map_or(&[][..], Vec::as_slice);
        for other in &all[all.partition_point(|place| *place <= at)..] {
            let (line, first) = (keys[*other].start.line(), key.start.line());
            let name = plain::go_quoted(&key.value);
            let message = format!("mapping key {name} already defined at line {first}");
            problems.push(Problem::at(line, message));
            if problems.len() >= last {
                return;
            }
        }
    }
}

fn has_string_keys<'a>(node: &'a Node, decoder: &Decoder<'a>) -> bool {
    node.pairs().all(|(key, _)| {
        let key = if key.kind == Kind::Alias { decoder.target(key).unwrap_or(key) } else { key };
        matches!(&*key.tag, "!!str" | "!!merge") || key.tag.is_empty() && key.style != Style::Plain
    })
}

fn is_merge(key: &Node) -> bool {
    key.kind == Kind::Scalar && key.value == "<<" && (key.tag.is_empty() || key.tag == "!!merge")
}

/// Several nodes may bear a name; an alias means the last one before it.
fn collect_anchors<'a>(root: &'a Node, anchors: &mut HashMap<&'a str, Vec<&'a Node>>) {
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        if !node.anchor.is_empty() {
            anchors.entry(&node.anchor).or_default().push(node);
        }
        waiting.extend(node.content.iter().rev());
    }
}

//! Nodes of YAML documents -> branches, comments becoming entries.
//!
//! Follows: `stores/yaml/store.go` of sops 3.13.2. Differs: the expansion of aliases is bounded.

use std::collections::HashMap;

use sealfast_yaml::node::{Kind, Node};
use sealfast_yaml::scalar::{self, Scalar};
use zeroize::Zeroizing;

use super::unreadable;
use crate::error::Error;
use crate::store::scalar::go_text;
use crate::time::Time;
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};
use crate::walk::MAX_DEPTH;

/// How many values aliases may expand to.
const MAX_EXPANSION: usize = 500_000;

/// Bytes of text that aliases of any stream may copy, and how many times its own length those of a long one may.
const MAX_COPIED: usize = 64 << 20;
const MAX_COPIES: usize = 16;

/// What becomes of comments inside what an alias stands for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum AliasComments {
    Kept,
    Dropped,
}

/// Takes the length of the text, by which the bytes that aliases may copy grow.
pub(super) fn branches(
    documents: &[Node],
    alias_comments: AliasComments,
    length: usize,
) -> Result<Vec<Branch>, Error> {
    read(documents, alias_comments, Scalars::Read, length)
}

/// Reads keys and comments alone; in the place of scalars stands null.
pub(super) fn comments(documents: &[Node], length: usize) -> Result<Vec<Branch>, Error> {
    read(documents, AliasComments::Dropped, Scalars::PassedOver, length)
}

fn read(
    documents: &[Node],
    alias_comments: AliasComments,
    scalars: Scalars,
    length: usize,
) -> Result<Vec<Branch>, Error> {
    let mut aliases = Aliases::default();
    documents.iter().for_each(|document| aliases.collect(document, &mut HashMap::new()));
    let copied_limit = MAX_COPIED.max(length.saturating_mul(MAX_COPIES));
    let mut reader = Reader { alias_comments, scalars, copied_limit, ..Reader::new(&aliases) };
    documents
        .iter()
        .map(|document| {
            let mut branch = Branch::new();
            reader.root(document, &mut branch)?;
            Ok(branch)
        })
        .collect()
}

/// Reads documents without aliases. As soon as the tree has what a part of one says, its nodes forget it, so that it is
/// never held twice.
pub(super) fn branches_moved(documents: &mut [Node]) -> Result<Vec<Branch>, Error> {
    let aliases = Aliases::default();
    let mut reader = Reader::new(&aliases);
    let mut moved = |document: &mut Node| {
        let mut branch = Branch::new();
        reader.root_moved(document, &mut branch)?;
        Ok(branch)
    };
    documents.iter_mut().map(&mut moved).collect()
}

/// Wipes what scalars say, but for keys.
pub(super) fn forget_values(node: &mut Node) {
    if node.kind == Kind::Scalar {
        drop(Zeroizing::new(std::mem::take(&mut node.value)));
    }
    let is_key = |at: usize| node.kind == Kind::Mapping && at.is_multiple_of(2);
    let others = node.content.iter_mut().enumerate().filter(|(at, _)| !is_key(*at));
    others.for_each(|(_, child)| forget_values(child));
}

/// What each alias stands for: the last node with its anchor before it.
#[derive(Default)]
struct Aliases<'n>(HashMap<*const Node, &'n Node>);

impl<'n> Aliases<'n> {
    fn collect(&mut self, node: &'n Node, anchors: &mut HashMap<&'n str, &'n Node>) {
        if !node.anchor.is_empty() {
            anchors.insert(&node.anchor, node);
        }
        if node.kind == Kind::Alias
            && let Some(target) = anchors.get(node.value.as_str())
        {
            self.0.insert(std::ptr::from_ref(node), target);
        }
        node.content.iter().for_each(|child| self.collect(child, anchors));
    }

    fn target(&self, alias: &Node) -> Result<&'n Node, Error> {
        let unknown = || sealfast_yaml::error::Error::unknown_anchor(&alias.value, alias.start.line());
        let missing = || unreadable(&unknown(), "");
        self.0.get(&std::ptr::from_ref(alias)).copied().ok_or_else(missing)
    }
}

/// What becomes of what scalars say.
#[derive(Clone, Copy, PartialEq)]
enum Scalars {
    Read,
    PassedOver,
}

/// Whether the comments around a node still have to be taken.
#[derive(Clone, Copy, PartialEq)]
enum Around {
    Pending,
    Taken,
}

struct Reader<'a, 'n> {
    aliases: &'a Aliases<'n>,
    alias_comments: AliasComments,
    scalars: Scalars,
    depth: usize,
    /// The aliases that are being expanded.
    open: Vec<*const Node>,
    /// Where the outermost of them stands.
    line: usize,
    /// Values and bytes that aliases of the stream have brought.
    expanded: usize,
    copied: usize,
    copied_limit: usize,
}

impl<'a, 'n> Reader<'a, 'n> {
    fn new(aliases: &'a Aliases<'n>) -> Self {
        Self {
            aliases,
            alias_comments: AliasComments::Dropped,
            scalars: Scalars::Read,
            depth: 0,
            open: Vec::new(),
            line: 0,
            expanded: 0,
            copied: 0,
            copied_limit: MAX_COPIED,
        }
    }

    /// A document or what it consists of, into its branch.
    fn root(&mut self, node: &Node, branch: &mut Branch) -> Result<(), Error> {
        let refuse = |what| {
            let message =
                format!("Error unmarshaling input YAML: YAML documents that are {what} are not supported");
            Err(Error::Parse { message })
        };
        match node.kind {
            Kind::Document => {
                self.before(node, &mut EntryList(branch));
                for child in &node.content {
                    self.root(child, branch)?;
                }
                self.after(node, &mut EntryList(branch));
                Ok(())
            }
            Kind::Mapping => self.mapping(node, branch, Around::Pending),
            Kind::Sequence => refuse("sequences"),
            Kind::Scalar if node.tag == "!!null" => {
                self.before(node, &mut EntryList(branch));
                Ok(())
            }
            Kind::Scalar => refuse("values"),
            Kind::Alias => {
                let target = self.aliases.target(node)?;
                self.alias(node, |reader| reader.root(target, branch))
            }
        }
    }

    /// A document or its mapping, whose values are forgotten one by one.
    fn root_moved(&mut self, node: &mut Node, branch: &mut Branch) -> Result<(), Error> {
        if !matches!(node.kind, Kind::Document | Kind::Mapping) {
            return self.root(node, branch);
        }
        self.before(node, &mut EntryList(branch));
        if node.kind == Kind::Document {
            node.content.iter_mut().try_for_each(|child| self.root_moved(child, branch))?;
        }
        branch.entries.reserve_exact(node.content.len() / 2);
        for pair in node.content.chunks_exact_mut(2).filter(|_| node.kind == Kind::Mapping) {
            self.entry(&pair[0], &pair[1], branch)?;
            forget_values(&mut pair[1]);
        }
        self.after(node, &mut EntryList(branch));
        Ok(())
    }

    fn mapping(&mut self, node: &Node, branch: &mut Branch, around: Around) -> Result<(), Error> {
        if around == Around::Pending {
            self.before(node, &mut EntryList(branch));
        }
        // Without comments no more room is needed, and there may be many mappings.
        branch.entries.reserve_exact(node.content.len() / 2);
        node.pairs().try_for_each(|(key, value)| self.entry(key, value, branch))?;
        if around == Around::Pending {
            self.after(node, &mut EntryList(branch));
        }
        Ok(())
    }

    fn entry(&mut self, key: &Node, value: &Node, branch: &mut Branch) -> Result<(), Error> {
        self.count()?;
        self.before(key, &mut EntryList(branch));
        let is_leaf = matches!(value.kind, Kind::Scalar | Kind::Alias);
        if is_leaf {
            self.before_item(value, &mut EntryList(branch));
        }
        let key_value = self.key(key)?;
        let around = if is_leaf { Around::Taken } else { Around::Pending };
        let read = self.value(value, around)?;
        branch.entries.push(Entry { key: key_value, value: read });
        if is_leaf {
            self.after(value, &mut EntryList(branch));
        }
        self.after(key, &mut EntryList(branch));
        Ok(())
    }

    fn value(&mut self, node: &Node, around: Around) -> Result<Value, Error> {
        self.count_copy(node)?;
        match node.kind {
            Kind::Document => Ok(Value::Null),
            Kind::Mapping => self.nested(|reader| {
                let mut branch = Branch::new();
                reader.mapping(node, &mut branch, around)?;
                Ok(branch.into())
            }),
            Kind::Sequence => self.nested(|reader| reader.sequence(node, around)),
            Kind::Scalar if self.scalars == Scalars::PassedOver => Ok(Value::Null),
            Kind::Scalar => scalar_value(node),
            Kind::Alias => {
                let target = self.aliases.target(node)?;
                self.alias(node, |reader| {
                    reader.count()?;
                    reader.value(target, Around::Pending)
                })
            }
        }
    }

    fn sequence(&mut self, node: &Node, around: Around) -> Result<Value, Error> {
        let mut items = Vec::with_capacity(node.content.len());
        if around == Around::Pending {
            self.before(node, &mut ItemList(&mut items));
        }
        for item in &node.content {
            self.count()?;
            self.before_item(item, &mut ItemList(&mut items));
            let value = self.value(item, Around::Taken)?;
            items.push(value);
            self.after(item, &mut ItemList(&mut items));
        }
        if around == Around::Pending {
            self.after(node, &mut ItemList(&mut items));
        }
        Ok(items.into())
    }

    /// Reads what an alias stands for, at whose expense what is read counts.
    fn alias<T>(
        &mut self,
        alias: &Node,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let address = std::ptr::from_ref(alias);
        if self.open.contains(&address) {
            let message = format!("anchor '{}' value contains itself", alias.value);
            let wrong = sealfast_yaml::error::Error::tree(message).about(alias.start.line());
            return Err(unreadable(&wrong, ""));
        }
        if self.open.is_empty() {
            self.line = alias.start.line();
        }
        self.open.push(address);
        let value = self.nested(read);
        self.open.pop();
        value
    }

    fn key(&mut self, node: &Node) -> Result<Key, Error> {
        if node.kind == Kind::Alias {
            let target = self.aliases.target(node)?;
            return self.alias(node, |reader| reader.plain_key(target));
        }
        self.plain_key(node)
    }

    fn plain_key(&mut self, node: &Node) -> Result<Key, Error> {
        self.count_copy(node)?;
        let other = |kind| Key::Other { kind, text: node.value.clone() };
        Ok(match node.kind {
            Kind::Mapping => other("map[string]interface {}"),
            Kind::Sequence => other("[]interface {}"),
            _ => match scalar_value(node)? {
                Value::Str(text) => match text.as_str() {
                    Some(name) => Key::Name(name.to_owned()),
                    None => other("string"),
                },
                value => Key::Other { kind: value.type_name(), text: go_text(&value) },
            },
        })
    }

    fn before(&self, node: &Node, list: &mut dyn CommentList) {
        if self.takes_comments() {
            before(node, list);
        }
    }

    fn before_item(&self, node: &Node, list: &mut dyn CommentList) {
        if self.takes_comments() {
            before_item(node, list);
        }
    }

    fn after(&self, node: &Node, list: &mut dyn CommentList) {
        if self.takes_comments() {
            after(node, list);
        }
    }

    fn takes_comments(&self) -> bool {
        self.open.is_empty() || self.alias_comments == AliasComments::Kept
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::Depth { line: (self.line > 0).then_some(self.line), limit: MAX_DEPTH });
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn count(&mut self) -> Result<(), Error> {
        if !self.open.is_empty() {
            self.expanded += 1;
            if self.expanded > MAX_EXPANSION {
                return Err(Error::Expansion { line: self.line, limit: MAX_EXPANSION, unit: "values" });
            }
        }
        Ok(())
    }

    /// Counts the text of a node and of its comments.
    fn count_copy(&mut self, node: &Node) -> Result<(), Error> {
        if !self.open.is_empty() {
            let comments = node.comments.as_ref();
            let comments = comments.map_or(0, |all| all.head.len() + all.line.len() + all.foot.len());
            self.copied = self.copied.saturating_add(node.value.len() + comments);
            if self.copied > self.copied_limit {
                let limit = self.copied_limit;
                return Err(Error::Expansion { line: self.line, limit, unit: "bytes" });
            }
        }
        Ok(())
    }
}

pub(super) fn scalar_value(node: &Node) -> Result<Value, Error> {
    let resolved = scalar::resolve(node).map_err(|wrong| unreadable(&wrong, ""))?;
    Ok(match resolved {
        Scalar::Null => Value::Null,
        Scalar::Bool(flag) => Value::Bool(flag),
        Scalar::Int(int) => Value::Int(int),
        Scalar::Uint(int) => Value::Uint(int),
        Scalar::Float(float) => Value::Float(float),
        Scalar::Time(text) => match Time::from_yaml(&text) {
            Some(time) => Value::Time(time),
            None => Value::from(text),
        },
        Scalar::Str(text) => Value::from(text),
        Scalar::Binary(bytes) => Value::Str(Text::new(bytes)),
        Scalar::Merge => Value::from("<<"),
    })
}

/// A place that comments can be appended to.
trait CommentList {
    fn comment(&mut self, comment: Comment);
}

struct EntryList<'b>(&'b mut Branch);

impl CommentList for EntryList<'_> {
    fn comment(&mut self, comment: Comment) {
        self.0.push_comment(comment);
    }
}

struct ItemList<'l>(&'l mut Vec<Value>);

impl CommentList for ItemList<'_> {
    fn comment(&mut self, comment: Comment) {
        self.0.push(Value::Comment(comment));
    }
}

/// Head and line comments of a key or container.
fn before(node: &Node, list: &mut dyn CommentList) {
    let Some(comments) = &node.comments else { return };
    lines(&comments.head, false, list);
    lines(&comments.line, false, list);
}

/// Head and line comments of an item or scalar: here the line comment is an inline one.
fn before_item(node: &Node, list: &mut dyn CommentList) {
    let Some(comments) = &node.comments else { return };
    lines(&comments.head, false, list);
    lines(&comments.line, true, list);
}

fn after(node: &Node, list: &mut dyn CommentList) {
    if let Some(comments) = &node.comments {
        lines(&comments.foot, false, list);
    }
}

fn lines(text: &str, inline: bool, list: &mut dyn CommentList) {
    for line in text.split('\n') {
        let mut characters = line.chars();
        if characters.next().is_some() {
            list.comment(Comment { inline, ..Comment::line(characters.as_str()) });
        }
    }
}

//! The tree: one node type for documents, mappings, sequences, scalars, aliases.
//!
//! Comments, styles, tags as written and source positions stay on the node, so that a tree
//! that was only partly changed is written again with everything else as it was.
//!
//! Follows: the node model of `go.yaml.in/yaml/v3` 3.0.4.

use std::borrow::Cow;
use std::ops::Range;

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A document: one child, its root.
    Document,
    /// A mapping: keys and values alternate in [`Node::content`].
    Mapping,
    /// A sequence: items in [`Node::content`].
    Sequence,
    /// A scalar: text in [`Node::value`].
    #[default]
    Scalar,
    /// An alias: the anchor's name in [`Node::value`].
    Alias,
}

/// How a node is (to be) written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Plain for scalars, block for collections.
    #[default]
    Plain,
    /// `"double quoted"`.
    DoubleQuoted,
    /// `'single quoted'`.
    SingleQuoted,
    /// `|` block text, line breaks kept.
    Literal,
    /// `>` block text, line breaks folded.
    Folded,
    /// `[…]` or `{…}`.
    Flow,
}

/// A place in the source: byte offset (0-based), line and column (1-based; column counts characters).
///
/// There is one in every node, so it is small: no stream is as long as these numbers reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    offset: u32,
    line: u32,
    column: u32,
}

impl Mark {
    pub(crate) fn new(offset: usize, line: usize, column: usize) -> Self {
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self { offset: small(offset), line: small(line), column: small(column) }
    }

    /// Returns the bytes from the start of the UTF-8 input.
    #[must_use]
    pub fn offset(self) -> usize {
        self.offset as usize
    }

    /// Returns the line, from 1; 0 when the node was not read from text.
    #[must_use]
    pub fn line(self) -> usize {
        self.line as usize
    }

    /// Returns the column in characters, from 1; 0 when the node was not read from text.
    #[must_use]
    pub fn column(self) -> usize {
        self.column as usize
    }
}

/// Comments around a node, each with its `#`, lines joined by `\n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// Lines above the node.
    pub head: String,
    /// Behind the node on its line.
    pub line: String,
    /// Lines below the node, before an empty line.
    pub foot: String,
}

/// One node of a YAML tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What the node is.
    pub kind: Kind,
    /// How it is written.
    pub style: Style,
    /// Tag in its short form (`!!str`), resolved for plain scalars; empty when not yet resolved.
    pub tag: Cow<'static, str>,
    /// True when the tag was (or must be) written out.
    pub tagged: bool,
    /// True when the tag `!` was written, which only the older readers heed: it makes any scalar a string.
    pub nonspecific: bool,
    /// Scalar text after unescaping, or the anchor an alias refers to.
    pub value: String,
    /// Anchor name without `&`; empty for none.
    pub anchor: String,
    /// Children: root, items, or key and value in turn.
    pub content: Vec<Node>,
    /// Comments, when there are any.
    pub comments: Option<Box<Comments>>,
    /// First character of the node.
    pub start: Mark,
    /// Byte offset just behind the last character of the node.
    pub end: usize,
    /// Bytes of the source that hold a scalar's own text: with quotes or block header and everything up to the
    /// end of its last line, without anchor and tag. Replacing just these bytes replaces just the value.
    pub text: Range<usize>,
}

impl Node {
    /// Returns a plain scalar node with the given tag and text.
    #[must_use]
    pub fn scalar(tag: &str, value: impl Into<String>) -> Self {
        Self { tag: known_tag(tag), value: value.into(), ..Self::default() }
    }

    /// Returns an empty block mapping.
    #[must_use]
    pub fn mapping() -> Self {
        Self { kind: Kind::Mapping, tag: Cow::Borrowed("!!map"), ..Self::default() }
    }

    /// Returns an empty block sequence.
    #[must_use]
    pub fn sequence() -> Self {
        Self { kind: Kind::Sequence, tag: Cow::Borrowed("!!seq"), ..Self::default() }
    }

    /// Returns a document that holds `root`.
    #[must_use]
    pub fn document(root: Node) -> Self {
        Self { kind: Kind::Document, content: vec![root], ..Self::default() }
    }

    /// Returns the comments, making room for them when there were none.
    pub fn comments_mut(&mut self) -> &mut Comments {
        self.comments.get_or_insert_with(Box::default)
    }

    /// Iterates over the keys and values of a mapping (over nothing for other kinds).
    pub fn pairs(&self) -> impl Iterator<Item = (&Node, &Node)> {
        let pairs = if self.kind == Kind::Mapping { self.content.as_slice() } else { &[] };
        pairs.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
    }

    /// Returns the value of the first entry whose key is the scalar `key`.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Node> {
        self.pairs().find(|(k, _)| k.kind == Kind::Scalar && k.value == key).map(|(_, v)| v)
    }
}

/// Returns a tag without a copy when it is one of YAML's own.
pub(crate) fn known_tag(tag: &str) -> Cow<'static, str> {
    Cow::Borrowed(match tag {
        "" => "",
        "!!str" => "!!str",
        "!!map" => "!!map",
        "!!seq" => "!!seq",
        "!!int" => "!!int",
        "!!bool" => "!!bool",
        "!!null" => "!!null",
        "!!float" => "!!float",
        "!!merge" => "!!merge",
        "!!binary" => "!!binary",
        "!!timestamp" => "!!timestamp",
        tag => return Cow::Owned(tag.to_owned()),
    })
}

//! YAML store: documents of nodes <-> branches, comments becoming entries.
//!
//! Aliases are expanded in place, merge keys stay ordinary keys, custom tags are dropped. Head and line comments of a
//! key become entries before it, foot comments entries behind it; on the way out the leading comments of a mapping
//! go to its head, trailing ones below its last key, inline ones behind their value.
//!
//! Follows: `stores/yaml/store.go` of sops 3.13.2. Differs: the expansion of aliases is bounded, a scalar that does not
//! fit its tag is an error in every document, and texts that the reference writes so that they cannot be read back
//! are quoted.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;

use sealfast_yaml::decode::Decoder;
use sealfast_yaml::emit;
use sealfast_yaml::node::{Comments, Kind, Node, Style};
use sealfast_yaml::parse::{self, Numbered};
use sealfast_yaml::scalar::{self, Scalar};
use zeroize::Zeroize;

use crate::error::Error;
use crate::store::scalar::go_text;
use crate::time::Time;
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};
use crate::walk::MAX_DEPTH;

mod splice;

pub(super) use splice::{Former, Source, edited, is_same};

/// How many values aliases may expand to.
const MAX_EXPANSION: usize = 500_000;

/// Bytes of text that aliases of any stream may copy, and how many times its own length those of a long one may.
const MAX_COPIED: usize = 64 << 20;
const MAX_COPIES: usize = 16;

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
    if !places.is_empty() && documents.iter().any(has_alias) {
        // Numbers are shorter than the comments they stand for, so that only these tell what aliases copy.
        load(input)?;
    }
    let mut kept = branches(&documents, AliasComments::Kept, input.len())?;
    let source = Source::new(input, documents, places)?;
    kept.iter_mut().for_each(|branch| source.speak(branch));
    Ok((kept, source.complete()))
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
        line: None,
        full: format!("{prefix}{}", wrong.in_full()).into(),
    }
}

/// Documents with plaintext in their nodes, which is wiped.
pub(super) struct Documents(Vec<Node>);

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

/// What becomes of comments inside what an alias stands for.
#[derive(Clone, Copy, PartialEq)]
enum AliasComments {
    Kept,
    Dropped,
}

/// Takes the length of the text, by which the bytes that aliases may copy grow.
fn branches(documents: &[Node], alias_comments: AliasComments, length: usize) -> Result<Vec<Branch>, Error> {
    let mut aliases = Aliases::default();
    documents.iter().for_each(|document| aliases.collect(document, &mut HashMap::new()));
    let mut reader = Reader {
        aliases: &aliases,
        alias_comments,
        depth: 0,
        open: Vec::new(),
        line: 0,
        expanded: 0,
        copied: 0,
        copied_limit: MAX_COPIED.max(length.saturating_mul(MAX_COPIES)),
    };
    documents
        .iter()
        .map(|document| {
            let mut branch = Branch::new();
            reader.root(document, &mut branch)?;
            Ok(branch)
        })
        .collect()
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
        let unknown = || sealfast_yaml::error::Error::unknown_anchor(&alias.value, alias.start.line);
        let missing = || unreadable(&unknown(), "");
        self.0.get(&std::ptr::from_ref(alias)).copied().ok_or_else(missing)
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
    if rest.is_empty() { Some(key.start.line) } else { key_line(value, rest) }
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

impl Reader<'_, '_> {
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

    fn mapping(&mut self, node: &Node, branch: &mut Branch, around: Around) -> Result<(), Error> {
        if around == Around::Pending {
            self.before(node, &mut EntryList(branch));
        }
        for (key, value) in node.pairs() {
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
        }
        if around == Around::Pending {
            self.after(node, &mut EntryList(branch));
        }
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
        let mut items = Vec::new();
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
            return Err(unreadable(&sealfast_yaml::error::Error::tree(message), ""));
        }
        if self.open.is_empty() {
            self.line = alias.start.line;
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
            return Err(Error::Depth { limit: MAX_DEPTH });
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

fn scalar_value(node: &Node) -> Result<Value, Error> {
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
            list.comment(Comment { text: characters.as_str().into(), inline });
        }
    }
}

/// The indentation that is meant: 0 stands for the usual one.
pub(super) fn indentation(indent: i32) -> Result<usize, Error> {
    match usize::try_from(indent) {
        Ok(0) => Ok(4),
        Ok(indent) => Ok(indent),
        Err(_) => Err(Error::Emit { message: "YAML Negative indentation not accepted".to_owned() }),
    }
}

pub(super) fn emit(branches: &[Branch], indent: i32) -> Result<Vec<u8>, Error> {
    let options = emit::Options { indent: indentation(indent)?, ..emit::Options::default() };
    let nodes = branches.iter().map(|branch| Node::document(mapping_node(branch, Column::Aligned)));
    write(&Documents(nodes.collect()), &options)
}

pub(super) fn emit_value(value: &Value) -> Result<Vec<u8>, Error> {
    write(
        &Documents(vec![Node::document(value_node(value, Column::Aligned))]),
        &emit::Options { indent: 4, ..emit::Options::default() },
    )
}

fn write(documents: &Documents, options: &emit::Options) -> Result<Vec<u8>, Error> {
    let text = emit::documents(documents, options)
        .map_err(|wrong| Error::Emit { message: format!("Error marshaling to YAML: {wrong}") })?;
    Ok(text.into_bytes())
}

/// Where a block text would stand. Behind a dash and in a mapping behind a dash its lines are indented by less than the
/// hint says that the reference writes for a text with a leading blank, and could not be read back.
#[derive(Clone, Copy, PartialEq)]
enum Column {
    Aligned,
    BehindDash,
}

fn mapping_node(branch: &Branch, column: Column) -> Node {
    let mut node = Node::mapping();
    let mut pending = Pending::default();
    for entry in &branch.entries {
        let key = match &entry.key {
            Key::Comment(comment) => {
                pending.take(comment);
                continue;
            }
            Key::Name(name) => text_node(name, Column::Aligned),
            Key::Other { text, .. } => Node { value: text.clone(), ..Node::default() },
        };
        pending.head(&mut node);
        let (mut key, mut value) = (key, value_node(&entry.value, column));
        pending.item_head(&mut key);
        pending.inline(&mut value);
        node.content.extend([key, value]);
    }
    pending.rest(&mut node, 2);
    node
}

fn sequence_node(items: &[Value]) -> Node {
    let mut node = Node::sequence();
    let mut pending = Pending::default();
    for item in items {
        if let Value::Comment(comment) = item {
            pending.take(comment);
            continue;
        }
        pending.head(&mut node);
        let mut item = match item {
            Value::Branch(branch) => mapping_node(branch, Column::BehindDash),
            item => value_node(item, Column::BehindDash),
        };
        pending.item_head(&mut item);
        pending.inline(&mut item);
        node.content.push(item);
    }
    pending.rest(&mut node, 1);
    node
}

fn value_node(value: &Value, column: Column) -> Node {
    let plain = |tag: &str, text: String| Node::scalar(tag, text);
    match value {
        Value::Null => plain("!!null", "null".to_owned()),
        Value::Bool(flag) => plain("!!bool", flag.to_string()),
        Value::Int(int) => plain("!!int", int.to_string()),
        Value::Uint(int) => plain("!!int", int.to_string()),
        Value::Float(float) => {
            let text = scalar::float_text(*float);
            // A float without a point reads back as an integer; the tag stays out of the way of that.
            let tag = if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
                "!!int"
            } else {
                "!!float"
            };
            plain(tag, text)
        }
        Value::Time(time) => plain("!!timestamp", time.to_string()),
        Value::Str(text) | Value::Comment(Comment { text, .. }) => match text.as_str() {
            Some(text) => text_node(text, column),
            None => scalar::binary_node(text.as_bytes()),
        },
        Value::List(items) => sequence_node(items),
        Value::Branch(branch) => mapping_node(branch, Column::Aligned),
    }
}

/// The merge key cannot be told from a string by its looks and keeps its tag.
fn text_node(text: &str, column: Column) -> Node {
    if text == "<<" {
        return Node { tagged: true, ..Node::scalar("!!merge", text) };
    }
    let mut node = scalar::string_node(text);
    let is_misread = match column {
        Column::Aligned => text.starts_with('\t'),
        Column::BehindDash => text.starts_with([' ', '\n', '\t']),
    };
    if node.style == Style::Literal && is_misread {
        node.style = Style::DoubleQuoted;
    }
    node
}

/// Comments that wait for the node they belong to.
#[derive(Default)]
struct Pending {
    head: Vec<String>,
    inline: Vec<String>,
    started: bool,
}

impl Pending {
    fn take(&mut self, comment: &Comment) {
        // What is missing before later lines is put there by the emitter.
        let text = comment.text.to_string_lossy().into_owned();
        if comment.inline { self.inline.push(text) } else { self.head.push(text) }
    }

    /// Comments before the first entry belong to the container.
    fn head(&mut self, container: &mut Node) {
        if !self.started {
            append(container, &mut self.head, |comments| &mut comments.head);
            self.started = true;
        }
    }

    fn item_head(&mut self, item: &mut Node) {
        prepend_head(item, &mut self.head);
    }

    fn inline(&mut self, item: &mut Node) {
        append(item, &mut self.inline, |comments| &mut comments.line);
    }

    /// What is left belongs below the last item or key, or to the container when it is empty.
    fn rest(mut self, container: &mut Node, step: usize) {
        self.head.append(&mut self.inline);
        match container.content.len().checked_sub(step) {
            Some(last) => append(&mut container.content[last], &mut self.head, |comments| &mut comments.foot),
            None => append(container, &mut self.head, |comments| &mut comments.head),
        }
    }
}

/// An item that is a container has its own head already when its first entries are comments.
fn prepend_head(node: &mut Node, texts: &mut Vec<String>) {
    if texts.is_empty() {
        return;
    }
    let head = &mut node.comments_mut().head;
    let own = std::mem::take(head);
    *head = format!("#{}", texts.join("\n#"));
    if !own.is_empty() {
        head.push('\n');
        head.push_str(&own);
    }
    texts.clear();
}

fn append(node: &mut Node, texts: &mut Vec<String>, field: fn(&mut Comments) -> &mut String) {
    if texts.is_empty() {
        return;
    }
    let field = field(node.comments_mut());
    if !field.is_empty() {
        field.push('\n');
    }
    field.push('#');
    field.push_str(&texts.join("\n#"));
    texts.clear();
}

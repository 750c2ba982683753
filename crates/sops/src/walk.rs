//! The one walk over a tree: every leaf in order, selected or not.
//!
//! The order of this walk is the order of the MAC.
//!
//! Follows: `walkBranch`, `walkSlice`, `walkValue` of sops 3.13.2. Differs: nesting is bounded.

use crate::error::{Error, TreePath};
use crate::select::Matcher;
use crate::tree::{Branch, Comment, Key, Value};

/// Deepest nesting that is followed.
pub(crate) const MAX_DEPTH: usize = 500;

/// Where a leaf is.
pub(crate) struct Place<'w> {
    /// Keys on the way, each followed by a colon; `:` at the top.
    pub(crate) aad: &'w str,
    /// The selector chose this leaf to be encrypted.
    pub(crate) selected: bool,
    /// Where each key ends in `aad`.
    ends: &'w [usize],
}

impl Place<'_> {
    pub(crate) fn path(&self) -> TreePath {
        path(self.aad, self.ends)
    }
}

/// What is done with a leaf: the value that takes its place.
pub(crate) type Visit<'v> = dyn FnMut(Value, &Place<'_>) -> Result<Value, Error> + 'v;

/// Walks one branch and replaces its leaves.
pub(crate) fn branch(branch: &mut Branch, matcher: &Matcher, visit: &mut Visit<'_>) -> Result<(), Error> {
    let mut walk =
        Walk { matcher, visit, ends: Vec::new(), aad: String::new(), hits: 0, comments: Vec::new() };
    walk.branch(branch)
}

struct Walk<'m, 'v, 'f> {
    matcher: &'m Matcher,
    visit: &'v mut Visit<'f>,
    aad: String,
    ends: Vec<usize>,
    /// How many keys on the way match.
    hits: usize,
    /// For each level, whether each comment that is active there matches.
    comments: Vec<Vec<bool>>,
}

impl Walk<'_, '_, '_> {
    fn branch(&mut self, branch: &mut Branch) -> Result<(), Error> {
        self.enter()?;
        for entry in &mut branch.entries {
            match &mut entry.key {
                Key::Comment(comment) => *comment = self.comment_entry(std::mem::take(comment))?,
                Key::Name(name) => {
                    let hit = usize::from(self.matcher.key(name));
                    let length = self.aad.len();
                    self.aad.push_str(name);
                    self.ends.push(self.aad.len());
                    self.aad.push(':');
                    self.hits += hit;
                    self.value(&mut entry.value)?;
                    self.hits -= hit;
                    self.ends.pop();
                    self.aad.truncate(length);
                }
                Key::Other { kind, text } => {
                    return Err(Error::KeyType {
                        path: path(&self.aad, &self.ends),
                        kind,
                        text: text.clone(),
                    });
                }
            }
        }
        self.comments.pop();
        Ok(())
    }

    fn list(&mut self, items: &mut [Value]) -> Result<(), Error> {
        self.enter()?;
        for item in items {
            self.value(item)?;
        }
        self.comments.pop();
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.comments.len() >= MAX_DEPTH {
            return Err(Error::Depth { line: None, limit: MAX_DEPTH });
        }
        self.comments.push(Vec::new());
        Ok(())
    }

    /// Anything but a comment ends the reach of the comments before it.
    fn value(&mut self, value: &mut Value) -> Result<(), Error> {
        match value {
            Value::Comment(comment) => {
                self.note(comment);
                *value = self.leaf(std::mem::take(value))?;
                return Ok(());
            }
            Value::Branch(branch) => self.branch(branch)?,
            Value::List(items) => self.list(items)?,
            Value::Null => {}
            leaf => *leaf = self.leaf(std::mem::take(leaf))?,
        }
        if let Some(level) = self.comments.last_mut() {
            level.clear();
        }
        Ok(())
    }

    fn comment_entry(&mut self, comment: Comment) -> Result<Comment, Error> {
        self.note(&comment);
        let Comment { inline, stray, closing, .. } = comment;
        Ok(match self.leaf(Value::Comment(comment))? {
            Value::Comment(comment) => comment,
            Value::Str(text) => Comment { text, inline, stray, closing },
            _ => Comment::default(),
        })
    }

    fn note(&mut self, comment: &Comment) {
        if comment.stray {
            return;
        }
        if let (Matcher::Comment { .. }, Some(level)) = (self.matcher, self.comments.last_mut()) {
            level.push(self.matcher.comment(comment.text.as_bytes()));
        }
    }

    fn leaf(&mut self, leaf: Value) -> Result<Value, Error> {
        let (is_comment, is_closing) = match &leaf {
            Value::Comment(comment) => (!comment.stray, comment.closing),
            _ => (false, false),
        };
        let selected = is_closing && self.ends.is_empty() || self.is_selected(is_comment);
        let aad = if self.aad.is_empty() { ":" } else { &self.aad };
        (self.visit)(leaf, &Place { aad, selected, ends: &self.ends })
    }

    fn is_selected(&self, is_comment: bool) -> bool {
        match self.matcher {
            Matcher::Suffix { encrypts, .. } | Matcher::Regex { encrypts, .. } => {
                (self.hits > 0) == *encrypts
            }
            Matcher::Comment { encrypts: false, .. } => !self.comments.iter().flatten().any(|hit| *hit),
            Matcher::Comment { encrypts: true, .. } => {
                // The line that asks for encryption stays readable: it does not count for itself.
                let innermost = self.comments.len().saturating_sub(1);
                self.comments.iter().enumerate().any(|(index, level)| {
                    let own = usize::from(is_comment && index == innermost);
                    level[..level.len().saturating_sub(own)].contains(&true)
                })
            }
        }
    }
}

/// The keys on the way.
fn path(aad: &str, ends: &[usize]) -> TreePath {
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    TreePath(starts.zip(ends).map(|(start, &end)| aad[start..end].to_owned()).collect())
}

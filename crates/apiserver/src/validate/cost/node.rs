//! Values that functions are called with: where they stand, how large they are.

use std::cell::RefCell;
use std::rc::Rc;

use cel::common::ast::IdedExpr;
use sealfast_k8s::expression::kind::Type;

use super::Range;
use crate::validate::declared::{Declared, Parts};

/// Where a value stands in the object.
///
/// Longer paths share the places of the one they were made of, as the reference's do: a second path that is made of
/// the same one writes over the first as long as there is room. Its estimates come out by that.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    names: Rc<RefCell<Vec<String>>>,
    length: usize,
    room: usize,
}

impl Path {
    /// Where a variable stands.
    pub(super) fn of(name: &str) -> Path {
        Path { names: Rc::new(RefCell::new(vec![name.to_owned()])), length: 1, room: 1 }
    }

    /// A part of what stands there.
    pub(super) fn with(&self, name: &str) -> Path {
        let (length, name) = (self.length + 1, name.to_owned());
        if length <= self.room {
            let mut names = self.names.borrow_mut();
            match names.get_mut(self.length) {
                Some(place) => *place = name,
                None => names.push(name),
            }
            return Path { names: Rc::clone(&self.names), length, room: self.room };
        }
        let mut names: Vec<String> = self.names.borrow().iter().take(self.length).cloned().collect();
        names.push(name);
        Path { names: Rc::new(RefCell::new(names)), length, room: (2 * self.room).max(1) }
    }

    /// Whether it begins with a name.
    pub(super) fn is_within(&self, name: &str) -> bool {
        self.names.borrow().first().is_some_and(|known| known == name)
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// A value that a function is called with.
pub(super) struct Node<'a> {
    pub(super) kind: &'a Type,
    pub(super) at: Option<&'a IdedExpr>,
    pub(super) path: Path,
    pub(super) size: Option<Range>,
    pub(super) declared: &'a Declared,
}

impl Node<'_> {
    /// The size that is known of it, or that its schema tells.
    pub(super) fn size(&self) -> Range {
        self.size.or_else(|| declared_size(self.declared, &self.path)).unwrap_or(Range::UNKNOWN)
    }

    pub(super) fn known_size(&self) -> Range {
        self.size.unwrap_or(Range::UNKNOWN)
    }

    pub(super) fn own_size(&self) -> Option<Range> {
        self.size
    }

    /// What it holds, when it holds something.
    pub(super) fn item(&self) -> Option<Node<'_>> {
        let (Type::List(kind) | Type::Map(kind, _) | Type::Optional(kind)) = self.kind else { return None };
        let path = if self.path.is_empty() {
            Path::default()
        } else {
            // A copy, so that no other path is written over.
            let names = self.path.names.borrow().iter().take(self.path.length).cloned().collect();
            Path { names: Rc::new(RefCell::new(names)), length: self.path.length, room: self.path.length }
                .with(ITEMS)
        };
        Some(Node { kind, at: None, path, size: None, declared: self.declared })
    }
}

/// How large the value at a path may be.
pub(super) fn declared_size(root: &Declared, path: &Path) -> Option<Range> {
    if path.is_empty() {
        return None;
    }
    let mut at = root;
    for name in path.names.borrow().iter().take(path.length).skip(1) {
        at = match (name.as_str(), &at.parts) {
            (ITEMS | VALUES, Parts::Items(of) | Parts::Values(of)) => of,
            // Keys are said to have no letters.
            (KEYS, Parts::Values(_)) => return Some(Range::NONE),
            (name, Parts::Fields(fields)) => fields.get(name)?,
            _ => return None,
        };
    }
    Some(Range::up_to(at.most))
}

/// Names that stand in a path for what a list or map holds.
pub(super) const ITEMS: &str = "@items";
pub(super) const VALUES: &str = "@values";
pub(super) const KEYS: &str = "@keys";

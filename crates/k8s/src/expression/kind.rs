//! Types of expressions, and which of them may stand where another is wanted.
//!
//! Follows: the types and the unification of cel-go's checker.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything.
    Dyn,
    /// That of an expression of which something wrong was told already.
    Fault,
    /// Nothing.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A whole number that has no sign.
    UInt,
    /// A number.
    Double,
    /// A text.
    String,
    /// Bytes.
    Bytes,
    /// A length of time.
    Duration,
    /// A point in time.
    Timestamp,
    /// A type as a value.
    Kind,
    /// A list of what it holds.
    List(Arc<Type>),
    /// A map of keys to values.
    Map(Arc<Type>, Arc<Type>),
    /// What may be absent.
    Optional(Arc<Type>),
    /// Something with fields.
    Object(Arc<Object>),
    /// A value of a library, such as `kubernetes.Quantity`.
    Library(&'static str),
    /// What is not known yet.
    Open(Arc<str>),
}

/// A type with fields, known by its name.
#[derive(Debug, Clone)]
pub struct Object {
    /// The name.
    pub name: String,
    /// Its fields.
    pub fields: BTreeMap<String, Type>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Type {
    /// A list of something.
    #[must_use]
    pub fn list(of: Type) -> Type {
        Type::List(Arc::new(of))
    }

    /// A map of something.
    #[must_use]
    pub fn map(key: Type, of: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(of))
    }

    /// Something that may be absent.
    #[must_use]
    pub fn optional(of: Type) -> Type {
        Type::Optional(Arc::new(of))
    }

    /// Something with fields.
    #[must_use]
    pub fn object(name: &str, fields: impl IntoIterator<Item = (String, Type)>) -> Type {
        Type::Object(Arc::new(Object { name: name.to_owned(), fields: fields.into_iter().collect() }))
    }

    /// The name as faults tell it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Dyn => "dyn".into(),
            Self::Fault => "!error!".into(),
            Self::Null => "null".into(),
            Self::Bool => "bool".into(),
            Self::Int => "int".into(),
            Self::UInt => "uint".into(),
            Self::Double => "double".into(),
            Self::String => "string".into(),
            Self::Bytes => "bytes".into(),
            Self::Duration => "duration".into(),
            Self::Timestamp => "timestamp".into(),
            Self::Kind => "type".into(),
            Self::List(of) => format!("list({})", of.name()),
            Self::Map(key, of) => format!("map({}, {})", key.name(), of.name()),
            Self::Optional(of) => format!("optional_type({})", of.name()),
            Self::Object(object) => object.name.clone(),
            Self::Library(name) => (*name).into(),
            Self::Open(name) => name.to_string(),
        }
    }

    /// The type within an optional one, and whether it was one.
    #[must_use]
    pub fn unwrapped(&self) -> (&Type, bool) {
        match self {
            Self::Optional(of) => (of, true),
            other => (other, false),
        }
    }

    pub(super) fn is_dyn_or_fault(&self) -> bool {
        matches!(self, Self::Dyn | Self::Fault)
    }

    /// Whether nothing may stand for it.
    fn takes_null(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Duration
                | Self::Timestamp
                | Self::Optional(_)
                | Self::Object(_)
                | Self::Library(_)
        )
    }
}

/// What is known of open types.
///
/// A type may stand in another one twice, and that one too, so that each has twice the parts of the one before it: how
/// much is worked on is counted, and nothing is done any more when that was too much.
#[derive(Debug, Clone)]
pub struct Known {
    types: HashMap<Arc<str>, Type>,
    /// What was known before of those that were told of last.
    log: Vec<(Arc<str>, Option<Type>)>,
    /// Parts that may be worked on yet.
    left: Cell<usize>,
}

impl Default for Known {
    fn default() -> Self {
        Known { types: HashMap::new(), log: Vec::new(), left: Cell::new(MOST_STEPS) }
    }
}

impl Known {
    /// Tells what an open type is.
    pub fn add(&mut self, name: &Arc<str>, is: Type) {
        self.types.insert(Arc::clone(name), is);
    }

    /// Tells what an open type is, unless what is tried fails.
    fn learn(&mut self, name: &Arc<str>, is: Type) {
        let before = self.types.insert(Arc::clone(name), is);
        self.log.push((Arc::clone(name), before));
    }

    fn find(&self, of: &Type) -> Option<&Type> {
        match of {
            Type::Open(name) => self.types.get(name),
            _ => None,
        }
    }

    /// Whether there was more to do than may be.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn pay(&self, steps: usize) {
        self.left.set(self.left.get().saturating_sub(steps));
    }

    /// Looks at the size of a type, and goes no further when that is too much.
    pub fn weigh(&self, of: &Type) {
        let mut left = MOST_PARTS;
        of.count(&mut left);
        self.pay(if left == 0 { MOST_STEPS } else { MOST_PARTS - left });
    }

    /// Whether all may stand where the others are wanted; what that tells of open types is kept when they may.
    pub fn unify(&mut self, given: &[Type], wanted: &[Type]) -> bool {
        self.log.clear();
        let fits =
            given.len() == wanted.len() && given.iter().zip(wanted).all(|(one, other)| self.fits(one, other));
        if !fits {
            while let Some((name, before)) = self.log.pop() {
                match before {
                    Some(before) => self.types.insert(name, before),
                    None => self.types.remove(&name),
                };
            }
        }
        fits
    }

    fn fits(&mut self, one: &Type, other: &Type) -> bool {
        self.pay(1);
        if self.is_spent() {
            return false;
        }
        if matches!(other, Type::Open(_)) {
            let (fits, was_known) = self.substitutes(one, other);
            if fits || was_known {
                return fits;
            }
        }
        if matches!(one, Type::Open(_)) {
            return self.substitutes(other, one).0;
        }
        if one.is_dyn_or_fault() || other.is_dyn_or_fault() {
            return true;
        }
        match (one, other) {
            (Type::Null, other) | (other, Type::Null) => other.takes_null(),
            (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
                self.fits(one, other)
            }
            (Type::Map(key, of), Type::Map(other_key, other)) => {
                self.fits(key, other_key) && self.fits(of, other)
            }
            _ => one == other,
        }
    }

    /// Whether a type may be what an open one is, and whether that one was known.
    fn substitutes(&mut self, is: &Type, open: &Type) -> (bool, bool) {
        if is == open {
            return (true, true);
        }
        let Type::Open(name) = open else { return (false, false) };
        if let Some(known) = self.find(open).cloned() {
            // They are compared as a whole.
            self.weigh(&known);
            if *is == known {
                return (true, true);
            }
            if !self.fits(is, &known) {
                return (false, true);
            }
            let general = if is.is_as_general(&known) { is.clone() } else { known };
            if self.is_free_of(open, &general) {
                self.learn(name, general);
            }
            return (true, true);
        }
        let is_free = self.is_free_of(open, is);
        if is_free {
            self.learn(name, is.clone());
        }
        (is_free, false)
    }

    /// Whether an open type does not stand within another.
    fn is_free_of(&self, open: &Type, within: &Type) -> bool {
        self.pay(1);
        if open == within || self.is_spent() {
            return false;
        }
        match within {
            Type::Open(_) => self.find(within).is_none_or(|known| self.is_free_of(open, known)),
            Type::List(of) | Type::Optional(of) => self.is_free_of(open, of),
            Type::Map(key, of) => self.is_free_of(open, key) && self.is_free_of(open, of),
            _ => true,
        }
    }

    /// A type with what is known of the open ones within; what is not known is anything when the type is `settled`.
    #[must_use]
    pub fn applied(&self, to: &Type, settled: bool) -> Type {
        let mut left = MOST_PARTS;
        let applied = self.rebuilt(to, settled, &mut left);
        self.pay(if left == 0 { MOST_STEPS } else { MOST_PARTS - left });
        applied.unwrap_or_else(|| to.clone())
    }

    /// `None` of a type that stays as it is.
    fn rebuilt(&self, to: &Type, settled: bool, left: &mut usize) -> Option<Type> {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return None;
        }
        if let Some(known) = self.find(to) {
            return Some(self.rebuilt(known, settled, left).unwrap_or_else(|| known.clone()));
        }
        match to {
            Type::Open(_) if settled => Some(Type::Dyn),
            Type::List(of) => self.rebuilt(of, settled, left).map(Type::list),
            Type::Optional(of) => self.rebuilt(of, settled, left).map(Type::optional),
            Type::Map(key, of) => match (self.rebuilt(key, settled, left), self.rebuilt(of, settled, left)) {
                (None, None) => None,
                (new_key, new_of) => Some(Type::Map(
                    new_key.map_or_else(|| Arc::clone(key), Arc::new),
                    new_of.map_or_else(|| Arc::clone(of), Arc::new),
                )),
            },
            _ => None,
        }
    }
}

impl Type {
    /// Takes the parts of the type from what is left.
    fn count(&self, left: &mut usize) {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return;
        }
        match self {
            Self::List(of) | Self::Optional(of) => of.count(left),
            Self::Map(key, of) => {
                key.count(left);
                of.count(left);
            }
            _ => {}
        }
    }

    /// Whether it tells no more than another.
    pub(super) fn is_as_general(&self, other: &Type) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Open(_), _) => true,
            (_, Self::Dyn | Self::Open(_)) => false,
            (Self::List(one), Self::List(other)) | (Self::Optional(one), Self::Optional(other)) => {
                one.is_as_general(other)
            }
            (Self::Map(key, of), Self::Map(other_key, other)) => {
                key.is_as_general(other_key) && of.is_as_general(other)
            }
            _ => self == other,
        }
    }
}

/// Parts of one type.
const MOST_PARTS: usize = 1000;
/// Parts of types that are worked on for one expression.
const MOST_STEPS: usize = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str) -> Type {
        Type::Open(Arc::from(name))
    }

    #[test]
    fn what_was_tried_in_vain_is_forgotten() {
        let mut known = Known::default();
        let (a, b) = (open("a"), open("b"));
        assert!(known.unify(std::slice::from_ref(&a), &[Type::list(b.clone())]));
        assert!(!known.unify(&[b.clone(), Type::Int], &[Type::String, Type::Bool]));
        assert_eq!(known.applied(&a, false), Type::list(b.clone()));
        assert!(known.unify(&[b, Type::Int], &[Type::Int, Type::Int]));
        assert_eq!(known.applied(&a, false), Type::list(Type::Int));
    }

    #[test]
    fn types_that_double_are_not_gone_through_to_the_end() {
        let mut known = Known::default();
        for place in 1..200 {
            let below = open(&format!("t{}", place - 1));
            known.add(&Arc::from(format!("t{place}").as_str()), Type::map(below.clone(), below));
        }
        let _ = known.applied(&open("t199"), true);
        assert!(known.is_spent());
        let mut shared = Type::Int;
        for _ in 0..200 {
            let below = Arc::new(shared);
            shared = Type::Map(Arc::clone(&below), below);
        }
        let known = Known::default();
        known.weigh(&shared);
        assert!(known.is_spent());
        let small = Known::default();
        assert_eq!(small.applied(&Type::map(Type::Int, open("x")), true), Type::map(Type::Int, Type::Dyn));
        assert!(!small.is_spent());
    }
}

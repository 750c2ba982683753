//! Types of expressions, and which of them may stand where another is wanted.
//!
//! Follows: the types and the unification of cel-go's checker.

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
#[derive(Debug, Clone, Default)]
pub struct Known(HashMap<Arc<str>, Type>);

impl Known {
    /// Tells what an open type is.
    pub fn add(&mut self, name: &Arc<str>, is: Type) {
        self.0.insert(Arc::clone(name), is);
    }

    fn find(&self, of: &Type) -> Option<&Type> {
        match of {
            Type::Open(name) => self.0.get(name),
            _ => None,
        }
    }

    /// Whether all may stand where the others are wanted; what that tells of open types is kept when they may.
    pub fn unify(&mut self, given: &[Type], wanted: &[Type]) -> bool {
        let before = self.0.clone();
        let fits =
            given.len() == wanted.len() && given.iter().zip(wanted).all(|(one, other)| self.fits(one, other));
        if !fits {
            self.0 = before;
        }
        fits
    }

    fn fits(&mut self, one: &Type, other: &Type) -> bool {
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
            if *is == known {
                return (true, true);
            }
            if !self.fits(is, &known) {
                return (false, true);
            }
            let general = if is.is_as_general(&known) { is.clone() } else { known };
            if self.is_free_of(open, &general) {
                self.add(name, general);
            }
            return (true, true);
        }
        let is_free = self.is_free_of(open, is);
        if is_free {
            self.add(name, is.clone());
        }
        (is_free, false)
    }

    /// Whether an open type does not stand within another.
    fn is_free_of(&self, open: &Type, within: &Type) -> bool {
        if open == within {
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
        if let Some(known) = self.find(to) {
            return self.applied(known, settled);
        }
        match to {
            Type::Open(_) if settled => Type::Dyn,
            Type::List(of) => Type::list(self.applied(of, settled)),
            Type::Optional(of) => Type::optional(self.applied(of, settled)),
            Type::Map(key, of) => Type::map(self.applied(key, settled), self.applied(of, settled)),
            other => other.clone(),
        }
    }
}

impl Type {
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

//! The functions that expressions may call: what each form of them takes and gives.
//!
//! A form is written `s.(i)b`: what it is called on, what it takes, what it gives. Letters stand for types (`b` bool,
//! `i` int, `u` uint, `d` double, `s` string, `y` bytes, `n` null, `D` duration, `T` timestamp, `k` a type, `*`
//! anything), `[x]` for a list, `{x:y}` for a map, `?x` for an optional value, `<name>` for a value of a library, and
//! `A` and `B` for any type that is the same throughout. `%` stands for each type that has an order.
//!
//! Follows: the declarations of cel-go.

use std::collections::{HashMap, HashSet};
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use super::kind::Type;

/// A function, and its forms by their names.
pub type Declared = (&'static str, &'static [(&'static str, &'static str)]);

/// One form of a function.
#[derive(Debug, Clone)]
pub struct Overload {
    /// Its name.
    pub id: &'static str,
    /// It is called on its first value.
    pub is_member: bool,
    /// What it takes.
    pub takes: Vec<Type>,
    /// What it gives.
    pub gives: Type,
    /// Types that may be any.
    pub open: Vec<Arc<str>>,
}

/// The functions and the types that expressions may name.
pub struct Functions {
    functions: HashMap<&'static str, Vec<Overload>>,
    types: HashSet<&'static str>,
}

impl Functions {
    /// Those of several libraries.
    #[must_use]
    pub fn new(libraries: &[&[Declared]], types: &[&'static str]) -> Functions {
        let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
        for (name, forms) in libraries.iter().copied().flatten() {
            let known = functions.entry(name).or_default();
            for (id, signature) in *forms {
                if signature.contains('%') {
                    known.extend(ORDERED.iter().map(|letter| overload(id, &signature.replace('%', letter))));
                } else {
                    known.push(overload(id, signature));
                }
            }
        }
        let types = super::TYPES.iter().chain(&LONG_TYPES).chain(types).copied().collect();
        Functions { functions, types }
    }

    /// Whether there is a function of a name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// The forms of a function.
    #[must_use]
    pub fn of(&self, name: &str) -> &[Overload] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether there is a type of a name.
    #[must_use]
    pub fn has_type(&self, name: &str) -> bool {
        self.types.contains(name)
    }
}

fn overload(id: &'static str, signature: &str) -> Overload {
    let mut reader = Reader { rest: signature.chars().peekable(), open: Vec::new() };
    let mut takes = Vec::new();
    let is_member = reader.rest.peek() != Some(&'(');
    if is_member {
        takes.push(reader.one());
        reader.rest.next();
    }
    reader.rest.next();
    while reader.rest.next_if_eq(&')').is_none() {
        takes.push(reader.one());
    }
    let gives = reader.one();
    Overload { id, is_member, takes, gives, open: reader.open }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    open: Vec<Arc<str>>,
}

impl Reader<'_> {
    fn one(&mut self) -> Type {
        match self.rest.next().unwrap_or('*') {
            'b' => Type::Bool,
            'i' => Type::Int,
            'u' => Type::UInt,
            'd' => Type::Double,
            's' => Type::String,
            'y' => Type::Bytes,
            'n' => Type::Null,
            'D' => Type::Duration,
            'T' => Type::Timestamp,
            'k' => Type::Kind,
            '?' => Type::optional(self.one()),
            '[' => {
                let of = self.one();
                self.rest.next();
                Type::list(of)
            }
            '{' => {
                let key = self.one();
                self.rest.next();
                let of = self.one();
                self.rest.next();
                Type::map(key, of)
            }
            '<' => {
                let mut name = String::new();
                while let Some(letter) = self.rest.next_if(|letter| *letter != '>') {
                    name.push(letter);
                }
                self.rest.next();
                Type::Library(LIBRARY.iter().find(|known| **known == name).unwrap_or(&""))
            }
            letter @ ('A' | 'B') => {
                let name: Arc<str> = Arc::from(letter.to_string());
                if !self.open.contains(&name) {
                    self.open.push(Arc::clone(&name));
                }
                Type::Open(name)
            }
            _ => Type::Dyn,
        }
    }
}

/// Types of values that have an order.
const ORDERED: [&str; 8] = ["i", "u", "d", "b", "D", "T", "s", "y"];
const LONG_TYPES: [&str; 2] = ["google.protobuf.Duration", "google.protobuf.Timestamp"];
/// Types of the libraries of Kubernetes.
pub const LIBRARY: [&str; 11] = [
    "kubernetes.URL",
    "net.IP",
    "net.CIDR",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.ResourceCheck",
    "kubernetes.authorization.Decision",
];

/// What CEL itself has; numbers of several types may be compared.
pub const STANDARD: &[Declared] = &[
    ("_?_:_", &[("conditional", "(bAA)A")]),
    ("_&&_", &[("logical_and", "(bb)b")]),
    ("_||_", &[("logical_or", "(bb)b")]),
    ("!_", &[("logical_not", "(b)b")]),
    ("@not_strictly_false", &[("not_strictly_false", "(b)b")]),
    ("_==_", &[("equals", "(AA)b")]),
    ("_!=_", &[("not_equals", "(AA)b")]),
    (
        "_+_",
        &[
            ("add_bytes", "(yy)y"),
            ("add_double", "(dd)d"),
            ("add_duration_duration", "(DD)D"),
            ("add_duration_timestamp", "(DT)T"),
            ("add_timestamp_duration", "(TD)T"),
            ("add_int64", "(ii)i"),
            ("add_list", "([A][A])[A]"),
            ("add_string", "(ss)s"),
            ("add_uint64", "(uu)u"),
        ],
    ),
    ("_/_", &[("divide_double", "(dd)d"), ("divide_int64", "(ii)i"), ("divide_uint64", "(uu)u")]),
    ("_%_", &[("modulo_int64", "(ii)i"), ("modulo_uint64", "(uu)u")]),
    ("_*_", &[("multiply_double", "(dd)d"), ("multiply_int64", "(ii)i"), ("multiply_uint64", "(uu)u")]),
    ("-_", &[("negate_double", "(d)d"), ("negate_int64", "(i)i")]),
    (
        "_-_",
        &[
            ("subtract_double", "(dd)d"),
            ("subtract_duration_duration", "(DD)D"),
            ("subtract_int64", "(ii)i"),
            ("subtract_timestamp_duration", "(TD)T"),
            ("subtract_timestamp_timestamp", "(TT)D"),
            ("subtract_uint64", "(uu)u"),
        ],
    ),
    ("_<_", COMPARED),
    ("_<=_", COMPARED),
    ("_>_", COMPARED),
    ("_>=_", COMPARED),
    ("_[_]", &[("index_list", "([A]i)A"), ("index_map", "({A:B}A)B")]),
    ("@in", &[("in_list", "(A[A])b"), ("in_map", "(A{A:B})b")]),
    (
        "size",
        &[
            ("size_bytes", "(y)i"),
            ("bytes_size", "y.()i"),
            ("size_list", "([A])i"),
            ("list_size", "[A].()i"),
            ("size_map", "({A:B})i"),
            ("map_size", "{A:B}.()i"),
            ("size_string", "(s)i"),
            ("string_size", "s.()i"),
        ],
    ),
    ("type", &[("type", "(A)k")]),
    ("bool", &[("bool_to_bool", "(b)b"), ("string_to_bool", "(s)b")]),
    ("bytes", &[("bytes_to_bytes", "(y)y"), ("string_to_bytes", "(s)y")]),
    (
        "double",
        &[
            ("double_to_double", "(d)d"),
            ("int64_to_double", "(i)d"),
            ("string_to_double", "(s)d"),
            ("uint64_to_double", "(u)d"),
        ],
    ),
    (
        "duration",
        &[("duration_to_duration", "(D)D"), ("int64_to_duration", "(i)D"), ("string_to_duration", "(s)D")],
    ),
    ("dyn", &[("to_dyn", "(A)*")]),
    (
        "int",
        &[
            ("int64_to_int64", "(i)i"),
            ("double_to_int64", "(d)i"),
            ("duration_to_int64", "(D)i"),
            ("string_to_int64", "(s)i"),
            ("timestamp_to_int64", "(T)i"),
            ("uint64_to_int64", "(u)i"),
        ],
    ),
    (
        "string",
        &[
            ("string_to_string", "(s)s"),
            ("bool_to_string", "(b)s"),
            ("bytes_to_string", "(y)s"),
            ("double_to_string", "(d)s"),
            ("duration_to_string", "(D)s"),
            ("int64_to_string", "(i)s"),
            ("timestamp_to_string", "(T)s"),
            ("uint64_to_string", "(u)s"),
        ],
    ),
    (
        "timestamp",
        &[
            ("timestamp_to_timestamp", "(T)T"),
            ("int64_to_timestamp", "(i)T"),
            ("string_to_timestamp", "(s)T"),
        ],
    ),
    (
        "uint",
        &[
            ("uint64_to_uint64", "(u)u"),
            ("double_to_uint64", "(d)u"),
            ("int64_to_uint64", "(i)u"),
            ("string_to_uint64", "(s)u"),
        ],
    ),
    ("contains", &[("contains_string", "s.(s)b")]),
    ("endsWith", &[("ends_with_string", "s.(s)b")]),
    ("startsWith", &[("starts_with_string", "s.(s)b")]),
    ("matches", &[("matches", "(ss)b"), ("matches_string", "s.(s)b")]),
    ("getFullYear", OF_TIMES),
    ("getMonth", OF_TIMES),
    ("getDayOfYear", OF_TIMES),
    ("getDayOfMonth", OF_TIMES),
    ("getDate", OF_TIMES),
    ("getDayOfWeek", OF_TIMES),
    ("getHours", OF_DURATIONS),
    ("getMinutes", OF_DURATIONS),
    ("getSeconds", OF_DURATIONS),
    ("getMilliseconds", OF_DURATIONS),
];

const COMPARED: &[(&str, &str)] = &[
    ("compare_bool", "(bb)b"),
    ("compare_int64", "(ii)b"),
    ("compare_int64_double", "(id)b"),
    ("compare_int64_uint64", "(iu)b"),
    ("compare_uint64", "(uu)b"),
    ("compare_uint64_double", "(ud)b"),
    ("compare_uint64_int64", "(ui)b"),
    ("compare_double", "(dd)b"),
    ("compare_double_int64", "(di)b"),
    ("compare_double_uint64", "(du)b"),
    ("compare_string", "(ss)b"),
    ("compare_bytes", "(yy)b"),
    ("compare_timestamp", "(TT)b"),
    ("compare_duration", "(DD)b"),
];
const OF_TIMES: &[(&str, &str)] = &[("of_timestamp", "T.()i"), ("of_timestamp_with_tz", "T.(s)i")];
const OF_DURATIONS: &[(&str, &str)] =
    &[("of_timestamp", "T.()i"), ("of_timestamp_with_tz", "T.(s)i"), ("of_duration", "D.()i")];

/// Values that may be absent.
pub const OPTIONALS: &[Declared] = &[
    ("optional.of", &[("optional_of", "(A)?A")]),
    ("optional.ofNonZeroValue", &[("optional_ofNonZeroValue", "(A)?A")]),
    ("optional.none", &[("optional_none", "()?A")]),
    ("value", &[("optional_value", "?A.()A")]),
    ("hasValue", &[("optional_hasValue", "?A.()b")]),
    ("or", &[("optional_or_optional", "?A.(?A)?A")]),
    ("orValue", &[("optional_orValue_value", "?A.(A)A")]),
    ("_?._", &[("select_optional_field", "(*s)?A")]),
    (
        "_[?_]",
        &[
            ("list_optindex_optional_int", "([A]i)?A"),
            ("optional_list_optindex_optional_int", "(?[A]i)?A"),
            ("map_optindex_optional_value", "({A:B}A)?B"),
            ("optional_map_optindex_optional_value", "(?{A:B}A)?B"),
        ],
    ),
    ("_[_]", &[("optional_list_index_int", "(?[A]i)?A"), ("optional_map_index_value", "(?{A:B}A)?B")]),
    ("last", &[("list_last", "[A].()?A")]),
    ("first", &[("list_first", "[A].()?A")]),
    ("optional.unwrap", &[("optional_unwrap", "([?A])[A]")]),
    ("unwrapOpt", &[("optional_unwrapOpt", "[?A].()[A]")]),
];

/// What texts have beside.
pub const STRINGS: &[Declared] = &[
    ("charAt", &[("string_char_at_int", "s.(i)s")]),
    ("indexOf", &[("string_index_of_string", "s.(s)i"), ("string_index_of_string_int", "s.(si)i")]),
    (
        "lastIndexOf",
        &[("string_last_index_of_string", "s.(s)i"), ("string_last_index_of_string_int", "s.(si)i")],
    ),
    ("lowerAscii", &[("string_lower_ascii", "s.()s")]),
    (
        "replace",
        &[("string_replace_string_string", "s.(ss)s"), ("string_replace_string_string_int", "s.(ssi)s")],
    ),
    ("split", &[("string_split_string", "s.(s)[s]"), ("string_split_string_int", "s.(si)[s]")]),
    ("substring", &[("string_substring_int", "s.(i)s"), ("string_substring_int_int", "s.(ii)s")]),
    ("trim", &[("string_trim", "s.()s")]),
    ("upperAscii", &[("string_upper_ascii", "s.()s")]),
    ("format", &[("string_format", "s.([*])s")]),
    ("strings.quote", &[("strings_quote", "(s)s")]),
    ("join", &[("list_join", "[s].()s"), ("list_join_string", "[s].(s)s")]),
];

/// Lists as sets.
pub const SETS: &[Declared] = &[
    ("sets.contains", &[("list_sets_contains_list", "([A][A])b")]),
    ("sets.equivalent", &[("list_sets_equivalent_list", "([A][A])b")]),
    ("sets.intersects", &[("list_sets_intersects_list", "([A][A])b")]),
];

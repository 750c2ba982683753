//! Custom objects against their structural schema: pruned, defaulted, validated.
//!
//! Follows: the apiextensions part of kube-apiserver 1.36, its texts as recorded. Pure.

mod bounds;
pub(crate) mod checker;
mod cost;
pub(crate) mod declared;
pub(crate) mod field_path;
mod format;
mod functions;
mod libraries;
pub(crate) mod names;
pub(crate) mod policy;
mod prune;
mod ruled;
pub(crate) mod rules;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealfast_k8s::expression::matching::compiled;
use sealfast_k8s::expression::operations::go_float;
use serde_json::Value;

use crate::causes;
use crate::path::Path;

pub(crate) use format::is_known as knows_format;
pub(crate) use prune::{default, each_embedded, fill_in, has_defaults, prune, pruned, prunes};
pub(crate) use ruled::Ruled;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Path such as `spec.list[1]`; `<nil>` for the object as a whole.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) kind: Kind,
}

/// Kinds of problems; each has a reason and a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A value that is not allowed, as it is shown, and why.
    Invalid(String, String),
    /// A value of the wrong type; the name of its type or its text, and why.
    Type(String, String),
    /// Missing.
    Required,
    /// Missing, as a rule says in these words.
    Missing(String),
    /// Not one of these, all as they are shown.
    NotSupported(String, String),
    /// More bytes than these.
    TooLong(u64),
    /// So many, more than so many.
    TooMany(usize, u64),
    /// Twice the same, as it is shown.
    Duplicate(String),
    /// Twice the same, and not shown.
    Again,
    /// Not allowed by a rule.
    Forbidden(String),
    /// A rule whose text says it all.
    Rule(String),
}

/// Collects problems, and takes no more once there are as many as an answer tells.
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// How many more there may be, and how many bytes of them.
    left: usize,
    bytes_left: usize,
    /// How many steps the check may still take, with all its parts.
    steps: Arc<AtomicU64>,
}

impl Default for Problems {
    fn default() -> Self {
        let steps = Arc::new(AtomicU64::new(MOST_STEPS));
        Self { list: Vec::new(), left: causes::MOST, bytes_left: causes::MOST_BYTES, steps }
    }
}

impl Problems {
    /// What may be wrong with a part, for which there is no more room than here; `most` are enough.
    fn within(&self, most: usize) -> Self {
        let steps = Arc::clone(&self.steps);
        Self { list: Vec::new(), left: self.left.min(most), bytes_left: self.bytes_left, steps }
    }

    /// One more, put into words only while there is room for it.
    fn note(&mut self, path: &Path<'_>, kind: impl FnOnce() -> Kind) {
        if !self.is_full() {
            let field = if path.is_root() { "<nil>".to_owned() } else { path.to_string() };
            self.push(Problem { field, kind: kind() });
        }
    }

    fn push(&mut self, problem: Problem) {
        self.left = self.left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(problem.size());
        self.list.push(problem);
    }

    fn extend(&mut self, more: Self) {
        more.list.into_iter().for_each(|problem| self.push(problem));
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes steps; false when there are not that many left.
    fn take(&self, steps: usize) -> bool {
        let left = self.steps.load(Ordering::Relaxed).saturating_sub(steps as u64);
        self.steps.store(left, Ordering::Relaxed);
        left > 0
    }

    /// True when nothing more is taken: who looks for more may stop.
    fn is_full(&self) -> bool {
        self.left == 0 || self.bytes_left == 0
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl Problem {
    /// About the bytes that it is told in.
    fn size(&self) -> usize {
        let texts = match &self.kind {
            Kind::Invalid(value, why) | Kind::Type(value, why) | Kind::NotSupported(value, why) => {
                value.len() + why.len()
            }
            Kind::Missing(why) | Kind::Forbidden(why) | Kind::Rule(why) | Kind::Duplicate(why) => why.len(),
            Kind::Required | Kind::TooLong(_) | Kind::TooMany(..) | Kind::Again => 0,
        };
        self.field.len() + texts
    }

    /// Returns the machine-readable reason of a cause.
    pub(crate) fn reason(&self) -> &'static str {
        match self.kind {
            Kind::Invalid(..) | Kind::Rule(_) => "FieldValueInvalid",
            Kind::Type(..) => "FieldValueTypeInvalid",
            Kind::Required | Kind::Missing(_) => "FieldValueRequired",
            Kind::NotSupported(..) => "FieldValueNotSupported",
            Kind::TooLong(_) => "FieldValueTooLong",
            Kind::TooMany(..) => "FieldValueTooMany",
            Kind::Duplicate(_) | Kind::Again => "FieldValueDuplicate",
            Kind::Forbidden(_) => "FieldValueForbidden",
        }
    }

    /// Whether rules are not checked because of it: what is only a wrong value does them no harm.
    fn keeps_rules_out(&self) -> bool {
        match self.kind {
            Kind::Type(..) | Kind::Required | Kind::Missing(_) | Kind::NotSupported(..) => true,
            Kind::TooLong(_) | Kind::TooMany(..) => true,
            Kind::Invalid(..) | Kind::Rule(_) | Kind::Duplicate(_) | Kind::Again | Kind::Forbidden(_) => {
                false
            }
        }
    }

    /// Returns the text of a cause, without the field.
    pub(crate) fn message(&self) -> String {
        let items = |count: u64| if count == 1 { "item" } else { "items" };
        match &self.kind {
            Kind::Invalid(value, why) => format!("Invalid value: {value}: {why}"),
            Kind::Rule(why) => format!("Invalid value: {why}"),
            Kind::Type(found, why) => format!("Invalid value: {found:?}: {why}: {found:?}"),
            Kind::Required => "Required value".to_owned(),
            Kind::Missing(why) => format!("Required value: {why}"),
            Kind::NotSupported(value, supported) => {
                format!("Unsupported value: {value}: supported values: {supported}")
            }
            Kind::TooLong(most) => {
                format!("Too long: may not be more than {most} byte{}", if *most == 1 { "" } else { "s" })
            }
            Kind::TooMany(count, most) => {
                format!("Too many: {count}: must have at most {most} {}", items(*most))
            }
            Kind::Duplicate(value) => format!("Duplicate value: {value}"),
            Kind::Again => "Duplicate value".to_owned(),
            Kind::Forbidden(why) => format!("Forbidden: {why}"),
        }
    }
}

/// A value as it is shown: a number that is not whole as Go prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => go_float(number.as_f64().unwrap_or_default()),
        other => causes::shown(other),
    }
}

/// Checks an object against its schema, then by its rules; what an update leaves as it was is let through.
pub(crate) fn validate(schema: &Value, new: &Value, old: Option<&Value>) -> Problems {
    judged(schema, &Ruled::of(schema), new, old).problems
}

/// What is wrong with an object, and what was wrong before, too.
pub(crate) fn judged(schema: &Value, ruled: &Ruled, new: &Value, old: Option<&Value>) -> rules::Found {
    let mut found = rules::Found::default();
    let problems = &mut found.problems;
    walk(schema, new, old, &Path::Root, problems);
    if !problems.take(0) {
        let text = "the schema asks for more than can be looked at in a value of this size";
        problems.push(Problem { field: "<nil>".to_owned(), kind: Kind::Rule(text.to_owned()) });
        return found;
    }
    // What stands twice in a list is looked for when all else was looked at.
    problems.list.sort_by_key(|problem| matches!(problem.kind, Kind::Duplicate(_)));
    if !problems.list.iter().any(Problem::keeps_rules_out) {
        rules::check(schema, ruled, new, old, &Path::Root, &mut found);
    } else if ruled.any() {
        let text = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        problems.note(&Path::Root, || Kind::Invalid("null".to_owned(), text.to_owned()));
    }
    found
}

fn walk(schema: &Value, value: &Value, old: Option<&Value>, path: &Path<'_>, problems: &mut Problems) {
    // Unchanged values were accepted once.
    if old == Some(value) || problems.is_full() || !problems.take(1) {
        return;
    }
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !has_type(schema, value) {
        problems.note(path, || of_other_type(schema, value, path));
    }
    // The order is that of the reference.
    if !value.is_null() {
        combined(schema, value, path, problems);
    }
    match value {
        Value::String(text) => string(schema, text, path, problems),
        Value::Number(number) => bounds::check(schema, number, path, problems),
        Value::Array(items) => array(schema, items, old, path, problems),
        _ => {}
    }
    listed(schema, value, path, problems);
    if let Value::Object(fields) = value {
        object(schema, fields, old, path, problems);
    }
}

/// What is said of a value of another type: that of its format, where the schema has one.
fn of_other_type(schema: &Value, value: &Value, path: &Path<'_>) -> Kind {
    let kind = schema["type"].as_str().unwrap_or_default();
    let format = schema["format"].as_str().filter(|format| knows_format(kind, format));
    let by_format = !matches!(value, Value::Null | Value::String(_) | Value::Array(_));
    let (wanted, found) = match (format.filter(|_| by_format), value) {
        _ if schema["x-kubernetes-int-or-string"] == true => ("integer,string", type_name(value)),
        (Some(format), Value::Number(number)) if number.is_f64() => (format, "float64"),
        (Some(format), Value::Number(_)) => (format, "int64"),
        (Some(format), _) => (format, ""),
        (None, _) => (kind, type_name(value)),
    };
    let why = format!("{path} in body must be of type {wanted}");
    Kind::Type(found.to_owned(), why)
}

fn listed(schema: &Value, value: &Value, path: &Path<'_>, problems: &mut Problems) {
    if let Some(allowed) = schema["enum"].as_array()
        && problems.take(allowed.len() / WORDS_A_STEP)
        && !allowed.contains(value)
    {
        problems.note(path, || {
            let quoted = |value: &Value| crate::go_text::quoted(&crate::go_text::of(value));
            let allowed: Vec<String> = allowed.iter().map(quoted).collect();
            Kind::NotSupported(causes::shown(value), allowed.join(", "))
        });
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || is_integer(value);
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => is_integer(value),
        Some("number") => value.is_number(),
        _ => true,
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn string(schema: &Value, text: &str, path: &Path<'_>, problems: &mut Problems) {
    let invalid =
        |why: String| move || Kind::Invalid(causes::shown(&text.into()), format!("{path} in body {why}"));
    let length = text.chars().count() as u64;
    // One problem of length and pattern at a time, as the reference tells them.
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        problems.note(path, || Kind::TooLong(most));
    } else if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        problems.note(path, invalid(format!("should be at least {least} chars long")));
    } else if let Some(pattern) = schema["pattern"].as_str()
        && compiled(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        problems.note(path, invalid(format!("should match '{pattern}'")));
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !format::is_valid(format, text)) {
        problems
            .note(path, || Kind::Type(text.to_owned(), format!("{path} in body must be of type {format}")));
    }
}

fn array(schema: &Value, items: &[Value], old: Option<&Value>, path: &Path<'_>, problems: &mut Problems) {
    let keyed = schema["x-kubernetes-list-type"] == "map";
    let keys = schema["x-kubernetes-list-map-keys"].as_array().map_or(0, Vec::len);
    if !problems.take(keys.saturating_mul(items.len())) {
        return;
    }
    let twins = Twins::of(schema, old);
    for (at, item) in items.iter().enumerate() {
        let twin = if keyed { twins.get(item) } else { old.and_then(|old| old.get(at)) };
        walk(&schema["items"], item, twin, &Path::Item(path, at), problems);
    }
    let count = items.len();
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count as u64 > *most) {
        problems.note(path, || Kind::TooMany(count, most));
    }
    if let Some(least) = schema["minItems"].as_u64().filter(|least| (count as u64) < *least) {
        let text = || format!("{path} in body should have at least {least} items");
        problems.note(path, || Kind::Invalid(count.to_string(), text()));
    }
    duplicates(schema, items, path, problems);
}

/// Values and parts of schemas that one check compares at most.
const MOST_STEPS: u64 = 20_000_000;
/// Values of an `enum` that are compared in one step.
const WORDS_A_STEP: usize = 16;

/// The items of a list as it was, by their keys; lists without keys have none.
struct Twins<'a> {
    keys: Vec<&'a str>,
    by_keys: HashMap<String, &'a Value>,
}

impl<'a> Twins<'a> {
    fn of(schema: &'a Value, old: Option<&'a Value>) -> Self {
        let keyed = schema["x-kubernetes-list-type"] == "map";
        let keys = schema["x-kubernetes-list-map-keys"].as_array().filter(|_| keyed);
        let keys: Vec<&str> = keys.into_iter().flatten().filter_map(Value::as_str).collect();
        let mut twins = Self { keys, by_keys: HashMap::new() };
        let items = old.and_then(Value::as_array).filter(|_| keyed);
        for item in items.into_iter().flatten() {
            let text = twins.text(item);
            twins.by_keys.entry(text).or_insert(item);
        }
        twins
    }

    fn text(&self, item: &Value) -> String {
        self.keys.iter().map(|key| item[*key].to_string()).collect::<Vec<_>>().join(",")
    }

    fn get(&self, item: &Value) -> Option<&'a Value> {
        self.by_keys.get(&self.text(item)).copied()
    }
}

fn duplicates(schema: &Value, items: &[Value], path: &Path<'_>, problems: &mut Problems) {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    let identity = |item: &Value| match (schema["x-kubernetes-list-type"].as_str(), keys) {
        (Some("set"), _) => Some(item.clone()),
        (Some("map"), Some(keys)) => Some(
            keys.iter()
                .filter_map(Value::as_str)
                .map(|key| (key.to_owned(), item[key].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
        _ => None,
    };
    let mut seen = HashSet::new();
    let keyed = schema["x-kubernetes-list-type"] == "map";
    for (at, item) in items.iter().enumerate() {
        if keyed && !item.is_object() {
            let why = "must be an object for an array of list-type map";
            if !item.is_null() {
                problems.note(&Path::Item(path, at), || Kind::Invalid(shown(item), why.to_owned()));
            }
            continue;
        }
        let Some(identity) = identity(item) else { return };
        if !seen.insert(identity.to_string()) {
            problems.note(&Path::Item(path, at), || Kind::Duplicate(shown(&identity)));
        }
    }
}

fn object(
    schema: &Value,
    fields: &serde_json::Map<String, Value>,
    old: Option<&Value>,
    path: &Path<'_>,
    problems: &mut Problems,
) {
    if schema["x-kubernetes-embedded-resource"] == true {
        for name in ["apiVersion", "kind"].iter().filter(|name| !fields.contains_key(**name)) {
            problems.note(&Path::Field(path, name), || Kind::Required);
        }
    }
    if let Some(most) = schema["maxProperties"].as_u64().filter(|most| fields.len() as u64 > *most) {
        problems.note(path, || Kind::TooMany(fields.len(), most));
    }
    if let Some(least) = schema["minProperties"].as_u64().filter(|least| (fields.len() as u64) < *least) {
        let text = || format!("{path} in body should have at least {least} properties");
        problems.note(path, || Kind::Invalid(fields.len().to_string(), text()));
    }
    for (name, value) in fields {
        let Some(known) = prune::of_field(schema, name) else { continue };
        let twin = old.and_then(|old| old.get(name));
        walk(known, value, twin, &Path::Field(path, name), problems);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.note(&Path::Field(path, name), || Kind::Required);
        }
    }
}

fn combined(schema: &Value, value: &Value, path: &Path<'_>, problems: &mut Problems) {
    let parts = |key: &str| schema[key].as_array();
    if let Some(all) = parts("allOf") {
        let before = problems.list.len();
        let mut valid = 0;
        for part in all {
            let found = problems.list.len();
            walk(part, value, None, path, problems);
            valid += usize::from(found == problems.list.len());
        }
        if problems.list.len() > before {
            let none = if valid > 0 { "" } else { ". None validated" };
            odd(path, &format!("must validate all the schemas (allOf){none}"), problems);
        }
    }
    if let Some(parts) = parts("anyOf") {
        let (valid, first) = fitting(parts, value, path, problems);
        if valid == 0 {
            odd(path, "must validate at least one schema (anyOf)", problems);
            problems.extend(first);
        }
    }
    if let Some(parts) = parts("oneOf") {
        let must = "must validate one and only one schema (oneOf). Found";
        match fitting(parts, value, path, problems) {
            (0, first) => {
                odd(path, &format!("{must} none valid"), problems);
                problems.extend(first);
            }
            (1, _) => {}
            (valid, _) => odd(path, &format!("{must} {valid} valid alternatives"), problems),
        }
    }
    if let Some(part) = schema.get("not").filter(|part| part.is_object())
        && fitting(std::slice::from_ref(part), value, path, problems).0 > 0
    {
        odd(path, "must not validate the schema (not)", problems);
    }
}

/// How many of these schemas a value fits, and what the first says of it.
fn fitting(parts: &[Value], value: &Value, path: &Path<'_>, room: &Problems) -> (usize, Problems) {
    let mut first = room.within(usize::MAX);
    let mut valid = 0;
    for (at, part) in parts.iter().enumerate() {
        let mut other = room.within(1);
        let found = if at == 0 { &mut first } else { &mut other };
        walk(part, value, None, path, found);
        valid += usize::from(found.is_empty());
    }
    (valid, first)
}

fn odd(path: &Path<'_>, why: &str, problems: &mut Problems) {
    let text = || format!("{:?} {why}", path.to_string());
    problems.note(&Path::Root, || Kind::Invalid(NOTHING.to_owned(), text()));
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// An empty text as it is shown.
const NOTHING: &str = "\"\"";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_takes_too_many_steps_is_refused() {
        let told = |schema: &Value, count: usize| -> Vec<String> {
            let problems = validate(schema, &vec![json!("no"); count].into(), None);
            problems.into_iter().map(|problem| problem.message()).collect()
        };
        let too_much =
            "Invalid value: the schema asks for more than can be looked at in a value of this size";
        let words: Vec<String> = (0..10_000).map(|at| at.to_string()).chain(["no".to_owned()]).collect();
        let listed = json!({"type": "array", "items": {"type": "string", "enum": words}});
        assert_eq!(told(&listed, 10), Vec::<String>::new());
        let parts: Vec<Value> = (0..10_000).map(|_| json!({"minLength": 3})).chain([json!({})]).collect();
        let combined = json!({"type": "array", "items": {"type": "string", "anyOf": parts}});
        let many = |schema: &Value, steps: u64| {
            let mut problems = Problems { steps: Arc::new(AtomicU64::new(steps)), ..Problems::default() };
            walk(schema, &json!(["no", "no"]), None, &Path::Root, &mut problems);
            problems.take(0)
        };
        assert!(many(&listed, 5_000) && !many(&listed, 1_000));
        assert!(many(&combined, 30_000) && !many(&combined, 10_000));
        let keyed =
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": words});
        assert_eq!(told(&keyed, 2_001), [too_much]);
    }

    #[test]
    fn texts_are_those_of_the_reference() {
        let schema = json!({ "type": "object", "properties": { "spec": {
            "type": "object", "required": ["name"], "properties": {
                "name": { "type": "string" },
                "size": { "type": "integer", "maximum": 10 },
                "mode": { "type": "string", "enum": ["A", "B"] },
            },
            "x-kubernetes-validations": [{ "rule": "!has(self.size) || self.size != 7", "message": "not seven" }],
        } } });
        let lines = |object: Value| -> Vec<String> {
            validate(&schema, &object, None)
                .into_iter()
                .map(|problem| format!("{}: {}", problem.field, problem.message()))
                .collect()
        };
        assert_eq!(
            lines(json!({ "spec": { "size": 11, "mode": "C" } }))[..3],
            [
                "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
                r#"spec.mode: Unsupported value: "C": supported values: "A", "B""#,
                "spec.name: Required value",
            ]
        );
        assert_eq!(lines(json!({ "spec": { "name": "n", "size": 7 } })), ["spec: Invalid value: not seven"]);
        assert!(lines(json!({ "spec": { "name": "n", "size": 8 } })).is_empty());
    }

    #[test]
    fn nulls_in_lists_and_maps_give_way_to_defaults() {
        let text = json!({ "type": "string", "default": "d" });
        let schema = json!({ "type": "object", "properties": {
            "list": { "type": "array", "items": text },
            "map": { "type": "object", "additionalProperties": text },
            "free": { "type": "array", "items": { "type": "string", "default": "d", "nullable": true } },
        } });
        let mut object = json!({ "list": [null, "a"], "map": { "k": null, "l": "b" }, "free": [null] });
        default(&schema, &mut object);
        assert_eq!(object, json!({ "list": ["d", "a"], "map": { "k": "d", "l": "b" }, "free": [null] }));
    }

    #[test]
    fn unknown_fields_go_and_defaults_come() {
        let schema = json!({ "type": "object", "properties": {
            "spec": { "type": "object", "properties": { "timeout": { "type": "string", "default": "60s" } } },
            "status": { "type": "object", "default": { "observedGeneration": -1 } },
        } });
        let mut object =
            json!({ "apiVersion": "g/v1", "kind": "K", "metadata": { "name": "n" }, "spec": { "x": 1 } });
        let gone = prune(&schema, &mut object);
        default(&schema, &mut object);
        assert_eq!(gone, ["spec.x"]);
        assert_eq!(object["spec"], json!({ "timeout": "60s" }));
        assert_eq!(object["status"], json!({ "observedGeneration": -1 }));
    }
}

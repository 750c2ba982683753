//! A value of an object together with its place, the field of its causes.

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::{Value, json};

use crate::causes::{Cause, Causes};

/// A value, and the way to it; put into words only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    above: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Key(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    /// A value that stands at a path by itself.
    pub(super) fn root(value: &'a Value, path: &'a str) -> Self {
        Self { value, above: None, step: Step::Field(path) }
    }

    /// A field; null when it is absent.
    pub(super) fn get<'b>(&'b self, name: &'b str) -> At<'b> {
        At { value: self.value.get(name).unwrap_or(&NULL), above: Some(self), step: Step::Field(name) }
    }

    /// The place of a field, with a value of its own.
    pub(super) fn with<'b>(&'b self, name: &'b str, value: &'b Value) -> At<'b> {
        At { value, above: Some(self), step: Step::Field(name) }
    }

    /// The same place with another value.
    pub(super) fn with_value<'b>(&self, value: &'b Value) -> At<'b>
    where
        'a: 'b,
    {
        At { value, above: self.above, step: self.step }
    }

    /// An entry of a map: `requests[cpu]`.
    pub(super) fn key<'b>(&'b self, name: &'b str) -> At<'b> {
        At { value: self.value.get(name).unwrap_or(&NULL), above: Some(self), step: Step::Key(name) }
    }

    /// The items of a list, with their number.
    pub(super) fn items(&self) -> impl Iterator<Item = At<'_>> {
        let list = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().enumerate().map(|(at, value)| At { value, above: Some(self), step: Step::Item(at) })
    }

    /// The entries of a map in order of their names.
    pub(super) fn entries(&self) -> Vec<At<'_>> {
        let map = self.value.as_object();
        let mut names: Vec<&String> = map.into_iter().flat_map(|map| map.keys()).collect();
        names.sort();
        names.into_iter().map(|name| self.key(name)).collect()
    }

    /// The name of a map's entry or of a field.
    pub(super) fn name(&self) -> &'a str {
        match self.step {
            Step::Field(name) | Step::Key(name) => name,
            Step::Item(_) => "",
        }
    }

    /// True when the value is stated.
    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// True when nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        }
    }

    /// The text; empty when absent.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The text of a field, which holds longer than its place; empty when absent.
    pub(super) fn text_of(&self, name: &str) -> &'a str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number, when one is stated.
    pub(super) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// True when it is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.value == &Value::Bool(true)
    }

    /// `spec.containers[0].resources.requests[cpu]`.
    pub(super) fn path(&self) -> String {
        let mut text = self.above.map(At::path).unwrap_or_default();
        match self.step {
            Step::Field(name) => {
                if !text.is_empty() && !name.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Key(name) => text.push_str(&format!("[{name}]")),
            Step::Item(at) => text.push_str(&format!("[{at}]")),
        }
        text
    }

    /// The value is not allowed.
    pub(super) fn invalid(&self, why: &str) -> Cause {
        if self.is_set() { Cause::invalid(self.path(), self.value, why) } else { self.wrong("", why) }
    }

    /// The place holds something that is not allowed, shown in another way.
    pub(super) fn wrong(&self, shown: impl Into<Value>, why: &str) -> Cause {
        Cause::invalid(self.path(), &shown.into(), why)
    }

    /// The value is missing.
    pub(super) fn required(&self, why: &str) -> Cause {
        Cause::required(self.path(), why)
    }

    /// The value may not be set.
    pub(super) fn forbidden(&self, why: &str) -> Cause {
        Cause::forbidden(self.path(), why)
    }

    /// The value stood before.
    pub(super) fn duplicate(&self) -> Cause {
        Cause::duplicate(self.path(), self.value)
    }

    /// The value names nothing.
    pub(super) fn not_found(&self) -> Cause {
        Cause::not_found(self.path(), &json!(self.text()))
    }

    /// The value is outside a closed set.
    pub(super) fn not_supported(&self, words: &[&str]) -> Cause {
        let shown = if self.is_set() { self.value } else { &EMPTY };
        Cause::not_supported(self.path(), shown, words)
    }

    /// One cause a reason.
    pub(super) fn each(&self, whys: Vec<String>) -> Vec<Cause> {
        whys.iter().map(|why| self.wrong(self.text(), why)).collect()
    }

    /// Missing, when nothing is in it.
    pub(super) fn needed(&self) -> Option<Cause> {
        self.is_empty().then(|| self.required(""))
    }

    /// A stated value is one of these.
    pub(super) fn one_of(&self, words: &[&str]) -> Option<Cause> {
        (self.is_set() && !words.contains(&self.text())).then(|| self.not_supported(words))
    }

    /// The value is stated and one of these.
    pub(super) fn must_be(&self, words: &[&str]) -> Option<Cause> {
        self.needed().or_else(|| self.one_of(words))
    }

    /// A number that is not negative.
    pub(super) fn not_negative(&self) -> Option<Cause> {
        self.number().filter(|&number| number < 0).map(|_| self.invalid(NEGATIVE))
    }

    /// A number, when stated, that lies between two.
    pub(super) fn between(&self, least: i64, most: i64) -> Option<Cause> {
        let outside = self.number().is_some_and(|number| !(least..=most).contains(&number));
        outside.then(|| self.invalid(&format!("must be between {least} and {most}, inclusive")))
    }

    /// A number, absent or not, that is above zero.
    pub(super) fn positive(&self) -> Option<Cause> {
        let number = self.number().unwrap_or(0);
        (number <= 0).then(|| self.wrong(number, NOT_POSITIVE))
    }
}

/// Tells of a place whose key stood before.
pub(super) fn once<K: Eq + Hash>(seen: &mut HashSet<K>, key: K, place: At<'_>, out: &mut Causes) {
    if !seen.insert(key) {
        out.push(place.duplicate());
    }
}

/// Two places hold the same when what is empty counts as absent.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    let nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    left == right || (nothing(left) && nothing(right))
}

pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const NOT_POSITIVE: &str = "must be greater than zero";
static NULL: Value = Value::Null;
static EMPTY: Value = Value::String(String::new());

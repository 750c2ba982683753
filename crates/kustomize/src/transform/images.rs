//! Image names, tags and digests.
//!
//! Each entry runs twice over an object: once over every `containers` and `initContainers` list
//! wherever it stands, once over the configured fields. So a tag suffix is added twice where both
//! reach, as in the original.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use regex::Regex;
use serde_json::Value;

use crate::error::Error;
use crate::expression::{self, Run};
use crate::field::{FieldSpec, Leaf};
use crate::manifest;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::spec::Image;
use crate::written::Notes;

/// Changes images by entries in their order.
///
/// # Errors
/// When an image is no scalar, or an entry's name is no well-formed expression; with the position of the entry.
pub fn run(resources: &mut Resources, images: &[Image], fields: &[FieldSpec]) -> Result<(), (usize, Error)> {
    let mut rules = Rules::default();
    let clock = resources.clock();
    let malformed = images.iter().try_for_each(|image| clock.check().and_then(|()| rules.add(image)));
    // Those before a malformed one are applied: what they fail for comes first.
    for resource in resources.iter_mut().filter(|item| item.kind() != "CustomResourceDefinition") {
        let mut next = (!rules.all.is_empty()).then_some(0);
        while let Some(at) = next {
            clock.check().map_err(|error| (at, error))?;
            let mut pass = Pass { rules: &rules, at, next: None };
            pass.change_all(resource, fields).map_err(|error| (at, error))?;
            next = pass.next;
        }
    }
    malformed.map_err(|error| (rules.all.len(), error))
}

/// The rules of all entries, found by the images that they are for, so that an object costs what it takes and no
/// more for every entry that has nothing to do with it.
#[derive(Default)]
struct Rules<'a> {
    all: Vec<Rule<'a>>,
    /// Rules by what their names end in behind the last dot, which stands for any character.
    by_end: HashMap<&'a str, Vec<usize>, RandomState>,
    /// How long these ends are.
    lengths: BTreeSet<usize>,
    /// Rules whose names are expressions, by a text at a fixed place in all that they match.
    by_run: HashMap<(usize, &'a str), Vec<usize>, RandomState>,
    /// Where these texts begin, and how long they are.
    runs: BTreeSet<(usize, usize)>,
    /// Those of rules with expressions that matched an image, by its text.
    known: RefCell<HashMap<String, Vec<usize>, RandomState>>,
}

impl<'a> Rules<'a> {
    fn add(&mut self, image: &'a Image) -> Result<(), Error> {
        let rule = Rule::new(image)?;
        let at = self.all.len();
        match rule.name {
            Name::Literal(name) => {
                let end = name.rsplit('.').next().unwrap_or_default();
                self.by_end.entry(end).or_default().push(at);
                self.lengths.insert(end.len());
            }
            Name::Expression { .. } => {
                let runs = expression::runs(&image.name);
                let placed = |run: Run<'a>| run.offset.map(|offset| (offset, run.text));
                let run = expression::longest(runs.into_iter().filter(|run| run.offset.is_some()));
                let (offset, text) = run.and_then(placed).unwrap_or_default();
                self.by_run.entry((offset, text)).or_default().push(at);
                self.runs.insert((offset, text.len()));
            }
        }
        self.all.push(rule);
        Ok(())
    }

    /// Returns the first rule behind `at` that changes an image, if one does before `limit`.
    fn after(&self, at: usize, limit: Option<usize>, text: &str) -> Option<usize> {
        if at + 1 >= limit.unwrap_or(self.all.len()) {
            return limit;
        }
        let first_of = |rules: &[usize], limit: Option<usize>| {
            let later = &rules[rules.partition_point(|rule| *rule <= at)..];
            let mut tried = later.iter().copied().take_while(|rule| limit.is_none_or(|limit| *rule < limit));
            tried.find(|rule| self.all[*rule].matches(text)).or(limit)
        };
        let mut first = limit;
        let ends_of_name = text.match_indices([':', '@']).map(|(cut, _)| cut).chain([text.len()]);
        for name in ends_of_name.map(|cut| &text[..cut]) {
            let ends = self.lengths.iter().map_while(|length| name.len().checked_sub(*length));
            for rules in ends.filter_map(|start| self.by_end.get(name.get(start..)?)) {
                first = first_of(rules, first);
            }
        }
        if self.by_run.is_empty() {
            return first;
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let matched = match known.get(text) {
            Some(matched) => matched,
            None => known.entry(text.to_owned()).or_insert_with(|| self.expressions_for(text)),
        };
        let later = matched.get(matched.partition_point(|rule| *rule <= at)).copied();
        later.filter(|rule| first.is_none_or(|first| *rule < first)).or(first)
    }

    /// Returns the rules with expressions that match an image, in order.
    fn expressions_for(&self, text: &str) -> Vec<usize> {
        let at_place = |&(offset, length): &(usize, usize)| {
            let start = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(offset)?;
            self.by_run.get(&(offset, text.get(start..start + length)?))
        };
        let rules = self.runs.iter().filter_map(at_place).flatten().copied();
        let mut matched: Vec<usize> = rules.filter(|rule| self.all[*rule].matches(text)).collect();
        matched.sort_unstable();
        matched
    }
}

/// For so many images the expressions that match are kept.
const MOST_KNOWN: usize = 1000;

/// One rule on its way over one object.
struct Pass<'a> {
    rules: &'a Rules<'a>,
    at: usize,
    /// The next rule that has something to change, as far as was seen.
    next: Option<usize>,
}

impl Pass<'_> {
    fn change_all(&mut self, resource: &mut Resource, fields: &[FieldSpec]) -> Result<(), Error> {
        self.scan(&mut resource.value, &resource.written)?;
        let written = std::mem::take(&mut resource.written);
        let changed = fields.iter().try_for_each(|spec| {
            spec.visit(resource, Leaf::Found, &mut |value| self.change(value, &written))
        });
        resource.written = written;
        changed
    }

    /// Changes the images of all container lists below a value.
    fn scan(&mut self, value: &mut Value, written: &Notes) -> Result<(), Error> {
        match value {
            Value::Object(map) => map.iter_mut().try_for_each(|(key, child)| {
                if matches!(key.as_str(), "containers" | "initContainers") && child.is_array() {
                    for item in child.as_array_mut().into_iter().flatten() {
                        if let Some(image) = item.get_mut("image") {
                            self.change(image, written)?;
                        }
                    }
                }
                self.scan(child, written)
            }),
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.scan(item, written)),
            _ => Ok(()),
        }
    }

    fn change(&mut self, value: &mut Value, written: &Notes) -> Result<(), Error> {
        let rule = &self.rules.all[self.at];
        match value {
            Value::Null => return Ok(()),
            Value::String(text) => {
                if rule.matches(text) {
                    *text = rule.changed(text);
                }
                self.next = self.rules.after(self.at, self.next, text);
                return Ok(());
            }
            Value::Bool(_) | Value::Number(_) => {
                let Some(mut text) = written.text(value) else { return Ok(()) };
                if rule.matches(&text) {
                    text = rule.changed(&text);
                    *value = manifest::plain(&text);
                }
                self.next = self.rules.after(self.at, self.next, &text);
                return Ok(());
            }
            Value::Object(_) | Value::Array(_) => {}
        }
        let found = if value.is_object() { "MappingNode" } else { "SequenceNode" };
        Err(Error::Transform(format!("wrong node kind: expected ScalarNode but got {found}")))
    }
}

struct Rule<'a> {
    image: &'a Image,
    name: Name<'a>,
}

/// What the name of an entry means.
enum Name<'a> {
    /// Itself; almost all do, and need no expression.
    Literal(&'a str),
    /// An expression, here already with what may follow it, and what stands in all that it matches.
    Expression { whole: Regex, inside: &'a str },
}

impl<'a> Rule<'a> {
    /// Returns the rule of an entry; its name is an expression.
    fn new(image: &'a Image) -> Result<Self, Error> {
        if is_plain(&image.name) {
            return Ok(Self { image, name: Name::Literal(&image.name) });
        }
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        let whole = expression::compile(&pattern)
            .map_err(|error| error.within(format!("images: name '{}'", image.name)))?;
        let inside = expression::longest(expression::runs(&image.name)).map_or("", |run| run.text);
        Ok(Self { image, name: Name::Expression { whole, inside } })
    }

    fn matches(&self, text: &str) -> bool {
        match &self.name {
            Name::Literal(name) => fits_plain(name, text),
            Name::Expression { whole, inside } => text.contains(inside) && whole.is_match(text),
        }
    }

    fn changed(&self, text: &str) -> String {
        let (name, tag, digest) = split(text);
        let image = self.image;
        let name = if image.new_name.is_empty() { name } else { &image.new_name };
        let (tag, digest) = match (image.new_tag.as_str(), image.digest.as_str(), image.tag_suffix.as_str()) {
            ("", "", "") => (tag.to_owned(), digest.to_owned()),
            ("", "", suffix) => (format!("{tag}{suffix}"), String::new()),
            (new_tag, new_digest, _) => (new_tag.to_owned(), new_digest.to_owned()),
        };
        let mut changed = name.to_owned();
        if !tag.is_empty() {
            changed.push(':');
            changed.push_str(&tag);
        }
        if !digest.is_empty() {
            changed.push('@');
            changed.push_str(&digest);
        }
        changed
    }
}

/// Whether a name has no special character but dots.
fn is_plain(name: &str) -> bool {
    name.split('.').all(expression::is_literal) && !name.contains('\n')
}

/// Whether a text is the name, in which a dot stands for any character, with a tag or digest or without.
fn fits_plain(name: &str, text: &str) -> bool {
    let mut rest = text.chars();
    let begins_alike = name.chars().all(|wanted| match rest.next() {
        Some(found) => found == wanted || wanted == '.' && found != '\n',
        None => false,
    });
    let of_tag = |letter: char| letter.is_ascii_alphanumeric() || "_.{}-".contains(letter);
    let mut rest = rest.as_str();
    if let Some(tag) = rest.strip_prefix(':') {
        rest = tag.trim_start_matches(of_tag);
    }
    if let Some(digest) = rest.strip_prefix("@sha256:") {
        rest = digest.trim_start_matches(of_tag);
    }
    begins_alike && rest.is_empty()
}

/// Splits an image into name, tag and digest; a port of the registry is part of the name.
fn split(text: &str) -> (&str, &str, &str) {
    let start = text.find('/').map_or(0, |slash| slash + 1);
    let at = text[start..].find('@').map(|at| at + start);
    let colon = text[start..].find(':').map(|colon| colon + start);
    match (colon, at) {
        (Some(colon), Some(at)) if colon < at => (&text[..colon], &text[colon + 1..at], &text[at + 1..]),
        (_, Some(at)) => (&text[..at], "", &text[at + 1..]),
        (Some(colon), None) => (&text[..colon], &text[colon + 1..], ""),
        (None, None) => (text, "", ""),
    }
}

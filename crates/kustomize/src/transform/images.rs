//! Image names, tags and digests.
//!
//! Each entry runs twice over an object: once over every `containers` and `initContainers` list
//! wherever it stands, once over the configured fields. So a tag suffix is added twice where both
//! reach, as in the original.

use regex::Regex;
use serde_json::Value;

use crate::error::Error;
use crate::expression;
use crate::field::{FieldSpec, Leaf};
use crate::manifest;
use crate::resources::Resources;
use crate::spec::Image;
use crate::written::Notes;

/// Changes images by one entry.
///
/// # Errors
/// When an image is no scalar, or the entry's name is no well-formed expression.
pub fn run(resources: &mut Resources, image: &Image, fields: &[FieldSpec]) -> Result<(), Error> {
    let rule = Rule::new(image)?;
    for resource in resources.iter_mut() {
        if resource.kind() == "CustomResourceDefinition" {
            continue;
        }
        rule.scan(&mut resource.value, &resource.written)?;
        let written = std::mem::take(&mut resource.written);
        let changed = fields.iter().try_for_each(|spec| {
            spec.visit(resource, Leaf::Found, &mut |value| rule.change(value, &written))
        });
        resource.written = written;
        changed?;
    }
    Ok(())
}

struct Rule<'a> {
    image: &'a Image,
    name: Name<'a>,
}

/// What the name of an entry means.
enum Name<'a> {
    /// Itself; almost all do, and need no expression.
    Literal(&'a str),
    /// An expression, here already with what may follow it.
    Expression(Regex),
}

impl<'a> Rule<'a> {
    /// Returns the rule of an entry; its name is an expression.
    fn new(image: &'a Image) -> Result<Self, Error> {
        if is_plain(&image.name) {
            return Ok(Self { image, name: Name::Literal(&image.name) });
        }
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        let expression = expression::compile(&pattern)
            .map_err(|error| error.within(format!("images: name '{}'", image.name)))?;
        Ok(Self { image, name: Name::Expression(expression) })
    }

    fn matches(&self, text: &str) -> bool {
        match &self.name {
            Name::Literal(name) => fits_plain(name, text),
            Name::Expression(expression) => expression.is_match(text),
        }
    }

    /// Changes the images of all container lists below a value.
    fn scan(&self, value: &mut Value, written: &Notes) -> Result<(), Error> {
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

    fn change(&self, value: &mut Value, written: &Notes) -> Result<(), Error> {
        let found = match value {
            Value::Null => return Ok(()),
            Value::String(text) => {
                if self.matches(text) {
                    *text = self.changed(text);
                }
                return Ok(());
            }
            Value::Object(_) => "MappingNode",
            Value::Array(_) => "SequenceNode",
            Value::Bool(_) | Value::Number(_) => {
                if let Some(text) = written.text(value).filter(|text| self.matches(text)) {
                    *value = manifest::plain(&self.changed(&text));
                }
                return Ok(());
            }
        };
        Err(Error::Transform(format!("wrong node kind: expected ScalarNode but got {found}")))
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

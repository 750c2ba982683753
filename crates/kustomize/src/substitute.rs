//! Post-build substitution: `${name}` and its operators.
//!
//! Follows: the substitution library of Flux 2.9. It looks like a shell's, but is not: an empty
//! variable counts as unset, `?` and `+` act as `-`, and offsets count bytes.

mod glob;
mod operators;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Error;
use crate::substitute::operators::{Operator, Replace, case, remove, replace, replaced_len, substring};

/// The label or annotation by which an object is left alone.
const SWITCH: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// What an unset variable is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unset {
    /// Empty text.
    #[default]
    Empty,
    /// An error, unless the expansion has a default.
    Refused,
}

/// Checks the names of variables and takes line breaks out of their values.
///
/// # Errors
/// When a name is none.
pub fn checked(variables: Variables) -> Result<Variables, Error> {
    variables
        .into_iter()
        .map(|(name, value)| {
            let mut letters = name.chars();
            let starts_well = letters.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic());
            if !starts_well || !letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric()) {
                return Err(Error::Substitution(format!(
                    "'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
                )));
            }
            let value = value.replace('\n', "");
            Ok((name, value))
        })
        .collect()
}

/// Whether an object asks to be left alone.
#[must_use]
pub fn is_disabled(object: &Value) -> bool {
    ["labels", "annotations"].iter().any(|map| {
        let metadata = object.get("metadata");
        metadata.and_then(|metadata| metadata.get(map)?.get(SWITCH)?.as_str()) == Some("disabled")
    })
}

/// Expands a text.
///
/// # Errors
/// When an expansion is not well formed, an unset variable is refused, or the expansions are too large.
pub fn text(input: &str, variables: &Variables, unset: Unset) -> Result<String, Error> {
    watched(input, variables, unset, &BTreeSet::new(), &mut |_| {})
}

/// Expands a text, and tells each outermost expansion that was made of a variable with one of the names: the value, a
/// part of it, or whatever its operators made of it.
///
/// # Errors
/// As [`text`].
pub fn watched(
    input: &str,
    variables: &Variables,
    unset: Unset,
    names: &BTreeSet<String>,
    tell: &mut dyn FnMut(&str),
) -> Result<String, Error> {
    let mut parser = Parser::new(input, variables, unset, names);
    let mut out = String::with_capacity(input.len());
    while let Some(dollar) = parser.rest.find('$') {
        out.push_str(&parser.rest[..dollar]);
        parser.rest = &parser.rest[dollar..];
        if let Some(after) = parser.rest.strip_prefix("$$") {
            out.push('$');
            parser.rest = after;
        } else if let Some(after) = parser.rest.strip_prefix("${") {
            parser.rest = after;
            let made = parser.expansion()?;
            if std::mem::take(&mut parser.is_watched) {
                tell(&made);
            }
            out.push_str(&made);
        } else {
            out.push('$');
            parser.rest = &parser.rest[1..];
        }
    }
    out.push_str(parser.rest);
    match parser.refused {
        Some(name) => Err(Error::Substitution(format!("variable not set (strict mode): \"{name}\""))),
        None => Ok(out),
    }
}

/// How deep expansions may be nested.
const MAX_DEPTH: usize = 100;
/// How many bytes of values the expansions of one text may take and make.
const MAX_MADE: usize = 16 << 20;
/// How much matching the expansions of one text may do: lengths of values times those of patterns.
const MAX_MATCHED: usize = 64 << 20;

struct Parser<'a> {
    rest: &'a str,
    variables: &'a Variables,
    unset: Unset,
    /// The first unset variable that is refused; a text that is not well formed is refused for that.
    refused: Option<String>,
    depth: usize,
    /// How many bytes of values were taken and made.
    made: usize,
    /// How much was matched.
    matched: usize,
    /// Variables of which it is said what becomes of them.
    names: &'a BTreeSet<String>,
    /// Whether the present outermost expansion is made of one of them.
    is_watched: bool,
}

/// Whether `$$`, `\/` and `\\` stand for their second letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    All,
}

fn bad() -> Error {
    Error::Substitution("bad substitution".to_owned())
}

impl<'a> Parser<'a> {
    fn new(rest: &'a str, variables: &'a Variables, unset: Unset, names: &'a BTreeSet<String>) -> Self {
        let (refused, is_watched) = (None, false);
        Self { rest, variables, unset, refused, depth: 0, made: 0, matched: 0, names, is_watched }
    }

    /// Reads what follows `${` and returns what it stands for.
    fn expansion(&mut self) -> Result<String, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Substitution("expansions are nested too deep".to_owned()));
        }
        let result = self.expansion_inside();
        self.depth -= 1;
        result
    }

    fn expansion_inside(&mut self) -> Result<String, Error> {
        if let Some(after) = self.rest.strip_prefix('#') {
            self.rest = after;
            let name = self.name().map_err(|_| bad())?;
            self.close()?;
            return Ok(self.value(&name)?.len().to_string());
        }
        let name = self.name()?;
        let Some(operator) = Operator::take(&mut self.rest) else {
            self.close().map_err(|_| Error::Substitution("missing closing brace".to_owned()))?;
            return Ok(self.value(&name)?.to_owned());
        };
        match operator {
            Operator::Default => {
                let was_watched = self.is_watched;
                let default = self.default_text()?;
                let value = self.variables.get(&name).map_or("", String::as_str);
                self.count_made(&name, value.len())?;
                if value.is_empty() {
                    return Ok(default);
                }
                // Nothing is left of the default.
                self.is_watched = was_watched || self.names.contains(&name);
                Ok(value.to_owned())
            }
            Operator::Case(change) => {
                self.close()?;
                Ok(case(self.value(&name)?, change))
            }
            Operator::Substring => {
                let mut arguments = vec![self.argument(&[':', '}'], Escapes::None)?];
                if self.rest.starts_with(':') {
                    self.rest = self.rest.trim_start_matches(':');
                    arguments.push(self.argument(&['}'], Escapes::None)?);
                }
                self.close()?;
                substring(self.value(&name)?, &arguments)
            }
            Operator::Remove(which) => {
                let pattern = self.argument(&['}'], Escapes::None)?;
                self.close()?;
                let value = self.value(&name)?;
                self.count_matched(&name, value, &pattern)?;
                Ok(remove(value, &pattern, which).to_owned())
            }
            Operator::Replace(which) => self.replaced(&name, which),
        }
    }

    /// Reads what follows the slash of a replacement. Its pattern goes on to the next slash, wherever it is.
    fn replaced(&mut self, name: &str, which: Replace) -> Result<String, Error> {
        let pattern = self.argument(&['/'], Escapes::All)?;
        if !self.rest.starts_with('/') {
            return Err(bad());
        }
        self.rest = self.rest.trim_start_matches('/');
        let new = if self.rest.starts_with('}') { None } else { Some(self.argument(&['}'], Escapes::All)?) };
        self.close()?;
        let value = self.value(name)?;
        if new.is_none() && matches!(which, Replace::Start | Replace::End) {
            return Ok(value.to_owned());
        }
        let new = new.unwrap_or_default();
        self.count_made(name, replaced_len(value, &pattern, &new, which))?;
        Ok(replace(value, &pattern, &new, which))
    }

    /// Reads a name: letters, digits and underscores.
    fn name(&mut self) -> Result<String, Error> {
        let end = self.rest.find(|letter: char| !(letter == '_' || letter.is_alphanumeric()));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if name.is_empty() {
            return Err(Error::Substitution("unable to parse variable name".to_owned()));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    /// Takes a value; each taking counts, so that no short text makes much work.
    fn value(&mut self, name: &str) -> Result<&'a str, Error> {
        self.is_watched |= self.names.contains(name);
        let value = match (self.variables.get(name), self.unset) {
            (Some(value), _) => value,
            (None, Unset::Empty) => "",
            (None, Unset::Refused) => {
                self.refused.get_or_insert_with(|| name.to_owned());
                ""
            }
        };
        self.count_made(name, value.len())?;
        Ok(value)
    }

    fn count_made(&mut self, name: &str, more: usize) -> Result<(), Error> {
        self.made = self.made.saturating_add(more);
        if self.made > MAX_MADE {
            return Err(Error::Limit(format!(
                "the expansion of '{name}' brings the expanded values to {} bytes; at most {MAX_MADE} are allowed in one object",
                self.made
            )));
        }
        Ok(())
    }

    fn count_matched(&mut self, name: &str, value: &str, pattern: &str) -> Result<(), Error> {
        self.matched = self.matched.saturating_add(value.len().saturating_mul(pattern.len()));
        if self.matched > MAX_MATCHED {
            return Err(Error::Limit(format!(
                "the value of '{name}' has {} bytes and its pattern {}: the product of both, over all patterns of one object, may be {MAX_MATCHED} at most",
                value.len(),
                pattern.len()
            )));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.rest = self.rest.strip_prefix('}').ok_or_else(bad)?;
        Ok(())
    }

    /// Reads a default and its brace: text and further expansions.
    fn default_text(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            if let Some(after) = self.rest.strip_prefix('}') {
                self.rest = after;
                return Ok(text);
            }
            text.push_str(&self.argument(&['}'], Escapes::None)?);
        }
    }

    /// Reads an argument, text up to one of the ends or one expansion; it cannot be empty.
    fn argument(&mut self, ends: &[char], escapes: Escapes) -> Result<String, Error> {
        if let Some(after) = self.rest.strip_prefix("${") {
            self.rest = after;
            return self.expansion();
        }
        if self.rest.is_empty() || self.rest.starts_with(ends) {
            return Err(Error::Substitution("unable to parse substitution within function".to_owned()));
        }
        let mut text = String::new();
        while !self.rest.is_empty() && !self.rest.starts_with(ends) && !self.rest.starts_with("${") {
            let is_escaped = ["$$", "\\/", "\\\\"].iter().any(|pair| self.rest.starts_with(pair));
            let mut letters = self.rest.chars();
            if escapes == Escapes::All && is_escaped {
                letters.next();
            }
            text.extend(letters.next());
            self.rest = letters.as_str();
        }
        Ok(text)
    }
}

//! Label selectors: `tier in (web,db),!canary`.
//!
//! Follows: the label selectors of Kubernetes, with the words that its parser has for mistakes.

use serde_json::Value;

use crate::error::Error;
use crate::finder::{Entries, Trait};

/// One condition of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    fn holds(&self, entries: Option<&Value>) -> bool {
        let entry = entries.and_then(|entries| entries.get(&self.key)).and_then(Value::as_str);
        let number = entry.and_then(|text| text.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => entry.is_some(),
            Operator::Missing => entry.is_none(),
            Operator::In(values) => entry.is_some_and(|found| values.iter().any(|value| value == found)),
            Operator::NotIn(values) => entry.is_none_or(|found| values.iter().all(|value| value != found)),
            Operator::Above(bound) => number.is_some_and(|found| found > *bound),
            Operator::Below(bound) => number.is_some_and(|found| found < *bound),
        }
    }
}

impl Requirement {
    /// Returns what an object must have one of, if it must have anything.
    pub(super) fn traits(&self, entries: Entries) -> Option<Vec<Trait<'_>>> {
        match &self.operator {
            Operator::In(values) => {
                Some(values.iter().map(|value| Trait::Entry(entries, &self.key, value)).collect())
            }
            Operator::Exists | Operator::Above(_) | Operator::Below(_) => {
                Some(vec![Trait::Key(entries, &self.key)])
            }
            Operator::Missing | Operator::NotIn(_) => None,
        }
    }
}

/// Whether all conditions hold for a mapping of labels or annotations.
pub(super) fn all_hold(requirements: &[Requirement], entries: Option<&Value>) -> bool {
    requirements.iter().all(|requirement| requirement.holds(entries))
}

/// Parses a selector: conditions joined by commas.
pub(super) fn parse(source: &str) -> Result<Vec<Requirement>, Error> {
    let mut parser = Parser { tokens: tokens(source), at: 0 };
    parser.selector().map_err(Error::Selector)
}

/// A word, a sign, or the empty text for the end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    is_sign: bool,
}

const SIGNS: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start_matches(BLANKS);
    while !rest.is_empty() {
        let is_sign = rest.starts_with(SIGNS);
        let length = if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else if is_sign {
            1
        } else {
            rest.find(|letter| SIGNS.contains(&letter) || BLANKS.contains(&letter)).unwrap_or(rest.len())
        };
        let (text, after) = rest.split_at(length);
        tokens.push(Token { text, is_sign });
        rest = after.trim_start_matches(BLANKS);
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token { text: "", is_sign: true })
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn is_next(&self, sign: &str) -> bool {
        let next = self.peek();
        next.is_sign && next.text == sign
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        if self.is_next("") {
            return Ok(found);
        }
        loop {
            if self.peek().is_sign && !self.is_next("!") {
                let text = self.peek().text;
                return Err(match found.is_empty() {
                    true => format!("found '{text}', expected: !, identifier, or 'end of string'"),
                    false => format!("found '{text}', expected: identifier after ','"),
                });
            }
            found.push(self.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.take() {
                Token { text: "", .. } => return Ok(found),
                Token { text: ",", .. } => {}
                other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text)),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let is_negative = self.is_next("!");
        self.at += usize::from(is_negative);
        let key = self.take();
        if key.is_sign {
            return Err(format!("found '{}', expected: identifier", key.text));
        }
        check_key(key.text)?;
        let operator = match () {
            () if is_negative => Operator::Missing,
            () if self.is_next("") || self.is_next(",") => Operator::Exists,
            () => self.operator(key.text)?,
        };
        Ok(Requirement { key: key.text.to_owned(), operator })
    }

    fn operator(&mut self, key: &str) -> Result<Operator, String> {
        let word = self.take();
        let values = match word.text {
            "in" | "notin" => self.values()?,
            "=" | "==" | "!=" | ">" | "<" => vec![self.value()?],
            other => return Err(format!("found '{other}', expected: '=', '!=', '==', 'in', notin'")),
        };
        if matches!(word.text, ">" | "<") {
            let bound = values[0]
                .parse()
                .map_err(|_| "for 'Gt', 'Lt' operators, the value must be an integer".to_owned())?;
            return Ok(if word.text == ">" { Operator::Above(bound) } else { Operator::Below(bound) });
        }
        values.iter().try_for_each(|value| check_value(key, value))?;
        Ok(match word.text {
            "notin" | "!=" => Operator::NotIn(values),
            _ => Operator::In(values),
        })
    }

    /// Reads the one value of a comparison, which may be left out.
    fn value(&mut self) -> Result<String, String> {
        if self.is_next("") || self.is_next(",") {
            return Ok(String::new());
        }
        let value = self.take();
        if value.is_sign {
            return Err(format!("found '{}', expected: identifier", value.text));
        }
        Ok(value.text.to_owned())
    }

    /// Reads `(a,b)`; a value that is left out is the empty text.
    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open.text != "(" {
            return Err(format!("found '{}' expected: '('", open.text));
        }
        let mut values = Vec::new();
        loop {
            let value = if self.peek().is_sign { "" } else { self.take().text };
            values.push(value.to_owned());
            match self.take() {
                Token { text: ")", .. } => return Ok(values),
                Token { text: ",", .. } => {}
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text)),
            }
        }
    }
}

/// Letters, digits and a few signs, which neither begin nor end it.
fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric();
    text.starts_with(is_letter)
        && text.ends_with(is_letter)
        && text.chars().all(|letter| is_letter(letter) || "-_.".contains(letter))
}

/// A domain in small letters.
fn is_domain(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    text.split('.').all(|label| {
        label.starts_with(is_letter)
            && label.ends_with(is_letter)
            && label.chars().all(|letter| is_letter(letter) || letter == '-')
    })
}

const NAME_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DOMAIN_RULE: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn check_key(key: &str) -> Result<(), String> {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    let mut wrong = Vec::new();
    if name.contains('/') {
        wrong.push(format!("a qualified name {NAME_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
    } else {
        match domain {
            Some("") => wrong.push("prefix part must be non-empty".to_owned()),
            Some(domain) if domain.len() > 253 => {
                wrong.push("prefix part must be no more than 253 characters".to_owned());
            }
            Some(domain) if !is_domain(domain) => wrong.push(DOMAIN_RULE.to_owned()),
            _ => {}
        }
        if name.is_empty() {
            wrong.push("name part must be non-empty".to_owned());
        } else if name.len() > 63 {
            wrong.push("name part must be no more than 63 characters".to_owned());
        }
        if !is_name(name) {
            wrong.push(format!("name part {NAME_RULE}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("invalid label key \"{key}\": {}", wrong.join("; "))) }
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push("must be no more than 63 characters");
    }
    if !value.is_empty() && !is_name(value) {
        wrong.push(VALUE_RULE);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("invalid label value: \"{value}\": at key: \"{key}\": {}", wrong.join("; ")))
}

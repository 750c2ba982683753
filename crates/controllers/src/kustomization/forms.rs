//! Forms of a secret value: in quotes, line by line, in base64.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::kustomization::witness::{SHORTEST_PART, Text};

/// Lines shorter than this are no secrets of their own, but where they stand in quotes.
pub(super) const SHORTEST_LINE: usize = 8;

/// What some values may look like.
#[derive(Default)]
pub(super) struct Forms {
    /// Looked for wherever they may stand.
    pub(super) all: BTreeSet<Text>,
    /// Short lines of longer values, looked for in quotes.
    pub(super) lines: BTreeSet<Text>,
}

impl Forms {
    /// Those of some values.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = Self::default();
        values.for_each(|value| forms.add(value));
        forms
    }

    /// How long they are together.
    pub(super) fn bytes(&self) -> usize {
        self.all.iter().chain(&self.lines).map(|form| form.as_str().len()).sum()
    }

    fn add(&mut self, value: &str) {
        let trimmed = value.trim();
        for text in [value.trim_matches('\n'), trimmed] {
            self.insert(text.to_owned());
            self.insert(text.replace('\n', ""));
            self.all.extend(quoted(text));
        }
        for text in [value, value.trim_matches('\n'), trimmed] {
            self.insert(STANDARD.encode(text));
            self.insert(STANDARD_NO_PAD.encode(text));
            self.insert(URL_SAFE.encode(text));
            self.insert(URL_SAFE_NO_PAD.encode(text));
        }
        for line in trimmed.lines().map(str::trim) {
            if line.len() >= SHORTEST_LINE {
                self.all.extend(quoted(line));
                self.insert(line.to_owned());
            } else if line.len() >= SHORTEST_PART {
                self.lines.insert(Text::new(line));
            }
        }
    }

    fn insert(&mut self, text: String) {
        if !text.is_empty() {
            self.all.insert(Text::from(text));
        }
    }
}

/// What a text that is secret as it stands may look like.
pub(super) fn of_whole(text: &str) -> BTreeSet<Text> {
    quoted(text).into_iter().chain([Text::new(text)]).collect()
}

/// A text as it stands between quotes: of JSON, of Go's JSON, of Go's `%q` and Rust's `{:?}`, of YAML; and where a message
/// in quotes quotes it itself.
fn quoted(text: &str) -> Vec<Text> {
    let json = json(text);
    let twice = json.as_str().contains('\\').then(|| self::json(json.as_str()));
    let mut rust = wide(text);
    // A string takes whatever is written.
    let _ = write!(rust, "{text:?}");
    let go_json = with_value(text, sealfast_yaml::json::text);
    let mut all = vec![go_json, go(text), inner(&rust), Text::from(text.replace('\'', "''")), json];
    all.extend(twice);
    all
}

fn json(text: &str) -> Text {
    with_value(text, Value::to_string)
}

/// What is made of a text as a value, without the quotes.
fn with_value(text: &str, make: impl FnOnce(&Value) -> String) -> Text {
    let mut value = Value::from(text);
    let quoted = Zeroizing::new(make(&value));
    if let Value::String(text) = &mut value {
        text.zeroize();
    }
    inner(&quoted)
}

fn inner(quoted: &str) -> Text {
    Text::new(&quoted[1..quoted.len() - 1])
}

/// An empty text that never grows, whatever becomes of the letters of this one: what is left behind is not wiped.
fn wide(text: &str) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(text.len() * "\\u{1f}".len() + 2))
}

/// A text as Go quotes it, without the quotes.
fn go(text: &str) -> Text {
    let mut quoted = wide(text);
    for letter in text.chars() {
        match letter {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if is_printed(letter) => quoted.push(letter),
            letter if letter.is_ascii() => quoted.push_str(&format!("\\x{:02x}", letter as u32)),
            letter if letter <= '\u{ffff}' => quoted.push_str(&format!("\\u{:04x}", letter as u32)),
            letter => quoted.push_str(&format!("\\U{:08x}", letter as u32)),
        }
    }
    Text::new(&quoted)
}

/// Whether Go prints a letter as it is: those that nobody sees, but for the space, it does not.
fn is_printed(letter: char) -> bool {
    let is_unseen = matches!(letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    !is_unseen && !letter.is_control() && (letter == ' ' || !letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_those_of_all_who_quote() {
        let secret = "it's \"a\"\\\u{1}\u{7f}\u{200b}\té\u{1b}<";
        let all = quoted(secret);
        for wanted in [
            r#"it's \"a\"\\\u0001\u007f\u200b\té\u001b<"#.replace("\\u007f", "\u{7f}").replace("\\u200b", "\u{200b}"),
            r#"it's \"a\"\\\x01\x7f\u200b\té\x1b<"#.to_owned(),
            r#"it's \"a\"\\\u{1}\u{7f}\u{200b}\té\u{1b}<"#.to_owned(),
            secret.replace('\'', "''"),
        ] {
            assert!(all.iter().any(|text| text.as_str() == wanted), "{wanted}");
        }
        let forms = Forms::of(["\r\nhunter2 \r\nlonger-line\r\nx"].into_iter());
        assert!(forms.all.contains("longer-line") && forms.lines.contains("hunter2"));
        assert!(!forms.all.contains("x") && !forms.lines.contains("x"));
    }
}

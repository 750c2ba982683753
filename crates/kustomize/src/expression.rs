//! Regular expressions in RE2 syntax, as users write them.
//!
//! The engine behind it reads a syntax that is nearly the same; this file rewrites the rest:
//! classes such as `\d` mean ASCII, a bracket inside a class is a plain character, a brace that
//! counts nothing is one too, and `\Q…\E` quotes.

use regex::Regex;

use crate::error::Error;

/// Compiles an expression.
///
/// # Errors
/// When it is not well formed.
pub fn compile(source: &str) -> Result<Regex, Error> {
    Regex::new(&translate(source))
        .map_err(|error| Error::Selector(format!("error parsing regexp: {}: `{source}`", reason(&error))))
}

/// Compiles an expression that has to match the whole text.
///
/// # Errors
/// When it is not well formed.
pub fn compile_anchored(source: &str) -> Result<Regex, Error> {
    compile(&format!("^(?:{source})$"))
}

/// Whether the expression has no special characters, so that it matches its own text alone.
#[must_use]
pub fn is_literal(source: &str) -> bool {
    !source.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

/// Returns the last line of the engine's many-line message, which says what is wrong.
fn reason(error: &regex::Error) -> String {
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    let mut in_class = false;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        if letter == '\\' {
            rest = translate_escape(after, in_class, &mut out);
            continue;
        }
        rest = after;
        match (letter, in_class) {
            ('[', false) => {
                in_class = true;
                out.push('[');
                rest = class_start(rest, &mut out);
            }
            ('[', true) if rest.starts_with(':') => {
                let end = rest.find(":]").map_or(0, |end| end + 2);
                out.push('[');
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            ('[' | '&' | '~', true) => {
                out.push('\\');
                out.push(letter);
            }
            ('-', true) if rest.starts_with('-') => out.push_str("\\-"),
            ('{', false) if !counts(rest) => out.push_str("\\{"),
            _ => out.push(letter),
        }
    }
    out
}

/// Copies what stands at the start of a class: a negation and a bracket that is meant as itself.
fn class_start<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    rest
}

/// Whether what follows a brace is a repetition count.
fn counts(rest: &str) -> bool {
    let is_part = |character: char| character.is_ascii_digit() || character == ',';
    let Some(end) = rest.find(|character| !is_part(character)) else { return false };
    if !rest[end..].starts_with('}') {
        return false;
    }
    let (low, high) = rest[..end].split_once(',').unwrap_or((&rest[..end], ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

fn translate_escape<'a>(after: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    match letter {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str("[\\t\\n\\x0C\\r ]"),
        'S' => out.push_str("[^\\t\\n\\x0C\\r ]"),
        'b' if !in_class => out.push_str("(?-u:\\b)"),
        'B' if !in_class => out.push_str("(?-u:\\B)"),
        'Q' => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
    rest
}

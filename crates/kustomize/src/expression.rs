//! Regular expressions as users write them: in the syntax of Go.

use regex::Regex;

use crate::error::Error;

/// Compiles an expression.
///
/// # Errors
/// When it is not well formed.
pub fn compile(source: &str) -> Result<Regex, Error> {
    sealfast_re2::compile(source).map_err(|reason| Error::Selector(format!("error parsing regexp: {reason}")))
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
    !source.contains(SIGNS)
}

/// A text that stands in all that an expression matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) text: &'a str,
    /// How many letters stand before it, where that is always as many.
    pub(crate) offset: Option<usize>,
}

/// Returns texts that stand in all that an expression matches as a whole; not all of them, but quickly.
pub(crate) fn runs(source: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    // What stands behind these takes more to understand.
    let end = source.find(['(', '[', '\\', ')']).unwrap_or(source.len());
    let mut rest = if source.contains('|') { "" } else { &source[..end] };
    let mut offset = Some(0);
    while !rest.is_empty() {
        let length = rest.find(SIGNS).unwrap_or(rest.len());
        let (literal, behind) = rest.split_at(length);
        let sign = behind.chars().next().or(source[end..].chars().next());
        // What stands before these need not be there.
        let is_optional = matches!(sign, Some('*' | '?' | '{'));
        let last = literal.char_indices().next_back().filter(|_| is_optional).map(|(last, _)| last);
        let text = &literal[..last.unwrap_or(length)];
        if !text.is_empty() {
            runs.push(Run { text, offset });
        }
        offset = offset.map(|offset| offset + literal.chars().count());
        (rest, offset) = match behind.chars().next() {
            None => ("", offset),
            Some('.') if !behind[1..].starts_with(['*', '?', '{', '+']) => {
                (&behind[1..], offset.map(|offset| offset + 1))
            }
            Some('^' | '$') => (&behind[1..], offset),
            Some('{') => (behind.split_once('}').map_or("", |(_, rest)| rest), None),
            Some(_) => (&behind[1..], None),
        };
    }
    runs
}

/// Returns the longest of some runs, the last of several.
pub(crate) fn longest<'a>(runs: impl IntoIterator<Item = Run<'a>>) -> Option<Run<'a>> {
    runs.into_iter().max_by_key(|run| run.text.len())
}

/// What does not stand for itself.
const SIGNS: [char; 14] = ['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'];

#[cfg(test)]
mod tests {
    use super::{Run, runs};

    #[test]
    fn runs_stand_in_all_that_is_matched() {
        for (source, expected) in [
            ("web", &[("web", Some(0))][..]),
            ("web-[0-9]+x", &[("web-", Some(0))]),
            ("web+x", &[("web", Some(0)), ("x", None)]),
            ("webs?x", &[("web", Some(0)), ("x", None)]),
            ("web\u{e9}*x", &[("web", Some(0)), ("x", None)]),
            ("web{2}x", &[("we", Some(0)), ("x", None)]),
            ("reg.io/\u{e9}.a", &[("reg", Some(0)), ("io/\u{e9}", Some(4)), ("a", Some(9))]),
            (".*-17x?", &[("-17", None)]),
            ("..*a", &[("a", None)]),
            ("^a$b", &[("a", Some(0)), ("b", Some(1))]),
            ("web|db", &[]),
            ("x(web|db)x", &[]),
            ("(?i)web", &[]),
            ("a(b)?c", &[("a", Some(0))]),
            ("*a", &[("a", None)]),
            ("ab\\.c", &[("ab", Some(0))]),
            ("a{", &[]),
        ] {
            let expected: Vec<Run<'_>> =
                expected.iter().map(|&(text, offset)| Run { text, offset }).collect();
            assert_eq!(runs(source), expected, "{source}");
        }
    }
}

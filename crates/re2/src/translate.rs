//! Go regular expressions, rewritten so that this platform's engine means the same.
//!
//! The two dialects agree on most expressions. Rewritten are: `\d \w \s \b` (ASCII in Go), `\Q…\E`, octal escapes,
//! `\C`, braces that are no repetition, and everything inside classes that would be a set operation here. Refused
//! is what Go refuses: doubled repetitions, counts above 1000, unknown flags and escapes. Names of groups are dropped.
//!
//! Follows: the syntax page of Go's `regexp/syntax`. Differs: a byte that is not UTF-8 matches no `.`.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder, bytes};

/// Bytes of the longest expression that is read; the original has no such limit.
const MAX_PATTERN: usize = 64 << 10;
/// How many Unicode classes (`\pL`) one expression may name: each is hundreds of ranges before its size is asked.
const MAX_PROPERTIES: usize = 500;

/// Bounds on a compiled expression, in bytes; the last is the engine's own.
const SIZES: [usize; 6] = [8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20, 10 << 20];
/// What an expression takes beside, in bytes, for searches in texts that are not long.
const BESIDE: usize = 64 << 10;

/// Compiles a Go expression for text.
///
/// # Errors
/// The message that Go gives, without its `error parsing regexp: `.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern)?).map_err(|_| refused(pattern))
}

/// Compiles a Go expression for text, and says how many bytes that takes at most, roughly, also where it fails: the engine
/// has no measure of its own, but holds bounds, and compiles an expression twice, to be read in both directions.
pub fn compile_sized(pattern: &str) -> (Result<Regex, String>, usize) {
    let text = match translate(pattern) {
        Ok(text) => text,
        Err(why) => return (Err(why), BESIDE),
    };
    let mut size = BESIDE;
    for most in SIZES {
        size = 2 * most + BESIDE;
        match RegexBuilder::new(&text).size_limit(most).build() {
            Ok(regex) => return (Ok(regex), size),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(_) => break,
        }
    }
    (Err(refused(pattern)), size)
}

/// Whether a text is a Go expression; one that is only too large to be compiled here is one.
///
/// # Errors
/// As [`compile`].
pub fn check(pattern: &str) -> Result<(), String> {
    match Regex::new(&translate(pattern)?) {
        Err(regex::Error::Syntax(_)) => Err(refused(pattern)),
        _ => Ok(()),
    }
}

/// Compiles a Go expression for bytes.
///
/// # Errors
/// As [`compile`].
pub fn compile_bytes(pattern: &str) -> Result<bytes::Regex, String> {
    bytes::Regex::new(&translate(pattern)?).map_err(|_| refused(pattern))
}

/// What is left to be refused after the translation; the engine's own message is about the rewritten expression.
fn refused(pattern: &str) -> String {
    format!("invalid expression: `{pattern}`")
}

fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("expression of {} bytes is longer than {MAX_PATTERN} bytes", pattern.len()));
    }
    let mut translation = Translation::of(pattern);
    while translation.step(pattern)? {}
    match translation.open {
        0 => Ok(translation.out),
        _ => Err(format!("missing closing ): `{pattern}`")),
    }
}

/// What was written last, as far as repetitions care.
#[derive(Clone, PartialEq)]
pub(crate) enum Last {
    Start,
    Atom,
    /// With its operator.
    Repetition(String),
}

pub(crate) struct Translation<'p> {
    pub(crate) rest: Peekable<Chars<'p>>,
    pub(crate) out: String,
    last: Last,
    /// How many groups are open.
    open: usize,
    /// How many Unicode classes came so far, and those of them that were found to be some.
    properties: usize,
    known: BTreeSet<String>,
}

impl<'p> Translation<'p> {
    fn of(pattern: &'p str) -> Self {
        Self {
            rest: pattern.chars().peekable(),
            out: String::with_capacity(pattern.len() + 16),
            last: Last::Start,
            open: 0,
            properties: 0,
            known: BTreeSet::new(),
        }
    }
}

impl Translation<'_> {
    fn step(&mut self, pattern: &str) -> Result<bool, String> {
        let before = self.rest.clone();
        let Some(character) = self.rest.next() else { return Ok(false) };
        match character {
            '\\' => self.escape()?,
            '[' => self.class(before)?,
            '(' => self.group(before)?,
            ')' => {
                self.open = self.open.checked_sub(1).ok_or_else(|| format!("unexpected ): `{pattern}`"))?;
                self.plain(')', Last::Atom);
            }
            '|' => self.plain('|', Last::Start),
            '^' | '$' | '.' => self.plain(character, Last::Atom),
            '*' | '+' | '?' => self.repeat(&character.to_string())?,
            '{' => match self.counted() {
                Some(count) => self.repeat(&count?)?,
                None => self.literal('{'),
            },
            _ => self.literal(character),
        }
        Ok(true)
    }

    pub(crate) fn plain(&mut self, character: char, last: Last) {
        self.out.push(character);
        self.last = last;
    }

    fn literal(&mut self, character: char) {
        push_literal(&mut self.out, character);
        self.last = Last::Atom;
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Atom;
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        match &self.last {
            Last::Start => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Last::Repetition(before) => {
                return Err(format!("invalid nested repetition operator: `{before}{operator}`"));
            }
            Last::Atom => self.out.push_str(operator),
        }
        let mut operator = operator.to_owned();
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
            operator.push('?');
        }
        self.last = Last::Repetition(operator);
        Ok(())
    }

    /// Reads `n}`, `n,}` or `n,m}` behind a brace; none when it is not one of them. Looks no further than a count can
    /// reach, so that many braces do not each read the rest.
    fn counted(&mut self) -> Option<Result<String, String>> {
        let is_part = |character: &char| character.is_ascii_digit() || *character == ',';
        let ahead: String = self.rest.clone().take_while(is_part).collect();
        let (low, high) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if !closed || !is_number(low) || !(high.is_empty() || is_number(high)) {
            return None;
        }
        let count = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        let text = format!("{{{ahead}}}");
        if count(low) > 1000 || (!high.is_empty() && (count(high) > 1000 || count(low) > count(high))) {
            return Some(Err(format!("invalid repeat count: `{text}`")));
        }
        self.rest.nth(ahead.chars().count());
        Some(Ok(text))
    }

    /// `(`, `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`; `before` begins with the bracket.
    fn group(&mut self, before: Peekable<Chars<'_>>) -> Result<(), String> {
        self.open += 1;
        self.plain('(', Last::Start);
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        let is_named = match self.rest.peek() {
            Some('P') => self.rest.clone().nth(1) == Some('<'),
            next => next == Some(&'<'),
        };
        if is_named { self.name(before) } else { self.flags() }
    }

    /// A name means nothing for what matches.
    fn name(&mut self, before: Peekable<Chars<'_>>) -> Result<(), String> {
        let head: String = before.clone().take_while(|character| *character != '>').collect();
        let name = head.split_once('<').map_or("", |(_, name)| name);
        if !before.clone().any(|character| character == '>') {
            return Err(format!("invalid named capture: `{}`", before.collect::<String>()));
        }
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(format!("invalid named capture: `{head}>`"));
        }
        // Behind the brackets `(` and `?`, which were taken already.
        self.rest.nth(head.chars().count() - 2);
        Ok(())
    }

    fn flags(&mut self) -> Result<(), String> {
        let mut flags = "(?".to_owned();
        for character in self.rest.by_ref() {
            flags.push(character);
            match character {
                'i' | 'm' | 's' | 'U' | '-' => {}
                ':' | ')' => {
                    self.out.push_str(&flags[1..]);
                    if character == ')' {
                        self.open -= 1;
                        self.last = Last::Atom;
                    }
                    return Ok(());
                }
                _ => return Err(format!("invalid or unsupported Perl syntax: `{flags}`")),
            }
        }
        Err(format!("missing argument to group: `{flags}`"))
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(character) = self.rest.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        match character {
            'd' => self.atom("[0-9]"),
            'D' => self.atom("[^0-9]"),
            'w' => self.atom("[0-9A-Za-z_]"),
            'W' => self.atom("[^0-9A-Za-z_]"),
            's' => self.atom(r"[\t\n\f\r ]"),
            'S' => self.atom(r"[^\t\n\f\r ]"),
            'b' => self.atom(r"(?-u:\b)"),
            'B' => self.atom(r"(?-u:\B)"),
            'A' | 'z' => self.atom(&format!("\\{character}")),
            'C' => self.atom("(?s-u:.)"),
            'Q' => self.quoted(),
            'p' | 'P' => {
                let property = self.property(character)?;
                self.atom(&property);
            }
            other => {
                let literal = self.escaped(other)?;
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// Everything up to `\E`, or to the end, stands for itself.
    fn quoted(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(character);
        }
    }

    /// `\pN`, `\p{Name}` and the negated forms.
    pub(crate) fn property(&mut self, letter: char) -> Result<String, String> {
        let wrong = |shown: &str| format!("invalid character class range: `\\{letter}{shown}`");
        let first = self.rest.next().ok_or_else(|| wrong(""))?;
        let (name, shown) = if first == '{' {
            let name: String = self.rest.by_ref().take_while(|character| *character != '}').collect();
            let shown = format!("{{{name}}}");
            (name, shown)
        } else {
            (first.to_string(), first.to_string())
        };
        let flipped = if letter == 'p' { 'P' } else { 'p' };
        let property = match name.strip_prefix('^') {
            Some(name) => format!("\\{flipped}{{{name}}}"),
            None => format!("\\{letter}{{{name}}}"),
        };
        self.properties += 1;
        if self.properties > MAX_PROPERTIES {
            return Err(format!("expression with more than {MAX_PROPERTIES} Unicode classes"));
        }
        if !self.known.contains(&property) {
            Regex::new(&property).map_err(|_| wrong(&shown))?;
            self.known.insert(property.clone());
        }
        Ok(property)
    }

    /// The character that an escape stands for.
    pub(crate) fn escaped(&mut self, character: char) -> Result<char, String> {
        let refuse = || format!("invalid escape sequence: `\\{character}`");
        let of_code = |code| char::from_u32(code).ok_or_else(refuse);
        match character {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            't' => Ok('\t'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            'v' => Ok('\x0b'),
            'x' => of_code(self.hexadecimal().ok_or_else(refuse)?),
            '1'..='7' if !self.rest.peek().is_some_and(|next| ('0'..='7').contains(next)) => Err(refuse()),
            '0'..='7' => {
                let mut code = character.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.rest.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.rest.next();
                }
                of_code(code)
            }
            _ if character.is_ascii() && !character.is_ascii_alphanumeric() => Ok(character),
            _ => Err(refuse()),
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|character| *character != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect()
        };
        u32::from_str_radix(&digits, 16).ok()
    }
}

/// Letters, digits and what lies beyond ASCII stand for themselves; the rest is written as a code.
pub(crate) fn push_literal(out: &mut String, character: char) {
    if character.is_ascii_alphanumeric() || !character.is_ascii() {
        out.push(character);
    } else {
        out.push_str(&format!("\\x{{{:x}}}", u32::from(character)));
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PATTERN, compile, translate};

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).is_ok_and(|regex| regex.is_match(text))
    }

    #[test]
    fn classes_are_ascii() {
        assert!(matches(r"^\d+$", "12") && !matches(r"^\d+$", "٣"));
        assert!(matches(r"^[\w-]+$", "a-b_c") && !matches(r"^\w+$", "ä"));
        assert!(matches(r"^[\s\S]+$", "ä x") && matches(r"\bx\b", "äxä"));
    }

    #[test]
    fn set_operations_are_literal() {
        assert!(matches("^[a&&b]+$", "a&b") && matches("^[+--]+$", ",-") && matches("^[[a]+$", "[a"));
        assert!(matches("^[]a]+$", "]a") && matches("^[^]]+$", "x") && matches("^[a-]+$", "-a"));
        assert!(matches("^[[:alpha:]_]+$", "a_b"));
    }

    #[test]
    fn braces_that_count_nothing_are_literal() {
        assert!(matches("^{$", "{") && matches("^a{$", "a{") && matches("^a{,5}$", "a{,5}"));
        assert!(matches("^a{2,3}$", "aaa") && !matches("^a{2}$", "aaa"));
    }

    #[test]
    fn many_braces_and_brackets_are_read_once() {
        let started = std::time::Instant::now();
        for pattern in ["{", "a{1", "a{1,"] {
            let pattern = pattern.repeat((MAX_PATTERN - 1) / pattern.len()) + "}";
            assert!(translate(&pattern).is_ok_and(|text| text.starts_with(['a', '\\'])));
        }
        assert!(translate(&format!("[{}]", "[:".repeat(MAX_PATTERN / 2 - 1))).is_ok());
        // A bound that only reading the rest anew for each brace would break.
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(matches("^a{1{1}$", "a{1") && matches("^[[:a[:]+$", "[:a"));
    }

    #[test]
    fn long_expressions_are_refused() {
        let refused = compile(&"{".repeat(1 << 20)).expect_err("is too long");
        assert_eq!(refused, "expression of 1048576 bytes is longer than 65536 bytes");
        assert_eq!(compile("a{99999999999}").expect_err("counts"), "invalid repeat count: `{99999999999}`");
    }

    #[test]
    fn unicode_classes_are_judged_once_and_counted() {
        let mut translation = super::Translation::of(r"L");
        for _ in 0..3 {
            translation.rest = "L{Greek}".chars().peekable();
            assert_eq!(translation.property('p').as_deref(), Ok(r"\p{L}"));
            assert_eq!(translation.property('P').as_deref(), Ok(r"\P{Greek}"));
        }
        assert_eq!((translation.properties, translation.known.len()), (6, 2));
        assert!(matches(&format!("^[{}]+$", r"\pL".repeat(super::MAX_PROPERTIES)), "äb"));
        for many in [r"\pL".repeat(20_000), format!("[{}]", r"\pN".repeat(20_000))] {
            let refused = compile(&many).expect_err("has too many");
            assert_eq!(refused, "expression with more than 500 Unicode classes");
        }
    }

    #[test]
    fn what_is_only_too_large_is_an_expression() {
        let large = "((a{1000}){1000}){1000}";
        assert_eq!(compile(large).expect_err("is too large"), format!("invalid expression: `{large}`"));
        assert!(
            super::check(large).is_ok() && super::check("a**").is_err() && super::check("(?<a>x").is_err()
        );
    }

    #[test]
    fn quotes_and_codes() {
        assert!(matches(r"^\Qa.b\E.$", "a.bx") && matches(r"^\x41\x{42}\103$", "ABC"));
        assert!(matches(r"^\p{^Greek}\pL$", "aα") && matches(r"^\<\_$", "<_"));
        assert!(matches(r"(?i)^(?P<x>SECRET)(?:a|b)$", "secretA"));
    }

    #[test]
    fn what_is_wrong_is_told_as_go_tells_it() {
        for (pattern, told) in [
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+?{2}", "invalid nested repetition operator: `+?{2}`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("(a\\)", "missing closing ): `(a\\)`"),
            ("x[a)$", "missing closing ]: `[a)$`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            ("\\pX", "invalid character class range: `\\pX`"),
            ("(?<!a)", "invalid named capture: `(?<!a)`"),
            ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?ix)", "invalid or unsupported Perl syntax: `(?ix`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("x{2,1}", "invalid repeat count: `{2,1}`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).expect_err(pattern), told);
        }
    }

    #[test]
    fn names_of_groups_may_come_twice() {
        assert!(matches("^(?P<n>a)(?<n>b)$", "ab") && matches("^(?i:(?P<n>A))$", "a"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in ["a**", "x{1001}", "(", ")", "a(?=b)", r"\y", "*a", "[a", r"\8", "(?x)a"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}

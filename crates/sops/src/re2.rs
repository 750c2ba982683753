//! Go regular expressions, rewritten so that this platform's engine means the same.
//!
//! The two dialects agree on most expressions. Rewritten are: `\d \w \s \b` (ASCII in Go), `\Q…\E`, octal escapes,
//! `\C`, braces that are no repetition, and everything inside classes that would be a set operation here. Refused
//! is what Go refuses: doubled repetitions, counts above 1000, unknown flags and escapes.
//!
//! Follows: the syntax page of Go's `regexp/syntax`. Differs: a byte that is not UTF-8 matches no `.`.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, bytes};

/// Bytes of the longest expression that is read; the original has no such limit.
const MAX_PATTERN: usize = 64 << 10;

/// Compiles a Go expression for text.
///
/// # Errors
/// The message that Go gives, without its `error parsing regexp: `.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translate(pattern)?).map_err(|_| complaint(pattern))
}

/// Compiles a Go expression for bytes.
pub(crate) fn compile_bytes(pattern: &str) -> Result<bytes::Regex, String> {
    bytes::Regex::new(&translate(pattern)?).map_err(|_| complaint(pattern))
}

/// Names the commonest mistakes; the engine's own message is about the rewritten expression.
fn complaint(pattern: &str) -> String {
    let count = |character| pattern.matches(character).count();
    if count('(') > count(')') {
        return format!("missing closing ): `{pattern}`");
    }
    if count('(') < count(')') {
        return format!("unexpected ): `{pattern}`");
    }
    format!("invalid expression: `{pattern}`")
}

fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("expression of {} bytes is longer than {MAX_PATTERN} bytes", pattern.len()));
    }
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        last: Last::Start,
    };
    while translation.step()? {}
    Ok(translation.out)
}

/// What was written last, as far as repetitions care.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Start,
    Atom,
    Repetition,
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    last: Last,
}

impl Translation<'_> {
    fn step(&mut self) -> Result<bool, String> {
        let Some(character) = self.rest.next() else { return Ok(false) };
        match character {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => self.group()?,
            '|' => self.plain('|', Last::Start),
            '^' | '$' | '.' | ')' => self.plain(character, Last::Atom),
            '*' | '+' | '?' => self.repeat(&character.to_string())?,
            '{' => match self.counted() {
                Some(count) => self.repeat(&count?)?,
                None => self.literal('{'),
            },
            _ => self.literal(character),
        }
        Ok(true)
    }

    fn plain(&mut self, character: char, last: Last) {
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
        match self.last {
            Last::Start => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Last::Repetition => return Err(format!("invalid nested repetition operator: `{operator}`")),
            Last::Atom => self.out.push_str(operator),
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.last = Last::Repetition;
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

    /// `(`, `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn group(&mut self) -> Result<(), String> {
        self.plain('(', Last::Start);
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        while let Some(character) = self.rest.next() {
            self.out.push(character);
            match character {
                'i' | 'm' | 's' | 'U' | '-' => {}
                ':' => return Ok(()),
                ')' => {
                    self.last = Last::Atom;
                    return Ok(());
                }
                'P' | '<' => {
                    for character in self.rest.by_ref() {
                        self.out.push(character);
                        if character == '>' {
                            return Ok(());
                        }
                    }
                }
                _ => return Err(format!("invalid or unsupported Perl syntax: `(?{character}`")),
            }
        }
        Err("missing argument to group: `(?`".to_owned())
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
    fn property(&mut self, letter: char) -> Result<String, String> {
        let missing = || format!("invalid character class range: `\\{letter}`");
        let first = self.rest.next().ok_or_else(missing)?;
        if first != '{' {
            return Ok(format!("\\{letter}{{{first}}}"));
        }
        let name: String = self.rest.by_ref().take_while(|character| *character != '}').collect();
        let flipped = if letter == 'p' { 'P' } else { 'p' };
        Ok(match name.strip_prefix('^') {
            Some(name) => format!("\\{flipped}{{{name}}}"),
            None => format!("\\{letter}{{{name}}}"),
        })
    }

    /// The character that an escape stands for.
    fn escaped(&mut self, character: char) -> Result<char, String> {
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

    fn class(&mut self) -> Result<(), String> {
        let missing = || "missing closing ]: `[`".to_owned();
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let character = self.rest.next().ok_or_else(missing)?;
            if character == ']' && !first {
                break;
            }
            first = false;
            let Some(low) = self.class_item(character)? else { continue };
            push_literal(&mut self.out, low);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
                self.rest.next();
                let next = self.rest.next().ok_or_else(missing)?;
                let high = self.class_item(next)?;
                let high = high.ok_or_else(|| format!("invalid character class range: `{low}-\\`"))?;
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
        self.plain(']', Last::Atom);
        Ok(())
    }

    /// One character of a class; none when a whole class (`\d`, `[:alpha:]`, `\pL`) was written instead.
    fn class_item(&mut self, character: char) -> Result<Option<char>, String> {
        if character == '[' && self.rest.peek() == Some(&':') {
            let is_part = |character: &char| !matches!(character, '[' | ']');
            let ahead: String = self.rest.clone().take_while(is_part).collect();
            let closed = self.rest.clone().nth(ahead.chars().count()) == Some(']');
            if closed && ahead.len() > 2 && ahead.ends_with(':') {
                self.out.push_str(&format!("[{ahead}]"));
                self.rest.nth(ahead.chars().count());
                return Ok(None);
            }
        }
        if character != '\\' {
            return Ok(Some(character));
        }
        let next = self.rest.next().ok_or_else(|| "missing closing ]: `[`".to_owned())?;
        let class = match next {
            'd' => "0-9",
            'D' => "[^0-9]",
            'w' => "0-9A-Za-z_",
            'W' => "[^0-9A-Za-z_]",
            's' => r"\t\n\f\r\x20",
            'S' => r"[^\t\n\f\r\x20]",
            'p' | 'P' => {
                let property = self.property(next)?;
                self.out.push_str(&property);
                return Ok(None);
            }
            other => return self.escaped(other).map(Some),
        };
        self.out.push_str(class);
        Ok(None)
    }
}

/// Letters, digits and what lies beyond ASCII stand for themselves; the rest is written as a code.
fn push_literal(out: &mut String, character: char) {
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
    fn quotes_and_codes() {
        assert!(matches(r"^\Qa.b\E.$", "a.bx") && matches(r"^\x41\x{42}\103$", "ABC"));
        assert!(matches(r"^\p{^Greek}\pL$", "aα") && matches(r"^\<\_$", "<_"));
        assert!(matches(r"(?i)^(?P<x>SECRET)(?:a|b)$", "secretA"));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in ["a**", "x{1001}", "(", ")", "a(?=b)", r"\y", "*a", "[a", r"\8", "(?x)a"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}

//! JSON text -> tree, order and duplicate keys kept, and where each value stands.
//!
//! Numbers are integers when they fit 64 signed bits, doubles otherwise; lone surrogates and bytes that are not UTF-8
//! become U+FFFD.
//!
//! Follows: the token reader of Go's `encoding/json`. Differs: input that ends too early is an error everywhere.

use std::ops::Range;

use crate::error::Error;
use crate::store::{MAX_VALUES, Whole, line_at};
use crate::tree::{Branch, Value};
use crate::walk::MAX_DEPTH;

const BLANKS: &[u8] = b" \t\r\n";

/// Where a value stands in the text.
pub(in crate::store) struct Place {
    /// All its bytes.
    pub(in crate::store) range: Range<usize>,
    /// Keys (in an object) and values of what it contains.
    pub(in crate::store) content: Vec<(Range<usize>, Place)>,
}

/// Reads one value from the start of the text.
pub(super) fn value(input: &[u8]) -> Result<Value, Error> {
    value_and_place(input).map(|(value, _)| value)
}

/// The text from its first byte on that is no blank.
pub(super) fn start(input: &[u8]) -> &[u8] {
    let blanks = input.iter().take_while(|byte| BLANKS.contains(byte)).count();
    &input[blanks..]
}

pub(in crate::store) fn value_and_place(input: &[u8]) -> Result<(Value, Place), Error> {
    value_with(input, Whole::AsTheyFit)
}

pub(super) fn value_with(input: &[u8], whole: Whole) -> Result<(Value, Place), Error> {
    if start(input).is_empty() {
        return Err(Error::Parse { message: format!("{CONTEXT}EOF") });
    }
    Reader { input, at: 0, left: MAX_VALUES, whole }.value()
}

/// An object or list whose end was not seen yet.
struct Container {
    /// The bracket that ends it.
    bracket: u8,
    start: usize,
    /// Name and place of the key whose value comes next.
    key: (String, Range<usize>),
    branch: Branch,
    items: Vec<Value>,
    content: Vec<(Range<usize>, Place)>,
}

impl Container {
    fn new(first: u8, start: usize) -> Self {
        let bracket = if first == b'{' { b'}' } else { b']' };
        let key = (String::new(), 0..0);
        Self { bracket, start, key, branch: Branch::new(), items: Vec::new(), content: Vec::new() }
    }

    fn is_object(&self) -> bool {
        self.bracket == b'}'
    }

    fn add(&mut self, (value, place): (Value, Place)) {
        let (name, key) = std::mem::take(&mut self.key);
        if self.is_object() {
            self.branch.push(name, value);
            self.content.push((key, place));
        } else {
            self.items.push(value);
            self.content.push((place.range.start..place.range.start, place));
        }
    }

    /// What stands before the comma that is missing.
    fn after(&self) -> &'static str {
        if self.is_object() { " after object key:value pair" } else { " after array element" }
    }

    fn close(self, end: usize) -> (Value, Place) {
        let value = if self.is_object() { self.branch.into() } else { self.items.into() };
        (value, Place { range: self.start..end, content: self.content })
    }
}

struct Reader<'t> {
    input: &'t [u8],
    at: usize,
    /// Values that may still come.
    left: usize,
    whole: Whole,
}

impl Reader<'_> {
    /// Reads a value; what it is in waits on a stack of its own, so that depth costs no calls.
    fn value(&mut self) -> Result<(Value, Place), Error> {
        let mut open: Vec<Container> = Vec::new();
        loop {
            let first = self.peek()?;
            let start = self.at;
            let left = self.left.checked_sub(1);
            self.left = left.ok_or(Error::Size { limit: MAX_VALUES, unit: "values" })?;
            let mut complete = if matches!(first, b'{' | b'[') {
                if open.len() == MAX_DEPTH {
                    return Err(Error::Depth { line: Some(line_at(self.input, start)), limit: MAX_DEPTH });
                }
                self.at += 1;
                let mut container = Container::new(first, start);
                if !self.skip_if(container.bracket)? {
                    container.key = self.key(&container)?;
                    open.push(container);
                    continue;
                }
                container.close(self.at)
            } else {
                (self.scalar(first)?, Place { range: start..self.at, content: Vec::new() })
            };
            loop {
                let Some(mut container) = open.pop() else { return Ok(complete) };
                container.add(complete);
                if self.skip_if(container.bracket)? {
                    complete = container.close(self.at);
                    continue;
                }
                if !self.skip_if(b',')? {
                    return Err(self.unexpected(container.after()));
                }
                container.key = self.key(&container)?;
                open.push(container);
                break;
            }
        }
    }

    fn scalar(&mut self, first: u8) -> Result<Value, Error> {
        match first {
            b'"' => Ok(Value::from(self.string()?)),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.unexpected(" looking for beginning of value")),
        }
    }

    /// Reads the key and colon before a value of an object.
    fn key(&mut self, container: &Container) -> Result<(String, Range<usize>), Error> {
        let first = if container.is_object() { self.peek()? } else { return Ok((String::new(), 0..0)) };
        if first != b'"' {
            let is_first = container.content.is_empty();
            return Err(self.unexpected(if is_first {
                ""
            } else {
                " looking for beginning of object key string"
            }));
        }
        let start = self.at;
        let name = self.string()?;
        let place = start..self.at;
        if !self.skip_if(b':')? {
            return Err(self.unexpected(" after object key"));
        }
        Ok((name, place))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Error> {
        for wanted in word.bytes() {
            if self.byte()? != wanted {
                self.at -= 1;
                let wanted = char::from(wanted);
                return Err(self.unexpected(&format!(" in literal {word} (expecting '{wanted}')")));
            }
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        self.skip_byte(b'-');
        if !self.skip_byte(b'0') {
            self.digits(" in numeric literal")?;
        }
        if self.skip_byte(b'.') {
            self.digits(" after decimal point in numeric literal")?;
        }
        if self.skip_byte(b'e') || self.skip_byte(b'E') {
            let _ = self.skip_byte(b'+') || self.skip_byte(b'-');
            self.digits(" in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.input[start..self.at]);
        if let Ok(int) = text.parse::<i64>() {
            return Ok(Value::Int(int));
        }
        if self.whole == Whole::Exactly && !text.contains(['.', 'e', 'E']) {
            return Err(Error::Digits);
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Value::Float(float)),
            _ => Err(self.out_of_range(&text)),
        }
    }

    fn digits(&mut self, place: &str) -> Result<(), Error> {
        let start = self.at;
        while self.input.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        Err(if self.at < self.input.len() { self.unexpected(place) } else { self.too_short() })
    }

    fn string(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    let mut buffer = [0; 4];
                    let character = self.escape()?;
                    bytes.extend(character.encode_utf8(&mut buffer).as_bytes());
                }
                byte if byte < 0x20 => {
                    self.at -= 1;
                    return Err(self.unexpected(" in string literal"));
                }
                byte => bytes.push(byte),
            }
        }
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
    }

    fn escape(&mut self) -> Result<char, Error> {
        Ok(match self.byte()? {
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            _ => {
                self.at -= 1;
                return Err(self.unexpected(" in string escape code"));
            }
        })
    }

    /// A high surrogate takes the low one that follows; alone, either becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Error> {
        let first = self.code()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first < 0xdc00 && self.input[self.at..].starts_with(b"\\u") {
            let mark = self.at;
            self.at += 2;
            let second = self.code()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = mark;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn code(&mut self) -> Result<u32, Error> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            code = code * 16
                + digit.ok_or_else(|| {
                    self.at -= 1;
                    self.unexpected(" in \\u hexadecimal character escape")
                })?;
        }
        Ok(code)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.input.get(self.at).ok_or_else(|| self.too_short())?;
        self.at += 1;
        Ok(byte)
    }

    /// Skips white space and returns the byte behind it.
    fn peek(&mut self) -> Result<u8, Error> {
        while self.input.get(self.at).is_some_and(|byte| BLANKS.contains(byte)) {
            self.at += 1;
        }
        self.input.get(self.at).copied().ok_or_else(|| self.too_short())
    }

    fn skip_if(&mut self, wanted: u8) -> Result<bool, Error> {
        let found = self.peek()? == wanted;
        self.at += usize::from(found);
        Ok(found)
    }

    fn skip_byte(&mut self, wanted: u8) -> bool {
        let found = self.input.get(self.at) == Some(&wanted);
        self.at += usize::from(found);
        found
    }

    fn out_of_range(&self, number: &str) -> Error {
        let told = |number: &str| format!("{CONTEXT}strconv.ParseFloat: parsing {number}: {OUT_OF_RANGE}");
        Error::Unreadable {
            message: told("a number"),
            line: Some(line_at(self.input, self.at)),
            full: told(&format!("\"{number}\"")).into(),
        }
    }

    /// The reference takes a byte for a character.
    fn unexpected(&self, place: &str) -> Error {
        let character = char::from(self.input.get(self.at).copied().unwrap_or_default());
        let shown = match character {
            '\'' => "\\'".to_owned(),
            '"' => "\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\t' => "\\t".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\x07' => "\\a".to_owned(),
            '\x08' => "\\b".to_owned(),
            '\x0b' => "\\v".to_owned(),
            '\x0c' => "\\f".to_owned(),
            '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(character)),
            '\u{80}'..='\u{a0}' | '\u{ad}' => format!("\\u{:04x}", u32::from(character)),
            character => character.to_string(),
        };
        self.wrong(self.at, &format!("invalid character '{shown}'{place}"))
    }

    fn too_short(&self) -> Error {
        self.wrong(self.input.trim_ascii_end().len(), "unexpected EOF")
    }

    fn wrong(&self, at: usize, message: &str) -> Error {
        let message = format!("{CONTEXT}{message}");
        Error::Unreadable { line: Some(line_at(self.input, at)), full: message.clone().into(), message }
    }
}

const CONTEXT: &str = "Could not unmarshal input data: ";

/// How the message about a number ends that is no double.
pub(super) const OUT_OF_RANGE: &str = "value out of range";

#[cfg(test)]
mod tests {
    use super::value;
    use crate::tree::Value;

    #[test]
    fn numbers_are_integers_where_they_fit() {
        let read = |text: &str| value(text.as_bytes()).ok();
        assert_eq!(read("9223372036854775807"), Some(Value::Int(i64::MAX)));
        assert_eq!(read("9223372036854775808"), Some(Value::Float(9_223_372_036_854_775_808.0)));
        assert_eq!(read("1.0"), Some(Value::Float(1.0)));
        assert_eq!(read("1e999"), None);
    }

    #[test]
    fn surrogates_pair_up_or_are_replaced() {
        let read = |text: &str| value(text.as_bytes()).ok();
        assert_eq!(read(r#""\ud83d\ude00\ud83dx\udc00""#), Some("😀\u{fffd}x\u{fffd}".into()));
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["{\"a\":1", "{\"a\" 1}", "[1,]", "{,}", "tru", "01x", "\"\n\"", "", "\"\\q\""] {
            let is_prefix = text == "01x";
            assert_eq!(value(text.as_bytes()).is_ok(), is_prefix, "{text}");
        }
        assert!(value("[".repeat(100_000).as_bytes()).is_err());
    }
}

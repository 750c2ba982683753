//! What is wrong with a text that is no JSON, in the words of Go's reader.
//!
//! Follows: the scanner of `encoding/json`.

/// Describes the first byte that does not fit; `None` when the text is JSON.
pub(crate) fn describe(text: &[u8]) -> Option<String> {
    let mut reader = Reader { text, at: 0, open: Vec::new() };
    reader.whole().err()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The brackets that are open.
    open: Vec<u8>,
}

impl Reader<'_> {
    fn whole(&mut self) -> Result<(), String> {
        self.value()?;
        while let Some(&bracket) = self.open.last() {
            self.blanks();
            match (bracket, self.peek()) {
                (b'{', Some(b',')) => self.member(Empty::No)?,
                (b'[', Some(b',')) => {
                    self.at += 1;
                    self.value()?;
                }
                (b'{', Some(b'}')) | (b'[', Some(b']')) => {
                    self.at += 1;
                    self.open.pop();
                }
                (b'{', _) => return self.refuse("after object key:value pair"),
                _ => return self.refuse("after array element"),
            }
        }
        self.blanks();
        if self.at < self.text.len() { self.refuse("after top-level value") } else { Ok(()) }
    }

    /// A scalar, or the start of a container down to its first scalar.
    fn value(&mut self) -> Result<(), String> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'{') => {
                    self.open.push(b'{');
                    return self.member(Empty::Fine);
                }
                Some(b'[') => {
                    self.open.push(b'[');
                    self.at += 1;
                    self.blanks();
                    if self.peek() == Some(b']') {
                        return Ok(());
                    }
                }
                Some(b'"') => return self.string(),
                Some(b'-' | b'0'..=b'9') => return self.number(),
                Some(b't') => return self.word("true"),
                Some(b'f') => return self.word("false"),
                Some(b'n') => return self.word("null"),
                _ => return self.refuse("looking for beginning of value"),
            }
        }
    }

    /// Behind `{` or `,`: a key, and the start of its value.
    fn member(&mut self, empty: Empty) -> Result<(), String> {
        self.at += 1;
        self.blanks();
        match self.peek() {
            Some(b'}') if empty == Empty::Fine => return Ok(()),
            Some(b'"') => self.string()?,
            _ => return self.refuse("looking for beginning of object key string"),
        }
        self.blanks();
        if self.peek() != Some(b':') {
            return self.refuse("after object key");
        }
        self.at += 1;
        self.value()
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return self.refuse("in string literal"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        self.at += 1;
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.refuse("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.refuse("in string escape code"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<(), String> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.refuse(place);
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for letter in word.bytes() {
            if self.peek() != Some(letter) {
                return self.refuse(&format!("in literal {word} (expecting '{}')", char::from(letter)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn refuse(&self, place: &str) -> Result<(), String> {
        Err(match self.peek() {
            None => "unexpected end of JSON input".to_owned(),
            Some(byte) => format!("invalid character {} {place}", quoted(byte)),
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Empty {
    Fine,
    No,
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_byte_is_told() {
        for (text, why) in [
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("not", "invalid character 'o' in literal null (expecting 'u')"),
            ("", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("\"a\nb\"", r"invalid character '\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("-a", "invalid character 'a' in numeric literal"),
            ("1.", "unexpected end of JSON input"),
        ] {
            assert_eq!(describe(text.as_bytes()).as_deref(), Some(why), "{text}");
        }
        for text in ["{}", "[]", "[[1],{\"a\":[]}]", " {\"a\":{\"b\":-0.5e+1}} ", "null"] {
            assert_eq!(describe(text.as_bytes()), None, "{text}");
        }
    }
}

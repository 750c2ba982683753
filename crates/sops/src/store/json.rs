//! JSON store: one object, written with one tab a level; comments are left out.
//!
//! `<`, `>`, `&`, U+2028 and U+2029 are escaped, other characters beyond ASCII are not.
//!
//! Follows: `stores/json/store.go` of sops 3.13.2 and Go's JSON encoder.

use crate::error::Error;
use crate::number;
use crate::store::scalar::go_text;
use crate::store::{Whole, json_text};
use crate::tree::{Branch, Key, Text, Value};

pub(super) fn load(input: &[u8]) -> Result<Branch, Error> {
    let start = json_text::start(input);
    if start.starts_with(b"[") {
        return Err(refuse(
            "SOPS only supports JSON files with a top-level object (starting with '{'), not arrays or other \
             types. Got delimiter [ instead. To encrypt this file, wrap it in an object, e.g., {\"data\": [...]}",
        ));
    }
    match json_text::value(input) {
        Ok(Value::Branch(branch)) => Ok(branch),
        Ok(other) => Err(no_object(&go_syntax(&other), other.type_name())),
        // The only thing that is wrong with it is its size.
        Err(Error::Unreadable { message, .. })
            if matches!(start, [b'-' | b'0'..=b'9', ..]) && message.ends_with(json_text::OUT_OF_RANGE) =>
        {
            Err(no_object(&format!("{:?}", String::from_utf8_lossy(start.trim_ascii())), "json.Number"))
        }
        Err(wrong) => Err(wrong),
    }
}

/// Reads a value that stands alone.
pub(super) fn load_value(input: &[u8], whole: Whole) -> Result<Value, Error> {
    let (value, place) = json_text::value_with(input, whole)?;
    if json_text::start(&input[place.range.end..]).is_empty() {
        return Ok(value);
    }
    Err(refuse("something stands behind the value"))
}

/// The reference shows what stands there.
fn no_object(shown: &str, kind: &str) -> Error {
    const MESSAGE: &str = "Could not unmarshal input data: SOPS only supports JSON files with a top-level object \
        (starting with '{'), not other JSON types.";
    Error::Unreadable {
        message: format!("{MESSAGE} Got {kind} instead"),
        line: None,
        full: format!("{MESSAGE} Got {shown} of type {kind} instead").into(),
    }
}

/// A scalar as Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{:?}", text.to_string_lossy()),
        other => go_text(other),
    }
}

fn refuse(message: &str) -> Error {
    Error::Parse { message: format!("Could not unmarshal input data: {message}") }
}

pub(super) fn emit(branch: &Branch, indent: i32) -> Result<Vec<u8>, Error> {
    let marshaling = |message: String| format!("Error marshaling to json: {message}");
    let mut writer = Writer::new(Some(indent)).map_err(|wrong| told(wrong, marshaling))?;
    writer.object(branch).map_err(|wrong| told(wrong, marshaling))?;
    writer.out.push(b'\n');
    Ok(writer.out)
}

/// One value, without a final line break.
pub(super) fn emit_value(value: &Value, indent: i32) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(Some(indent))?;
    writer.value(value)?;
    Ok(writer.out)
}

/// One value that goes on, in lines of their own, at a level that is indented by `margin`.
pub(super) fn emit_value_at(value: &Value, step: &str, margin: &str) -> Result<Vec<u8>, Error> {
    let mut writer = Writer { out: Vec::new(), indent: Some(step.to_owned()), level: 0 };
    writer.value(value)?;
    // A line break inside a string is written in another way.
    let text = String::from_utf8_lossy(&writer.out).replace('\n', margin);
    Ok(text.into_bytes())
}

/// One value on one line.
pub(super) fn emit_value_compact(value: &Value) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new(None)?;
    writer.value(value)?;
    Ok(writer.out)
}

/// Says more about an error.
fn told(wrong: Error, words: impl Fn(String) -> String) -> Error {
    if let Error::Emit { message } = wrong { Error::Emit { message: words(message) } } else { wrong }
}

struct Writer {
    out: Vec<u8>,
    /// What one level is indented by; none for everything on one line.
    indent: Option<String>,
    level: usize,
}

impl Writer {
    fn new(indent: Option<i32>) -> Result<Self, Error> {
        let indent = match indent {
            None => None,
            Some(-1) => Some("\t".to_owned()),
            Some(blanks) => Some(" ".repeat(usize::try_from(blanks).map_err(|_| Error::Emit {
                message: "JSON Indentation parameter smaller than -1 is not accepted".to_owned(),
            })?)),
        };
        Ok(Self { out: Vec::new(), indent, level: 0 })
    }

    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Null => self.out.extend(b"null"),
            Value::Bool(flag) => self.out.extend(flag.to_string().bytes()),
            Value::Int(int) => self.out.extend(int.to_string().bytes()),
            Value::Uint(int) => self.out.extend(int.to_string().bytes()),
            Value::Float(float) => {
                let text = number::json(*float).ok_or_else(|| Error::Emit {
                    message: format!("json: unsupported value: {}", number::positional(*float)),
                })?;
                self.out.extend(text.bytes());
            }
            Value::Time(time) => self.string(&Text::from(time.to_string())),
            Value::Str(text) => self.string(text),
            Value::Comment(comment) => self.string(&comment.text),
            Value::List(items) => self.list(items)?,
            Value::Branch(branch) => self.object(branch)?,
        }
        Ok(())
    }

    fn object(&mut self, branch: &Branch) -> Result<(), Error> {
        self.out.push(b'{');
        let mut first = true;
        for entry in &branch.entries {
            let (Key::Name(name) | Key::Other { text: name, .. }) = &entry.key else { continue };
            self.next(&mut first);
            self.string(&Text::from(name.as_str()));
            self.out.extend(if self.indent.is_some() { b": ".as_slice() } else { b":" });
            let in_field = |message: String| format!("Error encoding value : {message}");
            self.value(&entry.value).map_err(|wrong| told(wrong, in_field))?;
        }
        self.close(b'}', first);
        Ok(())
    }

    fn list(&mut self, items: &[Value]) -> Result<(), Error> {
        self.out.push(b'[');
        let mut first = true;
        for item in items.iter().filter(|item| !matches!(item, Value::Comment(_))) {
            self.next(&mut first);
            self.value(item)?;
        }
        self.close(b']', first);
        Ok(())
    }

    fn next(&mut self, first: &mut bool) {
        if *first {
            self.level += 1;
        } else {
            self.out.push(b',');
        }
        *first = false;
        self.line();
    }

    fn close(&mut self, bracket: u8, empty: bool) {
        if !empty {
            self.level -= 1;
            self.line();
        }
        self.out.push(bracket);
    }

    fn line(&mut self) {
        if let Some(indent) = &self.indent {
            self.out.push(b'\n');
            for _ in 0..self.level {
                self.out.extend(indent.bytes());
            }
        }
    }

    fn string(&mut self, text: &Text) {
        self.out.push(b'"');
        for chunk in text.as_bytes().utf8_chunks() {
            chunk.valid().chars().for_each(|character| self.character(character));
            if !chunk.invalid().is_empty() {
                // The reference replaces byte by byte.
                chunk.invalid().iter().for_each(|_| self.out.extend(b"\\ufffd"));
            }
        }
        self.out.push(b'"');
    }

    fn character(&mut self, character: char) {
        match character {
            '"' | '\\' => self.out.extend([b'\\', character as u8]),
            '\n' => self.out.extend(b"\\n"),
            '\r' => self.out.extend(b"\\r"),
            '\t' => self.out.extend(b"\\t"),
            '\x08' => self.out.extend(b"\\b"),
            '\x0c' => self.out.extend(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\x1f' => {
                self.out.extend(format!("\\u{:04x}", u32::from(character)).bytes());
            }
            other => {
                let mut buffer = [0; 4];
                self.out.extend(other.encode_utf8(&mut buffer).bytes());
            }
        }
    }
}

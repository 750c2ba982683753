//! INI store: sections of keys, in the dialect of go-ini with repeated sections.
//!
//! Keys before any header belong to the section `DEFAULT`. A comment belongs to the key or section below it or on
//! its line, and stands behind its key in the tree (first in the section for a section's own).
//!
//! Follows: `stores/ini/store.go` of sops 3.13.2 and go-ini v1. Differs: bytes that are not UTF-8 are refused in names.

use crate::error::Error;
use crate::store::scalar::text_of;
use crate::tree::{Branch, Comment, Entry, Key, Text, Value};

const DEFAULT: &str = "DEFAULT";

pub(super) fn load(input: &[u8]) -> Result<Branch, Error> {
    let text = std::str::from_utf8(input).map_err(|_| wrong("the file is not UTF-8".to_owned()))?;
    let mut reader = Reader {
        lines: text.strip_prefix('\u{feff}').unwrap_or(text).split_inclusive('\n'),
        sections: vec![Section { name: DEFAULT.to_owned(), ..Section::default() }],
        comment: String::new(),
        count: 1,
    };
    reader.read()?;
    let mut branch = Branch::new();
    for section in reader.sections {
        branch.push(section.name.clone(), section.into_branch());
    }
    Ok(branch)
}

fn wrong(message: String) -> Error {
    Error::Parse { message: format!("Could not unmarshal input data: {message}") }
}

#[derive(Default)]
struct Section {
    name: String,
    comment: String,
    /// Name, value, comment.
    keys: Vec<(String, String, String)>,
}

impl Section {
    fn into_branch(self) -> Branch {
        let mut branch = Branch::new();
        if !self.comment.is_empty() {
            branch.push_comment(Comment::line(strip(&self.comment)));
        }
        for (name, value, comment) in self.keys {
            branch.push(name, value);
            if !comment.is_empty() {
                branch.push_comment(Comment::line(strip(&comment)));
            }
        }
        branch
    }

    /// A repeated key keeps its place and takes the new value.
    fn set(&mut self, name: String, value: String, comment: String) {
        match self.keys.iter_mut().find(|key| key.0 == name) {
            Some(key) => (key.1, key.2) = (value, comment),
            None => self.keys.push((name, value, comment)),
        }
    }
}

/// Takes the comment characters off the first line.
fn strip(comment: &str) -> &str {
    match comment.chars().next() {
        Some(';') => comment.trim_start_matches([';', ' ']),
        Some('#') => comment.trim_start_matches(['#', ' ']),
        _ => comment,
    }
}

struct Reader<'t> {
    lines: std::str::SplitInclusive<'t, char>,
    sections: Vec<Section>,
    /// Comments that wait for the key or section they belong to.
    comment: String,
    /// Number of the next key that is written `-`.
    count: usize,
}

impl<'t> Reader<'t> {
    fn read(&mut self) -> Result<(), Error> {
        while let Some(line) = self.lines.next() {
            let line = line.trim_start();
            match line.chars().next() {
                None => {}
                Some('#' | ';') => self.comment.push_str(line),
                Some('[') => self.header(line)?,
                Some(_) => self.key(line)?,
            }
        }
        Ok(())
    }

    fn header(&mut self, line: &str) -> Result<(), Error> {
        let end = line.rfind(']').ok_or_else(|| wrong(format!("unclosed section: {line}")))?;
        let name = line[1..end].to_owned();
        if name.is_empty() {
            return Err(wrong("empty section name".to_owned()));
        }
        if let Some(at) = line[end..].find(['#', ';']) {
            self.comment.push_str(&line[end + at..]);
        }
        let comment = self.take_comment();
        self.count = 1;
        self.sections.push(Section { name, comment, keys: Vec::new() });
        Ok(())
    }

    fn key(&mut self, line: &'t str) -> Result<(), Error> {
        let (name, rest) = key_name(line)?;
        let name = if name == "-" {
            self.count += 1;
            format!("#{}", self.count - 1)
        } else {
            name.to_owned()
        };
        let value = self.value(rest)?;
        if name.is_empty() {
            return Err(wrong("error creating new key: empty key name".to_owned()));
        }
        let comment = self.take_comment();
        if let Some(section) = self.sections.last_mut() {
            section.set(name, value, comment);
        }
        Ok(())
    }

    fn take_comment(&mut self) -> String {
        std::mem::take(&mut self.comment).trim().to_owned()
    }

    fn value(&mut self, text: &'t str) -> Result<String, Error> {
        let text = text.trim_start();
        let quote = if text.len() > 3 && text.starts_with("\"\"\"") {
            "\"\"\""
        } else if text.starts_with('`') {
            "`"
        } else {
            ""
        };
        if !quote.is_empty() {
            let inner = &text[quote.len()..];
            return match inner.rfind(quote) {
                Some(end) => Ok(inner[..end].to_owned()),
                None => self.spanning(inner, quote),
            };
        }
        let mut text = text.trim();
        if let Some(start) = text.strip_suffix('\\') {
            return Ok(self.continued(start));
        }
        if let Some(at) = text.find(['#', ';']) {
            self.comment.push_str(&text[at..]);
            text = text[..at].trim();
        }
        Ok(unquote(text).to_owned())
    }

    /// A quoted value that goes on over several lines.
    fn spanning(&mut self, start: &str, quote: &str) -> Result<String, Error> {
        let mut value = start.to_owned();
        for line in self.lines.by_ref() {
            if let Some(end) = line.rfind(quote) {
                value.push_str(&line[..end]);
                if let Some(at) = line[end..].find(['#', ';']) {
                    self.comment.push_str(line[end + at..].trim());
                }
                return Ok(value);
            }
            value.push_str(line);
        }
        Err(wrong(format!("missing closing key quote from \"{}\"", start.trim_end())))
    }

    /// A value whose lines end with a backslash.
    fn continued(&mut self, start: &str) -> String {
        let mut value = start.to_owned();
        for line in self.lines.by_ref() {
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            value.push_str(line);
            if !value.ends_with('\\') {
                break;
            }
            value.pop();
        }
        value
    }
}

/// Splits a line into the key and what follows its delimiter.
fn key_name(line: &str) -> Result<(&str, &str), Error> {
    let missing = || wrong(format!("key-value delimiter not found: {}", line.trim_end_matches('\n')));
    let quote = if line.len() > 6 && line.starts_with("\"\"\"") {
        "\"\"\""
    } else if line.starts_with('"') {
        "\""
    } else if line.starts_with('`') {
        "`"
    } else {
        ""
    };
    if quote.is_empty() {
        let end = line.find(['=', ':']).ok_or_else(missing)?;
        if end == 0 {
            return Err(wrong(format!("empty key name: {line}")));
        }
        return Ok((line[..end].trim(), &line[end + 1..]));
    }
    let inner = &line[quote.len()..];
    let end = inner.find(quote).ok_or_else(|| wrong(format!("missing closing key quote: {line}")))?;
    let behind = &inner[end + quote.len()..];
    let delimiter = behind.find(['=', ':']).ok_or_else(missing)?;
    Ok((inner[..end].trim(), &behind[delimiter + 1..]))
}

/// Takes surrounding quotes off when the same quote does not occur inside.
fn unquote(text: &str) -> &str {
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return inner;
        }
    }
    text
}

pub(super) fn emit(branches: &[Branch]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut sections = branches.iter().flat_map(Branch::named).enumerate().peekable();
    while let Some((index, (name, value))) = sections.next() {
        let Value::Branch(section) = value else {
            return Err(refuse("Error encoding section: Section values should always be TreeBranches"));
        };
        if name.is_empty() {
            return Err(refuse("Error encoding section : empty section name"));
        }
        let (comment, keys) = arrange(section)?;
        write_comment(&mut out, comment, str::to_owned);
        if index > 0 || !name.eq_ignore_ascii_case(DEFAULT) {
            out.extend(format!("[{name}]\n").bytes());
        } else if keys.is_empty() {
            continue;
        }
        write_keys(&mut out, &keys);
        if sections.peek().is_some() {
            out.push(b'\n');
        }
    }
    Ok(out)
}

fn refuse(message: &str) -> Error {
    Error::Emit { message: format!("Error marshaling to INI: {message}") }
}

/// A key on its way out.
struct Line<'s> {
    name: &'s str,
    value: Vec<u8>,
    comment: Option<&'s Text>,
}

/// Finds the section's own comment and gives each other comment to the key before it.
fn arrange(section: &Branch) -> Result<(Option<&Text>, Vec<Line<'_>>), Error> {
    let mut entries = section.entries.as_slice();
    let mut own = None;
    if let Some((Entry { key: Key::Comment(comment), .. }, rest)) = entries.split_first() {
        (own, entries) = (Some(&comment.text), rest);
    }
    let mut lines: Vec<Line<'_>> = Vec::new();
    for entry in entries {
        match &entry.key {
            Key::Comment(comment) => {
                if let Some(line) = lines.last_mut() {
                    line.comment = Some(&comment.text);
                }
            }
            Key::Name(name) | Key::Other { text: name, .. } => {
                if name.is_empty() {
                    return Err(refuse("Error encoding key: error creating new key: empty key name"));
                }
                let value = text_of(&entry.value)
                    .ok_or_else(|| refuse(&format!("the value of key {name} is not a scalar")))?
                    .into_owned();
                match lines.iter_mut().find(|line| line.name == name) {
                    Some(line) => line.value = value,
                    None => lines.push(Line { name, value, comment: None }),
                }
            }
        }
    }
    Ok((own, lines))
}

/// Lines without a comment character get one; those of keys lose the blanks around them.
fn write_comment(out: &mut Vec<u8>, comment: Option<&Text>, shape: fn(&str) -> String) {
    let Some(comment) = comment.filter(|comment| !comment.is_empty()) else { return };
    for line in comment.to_string_lossy().split('\n') {
        match line.strip_prefix(['#', ';']) {
            Some(rest) => out.extend(format!("{} {}\n", &line[..1], rest.trim()).bytes()),
            None => out.extend(format!("; {}\n", shape(line)).bytes()),
        }
    }
}

fn write_keys(out: &mut Vec<u8>, keys: &[Line<'_>]) {
    let names: Vec<String> = keys.iter().map(|key| quote_name(key.name)).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (key, name) in keys.iter().zip(names) {
        write_comment(out, key.comment, |line| line.trim().to_owned());
        out.extend(name.bytes());
        out.extend(std::iter::repeat_n(b' ', width - name.len()));
        out.extend(b" = ");
        let quote = quote_for(&key.value);
        out.extend(quote.bytes());
        out.extend(&key.value);
        out.extend(quote.bytes());
        out.push(b'\n');
    }
}

fn quote_name(name: &str) -> String {
    if name.contains(['"', '=', ':']) {
        format!("`{name}`")
    } else if name.contains('`') {
        format!("\"\"\"{name}\"\"\"")
    } else {
        name.to_owned()
    }
}

fn quote_for(value: &[u8]) -> &'static str {
    let has = |wanted: &[u8]| value.iter().any(|byte| wanted.contains(byte));
    let text = String::from_utf8_lossy(value);
    if has(b"\n`") {
        "\"\"\""
    } else if has(b"#;") {
        "`"
    } else if text.trim().len() != text.len() {
        "\""
    } else {
        ""
    }
}

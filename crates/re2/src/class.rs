//! Classes: what stands in brackets.

use std::iter::Peekable;
use std::str::Chars;

use crate::translate::{Last, Translation, push_literal};

/// The classes with names.
const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

impl Translation<'_> {
    /// Reads a class whose bracket was taken; `before` begins with that.
    pub(crate) fn class(&mut self, before: Peekable<Chars<'_>>) -> Result<(), String> {
        let missing = || format!("missing closing ]: `{}`", before.clone().collect::<String>());
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
            let Some(low) = self.class_item(character, &missing)? else { continue };
            push_literal(&mut self.out, low);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']') {
                self.rest.next();
                let next = self.rest.next().ok_or_else(missing)?;
                let high = self.class_item(next, &missing)?;
                let high = high.ok_or_else(|| format!("invalid character class range: `{low}-\\`"))?;
                if high < low {
                    return Err(format!("invalid character class range: `{low}-{high}`"));
                }
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
        self.plain(']', Last::Atom);
        Ok(())
    }

    /// One character of a class; none when a whole class (`\d`, `[:alpha:]`, `\pL`) was written instead.
    fn class_item(&mut self, character: char, missing: &dyn Fn() -> String) -> Result<Option<char>, String> {
        if character == '[' && self.rest.peek() == Some(&':') && self.named_class()? {
            return Ok(None);
        }
        if character != '\\' {
            return Ok(Some(character));
        }
        let next = self.rest.next().ok_or_else(missing)?;
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

    /// Copies `[:name:]` behind its bracket; false when it is none.
    fn named_class(&mut self) -> Result<bool, String> {
        let is_part = |character: &char| !matches!(character, '[' | ']');
        let ahead: String = self.rest.clone().take_while(is_part).collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some(']');
        if !closed || ahead.len() < 3 || !ahead.ends_with(':') {
            return Ok(false);
        }
        let name = ahead.trim_matches(':');
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `[{ahead}]`"));
        }
        self.out.push_str(&format!("[{ahead}]"));
        self.rest.nth(ahead.chars().count());
        Ok(true)
    }
}

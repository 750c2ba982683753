//! What was decrypted on the way, for those who must not show it.
//!
//! Controllers keep one for each run, so that no message repeats a value; who shows objects has one to mask them.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_sops::tree::{Branch, Key, Value as Plain};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::kustomization::forms::{self, Forms};

/// Shorter texts are everywhere: they are only looked for as wholes.
pub(super) const SHORTEST_PART: usize = 4;
/// What a text takes beside the bytes of its forms.
const ENTRY: usize = 64;
/// How an encrypted value begins.
const SEALED: &str = "ENC[";

/// The decrypted values, each as the text that it is. They are wiped when the witness goes.
#[derive(Default)]
pub struct Witness {
    values: Vec<Zeroizing<String>>,
    /// What was made of them; the same comes of many objects.
    learned: BTreeSet<Text>,
    wholes: BTreeSet<Text>,
    /// The uids of Secrets that keys and values come from.
    origins: BTreeSet<String>,
    /// Keys come from one of them.
    has_key_secret: bool,
    /// Bytes that may still be taken; as many as there are when none.
    room: Option<usize>,
    is_overrun: bool,
}

/// A text that is wiped, and is found among others.
#[derive(PartialEq, Eq)]
pub(super) struct Text(Zeroizing<String>);

impl Text {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Witness {
    /// A witness that takes so many bytes. Beyond that it knows nothing any more but that everything may be secret.
    pub(crate) fn within(bytes: usize) -> Self {
        Self { room: Some(bytes), ..Self::default() }
    }

    /// Whether there was more than could be taken: anything may be secret.
    pub(super) fn is_overrun(&self) -> bool {
        self.is_overrun
    }

    /// Takes the room of a text: as many bytes as a message is searched for.
    fn fits(&mut self, text: &str, bytes: impl FnOnce(&str) -> usize) -> bool {
        let Some(room) = self.room else { return true };
        if self.is_overrun {
            return false;
        }
        // What is too long by itself takes no forms first.
        let left = room.checked_sub(text.len()).and_then(|_| room.checked_sub(bytes(text) + ENTRY));
        match left {
            Some(_) => self.room = left,
            None => {
                let (origins, has_key_secret) = (std::mem::take(&mut self.origins), self.has_key_secret);
                *self = Self { is_overrun: true, origins, has_key_secret, ..Self::within(0) };
            }
        }
        left.is_some()
    }

    /// The values, and what was made of them.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| value.as_str()).chain(self.learned.iter().map(Text::as_str))
    }

    /// The uids of the Secrets that keys and values come from, in order.
    pub(super) fn origins(&self) -> impl Iterator<Item = &str> + Clone {
        self.origins.iter().map(String::as_str)
    }

    /// Takes note of a Secret that values come from.
    pub(super) fn note_origin(&mut self, uid: &str) {
        self.origins.insert(uid.to_owned());
    }

    /// Takes note of the Secret that keys come from.
    pub(super) fn note_key_secret(&mut self, uid: &str) {
        self.note_origin(uid);
        self.has_key_secret = true;
    }

    pub(super) fn has_key_secret(&self) -> bool {
        self.has_key_secret
    }

    /// Takes a value that is secret for another reason.
    pub fn add(&mut self, value: &str) {
        if self.fits(value, of_value) {
            self.values.push(Zeroizing::new(value.to_owned()));
        }
    }

    /// Takes a value that is also secret where it is no text.
    fn add_bare(&mut self, value: &str) {
        self.add(value);
        self.learn_whole(value);
    }

    /// The texts that a value went into and cannot be found in: they are secret as they stand.
    pub fn wholes(&self) -> impl Iterator<Item = &str> {
        self.wholes.iter().map(Text::as_str)
    }

    /// Takes what was made of a value.
    pub(super) fn learn(&mut self, made: &str) {
        if !self.learned.contains(made) && self.fits(made, of_value) {
            self.learned.insert(Text::new(made));
        }
    }

    /// Takes a text that a value went into.
    pub(super) fn learn_whole(&mut self, text: &str) {
        if !self.wholes.contains(text) && self.fits(text, of_whole) {
            self.wholes.insert(Text::new(text));
        }
    }

    /// Takes what is encrypted in one tree and open in the other.
    pub(crate) fn compare_trees(&mut self, sealed: &[Branch], open: &[Branch]) {
        for (sealed, open) in sealed.iter().zip(open) {
            self.branches(sealed, open);
        }
    }

    fn branches(&mut self, sealed: &Branch, open: &Branch) {
        for entry in &open.entries {
            let Key::Name(name) = &entry.key else { continue };
            let same =
                |other: &&sealfast_sops::tree::Entry| matches!(&other.key, Key::Name(other) if other == name);
            if let Some(before) = sealed.entries.iter().find(same) {
                self.trees(&before.value, &entry.value);
            }
        }
    }

    fn trees(&mut self, sealed: &Plain, open: &Plain) {
        match (sealed, open) {
            (Plain::Branch(sealed), Plain::Branch(open)) => self.branches(sealed, open),
            (Plain::List(sealed), Plain::List(open)) => {
                sealed.iter().zip(open).for_each(|(sealed, open)| self.trees(sealed, open));
            }
            (Plain::Str(text), open) if text.as_str().is_some_and(|text| text.starts_with(SEALED)) => {
                match open {
                    Plain::Str(text) => match text.as_str() {
                        Some(text) => self.add(text),
                        // What is no text is only ever shown in base64.
                        None => self.add(&Zeroizing::new(STANDARD.encode(text.as_bytes()))),
                    },
                    Plain::Bool(flag) => self.add_bare(&flag.to_string()),
                    Plain::Time(time) => self.add(&time.to_string()),
                    Plain::Int(number) => self.add(&number.to_string()),
                    Plain::Uint(number) => self.add(&number.to_string()),
                    Plain::Float(number) => self.add(&number.to_string()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Takes what is encrypted in one object and open in the other.
    pub(crate) fn compare(&mut self, sealed: &Value, open: &Value) {
        match (sealed, open) {
            (Value::Object(sealed), Value::Object(open)) => {
                for (key, open) in open {
                    if let Some(sealed) = sealed.get(key) {
                        self.compare(sealed, open);
                    }
                }
            }
            (Value::Array(sealed), Value::Array(open)) => {
                sealed.iter().zip(open).for_each(|(sealed, open)| self.compare(sealed, open));
            }
            (Value::String(text), open) if text.starts_with(SEALED) => match open {
                Value::String(text) => self.add(text),
                Value::Number(_) => self.add(&open.to_string()),
                Value::Bool(_) => self.add_bare(&open.to_string()),
                _ => {}
            },
            _ => {}
        }
    }
}

fn of_value(value: &str) -> usize {
    Forms::of([value].into_iter()).bytes()
}

fn of_whole(text: &str) -> usize {
    forms::of_whole(text).iter().map(|form| form.as_str().len()).sum()
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witness({} values)", self.values().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kustomization::mask::Masks;

    #[test]
    fn files_and_objects_are_compared_alike() {
        let time = sealfast_sops::time::Time::parse("2026-01-02T03:04:05Z").map_or(Plain::Null, Plain::Time);
        let (mut sealed, mut open) = (Branch::new(), Branch::new());
        for (name, value) in [("a", "text".into()), ("b", true.into()), ("c", 12345.into()), ("d", time)] {
            sealed.push(name, vec!["ENC[AES256_GCM,…]".into()]);
            open.push(name, vec![value]);
        }
        sealed.push("e", "x");
        open.push("e", "x");
        let mut of_file = Witness::default();
        of_file.compare_trees(&[sealed], &[open]);
        let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let sealed =
            json(r#"{"a": ["ENC[1]"], "b": ["ENC[2]"], "c": ["ENC[3]"], "d": ["ENC[4]"], "e": "x"}"#);
        let open =
            json(r#"{"a": ["text"], "b": [true], "c": [12345], "d": ["2026-01-02T03:04:05Z"], "e": "x"}"#);
        let mut of_object = Witness::default();
        of_object.compare(&sealed, &open);
        for witness in [of_file, of_object] {
            assert_eq!(
                witness.values().collect::<Vec<_>>(),
                ["text", "true", "12345", "2026-01-02T03:04:05Z"]
            );
            assert_eq!(witness.wholes().collect::<Vec<_>>(), ["true"]);
        }
    }

    #[test]
    fn what_is_too_much_is_let_go_and_covers_everything() {
        // With its base64, filled up and not.
        let mut witness = Witness::within(2 * (7 + 7 + 12 + 10 + ENTRY));
        witness.add("hunter2");
        (0..9).for_each(|_| witness.learn("hunter3"));
        assert_eq!(Masks::of(&witness).message("hunter2, hunter3, x"), "**SOPS**, **SOPS**, x");
        witness.learn_whole("true");
        witness.add("x");
        assert!(witness.is_overrun() && witness.values().count() + witness.wholes().count() == 0);
        assert_eq!(
            Masks::of(&witness).message("x created"),
            "**SOPS** (covered whole: too many values were decrypted to be looked for one by one)"
        );
        assert_eq!(Masks::of(&witness).text("y"), "**SOPS**");
    }
}

//! Where decrypted values land as parts, or in another form.
//!
//! The witness learns those forms. A text in which a value can no longer be found, or is too short to be looked for, is
//! secret as a whole.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_kustomize::told::Told;
use serde_json::Value;

use crate::kustomization::mask::Masks;
use crate::kustomization::witness::{SHORTEST_PART, Text, Witness};

/// Where more than this was made of secrets in one object, texts that hold some are covered whole.
const MOST_SEARCHED: usize = 256;

/// Learns what replacements make of secret values.
pub(super) fn parts(witness: &Arc<Mutex<Witness>>) -> Told {
    let known = Mutex::new(Known { layers: vec![(0, Masks::of(&witness.lock()))], made: Vec::new() });
    let witness = Arc::clone(witness);
    Told::new(move |value, made| {
        let mut known = known.lock();
        if known.shows(value) && !known.shows(made) {
            witness.lock().learn(made);
            known.add(made);
        }
    })
}

/// The secrets that are known, in layers: a new one makes a layer of its own, and of two that are as large one is made, so
/// that each is taken up few times however many come.
struct Known {
    /// The first is what was known at first; of the others how many are in each.
    layers: Vec<(usize, Masks)>,
    /// Those of all layers but the first, in the same order.
    made: Vec<Text>,
}

impl Known {
    fn shows(&self, text: &str) -> bool {
        self.layers.iter().any(|(_, masks)| masks.text(text) != text)
    }

    fn add(&mut self, made: &str) {
        self.made.push(Text::new(made));
        let mut size = 1;
        while let Some((last, _)) = self.layers.pop_if(|(last, _)| *last == size) {
            size += last;
        }
        let newest = self.made[self.made.len() - size..].iter().map(Text::as_str);
        self.layers.push((size, Masks::values(newest)));
    }
}

/// The names of the variables that are secret, or have something secret in them.
pub(super) fn secret_names(variables: &BTreeMap<String, String>, witness: &Witness) -> BTreeSet<String> {
    let masks = Masks::of(witness);
    let is_secret = |(_, value): &(&String, &String)| masks.text(value) != **value;
    variables.iter().filter(is_secret).map(|(name, _)| name.clone()).collect()
}

/// What became of an object by expansions.
pub(super) struct Expanded<'a> {
    /// The object with its expansions.
    pub(super) before: &'a Value,
    /// The object as it is now.
    pub(super) after: &'a Value,
    /// What was made of secret variables.
    pub(super) made: &'a BTreeSet<Text>,
}

impl Expanded<'_> {
    /// Learns what secret variables became. `alone` expands one text, and gives none when something secret went into it.
    ///
    /// A text of the object that no other expansion explains was made of a secret, whatever YAML made of it.
    pub(super) fn learn(&self, alone: impl Fn(&str) -> Option<String>, witness: &Mutex<Witness>) {
        let mut plain = HashSet::new();
        texts(self.before, &mut |text| {
            if let Some(expanded) = alone(text) {
                plain.extend(typed(&expanded).filter(|_| text.contains('$')));
                plain.insert(expanded);
            }
        });
        let mut witness = witness.lock();
        self.made.iter().for_each(|made| witness.learn(made.as_str()));
        texts(self.after, &mut |text| {
            if !plain.contains(text) && !self.shows(text) {
                witness.learn_whole(text);
            }
        });
        let is_secret = |text: &str| alone(text).is_none();
        bare(Some(self.before), self.after, &is_secret, &mut |made| witness.learn_whole(made));
    }

    /// Whether the secrets in a text can be found there: long ones, and no short one beside them.
    fn shows(&self, text: &str) -> bool {
        if self.made.len() > MOST_SEARCHED {
            return false;
        }
        let mut found = self.made.iter().map(Text::as_str).filter(|made| text.contains(made)).peekable();
        found.peek().is_some() && found.all(|made| made.len() >= SHORTEST_PART)
    }
}

/// Hands on the keys, texts and numbers of a value.
fn texts(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            take(key);
            texts(value, take);
        }),
        Value::Array(items) => items.iter().for_each(|item| texts(item, take)),
        Value::String(text) => take(text),
        Value::Number(number) => take(&number.to_string()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Hands on the truth values and nulls where a text or a key with something secret in it stood before: there are too few
/// of them to tell by themselves.
fn bare(before: Option<&Value>, after: &Value, is_secret: &dyn Fn(&str) -> bool, take: &mut dyn FnMut(&str)) {
    match (before, after) {
        (_, Value::String(_) | Value::Number(_)) => {}
        (Some(Value::String(text)), _) if !is_secret(text) => {}
        (Some(Value::Object(before)), Value::Object(fields)) => {
            fields.iter().for_each(|(key, value)| bare(before.get(key), value, is_secret, take));
        }
        (Some(Value::Array(before)), Value::Array(items)) => {
            items.iter().enumerate().for_each(|(at, item)| bare(before.get(at), item, is_secret, take));
        }
        (_, Value::Object(fields)) => fields.values().for_each(|value| bare(None, value, is_secret, take)),
        (_, Value::Array(items)) => items.iter().for_each(|item| bare(None, item, is_secret, take)),
        (None | Some(Value::String(_)), Value::Bool(_) | Value::Null) => take(&after.to_string()),
        _ => {}
    }
}

/// The number that a text is in YAML, as it is shown.
fn typed(text: &str) -> Option<String> {
    match sealfast_yaml::json::from_yaml(text.as_bytes()) {
        Ok(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_known_in_few_layers() {
        let witness = Arc::new(Mutex::new(Witness::default()));
        witness.lock().add("hunter2");
        let mut known = Known { layers: vec![(0, Masks::of(&witness.lock()))], made: Vec::new() };
        for number in 0..1_000 {
            known.add(&format!("made-{number:04}"));
        }
        assert!(known.layers.len() <= 11, "{}", known.layers.len());
        assert!(["made-0000", "x made-0999", "hunter2"].iter().all(|text| known.shows(text)));
        assert!(!known.shows("made-1000"));
    }
}

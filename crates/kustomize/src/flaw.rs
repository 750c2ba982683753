//! Why an object cannot be printed, as its text stands.

use sealfast_yaml::scalar::plain_tag;
use serde_json::Value;

use crate::loose::held;
use crate::resource::Step;

/// What is wrong with the text of an object.
#[derive(Clone, Debug)]
pub(crate) enum Flaw {
    /// The whole of it, for a reason.
    Told(Box<str>),
    /// Keys in these places are no texts.
    Keys(Vec<Vec<Step>>),
}

/// As many keys are told apart.
const MOST: usize = 100;

/// What is said of keys that are no texts.
const KEYS: &str = "json: unsupported type: map[interface {}]interface {}";

impl Flaw {
    /// Returns the flaw of a text, by the first reason and the places of keys that are no texts.
    pub(crate) fn of(reason: Option<String>, keys: Vec<Vec<Step>>) -> Option<Self> {
        match reason {
            Some(reason) => Some(Self::Told(reason.into())),
            None if keys.is_empty() => None,
            None if keys.len() > MOST => Some(Self::Told(KEYS.into())),
            None => Some(Self::Keys(keys)),
        }
    }

    /// Returns the flaw of an object that got a key, if the original, which quotes none, makes no text of it.
    pub(crate) fn of_new_key(key: &str) -> Option<Self> {
        (plain_tag(key) != "!!str").then(|| Self::Told(KEYS.into()))
    }

    /// Returns what is wrong with an object now; keys may have gone.
    pub(crate) fn reason(&self, object: &Value) -> Option<String> {
        match self {
            Self::Told(reason) => Some(reason.to_string()),
            Self::Keys(places) => {
                places.iter().any(|place| held(object, place).is_some()).then(|| KEYS.to_owned())
            }
        }
    }

    /// Returns the part of the flaw that an item of a list has.
    pub(crate) fn of_item(&self, at: usize) -> Option<Self> {
        let Self::Keys(places) = self else { return Some(self.clone()) };
        let inside = |place: &Vec<Step>| match place.as_slice() {
            [Step::Key(items), Step::Index(index), rest @ ..] if items == "items" && *index == at => {
                Some(rest.to_vec())
            }
            _ => None,
        };
        Self::of(None, places.iter().filter_map(inside).collect())
    }

    /// Adds what a patch brings to an object before it is merged: a key that is there stays as it is.
    pub(crate) fn add(own: &mut Option<Self>, patch: Option<&Self>, object: &Value) {
        let brought = match patch {
            Some(Self::Keys(places)) if places.iter().flatten().all(|step| matches!(step, Step::Key(_))) => {
                let new = places.iter().filter(|place| held(object, place).is_none());
                Self::of(None, new.cloned().collect())
            }
            Some(Self::Keys(_)) => Some(Self::Told(KEYS.into())),
            other => other.cloned(),
        };
        match (own, brought) {
            (Some(Self::Keys(own)), Some(Self::Keys(more))) => own.extend(more),
            (Some(Self::Told(_)), _) | (_, None) => {}
            (own, brought) => *own = brought,
        }
    }
}

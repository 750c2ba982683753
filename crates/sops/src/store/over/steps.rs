//! Two orders of entries brought together, those of a text and the wanted ones.

use std::collections::HashMap;

use crate::tree::Entry;

/// How an entry of the text and a wanted one go together.
pub(super) enum Step {
    Both(usize, usize),
    Gone(usize),
    Came(usize),
}

/// Brings two orders together; nothing when entries changed places.
pub(super) fn steps(have: &[Entry], wanted: &[Entry]) -> Option<Vec<Step>> {
    let (mut old, mut new) = (Side::of(have), Side::of(wanted));
    let mut steps = Vec::new();
    while old.name().is_some() || new.name().is_some() {
        let step = next(&old, &new)?;
        if !matches!(step, Step::Came(_)) {
            old.advance();
        }
        if !matches!(step, Step::Gone(_)) {
            new.advance();
        }
        steps.push(step);
    }
    Some(steps)
}

fn next(old: &Side<'_>, new: &Side<'_>) -> Option<Step> {
    match (old.name(), new.name()) {
        (Some(ours), Some(theirs)) if ours == theirs => Some(Step::Both(old.at, new.at)),
        (Some(ours), theirs) if ours.is_none() || theirs.is_none() || !new.has(ours) => {
            Some(Step::Gone(old.at))
        }
        (ours, Some(theirs)) if ours.is_none() || !old.has(theirs) => Some(Step::Came(new.at)),
        _ => None,
    }
}

/// One of the orders, and how often each name is still to come; a comment has none.
struct Side<'e> {
    entries: &'e [Entry],
    at: usize,
    rest: HashMap<Option<&'e str>, usize>,
}

impl<'e> Side<'e> {
    fn of(entries: &'e [Entry]) -> Self {
        let mut rest: HashMap<_, usize> = HashMap::new();
        entries.iter().for_each(|entry| *rest.entry(entry.key.name()).or_default() += 1);
        Self { entries, at: 0, rest }
    }

    fn name(&self) -> Option<Option<&'e str>> {
        self.entries.get(self.at).map(|entry| entry.key.name())
    }

    fn has(&self, name: Option<&str>) -> bool {
        self.rest.get(&name).is_some_and(|&count| count > 0)
    }

    fn advance(&mut self) {
        if let Some(count) = self.name().and_then(|name| self.rest.get_mut(&name)) {
            *count -= 1;
        }
        self.at += 1;
    }
}

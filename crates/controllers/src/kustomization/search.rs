//! Many texts, looked for at once: each byte is looked at once for all of them.
//!
//! An automaton after Aho and Corasick of our own: it tells the longest match that ends at each place, so that what
//! overlaps is covered to its end, and it is wiped, because the texts can be read in it.

use std::ops::Range;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The state before anything matches.
const ROOT: usize = 0;

/// Texts by their common beginnings, each state with the longest of its ends that is one of them.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Search {
    states: Vec<State>,
}

/// One beginning of texts. Others are told by their number; none by 0, since nothing leads back to the root.
#[derive(Clone, Copy, Default, Zeroize)]
struct State {
    byte: u8,
    child: u32,
    sibling: u32,
    /// The longest end of this beginning that begins a text itself.
    fallback: u32,
    /// Bytes of the longest text among the ends; 0 when none is one.
    longest: u32,
}

impl Search {
    /// A search for these texts; empty ones are never found.
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Search {
        let mut search = Search { states: vec![State::default()] };
        texts.for_each(|text| search.add(text));
        search.link();
        search
    }

    fn add(&mut self, text: &str) {
        let mut at = ROOT;
        for byte in text.bytes() {
            at = match self.child(at, byte) {
                Some(child) => child,
                None => self.grow(at, byte),
            };
        }
        self.states[at].longest = u32::try_from(text.len()).unwrap_or_default();
    }

    fn grow(&mut self, at: usize, byte: u8) -> usize {
        let new = self.states.len();
        if new == self.states.capacity() {
            // What a list leaves behind when it grows is wiped as well.
            let mut larger = Vec::with_capacity(new * 2);
            larger.extend_from_slice(&self.states);
            std::mem::replace(&mut self.states, larger).zeroize();
        }
        self.states.push(State { byte, sibling: self.states[at].child, ..State::default() });
        self.states[at].child = u32::try_from(new).unwrap_or_default();
        new
    }

    fn child(&self, at: usize, byte: u8) -> Option<usize> {
        self.children(at).find(|child| self.states[*child].byte == byte)
    }

    fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let next = |state: u32| (state != 0).then_some(state as usize);
        std::iter::successors(next(self.states[at].child), move |child| next(self.states[*child].sibling))
    }

    /// Shorter beginnings first: what a longer one falls back to is known by then.
    fn link(&mut self) {
        let mut row = std::collections::VecDeque::from([ROOT]);
        while let Some(at) = row.pop_front() {
            let children: Vec<usize> = self.children(at).collect();
            for child in children {
                let byte = self.states[child].byte;
                let fallback = match at {
                    ROOT => ROOT,
                    _ => self.step(self.states[at].fallback as usize, byte),
                };
                self.states[child].fallback = u32::try_from(fallback).unwrap_or_default();
                if self.states[child].longest == 0 {
                    self.states[child].longest = self.states[fallback].longest;
                }
                row.push_back(child);
            }
        }
    }

    fn step(&self, mut at: usize, byte: u8) -> usize {
        loop {
            match self.child(at, byte) {
                Some(child) => return child,
                None if at == ROOT => return ROOT,
                None => at = self.states[at].fallback as usize,
            }
        }
    }

    /// Where texts are found: what overlaps is one place.
    pub(super) fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut at = ROOT;
        for (end, byte) in (1..).zip(text) {
            at = self.step(at, *byte);
            let longest = self.states[at].longest as usize;
            if longest > 0 {
                let mut start = end - longest;
                while let Some(last) = found.pop_if(|last| last.end > start) {
                    start = start.min(last.start);
                }
                found.push(start..end);
            }
        }
        found
    }

    /// Whether a text is one of them.
    pub(super) fn has(&self, text: &str) -> bool {
        let end = text.bytes().try_fold(ROOT, |at, byte| self.child(at, byte));
        end.is_some_and(|at| self.states[at].longest as usize == text.len() && !text.is_empty())
    }
}

/// The text with each place covered that one of the searches finds.
pub(super) fn cover(searches: &[&Search], text: &str, mask: &str) -> String {
    let mut places: Vec<Range<usize>> =
        searches.iter().flat_map(|search| search.places(text.as_bytes())).collect();
    places.sort_by_key(|place| place.start);
    let mut covered = String::with_capacity(text.len());
    let mut from = 0;
    for place in places {
        if place.start >= from {
            covered.push_str(&text[from..place.start]);
            covered.push_str(mask);
        }
        from = from.max(place.end);
    }
    covered.push_str(&text[from..]);
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_covered_to_its_end() {
        let search = Search::of(["abcdX", "Xyyyy", "bc", "hunter2", "hunt", "\u{e9}t\u{e9}"].into_iter());
        let covered = |text: &str| cover(&[&search], text, "*");
        assert_eq!(covered("-abcdXyyyy-"), "-*-");
        assert_eq!(covered("hunter2hunter2 hunter huntX abc"), "** *er *X a*");
        assert_eq!(covered("l'\u{e9}t\u{e9}, a\u{e9}t"), "l'*, a\u{e9}t");
        assert!(search.has("hunt") && !search.has("hunte") && !search.has("") && !search.has("xbc"));
        assert_eq!(cover(&[&Search::of([""].into_iter())], "abc", "*"), "abc");
    }

    #[test]
    fn many_texts_that_hold_each_other_cost_what_their_bytes_do() {
        let texts: Vec<String> = (4..1_000).map(|length| "a".repeat(length)).collect();
        let search = Search::of(texts.iter().map(String::as_str));
        // One state a byte of the longest: the others are its beginnings.
        assert_eq!(search.states.len(), 1_000);
        assert_eq!(cover(&[&search], &"a".repeat(100_000), "*"), "*");
    }
}

//! Two orders brought together, that of a text and the wanted one.
//!
//! What changed its place goes and comes again; as few entries as can be do so.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::tree::{Comment, Entry, Key};

/// How an entry of the text and a wanted one go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Step {
    Both(usize, usize),
    Gone(usize),
    Came(usize),
}

/// What goes and what comes between two entries that stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Gap {
    pub(in crate::store) gone: Range<usize>,
    pub(in crate::store) came: Range<usize>,
    /// The entry of the text that stays before it, and the one behind it.
    pub(in crate::store) before: Option<usize>,
    pub(in crate::store) next: Option<usize>,
}

/// Brings names together, a repeated one in order.
pub(in crate::store) fn by_names(old: &[&str], new: &[&str]) -> Vec<Step> {
    weave(old.len(), new.len(), &named_pairs(old, new))
}

/// Brings items together that are the same; others stay in their places.
pub(in crate::store) fn by_content(old: usize, new: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Step> {
    let least = old.min(new);
    let head = (0..least).take_while(|&at| same(at, at)).count();
    let tail = (1..=least - head).take_while(|&back| same(old - back, new - back)).count();
    let (from, to) = (head..old - tail, head..new - tail);
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    pairs.extend(common(from.clone(), to.clone(), same));
    pairs.extend((0..tail).map(|at| (from.end + at, to.end + at)));
    weave(old, new, &in_place(old, new, &pairs))
}

/// The entries of lines. Comments between two that stay go together in order or, where some are gone, by their words.
pub(super) fn by_entries(have: &[Entry], wanted: &[Entry]) -> Vec<Step> {
    let (old, new) = (Side::of(have), Side::of(wanted));
    let named = named_pairs(&old.names, &new.names);
    let named = named.iter().map(|&(left, right)| (old.places[left], new.places[right]));
    let (mut pairs, mut left, mut right) = (Vec::new(), 0, 0);
    for (old, new) in named.chain([(have.len(), wanted.len())]) {
        comment_pairs(have, left..old, wanted, right..new, &mut pairs);
        pairs.push((old, new));
        (left, right) = (old + 1, new + 1);
    }
    pairs.pop();
    weave(have.len(), wanted.len(), &pairs)
}

/// The steps that change something, gathered.
pub(in crate::store) fn gaps(steps: &[Step]) -> Vec<Gap> {
    let (mut gaps, mut left, mut right, mut before) = (Vec::new(), 0, 0, None);
    let ends = (
        steps.iter().filter(|step| !matches!(step, Step::Came(_))).count(),
        steps.iter().filter(|step| !matches!(step, Step::Gone(_))).count(),
    );
    for (old, new) in kept(steps).chain([ends]) {
        if left < old || right < new {
            let next = (old < ends.0).then_some(old);
            gaps.push(Gap { gone: left..old, came: right..new, before, next });
        }
        (left, right, before) = (old + 1, new + 1, Some(old));
    }
    gaps
}

/// The entries that stay, on both sides.
pub(in crate::store) fn kept(steps: &[Step]) -> impl Iterator<Item = (usize, usize)> + '_ {
    steps.iter().filter_map(|step| if let Step::Both(old, new) = step { Some((*old, *new)) } else { None })
}

struct Side<'e> {
    names: Vec<&'e str>,
    /// Where each name stands among the entries.
    places: Vec<usize>,
}

impl<'e> Side<'e> {
    fn of(entries: &'e [Entry]) -> Self {
        let named = entries.iter().enumerate().filter_map(|(at, entry)| Some((entry.key.name()?, at)));
        let (names, places) = named.unzip();
        Self { names, places }
    }
}

fn named_pairs(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
    old.iter().enumerate().for_each(|(at, name)| places.entry(name).or_default().push_back(at));
    let partners = new.iter().map(|name| places.get_mut(name).and_then(VecDeque::pop_front));
    longest(&partners.collect::<Vec<_>>())
}

/// As many pairs as can be whose order is the same on both sides. Takes for each new one its old one.
fn longest(partners: &[Option<usize>]) -> Vec<(usize, usize)> {
    // The last of the runs of each length, and what stands before each in its run.
    let (mut ends, mut before): (Vec<usize>, _) = (Vec::new(), vec![None; partners.len()]);
    for new in (0..partners.len()).filter(|&new| partners[new].is_some()) {
        let length = ends.partition_point(|&end| partners[end] < partners[new]);
        before[new] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = new,
            None => ends.push(new),
        }
    }
    let chain = std::iter::successors(ends.last().copied(), |&new| before[new]);
    let mut pairs: Vec<_> = chain.filter_map(|new| Some((partners[new]?, new))).collect();
    pairs.reverse();
    pairs
}

/// Larger tables are not filled: what differs there stays in place.
const MOST: usize = 1 << 16;

/// As many pairs of items that are the same as can be had in order.
fn common(old: Range<usize>, new: Range<usize>, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    if old.len().saturating_mul(new.len()) > MOST {
        return Vec::new();
    }
    let width = new.len() + 1;
    let mut lengths = vec![0_usize; (old.len() + 1) * width];
    for left in (0..old.len()).rev() {
        for right in (0..new.len()).rev() {
            lengths[left * width + right] = if same(old.start + left, new.start + right) {
                lengths[(left + 1) * width + right + 1] + 1
            } else {
                lengths[(left + 1) * width + right].max(lengths[left * width + right + 1])
            };
        }
    }
    let (mut pairs, mut left, mut right) = (Vec::new(), 0, 0);
    while left < old.len() && right < new.len() {
        let here = lengths[left * width + right];
        if here == lengths[(left + 1) * width + right] {
            left += 1;
        } else if here == lengths[left * width + right + 1] {
            right += 1;
        } else {
            pairs.push((old.start + left, new.start + right));
            (left, right) = (left + 1, right + 1);
        }
    }
    pairs
}

/// Between pairs, what differs goes together in order.
fn in_place(old: usize, new: usize, pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let (mut all, mut left, mut right) = (Vec::new(), 0, 0);
    for &(next_left, next_right) in pairs.iter().chain([&(old, new)]) {
        all.extend((left..next_left).zip(right..next_right));
        all.push((next_left, next_right));
        (left, right) = (next_left + 1, next_right + 1);
    }
    all.pop();
    all
}

fn weave(old: usize, new: usize, pairs: &[(usize, usize)]) -> Vec<Step> {
    let (mut steps, mut left, mut right) = (Vec::with_capacity(old.max(new)), 0, 0);
    for &(next_left, next_right) in pairs.iter().chain([&(old, new)]) {
        steps.extend((left..next_left).map(Step::Gone));
        steps.extend((right..next_right).map(Step::Came));
        if next_left < old {
            steps.push(Step::Both(next_left, next_right));
        }
        (left, right) = (next_left + 1, next_right + 1);
    }
    steps
}

fn comment_pairs(
    have: &[Entry],
    old: Range<usize>,
    wanted: &[Entry],
    new: Range<usize>,
    pairs: &mut Vec<(usize, usize)>,
) {
    let comments = |entries: &[Entry], range: Range<usize>| -> Vec<usize> {
        range.filter(|&at| comment(&entries[at]).is_some()).collect()
    };
    let (old, new) = (comments(have, old), comments(wanted, new));
    if old.len() == new.len() {
        pairs.extend(old.into_iter().zip(new));
        return;
    }
    let mut rest = old.into_iter();
    for right in new {
        let mut ahead = rest.clone();
        let is_it = |left: &usize| {
            comment(&have[*left]).map(|it| &it.text) == comment(&wanted[right]).map(|it| &it.text)
        };
        if let Some(left) = ahead.find(is_it) {
            pairs.push((left, right));
            rest = ahead;
        }
    }
}

fn comment(entry: &Entry) -> Option<&Comment> {
    if let Key::Comment(comment) = &entry.key { Some(comment) } else { None }
}

#[cfg(test)]
mod tests {
    use super::Step::{Both, Came, Gone};
    use super::{Gap, by_content, by_names, gaps};

    #[test]
    fn names_keep_as_many_places_as_can_be() {
        let steps = by_names(&["age", "mac", "version"], &["key_groups", "mac", "threshold", "version"]);
        assert_eq!(steps, [Gone(0), Came(0), Both(1, 1), Came(2), Both(2, 3)]);
        assert_eq!(by_names(&["a", "b", "c"], &["c", "a", "b"]), [Came(0), Both(0, 1), Both(1, 2), Gone(2)]);
        assert_eq!(by_names(&["a", "a"], &["a", "b", "a"]), [Both(0, 0), Came(1), Both(1, 2)]);
        assert_eq!(by_names(&["a"], &["b"]), [Gone(0), Came(0)]);
        assert_eq!(by_names(&[], &["b"]), [Came(0)]);
    }

    #[test]
    fn items_stay_or_change_in_place() {
        let steps = |old: &str, new: &str| {
            let (old, new) = (old.as_bytes(), new.as_bytes());
            by_content(old.len(), new.len(), |left, right| old[left] == new[right])
        };
        assert_eq!(steps("abc", "bcd"), [Gone(0), Both(1, 0), Both(2, 1), Came(2)]);
        assert_eq!(steps("axb", "ayb"), [Both(0, 0), Both(1, 1), Both(2, 2)]);
        assert_eq!(steps("xy", "abc"), [Both(0, 0), Both(1, 1), Came(2)]);
    }

    #[test]
    fn gaps_have_their_neighbours() {
        let found = gaps(&[Gone(0), Came(0), Both(1, 1), Came(2)]);
        let gap = |gone, came, before, next| Gap { gone, came, before, next };
        assert_eq!(found, [gap(0..1, 0..1, None, Some(1)), gap(2..2, 2..3, Some(1), None)]);
        assert!(gaps(&[Both(0, 0)]).is_empty());
    }
}

//! What rules cost: what they may take at most, by their text and their schema.
//!
//! Follows: the estimates of cel-go and the CEL library of apiserver 1.36, by whose numbers rules are refused.

pub(super) mod estimate;
pub(super) mod functions;
mod node;

/// From how much to how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Range {
    pub(super) const UNKNOWN: Range = Range { least: 0, most: u64::MAX };
    pub(super) const NONE: Range = Range::fixed(0);
    pub(super) const ONE: Range = Range::fixed(1);

    pub(super) const fn fixed(size: u64) -> Range {
        Range { least: size, most: size }
    }

    pub(super) fn up_to(most: u64) -> Range {
        Range { least: 0, most }
    }

    pub(super) fn plus(self, other: Range) -> Range {
        Range { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    pub(super) fn times(self, other: Range) -> Range {
        Range { least: self.least.saturating_mul(other.least), most: self.most.saturating_mul(other.most) }
    }

    /// So much for each, rounded up.
    pub(super) fn each(self, cost: f64) -> Range {
        Range { least: each(self.least, cost), most: each(self.most, cost) }
    }

    /// Both ranges and what lies between.
    pub(super) fn union(self, other: Range) -> Range {
        Range { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

fn each(count: u64, cost: f64) -> u64 {
    // What is too large for a number ends at the largest one.
    (count as f64 * cost).ceil() as u64
}

/// What it costs to go over one letter.
const LETTER: f64 = 0.1;
/// What a letter of a pattern costs for each of a text.
const PATTERN_LETTER: f64 = 0.25;
/// What it costs to make a list, a map and an object.
const LIST: u64 = 10;
const MAP: u64 = 30;
const OBJECT: u64 = 40;

//! What one run of an expression may do: turns of loops, bytes it makes, time.
//!
//! Values grow while an expression runs, by `+`, by lists in lists and by functions, so that its text says too little.
//! Lists and maps that are written down or gathered and every sum are weighed, and every turn of a loop is counted. The
//! clock is looked at every so many turns, and every so many comparisons and steps that count for nothing else.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cel::Value;
use cel::objects::{Key, OptionalValue};

/// Bytes that any value takes.
const LEAST_BYTES: u64 = 64;
/// Bytes of a text times those of a pattern that are one turn.
const BYTES_A_TURN: u64 = 100 << 10;
/// Turns between two looks at the clock.
const CLOCK: u64 = 256;
/// Comparisons, or steps that are paid for elsewhere, between two looks at the clock.
const WORK: u64 = 16 << 10;

/// What is left of it.
pub struct Budget {
    bytes: AtomicU64,
    turns: AtomicU64,
    /// Steps since the clock was looked at.
    work: AtomicU64,
    ends: Instant,
    /// Patterns that were paid for.
    patterns: Mutex<HashSet<String>>,
}

impl Budget {
    /// So many turns of loops, bytes of all that is made, and so much time from now.
    #[must_use]
    pub fn new(turns: u64, bytes: u64, time: Duration) -> Budget {
        let ends = Instant::now() + time;
        Budget {
            bytes: AtomicU64::new(bytes),
            turns: AtomicU64::new(turns),
            work: AtomicU64::new(0),
            ends,
            patterns: Mutex::default(),
        }
    }

    /// Whether more was wanted than there was.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        [&self.bytes, &self.turns].iter().any(|left| left.load(Ordering::Relaxed) == 0)
    }

    /// Takes what a call of a library's function costs; false when there is not that much left.
    #[must_use]
    pub fn pay(&self, name: &str, values: &[Value]) -> bool {
        take(&self.bytes, cost(name, values)) && take(&self.turns, pairs(name, values))
    }

    /// Takes what it costs to look for a pattern in a text of so many bytes: those that compiling it takes, once, and turns for
    /// each byte of the text, more for a larger pattern; false when there is not that much left, or no time.
    pub(super) fn pay_search(&self, pattern: &str, size: u64, text: u64) -> bool {
        let is_new = self.patterns.lock().is_ok_and(|mut known| known.insert(pattern.to_owned()));
        if is_new && Instant::now() > self.ends {
            self.turns.store(0, Ordering::Relaxed);
        }
        let turns = (text.saturating_mul(size) / BYTES_A_TURN).saturating_add(1);
        take(&self.bytes, if is_new { size } else { 0 }) && self.turn(turns)
    }

    /// Takes what a value that was made weighs; false when there is not that much left.
    #[must_use]
    pub fn weigh(&self, value: &Value) -> bool {
        take(&self.bytes, weight(value))
    }

    /// Notes steps that take nothing but time; false when there is none left.
    #[must_use]
    pub fn work(&self, steps: u64) -> bool {
        let done = self.work.load(Ordering::Relaxed).saturating_add(steps);
        let looks = done >= WORK;
        self.work.store(if looks { 0 } else { done }, Ordering::Relaxed);
        if looks && Instant::now() > self.ends {
            self.turns.store(0, Ordering::Relaxed);
        }
        !self.is_spent()
    }

    /// Takes turns of a loop; false when there are not that many left, or no time.
    #[must_use]
    pub fn turn(&self, turns: u64) -> bool {
        let before = self.turns.load(Ordering::Relaxed);
        let looks = before / CLOCK != before.saturating_sub(turns) / CLOCK;
        if looks && Instant::now() > self.ends {
            self.turns.store(0, Ordering::Relaxed);
        }
        take(&self.turns, turns)
    }
}

/// Once something was too much, nothing is left.
fn take(from: &AtomicU64, wanted: u64) -> bool {
    let left = from.load(Ordering::Relaxed).saturating_sub(wanted);
    from.store(left, Ordering::Relaxed);
    left > 0
}

/// Bytes that a call makes at most. What it is given is shared, and costs nothing where it is only looked at.
fn cost(name: &str, values: &[Value]) -> u64 {
    if LOOKING.contains(&name) {
        return LEAST_BYTES;
    }
    let text = |at: usize| match values.get(at) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let found = |by: usize| match (text(0), text(by)) {
        (Some(whole), Some(wanted)) => whole.matches(wanted).count() as u64,
        _ => 0,
    };
    let size = |at: usize| text(at).map_or(0, str::len) as u64;
    let all = |of: fn(&Value) -> u64| values.iter().map(of).fold(LEAST_BYTES, u64::saturating_add);
    match name {
        "replace" => all(outside).saturating_add(found(1).saturating_mul(size(2))),
        "split" => all(outside).saturating_add(found(1).saturating_mul(LEAST_BYTES)),
        "join" => {
            let parts = values.first().map_or(0, length);
            all(weight).saturating_add(parts.saturating_mul(size(1)))
        }
        // A letter has up to ten as an escape, a number a few hundred digits.
        "format" | "strings.quote" => all(weight).saturating_mul(10),
        "flatten" => all(weight),
        // Letters that are apart take four bytes each.
        _ => all(outside).saturating_mul(4),
    }
}

/// Bytes of a copy of a value that shares what is within it.
fn outside(value: &Value) -> u64 {
    let within = match value {
        Value::String(text) => text.len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::List(items) => items.len() as u64 * LEAST_BYTES,
        Value::Map(map) => map.map.len() as u64 * 2 * LEAST_BYTES,
        _ => 0,
    };
    within.saturating_add(LEAST_BYTES)
}

/// Functions that copy nothing of what they are given.
const LOOKING: [&str; 35] = [
    "bool",
    "compareTo",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "first",
    "hasValue",
    "indexOf",
    "int",
    "isCIDR",
    "isGreaterThan",
    "isIP",
    "isInteger",
    "isLessThan",
    "isQuantity",
    "isSemver",
    "isSorted",
    "isURL",
    "last",
    "lastIndexOf",
    "matches",
    "max",
    "min",
    "optional.of",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "size",
    "startsWith",
    "sum",
    "timestamp",
    "type",
    "uint",
    "value",
];

/// Comparisons of a call that compares each item of one list with each of another.
fn pairs(name: &str, values: &[Value]) -> u64 {
    match (name, values) {
        ("sets.contains" | "sets.intersects" | "sets.equivalent", [left, right]) => {
            length(left).saturating_mul(length(right))
        }
        ("distinct" | "sort", [list]) => length(list).saturating_mul(length(list)),
        _ => 1,
    }
}

fn length(value: &Value) -> u64 {
    match value {
        Value::List(items) => items.len() as u64,
        _ => 0,
    }
}

/// Bytes that a value takes, those within it included.
fn weight(value: &Value) -> u64 {
    let within = match value {
        Value::String(text) => text.len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::List(items) => items.iter().map(weight).fold(0, u64::saturating_add),
        Value::Map(map) => map.map.iter().map(|(key, value)| weight(value) + key_weight(key)).sum(),
        Value::Opaque(other) => {
            other.downcast_ref::<OptionalValue>().and_then(OptionalValue::value).map_or(0, weight)
        }
        _ => 0,
    };
    within.saturating_add(LEAST_BYTES)
}

fn key_weight(key: &Key) -> u64 {
    match key {
        Key::String(text) => text.len() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_made_costs_bytes() {
        let numbers = |count: i64| Value::List((0..count).map(Value::Int).collect::<Vec<_>>().into());
        let lists = [numbers(100_000), numbers(1)];
        let left = |name: &str, values: &[Value]| {
            let budget = Budget::new(u64::MAX, 100 << 20, Duration::from_secs(1 << 20));
            assert!(budget.pay(name, values), "{name}");
            (100 << 20) - budget.bytes.load(Ordering::Relaxed)
        };
        for name in ["sets.contains", "size", "indexOf", "max"] {
            assert_eq!(left(name, &lists), LEAST_BYTES, "{name}");
        }
        assert!(left("reverse", &lists[..1]) >= 100_000 * LEAST_BYTES);
        let text = |text: &str| Value::String(text.to_owned().into());
        let split = left("split", &[text(&"a,".repeat(1000)), text(",")]);
        assert!((1000 * LEAST_BYTES..2000 * LEAST_BYTES).contains(&split), "{split}");
        assert!(left("replace", &[text("aaaa"), text("a"), text(&"b".repeat(1000))]) > 4000);
    }

    #[test]
    fn work_ends_with_the_time() {
        let late = Budget::new(1000, 1000, Duration::ZERO);
        assert!(late.work(1) && !late.is_spent());
        while late.work(1) {}
        assert!(late.is_spent() && !late.turn(1));
        let early = Budget::new(1000, 1000, Duration::from_secs(1 << 20));
        assert!((0..10).all(|_| early.work(WORK)));
    }
}

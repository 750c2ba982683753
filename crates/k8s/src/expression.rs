//! Expressions in CEL: what bounds them before they are compiled and as they run.
//!
//! Readers of CEL go down by recursion, so that a text which nests deeply would end the process.

pub mod budget;

use std::thread;

/// Open brackets, branches or signs in a row: each takes a reader a dozen steps down.
const MOST_BRACKETS: usize = 64;
/// Bytes; only what is used of them is ever taken.
const STACK: usize = 64 << 20;

/// Names that stand for types.
pub const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// Tells whether a text would take its reader too far down, at whatever it stumbles in there.
#[must_use]
pub fn nests_too_deeply(text: &str) -> bool {
    let (mut open, mut deepest, mut branches, mut signs, mut most_signs) = (0_usize, 0, 0, 0, 0);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '?' => branches += 1,
            _ => {}
        }
        signs = if matches!(letter, '!' | '-') { signs + 1 } else { 0 };
        most_signs = most_signs.max(signs);
        deepest = deepest.max(open);
    }
    deepest.max(branches).max(most_signs) > MOST_BRACKETS
}

/// Does something that goes down far, on a stack of its own; `None` when it panics or there is no thread to be had for it.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        worker.ok().and_then(|worker| worker.join().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::{nests_too_deeply, on_deep_stack};

    #[test]
    fn brackets_branches_and_signs_count() {
        for (piece, most) in [("(", 64), ("[", 64), ("a ? b : ", 64), ("!", 64), ("-", 64)] {
            assert!(!nests_too_deeply(&piece.repeat(most)), "{piece}");
            assert!(nests_too_deeply(&piece.repeat(most + 1)), "{piece}");
        }
        assert!(!nests_too_deeply(&"(a) ".repeat(1000)));
    }

    #[test]
    fn what_is_done_there_comes_back() {
        assert_eq!(on_deep_stack(|| 5), Some(5));
    }
}

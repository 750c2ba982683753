//! Expressions in CEL: what bounds them before they are compiled and as they run.
//!
//! Readers of CEL go down by recursion, so that a text which nests deeply would end the process.

pub mod budget;
pub mod check;
pub mod fault;
pub mod kept;
pub mod kind;
pub mod loops;
pub mod matching;
pub mod operations;
pub mod overloads;
pub mod run;
pub mod source;

use std::thread;

use cel::Value;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};

/// Open brackets, branches or signs in a row: each takes a reader a dozen steps down.
const MOST_BRACKETS: usize = 64;
/// Bytes; only what is used of them is ever taken.
const STACK: usize = 64 << 20;
/// Faults that are told of one expression.
const MOST_FAULTS: usize = 100;
/// Bytes of them from which on no further one is shown.
const MOST_TOLD: usize = 64 << 10;

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

/// The parts of an expression that are worked on as often as it is itself, and those of its loops.
#[must_use]
pub fn parts(at: &IdedExpr) -> (Vec<&IdedExpr>, Vec<&IdedExpr>) {
    fn entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
        match &entry.expr {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        }
    }
    match &at.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => (Vec::new(), Vec::new()),
        Expr::Call(call) => (call.args.iter().chain(call.target.as_deref()).collect(), Vec::new()),
        Expr::List(list) => (list.elements.iter().collect(), Vec::new()),
        Expr::Map(map) => (map.entries.iter().flat_map(entry).collect(), Vec::new()),
        Expr::Struct(made) => (made.entries.iter().flat_map(entry).collect(), Vec::new()),
        Expr::Select(select) => (vec![&*select.operand], Vec::new()),
        Expr::Comprehension(made) => {
            (vec![&made.iter_range, &made.accu_init, &made.result], vec![&made.loop_cond, &made.loop_step])
        }
    }
}

/// How many expressions stand inside each other.
#[must_use]
pub fn depth(at: &IdedExpr) -> usize {
    let (once, often) = parts(at);
    1 + once.into_iter().chain(often).map(depth).max().unwrap_or(0)
}

/// Of how many parts an expression is.
#[must_use]
pub fn count(at: &IdedExpr) -> usize {
    let (once, often) = parts(at);
    1 + once.into_iter().chain(often).map(count).sum::<usize>()
}

/// A fault at a byte of a text, with its line and a mark under it, as wide as the letters above.
#[must_use]
pub fn pointed(text: &str, offset: usize, message: &str) -> String {
    let before = text.get(..offset).unwrap_or_default();
    let number = before.matches('\n').count();
    let above = before.rsplit('\n').next().unwrap_or_default();
    let line = text.split('\n').nth(number).unwrap_or_default();
    let is_wide = |letter: char| letter.len_utf8() > 1;
    let dots: String = above.chars().map(|letter| if is_wide(letter) { '．' } else { '.' }).collect();
    let wide_mark = line.get(above.len()..).and_then(|rest| rest.chars().next()).is_some_and(is_wide);
    let mark = if wide_mark { '＾' } else { '^' };
    let (column, line) = (above.chars().count(), line.replace('\t', " "));
    format!("ERROR: <input>:{}:{}: {message}\n | {line}\n | {dots}{mark}", number + 1, column + 1)
}

/// Faults one after the other, as many as are worth showing: each shows its line, which may be long.
pub(crate) fn all_pointed(
    text: &str,
    count: usize,
    faults: impl IntoIterator<Item = (usize, String)>,
) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut size = 0;
    for (offset, message) in faults.into_iter().take(MOST_FAULTS) {
        if size > MOST_TOLD {
            break;
        }
        let shown = pointed(text, offset, &message);
        size += shown.len();
        lines.push(shown);
    }
    if let more @ 1.. = count.saturating_sub(MOST_FAULTS) {
        lines.push(format!("{more} more errors were truncated"));
    }
    lines.join("\n")
}

/// A text as `strings.quote` writes it: what has a letter of its own is escaped, and nothing else.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match escape(letter) {
            Some(escape) => out.push_str(escape),
            None => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// How a letter is written inside quotes that has a letter of its own there, in CEL as in Go.
#[must_use]
pub fn escape(letter: char) -> Option<&'static str> {
    Some(match letter {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        _ => return None,
    })
}

/// Says that a function does not take such values.
#[must_use]
pub fn no_overload(name: &str, values: &[Value]) -> String {
    let types: Vec<&str> = values.iter().map(type_name).collect();
    format!("no such overload: {name}({})", types.join(", "))
}

/// The name of a value's type.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Bytes(_) => "bytes",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Float(_) => "double",
        Value::Int(_) => "int",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "null_type",
        Value::String(_) => "string",
        Value::UInt(_) => "uint",
        _ => "dyn",
    }
}

#[cfg(test)]
mod tests {
    use super::{nests_too_deeply, on_deep_stack, pointed, quoted};

    #[test]
    fn brackets_branches_and_signs_count() {
        for (piece, most) in [("(", 64), ("[", 64), ("a ? b : ", 64), ("!", 64), ("-", 64)] {
            assert!(!nests_too_deeply(&piece.repeat(most)), "{piece}");
            assert!(nests_too_deeply(&piece.repeat(most + 1)), "{piece}");
        }
        assert!(!nests_too_deeply(&"(a) ".repeat(1000)));
    }

    #[test]
    fn quotes_escape_what_has_a_letter_of_its_own() {
        assert_eq!(quoted("a\u{7}\n\t\"\\\u{1}'é"), "\"a\\a\\n\\t\\\"\\\\\u{1}'é\"");
    }

    #[test]
    fn marks_are_as_wide_as_the_letters_above_them() {
        let told = pointed("'ä' +\n\tfoo", 8, "undeclared");
        assert_eq!(told, "ERROR: <input>:2:2: undeclared\n |  foo\n | .^");
        assert_eq!(pointed("'ä€' + é", 10, "odd"), "ERROR: <input>:1:8: odd\n | 'ä€' + é\n | .．．....＾");
    }

    #[test]
    fn what_is_done_there_comes_back() {
        assert_eq!(on_deep_stack(|| 5), Some(5));
    }
}

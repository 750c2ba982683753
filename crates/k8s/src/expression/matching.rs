//! Regular expressions of Go, kept compiled, and `matches` of CEL by them.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::ast::{Expr, LiteralValue};
use cel::{ExecutionError, IdedExpr, Value};
use sealfast_re2::Regex;

use super::budget::Budget;
use super::kept::Kept;
use super::{no_overload, parts};

/// Bytes that all patterns take which are kept.
const MOST_BYTES: usize = 64 << 20;
/// Said of patterns that are beyond the budget.
const TOO_MANY: &str = "its regular expressions are too large";

/// A compiled pattern.
///
/// # Errors
/// What is wrong with it, or that it is too large.
pub fn compiled(text: &str) -> Result<Arc<Regex>, String> {
    sized(text).0
}

/// A compiled pattern, or what is wrong with it, and the bytes that compiling it takes.
fn sized(text: &str) -> (Compiled, usize) {
    static KEPT: LazyLock<Mutex<Kept<(Compiled, usize)>>> =
        LazyLock::new(|| Mutex::new(Kept::new(MOST_BYTES)));
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = kept().get(text) {
        return found.clone();
    }
    let (pattern, bytes) = sealfast_re2::compile_sized(text);
    let made = (pattern.map(Arc::new), bytes);
    kept().put(text, made.clone(), held(&made));
    made
}

type Compiled = Result<Arc<Regex>, String>;

/// Bytes that an entry holds beside its text: of what is no pattern those of what is wrong with it.
fn held((pattern, bytes): &(Compiled, usize)) -> usize {
    pattern.as_ref().map_or_else(String::len, |_| *bytes)
}

/// Takes what it costs to compile a pattern and to look for it in a text.
pub(super) fn pay(text: &str, pattern: &str, budget: &Budget) -> bool {
    budget.pay_search(pattern, sized(pattern).1 as u64, text.len() as u64)
}

/// Whether a text, the first value, holds what a pattern, the second, asks for.
///
/// # Errors
/// When these are no two texts, or the pattern is none.
pub fn matches(values: &[Value]) -> Result<Value, ExecutionError> {
    let failed = |why: String| ExecutionError::function_error("matches", why);
    let [Value::String(text), Value::String(pattern)] = values else {
        return Err(failed(no_overload("matches", values)));
    };
    let pattern = compiled(pattern).map_err(|why| failed(parse_error(&why)))?;
    Ok(Value::Bool(pattern.is_match(text)))
}

/// What is wrong with the first pattern of an expression that is written down and is none, or is one too many.
#[must_use]
pub fn faulty(at: &IdedExpr, budget: &Budget) -> Option<String> {
    let own = match &at.expr {
        Expr::Call(call) if call.func_name == "matches" => match call.args.last().map(|last| &last.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) => refused(text.inner(), budget),
            _ => None,
        },
        _ => None,
    };
    let (once, often) = parts(at);
    own.or_else(|| once.into_iter().chain(often).find_map(|part| faulty(part, budget)))
}

fn refused(pattern: &str, budget: &Budget) -> Option<String> {
    // What there is no time for is not even compiled.
    if budget.is_spent() {
        return Some(TOO_MANY.to_owned());
    }
    match compiled(pattern) {
        Err(why) => Some(parse_error(&why)),
        Ok(_) => (!pay("", pattern, budget)).then(|| TOO_MANY.to_owned()),
    }
}

fn parse_error(why: &str) -> String {
    format!("error parsing regexp: {why}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_no_pattern_is_kept_for_what_it_holds() {
        assert_eq!(held(&(Err("why".to_owned()), MOST_BYTES)), 3);
        let pattern = Arc::new(sealfast_re2::compile("a").expect("a pattern"));
        assert_eq!(held(&(Ok(pattern), 100)), 100);
    }

    #[test]
    fn a_search_costs_its_pattern_once_and_its_text_each_time() {
        let budget = |turns, bytes| Budget::new(turns, bytes, Duration::from_secs(60));
        let bytes = budget(u64::MAX, 200 << 10);
        assert!(pay("", "a", &bytes) && pay("", "a", &bytes) && pay("", "b", &bytes));
        assert!(!pay("", "c", &bytes) && bytes.is_spent());
        let turns = budget(1000, u64::MAX);
        assert!(pay(&"a".repeat(100), "a", &turns) && !pay(&"a".repeat(2000), "a", &turns));
        // What is refused as too large has been compiled all the same, as far as that goes.
        let large = budget(u64::MAX, 16 << 20);
        assert!(pay("", "(", &large) && !pay("", r"(\pL{1000}){1000}", &large));
        let late = Budget::new(u64::MAX, u64::MAX, Duration::ZERO);
        assert!(!pay("", "never seen before", &late));
    }

    #[test]
    fn patterns_are_those_of_go() {
        let text = |text: &str| Value::String(Arc::new(text.to_owned()));
        let truth = |values: &[Value]| matches!(matches(values), Ok(Value::Bool(true)));
        assert!(truth(&[text("ab"), text(r"^\Qa\E(?P<n>b)\z")]));
        // In Go a class of digits is that of ASCII.
        assert!(!truth(&[text("\u{0663}"), text(r"\d")]));
        let told =
            |values: &[Value]| matches(values).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told(&[text("a"), text("(")]).ends_with("error parsing regexp: missing closing ): `(`"));
        assert!(told(&[Value::Int(1), text("a")]).ends_with("no such overload: matches(int, string)"));
    }
}

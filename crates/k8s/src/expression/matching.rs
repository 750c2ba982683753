//! Regular expressions of Go, kept compiled, and `matches` of CEL by them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ExecutionError, IdedExpr, ParseError, Value};
use sealfast_re2::Regex;

use super::{no_overload, parts};

/// `matches` under a name that CEL has not, because the reader's own has another syntax and compiles at each call.
pub const MATCHES: &str = "@matches";

/// Bytes that all patterns take which are kept.
const MOST_BYTES: usize = 64 << 20;

/// A compiled pattern.
///
/// # Errors
/// What is wrong with it, or that it is too large.
pub fn compiled(text: &str) -> Result<Arc<Regex>, String> {
    static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pattern) = kept().get(text) {
        return Ok(pattern);
    }
    let (pattern, bytes) = sealfast_re2::compile_sized(text)?;
    let pattern = Arc::new(pattern);
    kept().put(text, &pattern, bytes);
    Ok(pattern)
}

/// Patterns and how many bytes each takes; the oldest go first.
#[derive(Default)]
struct Kept {
    patterns: HashMap<String, (Arc<Regex>, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Kept {
    fn get(&self, text: &str) -> Option<Arc<Regex>> {
        self.patterns.get(text).map(|(pattern, _)| Arc::clone(pattern))
    }

    fn put(&mut self, text: &str, pattern: &Arc<Regex>, bytes: usize) {
        let bytes = bytes + 2 * text.len();
        if self.patterns.insert(text.to_owned(), (Arc::clone(pattern), bytes)).is_some() {
            return;
        }
        self.order.push_back(text.to_owned());
        self.bytes += bytes;
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.patterns.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
    }
}

/// Makes calls of [`MATCHES`] of both forms of `matches`.
///
/// # Errors
/// When the environment has them already.
pub fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_macro(Macro::receiver("matches", 1, renamed))?;
    env.add_macro(Macro::global("matches", 2, renamed))
}

fn renamed(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let (target, args) = (target.take().map(Box::new), std::mem::take(arguments));
    let call = CallExpr { func_name: MATCHES.to_owned(), target, args };
    Ok(Some(helper.next_expr(Expr::Call(call))))
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

/// What is wrong with the first pattern of an expression that is written down and is none.
#[must_use]
pub fn faulty(at: &IdedExpr) -> Option<String> {
    let own = match &at.expr {
        Expr::Call(call) if call.func_name == MATCHES => match call.args.last().map(|last| &last.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) => compiled(text.inner()).err(),
            _ => None,
        },
        _ => None,
    };
    let (once, often) = parts(at);
    own.map(|why| parse_error(&why)).or_else(|| once.into_iter().chain(often).find_map(faulty))
}

fn parse_error(why: &str) -> String {
    format!("error parsing regexp: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut kept = Kept::default();
        let pattern = Arc::new(sealfast_re2::compile("a").expect("a pattern"));
        for number in 0..100 {
            kept.put(&number.to_string(), &pattern, MOST_BYTES / 10);
            kept.put(&number.to_string(), &pattern, MOST_BYTES / 10);
        }
        assert!(kept.get("99").is_some() && kept.get("91").is_some() && kept.get("90").is_none());
        assert!(kept.bytes <= MOST_BYTES && kept.order.len() == 9 && kept.patterns.len() == 9);
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

//! What one run of an expression may do: turns of loops, bytes it makes, time.
//!
//! Values grow while an expression runs, by `+`, by lists in lists and by functions, so that its text says too little.
//! The tree is changed before it runs: every value that is put into another one and every sum is weighed, and every
//! turn of a loop is counted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators};
use cel::objects::{Key, OptionalValue};
use cel::{Context, ExecutionError, FunctionContext, Value};

/// Bytes that any value takes.
const LEAST_BYTES: u64 = 64;
/// Weighs its argument and returns it. Nobody can write such a name.
const WEIGHED: &str = "@weighed";
/// Counts one turn of a loop; true.
const COUNTED: &str = "@counted";
/// Counts a turn for each pair of items of a list, and returns it.
const PAIRED: &str = "@paired";
/// Functions of CEL itself that make more than they are given.
const MAKERS: [&str; 2] = ["range", "flatten"];
/// The one that compares every item with every other.
const DISTINCT: &str = "distinct";
/// Bytes of a text times those of a pattern that are one turn.
const BYTES_A_TURN: u64 = 100 << 10;
/// Turns between two looks at the clock.
const CLOCK: u64 = 256;

/// What is left of it.
pub struct Budget {
    bytes: AtomicU64,
    turns: AtomicU64,
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

    /// Adds what the changed tree calls.
    pub fn watch(self: &Arc<Self>, context: &mut Context<'_, '_>) {
        let (bytes, turns, pairs) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        let weighed = move |call: &FunctionContext<'_, '_>| -> Result<Value, ExecutionError> {
            let value = call.args.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
            let value = Value::try_from(value.as_ref())?;
            if take(&bytes.bytes, weight(&value)) { Ok(value) } else { Err(call.error("too large")) }
        };
        let counted = move |call: &FunctionContext<'_, '_>| -> Result<Value, ExecutionError> {
            if turns.turn(1) { Ok(true.into()) } else { Err(call.error("too long")) }
        };
        let paired = move |call: &FunctionContext<'_, '_>| -> Result<Value, ExecutionError> {
            let value = call.args.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
            let value = Value::try_from(value.as_ref())?;
            let length = length(&value);
            if pairs.turn(length.saturating_mul(length)) { Ok(value) } else { Err(call.error("too long")) }
        };
        // All names are new.
        let _ = context.add_function(PAIRED, paired);
        let _ = context.add_function(WEIGHED, weighed);
        let _ = context.add_function(COUNTED, counted);
    }
}

/// Once something was too much, nothing is left.
fn take(from: &AtomicU64, wanted: u64) -> bool {
    let left = from.load(Ordering::Relaxed).saturating_sub(wanted);
    from.store(left, Ordering::Relaxed);
    left > 0
}

/// Bytes that a call makes at most: copies of what it is given, and its result.
fn cost(name: &str, values: &[Value]) -> u64 {
    let given = values.iter().map(weight).fold(0, u64::saturating_add);
    let text = |at: usize| match values.get(at) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let found = |by: usize| match (text(0), text(by)) {
        (Some(whole), Some(wanted)) => whole.matches(wanted).count() as u64,
        _ => 0,
    };
    let size = |at: usize| text(at).map_or(0, str::len) as u64;
    let result = match name {
        "replace" => given.saturating_add(found(1).saturating_mul(size(2))),
        "split" => found(1).saturating_mul(weight(&Value::Null)).saturating_add(given),
        "join" => {
            let parts = values.first().map_or(0, length);
            given.saturating_add(parts.saturating_mul(size(1)))
        }
        // A letter has up to ten as an escape, a number a few hundred digits.
        "format" | "strings.quote" => given.saturating_mul(10),
        _ => given.saturating_mul(2),
    };
    given.saturating_add(result)
}

/// Comparisons of a call that compares each item of one list with each of another.
fn pairs(name: &str, values: &[Value]) -> u64 {
    match (name, values) {
        ("sets.contains" | "sets.intersects" | "sets.equivalent", [left, right]) => {
            length(left).saturating_mul(length(right))
        }
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

/// Changes an expression so that what it makes is weighed and its loops are counted.
pub fn watched(at: &mut IdedExpr) {
    let mut makes = false;
    match &mut at.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            call.args.iter_mut().chain(call.target.as_deref_mut()).for_each(watched);
            makes = match call.func_name.as_str() {
                operators::ADD => !call.args.first().is_some_and(is_result),
                name => MAKERS.contains(&name),
            };
            if let Some(list) = call.target.as_deref_mut().filter(|_| call.func_name == DISTINCT) {
                wrapped(PAIRED, list);
            }
        }
        Expr::List(list) => {
            for (at, item) in list.elements.iter_mut().enumerate() {
                watched(item);
                if !list.optional_indices.contains(&at) {
                    weighed(item);
                }
            }
            makes = !list.optional_indices.is_empty();
        }
        Expr::Map(map) => map.entries.iter_mut().for_each(entry),
        Expr::Struct(made) => made.entries.iter_mut().for_each(entry),
        Expr::Select(select) => watched(&mut select.operand),
        Expr::Comprehension(made) => {
            let parts = [&mut made.iter_range, &mut made.accu_init, &mut made.loop_cond, &mut made.result];
            parts.into_iter().for_each(watched);
            watched(&mut made.loop_step);
            counted(&mut made.loop_step);
        }
    }
    if makes {
        weighed(at);
    }
}

fn entry(entry: &mut IdedEntryExpr) {
    match &mut entry.expr {
        EntryExpr::StructField(field) => {
            watched(&mut field.value);
            weighed(&mut field.value);
        }
        EntryExpr::MapEntry(entry) => {
            watched(&mut entry.key);
            watched(&mut entry.value);
            if !entry.optional {
                weighed(&mut entry.value);
            }
        }
    }
}

/// What a loop has gathered: it is weighed item by item.
fn is_result(at: &IdedExpr) -> bool {
    matches!(&at.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Counts the turns of a loop. The interpreter knows steps by their outer form, so that stays.
fn counted(step: &mut IdedExpr) {
    if let Expr::Call(call) = &mut step.expr {
        let inner = match call.func_name.as_str() {
            operators::CONDITIONAL => call.args.first_mut(),
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::ADD => call.args.get_mut(1),
            _ => None,
        };
        if let Some(inner) = inner {
            return counted_item(inner);
        }
    }
    counted_item(step);
}

fn counted_item(at: &mut IdedExpr) {
    if let Expr::List(list) = &mut at.expr
        && let [item] = &mut list.elements[..]
    {
        return counted_item(item);
    }
    let inner = std::mem::take(at);
    let id = inner.id;
    let never = Expr::Literal(LiteralValue::Boolean(false.into()));
    let asked = called(COUNTED, Vec::new(), id);
    *at = called(operators::CONDITIONAL, vec![asked, inner, expression(never, id)], id);
}

fn weighed(at: &mut IdedExpr) {
    wrapped(WEIGHED, at);
}

fn wrapped(name: &str, at: &mut IdedExpr) {
    let inner = std::mem::take(at);
    let id = inner.id;
    *at = called(name, vec![inner], id);
}

fn called(name: &str, args: Vec<IdedExpr>, id: u64) -> IdedExpr {
    expression(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }), id)
}

fn expression(expr: Expr, id: u64) -> IdedExpr {
    IdedExpr { id, expr }
}

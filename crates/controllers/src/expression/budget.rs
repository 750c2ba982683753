//! What one run of an expression may do: turns of loops, bytes it makes.
//!
//! Values grow while an expression runs, by `+`, by lists in lists and by functions, so that its text says too little.
//! The tree is changed before it runs: every value that is put into another one and every sum is weighed, and every
//! turn of a loop is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, operators};
use cel::objects::{Key, OptionalValue};
use cel::{Context, ExecutionError, FunctionContext, Value};

/// Bytes of all that an expression makes while it runs.
const MOST_BYTES: u64 = 16 << 20;
/// Bytes that any value takes.
const LEAST_BYTES: u64 = 64;
/// Weighs its argument and returns it. Nobody can write such a name.
const WEIGHED: &str = "@weighed";
/// Counts one turn of a loop; true.
const COUNTED: &str = "@counted";

/// What is left of it.
pub(super) struct Budget {
    bytes: AtomicU64,
    turns: AtomicU64,
}

impl Budget {
    pub(super) fn new(turns: u64) -> Budget {
        Budget { bytes: AtomicU64::new(MOST_BYTES), turns: AtomicU64::new(turns) }
    }

    /// Whether more was wanted than there was.
    pub(super) fn is_spent(&self) -> bool {
        [&self.bytes, &self.turns].iter().any(|left| left.load(Ordering::Relaxed) == 0)
    }

    /// Takes bytes; false when there are not that many left.
    pub(super) fn pay(&self, bytes: u64) -> bool {
        take(&self.bytes, bytes)
    }

    /// Adds what the changed tree calls.
    pub(super) fn watch(self: &std::sync::Arc<Self>, context: &mut Context<'_, '_>) {
        let (bytes, turns) = (self.clone(), self.clone());
        let weighed = move |call: &FunctionContext<'_, '_>| -> Result<Value, ExecutionError> {
            let value = call.args.first().ok_or_else(ExecutionError::missing_argument_or_target)?;
            let value = Value::try_from(value.as_ref())?;
            if bytes.pay(weight(&value)) { Ok(value) } else { Err(call.error("too large")) }
        };
        let counted = move |call: &FunctionContext<'_, '_>| -> Result<Value, ExecutionError> {
            if take(&turns.turns, 1) { Ok(true.into()) } else { Err(call.error("too long")) }
        };
        // Both names are new.
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

/// Bytes that a value takes, those within it included.
pub(super) fn weight(value: &Value) -> u64 {
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
pub(super) fn watched(at: &mut IdedExpr) {
    let mut makes = false;
    match &mut at.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            call.args.iter_mut().chain(call.target.as_deref_mut()).for_each(watched);
            makes = call.func_name == operators::ADD && !call.args.first().is_some_and(is_result);
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
    let inner = std::mem::take(at);
    let id = inner.id;
    *at = called(WEIGHED, vec![inner], id);
}

fn called(name: &str, args: Vec<IdedExpr>, id: u64) -> IdedExpr {
    expression(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }), id)
}

fn expression(expr: Expr, id: u64) -> IdedExpr {
    IdedExpr { id, expr }
}

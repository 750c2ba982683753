//! What an expression may call beside the functions of CEL itself.
//!
//! A function takes its receiver and arguments in one list, once they are paid for; `None` is an error of the expression.

use std::sync::Arc;

use cel::{Context, Env, ExecutionError, FunctionContext, Value};

use super::budget::Budget;
use super::matching::{self, MATCHES};
use super::no_overload;

/// Functions that look in a text, the first value, for a pattern, the second.
const SEARCHES: [&str; 3] = [MATCHES, "find", "findAll"];

/// What a function looks like.
pub type Function = fn(&[Value]) -> Option<Value>;

/// Says what is wrong with the values of a call that failed; `None` when they are of the wrong types.
pub type Told = fn(&str, &[Value]) -> Option<String>;

/// What expressions of an environment run in: with these functions, `matches`, and within a budget.
#[must_use]
pub fn context(
    environment: &Arc<Env>,
    functions: &[(&'static str, Function)],
    budget: &Arc<Budget>,
    told: Told,
) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(environment));
    for (name, function) in functions.iter().copied() {
        let budget = Arc::clone(budget);
        let call = move |call: &FunctionContext<'_, '_>| run((name, function), call, &budget, told);
        // A name that CEL has already is CEL's.
        let _ = context.add_function(name, call);
    }
    let matches = {
        let budget = Arc::clone(budget);
        move |call: &FunctionContext<'_, '_>| matching::matches(&values_of(MATCHES, call, &budget)?)
    };
    let _ = context.add_function(MATCHES, matches);
    budget.watch(&mut context);
    context
}

fn run(
    (name, function): (&str, Function),
    call: &FunctionContext<'_, '_>,
    budget: &Budget,
    told: Told,
) -> Result<Value, ExecutionError> {
    let values = values_of(name, call, budget)?;
    let why = || told(name, &values).unwrap_or_else(|| no_overload(name, &values));
    function(&values).ok_or_else(|| call.error(why()))
}

/// The receiver, if there is one, and the arguments, once they are paid for.
fn values_of(
    name: &str,
    call: &FunctionContext<'_, '_>,
    budget: &Budget,
) -> Result<Vec<Value>, ExecutionError> {
    let mut values = Vec::with_capacity(call.args.len() + 1);
    for value in call.this.iter().chain(&call.args) {
        values.push(Value::try_from(value.as_ref())?);
    }
    let is_paid = budget.pay(name, &values)
        && match &values[..] {
            [Value::String(text), Value::String(pattern), ..] if SEARCHES.contains(&name) => {
                matching::pay(text, pattern, budget)
            }
            _ => true,
        };
    if is_paid { Ok(values) } else { Err(call.error("too large")) }
}

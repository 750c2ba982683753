//! The functions that rules may call beside those of CEL itself.
//!
//! Follows: the CEL libraries of apiserver 1.36 (strings, lists, regex, URLs, quantities, addresses, sets, math).
//! A function takes its receiver and arguments in one list; `None` is an error of the rule.

mod amount;
mod list;
mod net;
mod text;

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, FunctionContext, Value};

/// What the functions of a library look like.
type Function = fn(&[Value]) -> Option<Value>;

/// The environment in which rules are compiled: with optional values.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A context with every function; variables go into inner scopes.
pub(super) fn context() -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for (name, function) in [text::FUNCTIONS, list::FUNCTIONS, net::FUNCTIONS, amount::FUNCTIONS].concat() {
        let call = move |call: &FunctionContext<'_, '_>| run(function, call);
        // A name that CEL has already is CEL's.
        let _ = context.add_function(name, call);
    }
    context
}

fn run(function: Function, call: &FunctionContext<'_, '_>) -> Result<Value, ExecutionError> {
    let mut values = Vec::with_capacity(call.args.len() + 1);
    for value in call.this.iter().chain(&call.args) {
        values.push(Value::try_from(value.as_ref())?);
    }
    function(&values).ok_or_else(|| call.error("no such overload"))
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texted(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

fn listed(items: Vec<Value>) -> Value {
    Value::List(Arc::new(items))
}

pub(super) fn optional(value: Option<Value>) -> Value {
    use cel::objects::OptionalValue;
    Value::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

//! The functions that rules may call beside those of CEL itself.
//!
//! Follows: the CEL libraries of apiserver 1.36 (strings, lists, regex, URLs, quantities, versions, addresses, sets, formats).
//! A function takes its receiver and arguments in one list; `None` is an error of the rule.

mod amount;
pub(super) mod fault;
mod list;
mod named;
mod net;
mod text;

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};
pub(super) use sealfast_k8s::expression::run::optional;
use sealfast_k8s::expression::run::{Function, Library};
use sealfast_k8s::expression::{depth, loops, nests_too_deeply, on_deep_stack, source};

use super::libraries::OF_PATCHES;

/// The environment in which rules are compiled: with optional values, lists and loops with two variables.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Nothing here is declared twice, which is all that could fail.
    let _ = environment.add_extension(cel::extensions::lists);
    let _ = environment.add_extension(loops::loops);
    Arc::new(environment)
});

/// Compiles a rule.
///
/// Rules are read, checked and run by recursion, so what nests deeply would end the process. Reading goes on a stack
/// of its own, because one bracket takes it a dozen steps down; what is deeper than a worker's stack is refused.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn compile(text: &str) -> Result<Program, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("a rule may not be longer than {MOST_BYTES} bytes"));
    }
    if nests_too_deeply(text) {
        return Err(TOO_DEEP.to_owned());
    }
    on_deep_stack(|| {
        let program = ENVIRONMENT.compile(text).map_err(|errors| source::unread(text, &errors))?;
        if depth(program.expression()) > MOST_LEVELS { Err(TOO_DEEP.to_owned()) } else { Ok(program) }
    })
    .unwrap_or_else(|| Err(NO_THREAD.to_owned()))
}

pub(super) const NO_THREAD: &str = "the rule cannot be read now";
const TOO_DEEP: &str = "the rule is nested too deeply";
const MOST_BYTES: usize = 64 << 10;
const MOST_LEVELS: usize = 100;

/// What rules run with.
pub(super) fn library() -> &'static Library {
    static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
        let libraries =
            [text::FUNCTIONS, list::FUNCTIONS, named::FUNCTIONS, net::FUNCTIONS, amount::FUNCTIONS];
        Library {
            declared: &OF_PATCHES,
            functions: libraries.concat().into_iter().collect(),
            constants: named::constants().collect(),
            told: fault::told,
            charge: super::cost::functions::spent,
            context: Context::with_env(Arc::clone(&ENVIRONMENT)),
        }
    });
    &LIBRARY
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

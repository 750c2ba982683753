//! What an expression gives, as far as its text alone tells.
//!
//! Follows: the checker of CEL for variables whose content is not known. Differs: calls with wrong types, but for those
//! of `matches`, are only found when they run.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use sealfast_k8s::expression::matching::MATCHES;
use sealfast_k8s::expression::{TYPES, parts};

/// An expression that does not fit, by its number, and why.
pub(super) type Misfit = (u64, String);

/// Looks for names that nobody declared, in the order of the text; `known` are the variables.
pub(super) fn undeclared(at: &IdedExpr, known: &mut Vec<String>) -> Option<Misfit> {
    match &at.expr {
        Expr::Unspecified | Expr::Literal(_) => None,
        Expr::Ident(name) => {
            let is_known = known.contains(name) || TYPES.contains(&name.as_str()) || name.starts_with('@');
            (!is_known).then(|| (at.id, format!("undeclared reference to '{name}' (in container '')")))
        }
        Expr::Select(select) => undeclared(&select.operand, known),
        Expr::Call(call) => {
            let target = call.target.as_deref().filter(|target| !is_namespace(target, call));
            target.into_iter().chain(&call.args).find_map(|part| undeclared(part, known))
        }
        Expr::List(list) => list.elements.iter().find_map(|item| undeclared(item, known)),
        Expr::Map(_) | Expr::Struct(_) => None,
        Expr::Comprehension(made) => {
            if let Some(found) = undeclared(&made.iter_range, known) {
                return Some(found);
            }
            let before = known.len();
            known.push(made.iter_var.clone());
            known.extend(made.iter_var2.clone());
            known.push(made.accu_var.clone());
            let parts = [&made.accu_init, &made.loop_cond, &made.loop_step, &made.result];
            let found = parts.into_iter().find_map(|part| undeclared(part, known));
            known.truncate(before);
            found
        }
    }
}

/// `sets.contains(…)` is one name.
fn is_namespace(target: &IdedExpr, call: &CallExpr) -> bool {
    let Expr::Ident(name) = &target.expr else { return false };
    super::functions::FUNCTIONS.iter().any(|(full, _)| *full == format!("{name}.{}", call.func_name))
        || (name == "optional" && matches!(call.func_name.as_str(), "of" | "none" | "ofNonZeroValue"))
}

/// Looks for a pattern, or what it is asked of, that is certainly no text.
pub(super) fn misfit(at: &IdedExpr) -> Option<Misfit> {
    let (once, often) = parts(at);
    let own = match &at.expr {
        Expr::Call(call) if call.func_name == MATCHES => applied(call)
            .map(|types| (at.id, format!("found no matching overload for 'matches' applied to '{types}'"))),
        _ => None,
    };
    once.into_iter().chain(often).find_map(misfit).or(own)
}

/// The types of what `matches` is called with, when one does not fit.
fn applied(call: &CallExpr) -> Option<String> {
    let types: Vec<&str> = call
        .target
        .as_deref()
        .into_iter()
        .chain(&call.args)
        .map(|part| kind(part).unwrap_or("dyn"))
        .collect();
    let fits = types.iter().all(|found| matches!(*found, "dyn" | "string"));
    let shown = match (&call.target, types.split_first()) {
        (Some(_), Some((first, rest))) => format!("{first}.({})", rest.join(", ")),
        _ => format!("({})", types.join(", ")),
    };
    (!fits).then_some(shown)
}

/// The first use of a variable, with the fields that are asked of it.
pub(super) fn attribute(at: &IdedExpr, name: &str) -> Option<String> {
    fn path(at: &IdedExpr, name: &str) -> Option<String> {
        match &at.expr {
            Expr::Ident(found) => (found == name).then(|| found.clone()),
            Expr::Select(select) => Some(format!("{}.{}", path(&select.operand, name)?, select.field)),
            _ => None,
        }
    }
    let (once, often) = parts(at);
    path(at, name).or_else(|| once.into_iter().chain(often).find_map(|part| attribute(part, name)))
}

/// The type that an expression gives, as CEL names it; `dyn` when only running it tells, none when we cannot say.
pub(super) fn kind(at: &IdedExpr) -> Option<&'static str> {
    match &at.expr {
        Expr::Literal(value) => Some(match value {
            LiteralValue::Boolean(_) => "bool",
            LiteralValue::Bytes(_) => "bytes",
            LiteralValue::Double(_) => "double",
            LiteralValue::Int(_) => "int",
            LiteralValue::Null => "null",
            LiteralValue::String(_) => "string",
            LiteralValue::UInt(_) => "uint",
        }),
        Expr::Select(select) if select.test => Some("bool"),
        Expr::Select(select) if kind(&select.operand) != Some("dyn") => None,
        Expr::Select(_) | Expr::Ident(_) => Some("dyn"),
        Expr::Call(call) => called(call),
        _ => None,
    }
}

fn called(call: &CallExpr) -> Option<&'static str> {
    const TRUTHS: [&str; 10] = [
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::EQUALS,
        operators::NOT_EQUALS,
        operators::LESS,
        operators::LESS_EQUALS,
        operators::GREATER,
        operators::GREATER_EQUALS,
        operators::IN,
    ];
    match call.func_name.as_str() {
        name if TRUTHS.contains(&name) || name == MATCHES => Some("bool"),
        operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE => {
            let (left, right) = (kind(call.args.first()?)?, kind(call.args.get(1)?)?);
            Some(if left == "dyn" { right } else { left })
        }
        operators::CONDITIONAL => {
            let (left, right) = (kind(call.args.get(1)?)?, kind(call.args.get(2)?)?);
            (left == right).then_some(left)
        }
        "size" => Some("int"),
        "string" | "lowerAscii" | "upperAscii" | "trim" | "join" | "replace" | "substring" => Some("string"),
        _ => None,
    }
}

//! What is written down in a rule and cannot be read, or cannot be put into a text.

use std::time::Duration;

use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use sealfast_k8s::expression::budget::Budget;
use sealfast_k8s::expression::check::{Checked, Fault};
use sealfast_k8s::expression::kind::Type;
use sealfast_k8s::expression::operations::SECONDS;
use sealfast_k8s::expression::run::{Stop, is_constant, is_conversion, run};
use sealfast_k8s::expression::{matching, parts};

use crate::validate::{format, functions};

/// What is wrong with the literals of an expression whose types are right.
pub(super) fn faults(at: &IdedExpr, checked: &Checked) -> Vec<Fault> {
    let mut found = Vec::new();
    gather(at, checked, &mut found);
    found
}

fn gather(at: &IdedExpr, checked: &Checked, found: &mut Vec<Fault>) {
    if let Expr::Call(call) = &at.expr {
        let name = call.func_name.as_str();
        if let ("timestamp", Some(argument)) = (name, call.args.first())
            && let Expr::Literal(LiteralValue::Int(seconds)) = &argument.expr
            && !SECONDS.contains(seconds.inner())
        {
            found.push((argument.id, "invalid timestamp argument".to_owned()));
        }
        if let Some((argument, text)) = call.args.first().and_then(|first| Some((first, text_of(first)?))) {
            let valid = match name {
                "duration" => format::is_go_duration(text),
                "timestamp" => format::is_valid("datetime", text),
                "matches" => matching::compiled(text).is_ok(),
                _ => true,
            };
            if !valid {
                found.push((argument.id, format!("invalid {name} argument")));
            }
        }
        if let ("format", Some(target), [list]) = (name, call.target.as_deref(), call.args.as_slice())
            && let (Some(layout), Expr::List(list)) = (text_of(target), &list.expr)
            && let Err((part, why)) = formatted(layout, &list.elements, checked)
        {
            found.push((part.unwrap_or(at.id), why));
        }
    }
    let (once, often) = parts(at);
    for part in once.into_iter().chain(often) {
        gather(part, checked, found);
    }
}

fn text_of(at: &IdedExpr) -> Option<&str> {
    match &at.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// What keeps a rule from being prepared for running: patterns and conversions of what is written down.
pub(super) fn unready(at: &IdedExpr) -> Option<String> {
    let (once, often) = parts(at);
    if let Some(why) = once.into_iter().chain(often).find_map(unready) {
        return Some(why);
    }
    let Expr::Call(call) = &at.expr else { return None };
    let pattern = match (call.func_name.as_str(), &call.target) {
        ("matches", None) => call.args.get(1),
        ("matches" | "find" | "findAll", Some(_)) => call.args.first(),
        _ => None,
    };
    let wrong = pattern.and_then(text_of).and_then(|text| matching::compiled(text).err());
    wrong.map(|why| format!("error parsing regexp: {why}")).or_else(|| unconverted(at))
}

/// Why a value that is written down cannot be converted.
fn unconverted(at: &IdedExpr) -> Option<String> {
    if !is_conversion(at) || !is_constant(at) {
        return None;
    }
    let budget = Budget::new(MOST_STEPS, MOST_BYTES, Duration::from_secs(1));
    match run(at, functions::library(), &budget, u64::MAX, &|_| None).0 {
        Err(Stop::Fault(why)) => Some(why),
        _ => None,
    }
}

const MOST_STEPS: u64 = 100_000;
const MOST_BYTES: u64 = 1 << 20;

/// Whether values may be put into a text as its layout asks; the part that may not, and why.
fn formatted(layout: &str, values: &[IdedExpr], checked: &Checked) -> Result<(), (Option<u64>, String)> {
    let whole = |why: String| (None, why);
    let mut rest = layout.chars().peekable();
    let mut count = 0;
    while let Some(letter) = rest.next() {
        if letter != '%' || rest.next_if_eq(&'%').is_some() {
            continue;
        }
        if rest.peek().is_none() {
            return Err(whole("unexpected end of string".to_owned()));
        }
        let Some(value) = values.get(count) else {
            return Err(whole(format!("index {count} out of range")));
        };
        count += 1;
        if rest.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            precision(&digits, rest.peek().is_some()).map_err(|why| {
                whole(format!("could not parse formatting clause: error while parsing precision: {why}"))
            })?;
        }
        let verb = rest.next().unwrap_or_default();
        if let Some((part, why)) = misfit(verb, value, checked).map_err(whole)? {
            return Err((Some(part.id), format!("error during formatting: {why}")));
        }
    }
    if values.len() > count {
        let given = values.len();
        return Err(whole(format!(
            "too many arguments supplied to string.format (expected {count}, got {given})"
        )));
    }
    Ok(())
}

fn precision(digits: &str, goes_on: bool) -> Result<(), String> {
    if !goes_on {
        return Err("could not find end of precision specifier".to_owned());
    }
    let why = match digits.parse::<i64>() {
        Ok(_) => return Ok(()),
        Err(_) if digits.is_empty() => "invalid syntax",
        Err(_) => "value out of range",
    };
    Err(format!("error while converting precision to integer: strconv.Atoi: parsing \"{digits}\": {why}"))
}

/// The part of a value that cannot be written so, and why.
fn misfit<'a>(
    verb: char,
    value: &'a IdedExpr,
    checked: &Checked,
) -> Result<Option<(&'a IdedExpr, String)>, String> {
    use Type::{Bool, Bytes, Double, Int, String, UInt};
    let kind = checked.type_of(value);
    let (fits, wanted) = match verb {
        's' => {
            let unfit = unshown(value, checked);
            let told = unfit.map(|part| {
                let given = long_name(checked.type_of(part));
                (part, format!("string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {given}"))
            });
            return Ok(told);
        }
        'd' => (matches!(kind, Int | UInt), "decimal clause can only be used on integers"),
        'f' => (matches!(kind, Double | String), "fixed-point clause can only be used on doubles"),
        'e' => (matches!(kind, Double | String), "scientific clause can only be used on doubles"),
        'b' => (matches!(kind, Int | UInt | Bool), "only integers and bools can be formatted as binary"),
        'x' | 'X' => (
            matches!(kind, Int | UInt | String | Bytes),
            "only integers, byte buffers, and strings can be formatted as hex",
        ),
        'o' => (matches!(kind, Int | UInt), "octal clause can only be used on integers"),
        other => {
            return Err(format!(
                "could not parse formatting clause: unrecognized formatting clause \"{other}\""
            ));
        }
    };
    let fits = fits || *kind == Type::Dyn;
    Ok((!fits).then(|| (value, format!("{wanted}, was given {}", long_name(kind)))))
}

/// The part of a value that no text can show.
fn unshown<'a>(value: &'a IdedExpr, checked: &Checked) -> Option<&'a IdedExpr> {
    if matches!(checked.type_of(value), Type::Optional(_) | Type::Object(_) | Type::Library(_)) {
        return Some(value);
    }
    match &value.expr {
        Expr::List(_) | Expr::Map(_) => parts(value).0.into_iter().find_map(|part| unshown(part, checked)),
        _ => None,
    }
}

/// The name of a type without what it holds.
fn long_name(kind: &Type) -> String {
    match kind {
        Type::Null => "null_type".to_owned(),
        Type::Duration => "google.protobuf.Duration".to_owned(),
        Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
        Type::List(_) => "list".to_owned(),
        Type::Map(..) => "map".to_owned(),
        Type::Optional(_) => "optional_type".to_owned(),
        other => other.name(),
    }
}

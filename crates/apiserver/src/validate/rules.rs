//! Validation rules in CEL (`x-kubernetes-validations`).

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::{Kind, Problem, join};

const RULES: &str = "x-kubernetes-validations";

/// Tells whether a schema has rules at any level.
pub(super) fn any(schema: &Value) -> bool {
    schema.get(RULES).is_some()
        || schema.get("items").is_some_and(any)
        || schema.get("additionalProperties").is_some_and(any)
        || schema.get("properties").and_then(Value::as_object).is_some_and(|fields| fields.values().any(any))
}

/// Checks every rule that applies to the value and its parts.
pub(super) fn check(
    schema: &Value,
    new: &Value,
    old: Option<&Value>,
    path: &str,
    problems: &mut Vec<Problem>,
) {
    for rule in schema.get(RULES).and_then(Value::as_array).into_iter().flatten() {
        problems.extend(one(rule, new, old, path));
    }
    match new {
        Value::Object(fields) => {
            for (name, value) in fields {
                let known = schema.get("properties").and_then(|properties| properties.get(name));
                if let Some(known) = known.or_else(|| schema.get("additionalProperties")) {
                    let twin = old.and_then(|old| old.get(name));
                    check(known, value, twin, &join(path, name), problems);
                }
            }
        }
        Value::Array(items) if schema.get("items").is_some_and(any) => {
            for (at, item) in items.iter().enumerate() {
                check(&schema["items"], item, None, &format!("{path}[{at}]"), problems);
            }
        }
        _ => {}
    }
}

fn one(rule: &Value, new: &Value, old: Option<&Value>, path: &str) -> Option<Problem> {
    let text = rule["rule"].as_str()?;
    let compares = text.contains("oldSelf");
    if compares && old.is_none() {
        return None;
    }
    let mut context = Context::default();
    context.add_variable_from_value("self", to_cel(new));
    if let Some(old) = old {
        context.add_variable_from_value("oldSelf", to_cel(old));
    }
    let holds = Program::compile(text).ok().and_then(|program| program.execute(&context).ok());
    if holds == Some(Cel::Bool(true)) {
        return None;
    }
    let message = message(rule, &context).unwrap_or_else(|| format!("failed rule: {text}"));
    let field = match rule["fieldPath"].as_str() {
        Some(below) => format!("{path}{below}"),
        None => path.to_owned(),
    };
    let kind = match rule["reason"].as_str() {
        Some("FieldValueForbidden") => Kind::Forbidden(message),
        Some("FieldValueRequired") => Kind::Required,
        _ if new.is_object() || new.is_array() => Kind::Rule(message),
        _ => Kind::Invalid(new.clone(), message),
    };
    Some(Problem::new(&field, kind))
}

fn message(rule: &Value, context: &Context<'_, '_>) -> Option<String> {
    if let Some(expression) = rule["messageExpression"].as_str()
        && let Some(Cel::String(text)) = Program::compile(expression).ok()?.execute(context).ok()
    {
        return Some(text.to_string());
    }
    rule["message"].as_str().map(str::to_owned)
}

/// Whole numbers are signed: rules compare them with literals.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cel::Int(number),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let map: HashMap<String, Cel> =
                fields.iter().map(|(name, value)| (name.clone(), to_cel(value))).collect();
            Cel::Map(map.into())
        }
    }
}

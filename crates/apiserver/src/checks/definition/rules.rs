//! The rules of a schema in CEL: their words, and whether they fit it.

use serde_json::{Value, json};

use super::structural::Place;
use crate::checks::list;
use crate::fields::text;
use crate::status_error::Cause;
use crate::validate::checker::{self, Fault, Wanted};

/// What is wrong with the rules of one schema.
pub(super) fn check(schema: &Value, path: &str, place: Place, times: u64, causes: &mut Vec<Cause>) {
    for (at, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{at}]");
        causes.extend(rule_words(rule, &path));
        let below = text(rule, &["fieldPath"]);
        if !below.is_empty() && field(schema, below).is_none() {
            let why = "fieldPath must be a valid path: does not refer to a valid field";
            causes.push(Cause::invalid(format!("{path}.fieldPath"), &json!(below), why));
        }
        let optional_old = rule["optionalOldSelf"] == true;
        let place = checker::Place { root: place == Place::Root, optional_old, times };
        for (key, wanted) in [("rule", Wanted::Truth), ("messageExpression", Wanted::Text)] {
            let stated = text(rule, &[key]);
            if stated.trim().is_empty() {
                continue;
            }
            let field = format!("{path}.{key}");
            match checker::fault(stated, schema, place, wanted) {
                Some(Fault::Invalid(why)) if key == "rule" => causes.push(Cause::invalid(field, rule, &why)),
                Some(Fault::Invalid(why)) => {
                    causes.push(Cause::invalid(field, rule, &format!("messageExpression {why}")));
                }
                Some(Fault::Costly(why)) => causes.push(Cause::forbidden(field, &why)),
                None => {}
            }
        }
    }
}

/// The words of a rule, whatever they mean.
fn rule_words(rule: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let [stated, message, expression, reason] =
        ["rule", "message", "messageExpression", "reason"].map(|key| text(rule, &[key]));
    if stated.trim().is_empty() {
        causes.push(Cause::required(format!("{path}.rule"), "rule is not specified"));
    }
    if !message.is_empty() && message.trim().is_empty() {
        let why = "message must be non-empty if specified";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if message.trim().contains('\n') {
        let why = "message must not contain line breaks";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if stated.trim().contains('\n') && message.is_empty() {
        let why = "message must be specified if rule contains line breaks";
        causes.push(Cause::required(format!("{path}.message"), why));
    }
    if !expression.is_empty() && expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        causes.push(Cause::required(format!("{path}.messageExpression"), why));
    }
    if !reason.is_empty() && !REASONS.contains(&reason) {
        causes.push(Cause::not_supported(format!("{path}.reason"), &json!(reason), &REASONS));
    }
    causes
}

/// The schema of the field that a path such as `.a['b-c'].d` names.
pub(super) fn field<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, behind) = match rest.strip_prefix("['") {
            Some(quoted) => quoted.split_once("']")?,
            None => {
                let plain = rest.strip_prefix('.')?;
                plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
            }
        };
        let known = at["properties"].get(name);
        let below = known.or_else(|| at.get("additionalProperties").filter(|values| values.is_object()))?;
        (at, rest) = (below, behind);
    }
    Some(at)
}

/// What a broken rule may be reported as, sorted.
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

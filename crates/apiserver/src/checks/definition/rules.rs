//! The rules of a schema in CEL: their words, and whether they fit it.

use serde_json::{Value, json};

use super::schema::Place;
use crate::checks::list;
use crate::fields::text;
use crate::status_error::Cause;
use crate::validate::checker::{self, Fault, Wanted};

/// What is wrong with the words of the rules of one schema, whatever they mean.
pub(super) fn words_of_all(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (at, rule) in list(schema, RULES).iter().enumerate() {
        let path = format!("{path}.{RULES}[{at}]");
        causes.extend(rule_words(rule, &path));
        causes.extend(field_path(schema, text(rule, &["fieldPath"]), &format!("{path}.fieldPath")));
    }
    causes
}

/// What is wrong with the rules of one schema, whose words are right.
pub(super) fn check(schema: &Value, path: &str, place: &Place, causes: &mut Vec<Cause>) {
    for (at, rule) in list(schema, RULES).iter().enumerate() {
        one(schema, rule, &format!("{path}.{RULES}[{at}]"), place, causes);
    }
}

fn one(schema: &Value, rule: &Value, path: &str, place: &Place, causes: &mut Vec<Cause>) {
    let optional_old = rule["optionalOldSelf"] == true;
    let within = checker::Place { root: place.root, optional_old, times: place.times };
    let stated = text(rule, &["rule"]);
    let mut is_valid = true;
    for (key, wanted) in [("rule", Wanted::Truth), ("messageExpression", Wanted::Text)] {
        let stated = text(rule, &[key]);
        if stated.trim().is_empty() {
            continue;
        }
        let field = format!("{path}.{key}");
        match checker::fault(stated, schema, within, wanted) {
            Some(Fault::Invalid(why)) if key == "rule" => {
                is_valid = false;
                causes.push(Cause::invalid(field, rule, &why));
            }
            Some(Fault::Invalid(why)) => {
                causes.push(Cause::invalid(field, rule, &format!("messageExpression {why}")));
            }
            Some(Fault::Costly(why)) => causes.push(Cause::forbidden(field, &why)),
            None => {}
        }
    }
    let asks_for_old = is_valid && checker::names(stated, "oldSelf");
    if let Some(part) = place.uncorrelated.as_ref().filter(|_| asks_for_old) {
        let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {part}");
        causes.push(Cause::invalid(format!("{path}.rule"), &json!(stated), &why));
    }
    let optional = rule.get("optionalOldSelf").filter(|stated| !stated.is_null() && !asks_for_old);
    causes.extend(optional.map(|stated| {
        let why = "may not be set if oldSelf is not used in rule";
        Cause::invalid(format!("{path}.optionalOldSelf"), stated, why)
    }));
}

fn field_path(schema: &Value, stated: &str, field: &str) -> Vec<Cause> {
    let mut whys = Vec::new();
    if !stated.is_empty() && stated.trim().is_empty() {
        whys.push("must be non-empty if specified");
    }
    if has_breaks(stated) {
        whys.push("must not contain line breaks");
    }
    if !stated.is_empty() && self::field(schema, stated).is_none() {
        whys.push("must be a valid path");
    }
    whys.into_iter().map(|why| Cause::invalid(field, &json!(stated), why)).collect()
}

fn has_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// The words of a rule, whatever they mean.
fn rule_words(rule: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let [stated, message, expression, reason] =
        ["rule", "message", "messageExpression", "reason"].map(|key| text(rule, &[key]));
    if stated.trim().is_empty() {
        causes.push(Cause::required(format!("{path}.rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        let why = "must be non-empty if specified";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if has_breaks(message.trim()) {
        let why = "must not contain line breaks";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if has_breaks(stated.trim()) && message.is_empty() {
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

const RULES: &str = "x-kubernetes-validations";
/// What a broken rule may be reported as, sorted.
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

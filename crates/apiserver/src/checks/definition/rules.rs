//! The rules of a schema in CEL: their words, and whether they fit it.

use serde_json::{Value, json};

use super::place::Place;
use crate::causes::{Cause, Causes};
use crate::checks::list;
use crate::fields::text;
use crate::path::Path;
use crate::validate::checker::{self, Fault, Subject, Wanted};
use crate::validate::field_path;

/// What is wrong with the words of the rules of one schema, whatever they mean.
pub(super) fn words_of_all(schema: &Value, path: &Path<'_>, causes: &mut Causes) {
    let rules = Path::Field(path, RULES);
    for (at, rule) in list(schema, RULES).iter().enumerate() {
        if causes.is_full() {
            return;
        }
        let path = Path::Item(&rules, at);
        causes.extend(rule_words(rule, &path));
        causes.extend(field_path(schema, text(rule, &["fieldPath"]), &Path::Field(&path, "fieldPath")));
    }
}

/// What is found about the rules of all schemas of a version.
#[derive(Default)]
pub(super) struct Found {
    pub(super) faults: Causes,
    /// The rules that may take the most steps, and how many.
    costliest: Vec<(String, u64)>,
    /// The steps of all.
    total: u64,
}

impl Found {
    fn count(&mut self, path: &Path<'_>, cost: u64) {
        self.total = self.total.saturating_add(cost);
        // Of rules that take the same the first are told of.
        let place = self.costliest.partition_point(|(_, known)| *known >= cost);
        if cost >= WORTH_TELLING && place < MOST_TOLD {
            self.costliest.insert(place, (path.to_string(), cost));
            self.costliest.truncate(MOST_TOLD);
        }
    }

    /// Tells of everything that is wrong, with what all rules take together, at the schema's `path`.
    pub(super) fn tell(self, path: &Path<'_>, causes: &mut Causes) {
        causes.extend(self.faults.told());
        let Some(why) = checker::too_costly(self.total) else { return };
        let part =
            "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        causes.extend(self.costliest.into_iter().map(|(field, _)| Cause::forbidden(field, part)));
        causes.push(Cause::forbidden(path.to_string(), &why));
    }
}

/// What is wrong with the rules of one schema, whose words are right.
pub(super) fn check(schema: &Value, path: &Path<'_>, place: &Place<'_>, found: &mut Found) {
    let rules = list(schema, RULES);
    if rules.is_empty() {
        return;
    }
    match Subject::new(schema, place.root) {
        Some(subject) => {
            let list = Path::Field(path, RULES);
            for (at, rule) in rules.iter().enumerate() {
                if found.faults.is_full() {
                    return;
                }
                one(&subject, rule, &Path::Item(&list, at), place, found);
            }
        }
        None => found.faults.push(Cause::internal(format!("{path}.{RULES}"), UNREACHED)),
    }
}

fn one(subject: &Subject, rule: &Value, path: &Path<'_>, place: &Place<'_>, found: &mut Found) {
    // Where nothing is stated, as many as fit into a request.
    let times = place.times.unwrap_or_else(|| subject.most_in_a_request());
    let mut judge = |key: &str, wanted: Wanted, times: u64| {
        let stated = text(rule, &[key]);
        if stated.trim().is_empty() {
            return Some(false);
        }
        let field = Path::Field(path, key);
        let judged = subject.judged(stated, rule["optionalOldSelf"] == true, times, wanted);
        let is_valid = !matches!(judged.fault, Some(Fault::Invalid(_)));
        match judged.fault {
            Some(Fault::Invalid(why)) if wanted == Wanted::Truth => {
                found.faults.push(Cause::invalid(field.to_string(), rule, &why));
            }
            Some(Fault::Invalid(why)) => {
                let why = why.strip_prefix("program ").unwrap_or(&why);
                found.faults.push(Cause::invalid(
                    field.to_string(),
                    rule,
                    &format!("messageExpression {why}"),
                ));
            }
            Some(Fault::Costly(why)) => found.faults.push(Cause::forbidden(field.to_string(), &why)),
            None => {}
        }
        found.count(&field, judged.cost);
        is_valid.then_some(judged.asks_for_old)
    };
    // Of a message nothing is told when its rule is none.
    let asked = judge("rule", Wanted::Truth, times);
    if asked.is_some() {
        judge("messageExpression", Wanted::Text, 1);
    }
    let asks_for_old = asked.unwrap_or(false);
    let causes = &mut found.faults;
    if let Some(part) = place.uncorrelated.filter(|_| asks_for_old) {
        let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {part}");
        causes.push(Cause::invalid(format!("{path}.rule"), &json!(text(rule, &["rule"])), &why));
    }
    let optional = rule.get("optionalOldSelf").filter(|stated| !stated.is_null() && !asks_for_old);
    causes.extend(optional.map(|stated| {
        let why = "may not be set if oldSelf is not used in rule";
        Cause::invalid(format!("{path}.optionalOldSelf"), stated, why)
    }));
}

fn field_path(schema: &Value, stated: &str, field: &Path<'_>) -> Vec<Cause> {
    let mut whys = Vec::new();
    if !stated.is_empty() && stated.trim().is_empty() {
        whys.push("must be non-empty if specified");
    }
    if has_breaks(stated) {
        whys.push("must not contain line breaks");
    }
    if !stated.is_empty() && field_path::field(schema, stated).is_none() {
        whys.push("must be a valid path");
    }
    whys.into_iter().map(|why| Cause::invalid(field.to_string(), &json!(stated), why)).collect()
}

fn has_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// The words of a rule, whatever they mean.
fn rule_words(rule: &Value, path: &Path<'_>) -> Vec<Cause> {
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

/// Why rules cannot be looked at.
const UNREACHED: &str = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations";
const RULES: &str = "x-kubernetes-validations";
/// What a broken rule may be reported as, sorted.
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// Steps from which on a rule is told of, and how many rules are, when all take too many.
const WORTH_TELLING: u64 = 1_000_000;
const MOST_TOLD: usize = 4;

//! Labels and what selects by them.

use serde_json::Value;

use super::at::At;
use crate::causes::Causes;
use crate::grammar::{label, label_value, qualified, segment, subdomain};

/// Labels: keys and values of their grammars.
pub(super) fn labels(at: At<'_>, out: &mut Causes) {
    for entry in at.entries() {
        out.extend(qualified(entry.name()).iter().map(|why| at.wrong(entry.name(), why)));
        out.extend(label_value(entry.text()).iter().map(|why| at.wrong(entry.text(), why)));
    }
}

/// Annotations: keys of their grammar.
pub(super) fn annotations(at: At<'_>, out: &mut Causes) {
    for entry in at.entries() {
        let whys = qualified(&entry.name().to_lowercase());
        out.extend(whys.iter().map(|why| at.wrong(entry.name(), why)));
    }
}

/// A label selector.
pub(super) fn selector(at: At<'_>, out: &mut Causes) {
    labels(at.get("matchLabels"), out);
    for expression in at.get("matchExpressions").items() {
        let values = expression.get("values");
        match expression.get("operator").text() {
            "In" | "NotIn" if values.is_empty() => out.push(values.required(LIST_NEEDED)),
            "Exists" | "DoesNotExist" if !values.is_empty() => out.push(values.forbidden(NO_LIST)),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => out.push(expression.get("operator").invalid(NO_OPERATOR)),
        }
        let key = expression.get("key");
        out.extend(key.each(qualified(key.text())));
        values.items().for_each(|value| out.extend(value.each(label_value(value.text()))));
    }
}

/// True when a selector names nothing, and so selects everything.
pub(super) fn selects_all(selector: At<'_>) -> bool {
    selector.get("matchLabels").is_empty() && selector.get("matchExpressions").is_empty()
}

/// Whether labels are selected; `None` for a selector that nothing can be made of.
pub(super) fn selects(selector: At<'_>, labels: &Value) -> Option<bool> {
    let mut faults = Causes::default();
    self::selector(selector, &mut faults);
    if !faults.is_empty() {
        return None;
    }
    let found = |key: &str| labels.get(key).and_then(Value::as_str);
    let all =
        selector.get("matchLabels").entries().iter().all(|entry| found(entry.name()) == Some(entry.text()));
    let every = selector.get("matchExpressions").items().all(|expression| {
        let value = found(expression.get("key").text());
        let listed =
            value.is_some_and(|value| expression.get("values").items().any(|one| one.text() == value));
        match expression.get("operator").text() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    });
    Some(selector.is_set() && all && every)
}

/// Terms that select nodes.
pub(super) fn node_selector(at: At<'_>, out: &mut Causes) {
    let terms = at.get("nodeSelectorTerms");
    if terms.is_empty() {
        out.push(terms.required("must have at least one node selector term"));
    }
    terms.items().for_each(|term| node_term(term, Values::Checked, out));
}

/// Whether the values of a term have to be values of labels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    Checked,
    Free,
}

/// One term that selects nodes.
pub(super) fn node_term(term: At<'_>, check: Values, out: &mut Causes) {
    for expression in term.get("matchExpressions").items() {
        let values = expression.get("values");
        let count = values.items().count();
        match expression.get("operator").text() {
            "In" | "NotIn" if count == 0 => out.push(values.required(LIST_NEEDED)),
            "Exists" | "DoesNotExist" if count > 0 => out.push(values.forbidden(NO_LIST)),
            "Gt" | "Lt" if count != 1 => {
                out.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            _ => out.push(expression.get("operator").invalid(NO_OPERATOR)),
        }
        let key = expression.get("key");
        out.extend(key.each(qualified(key.text())));
        if check == Values::Checked {
            values.items().for_each(|value| out.extend(value.each(label_value(value.text()))));
        }
    }
    term.get("matchFields").items().for_each(|field| node_field(field, out));
}

fn node_field(field: At<'_>, out: &mut Causes) {
    let values = field.get("values");
    match field.get("operator").text() {
        "In" | "NotIn" if values.items().count() != 1 => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            out.push(values.required(why));
        }
        "In" | "NotIn" => {}
        _ => out.push(field.get("operator").invalid(NO_OPERATOR)),
    }
    if field.get("key").text() == "metadata.name" {
        values.items().for_each(|value| out.extend(value.each(subdomain(value.text()))));
    } else {
        out.push(field.get("key").invalid("not a valid field selector key"));
    }
}

/// A field that holds a DNS label, when it is stated.
pub(super) fn label_in(at: At<'_>, out: &mut Causes) {
    if !at.is_empty() {
        out.extend(at.each(label(at.text())));
    }
}

/// A list in which `*` is the only one.
pub(super) fn alone(at: At<'_>, what: &str, out: &mut Causes) {
    if at.items().count() > 1 && at.items().any(|item| item.text() == "*") {
        out.push(at.invalid(&format!("if '*' is present, must not specify other {what}")));
    }
}

/// The kind and name of another object.
pub(super) fn reference(at: At<'_>, out: &mut Causes) {
    for field in ["kind", "name"] {
        let field = at.get(field);
        match field.needed() {
            Some(cause) => out.push(cause),
            None => out.extend(field.each(segment(field.text()))),
        }
    }
}

/// A field that holds a name of labels joined by dots, when it is stated.
pub(super) fn name_in(at: At<'_>, out: &mut Causes) {
    if !at.is_empty() {
        out.extend(at.each(subdomain(at.text())));
    }
}

const LIST_NEEDED: &str = "must be specified when `operator` is 'In' or 'NotIn'";
const NO_LIST: &str = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
const NO_OPERATOR: &str = "not a valid selector operator";

//! ResourceQuotas and LimitRanges.

use std::collections::HashSet;

use serde_json::Value;

use super::at::{At, once};
use super::resources::{self, nanos};
use crate::causes::Causes;
use crate::grammar::qualified;

/// A ResourceQuota; `old` is what it was before.
pub(super) fn quota(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    hard(spec.get("hard"), out);
    scopes(spec, out);
    scope_selector(spec, out);
    let status = root.get("status");
    hard(status.get("hard"), out);
    hard(status.get("used"), out);
    let sorted = |object: &Value| {
        let list = object["spec"]["scopes"].as_array().into_iter().flatten();
        let mut names: Vec<String> = list.filter_map(|scope| scope.as_str().map(str::to_owned)).collect();
        names.sort();
        names.dedup();
        names
    };
    if old.is_some_and(|old| sorted(old) != sorted(object)) {
        out.push(spec.get("scopes").wrong(spec.get("scopes").value.clone(), "field is immutable"));
    }
}

fn hard(at: At<'_>, out: &mut Causes) {
    for amount in at.entries() {
        out.extend(resources::quota_name(amount));
        resources::amount(amount, out);
    }
}

fn scopes(spec: At<'_>, out: &mut Causes) {
    let list = spec.get("scopes");
    let misfits = Misfits::of(spec);
    for scope in list.items() {
        if out.is_full() {
            return;
        }
        if !SCOPES.contains(&scope.text()) {
            out.push(list.invalid("unsupported scope"));
        }
        let told = (0..misfits.count(scope.text())).map(|_| list.invalid(UNFIT));
        out.extend(told);
    }
    let has = |name: &str| list.items().any(|scope| scope.text() == name);
    for (one, other) in OPPOSED {
        if has(one) && has(other) {
            out.push(list.invalid("conflicting scopes"));
        }
    }
}

fn scope_selector(spec: At<'_>, out: &mut Causes) {
    let selector = spec.get("scopeSelector");
    let list = selector.get("matchExpressions");
    let misfits = Misfits::of(spec);
    for one in list.items() {
        if out.is_full() {
            return;
        }
        let (name, operator, values) = (one.get("scopeName"), one.get("operator"), one.get("values"));
        let place = |key: &'static str| list.get(key);
        if !SCOPES.contains(&name.text()) {
            out.push(place("scopeName").wrong(name.text(), "unsupported scope"));
        }
        let told = (0..misfits.count(name.text())).map(|_| list.with_value(selector.value).invalid(UNFIT));
        out.extend(told);
        let by_class = ["PriorityClass", "VolumeAttributesClass"].contains(&name.text());
        if SCOPES.contains(&name.text()) && !by_class && operator.text() != "Exists" {
            out.push(place("operator").wrong(operator.text(), EXISTS));
        }
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => out.push(place("values").required(
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                out.push(place("values").wrong(values.value.clone(), why));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => out.push(place("operator").wrong(operator.text(), "not a valid selector operator")),
        }
    }
    let has = |wanted: &str| list.items().any(|one| one.get("scopeName").text() == wanted);
    for (one, other) in OPPOSED {
        if has(one) && has(other) {
            let scopes = spec.get("scopes");
            out.push(scopes.wrong(scopes.value.clone(), "conflicting scopes"));
        }
    }
}

/// How many bounded resources each scope cannot bound.
struct Misfits([usize; SCOPES.len()]);

impl Misfits {
    fn of(spec: At<'_>) -> Self {
        let hard = spec.get("hard");
        let hard = hard.entries();
        Self(SCOPES.map(|scope| hard.iter().filter(|amount| !applies(scope, **amount)).count()))
    }

    fn count(&self, scope: &str) -> usize {
        SCOPES.iter().position(|known| *known == scope).map_or(0, |at| self.0[at])
    }
}

/// Whether a scope can bound a standard resource.
fn applies(scope: &str, amount: At<'_>) -> bool {
    let name = amount.name();
    if name.contains('/') || !resources::quota_name(amount).is_empty() {
        return true;
    }
    let part = name.strip_prefix("requests.").or(name.strip_prefix("limits.")).unwrap_or(name);
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => ["persistentvolumeclaims", "requests.storage"].contains(&name),
        _ if SCOPES.contains(&scope) => name == "pods" || ["cpu", "memory"].contains(&part),
        _ => true,
    }
}

/// A LimitRange.
pub(super) fn limits(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let list = spec.get("limits");
    let mut seen = HashSet::new();
    for limit in list.items() {
        let kind = limit.get("type");
        let whys = qualified(kind.text());
        if whys.is_empty() && !kind.text().contains('/') && !KINDS.contains(&kind.text()) {
            out.push(kind.invalid("must be a standard limit type or fully qualified"));
        }
        out.extend(kind.each(whys));
        once(&mut seen, limit.text_of("type"), kind, out);
        one_limit(limit, out);
    }
}

fn one_limit(limit: At<'_>, out: &mut Causes) {
    let kind = limit.get("type").text();
    let mut names: Vec<String> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let at = limit.get(field);
        if kind == "Pod" && field.starts_with("default") {
            if !at.is_empty() {
                out.push(at.forbidden("may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        for amount in at.entries() {
            out.extend(match kind {
                "Pod" | "Container" => resources::container_name(amount),
                _ => resources::any_name(amount),
            });
            names.push(amount.name().to_owned());
        }
    }
    let stored = |field: &str| limit.get(field).key("storage").is_set();
    if kind == "PersistentVolumeClaim" && !stored("min") && !stored("max") {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        out.push(limit.get("limits").required(why));
    }
    names.sort();
    names.dedup();
    names.iter().for_each(|name| compare(limit, name, out));
}

/// Minimum, defaults and maximum of a resource stand in order.
fn compare(limit: At<'_>, name: &str, out: &mut Causes) {
    let pod = limit.get("type").text() == "Pod";
    // Field, and where the cause stands, and whose value it shows.
    for (low, high, place, shown, words) in ORDER {
        if pod && (low.starts_with("default") || high.starts_with("default")) {
            continue;
        }
        let (lower, upper) = (limit.get(low), limit.get(high));
        let (lower, upper) = (lower.key(name), upper.key(name));
        let (Some(least), Some(most)) = (nanos(lower), nanos(upper)) else { continue };
        if least > most {
            let why = format!(
                "{} value {} is greater than {} value {}",
                words.0,
                lower.text(),
                words.1,
                upper.text()
            );
            let (at, value) = (limit.get(place), limit.get(shown));
            out.push(at.key(name).wrong(value.key(name).text(), &why));
        }
    }
    let ratio = limit.get("maxLimitRequestRatio");
    let ratio = ratio.key(name);
    let Some(number) = nanos(ratio) else { return };
    if number < 1_000_000_000 {
        out.push(ratio.invalid(&format!("ratio {} is less than 1", ratio.text())));
    }
    let (least, most) = (limit.get("min"), limit.get("max"));
    if let (Some(least), Some(most)) = (nanos(least.key(name)), nanos(most.key(name)))
        && least > 0
    {
        let bound = most as f64 / least as f64;
        if number as f64 / 1e9 > bound {
            out.push(ratio.invalid(&format!("ratio {} is greater than max/min = {bound:.6}", ratio.text())));
        }
    }
}

type Order = (&'static str, &'static str, &'static str, &'static str, (&'static str, &'static str));
const ORDER: [Order; 6] = [
    ("min", "max", "min", "min", ("min", "max")),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", ("min", "default request")),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", ("default request", "max")),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", ("default request", "default limit")),
    ("min", "default", "default", "min", ("min", "default")),
    ("default", "max", "default", "max", ("default", "max")),
];
const KINDS: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];
const OPPOSED: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];
const UNFIT: &str = "unsupported scope applied to resource";
const EXISTS: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

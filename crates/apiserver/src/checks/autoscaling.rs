//! HorizontalPodAutoscalers, in the version in which they are kept.

use serde_json::Value;

use super::at::At;
use super::{resources, selector};
use crate::causes::Causes;
use crate::grammar::{label, segment};

/// An autoscaler; `old` is what it was before.
pub(super) fn autoscaler(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let (least, most) = (spec.get("minReplicas"), spec.get("maxReplicas"));
    if least.number().is_some_and(|number| number < 1) {
        out.push(least.invalid("must be greater than or equal to 1"));
    }
    match most.number().unwrap_or(0) {
        0 => out.push(most.required("must be set and greater than 0")),
        number if number < 0 => out.push(most.invalid("must be greater than or equal to 1")),
        _ => {}
    }
    let number = most.number().unwrap_or(0);
    if least.number().is_some_and(|least| number < least) {
        out.push(most.wrong(number, "must be greater than or equal to `minReplicas`"));
    }
    let target = spec.get("scaleTargetRef");
    selector::reference(target, out);
    let held = |old: &Value| {
        let before = &old["spec"]["scaleTargetRef"];
        ["apiVersion", "kind"].iter().all(|key| before[*key] == *target.get(key).value)
    };
    if !old.is_some_and(held) {
        group_of(target.get("apiVersion"), out);
    }
    if least.number() == Some(0)
        && !spec.get("metrics").items().any(|one| ["Object", "External"].contains(&one.get("type").text()))
    {
        out.push(spec.get("metrics").forbidden(
            "must specify at least one Object or External metric to support scaling to zero replicas",
        ));
    }
    for metric in spec.get("metrics").items() {
        self::metric(metric, out);
    }
    let behavior = spec.get("behavior");
    for key in ["scaleUp", "scaleDown"] {
        let rules = behavior.get(key);
        if rules.is_set() {
            self::rules(rules, out);
        }
    }
}

fn group_of(version: At<'_>, out: &mut Causes) {
    match version.text().matches('/').count() {
        0 => out.push(version.invalid("apiVersion must specify API group")),
        1 => {}
        _ => out.push(version.invalid(&format!("unexpected GroupVersion string: {}", version.text()))),
    }
}

fn rules(at: At<'_>, out: &mut Causes) {
    let window = at.get("stabilizationWindowSeconds");
    match window.number() {
        Some(number) if number < 0 => out.push(window.invalid("must be greater than or equal to zero")),
        Some(number) if number > 3600 => out.push(window.invalid("must be less than or equal to 3600")),
        _ => {}
    }
    out.extend(at.get("selectPolicy").one_of(&["Disabled", "Max", "Min"]));
    let policies = at.get("policies");
    if policies.is_empty() {
        out.push(policies.required("must specify at least one Policy"));
    }
    for policy in policies.items() {
        let (kind, seconds) = (policy.get("type"), policy.get("periodSeconds"));
        if !["Percent", "Pods"].contains(&kind.text()) {
            out.push(kind.not_supported(&["Percent", "Pods"]));
        }
        out.extend(policy.get("value").positive());
        out.extend(seconds.positive());
        if seconds.number().is_some_and(|number| number > 1800) {
            out.push(seconds.invalid("must be less than or equal to 1800"));
        }
    }
    let tolerance = at.get("tolerance");
    if resources::nanos(tolerance).is_some_and(|number| number < 0) {
        out.push(tolerance.invalid(super::at::NEGATIVE));
    }
}

fn metric(at: At<'_>, out: &mut Causes) {
    let kind = at.get("type");
    if kind.is_empty() {
        out.push(kind.required("must specify a metric source type"));
    }
    let wanted = SOURCES.iter().find(|(name, _)| *name == kind.text()).map(|(_, field)| *field);
    let names = ["ContainerResource", "External", "Object", "Pods", "Resource"];
    if wanted.is_none() {
        out.push(kind.not_supported(&names));
    }
    let stated: Vec<&str> = ["object", "external", "pods", "resource", "containerResource"]
        .into_iter()
        .filter(|field| at.get(field).is_set())
        .collect();
    if let Some(first) = stated.first() {
        source(first, at.get(first), out);
    }
    match wanted {
        Some(field) if !at.get(field).is_set() => {
            out.push(at.get(field).required("must populate information for the given metric source"));
        }
        Some(_) => {}
        None => out.push(kind.not_supported(&names)),
    }
    if stated.len() != 1 {
        for field in stated.into_iter().filter(|field| Some(*field) != wanted) {
            out.push(at.get(field).forbidden("must populate the given metric source only"));
        }
    }
}

fn source(kind: &str, at: At<'_>, out: &mut Causes) {
    let target = at.get("target");
    let (value, average) = (target.get("value"), target.get("averageValue"));
    let share = target.get("averageUtilization");
    match kind {
        "object" => {
            selector::reference(at.get("describedObject"), out);
            identifier(at.get("metric"), out);
        }
        "external" | "pods" => identifier(at.get("metric"), out),
        _ => {
            let (name, container) = (at.get("name"), at.get("container"));
            if name.is_empty() {
                out.push(name.required("must specify a resource name"));
            }
            if kind == "containerResource" && container.is_empty() {
                out.push(container.required("must specify a container"));
            } else if kind == "containerResource" {
                out.extend(container.each(label(container.text())));
            }
        }
    }
    self::target(target, out);
    match kind {
        "object" if !value.is_set() && !average.is_set() => {
            out.push(average.required("must set either a target value or averageValue"));
        }
        "external" if !value.is_set() && !average.is_set() => {
            out.push(average.required("must set either a target value for metric or a per-pod target"));
        }
        "external" if value.is_set() && average.is_set() => {
            out.push(value.forbidden("may not set both a target value for metric and a per-pod target"));
        }
        "pods" if !average.is_set() => {
            out.push(average.required("must specify a positive target averageValue"));
        }
        "resource" | "containerResource" if !share.is_set() && !average.is_set() => {
            out.push(share.required("must set either a target raw value or a target utilization"));
        }
        "resource" | "containerResource" if share.is_set() && average.is_set() => {
            out.push(average.forbidden("may not set both a target raw value and a target utilization"));
        }
        _ => {}
    }
}

fn target(at: At<'_>, out: &mut Causes) {
    let kind = at.get("type");
    if kind.is_empty() {
        out.push(kind.required("must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind.text()) {
        out.push(kind.wrong(kind.text(), "must be either Utilization, Value, or AverageValue"));
    }
    for field in ["value", "averageValue"] {
        let field = at.get(field);
        if resources::nanos(field).is_some_and(|number| number <= 0) {
            out.push(field.invalid("must be positive"));
        }
    }
    let share = at.get("averageUtilization");
    if share.number().is_some_and(|number| number < 1) {
        out.push(share.invalid("must be greater than 0"));
    }
}

fn identifier(at: At<'_>, out: &mut Causes) {
    let name = at.get("name");
    if name.is_empty() {
        out.push(name.required("must specify a metric name"));
    } else {
        out.extend(name.each(segment(name.text())));
    }
}

/// Types of metrics, and the field of each.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("External", "external"),
    ("ContainerResource", "containerResource"),
];

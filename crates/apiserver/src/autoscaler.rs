//! Autoscalers in two versions: what the older lacks stands in annotations there.
//!
//! They are kept as `autoscaling/v2`. Follows: the conversions of kube-apiserver 1.36, annotations as recorded. What cannot be read is passed over.

use std::collections::HashSet;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::{Map, Value, json};

use crate::fields;
use crate::typed;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";

/// True when an autoscaler of `autoscaling/v1` has metrics in its annotation, and needs none by default.
pub(crate) fn has_metrics(object: &Map<String, Value>) -> bool {
    let noted =
        object.get("metadata").and_then(|metadata| metadata.get("annotations")?.get(METRICS)?.as_str());
    noted.is_some_and(|text| !list(text, "spec", "metrics", metric_v2).is_empty())
}

/// Turns a kept autoscaler into one of `autoscaling/v1`.
pub(crate) fn to_v1(mut object: Value) -> Value {
    object["apiVersion"] = "autoscaling/v1".into();
    let mut notes = Map::new();
    let mut note = |name: &str, value: &Value| notes.insert(name.to_owned(), value.to_string().into());
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = items(spec.shift_remove("metrics"));
        let (shares, others): (Vec<&Value>, Vec<&Value>) =
            metrics.iter().partition(|metric| share_of_cpu(metric, "target").is_some());
        if let Some(share) = shares.first().and_then(|metric| share_of_cpu(metric, "target")) {
            spec.insert("targetCPUUtilizationPercentage".into(), share.clone());
        }
        let others: Vec<Value> = others.into_iter().map(|metric| metric_v1(metric, "target")).collect();
        if !others.is_empty() {
            note(METRICS, &others.into());
        }
        if let Some(behavior) = spec.shift_remove("behavior").filter(Value::is_object) {
            note(BEHAVIOR, &behavior_v1(&behavior));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        let metrics = items(status.shift_remove("currentMetrics"));
        if let Some(share) = metrics.iter().find_map(|metric| share_of_cpu(metric, "current")) {
            status.insert("currentCPUUtilizationPercentage".into(), share.clone());
        }
        if !metrics.is_empty() {
            let metrics: Vec<Value> = metrics.iter().map(|metric| metric_v1(metric, "current")).collect();
            note(CURRENT, &metrics.into());
        }
        let conditions = items(status.shift_remove("conditions"));
        if !conditions.is_empty() {
            note(CONDITIONS, &conditions.into());
        }
        status.entry("currentReplicas").or_insert(json!(0));
        status.entry("desiredReplicas").or_insert(json!(0));
    }
    if !notes.is_empty() {
        fields::child(&mut object["metadata"], "annotations").extend(notes);
    }
    object
}

/// Turns an autoscaler of `autoscaling/v1` into what is kept.
pub(crate) fn to_v2(mut object: Value) -> Value {
    object["apiVersion"] = "autoscaling/v2".into();
    let mut notes = take_notes(&mut object);
    let mut noted = |name: &str| notes.shift_remove(name).and_then(|text| text.as_str().map(str::to_owned));
    let behavior = noted(BEHAVIOR).and_then(|text| serde_json::from_str(&text).ok());
    let behavior = behavior.and_then(|noted| as_field("spec", "behavior", behavior_v2(&noted)));
    let metrics = noted(METRICS).map(|text| list(&text, "spec", "metrics", metric_v2));
    let mut metrics = metrics.unwrap_or_default();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        if let Some(share) = spec.shift_remove("targetCPUUtilizationPercentage") {
            let target = json!({"type": "Utilization", "averageUtilization": share});
            metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
        }
        if !metrics.is_empty() {
            spec.insert("metrics".into(), metrics.into());
        }
        if let Some(behavior) = behavior {
            spec.insert("behavior".into(), behavior);
        }
    }
    let mut list = |name: &str, key: &str, read| {
        noted(name).map(|text| list(&text, "status", key, read)).unwrap_or_default()
    };
    let current = list(CURRENT, "currentMetrics", current_v2);
    let conditions = list(CONDITIONS, "conditions", condition);
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.shift_remove("currentCPUUtilizationPercentage");
        let current = if current.is_empty() { Value::Null } else { current.into() };
        status.insert("currentMetrics".into(), current);
        if !conditions.is_empty() {
            status.insert("conditions".into(), conditions.into());
        }
        if status.get("currentReplicas") == Some(&json!(0)) {
            status.shift_remove("currentReplicas");
        }
    }
    object
}

/// Takes the annotations out that stand for fields.
pub(crate) fn take_notes(object: &mut Value) -> Map<String, Value> {
    let mut notes = Map::new();
    let metadata = fields::metadata(object);
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return notes;
    };
    for name in [METRICS, BEHAVIOR, CONDITIONS, CURRENT] {
        if let Some(text) = annotations.shift_remove(name) {
            notes.insert(name.to_owned(), text);
        }
    }
    if annotations.is_empty() && !notes.is_empty() {
        metadata.shift_remove("annotations");
    }
    notes
}

fn items(list: Option<Value>) -> Vec<Value> {
    match list {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// The items of a list in JSON, as those of a field; none when one of them cannot be read.
fn list(text: &str, part: &str, key: &str, read: fn(&Value) -> Option<Value>) -> Vec<Value> {
    let noted: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let read: Option<Vec<Value>> = noted.iter().map(read).collect();
    items(read.and_then(|items| as_field(part, key, items.into())))
}

/// A value of a field of the newer version; nothing when that cannot hold it: nobody could read the object again.
fn as_field(part: &str, key: &str, value: Value) -> Option<Value> {
    let kind = GroupVersionKind::new("autoscaling", "v2", "HorizontalPodAutoscaler");
    let mut object = json!({part: {key: value}});
    typed::check(schema::builtin().root(&kind)?, &mut object, &HashSet::new()).ok()?;
    Some(object[part][key].take())
}

fn share_of_cpu<'a>(metric: &'a Value, measure: &str) -> Option<&'a Value> {
    let is_cpu = metric["type"] == "Resource" && metric["resource"]["name"] == "cpu";
    Some(&metric["resource"][measure]["averageUtilization"]).filter(|share| is_cpu && share.is_number())
}

/// A metric in the form of an annotation; `measure` is `target` or `current`.
fn metric_v1(metric: &Value, measure: &str) -> Value {
    let kind = metric["type"].as_str().unwrap_or_default();
    let (field, source) = source(kind, metric);
    let (value, average, share) =
        (format!("{measure}Value"), format!("{measure}AverageValue"), format!("{measure}AverageUtilization"));
    let (named, found) = (&source["metric"], &source[measure]);
    let always = |value: &Value| if value.is_null() { json!("0") } else { value.clone() };
    let parts = match kind {
        "Object" => vec![
            (
                "target",
                set(["kind", "name", "apiVersion"]
                    .map(|key| (key, source["describedObject"][key].clone()))
                    .into()),
            ),
            ("metricName", named["name"].clone()),
            (&*value, always(&found["value"])),
            ("selector", named["selector"].clone()),
            ("averageValue", found["averageValue"].clone()),
        ],
        "Pods" => vec![
            ("metricName", named["name"].clone()),
            (&*average, always(&found["averageValue"])),
            ("selector", named["selector"].clone()),
        ],
        "External" => vec![
            ("metricName", named["name"].clone()),
            ("metricSelector", named["selector"].clone()),
            (&*value, if measure == "current" { always(&found["value"]) } else { found["value"].clone() }),
            (&*average, found["averageValue"].clone()),
        ],
        _ => vec![
            ("name", source["name"].clone()),
            (&*share, found["averageUtilization"].clone()),
            (&*average, found["averageValue"].clone()),
            ("container", source["container"].clone()),
        ],
    };
    json!({"type": kind, field: set(parts)})
}

fn metric_v2(noted: &Value) -> Option<Value> {
    let kind = noted["type"].as_str()?;
    let (field, source) = source(kind, noted);
    source.as_object()?;
    let target = |kind: &str, key: &str, value: &Value| json!({"type": kind, key: value});
    let average = |value: &Value| target("AverageValue", "averageValue", value);
    let parts = match kind {
        "Object" => vec![
            ("describedObject", source["target"].clone()),
            (
                "target",
                match &source["averageValue"] {
                    Value::Null => target("Value", "value", &source["targetValue"]),
                    value => average(value),
                },
            ),
            ("metric", named(source, "selector")),
        ],
        "Pods" => {
            vec![("metric", named(source, "selector")), ("target", average(&source["targetAverageValue"]))]
        }
        "External" => vec![
            ("metric", named(source, "metricSelector")),
            (
                "target",
                match &source["targetValue"] {
                    Value::Null => average(&source["targetAverageValue"]),
                    value => target("Value", "value", value),
                },
            ),
        ],
        "Resource" | "ContainerResource" => vec![
            ("name", source["name"].clone()),
            (
                "target",
                match &source["targetAverageUtilization"] {
                    Value::Null => average(&source["targetAverageValue"]),
                    share => target("Utilization", "averageUtilization", share),
                },
            ),
            ("container", source["container"].clone()),
        ],
        _ => return None,
    };
    Some(json!({"type": kind, field: set(parts)}))
}

fn current_v2(noted: &Value) -> Option<Value> {
    let kind = noted["type"].as_str()?;
    let (field, source) = source(kind, noted);
    source.as_object()?;
    let average = if kind == "Object" { "averageValue" } else { "currentAverageValue" };
    let current = set(vec![
        ("value", source["currentValue"].clone()),
        ("averageValue", source[average].clone()),
        ("averageUtilization", source["currentAverageUtilization"].clone()),
    ]);
    let parts = match kind {
        "Object" => vec![
            ("metric", named(source, "selector")),
            ("current", current),
            ("describedObject", source["target"].clone()),
        ],
        "Pods" => vec![("metric", named(source, "selector")), ("current", current)],
        "External" => vec![("metric", named(source, "metricSelector")), ("current", current)],
        "Resource" | "ContainerResource" => vec![
            ("name", source["name"].clone()),
            ("current", current),
            ("container", source["container"].clone()),
        ],
        _ => return None,
    };
    Some(json!({"type": kind, field: set(parts)}))
}

/// The field of a metric of a kind, and what it holds.
fn source<'a>(kind: &str, metric: &'a Value) -> (&'static str, &'a Value) {
    let field = match kind {
        "Object" => "object",
        "Pods" => "pods",
        "External" => "external",
        "ContainerResource" => "containerResource",
        _ => "resource",
    };
    (field, &metric[field])
}

fn named(source: &Value, selector: &str) -> Value {
    set(vec![("name", source["metricName"].clone()), ("selector", source[selector].clone())])
}

/// A map of those fields that are set.
fn set(parts: Vec<(&str, Value)>) -> Value {
    let parts = parts.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(parts.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The fields of a rule for one direction and of its policies: as they are, and as the annotation has them.
const RULES: [(&str, &str); 4] = [
    ("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    ("selectPolicy", "SelectPolicy"),
    ("policies", "Policies"),
    ("tolerance", "Tolerance"),
];
const POLICY: [(&str, &str); 3] = [("type", "Type"), ("value", "Value"), ("periodSeconds", "PeriodSeconds")];
const DIRECTIONS: [(&str, &str); 2] = [("scaleUp", "ScaleUp"), ("scaleDown", "ScaleDown")];

/// The annotation has every field, set or not.
fn behavior_v1(behavior: &Value) -> Value {
    let mut out = json!({});
    for (key, noted) in DIRECTIONS {
        out[noted] = behavior.get(key).filter(|rules| rules.is_object()).map_or(Value::Null, |rules| {
            let mut shown = json!({});
            for (key, noted) in RULES {
                shown[noted] = rules.get(key).cloned().unwrap_or_default();
            }
            for policy in shown["Policies"].as_array_mut().into_iter().flatten() {
                let parts = POLICY.map(|(key, noted)| (noted.to_owned(), policy[key].clone()));
                *policy = Value::Object(parts.into_iter().collect());
            }
            shown
        });
    }
    out
}

fn behavior_v2(noted: &Value) -> Value {
    let read = |from: &Value, keys: &[(&'static str, &str)]| {
        set(keys.iter().map(|(key, noted)| (*key, any_case(from, noted).clone())).collect())
    };
    let mut behavior = read(noted, &DIRECTIONS);
    for rules in behavior.as_object_mut().into_iter().flat_map(Map::values_mut) {
        *rules = read(rules, &RULES);
        for policy in rules.get_mut("policies").and_then(Value::as_array_mut).into_iter().flatten() {
            *policy = read(policy, &POLICY);
        }
    }
    behavior
}

/// A field whose name may be written in small or large letters.
fn any_case<'a>(object: &'a Value, name: &str) -> &'a Value {
    let fields = object.as_object().into_iter().flatten();
    fields
        .into_iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(&Value::Null, |(_, value)| value)
}

fn condition(noted: &Value) -> Option<Value> {
    const KEYS: [&str; 5] = ["type", "status", "lastTransitionTime", "reason", "message"];
    noted.as_object()?;
    Some(set(KEYS.iter().map(|key| (*key, noted[*key].clone())).collect()))
}

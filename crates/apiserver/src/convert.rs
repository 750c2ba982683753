//! Kinds that are one store in two shapes: Events and autoscalers.

use serde_json::{Map, Value, json};

use crate::autoscaler;
use crate::kinds::Resource;

/// Turns a stored object into the version that a request names.
pub(crate) fn from_storage(mut object: Value, resource: &Resource) -> Value {
    if resource.custom.is_some() {
        object["apiVersion"] = resource.api_version().into();
        return object;
    }
    match (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", _, "Event") => renamed(object, "events.k8s.io/v1", EVENT_FIELDS, Direction::Out),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => autoscaler::to_v1(object),
        _ => object,
    }
}

/// Turns an object of a request into the stored version.
pub(crate) fn to_storage(mut object: Value, resource: &Resource) -> Value {
    if resource.custom.is_some() {
        object["apiVersion"] = resource.stored_api_version().into();
        return object;
    }
    match (resource.group.as_str(), resource.version.as_str(), resource.kind.as_str()) {
        ("events.k8s.io", _, "Event") => event_in_full(renamed(object, "v1", EVENT_FIELDS, Direction::In)),
        ("", _, "Event") => event_in_full(object),
        ("autoscaling", "v1", "HorizontalPodAutoscaler") => autoscaler::to_v2(object),
        ("autoscaling", _, "HorizontalPodAutoscaler") => {
            let _ = autoscaler::take_notes(&mut object);
            object
        }
        _ => object,
    }
}

/// Fields that an Event always shows.
fn event_in_full(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        for key in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            map.entry(key).or_insert(Value::Null);
        }
        for key in ["source", "involvedObject"] {
            map.entry(key).or_insert_with(|| json!({}));
        }
        for key in ["reportingComponent", "reportingInstance"] {
            map.entry(key).or_insert_with(|| json!(""));
        }
    }
    object
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    In,
    Out,
}

fn renamed(object: Value, api_version: &str, names: &[(&str, &str)], direction: Direction) -> Value {
    let Value::Object(map) = object else { return object };
    let renamed = |key: String| {
        let found = names
            .iter()
            .find(|(stored, shown)| key == if direction == Direction::Out { *stored } else { *shown });
        match (found, direction) {
            (Some((_, shown)), Direction::Out) => (*shown).to_owned(),
            (Some((stored, _)), Direction::In) => (*stored).to_owned(),
            (None, _) => key,
        }
    };
    let mut out: Map<String, Value> = map.into_iter().map(|(key, value)| (renamed(key), value)).collect();
    out.insert("apiVersion".into(), api_version.into());
    if direction == Direction::Out {
        for key in ["reportingController", "reportingInstance"] {
            if out.get(key) == Some(&json!("")) {
                out.shift_remove(key);
            }
        }
    }
    Value::Object(out)
}

/// Stored name (core/v1) and the name in events.k8s.io/v1.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

//! Events, in either of their shapes.

use serde_json::{Value, json};

use super::at::{At, same};
use crate::causes::{Cause, Causes};
use crate::fields;
use crate::grammar::qualified;

/// An Event; `old` is what it was before.
pub(super) fn event(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let shape = if object["apiVersion"] == "events.k8s.io/v1" { &NEW } else { &OLD };
    let root = At::root(object, "");
    about(root, shape, out);
    if std::ptr::eq(shape, &OLD) {
        return;
    }
    series(root, old, out);
    match old {
        None => new_event(root, out),
        Some(old) => changed(object, old, out),
    }
}

/// What the fields of a shape are called.
struct Shape {
    about: &'static str,
    controller: &'static str,
    note: &'static str,
}

const OLD: Shape = Shape { about: "involvedObject", controller: "reportingComponent", note: "message" };
const NEW: Shape = Shape { about: "regarding", controller: "reportingController", note: "note" };

fn about(root: At<'_>, shape: &Shape, out: &mut Causes) {
    let home = fields::meta(root.value, "namespace");
    let stated = fields::text(root.value, &[shape.about, "namespace"]);
    let timed = !root.get("eventTime").is_empty();
    let fits = match (stated.is_empty(), timed) {
        (true, false) => home == "default" || home.is_empty(),
        (true, true) => home == "default" || home == "kube-system",
        (false, true) => true,
        (false, false) => stated == home,
    };
    if !fits {
        out.push(Cause::invalid(
            "involvedObject.namespace",
            &json!(stated),
            "does not match event.namespace",
        ));
    }
    if !timed {
        return;
    }
    let controller = root.get(shape.controller);
    out.extend(controller.needed());
    out.extend(controller.each(qualified(controller.text())));
    for (field, most) in [("reportingInstance", 128), ("action", 128), ("reason", 128)] {
        let at = root.get(field);
        out.extend(at.needed());
        if at.text().len() > most {
            out.push(at.wrong("", &format!("can have at most {most} characters")));
        }
    }
    if root.get(shape.note).text().len() > 1024 {
        out.push(root.get("message").wrong("", "can have at most 1024 characters"));
    }
}

fn series(root: At<'_>, old: Option<&Value>, out: &mut Causes) {
    let series = root.get("series");
    if !series.is_set() || old.is_some_and(|old| old["series"] == *series.value) {
        return;
    }
    if series.get("count").number().unwrap_or(0) < 2 {
        out.push(series.get("count").wrong("", "should be at least 2"));
    }
    out.extend(series.get("lastObservedTime").needed());
}

fn new_event(root: At<'_>, out: &mut Causes) {
    out.extend(root.get("eventTime").needed());
    let kind = root.get("type");
    if !["Normal", "Warning"].contains(&kind.text()) {
        out.push(kind.wrong("", &format!("has invalid value: {}", kind.text())));
    }
    for (field, shown) in [
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("deprecatedSource", "source"),
    ] {
        let stated = root.get(field);
        if !stated.is_empty() && stated.number() != Some(0) {
            out.push(root.get(shown).wrong("", "needs to be unset"));
        }
    }
}

fn changed(new: &Value, old: &Value, out: &mut Causes) {
    for (field, shown) in [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        if !same(&new[field], &old[field]) {
            // A text that is not there is an empty one.
            let is_text = WORDS.contains(&field) && new[field].is_null();
            let value = if is_text { json!("") } else { new[field].clone() };
            out.push(Cause::invalid(shown, &value, "field is immutable"));
        }
    }
}

/// Fields that hold a text.
const WORDS: [&str; 6] = ["reason", "note", "type", "action", "reportingController", "reportingInstance"];

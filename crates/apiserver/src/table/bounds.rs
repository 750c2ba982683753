//! Cells of what bounds and scales: autoscalers and quotas.

use serde_json::{Value, json};

use super::cell::none_if_empty;
use crate::fields::{get, text};

/// A cell of an autoscaler, in either of its versions.
pub(super) fn autoscaler(column: &str, item: &Value) -> Option<Value> {
    let count = |path: &[&str]| get(item, path).and_then(Value::as_i64);
    Some(match column {
        "Reference" => {
            let target = ["kind", "name"].map(|key| text(item, &["spec", "scaleTargetRef", key]));
            target.join("/").into()
        }
        "Targets" => targets(item),
        "MinPods" => {
            count(&["spec", "minReplicas"]).map_or_else(|| "<unset>".into(), |count| count.to_string().into())
        }
        "MaxPods" => json!(count(&["spec", "maxReplicas"]).unwrap_or(0)),
        "Replicas" => json!(count(&["status", "currentReplicas"]).unwrap_or(0)),
        _ => return None,
    })
}

fn targets(item: &Value) -> Value {
    if let Some(share) = get(item, &["spec", "targetCPUUtilizationPercentage"]).and_then(Value::as_i64) {
        let now = get(item, &["status", "currentCPUUtilizationPercentage"]).and_then(Value::as_i64);
        let now = now.map_or_else(|| "<unknown>".to_owned(), |now| format!("{now}%"));
        return format!("cpu: {now}/{share}%").into();
    }
    let list = |path: &[&str]| get(item, path).and_then(Value::as_array).cloned().unwrap_or_default();
    let (metrics, current) = (list(&["spec", "metrics"]), list(&["status", "currentMetrics"]));
    let shown: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(at, metric)| target(metric, current.get(at).unwrap_or(&Value::Null)))
        .collect();
    let more = if shown.len() > 2 { format!(" + {} more...", shown.len() - 2) } else { String::new() };
    let first: Vec<&str> = shown.iter().take(2).map(String::as_str).collect();
    none_if_empty(&format!("{}{more}", first.join(", ")))
}

fn target(metric: &Value, status: &Value) -> String {
    let source = match text(metric, &["type"]) {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".into(),
    };
    let (wanted, now) = (&metric[source]["target"], &status[source]["current"]);
    let amount = |key: &str| now[key].as_str().unwrap_or("<unknown>").to_owned();
    let name = text(metric, &[source, "name"]);
    match (source, wanted["averageValue"].as_str()) {
        ("external" | "object", Some(average)) => format!("{}/{average} (avg)", amount("averageValue")),
        ("external" | "object", None) => {
            format!("{}/{}", amount("value"), wanted["value"].as_str().unwrap_or_default())
        }
        ("pods", average) => format!("{}/{}", amount("averageValue"), average.unwrap_or_default()),
        (_, Some(average)) => format!("{name}: {}/{average}", amount("averageValue")),
        (_, None) => {
            let share = |value: &Value, absent: &str| {
                value.as_i64().map_or_else(|| absent.to_owned(), |share| format!("{share}%"))
            };
            let (now, wanted) = (&now["averageUtilization"], &wanted["averageUtilization"]);
            format!("{name}: {}/{}", share(now, "<unknown>"), share(wanted, "<auto>"))
        }
    }
}

/// What of a quota is used, of requests or of limits.
pub(super) fn quota(column: &str, item: &Value) -> Value {
    let hard = get(item, &["status", "hard"]).and_then(Value::as_object);
    let mut names: Vec<&String> = hard.into_iter().flat_map(|hard| hard.keys()).collect();
    names.sort();
    let shown = |name: &&String| {
        let amount = |part: &str| item["status"][part][name.as_str()].as_str().unwrap_or("0").to_owned();
        format!("{name}: {}/{}", amount("used"), amount("hard"))
    };
    let ours = |name: &&&String| name.starts_with("limits.") == (column == "Limit");
    names.iter().filter(ours).map(shown).collect::<Vec<_>>().join(", ").into()
}

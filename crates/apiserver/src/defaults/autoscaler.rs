//! Defaults of HorizontalPodAutoscalers, in both versions.

use serde_json::{Map, Value, json};

use super::{fill, map, set};

/// Fills in an autoscaler of `autoscaling/v1` or `autoscaling/v2`.
pub(super) fn autoscaler(version: &str, root: &mut Map<String, Value>) {
    let has_metrics = crate::autoscaler::has_metrics(root);
    let Some(spec) = map(root, "spec") else { return };
    set(spec, "minReplicas", json!(1));
    if version == "v1" {
        if !has_metrics {
            set(spec, "targetCPUUtilizationPercentage", json!(TARGET));
        }
        fill(root, "status", json!({ "currentReplicas": 0, "desiredReplicas": 0 }));
        return;
    }
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({ "type": "Utilization", "averageUtilization": TARGET });
        let metric = json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } });
        spec.insert("metrics".to_owned(), json!([metric]));
    }
    if let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) {
        let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
        let pods = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
        let up =
            json!({ "stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent] });
        fill(behavior, "scaleUp", up);
        fill(behavior, "scaleDown", json!({ "selectPolicy": "Max", "policies": [percent] }));
    }
    fill(root, "status", json!({ "desiredReplicas": 0, "currentMetrics": null }));
}

/// Percent of the requested CPU.
const TARGET: i64 = 80;

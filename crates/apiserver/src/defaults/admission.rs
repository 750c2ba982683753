//! Defaults of webhook configurations, admission policies and their bindings.

use serde_json::{Map, Value, json};

use super::{items, set};

/// Fills in an object of the group `admissionregistration.k8s.io`.
pub(super) fn registration(kind: &str, root: &mut Map<String, Value>) {
    let webhooks = items(root, "webhooks");
    webhooks.for_each(|webhook| self::webhook(kind, webhook));
    let Some(spec) = root.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if kind.ends_with("Policy") {
        set(spec, "failurePolicy", json!("Fail"));
    }
    for field in ["matchConstraints", "matchResources"] {
        if let Some(matched) = spec.get_mut(field).and_then(Value::as_object_mut) {
            matching(matched);
            scopes(matched, "resourceRules");
            scopes(matched, "excludeResourceRules");
        }
    }
}

fn webhook(kind: &str, webhook: &mut Map<String, Value>) {
    set(webhook, "failurePolicy", json!("Fail"));
    matching(webhook);
    set(webhook, "timeoutSeconds", json!(10));
    if kind == "MutatingWebhookConfiguration" {
        set(webhook, "reinvocationPolicy", json!("Never"));
    }
    scopes(webhook, "rules");
    if let Some(client) = webhook.get_mut("clientConfig") {
        super::service_port(client);
    }
}

/// Which objects of the resources are meant.
fn matching(fields: &mut Map<String, Value>) {
    set(fields, "matchPolicy", json!("Equivalent"));
    set(fields, "namespaceSelector", json!({}));
    set(fields, "objectSelector", json!({}));
}

fn scopes(fields: &mut Map<String, Value>, rules: &str) {
    items(fields, rules).for_each(|rule| set(rule, "scope", json!("*")));
}

//! Defaults of webhook configurations.

use serde_json::{Map, Value, json};

use super::{items, set};

/// Fills in a MutatingWebhookConfiguration or its validating twin.
pub(super) fn webhooks(kind: &str, root: &mut Map<String, Value>) {
    for webhook in items(root, "webhooks") {
        set(webhook, "failurePolicy", json!("Fail"));
        set(webhook, "matchPolicy", json!("Equivalent"));
        set(webhook, "namespaceSelector", json!({}));
        set(webhook, "objectSelector", json!({}));
        set(webhook, "timeoutSeconds", json!(10));
        if kind == "MutatingWebhookConfiguration" {
            set(webhook, "reinvocationPolicy", json!("Never"));
        }
        for rule in items(webhook, "rules") {
            set(rule, "scope", json!("*"));
        }
        let service = webhook.get_mut("clientConfig").and_then(|config| config.get_mut("service"));
        if let Some(service) = service.and_then(Value::as_object_mut) {
            set(service, "port", json!(443));
        }
    }
}

//! The closing table: what was applied, values of Secrets masked.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

/// What stands in for each value of a Secret.
pub(super) const MASK: &str = "••••••";

/// Returns one row per object for people. Names are never broken, however narrow the terminal is: they are for copying.
pub(super) fn render(objects: &[Value]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["KIND", "NAMESPACE", "NAME", "DETAILS"]);
    for object in objects {
        let metadata = &object["metadata"];
        table.add_row([
            object["kind"].as_str().unwrap_or_default().to_owned(),
            metadata["namespace"].as_str().unwrap_or("-").to_owned(),
            metadata["name"].as_str().unwrap_or_default().to_owned(),
            details(object),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Returns the same as JSON, for programs.
pub(super) fn to_json(objects: &[Value]) -> Value {
    objects
        .iter()
        .map(|object| {
            json!({
                "kind": object["kind"],
                "apiVersion": object["apiVersion"],
                "namespace": object["metadata"]["namespace"],
                "name": object["metadata"]["name"],
                "details": details(object),
            })
        })
        .collect()
}

fn details(object: &Value) -> String {
    match object["kind"].as_str().unwrap_or_default() {
        "Secret" => keys(object).map(|key| format!("{key}={MASK}")).collect::<Vec<_>>().join(" "),
        "ConfigMap" => keys(object).collect::<Vec<_>>().join(" "),
        "Deployment" | "StatefulSet" => {
            let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
            format!("{}/{wanted} ready", object["status"]["readyReplicas"].as_i64().unwrap_or(0))
        }
        "Service" => object["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn keys(object: &Value) -> impl Iterator<Item = String> + '_ {
    ["data", "binaryData"]
        .into_iter()
        .filter_map(|field| object[field].as_object())
        .flat_map(|map| map.keys().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_secret_are_masked() {
        let secret = json!({
            "kind": "Secret",
            "metadata": { "name": "s", "namespace": "n" },
            "data": { "password": "Y2hhbmdlLW1l" },
        });
        let text = render(std::slice::from_ref(&secret)) + &to_json(&[secret]).to_string();
        assert!(text.contains("password="), "{text}");
        assert!(!text.contains("Y2hhbmdlLW1l"), "{text}");
    }

    #[test]
    fn names_are_never_broken() {
        let name = "settings-".repeat(30);
        let text = render(&[json!({ "kind": "ConfigMap", "metadata": { "name": name, "namespace": "n" } })]);
        assert!(text.contains(&name), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}

//! Cells of admission policies and what binds them.

use serde_json::{Value, json};

use crate::fields::{get, text};

/// A cell of a policy or its binding.
pub(super) fn cell(column: &str, item: &Value) -> Option<Value> {
    Some(match column {
        "Validations" | "Mutations" => {
            let list = &item["spec"][column.to_lowercase().as_str()];
            json!(list.as_array().map_or(0, Vec::len))
        }
        "ParamKind" => match get(item, &["spec", "paramKind"]) {
            Some(kind) => format!("{}/{}", text(kind, &["apiVersion"]), text(kind, &["kind"])).into(),
            None => UNSET.into(),
        },
        "PolicyName" => text(item, &["spec", "policyName"]).into(),
        "ParamRef" => get(item, &["spec", "paramRef"]).map_or_else(|| UNSET.to_owned(), parameters).into(),
        _ => return None,
    })
}

/// What parameters a binding names, or chooses.
fn parameters(reference: &Value) -> String {
    let (name, namespace) = (text(reference, &["name"]), text(reference, &["namespace"]));
    match (name, namespace, &reference["selector"]) {
        ("", _, Value::Object(_)) => selector(&reference["selector"]),
        ("", ..) => UNSET.to_owned(),
        (_, "", _) => format!("*/{name}"),
        _ => format!("{namespace}/{name}"),
    }
}

/// A selector as Go shows it.
fn selector(selector: &Value) -> String {
    let map = selector["matchLabels"].as_object();
    let mut labels: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or_default()))
        .collect();
    labels.sort();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|one| {
        let values = one["values"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values = values.collect::<Vec<_>>().join(" ");
        let (key, operator) = (text(one, &["key"]), text(one, &["operator"]));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    });
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{}}},}}",
        labels.concat(),
        expressions.collect::<String>()
    )
}

const UNSET: &str = "<unset>";

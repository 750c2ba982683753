//! Tables: the columns and cells that kubectl prints.

mod bounds;
mod builtin;
mod cell;
pub(crate) mod jsonpath;
mod policies;
mod running;

use serde_json::{Value, json};

use crate::clock;
use crate::fields;
use crate::kinds::{Column, Resource};
use jsonpath::Steps;

/// The Table of one object.
pub(crate) fn of_one(resource: &Resource, version: &str, object: &Value, policy: &str) -> Value {
    let metadata = json!({"resourceVersion": fields::meta(object, "resourceVersion")});
    let mut table = without_rows(resource, version, metadata);
    table["rows"] = json!([row(resource, version, object, policy)]);
    table
}

/// The Table of a Scale, which is the same for every kind that has one.
pub(crate) fn of_scale(version: &str, scale: &Value) -> Value {
    let columns: Vec<Value> = [("Name", "string"), ("Desired", "integer"), ("Available", "integer"), ("Age", "string")]
        .iter()
        .map(|(name, kind)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": format!("{name} of the scale."), "priority": 0})
        })
        .collect();
    let count = |part: &str| scale[part]["replicas"].as_i64().unwrap_or(0);
    let age = clock::age(fields::meta(scale, "creationTimestamp"));
    let mut object = crate::show::partial(scale);
    object["apiVersion"] = version.into();
    let cells = json!([fields::name(scale), count("spec"), count("status"), age]);
    json!({
        "kind": "Table", "apiVersion": version,
        "metadata": {"resourceVersion": fields::meta(scale, "resourceVersion")},
        "columnDefinitions": columns, "rows": [{"cells": cells, "object": object}],
    })
}

/// The Table of a list, to which its rows are added.
pub(crate) fn without_rows(resource: &Resource, version: &str, metadata: Value) -> Value {
    let mut metadata = metadata;
    if let Some(map) = metadata.as_object_mut()
        && map.get("continue") == Some(&json!(""))
    {
        map.shift_remove("continue");
    }
    json!({
        "kind": "Table", "apiVersion": version, "metadata": metadata,
        "columnDefinitions": columns(resource),
    })
}

fn columns(resource: &Resource) -> Vec<Value> {
    let column = |column: &Column| {
        json!({
            "name": column.name, "type": column.kind, "format": column.format,
            "description": column.description, "priority": column.priority,
        })
    };
    if resource.columns.is_empty() {
        return vec![
            json!({"name": "Name", "type": "string", "format": "name", "description": "Name of the object.", "priority": 0}),
            json!({"name": "Created At", "type": "date", "format": "", "description": "Time of creation.", "priority": 0}),
        ];
    }
    resource.columns.iter().map(column).collect()
}

/// The row of an object; `policy` is `includeObject`.
pub(crate) fn row(resource: &Resource, version: &str, item: &Value, policy: &str) -> Value {
    let mut row = json!({"cells": cells(resource, item)});
    match policy {
        "None" => row["object"] = Value::Null,
        "Object" => row["object"] = item.clone(),
        _ => {
            let mut partial = crate::show::partial(item);
            partial["apiVersion"] = version.into();
            row["object"] = partial;
        }
    }
    row
}

fn cells(resource: &Resource, item: &Value) -> Vec<Value> {
    if resource.columns.is_empty() {
        return vec![fields::name(item).into(), fields::meta(item, "creationTimestamp").into()];
    }
    if resource.custom.is_none() {
        return builtin::cells(resource, item);
    }
    let (mut steps, mut left) = (Steps::default(), LONGEST_ROW);
    let cells = resource.columns.iter().map(|column| {
        let cell = custom_cell(column, item, &mut steps, left);
        left = left.saturating_sub(cell.as_str().map_or(0, str::len));
        cell
    });
    cells.collect()
}

/// A cell; whole parts of the object are shown in so many bytes, or not at all.
fn custom_cell(column: &Column, item: &Value, steps: &mut Steps, most: usize) -> Value {
    if column.path.is_empty() {
        return fields::name(item).into();
    }
    let found = jsonpath::find(item, &column.path, steps);
    let Some(first) = found.first() else { return Value::Null };
    match (column.kind.as_str(), *first) {
        ("integer", Value::Number(number)) => number
            .as_i64()
            .map_or_else(|| number.as_f64().map_or(Value::Null, |number| json!(number as i64)), Value::from),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => (*first).clone(),
        ("date", Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => clock::age(text).into(),
        ("date", Value::String(_)) => "<invalid>".into(),
        ("string", Value::Null) => Value::Null,
        ("string", Value::String(text)) if text.len() <= most => text.as_str().into(),
        ("string", _) if !fit(&found, most) => Value::Null,
        ("string", _) if found.len() > 1 => fields::sorted(&json!(found)).to_string().into(),
        ("string", other) => fields::sorted(other).to_string().into(),
        _ => Value::Null,
    }
}

/// Whether values have no more bytes together.
fn fit(values: &[&Value], most: usize) -> bool {
    let mut left = most;
    values.iter().all(|value| {
        let bytes = fields::written(value, left);
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    })
}

/// Bytes of the cells of a custom object: as many as an object has at most.
const LONGEST_ROW: usize = 3 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_show_no_more_than_an_object_has() {
        let text = |text: &str| text.to_owned();
        let column = Column {
            name: text("Spec"),
            kind: text("string"),
            priority: 0,
            format: text(""),
            description: text(""),
            path: text(".spec"),
        };
        let item = json!({"spec": {"text": "x".repeat(1_000)}});
        let cell = |most: usize| custom_cell(&column, &item, &mut Steps::default(), most);
        assert!(cell(1_011).is_string() && cell(1_010).is_null());
    }
}

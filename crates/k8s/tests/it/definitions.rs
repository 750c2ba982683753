//! The Rust types of Flux's kinds know every field that their definitions have.

use sealfast_k8s::flux::{crds, git_repository, kustomization};
use serde_json::{Map, Value, json};

#[test]
fn each_kind_is_defined_and_every_field_says_what_it_is_for() {
    let definitions = crds();
    let kinds: Vec<&str> = definitions.iter().filter_map(|it| it["spec"]["names"]["kind"].as_str()).collect();
    assert_eq!(kinds, ["GitRepository", "ExternalArtifact", "OCIRepository", "Bucket", "Kustomization"]);
    let mut silent = Vec::new();
    for (kind, definition) in kinds.iter().zip(&definitions) {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        note_silent(schema, kind, &mut silent);
    }
    assert_eq!(silent, Vec::<String>::new());
}

fn note_silent(schema: &Value, path: &str, silent: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(|text| !text.ends_with('.')) {
        silent.push(path.to_owned());
    }
    let parts = if schema["type"] == "array" { &schema["items"] } else { schema };
    for (name, field) in parts["properties"].as_object().into_iter().flatten() {
        // A server lets nobody describe the metadata of an object.
        let is_metadata = name == "metadata" && !path.contains('.');
        if !is_metadata {
            note_silent(field, &format!("{path}.{name}"), silent);
        }
    }
}

#[test]
fn a_git_repository_with_every_field_is_read_and_written() {
    let (spec, status) = whole("GitRepository");
    assert_eq!(rewritten::<git_repository::Spec>(&spec), spec);
    assert_eq!(rewritten::<git_repository::Status>(&status), status);
}

#[test]
fn a_kustomization_with_every_field_is_read_and_written() {
    let (spec, status) = whole("Kustomization");
    let read = rewritten::<kustomization::Spec>(&spec);
    for (name, value) in spec.as_object().expect("a map") {
        assert_eq!(covers(&read[name], value), Ok(()), "spec.{name}");
    }
    assert_eq!(covers(&rewritten::<kustomization::Status>(&status), &status), Ok(()));
}

/// Spec and status of an object that has every field of its definition.
fn whole(kind: &str) -> (Value, Value) {
    let definition = crds().into_iter().find(|definition| definition["spec"]["names"]["kind"] == kind);
    let definition = definition.expect("it is defined");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    (sample(&schema["spec"]), sample(&schema["status"]))
}

fn sample(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => match schema.get("additionalProperties") {
            Some(values) => json!({ "key": sample(values) }),
            None => {
                let fields = schema["properties"].as_object().into_iter().flatten();
                Value::Object(
                    fields.map(|(name, field)| (name.clone(), sample(field))).collect::<Map<_, _>>(),
                )
            }
        },
        Some("array") => json!([sample(&schema["items"])]),
        Some("boolean") => json!(true),
        Some("integer") => json!(3),
        _ if schema["format"] == "date-time" => json!("2024-01-02T03:04:05Z"),
        // Durations have patterns; one that fits them fits every other text too.
        _ => json!("1m"),
    }
}

fn rewritten<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).expect("every field is read");
    serde_json::to_value(read).expect("it is written")
}

/// True when `found` has all that `wanted` has; more may be there.
fn covers(found: &Value, wanted: &Value) -> Result<(), String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().try_for_each(|(name, wanted)| {
            let found = found.get(name).ok_or_else(|| format!("{name} is lost"))?;
            covers(found, wanted).map_err(|why| format!("{name}: {why}"))
        }),
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => {
            found.iter().zip(wanted).try_for_each(|(found, wanted)| covers(found, wanted))
        }
        _ if found == wanted => Ok(()),
        _ => Err(format!("{found} instead of {wanted}")),
    }
}

//! Type definitions named by `crds`: which fields hold names and labels.

use serde_json::{Map, Value};

use crate::config::{Config, References};
use crate::error::Error;
use crate::field::FieldSpec;
use crate::id::Gvk;

/// How deep types may refer to each other.
const MAX_DEPTH: usize = 30;

/// Reads the rules that a file of type definitions gives.
///
/// # Errors
/// When it is neither YAML nor JSON.
pub(crate) fn parse(content: &[u8]) -> Result<Config, Error> {
    let value = sealfast_yaml::json::from_yaml(content)
        .map_err(|error| Error::Kustomization(format!("loading CRDs: {error}")))?;
    let Value::Object(types) = value else {
        return Err(Error::Kustomization("loading CRDs: the file is no map of types".to_owned()));
    };
    let mut config = Config::default();
    for (name, definition) in &types {
        let Some(properties) = properties(definition) else { continue };
        if ["kind", "apiVersion", "metadata"].iter().all(|field| properties.contains_key(*field)) {
            let kind = name.rsplit('.').next().unwrap_or(name).to_owned();
            let gvk = Gvk { kind, ..Gvk::default() };
            collect(&types, properties, &mut Vec::new(), &gvk, &mut config);
        }
    }
    Ok(config)
}

fn properties(definition: &Value) -> Option<&Map<String, Value>> {
    let schema = definition.get("Schema").or_else(|| definition.get("schema"))?;
    schema.get("properties")?.as_object()
}

fn collect(
    types: &Map<String, Value>,
    fields: &Map<String, Value>,
    path: &mut Vec<String>,
    gvk: &Gvk,
    config: &mut Config,
) {
    if path.len() > MAX_DEPTH {
        return;
    }
    for (name, field) in fields {
        path.push(name.replace('/', "\\/"));
        let joined = path.join("/");
        let spec = |path: &str| FieldSpec::new(gvk.clone(), path, false);
        if field.get("x-kubernetes-annotation").is_some() {
            config.common_annotations.push(spec(&joined));
        }
        if field.get("x-kubernetes-label-selector").is_some() {
            config.common_labels.push(spec(&joined));
        }
        if field.get("x-kubernetes-identity").is_some() {
            config.name_prefix.push(spec(&joined));
        }
        let text = |key: &str| field.get(key).and_then(Value::as_str);
        if let (Some(version), Some(kind)) =
            (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
        {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let to = Gvk::parse(version, kind);
            config.name_reference.push(References { to, from: vec![spec(&format!("{joined}/{key}"))] });
        }
        if let Some(target) = text("$ref")
            && let Some(below) = types.get(target).and_then(properties)
        {
            collect(types, below, path, gvk, config);
        }
        path.pop();
    }
}

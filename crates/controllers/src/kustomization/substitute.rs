//! Variables in built objects, after decryption.
//!
//! The object is written as YAML, expanded as text and read again, so that values become typed.
//!
//! Follows: fluxcd/pkg/envsubst through kustomize-controller 1.9, strict unless the gate StrictPostBuildSubstitutions is off.

use std::collections::BTreeMap;

use sealfast_kustomize::substitute::{self, Unset};
use serde_json::Value;

use crate::kustomization::decrypt::resource_name;
use crate::report::Failure;

/// When text is expanded at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Only when there is a variable.
    WithVariables,
    /// In any case.
    Always,
}

impl Strategy {
    /// Reads the field; anything unknown is the default.
    pub fn parse(text: Option<&str>) -> Strategy {
        if text == Some("Always") { Strategy::Always } else { Strategy::WithVariables }
    }
}

/// Variables of a Kustomization, checked once for all its objects. What is wrong with them only counts when an object is
/// to be substituted.
pub struct Variables(Result<BTreeMap<String, String>, String>);

impl Variables {
    /// Checks names and values, if they could be read.
    pub fn checked(read: Result<BTreeMap<String, String>, String>) -> Self {
        let check = |found| substitute::checked(found).map_err(|error| format!("envsubst error: {error}"));
        Self(read.and_then(check))
    }
}

/// Expands one object in place.
///
/// # Errors
/// BuildFailed with the object and what cannot be expanded.
pub fn object(
    built: &mut Value,
    variables: &Variables,
    strategy: Strategy,
    unset: Unset,
) -> Result<(), Failure> {
    expand(built, variables, strategy, unset).map_err(|why| {
        Failure::new("BuildFailed", format!("post build failed for '{}': {why}", resource_name(built)))
            .hint("look at spec.postBuild and at `${…}` in this object; `$${` writes a plain `${`")
    })
}

/// Expands one object in place; says what cannot be expanded, without the object.
///
/// # Errors
/// The reason, as the reference words it.
pub fn expand(
    built: &mut Value,
    variables: &Variables,
    strategy: Strategy,
    unset: Unset,
) -> Result<(), String> {
    if substitute::is_disabled(built) {
        return Ok(());
    }
    let variables = variables.0.as_ref().map_err(Clone::clone)?;
    let has_none = variables.is_empty() && strategy == Strategy::WithVariables;
    if has_none || !mentions(built) {
        return Ok(());
    }
    let text = sealfast_yaml::json::to_yaml(built);
    let expanded = substitute::text(&text, variables, unset)
        .map_err(|e| format!("envsubst error: variable substitution failed: {}", e.chain()))?;
    *built = sealfast_yaml::json::from_yaml(expanded.as_bytes())
        .map_err(|e| format!("envsubst error: YAMLToJSON: {}", no_yaml(&e)))?;
    Ok(())
}

/// Whether there is anything to expand in an object.
fn mentions(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('$'),
        Value::Array(items) => items.iter().any(mentions),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('$') || mentions(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The parser's own words could show a part of a value that came from a Secret.
fn no_yaml(error: &sealfast_yaml::error::Error) -> String {
    let place = error.line.map(|line| format!(", at line {line}")).unwrap_or_default();
    format!("the object is no YAML any more with the values put in{place}")
}

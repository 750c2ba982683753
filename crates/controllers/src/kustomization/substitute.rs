//! Variables in built objects, after decryption.
//!
//! The object is written as YAML, expanded as text and read again, so that values become typed.
//!
//! Follows: fluxcd/pkg/envsubst through kustomize-controller 1.9, strict unless the gate StrictPostBuildSubstitutions is off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use sealfast_kustomize::substitute::{self, Unset};
use serde_json::Value;

use crate::kustomization::decrypt::resource_name;
use crate::kustomization::landing::{self, Expanded};
use crate::kustomization::report::{Failure, Reason};
use crate::kustomization::witness::{Text, Witness};

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
pub struct Variables {
    found: Result<BTreeMap<String, String>, String>,
    /// Those that must not be shown.
    secret: BTreeSet<String>,
    witness: Arc<Mutex<Witness>>,
}

impl Variables {
    /// Checks names and values, if they could be read. The witness knows which of them are secret, and learns what becomes
    /// of those.
    pub fn checked(read: Result<BTreeMap<String, String>, String>, witness: &Arc<Mutex<Witness>>) -> Self {
        let check = |found| substitute::checked(found).map_err(|error| format!("envsubst error: {error}"));
        let found = read.and_then(check);
        let secret = found.as_ref().map(|found| landing::secret_names(found, &witness.lock()));
        Self { secret: secret.unwrap_or_default(), found, witness: Arc::clone(witness) }
    }

    /// Expands a text; returns what it became, and what was made of secret variables.
    fn expand(&self, text: &str, unset: Unset) -> Result<(String, BTreeSet<Text>), String> {
        let found = self.found.as_ref().map_err(Clone::clone)?;
        let mut made = BTreeSet::new();
        let mut tell = |text: &str| {
            if !text.is_empty() {
                made.insert(Text::new(text));
            }
        };
        let expanded = substitute::watched(text, found, unset, &self.secret, &mut tell)
            .map_err(|e| format!("envsubst error: variable substitution failed: {}", e.chain()))?;
        Ok((expanded, made))
    }

    /// Expands a text alone; none when something secret goes into it.
    fn plain(&self, text: &str, unset: Unset) -> Option<String> {
        let (expanded, made) = self.expand(text, unset).ok()?;
        made.is_empty().then_some(expanded)
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
        Failure::new(Reason::BuildFailed, format!("post build failed for '{}': {why}", resource_name(built)))
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
    let found = variables.found.as_ref().map_err(Clone::clone)?;
    let has_none = found.is_empty() && strategy == Strategy::WithVariables;
    if has_none || !mentions(built) {
        return Ok(());
    }
    let text = sealfast_yaml::json::to_yaml(built);
    let (expanded, made) = variables.expand(&text, unset)?;
    let after = sealfast_yaml::json::from_yaml(expanded.as_bytes()).map_err(|e| {
        let why = if made.is_empty() { e.in_full() } else { no_yaml(&e) };
        format!("envsubst error: YAMLToJSON: {why}")
    })?;
    if !made.is_empty() {
        let landed = Expanded { before: built, after: &after, made: &made };
        landed.learn(|text| variables.plain(text, unset), &variables.witness);
    }
    *built = after;
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

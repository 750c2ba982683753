//! What a definition says beside names and schemas: deprecation.

use serde_json::{Value, json};

use crate::causes::Cause;
use crate::fields;
use crate::go_text;

/// What is wrong with it.
pub(crate) fn check(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let versions = fields::get(spec, &["versions"]).and_then(Value::as_array);
    for (at, version) in versions.into_iter().flatten().enumerate() {
        let place = format!("spec.versions[{at}].deprecationWarning");
        if let Some(warning) = version["deprecationWarning"].as_str() {
            let faults = faults_of_warning(warning, version["deprecated"] == true);
            causes.extend(faults.iter().map(|why| Cause::invalid(place.clone(), &json!(warning), why)));
        }
    }
    causes
}

fn faults_of_warning(warning: &str, deprecated: bool) -> Vec<String> {
    if !deprecated {
        return vec!["can only be set for deprecated versions".into()];
    }
    let mut faults = Vec::new();
    if warning.len() > 256 {
        faults.push("must be <= 256 characters long".into());
    }
    if warning.is_empty() {
        faults.push("must not be an empty string".into());
    }
    if let Some((at, _)) = warning.char_indices().find(|(_, letter)| !go_text::is_printable(*letter)) {
        faults.push(format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {at}"
        ));
    }
    faults
}

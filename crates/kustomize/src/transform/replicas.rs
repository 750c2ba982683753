//! Replica counts.

use serde_json::Value;

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::resources::Resources;
use crate::spec::Replica;

/// Sets the count of the objects that have or had a name.
///
/// # Errors
/// When there is none of a kind that has replicas.
pub fn run(resources: &mut Resources, replica: &Replica, fields: &[FieldSpec]) -> Result<(), Error> {
    let mut is_found = false;
    let named = resources.ever_named(&replica.name);
    for spec in fields {
        for &at in &named {
            resources.clock().check()?;
            let resource = resources.at_mut(at);
            let is_meant = |id: &crate::id::Id| id.name == replica.name && id.gvk.is_selected_by(&spec.gvk);
            if !resource.ids().iter().any(is_meant) {
                continue;
            }
            is_found = true;
            let written = resource.written.clone();
            let name = spec.path.rsplit('/').next().unwrap_or_default();
            spec.visit(resource, Leaf::Scalar, &mut |value| {
                // Quotes stay around what takes the place of a text.
                let is_quoted = matches!(value, Value::String(text) if written.had_quotes(name, text));
                *value = match is_quoted {
                    true => Value::String(replica.count.to_string()),
                    false => Value::Number(replica.count.into()),
                };
                Ok(())
            })?;
        }
    }
    if is_found {
        return Ok(());
    }
    let kinds: Vec<String> = fields.iter().map(|spec| spec.gvk.to_string()).collect();
    Err(Error::Transform(format!(
        "resource with name {} does not match a config with the following GVK [{}]",
        replica.name,
        kinds.join(" ")
    )))
}

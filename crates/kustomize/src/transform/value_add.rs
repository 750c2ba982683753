//! A value that is put into fields, or between the parts of a path in them.

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::id::Gvk;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::select::{Matcher, Selector};

/// Where a value goes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AddTarget {
    selector: Option<Selector>,
    field_path: String,
    file_path_position: i64,
}

/// Adds a value to the objects of a target.
///
/// # Errors
/// When the target is not well formed, or a field is no scalar.
pub(crate) fn run(resources: &mut Resources, target: &AddTarget, value: &str) -> Result<(), Error> {
    let matcher = Matcher::new(&target.selector.clone().unwrap_or_default())?;
    let spec = FieldSpec::new(Gvk::default(), &target.field_path, true);
    for at in matcher.select(resources) {
        resources.clock().check()?;
        let resource = resources.at_mut(at);
        resource.remember_id();
        add(resource, target, &spec, value)?;
        resources.note(at);
    }
    Ok(())
}

fn add(resource: &mut Resource, target: &AddTarget, spec: &FieldSpec, value: &str) -> Result<(), Error> {
    if target.field_path == "metadata/namespace" {
        if !resource.is_clusterwide() {
            resource.set_metadata("namespace", value);
        }
        return Ok(());
    }
    spec.visit(resource, Leaf::Scalar, &mut |place| {
        let present = place.as_str().unwrap_or_default();
        *place = Value::String(inserted(present, value, target.file_path_position));
        Ok(())
    })
}

/// Returns the value, or a path with it as the part at a position from 1.
fn inserted(present: &str, value: &str, position: i64) -> String {
    let Some(before) = usize::try_from(position).ok().and_then(|position| position.checked_sub(1)) else {
        return value.to_owned();
    };
    let root = if present.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = present.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(before.min(parts.len()), value);
    format!("{root}{}", parts.join("/"))
}

//! Name prefixes, name suffixes, and the hash suffix of generated names.

use serde_json::Value;

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::hash;
use crate::id::GvkRef;
use crate::manifest;
use crate::resource::Resource;
use crate::resources::Resources;

/// Which end of the name is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The front.
    Prefix,
    /// The back.
    Suffix,
}

/// Adds a text to all names but those that other things depend on.
///
/// # Errors
/// When a field cannot be changed.
pub fn affix(resources: &mut Resources, end: End, affix: &str, fields: &[FieldSpec]) -> Result<(), Error> {
    if affix.is_empty() {
        return Ok(());
    }
    for at in 0..resources.items().len() {
        resources.clock().check()?;
        let resource = resources.at_mut(at);
        if resource.is_gone() || is_kept(resource.original_gvk()) {
            continue;
        }
        for spec in fields {
            let is_name = spec.path == "metadata/name" && resource.is_selected_by(&spec.gvk);
            if is_name {
                match end {
                    End::Prefix => resource.prefixes.push(affix.to_owned()),
                    End::Suffix => resource.suffixes.push(affix.to_owned()),
                }
                resource.remember_id();
            }
            spec.visit(resource, Leaf::Found, &mut |value| {
                let name = match value {
                    Value::String(name) => name.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return Ok(()),
                };
                *value = Value::String(match end {
                    End::Prefix => format!("{affix}{name}"),
                    End::Suffix => format!("{name}{affix}"),
                });
                Ok(())
            })?;
            if is_name {
                note_unquoted(resource);
            }
        }
        resources.note_present(at);
    }
    Ok(())
}

/// Notes a name that is no text by its letters, if it came without quotes: it is printed as what it says.
fn note_unquoted(resource: &mut Resource) {
    const NAME: &str = "/metadata/name";
    let came = resource.former.last().map_or("", |former| former.name.as_str());
    if !manifest::plain(resource.name()).is_string()
        && !resource.written.had_quotes("name", came)
        && !resource.unquoted.contains(&NAME)
    {
        resource.unquoted.push(NAME);
    }
}

/// Whether objects of a kind keep their names, because the name is their meaning.
fn is_kept(gvk: GvkRef<'_>) -> bool {
    matches!(gvk.kind, "CustomResourceDefinition" | "Namespace")
        || gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io"
}

/// Adds the hash of its content to every name that needs one.
///
/// # Errors
/// When the time of the build is over.
pub fn add_hashes(resources: &mut Resources) -> Result<(), Error> {
    for at in 0..resources.items().len() {
        resources.clock().check()?;
        let resource = resources.at_mut(at);
        if !resource.needs_hash || resource.is_gone() {
            continue;
        }
        resource.remember_id();
        let name = format!("{}-{}", resource.name(), hash::suffix(resource));
        resource.set_metadata("name", &name);
        resources.note_present(at);
    }
    Ok(())
}

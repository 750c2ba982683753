//! The namespace transformer: every object moves, references follow.

use serde_json::Value;

use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::resource::Resource;
use crate::resources::Resources;

/// Which subjects of role bindings are moved at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subjects {
    /// Those with the name `default`.
    #[default]
    DefaultOnly,
    /// All service accounts.
    AllServiceAccounts,
    /// None.
    None,
}

/// Whether the subjects of objects of a kind have rules of their own.
fn is_binding_kind(kind: &str) -> bool {
    matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

/// A namespace transformer.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// The namespace.
    pub name: String,
    /// Fields beside `metadata.namespace`.
    pub fields: Vec<FieldSpec>,
    /// Whether present values stay.
    pub unset_only: bool,
    /// What happens to subjects.
    pub subjects: Subjects,
}

impl Namespace {
    /// Moves all objects.
    ///
    /// # Errors
    /// When two objects then have one id, or a field cannot be set.
    pub fn run(&self, resources: &mut Resources) -> Result<(), Error> {
        if self.name.is_empty() {
            return Ok(());
        }
        for at in 0..resources.items().len() {
            resources.clock().check()?;
            let resource = resources.at_mut(at);
            if resource.is_gone() {
                continue;
            }
            resource.remember_id();
            self.change(resource)?;
            resources.note_present(at);
            if !resources.is_alone(at) {
                let holders = resources.with_present_id(&resources.items()[at].id());
                // The original shows the objects whole; their values may be secrets.
                let items = holders.iter().map(|&holder| &resources.items()[holder]);
                let ids: Vec<String> =
                    items.map(|item| format!("{} (was {})", item.id(), item.original_id())).collect();
                return Err(Error::Transform(format!(
                    "namespace transformation produces ID conflict: [{}]",
                    ids.join(" ")
                )));
            }
        }
        Ok(())
    }

    fn change(&self, resource: &mut Resource) -> Result<(), Error> {
        let gvk = resource.gvk();
        let has_renamed_kind = gvk.group.is_empty() && gvk.version == "v1";
        let is_binding = is_binding_kind(gvk.kind);
        if !resource.is_clusterwide() && (!self.unset_only || resource.namespace().is_empty()) {
            resource.set_metadata("namespace", &self.name);
        }
        if is_binding {
            self.change_subjects(resource);
        }
        for spec in &self.fields {
            let is_built_in = spec.path == "metadata/namespace";
            let is_foreign_name = spec.path == "metadata/name" && !has_renamed_kind;
            let is_subject =
                is_binding && is_binding_kind(&spec.gvk.kind) && spec.path == "subjects/namespace";
            if is_built_in || is_foreign_name || is_subject {
                continue;
            }
            let set = &mut |value: &mut Value| self.set_scalar(value);
            spec.visit(resource, Leaf::Scalar, set)
                .map_err(|error| error.within("namespace field specs must target scalar nodes"))?;
        }
        Ok(())
    }

    fn set_scalar(&self, value: &mut Value) -> Result<(), Error> {
        let found = match value {
            Value::Array(_) => "SequenceNode",
            Value::Object(_) => "MappingNode",
            _ => {
                self.set(value);
                return Ok(());
            }
        };
        Err(Error::Transform(format!("wrong node kind: expected ScalarNode but got {found}")))
    }

    fn set(&self, value: &mut Value) {
        let is_unset = value.is_null() || value.as_str() == Some("");
        if !self.unset_only || is_unset {
            *value = Value::String(self.name.clone());
        }
    }

    fn change_subjects(&self, resource: &mut Resource) {
        let Some(Value::Array(subjects)) = resource.value.get_mut("subjects") else { return };
        for subject in subjects.iter_mut().filter_map(Value::as_object_mut) {
            let is_meant = match self.subjects {
                Subjects::DefaultOnly => subject.get("name").and_then(Value::as_str) == Some("default"),
                Subjects::AllServiceAccounts => {
                    subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount")
                }
                Subjects::None => false,
            };
            if is_meant {
                self.set(subject.entry("namespace").or_insert(Value::Null));
            }
        }
    }
}

//! One object on its way through a build.
//!
//! The original keeps its notes in annotations of the object; here they stand beside the tree, so
//! nothing has to be cleaned away and an annotation of the user cannot be mistaken for a note.

use serde_json::{Map, Value};

use crate::id::{Gvk, Id, effective_namespace};

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// What an object was called before a transformer changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The name.
    pub name: String,
    /// The namespace that counted.
    pub namespace: String,
    /// The kind.
    pub kind: String,
}

/// What a generated object does when there is one of its name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behavior {
    /// Nothing was said; as `create`.
    #[default]
    Unspecified,
    /// There must be none.
    Create,
    /// It takes the place of the other.
    Replace,
    /// It takes the place of the other and keeps its data where it has none itself.
    Merge,
}

/// An object with the notes of the build.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    /// The object; always a mapping.
    pub value: Value,
    /// Former ids, oldest first.
    pub former: Vec<Former>,
    /// Prefixes given to the name, in the order of their application.
    pub prefixes: Vec<String>,
    /// Suffixes given to the name, in the order of their application.
    pub suffixes: Vec<String>,
    /// Whether the name gets a hash of the content.
    pub needs_hash: bool,
    /// For generated objects.
    pub behavior: Behavior,
    /// Places of nulls that were written as nothing at all (`key:`); a strategic merge drops them.
    pub blanks: Vec<Vec<Step>>,
    /// Text of the origin annotation, when origins are recorded.
    pub origin: Option<String>,
    /// Entries of the transformations annotation, when they are recorded.
    pub transformations: Vec<String>,
}

impl Resource {
    /// Returns a resource that nothing has happened to.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    /// Returns group, version and kind as they are now.
    #[must_use]
    pub fn gvk(&self) -> Gvk {
        Gvk::parse(text(&self.value, "apiVersion"), self.kind())
    }

    /// Whether every non-empty part of `selector` is that of the object, as it is now.
    #[must_use]
    pub fn is_selected_by(&self, selector: &Gvk) -> bool {
        if !selector.kind.is_empty() && selector.kind != self.kind() {
            return false;
        }
        if selector.group.is_empty() && selector.version.is_empty() {
            return true;
        }
        let api_version = text(&self.value, "apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        (selector.group.is_empty() || selector.group == group)
            && (selector.version.is_empty() || selector.version == version)
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(&self.value, "kind")
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value.get("metadata").map_or("", |metadata| text(metadata, "name"))
    }

    /// Returns the namespace as written.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.value.get("metadata").map_or("", |metadata| text(metadata, "namespace"))
    }

    /// Returns the id as it is now.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { gvk: self.gvk(), name: self.name().to_owned(), namespace: self.namespace().to_owned() }
    }

    /// Returns the id that the object came with.
    #[must_use]
    pub fn original_id(&self) -> Id {
        self.former.first().map_or_else(|| self.id(), |former| self.former_id(former))
    }

    /// Returns all former ids, oldest first. Group and version are those of today.
    #[must_use]
    pub fn former_ids(&self) -> Vec<Id> {
        self.former.iter().map(|former| self.former_id(former)).collect()
    }

    /// Returns all former ids and the present one.
    #[must_use]
    pub fn ids(&self) -> Vec<Id> {
        let mut ids = self.former_ids();
        ids.push(self.id());
        ids
    }

    /// Whether the object has or ever had the id.
    #[must_use]
    pub fn was_ever(&self, id: &Id) -> bool {
        self.ids().iter().any(|own| own.is_same(id))
    }

    /// Returns the namespace that counts.
    #[must_use]
    pub fn effective_namespace(&self) -> String {
        effective_namespace(&self.gvk(), self.namespace()).to_owned()
    }

    /// Notes the present id as a former one.
    pub fn remember_id(&mut self) {
        let former = Former {
            name: self.name().to_owned(),
            namespace: self.effective_namespace(),
            kind: self.kind().to_owned(),
        };
        self.former.push(former);
    }

    /// Whether nothing is left of the object.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.value.as_object().is_none_or(Map::is_empty)
    }

    /// Returns the `metadata` mapping, made when it is missing.
    pub fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        child_map(self.value.as_object_mut()?, "metadata")
    }

    /// Sets a field of `metadata`.
    pub fn set_metadata(&mut self, field: &str, value: &str) {
        if let Some(metadata) = self.metadata_mut() {
            metadata.insert(field.to_owned(), Value::String(value.to_owned()));
        }
    }

    /// Sets an entry of `metadata.labels` or `metadata.annotations`.
    pub fn set_metadata_entry(&mut self, map: &str, key: &str, value: &str) {
        if let Some(entries) = self.metadata_mut().and_then(|metadata| child_map(metadata, map)) {
            entries.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    }

    /// Returns an entry of `metadata.labels` or `metadata.annotations`.
    #[must_use]
    pub fn metadata_entry(&self, map: &str, key: &str) -> Option<&str> {
        self.value.get("metadata")?.get(map)?.get(key)?.as_str()
    }

    fn former_id(&self, former: &Former) -> Id {
        let mut gvk = self.gvk();
        gvk.kind.clone_from(&former.kind);
        Id { gvk, name: former.name.clone(), namespace: former.namespace.clone() }
    }
}

/// Returns the text of a string field, or nothing.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the mapping under a key, made when it is missing or null; none when it is of another kind.
pub(crate) fn child_map<'a>(
    parent: &'a mut Map<String, Value>,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    let child = parent.entry(key.to_owned()).or_insert(Value::Null);
    if child.is_null() {
        *child = Value::Object(Map::new());
    }
    child.as_object_mut()
}

/// Returns the text of a scalar as it stands in YAML, or none for mappings and lists.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some("null".to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

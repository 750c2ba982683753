//! One object on its way through a build.
//!
//! The original keeps its notes in annotations of the object; here they stand beside the tree, so
//! nothing has to be cleaned away and an annotation of the user cannot be mistaken for a note.

use serde_json::{Map, Value};

use crate::flaw::Flaw;
use crate::id::{Gvk, GvkRef, Id};
use crate::loose::Loose;
use crate::scope::Scopes;
use crate::transform::twins::Twins;
use crate::written::Notes;

/// One step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// How scalars were written.
    pub(crate) written: Notes,
    /// Fields that name the object and had no quotes around what is no text, as pointers.
    pub(crate) unquoted: Vec<&'static str>,
    /// Scalars that a replacement wrote, whose type is not that of their text.
    pub(crate) loose: Loose,
    /// Why the object cannot be printed, as its text stands.
    pub(crate) flaw: Option<Flaw>,
    /// Entries of labels and annotations that the original keeps in one node.
    pub(crate) twins: Vec<Twins>,
    /// Variables that mean the object.
    pub(crate) var_names: Vec<String>,
    /// Text of the origin annotation, when origins are recorded.
    pub origin: Option<String>,
    /// Entries of the transformations annotation, when they are recorded.
    pub transformations: Vec<String>,
    /// What the build knows of scopes.
    pub(crate) scopes: Scopes,
}

impl Resource {
    /// Returns a resource that nothing has happened to.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    /// Returns group, version and kind as they are now.
    #[must_use]
    pub fn gvk(&self) -> GvkRef<'_> {
        GvkRef::parse(text(&self.value, "apiVersion"), self.kind())
    }

    /// Returns group, version and kind that the object came with.
    #[must_use]
    pub fn original_gvk(&self) -> GvkRef<'_> {
        let now = self.gvk();
        GvkRef { kind: self.former.first().map_or(now.kind, |former| &former.kind), ..now }
    }

    /// Whether every non-empty part of `selector` is that of the object, as it is now.
    #[must_use]
    pub fn is_selected_by(&self, selector: &Gvk) -> bool {
        if !selector.kind.is_empty() && selector.kind != self.kind() {
            return false;
        }
        selector.group.is_empty() && selector.version.is_empty() || self.gvk().is_selected_by(selector)
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        text(&self.value, "kind")
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        field(&self.value, "metadata").map_or("", |metadata| text(metadata, "name"))
    }

    /// Returns the namespace as written.
    #[must_use]
    pub fn namespace(&self) -> &str {
        field(&self.value, "metadata").map_or("", |metadata| text(metadata, "namespace"))
    }

    /// Returns the id as it is now.
    #[must_use]
    pub fn id(&self) -> Id {
        Id { gvk: self.gvk().to_gvk(), name: self.name().to_owned(), namespace: self.namespace().to_owned() }
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
        if self.gvk() == id.gvk.borrowed() && self.name() == id.name {
            return self.has_namespace(id) || self.was_once(id);
        }
        self.was_once(id)
    }

    /// Whether this is the present id.
    #[must_use]
    pub fn is(&self, id: &Id) -> bool {
        self.gvk() == id.gvk.borrowed() && self.name() == id.name && self.has_namespace(id)
    }

    /// Whether objects of its kind live outside namespaces.
    #[must_use]
    pub fn is_clusterwide(&self) -> bool {
        self.scopes.is_clusterwide(self.gvk())
    }

    /// Returns the namespace that counts.
    #[must_use]
    pub fn effective_namespace(&self) -> &str {
        self.scopes.effective_namespace(self.gvk(), self.namespace())
    }

    /// Returns the namespace that counted when it came.
    #[must_use]
    pub fn original_effective_namespace(&self) -> &str {
        let original = self.former.first().map_or(self.namespace(), |former| &former.namespace);
        self.scopes.effective_namespace(self.original_gvk(), original)
    }

    /// Notes the present id as a former one.
    pub fn remember_id(&mut self) {
        let former = Former {
            name: self.name().to_owned(),
            namespace: self.effective_namespace().to_owned(),
            kind: self.kind().to_owned(),
        };
        self.former.push(former);
    }

    /// Whether nothing is left of the object.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.value.as_object().is_none_or(Map::is_empty)
    }

    /// Says why the object cannot be printed.
    #[must_use]
    pub(crate) fn unprintable(&self) -> Option<String> {
        let own = self.flaw.as_ref().and_then(|flaw| flaw.reason(&self.value));
        own.or_else(|| self.loose.flaw(&self.value).map(|flaw| format!("{NO_OBJECT}{flaw}")))
    }

    /// Whether the original would keep notes in annotations, so that the object had some.
    #[must_use]
    pub(crate) fn is_noted(&self) -> bool {
        !self.former.is_empty() || self.needs_hash
    }

    /// Returns the `metadata` mapping, made when it is missing.
    pub fn metadata_mut(&mut self) -> Option<&mut Map<String, Value>> {
        child_map(self.value.as_object_mut()?, "metadata")
    }

    /// Sets a field of `metadata`.
    pub fn set_metadata(&mut self, field: &str, value: &str) {
        if let Some(metadata) = self.metadata_mut() {
            set(metadata, field, Value::String(value.to_owned()));
        }
    }

    /// Sets an entry of `metadata.labels` or `metadata.annotations`.
    pub fn set_metadata_entry(&mut self, map: &str, key: &str, value: &str) {
        if let Some(entries) = self.metadata_mut().and_then(|metadata| child_map(metadata, map)) {
            set(entries, key, Value::String(value.to_owned()));
        }
    }

    /// Whether an entry of `metadata.labels` or `metadata.annotations` was written as nothing at all.
    #[must_use]
    pub(crate) fn is_blank(&self, map: &str, key: &str) -> bool {
        self.blanks.iter().any(|place| match place.as_slice() {
            [Step::Key(metadata), Step::Key(name), Step::Key(entry)] => {
                metadata == "metadata" && name == map && entry == key
            }
            _ => false,
        })
    }

    /// Returns an entry of `metadata.labels` or `metadata.annotations`.
    #[must_use]
    pub fn metadata_entry(&self, map: &str, key: &str) -> Option<&str> {
        field(field(field(&self.value, "metadata")?, map)?, key)?.as_str()
    }

    /// Whether the object had the id before a transformer changed it.
    fn was_once(&self, id: &Id) -> bool {
        self.former.iter().any(|former| {
            let gvk = GvkRef { kind: &former.kind, ..self.gvk() };
            former.name == id.name
                && gvk == id.gvk.borrowed()
                && self.scopes.effective_namespace(gvk, &former.namespace) == self.scopes.of_id(id)
        })
    }

    fn has_namespace(&self, id: &Id) -> bool {
        self.effective_namespace() == self.scopes.of_id(id)
    }

    fn former_id(&self, former: &Former) -> Id {
        let gvk = GvkRef { kind: &former.kind, ..self.gvk() };
        Id { gvk: gvk.to_gvk(), name: former.name.clone(), namespace: former.namespace.clone() }
    }
}

/// What stands in messages for an object that could not be read.
pub(crate) const NO_OBJECT: &str = "map[string]interface {}(nil): ";

/// Returns the text of a string field, or nothing.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).and_then(Value::as_str).unwrap_or_default()
}

/// How many keys are compared in less time than one of them is hashed.
const FEW: usize = 8;

/// Returns a field of a mapping.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    entry(value.as_object()?, name)
}

/// Returns an entry of a mapping.
pub(crate) fn entry<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    if map.len() > FEW {
        return map.get(key);
    }
    map.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Returns an entry of a mapping, to be changed.
pub(crate) fn entry_mut<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Value> {
    if map.len() > FEW {
        return map.get_mut(key);
    }
    map.iter_mut().find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Sets an entry of a mapping; a new one comes last.
pub(crate) fn set(map: &mut Map<String, Value>, key: &str, value: Value) {
    match entry_mut(map, key) {
        Some(place) => *place = value,
        None => {
            map.insert(key.to_owned(), value);
        }
    }
}

/// Returns the mapping under a key, made when it is missing or null; none when it is of another kind.
pub(crate) fn child_map<'a>(
    parent: &'a mut Map<String, Value>,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    // Looked for first, because an entry would be hashed and its key copied.
    if entry(parent, key).is_none_or(Value::is_null) {
        parent.insert(key.to_owned(), Value::Object(Map::new()));
    }
    entry_mut(parent, key)?.as_object_mut()
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

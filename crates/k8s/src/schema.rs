//! Facts about the built-in kinds: merge keys, scopes, table columns.
//!
//! The tables are the JSON files below `data/`, read from a kube-apiserver 1.36; each is parsed at its first use.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::id::GroupVersionKind;

/// Merge facts of all built-in types.
#[derive(Debug, Deserialize)]
pub struct Schema {
    roots: HashMap<String, String>,
    types: HashMap<String, Type>,
}

/// A struct type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Type {
    /// Fields by their JSON name.
    pub fields: HashMap<String, Field>,
    /// Names of fields that must be there.
    pub required: Vec<String>,
    /// Owned as a whole wherever it is used.
    pub atomic: bool,
    /// Unions: at most one of the fields may be set.
    pub unions: Vec<Value>,
    /// What is written of fields that are empty, and what some may hold.
    #[serde(skip)]
    pub presence: Presence,
}

/// What is written of a struct's fields that are empty, those that are not named are left out; and closed sets of words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Presence {
    /// Fields in which an empty value is not the same as none.
    pub zero: Vec<String>,
    /// Fields that are always written, each with what it is when nobody set it.
    pub always: serde_json::Map<String, Value>,
    /// Fields that hold one of some words, or a list of them.
    pub words: HashMap<String, Vec<String>>,
}

/// A field, or the element of a list or map.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "RawField")]
pub struct Field {
    /// `string int32 int64 float bool bytes time microtime quantity int-or-string any list map`, or `#type`.
    pub kind: String,
    /// Element type of a list or map.
    pub of: Option<Box<Field>>,
    /// How the items of a list are owned.
    pub list: ListKind,
    /// Owned as a whole.
    pub atomic: bool,
    /// Server-side apply: owned part by part, though values of its type are owned as a whole elsewhere.
    pub granular: bool,
    /// Strategic merge: the patch strategies.
    pub strategies: Vec<String>,
    /// Strategic merge: the key by which list items match.
    pub merge_key: Option<String>,
    /// Default published in the schema.
    pub default: Option<Value>,
}

impl Field {
    /// Returns the name of the struct type that this field refers to.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.kind.strip_prefix('#')
    }
}

/// How list items are owned and matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// As a whole.
    #[default]
    Atomic,
    /// Item by item, by value.
    Set,
    /// Item by item, by the values of these fields.
    Map(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawField {
    Word(String),
    Full(RawFull),
}

#[derive(Deserialize)]
struct RawFull {
    t: String,
    #[serde(default)]
    of: Option<Box<Field>>,
    #[serde(default)]
    list: String,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    atomic: bool,
    #[serde(default)]
    ps: String,
    #[serde(default)]
    mk: Option<String>,
    #[serde(default)]
    def: Option<Value>,
}

impl From<RawField> for Field {
    fn from(raw: RawField) -> Self {
        let full = match raw {
            RawField::Word(kind) => {
                return Self {
                    kind,
                    of: None,
                    list: ListKind::Atomic,
                    atomic: false,
                    granular: false,
                    strategies: Vec::new(),
                    merge_key: None,
                    default: None,
                };
            }
            RawField::Full(full) => full,
        };
        let list = match full.list.as_str() {
            "set" => ListKind::Set,
            "map" => ListKind::Map(full.keys),
            _ => ListKind::Atomic,
        };
        Self {
            kind: full.t,
            of: full.of,
            list,
            atomic: full.atomic,
            granular: false,
            strategies: full.ps.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            merge_key: full.mk,
            default: full.def,
        }
    }
}

impl Schema {
    /// Returns the type of a built-in kind.
    #[must_use]
    pub fn root(&self, gvk: &GroupVersionKind) -> Option<&Type> {
        let name = format!("{}/{}", gvk.api_version(), gvk.kind);
        self.named(self.roots.get(&name)?.trim_start_matches('#'))
    }

    /// Returns a type by its name, such as `core.v1.PodSpec`.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Type> {
        self.types.get(name)
    }

    /// Returns a struct as it is written when nobody set any of its fields.
    #[must_use]
    pub fn unset(&self, kind: &Type) -> Value {
        let fields = kind.presence.always.iter().map(|(name, value)| {
            let below =
                kind.fields.get(name).filter(|_| value.is_object()).and_then(|field| self.type_of(field));
            (name.clone(), below.map_or_else(|| value.clone(), |below| self.unset(below)))
        });
        Value::Object(fields.collect())
    }

    /// Returns the struct type of a field.
    #[must_use]
    pub fn type_of(&self, field: &Field) -> Option<&Type> {
        self.named(field.type_name()?)
    }
}

/// Returns the merge facts of the built-in kinds.
#[must_use]
pub fn builtin() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let mut schema: Schema = serde_json::from_slice(include_bytes!("../data/merge-schema.json"))
            .unwrap_or_else(|_| Schema { roots: HashMap::new(), types: HashMap::new() });
        let mut presence: HashMap<String, Presence> =
            serde_json::from_slice(include_bytes!("../data/presence.json")).unwrap_or_default();
        for (name, kind) in &mut schema.types {
            kind.presence = presence.remove(name).unwrap_or_default();
        }
        // The published schema does not tell that a volume's claim is owned part by part.
        let volume = schema.types.get_mut("core.v1.PersistentVolumeSpec");
        if let Some(claim) = volume.and_then(|volume| volume.fields.get_mut("claimRef")) {
            claim.granular = true;
        }
        schema
    });
    &SCHEMA
}

/// A group of built-in kinds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Name, empty for the core group.
    pub group: String,
    /// The version that clients should use.
    pub preferred_version: String,
    /// Versions, preferred one first.
    pub versions: Vec<Version>,
}

/// A version of a group.
#[derive(Debug, Deserialize)]
pub struct Version {
    /// Such as `v1`.
    pub version: String,
    /// Its resources.
    pub resources: Vec<Resource>,
}

/// One resource: a kind under its plural name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resource {
    /// Plural, lower case.
    pub name: String,
    /// Singular, lower case.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Lives in namespaces.
    pub namespaced: bool,
    /// Verbs that the server takes.
    pub verbs: Vec<String>,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Hash that discovery shows.
    pub storage_version_hash: String,
    /// Subresources by name, as the data file has them.
    pub subresources: serde_json::Map<String, Value>,
    /// Table columns: name, type, priority, format.
    pub columns: Vec<(String, String, i32, String)>,
}

#[derive(Deserialize)]
struct Kinds {
    groups: Vec<Group>,
}

/// Returns the groups of built-in kinds, in the order in which the server lists them.
#[must_use]
pub fn groups() -> &'static [Group] {
    static KINDS: LazyLock<Vec<Group>> = LazyLock::new(|| {
        serde_json::from_slice::<Kinds>(include_bytes!("../data/kubernetes-builtins.json"))
            .map(|kinds| kinds.groups)
            .unwrap_or_default()
    });
    &KINDS
}

/// Returns the resource of a built-in kind.
#[must_use]
pub fn resource(gvk: &GroupVersionKind) -> Option<&'static Resource> {
    let group = groups().iter().find(|group| group.group == gvk.group)?;
    let version = group.versions.iter().find(|version| version.version == gvk.version)?;
    version.resources.iter().find(|resource| resource.kind == gvk.kind)
}

/// Tells whether a built-in kind lives in namespaces; `None` for kinds not known.
#[must_use]
pub fn is_namespaced(gvk: &GroupVersionKind) -> Option<bool> {
    resource(gvk).map(|resource| resource.namespaced)
}

/// Whether Kubernetes has a kind of this name, be it served here or not, in this version or an older one.
#[must_use]
pub fn is_known(gvk: &GroupVersionKind) -> bool {
    static KINDS: LazyLock<HashMap<String, Vec<String>>> = LazyLock::new(|| {
        serde_json::from_slice(include_bytes!("../data/known-kinds.json")).unwrap_or_default()
    });
    let version =
        if gvk.group.is_empty() { gvk.version.clone() } else { format!("{}/{}", gvk.group, gvk.version) };
    let kind = gvk.kind.strip_suffix("List").filter(|stem| !stem.is_empty()).unwrap_or(&gvk.kind);
    let options = [
        "CreateOptions",
        "DeleteOptions",
        "GetOptions",
        "ListOptions",
        "PatchOptions",
        "UpdateOptions",
        "WatchEvent",
    ];
    KINDS
        .get(&version)
        .is_some_and(|kinds| kinds.iter().any(|known| known == kind) || options.contains(&kind))
}

/// Returns the protobuf field numbers: type -> number -> `[name, type, "repeated"]`.
///
/// Names are those of JSON; a struct without one stands in its parent's place there.
#[must_use]
pub fn protobuf_fields() -> &'static Value {
    static FIELDS: LazyLock<Value> = LazyLock::new(|| {
        let mut recorded: Value =
            serde_json::from_slice(include_bytes!("../data/protobuf-fields.json")).unwrap_or_default();
        // Where JSON has other names, and types that are not recorded.
        let names: serde_json::Map<String, Value> =
            serde_json::from_slice(include_bytes!("../data/protobuf-names.json")).unwrap_or_default();
        for (name, fields) in names {
            let known = &mut recorded["types"][name];
            if known.is_null() {
                *known = fields;
            } else if let (Some(known), Value::Object(fields)) = (known.as_object_mut(), fields) {
                known.extend(fields);
            }
        }
        recorded
    });
    &FIELDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_can_be_read() {
        let pod = builtin().root(&GroupVersionKind::new("", "v1", "Pod")).expect("a Pod is built in");
        let spec = builtin().type_of(&pod.fields["spec"]).expect("it has a spec");
        assert_eq!(spec.fields["containers"].list, ListKind::Map(vec!["name".to_owned()]));
        assert_eq!(is_namespaced(&GroupVersionKind::new("apps", "v1", "Deployment")), Some(true));
        assert_eq!(is_namespaced(&GroupVersionKind::new("", "v1", "Namespace")), Some(false));
        assert_eq!(is_namespaced(&GroupVersionKind::new("x", "v1", "Y")), None);
        assert!(protobuf_fields().as_object().is_some_and(|types| !types.is_empty()));
    }
}

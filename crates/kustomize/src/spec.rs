//! The kustomization file: bytes to a checked record, and the other files it names.

pub(crate) mod decode;
pub(crate) mod records;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::files::base_name;
use crate::select::Selector;

/// The names under which a kustomization is looked for.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The kind of a reusable part.
pub const COMPONENT: &str = "Component";

/// The kind of a root.
pub const KUSTOMIZATION: &str = "Kustomization";

/// A kustomization file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Kustomization {
    pub api_version: String,
    pub kind: String,
    pub openapi: BTreeMap<String, String>,
    pub name_prefix: String,
    pub name_suffix: String,
    pub namespace: String,
    pub common_labels: BTreeMap<String, String>,
    pub labels: Vec<Label>,
    pub common_annotations: BTreeMap<String, String>,
    pub patches_strategic_merge: Vec<String>,
    pub patches_json6902: Vec<Patch>,
    pub patches: Vec<Patch>,
    pub images: Vec<Image>,
    pub image_tags: Vec<Image>,
    pub replacements: Vec<ReplacementEntry>,
    pub replicas: Vec<Replica>,
    pub vars: Vec<Var>,
    pub sort_options: Option<SortOptions>,
    pub resources: Vec<String>,
    pub components: Vec<String>,
    pub crds: Vec<String>,
    pub bases: Vec<String>,
    pub config_map_generator: Vec<GeneratorArgs>,
    pub secret_generator: Vec<GeneratorArgs>,
    pub helm_globals: Option<Value>,
    pub helm_charts: Vec<Value>,
    pub helm_chart_inflation_generator: Vec<Value>,
    pub generator_options: Option<GeneratorOptions>,
    pub configurations: Vec<String>,
    pub generators: Vec<String>,
    pub transformers: Vec<String>,
    pub validators: Vec<String>,
    pub build_metadata: Vec<String>,
}

/// One entry of `labels`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Label {
    pub pairs: BTreeMap<String, String>,
    pub include_selectors: bool,
    pub include_templates: bool,
    pub fields: Vec<FieldSpecEntry>,
}

/// A field spec as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct FieldSpecEntry {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub path: String,
    pub create: bool,
}

/// One entry of `patches` or `patchesJson6902`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Patch {
    pub path: String,
    pub patch: String,
    pub target: Option<Selector>,
    pub options: Option<PatchOptions>,
}

/// What a patch may change besides content.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct PatchOptions {
    pub allow_name_change: bool,
    pub allow_kind_change: bool,
}

impl PatchOptions {
    /// Whether anything but content may change.
    #[must_use]
    pub fn any(self) -> bool {
        self.allow_name_change || self.allow_kind_change
    }
}

/// One entry of `images`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Image {
    pub name: String,
    pub new_name: String,
    pub new_tag: String,
    pub tag_suffix: String,
    pub digest: String,
}

/// One entry of `replicas`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Replica {
    pub name: String,
    pub count: i64,
}

/// One entry of `replacements`: a file of them, or one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct ReplacementEntry {
    pub path: String,
    pub source: Option<ReplacementSource>,
    pub source_value: Option<String>,
    pub targets: Vec<ReplacementTarget>,
}

/// Where a replacement takes its value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct ReplacementSource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub field_path: String,
    pub options: Option<FieldOptions>,
}

/// Where a replacement puts its value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct ReplacementTarget {
    pub select: Option<Selector>,
    pub reject: Vec<Selector>,
    pub field_paths: Vec<String>,
    pub options: Option<FieldOptions>,
}

/// How a value is cut or made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct FieldOptions {
    pub delimiter: String,
    pub index: i64,
    pub encoding: String,
    pub create: bool,
}

/// One entry of `vars`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct Var {
    pub name: String,
    pub objref: ObjectReference,
    pub fieldref: FieldReference,
}

/// The object that a variable takes its value from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct ObjectReference {
    pub api_version: String,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
}

/// The field that a variable takes its value from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct FieldReference {
    pub field_path: String,
}

/// `sortOptions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct SortOptions {
    pub order: String,
    pub legacy_sort_options: Option<LegacySortOptions>,
}

/// The kinds that come first and last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct LegacySortOptions {
    pub order_first: Vec<String>,
    pub order_last: Vec<String>,
}

/// One entry of a generator list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct GeneratorArgs {
    pub namespace: String,
    pub name: String,
    pub behavior: String,
    pub literals: Vec<String>,
    pub files: Vec<String>,
    pub envs: Vec<String>,
    pub env: String,
    pub options: Option<GeneratorOptions>,
    #[serde(rename = "type")]
    pub secret_type: String,
}

/// What generated objects get.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of the file format, which the book describes")]
pub struct GeneratorOptions {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub disable_name_suffix_hash: bool,
    pub immutable: bool,
}

/// Deprecated fields, what to use instead, and how the advice about `edit fix` begins.
const DEPRECATED: [(&str, &str, &str); 6] = [
    ("bases", "resources", ""),
    ("commonLabels", "labels", ""),
    ("imageTags", "images", ""),
    ("patchesJson6902", "patches", ""),
    ("patchesStrategicMerge", "patches", ""),
    ("vars", "replacements", "[EXPERIMENTAL] "),
];

impl Kustomization {
    /// Reads a kustomization file; `root` is named in messages. Warnings are there also when it fails.
    ///
    /// # Errors
    /// When the text is no YAML, or a field is unknown or of another type.
    pub fn parse(content: &[u8], root: &str, warned: &mut Vec<String>) -> Result<Self, Error> {
        let value = sealfast_yaml::json::from_yaml(content)
            .map_err(|error| Error::Kustomization(format!("invalid Kustomization: {error}")))?;
        Self::from_value(value, root, warned)
    }

    /// Reads a kustomization from plain values.
    ///
    /// # Errors
    /// When a field is unknown or of another type.
    pub fn from_value(value: Value, root: &str, warned: &mut Vec<String>) -> Result<Self, Error> {
        let value = decode::record(value, &records::KUSTOMIZATION)
            .map_err(|message| Error::Kustomization(format!("invalid Kustomization: {message}")))?;
        let fields = value.as_object().cloned().unwrap_or_default();
        warned.extend(warnings(&fields));
        let mut file: Self = typed(value, "invalid Kustomization")?;
        file.images.append(&mut file.image_tags);
        file.fix_type();
        file.check_type(root)?;
        let is_empty = fields
            .iter()
            .all(|(name, value)| matches!(name.as_str(), "kind" | "apiVersion") || says_nothing(name, value));
        if is_empty {
            return Err(Error::Kustomization("kustomization.yaml is empty".to_owned()));
        }
        Ok(file)
    }

    /// Fills in kind and version where they are missing.
    fn fix_type(&mut self) {
        if self.kind.is_empty() {
            KUSTOMIZATION.clone_into(&mut self.kind);
        }
        if self.api_version.is_empty() {
            api_version_of(&self.kind).clone_into(&mut self.api_version);
        }
    }

    fn check_type(&self, root: &str) -> Result<(), Error> {
        let mut wrong = Vec::new();
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            wrong.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
        }
        let wanted = api_version_of(&self.kind);
        if self.api_version != wanted {
            wrong.push(format!("apiVersion for {} should be {wanted}", self.kind));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Kustomization(format!(
            "Failed to read kustomization file under {root}:\n{}",
            wrong.join("\n")
        )))
    }
}

/// The files that an encrypting user may have encrypted and that the build reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferencedInputs {
    /// `files` of secret generators: key in the Secret, and path.
    pub secret_files: Vec<(String, String)>,
    /// `envs` and `env` of secret generators.
    pub secret_envs: Vec<String>,
    /// Paths of `patches`.
    pub patches: Vec<String>,
    /// Entries of `resources`, `bases` and `components`, which may be directories with their own.
    pub roots: Vec<String>,
}

/// Returns what a kustomization file names, read as leniently as Flux reads it.
///
/// # Errors
/// When the text is no YAML or a field has another type.
pub fn referenced_inputs(content: &[u8]) -> Result<ReferencedInputs, Error> {
    inputs_of(&Value::Object(crate::flux::lenient(content).map_err(Error::Kustomization)?))
}

/// Returns what a kustomization names.
pub(crate) fn inputs_of(value: &Value) -> Result<ReferencedInputs, Error> {
    let file: Kustomization = typed(value.clone(), "invalid Kustomization")?;
    let mut inputs = ReferencedInputs::default();
    for entry in file.secret_generator {
        inputs.secret_files.extend(entry.files.iter().map(|source| match source.split_once('=') {
            Some((key, path)) => (key.to_owned(), path.to_owned()),
            None => (base_name(source).to_owned(), source.clone()),
        }));
        inputs.secret_envs.extend(entry.envs);
        inputs.secret_envs.extend(Some(entry.env).filter(|env| !env.is_empty()));
    }
    inputs.patches =
        file.patches.into_iter().map(|patch| patch.path).filter(|path| !path.is_empty()).collect();
    inputs.roots = file.resources.into_iter().chain(file.bases).chain(file.components).collect();
    Ok(inputs)
}

/// Reads a checked value into its type.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(value: Value, what: &str) -> Result<T, Error> {
    let value = if value.is_null() { Value::Object(Map::new()) } else { without_nulls(value) };
    serde_json::from_value(value).map_err(|error| Error::Kustomization(format!("{what}: json: {error}")))
}

/// Leaves out null fields, which mean the same as missing ones.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(k, v)| (k, without_nulls(v)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn warnings(fields: &Map<String, Value>) -> Vec<String> {
    // An empty list is a list; an empty map or text is nothing.
    let is_used = |value: &Value| match value {
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        other => !other.is_null(),
    };
    let used = DEPRECATED.iter().filter(|(name, ..)| fields.get(*name).is_some_and(is_used));
    used.map(|(name, instead, mark)| {
        format!(
            "# Warning: '{name}' is deprecated. Please use '{instead}' instead. {mark}Run 'kustomize edit fix' to update your Kustomization automatically."
        )
    })
    .collect()
}

/// Whether a field is as if it were not there. A list or mapping without entries is there, unless it is one that
/// is added to another.
fn says_nothing(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => {
            items.is_empty() && matches!(name, "bases" | "imageTags" | "helmChartInflationGenerator")
        }
        _ => false,
    }
}

fn api_version_of(kind: &str) -> &'static str {
    if kind == COMPONENT { "kustomize.config.k8s.io/v1alpha1" } else { "kustomize.config.k8s.io/v1beta1" }
}

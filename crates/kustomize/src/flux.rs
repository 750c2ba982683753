//! What Flux does to a kustomization before the build.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::files::{Entry, Files, join};
use crate::loader::{self, MAX_READ, is_remote};
use crate::manifest;
use crate::spec::decode;
use crate::spec::records::KUSTOMIZATION;
use crate::spec::{FILE_NAMES, ReferencedInputs, inputs_of};

/// The file of settings of `sealfast up`, which lies beside the manifests and is none.
pub const SETTINGS: &str = ".sealfast.yaml";

/// How deep directories are walked.
const MAX_DEPTH: usize = 64;

/// Says of a path, relative to the outermost directory, whether it is passed over.
type Rule = dyn Fn(&str, Entry) -> bool + Send + Sync;

/// What of the outermost directory is passed over, whoever lists it.
#[derive(Clone)]
pub struct LeftOut(Arc<Rule>);

impl LeftOut {
    /// Leaves out what the rule says.
    pub fn new(rule: impl Fn(&str, Entry) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    fn holds(&self, root: &str, path: &str, entry: Entry) -> bool {
        let root = root.trim_end_matches('/');
        let inside = path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
        inside.is_some_and(|inside| (self.0)(inside, entry))
    }
}

impl fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeftOut")
    }
}

/// The outermost kustomization as Flux lays it out before a build.
#[derive(Clone, Debug)]
pub struct Outermost {
    pub(crate) value: Value,
    is_generated: bool,
}

impl Outermost {
    /// Reads the kustomization of a directory, or makes one that lists its manifests, and lays the fields of a Flux
    /// Kustomization's `spec` over it.
    ///
    /// # Errors
    /// When the file is no YAML or a field has another type, and as [`generate`] and [`merge_spec`].
    pub fn lay_out(
        files: &dyn Files,
        dir: &str,
        spec: &Value,
        left_out: Option<&LeftOut>,
    ) -> Result<Self, Error> {
        let path = join("/", dir);
        if matches!(files.resolve(&path), Ok((_, Entry::File))) {
            let file = format!("{path}/kustomization.yaml: not a directory");
            return Err(Error::Root(format!("open {file} remove {file}")));
        }
        let root = loader::directory(files, &path, dir)?;
        let mut written = FILE_NAMES.iter().map(|name| join(&root, name));
        let written = written.find(|file| matches!(files.resolve(file), Ok((_, Entry::File))));
        let is_generated = written.is_none();
        let mut fields = match written {
            Some(file) => lenient(&files.read(&file)?).map_err(Error::Kustomization)?,
            None => generate(files, &root, left_out)?,
        };
        if !is_generated && list(&fields, "resources").is_empty() {
            fields.insert("buildMetadata".to_owned(), json!(["originAnnotations"]));
        }
        merge_spec(&mut fields, spec, files, &root, left_out)?;
        Ok(Self { value: Value::Object(fields), is_generated })
    }

    /// Whether the directory has no kustomization file.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.is_generated
    }

    /// Returns what it names that an encrypting user may have encrypted.
    ///
    /// # Errors
    /// When it cannot be read after all.
    pub fn inputs(&self) -> Result<ReferencedInputs, Error> {
        inputs_of(&self.value)
    }
}

/// Reads a kustomization file as the original's generator does: what is unknown vanishes.
pub(crate) fn lenient(content: &[u8]) -> Result<Map<String, Value>, String> {
    let value = sealfast_yaml::json::from_yaml(content)
        .map_err(|error| format!("error converting YAML to JSON: {error}"))?;
    let file = decode::lenient_record(value, &KUSTOMIZATION)
        .map_err(|why| format!("error unmarshaling JSON: while decoding JSON: {why}"))?;
    // An empty file is read as one without fields.
    Ok(match file {
        Value::Object(fields) => fields,
        _ => Map::new(),
    })
}

/// Returns a kustomization that lists every manifest below a directory that has none itself.
///
/// `root` is a path without links. Linked directories are not entered.
///
/// # Errors
/// When a manifest does not hold Kubernetes objects.
pub fn generate(
    files: &dyn Files,
    root: &str,
    left_out: Option<&LeftOut>,
) -> Result<Map<String, Value>, Error> {
    let mut resources = Vec::new();
    let walk = Walk { files, root, left_out, read: Cell::new(0) };
    walk.directory(root, ".", 0, &mut resources)?;
    let mut fields = Map::new();
    fields.insert("apiVersion".to_owned(), json!("kustomize.config.k8s.io/v1beta1"));
    fields.insert("kind".to_owned(), json!("Kustomization"));
    match resources.is_empty() {
        true => fields.insert("namespace".to_owned(), json!("_placeholder")),
        false => fields.insert("resources".to_owned(), Value::Array(resources)),
    };
    Ok(fields)
}

struct Walk<'a> {
    files: &'a dyn Files,
    root: &'a str,
    left_out: Option<&'a LeftOut>,
    /// How many bytes were read.
    read: Cell<usize>,
}

impl Walk<'_> {
    fn directory(&self, dir: &str, shown: &str, depth: usize, found: &mut Vec<Value>) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Root(format!("directories below {dir} are nested too deep")));
        }
        for name in self.files.list(dir)? {
            if name == SETTINGS {
                continue;
            }
            let path = join(dir, &name);
            let shown = if shown == "." { format!("./{name}") } else { format!("{shown}/{name}") };
            let is_manifest = name.ends_with(".yaml") || name.ends_with(".yml");
            let (real, entry) = match self.files.resolve(&path) {
                Ok(resolved) => resolved,
                Err(_) if !is_manifest || self.leaves_out(&path, Entry::File) => continue,
                Err(error) => return Err(error.into()),
            };
            match entry {
                // A link is no directory of this tree: it may lead out of it, or back to where it lies.
                Entry::Directory if real != path => {}
                Entry::Directory if has_kustomization(self.files, &path) => {
                    found.push(Value::String(shown));
                }
                Entry::Directory => self.directory(&path, &shown, depth + 1, found)?,
                Entry::File if is_manifest && !self.leaves_out(&path, entry) => {
                    manifest::objects(&self.read(&path)?, &name).map_err(|error| {
                        error.without_file().within(format!("failed to decode Kubernetes YAML from {path}"))
                    })?;
                    found.push(Value::String(shown));
                }
                Entry::File => {}
            }
        }
        Ok(())
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let content = self.files.read(path)?;
        self.read.set(self.read.get().saturating_add(content.len()));
        if self.read.get() > MAX_READ {
            let limit = format!("{path}: the manifests below {} have more than {MAX_READ} bytes", self.root);
            return Err(Error::Limit(limit));
        }
        Ok(content)
    }

    fn leaves_out(&self, path: &str, entry: Entry) -> bool {
        self.left_out.is_some_and(|left_out| left_out.holds(self.root, path, entry))
    }
}

fn has_kustomization(files: &dyn Files, dir: &str) -> bool {
    FILE_NAMES.iter().any(|name| matches!(files.resolve(&join(dir, name)), Ok((_, Entry::File))))
}

/// Lays the fields of a Flux Kustomization's `spec` over a kustomization.
///
/// # Errors
/// When a component is not a local path, or what is listed is looked at and not there.
fn merge_spec(
    fields: &mut Map<String, Value>,
    spec: &Value,
    files: &dyn Files,
    root: &str,
    left_out: Option<&LeftOut>,
) -> Result<(), Error> {
    let Value::Object(spec) = spec else { return Ok(()) };
    if let Some(left_out) = left_out {
        for field in ["resources", "components", "crds"] {
            drop_left_out(fields, field, files, root, left_out)?;
        }
    }
    for (from, to) in
        [("targetNamespace", "namespace"), ("namePrefix", "namePrefix"), ("nameSuffix", "nameSuffix")]
    {
        if let Some(text) = spec.get(from).and_then(Value::as_str).filter(|text| !text.is_empty()) {
            fields.insert(to.to_owned(), Value::String(text.to_owned()));
        }
    }
    for field in ["patches", "patchesJson6902"] {
        let entries = list(spec, field).iter().map(plain_patch).collect();
        append(fields, field, entries);
    }
    let merges = list(spec, "patchesStrategicMerge").iter().map(|patch| match patch {
        Value::String(text) => Value::String(text.clone()),
        object => Value::String(object.to_string()),
    });
    append(fields, "patchesStrategicMerge", merges.collect());
    append(fields, "components", components(spec, files, root)?);
    merge_images(fields, list(spec, "images"));
    let metadata = list(spec, "buildMetadata");
    if !metadata.is_empty() {
        fields.insert("buildMetadata".to_owned(), Value::Array(metadata.to_vec()));
    }
    Ok(())
}

/// Takes the local entries of a list that are left out.
fn drop_left_out(
    file: &mut Map<String, Value>,
    field: &str,
    files: &dyn Files,
    root: &str,
    left_out: &LeftOut,
) -> Result<(), Error> {
    let Some(Value::Array(entries)) = file.get_mut(field) else { return Ok(()) };
    let mut kept = Vec::with_capacity(entries.len());
    for entry in std::mem::take(entries) {
        let is_kept = match entry.as_str().filter(|path| !is_remote(path)) {
            Some(path) => {
                let path = join(root, path);
                !left_out.holds(root, &path, files.resolve(&path)?.1)
            }
            None => true,
        };
        if is_kept {
            kept.push(entry);
        }
    }
    *entries = kept;
    Ok(())
}

fn list<'a>(fields: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    fields.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn append(file: &mut Map<String, Value>, field: &str, mut more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    match file.get_mut(field) {
        Some(Value::Array(items)) => items.append(&mut more),
        _ => {
            file.insert(field.to_owned(), Value::Array(more));
        }
    }
}

/// What Flux takes of a target.
const TARGET: [&str; 7] =
    ["group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"];

/// What Flux takes of an image.
const IMAGE: [&str; 4] = ["name", "newName", "newTag", "digest"];

/// Returns some fields of a mapping.
fn picked(value: &Value, fields: &[&str]) -> Value {
    let all = value.as_object().into_iter().flatten();
    let kept = all.filter(|(key, _)| fields.contains(&key.as_str()));
    Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Returns a patch entry of a spec as an entry of a file; operations given as objects become text.
fn plain_patch(entry: &Value) -> Value {
    let mut plain = Map::new();
    match entry.get("patch") {
        Some(operations @ Value::Array(_)) => {
            plain.insert("patch".to_owned(), Value::String(operations.to_string()));
        }
        Some(text) => _ = plain.insert("patch".to_owned(), text.clone()),
        None => {}
    }
    if let Some(target) = entry.get("target").filter(|target| !target.is_null()) {
        plain.insert("target".to_owned(), picked(target, &TARGET));
    }
    Value::Object(plain)
}

/// Whether a component is a path inside the source, as Flux tells it.
fn is_local(path: &str) -> bool {
    const ELSEWHERE: [&str; 8] =
        ["git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"];
    let small = path.to_lowercase();
    let leads_away = |start: &&str| small.len() > start.len() && small.starts_with(*start);
    let bare = small.strip_prefix("file://").unwrap_or(&small);
    !ELSEWHERE.iter().any(leads_away) && !bare.starts_with('/')
}

fn components(spec: &Map<String, Value>, files: &dyn Files, root: &str) -> Result<Vec<Value>, Error> {
    let ignores_missing = spec.get("ignoreMissingComponents").and_then(Value::as_bool) == Some(true);
    let mut found = Vec::new();
    for component in list(spec, "components") {
        let path = component.as_str().unwrap_or_default();
        if !is_local(path) {
            return Err(Error::Root(format!("component path '{path}' must be local and relative")));
        }
        if ignores_missing && files.resolve(&join(root, path)).is_err() {
            continue;
        }
        found.push(component.clone());
    }
    Ok(found)
}

/// Merges images by name: a tag and a digest are one thing, so either replaces both.
fn merge_images(file: &mut Map<String, Value>, images: &[Value]) {
    for image in images {
        let Some(fields) = image.as_object() else { continue };
        let is_same = |other: &&mut Value| other.get("name") == image.get("name");
        let entries = file.entry("images").or_insert_with(|| Value::Array(Vec::new()));
        let Some(entries) = entries.as_array_mut() else { return };
        let Some(Value::Object(own)) = entries.iter_mut().find(is_same) else {
            entries.push(picked(image, &IMAGE));
            continue;
        };
        let given =
            |key: &str| fields.get(key).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
        if let Some(name) = given("newName") {
            own.insert("newName".to_owned(), name.clone());
        }
        if given("newTag").is_some() || given("digest").is_some() {
            for key in ["newTag", "digest"] {
                own.shift_remove(key);
                if let Some(value) = given(key) {
                    own.insert(key.to_owned(), value.clone());
                }
            }
        }
    }
}

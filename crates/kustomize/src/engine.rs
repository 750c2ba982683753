//! The front door: a root and its options to the list of objects, step by step.
//!
//! Follows: the build pipeline of kustomize 5.8.1. Differs: notes stand beside the objects, and
//! nothing is fetched; the caller's view of files is all there is.

use serde_json::{Map, Value};

pub use crate::accumulate::Bounds;
use crate::accumulate::{Accumulator, Builder};
use crate::error::Error;
use crate::files::Files;
use crate::flux::Outermost;
use crate::loader::Loader;
pub use crate::loader::Restriction;
use crate::manifest;
use crate::order::{self, Order};
use crate::origin;
use crate::resource::{Resource, field};
use crate::resources::check_distinct;
use crate::scope::Scopes;
use crate::spec::{Kustomization, SortOptions};
use crate::told::Told;
use crate::transform::{name_refs, names, twins, vars};

/// How a build is done.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which files a root may name.
    pub load: Restriction,
    /// What messages call the directory, where that is not its path.
    pub shown: Option<String>,
    /// Whether every object gets the label that names the tool, also where no file asks for it.
    pub adds_managed_by: bool,
    /// The order of the output where the kustomization does not say one.
    pub order: Order,
    /// The outermost kustomization where it is not what the directory says.
    pub outermost: Option<Outermost>,
    /// Who is told what replacements make of values.
    pub told: Told,
    /// How much it may take.
    pub bounds: Bounds,
}

/// The outcome of a build.
#[derive(Clone, Debug, Default)]
pub struct Build {
    resources: Vec<Resource>,
    /// Whether the kustomization says its order itself, so that the one of the options does not count.
    pub has_own_order: bool,
    /// Variables that stand nowhere, in the order of their declaration.
    pub unused_vars: Vec<String>,
    /// Deprecation warnings, in the order in which they came up.
    pub warnings: Vec<String>,
    /// What was copied though it is encrypted, each with the entry that copies it.
    pub notes: Vec<String>,
    /// Which kinds live outside namespaces.
    pub scopes: Scopes,
}

impl Build {
    /// Returns the objects as YAML documents, in order.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        for (position, resource) in self.resources.iter().enumerate() {
            if position > 0 {
                text.push_str("---\n");
            }
            text.push_str(&sealfast_yaml::json::to_yaml(&resource.value));
        }
        text
    }

    /// Returns the objects, in order.
    #[must_use]
    pub fn objects(self) -> Vec<Value> {
        self.resources.into_iter().map(|resource| resource.value).collect()
    }
}

/// Builds the root at `dir`.
///
/// # Errors
/// When a file is missing or malformed, or a step cannot be done; see [`Error`].
///
/// # Examples
/// ```
/// use sealfast_kustomize::engine::{Options, build};
/// use sealfast_kustomize::files::Memory;
///
/// let mut files = Memory::new();
/// files.insert("/app/kustomization.yaml", "namePrefix: web-\nresources: [map.yaml]\n");
/// files.insert("/app/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n");
/// let built = build(&files, "/app", &Options::default())?;
/// assert_eq!(built.to_yaml(), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web-settings\n");
/// # Ok::<(), sealfast_kustomize::error::Error>(())
/// ```
pub fn build(files: &dyn Files, dir: &str, options: &Options) -> Result<Build, Error> {
    attempt(files, dir, options).map_err(|failed| failed.error)
}

/// A failed build, and what was said before it failed.
#[derive(Debug)]
pub struct Failed {
    /// Why it failed.
    pub error: Error,
    /// Deprecation warnings, in the order in which they came up.
    pub warnings: Vec<String>,
}

/// Builds as [`build`] does; a failure keeps the warnings.
///
/// # Errors
/// As [`build`].
pub fn attempt(files: &dyn Files, dir: &str, options: &Options) -> Result<Build, Failed> {
    let mut warnings = Vec::new();
    match run(files, dir, options, &mut warnings) {
        Ok(built) => Ok(Build { warnings, ..built }),
        Err(error) => Err(Failed { error, warnings }),
    }
}

/// Goes through all steps.
fn run(files: &dyn Files, dir: &str, options: &Options, warnings: &mut Vec<String>) -> Result<Build, Error> {
    let loader = Loader::open(files, options.load, dir, options.shown.as_deref().unwrap_or(dir))?;
    let (file, file_name) = outermost(&loader, options, warnings)?;
    let mut builder = Builder::new(
        file.build_metadata.clone(),
        loader.root().to_owned(),
        options.told.clone(),
        options.bounds,
    );
    if options.outermost.is_some() {
        // Flux has the built-in schema loaded before it builds.
        builder.note_look();
    }
    builder.set_schema(&loader, &file, file_name)?;
    let has_own_order = file.sort_options.is_some();
    let order = output_order(file.sort_options.as_ref(), &options.order)?;
    let mut accumulator = builder.accumulator();
    let done = builder.target(&mut accumulator, &loader, file, file_name);
    warnings.extend(builder.take_warnings());
    done?;

    let Accumulator { mut resources, config, vars } = accumulator;
    let clock = builder.clock();
    names::add_hashes(&mut resources)?;
    name_refs::run(&mut resources, &config)?;
    let scopes = resources.scopes().clone();
    let vars = vars::run(&mut resources, &vars, &config.var_reference)?;
    resources.iter_mut().for_each(twins::settle);
    let mut resources = resources.into_items();
    resources.retain(|resource| !is_local_config(resource));
    check_distinct(&resources)?;
    let mut resources = order::sort(resources, &order);
    let notes = [builder.take_notes(), vars.notes].concat();
    let mut metadata = builder.metadata().to_vec();
    if options.adds_managed_by {
        metadata.push("managedByLabel".to_owned());
    }
    for resource in &mut resources {
        clock.check()?;
        finish(resource, &metadata)?;
    }
    Ok(Build { resources, has_own_order, unused_vars: vars.unused, notes, warnings: Vec::new(), scopes })
}

/// Reads the outermost kustomization.
fn outermost(
    loader: &Loader<'_>,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<(Kustomization, &'static str), Error> {
    let Some(given) = &options.outermost else {
        let (content, name) = loader.kustomization()?;
        return Ok((Kustomization::parse(&content, loader.root(), warnings)?, name));
    };
    // Which file is meant must be clear all the same.
    let name = if given.is_generated() { "kustomization.yaml" } else { loader.kustomization()?.1 };
    Ok((Kustomization::from_value(given.value.clone(), loader.root(), warnings)?, name))
}

fn output_order(wanted: Option<&SortOptions>, default: &Order) -> Result<Order, Error> {
    let Some(wanted) = wanted else { return Ok(default.clone()) };
    let legacy = &wanted.legacy_sort_options;
    match wanted.order.as_str() {
        "legacy" => Ok(Order::Legacy {
            kinds: legacy.as_ref().map(|kinds| (kinds.order_first.clone(), kinds.order_last.clone())),
        }),
        "fifo" if legacy.is_some() => Err(Error::Kustomization(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'"
                .to_owned(),
        )),
        "fifo" => Ok(Order::Fifo),
        _ => Err(Error::Kustomization(
            "the field 'sortOptions.order' must be one of [fifo, legacy]".to_owned(),
        )),
    }
}

/// Whether an object is only there for the build itself.
fn is_local_config(resource: &Resource) -> bool {
    let annotations = field(&resource.value, "metadata").and_then(|metadata| field(metadata, "annotations"));
    let annotation =
        annotations.and_then(|annotations| field(annotations, "config.kubernetes.io/local-config"));
    annotation.is_some_and(|value| value.as_str() != Some("false"))
}

/// Annotations under which the original keeps its notes; a user's own are removed as well.
const NOTES: [&str; 18] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "internal.config.kubernetes.io/helm-generated",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
];

/// Adds and removes the annotations and labels that belong to the build, and refuses what cannot be printed.
fn finish(resource: &mut Resource, metadata: &[String]) -> Result<(), Error> {
    if let Some(flaw) = resource.unprintable() {
        return Err(Error::Object(flaw));
    }
    if !is_printable(&resource.value) {
        return Err(Error::Object("yaml: control characters are not allowed".to_owned()));
    }
    let blanks = blank_annotations(resource);
    let written = std::mem::take(&mut resource.written);
    if let Some(Value::Object(annotations)) = annotations_mut(resource) {
        annotations.retain(|key, _| !is_note(key, metadata));
        for (key, value) in annotations.iter_mut().filter(|(_, value)| !value.is_string()) {
            let text = written.text(value).filter(|_| !blanks.contains(key));
            *value = Value::String(text.unwrap_or_default());
        }
    }
    for place in std::mem::take(&mut resource.unquoted) {
        if let Some(value) = resource.value.pointer_mut(place)
            && let Value::String(text) = value
        {
            *value = manifest::plain(text);
        }
    }
    let named = field(&resource.value, "metadata");
    let name = named.and_then(|named| field(named, "name"));
    if name.is_none_or(|name| name.is_null() || name.as_str() == Some("")) {
        manifest::check_object(resource)?;
    }
    if named.is_some_and(|named| !named.is_object() && !named.is_null()) {
        return Err(Error::Object("wrong node kind of metadata: expected MappingNode".to_owned()));
    }
    origin::annotate(resource, metadata);
    // The original writes the annotations anew, and nothing where there are none.
    let metadata = match &mut resource.value {
        Value::Object(object) => object.entry("metadata").or_insert_with(|| Value::Object(Map::new())),
        _ => return Ok(()),
    };
    if let Value::Object(metadata) = metadata
        && metadata.get("annotations").is_some_and(holds_no_entries)
    {
        metadata.shift_remove("annotations");
    }
    Ok(())
}

/// Whether the original would keep a note of its own under an annotation, or would have made it.
fn is_note(key: &str, metadata: &[String]) -> bool {
    let is_asked = |wanted: &str| metadata.iter().any(|asked| asked == wanted);
    match key {
        origin::ORIGIN => !is_asked("originAnnotations"),
        origin::TRANSFORMATIONS => !is_asked("transformerAnnotations"),
        _ => NOTES.contains(&key) || key == "config.k8s.io/id",
    }
}

/// Whether all texts can be printed: the original reads them once more, from JSON.
fn is_printable(value: &Value) -> bool {
    match value {
        Value::String(text) => is_printable_text(text),
        Value::Array(items) => items.iter().all(is_printable),
        Value::Object(map) => map.iter().all(|(key, value)| is_printable_text(key) && is_printable(value)),
        _ => true,
    }
}

fn is_printable_text(text: &str) -> bool {
    // The first bytes of all letters that are looked for.
    let is_suspicious = |byte: u8| matches!(byte, 0x7f | 0xc2 | 0xef);
    let is_refused =
        |letter: char| matches!(letter, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    !text.bytes().any(is_suspicious) || !text.contains(is_refused)
}

fn annotations_mut(resource: &mut Resource) -> Option<&mut Value> {
    resource.value.get_mut("metadata")?.get_mut("annotations")
}

/// Returns the annotations that were written as nothing at all.
fn blank_annotations(resource: &Resource) -> Vec<String> {
    let annotations = resource.value.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let keys = annotations.and_then(Value::as_object).into_iter().flatten();
    keys.filter(|(key, value)| value.is_null() && resource.is_blank("annotations", key))
        .map(|(key, _)| key.clone())
        .collect()
}

fn holds_no_entries(value: &Value) -> bool {
    match value {
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

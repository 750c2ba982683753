//! Patches: reading an entry, finding its targets, changing them.

pub mod json6902;
pub mod schema;
pub mod strategic;

use serde_json::Value;

use crate::error::Error;
use crate::hash::write_json;
use crate::manifest;
use crate::patch::json6902::{Operation, weight};
use crate::patch::schema::Schema;
use crate::resource::{NO_OBJECT, Resource, child_map};
use crate::resources::Resources;
use crate::select::{Matcher, Selector};
use crate::spec::PatchOptions;
use crate::transform::twins;

/// Where a patch comes from, as messages name it.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    Path(String),
    /// The kustomization itself.
    Inline,
}

impl Source {
    /// Returns what messages call the patch.
    fn shown(&self, content: &str) -> String {
        match self {
            Self::Path(path) => format!("[path: {path:?}]"),
            Self::Inline => format!("[patch: {content:?}]"),
        }
    }
}

/// Returns the text of a patch file.
///
/// # Errors
/// When it is none.
pub(crate) fn text(content: Vec<u8>, source: &Source) -> Result<String, Error> {
    String::from_utf8(content).map_err(|_| unreadable(source, ""))
}

fn unreadable(source: &Source, content: &str) -> Error {
    Error::Patch(format!("unable to parse SM or JSON patch from {}", source.shown(content)))
}

/// A patch that was read and can be applied.
#[derive(Debug)]
pub struct Patch {
    content: Content,
    target: Option<(Selector, Matcher)>,
    options: PatchOptions,
    origin: String,
}

#[derive(Debug)]
enum Content {
    Strategic(Vec<Resource>),
    Json(Vec<Operation>),
}

impl Patch {
    /// Reads the text of a `patches` entry.
    ///
    /// # Errors
    /// When it is neither a partial object nor a list of operations, or its target is not well formed.
    pub fn parse(
        content: &str,
        source: &Source,
        target: Option<&Selector>,
        options: PatchOptions,
    ) -> Result<Self, Error> {
        let origin = source.shown(content);
        let strategic = manifest::objects(content.as_bytes(), "");
        let json = json6902::parse(content);
        let content = match (strategic, json) {
            (Ok(objects), Ok(operations)) if !objects.is_empty() && !operations.is_empty() => {
                return Err(Error::Patch(format!(
                    "illegally qualifies as both an SM and JSON patch: {origin}"
                )));
            }
            (Ok(objects), _) => Content::Strategic(objects),
            (Err(_), Ok(operations)) => Content::Json(operations),
            (Err(_), Err(_)) => return Err(unreadable(source, content)),
        };
        let target =
            target.map(|target| Matcher::new(target).map(|matcher| (target.clone(), matcher))).transpose()?;
        Ok(Self { content, target, options, origin })
    }

    /// Makes a patch of operations alone, as in `patchesJson6902`.
    ///
    /// # Errors
    /// When the text is no list of operations, or the target is not well formed.
    pub fn parse_json(content: &str, source: &Source, target: &Selector) -> Result<Self, Error> {
        let content = content.trim();
        let origin = source.shown(content);
        let operations = json6902::parse(content).map_err(|error| match source {
            Source::Path(path) if content.is_empty() => {
                Error::Patch(format!("patch file '{path}' empty seems to be empty"))
            }
            // A file may have been opened: nothing of it belongs into a message.
            Source::Path(_) => error.within(format!("decoding {origin}")),
            Source::Inline => error.within(format!("decoding {}", json6902::shown(content))),
        })?;
        if operations.is_empty() {
            let (file, shown) = match source {
                Source::Path(path) => (path.as_str(), ""),
                Source::Inline => ("", content),
            };
            return Err(Error::Patch(format!("patch appears to be empty; file={file}, JsonOp={shown}")));
        }
        Ok(Self {
            content: Content::Json(operations),
            target: Some((target.clone(), Matcher::new(target)?)),
            options: PatchOptions::default(),
            origin,
        })
    }

    /// Changes the objects that the patch is for.
    ///
    /// # Errors
    /// When a strategic merge without target does not find exactly one object, or a change does not apply.
    pub fn apply(&self, resources: &mut Resources, schema: &Schema, notes: Notes) -> Result<(), Error> {
        resources.clock().check()?;
        match (&self.content, &self.target) {
            (Content::Strategic(patches), None) => patches.iter().try_for_each(|patch| {
                // The original notes the options in the patch's annotations, which become text by that.
                let noted = self.options.any().then(|| with_text(patch, &["annotations"]));
                let merged = merge_into_one(resources, noted.as_ref().unwrap_or(patch), self.options, schema);
                merged.map_err(|error| {
                    error.within(format!("no resource matches strategic merge patch \"{}\"", patch.id()))
                })
            }),
            (Content::Strategic(patches), Some((_, matcher))) => {
                if patches.len() > 1 {
                    return Err(Error::Patch(format!(
                        "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
                        self.origin
                    )));
                }
                let Some(patch) = patches.first() else { return Ok(()) };
                let found = matcher.select(resources);
                check_work(weight(&patch.value), found.len(), &self.origin)?;
                let mut patch = with_plain_metadata(patch);
                found.into_iter().try_for_each(|at| {
                    copy_api_version(&resources.items()[at].value, &mut patch.value);
                    merge_at(resources, at, &patch, self.options, schema)
                })?;
                resources.check_ids()
            }
            (Content::Json(_), None) => {
                Err(Error::Patch(format!("must specify a target for JSON patch {}", self.origin)))
            }
            (Content::Json(operations), Some((_, matcher))) => {
                let found = matcher.select(resources);
                check_work(json6902::weight_of(operations), found.len(), &self.origin)?;
                found.into_iter().try_for_each(|at| operate_at(resources, at, operations, notes))
            }
        }
    }
}

/// How many bytes one patch may bring into all its targets.
const MAX_BROUGHT: usize = 256 << 20;

fn check_work(weight: usize, targets: usize, origin: &str) -> Result<(), Error> {
    if weight.saturating_mul(targets) <= MAX_BROUGHT {
        return Ok(());
    }
    let shown: String = origin.chars().take(200).collect();
    Err(Error::Limit(format!("{shown}: in {targets} objects it would be more than {MAX_BROUGHT} bytes")))
}

/// Whether operations remember the id that an object has before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    /// References follow where they change the name.
    Taken,
    /// Of `patchesJson6902`: nothing is noted.
    Omitted,
}

/// Merges an entry of `patchesStrategicMerge`, whose labels and annotations are text, into the object of its id.
///
/// # Errors
/// When there is none or more than one, or the merge fails.
pub fn merge_old_into_one(
    resources: &mut Resources,
    patch: &Resource,
    schema: &Schema,
) -> Result<(), Lookup> {
    merge_into_one(resources, &with_plain_metadata(patch), PatchOptions::default(), schema)
}

/// Merges a patch into the one object that has or had its id.
///
/// # Errors
/// When there is none or more than one, or the merge fails.
pub fn merge_into_one(
    resources: &mut Resources,
    patch: &Resource,
    options: PatchOptions,
    schema: &Schema,
) -> Result<(), Lookup> {
    let id = patch.id();
    let found = resources.with_any_id(&id);
    let [at] = found.as_slice() else {
        let what = if found.is_empty() { "no matches" } else { "multiple matches" };
        return Err(Lookup::NotOne(Error::Patch(format!(
            "{what} for Id {id}; failed to find unique target for patch {id}"
        ))));
    };
    merge_at(resources, *at, patch, options, schema).map_err(Lookup::Merge)
}

/// Why a patch without target was not merged.
#[derive(Debug)]
pub enum Lookup {
    /// Not exactly one object has its id.
    NotOne(Error),
    /// The merge failed.
    Merge(Error),
}

impl Lookup {
    /// Puts a context in front of a failed search; a failed merge speaks for itself.
    fn within(self, context: String) -> Error {
        match self {
            Self::NotOne(error) => error.within(context),
            Self::Merge(error) => error,
        }
    }

    /// Returns the error alone.
    #[must_use]
    pub fn into_error(self) -> Error {
        match self {
            Self::NotOne(error) | Self::Merge(error) => error,
        }
    }
}

/// Returns a patch whose labels and annotations are text, as the original copies them: a null becomes a word.
fn with_plain_metadata(patch: &Resource) -> Resource {
    with_text(patch, &["labels", "annotations"])
}

fn with_text(patch: &Resource, fields: &[&str]) -> Resource {
    let mut plain = patch.clone();
    let Some(metadata) = plain.value.get_mut("metadata").and_then(Value::as_object_mut) else { return plain };
    for &name in fields {
        let Some(Value::Object(entries)) = metadata.get_mut(name) else {
            metadata.shift_remove(name);
            continue;
        };
        for (key, entry) in entries.iter_mut().filter(|(_, entry)| !entry.is_string()) {
            let text = patch.written.text(entry).filter(|_| !patch.is_blank(name, key));
            *entry = Value::String(text.unwrap_or_default());
        }
        if entries.is_empty() {
            metadata.shift_remove(name);
        }
    }
    plain
}

/// A targeted patch takes part as if it had the version of its target.
fn copy_api_version(from: &Value, patch: &mut Value) {
    if let (Some(version), Value::Object(patch)) = (from.get("apiVersion"), patch) {
        patch.insert("apiVersion".to_owned(), version.clone());
    }
}

fn merge_at(
    resources: &mut Resources,
    at: usize,
    patch: &Resource,
    options: PatchOptions,
    schema: &Schema,
) -> Result<(), Error> {
    resources.clock().check()?;
    let resource = resources.at_mut(at);
    if options.any() {
        resource.remember_id();
    }
    let (name, kind, namespace) =
        (resource.name().to_owned(), resource.kind().to_owned(), resource.namespace().to_owned());
    strategic::merge(resource, patch, schema)?;
    twins::settle(resource);
    if resource.is_gone() {
        return Ok(());
    }
    if !options.allow_kind_change
        && resource.kind() != kind
        && let Value::Object(object) = &mut resource.value
    {
        object.insert("kind".to_owned(), Value::String(kind));
    }
    if !options.allow_name_change && resource.name() != name {
        resource.set_metadata("name", &name);
    }
    restore_namespace(resource, &namespace);
    resources.note(at);
    Ok(())
}

fn restore_namespace(resource: &mut Resource, namespace: &str) {
    if resource.namespace() == namespace {
        return;
    }
    if namespace.is_empty() {
        if let Some(metadata) = resource.metadata_mut() {
            metadata.shift_remove("namespace");
        }
    } else {
        resource.set_metadata("namespace", namespace);
    }
}

fn operate_at(
    resources: &mut Resources,
    at: usize,
    operations: &[Operation],
    notes: Notes,
) -> Result<(), Error> {
    let clock = resources.clock();
    clock.check()?;
    let resource = resources.at_mut(at);
    if notes == Notes::Taken {
        resource.remember_id();
    }
    if (resource.is_noted() || resource.origin.is_some())
        && let Some(metadata) = resource.metadata_mut()
    {
        child_map(metadata, "annotations");
    }
    if let Some(flaw) = resource.unprintable() {
        return Err(Error::Object(flaw.trim_start_matches(NO_OBJECT).to_owned()));
    }
    spell_annotations(resource);
    json6902::apply(&mut resource.value, operations, clock)?;
    if json6902::replace_annotations(operations) {
        resource.origin = None;
        resource.transformations.clear();
    }
    manifest::name_by_text(resource);
    // Null is written out by then, which a merge no longer takes for a blank.
    resource.blanks.clear();
    resource.written.clear();
    resource.loose.clear();
    resource.twins.clear();
    drop_empty_annotations(&mut resource.value);
    if !resource.is_gone() {
        manifest::check_object(resource)?;
    }
    resources.note(at);
    Ok(())
}

/// Gives annotations that were numbers the digits of their value: the original sends the object through JSON.
fn spell_annotations(resource: &mut Resource) {
    let annotations = resource.value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    for (key, value) in annotations.into_iter().flatten() {
        if let Value::String(text) = value
            && resource.written.is_bare(key, text)
        {
            match manifest::plain(text) {
                Value::String(meaning) => *text = meaning,
                other => {
                    text.clear();
                    write_json(&other, text);
                }
            }
        }
    }
}

/// Removes an annotations mapping that has nothing in it.
pub(crate) fn drop_empty_annotations(value: &mut Value) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata
            .get("annotations")
            .is_some_and(|map| map.as_object().is_some_and(serde_json::Map::is_empty))
    {
        metadata.shift_remove("annotations");
    }
}

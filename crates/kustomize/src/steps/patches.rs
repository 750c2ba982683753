//! Patches that a file or an object of its own asks for: read and applied.

use serde_json::{Map, Value};

use crate::accumulate::Builder;
use crate::error::Error;
use crate::loader::Loader;
use crate::manifest;
use crate::patch::{self, Notes, Patch, Source};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::spec;

/// Where a transformer is configured, as messages name it.
#[derive(Clone, Copy)]
pub(crate) enum Configured<'a> {
    /// In a field of the kustomization.
    Here,
    /// In an object of its own.
    By(&'a Resource),
}

impl Configured<'_> {
    /// Puts in front what made trouble.
    pub(crate) fn wrong(self, error: Error, transformer: &str, config: &Value) -> Error {
        match self {
            Self::Here => error.within(configuring(transformer, config)),
            Self::By(object) => error.within(format!("plugin {} fails configuration", object.original_id())),
        }
    }

    /// Returns the configuration as messages show it.
    fn shown(self, config: &Value) -> String {
        sealfast_yaml::json::to_yaml(match self {
            Self::Here => config,
            Self::By(object) => &object.value,
        })
    }
}

/// Says, as the original does, which fields of a file made trouble.
pub(crate) fn configuring(transformer: &str, config: &Value) -> String {
    let config = sealfast_yaml::json::to_yaml(config);
    format!("trouble configuring builtin {transformer} with config: `\n{config}`")
}

/// Reads an entry of `patches`.
pub(crate) fn read(
    loader: &Loader<'_>,
    entry: &spec::Patch,
    configured: Configured<'_>,
) -> Result<Patch, Error> {
    let config = shown(entry, "patch");
    let wrong = |error: Error| configured.wrong(error, "PatchTransformer", &config);
    let (text, source) = match text(loader, entry) {
        Ok(Ok(found)) => found,
        Ok(Err(what)) => {
            return Err(wrong(Error::Patch(format!("{what}\n{}", configured.shown(&config)))));
        }
        Err(error) => return Err(wrong(error)),
    };
    let options = entry.options.unwrap_or_default();
    Patch::parse(&text, &source, entry.target.as_ref(), options).map_err(|error| match error {
        Error::Selector(_) => error,
        other => wrong(other),
    })
}

/// Returns the text of an entry, or what is wrong with the entry itself.
fn text(loader: &Loader<'_>, entry: &spec::Patch) -> Result<Result<(String, Source), &'static str>, Error> {
    let inline = entry.patch.trim();
    match (inline.is_empty(), entry.path.is_empty()) {
        (true, true) => Ok(Err("must specify one of patch and path in")),
        (false, false) => Ok(Err("patch and path can't be set at the same time")),
        (false, true) => Ok(Ok((inline.to_owned(), Source::Inline))),
        (true, false) => {
            let content = loader.read(&entry.path).map_err(|error| {
                error.within(format!("failed to get the patch file from path({})", entry.path))
            })?;
            let source = Source::Path(entry.path.clone());
            Ok(Ok((patch::text(content, &source)?, source)))
        }
    }
}

/// Returns an entry as the original shows it in messages, the inline patch under the name it has there.
fn shown(entry: &spec::Patch, patch: &str) -> Value {
    let mut map = Map::new();
    let put = |map: &mut Map<String, Value>, key: &str, text: &str| {
        if !text.is_empty() {
            map.insert(key.to_owned(), Value::String(text.to_owned()));
        }
    };
    put(&mut map, patch, &entry.patch);
    put(&mut map, "path", &entry.path);
    if let Some(target) = &entry.target {
        let mut fields = Map::new();
        for (key, text) in [
            ("group", &target.group),
            ("version", &target.version),
            ("kind", &target.kind),
            ("name", &target.name),
            ("namespace", &target.namespace),
            ("labelSelector", &target.label_selector),
            ("annotationSelector", &target.annotation_selector),
        ] {
            put(&mut fields, key, text);
        }
        map.insert("target".to_owned(), Value::Object(fields));
    }
    Value::Object(map)
}

/// What patches of the old kind are read from.
#[derive(Clone, Copy)]
pub(crate) struct Strategic<'a> {
    /// Each is tried as YAML, then as a file.
    pub(crate) items: &'a [String],
    /// YAML, or nothing.
    pub(crate) inline: &'a str,
}

/// Applies `patchesStrategicMerge`.
pub(crate) fn old_strategic(
    builder: &Builder,
    resources: &mut Resources,
    loader: &Loader<'_>,
    sources: Strategic<'_>,
    configured: Configured<'_>,
) -> Result<(), Error> {
    let items = sources.items;
    let config = serde_json::json!({ "paths": items });
    let wrong = |error: Error| configured.wrong(error, "PatchStrategicMergeTransformer", &config);
    if items.is_empty() && sources.inline.is_empty() {
        return Err(wrong(Error::Patch("empty file path and empty patch content".to_owned())));
    }
    let mut patches = Vec::new();
    for item in items {
        let inline = manifest::objects(item.as_bytes(), "");
        let read = || loader.read(item).and_then(|content| manifest::objects(&content, item));
        patches.extend(inline.or_else(|_| read()).map_err(wrong)?);
    }
    patches.extend(manifest::objects(sources.inline.as_bytes(), "").map_err(wrong)?);
    if patches.is_empty() {
        let listed = items.join(" ");
        return Err(wrong(Error::Patch(format!("patch appears to be empty; files=[{listed}], Patch="))));
    }
    patches.iter().try_for_each(|patch| {
        patch::merge_old_into_one(resources, patch, builder.schema()).map_err(patch::Lookup::into_error)
    })
}

/// Applies an entry of `patchesJson6902`.
pub(crate) fn old_json(
    builder: &Builder,
    resources: &mut Resources,
    loader: &Loader<'_>,
    entry: &spec::Patch,
    configured: Configured<'_>,
) -> Result<(), Error> {
    let config = shown(entry, "jsonOp");
    let patch = read_old_json(loader, entry)
        .map_err(|error| configured.wrong(error, "PatchJson6902Transformer", &config))?;
    patch.apply(resources, builder.schema(), Notes::Omitted)
}

fn read_old_json(loader: &Loader<'_>, entry: &spec::Patch) -> Result<Patch, Error> {
    let wrong = |what: &str| Err(Error::Patch(what.to_owned()));
    let Some(target) = entry.target.as_ref().filter(|target| !target.name.is_empty()) else {
        return wrong("must specify the target name");
    };
    let (text, source) = match (entry.patch.is_empty(), entry.path.is_empty()) {
        (true, true) => return wrong("empty file path and empty jsonOp"),
        (false, false) => return wrong("must specify a file path or jsonOp, not both"),
        (false, true) => (entry.patch.clone(), Source::Inline),
        (true, false) => {
            let content = loader.read(&entry.path)?;
            let source = Source::Path(entry.path.clone());
            (patch::text(content, &source)?, source)
        }
    };
    Patch::parse_json(&text, &source, target)
}

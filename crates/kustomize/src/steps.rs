//! The transformers of one kustomization file, in their fixed order.

use crate::accumulate::{Accumulator, Builder};
use crate::config::{merge_specs, specs};
use crate::error::Error;
use crate::field::FieldSpec;
use crate::id::Gvk;
use crate::loader::Loader;
use crate::manifest;
use crate::origin;
use crate::patch::{self, Notes, Patch, Source};
use crate::plugin;
use crate::resources::Resources;
use crate::spec::{self, Kustomization, Label};
use crate::transform::names::End;
use crate::transform::namespace::Namespace;
use crate::transform::{images, labels, names, replacements, replicas};

/// Runs all transformers of a file.
pub(crate) fn run(
    builder: &mut Builder,
    accumulator: &mut Accumulator,
    loader: &Loader<'_>,
    file: &Kustomization,
    file_name: &str,
) -> Result<(), Error> {
    let config = accumulator.config.clone();
    if !file.patches.is_empty() || !file.patches_strategic_merge.is_empty() {
        builder.note_look();
    }
    let done = |builder: &Builder, resources: &mut Resources, kind: &str| {
        resources.drop_gone();
        if builder.keeps_transformations() {
            let entry = origin::of_plugin(builder.outermost(), loader.root(), file_name, kind);
            for resource in resources.iter_mut() {
                resource.transformations.push(entry.clone());
            }
        }
    };
    let resources = &mut accumulator.resources;

    if !file.patches_strategic_merge.is_empty() {
        old_strategic(builder, resources, loader, &file.patches_strategic_merge)?;
        done(builder, resources, "PatchStrategicMergeTransformer");
    }
    let patches: Result<Vec<Patch>, Error> =
        file.patches.iter().map(|entry| read_patch(loader, entry)).collect();
    for patch in patches? {
        patch.apply(resources, builder.schema(), Notes::Taken)?;
        if builder.keeps_transformations() {
            done(builder, resources, "PatchTransformer");
        }
    }
    resources.drop_gone();
    if !file.namespace.is_empty() {
        let namespace = Namespace {
            name: file.namespace.clone(),
            fields: config.namespace.clone(),
            ..Namespace::default()
        };
        namespace.run(resources)?;
        done(builder, resources, "NamespaceTransformer");
    }
    if !file.name_prefix.is_empty() {
        names::affix(resources, End::Prefix, &file.name_prefix, &config.name_prefix)?;
        done(builder, resources, "PrefixTransformer");
    }
    if !file.name_suffix.is_empty() {
        names::affix(resources, End::Suffix, &file.name_suffix, &config.name_suffix)?;
        done(builder, resources, "SuffixTransformer");
    }
    for label in &file.labels {
        let fields = label_fields(label, &config)?;
        labels::run(resources, &label.pairs, &fields)?;
        done(builder, resources, "LabelTransformer");
    }
    // The original runs it for either field, and notes that it did.
    if !file.common_labels.is_empty() || !file.labels.is_empty() {
        labels::run(resources, &file.common_labels, &config.common_labels)?;
        done(builder, resources, "LabelTransformer");
    }
    if !file.common_annotations.is_empty() {
        labels::run(resources, &file.common_annotations, &config.common_annotations)?;
        done(builder, resources, "AnnotationsTransformer");
    }
    for entry in &file.patches_json6902 {
        old_json(resources, builder, loader, entry)?;
        done(builder, resources, "PatchJson6902Transformer");
    }
    for replica in &file.replicas {
        replicas::run(resources, replica, &config.replicas)?;
        done(builder, resources, "ReplicaCountTransformer");
    }
    for image in &file.images {
        images::run(resources, image, &config.images)?;
        if builder.keeps_transformations() {
            done(builder, resources, "ImageTagTransformer");
        }
    }
    if !file.replacements.is_empty() {
        let read = |path: &str| loader.read(path);
        replacements::run(resources, &file.replacements, &read)?;
        done(builder, resources, "ReplacementTransformer");
    }
    plugin::transform(builder, accumulator, loader, &file.transformers)
}

/// Returns the fields that an entry of `labels` changes.
fn label_fields(label: &Label, config: &crate::config::Config) -> Result<Vec<FieldSpec>, Error> {
    let mut fields = specs(label.fields.clone());
    let merge = |fields: &mut Vec<FieldSpec>, more: &[FieldSpec]| {
        merge_specs(fields, more.to_vec()).map_err(|error| error.within("failed to merge label fieldSpec"))
    };
    merge(&mut fields, &config.labels)?;
    if label.include_selectors {
        merge(&mut fields, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge(&mut fields, &config.template_labels)?;
        }
        merge(&mut fields, &[FieldSpec::new(Gvk::default(), "metadata/labels", true)])?;
    }
    Ok(fields)
}

/// Says, as the original does, which fields of a file made trouble.
pub(crate) fn configuring(transformer: &str, config: &serde_json::Value) -> String {
    let config = sealfast_yaml::json::to_yaml(config);
    format!("trouble configuring builtin {transformer} with config: `\n{config}`")
}

/// Reads an entry of `patches`.
pub(crate) fn read_patch(loader: &Loader<'_>, entry: &spec::Patch) -> Result<Patch, Error> {
    let inline = entry.patch.trim();
    let config = shown(entry, "patch");
    let wrong = |error: Error| error.within(configuring("PatchTransformer", &config));
    let shown = sealfast_yaml::json::to_yaml(&config);
    let (text, source) = match (inline.is_empty(), entry.path.is_empty()) {
        (true, true) => {
            return Err(wrong(Error::Patch(format!("must specify one of patch and path in\n{shown}"))));
        }
        (false, false) => {
            return Err(wrong(Error::Patch(format!(
                "patch and path can't be set at the same time\n{shown}"
            ))));
        }
        (false, true) => (inline.to_owned(), Source::Inline),
        (true, false) => {
            let content = loader.read(&entry.path).map_err(|error| {
                wrong(error.within(format!("failed to get the patch file from path({})", entry.path)))
            })?;
            (String::from_utf8_lossy(&content).into_owned(), Source::Path(entry.path.clone()))
        }
    };
    Patch::parse(&text, &source, entry.target.as_ref(), entry.options.unwrap_or_default()).map_err(|error| {
        match error {
            Error::Selector(_) => error,
            other => wrong(other),
        }
    })
}

/// Returns an entry as the original shows it in messages, the inline patch under the name it has there.
fn shown(entry: &spec::Patch, patch: &str) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    let put = |map: &mut serde_json::Map<String, serde_json::Value>, key: &str, text: &str| {
        if !text.is_empty() {
            map.insert(key.to_owned(), serde_json::Value::String(text.to_owned()));
        }
    };
    put(&mut map, patch, &entry.patch);
    put(&mut map, "path", &entry.path);
    if let Some(target) = &entry.target {
        let mut fields = serde_json::Map::new();
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
        map.insert("target".to_owned(), serde_json::Value::Object(fields));
    }
    serde_json::Value::Object(map)
}

/// Applies `patchesStrategicMerge`: each item is tried as YAML, then as a file.
pub(crate) fn old_strategic(
    builder: &Builder,
    resources: &mut Resources,
    loader: &Loader<'_>,
    items: &[String],
) -> Result<(), Error> {
    let wrong = |error: Error| {
        let config = serde_json::json!({ "paths": items });
        error.within(configuring("PatchStrategicMergeTransformer", &config))
    };
    let mut patches = Vec::new();
    for item in items {
        let inline = manifest::objects(item.as_bytes(), "");
        let read = || loader.read(item).and_then(|content| manifest::objects(&content, item));
        patches.extend(inline.or_else(|_| read()).map_err(wrong)?);
    }
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
    resources: &mut Resources,
    builder: &Builder,
    loader: &Loader<'_>,
    entry: &spec::Patch,
) -> Result<(), Error> {
    let wrong = |error: Error| error.within(configuring("PatchJson6902Transformer", &shown(entry, "jsonOp")));
    let patch = read_old_json(loader, entry).map_err(wrong)?;
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
            (String::from_utf8_lossy(&content).into_owned(), Source::Path(entry.path.clone()))
        }
    };
    Patch::parse_json(&text, &source, target)
}

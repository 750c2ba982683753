//! The transformers of one kustomization file, in their fixed order.

pub(crate) mod patches;

use crate::accumulate::{Accumulator, Builder, SharedConfig};
use crate::config::{merge_specs, specs};
use crate::error::Error;
use crate::field::FieldSpec;
use crate::id::Gvk;
use crate::loader::Loader;
use crate::origin;
use crate::patch::{Notes, Patch};
use crate::plugin;
use crate::resources::Resources;
use crate::spec::{Kustomization, Label};
use crate::steps::patches::Configured;
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
    if !file.patches.is_empty() || !file.patches_strategic_merge.is_empty() {
        builder.note_look();
    }
    let steps = Steps { builder, loader, file, file_name, config: accumulator.config.clone() };
    let resources = &mut accumulator.resources;
    steps.patches(resources)?;
    steps.names(resources)?;
    steps.labels(resources)?;
    steps.old_json(resources)?;
    steps.values(resources)?;
    plugin::transform(builder, accumulator, loader, &file.transformers)
}

/// What the steps of one file share.
struct Steps<'a> {
    builder: &'a Builder,
    loader: &'a Loader<'a>,
    file: &'a Kustomization,
    file_name: &'a str,
    config: SharedConfig,
}

impl Steps<'_> {
    /// Ends the run of a transformer: what it deleted goes, and that it ran is noted.
    fn done(&self, resources: &mut Resources, kind: &str) {
        resources.drop_gone();
        if self.builder.keeps_origins() {
            let outermost = self.builder.outermost();
            let entry = origin::of_plugin(outermost, self.loader.root(), self.file_name, kind);
            self.builder.note_transformer(resources, &entry);
        }
    }

    fn patches(&self, resources: &mut Resources) -> Result<(), Error> {
        let merges = &self.file.patches_strategic_merge;
        if !merges.is_empty() {
            let sources = patches::Strategic { items: merges, inline: "" };
            patches::old_strategic(self.builder, resources, self.loader, sources, Configured::Here)?;
            self.done(resources, "PatchStrategicMergeTransformer");
        }
        let entries = self.file.patches.iter();
        let patches: Vec<Patch> = entries
            .map(|entry| patches::read(self.loader, entry, Configured::Here))
            .collect::<Result<_, Error>>()?;
        for patch in patches {
            patch.apply(resources, self.builder.schema(), Notes::Taken)?;
            if self.builder.keeps_origins() {
                self.done(resources, "PatchTransformer");
            }
        }
        resources.drop_gone();
        Ok(())
    }

    fn names(&self, resources: &mut Resources) -> Result<(), Error> {
        let file = self.file;
        if !file.namespace.is_empty() {
            let fields = self.config.namespace.clone();
            Namespace { name: file.namespace.clone(), fields, ..Namespace::default() }.run(resources)?;
            self.done(resources, "NamespaceTransformer");
        }
        if !file.name_prefix.is_empty() {
            names::affix(resources, End::Prefix, &file.name_prefix, &self.config.name_prefix)?;
            self.done(resources, "PrefixTransformer");
        }
        if !file.name_suffix.is_empty() {
            names::affix(resources, End::Suffix, &file.name_suffix, &self.config.name_suffix)?;
            self.done(resources, "SuffixTransformer");
        }
        Ok(())
    }

    fn labels(&self, resources: &mut Resources) -> Result<(), Error> {
        let file = self.file;
        for label in &file.labels {
            let fields = label_fields(label, &self.config)?;
            labels::run(resources, &label.pairs, &fields)?;
            self.done(resources, "LabelTransformer");
        }
        // The original runs it for either field, and notes that it did.
        if !file.common_labels.is_empty() || !file.labels.is_empty() {
            labels::run(resources, &file.common_labels, &self.config.common_labels)?;
            self.done(resources, "LabelTransformer");
        }
        if !file.common_annotations.is_empty() {
            labels::run(resources, &file.common_annotations, &self.config.common_annotations)?;
            self.done(resources, "AnnotationsTransformer");
        }
        Ok(())
    }

    fn old_json(&self, resources: &mut Resources) -> Result<(), Error> {
        for entry in &self.file.patches_json6902 {
            patches::old_json(self.builder, resources, self.loader, entry, Configured::Here)?;
            self.done(resources, "PatchJson6902Transformer");
        }
        Ok(())
    }

    fn values(&self, resources: &mut Resources) -> Result<(), Error> {
        for replica in &self.file.replicas {
            replicas::run(resources, replica, &self.config.replicas)?;
            self.done(resources, "ReplicaCountTransformer");
        }
        for image in &self.file.images {
            images::run(resources, image, &self.config.images)?;
            if self.builder.keeps_origins() {
                self.done(resources, "ImageTagTransformer");
            }
        }
        if !self.file.replacements.is_empty() {
            let read = |path: &str| self.loader.read(path);
            replacements::run(resources, &self.file.replacements, &read)?;
            self.done(resources, "ReplacementTransformer");
        }
        Ok(())
    }
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

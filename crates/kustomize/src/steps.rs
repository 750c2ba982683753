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
    let steps = Steps { builder: &*builder, loader, file, file_name, config: accumulator.config.clone() };
    let resources = &mut accumulator.resources;
    type Step<'a> = fn(&Steps<'a>, &mut Resources) -> Result<(), Error>;
    let all: [Step<'_>; 8] = [
        Steps::old_merges,
        Steps::patches,
        Steps::names,
        Steps::labels,
        Steps::old_json,
        Steps::replicas,
        Steps::images,
        Steps::replacements,
    ];
    for step in all {
        builder.clock().check()?;
        step(&steps, resources)?;
    }
    plugin::transform(builder, accumulator, loader, &file.transformers, file_name)
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
    /// Returns what names a field of the file in an error, or an entry of it.
    fn told(&self, field: &str, index: Option<usize>) -> impl FnOnce(Error) -> Error {
        let entry = index.map_or_else(|| field.to_owned(), |index| format!("{field}[{index}]"));
        move |error| error.of_entry(&entry, self.loader.root(), self.file_name)
    }

    /// Ends the run of a transformer: what it deleted goes, and that it ran is noted.
    fn done(&self, resources: &mut Resources, kind: &str) {
        resources.drop_gone();
        if self.builder.keeps_origins() {
            let outermost = self.builder.outermost();
            let entry = origin::of_plugin(outermost, self.loader.root(), self.file_name, kind);
            self.builder.note_transformer(resources, &entry);
        }
    }

    fn old_merges(&self, resources: &mut Resources) -> Result<(), Error> {
        let merges = &self.file.patches_strategic_merge;
        if !merges.is_empty() {
            let sources = patches::Strategic { items: merges, inline: "" };
            patches::old_strategic(self.builder, resources, self.loader, sources, Configured::Here)
                .map_err(self.told("patchesStrategicMerge", None))?;
            self.done(resources, "PatchStrategicMergeTransformer");
        }
        Ok(())
    }

    fn patches(&self, resources: &mut Resources) -> Result<(), Error> {
        let entries = self.file.patches.iter().enumerate();
        let patches: Vec<Patch> = entries
            .map(|(at, entry)| {
                patches::read(self.loader, entry, Configured::Here).map_err(self.told("patches", Some(at)))
            })
            .collect::<Result<_, Error>>()?;
        for (at, patch) in patches.into_iter().enumerate() {
            patch
                .apply(resources, self.builder.schema(), Notes::Taken)
                .map_err(self.told("patches", Some(at)))?;
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
            Namespace { name: file.namespace.clone(), fields, ..Namespace::default() }
                .run(resources)
                .map_err(self.told("namespace", None))?;
            self.done(resources, "NamespaceTransformer");
        }
        if !file.name_prefix.is_empty() {
            names::affix(resources, End::Prefix, &file.name_prefix, &self.config.name_prefix)
                .map_err(self.told("namePrefix", None))?;
            self.done(resources, "PrefixTransformer");
        }
        if !file.name_suffix.is_empty() {
            names::affix(resources, End::Suffix, &file.name_suffix, &self.config.name_suffix)
                .map_err(self.told("nameSuffix", None))?;
            self.done(resources, "SuffixTransformer");
        }
        Ok(())
    }

    fn labels(&self, resources: &mut Resources) -> Result<(), Error> {
        let file = self.file;
        for (at, label) in file.labels.iter().enumerate() {
            label_fields(label, &self.config)
                .and_then(|fields| labels::run(resources, &label.pairs, &fields))
                .map_err(self.told("labels", Some(at)))?;
            self.done(resources, "LabelTransformer");
        }
        // The original runs it for either field, and notes that it did.
        if !file.common_labels.is_empty() || !file.labels.is_empty() {
            labels::run(resources, &file.common_labels, &self.config.common_labels)
                .map_err(self.told("commonLabels", None))?;
            self.done(resources, "LabelTransformer");
        }
        if !file.common_annotations.is_empty() {
            labels::run(resources, &file.common_annotations, &self.config.common_annotations)
                .map_err(self.told("commonAnnotations", None))?;
            self.done(resources, "AnnotationsTransformer");
        }
        Ok(())
    }

    fn old_json(&self, resources: &mut Resources) -> Result<(), Error> {
        for (at, entry) in self.file.patches_json6902.iter().enumerate() {
            patches::old_json(self.builder, resources, self.loader, entry, Configured::Here)
                .map_err(self.told("patchesJson6902", Some(at)))?;
            self.done(resources, "PatchJson6902Transformer");
        }
        Ok(())
    }

    fn replicas(&self, resources: &mut Resources) -> Result<(), Error> {
        for (at, replica) in self.file.replicas.iter().enumerate() {
            replicas::run(resources, replica, &self.config.replicas)
                .map_err(self.told("replicas", Some(at)))?;
            self.done(resources, "ReplicaCountTransformer");
        }
        Ok(())
    }

    fn images(&self, resources: &mut Resources) -> Result<(), Error> {
        images::run(resources, &self.file.images, &self.config.images)
            .map_err(|(at, error)| self.told("images", Some(at))(error))?;
        if self.builder.keeps_origins() {
            self.file.images.iter().for_each(|_| self.done(resources, "ImageTagTransformer"));
        }
        Ok(())
    }

    fn replacements(&self, resources: &mut Resources) -> Result<(), Error> {
        if self.file.replacements.is_empty() {
            return Ok(());
        }
        let read = |path: &str| self.loader.read(path);
        for (at, entry) in self.file.replacements.iter().enumerate() {
            let done = replacements::run(resources, entry, &read, self.builder.told());
            let said = done.map_err(self.told("replacements", Some(at)))?;
            self.builder.note(&format!("replacements[{at}]"), self.loader, self.file_name, said);
        }
        self.done(resources, "ReplacementTransformer");
        Ok(())
    }
}

/// Returns the fields that an entry of `labels` changes.
fn label_fields(label: &Label, config: &crate::config::Config) -> Result<Vec<FieldSpec>, Error> {
    let mut fields = specs(label.fields.clone());
    let merge = |fields: &mut Vec<FieldSpec>, more: &[FieldSpec]| {
        merge_specs(fields, more.to_vec()).map_err(|error| error.within("failed to merge labels"))
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

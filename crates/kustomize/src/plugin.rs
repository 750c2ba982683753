//! Generators, transformers and validators configured by objects of their own.
//!
//! Only the built-in kinds exist; anything else would be a program to run, and fails.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::accumulate::{Accumulator, Builder, List};
use crate::config::specs;
use crate::error::Error;
use crate::field::FieldSpec;
use crate::generate;
use crate::loader::Loader;
use crate::manifest;
use crate::origin;
use crate::resource::{Resource, text};
use crate::resources::Resources;
use crate::select::Selector;
use crate::spec::decode;
use crate::spec::records::{ADD_TARGET_FILE, CONFIG_MAP_ARGS, SECRET_ARGS, SETTINGS};
use crate::spec::{self, GeneratorArgs, typed};
use crate::steps::patches::{self, Configured};
use crate::transform::names::{self, End};
use crate::transform::namespace::{Namespace, Subjects};
use crate::transform::value_add::{self, AddTarget};
use crate::transform::{images, labels, replacements, replicas};

/// The version that marks a built-in plugin.
const BUILTIN: &str = "builtin";

/// Runs the generators that a file lists.
pub(crate) fn generate(
    builder: &mut Builder,
    accumulator: &mut Accumulator,
    loader: &Loader<'_>,
    items: &[String],
    file_name: &str,
) -> Result<(), Error> {
    let configs = configs(
        builder,
        loader,
        items,
        ("configuring external generator", List { field: "generators", file_name }),
    )
    .map_err(|error| error.within("loading generator plugins"))?;
    for config in configs {
        let made = generated(&config, loader)
            .map_err(|error| error.within("failed to load generator").within("loading generator plugins"))?;
        for mut resource in made {
            if builder.keeps_origins() {
                resource.origin = Some(origin::of_external(&configured_in(&config), &config));
            }
            builder.count_generated(1, loader)?;
            accumulator.take_generated(resource)?;
        }
    }
    Ok(())
}

/// Runs the transformers that a file lists.
pub(crate) fn transform(
    builder: &mut Builder,
    accumulator: &mut Accumulator,
    loader: &Loader<'_>,
    items: &[String],
    file_name: &str,
) -> Result<(), Error> {
    for config in configs(builder, loader, items, (TRANSFORMER, List { field: "transformers", file_name }))? {
        transformed(builder, &mut accumulator.resources, loader, (&config, file_name))
            .map_err(|error| told(error, "transformers", &config, loader, file_name))?;
        accumulator.resources.drop_gone();
        if builder.keeps_origins() {
            let entry = origin::of_external(&configured_in(&config), &config);
            builder.note_transformer(&mut accumulator.resources, &entry);
        }
    }
    Ok(())
}

/// Names the object that configures a plugin in an error.
fn told(error: Error, field: &str, config: &Resource, loader: &Loader<'_>, file_name: &str) -> Error {
    error.of_entry(&entry_name(field, config), loader.root(), file_name)
}

fn entry_name(field: &str, config: &Resource) -> String {
    format!("{field}: {} '{}'", config.kind(), config.name())
}

/// What fails when two configuring objects have the same id.
const TRANSFORMER: &str = "configuring external transformer";

/// Runs validators, which must leave everything as it is, but for one label by which they may say that they ran.
pub(crate) fn validate(
    builder: &mut Builder,
    accumulator: &mut Accumulator,
    loader: &Loader<'_>,
    items: &[String],
    file_name: &str,
) -> Result<(), Error> {
    for config in configs(builder, loader, items, (TRANSFORMER, List { field: "validators", file_name }))? {
        let before: Vec<Value> =
            accumulator.resources.items().iter().map(|item| item.value.clone()).collect();
        let wrong = |error| told(error, "validators", &config, loader, file_name);
        transformed(builder, &mut accumulator.resources, loader, (&config, file_name)).map_err(wrong)?;
        let after = accumulator.resources.items().iter().map(|item| without_mark(&item.value));
        if !after.eq(before.iter().map(Cow::Borrowed)) {
            return Err(wrong(Error::Plugin("validator shouldn't modify the resource map".to_owned())));
        }
    }
    Ok(())
}

/// Returns an object without the label that a validator may set, and without labels when that was the only one.
fn without_mark(value: &Value) -> Cow<'_, Value> {
    if value.pointer("/metadata/labels/validated-by").is_none() {
        return Cow::Borrowed(value);
    }
    let mut value = value.clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut)
    {
        labels.shift_remove("validated-by");
        if labels.is_empty() {
            metadata.shift_remove("labels");
        }
    }
    Cow::Owned(value)
}

/// Reads the configuring objects: inline ones first, then those from files and roots.
fn configs(
    builder: &mut Builder,
    loader: &Loader<'_>,
    items: &[String],
    (step, list): (&str, List<'_>),
) -> Result<Vec<Resource>, Error> {
    let mut gathered = builder.accumulator();
    let mut paths = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match manifest::objects(item.as_bytes(), "") {
            Ok(objects) => objects
                .into_iter()
                .try_for_each(|mut object| {
                    object.origin = Some(origin::of_file(builder.outermost(), loader.root(), list.file_name));
                    gathered.resources.append(object)
                })
                .map_err(|error| error.within(step))?,
            Err(_) => paths.push((at, item.as_str())),
        }
    }
    builder.resources(&mut gathered, loader, &paths, list)?;
    let configs = gathered.resources.into_items();
    let flawed =
        configs.iter().find_map(|config| config.unprintable().map(|flaw| (config.original_id(), flaw)));
    flawed.map_or(Ok(configs), |(id, flaw)| {
        Err(Error::Plugin(format!("marshalling yaml from res {id}: {flaw}")))
    })
}

/// Returns the file that configures a plugin, from the origin of its object.
fn configured_in(config: &Resource) -> String {
    let origin = config.origin.as_deref().unwrap_or_default();
    let path = origin.lines().find_map(|line| line.strip_prefix("path: "));
    path.unwrap_or("kustomization.yaml").to_owned()
}

/// Fails for what is not built in.
fn refuse(config: &Resource) -> Error {
    let gvk = config.gvk();
    if text(&config.value, "apiVersion") == BUILTIN {
        return Error::Plugin(format!("unable to load builtin {}", gvk.to_gvk()));
    }
    Error::Plugin(format!("external plugins disabled; unable to load external plugin '{}'", gvk.kind))
}

/// Returns the fields of a configuring object besides those that every object has.
fn fields(config: &Resource) -> BTreeMap<String, Value> {
    let object = config.value.as_object().into_iter().flatten();
    let own = object.filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn generated(config: &Resource, loader: &Loader<'_>) -> Result<Vec<Resource>, Error> {
    if text(&config.value, "apiVersion") != BUILTIN {
        return Err(refuse(config));
    }
    let read = |path: &str| loader.read(path);
    match config.kind() {
        "ConfigMapGenerator" => {
            generate::config_map(&generator_args(config, &CONFIG_MAP_ARGS)?, None, &read).map(|one| vec![one])
        }
        "SecretGenerator" => {
            generate::secret(&generator_args(config, &SECRET_ARGS)?, None, &read).map(|one| vec![one])
        }
        "IAMPolicyGenerator" => Ok(vec![service_account(config)?]),
        "HelmChartInflationGenerator" => Err(Error::Plugin("must specify --enable-helm".to_owned())),
        _ => Err(refuse(config)),
    }
}

fn generator_args(config: &Resource, record: &'static decode::Record) -> Result<GeneratorArgs, Error> {
    let value = Value::Object(fields(config).into_iter().collect());
    let args = decode::lenient_record(value, record).map_err(Error::Plugin);
    let mut args: GeneratorArgs = args
        .and_then(|args| typed(args, config.kind()))
        .map_err(|error| Configured::By(config).wrong(error, config.kind(), &config.value))?;
    if args.name.is_empty() {
        config.name().clone_into(&mut args.name);
    }
    if args.namespace.is_empty() {
        config.namespace().clone_into(&mut args.namespace);
    }
    Ok(args)
}

/// Makes the service account of an IAM policy on Google Cloud.
fn service_account(config: &Resource) -> Result<Resource, Error> {
    let at = |path: &str| config.value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let cloud = at("/cloud");
    if cloud != "gke" {
        return Err(Error::Plugin(format!("cloud provider {cloud} not supported yet")));
    }
    let account =
        format!("{}@{}.iam.gserviceaccount.com", at("/serviceAccount/name"), at("/serviceAccount/projectId"));
    let mut resource = Resource::new(json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "annotations": { "iam.gke.io/gcp-service-account": account },
            "name": at("/kubernetesService/name"),
        },
    }));
    let namespace = at("/kubernetesService/namespace");
    if !namespace.is_empty() {
        resource.set_metadata("namespace", &namespace);
    }
    Ok(resource)
}

/// The fields that the built-in transformers are configured by.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Settings {
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    unset_only: bool,
    set_role_binding_subjects: String,
    prefix: String,
    suffix: String,
    field_specs: Vec<spec::FieldSpecEntry>,
    image_tag: spec::Image,
    replica: spec::Replica,
    replacements: Vec<spec::ReplacementEntry>,
    path: String,
    patch: String,
    target: Option<Selector>,
    options: Option<spec::PatchOptions>,
    paths: Vec<String>,
    patches: String,
    json_op: String,
    value: String,
    targets: Vec<AddTarget>,
    target_file_path: String,
}

fn transformed(
    builder: &Builder,
    resources: &mut Resources,
    loader: &Loader<'_>,
    (config, file_name): (&Resource, &str),
) -> Result<(), Error> {
    if text(&config.value, "apiVersion") != BUILTIN {
        return Err(refuse(config));
    }
    let wrong = |error: Error| Configured::By(config).wrong(error, config.kind(), &config.value);
    let mut settings = settings(config).map_err(wrong)?;
    let fields = specs(std::mem::take(&mut settings.field_specs));
    match config.kind() {
        "AnnotationsTransformer" => labels::run(resources, &settings.annotations, &fields),
        "LabelTransformer" => labels::run(resources, &settings.labels, &fields),
        "NamespaceTransformer" => namespace(config, &settings, fields).map_err(wrong)?.run(resources),
        "PrefixTransformer" => names::affix(resources, End::Prefix, &settings.prefix, &fields),
        "SuffixTransformer" => names::affix(resources, End::Suffix, &settings.suffix, &fields),
        "PrefixSuffixTransformer" => {
            names::affix(resources, End::Prefix, &settings.prefix, &fields)?;
            names::affix(resources, End::Suffix, &settings.suffix, &fields)
        }
        "ImageTagTransformer" => images::run(resources, std::slice::from_ref(&settings.image_tag), &fields)
            .map_err(|(_, error)| error),
        "ReplicaCountTransformer" => replicas::run(resources, &settings.replica, &fields),
        "ReplacementTransformer" => {
            let read = |path: &str| loader.read(path);
            for entry in &settings.replacements {
                let said = replacements::run(resources, entry, &read, builder.told())?;
                builder.note(&entry_name("transformers", config), loader, file_name, said);
            }
            Ok(())
        }
        "ValueAddTransformer" => add_value(resources, loader, settings),
        "HashTransformer" => names::add_hashes(resources),
        _ => patched(builder, resources, loader, (config, settings)),
    }
}

/// Runs a transformer that is a patch.
fn patched(
    builder: &Builder,
    resources: &mut Resources,
    loader: &Loader<'_>,
    (config, settings): (&Resource, Settings),
) -> Result<(), Error> {
    let configured = Configured::By(config);
    match config.kind() {
        "PatchTransformer" => {
            let entry = entry(settings.path, settings.patch, settings.target, settings.options);
            let patch = patches::read(loader, &entry, configured)?;
            patch.apply(resources, builder.schema(), crate::patch::Notes::Taken)
        }
        "PatchStrategicMergeTransformer" => {
            let sources = patches::Strategic { items: &settings.paths, inline: &settings.patches };
            patches::old_strategic(builder, resources, loader, sources, configured)
        }
        "PatchJson6902Transformer" => {
            let entry = entry(settings.path, settings.json_op, settings.target, None);
            patches::old_json(builder, resources, loader, &entry, configured)
        }
        _ => Err(refuse(config)),
    }
}

fn settings(config: &Resource) -> Result<Settings, Error> {
    let own = Value::Object(fields(config).into_iter().collect());
    typed(decode::lenient_record(own, &SETTINGS).map_err(Error::Plugin)?, config.kind())
}

fn entry(
    path: String,
    patch: String,
    target: Option<Selector>,
    options: Option<spec::PatchOptions>,
) -> spec::Patch {
    spec::Patch { path, patch, target, options }
}

fn namespace(config: &Resource, settings: &Settings, fields: Vec<FieldSpec>) -> Result<Namespace, Error> {
    let subjects = match settings.set_role_binding_subjects.as_str() {
        "" | "defaultOnly" => Subjects::DefaultOnly,
        "allServiceAccounts" => Subjects::AllServiceAccounts,
        "none" => Subjects::None,
        other => {
            return Err(Error::Plugin(format!(
                "invalid value \"{other}\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
            )));
        }
    };
    Ok(Namespace { name: config.namespace().to_owned(), fields, unset_only: settings.unset_only, subjects })
}

/// Adds a value to fields.
fn add_value(resources: &mut Resources, loader: &Loader<'_>, mut settings: Settings) -> Result<(), Error> {
    if settings.value.is_empty() {
        settings.value = crate::files::base_name(loader.root()).to_owned();
    }
    if !settings.target_file_path.is_empty() {
        settings.targets = targets_in(loader, &settings.target_file_path)?;
    }
    settings.targets.iter().try_for_each(|target| value_add::run(resources, target, &settings.value))
}

/// Reads the targets that stand in a file of their own.
fn targets_in(loader: &Loader<'_>, path: &str) -> Result<Vec<AddTarget>, Error> {
    let value = sealfast_yaml::json::from_yaml(&loader.read(path)?)
        .map_err(|error| Error::Plugin(format!("{path}: {error}")))?;
    let file = decode::lenient_record(value, &ADD_TARGET_FILE).map_err(Error::Plugin)?;
    typed(file.get("targets").cloned().unwrap_or(Value::Array(Vec::new())), "targets")
}

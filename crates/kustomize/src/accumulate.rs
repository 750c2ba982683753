//! One root after another, into one accumulator.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::crds;
use crate::error::{Error, entry_of};
use crate::generate;
use crate::loader::Loader;
use crate::manifest;
use crate::origin;
use crate::patch::schema::{self, Builtin, Schema};
use crate::plugin;
use crate::resource::{Behavior, Former, Resource, field};
use crate::resources::{Double, Resources};
use crate::scope::{Clusterwide, Scopes};
use crate::spec::{COMPONENT, Kustomization};
use crate::steps;
use crate::told::Told;
use crate::transform::vars::{self, Bound, Declared};

/// What has been gathered so far.
pub(crate) struct Accumulator {
    pub(crate) resources: Resources,
    pub(crate) config: SharedConfig,
    pub(crate) vars: Vec<Bound>,
}

/// A transformer configuration that most accumulators share; none before the first root.
#[derive(Clone, Default)]
pub(crate) struct SharedConfig(Option<Arc<Config>>);

impl std::ops::Deref for SharedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        self.0.as_ref().unwrap_or(Config::builtin())
    }
}

impl SharedConfig {
    fn join(&mut self, other: &Arc<Config>) -> Result<(), Error> {
        self.0 = Some(config::join(self.0.as_ref(), other)?);
        Ok(())
    }

    /// Takes over the configuration of another accumulator.
    fn absorb(&mut self, other: Self) -> Result<(), Error> {
        other.0.map_or(Ok(()), |config| self.join(&config))
    }
}

/// What the whole build shares.
pub(crate) struct Builder {
    metadata: Vec<String>,
    outermost: String,
    warnings: Vec<String>,
    /// The schema that a file names, or the built-in one, named or not.
    schema: Option<Schema>,
    names_schema: bool,
    /// Whether the built-in schema counts beside one that is named from now on.
    beside: Builtin,
    /// How many roots were opened, and how many objects were read or made.
    roots: usize,
    objects: usize,
    bounds: Bounds,
    told: Told,
    scopes: Scopes,
    notes: RefCell<Vec<String>>,
}

/// How many roots one build may open; a base that many name counts each time.
const MAX_ROOTS: usize = 50_000;
/// How much one build may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many objects it may read or make; those of a base that many name count each time.
    pub objects: usize,
    /// When its time is over; it has as much as it takes where there is none.
    pub deadline: Option<Instant>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { objects: 500_000, deadline: None }
    }
}
/// How many roots may lie on the way to one.
const MAX_CHAIN: usize = 100;

impl Builder {
    pub(crate) fn new(metadata: Vec<String>, outermost: String, told: Told, bounds: Bounds) -> Self {
        Self {
            metadata,
            outermost,
            warnings: Vec::new(),
            schema: None,
            names_schema: false,
            beside: Builtin::Unused,
            roots: 0,
            objects: 0,
            bounds,
            told,
            scopes: Scopes::of_build(),
            notes: RefCell::default(),
        }
    }

    /// Returns one with nothing in it.
    pub(crate) fn accumulator(&self) -> Accumulator {
        let resources = Resources::new(self.scopes.clone(), self.clock());
        Accumulator { resources, config: SharedConfig::default(), vars: Vec::new() }
    }

    /// Says that the built-in schema was used.
    pub(crate) fn note_look(&mut self) {
        self.beside = Builtin::Behind;
    }

    /// Returns what `buildMetadata` of the outermost file asks for.
    pub(crate) fn metadata(&self) -> &[String] {
        &self.metadata
    }

    /// Returns who is told what replacements make of values.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// Keeps what is to be said of an entry of a file.
    pub(crate) fn note(&self, entry: &str, loader: &Loader<'_>, file_name: &str, said: Vec<String>) {
        let of = |said| format!("{}: {said}", entry_of(entry, loader.root(), file_name));
        self.notes.borrow_mut().extend(said.into_iter().map(of));
    }

    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        self.notes.take()
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub(crate) fn schema(&self) -> &Schema {
        match &self.schema {
            Some(own) => own,
            None => Schema::builtin(),
        }
    }

    /// Returns the root of the whole build.
    pub(crate) fn outermost(&self) -> &str {
        &self.outermost
    }

    /// Whether origins are recorded.
    pub(crate) fn keeps_origins(&self) -> bool {
        !self.metadata.is_empty()
    }

    /// Records that a transformer ran; an object without origin is taken for its work.
    pub(crate) fn note_transformer(&self, resources: &mut Resources, entry: &str) {
        let keeps_transformations = self.metadata.iter().any(|wanted| wanted == "transformerAnnotations");
        for resource in resources.iter_mut() {
            if resource.origin.is_none() {
                resource.origin = Some(entry.to_owned());
            } else if keeps_transformations {
                resource.transformations.push(entry.to_owned());
            }
        }
    }

    /// Takes the schema that a file names; the first one that is named, outermost file first, stays.
    pub(crate) fn set_schema(
        &mut self,
        loader: &Loader<'_>,
        file: &Kustomization,
        file_name: &str,
    ) -> Result<(), Error> {
        if self.names_schema {
            // The original reads a schema that it does not use.
            return file.openapi.get("path").map_or(Ok(()), |path| {
                let read = loader.read(path).map(drop);
                read.map_err(|error| {
                    error.within(format!("'{path}'")).of_entry("openapi.path", loader.root(), file_name)
                })
            });
        }
        match (file.openapi.get("version").map(String::as_str), file.openapi.get("path")) {
            (Some(_), Some(_)) => Err(Error::Kustomization(
                "builtin version and custom schema provided, cannot use both".to_owned(),
            )),
            (Some("") | None, None) => Ok(()),
            (Some(version), None) => {
                self.names_schema = true;
                if version == "v1.21.2" {
                    return Ok(());
                }
                Err(Error::Kustomization("the specified OpenAPI version is not built in".to_owned()))
            }
            (None, Some(path)) => {
                let document = loader.read(path).and_then(|content| schema::document(&content));
                let document = document.map_err(|error| {
                    error.within(format!("'{path}'")).of_entry("openapi.path", loader.root(), file_name)
                })?;
                self.schema = Some(Schema::of_document(&document).beside(self.beside));
                self.scopes.learn(Clusterwide::of_document(&document));
                self.names_schema = true;
                Ok(())
            }
        }
    }

    /// Works through one kustomization file.
    pub(crate) fn target(
        &mut self,
        accumulator: &mut Accumulator,
        loader: &Loader<'_>,
        file: Kustomization,
        file_name: &str,
    ) -> Result<(), Error> {
        accumulator.resources.learn();
        for (field, paths) in [("resources", &file.resources), ("bases", &file.bases)] {
            let paths: Vec<_> = paths.iter().map(String::as_str).enumerate().collect();
            self.resources(accumulator, loader, &paths, List { field, file_name })
                .map_err(|error| error.within("accumulating resources"))?;
        }
        configure(accumulator, loader, &file, file_name)?;
        self.generators(accumulator, loader, &file, file_name)?;
        self.components(accumulator, loader, &file.components, List { field: "components", file_name })
            .map_err(|error| error.within("accumulating components"))?;
        steps::run(self, accumulator, loader, &file, file_name)?;
        plugin::validate(self, accumulator, loader, &file.validators, file_name)?;
        let declared = Declared { root: loader.root(), file_name };
        vars::bind(&mut accumulator.vars, &file.vars, declared, &mut accumulator.resources)
    }

    /// Adds files and roots, each with its position in the list.
    pub(crate) fn resources(
        &mut self,
        accumulator: &mut Accumulator,
        loader: &Loader<'_>,
        paths: &[(usize, &str)],
        list: List<'_>,
    ) -> Result<(), Error> {
        for &(at, path) in paths {
            let Err(file_error) = self.file(accumulator, loader, path) else { continue };
            if file_error.is_limit() {
                return Err(file_error);
            }
            let below = match loader.descend(path) {
                Ok(below) => below,
                Err(_) if file_error.is_malformed_yaml() => return Err(file_error),
                // What was read has a file that messages name already.
                Err(error) if !file_error.is_of_reading() => return Err(neither(&file_error, error)),
                Err(error) => return Err(list.told(at, loader)(neither(&file_error, error))),
            };
            self.directory(accumulator, &below).map_err(|error| match error.is_limit() {
                true => error,
                false => neither(&file_error, error),
            })?;
        }
        Ok(())
    }

    fn file(&mut self, accumulator: &mut Accumulator, loader: &Loader<'_>, path: &str) -> Result<(), Error> {
        let accumulating = |error: Error| error.within(format!("accumulating resources from '{path}'"));
        let content = loader.read(path).map_err(accumulating)?;
        let origin = self.keeps_origins().then(|| origin::of_file(&self.outermost, loader.root(), path));
        // Documents are counted before they are read, so that too many cost no memory.
        let separators = content.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"---")).count();
        self.check_count(separators).map_err(accumulating)?;
        let mut objects = manifest::objects(&content, path).map_err(accumulating)?;
        drop(content);
        self.check_count(objects.len()).map_err(accumulating)?;
        self.objects += objects.len();
        for resource in &mut objects {
            resource.origin.clone_from(&origin);
            take_notes(resource).map_err(accumulating)?;
            if self.beside == Builtin::Unused && !resource.gvk().has_known_scope() {
                self.beside = Builtin::Before;
            }
        }
        accumulator.resources.append_file(objects).map_err(|error| match error {
            Double::Within(error) => accumulating(error),
            Double::Across(error) => error.within(format!("merging resources from '{path}'")),
        })
    }

    fn check_count(&self, more: usize) -> Result<(), Error> {
        let most = self.bounds.objects;
        if self.objects + more > most {
            return Err(Error::Limit(format!("the build has more than {most} objects")));
        }
        self.clock().check()
    }

    /// Returns what says when the time of the build is over.
    pub(crate) fn clock(&self) -> Clock {
        Clock::until(self.bounds.deadline)
    }

    /// Counts objects that a root generates.
    pub(crate) fn count_generated(&mut self, more: usize, loader: &Loader<'_>) -> Result<(), Error> {
        self.check_count(more).map_err(|error| error.within(format!("generators of '{}'", loader.root())))?;
        self.objects += more;
        Ok(())
    }

    fn open(&mut self, loader: &Loader<'_>) -> Result<(Kustomization, &'static str), Error> {
        self.roots += 1;
        self.clock().check()?;
        if self.roots > MAX_ROOTS || loader.depth() > MAX_CHAIN {
            let limit = if self.roots > MAX_ROOTS {
                format!("more than {MAX_ROOTS} roots are opened")
            } else {
                format!("more than {MAX_CHAIN} roots lie on the way to this one")
            };
            return Err(Error::Limit(format!("{}: {limit}", loader.root())));
        }
        let mut read = |loader: &Loader<'_>| {
            let (content, name) = loader.kustomization()?;
            Kustomization::parse(&content, loader.root(), &mut self.warnings).map(|file| (file, name))
        };
        let (file, name) = read(loader)
            .map_err(|error| error.within(format!("couldn't make target for path '{}'", loader.root())))?;
        self.set_schema(loader, &file, name)?;
        Ok((file, name))
    }

    fn directory(&mut self, accumulator: &mut Accumulator, loader: &Loader<'_>) -> Result<(), Error> {
        let (file, name) = self.open(loader)?;
        if file.kind == COMPONENT {
            return Err(Error::Root(format!("expected kind != '{COMPONENT}' for path '{}'", loader.root())));
        }
        let mut below = self.accumulator();
        self.target(&mut below, loader, file, name)
            .map_err(|error| error.within(format!("recursed accumulation of path '{}'", loader.root())))?;
        accumulator
            .absorb(below)
            .map_err(|error| error.within(format!("recursed merging from path '{}'", loader.root())))
    }

    fn components(
        &mut self,
        accumulator: &mut Accumulator,
        loader: &Loader<'_>,
        paths: &[String],
        list: List<'_>,
    ) -> Result<(), Error> {
        for (at, path) in paths.iter().enumerate() {
            let below = loader.descend(path).map_err(|error| error.quoted("loader.New"));
            let below = below.map_err(list.told(at, loader))?;
            self.component(accumulator, &below).map_err(|error| error.quoted("accumulateDirectory:"))?;
        }
        Ok(())
    }

    fn component(&mut self, accumulator: &mut Accumulator, loader: &Loader<'_>) -> Result<(), Error> {
        let (file, name) = self.open(loader)?;
        if file.kind != COMPONENT {
            return Err(Error::Root(format!(
                "expected kind '{COMPONENT}' for path '{}' but got '{}'",
                loader.root(),
                file.kind
            )));
        }
        self.target(accumulator, loader, file, name)
            .map_err(|error| error.within(format!("recursed accumulation of path '{}'", loader.root())))?;
        // The original goes on with a fresh accumulator: ids must differ, and later rules find other things.
        accumulator
            .resources
            .check_ids()
            .map_err(|error| error.within(format!("recursed merging from path '{}'", loader.root())))?;
        let config = std::mem::take(&mut accumulator.config);
        accumulator.config.absorb(config)
    }

    fn generators(
        &mut self,
        accumulator: &mut Accumulator,
        loader: &Loader<'_>,
        file: &Kustomization,
        file_name: &str,
    ) -> Result<(), Error> {
        let read = |path: &str| loader.read(path);
        let defaults = file.generator_options.as_ref();
        let mut take = |accumulator: &mut Accumulator, mut resource: Resource, kind: &str| {
            self.count_generated(1, loader)?;
            if self.keeps_origins() {
                resource.origin = Some(origin::of_plugin(&self.outermost, loader.root(), file_name, kind));
            }
            accumulator.take_generated(resource)
        };
        let list = List { field: "configMapGenerator", file_name };
        for (at, args) in file.config_map_generator.iter().enumerate() {
            let made = generate::config_map(args, defaults, &read);
            let taken = made.and_then(|made| take(accumulator, made, "ConfigMapGenerator"));
            taken.map_err(list.told(at, loader))?;
        }
        let list = List { field: "secretGenerator", file_name };
        for (at, args) in file.secret_generator.iter().enumerate() {
            let made = generate::secret(args, defaults, &read);
            let taken = made.and_then(|made| take(accumulator, made, "SecretGenerator"));
            taken.map_err(list.told(at, loader))?;
        }
        if let Some(chart) = file.helm_charts.first().or(file.helm_chart_inflation_generator.first()) {
            let config = steps::patches::configuring("HelmChartInflationGenerator", &said(chart));
            return Err(Error::Plugin("must specify --enable-helm".to_owned()).within(config));
        }
        plugin::generate(self, accumulator, loader, &file.generators, file_name)
    }
}

/// Returns the fields of an entry that say something.
fn said(entry: &Value) -> Value {
    let is_said = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let fields = entry.as_object().into_iter().flatten().filter(|(_, value)| is_said(value));
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Says that an entry is neither a file with objects nor a root.
fn neither(file: &Error, root: Error) -> Error {
    Error::Neither { file: file.chain(), source: Box::new(root) }
}

/// More names than any object had before, through however many bases it came.
const MOST_NOTES: usize = 1000;

/// Honours the notes that an object from a file brings in the annotations under which the original keeps its own.
fn take_notes(resource: &mut Resource) -> Result<(), Error> {
    const GROUP: &str = "internal.config.kubernetes.io/";
    let annotations = field(&resource.value, "metadata").and_then(|metadata| field(metadata, "annotations"));
    let Some(annotations) = annotations.and_then(Value::as_object) else { return Ok(()) };
    if !annotations.keys().any(|key| key.starts_with(GROUP)) {
        return Ok(());
    }
    let note = |name: &str| annotations.get(&format!("{GROUP}{name}")).and_then(Value::as_str);
    let list = |name: &str| -> Result<Vec<String>, Error> {
        let text = note(name).unwrap_or_default();
        match text.split(',').nth(MOST_NOTES) {
            Some(_) => Err(Error::Limit(format!("{GROUP}{name}: more than {MOST_NOTES} entries"))),
            None if text.is_empty() => Ok(Vec::new()),
            None => Ok(text.split(',').map(str::to_owned).collect()),
        }
    };
    let (names, namespaces, kinds) =
        (list("previousNames")?, list("previousNamespaces")?, list("previousKinds")?);
    let mut former = Vec::new();
    if names.len() == namespaces.len() && names.len() == kinds.len() {
        let all = names.into_iter().zip(namespaces).zip(kinds);
        former.extend(all.map(|((name, namespace), kind)| Former { name, namespace, kind }));
    }
    let (prefixes, suffixes) = (list("prefixes")?, list("suffixes")?);
    let needs_hash = note("needsHashSuffix") == Some("enabled");
    *resource = Resource { former, prefixes, suffixes, needs_hash, ..std::mem::take(resource) };
    Ok(())
}

/// Adds what the file configures to what its bases configured.
fn configure(
    accumulator: &mut Accumulator,
    loader: &Loader<'_>,
    file: &Kustomization,
    file_name: &str,
) -> Result<(), Error> {
    if file.configurations.is_empty() {
        accumulator.config.join(Config::builtin())?;
    } else {
        let list = List { field: "configurations", file_name };
        let own = list.rules(&file.configurations, loader, Config::parse)?;
        let mut config = Config::clone(Config::builtin());
        config.merge(own)?;
        accumulator.config.join(&Arc::new(config))?;
    }
    if !file.crds.is_empty() {
        let rules = List { field: "crds", file_name }.rules(&file.crds, loader, crds::parse);
        let rules = rules.map_err(|error| error.within(format!("loading CRDs [{}]", file.crds.join(" "))))?;
        accumulator.config.join(&Arc::new(rules))?;
    }
    Ok(())
}

/// A field of a file that lists what a build reads.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    pub(crate) field: &'a str,
    pub(crate) file_name: &'a str,
}

impl List<'_> {
    /// Returns what names an entry in an error.
    pub(crate) fn told(self, at: usize, loader: &Loader<'_>) -> impl FnOnce(Error) -> Error {
        move |error| error.of_entry(&format!("{}[{at}]", self.field), loader.root(), self.file_name)
    }

    /// Reads the rules in all files of the list.
    fn rules(
        self,
        paths: &[String],
        loader: &Loader<'_>,
        parse: impl Fn(&[u8]) -> Result<Config, Error>,
    ) -> Result<Config, Error> {
        let mut rules = Config::default();
        for (at, path) in paths.iter().enumerate() {
            let read = loader.read(path).and_then(|content| parse(&content));
            let read = read.map_err(|error| error.within(format!("'{path}'")));
            rules.merge(read.map_err(self.told(at, loader))?)?;
        }
        Ok(rules)
    }
}

impl Accumulator {
    /// Takes over what another root gathered.
    fn absorb(&mut self, other: Accumulator) -> Result<(), Error> {
        self.resources.append_all(other.resources)?;
        self.config.absorb(other.config)?;
        vars::append(&mut self.vars, other.vars, self.resources.clock())
    }

    /// Adds a generated object, or lets it take the place of the one with its id.
    pub(crate) fn take_generated(&mut self, mut new: Resource) -> Result<(), Error> {
        let id = new.id();
        let told = |what: String| {
            Error::Generator(format!(
                "merging from generator: id resid.ResId{{Gvk:resid.Gvk{{Group:{:?}, Version:{:?}, Kind:{:?}, isClusterScoped:false}}, Name:{:?}, Namespace:{:?}}} {what}",
                id.gvk.group, id.gvk.version, id.gvk.kind, id.name, id.namespace
            ))
        };
        let found = self.resources.with_any_id(&id);
        match found.as_slice() {
            [] if matches!(new.behavior, Behavior::Merge | Behavior::Replace) => {
                Err(told("does not exist; cannot merge or replace".to_owned()))
            }
            [] => self.resources.append(new),
            [at] => {
                let behavior = match new.behavior {
                    Behavior::Merge | Behavior::Replace => new.behavior,
                    Behavior::Create => {
                        return Err(told(
                            "exists; can not use behavior: 'create', behavior must be merge or replace"
                                .to_owned(),
                        ));
                    }
                    Behavior::Unspecified => {
                        return Err(told(
                            "exists; can not use behavior: 'unspecified', behavior must be merge or replace"
                                .to_owned(),
                        ));
                    }
                };
                let old = &self.resources.items()[*at];
                take_place(&mut new, old, behavior);
                self.resources.replace(*at, new);
                Ok(())
            }
            _ => {
                let ids: Vec<String> =
                    found.iter().map(|&at| self.resources.items()[at].id().to_string()).collect();
                Err(Error::Generator(format!(
                    "found multiple objects [{}] that could accept merge of {id}",
                    ids.join(" ")
                )))
            }
        }
    }
}

/// Gives a generated object what it takes over from the one in whose place it comes.
fn take_place(new: &mut Resource, old: &Resource, behavior: Behavior) {
    let (name, namespace) = (old.name().to_owned(), old.namespace().to_owned());
    for map in ["labels", "annotations"] {
        let entries =
            old.value.get("metadata").and_then(|metadata| metadata.get(map)).and_then(Value::as_object);
        for (key, value) in entries.into_iter().flatten() {
            if new.metadata_entry(map, key).is_none() {
                new.set_metadata_entry(map, key, &old.written.text(value).unwrap_or_default());
            }
        }
    }
    if behavior == Behavior::Merge
        && let Value::Object(object) = &mut new.value
    {
        for field in ["data", "binaryData"] {
            let Some(Value::Object(before)) = old.value.get(field) else { continue };
            let mut united = before.clone();
            for entry in united.values_mut().filter(|entry| !entry.is_string()) {
                *entry = Value::String(old.written.text(entry).unwrap_or_default());
            }
            if let Some(Value::Object(own)) = object.get(field) {
                united.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            if united.is_empty() {
                object.shift_remove(field);
            } else {
                object.insert(field.to_owned(), Value::Object(united));
            }
        }
    }
    new.set_metadata("name", &name);
    if namespace.is_empty() {
        if let Some(metadata) = new.metadata_mut() {
            metadata.shift_remove("namespace");
        }
    } else {
        new.set_metadata("namespace", &namespace);
    }
    new.needs_hash = new.needs_hash && old.needs_hash;
    new.former.clone_from(&old.former);
    new.prefixes.clone_from(&old.prefixes);
    new.suffixes.clone_from(&old.suffixes);
    new.var_names.clone_from(&old.var_names);
    new.transformations.clone_from(&old.transformations);
    if new.origin.is_none() || behavior == Behavior::Merge && old.origin.is_some() {
        new.origin.clone_from(&old.origin);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Instant;

    use super::{Bounds, Builder};
    use crate::files::Memory;
    use crate::loader::{Loader, Restriction};
    use crate::told::Told;

    #[test]
    fn generated_objects_count() {
        let mut files = Memory::new();
        files.insert("/app/kustomization.yaml", "");
        let loader = Loader::open(&files, Restriction::RootOnly, "/app", "/app").unwrap();
        let builder = |bounds| Builder::new(Vec::new(), "/app".to_owned(), Told::default(), bounds);
        let mut few = builder(Bounds { objects: 20, deadline: None });
        few.count_generated(20, &loader).unwrap();
        let message = few.count_generated(1, &loader).unwrap_err().chain();
        assert_eq!(message, "generators of '/app': the build has more than 20 objects");
        let mut late = builder(Bounds { deadline: Some(Instant::now()), ..Bounds::default() });
        let message = late.count_generated(1, &loader).unwrap_err().chain();
        assert_eq!(message, "generators of '/app': the time that the build may take is over");
    }
}

//! The transformer configuration: the built-in tables, and what users add to them.
//!
//! Most builds add nothing, so the built-in configuration is parsed once and shared.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use crate::defaults;
use crate::error::Error;
use crate::field::FieldSpec;
use crate::id::Gvk;
use crate::order::by_kind;
use crate::spec::decode::{self, Record, Shape};
use crate::spec::records::FIELD_SPEC;
use crate::spec::{FieldSpecEntry, typed};

/// Fields that refer to objects of one kind.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// The kind that is referred to.
    pub to: Gvk,
    /// The fields.
    pub from: Vec<FieldSpec>,
}

/// Which fields the built-in transformers change.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each field is the table of the transformer of that name")]
pub struct Config {
    pub name_prefix: Vec<FieldSpec>,
    pub name_suffix: Vec<FieldSpec>,
    pub namespace: Vec<FieldSpec>,
    pub common_labels: Vec<FieldSpec>,
    pub labels: Vec<FieldSpec>,
    pub template_labels: Vec<FieldSpec>,
    pub common_annotations: Vec<FieldSpec>,
    pub name_reference: Vec<References>,
    pub var_reference: Vec<FieldSpec>,
    pub images: Vec<FieldSpec>,
    pub replicas: Vec<FieldSpec>,
}

impl Config {
    /// Returns the built-in configuration.
    #[must_use]
    pub fn builtin() -> &'static Arc<Self> {
        static BUILTIN: OnceLock<Arc<Config>> = OnceLock::new();
        BUILTIN.get_or_init(|| Arc::new(Self::from_tables()))
    }

    fn from_tables() -> Self {
        let metadata_labels = parse_specs(defaults::METADATA_LABELS);
        let mut common_labels = parse_specs(defaults::SELECTOR_LABELS);
        common_labels.extend(metadata_labels.iter().cloned());
        Self {
            name_prefix: parse_specs(defaults::NAMES),
            name_suffix: parse_specs(defaults::NAMES),
            namespace: parse_specs(defaults::NAMESPACES),
            common_labels,
            labels: Vec::new(),
            template_labels: metadata_labels,
            common_annotations: parse_specs(defaults::ANNOTATIONS),
            name_reference: parse_references(defaults::REFERENCES),
            var_reference: parse_specs(defaults::VARIABLES),
            images: parse_specs(defaults::IMAGES),
            replicas: parse_specs(defaults::REPLICAS),
        }
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it is no YAML or has an unknown key.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let wrong = |message: String| {
            Error::Kustomization(format!("error unmarshaling JSON: while decoding JSON: {message}"))
        };
        let value = sealfast_yaml::json::from_yaml(content)
            .map_err(|error| Error::Kustomization(format!("error converting YAML to JSON: {error}")))?;
        let value = decode::record(value, &CONFIG).map_err(wrong)?;
        let file: ConfigFile = typed(value, "error unmarshaling JSON: while decoding JSON")?;
        Ok(file.into_config())
    }

    /// Adds the rules of another configuration.
    ///
    /// # Errors
    /// When both name the same field and only one makes it where it is missing.
    pub fn merge(&mut self, other: Self) -> Result<(), Error> {
        let lists = [
            ("NamePrefix", &mut self.name_prefix, other.name_prefix),
            ("NameSuffix", &mut self.name_suffix, other.name_suffix),
            ("NameSpace", &mut self.namespace, other.namespace),
            ("CommonAnnotations", &mut self.common_annotations, other.common_annotations),
            ("CommonLabels", &mut self.common_labels, other.common_labels),
            ("Labels", &mut self.labels, other.labels),
            ("TemplateLabels", &mut self.template_labels, other.template_labels),
            ("VarReference", &mut self.var_reference, other.var_reference),
            ("Images", &mut self.images, other.images),
            ("Replicas", &mut self.replicas, other.replicas),
        ];
        for (name, mine, theirs) in lists {
            merge_specs(mine, theirs)
                .map_err(|error| error.within(format!("failed to merge {name} fieldSpec")))?;
        }
        for references in other.name_reference {
            match self.name_reference.iter_mut().find(|own| own.to == references.to) {
                Some(own) => merge_specs(&mut own.from, references.from)
                    .map_err(|error| error.within("failed to merge NameReference fieldSpec"))?,
                None => self.name_reference.push(references),
            }
        }
        self.sort();
        Ok(())
    }

    /// Brings every table into the order in which a later merge compares its rules.
    fn sort(&mut self) {
        let tables = [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_annotations,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ];
        for table in tables {
            table.sort_by(|a, b| by_kind(&a.gvk, &b.gvk));
        }
        self.name_reference.sort_by(|a, b| by_kind(&a.to, &b.to));
    }

    /// Returns the reference rules by the kind of the referrer; those for any kind under the empty text.
    #[must_use]
    pub fn references_by_kind(&self) -> HashMap<&str, Vec<(usize, &Gvk, &FieldSpec)>> {
        let mut by_kind: HashMap<&str, Vec<(usize, &Gvk, &FieldSpec)>> = HashMap::new();
        let mut references: Vec<&References> = self.name_reference.iter().collect();
        references.sort_by(|a, b| crate::order::by_kind(&a.to, &b.to));
        let rules =
            references.into_iter().flat_map(|rule| rule.from.iter().map(move |spec| (&rule.to, spec)));
        for (position, (to, spec)) in rules.enumerate() {
            by_kind.entry(spec.gvk.kind.as_str()).or_default().push((position, to, spec));
        }
        by_kind
    }
}

/// Adds a configuration to what was gathered so far; most often both are the built-in one.
///
/// # Errors
/// When both name the same field and only one makes it where it is missing.
pub fn join(gathered: Option<&Arc<Config>>, more: &Arc<Config>) -> Result<Arc<Config>, Error> {
    let mut joined = match gathered {
        None if Arc::ptr_eq(more, Config::builtin()) => return Ok(Arc::clone(more)),
        None => Config::default(),
        Some(gathered) if Arc::ptr_eq(gathered, more) => return Ok(Arc::clone(gathered)),
        Some(gathered) => Config::clone(gathered),
    };
    joined.merge(Config::clone(more))?;
    Ok(Arc::new(joined))
}

/// Adds specs that are not there yet.
///
/// A spec counts as there when one for the same path fits its kind: one for every kind adds nothing
/// behind one for a single kind, but not the other way round. So the order of a merge shows, and the
/// tables are merged and sorted exactly as often as the original does it.
///
/// # Errors
/// When one is there that differs in whether it makes the field.
pub fn merge_specs(mine: &mut Vec<FieldSpec>, theirs: Vec<FieldSpec>) -> Result<(), Error> {
    for spec in theirs {
        let same = mine.iter().find(|own| own.path == spec.path && own.gvk.is_selected_by(&spec.gvk));
        match same {
            Some(own) if own.create != spec.create => {
                return Err(Error::Kustomization("conflicting fieldspecs".to_owned()));
            }
            Some(_) => {}
            None => mine.push(spec),
        }
    }
    Ok(())
}

fn parse_gvk(text: &str) -> Gvk {
    let mut parts = text.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    Gvk { group: part(), version: part(), kind: part() }
}

fn parse_specs(table: &str) -> Vec<FieldSpec> {
    let mut specs = Vec::new();
    for line in table.lines() {
        let mut words = line.split(' ');
        let path = words.next().unwrap_or_default();
        let create = words.next() == Some("create");
        specs.extend(words.map(|kind| {
            let gvk = if kind == "*" { Gvk::default() } else { parse_gvk(kind) };
            FieldSpec::new(gvk, path, create)
        }));
    }
    specs
}

fn parse_references(table: &str) -> Vec<References> {
    let mut rules: Vec<References> = Vec::new();
    for line in table.lines() {
        let mut words = line.split(' ');
        let to = parse_gvk(words.next().unwrap_or_default());
        let path = words.next().unwrap_or_default();
        let from = words.map(|kind| FieldSpec::new(parse_gvk(kind), path, false));
        match rules.iter_mut().find(|rule| rule.to == to) {
            Some(rule) => rule.from.extend(from),
            None => rules.push(References { to, from: from.collect() }),
        }
    }
    rules
}

static NAME_REFERENCE: Record = Record {
    name: "NameBackReferences",
    fields: &[
        ("group", Shape::Text),
        ("version", Shape::Text),
        ("kind", Shape::Text),
        ("fieldSpecs", Shape::List(&Shape::Record(&FIELD_SPEC))),
    ],
};

const SPECS: Shape = Shape::List(&Shape::Record(&FIELD_SPEC));

static CONFIG: Record = Record {
    name: "TransformerConfig",
    fields: &[
        ("namePrefix", SPECS),
        ("nameSuffix", SPECS),
        ("namespace", SPECS),
        ("commonLabels", SPECS),
        ("labels", SPECS),
        ("templateLabels", SPECS),
        ("commonAnnotations", SPECS),
        ("nameReference", Shape::List(&Shape::Record(&NAME_REFERENCE))),
        ("varReference", SPECS),
        ("images", SPECS),
        ("replicas", SPECS),
    ],
};

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ConfigFile {
    name_prefix: Vec<FieldSpecEntry>,
    name_suffix: Vec<FieldSpecEntry>,
    namespace: Vec<FieldSpecEntry>,
    common_labels: Vec<FieldSpecEntry>,
    labels: Vec<FieldSpecEntry>,
    template_labels: Vec<FieldSpecEntry>,
    common_annotations: Vec<FieldSpecEntry>,
    name_reference: Vec<ReferenceEntry>,
    var_reference: Vec<FieldSpecEntry>,
    images: Vec<FieldSpecEntry>,
    replicas: Vec<FieldSpecEntry>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ReferenceEntry {
    group: String,
    version: String,
    kind: String,
    field_specs: Vec<FieldSpecEntry>,
}

impl ConfigFile {
    fn into_config(self) -> Config {
        Config {
            name_prefix: specs(self.name_prefix),
            name_suffix: specs(self.name_suffix),
            namespace: specs(self.namespace),
            common_labels: specs(self.common_labels),
            labels: specs(self.labels),
            template_labels: specs(self.template_labels),
            common_annotations: specs(self.common_annotations),
            name_reference: self
                .name_reference
                .into_iter()
                .map(|entry| References {
                    to: Gvk { group: entry.group, version: entry.version, kind: entry.kind },
                    from: specs(entry.field_specs),
                })
                .collect(),
            var_reference: specs(self.var_reference),
            images: specs(self.images),
            replicas: specs(self.replicas),
        }
    }
}

/// Turns specs as written into specs.
#[must_use]
pub fn specs(entries: Vec<FieldSpecEntry>) -> Vec<FieldSpec> {
    entries
        .into_iter()
        .map(|entry| {
            let gvk = Gvk { group: entry.group, version: entry.version, kind: entry.kind };
            FieldSpec::new(gvk, &entry.path, entry.create)
        })
        .collect()
}

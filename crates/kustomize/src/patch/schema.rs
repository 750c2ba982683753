//! Which lists are merged element by element.
//!
//! Follows: the Kubernetes 1.21.2 document embedded in kustomize. Kinds outside it have no schema,
//! so their lists are replaced as a whole.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::error::Error;
use crate::id::GvkRef;

/// Fields of built-in types that lead to a merged list, as `Types field Target keys`.
///
/// Types are named as in the document, without what is the same for a whole family (see [`short_name`]).
/// A field with `[]` is a list of the target; keys say that it is merged, `.` that its items are scalars.
const FIELDS: &str = "\
.meta.v1.ObjectMeta finalizers[] - .
.meta.v1.ObjectMeta ownerReferences[] .meta.v1.OwnerReference uid
.core.v1.PodStatus conditions[] .core.v1.PodCondition type
.core.v1.PodStatus podIPs[] .core.v1.PodIP ip
.core.v1.PodTemplateSpec metadata .meta.v1.ObjectMeta
.core.v1.PodTemplateSpec spec .core.v1.PodSpec
/v1/PodTemplate template .core.v1.PodTemplateSpec
.core.v1.ReplicationControllerSpec,.apps.v1.DeploymentSpec,.apps.v1.ReplicaSetSpec template .core.v1.PodTemplateSpec
.apps.v1.StatefulSetSpec,.apps.v1.DaemonSetSpec,.batch.v1.JobSpec template .core.v1.PodTemplateSpec
.apps.v1.DeploymentStatus conditions[] .apps.v1.DeploymentCondition type
.apps.v1.ReplicaSetStatus conditions[] .apps.v1.ReplicaSetCondition type
.apps.v1.StatefulSetStatus conditions[] .apps.v1.StatefulSetCondition type
.apps.v1.DaemonSetStatus conditions[] .apps.v1.DaemonSetCondition type
.batch.v1.JobStatus conditions[] .batch.v1.JobCondition type
.core.v1.ReplicationControllerStatus conditions[] .core.v1.ReplicationControllerCondition type
.core.v1.NamespaceStatus conditions[] .core.v1.NamespaceCondition type
.core.v1.PersistentVolumeClaimStatus conditions[] .core.v1.PersistentVolumeClaimCondition type
.policy.v1.PodDisruptionBudgetStatus,.policy.v1beta1.PodDisruptionBudgetStatus conditions[] .meta.v1.Condition type
.apiregistration.v1.APIServiceStatus conditions[] .apiregistration.v1.APIServiceCondition type
.apiregistration.v1beta1.APIServiceStatus conditions[] .apiregistration.v1beta1.APIServiceCondition type
.batch.v1.CronJobSpec jobTemplate .batch.v1.JobTemplateSpec
.batch.v1beta1.CronJobSpec jobTemplate .batch.v1beta1.JobTemplateSpec
.batch.v1.JobTemplateSpec,.batch.v1beta1.JobTemplateSpec metadata .meta.v1.ObjectMeta
.batch.v1.JobTemplateSpec,.batch.v1beta1.JobTemplateSpec spec .batch.v1.JobSpec
.core.v1.ServiceSpec ports[] .core.v1.ServicePort port,protocol
.core.v1.ServiceStatus conditions[] .meta.v1.Condition type
/v1/ServiceAccount secrets[] .core.v1.ObjectReference name
.core.v1.NodeSpec podCIDRs[] - .
.core.v1.NodeStatus addresses[] .core.v1.NodeAddress type
.core.v1.NodeStatus conditions[] .core.v1.NodeCondition type
/v1/ComponentStatus conditions[] .core.v1.ComponentCondition type
.storage.v1.CSINodeSpec drivers[] .storage.v1.CSINodeDriver name
.storage.v1beta1.CSINodeSpec drivers[] .storage.v1beta1.CSINodeDriver name
/admissionregistration.k8s.io/v1/MutatingWebhookConfiguration webhooks[] .admissionregistration.v1.MutatingWebhook name
/admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration webhooks[] .admissionregistration.v1.ValidatingWebhook name
/admissionregistration.k8s.io/v1beta1/MutatingWebhookConfiguration webhooks[] .admissionregistration.v1beta1.MutatingWebhook name
/admissionregistration.k8s.io/v1beta1/ValidatingWebhookConfiguration webhooks[] .admissionregistration.v1beta1.ValidatingWebhook name
.core.v1.PodSpec containers[],initContainers[] .core.v1.Container name
.core.v1.PodSpec ephemeralContainers[] .core.v1.EphemeralContainer name
.core.v1.PodSpec hostAliases[] .core.v1.HostAlias ip
.core.v1.PodSpec imagePullSecrets[] .core.v1.LocalObjectReference name
.core.v1.PodSpec topologySpreadConstraints[] .core.v1.TopologySpreadConstraint topologyKey,whenUnsatisfiable
.core.v1.PodSpec volumes[] .core.v1.Volume name
.core.v1.Container,.core.v1.EphemeralContainer env[] .core.v1.EnvVar name
.core.v1.Container ports[] .core.v1.ContainerPort containerPort,protocol
.core.v1.Container,.core.v1.EphemeralContainer volumeDevices[] .core.v1.VolumeDevice devicePath
.core.v1.Container,.core.v1.EphemeralContainer volumeMounts[] .core.v1.VolumeMount mountPath
";

/// Kinds with more than the metadata in common, as `apiVersion/Kind Family`.
///
/// Their metadata, spec and status have the types that the family has for them.
const ROOTS: &str = "\
v1/Pod .core.v1
v1/PodTemplate .core.v1
v1/ReplicationController .core.v1
v1/Service .core.v1
v1/ServiceAccount .core.v1
v1/Node .core.v1
v1/ComponentStatus .core.v1
v1/Namespace .core.v1
v1/PersistentVolumeClaim .core.v1
apps/v1/Deployment .apps.v1
apps/v1/ReplicaSet .apps.v1
apps/v1/StatefulSet .apps.v1
apps/v1/DaemonSet .apps.v1
batch/v1/Job .batch.v1
batch/v1/CronJob .batch.v1
batch/v1beta1/CronJob .batch.v1beta1
policy/v1/PodDisruptionBudget .policy.v1
policy/v1beta1/PodDisruptionBudget .policy.v1beta1
apiregistration.k8s.io/v1/APIService .apiregistration.v1
apiregistration.k8s.io/v1beta1/APIService .apiregistration.v1beta1
storage.k8s.io/v1/CSINode .storage.v1
storage.k8s.io/v1beta1/CSINode .storage.v1beta1
admissionregistration.k8s.io/v1/MutatingWebhookConfiguration .admissionregistration.v1
admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration .admissionregistration.v1
admissionregistration.k8s.io/v1beta1/MutatingWebhookConfiguration .admissionregistration.v1beta1
admissionregistration.k8s.io/v1beta1/ValidatingWebhookConfiguration .admissionregistration.v1beta1
";

/// The type of every other known object. No document names it: its own names have no such beginning.
const OBJECT: &str = "/";
const META: &str = ".meta.v1.ObjectMeta";

/// What is known of a type.
#[derive(Debug, Default)]
pub struct Type {
    fields: HashMap<String, Field>,
    /// What every other field is.
    rest: Option<Box<Field>>,
}

/// What is known of a field.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// The type of the value, or of the items when it is a list.
    target: Option<String>,
    /// Whether the type is a definition of its own, which may turn out to be a list.
    is_reference: bool,
    /// The keys by which the list is merged; `.` alone for scalars.
    keys: Vec<String>,
}

/// Types by name, and the types of whole objects.
#[derive(Debug, Default)]
pub struct Schema {
    types: HashMap<String, Type>,
    roots: HashMap<(String, String), String>,
    /// How the other kinds of the built-in document are known, of which only the metadata is merged.
    builtin: Builtin,
}

/// Whether the built-in document counts beside a named one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Builtin {
    /// No: nothing has asked for it before the other was named.
    #[default]
    Unused,
    /// Yes, and what both define is as in the named one: it was in use already.
    Behind,
    /// Yes, and what both define is as in the built-in one: it was about to be used.
    Before,
}

/// Reads a Swagger 2 document.
///
/// # Errors
/// When it is neither YAML nor JSON, or what stands for a mapping is none.
pub(crate) fn document(content: &[u8]) -> Result<Value, Error> {
    let document = sealfast_yaml::json::from_yaml(content)
        .map_err(|error| Error::Kustomization(format!("error converting YAML to JSON: {error}")))?;
    check_document(&document).map_err(|place| {
        let place = place.strip_prefix('.').map_or_else(|| "it".to_owned(), |place| format!("'{place}'"));
        Error::Kustomization(format!("invalid schema file: {place} is no mapping"))
    })?;
    Ok(document)
}

/// Checks that mappings stand where a schema has them; the error is the place of the first other value.
fn check_document(document: &Value) -> Result<(), String> {
    check_mapping(document)?;
    check_entries(document, "definitions", |_, definition| check_definition(definition))?;
    check_entries(document, "paths", |path, item| {
        if !path.starts_with('/') {
            return Ok(());
        }
        check_mapping(item)?;
        check_entries(item, "get", |_, _| Ok(()))
    })
}

fn check_definition(definition: &Value) -> Result<(), String> {
    check_mapping(definition)?;
    check_entries(definition, "properties", |_, property| check_definition(property))
}

/// Checks a field that is a mapping, where it is there, and what it holds.
fn check_entries(
    value: &Value,
    field: &str,
    check: impl Fn(&str, &Value) -> Result<(), String>,
) -> Result<(), String> {
    let is_there = |value: &&Value| !value.is_null();
    let Some(entries) = value.get(field).filter(is_there) else { return Ok(()) };
    let mut all = entries.as_object().into_iter().flatten().filter(|(_, entry)| is_there(entry));
    let checked = check_mapping(entries).and_then(|()| {
        all.try_for_each(|(name, entry)| check(name, entry).map_err(|place| format!(".{name}{place}")))
    });
    checked.map_err(|place| format!(".{field}{place}"))
}

fn check_mapping(value: &Value) -> Result<(), String> {
    if value.is_object() { Ok(()) } else { Err(String::new()) }
}

impl Schema {
    /// Returns the built-in schema.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Schema> = OnceLock::new();
        BUILTIN.get_or_init(Self::from_tables)
    }

    fn from_tables() -> Self {
        let mut schema = Self { builtin: Builtin::Behind, ..Self::default() };
        let to = |target: &str| Field { target: Some(target.to_owned()), ..Field::default() };
        schema.add(OBJECT, "metadata", to(META));
        for line in ROOTS.lines() {
            let (path, family) = line.split_once(' ').unwrap_or((line, ""));
            let (version, kind) = path.rsplit_once('/').unwrap_or(("", path));
            let root = format!("/{path}");
            schema.add(&root, "metadata", to(META));
            schema.add(&root, "spec", to(&format!("{family}.{kind}Spec")));
            schema.add(&root, "status", to(&format!("{family}.{kind}Status")));
            schema.roots.insert((version.to_owned(), kind.to_owned()), root);
        }
        for line in FIELDS.lines() {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let (owners, names, target, keys) = (word(), word(), word(), word());
            let keys: Vec<String> =
                keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            for owner in owners.split(',') {
                for name in names.split(',') {
                    let field = Field { keys: keys.clone(), ..to(target) };
                    schema.add(owner, name.trim_end_matches("[]"), field);
                }
            }
        }
        schema
    }

    fn add(&mut self, owner: &str, name: &str, field: Field) {
        self.types.entry(owner.to_owned()).or_default().fields.insert(name.to_owned(), field);
    }

    /// Takes the definitions of a Swagger 2 document.
    #[must_use]
    pub fn of_document(document: &Value) -> Self {
        let mut schema = Self::default();
        let mut lists = HashMap::new();
        for (name, definition) in document.get("definitions").and_then(Value::as_object).into_iter().flatten()
        {
            let name = short_name(name);
            schema.read_type(name, definition);
            if is_list(definition) {
                lists.insert(name.to_owned(), schema.read_field(&format!("{name}/[]"), definition));
            }
            let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for kind in kinds.into_iter().flatten() {
                let part = |field: &str| kind.get(field).and_then(Value::as_str).unwrap_or_default();
                let version = match part("group") {
                    "" => part("version").to_owned(),
                    group => format!("{group}/{}", part("version")),
                };
                schema.roots.insert((version, part("kind").to_owned()), name.to_owned());
            }
        }
        schema.enter_lists(&lists);
        schema
    }

    /// Makes fields that refer to a definition of a list such lists.
    fn enter_lists(&mut self, lists: &HashMap<String, Field>) {
        for read in self.types.values_mut() {
            for field in read.fields.values_mut().chain(read.rest.as_deref_mut()) {
                let list =
                    field.target.as_ref().filter(|_| field.is_reference).and_then(|name| lists.get(name));
                if let Some(list) = list {
                    *field = list.clone();
                }
            }
        }
    }

    /// Returns this schema beside the built-in one.
    #[must_use]
    pub fn beside(mut self, builtin: Builtin) -> Self {
        if builtin == Builtin::Unused {
            return self;
        }
        let mut joined = Self { builtin, ..Self::from_tables() };
        if builtin == Builtin::Before {
            self.types.retain(|name, _| !name.starts_with('.'));
            self.roots.retain(|root, _| !joined.roots.contains_key(root));
        }
        joined.types.extend(self.types);
        joined.roots.extend(self.roots);
        joined
    }

    /// Returns the type of a whole object.
    #[must_use]
    pub fn root(&self, api_version: &str, kind: &str) -> Option<&Type> {
        let is_known =
            || self.builtin != Builtin::Unused && GvkRef::parse(api_version, kind).has_known_scope();
        let name = match self.roots.get(&(api_version.to_owned(), kind.to_owned())) {
            Some(name) if self.builtin == Builtin::Before && !name.starts_with('/') && is_known() => OBJECT,
            Some(name) => name,
            None if is_known() => OBJECT,
            None => return None,
        };
        self.types.get(name)
    }

    /// Returns the type that a field leads to.
    #[must_use]
    pub fn target(&self, field: Option<&Field>) -> Option<&Type> {
        self.types.get(field?.target.as_deref()?)
    }

    fn read_type(&mut self, name: &str, definition: &Value) {
        let mut read = Type::default();
        for (field, value) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{name}/{field}");
            read.fields.insert(field.clone(), self.read_field(&path, value));
        }
        if let Some(rest) = definition.get("additionalProperties").filter(|rest| rest.is_object()) {
            read.rest = Some(Box::new(self.read_field(&format!("{name}/*"), rest)));
        }
        self.types.insert(name.to_owned(), read);
    }

    fn read_field(&mut self, path: &str, value: &Value) -> Field {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            // What stands beside a reference does not count.
            let target = short_name(reference.trim_start_matches("#/definitions/")).to_owned();
            return Field { target: Some(target), is_reference: true, keys: Vec::new() };
        }
        let target = match value.get("items").filter(|_| is_list(value)) {
            Some(items) => self.read_field(path, items).target,
            None => self.read_target(path, value),
        };
        let strategy = value.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
        let mut keys = Vec::new();
        if strategy.split(',').any(|word| word == "merge") {
            let single = value.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
            match value.get("x-kubernetes-list-map-keys").and_then(Value::as_array) {
                Some(list) => keys.extend(list.iter().filter_map(Value::as_str).map(str::to_owned)),
                None => keys.extend(single.map(str::to_owned)),
            }
            if keys.is_empty() {
                keys.push(".".to_owned());
            }
        }
        Field { target, is_reference: false, keys }
    }

    /// Returns the name of the type of a value, taking an inline one in under its path.
    fn read_target(&mut self, path: &str, value: &Value) -> Option<String> {
        let is_typed = value.get("properties").is_some()
            || value.get("additionalProperties").is_some_and(Value::is_object);
        is_typed.then(|| {
            self.read_type(path, value);
            path.to_owned()
        })
    }
}

/// Whether a definition is that of a list and of nothing else.
fn is_list(definition: &Value) -> bool {
    match definition.get("type") {
        Some(Value::Array(types)) => matches!(types.as_slice(), [only] if only == "array"),
        Some(of) => of == "array",
        None => false,
    }
}

/// Returns the name of a type without what is the same for all built-in ones, so that it begins with a dot.
fn short_name(name: &str) -> &str {
    const FAMILIES: [&str; 3] =
        ["io.k8s.api", "io.k8s.apimachinery.pkg.apis", "io.k8s.kube-aggregator.pkg.apis"];
    let short = |family: &&str| name.strip_prefix(*family).filter(|short| short.starts_with('.'));
    FAMILIES.iter().find_map(short).unwrap_or(name)
}

impl Type {
    /// Returns what is known of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name).or(self.rest.as_deref())
    }
}

impl Field {
    /// Returns the keys by which the list is merged, none for a list that is replaced.
    #[must_use]
    pub fn merge_keys(&self) -> Option<&[String]> {
        (!self.keys.is_empty()).then_some(self.keys.as_slice())
    }
}

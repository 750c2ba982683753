//! Which lists are merged element by element.
//!
//! Follows: the Kubernetes 1.21.2 document embedded in kustomize. Kinds outside it have no schema,
//! so their lists are replaced as a whole.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::error::Error;
use crate::id::GvkRef;

/// Fields of built-in types that lead to a merged list, as `Type field Target keys`.
///
/// A field with `[]` is a list of the target; keys say that it is merged, `.` that its items are scalars.
const FIELDS: &str = "\
Object metadata Meta
Meta finalizers[] - .
Meta ownerReferences[] - uid
Pod metadata Meta
Pod spec PodSpec
Pod status PodStatus
PodStatus conditions[] - type
PodStatus podIPs[] - ip
PodTemplateSpec metadata Meta
PodTemplateSpec spec PodSpec
PodTemplate metadata Meta
PodTemplate template PodTemplateSpec
Workload metadata Meta
Workload spec WorkloadSpec
Workload status WorkloadStatus
WorkloadSpec template PodTemplateSpec
WorkloadStatus conditions[] - type
CronJob metadata Meta
CronJob spec CronJobSpec
CronJobSpec jobTemplate JobTemplateSpec
JobTemplateSpec metadata Meta
JobTemplateSpec spec WorkloadSpec
Service metadata Meta
Service spec ServiceSpec
Service status ServiceStatus
ServiceSpec ports[] - port,protocol
ServiceStatus conditions[] - type
ServiceAccount metadata Meta
ServiceAccount secrets[] - name
Node metadata Meta
Node spec NodeSpec
Node status NodeStatus
NodeSpec podCIDRs[] - .
NodeStatus addresses[] - type
NodeStatus conditions[] - type
Conditions metadata Meta
Conditions conditions[] - type
StatusConditions metadata Meta
StatusConditions status WorkloadStatus
CSINode metadata Meta
CSINode spec CSINodeSpec
CSINodeSpec drivers[] - name
Webhooks metadata Meta
Webhooks webhooks[] - name
PodSpec containers[] Container name
PodSpec initContainers[] Container name
PodSpec ephemeralContainers[] EphemeralContainer name
PodSpec hostAliases[] - ip
PodSpec imagePullSecrets[] - name
PodSpec topologySpreadConstraints[] - topologyKey,whenUnsatisfiable
PodSpec volumes[] - name
Container env[] - name
Container ports[] - containerPort,protocol
Container volumeDevices[] - devicePath
Container volumeMounts[] - mountPath
EphemeralContainer env[] - name
EphemeralContainer volumeDevices[] - devicePath
EphemeralContainer volumeMounts[] - mountPath
";

/// Kinds with more than the metadata in common, as `apiVersion/Kind Type`.
const ROOTS: &str = "\
v1/Pod Pod
v1/PodTemplate PodTemplate
v1/ReplicationController Workload
v1/Service Service
v1/ServiceAccount ServiceAccount
v1/Node Node
v1/ComponentStatus Conditions
v1/Namespace StatusConditions
v1/PersistentVolumeClaim StatusConditions
apps/v1/Deployment Workload
apps/v1/ReplicaSet Workload
apps/v1/StatefulSet Workload
apps/v1/DaemonSet Workload
batch/v1/Job Workload
batch/v1/CronJob CronJob
batch/v1beta1/CronJob CronJob
policy/v1/PodDisruptionBudget StatusConditions
policy/v1beta1/PodDisruptionBudget StatusConditions
apiregistration.k8s.io/v1/APIService StatusConditions
apiregistration.k8s.io/v1beta1/APIService StatusConditions
storage.k8s.io/v1/CSINode CSINode
storage.k8s.io/v1beta1/CSINode CSINode
admissionregistration.k8s.io/v1/MutatingWebhookConfiguration Webhooks
admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration Webhooks
admissionregistration.k8s.io/v1beta1/MutatingWebhookConfiguration Webhooks
admissionregistration.k8s.io/v1beta1/ValidatingWebhookConfiguration Webhooks
";

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
    /// The keys by which the list is merged; `.` alone for scalars.
    keys: Vec<String>,
}

/// Types by name, and the types of whole objects.
#[derive(Debug, Default)]
pub struct Schema {
    types: HashMap<String, Type>,
    roots: HashMap<(String, String), String>,
    /// Whether the other kinds of the built-in document are known, of which only the metadata is merged.
    is_builtin: bool,
}

impl Schema {
    /// Returns the built-in schema.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Schema> = OnceLock::new();
        BUILTIN.get_or_init(Self::from_tables)
    }

    fn from_tables() -> Self {
        let mut schema = Self { is_builtin: true, ..Self::default() };
        for line in FIELDS.lines() {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let (owner, name, target, keys) = (word(), word(), word(), word());
            let field = Field {
                target: (target != "-").then(|| target.to_owned()),
                keys: if keys.is_empty() { Vec::new() } else { keys.split(',').map(str::to_owned).collect() },
            };
            let fields = &mut schema.types.entry(owner.to_owned()).or_default().fields;
            fields.insert(name.trim_end_matches("[]").to_owned(), field);
        }
        for line in ROOTS.lines() {
            let (path, target) = line.split_once(' ').unwrap_or((line, "Object"));
            let (version, kind) = path.rsplit_once('/').unwrap_or(("", path));
            schema.roots.insert((version.to_owned(), kind.to_owned()), target.to_owned());
        }
        schema
    }

    /// Reads a Swagger 2 document.
    ///
    /// # Errors
    /// When it is neither YAML nor JSON.
    pub fn parse(content: &[u8]) -> Result<Self, Error> {
        let value = sealfast_yaml::json::from_yaml(content)
            .map_err(|error| Error::Kustomization(format!("error converting YAML to JSON: {error}")))?;
        let mut schema = Self::default();
        for (name, definition) in value.get("definitions").and_then(Value::as_object).into_iter().flatten() {
            schema.read_type(name, definition);
            let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            for kind in kinds.into_iter().flatten() {
                let part = |field: &str| kind.get(field).and_then(Value::as_str).unwrap_or_default();
                let version = match part("group") {
                    "" => part("version").to_owned(),
                    group => format!("{group}/{}", part("version")),
                };
                schema.roots.insert((version, part("kind").to_owned()), name.clone());
            }
        }
        Ok(schema)
    }

    /// Returns this schema with the built-in one behind it.
    #[must_use]
    pub fn over_builtin(self) -> Self {
        let mut joined = Self::from_tables();
        joined.types.extend(self.types);
        joined.roots.extend(self.roots);
        joined
    }

    /// Returns the type of a whole object.
    #[must_use]
    pub fn root(&self, api_version: &str, kind: &str) -> Option<&Type> {
        let is_plain = || self.is_builtin && GvkRef::parse(api_version, kind).has_known_scope();
        let name = match self.roots.get(&(api_version.to_owned(), kind.to_owned())) {
            Some(name) => name,
            None if is_plain() => "Object",
            None => return None,
        };
        self.types.get(name)
    }

    /// Returns the type that a field leads to.
    #[must_use]
    pub fn target(&self, field: Option<&Field>) -> Option<&Type> {
        let name = field?.target.as_deref()?;
        self.types.get(name).or_else(|| self.types.get(short_name(name)?))
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
        let strategy = value.get("x-kubernetes-patch-strategy").and_then(Value::as_str).unwrap_or_default();
        let target = self.read_target(path, value.get("items").unwrap_or(value));
        let mut keys = Vec::new();
        if strategy.split(',').any(|word| word == "merge") {
            let list = value.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            keys.extend(list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            let single = value.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
            if keys.is_empty() {
                keys.push(single.unwrap_or(".").to_owned());
            }
        }
        Field { target, keys }
    }

    /// Returns the name of the type of a value, taking an inline one in under its path.
    fn read_target(&mut self, path: &str, value: &Value) -> Option<String> {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            return Some(reference.trim_start_matches("#/definitions/").to_owned());
        }
        if value.get("properties").is_some()
            || value.get("additionalProperties").is_some_and(Value::is_object)
        {
            self.read_type(path, value);
            return Some(path.to_owned());
        }
        None
    }
}

/// Returns the name in our tables of a type that other documents refer to by its full name.
fn short_name(name: &str) -> Option<&str> {
    match name.rsplit_once(".v1.")? {
        ("io.k8s.apimachinery.pkg.apis.meta", "ObjectMeta") => Some("Meta"),
        ("io.k8s.api.core", short) => Some(short),
        ("io.k8s.api.batch", "JobSpec") => Some("WorkloadSpec"),
        _ => None,
    }
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

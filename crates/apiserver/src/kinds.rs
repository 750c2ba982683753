//! Which kinds are served: the built-in ones and those of CRDs.

mod builtin;
mod custom;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sealfast_k8s::expression::kept::Kept;
use serde_json::Value;
use tokio::sync::watch;

use crate::crds;
use crate::shape::Shape;
use crate::storage::Stored;

/// One resource in one version.
#[derive(Debug)]
pub(crate) struct Resource {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub singular: String,
    pub kind: String,
    pub list_kind: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub subresources: Vec<Subresource>,
    pub columns: Vec<Column>,
    /// What the objects are stored under: `configmaps`, `deployments.apps`.
    pub key: Arc<str>,
    pub hash: String,
    pub shape: Shape,
    pub custom: Option<Custom>,
    /// What every request is told about a version that is on its way out.
    pub deprecation: Option<String>,
    /// How the text of stored objects begins that are shown as they are kept.
    pub shown_as_kept: Option<String>,
}

/// `status`, `scale` and the like.
#[derive(Debug)]
pub(crate) struct Subresource {
    pub name: String,
    pub kind: String,
    pub verbs: Vec<String>,
    /// Group and version, where they are not the parent's.
    pub api: Option<(String, String)>,
}

/// A column of a Table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub name: String,
    pub kind: String,
    pub priority: i64,
    pub format: String,
    pub description: String,
    /// JSONPath of a custom column.
    pub path: String,
}

/// What only custom kinds have.
#[derive(Debug)]
pub(crate) struct Custom {
    /// Its definition is on its way out.
    pub terminating: bool,
    /// The version that objects are stored in.
    pub storage_version: String,
    /// Schema of the storage version: values it does not know are not kept.
    pub storage_shape: Shape,
    pub scale: Option<Value>,
    pub selectable: Vec<String>,
    pub schema: Value,
}

/// A group with its versions, preferred first.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub name: String,
    pub custom: bool,
    pub versions: Vec<Version>,
}

/// A version of a group.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub name: String,
    pub resources: Vec<Arc<Resource>>,
}

/// All that is served at one moment.
pub(crate) struct Kinds {
    pub groups: Vec<Group>,
    pub documents: Documents,
}

/// Documents about the kinds, kept until those change; when there are too many, those go first that were made first.
pub(crate) struct Documents {
    kept: Mutex<Kept<Bytes>>,
    /// Held while one is made: who wants the same waits for it.
    making: Mutex<()>,
}

impl Documents {
    fn new() -> Self {
        Self { kept: Mutex::new(Kept::new(MOST_DOCUMENTS)), making: Mutex::default() }
    }

    /// A document by its name; what makes it asks for no other.
    pub(crate) fn get(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        let known = || self.kept.lock().get(name).cloned();
        if let Some(found) = known() {
            return found;
        }
        let _alone = self.making.lock();
        known().unwrap_or_else(|| {
            let made = Bytes::from(make());
            self.kept.lock().put(name, made.clone(), made.len());
            made
        })
    }
}

impl Kinds {
    fn of(groups: Vec<Group>) -> Arc<Self> {
        Arc::new(Self { groups, documents: Documents::new() })
    }
}

/// The kinds, replaced as a whole when a definition changes.
pub(crate) struct Registry {
    current: RwLock<Arc<Kinds>>,
    builtin: Vec<Group>,
    /// What each definition says, by its name.
    defined: Mutex<HashMap<String, Defined>>,
    replaced: watch::Sender<()>,
}

/// What a definition says, as long as it is stored at this revision.
struct Defined {
    revision: u64,
    resources: Vec<Arc<Resource>>,
    /// It has not all the names it asks for.
    waits: bool,
}

impl Defined {
    fn of(stored: &Stored) -> Self {
        let definition = stored.object();
        let resources = if is_established(&definition) { custom::resources(&definition) } else { Vec::new() };
        Self { revision: stored.revision, resources, waits: !crds::has_its_names(&definition) }
    }
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// The apiVersion of stored objects.
    pub(crate) fn stored_api_version(&self) -> String {
        match &self.custom {
            Some(custom) => api_version(&self.group, &custom.storage_version),
            None => builtin::stored_api_version(self),
        }
    }

    /// Whether objects of a kind are what they were under an earlier definition of it.
    pub(crate) fn goes_on_from(&self, earlier: &Resource) -> bool {
        match (&self.custom, &earlier.custom) {
            _ if std::ptr::eq(self, earlier) => true,
            (Some(now), Some(then)) => {
                now.storage_version == then.storage_version && now.schema == then.schema
            }
            _ => true,
        }
    }

    pub(crate) fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Kinds whose `metadata.generation` the server counts.
    pub(crate) fn has_generation(&self) -> bool {
        self.custom.is_some() || GENERATION.contains(&&*self.key)
    }
}

impl Kinds {
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let version = self.group(group)?.versions.iter().find(|known| known.name == version)?;
        version.resources.iter().find(|resource| resource.plural == plural)
    }

    /// A kind in any served version.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let (group, version) = split_api_version(api_version);
        let group = self.group(group)?;
        let version = group.versions.iter().find(|known| known.name == version).or(group.versions.first())?;
        version.resources.iter().find(|resource| resource.kind == kind)
    }

    /// The preferred version of what is stored under a key.
    pub(crate) fn stored_under(&self, key: &str) -> Option<&Arc<Resource>> {
        let versions = self.groups.iter().flat_map(|group| &group.versions);
        versions.flat_map(|version| &version.resources).find(|resource| &*resource.key == key)
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let builtin = builtin::groups();
        let current = RwLock::new(Kinds::of(builtin.clone()));
        Self { current, builtin, defined: Mutex::default(), replaced: watch::channel(()).0 }
    }

    /// Told when the kinds are replaced.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    pub(crate) fn current(&self) -> Arc<Kinds> {
        Arc::clone(&self.current.read())
    }

    /// The built-in resources of a group, in each version.
    pub(crate) fn built_in(&self, group: &str) -> impl Iterator<Item = &Arc<Resource>> {
        let versions = self.builtin.iter().filter(move |known| known.name == group);
        versions.flat_map(|group| &group.versions).flat_map(|version| &version.resources)
    }

    /// True for what built-in objects are stored under, which no definition may touch.
    pub(crate) fn keeps_built_in(&self, key: &str) -> bool {
        let groups = self.builtin.iter().flat_map(|group| &group.versions);
        groups.flat_map(|version| &version.resources).any(|resource| &*resource.key == key)
    }

    /// Serves exactly these definitions beside the built-in kinds. Only those are read that are new or were changed.
    pub(crate) fn define(&self, definitions: &[Stored]) {
        let mut known = self.defined.lock();
        let is_known = |stored: &Stored| {
            known.get(&stored.marks().name).is_some_and(|said| said.revision == stored.revision)
        };
        if known.len() == definitions.len() && definitions.iter().all(is_known) {
            return;
        }
        let mut groups = self.builtin.clone();
        let mut defined = HashMap::with_capacity(definitions.len());
        for stored in definitions {
            let name = &stored.marks().name;
            let said = known.remove(name).filter(|said| said.revision == stored.revision);
            let said = said.unwrap_or_else(|| Defined::of(stored));
            for resource in said.resources.iter().filter(|resource| !self.keeps_built_in(&resource.key)) {
                add(&mut groups, resource);
            }
            defined.insert(name.clone(), said);
        }
        *known = defined;
        for group in groups.iter_mut().filter(|group| group.custom) {
            group.versions.sort_by_key(|version| std::cmp::Reverse(priority(&version.name)));
        }
        *self.current.write() = Kinds::of(groups);
        self.replaced.send_replace(());
    }

    /// Names of the definitions that have not all the names they ask for.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let defined = self.defined.lock();
        let mut names: Vec<_> =
            defined.iter().filter(|(_, said)| said.waits).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}

/// `v1` or `apps/v1`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

/// Group and version of an apiVersion.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Stable before beta before alpha, higher numbers first, other names last (alphabetical).
pub(crate) fn priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let plain = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else { return plain };
    let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let Ok(major) = major.parse::<u64>() else { return plain };
    let level = |level: u8, minor: &str| match minor.parse::<u64>() {
        Ok(minor) => (level, major, minor, std::cmp::Reverse(String::new())),
        Err(_) if minor.is_empty() => (level, major, 0, std::cmp::Reverse(String::new())),
        Err(_) => plain.clone(),
    };
    if rest.is_empty() {
        (3, major, 0, std::cmp::Reverse(String::new()))
    } else if let Some(minor) = rest.strip_prefix("beta") {
        level(2, minor)
    } else if let Some(minor) = rest.strip_prefix("alpha") {
        level(1, minor)
    } else {
        plain
    }
}

fn is_established(definition: &Value) -> bool {
    crate::conditions::holds(definition, "Established")
}

fn add(groups: &mut Vec<Group>, resource: &Arc<Resource>) {
    let position = groups.iter().position(|group| group.name == resource.group).unwrap_or_else(|| {
        groups.push(Group { name: resource.group.clone(), custom: true, versions: Vec::new() });
        groups.len() - 1
    });
    let served = &mut groups[position].versions;
    let version = served.iter().position(|known| known.name == resource.version).unwrap_or_else(|| {
        served.push(Version { name: resource.version.clone(), resources: Vec::new() });
        served.len() - 1
    });
    served[version].resources.push(Arc::clone(resource));
}

/// Bytes of all documents that are kept.
const MOST_DOCUMENTS: usize = 8 << 20;
const GENERATION: [&str; 25] = [
    "csidrivers.storage.k8s.io",
    "podtemplates",
    "endpointslices.discovery.k8s.io",
    "priorityclasses.scheduling.k8s.io",
    "pods",
    "replicationcontrollers",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "cronjobs.batch",
    "jobs.batch",
    "ingresses.networking.k8s.io",
    "ingressclasses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "customresourcedefinitions.apiextensions.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::storage::{Expect, Key, Store};

    #[test]
    fn a_document_is_made_once_for_all_who_want_it() {
        let (documents, made) = (super::Documents::new(), std::sync::atomic::AtomicUsize::new(0));
        let make = || {
            made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(20));
            b"x".to_vec()
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(documents.get("a", make), "x"));
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn kinds_are_not_made_anew_for_nothing() {
        let registry = super::Registry::new();
        let (told, before) = (registry.subscribe(), registry.current());
        registry.define(&[]);
        assert!(std::sync::Arc::ptr_eq(&before, &registry.current()));
        assert!(!told.has_changed().unwrap_or(true));
    }

    #[test]
    fn a_definition_is_read_once_for_each_change_of_it() {
        let (store, registry) = (Store::new(None), Registry::new());
        let resource: Arc<str> = crate::keys::DEFINITIONS.into();
        let write = |plural: &str, expected: Expect| {
            let names = json!({"plural": plural, "kind": "Kind"});
            let definition = json!({
                "metadata": {"name": format!("{plural}.a.b")},
                "spec": {"group": "a.b", "names": names, "versions": [{"name": "v1", "served": true, "storage": true}]},
                "status": {"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]},
            });
            store
                .put(&Key::new(&resource, "", &format!("{plural}.a.b")), &definition, expected)
                .expect("written");
            registry.define(&store.list(&resource, None).items);
        };
        let served =
            |plural: &str| registry.current().resource("a.b", "v1", plural).cloned().expect("served");
        write("ones", Expect::Absent);
        let first = served("ones");
        write("twos", Expect::Absent);
        assert!(Arc::ptr_eq(&first, &served("ones")), "a new neighbour has it read again");
        let revision = store.list(&resource, None).items[0].revision;
        write("ones", Expect::Revision(revision));
        assert!(!Arc::ptr_eq(&first, &served("ones")), "it was written, and is as before");
    }
}

//! Names, labels, annotations, finalizers and owners.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::causes::{Cause, Causes, MOST};
use crate::fields::{self, get, text};
use crate::grammar::{ip, label, label_value, qualified, segment, subdomain};
use crate::keys;
use crate::kinds::Resource;

/// What is wrong with the name of a new object.
pub(super) fn name(resource: &Resource, object: &Value) -> Vec<Cause> {
    let name = fields::name(object);
    if name.is_empty() {
        return vec![Cause::required("metadata.name", "name or generateName is required")];
    }
    let mut causes = generate_name(resource, object);
    let whys = grammar_of(resource)(name).into_iter();
    causes.extend(whys.map(|why| Cause::invalid("metadata.name", &json!(name), &why)));
    causes
}

/// What is wrong with the beginning of a name.
pub(super) fn generate_name(resource: &Resource, object: &Value) -> Vec<Cause> {
    let base = fields::meta(object, "generateName");
    if base.is_empty() {
        return Vec::new();
    }
    // What is put behind it completes a name that ends in a hyphen.
    let begun = base.strip_suffix('-').map_or_else(|| base.to_owned(), |base| format!("{base}a"));
    let whys = grammar_of(resource)(&begun).into_iter();
    whys.map(|why| Cause::invalid("metadata.generateName", &json!(base), &why)).collect()
}

/// What no beginning of a name may have, whatever it is the name of.
pub(super) fn any_generate_name(object: &Value) -> Vec<Cause> {
    let base = fields::meta(object, "generateName");
    let bad = ['/', '%'].into_iter().filter(|letter| base.contains(*letter));
    bad.map(|letter| {
        Cause::invalid("metadata.generateName", &json!(base), &format!("may not contain '{letter}'"))
    })
    .collect()
}

/// How often the reference goes over the metadata of a kind on its way through an update, and says so each time.
#[derive(Clone, Copy)]
pub(super) struct Rounds {
    custom: bool,
    /// As metadata of a kind.
    whole: usize,
    /// As something that changes.
    change: usize,
}

impl Rounds {
    pub(super) fn of(resource: &Resource) -> Self {
        let (whole, change) = match &*resource.key {
            "events" if resource.group.is_empty() => (0, 0),
            "poddisruptionbudgets.policy" => (0, 0),
            "endpointslices.discovery.k8s.io" | "limitranges" => (1, 0),
            "persistentvolumes" => (2, 0),
            "events"
            | "cronjobs.batch"
            | "daemonsets.apps"
            | "deployments.apps"
            | "horizontalpodautoscalers.autoscaling"
            | "networkpolicies.networking.k8s.io"
            | "priorityclasses.scheduling.k8s.io"
            | "replicasets.apps"
            | "resourcequotas"
            | "services"
            | "statefulsets.apps"
            | "leases.coordination.k8s.io" => (0, 1),
            _ if resource.group == "admissionregistration.k8s.io" => (1, 0),
            _ => (1, 1),
        };
        Self { custom: resource.custom.is_some(), whole, change }
    }

    /// Whether the kind itself says nothing of metadata, and they are looked at when all else is right.
    pub(super) fn is_late(self) -> bool {
        self.whole + self.change == 0
    }

    pub(super) fn over(self, cause: &Cause) -> usize {
        match cause.message.ends_with(LOOSE) {
            _ if self.custom => 1,
            // What changes is not asked for the form of finalizers.
            false if cause.field == "metadata.finalizers" => 1 + self.whole,
            // All kinds have what is done for any of them twice.
            false => 2 + self.whole + self.change,
            true => self.whole + self.change,
        }
    }

    pub(super) fn over_changes(self) -> usize {
        1 + self.change
    }

    /// Some kinds are looked at as new ones, and again as changed ones.
    pub(super) fn over_kinds(resource: &Resource) -> usize {
        1 + usize::from(["jobs.batch", "persistentvolumes"].contains(&&*resource.key))
    }

    pub(super) fn over_names(self) -> usize {
        if self.custom { 0 } else { self.whole }
    }
}

/// How objects of a kind are named.
fn grammar_of(resource: &Resource) -> fn(&str) -> Vec<String> {
    if resource.group == keys::RBAC
        || &*resource.key == "apiservices.apiregistration.k8s.io"
        || Rounds::of(resource).is_late()
    {
        segment
    } else if &*resource.key == "ipaddresses.networking.k8s.io" {
        ip
    } else if &*resource.key == keys::CERTIFICATE_REQUESTS {
        |_| Vec::new()
    } else if matches!(&*resource.key, "namespaces" | "services" | "statefulsets.apps") {
        label
    } else {
        subdomain
    }
}

/// What is wrong with the rest of the metadata.
pub(super) fn rest(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = of_any(object);
    let loose =
        fields::finalizers(object).into_iter().enumerate().filter(|(_, finalizer)| is_loose(finalizer));
    for (at, finalizer) in loose.filter(|_| is_strict(resource)).take(MOST) {
        causes.push(Cause::invalid(format!("metadata.finalizers[{at}]"), &json!(finalizer), LOOSE));
    }
    causes
}

/// What is wrong with metadata, whoever it belongs to.
pub(super) fn of_any(object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    let map = |key: &str| get(object, &["metadata", key]).and_then(Value::as_object);
    for (key, value) in map("labels").into_iter().flatten() {
        if causes.is_full() {
            return causes.told();
        }
        causes.extend(
            qualified(key).into_iter().map(|why| Cause::invalid("metadata.labels", &json!(key), &why)),
        );
        let value = value.as_str().unwrap_or_default();
        causes.extend(
            label_value(value).into_iter().map(|why| Cause::invalid("metadata.labels", &json!(value), &why)),
        );
    }
    let mut size = 0;
    for (key, value) in map("annotations").into_iter().flatten() {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let lower = key.to_lowercase();
        causes.extend(
            qualified(&lower)
                .into_iter()
                .map(|why| Cause::invalid("metadata.annotations", &json!(key), &why)),
        );
    }
    if let Some(generation) =
        get(object, &["metadata", "generation"]).filter(|value| value.as_i64() < Some(0))
    {
        causes.push(Cause::invalid("metadata.generation", generation, "must be greater than or equal to 0"));
    }
    if size > ANNOTATIONS {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {ANNOTATIONS} bytes"),
            field: "metadata.annotations".into(),
        });
    }
    let finalizers = fields::finalizers(object);
    for finalizer in &finalizers {
        if causes.is_full() {
            return causes.told();
        }
        let whys = qualified(finalizer).into_iter();
        causes.extend(whys.map(|why| Cause::invalid("metadata.finalizers", &json!(finalizer), &why)));
    }
    if ["orphan", "foregroundDeletion"].iter().all(|name| finalizers.contains(name)) {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &json!(finalizers), why));
    }
    owners(object, &mut causes);
    causes.told()
}

/// Leaves out owners that are named again, and says so.
pub(crate) fn owners_once(object: &mut Value, when: &str) -> Option<String> {
    let list = object.get_mut("metadata")?.get_mut("ownerReferences")?.as_array_mut()?;
    let (mut seen, mut again) = (HashSet::new(), Vec::new());
    list.retain(|reference| {
        let is_new = seen.insert(reference.to_string());
        if !is_new {
            again.push(text(reference, &["uid"]).to_owned());
        }
        is_new
    });
    let told = || {
        format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            again.join(", ")
        )
    };
    (!again.is_empty()).then(told)
}

/// What is odd about the finalizers of a custom object that are new in it.
pub(super) fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let known = old.map(fields::finalizers).unwrap_or_default();
    let added: BTreeSet<&str> = fields::finalizers(new).into_iter().collect();
    let odd = added.into_iter().filter(|name| !known.contains(name) && is_loose(name));
    odd.map(|name| {
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        format!("metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers")
    })
    .collect()
}

/// Whether a finalizer has no domain and is none that everybody knows.
fn is_loose(finalizer: &str) -> bool {
    !finalizer.contains('/') && !["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer)
}

/// The reference lets definitions, what they define and some more have finalizers without a domain.
fn is_strict(resource: &Resource) -> bool {
    let loose = matches!(
        &*resource.key,
        keys::DEFINITIONS | "apiservices.apiregistration.k8s.io" | "leases.coordination.k8s.io"
    );
    resource.custom.is_none()
        && !loose
        && resource.group != "admissionregistration.k8s.io"
        && !Rounds::of(resource).is_late()
}

fn owners(object: &Value, causes: &mut Causes) {
    let Some(list) = get(object, &["metadata", "ownerReferences"]) else { return };
    let mut controller: Option<&Value> = None;
    for reference in list.as_array().into_iter().flatten() {
        if causes.is_full() {
            return;
        }
        for key in ["apiVersion", "kind", "name", "uid"] {
            let shown = match text(reference, &[key]) {
                // Such a version is read as none.
                version if key == "apiVersion" && version.matches('/').count() > 1 => "",
                stated => stated,
            };
            if shown.is_empty() {
                let shown = json!(shown);
                let why = if key == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{key}"), &shown, why));
            }
        }
        let version = text(reference, &["apiVersion"]);
        if reference["kind"] == "Event" && version == "v1" {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(Cause::invalid("metadata.ownerReferences", reference, why));
        }
        if reference["controller"] != true {
            continue;
        }
        let name = |of: &Value| format!("{}/{}", text(of, &["kind"]), text(of, &["name"]));
        match controller {
            None => controller = Some(reference),
            Some(first) => {
                let (first, second) = (name(first), name(reference));
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
                );
                causes.push(Cause::invalid("metadata.ownerReferences", list, &why));
            }
        }
    }
}

const LOOSE: &str = "name is neither a standard finalizer name nor is it fully qualified";
const ANNOTATIONS: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::MOST_BYTES;

    #[test]
    fn many_controllers_are_told_of_as_far_as_there_is_room() {
        let owner = |at: usize| json!({"controller": true, "uid": at.to_string()});
        let owners: Vec<Value> = (0..20_000).map(owner).collect();
        let told = of_any(&json!({"metadata": {"ownerReferences": owners}}));
        let bytes: usize = told.iter().map(|cause| cause.message.len() + cause.field.len()).sum();
        assert!(
            told.len() <= MOST + 1 && bytes < MOST_BYTES + 1000,
            "{} causes of {bytes} bytes",
            told.len()
        );
        assert!(told.iter().any(|cause| cause.message.contains("Only one reference can have Controller")));
    }
}

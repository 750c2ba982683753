//! Storage that is asked for, that is there, and its classes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};

use super::at::{At, same};
use super::difference;
use super::resources::nanos;
use super::selector;
use super::sources::{self, needs};
use crate::causes::{Cause, Causes};
use crate::fields;
use crate::grammar::{qualified, subdomain};

/// A claim.
pub(super) fn claim(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    claim_spec(root.get("spec"), out);
}

/// The spec of a claim, wherever it stands.
pub(super) fn claim_spec(at: At<'_>, out: &mut Causes) {
    let modes = at.get("accessModes");
    if modes.is_empty() {
        out.push(modes.required("at least 1 access mode is required"));
    }
    selector::selector(at.get("selector"), out);
    access_modes(modes, out);
    let place = at.get("resources");
    let requests = place.get("requests");
    let size = requests.key("storage");
    let place = place.key("storage").with_value(size.value);
    match nanos(size) {
        None => out.push(place.required("")),
        Some(amount) if amount <= 0 => out.push(place.wrong(size.text(), super::at::NOT_POSITIVE)),
        Some(_) => {}
    }
    selector::name_in(at.get("storageClassName"), out);
    out.extend(at.get("volumeMode").one_of(&["Block", "Filesystem"]));
    source(at.get("dataSource"), out);
    let reference = at.get("dataSourceRef");
    source(reference, out);
    selector::label_in(reference.get("namespace"), out);
    sources_agree(at, out);
    selector::name_in(at.get("volumeAttributesClassName"), out);
}

fn access_modes(modes: At<'_>, out: &mut Causes) {
    let known = |mode: &At<'_>| MODES.contains(&mode.text());
    for mode in modes.items().filter(|mode| !known(mode)) {
        out.push(Cause::not_supported(modes.path(), mode.value, &MODES));
    }
    let alone = |mode: &At<'_>| mode.text() == "ReadWriteOncePod";
    if modes.items().any(|mode| alone(&mode)) && modes.items().any(|mode| known(&mode) && !alone(&mode)) {
        out.push(modes.forbidden("may not use ReadWriteOncePod with other access modes"));
    }
}

fn source(at: At<'_>, out: &mut Causes) {
    if !at.is_set() {
        return;
    }
    let (kind, group) = (at.get("kind"), at.get("apiGroup"));
    out.extend(at.get("name").needed());
    out.extend(kind.needed());
    if group.is_empty() && kind.text() != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        out.push(at.wrong(kind.text(), why));
    }
    selector::name_in(group, out);
}

fn sources_agree(at: At<'_>, out: &mut Causes) {
    let (plain, reference) = (at.get("dataSource"), at.get("dataSourceRef"));
    if !plain.is_set() || !reference.is_set() {
        return;
    }
    let alike =
        ["apiGroup", "kind", "name"].iter().all(|key| plain.get(key).value == reference.get(key).value);
    if !reference.get("namespace").is_empty() {
        out.push(at.wrong(json!({}), "may not be specified when dataSourceRef.namespace is specified"));
    } else if !alike {
        out.push(at.wrong(json!({}), "must match dataSourceRef"));
    }
}

/// What may not change in a claim.
pub(super) fn claim_changed(new: &Value, old: &Value, out: &mut Causes) {
    let bound = fields::text(new, &["status", "phase"]) == "Bound";
    let (mut after, mut before) = (new["spec"].clone(), old["spec"].clone());
    if fields::text(&before, &["volumeName"]).is_empty() {
        fields::copy_field(&mut before, &after, "volumeName");
    }
    if before.get("storageClassName").is_none_or(Value::is_null) {
        fields::copy_field(&mut after, &before, "storageClassName");
    }
    let size =
        |spec: &Value| fields::get(spec, &["resources", "requests", "storage"]).cloned().unwrap_or_default();
    let (wanted, held) = (size(&after), size(&before));
    if bound {
        fields::copy_field(&mut after, &before, "volumeAttributesClassName");
        if !wanted.is_null() {
            after["resources"]["requests"]["storage"] = held.clone();
        }
    }
    let root = At::root(new, "");
    out.extend(class_in_annotation(new, old));
    if after != before {
        out.push(root.get("spec").forbidden(&format!("{CLAIM}\n{}", difference::of_claims(&before, &after))));
    }
    let amount = |value: &Value| value.as_str().and_then(crate::quantity::nanos).unwrap_or(0);
    let there = fields::get(old, &["status", "capacity", "storage"]).cloned().unwrap_or_default();
    if amount(&wanted) < amount(&held) && amount(&wanted) <= amount(&there) {
        let why = "field can not be less than status.capacity";
        out.push(Cause::forbidden("spec.resources.requests.storage", why));
    }
    if !same(&new["spec"]["volumeMode"], &old["spec"]["volumeMode"]) {
        out.push(Cause::invalid("volumeMode", &new["spec"]["volumeMode"], "field is immutable"));
    }
}

/// The annotation that was there before the field for the class stays, or goes where the field takes its place.
fn class_in_annotation(new: &Value, old: &Value) -> Option<Cause> {
    let stated = |claim: &Value| claim["metadata"]["annotations"].get(CLASS).cloned();
    let (before, after) = (stated(old), stated(new));
    let field = |claim: &Value| claim["spec"].get("storageClassName").filter(|name| !name.is_null()).cloned();
    let moves = before.is_some() && field(old).is_none() && field(new) == before && after.is_none();
    let same = before.clone().unwrap_or(json!("")) == after.clone().unwrap_or(json!(""));
    let wrong = || {
        let path = format!("metadata.annotations.{CLASS}");
        Cause::invalid(path, &after.unwrap_or(json!("")), "field is immutable")
    };
    (!same && !moves).then(wrong)
}

/// A volume.
pub(super) fn volume(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let at = root.get("spec");
    let (modes, capacity) = (at.get("accessModes"), at.get("capacity"));
    out.extend(modes.needed());
    access_modes(modes, out);
    room(capacity, out);
    out.extend(at.get("persistentVolumeReclaimPolicy").one_of(&["Delete", "Recycle", "Retain"]));
    let nodes = at.get("nodeAffinity");
    if nodes.is_set() {
        let required = nodes.get("required");
        if required.is_set() {
            selector::node_selector(required, out);
        } else {
            out.push(required.required("must specify required node constraints"));
        }
    }
    let kinds: Vec<&str> = VOLUMES.into_iter().filter(|kind| at.get(kind).is_set()).collect();
    if kinds.is_empty() {
        out.push(at.required("must specify a volume type"));
    }
    for (place, kind) in kinds.iter().enumerate() {
        // One kind is taken beside any other.
        if place == 0 || *kind == "flexVolume" {
            volume_source(at, kind, fields::name(object), out);
        } else {
            let shown = if *kind == "cephfs" { "cephFS" } else { kind };
            out.push(at.get(shown).forbidden("may not specify more than 1 volume type"));
        }
    }
    if at.get("hostPath").get("path").text() == "/"
        && at.get("persistentVolumeReclaimPolicy").text() == "Recycle"
    {
        let why = "may not be 'recycle' for a hostPath mount of '/'";
        out.push(at.get("persistentVolumeReclaimPolicy").forbidden(why));
    }
    selector::name_in(at.get("storageClassName"), out);
    out.extend(at.get("volumeMode").one_of(&["Block", "Filesystem"]));
    attributes_class(at, out);
}

/// How much a volume holds.
fn room(capacity: At<'_>, out: &mut Causes) {
    out.extend(capacity.needed());
    if !capacity.key("storage").is_set() || capacity.entries().len() > 1 {
        out.push(Cause::not_supported(capacity.path(), capacity.value, &["storage"]));
    }
    for amount in capacity.entries() {
        let Some(size) = nanos(amount) else { continue };
        if size < 0 {
            let whole = i64::try_from(size / 1_000_000_000).unwrap_or(i64::MIN);
            out.push(amount.wrong(whole, "must be a valid resource quantity"));
        }
        if size <= 0 {
            out.push(amount.wrong(amount.text(), super::at::NOT_POSITIVE));
        }
    }
}

fn attributes_class(spec: At<'_>, out: &mut Causes) {
    let class = spec.get("volumeAttributesClassName");
    if !class.is_set() {
        return;
    }
    if class.is_empty() {
        out.push(class.required("an empty string is disallowed"));
    } else {
        out.extend(class.each(subdomain(class.text())));
    }
    if !spec.get("csi").is_set() {
        out.push(spec.get("csi").required("has to be specified when using volumeAttributesClassName"));
    }
}

/// The source of a volume, which is of one kind.
fn volume_source(volume: At<'_>, kind: &str, name: &str, out: &mut Causes) {
    let at = volume.get(kind);
    match kind {
        "hostPath" => sources::host_path(at, out),
        // The reference calls it otherwise.
        "gcePersistentDisk" => needs(volume.with("persistentDisk", at.value), &["pdName"], out),
        "awsElasticBlockStore" | "portworxVolume" => needs(at, &["volumeID"], out),
        "glusterfs" => {
            needs(at, &["endpoints", "path"], out);
            let namespace = at.get("endpointsNamespace");
            if namespace.is_set() && namespace.is_empty() {
                let why = "if the endpointnamespace is set, it must be a valid namespace name";
                out.push(namespace.invalid(why));
            }
            selector::label_in(namespace, out);
        }
        "flocker" => sources::flocker(at, out),
        "nfs" => sources::nfs(at, out),
        "rbd" => needs(at, &["monitors", "image"], out),
        "quobyte" => sources::quobyte(at, out),
        "cephfs" => needs(at, &["monitors"], out),
        "iscsi" => sources::iscsi(at, Some(name), out),
        "cinder" => {
            needs(at, &["volumeID"], out);
            sources::secret(at, &["name", "namespace"], out);
        }
        "fc" => sources::fibre_channel(at, out),
        "flexVolume" => sources::flex(at, out),
        "azureFile" => {
            needs(at, &["secretName", "shareName"], out);
            let namespace = at.get("secretNamespace");
            out.extend(namespace.is_set().then(|| namespace.needed()).flatten());
        }
        "vsphereVolume" => needs(at, &["volumePath"], out),
        "photonPersistentDisk" => needs(at, &["pdID"], out),
        "azureDisk" => sources::azure_disk(at, out),
        "scaleIO" => needs(at, &["gateway", "system", "volumeName"], out),
        "local" => {
            needs(at, &["path"], out);
            if !volume.get("nodeAffinity").is_set() {
                out.push(Cause::required("metadata.annotations", "Local volume requires node affinity"));
            }
        }
        "storageos" => sources::storage_os(at, &["name", "namespace"], out),
        "csi" => {
            driver(at.get("driver"), out);
            needs(at, &["volumeHandle"], out);
        }
        _ => {}
    }
}

/// What may not change in a volume.
pub(super) fn volume_changed(new: &Value, old: &Value, out: &mut Causes) {
    let moved = VOLUMES.iter().any(|kind| !same(&new["spec"][kind], &old["spec"][kind]));
    if moved {
        let why = "spec.persistentvolumesource is immutable after creation";
        out.push(Cause::forbidden("spec.persistentvolumesource", why));
    }
    if !same(&new["spec"]["volumeMode"], &old["spec"]["volumeMode"]) {
        out.push(Cause::invalid("volumeMode", &new["spec"]["volumeMode"], "field is immutable"));
    }
    let (nodes, before) = (&new["spec"]["nodeAffinity"], &old["spec"]["nodeAffinity"]);
    if before.is_object() && nodes != before && *nodes != with_stable_labels(before) {
        let why = "field is immutable, except for updating from beta label to GA";
        out.push(Cause::invalid("nodeAffinity", nodes, why));
    }
}

/// What a volume asks of nodes, by the labels that took the place of older ones.
fn with_stable_labels(nodes: &Value) -> Value {
    match nodes {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| {
                let renamed = (key == "key").then(|| RENAMED.iter().find(|(old, _)| value == old)).flatten();
                (key.clone(), renamed.map_or_else(|| with_stable_labels(value), |(_, new)| json!(new)))
            })
            .collect(),
        Value::Array(list) => list.iter().map(with_stable_labels).collect(),
        other => other.clone(),
    }
}

/// The name of a driver.
pub(super) fn driver(at: At<'_>, out: &mut Causes) {
    if at.is_empty() {
        out.push(at.required(""));
        return;
    }
    if at.text().len() > 63 {
        out.push(Cause::too_long(at.path(), 63));
    }
    out.extend(at.each(subdomain(&at.text().to_lowercase())));
}

/// The name of who provides storage.
pub(super) fn provisioner(at: At<'_>, out: &mut Causes) {
    match at.needed() {
        Some(cause) => out.push(cause),
        None => {
            let lower = at.text().to_lowercase();
            out.extend(qualified(&lower).iter().map(|why| at.wrong(lower.as_str(), why)));
        }
    }
}

/// What a provider is told: few words, and none without a name.
pub(super) fn parameters(at: At<'_>, out: &mut Causes) {
    let entries = at.entries();
    if entries.len() > MOST_PARAMETERS {
        return out.push(Cause::too_long(at.path(), MOST_PARAMETERS));
    }
    for _ in entries.iter().filter(|parameter| parameter.name().is_empty()) {
        out.push(at.wrong("", "field can not be empty."));
    }
    let size: usize = entries.iter().map(|entry| entry.name().len() + entry.text().len()).sum();
    if size > MOST_PARAMETER_BYTES {
        out.push(Cause::too_long(at.path(), MOST_PARAMETER_BYTES));
    }
}

/// A class.
pub(super) fn class(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let (provisioner, mode) = (root.get("provisioner"), root.get("volumeBindingMode"));
    self::provisioner(provisioner, out);
    parameters(root.get("parameters"), out);
    let policy = root.get("reclaimPolicy");
    if !policy.is_empty() {
        out.extend(policy.one_of(&["Delete", "Retain"]));
    }
    out.extend(mode.one_of(&["Immediate", "WaitForFirstConsumer"]));
    let topologies = root.get("allowedTopologies");
    // The reference compares with as many empty terms as there are terms.
    let mut before = HashMap::from([(BTreeMap::new(), topologies.items().count())]);
    for term in topologies.items() {
        let list = term.get("matchLabelExpressions");
        let values = |one: At<'_>| one.get("values").items().map(|value| value.text().to_owned()).collect();
        let terms: BTreeMap<String, BTreeSet<String>> =
            list.items().map(|one| (one.text_of("key").to_owned(), values(one))).collect();
        let times = before.entry(terms).or_insert(0);
        out.extend((0..*times).map(|_| Cause::duplicate(list.path(), &"".into())));
        *times += 1;
        if out.is_full() {
            return;
        }
        let mut keys = HashSet::new();
        for one in list.items() {
            let (key, values) = (one.get("key"), one.get("values"));
            out.extend(values.needed());
            let mut seen = HashSet::new();
            for value in values.items() {
                if !seen.insert(value.value.as_str()) {
                    out.push(value.duplicate());
                }
            }
            out.extend(key.each(qualified(key.text())));
            if !keys.insert(one.text_of("key")) {
                out.push(key.duplicate());
            }
        }
    }
}

/// Fields of a class that stay as they are.
pub(super) const CLASS_FIXED: [&str; 4] = ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"];
/// Labels of nodes that have another name since they are stable.
const RENAMED: [(&str, &str); 5] = [
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];
const MOST_PARAMETERS: usize = 512;
const MOST_PARAMETER_BYTES: usize = 256 << 10;
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const CLAIM: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// In the order in which the reference looks for them.
const VOLUMES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

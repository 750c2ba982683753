//! Volumes of pods, by where their content comes from.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::at::At;
use super::container::{self, InVolume};
use super::sources::{self, needs};
use super::{selector, storage};
use crate::causes::Causes;
use crate::grammar::{file_path, inner_path, label, subdomain};
use crate::quantity;

/// Checks the volumes, and gives back those that containers may mount.
pub(super) fn all<'a>(list: At<'a>, pod_name: &str, out: &mut Causes) -> HashMap<&'a str, &'a Value> {
    let mut good: HashMap<&str, &Value> = HashMap::new();
    for (at, volume) in list.items().enumerate() {
        let name = volume.get("name");
        let mut faults = Causes::default();
        source(volume, pod_name, &mut faults);
        match name.needed() {
            Some(cause) => faults.push(cause),
            None => faults.extend(name.each(label(name.text()))),
        }
        if good.contains_key(name.text()) {
            faults.push(name.duplicate());
        }
        if faults.is_empty() {
            let volume = &list.value[at];
            good.insert(crate::fields::text(volume, &["name"]), volume);
        }
        out.extend(faults.told());
    }
    good
}

fn source(volume: At<'_>, pod_name: &str, out: &mut Causes) {
    let mut found = false;
    for (kind, check) in SOURCES {
        let at = volume.get(kind);
        if !at.is_set() {
            continue;
        }
        if found {
            let shown = match kind {
                "cephfs" => "cephFS",
                "downwardAPI" => "downwarAPI",
                other => other,
            };
            out.push(volume.get(shown).forbidden("may not specify more than 1 volume type"));
            continue;
        }
        found = true;
        check(at, out);
    }
    if !found {
        out.push(volume.required("must specify a volume type"));
    }
    let name = volume.get("name").text();
    if volume.get("ephemeral").is_set() && !pod_name.is_empty() && !name.is_empty() {
        let claim = format!("{pod_name}-{name}");
        let whys = subdomain(&claim);
        out.extend(
            whys.iter().map(|why| volume.get("name").wrong(name, &format!("PVC name \"{claim}\": {why}"))),
        );
    }
}

type Check = fn(At<'_>, &mut Causes);

/// In the order in which the reference looks for them.
const SOURCES: [(&str, Check); 30] = [
    ("emptyDir", empty_dir),
    ("hostPath", sources::host_path),
    ("gitRepo", |at, out| {
        out.extend(at.get("repository").needed());
        inner(at.get("directory"), out);
    }),
    ("gcePersistentDisk", |at, out| needs(at, &["pdName"], out)),
    ("awsElasticBlockStore", |at, out| needs(at, &["volumeID"], out)),
    ("secret", |at, out| files_of(at, "secretName", out)),
    ("nfs", sources::nfs),
    ("iscsi", |at, out| sources::iscsi(at, None, out)),
    ("glusterfs", |at, out| needs(at, &["endpoints", "path"], out)),
    ("flocker", sources::flocker),
    ("persistentVolumeClaim", |at, out| needs(at, &["claimName"], out)),
    ("rbd", |at, out| needs(at, &["monitors", "image"], out)),
    ("cinder", |at, out| {
        needs(at, &["volumeID"], out);
        sources::secret(at, &["name"], out);
    }),
    ("cephfs", |at, out| needs(at, &["monitors"], out)),
    ("quobyte", sources::quobyte),
    ("downwardAPI", downward),
    ("fc", sources::fibre_channel),
    ("flexVolume", sources::flex),
    ("configMap", |at, out| files_of(at, "name", out)),
    ("azureFile", |at, out| needs(at, &["secretName", "shareName"], out)),
    ("vsphereVolume", |at, out| needs(at, &["volumePath"], out)),
    ("photonPersistentDisk", |at, out| needs(at, &["pdID"], out)),
    ("portworxVolume", |at, out| needs(at, &["volumeID"], out)),
    ("azureDisk", sources::azure_disk),
    ("storageos", |at, out| sources::storage_os(at, &["name"], out)),
    ("projected", projected),
    ("scaleIO", |at, out| needs(at, &["gateway", "system", "volumeName"], out)),
    ("csi", csi),
    ("ephemeral", ephemeral),
    ("image", image),
];

fn inner(at: At<'_>, out: &mut Causes) {
    out.extend(at.each(inner_path(at.text())));
}

fn empty_dir(at: At<'_>, out: &mut Causes) {
    let limit = at.get("sizeLimit");
    if quantity::nanos(limit.text()).is_some_and(|size| size < 0) {
        out.push(limit.forbidden("SizeLimit field must be a valid resource quantity"));
    }
}

fn mode(at: At<'_>, out: &mut Causes) {
    if at.number().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        out.push(at.invalid("must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

fn files_of(at: At<'_>, name: &str, out: &mut Causes) {
    out.extend(at.get(name).needed());
    mode(at.get("defaultMode"), out);
    at.get("items").items().for_each(|item| key_to_path(item, out));
}

fn key_to_path(item: At<'_>, out: &mut Causes) {
    needs(item, &["key", "path"], out);
    let path = item.get("path");
    out.extend(path.each(file_path(path.text())));
    mode(item.get("mode"), out);
}

fn downward(at: At<'_>, out: &mut Causes) {
    mode(at.get("defaultMode"), out);
    for item in at.get("items").items() {
        downward_file(at, item, out);
    }
}

/// The reference names the source, not the item, as the place.
fn downward_file(place: At<'_>, item: At<'_>, out: &mut Causes) {
    let at = place.with_value(item.value);
    let path = at.get("path");
    out.extend(path.needed());
    out.extend(path.each(file_path(path.text())));
    let (field, resource) = (at.get("fieldRef"), at.get("resourceFieldRef"));
    match (field.is_set(), resource.is_set()) {
        (true, both) => {
            container::field_ref(field, &FILES, out);
            if both {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                out.push(at.wrong("resource", why));
            }
        }
        (false, true) => container::resource_ref(resource, InVolume::Yes, out),
        (false, false) => out.push(at.required("one of fieldRef and resourceFieldRef is required")),
    }
    mode(at.get("mode"), out);
}

fn projected(at: At<'_>, out: &mut Causes) {
    mode(at.get("defaultMode"), out);
    let mut paths: HashSet<String> = HashSet::new();
    let mut once = |path: &str, shown: &str, out: &mut Causes| {
        if !paths.insert(path.to_owned()) && !path.is_empty() {
            out.push(at.wrong(shown, "conflicting duplicate paths"));
        }
    };
    for source in at.get("sources").items() {
        let mut count = 0;
        for kind in ["secret", "configMap"] {
            let part = source.get(kind);
            if !part.is_set() {
                continue;
            }
            count += 1;
            out.extend(part.get("name").needed());
            for item in part.get("items").items() {
                key_to_path(item, out);
                once(item.get("path").text(), part.get("name").text(), out);
            }
        }
        let part = source.get("downwardAPI");
        count += usize::from(part.is_set());
        for item in part.get("items").items() {
            downward_file(part, item, out);
            once(item.get("path").text(), item.get("path").text(), out);
        }
        let token = source.get("serviceAccountToken");
        if token.is_set() {
            count += 1;
            token_file(at, token, out);
        }
        let bundle = source.get("clusterTrustBundle");
        if bundle.is_set() {
            count += 1;
            trust_bundle(bundle, out);
            once(bundle.get("path").text(), bundle.get("path").text(), out);
        }
        if count > 1 {
            out.push(source.forbidden("may not specify more than 1 volume type per source"));
        }
    }
}

fn token_file(volume: At<'_>, token: At<'_>, out: &mut Causes) {
    let seconds = token.get("expirationSeconds");
    match seconds.number() {
        Some(number) if number < 600 => {
            out.push(seconds.invalid("may not specify a duration less than 10 minutes"));
        }
        Some(number) if number > 1 << 32 => {
            out.push(seconds.invalid("may not specify a duration larger than 2^32 seconds"));
        }
        _ => {}
    }
    let path = volume.with("path", token.get("path").value);
    out.extend(path.needed());
    out.extend(path.each(file_path(path.text())));
}

fn trust_bundle(bundle: At<'_>, out: &mut Causes) {
    let (name, signer) = (bundle.get("name"), bundle.get("signerName"));
    match (name.is_set(), signer.is_set()) {
        (true, true) => out.push(bundle.invalid("only one of name and signerName may be used")),
        (false, false) => out.push(bundle.required("either name or signerName must be specified")),
        (true, false) if bundle.get("labelSelector").is_set() => {
            out.push(bundle.get("labelSelector").invalid("labelSelector must be unset if name is specified"));
        }
        _ => selector::selector(bundle.get("labelSelector"), out),
    }
    let path = bundle.get("path");
    out.extend(path.needed());
    out.extend(path.each(file_path(path.text())));
}

fn csi(at: At<'_>, out: &mut Causes) {
    storage::driver(at.get("driver"), out);
    let secret = at.get("nodePublishSecretRef");
    if secret.is_set() {
        out.extend(secret.get("name").needed());
    }
}

fn ephemeral(at: At<'_>, out: &mut Causes) {
    let template = at.get("volumeClaimTemplate");
    if !template.is_set() {
        out.push(template.required(""));
        return;
    }
    let metadata = template.get("metadata");
    selector::annotations(metadata.get("annotations"), out);
    selector::labels(metadata.get("labels"), out);
    for field in metadata.entries() {
        if !["annotations", "labels", "creationTimestamp"].contains(&field.name()) {
            out.push(metadata.get(field.name()).forbidden("cannot be set"));
        }
    }
    storage::claim_spec(template.get("spec"), out);
}

fn image(at: At<'_>, out: &mut Causes) {
    let policy = at.get("pullPolicy");
    if !policy.is_empty() {
        out.extend(policy.one_of(&["Always", "IfNotPresent", "Never"]));
    }
}

const FILES: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

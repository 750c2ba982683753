//! Drivers of storage: what they are, where they run, what they have attached.

use serde_json::{Value, json};

use super::at::At;
use super::{resources, selector, storage};
use crate::causes::Causes;
use crate::grammar::{qualified, subdomain};

pub(super) fn csi_driver(spec: At<'_>, out: &mut Causes) {
    for (field, told) in [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ] {
        if !spec.get(field).is_set() {
            out.push(spec.get(told).required(""));
        }
    }
    out.extend(spec.get("fsGroupPolicy").one_of(&["File", "None", "ReadWriteOnceWithFSType"]));
    let tokens = spec.get("tokenRequests");
    let mut audiences = Vec::new();
    for token in tokens.items() {
        let (audience, expiry) = (token.text_of("audience"), token.get("expirationSeconds"));
        if audiences.contains(&audience) {
            out.push(token.with("audience", &json!(audience)).duplicate());
            continue;
        }
        audiences.push(audience);
        match expiry.number() {
            Some(seconds) if seconds < 600 => {
                out.push(expiry.invalid("may not specify a duration less than 10 minutes"));
            }
            Some(seconds) if seconds > 1 << 32 => {
                out.push(expiry.invalid("may not specify a duration larger than 2^32 seconds"));
            }
            _ => {}
        }
    }
    let modes = spec.get("volumeLifecycleModes");
    for mode in modes.items().filter(|mode| !["Persistent", "Ephemeral"].contains(&mode.text())) {
        out.push(modes.with_value(mode.value).not_supported(&["Persistent", "Ephemeral"]));
    }
    let period = spec.get("nodeAllocatableUpdatePeriodSeconds");
    if period.number().is_some_and(|seconds| seconds < 10) {
        out.push(period.invalid("must be greater than or equal to 10 seconds"));
    }
    let secrets = spec.get("serviceAccountTokenInSecrets");
    if secrets.is_set() && tokens.is_empty() {
        let why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        out.push(secrets.invalid(why));
    }
}

pub(super) fn csi_node(spec: At<'_>, out: &mut Causes) {
    let mut names = Vec::new();
    for driver in spec.get("drivers").items() {
        let (name, id) = (driver.get("name"), driver.get("nodeID"));
        storage::driver(name, out);
        out.extend(id.needed());
        if id.text().len() > MOST_NODE_ID {
            out.push(id.invalid(&format!("must be {MOST_NODE_ID} characters or less")));
        }
        out.extend(driver.get("allocatable").get("count").not_negative());
        if names.contains(&driver.text_of("name")) {
            out.push(name.duplicate());
        }
        names.push(driver.text_of("name"));
        let mut keys = Vec::new();
        for key in driver.get("topologyKeys").items() {
            let (text, place) = (key.text(), driver.with_value(key.value));
            if text.is_empty() {
                out.push(place.required(""));
            }
            if keys.contains(&key.value) {
                out.push(place.duplicate());
            }
            keys.push(key.value);
            out.extend(qualified(text).iter().map(|why| place.invalid(why)));
        }
    }
}

/// What room a driver has.
pub(super) fn capacity(root: At<'_>, out: &mut Causes) {
    selector::selector(root.get("nodeTopology"), out);
    let class = root.get("storageClassName");
    out.extend(class.each(subdomain(class.text())));
    resources::amount(root.get("capacity"), out);
}

pub(super) fn attachment(spec: At<'_>, out: &mut Causes) {
    const ONE: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    storage::driver(spec.get("attacher"), out);
    let source = spec.get("source");
    let (inline, name) = (source.get("inlineVolumeSpec"), source.get("persistentVolumeName"));
    match (inline.is_set(), name.is_set()) {
        (false, false) => out.push(source.required(ONE)),
        (true, true) => out.push(source.forbidden(ONE)),
        (false, true) if name.is_empty() => {
            out.push(name.required("must specify non empty persistentVolumeName"));
        }
        _ => {}
    }
    let node = spec.get("nodeName");
    out.extend(node.each(subdomain(node.text())));
    if name.is_set() {
        out.extend(name.each(subdomain(name.text())));
    }
}

pub(super) fn attributes(root: At<'_>, out: &mut Causes) {
    let (driver, parameters) = (root.get("driverName"), root.get("parameters"));
    storage::provisioner(driver, out);
    storage::parameters(parameters, out);
    if parameters.is_empty() {
        out.push(parameters.required("must contain at least one key/value pair"));
    }
}

/// What may not change in a driver.
pub(super) fn driver_changed(spec: At<'_>, before: At<'_>, out: &mut Causes) {
    for (field, told) in
        [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
    {
        if spec.get(field).value != before.get(field).value {
            out.push(spec.with(told, spec.get(field).value).invalid("field is immutable"));
        }
    }
}

/// What may not change in a class of attributes.
pub(super) fn attributes_changed(root: At<'_>, old: &Value, out: &mut Causes) {
    for field in ["driverName", "parameters"] {
        if *root.get(field).value != old[field] {
            out.push(root.get(field).forbidden(&format!("updates to {field} are forbidden.")));
        }
    }
}

const MOST_NODE_ID: usize = 256;

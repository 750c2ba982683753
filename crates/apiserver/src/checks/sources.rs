//! Sources of volumes of pods and of volumes that are there.

use std::sync::LazyLock;

use super::at::At;
use crate::causes::{Cause, Causes};
use crate::grammar::{label, no_steps_back};

/// A part of a source that must be there.
pub(super) fn needs(at: At<'_>, fields: &[&str], out: &mut Causes) {
    out.extend(fields.iter().filter_map(|field| at.get(field).needed()));
}

/// A Secret that is named, with what else has to be said of it.
pub(super) fn secret(at: At<'_>, fields: &[&str], out: &mut Causes) {
    let secret = at.get("secretRef");
    if secret.is_set() {
        needs(secret, fields, out);
    }
}

pub(super) fn host_path(at: At<'_>, out: &mut Causes) {
    let path = at.get("path");
    if path.is_empty() {
        out.push(path.required(""));
        return;
    }
    out.extend(path.each(no_steps_back(path.text())));
    out.extend(at.get("type").one_of(&[
        "",
        "BlockDevice",
        "CharDevice",
        "Directory",
        "DirectoryOrCreate",
        "File",
        "FileOrCreate",
        "Socket",
    ]));
}

pub(super) fn nfs(at: At<'_>, out: &mut Causes) {
    needs(at, &["server", "path"], out);
    if !at.get("path").text().starts_with('/') {
        out.push(at.get("path").invalid("must be an absolute path"));
    }
}

pub(super) fn flocker(at: At<'_>, out: &mut Causes) {
    let (name, id) = (at.get("datasetName"), at.get("datasetUUID"));
    match (name.is_empty(), id.is_empty()) {
        (true, true) => out.push(at.required("one of datasetName and datasetUUID is required")),
        (false, false) => {
            out.push(at.wrong("resource", "datasetName and datasetUUID can not be specified simultaneously"));
        }
        _ => {}
    }
    if name.text().contains('/') {
        out.push(name.invalid("must not contain '/'"));
    }
}

pub(super) fn quobyte(at: At<'_>, out: &mut Causes) {
    let why = "must be a host:port pair or multiple pairs separated by commas";
    let (registry, tenant) = (at.get("registry"), at.get("tenant"));
    if registry.is_empty() {
        out.push(registry.required(why));
    } else if tenant.text().len() > 64 {
        out.push(tenant.required("must be a UUID and may not exceed a length of 64 characters"));
    } else {
        let good = |pair: &str| {
            pair.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.starts_with('['))
        };
        out.extend(registry.text().split(',').filter(|pair| !good(pair)).map(|_| registry.invalid(why)));
    }
    needs(at, &["volume"], out);
}

pub(super) fn flex(at: At<'_>, out: &mut Causes) {
    needs(at, &["driver"], out);
    for option in at.get("options").entries() {
        let owner = option.name().split_once('/').map_or(option.name(), |(owner, _)| owner);
        let owner = format!(".{}", owner.to_lowercase());
        if owner.ends_with(".kubernetes.io") || owner.ends_with(".k8s.io") {
            out.push(option.wrong(option.name(), "kubernetes.io and k8s.io namespaces are reserved"));
        }
    }
}

pub(super) fn fibre_channel(at: At<'_>, out: &mut Causes) {
    let (targets, ids, lun) = (at.get("targetWWNs"), at.get("wwids"), at.get("lun"));
    match (targets.is_empty(), ids.is_empty()) {
        (true, true) => out.push(targets.required("must specify either targetWWNs or wwids, but not both")),
        (false, false) => {
            out.push(targets.invalid("targetWWNs and wwids can not be specified simultaneously"))
        }
        _ => {}
    }
    if !targets.is_empty() {
        if lun.is_set() {
            out.extend(lun.between(0, 255));
        } else {
            out.push(lun.required("lun is required if targetWWNs is specified"));
        }
    }
}

pub(super) fn azure_disk(at: At<'_>, out: &mut Causes) {
    needs(at, &["diskName", "diskURI"], out);
    out.extend(at.get("cachingMode").one_of(&["None", "ReadOnly", "ReadWrite"]));
    let (kind, address) = (at.get("kind"), at.get("diskURI"));
    out.extend(kind.one_of(&["Dedicated", "Managed", "Shared"]));
    let (start, form) = match kind.text() {
        "Managed" => ("/subscriptions/", MANAGED),
        _ => ("https://", BLOB),
    };
    if kind.is_set() && !address.text().starts_with(start) {
        out.push(Cause::not_supported(address.path(), &address.text().into(), &[form]));
    }
}

/// A volume of StorageOS; `of_secret` is what has to be said of a Secret.
pub(super) fn storage_os(at: At<'_>, of_secret: &[&str], out: &mut Causes) {
    let (volume, namespace) = (at.get("volumeName"), at.get("volumeNamespace"));
    match volume.needed() {
        Some(cause) => out.push(cause),
        None => out.extend(volume.each(label(volume.text()))),
    }
    if !namespace.is_empty() {
        out.extend(namespace.each(label(namespace.text())));
    }
    secret(at, of_secret, out);
}

/// A volume of iSCSI; the name of a persistent volume counts for what is told to the target.
pub(super) fn iscsi(at: At<'_>, volume: Option<&str>, out: &mut Causes) {
    let (portal, name, initiator) = (at.get("targetPortal"), at.get("iqn"), at.get("initiatorName"));
    out.extend(portal.needed());
    if initiator.is_set()
        && let Some(volume) = volume
        && volume.len() + 1 + portal.text().len() > 64
    {
        let why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        out.push(at.with("targetportal", portal.value).invalid(why));
    }
    let form = |name: At<'_>, out: &mut Causes| match is_qualified(name.text()) {
        Some(true) => {}
        None if volume.is_none() => {
            out.push(name.invalid("must be valid format starting with iqn, eui, or naa"))
        }
        _ => out.push(name.invalid("must be valid format")),
    };
    match name.needed() {
        Some(cause) => out.push(cause),
        None => form(name, out),
    }
    out.extend(at.get("lun").between(0, 255));
    let asks = at.get("chapAuthDiscovery").is_true() || at.get("chapAuthSession").is_true();
    if asks && !at.get("secretRef").is_set() {
        out.push(at.get("secretRef").required(""));
    }
    secret(at, &["name"], out);
    if initiator.is_set() {
        form(at.with("initiatorname", initiator.value), out);
    }
}

/// Whether a name of iSCSI has the form of its kind; nothing for no kind.
fn is_qualified(name: &str) -> Option<bool> {
    static NAME: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"iqn\.\d{4}-\d{2}\.([[:alnum:].-]+)(:[^,;*&$|\s]+)$").ok());
    let plain = |length: usize| {
        name.chars().count() == length + 4
            && name.chars().skip(4).all(|letter| letter.is_ascii_alphanumeric())
    };
    match name.get(..3)? {
        "iqn" => Some(NAME.as_ref().is_some_and(|form| form.is_match(name))),
        "eui" => Some(plain(16)),
        "naa" => Some(plain(32)),
        _ => None,
    }
}

const MANAGED: &str =
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";

//! The directories of a source that are a cluster's each.
//!
//! A cluster's directory has Flux Kustomizations in files of its own or of its `flux-system`. A directory that a
//! Kustomization of another one leads to is part of that one.

use std::collections::BTreeMap;

use sealfast_kustomize::files::{is_within, join};
use sealfast_kustomize::manifest;
use sealfast_kustomize::spec::FILE_NAMES;
use sealfast_source::tree::{Entry, Memory};
use serde_json::Value;

use super::origin::is_kustomization;

/// Returns the directories to render one by one: the one that is asked for, or the clusters below it.
pub(super) fn below(tree: &Memory, start: &str) -> Vec<String> {
    let files = manifests(tree);
    if files.contains_key(start) {
        return vec![start.to_owned()];
    }
    let mut led_to: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (directory, contents) in &files {
        // What `flux bootstrap` writes belongs to the directory around it.
        let cluster = directory.strip_suffix("/flux-system").unwrap_or(directory);
        let found = contents.iter().flat_map(|content| paths(content));
        if start.is_empty() || is_within(cluster, start) {
            led_to.entry(cluster).or_default().extend(found);
        }
    }
    led_to.retain(|_, paths| !paths.is_empty());
    let is_part = |directory: &str| {
        led_to.iter().filter(|(other, _)| **other != directory).any(|(other, paths)| {
            let place = join("/", directory);
            is_within(directory, other) || paths.iter().any(|path| is_within(&place, path))
        })
    };
    let clusters: Vec<String> = led_to
        .keys()
        .filter(|directory| !is_part(directory))
        .map(|&directory| directory.to_owned())
        .collect();
    if clusters.is_empty() { vec![start.to_owned()] } else { clusters }
}

/// Returns the contents of the YAML files by the directory that they lie in.
fn manifests(tree: &Memory) -> BTreeMap<&str, Vec<&[u8]>> {
    let mut found: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (path, entry) in &tree.entries {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_manifest = name.ends_with(".yaml") || name.ends_with(".yml") || FILE_NAMES.contains(&name);
        if let (Entry::File { bytes, .. }, true) = (entry, is_manifest) {
            found.entry(directory).or_default().push(bytes);
        }
    }
    found
}

/// Returns where the Kustomizations in a file lead.
fn paths(content: &[u8]) -> Vec<String> {
    // Most files hold none; they need not be read as YAML.
    if !content.windows(GROUP.len()).any(|window| window == GROUP) {
        return Vec::new();
    }
    let documents = manifest::documents(content).unwrap_or_default();
    let found = documents.into_iter().map(|document| document.value).filter(is_kustomization);
    let path =
        |found: Value| join("/", found.pointer("/spec/path").and_then(Value::as_str).unwrap_or_default());
    found.map(path).collect()
}

const GROUP: &[u8] = b"kustomize.toolkit.fluxcd.io/";

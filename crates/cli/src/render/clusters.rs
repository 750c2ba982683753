//! The directories of a source that are a cluster's each.
//!
//! A cluster's directory has Flux Kustomizations in files of its own or of its `flux-system`. A directory that a
//! Kustomization of another one leads to is part of that one.

use std::collections::BTreeMap;

use sealfast_kustomize::files::{base_name, is_within, join};
use sealfast_kustomize::manifest;
use sealfast_kustomize::spec::FILE_NAMES;
use sealfast_source::lookup::Lookup;
use sealfast_source::tree::Kind;
use serde_json::Value;

use super::origin::is_kustomization;

/// Returns the directories to render one by one: the one that is asked for, or the clusters below it.
pub(super) fn below(tree: &dyn Lookup, start: &str) -> Vec<String> {
    if manifests_in(tree, start).next().is_some() {
        return vec![start.to_owned()];
    }
    let mut files = BTreeMap::new();
    read_below(tree, start, &mut files);
    let mut led_to: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (directory, contents) in &files {
        // What `flux bootstrap` writes belongs to the directory around it.
        let cluster = directory.strip_suffix("/flux-system").unwrap_or(directory);
        let found = contents.iter().flat_map(|content| paths(content));
        led_to.entry(cluster).or_default().extend(found);
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

/// Reads the YAML files below a directory, by the directory that they lie in. What cannot be read fails in a build.
fn read_below(tree: &dyn Lookup, directory: &str, found: &mut BTreeMap<String, Vec<Vec<u8>>>) {
    let contents = manifests_in(tree, directory).filter_map(|path| tree.bytes(&path).ok().flatten());
    let contents: Vec<Vec<u8>> = contents.filter(|content| mentions_flux(content)).collect();
    found.insert(directory.to_owned(), contents);
    for path in inside(tree, directory).filter(|path| tree.kind(path) == Some(Kind::Directory)) {
        read_below(tree, &path, found);
    }
}

/// Returns the paths of the YAML files in a directory.
fn manifests_in<'a>(tree: &'a dyn Lookup, directory: &'a str) -> impl Iterator<Item = String> + 'a {
    let is_manifest = move |path: &String| {
        let name = base_name(path);
        let is_named = name.ends_with(".yaml") || name.ends_with(".yml") || FILE_NAMES.contains(&name);
        is_named && matches!(tree.kind(path), Some(Kind::File { .. }))
    };
    inside(tree, directory).filter(is_manifest)
}

/// Returns the paths of what lies in a directory.
fn inside<'a>(tree: &'a dyn Lookup, directory: &'a str) -> impl Iterator<Item = String> + 'a {
    let path = move |name: String| if directory.is_empty() { name } else { format!("{directory}/{name}") };
    tree.names(directory).into_iter().map(path)
}

/// Most files hold no Kustomization; they need not be read as YAML.
fn mentions_flux(content: &[u8]) -> bool {
    content.windows(GROUP.len()).any(|window| window == GROUP)
}

/// Returns where the Kustomizations in a file lead.
fn paths(content: &[u8]) -> Vec<String> {
    let documents = manifest::documents(content).unwrap_or_default();
    let found = documents.into_iter().map(|document| document.value).filter(is_kustomization);
    let path =
        |found: Value| join("/", found.pointer("/spec/path").and_then(Value::as_str).unwrap_or_default());
    found.map(path).collect()
}

const GROUP: &[u8] = b"kustomize.toolkit.fluxcd.io/";

//! Which sources are the repository that is rendered.
//!
//! A Kustomization of another source cannot be followed: a directory of the same name here would be somebody else's.
//! A source is this repository when its address is that of one of the work tree's remotes, when it is called as
//! `flux bootstrap` calls it, or when the Kustomization of the rendered directory itself uses it.

use std::collections::BTreeSet;
use std::path::Path;

use sealfast_k8s::object;
use sealfast_kustomize::files::join;
use serde_json::Value;

/// The name that `flux bootstrap` gives to the source and the Kustomization of a cluster.
const BOOTSTRAP: &str = "flux-system";

/// The sources that are known to be this repository, and where it came from.
#[derive(Default)]
pub(super) struct Own {
    remotes: Vec<String>,
    /// Kind, namespace and name.
    named: BTreeSet<[String; 3]>,
}

impl Own {
    /// Learns from the objects of the directory that is rendered first.
    pub(super) fn of(root: &Path, start: &str, objects: &[Value]) -> Self {
        let config = std::fs::read_to_string(root.join(".git/config")).unwrap_or_default();
        let mut own = Self { remotes: remotes(&config), named: BTreeSet::new() };
        let all: Vec<&Value> = objects.iter().filter(|found| is_kustomization(found)).collect();
        let leads_here = |found: &&&Value| join("/", text(found, "/spec/path")) == join("/", start);
        own.named.extend(all.iter().filter(leads_here).map(|found| source(found)));
        let used: BTreeSet<[String; 3]> = all.iter().map(|found| source(found)).collect();
        let is_told_apart =
            used.iter().any(|source| own.is_here(source, objects).is_ok() || find(source, objects).is_some());
        if let (1, false) = (used.len(), is_told_apart) {
            own.named.extend(used);
        }
        own
    }

    /// Whether a source is this repository; else says what it is.
    pub(super) fn is_here<'a>(
        &self,
        source: &[String; 3],
        objects: impl IntoIterator<Item = &'a Value>,
    ) -> Result<(), String> {
        let [kind, namespace, name] = source;
        if name == BOOTSTRAP || self.named.contains(source) {
            return Ok(());
        }
        let shown = format!("its source is {kind} {namespace}/{name}");
        let Some(found) = find(source, objects) else {
            return Err(format!("{shown}, of which nothing says that it is this repository"));
        };
        let address = text(found, "/spec/url");
        if kind == "GitRepository" && self.remotes.contains(&plain(address)) {
            return Ok(());
        }
        Err(format!("{shown}, another one than this repository: {}", plain(address)))
    }
}

/// Returns what a source leaves out of its artifact, besides what `.sourceignore` files say.
pub(super) fn ignored<'a>(source: &[String; 3], objects: impl IntoIterator<Item = &'a Value>) -> String {
    find(source, objects).map_or_else(String::new, |found| text(found, "/spec/ignore").to_owned())
}

/// Whether an object is a Kustomization of Flux.
pub(super) fn is_kustomization(found: &Value) -> bool {
    let gvk = object::gvk(found);
    gvk.kind == "Kustomization" && gvk.group == "kustomize.toolkit.fluxcd.io"
}

/// Returns kind, namespace and name of the source of a Kustomization.
pub(super) fn source(found: &Value) -> [String; 3] {
    let reference = |field: &str| text(found, &format!("/spec/sourceRef/{field}")).to_owned();
    let namespace = reference("namespace");
    let own = object::namespace(found).to_owned();
    [reference("kind"), if namespace.is_empty() { own } else { namespace }, reference("name")]
}

fn find<'a>(source: &[String; 3], objects: impl IntoIterator<Item = &'a Value>) -> Option<&'a Value> {
    let [kind, namespace, name] = source;
    objects.into_iter().find(|found| {
        object::kind(found) == kind && object::name(found) == name && object::namespace(found) == namespace
    })
}

fn text<'a>(found: &'a Value, place: &str) -> &'a str {
    found.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the addresses of the remotes that a Git configuration names.
fn remotes(config: &str) -> Vec<String> {
    let mut is_remote = false;
    let mut found = Vec::new();
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            is_remote = line.starts_with("[remote ");
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_remote)
            && key.trim() == "url"
        {
            found.push(plain(value.trim()));
        }
    }
    found
}

/// Returns host and path of an address, without what differs between ways to the same repository.
fn plain(address: &str) -> String {
    let (host, path) = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None => address.split_once(':').unwrap_or((address, "")),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host).to_lowercase();
    let path = path.trim_matches('/');
    format!("{host}/{}", path.strip_suffix(".git").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::{plain, remotes};

    #[test]
    fn ways_to_one_repository_are_one_address() {
        for address in [
            "https://git.example.com/org/fleet",
            "https://me:secret@Git.example.com/org/fleet.git/",
            "ssh://git@git.example.com:22/org/fleet.git",
            "git@git.example.com:org/fleet.git",
        ] {
            assert_eq!(plain(address), "git.example.com/org/fleet", "{address}");
        }
    }

    #[test]
    fn remotes_are_read_from_the_configuration() {
        let config = "[core]\n\turl = https://no.example.com/a\n[remote \"origin\"]\n\turl = git@git.example.com:org/fleet.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n";
        assert_eq!(remotes(config), ["git.example.com/org/fleet"]);
    }
}

//! References by name, repaired after names and namespaces have changed.
//!
//! Follows: the name reference transformer of kustomize 5.8.1. Candidates are found by their
//! former names, so the cost grows with the references, not with the objects.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use serde_json::Value;

use crate::config::Config;
use crate::error::Error;
use crate::field::{FieldSpec, Leaf};
use crate::id::{Gvk, Id};
use crate::manifest;
use crate::resource::{Former, Resource, text};
use crate::resources::Resources;
use crate::written::Notes;

/// Repairs all references.
///
/// # Errors
/// When a reference could mean several objects, or is not what the rule says.
pub fn run(resources: &mut Resources, config: &Config) -> Result<(), Error> {
    let rules = config.references_by_kind();
    let index = Index::new(resources.items());
    let spaces = Spaces::new(resources.items());
    resources.items().iter().try_for_each(check_subjects)?;
    for at in 0..resources.items().len() {
        resources.clock().check()?;
        let any = rules.get("").into_iter().flatten();
        let of_kind = rules.get(resources.items()[at].original_gvk().kind);
        let mut own: Vec<_> = of_kind.into_iter().flatten().chain(any).collect();
        if own.is_empty() {
            continue;
        }
        own.sort_by_key(|(position, ..)| *position);
        let referrer = Referrer::new(&resources.items()[at]);
        for (_, to, spec) in own {
            if !referrer.original_gvk.is_selected_by(&spec.gvk) {
                continue;
            }
            let search = Search { index: &index, spaces: &spaces, referrer: &referrer, to, path: &spec.path };
            repair(resources.at_mut(at), spec, &search)?;
        }
    }
    Ok(())
}

/// Refuses role bindings with a service account whose namespace is there but no text.
fn check_subjects(item: &Resource) -> Result<(), Error> {
    if item.kind() != "RoleBinding"
        || !text(&item.value, "apiVersion").starts_with("rbac.authorization.k8s.io/")
    {
        return Ok(());
    }
    let subjects = item.value.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let mut accounts = subjects.filter(|subject| text(subject, "kind") == "ServiceAccount");
    if accounts.any(|account| account.get("namespace").is_some_and(|namespace| !namespace.is_string())) {
        return Err(Error::Transform(format!(
            "Invalid Input: namespace is blank for resource \"{}\"",
            item.id()
        )));
    }
    Ok(())
}

fn repair(resource: &mut Resource, spec: &FieldSpec, search: &Search<'_>) -> Result<(), Error> {
    spec.visit_any(resource, Leaf::Found, &mut |value| search.set(value)).map_err(|error| {
        error.within(format!("updating name reference in '{}' field of '{}'", spec.path, search.referrer.id))
    })
}

/// What the search needs of an object that may be referred to.
struct Candidate {
    /// Position in the list.
    at: usize,
    id: Id,
    /// The kinds that it had, with group and version of today.
    former: Vec<Gvk>,
    original_namespace: String,
    namespace: String,
    is_cluster_scoped: bool,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// All renamed objects by their former names.
struct Index {
    candidates: Vec<Candidate>,
    by_name: HashMap<String, Vec<usize>, RandomState>,
    /// By former name and present namespace that counts.
    by_namespace: HashMap<(String, String), Vec<usize>, RandomState>,
    /// Former names of cluster-scoped objects and service accounts, which are seen from anywhere.
    everywhere: HashMap<String, Vec<usize>, RandomState>,
}

impl Index {
    fn new(items: &[Resource]) -> Self {
        let mut index = Self {
            candidates: Vec::new(),
            by_name: HashMap::default(),
            by_namespace: HashMap::default(),
            everywhere: HashMap::default(),
        };
        for (at, item) in items.iter().enumerate() {
            if !item.former.is_empty() && !item.is_gone() {
                index.add(at, item);
            }
        }
        index
    }

    fn add(&mut self, at: usize, item: &Resource) {
        let id = item.id();
        let gvk = |former: &Former| Gvk { kind: former.kind.clone(), ..id.gvk.clone() };
        let mut former: Vec<Gvk> = Vec::new();
        for next in &item.former {
            if former.iter().all(|known| known.kind != next.kind) {
                former.push(gvk(next));
            }
        }
        let position = self.candidates.len();
        let mut names: Vec<&String> = item.former.iter().map(|former| &former.name).collect();
        names.sort();
        names.dedup();
        let is_cluster_scoped = item.is_clusterwide();
        let namespace = item.effective_namespace().to_owned();
        for name in names {
            self.by_name.entry(name.clone()).or_default().push(position);
            self.by_namespace.entry((name.clone(), namespace.clone())).or_default().push(position);
            if is_cluster_scoped || id.gvk.kind == "ServiceAccount" {
                self.everywhere.entry(name.clone()).or_default().push(position);
            }
        }
        self.candidates.push(Candidate {
            at,
            original_namespace: item.original_effective_namespace().to_owned(),
            namespace,
            is_cluster_scoped,
            prefixes: item.prefixes.clone(),
            suffixes: item.suffixes.clone(),
            id,
            former,
        });
    }
}

/// In which namespaces objects are now, by the namespace that they came with.
struct Spaces(HashMap<String, HashSet<String>>);

impl Spaces {
    fn new(items: &[Resource]) -> Self {
        let mut spaces: HashMap<String, HashSet<String>> = HashMap::new();
        for item in items.iter().filter(|item| !item.is_gone()) {
            let now = item.namespace();
            let original = item.original_effective_namespace();
            match spaces.get_mut(original) {
                Some(found) if found.contains(now) => {}
                Some(found) => _ = found.insert(now.to_owned()),
                None => _ = spaces.insert(original.to_owned(), HashSet::from([now.to_owned()])),
            }
        }
        Self(spaces)
    }

    /// Whether an object that a referrer sees came with a namespace.
    fn has_any(&self, original: &str, referrer: &Referrer) -> bool {
        let found = self.0.get(original);
        found.is_some_and(|now| referrer.is_cluster_scoped || now.iter().any(|now| referrer.sees(now)))
    }
}

/// What the search needs of the object that refers.
struct Referrer {
    id: Id,
    original_gvk: Gvk,
    namespace: String,
    is_cluster_scoped: bool,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    /// Group and kind of the `roleRef`.
    role: Option<Gvk>,
    /// Namespaces of the service accounts among the subjects of a role binding.
    subject_namespaces: Vec<String>,
    /// How its scalars were written.
    written: Notes,
}

impl Referrer {
    fn new(item: &Resource) -> Self {
        let id = item.id();
        let role = item.value.get("roleRef").and_then(|role| {
            let part = |name: &str| role.get(name).and_then(Value::as_str);
            Some(Gvk {
                group: part("apiGroup")?.to_owned(),
                version: String::new(),
                kind: part("kind")?.to_owned(),
            })
        });
        let mut subject_namespaces = Vec::new();
        if id.gvk.kind == "RoleBinding" {
            let subjects = item.value.get("subjects").and_then(Value::as_array).into_iter().flatten();
            let accounts = subjects.filter(|subject| text(subject, "kind") == "ServiceAccount");
            let named = accounts.filter_map(|subject| subject.get("namespace").and_then(Value::as_str));
            subject_namespaces.extend(named.map(str::to_owned));
        }
        Self {
            original_gvk: item.original_gvk().to_gvk(),
            namespace: item.effective_namespace().to_owned(),
            is_cluster_scoped: item.is_clusterwide(),
            prefixes: item.prefixes.clone(),
            suffixes: item.suffixes.clone(),
            role,
            subject_namespaces,
            written: item.written.clone(),
            id,
        }
    }

    /// Whether it can refer to what is in a namespace, as that is written there.
    fn sees(&self, namespace: &str) -> bool {
        let effective = if namespace.is_empty() { "default" } else { namespace };
        effective == self.namespace || self.subject_namespaces.iter().any(|own| own == namespace)
    }
}

struct Search<'a> {
    index: &'a Index,
    spaces: &'a Spaces,
    referrer: &'a Referrer,
    to: &'a Gvk,
    path: &'a str,
}

impl Search<'_> {
    fn set(&self, value: &mut Value) -> Result<(), Error> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) => items.iter_mut().try_for_each(|item| match item {
                Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => self.set(item),
                _ => Ok(()),
            }),
            Value::Object(_) => self.set_mapping(value),
            scalar => self.set_scalar(scalar),
        }
    }

    fn set_scalar(&self, value: &mut Value) -> Result<(), Error> {
        let Some(old) = crate::resource::scalar_text(value) else { return Ok(()) };
        let Some(found) = self.find(&old, None)? else { return Ok(()) };
        if found.id.name != old {
            let name = found.id.name.as_str();
            *value = match manifest::plain(name) {
                other if value.is_string() && self.had_quotes(&old, &other) => Value::String(name.to_owned()),
                other => other,
            };
        }
        Ok(())
    }

    /// Whether a reference had quotes, where it matters: those around a name that is no text by its letters stay.
    fn had_quotes(&self, old: &str, new: &Value) -> bool {
        let key = self.path.rsplit('/').next().unwrap_or_default();
        new.is_string() || self.referrer.written.had_quotes(key, old)
    }

    fn set_mapping(&self, value: &mut Value) -> Result<(), Error> {
        let Value::Object(map) = value else { return Ok(()) };
        let Some(name) = map.get("name") else {
            return Err(Error::Transform("path config error; no 'name' field in node".to_owned()));
        };
        let old = crate::resource::scalar_text(name).unwrap_or_default();
        let namespace =
            map.get("namespace").map(|namespace| namespace.as_str().unwrap_or_default().to_owned());
        let Some(found) = self.find(&old, Some(namespace.as_deref()))? else { return Ok(()) };
        let (name, namespace) = (found.id.name.clone(), found.id.namespace.clone());
        if name == old && namespace.is_empty() {
            return Ok(());
        }
        map.insert("name".to_owned(), Value::String(name));
        if !namespace.is_empty() {
            map.insert("namespace".to_owned(), Value::String(namespace));
        }
        Ok(())
    }

    /// Returns the candidates that have had the name and can be seen from the referrer.
    fn visible(&self, old: &str) -> Vec<&Candidate> {
        let index = self.index;
        let referrer = self.referrer;
        let mut positions: Vec<usize> = Vec::new();
        if referrer.is_cluster_scoped {
            positions.extend(index.by_name.get(old).into_iter().flatten());
        } else {
            let key = (old.to_owned(), referrer.namespace.clone());
            positions.extend(index.by_namespace.get(&key).into_iter().flatten());
            positions.extend(index.everywhere.get(old).into_iter().flatten());
            positions.sort_unstable();
            positions.dedup();
        }
        let is_seen = |candidate: &&Candidate| {
            referrer.is_cluster_scoped
                || candidate.is_cluster_scoped
                || referrer.sees(&candidate.id.namespace)
        };
        positions.into_iter().map(|at| &index.candidates[at]).filter(is_seen).collect()
    }

    /// Returns the object that a name refers to. A mapping may have said in which namespace.
    fn find(&self, old: &str, mapping: Option<Option<&str>>) -> Result<Option<&Candidate>, Error> {
        let mut found = self.visible(old);
        if let Some(Some(namespace)) = mapping {
            // Where any object came with the namespace, those that are in it now do not count.
            let is_original = self.spaces.has_any(namespace, self.referrer);
            found.retain(|candidate| {
                let own = if is_original { &candidate.original_namespace } else { &candidate.namespace };
                own == namespace
            });
        }
        found.retain(|candidate| candidate.former.iter().any(|gvk| gvk.is_selected_by(self.to)));
        if self.path.ends_with("roleRef/name")
            && let Some(role) = &self.referrer.role
        {
            found.retain(|candidate| candidate.former.iter().any(|gvk| gvk.is_selected_by(role)));
        }
        if found.len() <= 1 {
            return Ok(found.pop());
        }
        found.retain(|candidate| self.is_akin(candidate, Empty::Fits));
        if found.len() > 1 {
            found.retain(|candidate| self.is_akin(candidate, Empty::IsItself));
        }
        let Some(first) = found.first() else { return Ok(None) };
        let is_one = found.iter().all(|candidate| {
            candidate.id.name == first.id.name
                && (mapping.is_none() || candidate.id.namespace == first.id.namespace)
        });
        if found.len() == 1 || is_one {
            return Ok(Some(first));
        }
        found.sort_by_key(|candidate| candidate.at);
        let ids: Vec<String> = found.iter().map(|candidate| candidate.id.to_string()).collect();
        Err(Error::Transform(format!("found multiple possible referrals: {}", ids.join(", "))))
    }

    fn is_akin(&self, candidate: &Candidate, empty: Empty) -> bool {
        ends_alike(&self.referrer.prefixes, &candidate.prefixes, empty)
            && ends_alike(&self.referrer.suffixes, &candidate.suffixes, empty)
    }
}

/// What a list without entries is compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    /// It goes with every other.
    Fits,
    /// It goes with another one without entries.
    IsItself,
}

/// Whether the shorter list is the end of the longer one.
fn ends_alike(a: &[String], b: &[String], empty: Empty) -> bool {
    if a.is_empty() || b.is_empty() {
        return empty == Empty::Fits || a.len() == b.len();
    }
    let shorter = a.len().min(b.len());
    a[a.len() - shorter..] == b[b.len() - shorter..]
}

//! The order in which Kustomizations are rendered.
//!
//! One waits for those it depends on, and for the ConfigMaps and Secrets that its variables come from. What never comes
//! is waited for until nothing else moves; a circle never ends.

use std::collections::{BTreeMap, HashSet};

use sealfast_k8s::object;
use serde_json::Value;

/// How many Kustomizations are followed from one directory.
pub(super) const MOST: usize = 2_000;

/// What became of a Kustomization.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Rendered,
    Failed,
    NotFollowed,
}

/// The Kustomizations of one cluster.
#[derive(Default)]
pub(super) struct Order {
    waiting: Vec<Value>,
    /// Every one that was found; none while it waits.
    outcomes: BTreeMap<String, Option<Outcome>>,
    /// ConfigMaps and Secrets that are there, by kind and id.
    sources: HashSet<(String, String)>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Everything.
    All,
    /// Variables, and Kustomizations that were found.
    Known,
    /// Kustomizations that were found.
    Order,
}

impl Order {
    /// Takes the objects that the cluster has now, and the Kustomizations among them.
    ///
    /// # Errors
    /// The first Kustomization that is too much.
    pub(super) fn take(&mut self, objects: &[Value]) -> Result<(), String> {
        for found in objects {
            if matches!(object::kind(found), "ConfigMap" | "Secret") {
                self.sources.insert((object::kind(found).to_owned(), id(found)));
            }
            if !super::origin::is_kustomization(found) || self.outcomes.contains_key(&id(found)) {
                continue;
            }
            if self.outcomes.len() == MOST {
                return Err(id(found));
            }
            self.outcomes.insert(id(found), None);
            self.waiting.push(found.clone());
        }
        Ok(())
    }

    /// Takes out the next one; none when the rest wait for each other.
    pub(super) fn next(&mut self) -> Option<Value> {
        let tries = [Waits::All, Waits::Known, Waits::Order];
        let at = tries.into_iter().find_map(|waits| self.ready(waits))?;
        Some(self.waiting.remove(at))
    }

    fn ready(&self, waits: Waits) -> Option<usize> {
        self.waiting.iter().position(|one| {
            let is_done = |other: &String| match self.outcomes.get(other) {
                Some(outcome) => outcome.is_some(),
                None => waits != Waits::All,
            };
            let is_there = |source: &(String, String)| self.sources.contains(source);
            dependencies(one).all(|other| is_done(&other))
                && (waits == Waits::Order || sources(one).all(|source| is_there(&source)))
        })
    }

    /// Notes what became of one.
    pub(super) fn done(&mut self, name: &str, outcome: Outcome) {
        self.outcomes.insert(name.to_owned(), Some(outcome));
    }

    /// Those that wait for each other.
    pub(super) fn left(&self) -> impl Iterator<Item = String> {
        self.waiting.iter().map(id)
    }

    /// Says why a cluster may never apply one, though it is rendered.
    pub(super) fn doubts(&self, found: &Value) -> Vec<String> {
        let doubt = |other: String| {
            let why = match self.outcomes.get(&other) {
                Some(Some(Outcome::Rendered)) => return None,
                Some(Some(Outcome::Failed)) => "which failed",
                Some(_) => "which is not followed",
                None => "which is not among what was rendered",
            };
            Some(format!("it depends on Kustomization {other}, {why}"))
        };
        dependencies(found).filter_map(doubt).collect()
    }
}

/// Namespace and name.
pub(super) fn id(found: &Value) -> String {
    format!("{}/{}", object::namespace(found), object::name(found))
}

/// The Kustomizations that one depends on.
fn dependencies(found: &Value) -> impl Iterator<Item = String> {
    let own = object::namespace(found);
    listed(found, "/spec/dependsOn").map(move |other| {
        let namespace = Some(text(other, "namespace")).filter(|given| !given.is_empty());
        format!("{}/{}", namespace.unwrap_or(own), text(other, "name"))
    })
}

/// The objects that its variables come from, by kind and id.
fn sources(found: &Value) -> impl Iterator<Item = (String, String)> {
    let own = object::namespace(found);
    listed(found, "/spec/postBuild/substituteFrom")
        .map(move |source| (text(source, "kind").to_owned(), format!("{own}/{}", text(source, "name"))))
}

fn listed<'a>(found: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    found.pointer(place).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

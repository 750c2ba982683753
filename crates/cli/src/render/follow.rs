//! From one directory to all objects, from one Kustomization to the next.
//!
//! A Kustomization waits for those it depends on, and for the ConfigMaps and Secrets that its variables come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use sealfast_controllers::gates::Gates;
use sealfast_controllers::kustomization::apply;
use sealfast_controllers::kustomization::gather::{self, Fetched, Gathered};
use sealfast_controllers::kustomization::opener::Opener;
use sealfast_controllers::kustomization::render::{Rules, lay_out, render};
use sealfast_controllers::kustomization::unpacked::Room;
use sealfast_controllers::kustomization::witness::Witness;
use sealfast_controllers::options::SopsMac;
use sealfast_controllers::report;
use sealfast_k8s::flux::kustomization::{Kustomization, PostBuild};
use sealfast_k8s::object;
use sealfast_kustomize::files::join;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::keys;
use super::origin::{Own, is_kustomization, source};
use super::repository::Repository;
use crate::diagnostic::Failure;

/// How many Kustomizations are followed from one directory.
const MOST: usize = 2_000;

/// Whether Flux Kustomizations are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Yes,
    No,
}

/// What one directory or Kustomization gave.
pub(super) struct Part {
    /// Where it comes from, for people.
    pub(super) origin: String,
    /// Its objects, in order.
    pub(super) objects: Vec<Value>,
}

/// All that was rendered.
#[derive(Default)]
pub(super) struct Rendered {
    /// In the order in which a cluster would apply them.
    pub(super) parts: Vec<Part>,
    /// What could not be followed, with reasons.
    pub(super) not_followed: Vec<String>,
    /// What failed on the way; the rest was rendered all the same.
    pub(super) failures: Vec<Failure>,
    /// What was decrypted.
    pub(super) witness: Arc<Mutex<Witness>>,
    /// Where the parts of the present cluster begin: another one's objects are not there for it.
    cluster: usize,
    /// Whether a Kustomization gave the objects of the present cluster's own directory.
    start_is_followed: bool,
}

impl Rendered {
    /// Returns an object that was rendered already, or comes with none of it.
    fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects().rev().find(|found| {
            object::kind(found) == kind
                && object::namespace(found) == namespace
                && object::name(found) == name
        })
    }

    /// Returns the objects of the present cluster so far.
    fn objects(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.parts[self.cluster..].iter().flat_map(|part| &part.objects)
    }

    /// Takes what a Kustomization gave. One that leads to where the cluster began gives the same objects, once more,
    /// as the cluster gets them: they take the place of the first ones.
    fn take(&mut self, name: &str, path: &str, start: &str, objects: Vec<Value>) {
        if path == start && !self.start_is_followed {
            self.start_is_followed = true;
            let first = &mut self.parts[self.cluster];
            first.origin.push_str(&format!(", Kustomization {name}"));
            first.objects = objects;
        } else {
            self.parts.push(Part { origin: format!("Kustomization {name}, ./{path}"), objects });
        }
    }
}

/// Renders a directory and what it leads to.
pub(super) async fn directory(
    repository: &Repository,
    start: &str,
    identities: &[PathBuf],
    gates: &Gates,
    follow: Follow,
    rendered: &mut Rendered,
) -> Result<(), Failure> {
    rendered.cluster = rendered.parts.len();
    rendered.start_is_followed = false;
    let typed = Kustomization {
        spec: serde_json::from_value(json!({ "decryption": { "provider": "sops" } })).unwrap_or_default(),
        ..Kustomization::default()
    };
    let mut trip = Trip { repository, identities, gates, start, own: Own::default() };
    let shown = if start.is_empty() { "." } else { start };
    let objects = trip.render(&typed, &json!({}), start, None, rendered).await?;
    trip.own = Own::of(Path::new(&repository.root), start, &objects);
    let mut waiting = kustomizations(&objects);
    rendered.parts.push(Part { origin: format!("./{}", shown.trim_start_matches("./")), objects });
    if follow == Follow::No {
        return Ok(());
    }
    let mut seen: BTreeSet<String> = waiting.iter().map(id).collect();
    let mut done: BTreeSet<String> = BTreeSet::new();
    while let Some(at) = next(&waiting, &seen, &done) {
        let next = waiting.remove(at);
        let name = id(&next);
        let found = trip.follow(&next, rendered).await;
        done.insert(name);
        for more in found {
            if seen.len() < MOST && seen.insert(id(&more)) {
                waiting.push(more);
            }
        }
    }
    for left in &waiting {
        rendered.not_followed.push(format!("Kustomization {}: its dependsOn leads in a circle", id(left)));
    }
    Ok(())
}

/// The first whose dependencies are done; one that nobody has seen cannot be waited for.
fn next(waiting: &[Value], seen: &BTreeSet<String>, done: &BTreeSet<String>) -> Option<usize> {
    waiting.iter().position(|one| {
        let namespace = object::namespace(one);
        let wanted = one.pointer("/spec/dependsOn").and_then(Value::as_array).into_iter().flatten();
        wanted
            .map(|other| {
                let text = |field: &str| other.get(field).and_then(Value::as_str);
                format!("{}/{}", text("namespace").unwrap_or(namespace), text("name").unwrap_or_default())
            })
            .all(|other| done.contains(&other) || !seen.contains(&other))
    })
}

fn kustomizations(objects: &[Value]) -> Vec<Value> {
    objects.iter().filter(|found| is_kustomization(found)).cloned().collect()
}

fn id(found: &Value) -> String {
    format!("{}/{}", object::namespace(found), object::name(found))
}

struct Trip<'a> {
    repository: &'a Repository,
    identities: &'a [PathBuf],
    gates: &'a Gates,
    /// Where the cluster begins.
    start: &'a str,
    own: Own,
}

/// Variables, as the stage that substitutes takes them.
type Variables = Result<BTreeMap<String, String>, String>;

impl Trip<'_> {
    /// Follows one Kustomization; returns those that it leads to.
    async fn follow(&self, found: &Value, rendered: &mut Rendered) -> Vec<Value> {
        let name = id(found);
        let typed: Kustomization = match serde_json::from_value(found.clone()) {
            Ok(typed) => typed,
            Err(error) => {
                rendered
                    .not_followed
                    .push(format!("Kustomization {name}: its fields have other types: {error}"));
                return Vec::new();
            }
        };
        let path = join("/", &typed.spec.path);
        let path = path.trim_start_matches('/');
        if typed.spec.suspend {
            rendered.not_followed.push(format!("Kustomization {name}: it is suspended"));
            return Vec::new();
        }
        let is_here = self.own.is_here(&source(found), rendered.objects());
        if let Err(why) = is_here {
            rendered.not_followed.push(format!("Kustomization {name}: {why}"));
            return Vec::new();
        }
        if !self.repository.has_directory(path) {
            rendered
                .not_followed
                .push(format!("Kustomization {name}: `{path}` is no directory of this source"));
            return Vec::new();
        }
        let variables = typed
            .spec
            .post_build
            .as_ref()
            .map(|post_build| variables(post_build, object::namespace(found), rendered));
        let spec = found.get("spec").cloned().unwrap_or_default();
        match self.render(&typed, &spec, path, variables, rendered).await {
            Ok(objects) => {
                let further = kustomizations(&objects);
                rendered.take(&name, path, self.start, objects);
                further
            }
            Err(failure) => {
                rendered.failures.push(failure.within(format!("failed to render Kustomization {name}")));
                Vec::new()
            }
        }
    }

    /// Builds, opens and substitutes as the controller does.
    async fn render(
        &self,
        typed: &Kustomization,
        spec: &Value,
        path: &str,
        variables: Option<Variables>,
        rendered: &Rendered,
    ) -> Result<Vec<Value>, Failure> {
        let opener = match &typed.spec.decryption {
            Some(_) => {
                let opener = Opener::new(keys::keyring(self.identities)?, None);
                Some(opener.watched(Arc::clone(&rendered.witness)))
            }
            None => None,
        };
        let root = &self.repository.root;
        let fetched = Fetched {
            tree: Arc::clone(&self.repository.tree),
            room: Room::default(),
            root: root.clone(),
            path: join(root, &format!("./{path}")),
        };
        let builds = Semaphore::new(1);
        let laid_out = lay_out(fetched, spec, &builds).await.map_err(shown)?;
        let gathered = Gathered { laid_out, opener, variables };
        let rules = Rules::under(self.gates, SopsMac::Enforce, &builds);
        // Boxed: the clients of the key services make a deep future, too deep for the compiler to lay out.
        let work: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(render(gathered, typed, &rules));
        let built = work.await.map_err(shown)?;
        let mut objects = built.objects;
        for built in &mut objects {
            apply::refuse_encrypted(built, typed.spec.decryption.is_some()).map_err(shown)?;
            if let Some(common) = &typed.spec.common_metadata {
                apply::add_common(built, common);
            }
        }
        Ok(objects)
    }
}

fn shown(failure: report::Failure) -> Failure {
    let shown = Failure::new(failure.message);
    match failure.hint {
        Some(hint) => shown.hint(hint),
        None => shown,
    }
}

/// Gathers variables from what was rendered so far. Those of Secrets are secrets.
fn variables(post_build: &PostBuild, namespace: &str, rendered: &Rendered) -> Variables {
    let mut variables = BTreeMap::new();
    for reference in &post_build.substitute_from {
        let (kind, name) = (&reference.kind, &reference.name);
        let Some(found) = rendered.find(kind, namespace, name) else {
            if reference.optional {
                continue;
            }
            return Err(format!(
                "substitute from '{kind}/{name}' error: it is not among the objects that were rendered before"
            ));
        };
        for field in ["data", "stringData"] {
            for (key, value) in found.get(field).and_then(Value::as_object).into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                let text = if kind == "Secret" && field == "data" { decoded(text) } else { text.to_owned() };
                let text = text.replace('\n', "");
                if kind == "Secret" {
                    rendered.witness.lock().add(&text);
                }
                variables.insert(key.clone(), text);
            }
        }
    }
    variables.extend(gather::inline(post_build));
    Ok(variables)
}

fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text.replace(['\n', '\r'], "")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

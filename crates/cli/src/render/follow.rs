//! From one directory to all objects, from one Kustomization to the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use sealfast_controllers::fair::Fair;
use sealfast_controllers::gates::Gates;
use sealfast_controllers::kustomization::apply;
use sealfast_controllers::kustomization::gather::{self, Fetched, Gathered};
use sealfast_controllers::kustomization::opener::Opener;
use sealfast_controllers::kustomization::render::{Rendered as Built, Rules, lay_out, render};
use sealfast_controllers::kustomization::report::{self, Hint};
use sealfast_controllers::kustomization::room::Room;
use sealfast_controllers::kustomization::witness::Witness;
use sealfast_controllers::options::SopsMac;
use sealfast_k8s::flux::kustomization::{Kustomization, PostBuild};
use sealfast_k8s::object;
use sealfast_kustomize::files::join;
use serde_json::{Value, json};

use super::keys;
use super::order::{MOST, Order, Outcome, id};
use super::origin::{Own, ignored, is_kustomization, source};
use super::repository::Repository;
use crate::diagnostic::Failure;

/// Whether Flux Kustomizations are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Yes,
    No,
}

/// Why a Kustomization is not followed.
enum Left {
    /// It is not meant to be, or not from here.
    Meant(String),
    /// It cannot be: a cluster would fail, too.
    Mistaken(String),
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
    /// Whether some of that is a mistake in what was to be rendered.
    pub(super) lacks_something: bool,
    /// What a cluster would do otherwise.
    pub(super) notes: Vec<String>,
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

    /// Names the charts of the present cluster, whose objects are not among what was rendered.
    fn name_charts(&mut self) {
        let charts: Vec<String> = self.objects().filter(|found| is_chart(found)).map(id).collect();
        let shown = charts.iter().take(MOST_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match charts.len() {
            0 => {}
            1..=MOST_SHOWN => self.not_followed.push(format!("HelmRelease {shown}: {CHARTS}")),
            more => {
                let others = more - MOST_SHOWN;
                self.not_followed.push(format!("HelmRelease {shown} and {others} others: {CHARTS}"));
            }
        }
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

/// As many charts are named.
const MOST_SHOWN: usize = 5;

const CHARTS: &str = "charts are not rendered here";

fn is_chart(found: &Value) -> bool {
    let gvk = object::gvk(found);
    gvk.kind == "HelmRelease" && gvk.group == "helm.toolkit.fluxcd.io"
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
    let mut trip = Trip { repository: repository.clone(), identities, gates, own: Own::default() };
    if !repository.has_directory(start) {
        return Err(Failure::new(format!("`{start}` is left out of the source, as `.sourceignore` says")));
    }
    let shown = if start.is_empty() { "." } else { start };
    let mut built = trip.render(&typed, &json!({}), repository, start, None, rendered).await?;
    let ignored = ignored_around(start, &built.objects);
    if !ignored.is_empty() {
        trip.repository = repository.without(&ignored)?;
        built = trip.render(&typed, &json!({}), &trip.repository, start, None, rendered).await?;
    }
    let Built { objects, warnings, .. } = built;
    rendered.notes.extend(warnings);
    trip.own = Own::of(Path::new(&repository.root), start, &objects);
    let mut order = Order::default();
    let mut is_too_much = order.take(&objects);
    rendered.parts.push(Part { origin: format!("./{}", shown.trim_start_matches("./")), objects });
    if follow == Follow::No {
        return Ok(());
    }
    while let Some(next) = order.next() {
        let (name, doubts) = (id(&next), order.doubts(&next));
        let (outcome, objects) = trip.follow(&next, rendered).await;
        order.done(&name, outcome);
        if outcome == Outcome::Rendered {
            let note = |doubt| format!("Kustomization {name}: {doubt}: a cluster may never apply it");
            rendered.notes.extend(doubts.into_iter().map(note));
            let taken = order.take(&objects);
            rendered.take(&name, &join("/", text(&next, "/spec/path"))[1..], start, objects);
            is_too_much = is_too_much.and(taken);
        }
    }
    for left in order.left() {
        rendered.not_followed.push(format!("Kustomization {left}: its dependsOn leads in a circle"));
        rendered.lacks_something = true;
    }
    rendered.name_charts();
    if let Err(first) = is_too_much {
        let what = format!(
            "more than {MOST} Kustomizations lead from one to another: Kustomization {first} and others were not followed"
        );
        rendered
            .failures
            .push(Failure::new(what).hint("render the directories that they lead to one by one"));
    }
    Ok(())
}

/// What the source leaves out that the Kustomization of a cluster's own directory uses.
fn ignored_around(start: &str, objects: &[Value]) -> String {
    let mut own = objects.iter().filter(|found| is_kustomization(found));
    let own = own.find(|found| join("/", text(found, "/spec/path")) == join("/", start));
    own.map(|found| ignored(&source(found), objects)).unwrap_or_default()
}

fn text<'a>(found: &'a Value, place: &str) -> &'a str {
    found.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

struct Trip<'a> {
    repository: Repository,
    identities: &'a [PathBuf],
    gates: &'a Gates,
    own: Own,
}

/// Variables, as the stage that substitutes takes them.
type Variables = Result<BTreeMap<String, String>, String>;

impl Trip<'_> {
    /// Follows one Kustomization; returns its objects.
    async fn follow(&self, found: &Value, rendered: &mut Rendered) -> (Outcome, Vec<Value>) {
        let name = id(found);
        let (typed, path, repository) = match self.place(found, rendered) {
            Ok(place) => place,
            Err(left) => {
                let (Left::Meant(why) | Left::Mistaken(why)) = &left;
                rendered.not_followed.push(format!("Kustomization {name}: {why}"));
                rendered.lacks_something |= matches!(left, Left::Mistaken(_));
                return (Outcome::NotFollowed, Vec::new());
            }
        };
        if typed.spec.kube_config.is_some() {
            let where_to = "its objects go to another cluster, that of spec.kubeConfig";
            rendered.notes.push(format!("Kustomization {name}: {where_to}"));
        }
        let post_build = typed.spec.post_build.as_ref();
        let variables = post_build.map(|found_by| variables(found_by, object::namespace(found), rendered));
        let spec = found.get("spec").cloned().unwrap_or_default();
        match self.render(&typed, &spec, &repository, &path, variables, rendered).await {
            Ok(built) => {
                let warnings = built.warnings.iter();
                rendered.notes.extend(warnings.map(|said| format!("Kustomization {name}: {said}")));
                (Outcome::Rendered, built.objects)
            }
            Err(failure) => {
                rendered.failures.push(failure.within(format!("failed to render Kustomization {name}")));
                (Outcome::Failed, Vec::new())
            }
        }
    }

    /// Returns what a Kustomization says, and where it leads; else why it is not followed.
    fn place(&self, found: &Value, rendered: &Rendered) -> Result<(Kustomization, String, Repository), Left> {
        let typed: Kustomization = serde_json::from_value(found.clone())
            .map_err(|error| Left::Mistaken(format!("its fields have other types: {error}")))?;
        if typed.spec.suspend {
            return Err(Left::Meant("it is suspended".to_owned()));
        }
        let source = source(found);
        self.own.is_here(&source, rendered.objects()).map_err(Left::Meant)?;
        let repository = self.repository.without(&ignored(&source, rendered.objects()));
        let repository = repository.map_err(|failure| Left::Mistaken(failure.line()))?;
        let path = join("/", &typed.spec.path);
        let path = path.trim_start_matches('/').to_owned();
        if !repository.has_directory(&path) {
            return Err(Left::Mistaken(format!("`{path}` is no directory of this source")));
        }
        Ok((typed, path, repository))
    }

    /// Builds, opens and substitutes as the controller does.
    async fn render(
        &self,
        typed: &Kustomization,
        spec: &Value,
        repository: &Repository,
        path: &str,
        variables: Option<Variables>,
        rendered: &Rendered,
    ) -> Result<Built, Failure> {
        let opener = match &typed.spec.decryption {
            Some(_) => {
                let opener = Opener::new(keys::keyring(self.identities)?, None);
                Some(opener.watched(Arc::clone(&rendered.witness)))
            }
            None => None,
        };
        let root = &repository.root;
        let fetched = Fetched {
            tree: Arc::clone(&repository.tree),
            room: Room::default(),
            root: root.clone(),
            path: join(root, &format!("./{path}")),
        };
        let builds = Fair::new(1);
        let shown = |failure| shown(failure, repository);
        let laid_out = lay_out(fetched, spec, &builds, "").await.map_err(shown)?;
        let witness = Arc::clone(&rendered.witness);
        let gathered = Gathered { laid_out, opener, variables, witness };
        let rules = Rules::under(self.gates, SopsMac::Enforce, &builds);
        // Boxed: the clients of the key services make a deep future, too deep for the compiler to lay out.
        let work: Pin<Box<dyn Future<Output = _> + '_>> = Box::pin(render(gathered, typed, &rules));
        let mut built = work.await.map_err(shown)?;
        for object in &mut built.objects {
            apply::refuse_encrypted(object, typed.spec.decryption.is_some()).map_err(shown)?;
            if let Some(common) = &typed.spec.common_metadata {
                apply::add_common(object, common);
            }
        }
        Ok(built)
    }
}

/// Returns a failure as it is told here. What the stages cannot know is that there is a link where they found nothing.
fn shown(failure: report::Failure, repository: &Repository) -> Failure {
    let link = repository.link_in(&failure.message);
    let shown = Failure::new(failure.message);
    let about_link = |link| format!("`{link}` is a link; what a cluster gets of a source has no links in it");
    match (link.map(about_link), failure.hint) {
        (Some(hint), _) | (None, Some(Hint::Place(hint))) => shown.hint(hint),
        (None, Some(Hint::Render) | None) => shown,
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

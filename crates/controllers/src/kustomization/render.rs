//! From files to objects: lay out, open, build, open again, substitute.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealfast_cluster::apply::weight;
use sealfast_k8s::duration;
use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use sealfast_kustomize::engine::{self, Bounds, Build, Options, Restriction};
use sealfast_kustomize::flux::Outermost;
use sealfast_kustomize::substitute::Unset;
use serde_json::Value;
use sha2::Digest;
use zeroize::Zeroizing;

use crate::fair::Fair;
use crate::gates::{Gate, Gates};
use crate::kustomization::decrypt;
use crate::kustomization::gather::{Fetched, Gathered, LaidOut};
use crate::kustomization::landing;
use crate::kustomization::macs::Macs;
use crate::kustomization::opener::Opener;
use crate::kustomization::report::{Failure, Hint, Reason};
use crate::kustomization::room::Room;
use crate::kustomization::shared::Shared;
use crate::kustomization::substitute::{self, Strategy, Variables};
use crate::kustomization::unpacked::Artifacts;
use crate::kustomization::view::View;
use crate::kustomization::witness::Witness;
use crate::options::SopsMac;

/// How many objects a build may have: no inventory holds as many by far.
const MOST_OBJECTS: usize = 50_000;

/// Objects ready to be applied.
pub struct Rendered {
    /// The objects, in the order of the build.
    pub objects: Vec<Value>,
    /// `sha256:` and a digest of all of them.
    pub digest: String,
    /// What was wrong with MACs, when that is no failure, and what was copied as ciphertext.
    pub warnings: Vec<String>,
    /// The memory that the objects take.
    pub room: Room,
}

/// What a render leaves to its caller.
pub struct Rules<'a> {
    /// What a MAC that does not fit means.
    pub mac: SopsMac,
    /// What an unset variable means.
    pub unset: Unset,
    /// How many builds at a time. A build that nobody waits for any more keeps its place until it ends.
    pub builds: &'a Fair,
    /// Whose memory what is built is charged to; nobody's on the command line.
    pub room: Option<&'a Artifacts>,
    /// When a build has to be done.
    pub deadline: Option<Instant>,
}

impl<'a> Rules<'a> {
    /// The rules that the controllers are run with.
    pub fn of(shared: &'a Shared, deadline: Instant) -> Self {
        let rules = Self::under(&shared.options.gates, shared.options.sops_mac, &shared.builds);
        Self { deadline: Some(deadline), room: Some(&shared.artifacts), ..rules }
    }

    /// The rules under gates.
    pub fn under(gates: &Gates, mac: SopsMac, builds: &'a Fair) -> Self {
        let is_strict = gates.has(Gate::StrictPostBuildSubstitutions);
        Self {
            mac,
            unset: if is_strict { Unset::Refused } else { Unset::Empty },
            builds,
            room: None,
            deadline: None,
        }
    }
}

/// Lays out the outermost kustomization. `spec` is the object's spec as it was written.
///
/// # Errors
/// BuildFailed with the file that cannot be read, or the field of the spec.
pub async fn lay_out(
    fetched: Fetched,
    spec: &Value,
    builds: &Fair,
    namespace: &str,
) -> Result<LaidOut, Failure> {
    let Fetched { tree, room, root, path } = fetched;
    let (view, dir, spec) = (View::new(tree, root.clone()), path.clone(), spec.clone());
    let place = builds.take(namespace, 1).await;
    // A run that is given up leaves the work to its end, and so the memory that it takes.
    let held = (place, room.clone());
    let work = tokio::task::spawn_blocking(move || {
        let _held = held;
        let outermost = Outermost::lay_out(&view, &dir, &spec, None);
        (view, outermost)
    });
    let (view, outermost) = work.await.map_err(|_| stopped())?;
    let outermost = outermost.map_err(|error| {
        let why = error.chain();
        let hint = where_to_look(&why, &view);
        Failure::new(Reason::BuildFailed, why).hint(hint)
    })?;
    Ok(LaidOut { view, room, root, path, outermost })
}

/// Renders what was gathered.
///
/// # Errors
/// BuildFailed with the file or object.
pub async fn render(
    gathered: Gathered,
    typed: &Kustomization,
    rules: &Rules<'_>,
) -> Result<Rendered, Failure> {
    let Gathered { mut laid_out, mut opener, variables, witness } = gathered;
    let mut macs = Macs::under(rules.mac);
    if let Some(opener) = &mut opener {
        decrypt::sources(&mut laid_out, opener, &mut macs).await?;
    }
    let LaidOut { view, room, path, outermost, .. } = laid_out;
    let view = Arc::new(view);
    let options = Options {
        load: Restriction::None,
        outermost: Some(outermost),
        told: landing::parts(&witness),
        bounds: Bounds { objects: MOST_OBJECTS, deadline: rules.deadline },
        ..Options::default()
    };
    let namespace = &typed.metadata.namespace;
    let built = build((view.clone(), room.clone()), path, options, rules.builds, namespace).await?;
    let mut warnings = built.notes.clone();
    let built = built.objects();
    if let Some(opener) = &mut opener {
        macs.files(&view, opener, &built).await?;
    }
    // The files are let go first: two that hold some room and wait for more could wait for each other. Whoever waits keeps
    // its worker: its objects are in memory and charged to nobody, so there may be no more of them than workers.
    drop((view, room));
    let room = match rules.room {
        Some(artifacts) => artifacts.built(namespace, built.iter().map(weight).sum()).await,
        None => Room::default(),
    };
    let strategy = typed.spec.post_build.as_ref().and_then(|p| p.substitute_strategy.as_deref());
    let substitution = variables.map(|read| Substitution {
        variables: Variables::checked(read, &witness),
        strategy: Strategy::parse(strategy),
        unset: rules.unset,
    });
    let objects = completed(built, opener.as_mut(), &mut macs, substitution.as_ref()).await?;
    warnings.append(&mut macs.warnings);
    let digest = digest(&objects, &secret(opener.as_ref(), &witness.lock()));
    Ok(Rendered { objects, digest, warnings, room })
}

/// What is put in for variables, and how.
struct Substitution {
    variables: Variables,
    strategy: Strategy,
    unset: Unset,
}

/// Opens built objects, and puts in what stands for variables.
async fn completed(
    built: Vec<Value>,
    mut opener: Option<&mut Opener>,
    macs: &mut Macs,
    substitution: Option<&Substitution>,
) -> Result<Vec<Value>, Failure> {
    let mut objects = Vec::with_capacity(built.len());
    let refused = |why: &str| Failure::new(Reason::BuildFailed, why);
    let mut ids = Ids::of(&built).map_err(|why| refused(&why))?;
    for mut built in built {
        // The clock of whoever waits is looked at between objects.
        tokio::task::consume_budget().await;
        identified(&built)?;
        let name = object::id(&built);
        if let Some(opener) = &mut opener {
            decrypt::resource(&mut built, opener, macs).await?;
        }
        if let Some(Substitution { variables, strategy, unset }) = substitution {
            substitute::object(&mut built, variables, *strategy, *unset)?;
        }
        ids.rename(&name, object::id(&built)).map_err(refused)?;
        flatten(built, &mut objects);
    }
    Ok(objects)
}

/// The ids of a build's objects: whatever variables make of them, no two may become one.
pub struct Ids(HashSet<ObjectId>);

impl Ids {
    /// The ids before.
    ///
    /// # Errors
    /// When two objects have the same one: a cluster would keep the last of them without a word.
    pub fn of(built: &[Value]) -> Result<Self, String> {
        let mut ids = HashSet::with_capacity(built.len());
        match built.iter().map(object::id).find(|id| !ids.insert(id.clone())) {
            Some(double) => Err(format!("may not add resource with an already registered id: {double}")),
            None => Ok(Self(ids)),
        }
    }

    /// Takes a change of one of them.
    ///
    /// # Errors
    /// When another object has that id.
    pub fn rename(&mut self, before: &ObjectId, after: ObjectId) -> Result<(), &'static str> {
        self.0.remove(before);
        if self.0.insert(after) { Ok(()) } else { Err("in Replace: id matched 2 resources") }
    }
}

async fn build(
    (view, room): (Arc<View>, Room),
    path: String,
    options: Options,
    builds: &Fair,
    namespace: &str,
) -> Result<Build, Failure> {
    let place = builds.take(namespace, 1).await;
    let shown = view.clone();
    let held = (place, room);
    let work = tokio::task::spawn_blocking(move || {
        let _held = held;
        engine::build(&*view, &path, &options)
    });
    let done = work.await;
    done.map_err(|_| stopped())?.map_err(|error| {
        let why = error.chain();
        let hint = where_to_look(&why, &shown);
        Failure::new(Reason::BuildFailed, format!("kustomize build failed: {why}")).hint(hint)
    })
}

/// What is said when laying out, building, decrypting and substituting take longer than they may.
pub fn late(timeout: Duration) -> Failure {
    let text = format!("kustomize build failed: it takes longer than {}", duration::format(timeout));
    Failure::new(Reason::BuildFailed, text).hint(
        "`spec.timeout` gives it more time; a base that many others name is built once for each of them",
    )
}

fn stopped() -> Failure {
    Failure::new(Reason::BuildFailed, "kustomize build failed: the build stopped unexpectedly")
        .hint("this is a fault of Sealfast: the log has a line that says where; `sealfast render` in the repository may show it as well")
}

fn where_to_look(why: &str, view: &View) -> Hint {
    let read = view.files_read();
    let named: Vec<&String> = read.iter().rev().filter(|file| why.contains(base_name(file))).collect();
    // The entry that failed names the kustomization with its whole path; what else is named is nearer.
    let nearer = named.iter().find(|file| !base_name(file).to_lowercase().starts_with("kustomization"));
    let whole = || named.iter().find(|file| why.contains(file.as_str()));
    match nearer.or_else(whole).or(named.first()) {
        Some(file) => Hint::Place(format!("look at `{}`", view.relative(file))),
        None => Hint::Render,
    }
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Checks that an object says what it is.
///
/// # Errors
/// BuildFailed with the field that is missing.
pub fn identified(built: &Value) -> Result<(), Failure> {
    let gvk = object::gvk(built);
    let missing = [("kind", gvk.kind.is_empty()), ("apiVersion", gvk.version.is_empty())];
    match missing.iter().find(|(_, is_missing)| *is_missing) {
        Some((field, _)) => Err(Failure::new(
            Reason::BuildFailed,
            format!("failed to decode Kubernetes apiVersion, kind and name from: {field} is missing"),
        )),
        None => Ok(()),
    }
}

/// Adds a built object: lists become their items, and configuration of the build itself is left out.
pub fn flatten(built: Value, objects: &mut Vec<Value>) {
    let gvk = object::gvk(&built);
    // Whatever has items is a list.
    if let Some(items) = built["items"].as_array() {
        objects.extend(items.iter().filter(|item| item.is_object()).cloned());
        return;
    }
    let configuration =
        matches!(gvk.kind.as_str(), "Kustomization" | "Component") && gvk.group == "kustomize.config.k8s.io";
    if !configuration {
        objects.push(built);
    }
}

/// What is known to few who may not read what went into a build; empty when nothing secret did. It stays the same when a file
/// is encrypted anew: the same objects are the same build. Only where no Secret holds a key, the data keys are part of it.
fn secret(opener: Option<&Opener>, witness: &Witness) -> Zeroizing<Vec<u8>> {
    let origins: Vec<&str> = witness.origins().collect();
    let mut secret = Zeroizing::new(origins.concat().into_bytes());
    if let Some(opener) = opener.filter(|_| !witness.has_key_secret()) {
        secret.extend_from_slice(&opener.used());
    }
    secret
}

/// A digest that tells two builds apart. Everybody may read it, and try out by it what a short secret might be, unless it has a
/// key.
fn digest(objects: &[Value], key: &[u8]) -> String {
    let mut hash = sha2::Sha256::new();
    if !key.is_empty() {
        hash.update(sha2::Sha256::digest(key));
    }
    for object in objects {
        let text = Zeroizing::new(object.to_string());
        hash.update(text.as_bytes());
        hash.update(b"\n---\n");
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_of_secrets_can_be_tried_out_by_nobody() {
        let objects = [json!({ "kind": "Secret", "stringData": { "pin": "1234" } })];
        let of = |key: &[u8]| digest(&objects, key);
        let plain: String = sha2::Sha256::digest(format!("{}\n---\n", objects[0]))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(of(b""), format!("sha256:{plain}"), "what holds no secret has one of everybody");
        assert!(of(b"one") != of(b"") && of(b"one") != of(b"two") && of(b"one") == of(b"one"));
    }

    #[test]
    fn the_key_of_a_digest_outlives_what_is_encrypted_anew() {
        let mut witness = Witness::default();
        assert!(secret(None, &witness).is_empty());
        witness.note_origin("uid-of-variables");
        let opener = Opener::holding(&[[2; 32], [1; 32], [2; 32]]);
        let of_both = [b"uid-of-variables".as_slice(), &[1; 32], &[2; 32]].concat();
        assert_eq!(*secret(Some(&opener), &witness), of_both, "variables are read by others than keys");
        witness.note_key_secret("uid-of-keys");
        assert_eq!(secret(Some(&opener), &witness).as_slice(), b"uid-of-keysuid-of-variables");
    }

    #[test]
    fn no_two_objects_have_one_id() {
        let map =
            |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
        assert!(Ids::of(&[map("a"), map("b")]).is_ok());
        let error = Ids::of(&[map("a"), map("a")]).err().unwrap();
        assert_eq!(error, "may not add resource with an already registered id: ConfigMap/a");
    }
}

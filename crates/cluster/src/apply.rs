//! Server-side apply: try everything of a stage, then write only what differs.
//!
//! An object costs one read and one dry run; a write only when the dry run differs from what is
//! there. An object whose version is still the one that an identical payload left unchanged
//! costs the read alone ([`Known`]).
//!
//! Follows: fluxcd/pkg/ssa. Differs: the first error in the order of application is reported,
//! not the first in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{Apply, Client, Delete, DryRun, Patch};
use crate::drift::{self, Ignored};
use crate::error::Error;
use crate::known::Known;
use crate::order::{self, Stage};
use crate::prune::until;
use crate::wait::{self, FailFast, Judge};
use crate::{fields, health, prune, switches};

/// Longest wait for what a stage must establish.
const STAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Who owns the objects: written as two labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Name of the Kustomization.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    fn labels(&self) -> [(String, &str); 2] {
        let key = |part: &str| format!("{}{part}", switches::PREFIX);
        [(key("name"), &self.name), (key("namespace"), &self.namespace)]
    }

    /// Writes the labels.
    pub fn mark(&self, object: &mut Value) {
        for (key, value) in self.labels() {
            object::set_label(object, &key, value);
        }
    }

    /// Whether the object carries both labels with our values.
    pub fn owns(&self, object: &Value) -> bool {
        self.labels().iter().all(|(key, value)| object::label(object, key) == Some(*value))
    }
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is new (or was recreated).
    Created,
    /// It was changed.
    Configured,
    /// Nothing was written.
    Unchanged,
    /// It asked to be left alone.
    Skipped,
    /// It is gone.
    Deleted,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Action::Created => "created",
            Action::Configured => "configured",
            Action::Unchanged => "unchanged",
            Action::Skipped => "skipped",
            Action::Deleted => "deleted",
        })
    }
}

/// One object and what was done to it; prints as `Kind/namespace/name action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub object: ObjectId,
    /// What was done.
    pub action: Action,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.object, self.action)
    }
}

/// Whether objects may be deleted and created again when a field cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recreate {
    /// Only those that ask for it themselves.
    #[default]
    OnRequest,
    /// All.
    All,
}

/// Is told which objects a stage consists of once all of them passed their dry run, or are to be made anew, before the first is
/// made, changed or deleted. Fields may have been taken over by then.
pub type Announce = dyn Fn(Vec<ObjectId>) -> BoxFuture<'static, Result<(), Error>> + Send + Sync;

/// Does a wait that may be long, while the objects of an apply take so many bytes.
pub type Aside = dyn for<'a> Fn(u64, BoxFuture<'a, ()>) -> BoxFuture<'a, ()> + Send + Sync;

/// Makes an [`Aside`].
pub fn aside(
    wait: impl for<'a> Fn(u64, BoxFuture<'a, ()>) -> BoxFuture<'a, ()> + Send + Sync + 'static,
) -> Arc<Aside> {
    Arc::new(wait)
}

/// How to apply.
#[derive(Clone)]
pub struct Options {
    /// The field manager.
    pub manager: String,
    /// Whether to recreate.
    pub recreate: Recreate,
    /// How many dry runs at a time.
    pub at_a_time: usize,
    /// Prefixes of further managers whose fields are taken over.
    pub also_take: Vec<String>,
    /// `group/Kind` of objects that go before the rest.
    pub custom_kinds: Vec<String>,
    /// Which paths of an object are not compared.
    pub ignored: Option<Arc<Ignored>>,
    /// Whether fields that were applied in another version move to this one first.
    pub migrate: Migrate,
    /// Who is told what is about to be made or changed; nothing is when that fails.
    pub announce: Option<Arc<Announce>>,
    /// Does the waits for what a stage establishes, and for objects to go that are recreated.
    pub aside: Option<Arc<Aside>>,
    /// How objects are judged that later stages build on.
    pub judge: Arc<Judge>,
    /// How long they get for that.
    pub stage_timeout: Duration,
    /// How long an object that is recreated may take to go, and with a second more for each object all that is sent.
    pub timeout: Duration,
}

/// Whether the entries of field managers move to the version that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrate {
    /// They stay as they are.
    #[default]
    No,
    /// They move.
    Yes,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            manager: "kustomize-controller".to_owned(),
            recreate: Recreate::OnRequest,
            at_a_time: 4,
            also_take: Vec::new(),
            custom_kinds: Vec::new(),
            ignored: None,
            migrate: Migrate::No,
            announce: None,
            aside: None,
            judge: Arc::new(|live: &Value| Ok(health::status(live, jiff::Timestamp::now()))),
            stage_timeout: STAGE_TIMEOUT,
            timeout: STAGE_TIMEOUT,
        }
    }
}

/// Why applying stopped, and what was done until then.
#[derive(Debug)]
pub struct Failure {
    /// The reason, as Flux words it.
    pub message: String,
    /// Changes of the stages before.
    pub done: Vec<Change>,
    /// Whether the server may answer otherwise in a moment.
    pub transient: bool,
}

/// One refusal inside a stage.
struct Refusal {
    message: String,
    transient: bool,
    /// What the stage had done, when all of it was written before.
    done: Vec<Change>,
}

impl Refusal {
    fn new(message: String, error: &Error) -> Refusal {
        Refusal { transient: error.is_transient(), ..message.into() }
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Refusal { message, transient: false, done: Vec::new() }
    }
}

/// Applies all objects, stage by stage; the changes come in the order of application.
///
/// # Errors
/// [`Failure`] with the first object that was refused.
pub async fn stages(
    client: &Client,
    objects: Vec<Value>,
    options: &Options,
    known: &Known,
) -> Result<Vec<Change>, Failure> {
    let mut done = Vec::with_capacity(objects.len());
    let until = Mutex::new(until(options.timeout, objects.len()));
    let run = Run { client, options, known, bytes: objects.iter().map(weight).sum(), until };
    let mut objects = objects;
    for stage in Stage::ALL {
        let (mut now, later): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| Stage::of(object, &options.custom_kinds) == stage);
        objects = later;
        if now.is_empty() {
            continue;
        }
        order::sort(&mut now);
        match run.stage(&now, stage).await {
            Ok(changes) => done.extend(changes),
            Err(Refusal { message, transient, done: also }) => {
                done.extend(also);
                return Err(Failure { message, done, transient });
            }
        }
    }
    Ok(done)
}

/// Bytes that an object takes in memory, roughly.
pub fn weight(value: &Value) -> u64 {
    const EACH: u64 = 64;
    EACH + match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(key, value)| key.len() as u64 + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

async fn announce(options: &Options, plans: &[Plan]) -> Result<(), Refusal> {
    let Some(announce) = &options.announce else { return Ok(()) };
    let told = announce(plans.iter().map(|plan| plan.id.clone()).collect()).await;
    told.map_err(|error| Refusal::new(format!("failed to update the inventory: {}", error.chain()), &error))
}

/// What is to be done with one object.
struct Plan {
    /// The object as the server knows it: one without namespace may have been given one.
    id: ObjectId,
    what: What,
}

enum What {
    Nothing(Action),
    Write {
        payload: Value,
        action: Action,
    },
    /// It is deleted first, if it is still this one.
    Recreate {
        payload: Value,
        uid: String,
    },
}

impl Plan {
    fn nothing(object: &Value, action: Action) -> Plan {
        Plan { id: object::id(object), what: What::Nothing(action) }
    }
}

struct Run<'a> {
    client: &'a Client,
    options: &'a Options,
    known: &'a Known,
    /// What all objects take in memory.
    bytes: u64,
    /// When all has to be over, but for waits.
    until: Mutex<Instant>,
}

impl Run<'_> {
    async fn stage(&self, objects: &[Value], stage: Stage) -> Result<Vec<Change>, Refusal> {
        // Boxed in a list first: the compiler cannot see through a stream of borrowing closures.
        let tries = objects.iter().map(|object| self.in_time(object, self.plan(object)).boxed());
        let tries = futures::stream::iter(tries.collect::<Vec<_>>());
        // The first refusal is the last: a server that is away keeps nobody waiting for each object anew.
        let plans: Vec<Plan> = tries.buffered(self.options.at_a_time.max(1)).try_collect().await?;
        announce(self.options, &plans).await?;
        let mut changes = Vec::with_capacity(objects.len());
        for (object, Plan { id, what }) in objects.iter().zip(plans) {
            let action = match what {
                What::Nothing(action) => action,
                What::Write { payload, action } => {
                    self.in_time(object, self.write(object, &payload)).await?;
                    action
                }
                What::Recreate { payload, uid } => {
                    self.recreate(object, &payload, &id, uid).await?;
                    Action::Created
                }
            };
            changes.push(Change { object: id, action });
        }
        if stage.waits()
            && let Err(message) = self.established(&changes).await
        {
            return Err(Refusal { done: changes, ..message.into() });
        }
        Ok(changes)
    }

    /// Waits for what later stages build on, also for what was left alone: whoever asks for that answers for its being there.
    async fn established(&self, changes: &[Change]) -> Result<(), String> {
        let is_new = |change: &Change| matches!(change.action, Action::Created | Action::Configured);
        if changes.iter().any(|c| is_new(c) && c.object.gvk.kind == "CustomResourceDefinition") {
            self.client.forget_kinds();
        }
        let all: Vec<ObjectId> = changes.iter().map(|change| change.object.clone()).collect();
        let how = wait::Options {
            timeout: self.options.stage_timeout,
            longest_pause: Duration::from_secs(2),
            fail_fast: FailFast::No,
            passing: Vec::new(),
        };
        self.aside(wait::until_current(self.client, &all, &self.options.judge, how)).await
    }

    /// Does something with an object, unless it takes too long.
    async fn in_time<T>(
        &self,
        object: &Value,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let late =
            || Refusal::new(format!("{} apply failed: {}", object::id(object), Error::Late), &Error::Late);
        tokio::time::timeout_at(until, work).await.unwrap_or_else(|_| Err(late()))
    }

    /// Waits as the caller wants it. Waits have their own ends, and who comes back from one may have to stand in line.
    async fn aside<T: Send>(&self, wait: impl Future<Output = T> + Send) -> T {
        let began = Instant::now();
        let done = self.wait_aside(wait).await;
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) += began.elapsed();
        done
    }

    async fn wait_aside<T: Send>(&self, wait: impl Future<Output = T> + Send) -> T {
        let Some(aside) = &self.options.aside else { return wait.await };
        let (mut wait, mut done) = (std::pin::pin!(wait), None);
        aside(self.bytes, async { done = Some(wait.as_mut().await) }.boxed()).await;
        match done {
            Some(done) => done,
            None => wait.await,
        }
    }

    async fn plan(&self, object: &Value) -> Result<Plan, Refusal> {
        let id = object::id(object);
        let live = match self.client.get(&id.gvk, &id.namespace, &id.name).await {
            Ok(live) => Some(live),
            // Nobody knows whether it is there, and so whether it is to be left alone.
            Err(error)
                if error.is_transient() || (switches::only_if_absent(object) && !is_absence(&error)) =>
            {
                return Err(Refusal::new(unread(&id, &error), &error));
            }
            // The dry run says better what is wrong.
            Err(_) => None,
        };
        if switches::skipped(object, live.as_ref()) {
            return Ok(Plan::nothing(live.as_ref().unwrap_or(object), Action::Skipped));
        }
        if let Some(live) = live.as_ref().filter(|live| self.known.holds(object, live)) {
            return Ok(Plan::nothing(live, Action::Unchanged));
        }
        let object = drift::mended(object);
        let (live, moved) = match live {
            Some(live) => {
                let (live, moved) = self.migrated(&id, live).await?;
                (Some(live), moved)
            }
            None => (None, false),
        };
        let tried = match self.send(&object, DryRun::Yes).await {
            Ok(tried) => tried,
            Err(error) => {
                return match live {
                    Some(live)
                        if may_be_immutable(&error)
                            && may_recreate(self.options.recreate, &object, &live) =>
                    {
                        let uid = object::metadata_text(&live, "uid").to_owned();
                        Ok(Plan { id: object::id(&live), what: What::Recreate { payload: object, uid } })
                    }
                    _ => Err(Refusal::new(refusal(&object, &error), &error)),
                };
            }
        };
        self.compare(object, live, tried, moved).await
    }

    /// Moves what is known of fields to the version of the object; true when something had to be moved.
    async fn migrated(&self, id: &ObjectId, live: Value) -> Result<(Value, bool), Refusal> {
        let patch = match self.options.migrate {
            Migrate::Yes => fields::migration(&live, &id.gvk.api_version()),
            Migrate::No => None,
        };
        let Some(patch) = patch else { return Ok((live, false)) };
        let patch = Patch::Json(&patch);
        let sent = self.client.patch(&id.gvk, &id.namespace, &id.name, &patch, &self.options.manager).await;
        sent.map(|live| (live, true)).map_err(|e| {
            let text = format!(
                "{id} failed to migrate API version: failed to migrate managed fields API version to {}: {}",
                id.gvk.api_version(),
                e.chain()
            );
            Refusal::new(text, &e)
        })
    }

    async fn compare(
        &self,
        object: Value,
        live: Option<Value>,
        tried: Value,
        moved: bool,
    ) -> Result<Plan, Refusal> {
        let id = object::id(&tried);
        let Some(live) = live else {
            let known = !object::metadata_text(&tried, "resourceVersion").is_empty();
            let action = if known { Action::Configured } else { Action::Created };
            return Ok(Plan { id, what: What::Write { payload: object, action } });
        };
        let is_merged = switches::merged(&object) || switches::merged(&live);
        let cleaned = !is_merged && self.clean(&id, &live).await?;
        let paths = self.options.ignored.as_ref().map(|ignored| ignored(&tried)).unwrap_or_default();
        if !cleaned && !moved && !drift::differs(&live, &tried, &paths) {
            self.known.keep(&object, &live);
            return Ok(Plan { id, what: What::Nothing(Action::Unchanged) });
        }
        if let Some(path) = paths.iter().find(|path| !path.is_empty() && !path.starts_with('/')) {
            // Nothing can be left to others at a place that is none.
            let why = format!("replace operation does not apply: doc is missing key: {path}: missing value");
            return Err(why.into());
        }
        let payload = drift::without_ignored(object, &live, &tried, &paths);
        Ok(Plan { id, what: What::Write { payload, action: Action::Configured } })
    }

    /// Takes over the fields of earlier managers; true when there was something to take.
    async fn clean(&self, id: &ObjectId, live: &Value) -> Result<bool, Refusal> {
        let Some(patch) = fields::takeover(live, &self.options.manager, &self.options.also_take) else {
            return Ok(false);
        };
        let patch = Patch::Json(&patch);
        let sent = self.client.patch(&id.gvk, &id.namespace, &id.name, &patch, &self.options.manager).await;
        sent.map(|_| true).map_err(|e| {
            Refusal::new(format!("{id} metadata.managedFields cleanup failed: {}", e.chain()), &e)
        })
    }

    async fn recreate(
        &self,
        object: &Value,
        payload: &Value,
        id: &ObjectId,
        uid: String,
    ) -> Result<(), Refusal> {
        let how = Delete { uid: Some(uid), ..Delete::default() };
        let deleted = async {
            match self.client.delete(&id.gvk, &id.namespace, &id.name, &how).await {
                Err(error) if !error.is_not_found() => {
                    let why = format!("failed to delete object: {}", error.chain());
                    Err(Refusal::new(format!("{id} immutable field detected, {why}"), &error))
                }
                _ => Ok(()),
            }
        };
        self.in_time(object, deleted).await?;
        let gone = prune::gone(self.client, std::slice::from_ref(id), self.options.timeout);
        if !self.aside(gone).await {
            let why = "failed to wait for object to be deleted: context deadline exceeded";
            return Err(format!("{id} immutable field detected, {why}").into());
        }
        let made = async {
            let tried = self.send(payload, DryRun::Yes).await;
            tried.map_err(|error| Refusal::new(refusal(payload, &error), &error))?;
            self.write(object, payload).await
        };
        self.in_time(object, made).await
    }

    async fn write(&self, object: &Value, payload: &Value) -> Result<(), Refusal> {
        match self.send(payload, DryRun::No).await {
            Ok(live) => {
                if object == payload {
                    self.known.keep(object, &live);
                }
                Ok(())
            }
            Err(error) => {
                Err(Refusal::new(format!("{} apply failed: {}", object::id(object), error.chain()), &error))
            }
        }
    }

    async fn send(&self, object: &Value, dry_run: DryRun) -> Result<Value, Error> {
        self.client.apply(object, &Apply { manager: &self.options.manager, force: true, dry_run }).await
    }
}

/// Neither the object nor, maybe, its kind is there.
fn is_absence(error: &Error) -> bool {
    error.is_not_found() || error.is_no_match()
}

/// Whether an object may be deleted and made again where a field cannot be changed.
pub(crate) fn may_recreate(recreate: Recreate, object: &Value, live: &Value) -> bool {
    recreate == Recreate::All || switches::forced(object) || switches::forced(live)
}

/// The text for an object that could not be looked at.
pub(crate) fn unread(id: &ObjectId, error: &Error) -> String {
    format!("{id} could not be read: {}", error.chain())
}

/// Whether another object of the name could be what is asked for: conflicts and what is invalid may stand for a field that does
/// not change, as the reference takes them; others say so in words.
pub(crate) fn may_be_immutable(error: &Error) -> bool {
    let text = error.to_string();
    error.is_conflict()
        || error.is_invalid()
        || text.contains("is immutable")
        || text.contains("immutable field")
}

/// The text for a refused dry run.
pub(crate) fn refusal(object: &Value, error: &Error) -> String {
    let id = object::id(object);
    if error.is_not_found() {
        return match id.namespace.is_empty() {
            true => format!("{id} namespace not specified: {error}"),
            false => format!("{id} not found: {error}"),
        };
    }
    let reason = match error.status() {
        Some(status)
            if status.details.iter().flat_map(|d| &d.causes).any(|c| c.reason == "FieldManagerConflict") =>
        {
            "FieldManagerConflict"
        }
        _ => error.reason(),
    };
    match reason {
        "" => format!("{id} dry-run failed: {}", error.chain()),
        reason => format!("{id} dry-run failed ({reason}): {}", error.chain()),
    }
}

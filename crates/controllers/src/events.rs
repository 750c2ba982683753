//! Events: what happened to an object, for people and for those who forward it.
//!
//! They are written and forwarded by tasks of their own, so that no run waits for them. A text that was said
//! about the same object before is counted up, not written again, and keeps its annotations; it is forwarded all the same.
//!
//! Follows: the recorder of client-go with the annotations of fluxcd/pkg/runtime.

use std::time::{Duration, Instant};

use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

use crate::clock::{self, Clock};
use crate::events::crowd::{Crowd, Heard};
use crate::events::patience::{Attempt, persist};
use crate::events::receiver::{Mailbox, post_office};
use crate::options::Options;

mod crowd;
mod patience;
mod receiver;

/// How many events may wait; more are dropped.
const WAITING: usize = 1024;
/// The longest text that the server takes, in bytes.
const LONGEST: usize = 32 << 10;

/// The pauses before an API server that is away is asked again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];
/// Annotations of an object that go along with each of its events.
const OWN_ANNOTATIONS: &str = "event.toolkit.fluxcd.io/";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Known to the cluster (`Normal`), and worth no notification.
    Trace,
    /// Good to know (`Normal`).
    Info,
    /// Somebody has to look at it (`Warning`).
    Error,
}

/// One event about an object.
#[derive(Debug, Clone)]
pub struct Event {
    /// `apiVersion`, `kind`, `namespace`, `name`, `uid`, `resourceVersion` of the object.
    pub about: Value,
    /// How bad it is.
    pub severity: Severity,
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// For machines.
    pub annotations: Vec<(String, String)>,
}

/// What an event says about its object: the reference that core/v1 Events hold.
pub fn reference(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"],
    })
}

/// Hands events to those who write and forward them; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Event>,
    mailbox: Option<Mailbox>,
}

impl Recorder {
    /// Starts the tasks; they end with the last recorder. `component` is the controller's name.
    pub fn start(
        client: Client,
        component: &'static str,
        options: &Options,
    ) -> (Recorder, Vec<JoinHandle<()>>) {
        let (queue, mut events) = mpsc::channel::<Event>(WAITING);
        let (clock, instance) = (options.clock.clone(), options.instance.clone());
        let office = options.events_address.clone().and_then(|to| post_office(to, component, options));
        let (mailbox, postman) = office.unzip();
        let writing = tokio::spawn(async move {
            let mut writer = Writer { clock, client, component, instance, crowd: Crowd::default() };
            while let Some(event) = events.recv().await {
                writer.write(event).await;
            }
        });
        // Apart: what ends one does not end the other.
        let forwarding = postman.map(|postman| tokio::spawn(postman.work()));
        let tasks = [writing].into_iter().chain(forwarding).collect();
        (Recorder { queue, mailbox }, tasks)
    }

    /// Records an event, and logs it.
    pub fn record(&self, event: Event) {
        log(&event);
        if let Some(mailbox) = &self.mailbox {
            mailbox.put(&event);
        }
        if let Err(error) = self.queue.try_send(event) {
            tracing::warn!("an event is not recorded: {}", why_dropped(&error));
        }
    }
}

fn why_dropped<T>(error: &TrySendError<T>) -> &'static str {
    match error {
        TrySendError::Full(_) => "too many are waiting",
        TrySendError::Closed(_) => "nobody takes them any more",
    }
}

/// Logs an event with the fields of controller-runtime.
fn log(event: &Event) {
    let about = |field: &str| event.about[field].as_str().unwrap_or_default();
    let (kind, namespace, name) = (about("kind"), about("namespace"), about("name"));
    let group = about("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let revision = event.annotations.iter().find(|(key, _)| key.ends_with("/revision"));
    let revision = revision.map(|(_, revision)| revision.as_str());
    let (controller, reason) = (kind.to_lowercase(), &event.reason);
    match event.severity {
        Severity::Trace | Severity::Info => tracing::info!(
            controller,
            controllerGroup = group,
            controllerKind = kind,
            namespace,
            name,
            revision,
            reason,
            "{}",
            event.message
        ),
        Severity::Error => tracing::error!(
            controller,
            controllerGroup = group,
            controllerKind = kind,
            namespace,
            name,
            revision,
            reason,
            "{}",
            event.message
        ),
    }
}

struct Writer {
    clock: Clock,
    client: Client,
    component: &'static str,
    instance: String,
    crowd: Crowd,
}

impl Writer {
    async fn write(&mut self, event: Event) {
        let now = self.clock.now();
        let stamp = clock::seconds(now);
        let namespace = event.about["namespace"].as_str().unwrap_or("default").to_owned();
        let about = event.about["name"].as_str().unwrap_or_default();
        let fresh = || format!("{about}.{:x}", now.as_nanosecond());
        let Some(heard) = self.crowd.hear(&event, fresh, Instant::now()) else { return };
        if heard.count > 1 {
            let kind = GroupVersionKind::new("", "v1", "Event");
            let mut more = json!({"count": heard.count, "lastTimestamp": stamp});
            if let Some(message) = &heard.combined {
                more["message"] = shortened(message).into();
            }
            let patch = Patch::Merge(&more);
            if self.client.patch(&kind, &namespace, &heard.name, &patch, self.component).await.is_ok() {
                return;
            }
        }
        // New, or forgotten by the server meanwhile.
        self.create(&self.body(&event, &heard, &namespace, &stamp)).await;
    }

    /// Creates an event; a server that is away for a moment is asked again.
    async fn create(&self, body: &Value) {
        let attempt = || async {
            match self.client.create(body, self.component).await {
                Err(error) if error.is_transient() => return Attempt::Again(None),
                // The answer to the first try was lost.
                Err(error) if !error.is_already_exists() => {
                    tracing::debug!(error = %error.chain(), "an event is refused");
                }
                _ => {}
            }
            Attempt::Over
        };
        if !persist(&PAUSES, attempt).await {
            tracing::warn!("an event could not be recorded");
        }
    }

    fn body(&self, event: &Event, heard: &Heard, namespace: &str, stamp: &str) -> Value {
        let mut body = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": heard.name, "namespace": namespace},
            "involvedObject": event.about,
            "reason": event.reason,
            "message": shortened(heard.combined.as_deref().unwrap_or(&event.message)),
            "type": match event.severity { Severity::Trace | Severity::Info => "Normal", Severity::Error => "Warning" },
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": self.instance,
            "count": heard.count, "firstTimestamp": stamp, "lastTimestamp": stamp,
        });
        // What stands for several is about none of their revisions.
        for (key, value) in event.annotations.iter().filter(|_| heard.combined.is_none()) {
            object::set_annotation(&mut body, key, value);
        }
        body
    }
}

/// Those annotations of an object that go along with each of its events.
pub fn own_annotations(object: &Value) -> Vec<(String, String)> {
    let annotations = object["metadata"]["annotations"].as_object().into_iter().flatten();
    annotations
        .filter(|(key, _)| key.starts_with(OWN_ANNOTATIONS))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn shortened(message: &str) -> String {
    let message = message.trim_end_matches('\0');
    if message.len() <= LONGEST {
        return message.to_owned();
    }
    let mut end = LONGEST - 3;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &message[..end])
}

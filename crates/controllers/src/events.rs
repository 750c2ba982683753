//! Events: what happened to an object, for people and for those who forward it.
//!
//! They are written by a task of their own, so that no run waits for them. A text that was said
//! about the same object before is counted up, not written again, and keeps its annotations.
//!
//! Follows: the recorder of client-go with the annotations of fluxcd/pkg/runtime.

use std::collections::HashMap;

use sealfast_cluster::client::{Client, Patch};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How many different events are remembered for counting.
const REMEMBERED: usize = 4096;
/// How many events may wait; more are dropped.
const WAITING: usize = 1024;
/// The longest text that the server takes, in bytes.
const LONGEST: usize = 32 << 10;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
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

/// Hands events to the task that writes them; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Event>,
}

impl Recorder {
    /// Starts the task; it ends with the last recorder. `component` is the controller's name.
    pub fn start(client: Client, component: &'static str) -> Recorder {
        let (queue, mut events) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut writer = Writer { client, component, said: HashMap::new() };
            while let Some(event) = events.recv().await {
                writer.write(event).await;
            }
        });
        Recorder { queue }
    }

    /// Records an event.
    pub fn record(&self, event: Event) {
        if self.queue.try_send(event).is_err() {
            tracing::warn!("too many events waiting: one is dropped");
        }
    }
}

type Said = (String, Severity, String, String);

struct Writer {
    client: Client,
    component: &'static str,
    said: HashMap<Said, (String, u64)>,
}

impl Writer {
    async fn write(&mut self, event: Event) {
        let uid = event.about["uid"].as_str().unwrap_or_default().to_owned();
        let said: Said = (uid, event.severity, event.reason.clone(), event.message.clone());
        let now = jiff::Timestamp::now();
        let stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let namespace = event.about["namespace"].as_str().unwrap_or("default").to_owned();
        let kind = GroupVersionKind::new("", "v1", "Event");
        if let Some((name, count)) = self.said.get_mut(&said) {
            *count += 1;
            let body = json!({"count": count, "lastTimestamp": stamp});
            let patched =
                self.client.patch(&kind, &namespace, name, &Patch::Merge(&body), self.component).await;
            if patched.is_ok() {
                return;
            }
        }
        let name = format!("{}.{:x}", event.about["name"].as_str().unwrap_or_default(), now.as_nanosecond());
        let body = self.body(&event, &namespace, &name, &stamp);
        match self.client.create(&body, self.component).await {
            Ok(_) => self.remember(said, name),
            Err(error) => tracing::debug!(error = %error.chain(), "cannot record an event"),
        }
    }

    fn remember(&mut self, said: Said, name: String) {
        if self.said.len() >= REMEMBERED {
            self.said.clear();
        }
        self.said.insert(said, (name, 1));
    }

    fn body(&self, event: &Event, namespace: &str, name: &str, stamp: &str) -> Value {
        let mut body = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": event.about,
            "reason": event.reason,
            "message": shortened(&event.message),
            "type": match event.severity { Severity::Info => "Normal", Severity::Error => "Warning" },
            "source": {"component": self.component},
            "reportingComponent": self.component,
            "reportingInstance": "",
            "count": 1, "firstTimestamp": stamp, "lastTimestamp": stamp,
        });
        for (key, value) in &event.annotations {
            object::set_annotation(&mut body, key, value);
        }
        body
    }
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

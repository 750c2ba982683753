//! Following a kind: a list, then its changes, for as long as somebody asks.
//!
//! A version that is too old (410) leads to a new list, a lost connection to a new try after a
//! growing pause. The caller sees [`Event::Listed`] each time and compares for itself.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::{AsyncBufRead, AsyncBufReadExt};
use http::Method;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::client::Client;
use crate::client::request::{Call, Select};
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A watch that ended before this was no success.
const SHORT_LIFE: Duration = Duration::from_secs(5);
/// The server ends a watch after this many seconds; a new one starts where it ended.
const WATCH_SECONDS: &str = "290";
/// A watch that says nothing for longer is dead, whatever the connection looks like: servers send a bookmark each minute.
const SILENCE: Duration = Duration::from_secs(90);
/// Longer lines than any server sends are an error, not a reason to grow (16 MiB).
const LONGEST_LINE: usize = 16 << 20;

/// One thing seen.
#[derive(Debug)]
pub enum Event {
    /// Everything there is, after a start or a gap: what is not in it is gone.
    Listed(Vec<Value>),
    /// An object that is new or changed.
    Applied(Value),
    /// An object that is gone, in its last state.
    Deleted(Value),
}

/// A watch in progress; drop it to stop.
pub struct Watch {
    client: Client,
    gvk: GroupVersionKind,
    namespace: String,
    select: Select,
    version: Option<String>,
    stream: Option<Lines>,
    opened: Instant,
    pause: Duration,
}

impl Watch {
    pub(crate) fn new(client: Client, gvk: GroupVersionKind, namespace: String, select: Select) -> Watch {
        Watch {
            client,
            gvk,
            namespace,
            select,
            version: None,
            stream: None,
            opened: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    /// The next thing that happened. Failures are logged and tried again without end; cancel safe
    /// only between events, so give the watch its own task.
    pub async fn next(&mut self) -> Event {
        loop {
            match self.step().await {
                Ok(Some(event)) => {
                    self.pause = FIRST_PAUSE;
                    return event;
                }
                Ok(None) => {}
                // A list that is refused as too old is a fault like any other.
                Err(error) if error.is_gone() && self.version.is_some() => self.version = None,
                Err(error) => self.rest(&error).await,
            }
        }
    }

    async fn rest(&mut self, error: &Error) {
        self.stream = None;
        tracing::debug!(kind = %self.gvk.kind, error = %error.chain(), "watch interrupted");
        if error.is_no_match() || error.status().is_some() {
            self.version = None;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    async fn step(&mut self) -> Result<Option<Event>, Error> {
        let Some(version) = self.version.clone() else {
            self.stream = None;
            let listed = self.client.list(&self.gvk, &self.namespace, &self.select).await?;
            self.version = Some(listed.resource_version);
            return Ok(Some(Event::Listed(listed.items)));
        };
        let Some(stream) = &mut self.stream else {
            self.stream = Some(open(&self.client, &self.gvk, &self.namespace, &self.select, &version).await?);
            self.opened = Instant::now();
            return Ok(None);
        };
        let mut line = Vec::new();
        let mut stream = futures::AsyncReadExt::take(stream, LONGEST_LINE as u64);
        let read = tokio::time::timeout(SILENCE, stream.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(n)) if n > 0) || !line.ends_with(b"\n") {
            self.stream = None;
            if self.opened.elapsed() < SHORT_LIFE {
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            return Ok(None);
        }
        self.understand(&line)
    }

    fn understand(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let mut event: Value = serde_json::from_slice(line).map_err(Error::Answer)?;
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        let kind = event["type"].as_str().unwrap_or_default();
        if kind == "ERROR" {
            self.stream = None;
            let status = serde_json::from_value(object).map_err(Error::Answer)?;
            return Err(Error::Refused(Box::new(status)));
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            self.version = Some(version.to_owned());
        }
        Ok(match kind {
            "ADDED" | "MODIFIED" => Some(Event::Applied(object)),
            "DELETED" => Some(Event::Deleted(object)),
            _ => None,
        })
    }
}

type Lines = Pin<Box<dyn AsyncBufRead + Send>>;

async fn open(
    client: &Client,
    gvk: &GroupVersionKind,
    namespace: &str,
    select: &Select,
    version: &str,
) -> Result<Lines, Error> {
    let path = client.resource(gvk).await?.collection_path(gvk, namespace);
    let mut call = Call::new(Method::GET, path);
    call.accept = select.accept_one();
    call.query("watch", "true");
    call.query("resourceVersion", version);
    call.query("allowWatchBookmarks", "true");
    call.query("timeoutSeconds", WATCH_SECONDS);
    select.write(&mut call);
    client.lines(call).await
}

//! Watches: what changed since a version, and what changes from now on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::fields;
use crate::http::{Answer, Content, Form};
use crate::kinds::Resource;
use crate::request::{Call, partial, shown};
use crate::select::Selection;
use crate::server::App;
use crate::status_error::{Cause, Status};
use crate::storage::Change;
use crate::table;

/// Starts a watch.
///
/// # Errors
/// For selectors and versions that cannot be read.
pub(crate) fn start(call: &Call<'_>) -> Result<Answer, Status> {
    let query = &call.request.query;
    let timeout = query.number("timeoutSeconds")?;
    let selection = match call.name.as_str() {
        "" => Selection::parse(query.text("labelSelector"), query.text("fieldSelector"), &call.resource)?,
        name => Selection::named(name),
    };
    let text = query.text("resourceVersion");
    let version: u64 = match text {
        "" => 0,
        text => text.parse().map_err(|_| {
            Status::internal(format!(
                "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        })?,
    };
    let initial = query.flag("sendInitialEvents");
    check_initial(initial, query.get("sendInitialEvents").is_some(), query.text("resourceVersionMatch"))?;
    let seconds = timeout
        .filter(|&seconds| seconds > 0)
        .map_or_else(|| 1800 + u64::from(crate::clock::below(1800)), |seconds| seconds as u64);
    let watch = Watch {
        app: Arc::clone(call.app),
        resource: Arc::clone(&call.resource),
        namespace: call.namespace.clone(),
        selection,
        form: call.form,
        policy: query.text("includeObject").to_owned(),
        bookmarks: query.flag("allowWatchBookmarks"),
        mark: initial,
        columns_sent: false,
    };
    let unwanted = query.get("sendInitialEvents").is_some() && !initial;
    let listed = initial || (version == 0 && !unwanted);
    let version = if version == 0 { call.app.store.revision() } else { version };
    let permit = Arc::clone(&call.app.watches)
        .try_acquire_owned()
        .map_err(|_| Status::too_many("there are too many watches, please try again later"))?;
    let (sender, receiver) = mpsc::channel(64);
    let end = Instant::now() + Duration::from_secs(seconds);
    tokio::spawn(async move {
        watch.run(sender, version, listed, end).await;
        drop(permit);
    });
    let mut answer = Answer::json(200, Value::Null);
    answer.content = Content::Stream(receiver);
    Ok(answer)
}

fn check_initial(wanted: bool, stated: bool, version_match: &str) -> Result<(), Status> {
    let refuse = |cause| Err(Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause]));
    if wanted && version_match != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return refuse(Cause::forbidden("resourceVersionMatch", why));
    }
    if !stated && !version_match.is_empty() {
        let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        return refuse(Cause::forbidden("resourceVersionMatch", why));
    }
    Ok(())
}

struct Watch {
    app: Arc<App>,
    resource: Arc<Resource>,
    namespace: String,
    selection: Selection,
    form: Form,
    policy: String,
    bookmarks: bool,
    mark: bool,
    columns_sent: bool,
}

/// The client is gone or the server stops.
struct Gone;

impl Watch {
    async fn run(mut self, sender: mpsc::Sender<Bytes>, version: u64, listed: bool, end: Instant) {
        let _ = self.follow(&sender, version, listed, end).await;
    }

    async fn follow(
        &mut self,
        sender: &mpsc::Sender<Bytes>,
        version: u64,
        listed: bool,
        end: Instant,
    ) -> Result<(), Gone> {
        let mut latest = self.app.store.subscribe();
        let mut stopping = self.app.stopping.subscribe();
        let mut at = version;
        if listed {
            at = self.existing(sender).await?;
        } else if version > self.app.store.revision() {
            // A version from the future: wait for it.
            at = version;
        }
        let mut next_bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            at = self.catch_up(sender, at).await?;
            tokio::select! {
                changed = latest.changed() => if changed.is_err() { return Err(Gone) },
                () = tokio::time::sleep_until(end) => {
                    self.bookmark(sender, at, false).await?;
                    return Ok(());
                }
                () = tokio::time::sleep_until(next_bookmark) => {
                    next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    self.bookmark(sender, at, false).await?;
                }
                () = crate::server::stopped(&mut stopping) => return Ok(()),
                () = sender.closed() => return Err(Gone),
            }
        }
    }

    async fn existing(&mut self, sender: &mpsc::Sender<Bytes>) -> Result<u64, Gone> {
        let namespace = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let listing = self.app.store.list(&self.resource.key, namespace);
        for stored in listing.items {
            let object = shown(&self.resource, stored.object());
            if self.selection.matches(&object) {
                self.send(sender, "ADDED", &object).await?;
            }
        }
        if self.mark {
            self.bookmark(sender, listing.revision, true).await?;
        }
        Ok(listing.revision)
    }

    async fn catch_up(&mut self, sender: &mpsc::Sender<Bytes>, at: u64) -> Result<u64, Gone> {
        let Some((reached, changes)) = self.app.store.changes(&self.resource.key, at) else {
            let compacted = self.app.store.compacted();
            let status =
                Status::plain(410, "Expired", format!("too old resource version: {at} ({compacted})"));
            let line = line("ERROR", &status.to_json());
            let _ = sender.send(line).await;
            return Err(Gone);
        };
        for change in changes {
            if !self.namespace.is_empty() && self.namespace != change.key.namespace {
                continue;
            }
            if let Some((event, object)) = self.event(&change) {
                self.send(sender, event, &object).await?;
            }
        }
        Ok(reached.max(at))
    }

    /// What a change means for this selection.
    fn event(&self, change: &Change) -> Option<(&'static str, Value)> {
        let now = change.value.as_ref().map(|stored| shown(&self.resource, stored.object()));
        let now = now.filter(|object| self.selection.matches(object));
        let before =
            change.previous.as_ref().map(|stored| shown(&self.resource, stored.object_at(change.revision)));
        let before = before.filter(|object| self.selection.matches(object));
        match (before, now) {
            (None, Some(object)) => Some(("ADDED", object)),
            (Some(_), Some(object)) => Some(("MODIFIED", object)),
            (Some(object), None) => Some(("DELETED", object)),
            (None, None) => None,
        }
    }

    async fn bookmark(
        &mut self,
        sender: &mpsc::Sender<Bytes>,
        revision: u64,
        initial: bool,
    ) -> Result<(), Gone> {
        if !self.bookmarks {
            return Ok(());
        }
        let mut object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string()},
        });
        if initial {
            fields::set_meta(&mut object, "annotations", json!({"k8s.io/initial-events-end": "true"}));
        }
        self.send(sender, "BOOKMARK", &object).await
    }

    async fn send(&mut self, sender: &mpsc::Sender<Bytes>, event: &str, object: &Value) -> Result<(), Gone> {
        let object = match self.form {
            Form::Partial => partial(object),
            Form::Table(version) => {
                let mut table = table::of_one(&self.resource, version, object, &self.policy);
                if std::mem::replace(&mut self.columns_sent, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                table
            }
            Form::Object | Form::Discovery(_) => object.clone(),
        };
        let sent = sender.send(line(event, &object));
        // A client that takes nothing for so long would keep its part of the history in memory.
        match tokio::time::timeout(self.app.limits.event, sent).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

fn line(event: &str, object: &Value) -> Bytes {
    let mut bytes = serde_json::to_vec(&json!({"type": event, "object": object})).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

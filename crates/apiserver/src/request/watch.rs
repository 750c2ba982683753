//! Watches: what changed since a version, and what changes from now on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::list::reach;
use crate::app::{App, stopped};
use crate::call::Call;
use crate::causes::Cause;
use crate::fields;
use crate::http::{Answer, Content, Encoding, Form, Query};
use crate::kinds::Resource;
use crate::room;
use crate::select::Selection;
use crate::show::{Place, partial, selects, shown, write, write_json, write_partial};
use crate::status_error::Status;
use crate::storage::{Change, Stored};
use crate::table;

/// Starts a watch.
///
/// # Errors
/// For selectors and versions that cannot be read.
pub(crate) async fn start(call: &Call<'_>) -> Result<Answer, Status> {
    let query = &call.request.query;
    let timeout = query.number("timeoutSeconds")?;
    let selection =
        Selection::parse(query.text("labelSelector"), query.text("fieldSelector"), &call.resource)?;
    if call.encoding == Encoding::Yaml {
        return Err(crate::http::not_acceptable());
    }
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
    check_initial(query)?;
    if initial && version > 0 {
        // Not older than that.
        reach(&call.app.store, version).await?;
    }
    let seconds = timeout
        .filter(|&seconds| seconds > 0)
        .map_or_else(|| 1800 + u64::from(crate::clock::below(1800)), |seconds| (seconds as u64).min(LONGEST));
    let unwanted = query.get("sendInitialEvents").is_some() && !initial;
    let listed = initial || (version == 0 && !unwanted);
    let watch = Watch::of(call, selection, listed);
    let version = if version == 0 { call.app.store.revision() } else { version };
    let seat = call.app.watches.take(&call.request.user)?;
    let (sender, receiver) = mpsc::channel(PARCELS);
    let end = Instant::now() + Duration::from_secs(seconds);
    tokio::spawn(async move {
        watch.run(sender, version, listed, end).await;
        drop(seat);
    });
    let mut answer = Answer::json(200, Value::Null);
    answer.content = Content::Events(receiver);
    Ok(answer)
}

/// Checks the options that say which events come first.
fn check_initial(query: &Query) -> Result<(), Status> {
    let field = "resourceVersionMatch";
    let wanted = query.text(field);
    let stated = query.get("sendInitialEvents").is_some_and(|text| !text.is_empty());
    let mut causes = Vec::new();
    if !query.text("continue").is_empty() {
        causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if stated && wanted != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        causes.push(Cause::forbidden(field, why));
    }
    if !wanted.is_empty() {
        if !stated {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if wanted != "NotOlderThan" {
            causes.push(Cause::not_supported(field, &json!(wanted), &["NotOlderThan"]));
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes)) }
}

struct Watch {
    app: Arc<App>,
    resource: Arc<Resource>,
    namespace: String,
    user: String,
    /// Closes the connection.
    unread: Arc<Notify>,
    selection: Selection,
    form: Form,
    policy: String,
    bookmarks: bool,
    mark: bool,
    columns_sent: bool,
    /// Events that were not sent yet, and the room that they take.
    unsent: Vec<u8>,
    places: Vec<room::Place>,
    /// Bytes that this room is for.
    reserved: usize,
    /// Shared with each parcel that was sent and that nobody has taken whole.
    sent: Arc<()>,
}

/// The client is gone or the server stops.
struct Gone;

impl Watch {
    /// A watch as it is asked for; `listed` when it begins with what is there.
    fn of(call: &Call<'_>, selection: Selection, listed: bool) -> Self {
        let query = &call.request.query;
        Self {
            app: Arc::clone(call.app),
            resource: Arc::clone(&call.resource),
            namespace: call.namespace.clone(),
            user: call.request.user.name.clone(),
            unread: Arc::clone(&call.request.unread),
            selection,
            form: call.form,
            policy: query.text("includeObject").to_owned(),
            bookmarks: query.flag("allowWatchBookmarks"),
            // Who asks for bookmarks and for no state of his own is told when he has seen everything.
            mark: listed,
            columns_sent: false,
            unsent: Vec::new(),
            places: Vec::new(),
            reserved: 0,
            sent: Arc::default(),
        }
    }

    async fn run(mut self, sender: mpsc::Sender<Bytes>, version: u64, listed: bool, end: Instant) {
        let _ = self.follow(&sender, version, listed, end).await;
        drop(sender);
        // What waits is taken in time, or nobody takes it.
        if self.is_unread() {
            let mut stopping = self.app.stopping.subscribe();
            tokio::select! {
                () = tokio::time::sleep(self.app.limits.event) => {}
                () = stopped(&mut stopping) => {}
            }
        }
        if self.is_unread() {
            self.unread.notify_one();
        }
    }

    async fn follow(
        &mut self,
        sender: &mpsc::Sender<Bytes>,
        version: u64,
        listed: bool,
        end: Instant,
    ) -> Result<(), Gone> {
        let mut latest = self.app.store.subscribe_to(&self.resource.key);
        let mut stopping = self.app.stopping.subscribe();
        let mut kinds = self.app.kinds.subscribe();
        let mut at = version;
        if listed {
            // A client that takes its time keeps all objects as they were.
            let whole = self.app.limits.whole;
            match tokio::time::timeout(whole, self.existing(sender)).await {
                Ok(reached) => at = reached?,
                Err(_) => {
                    self.unread.notify_one();
                    return Err(Gone);
                }
            }
        }
        let mut next_bookmark = Instant::now() + BOOKMARK_EVERY;
        loop {
            at = self.catch_up(sender, at).await?;
            tokio::select! {
                changed = latest.changed() => if changed.is_err() { return Err(Gone) },
                () = tokio::time::sleep_until(end) => {
                    at = self.catch_up(sender, at).await?;
                    self.bookmark(at, false);
                    return self.send(sender).await;
                }
                () = tokio::time::sleep_until(next_bookmark) => {
                    next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    at = self.catch_up(sender, at).await?;
                    self.bookmark(at, false);
                    self.send(sender).await?;
                }
                changed = kinds.changed(), if self.resource.custom.is_some() => {
                    if changed.is_err() || !self.is_served() {
                        // The last objects went before their definition.
                        return self.catch_up(sender, at).await.map(drop);
                    }
                }
                // It may have been taken meanwhile.
                () = tokio::time::sleep(self.app.limits.event), if self.is_unread() => if self.is_unread() {
                    self.unread.notify_one();
                    return Err(Gone);
                },
                () = stopped(&mut stopping) => return Ok(()),
                () = sender.closed() => return Err(Gone),
            }
        }
    }

    /// Whether the kind is still what it was when the watch began.
    fn is_served(&self) -> bool {
        let Resource { group, version, plural, .. } = &*self.resource;
        let kinds = self.app.kinds.current();
        kinds.resource(group, version, plural).is_some_and(|now| now.goes_on_from(&self.resource))
    }

    async fn existing(&mut self, sender: &mpsc::Sender<Bytes>) -> Result<u64, Gone> {
        let namespace = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let listing = self.app.store.list(&self.resource.key, namespace);
        for stored in listing.items {
            if selects(&self.selection, &self.resource, &stored) {
                self.reserve(sender, stored.size()).await?;
                self.add("ADDED", &stored);
                self.send_if_full(sender).await?;
            }
        }
        if self.mark {
            self.bookmark(listing.revision, true);
        }
        self.send(sender).await?;
        Ok(listing.revision)
    }

    async fn catch_up(&mut self, sender: &mpsc::Sender<Bytes>, at: u64) -> Result<u64, Gone> {
        let mut at = at;
        loop {
            let Some(next) = self.app.store.changes(&self.resource.key, at, AT_ONCE) else {
                let compacted = self.app.store.compacted();
                let status =
                    Status::plain(410, "Expired", format!("too old resource version: {at} ({compacted})"));
                self.add_value("ERROR", &status.to_json());
                self.send(sender).await?;
                return Err(Gone);
            };
            for change in next.changes {
                if !self.namespace.is_empty() && self.namespace != change.key.namespace {
                    continue;
                }
                if let Some((event, stored)) = self.event(change) {
                    self.reserve(sender, stored.size()).await?;
                    self.add(event, &stored);
                    self.send_if_full(sender).await?;
                }
            }
            self.send(sender).await?;
            at = at.max(next.reached);
            if !next.more {
                return Ok(at);
            }
        }
    }

    /// What a change means for this selection.
    fn event(&self, change: Change) -> Option<(&'static str, Stored)> {
        let chosen = |stored: &Stored| selects(&self.selection, &self.resource, stored);
        let before =
            change.last.or(change.previous).map(|stored| stored.numbered(change.revision)).filter(chosen);
        match (before, change.value.filter(chosen)) {
            (None, Some(stored)) => Some(("ADDED", stored)),
            (Some(_), Some(stored)) => Some(("MODIFIED", stored)),
            (Some(stored), None) => Some(("DELETED", stored)),
            (None, None) => None,
        }
    }

    fn bookmark(&mut self, revision: u64, initial: bool) {
        if !self.bookmarks {
            return;
        }
        let mut object = json!({
            "kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string()},
        });
        if initial {
            fields::set_meta(&mut object, "annotations", json!({"k8s.io/initial-events-end": "true"}));
        }
        let object = match self.form {
            Form::Partial | Form::PartialList => partial(&object),
            Form::Table(version) => self.table(version, &object),
            Form::Object | Form::Discovery(_) => object,
        };
        self.add_value("BOOKMARK", &object);
    }

    /// Puts an event about a stored object behind what waits to be sent.
    fn add(&mut self, event: &str, stored: &Stored) {
        if let Form::Table(version) = self.form {
            let table = self.table(version, &shown(&self.resource, stored.object()));
            return self.add_value(event, &table);
        }
        self.begin(event);
        match self.form {
            Form::Partial | Form::PartialList => write_partial(stored, &mut self.unsent),
            _ => write(&self.resource, stored, Place::Alone, &mut self.unsent),
        }
        self.unsent.extend_from_slice(b"}\n");
    }

    fn add_value(&mut self, event: &str, object: &Value) {
        self.begin(event);
        write_json(object, &mut self.unsent);
        self.unsent.extend_from_slice(b"}\n");
    }

    fn begin(&mut self, event: &str) {
        self.unsent.extend_from_slice(format!("{{\"type\":\"{event}\",\"object\":").as_bytes());
    }

    fn table(&mut self, version: &'static str, object: &Value) -> Value {
        let mut table = table::of_one(&self.resource, version, object, &self.policy);
        if std::mem::replace(&mut self.columns_sent, true) {
            table["columnDefinitions"] = Value::Null;
        }
        table
    }

    /// Whether something of what was sent still waits.
    fn is_unread(&self) -> bool {
        Arc::strong_count(&self.sent) > 1
    }

    /// Takes room for an event before it is written out, so that clients who read nothing cannot fill the memory.
    async fn reserve(&mut self, sender: &mpsc::Sender<Bytes>, bytes: usize) -> Result<(), Gone> {
        if bytes > FULL {
            // Nobody waits for room and holds some that others wait for.
            self.send(sender).await?;
        }
        // A parcel that is nearly full takes one more event.
        if self.reserved == 0 { self.take(bytes + FULL).await } else { Ok(()) }
    }

    /// Waits for room, though not for ever.
    async fn take(&mut self, bytes: usize) -> Result<(), Gone> {
        let taken = self.app.events.take(&self.user, bytes.div_ceil(1 << 10));
        let place = tokio::time::timeout(self.app.limits.event, taken).await;
        self.places.push(place.ok().flatten().ok_or(Gone)?);
        self.reserved += bytes;
        Ok(())
    }

    async fn send_if_full(&mut self, sender: &mpsc::Sender<Bytes>) -> Result<(), Gone> {
        if self.unsent.len() < FULL { Ok(()) } else { self.send(sender).await }
    }

    async fn send(&mut self, sender: &mpsc::Sender<Bytes>) -> Result<(), Gone> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        // Tables may be longer than what they show.
        let more = self.unsent.len().saturating_sub(self.reserved);
        if more > 0 {
            self.take(more).await?;
        }
        self.reserved = 0;
        let parcel = Parcel {
            bytes: std::mem::take(&mut self.unsent),
            _places: std::mem::take(&mut self.places),
            _sent: Arc::clone(&self.sent),
        };
        let sent = sender.send(Bytes::from_owner(parcel));
        // A client that takes nothing for so long would keep its part of the history in memory.
        match tokio::time::timeout(self.app.limits.event, sent).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                self.unread.notify_one();
                Err(Gone)
            }
        }
    }
}

/// Events that give their room back when the connection has taken the last of them.
struct Parcel {
    bytes: Vec<u8>,
    _places: Vec<room::Place>,
    _sent: Arc<()>,
}

impl AsRef<[u8]> for Parcel {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Longer than anybody watches in one go, and little enough to be added to a time.
const LONGEST: u64 = 365 * 24 * 60 * 60;
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// Changes that are taken out of the history in one go, and bytes of them.
const AT_ONCE: (usize, usize) = (256, 256 << 10);
/// Bytes of events that are sent together at most, but for the last of them.
const FULL: usize = 32 << 10;
/// Such parcels that may wait for one client.
const PARCELS: usize = 2;

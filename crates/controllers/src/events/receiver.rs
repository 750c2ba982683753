//! Events on their way to a notification controller.
//!
//! Those of one object go one after the other, those of several side by side: a receiver that keeps some waiting holds up
//! no run, and no other object as long as there are fewer than [`AT_A_TIME`] of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::events::patience::{Attempt, persist};
use crate::events::{Event, Severity, WAITING, why_dropped};
use crate::options::Options;

/// How many events may be on their way at a time.
const AT_A_TIME: usize = 16;
/// How many of them may be about one object: all that can be on their way leave place for others.
const ABOUT_ONE: usize = WAITING / AT_A_TIME;
/// The longest text that is forwarded, in characters.
const LONGEST: usize = 39_000;
/// How long the receiver may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pauses before a receiver that may recover is asked again.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// A receiver that asks for more rest gets no more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An event in the words of the receiver.
struct Letter {
    place: Place,
    body: Value,
}

/// How many letters there are about each object.
type Counts = Arc<Mutex<HashMap<String, usize>>>;

/// The place of a letter among those about its object; given back when dropped.
struct Place {
    object: String,
    counts: Counts,
}

impl Place {
    /// Takes a place; none when there are too many letters about this object.
    fn take(counts: &Counts, object: &str) -> Option<Place> {
        let mut taken = counts.lock();
        let count = taken.entry(object.to_owned()).or_default();
        if *count >= ABOUT_ONE {
            return None;
        }
        *count += 1;
        Some(Place { object: object.to_owned(), counts: Arc::clone(counts) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.counts.lock();
        if let Some(count) = taken.get_mut(&self.object) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.object);
            }
        }
    }
}

/// Takes events that are to be forwarded; cheap to clone.
#[derive(Clone)]
pub(super) struct Mailbox {
    clock: Clock,
    letters: mpsc::Sender<Letter>,
    counts: Counts,
    component: &'static str,
    instance: String,
}

impl Mailbox {
    /// Puts an event in, unless it is for the cluster alone or there are too many, of all or about its object.
    pub(super) fn put(&self, event: &Event) {
        let severity = match event.severity {
            Severity::Trace => return,
            Severity::Info => "info",
            Severity::Error => "error",
        };
        let object = event.about["uid"].as_str().unwrap_or_default();
        let Some(place) = Place::take(&self.counts, object) else {
            let name = event.about["name"].as_str().unwrap_or_default();
            let namespace = event.about["namespace"].as_str().unwrap_or_default();
            tracing::warn!(
                namespace,
                name,
                "too many events of an object wait for their receiver: one is dropped"
            );
            return;
        };
        let message: String = event.message.chars().take(LONGEST).collect();
        let metadata: serde_json::Map<String, Value> =
            event.annotations.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        let mut body = json!({
            "involvedObject": event.about,
            "severity": severity,
            "timestamp": self.clock.stamp(),
            "message": message,
            "reason": event.reason,
            "reportingController": self.component,
            "reportingInstance": self.instance,
        });
        if !metadata.is_empty() {
            body["metadata"] = metadata.into();
        }
        if let Err(error) = self.letters.try_send(Letter { place, body }) {
            tracing::warn!("an event is not forwarded: {}", why_dropped(&error));
        }
    }
}

/// Brings what is in the mailbox to the receiver.
pub(super) struct Postman {
    letters: mpsc::Receiver<Letter>,
    http: reqwest::Client,
    address: String,
    waiting: VecDeque<Letter>,
    /// The objects of those that are on their way.
    busy: HashSet<String>,
    posts: JoinSet<String>,
}

/// A mailbox and who empties it; none, which is logged, without cryptography.
pub(super) fn post_office(
    address: String,
    component: &'static str,
    options: &Options,
) -> Option<(Mailbox, Postman)> {
    let http = reqwest::Client::builder().timeout(PATIENCE).build();
    let http = http
        .inspect_err(|error| tracing::error!(%error, "no event is forwarded: requests cannot be sent"))
        .ok()?;
    let (sender, letters) = mpsc::channel(WAITING);
    let counts = Counts::default();
    let (clock, instance) = (options.clock.clone(), options.instance.clone());
    let mailbox = Mailbox { clock, letters: sender, counts, component, instance };
    let (waiting, busy, posts) = (VecDeque::new(), HashSet::new(), JoinSet::new());
    Some((mailbox, Postman { letters, http, address, waiting, busy, posts }))
}

impl Postman {
    /// Works until the mailbox is empty and nobody can put anything in any more.
    pub(super) async fn work(mut self) {
        let mut is_open = true;
        while is_open || !self.posts.is_empty() || !self.waiting.is_empty() {
            self.set_out();
            tokio::select! {
                letter = self.letters.recv(), if is_open && self.waiting.len() < WAITING => match letter {
                    Some(letter) => self.waiting.push_back(letter),
                    None => is_open = false,
                },
                Some(done) = self.posts.join_next() => match done {
                    Ok(object) => drop(self.busy.remove(&object)),
                    // Whose it was is not known any more: order is given up for those on their way.
                    Err(_) => self.busy.clear(),
                },
            }
        }
    }

    /// Sends what may go.
    fn set_out(&mut self) {
        while self.posts.len() < AT_A_TIME {
            let free = self.waiting.iter().position(|letter| !self.busy.contains(&letter.place.object));
            let Some(letter) = free.and_then(|at| self.waiting.remove(at)) else { return };
            self.busy.insert(letter.place.object.clone());
            let (http, address) = (self.http.clone(), self.address.clone());
            self.posts.spawn(async move {
                let is_over = persist(&PAUSES, || post(&http, &address, &letter.body)).await;
                if !is_over {
                    tracing::warn!("an event could not be forwarded");
                }
                letter.place.object.clone()
            });
        }
    }
}

/// Sends one event; a receiver that is busy or away is asked again, one that knows the event already is not.
async fn post(http: &reqwest::Client, address: &str, event: &Value) -> Attempt {
    match http.post(address).json(event).send().await {
        Ok(answer) if may_recover(answer.status()) => {
            tracing::debug!(status = %answer.status(), "cannot forward an event");
            let is_away = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
            Attempt::Again(if is_away { asked_pause(&answer) } else { None })
        }
        Ok(answer) => {
            let is_known = answer.status() == StatusCode::TOO_MANY_REQUESTS;
            if !answer.status().is_success() && !is_known {
                tracing::warn!(status = %answer.status(), "the receiver of events refuses one");
            }
            Attempt::Over
        }
        Err(error) => {
            tracing::debug!(error = %error.without_url(), "cannot forward an event");
            Attempt::Again(None)
        }
    }
}

fn may_recover(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

fn asked_pause(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_object_leaves_place_for_others() {
        let (sender, mut letters) = mpsc::channel(WAITING);
        let mailbox = Mailbox {
            clock: Clock::default(),
            letters: sender,
            counts: Counts::default(),
            component: "c",
            instance: "i".into(),
        };
        let put = |uid: &str| {
            mailbox.put(&Event {
                about: json!({"uid": uid}),
                severity: Severity::Info,
                reason: "R".into(),
                message: "m".into(),
                annotations: Vec::new(),
            });
        };
        let mut waiting = |count: usize| {
            let taken: Vec<Letter> = std::iter::from_fn(|| letters.try_recv().ok()).collect();
            let objects: HashSet<&str> = taken.iter().map(|letter| letter.place.object.as_str()).collect();
            assert_eq!((taken.len(), objects.len()), (count, 2));
        };
        for _ in 0..2 {
            (0..WAITING).for_each(|_| put("loud"));
            put("quiet");
            // What is brought gives its place back.
            waiting(ABOUT_ONE + 1);
        }
        assert!(mailbox.counts.lock().is_empty());
    }
}

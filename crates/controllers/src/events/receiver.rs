//! Events on their way to a notification controller.
//!
//! Those of one object go one after the other, those of several side by side: a receiver that keeps one waiting holds up
//! no other object, and no run.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use crate::events::patience::{Attempt, persist};
use crate::events::{Event, Severity, WAITING};

/// How many events may be on their way at a time.
const AT_A_TIME: usize = 16;
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
    object: String,
    body: Value,
}

/// Takes events that are to be forwarded; cheap to clone.
#[derive(Clone)]
pub(super) struct Mailbox {
    letters: mpsc::Sender<Letter>,
    component: &'static str,
    instance: String,
}

impl Mailbox {
    /// Puts an event in, unless it is for the cluster alone or there are too many.
    pub(super) fn put(&self, event: &Event) {
        let severity = match event.severity {
            Severity::Trace => return,
            Severity::Info => "info",
            Severity::Error => "error",
        };
        let message: String = event.message.chars().take(LONGEST).collect();
        let metadata: serde_json::Map<String, Value> =
            event.annotations.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        let mut body = json!({
            "involvedObject": event.about,
            "severity": severity,
            "timestamp": clock::now(),
            "message": message,
            "reason": event.reason,
            "reportingController": self.component,
            "reportingInstance": self.instance,
        });
        if !metadata.is_empty() {
            body["metadata"] = metadata.into();
        }
        let object = event.about["uid"].as_str().unwrap_or_default().to_owned();
        if self.letters.try_send(Letter { object, body }).is_err() {
            tracing::warn!("too many events wait for their receiver: one is dropped");
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

/// A mailbox and who empties it; none without cryptography.
pub(super) fn post_office(
    address: String,
    component: &'static str,
    instance: &str,
) -> Option<(Mailbox, Postman)> {
    let http = reqwest::Client::builder().timeout(PATIENCE).build().ok()?;
    let (sender, letters) = mpsc::channel(WAITING);
    let mailbox = Mailbox { letters: sender, component, instance: instance.to_owned() };
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
            let free = self.waiting.iter().position(|letter| !self.busy.contains(&letter.object));
            let Some(letter) = free.and_then(|at| self.waiting.remove(at)) else { return };
            self.busy.insert(letter.object.clone());
            let (http, address) = (self.http.clone(), self.address.clone());
            self.posts.spawn(async move {
                let is_over = persist(&PAUSES, || post(&http, &address, &letter.body)).await;
                if !is_over {
                    tracing::warn!("an event could not be forwarded");
                }
                letter.object
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

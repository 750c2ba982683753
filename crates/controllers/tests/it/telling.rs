//! Events on their way out: what is sent, combined, bounded and tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use sealfast_cluster::client::Select;
use sealfast_controllers::events::{Event, Recorder, Severity};
use sealfast_controllers::options::Options;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::house::{House, PATIENCE};

/// What a receiver got, and what it answers next.
#[derive(Default)]
struct Told {
    got: Vec<(HeaderMap, Value, Instant)>,
    answers: Vec<u16>,
    /// How many events of other objects than `slow` there were.
    quick: watch::Sender<usize>,
}

/// A receiver answers events of the object `slow` once it has got so many of others.
const QUICK: usize = 100;

type Shared = Arc<Mutex<Told>>;

/// A receiver that gives these answers first, and then takes everything.
async fn receiver(answers: &[u16]) -> Result<(String, Shared)> {
    let told = Shared::new(Mutex::new(Told { answers: answers.to_vec(), ..Told::default() }));
    let router = Router::new().fallback(take).with_state(Arc::clone(&told));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, told))
}

async fn take(State(told): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_slow = body["involvedObject"]["name"] == "slow";
    let mut quick = {
        let mut told = told.lock();
        told.got.push((parts.headers, body, Instant::now()));
        told.quick.send_modify(|quick| *quick += usize::from(!is_slow));
        told.quick.subscribe()
    };
    if is_slow && quick.wait_for(|quick| *quick >= QUICK).await.is_err() {
        return StatusCode::GONE.into_response();
    }
    let mut told = told.lock();
    if told.answers.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    let code = StatusCode::from_u16(told.answers.remove(0)).unwrap();
    (code, [(header::RETRY_AFTER, "2")]).into_response()
}

fn said(message: &str, severity: Severity) -> Event {
    Event {
        about: json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "namespace": "default", "name": "app", "uid": "u", "resourceVersion": "7"}),
        severity,
        reason: "BuildFailed".into(),
        message: message.into(),
        annotations: Vec::new(),
    }
}

/// Waits until all is told.
async fn over(tasks: Vec<JoinHandle<()>>) -> Result<()> {
    for task in tasks {
        tokio::time::timeout(PATIENCE, task).await??;
    }
    Ok(())
}

/// Tells a receiver these events; returns what it got once all is told.
async fn told(
    house: &House,
    events: Vec<Event>,
    answers: &[u16],
) -> Result<Vec<(HeaderMap, Value, Instant)>> {
    let (address, told) = receiver(answers).await?;
    let options = Options { events_address: Some(address), instance: "replica-0".into(), ..house.options() };
    let (recorder, tasks) = Recorder::start(house.client.clone(), "kustomize-controller", &options);
    events.into_iter().for_each(|event| recorder.record(event));
    drop(recorder);
    over(tasks).await?;
    let got = std::mem::take(&mut told.lock().got);
    Ok(got)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_what_it_knows_from_the_original() -> Result<()> {
    let house = House::new().await?;
    let mut info = said("ConfigMap/default/a created", Severity::Info);
    info.annotations.push(("kustomize.toolkit.fluxcd.io/revision".into(), "main@sha1:1".into()));
    let events = vec![info, said("no such key", Severity::Error), said("stored", Severity::Trace)];
    let got = told(&house, events, &[]).await?;
    ensure!(got.len() == 2, "traces are for the cluster alone: {got:?}");
    let (headers, body, _) = &got[0];
    ensure!(headers[header::CONTENT_TYPE] == "application/json", "{headers:?}");
    let stamp = body["timestamp"].as_str().unwrap_or_default().to_owned();
    ensure!(stamp.len() == "2026-01-01T00:00:00Z".len() && stamp.ends_with('Z'), "{stamp}");
    let wanted = json!({
        "involvedObject": {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "namespace": "default", "name": "app", "uid": "u", "resourceVersion": "7"},
        "severity": "info", "timestamp": stamp, "message": "ConfigMap/default/a created",
        "reason": "BuildFailed", "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:1"},
        "reportingController": "kustomize-controller", "reportingInstance": "replica-0",
    });
    ensure!(*body == wanted, "{body}");
    ensure!(got[1].1["severity"] == "error" && got[1].1.get("metadata").is_none(), "{}", got[1].1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_receiver_that_may_recover_is_asked_again() -> Result<()> {
    let house = House::new().await?;
    // Known already, wrong, not made for it: none of that is different the next time.
    for code in [429, 400, 501] {
        let got = told(&house, vec![said("x", Severity::Info)], &[code]).await?;
        ensure!(got.len() == 1, "{code} was answered {} times", got.len());
    }
    let got = told(&house, vec![said("x", Severity::Info)], &[500, 503]).await?;
    ensure!(got.len() == 3, "{got:?}");
    let pauses = [got[1].2 - got[0].2, got[2].2 - got[1].2];
    ensure!(pauses[0] >= Duration::from_millis(990), "{pauses:?}");
    ensure!(pauses[1] >= Duration::from_millis(1990), "it said when to come again: {pauses:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_keeps_one_waiting_holds_up_no_other() -> Result<()> {
    let house = House::new().await?;
    let about = |name: &str, message: &str| {
        let mut event = said(message, Severity::Info);
        event.about["name"] = name.into();
        event.about["uid"] = name.into();
        event
    };
    let mut events: Vec<Event> = (0..3).map(|number| about("slow", &number.to_string())).collect();
    events.extend((0..QUICK).map(|number| about(&format!("quick-{number}"), "done")));
    let got = told(&house, events, &[]).await?;
    let messages: Vec<&str> =
        got.iter().map(|(_, body, _)| body["message"].as_str().unwrap_or_default()).collect();
    // The first one comes again and again when the others take long on a busy machine.
    let mut slow: Vec<&str> = messages.iter().copied().filter(|message| *message != "done").collect();
    slow.dedup();
    ensure!(slow == ["0", "1", "2"], "{messages:?}");
    let second = messages.iter().position(|message| *message == "1").unwrap_or_default();
    let quick = messages[..second].iter().filter(|message| **message == "done").count();
    ensure!(quick == QUICK, "{messages:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_events_about_one_object_are_combined_and_bounded() -> Result<()> {
    let house = House::new().await?;
    let options = Options { instance: "replica-0".into(), ..house.options() };
    let (recorder, tasks) = Recorder::start(house.client.clone(), "kustomize-controller", &options);
    for number in 0..40 {
        let mut event = said(&format!("failed after {number} ms"), Severity::Error);
        event.annotations.push(("kustomize.toolkit.fluxcd.io/revision".into(), number.to_string()));
        recorder.record(event);
    }
    // What is no warning has a share of its own, and so has another object.
    recorder.record(said("applied", Severity::Info));
    let mut other = said("failed after 1 ms", Severity::Error);
    other.about["uid"] = "another".into();
    recorder.record(other);
    drop(recorder);
    over(tasks).await?;
    let kind = GroupVersionKind::new("", "v1", "Event");
    let events = house.client.list(&kind, "default", &Select::default()).await?.items;
    let mut seen: Vec<String> = events
        .iter()
        .map(|e| {
            let revision = &e["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/revision"];
            let (uid, text) = (&e["involvedObject"]["uid"], e["message"].as_str().unwrap_or_default());
            format!("{} {uid} {} {text} {revision}", e["type"], e["count"])
        })
        .collect();
    let mut wanted: Vec<String> =
        (0..9).map(|n| format!("\"Warning\" \"u\" 1 failed after {n} ms \"{n}\"")).collect();
    wanted.extend(
        [
            "\"Warning\" \"u\" 16 (combined from similar events): failed after 24 ms null",
            "\"Normal\" \"u\" 1 applied null",
            "\"Warning\" \"another\" 1 failed after 1 ms null",
        ]
        .map(str::to_owned),
    );
    seen.sort();
    wanted.sort();
    ensure!(seen == wanted, "{seen:#?}");
    Ok(())
}

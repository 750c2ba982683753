//! Servers that are busy, slow or silent, and how long they are believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sealfast_cluster::apply::{self, Failure, Options, Owner};
use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Fence, Select};
use sealfast_cluster::error::Error;
use sealfast_cluster::health::Status;
use sealfast_cluster::known::Known;
use sealfast_cluster::prune;
use sealfast_cluster::wait::{self, FailFast};
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::{Value, json};

use crate::house::{config_map, core};
use crate::scripted::{Said, Scripted};

fn maps() -> Said {
    Said::kinds(&[("ConfigMap", "configmaps")])
}

#[tokio::test]
async fn a_server_that_does_not_say_when_is_not_asked_again() -> Result<()> {
    for code in [429, 503, 504] {
        let server = Scripted::start(move |asked| match asked {
            "GET /api/v1" => maps(),
            _ => Said::refused(code, "ServiceUnavailable"),
        })
        .await?;
        let refused = server.client.create(&config_map("a", json!({})), "test").await;
        ensure!(
            refused.as_ref().is_err_and(|error| error.is_transient() && error.chain() == "out of order"),
            "{refused:?}"
        );
        ensure!(server.asked().len() == 2, "{:?}", server.asked());
    }
    Ok(())
}

#[tokio::test]
async fn a_busy_server_is_asked_so_often_and_then_believed() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::refused(503, "ServiceUnavailable").with("retry-after: 0\r\n"),
    })
    .await?;
    let refused = server.client.get(&core("ConfigMap"), "default", "a").await;
    ensure!(refused.is_err_and(|error| error.chain() == "out of order"));
    ensure!(server.asked().len() == 1 + 6, "{:?}", server.asked());
    Ok(())
}

#[tokio::test]
async fn what_waits_for_a_busy_server_is_not_sent_behind_a_fence() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::refused(429, "TooManyRequests").with("retry-after: 1\r\n"),
    })
    .await?;
    server.client.resource(&core("ConfigMap")).await?;
    let fence = Fence::at(Instant::now() + Duration::from_millis(700));
    let fenced = server.client.fenced([Arc::new(fence)]);
    let refused = fenced.create(&config_map("a", json!({})), "test").await;
    ensure!(matches!(refused, Err(Error::Fenced)), "{refused:?}");
    ensure!(server.asked().len() == 2, "{:?}", server.asked());
    Ok(())
}

const SHORT: Duration = Duration::from_millis(300);

fn objects(count: usize) -> Vec<Value> {
    (0..count).map(|number| config_map(&format!("m{number:03}"), json!({}))).collect()
}

/// What comes of an apply that nobody can finish.
async fn failed(server: &Scripted, objects: Vec<Value>) -> Result<Failure> {
    let options = Options { timeout: SHORT, ..Options::default() };
    let done = apply::stages(&server.client, objects, &options, &Known::default()).await;
    done.err().context("it cannot be done")
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::missing("m000").after(Duration::from_secs(20)),
    })
    .await?;
    let began = Instant::now();
    let failure = failed(&server, objects(1)).await?;
    ensure!(failure.message == "ConfigMap/default/m000 apply failed: context deadline exceeded");
    ensure!(failure.transient);
    let ids: Vec<ObjectId> = objects(20).iter().map(object::id).collect();
    let owner = Owner { name: "app".into(), namespace: "default".into() };
    let pruned = prune::delete(&server.client, &ids[..2], &owner, SHORT).await;
    let told = "delete failed, errors: ConfigMap/default/m001 delete failed: context deadline exceeded; 1 more were not tried";
    ensure!(pruned.message().as_deref() == Some(told), "{:?}", pruned.message());
    ensure!(pruned.is_transient() && pruned.left().count() == 2);
    ensure!(!prune::gone(&server.client, &ids[..1], SHORT).await);
    let judge: Arc<wait::Judge> = Arc::new(|_: &Value| Ok(Status::Current));
    let options =
        wait::Options { timeout: SHORT, longest_pause: SHORT, fail_fast: FailFast::Yes, passing: Vec::new() };
    let waited = wait::until_current(&server.client, &ids, &judge, options).await;
    let told = "timeout waiting for: [ConfigMap/default/m000 status: 'Unknown': context deadline exceeded, ";
    ensure!(waited.as_ref().is_err_and(|message| message.starts_with(told)), "{waited:?}");
    ensure!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn what_there_is_no_time_to_look_at_again_is_what_it_was() -> Result<()> {
    let judge: Arc<wait::Judge> = Arc::new(|live: &Value| match live["data"]["is"].as_str() {
        Some("done") => Ok(Status::Current),
        _ => Ok(Status::InProgress),
    });
    let ids: Vec<ObjectId> = objects(2).iter().map(object::id).collect();
    let slow = "timeout waiting for: [ConfigMap/default/m001 status: 'InProgress']";
    // What the second object is when it is looked at for the second time, and what comes of that.
    for (then, told) in [(Some("done"), None), (None, Some(slow))] {
        let looks = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let server = Scripted::start(move |asked| {
            let said = |number: usize, is: &str| {
                Said::new(200, config_map(&format!("m{number:03}"), json!({"is": is})))
            };
            let never = |said: Said| said.after(Duration::from_secs(60));
            let number = usize::from(asked.ends_with("/m001"));
            match (asked, looks[number].fetch_add(usize::from(asked != "GET /api/v1"), Ordering::Relaxed)) {
                ("GET /api/v1", _) => maps(),
                (_, 0) if number == 0 => said(0, "done"),
                (_, 0) => said(1, "slow"),
                (_, 1) if number == 1 && then.is_some() => said(1, then.unwrap_or_default()),
                _ => never(said(number, "lost")),
            }
        })
        .await?;
        let options = wait::Options {
            timeout: Duration::from_secs(2),
            longest_pause: SHORT,
            fail_fast: FailFast::Yes,
            passing: Vec::new(),
        };
        let waited = wait::until_current(&server.client, &ids, &judge, options).await;
        ensure!(waited.as_ref().err().map(String::as_str) == told, "{waited:?}");
        ensure!(server.asked().iter().filter(|asked| asked.ends_with("/m001")).count() >= 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_for_few_of_many_objects() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        _ => Said::refused(503, "ServiceUnavailable"),
    })
    .await?;
    let failure = failed(&server, objects(100)).await?;
    ensure!(failure.transient && failure.message == "ConfigMap/default/m000 could not be read: out of order");
    ensure!(server.asked().len() < 20, "{}", server.asked().len());
    let away = Scripted::start(|_| Said::new(404, "no server")).await?;
    let ids: Vec<ObjectId> = objects(100).iter().map(object::id).collect();
    let owner = Owner { name: "app".into(), namespace: "default".into() };
    let pruned = prune::delete(&away.client, &ids, &owner, Duration::from_secs(60)).await;
    let told = pruned.message().unwrap_or_default();
    ensure!(told.ends_with("it may be no API server; 99 more were not tried"), "{told}");
    ensure!(pruned.left().count() == 100 && away.asked().len() < 20, "{}", away.asked().len());
    Ok(())
}

/// Time passes as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_for_longer_than_bookmarks_take_is_begun_anew() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => maps(),
        asked if asked.contains("watch=true") => Said::without_end(""),
        _ => Said::new(200, json!({"metadata": {"resourceVersion": "7"}, "items": []})),
    })
    .await?;
    let mut watch = server.client.watch(&core("ConfigMap"), "default", Select::default());
    ensure!(matches!(watch.next().await, Event::Listed(_)));
    for (seconds, opened) in [(80, 1), (100, 2)] {
        let seen = tokio::time::timeout(Duration::from_secs(seconds), watch.next()).await;
        ensure!(seen.is_err(), "{seen:?}");
        let watches = server.asked().iter().filter(|asked| asked.contains("watch=true")).count();
        ensure!(watches == opened, "{watches} after {seconds} s");
    }
    Ok(())
}

//! A time of day that is moved while the controllers run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use sealfast_cluster::client::{Patch, Select};
use sealfast_controllers::clock::Clock;
use sealfast_controllers::options::Options;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_source::storage::Retention;
use sealfast_testkit::git::Server;
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kind, kustomization, kustomizations, ready};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn sources() -> GroupVersionKind {
    kind("source.toolkit.fluxcd.io", "GitRepository")
}

fn source(git: &Server) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"namespace": "default", "name": "fleet"},
        "spec": {"interval": "1s", "url": git.url("fleet"), "ref": {"branch": "main"}},
    })
}

fn of_fleet(mut more: Value) -> Value {
    more["sourceRef"] = json!({"kind": "GitRepository", "name": "fleet"});
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_jumps_takes_no_artifact_and_stops_nothing() -> Result<()> {
    let (house, git, clock) = (House::new().await?, Server::start()?, Clock::default());
    git.create("fleet")?;
    let retention = Retention { age: Duration::from_secs(3600), records: 2 };
    let options = Options { clock: clock.clone(), retention, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.apply(source(&git)).await?;
    house.apply(kustomization("default", "app", of_fleet(json!({})))).await?;
    for (commit, jump) in [0, DAY, -2 * DAY, DAY].into_iter().enumerate() {
        clock.shift(jump);
        let text = config_map("settings", &format!("commit-{commit}"));
        let hash =
            git.commit("fleet", "main", &[("map.yaml", text.as_bytes())], &format!("commit {commit}"))?;
        let revision = format!("main@sha1:{hash}");
        house.until("default", "app", |object| is_applied(object, &revision)).await?;
        // Two intervals later the artifact is still there, though it was made a day ago by this clock.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let source = house.client.get(&sources(), "default", "fleet").await?;
        ensure!(source["status"]["artifact"]["revision"] == revision, "{}", source["status"]);
        let path = source["status"]["artifact"]["path"].as_str().unwrap_or_default();
        ensure!(house.scratch.join("artifacts").join(path).is_file(), "the artifact in use was collected");
        let before = git.seen().len();
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let asked = git.seen().len() - before;
        let most = began.elapsed().as_secs() as usize * 3;
        ensure!((1..=most).contains(&asked), "asked {asked} times in three intervals after {jump}");
    }
    handle.stop().await;
    Ok(())
}

/// A time in an object is one that a clock, so many seconds ahead of the system's, showed a moment ago.
fn is_recent(time: &Value, ahead: i64) -> Result<()> {
    let text = time.as_str().with_context(|| format!("no time: {time}"))?;
    let age = Timestamp::now().as_second() + ahead - text.parse::<Timestamp>()?.as_second();
    ensure!((0..=90).contains(&age), "{text} is {age} seconds old by a clock {ahead} seconds ahead");
    Ok(())
}

/// When its conditions last changed, but for the one that says that a run is under way.
fn transitions(object: &Value) -> Vec<[&Value; 2]> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let lasting = conditions.filter(|condition| condition["type"] != "Reconciling");
    lasting.map(|condition| [&condition["type"], &condition["lastTransitionTime"]]).collect()
}

fn runs(object: &Value) -> i64 {
    let history = object["status"]["history"].as_array().into_iter().flatten();
    history.filter_map(|entry| entry["totalReconciliations"].as_i64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_jumps_moves_no_condition_and_keeps_nobody_waiting() -> Result<()> {
    let (house, git, clock) = (House::new().await?, Server::start()?, Clock::default());
    git.create("fleet")?;
    let handle = house.start(&house.client, Options { clock: clock.clone(), ..house.options() }).await?;
    house.apply(source(&git)).await?;
    house.apply(kustomization("default", "often", of_fleet(json!({"interval": "1s"})))).await?;
    house.apply(kustomization("default", "seldom", of_fleet(json!({"interval": "1h"})))).await?;
    let mut ahead = 0;
    for (commit, jump) in [0, -HOUR, 2 * HOUR].into_iter().enumerate() {
        let failing = of_fleet(json!({
            "interval": "1h", "retryInterval": "1s",
            "postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": format!("late-{commit}")}]},
        }));
        house.apply(kustomization("default", "retried", failing)).await?;
        house.until("default", "retried", |object| ready(object)["status"] == "False").await?;
        let text = config_map("settings", &format!("commit-{commit}"));
        let message = format!("commit {commit}");
        let hash = git.commit("fleet", "main", &[("map.yaml", text.as_bytes())], &message)?;
        let revision = format!("main@sha1:{hash}");
        for name in ["often", "seldom"] {
            house.until("default", name, |object| is_applied(object, &revision)).await?;
        }
        let before = house.client.get(&sources(), "default", "fleet").await?;
        is_recent(&ready(&before)["lastTransitionTime"], ahead)?;

        clock.shift(jump);
        ahead += jump;
        // A failed run comes again after its pause, and finds what it missed.
        house
            .apply(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "y"},
                "metadata": {"namespace": "default", "name": format!("late-{commit}")},
            }))
            .await?;
        let retried = house.until("default", "retried", |object| ready(object)["status"] == "True").await?;
        is_recent(&ready(&retried)["lastTransitionTime"], ahead)?;
        // A run that is asked for is done.
        let token = format!("after-{jump}");
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
        house.client.patch(&kustomizations(), "default", "seldom", &Patch::Merge(&asked), "test").await?;
        let seldom = house
            .until("default", "seldom", |object| object["status"]["lastHandledReconcileAt"] == token)
            .await?;
        is_recent(&seldom["status"]["history"][0]["lastReconciled"], ahead)?;
        // Those whose interval is over come again.
        let begun = runs(&house.client.get(&kustomizations(), "default", "often").await?);
        let fetched = git.seen().len();
        let often = house.until("default", "often", |object| runs(object) > begun + 2).await?;
        is_recent(&often["status"]["history"][0]["lastReconciled"], ahead)?;
        is_recent(&ready(&often)["lastTransitionTime"], ahead)?;
        let again = async {
            while git.seen().len() < fetched + 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), again)
            .await
            .context("the source is not fetched again")?;
        // What is as it was is so since then.
        let after = house.client.get(&sources(), "default", "fleet").await?;
        ensure!(transitions(&after) == transitions(&before), "{} {}", before["status"], after["status"]);
    }
    let events = house.client.list(&kind("", "Event"), "default", &Select::default()).await?;
    let told = events.items.iter().find(|event| {
        event["message"] == "stored artifact for commit 'commit 2'"
            && event["involvedObject"]["name"] == "fleet"
    });
    is_recent(&told.context("an event")?["firstTimestamp"], -HOUR)?;
    handle.stop().await;
    Ok(())
}

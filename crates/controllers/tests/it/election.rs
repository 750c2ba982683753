//! Two replicas and one Lease.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::http::Method;
use jiff::Timestamp;
use sealfast_controllers::clock::Clock;
use sealfast_controllers::lease::{Candidate, Leadership, Release};
use serde_json::Value;

use crate::house::{House, kind};
use crate::relay::{Relay, Trouble};
use crate::tunnel::Tunnel;

const DAY: i64 = 24 * 3600;

fn candidate(identity: &str) -> Candidate {
    Candidate {
        clock: Clock::default(),
        namespace: "default".into(),
        name: "leader".into(),
        identity: identity.into(),
        duration: Duration::from_secs(2),
        renew_deadline: Duration::from_millis(1500),
        retry_period: Duration::from_millis(200),
        release: Release::AtOnce,
    }
}

async fn lease(house: &House) -> Result<Value> {
    Ok(house.client.get(&kind("coordination.k8s.io", "Lease"), "default", "leader").await?)
}

async fn holder(house: &House) -> Result<String> {
    Ok(lease(house).await?["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
}

/// Waits for an election that must not come within a time.
async fn not_elected(house: &House, identity: &str, within: Duration) -> bool {
    tokio::time::timeout(within, candidate(identity).elected(house.client.clone())).await.is_err()
}

fn renews(mut leadership: Leadership) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { leadership.lost().await })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_until_it_stops_renewing() -> Result<()> {
    let house = House::new().await?;
    let first = renews(candidate("first").elected(house.client.clone()).await);
    ensure!(not_elected(&house, "second", Duration::from_secs(4)).await, "two replicas lead");
    ensure!(holder(&house).await? == "first");
    first.abort();
    let _ = tokio::time::timeout(Duration::from_secs(30), candidate("second").elected(house.client.clone()))
        .await?;
    ensure!(holder(&house).await? == "second");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_jumps_under_a_lease_changes_nothing_of_who_leads() -> Result<()> {
    let house = House::new().await?;
    let (one, two) = (candidate("first"), candidate("second"));
    let (clocks, duration) = ([one.clock.clone(), two.clock.clone()], one.duration);
    let first = renews(one.elected(house.client.clone()).await);
    let second = tokio::spawn(two.elected(house.client.clone()));
    for [of_first, of_second] in [[0, DAY], [DAY, 0], [-2 * DAY, -DAY]] {
        clocks[0].shift(of_first);
        clocks[1].shift(of_second);
        let jumped = Instant::now();
        while jumped.elapsed() < duration + Duration::from_millis(500) {
            ensure!(!first.is_finished() && !second.is_finished(), "{of_first} {of_second}: the lease moved");
            ensure!(holder(&house).await? == "first");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // The first one is a day behind by now, and says so.
    let renewed = lease(&house).await?["spec"]["renewTime"].as_str().map(str::parse::<Timestamp>);
    let behind = Timestamp::now().duration_since(renewed.context("a time")??).as_secs();
    ensure!((DAY..DAY + 60).contains(&behind), "renewed {behind} seconds ago");
    first.abort();
    let (stopped, waited) = (Instant::now(), candidate("first").retry_period * 2);
    clocks[1].shift(DAY);
    let _ = tokio::time::timeout(Duration::from_secs(30), second).await??;
    ensure!(stopped.elapsed() + waited >= duration, "it took over after {:?}", stopped.elapsed());
    ensure!(holder(&house).await? == "second");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_counts_from_when_it_was_asked_for() -> Result<()> {
    let house = House::new().await?;
    let relay = Relay::start(&house.kubeconfig).await?;
    let patient = Candidate {
        duration: Duration::from_secs(8),
        renew_deadline: Duration::from_secs(6),
        ..candidate("first")
    };
    let first = renews(patient.elected(relay.client.clone()).await);
    let began = Instant::now();
    relay.misbehave(Trouble::HangOn(Method::PUT));
    // The renewal is written at once, and heard of later; then nothing is heard any more.
    tokio::time::sleep(Duration::from_millis(1800)).await;
    ensure!(relay.relent() > 0, "nothing was renewed");
    relay.misbehave(Trouble::Hang);
    tokio::time::timeout(Duration::from_secs(30), first).await??;
    let led = began.elapsed();
    ensure!(led < Duration::from_millis(7200), "led for {led:?} with a deadline of six seconds");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_without_a_word_loses_no_lease() -> Result<()> {
    let house = House::new().await?;
    let tunnel = Tunnel::to(&house).await?;
    let patient = Candidate {
        duration: Duration::from_secs(8),
        renew_deadline: Duration::from_secs(6),
        ..candidate("first")
    };
    let mut leadership = patient.elected(tunnel.client.clone()).await;
    tunnel.silence();
    let lost = tokio::time::timeout(Duration::from_secs(8), leadership.lost()).await;
    ensure!(lost.is_err(), "the lease was lost");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lasts_as_long_as_its_holder_said() -> Result<()> {
    let house = House::new().await?;
    let patient = Candidate { duration: Duration::from_millis(3500), ..candidate("first") };
    let elected = patient.elected(house.client.clone()).await;
    ensure!(lease(&house).await?["spec"]["leaseDurationSeconds"] == 4);
    let hasty = Candidate { duration: Duration::from_secs(1), ..candidate("second") };
    let began = Instant::now();
    let second = tokio::time::timeout(Duration::from_secs(30), hasty.elected(house.client.clone())).await?;
    ensure!(began.elapsed() >= Duration::from_secs(4), "it took over after {:?}", began.elapsed());
    drop((elected, second));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_freed_is_taken_at_once() -> Result<()> {
    let house = House::new().await?;
    let patient = |identity: &str| Candidate { duration: Duration::from_secs(3600), ..candidate(identity) };
    let first = patient("first").elected(house.client.clone()).await;
    first.release().await;
    let second = patient("second").elected(house.client.clone());
    let _ = tokio::time::timeout(Duration::from_secs(30), second).await?;
    ensure!(holder(&house).await? == "second");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_waits_for_its_turn_does_not_keep_a_lease_from_being_renewed() -> Result<()> {
    let house = House::new().await?;
    // Nobody says through it that the server shares out its own time, which would lift the limit.
    let relay = Relay::start(&house.kubeconfig).await?;
    let maps = kind("", "ConfigMap");
    relay.client.find(&maps, "default", "none").await?;
    // What kinds there are is known by now, so that this is one request: the only one for minutes.
    let slow = relay.client.throttled(0.01, 1.0);
    slow.find(&maps, "default", "none").await?;
    let elected = candidate("first").elected(slow.clone());
    let mut leadership = tokio::time::timeout(Duration::from_secs(30), elected).await?;
    let lost = tokio::time::timeout(Duration::from_secs(4), leadership.lost()).await;
    ensure!(lost.is_err(), "the lease was lost");
    tokio::time::timeout(Duration::from_secs(30), leadership.release()).await?;
    ensure!(holder(&house).await?.is_empty(), "the lease was not freed");
    let works = slow.find(&maps, "default", "none");
    ensure!(tokio::time::timeout(Duration::from_secs(1), works).await.is_err(), "nothing is slowed down");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_replaced_notices() -> Result<()> {
    let house = House::new().await?;
    let first = renews(candidate("first").elected(house.client.clone()).await);
    let gvk = kind("coordination.k8s.io", "Lease");
    let mut lease = house.client.get(&gvk, "default", "leader").await?;
    // Renewals in between make the write fail; then it is read again.
    loop {
        lease["spec"]["holderIdentity"] = "stranger".into();
        match house.client.update(&lease, "test").await {
            Ok(_) => break,
            Err(error) if error.is_conflict() => lease = house.client.get(&gvk, "default", "leader").await?,
            Err(error) => return Err(error.into()),
        }
    }
    tokio::time::timeout(Duration::from_secs(30), first).await??;
    Ok(())
}

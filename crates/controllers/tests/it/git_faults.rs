//! A Git server that goes wrong below a Kustomization takes nothing away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand08::rngs::StdRng;
use rand08::{Rng as _, SeedableRng as _};
use sealfast_testkit::git::{Fault, Server};
use serde_json::{Value, json};

use crate::house::{House, config_map, is_applied, kind, kustomization, ready};

const REPOSITORY: &str = "app";

/// Pushes a commit in which one map stays, one changes and one is another than before; returns its revision.
fn push(git: &Server, round: usize) -> Result<String> {
    // The list of references is shorter than this, the pack is longer.
    let mut noise = vec![0; 8 << 10];
    StdRng::seed_from_u64(u64::try_from(round)?).fill(&mut noise[..]);
    let changes = config_map("changes", &format!("round-{round}"));
    let turn = config_map(&format!("turn-{round}"), "here");
    let (stays, turn_file) = (config_map("stays", "always"), format!("app/turn-{round}.yaml"));
    let files: [(&str, &[u8]); 4] = [
        ("app/stays.yaml", stays.as_bytes()),
        ("app/changes.yaml", changes.as_bytes()),
        (&turn_file, turn.as_bytes()),
        ("noise.bin", &noise),
    ];
    let message = format!("round {round}");
    let mut hash = git.commit(REPOSITORY, "main", &files, &message)?;
    if let Some(before) = round.checked_sub(1) {
        hash = git.remove(REPOSITORY, "main", &[&format!("app/turn-{before}.yaml")], &message)?;
    }
    Ok(format!("main@sha1:{hash}"))
}

async fn map(house: &House, name: &str) -> Result<Option<Value>> {
    Ok(house.client.find(&kind("", "ConfigMap"), "default", name).await?)
}

/// The maps are those of a round; returns the identity of the one that stays.
async fn is_at(house: &House, round: usize) -> Result<Value> {
    let changes = map(house, "changes").await?.context("a map is missing")?;
    ensure!(changes["data"]["key"] == format!("round-{round}"), "{}", changes["data"]);
    ensure!(map(house, &format!("turn-{round}")).await?.is_some(), "turn-{round} is missing");
    if let Some(before) = round.checked_sub(1) {
        ensure!(map(house, &format!("turn-{before}")).await?.is_none(), "turn-{before} was not pruned");
    }
    let stays = map(house, "stays").await?.context("what stays is missing")?;
    Ok(stays["metadata"]["uid"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_server_that_goes_wrong_takes_nothing_away() -> Result<()> {
    let (house, git, stranger) = (House::new().await?, Server::start()?, Server::start()?);
    git.create(REPOSITORY)?;
    let handle = house.start(&house.client, house.options()).await?;
    let sources = kind("source.toolkit.fluxcd.io", "GitRepository");
    house
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"namespace": "default", "name": "repo"},
            "spec": {"interval": "1s", "timeout": "2s", "url": git.url(REPOSITORY), "ref": {"branch": "main"}},
        }))
        .await?;
    let revision = push(&git, 0)?;
    let from_git = json!({"path": "./app", "sourceRef": {"kind": "GitRepository", "name": "repo"}});
    house.apply(kustomization("default", "app", from_git)).await?;
    house.until("default", "app", |object| is_applied(object, &revision)).await?;
    let stays = is_at(&house, 0).await?;
    let away = stranger.url("x").trim_end_matches("/x.git").to_owned();
    let faults = [
        Fault::Hang,
        Fault::Stall(60),
        Fault::Truncate(60),
        Fault::Truncate(4000),
        Fault::Status(500),
        // Nobody there has this repository.
        Fault::Redirect(away),
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let told = format!("{fault:?}");
        git.set_fault(Some(fault));
        let revision = push(&git, round + 1)?;
        let fails = |object: &Value| ready(object)["status"] == "False";
        let failed = house.until_any(&sources, "default", "repo", fails).await.context(told.clone())?;
        ensure!(failed["status"]["artifact"]["revision"] != revision, "{told}: {}", failed["status"]);
        // Time for whoever would take the failure for an empty source.
        tokio::time::sleep(Duration::from_millis(500)).await;
        ensure!(is_at(&house, round).await.context(told.clone())? == stays, "{told}: made anew");
        git.set_fault(None);
        let app = house.until("default", "app", |object| is_applied(object, &revision)).await;
        app.context(told.clone())?;
        let fine = |object: &Value| ready(object)["status"] == "True";
        house.until_any(&sources, "default", "repo", fine).await.context(told.clone())?;
        ensure!(is_at(&house, round + 1).await.context(told.clone())? == stays, "{told}: made anew");
    }
    ensure!(!stranger.seen().is_empty(), "nobody was sent away");
    handle.stop().await;
    Ok(())
}

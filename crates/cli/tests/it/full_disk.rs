//! A disk that is full: of artifacts, of fetches, of the embedded server's state.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use rand08::RngCore as _;
use sealfast_cluster::client::request::Call;
use sealfast_cluster::client::{Client, Patch};
use sealfast_testkit::disk::Disk;
use sealfast_testkit::scratch::Scratch;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::person::SEALFAST;
use crate::stage::{PATIENCE, Program, Stage, condition, kind, kustomizations, run, sources, until};

/// A commit with something that cannot be made smaller.
fn push(stage: &Stage, commit: usize, noise: usize) -> Result<String> {
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: default}}\ndata: {{commit: \"{commit}\"}}\n"
    );
    let mut bytes = vec![0; noise];
    rand08::thread_rng().fill_bytes(&mut bytes);
    let files = [("app/map.yaml", map.as_bytes()), ("noise.bin", bytes.as_slice())];
    let hash = stage.git.commit("fleet", "main", &files, &format!("commit {commit}"))?;
    Ok(format!("main@sha1:{hash}"))
}

fn controllers(stage: &Stage, disk: &Disk, temporary: &Path, storage: &Path) -> Result<Program> {
    let kubeconfig = stage.scratch.write("kubeconfig", stage.kubeconfig(&stage.address))?;
    let mut command = disk.command(Path::new(SEALFAST));
    run(&mut command, temporary);
    command.args(["--max-retry-delay", "2s"]);
    command.arg("--storage-path").arg(storage).arg("--kubeconfig").arg(kubeconfig);
    Program::start(command, stage.scratch.join("run.log"))
}

async fn commit_of(stage: &Stage) -> Result<Value> {
    let map = stage.client.get(&kind("", "ConfigMap"), "default", "settings").await?;
    Ok(map["data"]["commit"].clone())
}

/// The archive that the source tells of is served, and is what it says.
async fn is_served(source: &Value) -> Result<()> {
    let artifact = &source["status"]["artifact"];
    let answer = reqwest::get(artifact["url"].as_str().context("a URL")?).await?.error_for_status()?;
    let digest = Sha256::digest(answer.bytes().await?);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(artifact["digest"] == format!("sha256:{hex}"), "another archive: {artifact}");
    Ok(())
}

/// The names of files of a folder that begin like those that are being written.
fn half_written(folder: &Path) -> Result<Vec<String>> {
    let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect::<Result<_>>()?;
    Ok(names
        .into_iter()
        .filter(|name| name.starts_with(".new") || name.starts_with("sealfast-git"))
        .collect())
}

/// Whoever builds now builds from what there was.
async fn builds_again(stage: &Stage, token: &str) -> Result<()> {
    let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    stage.client.patch(&kustomizations(), "default", "app", &Patch::Merge(&asked), "test").await?;
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == token;
    let object = stage.until(&kustomizations(), "app", handled).await?;
    ensure!(condition(&object, "Ready")["status"] == "True", "{}", object["status"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_artifact_store_keeps_what_it_has_until_there_is_room() -> Result<()> {
    let stage = Stage::new().await?;
    stage.kustomize("app", "10m").await?;
    let folder = stage.scratch.join("disk");
    std::fs::create_dir(&folder)?;
    let Some(disk) = Disk::mount(&folder, 4096)? else { return Ok(()) };
    let old = push(&stage, 0, 10_000)?;
    let running = controllers(&stage, &disk, stage.scratch.path(), &folder.join("artifacts"))?;
    stage.applied("app", &old).await.with_context(|| running.log())?;

    disk.fill()?;
    let new = push(&stage, 1, 300_000)?;
    let failed = |source: &Value| condition(source, "StorageOperationFailed")["status"] == "True";
    let source = stage.until(&sources(), "fleet", failed).await.with_context(|| running.log())?;
    let ready = condition(&source, "Ready");
    ensure!(ready["status"] == "False" && ready["reason"] == "ArchiveOperationFailed", "{ready}");
    let message = ready["message"].as_str().unwrap_or_default();
    ensure!(message.contains("No space left on device"), "{message}");
    ensure!(message.contains("make room"), "{message}");
    ensure!(!message.contains(&*folder.to_string_lossy()), "a path of our own disk: {message}");
    ensure!(source["status"]["artifact"]["revision"] == old, "{}", source["status"]);
    is_served(&source).await?;
    builds_again(&stage, "while-full").await?;
    ensure!(commit_of(&stage).await? == "0");
    let left = half_written(&disk.path("artifacts/gitrepository/default/fleet"))?;
    ensure!(left.is_empty(), "half an artifact is left: {left:?}");

    disk.make_room()?;
    stage.applied("app", &new).await.with_context(|| running.log())?;
    ensure!(commit_of(&stage).await? == "1");
    let source = stage.until(&sources(), "fleet", |s| condition(s, "Ready")["status"] == "True").await?;
    ensure!(condition(&source, "StorageOperationFailed").is_null(), "{}", source["status"]);
    is_served(&source).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_scratch_folder_keeps_the_old_artifact_until_there_is_room() -> Result<()> {
    let stage = Stage::new().await?;
    stage.kustomize("app", "10m").await?;
    let folder = stage.scratch.join("disk");
    std::fs::create_dir(&folder)?;
    let Some(disk) = Disk::mount(&folder, 4096)? else { return Ok(()) };
    let old = push(&stage, 0, 10_000)?;
    let running = controllers(&stage, &disk, &folder, &stage.scratch.join("artifacts"))?;
    stage.applied("app", &old).await.with_context(|| running.log())?;

    disk.fill()?;
    let new = push(&stage, 1, 300_000)?;
    let failed = |source: &Value| condition(source, "FetchFailed")["status"] == "True";
    let source = stage.until(&sources(), "fleet", failed).await.with_context(|| running.log())?;
    let message = condition(&source, "Ready")["message"].as_str().unwrap_or_default();
    ensure!(message.contains("No space left on device"), "{message}");
    ensure!(message.contains("make room"), "{message}");
    ensure!(!message.contains(&*folder.to_string_lossy()), "a path of our own disk: {message}");
    ensure!(source["status"]["artifact"]["revision"] == old, "{}", source["status"]);
    is_served(&source).await?;
    builds_again(&stage, "while-full").await?;

    disk.make_room()?;
    stage.applied("app", &new).await.with_context(|| running.log())?;
    until(|| async { Ok(half_written(&disk.path(""))?.is_empty()) })
        .await
        .context("a fetch left its folder")?;
    let source = stage.until(&sources(), "fleet", |s| condition(s, "Ready")["status"] == "True").await?;
    is_served(&source).await
}

/// `sealfast up` with its state on the disk, and a client of it.
async fn up(scratch: &Scratch, disk: &Disk, state: &Path) -> Result<(Program, Client)> {
    let kubeconfig = scratch.join("up.kubeconfig");
    let mut command = disk.command(Path::new(SEALFAST));
    command.env_clear().env("TMPDIR", scratch.path()).env("HOME", scratch.path());
    command.args(["up", "--log-level", "info", "--state"]).arg(state).arg("--kubeconfig").arg(&kubeconfig);
    let running = Program::start(command, scratch.join("up.log"))?;
    let began = Instant::now();
    loop {
        if let Ok(client) = Client::from_kubeconfigs(std::slice::from_ref(&kubeconfig), None).await
            && ready(&client).await.is_ok()
        {
            return Ok((running, client));
        }
        ensure!(began.elapsed() < PATIENCE, "{}", running.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks `/readyz`, whose answer is a word and no JSON; an error is a refusal.
async fn ready(client: &Client) -> Result<(), sealfast_cluster::error::Error> {
    match client.call(Call::new(Method::GET, "/readyz".to_owned())).await {
        Ok(_) | Err(sealfast_cluster::error::Error::Answer(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn map(number: usize) -> Value {
    // Too long for what may be left of a block, and never twice the same.
    let mut bytes = vec![0; 20_000];
    rand08::thread_rng().fill_bytes(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"noise": text},
        "metadata": {"namespace": "default", "name": format!("map-{number}")}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_state_folder_refuses_writes_until_there_is_room() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let scratch = Scratch::new()?;
    let folder = scratch.join("disk");
    std::fs::create_dir(&folder)?;
    let Some(disk) = Disk::mount(&folder, 16_384)? else { return Ok(()) };
    let (running, client) = up(&scratch, &disk, &folder.join("state")).await?;
    let maps = kind("", "ConfigMap");
    let mut kept = Vec::new();
    for number in 0..5 {
        kept.push(client.create(&map(number), "test").await?);
    }

    disk.fill()?;
    let mut refused = Vec::new();
    for number in 5..30 {
        match client.create(&map(number), "test").await {
            // What was set aside before may still take some.
            Ok(object) => kept.push(object),
            Err(error) => refused.push((number, error)),
        }
    }
    ensure!(refused.len() > 10, "{} writes were refused", refused.len());
    for (number, error) in &refused {
        let status = error.status().with_context(|| error.to_string())?;
        ensure!(status.code == 500 && status.message.contains("No space left on device"), "{status:?}");
        ensure!(client.find(&maps, "default", &format!("map-{number}")).await?.is_none(), "it was kept");
    }
    let same = async |client: &Client| -> Result<()> {
        for object in &kept {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let now =
                client.find(&maps, "default", name).await?.with_context(|| format!("{name} is lost"))?;
            ensure!(now == *object, "{name} is another");
        }
        Ok(())
    };
    same(&client).await?;
    // Something small that comes meanwhile may still fit, and is a write that was taken.
    until(|| async {
        let refused = client.create(&map(30), "test").await.is_err();
        Ok(refused && ready(&client).await.is_err())
    })
    .await
    .context("it calls itself ready")?;

    disk.make_room()?;
    let began = Instant::now();
    let again = loop {
        match client.create(&map(100), "test").await {
            Ok(object) => break object,
            Err(error) => ensure!(began.elapsed() < PATIENCE, "{error}\n{}", running.log()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    ready(&client).await.context("it does not call itself ready")?;
    drop(running);
    let (_running, client) = up(&scratch, &disk, &folder.join("state")).await?;
    same(&client).await?;
    ensure!(client.find(&maps, "default", "map-100").await? == Some(again), "what was acknowledged is lost");
    for (number, _) in &refused {
        let found = client.find(&maps, "default", &format!("map-{number}")).await?;
        ensure!(found.is_none(), "map-{number} was refused, and is there");
    }
    Ok(())
}

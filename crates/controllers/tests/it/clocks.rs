//! A time of day that is moved while the controllers run.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealfast_controllers::clock::Clock;
use sealfast_controllers::options::Options;
use sealfast_source::storage::Retention;
use sealfast_testkit::git::Server;
use serde_json::json;

use crate::house::{House, config_map, is_applied, kind, kustomization};

const DAY: i64 = 24 * 3600;

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_jumps_takes_no_artifact_and_stops_nothing() -> Result<()> {
    let (house, git, clock) = (House::new().await?, Server::start()?, Clock::default());
    git.create("fleet")?;
    let retention = Retention { age: Duration::from_secs(3600), records: 2 };
    let options = Options { clock: clock.clone(), retention, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house
        .apply(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {"namespace": "default", "name": "fleet"},
            "spec": {"interval": "1s", "url": git.url("fleet"), "ref": {"branch": "main"}},
        }))
        .await?;
    let more = json!({"sourceRef": {"kind": "GitRepository", "name": "fleet"}});
    house.apply(kustomization("default", "app", more)).await?;
    for (commit, jump) in [0, DAY, -2 * DAY, DAY].into_iter().enumerate() {
        clock.shift(jump);
        let text = config_map("settings", &format!("commit-{commit}"));
        let hash =
            git.commit("fleet", "main", &[("map.yaml", text.as_bytes())], &format!("commit {commit}"))?;
        let revision = format!("main@sha1:{hash}");
        house.until("default", "app", |object| is_applied(object, &revision)).await?;
        // Two intervals later the artifact is still there, though it was made a day ago by this clock.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let source =
            house.client.get(&kind("source.toolkit.fluxcd.io", "GitRepository"), "default", "fleet").await?;
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

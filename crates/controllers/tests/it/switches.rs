//! What flags and gates change in a run.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Patch;
use sealfast_controllers::gates::Gate;
use sealfast_controllers::options::Options;
use sealfast_controllers::run::Handle;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_testkit::place;
use serde_json::{Value, json};

use crate::hearing;
use crate::house::{House, config_map, is_applied, kind, kustomization, ready};

const OCI: &str = "source.toolkit.fluxcd.io";

/// A house with controllers that run in another way, and files that are offered.
async fn run_with(files: &[(&str, &str)], how: impl FnOnce(Options) -> Options) -> Result<(House, Handle)> {
    let house = House::new().await?;
    let handle = house.start(&house.client, how(house.options())).await?;
    for (file, text) in files {
        house.write(file, text)?;
    }
    house.publish(&handle, "default").await?;
    Ok((house, handle))
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_for_all_serve_those_that_name_no_secret() -> Result<()> {
    let folder = place::golden("controllers").join("sops-age-data");
    let objects = std::fs::read_to_string(folder.join("objects.yaml"))?;
    let identity = objects.lines().find(|line| line.contains("AGE-SECRET-KEY-")).unwrap_or_default().trim();
    let sealed = std::fs::read_dir(folder.join("repo"))?.next().transpose()?.map(|entry| entry.path());
    let sealed = std::fs::read_to_string(sealed.unwrap_or_default())?.replace("${NS}", "default");
    let (house, handle) =
        run_with(&[("s.yaml", &sealed)], |o| Options { sops_age_secret: Some("keys".into()), ..o }).await?;
    house.namespace("flux-system").await?;
    for (namespace, name, entry) in
        [("flux-system", "keys", identity), ("default", "others", "# no identity")]
    {
        let data = json!({"age.agekey": STANDARD.encode(entry)});
        let metadata = json!({"name": name, "namespace": namespace});
        house
            .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
            .await?;
    }
    let spec = |decryption: Value| json!({"targetNamespace": "default", "decryption": decryption});
    house.app(spec(json!({"provider": "sops"})), "ReconciliationSucceeded").await?;
    // Who names a Secret has what is in it, and nothing else.
    let own = json!({"provider": "sops", "secretRef": {"name": "others"}});
    let message = house.app(spec(own), "BuildFailed").await?;
    let told =
        "failed to load age identities. Did not find keys in location\n      | 'Secret default/others'.\n";
    ensure!(message.starts_with("decryption failed for 'Secret.v1.[noGrp]/creds'"), "{message}");
    ensure!(message.contains(told) && !message.contains("flux-system"), "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_is_asked_beside_the_usual_check_or_in_its_place() -> Result<()> {
    for (additive, reason) in [(false, "ReconciliationSucceeded"), (true, "DependencyNotReady")] {
        let gates = |o: &Options| match additive {
            true => o.gates.clone().with(Gate::AdditiveCELDependencyCheck),
            false => o.gates.clone(),
        };
        let files = [("cm.yaml", &*config_map("made", "x"))];
        let (house, handle) = run_with(&files, |o| Options { gates: gates(&o), ..o }).await?;
        house.apply(kustomization("default", "first", json!({"path": "./none"}))).await?;
        house.until("default", "first", |first| ready(first)["reason"] == "ArtifactFailed").await?;
        house.app(json!({"dependsOn": [{"name": "first", "readyExpr": "true"}]}), reason).await?;
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_are_named_go_before_the_rest() -> Result<()> {
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "first", "namespace": "default"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}})
    .to_string();
    let files = [("p.yaml", &*budget), ("wrong.yaml", &config_map("Wrong_Name", "x"))];
    for (kinds, is_there) in [(vec![], false), (vec!["policy/PodDisruptionBudget".to_owned()], true)] {
        let (house, handle) = run_with(&files, |o| Options { custom_stage_kinds: kinds, ..o }).await?;
        let message = house.app(json!({}), "ReconciliationFailed").await?;
        ensure!(message.ends_with("\nPodDisruptionBudget/default/first created\n") == is_there, "{message}");
        let found = house.client.find(&kind("policy", "PodDisruptionBudget"), "default", "first").await?;
        ensure!(found.is_some() == is_there);
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_managers_that_are_named_are_taken_over() -> Result<()> {
    for (managers, left) in [(vec![], json!("theirs")), (vec!["helm".to_owned()], Value::Null)] {
        let files = [("cm.yaml", &*config_map("made", "x"))];
        let (house, handle) = run_with(&files, |o| Options { override_managers: managers, ..o }).await?;
        house.app(json!({}), "ReconciliationSucceeded").await?;
        let maps = kind("", "ConfigMap");
        let body = json!({"data": {"more": "theirs"}});
        house.client.patch(&maps, "default", "made", &Patch::Merge(&body), "helm-operator").await?;
        house.app(json!({"timeout": "5m"}), "ReconciliationSucceeded").await?;
        house.until("default", "app", |app| app["status"]["observedGeneration"] == 2).await?;
        let live = house.client.get(&maps, "default", "made").await?;
        ensure!(live["data"]["more"] == left, "{live}");
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_others_move_to_the_applied_version_when_that_is_switched_on() -> Result<()> {
    let scaler = |version: &str| {
        json!({"apiVersion": version, "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minReplicas": 1, "maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
        .to_string()
    };
    let (old, new) = ("autoscaling/v1", "autoscaling/v2");
    // Where nothing moves, nothing is written at all: what the file says is there already.
    for (moves, version) in [(false, old), (true, new)] {
        let gates = |o: &Options| match moves {
            true => o.gates.clone().with(Gate::MigrateAPIVersion),
            false => o.gates.clone(),
        };
        let files = [("h.yaml", &*scaler(old))];
        let (house, handle) = run_with(&files, |o| Options { gates: gates(&o), ..o }).await?;
        house.app(json!({}), "ReconciliationSucceeded").await?;
        let gvk = GroupVersionKind::from_api_version(old, "HorizontalPodAutoscaler");
        let body = json!({"metadata": {"labels": {"more": "theirs"}}});
        house.client.patch(&gvk, "default", "web", &Patch::Merge(&body), "other").await?;
        house.write("h.yaml", &scaler(new))?;
        let revision = house.publish(&handle, "default").await?;
        house.until("default", "app", |app| is_applied(app, &revision)).await?;
        let live = house.client.get(&gvk, "default", "web").await?;
        let entries = live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let versions: Vec<_> =
            entries.iter().map(|e| (e["manager"].as_str(), e["apiVersion"].as_str())).collect();
        for manager in ["kustomize-controller", "other"] {
            ensure!(versions.contains(&(Some(manager), Some(version))), "{moves}: {versions:?}");
        }
        ensure!(live["metadata"]["labels"]["more"] == "theirs", "{live}");
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_lists_changes_by_object_or_by_what_was_done() -> Result<()> {
    let heard = hearing::heard();
    for (grouped, namespace, expected) in [
        (false, "told", json!({"ConfigMap/told/a": "created", "ConfigMap/told/b": "created"})),
        (true, "grouped", json!({"created": ["ConfigMap/grouped/a", "ConfigMap/grouped/b"]})),
    ] {
        let gates = |o: &Options| match grouped {
            true => o.gates.clone().with(Gate::GroupChangeLog),
            false => o.gates.clone(),
        };
        let files = [("a.yaml", &*config_map("a", "x")), ("b.yaml", &config_map("b", "x"))];
        let (house, handle) = run_with(&files, |o| Options { gates: gates(&o), ..o }).await?;
        house.namespace(namespace).await?;
        house.publish(&handle, namespace).await?;
        let spec = json!({"targetNamespace": namespace});
        house.apply(kustomization(namespace, "app", spec)).await?;
        house.until(namespace, "app", |app| ready(app)["status"] == "True").await?;
        handle.stop().await;
        let told =
            heard.field("output", |line| line.get("namespace").is_some_and(|place| place == namespace));
        let told = told.map(|output| serde_json::from_str::<Value>(&output)).transpose()?;
        ensure!(told == Some(expected), "{told:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_ends_the_wait_for_the_others_unless_that_is_switched_off() -> Result<()> {
    let source = json!({"apiVersion": format!("{OCI}/v1"), "kind": "OCIRepository",
        "metadata": {"name": "outside", "namespace": "default"}, "spec": {"interval": "1h", "url": "oci://example.com/x"}});
    let checks = json!([
        {"apiVersion": format!("{OCI}/v1"), "kind": "OCIRepository", "name": "outside", "namespace": "default"},
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "late", "namespace": "default"},
    ]);
    let status = |kind: &str| {
        json!({"status": {"observedGeneration": 1, "conditions": [{"type": kind, "status": "True",
        "reason": "Told", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})
    };
    for patient in [false, true] {
        let files = [("s.yaml", &*source.to_string())];
        let gates = |o: &Options| match patient {
            true => o.gates.clone().with(Gate::DisableFailFastBehavior),
            false => o.gates.clone(),
        };
        let (house, handle) = run_with(&files, |o| Options { gates: gates(&o), ..o }).await?;
        let spec = json!({"timeout": "10m", "healthChecks": checks});
        house.apply(kustomization("default", "app", spec)).await?;
        let sources = kind(OCI, "OCIRepository");
        house.until_any(&sources, "default", "outside", |_| true).await?;
        let say = async |kind: &str| {
            let body = status(kind);
            house.client.patch_status(&sources, "default", "outside", &Patch::Merge(&body), "test").await
        };
        // `late` is not there: so often it was asked for.
        let looks = || {
            let counts = house.client.requests();
            counts.iter().filter(|((_, code), _)| *code == Some(404)).map(|(_, count)| count).sum::<u64>()
        };
        say("Stalled").await?;
        if !patient {
            let failed =
                house.until("default", "app", |app| ready(app)["reason"] == "HealthCheckFailed").await?;
            let message = ready(&failed)["message"].as_str().unwrap_or_default();
            let told =
                "failed early due to stalled resources: [OCIRepository/default/outside status: 'Failed'";
            ensure!(message.contains(told), "{message}");
        } else {
            // The first look may have begun before, the second sees it, and the third is there for no other reason than patience.
            let enough = looks() + 3;
            let waits = house.until("default", "app", |_| looks() >= enough).await?;
            ensure!(ready(&waits)["status"] == "Unknown", "{}", waits["status"]);
            say("Ready").await?;
            house
                .apply(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "late", "namespace": "default"}}))
                .await?;
            house.until("default", "app", |app| ready(app)["status"] == "True").await?;
        }
        handle.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_counts_runs_and_knows_where_an_artifact_came_from() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    let origin = "main@sha1:b8e362c206e3d0cbb7ed22ced771a0056455a2fb";
    let body = json!({"status": {"artifact": {"metadata": {"org.opencontainers.image.revision": origin}}}});
    let artifacts = kind(OCI, "ExternalArtifact");
    house.client.patch_status(&artifacts, "default", "repo", &Patch::Merge(&body), "test").await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    house.app(json!({"timeout": "5m"}), "ReconciliationSucceeded").await?;
    let twice = house.until("default", "app", |app| app["status"]["observedGeneration"] == 2).await?;
    let history = twice["status"]["history"].as_array().cloned().unwrap_or_default();
    let last = &history[0];
    ensure!(history.len() == 1 && last["totalReconciliations"] == 2, "{history:?}");
    let text = |field: &str| last[field].as_str().unwrap_or_default().to_owned();
    ensure!(text("digest").starts_with("sha256:") && text("lastReconciledDuration").ends_with('s'), "{last}");
    ensure!(
        !text("firstReconciled").is_empty() && text("firstReconciled") <= text("lastReconciled"),
        "{last}"
    );
    ensure!(last["metadata"]["originRevision"] == origin, "{last}");
    ensure!(twice["status"]["lastAppliedOriginRevision"] == origin, "{}", twice["status"]);
    house.app(json!({"timeout": "4m", "patches": [{"patch": "[{\"op\": \"add\", \"path\": \"/data/y\", \"value\": \"z\"}]",
        "target": {"kind": "ConfigMap"}}]}), "ReconciliationSucceeded").await?;
    let other = house.until("default", "app", |app| app["status"]["observedGeneration"] == 3).await?;
    let counts: Vec<&Value> = other["status"]["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|snapshot| &snapshot["totalReconciliations"])
        .collect();
    ensure!(counts == [&json!(1), &json!(2)], "another build is another entry, the newest first: {counts:?}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_progress_is_neither_failed_nor_current() -> Result<()> {
    let map = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "default"},
            "data": {"phase": phase}})
    };
    let (house, handle) = House::lived_in(&[("cm.yaml", &map("starting").to_string())]).await?;
    let expressions = json!([{"apiVersion": "v1", "kind": "ConfigMap", "inProgress": "data.phase == 'starting'",
        "failed": "true", "current": "true"}]);
    let spec = json!({"wait": true, "timeout": "10m", "healthCheckExprs": expressions});
    house.apply(kustomization("default", "app", spec)).await?;
    house.until("default", "app", |app| app["status"].to_string().contains("Running health checks")).await?;
    house.apply(map("over")).await?;
    let failed = house.until("default", "app", |app| ready(app)["reason"] == "HealthCheckFailed").await?;
    let message = ready(&failed)["message"].as_str().unwrap_or_default();
    ensure!(message.contains("[ConfigMap/default/made status: 'Failed'"), "{message}");
    handle.stop().await;
    Ok(())
}

//! Apply, drift, ownership, prune, health.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use futures::FutureExt as _;
use sealfast_cluster::apply::{self, Action, Change, Migrate, Options, Owner, Recreate};
use sealfast_cluster::client::{Client, Patch};
use sealfast_cluster::error::Error;
use sealfast_cluster::known::Known;
use sealfast_cluster::wait::{self, FailFast};
use sealfast_cluster::{health, prune};
use sealfast_k8s::id::ObjectId;
use sealfast_k8s::object;
use serde_json::{Value, json};

use crate::house::{House, config_map, core};

async fn apply(client: &Client, objects: Vec<Value>, options: &Options) -> Result<Vec<Change>> {
    apply::stages(client, objects, options, &Known::default())
        .await
        .map_err(|failure| anyhow!(failure.message))
}

fn actions(changes: &[Change]) -> Vec<Action> {
    changes.iter().map(|change| change.action).collect()
}

fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}],
        },
    })
}

#[tokio::test]
async fn definitions_namespaces_and_what_builds_on_them_go_in_one_run() -> Result<()> {
    let house = House::new().await?;
    let objects = vec![
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "fresh"}, "spec": {"size": 1}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}),
        definition(),
    ];
    let changes = apply(&house.client, objects, &Options::default()).await?;
    let names: Vec<String> = changes.iter().map(ToString::to_string).collect();
    ensure!(
        names
            == [
                "CustomResourceDefinition/widgets.example.com created",
                "Namespace/fresh created",
                "Widget/fresh/w created"
            ],
        "{names:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_second_time_nothing_is_written() -> Result<()> {
    let house = House::new().await?;
    let objects = || vec![config_map("a", json!({"k": "1"})), config_map("b", json!({}))];
    let options = Options::default();
    ensure!(actions(&apply(&house.client, objects(), &options).await?) == [Action::Created; 2]);
    let before = house.client.get(&core("ConfigMap"), "default", "a").await?;
    ensure!(actions(&apply(&house.client, objects(), &options).await?) == [Action::Unchanged; 2]);
    let after = house.client.get(&core("ConfigMap"), "default", "a").await?;
    ensure!(
        object::metadata_text(&before, "resourceVersion") == object::metadata_text(&after, "resourceVersion")
    );
    Ok(())
}

#[tokio::test]
async fn fields_that_kubectl_added_go_and_those_of_others_stay() -> Result<()> {
    let house = House::new().await?;
    let wanted = || vec![config_map("a", json!({"k": "1"}))];
    apply(&house.client, wanted(), &Options::default()).await?;
    for (manager, key) in [("kubectl-edit", "edited"), ("autoscaler", "scaled")] {
        house.patch(&core("ConfigMap"), "a", json!({"data": {key: "x"}}), manager).await?;
    }
    ensure!(actions(&apply(&house.client, wanted(), &Options::default()).await?) == [Action::Configured]);
    let live = house.client.get(&core("ConfigMap"), "default", "a").await?;
    ensure!(live["data"] == json!({"k": "1", "scaled": "x"}), "{}", live["data"]);
    Ok(())
}

#[tokio::test]
async fn a_changed_value_is_put_back_unless_it_is_ignored() -> Result<()> {
    let house = House::new().await?;
    let wanted = || vec![config_map("a", json!({"k": "1", "other": "1"}))];
    apply(&house.client, wanted(), &Options::default()).await?;
    let ignored =
        Options { ignored: Some(Arc::new(|_: &Value| vec!["/data/k".to_owned()])), ..Options::default() };
    house.patch(&core("ConfigMap"), "a", json!({"data": {"k": "2"}}), "somebody").await?;
    ensure!(actions(&apply(&house.client, wanted(), &ignored).await?) == [Action::Unchanged]);
    // Another field has to be written; the ignored one keeps what is there.
    house.patch(&core("ConfigMap"), "a", json!({"data": {"other": "2"}}), "somebody").await?;
    ensure!(actions(&apply(&house.client, wanted(), &ignored).await?) == [Action::Configured]);
    let live = house.client.get(&core("ConfigMap"), "default", "a").await?;
    ensure!(live["data"] == json!({"k": "2", "other": "1"}), "{}", live["data"]);
    // What is no place in an object can be left to nobody, and nothing is overwritten for it.
    let no_place =
        Options { ignored: Some(Arc::new(|_: &Value| vec!["data/k".to_owned()])), ..Options::default() };
    let refused = apply(&house.client, wanted(), &no_place).await.err().map(|error| error.to_string());
    let told = "replace operation does not apply: doc is missing key: data/k: missing value";
    ensure!(refused.as_deref().is_some_and(|text| text.starts_with(told)), "{refused:?}");
    ensure!(house.client.get(&core("ConfigMap"), "default", "a").await?["data"] == live["data"]);
    ensure!(actions(&apply(&house.client, wanted(), &Options::default()).await?) == [Action::Configured]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_change_is_recreated_when_that_is_asked_for() -> Result<()> {
    let house = House::new().await?;
    let fixed = |value: &str, more: Value| {
        let mut map = config_map("a", json!({"k": value}));
        map["immutable"] = true.into();
        map["metadata"]["annotations"] = more;
        map
    };
    apply(&house.client, vec![fixed("1", Value::Null)], &Options::default()).await?;
    let refused = apply(&house.client, vec![fixed("2", Value::Null)], &Options::default()).await;
    ensure!(
        refused.is_err_and(|error| error
            .to_string()
            .starts_with("ConfigMap/default/a dry-run failed (Invalid)"))
    );
    let asked = json!({"kustomize.toolkit.fluxcd.io/force": "enabled"});
    ensure!(
        actions(&apply(&house.client, vec![fixed("2", asked)], &Options::default()).await?)
            == [Action::Created]
    );
    let all = Options { recreate: Recreate::All, ..Options::default() };
    ensure!(actions(&apply(&house.client, vec![fixed("3", Value::Null)], &all).await?) == [Action::Created]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_deleted_to_be_made_anew_in_a_stage_that_is_refused() -> Result<()> {
    let house = House::new().await?;
    let fixed = |value: &str| {
        let mut map = config_map("a", json!({"k": value}));
        map["immutable"] = true.into();
        map
    };
    apply(&house.client, vec![fixed("1")], &Options::default()).await?;
    let before = house.client.get(&core("ConfigMap"), "default", "a").await?;
    let all = Options { recreate: Recreate::All, ..Options::default() };
    let refused = apply(&house.client, vec![fixed("2"), config_map("Bad_Name", json!({}))], &all).await;
    ensure!(refused.is_err_and(|error| error.to_string().starts_with("ConfigMap/default/Bad_Name dry-run")));
    // Nor when nobody takes note of it.
    let announce = |objects: Vec<ObjectId>| {
        async move { Err(Error::Incomplete { field: if objects.len() == 1 { "one" } else { "other" } }) }
            .boxed()
    };
    let unnoted = Options { announce: Some(Arc::new(announce)), ..all.clone() };
    let refused = apply(&house.client, vec![fixed("2")], &unnoted).await;
    ensure!(refused.is_err_and(|error| error.to_string().ends_with("object has no `one`")));
    ensure!(house.client.get(&core("ConfigMap"), "default", "a").await? == before);
    let done = apply(&house.client, vec![fixed("2"), config_map("b", json!({}))], &all).await?;
    ensure!(actions(&done) == [Action::Created; 2]);
    ensure!(house.client.get(&core("ConfigMap"), "default", "a").await?["data"] == json!({"k": "2"}));
    Ok(())
}

#[tokio::test]
async fn what_is_recreated_is_waited_for_until_it_is_gone() -> Result<()> {
    let house = House::new().await?;
    let fixed = |value: &str| {
        let mut map = config_map("a", json!({"k": value}));
        map["immutable"] = true.into();
        map["metadata"]["finalizers"] = json!(["example.com/held"]);
        map
    };
    apply(&house.client, vec![fixed("1")], &Options::default()).await?;
    let hasty =
        Options { recreate: Recreate::All, timeout: Duration::from_millis(200), ..Options::default() };
    let refused = apply(&house.client, vec![fixed("2")], &hasty).await;
    let expected = "ConfigMap/default/a immutable field detected, failed to wait for object to be deleted: context deadline exceeded";
    ensure!(refused.is_err_and(|error| error.to_string() == expected));
    let patient = Options { timeout: Duration::from_secs(60), ..hasty };
    let freed = async {
        let body = json!({"metadata": {"finalizers": null}});
        let patch = Patch::Merge(&body);
        house.client.patch(&core("ConfigMap"), "default", "a", &patch, "test").await
    };
    let (changes, freed) = tokio::join!(apply(&house.client, vec![fixed("2")], &patient), freed);
    freed?;
    ensure!(actions(&changes?) == [Action::Created]);
    Ok(())
}

#[tokio::test]
async fn one_refused_object_keeps_its_stage_from_being_written() -> Result<()> {
    let house = House::new().await?;
    let objects = vec![config_map("good", json!({})), config_map("Bad_Name", json!({}))];
    ensure!(apply(&house.client, objects, &Options::default()).await.is_err());
    ensure!(house.client.find(&core("ConfigMap"), "default", "good").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn switches_leave_objects_alone() -> Result<()> {
    let house = House::new().await?;
    let switched = |name: &str, value: &str| {
        let mut map = config_map(name, json!({"k": "1"}));
        map["metadata"]["annotations"] = json!({"kustomize.toolkit.fluxcd.io/ssa": value});
        map
    };
    let wanted = || vec![switched("absent", "IfNotPresent"), switched("left", "Ignore")];
    ensure!(
        actions(&apply(&house.client, wanted(), &Options::default()).await?)
            == [Action::Created, Action::Skipped]
    );
    house.patch(&core("ConfigMap"), "absent", json!({"data": {"k": "2"}}), "somebody").await?;
    ensure!(actions(&apply(&house.client, wanted(), &Options::default()).await?) == [Action::Skipped; 2]);
    Ok(())
}

#[tokio::test]
async fn pruning_takes_what_is_ours_and_not_kept() -> Result<()> {
    let house = House::new().await?;
    let owner = Owner { name: "app".into(), namespace: "default".into() };
    let stranger = Owner { name: "other".into(), namespace: "default".into() };
    let mut objects =
        vec![config_map("ours", json!({})), config_map("kept", json!({})), config_map("theirs", json!({}))];
    owner.mark(&mut objects[0]);
    owner.mark(&mut objects[1]);
    stranger.mark(&mut objects[2]);
    object::set_annotation(&mut objects[1], "kustomize.toolkit.fluxcd.io/prune", "disabled");
    let ids: Vec<_> = objects.iter().map(object::id).collect();
    apply(&house.client, objects, &Options::default()).await?;
    let pruned = prune::delete(&house.client, &ids, &owner, Duration::from_secs(60)).await;
    ensure!(pruned.message().is_none());
    let told: Vec<String> = pruned.changes.iter().map(ToString::to_string).collect();
    ensure!(
        told == [
            "ConfigMap/default/theirs skipped",
            "ConfigMap/default/ours deleted",
            "ConfigMap/default/kept skipped"
        ],
        "{told:?}"
    );
    ensure!(prune::gone(&house.client, &ids[..1], Duration::from_secs(10)).await);
    ensure!(!prune::gone(&house.client, &ids[1..2], Duration::from_millis(100)).await);
    Ok(())
}

#[tokio::test]
async fn waiting_ends_with_those_that_are_not_current() -> Result<()> {
    let house = House::new().await?;
    let job = |name: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"}, "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}})
    };
    let objects = vec![job("slow"), job("broken"), config_map("fine", json!({}))];
    let ids: Vec<_> = objects.iter().map(object::id).collect();
    apply(&house.client, objects, &Options::default()).await?;
    let judge: Arc<wait::Judge> =
        Arc::new(|live: &Value| Ok(health::status(live, jiff::Timestamp::UNIX_EPOCH)));
    let options = |fail_fast| wait::Options {
        timeout: Duration::from_millis(700),
        longest_pause: Duration::from_millis(100),
        fail_fast,
        passing: Vec::new(),
    };
    wait::until_current(&house.client, &ids[2..], &judge, options(FailFast::Yes))
        .await
        .map_err(|why| anyhow!(why))?;
    let late = wait::until_current(&house.client, &ids[..1], &judge, options(FailFast::Yes)).await;
    ensure!(
        late == Err("timeout waiting for: [Job/default/slow status: 'InProgress']".to_owned()),
        "{late:?}"
    );
    let status = json!({"status": {"conditions": [{"type": "Failed", "status": "True"}]}});
    let patch = sealfast_cluster::client::Patch::Merge(&status);
    house.client.patch_status(&ids[1].gvk, "default", "broken", &patch, "test").await?;
    let early = wait::until_current(&house.client, &ids, &judge, options(FailFast::Yes)).await;
    ensure!(
        early
            == Err("failed early due to stalled resources: [Job/default/broken status: 'Failed']".to_owned()),
        "{early:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_job_that_removes_itself_was_done() -> Result<()> {
    let house = House::new().await?;
    let job = |version: &str, ttl: Value| {
        json!({"apiVersion": version, "kind": "Job", "metadata": {"name": "once", "namespace": "default"},
            "spec": {"ttlSecondsAfterFinished": ttl}})
    };
    let judge: Arc<wait::Judge> =
        Arc::new(|live: &Value| Ok(health::status(live, jiff::Timestamp::UNIX_EPOCH)));
    let ids = [object::id(&job("batch/v1", json!(0)))];
    // It may be gone before anybody looks.
    for (built, done) in [
        (job("batch/v1", json!(0)), true),
        (job("batch/v1beta1", json!(60)), true),
        (job("batch/v1", Value::Null), false),
        (job("other/v1", json!(0)), false),
    ] {
        let options = wait::Options {
            timeout: Duration::from_millis(300),
            longest_pause: Duration::from_millis(100),
            fail_fast: FailFast::Yes,
            passing: wait::passing(std::slice::from_ref(&built)),
        };
        let waited = wait::until_current(&house.client, &ids, &judge, options).await;
        ensure!(waited.is_ok() == done, "{built}: {waited:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_has_no_namespace_is_known_without_one() -> Result<()> {
    let house = House::new().await?;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "reader", "namespace": "default"}, "rules": []});
    let known = Known::default();
    for expected in
        ["ClusterRole/reader created", "ClusterRole/reader unchanged", "ClusterRole/reader unchanged"]
    {
        let done = apply::stages(&house.client, vec![role.clone()], &Options::default(), &known).await;
        let changes = done.map_err(|failure| anyhow!(failure.message))?;
        ensure!(changes[0].to_string() == expected, "{changes:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_merges_on_the_server_is_left_to_others() -> Result<()> {
    let house = House::new().await?;
    apply(&house.client, vec![config_map("shared", json!({"ours": "1"}))], &Options::default()).await?;
    let theirs = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Merge"}}, "data": {"theirs": "1"}});
    let patch = sealfast_cluster::client::Patch::Merge(&theirs);
    house.client.patch(&core("ConfigMap"), "default", "shared", &patch, "kubectl-patch").await?;
    apply(&house.client, vec![config_map("shared", json!({"ours": "2"}))], &Options::default()).await?;
    let live = house.client.get(&core("ConfigMap"), "default", "shared").await?;
    ensure!(live["data"] == json!({"ours": "2", "theirs": "1"}), "{live}");
    Ok(())
}

#[tokio::test]
async fn a_stage_that_is_not_established_fails_each_time() -> Result<()> {
    let house = House::new().await?;
    let judge = |live: &Value| {
        Ok(if live["kind"] == "Namespace" { health::Status::InProgress } else { health::Status::Current })
    };
    let options =
        Options { judge: Arc::new(judge), stage_timeout: Duration::from_millis(300), ..Options::default() };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "slow"}});
    for action in ["created", "unchanged"] {
        let done = apply::stages(&house.client, vec![namespace.clone()], &options, &Known::default()).await;
        let failure = done.err().ok_or_else(|| anyhow!("nothing was waited for"))?;
        ensure!(
            failure.message == "timeout waiting for: [Namespace/slow status: 'InProgress']",
            "{failure:?}"
        );
        ensure!(failure.done.len() == 1 && failure.done[0].to_string() == format!("Namespace/slow {action}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_wait_tells_why_it_does_not_know() -> Result<()> {
    let house = House::new().await?;
    let id = |version: &str, kind: &str, namespace: &str| {
        object::id(
            &json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}}),
        )
    };
    apply(&house.client, vec![config_map("x", json!({}))], &Options::default()).await?;
    let told =
        async |ids: &[ObjectId], broken: bool| {
            let judge: Arc<wait::Judge> = Arc::new(move |_: &Value| {
                if broken { Err("no such key: phase".to_owned()) } else { Ok(health::Status::Current) }
            });
            let options = wait::Options {
                timeout: Duration::from_millis(300),
                longest_pause: Duration::from_millis(50),
                fail_fast: FailFast::Yes,
                passing: Vec::new(),
            };
            wait::until_current(&house.client, ids, &judge, options).await
        };
    let unknown =
        told(&[id("example.com/v1", "Widget", "default"), id("v1", "ConfigMap", "default")], true).await;
    let expected = "timeout waiting for: [Widget/default/x status: 'Unknown': no matches for kind \"Widget\" in group \"example.com\", ConfigMap/default/x status: 'Unknown': no such key: phase]";
    ensure!(unknown == Err(expected.to_owned()), "{unknown:?}");
    let homeless = told(&[id("apps/v1", "Deployment", "")], false).await;
    let expected = "resource Deployment.apps x is namespace scoped, but namespace is not set";
    ensure!(homeless == Err(expected.to_owned()), "{homeless:?}");
    // Any version of the kind does, as long as the server has one.
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    apply(&house.client, vec![deployment], &Options::default()).await?;
    ensure!(told(&[id("apps/v1beta1", "Deployment", "default")], false).await == Ok(()));
    Ok(())
}

#[tokio::test]
async fn fields_that_move_to_another_version_are_a_change() -> Result<()> {
    let house = House::new().await?;
    let scaler = |version: &str| {
        json!({"apiVersion": version, "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minReplicas": 1, "maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
    };
    let options = Options { migrate: Migrate::Yes, ..Options::default() };
    let known = Known::default();
    for (version, action) in [
        ("autoscaling/v1", "created"),
        ("autoscaling/v2", "configured"),
        ("autoscaling/v2", "unchanged"),
        ("autoscaling/v2", "unchanged"),
    ] {
        let done = apply::stages(&house.client, vec![scaler(version)], &options, &known).await;
        let changes = done.map_err(|failure| anyhow!(failure.message))?;
        let told = changes[0].to_string();
        ensure!(told == format!("HorizontalPodAutoscaler/default/web {action}"), "{version}: {told}");
    }
    Ok(())
}

//! Rights that one verb must not lend to another.

use sealfast_apiserver::server::{Options, Running, start};
use serde_json::{Value, json};

use crate::client::Client;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const APPLY: &str = "application/apply-patch+yaml";

/// A server on which Alice has one rule for ConfigMaps; returns the administrator's client and hers.
async fn alice_may(rule: Value) -> anyhow::Result<(Running, Client, Client)> {
    let running = start(Options::default()).await?;
    let admin = Client::of(&running)?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let mut rule = rule;
    rule["apiGroups"] = json!([""]);
    rule["resources"] = json!(["configmaps"]);
    let role = json!({"metadata": {"name": "r"}, "rules": [rule]});
    assert_eq!(admin.call("POST", &format!("{rbac}/roles"), Some(role)).await?.0, 201);
    let binding = json!({
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}],
    });
    assert_eq!(admin.call("POST", &format!("{rbac}/rolebindings"), Some(binding)).await?.0, 201);
    let alice = admin.acting_as("alice");
    Ok((running, admin, alice))
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_change_creates_nothing() -> anyhow::Result<()> {
    let (running, admin, alice) = alice_may(json!({"verbs": ["get", "patch", "update"]})).await?;
    let path = format!("{MAPS}/new?fieldManager=m");
    let (status, answer) = alice.send("PATCH", &path, APPLY, map("new").to_string()).await?;
    assert_eq!(status, 403, "{answer}");
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains("User \"alice\" cannot create resource \"configmaps\""), "{message}");
    assert_eq!(admin.call("GET", &format!("{MAPS}/new"), None).await?.0, 404);
    assert_eq!(admin.call("POST", MAPS, Some(map("new"))).await?.0, 201);
    assert_eq!(alice.send("PATCH", &path, APPLY, map("new").to_string()).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_gives_no_right_to_other_names() -> anyhow::Result<()> {
    let (running, _admin, alice) = alice_may(json!({"verbs": ["*"], "resourceNames": ["hers"]})).await?;
    let selected = format!("{MAPS}?fieldSelector=metadata.name%3Dhers");
    assert_eq!(alice.call("GET", &selected, None).await?.0, 200);
    assert_eq!(alice.call("POST", &selected, Some(map("other"))).await?.0, 403);
    assert_eq!(alice.call("GET", MAPS, None).await?.0, 403);
    running.stop().await;
    Ok(())
}

//! What a cluster begins with, and what nothing that runs could answer.

use serde_json::{Value, json};

use crate::client::server;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_has_its_service_its_priorities_and_its_open_roles() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let (_, service) = client.call("GET", "/api/v1/namespaces/default/services/kubernetes", None).await?;
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1", "{service}");
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    for (name, value) in [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)]
    {
        let (_, class) = client.call("GET", &format!("{classes}/{name}"), None).await?;
        assert_eq!(class["value"], value, "{class}");
    }
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:discovery";
    let (status, found) = client.call("GET", role, None).await?;
    assert_eq!(status, 200, "{found}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_was_said_by_a_pod_on_no_node() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let pods = "/api/v1/namespaces/default/pods";
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
    client.call("POST", pods, Some(pod)).await?;
    let (status, _) = client.call("GET", &format!("{pods}/q/log"), None).await?;
    assert_eq!(status, 404);
    let (status, told) = client.call("POST", &format!("{pods}/p/exec?command=ls"), None).await?;
    assert_eq!((status, &told["message"]), (400, &json!("pod p does not have a host assigned")));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_scales_is_noted_without_a_time() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let maps = "/apis/apps/v1/namespaces/default/deployments";
    let template = json!({
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    let spec = json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    let made =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec});
    client.call("POST", maps, Some(made)).await?;
    let patch = json!({"spec": {"replicas": 1}}).to_string();
    let scale = format!("{maps}/d/scale?fieldManager=me");
    client.send("PATCH", &scale, "application/merge-patch+json", patch).await?;
    let (_, found) = client.call("GET", &format!("{maps}/d"), None).await?;
    let entries = found["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let mine = |entry: &&Value| entry["manager"] == "me" && entry["subresource"] == "scale";
    let entry = entries.iter().find(mine).cloned().unwrap_or_default();
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}), "{found}");
    assert!(entry.get("time").is_none(), "{entry}");
    running.stop().await;
    Ok(())
}

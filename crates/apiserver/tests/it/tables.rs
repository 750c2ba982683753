//! Cells that kubectl prints, for kinds with more to say than a name.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn rows_say_what_the_reference_says() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    let pods =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    for (path, body, cells) in [
        ("/api/v1/namespaces/default/podtemplates", json!({"template": pods}), json!(["x", "c", "i", "a=b"])),
        (
            "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
            json!({"roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": "s"}, {"kind": "ServiceAccount", "name": "t", "namespace": "n"}]}),
            json!(["x", "ClusterRole/view", "AGE", "", "", "/s, n/t"]),
        ),
        (
            "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
            json!({"spec": {"scaleTargetRef": target, "maxReplicas": 2, "targetCPUUtilizationPercentage": 50}}),
            json!(["x", "Deployment/d", "cpu: <unknown>/50%", "1", 2, 0, "AGE"]),
        ),
        (
            "/api/v1/namespaces/default/endpoints",
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}]}),
            json!(["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...", "AGE"]),
        ),
        (
            "/apis/networking.k8s.io/v1/ingressclasses",
            json!({
                "metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
                "spec": {"controller": "a.b/c", "parameters": {"apiGroup": "g.io", "kind": "K", "name": "n", "scope": "Cluster"}},
            }),
            json!(["x (default)", "a.b/c", "K.g.io/n", "AGE"]),
        ),
    ] {
        let mut body: Value = body;
        body["metadata"]["name"] = "x".into();
        let (status, made) = client.call("POST", path, Some(body)).await?;
        assert_eq!(status, 201, "{path}: {made}");
        let rows = client.cells(&format!("{path}/x")).await?;
        let found = rows.first().and_then(Value::as_array).cloned().unwrap_or_default();
        let wanted = cells.as_array().cloned().unwrap_or_default();
        assert_eq!(found.len(), wanted.len(), "{path}: {found:?}");
        for (found, wanted) in found.iter().zip(&wanted).filter(|(_, wanted)| **wanted != "AGE") {
            assert_eq!(found, wanted, "{path}");
        }
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_and_nodes_tell_their_state() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let pods = "/api/v1/namespaces/default/pods";
    let spec =
        json!({"initContainers": [{"name": "f", "image": "i"}], "containers": [{"name": "c", "image": "i"}]});
    client.call("POST", pods, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    for (status, ready, state) in [
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "f", "state": {"running": {}}}]}),
            "0/1",
            "Init:0/1",
        ),
        (
            json!({"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}], "containerStatuses": [{"name": "c", "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            "0/1",
            "CrashLoopBackOff",
        ),
        (
            json!({"phase": "Running", "conditions": [{"type": "Initialized", "status": "True"}], "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]}),
            "1/1",
            "Running",
        ),
    ] {
        let patch = json!([{"op": "replace", "path": "/status", "value": status}]).to_string();
        let media = "application/json-patch+json";
        let (code, answer) = client.send("PATCH", &format!("{pods}/x/status"), media, patch).await?;
        assert_eq!(code, 200, "{answer}");
        let rows = client.cells(&format!("{pods}/x")).await?;
        assert_eq!((&rows[0][1], &rows[0][2]), (&json!(ready), &json!(state)));
    }
    let node = json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}}, "spec": {"unschedulable": true}});
    client.call("POST", "/api/v1/nodes", Some(node)).await?;
    let rows = client.cells("/api/v1/nodes/n").await?;
    assert_eq!((&rows[0][1], &rows[0][2]), (&json!("Unknown,SchedulingDisabled"), &json!("worker")));
    running.stop().await;
    Ok(())
}

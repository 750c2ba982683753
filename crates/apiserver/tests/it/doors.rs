//! Paths as clients write them, and the doors of a pod.

use sealfast_apiserver::server::Running;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::bounds::{connect, rest, token};
use crate::client::{Client, merged, server};

#[tokio::test(flavor = "multi_thread")]
async fn odd_paths_never_lead_to_another_object() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let maps = "/api/v1/namespaces/default/configmaps";
    client.call("POST", maps, Some(json!({"metadata": {"name": "a"}, "data": {"k": "v"}}))).await?;
    // What a library of the client would have resolved or refused itself is sent as it stands.
    for (path, code, wanted) in [
        ("/api/v1/namespaces/default/configmaps/a", 200, "\"k\":\"v\""),
        ("/api/v1/namespaces/default/configmaps/a/", 200, "\"k\":\"v\""),
        ("/api/v1/namespaces/default/configmaps/", 200, "ConfigMapList"),
        ("/api/v1/namespaces/default/configmaps/%61", 200, "\"k\":\"v\""),
        ("/api/v1/namespaces/default%2Fconfigmaps/a", 200, "\"k\":\"v\""),
        (
            "/api/v1/namespaces/default/configmaps/%2e%2e",
            400,
            "Name parameter invalid: \\\"..\\\": may not be '..'",
        ),
        (
            "/api/v1/namespaces/default/configmaps/..",
            400,
            "Name parameter invalid: \\\"..\\\": may not be '..'",
        ),
        ("/api/v1/namespaces/default/configmaps/.", 400, "Name parameter invalid: \\\".\\\": may not be '.'"),
        (
            "/api/v1/namespaces/default/configmaps/a%25b",
            400,
            "Name parameter invalid: \\\"a%b\\\": may not contain '%'",
        ),
        ("/api/v1/namespaces/kube-system/../default/configmaps/a", 404, ""),
        ("/api/v1/namespaces/kube-system/%2e%2e/default", 404, ""),
        ("/api/v1/namespaces/%2e%2e/configmaps/a", 404, "configmaps \\\"a\\\" not found"),
        ("/api/v1/namespaces/default/configmaps/x%2F..%2Fa", 404, ""),
        (
            "/api/v1/namespaces/default/configmaps/a%2Fb",
            404,
            "the server could not find the requested resource",
        ),
        ("/api/v1/namespaces/default/configmaps//a", 404, "the server could not find the requested resource"),
        ("/api/v1//namespaces/default/configmaps/a", 404, "the server could not find the requested resource"),
        ("//api/v1/namespaces/default/configmaps/a", 404, "404 page not found"),
        ("/apis//v1/namespaces", 404, "404 page not found"),
        ("/api/v1/namespaces//configmaps", 200, "ConfigMapList"),
        ("/api/v1/namespaces/default/pods//status", 400, "name must be provided"),
        ("/api/v1/namespaces/default/configmaps/a%zz", 400, "400 Bad Request"),
    ] {
        let (found, text) = raw(&running, path).await?;
        assert_eq!(found, code, "{path}: {text}");
        assert!(text.contains(wanted), "{path}: {text}");
    }
    running.stop().await;
    Ok(())
}

/// Sends a path as it is written.
async fn raw(running: &Running, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = connect(running).await?;
    let token = token(running)?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let text = rest(&mut stream).await;
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok((code, text))
}

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn pod(client: &Client, name: &str, resources: Value) -> anyhow::Result<()> {
    let containers = json!([{"name": "c", "image": "i", "resources": resources}]);
    let pod = json!({"metadata": {"name": name}, "spec": {"containers": containers}});
    let (status, made) = client.call("POST", PODS, Some(pod)).await?;
    anyhow::ensure!(status == 201, "{made}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_bound_to_one_node() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    pod(&client, "p", json!({})).await?;
    let (_, before) = client.call("GET", &format!("{PODS}/p"), None).await?;
    let odd = json!({"metadata": {"name": "p", "labels": {"!": "x"}}, "target": {"name": "n"}});
    let (status, answer) = client.call("POST", &format!("{PODS}/p/binding"), Some(odd)).await?;
    assert_eq!(status, 422, "{answer}");
    let (_, after) = client.call("GET", &format!("{PODS}/p"), None).await?;
    assert_eq!(after, before);
    let binding = |node: &str| json!({"metadata": {"name": "p", "annotations": {"a": "b"}}, "target": {"kind": "Node", "name": node}});
    let (status, answer) = client.call("POST", &format!("{PODS}/p/binding"), Some(binding("n"))).await?;
    assert_eq!((status, &answer["status"]), (201, &json!("Success")), "{answer}");
    let (_, bound) = client.call("GET", &format!("{PODS}/p"), None).await?;
    assert_eq!(
        (&bound["spec"]["nodeName"], &bound["metadata"]["annotations"]["a"]),
        (&json!("n"), &json!("b"))
    );
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let (status, answer) =
        client.call("POST", "/api/v1/namespaces/default/bindings", Some(binding("m"))).await?;
    let told = "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\"";
    assert_eq!((status, &answer["message"]), (409, &json!(told)));
    let (status, answer) = client.call("POST", &format!("{PODS}/q/binding"), Some(binding("m"))).await?;
    assert_eq!(
        (status, &answer["message"]),
        (400, &json!("name in URL does not match name in Binding object"))
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_containers_come_and_stay() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    pod(&client, "p", json!({})).await?;
    let door = format!("{PODS}/p/ephemeralcontainers");
    let merge = "application/strategic-merge-patch+json";
    let patch = |image: &str, more: Value| {
        let container = json!({"name": "debugger", "image": image, "targetContainerName": "c"});
        let container = merged(container, &more);
        json!({"metadata": {"labels": {"x": "y"}}, "spec": {"ephemeralContainers": [container]}}).to_string()
    };
    let (status, answer) = client.send("PATCH", &door, merge, patch("busybox", json!({}))).await?;
    assert_eq!(status, 200, "{answer}");
    let made = &answer["spec"]["ephemeralContainers"][0];
    assert_eq!(
        (&made["imagePullPolicy"], &made["terminationMessagePolicy"]),
        (&json!("Always"), &json!("File"))
    );
    // The door is for nothing else.
    assert_eq!(answer["metadata"]["labels"], Value::Null);
    assert_eq!(answer["metadata"]["generation"], 2);
    let (status, answer) = client.send("PATCH", &door, merge, patch("other", json!({}))).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!(status, 422, "{answer}");
    assert!(message.contains("spec.ephemeralContainers: Forbidden: existing ephemeral containers \"debugger\" may not be changed"), "{message}");
    let ports = json!({"name": "two", "ports": [{"containerPort": 1}]});
    let (status, answer) = client.send("PATCH", &door, merge, patch("busybox", ports)).await?;
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap_or_default()
            .contains("ports: Forbidden: cannot be set for an Ephemeral Container"),
        "{answer}"
    );
    let (_, whole) = client.call("GET", &format!("{PODS}/p"), None).await?;
    assert_eq!(whole["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(1));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_resized_within_its_class() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    pod(
        &client,
        "p",
        json!({"requests": {"cpu": "1", "example.com/x": "1"}, "limits": {"cpu": "2", "example.com/x": "1"}}),
    )
    .await?;
    let merge = "application/strategic-merge-patch+json";
    let patch = |resources: Value| {
        json!({"spec": {"containers": [{"name": "c", "image": "other", "resources": resources}]}}).to_string()
    };
    let door = format!("{PODS}/p/resize");
    let (status, answer) =
        client.send("PATCH", &door, merge, patch(json!({"requests": {"cpu": "1500m"}}))).await?;
    assert_eq!(status, 200, "{answer}");
    let container = &answer["spec"]["containers"][0];
    assert_eq!(
        (&container["resources"]["requests"]["cpu"], &container["image"]),
        (&json!("1500m"), &json!("i"))
    );
    for (resources, wanted) in [
        (
            json!({"requests": {"cpu": "2"}, "limits": {"memory": "1Gi", "example.com/x": "2"}}),
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            json!({"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi", "cpu": "2"}}),
            "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
        ),
    ] {
        let (status, answer) = client.send("PATCH", &door, merge, patch(resources)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status, 422, "{wanted}: {answer}");
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let taken = json!([{"op": "remove", "path": "/spec/containers/0/resources/limits/cpu"}]).to_string();
    let (status, answer) = client.send("PATCH", &door, "application/json-patch+json", taken).await?;
    let wanted = "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed";
    assert_eq!(status, 422, "{answer}");
    assert!(answer["message"].as_str().unwrap_or_default().contains(wanted), "{answer}");
    // The pod itself keeps its sizes.
    let (status, _) =
        client.send("PATCH", &format!("{PODS}/p"), merge, patch(json!({"requests": {"cpu": "1"}}))).await?;
    assert_eq!(status, 422);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_that_they_need_not_slow_themselves_down() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let mut flows = Vec::new();
    for path in ["/livez/ping", "/api/v1/namespaces", "/nowhere"] {
        let answer = client.open(path).await?;
        let flow = answer.headers().get("x-kubernetes-pf-flowschema-uid");
        flows.push(flow.and_then(|uid| uid.to_str().ok()).unwrap_or_default().to_owned());
    }
    assert!(flows.iter().all(|flow| flow.len() == 36 && *flow == flows[0]), "{flows:?}");
    running.stop().await;
    Ok(())
}

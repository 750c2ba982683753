//! What goes and what stays: evicted pods, pods of deleted Jobs, verdicts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, MERGE, message, server};

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// A pod that runs and is ready or not.
async fn run_pod(client: &Client, name: &str, ready: &str) -> anyhow::Result<()> {
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let pod = json!({"metadata": {"name": name, "labels": {"a": "b"}}, "spec": spec});
    let (status, made) = client.call("POST", PODS, Some(pod)).await?;
    assert_eq!(status, 201, "{made}");
    let conditions = json!([{"type": "Ready", "status": ready}]);
    let status = json!({"status": {"phase": "Running", "conditions": conditions}});
    let path = format!("{PODS}/{name}/status");
    assert_eq!(client.send("PATCH", &path, MERGE, status.to_string()).await?.0, 200);
    Ok(())
}

async fn evict(client: &Client, name: &str, options: Value) -> anyhow::Result<(u16, Value)> {
    let body = json!({"metadata": {"name": name}, "deleteOptions": options});
    client.call("POST", &format!("{PODS}/{name}/eviction"), Some(body)).await
}

async fn is_there(client: &Client, name: &str) -> anyhow::Result<bool> {
    Ok(client.call("GET", &format!("{PODS}/{name}"), None).await?.0 == 200)
}

async fn set_budget(client: &Client, spec: Value, status: Value) -> anyhow::Result<()> {
    client.call("DELETE", &format!("{BUDGETS}/x"), None).await?;
    let (code, made) =
        client.call("POST", BUDGETS, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    assert_eq!(code, 201, "{made}");
    let path = format!("{BUDGETS}/x/status");
    let (code, kept) = client.send("PATCH", &path, MERGE, json!({"status": status}).to_string()).await?;
    assert_eq!(code, 200, "{kept}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_is_read_whole_before_anything_goes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    run_pod(&client, "p", "True").await?;
    let path = format!("{PODS}/p/eviction");
    let stays = async |body: Value, code: u16, why: &str| -> anyhow::Result<()> {
        let (status, refused) = client.call("POST", &path, Some(body.clone())).await?;
        assert!(status == code && message(&refused).contains(why), "{body}: {refused}");
        assert!(is_there(&client, "p").await?, "{body}");
        Ok(())
    };
    stays(json!({"metadata": {}}), 400, "name in URL does not match name in Eviction object").await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p"}});
    stays(map, 400, "Eviction").await?;
    let elsewhere = json!({"metadata": {"name": "p", "namespace": "other"}});
    stays(elsewhere, 400, "the namespace of the provided object does not match").await?;
    let with = |options: Value| json!({"metadata": {"name": "p"}, "deleteOptions": options});
    stays(with(json!({"dryRun": ["Some"]})), 422, "dryRun: Unsupported value").await?;
    stays(with(json!({"propagationPolicy": "Odd"})), 422, "propagationPolicy: Unsupported value").await?;
    stays(with(json!({"preconditions": {"uid": "x"}})), 409, "the UID in the precondition").await?;
    stays(with(json!({"dryRun": ["All"]})), 201, "").await?;
    let older = json!({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "p"}});
    assert_eq!(client.call("POST", &path, Some(older)).await?.0, 201);
    assert!(!is_there(&client, "p").await?);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_held_says_why_it_goes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    run_pod(&client, "p", "True").await?;
    let hold = json!({"metadata": {"finalizers": ["example.com/x"]}}).to_string();
    client.send("PATCH", &format!("{PODS}/p"), MERGE, hold).await?;
    assert_eq!(evict(&client, "p", json!({})).await?.0, 201);
    let (_, pod) = client.call("GET", &format!("{PODS}/p"), None).await?;
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
    let why = &pod["status"]["conditions"][1];
    assert_eq!(
        (&why["type"], &why["reason"], &why["message"]),
        (&json!("DisruptionTarget"), &json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting")),
        "{pod}"
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_that_are_kept_say_what_may_go() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let spec = json!({"minAvailable": 2, "selector": {"matchLabels": {"a": "b"}}});
    let status = |allowed: i64, healthy: i64| json!({"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 2, "expectedPods": 3});
    run_pod(&client, "p", "True").await?;
    set_budget(&client, spec.clone(), status(0, 3)).await?;
    let (code, refused) = evict(&client, "p", json!({})).await?;
    let cause = &refused["details"]["causes"][0]["message"];
    assert_eq!(
        (code, cause.as_str()),
        (429, Some("The disruption budget x does not allow evicting pods currently"))
    );
    set_budget(&client, spec.clone(), status(1, 3)).await?;
    assert_eq!(evict(&client, "p", json!({"dryRun": ["All"]})).await?.0, 201);
    let budget = async || client.call("GET", &format!("{BUDGETS}/x"), None).await;
    assert_eq!(budget().await?.1["status"]["disruptionsAllowed"], 1);
    assert_eq!(evict(&client, "p", json!({})).await?.0, 201);
    let (_, left) = budget().await?;
    assert_eq!(left["status"]["disruptionsAllowed"], 0, "{left}");
    assert_eq!(left["status"]["conditions"][0]["reason"], "InsufficientPods", "{left}");
    // A pod that is not ready takes nothing from a budget that has enough without it.
    run_pod(&client, "q", "False").await?;
    set_budget(&client, spec.clone(), status(0, 1)).await?;
    assert_eq!(evict(&client, "q", json!({})).await?.0, 429);
    set_budget(&client, spec.clone(), status(0, 2)).await?;
    assert_eq!(evict(&client, "q", json!({})).await?.0, 201);
    assert!(!is_there(&client, "q").await?);
    run_pod(&client, "r", "True").await?;
    client.call("POST", BUDGETS, Some(json!({"metadata": {"name": "y"}, "spec": spec}))).await?;
    assert_eq!(evict(&client, "r", json!({})).await?.0, 500);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn evictions_at_once_leave_what_a_budget_needs() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let spec = json!({"minAvailable": 11, "selector": {"matchLabels": {"a": "b"}}});
    client.call("POST", BUDGETS, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    for name in &names {
        run_pod(&client, name, "True").await?;
    }
    let all = names.iter().map(|name| evict(&client, name, json!({})));
    let answers = futures::future::try_join_all(all).await?;
    let gone = answers.iter().filter(|(code, _)| *code == 201).count();
    let refused = answers.iter().filter(|(code, _)| *code == 429).count();
    assert_eq!((gone, refused), (1, 11), "{answers:?}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_nobody_controls_are_no_share_of_anything() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    run_pod(&client, "p", "True").await?;
    run_pod(&client, "q", "True").await?;
    let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}});
    client.call("POST", BUDGETS, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    assert_eq!(evict(&client, "p", json!({})).await?.0, 429);
    let spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}});
    client.call("DELETE", &format!("{BUDGETS}/x"), None).await?;
    client.call("POST", BUDGETS, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    assert_eq!(evict(&client, "p", json!({})).await?.0, 201);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dependents_of_jobs_and_old_controllers_stay_unless_told() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let mut replicated = template.clone();
    replicated["spec"]["restartPolicy"] = "Always".into();
    let owners = [
        ("batch/v1", "Job", "/apis/batch/v1/namespaces/default/jobs", json!({"template": template})),
        (
            "v1",
            "ReplicationController",
            "/api/v1/namespaces/default/replicationcontrollers",
            json!({"replicas": 0, "selector": {"a": "b"}, "template": replicated}),
        ),
    ];
    for (version, kind, path, spec) in owners {
        let own = async |name: &str| -> anyhow::Result<()> {
            let (code, owner) = client
                .call("POST", path, Some(json!({"metadata": {"name": name}, "spec": spec.clone()})))
                .await?;
            assert_eq!(code, 201, "{owner}");
            let reference =
                json!([{"apiVersion": version, "kind": kind, "name": name, "uid": owner["metadata"]["uid"]}]);
            let map = json!({"metadata": {"name": name, "ownerReferences": reference}});
            let (code, made) =
                client.call("POST", "/api/v1/namespaces/default/configmaps", Some(map)).await?;
            assert_eq!(code, 201, "{made}");
            Ok(())
        };
        own("stays").await?;
        own("goes").await?;
        client.call("DELETE", &format!("{path}/stays"), None).await?;
        client.call("DELETE", &format!("{path}/goes?propagationPolicy=Background"), None).await?;
        let map = |name: &str| format!("/api/v1/namespaces/default/configmaps/{name}");
        // The one that goes was deleted later: the other one had its time.
        for _ in 0..200 {
            if client.call("GET", &map("goes"), None).await?.0 == 404 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(client.call("GET", &map("goes"), None).await?.0, 404, "{kind}");
        let (code, stays) = client.call("GET", &map("stays"), None).await?;
        assert_eq!((code, &stays["metadata"]["ownerReferences"]), (200, &Value::Null), "{kind}: {stays}");
        client.call("DELETE", &map("stays"), None).await?;
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_come_by_approval_and_stay_as_certificates_do() -> anyhow::Result<()> {
    use base64::Engine as _;
    let (running, client) = server().await?;
    let pem = |kind: &str| {
        let text = format!("-----BEGIN {kind}-----\nMIIC\n-----END {kind}-----\n");
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let spec = json!({"request": pem("CERTIFICATE REQUEST"), "signerName": "example.com/s", "usages": ["client auth"]});
    client.call("POST", REQUESTS, Some(json!({"metadata": {"name": "r"}, "spec": spec}))).await?;
    let change = async |door: &str, status: Value| {
        let body = json!({"status": status}).to_string();
        client.send("PATCH", &format!("{REQUESTS}/r/{door}"), MERGE, body).await
    };
    let verdict = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason});
    let refused = async |door: &str, status: Value, why: &str| -> anyhow::Result<()> {
        let (code, answer) = change(door, status).await?;
        assert!(code == 422 && message(&answer).contains(why), "{why}: {answer}");
        Ok(())
    };
    let approved = json!({"conditions": [verdict("Approved", "a")]});
    refused("status", approved.clone(), "updates may not add a condition of type \"Approved\"").await?;
    assert_eq!(change("approval", approved).await?.0, 200);
    let gone = "updates may not remove a condition of type \"Approved\"";
    refused("status", json!({"conditions": []}), gone).await?;
    refused("approval", json!({"conditions": []}), gone).await?;
    let (code, kept) = change("status", json!({"conditions": [verdict("Approved", "other")]})).await?;
    assert_eq!((code, &kept["status"]["conditions"][0]["reason"]), (200, &json!("a")), "{kept}");
    let none = "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block";
    refused("status", json!({"certificate": "eA=="}), none).await?;
    let odd = "only CERTIFICATE PEM blocks are allowed, found \"CERTIFICATE REQUEST\"";
    refused("status", json!({"certificate": pem("CERTIFICATE REQUEST")}), odd).await?;
    assert_eq!(change("status", json!({"certificate": pem("CERTIFICATE")})).await?.0, 200);
    let fixed = "updates may not modify existing certificate content";
    refused("status", json!({"certificate": null}), fixed).await?;
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_a_request_changes_by_those_who_may_sign() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rule = json!({"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/status"], "verbs": ["update", "patch"]});
    let role = json!({"metadata": {"name": "status"}, "rules": [rule]});
    client.call("POST", &format!("{rbac}/clusterroles"), Some(role)).await?;
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "status"});
    let subjects = json!([{"kind": "User", "name": "alice"}]);
    let binding = json!({"metadata": {"name": "status"}, "roleRef": reference, "subjects": subjects});
    client.call("POST", &format!("{rbac}/clusterrolebindings"), Some(binding)).await?;
    let pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";
    let spec = json!({"request": pem, "signerName": "example.com/s", "usages": ["client auth"]});
    client.call("POST", REQUESTS, Some(json!({"metadata": {"name": "r"}, "spec": spec}))).await?;
    let alice = client.acting_as("alice");
    let path = format!("{REQUESTS}/r/status");
    let odd = json!({"status": {"conditions": [{"type": "Odd", "status": "True"}]}}).to_string();
    let (code, refused) = alice.send("PATCH", &path, MERGE, odd).await?;
    let why = "user not permitted to sign requests with signerName \"example.com/s\"";
    assert!(code == 403 && message(&refused).contains(why), "{refused}");
    let label = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    assert_eq!(alice.send("PATCH", &path, MERGE, label).await?.0, 200);
    running.stop().await;
    Ok(())
}

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

#[tokio::test(flavor = "multi_thread")]
async fn admission_policies_tell_what_they_hold() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let group = "/apis/admissionregistration.k8s.io/v1";
    let rule =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
    let policy = json!({"metadata": {"name": "p"}, "spec": {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "true"}],
    }});
    let policies = format!("{group}/validatingadmissionpolicies");
    let (status, made) = client.call("POST", &policies, Some(policy)).await?;
    assert_eq!((status, &made["status"]), (201, &json!({})), "{made}");
    assert_eq!(
        client.cells(&policies).await?[0].as_array().map(|row| row[1..3].to_vec()),
        Some(vec![json!(1), json!("v1/ConfigMap")])
    );
    let bindings = format!("{group}/validatingadmissionpolicybindings");
    let binding = |name: &str, reference: Value| {
        let mut spec = json!({"policyName": "p", "validationActions": ["Deny"]});
        if reference.is_object() {
            spec["paramRef"] = reference;
            spec["paramRef"]["parameterNotFoundAction"] = "Deny".into();
        }
        json!({"metadata": {"name": name}, "spec": spec})
    };
    let chosen = json!({"matchLabels": {"b": "c", "a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}]});
    let shown = "&LabelSelector{MatchLabels:map[string]string{a: b,b: c,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}";
    for (name, reference, cell) in [
        ("a", Value::Null, "<unset>"),
        ("b", json!({"name": "c"}), "*/c"),
        ("c", json!({"name": "c", "namespace": "n"}), "n/c"),
        ("d", json!({"selector": chosen}), shown),
    ] {
        let (status, answer) = client.call("POST", &bindings, Some(binding(name, reference))).await?;
        assert_eq!(status, 201, "{answer}");
        let rows = client.cells(&format!("{bindings}/{name}")).await?;
        assert_eq!((&rows[0][1], &rows[0][2]), (&json!("p"), &json!(cell)));
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_owns_what_it_says_of_definitions() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let spec = json!({"group": "t.example.com", "scope": "Cluster", "names": {"plural": "ts", "kind": "T"}, "versions": [version]});
    let made = json!({"metadata": {"name": "ts.t.example.com"}, "spec": spec});
    assert_eq!(client.call("POST", definitions, Some(made)).await?.0, 201);
    let (_, definition) = client.call("GET", &format!("{definitions}/ts.t.example.com"), None).await?;
    let entries = definition["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let own = entries.iter().find(|entry| entry["manager"] == "kube-apiserver");
    let own = own.map(|entry| {
        (entry["subresource"].clone(), entry["fieldsV1"]["f:status"]["f:acceptedNames"]["f:kind"].clone())
    });
    assert_eq!(own, Some((json!("status"), json!({}))), "{definition}");
    running.stop().await;
    Ok(())
}

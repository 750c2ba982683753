//! What a play of thousands of requests beside the reference had found different.

use serde_json::{Value, json};

use crate::client::{Client, MERGE, message, server};

const STRATEGIC: &str = "application/strategic-merge-patch+json";

async fn apply(client: &Client, path: &str, manager: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let path = format!("{path}?fieldManager={manager}");
    client.send("PATCH", &path, "application/apply-patch+yaml", body.to_string()).await
}

fn pods(container: Value) -> Value {
    let spec = json!({"restartPolicy": "Never", "containers": [container]});
    json!({"metadata": {"labels": {"a": "b"}}, "spec": spec})
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_among_items_is_the_empty_value_of_their_type() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let map = json!({"metadata": {"name": "c", "finalizers": [null]}});
    let (status, refused) = client.call("POST", MAPS, Some(map)).await?;
    assert_eq!(status, 422, "{refused}");
    assert!(message(&refused).contains("name part must be non-empty"), "{refused}");
    let role = json!({"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [null], "resources": ["pods"]}]});
    let (_, made) = client.call("POST", ROLES, Some(role)).await?;
    assert_eq!(made["rules"][0]["apiGroups"], json!([""]), "{made}");
    let class =
        json!({"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Pod", "max": {"cpu": null}}]}});
    let (_, made) = client.call("POST", &format!("{CORE}/limitranges"), Some(class)).await?;
    assert_eq!(made["spec"]["limits"][0]["max"], json!({"cpu": "0"}), "{made}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_struct_that_its_last_owner_gives_up_goes_with_its_defaults() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{APPS}/deployments/d");
    let probe = json!({"httpGet": {"path": "/", "port": 80}});
    let with = |container: Value| {
        let mut template = pods(container);
        template["spec"]["restartPolicy"] = "Always".into();
        let spec = json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    };
    let probed = with(json!({"name": "c", "image": "i:1", "livenessProbe": probe}));
    assert_eq!(apply(&client, &path, "me", &probed).await?.0, 201);
    let (status, applied) = apply(&client, &path, "me", &with(json!({"name": "c", "image": "i:1"}))).await?;
    assert_eq!(status, 200, "{applied}");
    let container = &applied["spec"]["template"]["spec"]["containers"][0];
    assert!(container.get("livenessProbe").is_none(), "{container}");
    assert_eq!(container["terminationMessagePolicy"], "File", "{container}");
    // Names are no such thing, whatever else was given up beside them.
    let map = |metadata: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let path = format!("{MAPS}/c");
    apply(&client, &path, "me", &map(json!({"name": "c", "labels": {"a": "b"}}))).await?;
    let (status, bare) = apply(&client, &path, "me", &map(json!({"name": "c"}))).await?;
    assert_eq!((status, &bare["metadata"]["labels"]), (200, &json!(null)), "{bare}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_whose_items_have_no_keys_have_no_owners() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let accounts = format!("{CORE}/serviceaccounts");
    let keyless = json!({"metadata": {"name": "s"}, "secrets": [{}]});
    let (_, made) = client.call("POST", &accounts, Some(keyless)).await?;
    assert!(made["metadata"].get("managedFields").is_none(), "{made}");
    let stated = json!({"metadata": {"name": "t"}, "secrets": [{"name": "x", "kind": "Secret"}]});
    let (_, made) = client.call("POST", &accounts, Some(stated)).await?;
    assert_eq!(made["secrets"], json!([{"name": "x"}]), "{made}");
    // Items in another order are a change of the object.
    let path = format!("{accounts}/o");
    let listed = |names: [&str; 3]| {
        let secrets: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "o"}, "secrets": secrets})
    };
    client.call("POST", &accounts, Some(listed(["p", "r", "q"]))).await?;
    let (_, applied) = apply(&client, &path, "me", &listed(["p", "q", "r"])).await?;
    assert_eq!(applied["secrets"], listed(["p", "q", "r"])["secrets"], "{applied}");
    assert!(applied["metadata"]["managedFields"][0]["time"].is_string(), "{applied}");
    // The name of a pull secret may be left out.
    let mut pod = pods(json!({"name": "c", "image": "i"}));
    pod["metadata"]["name"] = "p".into();
    pod["spec"]["imagePullSecrets"] = json!([{}]);
    let (_, made) = client.call("POST", &format!("{CORE}/pods"), Some(pod)).await?;
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:imagePullSecrets"];
    assert!(fields.get("k:{\"name\":\"\"}").is_some(), "{made}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_are_told_as_often_as_each_kind_has_them_looked_at() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let kinds = [
        (MAPS, json!({"metadata": {"name": "m"}}), 4, 2),
        (&format!("{CORE}/services"), service, 3, 1),
        (&format!("{CORE}/limitranges"), json!({"metadata": {"name": "l"}, "spec": {"limits": []}}), 3, 1),
        (leases, json!({"metadata": {"name": "l"}}), 3, 0),
        (budgets, json!({"metadata": {"name": "Odd_Name"}, "spec": {"minAvailable": 1}}), 2, 0),
    ];
    for (path, object, labels, finalizers) in kinds {
        let (status, made) = client.call("POST", path, Some(object)).await?;
        assert_eq!(status, 201, "{path}: {made}");
        let one = format!("{path}/{}", made["metadata"]["name"].as_str().unwrap_or_default());
        for (wrong, count) in
            [(json!({"labels": {"bad!": "x"}}), labels), (json!({"finalizers": ["loose"]}), finalizers)]
        {
            let patch = json!({"metadata": wrong}).to_string();
            let (_, refused) = client.send("PATCH", &format!("{one}?dryRun=All"), MERGE, patch).await?;
            let told = refused["details"]["causes"].as_array().map_or(0, Vec::len);
            assert_eq!(told, count, "{path}: {refused}");
        }
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_have_the_labels_of_their_pods_and_say_when_these_stay() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let spec = json!({"completionMode": "Indexed", "completions": 1, "backoffLimitPerIndex": 1, "template": pods(json!({"name": "c", "image": "NOT-AN-IMAGE"}))});
    let (status, made) =
        client.call("POST", jobs, Some(json!({"metadata": {"name": "j"}, "spec": spec}))).await?;
    assert_eq!((status, &made["spec"]["backoffLimit"]), (201, &json!(i32::MAX)), "{made}");
    let labels = &made["metadata"]["labels"];
    assert_eq!((&labels["a"], &labels["job-name"]), (&json!("b"), &json!("j")), "{labels}");
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"];
    assert_eq!(owned, &json!({".": {}, "f:a": {}}));
    let policy = &made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"];
    assert_eq!(policy, "IfNotPresent", "what names no image is never pulled");
    let answer = client.respond("DELETE", &format!("{jobs}/j"), "", String::new()).await?;
    let warning = answer.headers().get("warning").and_then(|text| text.to_str().ok()).unwrap_or_default();
    assert!(warning.contains("child pods are preserved by default"), "{warning}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_made_by_put_and_lose_what_a_name_has_no_use_for() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{CORE}/services/s");
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(client.call("PUT", &path, Some(service)).await?.0, 201);
    let patch = json!({"spec": {"ports": null, "type": "ExternalName", "externalName": "a.b"}});
    let (_, named) = client.send("PATCH", &path, MERGE, patch.to_string()).await?;
    assert_eq!(named["spec"].get("internalTrafficPolicy"), None, "{named}");
    let stated = json!({"metadata": {"name": "t"}, "spec": {"type": "ExternalName", "externalName": "a.b", "clusterIP": "None"}});
    let (_, refused) = client.call("POST", &format!("{CORE}/services"), Some(stated)).await?;
    assert!(message(&refused).contains("spec.clusterIPs: Forbidden"), "{refused}");
    // Addresses come first, and nothing else is told with them.
    let twice = json!({"metadata": {"name": "u"}, "spec": {"ipFamilies": ["IPv4", "IPv4"], "ports": []}});
    let (_, refused) = client.call("POST", &format!("{CORE}/services"), Some(twice)).await?;
    let wanted = "Service \"u\" is invalid: spec.ipFamilies[1]: Duplicate value: \"IPv4\"";
    assert_eq!(message(&refused), wanted);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_later_is_owned_and_not_kept() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let claim = json!({"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let mut template = pods(json!({"name": "c", "image": "i"}));
    template["spec"]["restartPolicy"] = "Always".into();
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}});
    let spec = json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template, "updateStrategy": strategy, "volumeClaimTemplates": [claim]});
    let mut set = json!({"metadata": {"name": "s"}, "spec": spec});
    let sets = format!("{APPS}/statefulsets");
    let (status, made) = client.call("POST", &sets, Some(set.clone())).await?;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["spec"]["updateStrategy"]["rollingUpdate"], json!({"partition": 0}), "{made}");
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:updateStrategy"];
    assert!(owned["f:rollingUpdate"].get("f:maxUnavailable").is_some(), "{owned}");
    set["spec"]["volumeClaimTemplates"][0]["metadata"] = json!({});
    let (_, refused) = client.call("POST", &sets, Some(set)).await?;
    assert!(message(&refused).contains("volumes[0].persistentVolumeClaim.claimName: Required"), "{refused}");
    let volume = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "nfs": {"server": "a", "path": "/b"}, "claimRef": {"namespace": "a", "name": "b"}});
    let (_, made) = client
        .call("POST", "/api/v1/persistentvolumes", Some(json!({"metadata": {"name": "v"}, "spec": volume})))
        .await?;
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:claimRef"];
    assert_eq!(owned, &json!({".": {}, "f:name": {}, "f:namespace": {}}), "{made}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn directives_of_lists_come_before_items() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{CORE}/services/s");
    let ports = json!([{"name": "a", "port": 80}, {"name": "b", "port": 81}]);
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": ports}});
    client.call("PUT", &path, Some(service)).await?;
    let patch =
        |ports: Value| client.send("PATCH", &path, STRATEGIC, json!({"spec": {"ports": ports}}).to_string());
    let same = json!([{"port": 90, "name": "x"}, {"port": 90, "name": "y", "protocol": "UDP"}, {"$patch": "replace"}]);
    let (_, replaced) = patch(same).await?;
    assert_eq!(replaced["spec"]["ports"].as_array().map(Vec::len), Some(2), "{replaced}");
    let (status, refused) = patch(json!([{"port": 90, "$patch": "merge"}])).await?;
    assert_eq!((status, message(&refused)), (500, "merging lists cannot yet be specified in the patch"));
    let test = json!([{"op": "test", "path": "/spec/ports/-", "value": null}]).to_string();
    let (status, _) = client.send("PATCH", &path, "application/json-patch+json", test).await?;
    assert_eq!(status, 422);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_asked_before_pods_go() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let pods = format!("{CORE}/pods");
    for name in ["a", "b"] {
        let mut pod = self::pods(json!({"name": "c", "image": "i"}));
        pod["metadata"]["name"] = name.into();
        client.call("POST", &pods, Some(pod)).await?;
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let status = json!({"status": {"phase": "Running", "conditions": ready}}).to_string();
        client.send("PATCH", &format!("{pods}/{name}/status"), MERGE, status).await?;
    }
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let spec = json!({"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}});
    client.call("POST", budgets, Some(json!({"metadata": {"name": "x"}, "spec": spec}))).await?;
    let evict = async |name: &str| {
        let body = json!({"metadata": {"name": name}});
        client.call("POST", &format!("{pods}/{name}/eviction"), Some(body)).await
    };
    assert_eq!(evict("a").await?.0, 201);
    let (status, refused) = evict("b").await?;
    let why = "Cannot evict pod as it would violate the pod's disruption budget.";
    assert_eq!((status, message(&refused)), (429, why), "{refused}");
    let cause = &refused["details"]["causes"][0];
    assert_eq!(cause["reason"], "DisruptionBudget");
    assert_eq!(cause["message"], "The disruption budget x needs 1 healthy pods and has 1 currently");
    // What another program counts is believed, and counted on.
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}});
    client.send("PATCH", &format!("{budgets}/x/status"), MERGE, status.to_string()).await?;
    assert_eq!(evict("b").await?.0, 201);
    let (_, budget) = client.call("GET", &format!("{budgets}/x"), None).await?;
    assert_eq!(budget["status"]["disruptionsAllowed"], 0, "{budget}");
    assert!(budget["status"]["disruptedPods"]["b"].is_string(), "{budget}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_are_spoken_for_by_those_who_may() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let rule = |resources: Value, verbs: Value, names: Value| json!({"apiGroups": ["certificates.k8s.io"], "resources": resources, "verbs": verbs, "resourceNames": names});
    let update = rule(json!(["certificatesigningrequests/approval"]), json!(["update", "patch"]), json!([]));
    let role = json!({"metadata": {"name": "approver"}, "rules": [update]});
    client.call("POST", &format!("{rbac}/clusterroles"), Some(role)).await?;
    let subjects = json!([{"kind": "User", "name": "alice"}]);
    let reference =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approver"});
    let binding = json!({"metadata": {"name": "approver"}, "roleRef": reference, "subjects": subjects});
    client.call("POST", &format!("{rbac}/clusterrolebindings"), Some(binding)).await?;
    let pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";
    let spec = json!({"request": pem, "signerName": "example.com/s", "usages": ["client auth"]});
    let (status, made) =
        client.call("POST", requests, Some(json!({"metadata": {"name": "r"}, "spec": spec}))).await?;
    assert_eq!(status, 201, "{made}");
    let alice = client.acting_as("alice");
    let approval = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "x"}]}});
    let path = format!("{requests}/r/approval");
    let approve = || alice.send("PATCH", &path, MERGE, approval.to_string());
    let (status, refused) = approve().await?;
    let why = "user not permitted to approve requests with signerName \"example.com/s\"";
    assert!(status == 403 && message(&refused).contains(why), "{refused}");
    let signers = rule(json!(["signers"]), json!(["approve"]), json!(["example.com/*"]));
    let grant = json!([{"op": "add", "path": "/rules/-", "value": signers}]).to_string();
    client
        .send("PATCH", &format!("{rbac}/clusterroles/approver"), "application/json-patch+json", grant)
        .await?;
    assert_eq!(approve().await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_read_as_loosely_and_checked_as_strictly_as_there() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let secret = json!({"metadata": {"name": "s"}, "data": {"x": "yq==", "y": "Y\nQ=="}});
    let (_, made) = client.call("POST", &format!("{CORE}/secrets"), Some(secret)).await?;
    assert_eq!(made["data"], json!({"x": "yg==", "y": "YQ=="}), "{made}");
    let job = |indexes: &str, count: Value| {
        let rules = json!([{"succeededIndexes": indexes, "succeededCount": count}]);
        let spec = json!({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": rules}, "template": pods(json!({"name": "c", "image": "i"}))});
        json!({"metadata": {"name": "j"}, "spec": spec})
    };
    let jobs = "/apis/batch/v1/namespaces/default/jobs?dryRun=All";
    for (indexes, count, wanted) in [
        ("0-1", json!(2), ""),
        ("0-1", json!(3), "must be less than or equal to 2 (the number of indexes"),
        ("2,1", json!(null), "non-increasing order, previous: 2, current: 1"),
        ("1-3", json!(null), "too large index: \"3\""),
        ("x", json!(null), "cannot convert string to integer for index: \"x\""),
        ("0-1-2", json!(null), "at most two parts separated by '-'"),
        ("0-1", json!(4), "must be less than or equal to 3 (the number of specified completions), spec"),
        (&"0,".repeat(40_000), json!(null), "Too long: may not be more than 65536 bytes"),
    ] {
        let (status, answer) = client.call("POST", jobs, Some(job(indexes, count))).await?;
        assert_eq!(status == 201, wanted.is_empty(), "{indexes}: {answer}");
        assert!(message(&answer).contains(wanted), "{indexes}: {answer}");
    }
    let mut many = job("0", json!(null));
    let rules = vec![json!({"succeededCount": 1}); 21];
    many["spec"]["successPolicy"]["rules"] = rules.into();
    let (_, refused) = client.call("POST", jobs, Some(many)).await?;
    assert!(message(&refused).contains("Too many: 21: must have at most 20 items"), "{refused}");
    let keyless =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}, "secrets": [{}]});
    let (status, refused) = apply(&client, &format!("{CORE}/serviceaccounts/s"), "m", &keyless).await?;
    let why = ".secrets: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have default values for any key fields)";
    assert!(status == 500 && message(&refused).contains(why), "{status} {refused}");
    let mut pod =
        pods(json!({"name": "c", "image": "i", "ports": [{"containerPort": 80}, {"containerPort": 80}]}));
    pod["metadata"]["name"] = "p".into();
    let (_, made) = client.call("POST", &format!("{CORE}/pods"), Some(pod.clone())).await?;
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"];
    let ports = &owned["k:{\"name\":\"c\"}"]["f:ports"];
    assert_eq!(ports["k:{\"containerPort\":80,\"protocol\":\"TCP\"}"], json!({}), "{ports}");
    pod["spec"]["overhead"] = json!({"hugepages-2Mi": "3Mi"});
    let (_, refused) = client.call("POST", &format!("{CORE}/pods"), Some(pod)).await?;
    assert!(message(&refused).contains("HugePages require cpu or memory"), "{refused}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_are_answered_alike() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    client.call("POST", MAPS, Some(json!({"metadata": {"name": "c"}, "data": {"a": "1"}}))).await?;
    let path = format!("{MAPS}/c");
    assert_eq!(client.send("POST", MAPS, "application/json", "null".to_owned()).await?.0, 422);
    let (status, refused) = client.send("PATCH", &path, MERGE, r#"{"kind":5}"#.to_owned()).await?;
    assert!(status == 422 && message(&refused).contains("Go struct field .kind of type string"), "{refused}");
    let elsewhere = json!({"metadata": {"name": "x", "namespace": "other"}});
    let (_, refused) = client.call("PUT", &path, Some(elsewhere)).await?;
    assert!(message(&refused).starts_with("the namespace of the provided object"), "{refused}");
    let copy = r#"[{"op":"copy","from":"/data/zz","path":"/data/b"}]"#.to_owned();
    let (_, copied) = client.send("PATCH", &path, "application/json-patch+json", copy).await?;
    assert_eq!(copied["data"], json!({"a": "1", "b": ""}), "{copied}");
    assert_eq!(client.call("POST", "/apis/apps/v2", Some(json!({}))).await?.0, 404);
    let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let rows = client.accept(&format!("{MAPS}?includeObject=None"), table).await?.text().await?;
    let rows: Value = serde_json::from_str(&rows)?;
    assert_eq!(rows["rows"][0].get("object"), Some(&Value::Null), "{rows}");
    let group = client.accept("/apis/apps", "application/*").await?;
    assert_eq!(group.status().as_u16(), 200);
    let group = client.accept("/apis/apps", "application/yaml").await?.text().await?;
    assert!(group.contains("preferredVersion:\n  groupVersion: apps/v1\n"), "{group}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_of_deployments_count_and_paused_ones_say_so() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{APPS}/deployments/d");
    let mut template = pods(json!({"name": "c", "image": "i:1"}));
    template["spec"]["restartPolicy"] = "Always".into();
    let spec =
        json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template, "paused": true});
    client
        .call("POST", &format!("{APPS}/deployments"), Some(json!({"metadata": {"name": "d"}, "spec": spec})))
        .await?;
    let mut progress = Value::Null;
    for _ in 0..200 {
        let (_, found) = client.call("GET", &path, None).await?;
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        if let Some(found) = conditions.into_iter().find(|one| one["type"] == "Progressing") {
            progress = found;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        (&progress["status"], &progress["reason"], &progress["message"]),
        (&json!("Unknown"), &json!("DeploymentPaused"), &json!("Deployment is paused")),
    );
    for (patch, generation) in [
        (json!({"metadata": {"annotations": {"x": "y"}}}), 2),
        (json!({"metadata": {"labels": {"x": "y"}}}), 2),
    ] {
        let (_, patched) = client.send("PATCH", &path, MERGE, patch.to_string()).await?;
        assert_eq!(patched["metadata"]["generation"], generation, "{patched}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_are_told_the_state_that_was_stored_last() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let map = json!({"metadata": {"name": "c", "finalizers": ["a.b/c"]}});
    client.call("POST", MAPS, Some(map)).await?;
    let path = format!("{MAPS}/c");
    let (_, deleting) = client.call("DELETE", &path, None).await?;
    let version = deleting["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let freed = r#"{"metadata":{"finalizers":null}}"#.to_owned();
    let (_, last) = client.send("PATCH", &path, MERGE, freed).await?;
    assert!(last["metadata"].get("finalizers").is_none(), "{last}");
    let watch = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={version}");
    let text = client.open(&watch).await?.text().await?;
    let event: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    assert_eq!(event["type"], "DELETED", "{text}");
    let metadata = &event["object"]["metadata"];
    assert_eq!(metadata["finalizers"], json!(["a.b/c"]), "{text}");
    assert_eq!(metadata["resourceVersion"], last["metadata"]["resourceVersion"], "{text}");
    running.stop().await;
    Ok(())
}

const CORE: &str = "/api/v1/namespaces/default";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
const APPS: &str = "/apis/apps/v1/namespaces/default";

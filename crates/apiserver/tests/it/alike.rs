//! Small things that clients can tell servers apart by.

use serde_json::{Value, json};

use crate::client::{Client, server};

async fn apply(client: &Client, path: &str, manager: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let path = format!("{path}?fieldManager={manager}");
    client.send("PATCH", &path, "application/apply-patch+yaml", body.to_string()).await
}

fn deployment(name: &str) -> Value {
    let containers = json!([{"name": "c", "image": "i"}]);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}});
    let spec = json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test(flavor = "multi_thread")]
async fn structs_that_are_always_there_have_no_owner() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let (status, made) = client.call("POST", DEPLOYMENTS, Some(deployment("d"))).await?;
    assert_eq!(status, 201, "{made}");
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"];
    let is_member = |fields: &Value| fields.get(".").is_some();
    assert!(!is_member(fields) && !is_member(&fields["f:strategy"]), "{fields}");
    assert!(is_member(&fields["f:strategy"]["f:rollingUpdate"]), "{fields}");
    let template = &fields["f:template"];
    assert!(is_member(&template["f:metadata"]["f:labels"]) && !is_member(&template["f:spec"]), "{fields}");
    assert!(!is_member(&template["f:spec"]["f:containers"]), "{fields}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_noted_on_cleared_objects_until_somebody_applies() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{MAPS}/c");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}});
    client.call("POST", MAPS, Some(map)).await?;
    let merge = "application/merge-patch+json";
    client.send("PATCH", &path, merge, json!({"metadata": {"managedFields": []}}).to_string()).await?;
    let (_, patched) = client.send("PATCH", &path, merge, json!({"data": {"b": "2"}}).to_string()).await?;
    assert!(patched["metadata"].get("managedFields").is_none(), "{patched}");
    let configuration = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"c": "3"}});
    let (status, applied) = apply(&client, &path, "me", &configuration).await?;
    assert_eq!(status, 200, "{applied}");
    let entries = &applied["metadata"]["managedFields"];
    assert_eq!(
        (&entries[0]["manager"], &entries[1]["manager"]),
        (&json!("me"), &json!("before-first-apply"))
    );
    assert!(entries[1]["time"].is_string(), "{entries}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_configuration_leaves_what_others_put_there() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = format!("{DEPLOYMENTS}/d");
    let mut whole = deployment("d");
    whole["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
    whole["spec"]["template"]["spec"]["securityContext"] = json!({"fsGroup": 3});
    assert_eq!(apply(&client, &path, "one", &whole).await?.0, 201);
    let part = |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": spec}}});
    let (status, kept) = apply(&client, &path, "two", &part(json!({"securityContext": null}))).await?;
    assert_eq!(status, 200, "{kept}");
    assert_eq!(kept["spec"]["template"]["spec"]["securityContext"], json!({"fsGroup": 3}));
    // What is owned as a whole is another value then.
    let (status, refused) = apply(&client, &path, "two", &part(json!({"nodeSelector": null}))).await?;
    assert_eq!(status, 409, "{refused}");
    // An empty list of such items names none of them.
    let (_, empty) = apply(&client, &path, "two", &part(json!({"containers": []}))).await?;
    let entries = empty["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    assert!(entries.iter().all(|entry| entry["manager"] != "two"), "{entries:?}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_is_written_where_it_always_is() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
    for (path, body, place, wanted) in [
        (rbac, json!({}), "/rules", Some(json!(null))),
        (leases, json!({}), "/spec", Some(json!({}))),
        (leases, json!({"spec": {"holderIdentity": ""}}), "/spec/holderIdentity", Some(json!(""))),
        (classes, json!({}), "/value", Some(json!(0))),
        (MAPS, json!({"immutable": false, "data": {}}), "/data", None),
        (MAPS, json!({"immutable": false}), "/immutable", Some(json!(false))),
        (revisions, json!({"revision": 0, "data": {"a": 1}}), "/revision", Some(json!(0))),
        (revisions, json!({"revision": 0, "data": {"a": 1}}), "/spec", None),
    ] {
        let mut body = body;
        body["metadata"] = json!({"name": "x"});
        let (status, made) = client.call("POST", &format!("{path}?dryRun=All"), Some(body)).await?;
        assert_eq!((status, made.pointer(place)), (201, wanted.as_ref()), "{path} {made}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rarer_parts_of_pods_have_their_defaults() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let mut wanted = deployment("d");
    let own = json!({"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]});
    let image = json!({"reference": "r:1"});
    let stop = json!({"httpGet": {"port": 80}});
    let limits = json!({"cpu": "0.0001"});
    wanted["spec"]["template"]["spec"] = json!({
        "serviceAccount": "old", "volumes": [{"name": "o", "downwardAPI": own}, {"name": "i", "image": image}],
        "containers": [{"name": "c", "image": "i", "lifecycle": {"preStop": stop}, "resources": {"limits": limits}}],
    });
    let (status, made) = client.call("POST", DEPLOYMENTS, Some(wanted)).await?;
    assert_eq!(status, 201, "{made}");
    let spec = &made["spec"]["template"]["spec"];
    for (place, wanted) in [
        ("/serviceAccountName", "old"),
        ("/volumes/0/downwardAPI/items/0/fieldRef/apiVersion", "v1"),
        ("/volumes/1/image/pullPolicy", "IfNotPresent"),
        ("/containers/0/lifecycle/preStop/httpGet/path", "/"),
        ("/containers/0/lifecycle/preStop/httpGet/scheme", "HTTP"),
        ("/containers/0/resources/limits/cpu", "1m"),
    ] {
        assert_eq!(spec.pointer(place), Some(&json!(wanted)), "{place} {spec}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_are_read_as_they_are_elsewhere() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    client.call("POST", DEPLOYMENTS, Some(deployment("d"))).await?;
    let path = format!("{DEPLOYMENTS}/d");
    let (json_patch, merge, strategic) = (
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    );
    let containers = |list: Value| json!({"spec": {"template": {"spec": list}}});
    let order =
        json!({"$setElementOrder/containers": [{"name": "q"}], "containers": [{"name": "r", "image": "i"}]});
    for (media, patch, status) in [
        (json_patch, json!([{"op": "replace", "path": "/spec/minReadySeconds", "value": 1}]), 200),
        (json_patch, json!([{"op": "replace", "path": "/spec/nothing/x", "value": 1}]), 422),
        (json_patch, json!([{"op": "add", "path": "", "value": {}}]), 422),
        (json_patch, json!(["x"]), 400),
        (json_patch, json!(null), 200),
        (merge, json!({"kind": null}), 200),
        (merge, json!({"kind": "Pod"}), 422),
        (strategic, json!({"kind": "Pod"}), 200),
        (strategic, containers(order), 500),
        (
            strategic,
            containers(json!({"containers": [{"name": "c", "$patch": "replace", "image": "x"}]})),
            422,
        ),
    ] {
        let (found, answer) = client.send("PATCH", &path, media, patch.to_string()).await?;
        assert_eq!(found, status, "{media} {patch}: {answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_bookmarks_learns_when_he_has_seen_everything() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let mut watch = client.open(&format!("{MAPS}?watch=1&allowWatchBookmarks=true")).await?;
    let chunk = tokio::time::timeout(std::time::Duration::from_secs(60), watch.chunk()).await??;
    let event: Value = serde_json::from_slice(&chunk.unwrap_or_default())?;
    assert_eq!(event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    for (query, status) in [
        ("watch=1&sendInitialEvents=false", 422),
        ("watch=1&continue=x", 422),
        ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422),
        ("continue=x&resourceVersionMatch=Exact", 422),
        ("fieldSelector=metadata.name%3Da%5Cb", 400),
        ("labelSelector=a%3Db,", 400),
    ] {
        let (found, answer) = client.call("GET", &format!("{MAPS}?{query}"), None).await?;
        assert_eq!(found, status, "{query} {answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_on_its_way_out_takes_no_new_objects() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": schema}]);
    let names = json!({"plural": "ends", "kind": "End"});
    let spec = json!({"group": "e.example.com", "scope": "Namespaced", "names": names, "versions": versions});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({"metadata": {"name": "ends.e.example.com"}, "spec": spec});
    assert_eq!(client.call("POST", definitions, Some(definition)).await?.0, 201);
    let ends = "/apis/e.example.com/v1/namespaces/default/ends";
    let end = |name: &str| json!({"apiVersion": "e.example.com/v1", "kind": "End", "metadata": {"name": name, "finalizers": ["e.example.com/held"]}});
    assert_eq!(client.call("POST", ends, Some(end("held"))).await?.0, 201);
    let path = format!("{definitions}/ends.e.example.com");
    let (status, going) = client.call("DELETE", &path, None).await?;
    assert_eq!(status, 200, "{going}");
    let conditions = going["status"]["conditions"].as_array().cloned().unwrap_or_default();
    assert!(conditions.iter().any(|condition| condition["type"] == "Terminating"), "{going}");
    assert_eq!(client.call("POST", ends, Some(end("late"))).await?.0, 403);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_objects_are_refused_in_the_usual_words() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    let keyed = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
    });
    let spec = json!({"type": "object", "properties": {
        "even": {"type": "integer", "multipleOf": 2}, "wait": {"type": "string", "format": "duration"},
        "three": {"type": "integer", "allOf": [{"minimum": 3}]}, "inner": embedded, "list": keyed,
        "map": {"type": "object", "maxProperties": 3, "additionalProperties": {
            "type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "too small"}]}},
    }});
    let root = json!({"type": "object", "properties": {"spec": spec}});
    let versions =
        json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": root}}]);
    let names = json!({"plural": "words", "kind": "Word"});
    let spec = json!({"group": "w.example.com", "scope": "Namespaced", "names": names, "versions": versions});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = json!({"metadata": {"name": "words.w.example.com"}, "spec": spec});
    let (status, made) = client.call("POST", definitions, Some(definition)).await?;
    assert_eq!(status, 201, "{made}");
    let words = "/apis/w.example.com/v1/namespaces/default/words?dryRun=All";
    let inner = |metadata: Value| json!({"inner": {"apiVersion": "v1", "kind": "K", "metadata": metadata}});
    for (spec, status, wanted) in [
        (json!({"even": 2.5}), 422, "spec.even in body should be a multiple of 2"),
        (json!({"three": 1}), 422, "\"spec.three\" must validate all the schemas (allOf)"),
        (
            json!({"list": ["x"]}),
            422,
            "spec.list[0]: Invalid value: \"x\": must be an object for an array of list-type map",
        ),
        (json!({"map": {"a": 0}}), 422, "spec.map[a]: Invalid value: 0: too small"),
        (inner(json!("x")), 400, "spec.inner.metadata: Invalid value: \"x\": json: cannot unmarshal string"),
        (inner(json!({"labels": {"a": "?"}})), 422, "spec.inner.metadata.labels: Invalid value: \"?\""),
        (json!({"wait": "2 days"}), 201, ""),
        (json!({"wait": "soon"}), 422, "must be of type duration"),
    ] {
        let body = json!({"apiVersion": "w.example.com/v1", "kind": "Word", "metadata": {"name": "x"}, "spec": spec});
        let (found, answer) = client.call("POST", words, Some(body)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(wanted), "{found} {answer}, want {wanted}");
    }
    let other = json!({"apiVersion": "w.example.com/v1", "kind": "Other", "metadata": {"name": "x"}});
    let (status, answer) = client.call("POST", words, Some(other)).await?;
    assert_eq!((status, &answer["details"]["kind"]), (422, &json!("Other")), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_warned_all_the_same() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let body = json!({"metadata": {"name": "A"}, "nothing": 1});
    let answer = client.respond("POST", MAPS, "application/json", body.to_string()).await?;
    assert_eq!(answer.status().as_u16(), 422);
    let warning = answer.headers().get("warning").map(|text| text.as_bytes().to_vec()).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&warning), "299 - \"unknown field \\\"nothing\\\"\"");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_say_by_which_binding_and_evictions_are_heard() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    client
        .call("POST", &format!("{rbac}/roles"), Some(json!({"metadata": {"name": "r"}, "rules": rules})))
        .await?;
    let subjects = json!([{"kind": "ServiceAccount", "name": "u", "namespace": "default"}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
    let binding = json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects});
    client.call("POST", &format!("{rbac}/rolebindings"), Some(binding)).await?;
    let wanted = json!({"verb": "get", "resource": "configmaps", "namespace": "default"});
    let spec = json!({"user": "system:serviceaccount:default:u", "resourceAttributes": wanted});
    let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let (_, review) = client.call("POST", reviews, Some(json!({"spec": spec}))).await?;
    let why = "RBAC: allowed by RoleBinding \"b/default\" of Role \"r\" to ServiceAccount \"u/default\"";
    assert_eq!(review["status"]["reason"], why, "{review}");
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    assert_eq!(client.call("POST", pods, Some(pod)).await?.0, 201);
    let eviction = |name: &str, uid: Value| json!({"metadata": {"name": name}, "deleteOptions": {"preconditions": {"uid": uid}}});
    for (query, body, status) in [
        ("", eviction("q", json!(null)), 400),
        ("", eviction("p", json!("other")), 409),
        ("?dryRun=All", eviction("p", json!(null)), 201),
        ("", eviction("p", json!(null)), 201),
        ("", eviction("p", json!(null)), 404),
    ] {
        let (found, answer) = client.call("POST", &format!("{pods}/p/eviction{query}"), Some(body)).await?;
        assert_eq!(found, status, "{answer}");
    }
    running.stop().await;
    Ok(())
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

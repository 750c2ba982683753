//! Requests whose answers clients depend on word by word.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::{Client, MERGE};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn has(answer: &(u16, Value), status: u16, text: &str) {
    let message = answer.1["message"].as_str().unwrap_or_default();
    assert!(answer.0 == status && message.contains(text), "{} {message}, want {status} {text}", answer.0);
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

/// A definition of one kind with a schema, and what else its spec says.
fn definition(plural: &str, kind: &str, versions: &[Value]) -> Value {
    let names = json!({"plural": plural, "kind": kind});
    let spec = json!({"group": "w.example.com", "scope": "Namespaced", "names": names, "versions": versions});
    json!({"metadata": {"name": format!("{plural}.w.example.com")}, "spec": spec})
}

fn version(name: &str, storage: bool, schema: Value) -> Value {
    let mut version = json!({"name": name, "served": true, "storage": storage});
    version["schema"] = json!({"openAPIV3Schema": schema});
    version
}

fn anything() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_is_a_scale() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let mut scaled = version("v1", true, anything());
    scaled["subresources"] =
        json!({"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}});
    client.call("POST", DEFINITIONS, Some(definition("ws", "W", &[scaled]))).await?;
    let path = "/apis/w.example.com/v1/namespaces/default/ws";
    let object =
        json!({"apiVersion": "w.example.com/v1", "kind": "W", "metadata": {"name": "w"}, "spec": {}});
    assert_eq!(client.call("POST", path, Some(object)).await?.0, 201);
    let scale = format!("{path}/w/scale");
    let patch = |text: &str| client.send("PATCH", &scale, MERGE, text.to_owned());
    has(&client.call("GET", &scale, None).await?, 500, "\".spec.replicas\" does not exist");
    has(&patch("{}").await?, 400, "\".spec.replicas\" cannot be empty");
    has(&patch(r#"{"spec":{"replicas":"x"}}"#).await?, 422, "of type int32");
    has(&patch(r#"{"spec":{"replicas":3000000000}}"#).await?, 422, "of type int32");
    has(&patch(r#"{"metadata":{"name":"v"}}"#).await?, 400, "does not match the name on the URL");
    let (status, answer) = patch(r#"{"spec":{"replicas":3}}"#).await?;
    assert_eq!((status, &answer["spec"]["replicas"]), (200, &json!(3)), "{answer}");
    let strategic = "application/strategic-merge-patch+json";
    let (status, _) = client.send("PATCH", &scale, strategic, "{}".into()).await?;
    assert_eq!(status, 415);
    let other = json!({"metadata": {"name": "v"}, "spec": {"replicas": 1}});
    has(&client.call("PUT", &scale, Some(other)).await?, 400, "(v) does not match the name on the URL (w)");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_fields_are_reset_and_nonsense_about_them_is_passed_over() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let (_, made) = client.call("POST", MAPS, Some(map("m"))).await?;
    let path = format!("{MAPS}/m");
    let patch = |entries: Value| {
        let body = json!({"metadata": {"managedFields": entries}}).to_string();
        client.send("PATCH", &path, MERGE, body)
    };
    let mut entry = made["metadata"]["managedFields"][0].clone();
    for (key, value) in [("fieldsType", "FieldsV2"), ("fieldsType", ""), ("apiVersion", "")] {
        entry[key] = json!(value);
        let (status, answer) = patch(json!([entry])).await?;
        assert_eq!(status, 200);
        assert_eq!(answer["metadata"]["managedFields"], made["metadata"]["managedFields"], "{key} {value}");
        entry = made["metadata"]["managedFields"][0].clone();
    }
    let (_, reset) = patch(json!([])).await?;
    assert_eq!(reset["metadata"].get("managedFields"), None);
    assert_ne!(reset["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_hold_anything_keeps_it() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let embedded = json!({
        "type": "object", "x-kubernetes-embedded-resource": true,
        "x-kubernetes-preserve-unknown-fields": true,
    });
    let keyed = json!({
        "x-kubernetes-preserve-unknown-fields": true, "type": "array",
        "items": {"type": "object", "properties": {"o": {"type": "object"}}},
    });
    let any = json!({"x-kubernetes-preserve-unknown-fields": true});
    let spec = json!({"type": "object", "properties": {"any": any, "list": keyed, "emb": embedded}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    let made =
        client.call("POST", DEFINITIONS, Some(definition("ks", "K", &[version("v1", true, schema)]))).await?;
    assert_eq!(made.0, 201, "{}", made.1);
    let spec = json!({
        "any": [1, {"a": 1, "b": {"c": [{}]}}], "list": [{"x": 1, "o": {"gone": 1}}],
        "emb": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "n", "zz": 1}},
    });
    let object =
        json!({"apiVersion": "w.example.com/v1", "kind": "K", "metadata": {"name": "k"}, "spec": spec});
    let path = "/apis/w.example.com/v1/namespaces/default/ks";
    let strict = client.call("POST", &format!("{path}?fieldValidation=Strict"), Some(object.clone())).await?;
    has(&strict, 400, "unknown field \"spec.list[0].o.gone\", unknown field \"spec.emb.metadata.zz\"");
    let (_, made) = client.call("POST", path, Some(object)).await?;
    assert_eq!(made["spec"]["any"], json!([1, {"a": 1, "b": {"c": [{}]}}]));
    assert_eq!(made["spec"]["list"], json!([{"x": 1, "o": {}}]));
    assert_eq!(made["spec"]["emb"]["metadata"], json!({"name": "n"}));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_defaults_are_defaults() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let text = json!({"type": "string"});
    let properties = json!({
        "list": {"type": "array", "items": text, "default": []},
        "map": {"type": "object", "additionalProperties": text, "default": {}},
        "truth": {"type": "boolean", "default": false},
        "number": {"type": "integer", "default": 0},
        "text": {"type": "string", "default": ""},
    });
    let schema =
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
    let made =
        client.call("POST", DEFINITIONS, Some(definition("es", "E", &[version("v1", true, schema)]))).await?;
    assert_eq!(made.0, 201, "{}", made.1);
    let stored =
        &made.1["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    assert_eq!(*stored, properties);
    let object =
        json!({"apiVersion": "w.example.com/v1", "kind": "E", "metadata": {"name": "e"}, "spec": {}});
    let made = client.call("POST", "/apis/w.example.com/v1/namespaces/default/es", Some(object)).await?.1;
    assert_eq!(
        made["spec"],
        json!({"list": [], "map": {}, "truth": false, "number": 0, "text": ""}),
        "{made}"
    );
    let probed = json!({"containers": [{"name": "c", "image": "i", "livenessProbe": {"grpc": {"port": 4}}}]});
    let pod = json!({"metadata": {"name": "p"}, "spec": probed});
    let made = client.call("POST", "/api/v1/namespaces/default/pods", Some(pod)).await?.1;
    assert_eq!(made["spec"]["containers"][0]["livenessProbe"]["grpc"], json!({"port": 4, "service": ""}));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_remember_where_objects_are_stored_and_share_no_names() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let both = |first: bool| [version("v1", first, anything()), version("v2", !first, anything())];
    client.call("POST", DEFINITIONS, Some(definition("ss", "S", &both(true)))).await?;
    let path = format!("{DEFINITIONS}/ss.w.example.com");
    let patch = |versions: &[Value]| {
        let body = json!({"spec": {"versions": versions}}).to_string();
        client.send("PATCH", &path, MERGE, body)
    };
    let (_, moved) = patch(&both(false)).await?;
    assert_eq!(moved["status"]["storedVersions"], json!(["v1", "v2"]));
    has(
        &patch(&both(false)[1..]).await?,
        422,
        "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions",
    );
    client.call("POST", DEFINITIONS, Some(definition("sses", "S", &both(true)))).await?;
    let other = format!("{DEFINITIONS}/sses.w.example.com");
    let (_, rival) = client.call("GET", &other, None).await?;
    let status = &rival["status"];
    assert_eq!(status["acceptedNames"], json!({"plural": "sses", "kind": ""}), "{status}");
    let accepted = &status["conditions"][0];
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("ListKindConflict")));
    assert_eq!(accepted["message"], "\"SList\" is already in use");
    client.call("DELETE", &path, None).await?;
    crate::words::eventually(async || {
        let (_, rival) = client.call("GET", &other, None).await?;
        Ok(rival["status"]["acceptedNames"]["kind"] == "S"
            && rival["status"]["conditions"][1]["status"] == "True")
    })
    .await?;
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn finalizers_without_a_domain_are_told_of_custom_objects_and_refused_elsewhere() -> anyhow::Result<()>
{
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    client.call("POST", DEFINITIONS, Some(definition("fs", "F", &[version("v1", true, anything())]))).await?;
    let path = "/apis/w.example.com/v1/namespaces/default/fs";
    let object = |names: &[&str]| json!({"apiVersion": "w.example.com/v1", "kind": "F", "metadata": {"name": "f", "finalizers": names}});
    let told = |name: &str, path: &str| {
        format!(
            "299 - \"metadata.finalizers: \\\"{name}\\\": prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers\""
        )
    };
    let warned = async |method: &str,
                        path: &str,
                        media: &str,
                        body: serde_json::Value|
           -> anyhow::Result<Vec<String>> {
        let answer = client.respond(method, path, media, body.to_string()).await?;
        anyhow::ensure!(answer.status().is_success(), "{}", answer.status());
        let warnings = answer.headers().get_all("warning").iter();
        Ok(warnings.map(|text| text.to_str().unwrap_or_default().to_owned()).collect())
    };
    let made = warned("POST", path, "application/json", object(&["b", "a.b", "x/y", "orphan"])).await?;
    assert_eq!(made, [told("a.b", " including a path (/)"), told("b", "")]);
    let patch = json!({"metadata": {"finalizers": ["b", "c"]}});
    let changed = warned("PATCH", &format!("{path}/f"), "application/merge-patch+json", patch).await?;
    assert_eq!(changed, [told("c", "")]);
    let mut plain = map("f");
    plain["metadata"]["finalizers"] = json!(["a.b"]);
    has(&client.call("POST", MAPS, Some(plain)).await?, 422, "name is neither a standard finalizer name");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_about_built_in_kinds_is_told() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let container = json!({
        "name": "c", "image": "i", "resources": {"limits": {"memory": "100m"}},
        "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}],
        "ports": [{"containerPort": 80}, {"containerPort": 80, "hostPort": 8080}],
    });
    let pod = json!({
        "nodeSelector": {"beta.kubernetes.io/os": "linux"}, "containers": [container],
        "imagePullSecrets": [{"name": "s"}, {"name": "s"}],
    });
    let meta = |name: &str| {
        let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"});
        json!({"name": name, "ownerReferences": [owner, owner]})
    };
    let labels = json!({"app": "a"});
    let spec = json!({"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let owned = ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u";
    let service = json!({"externalIPs": ["2001:0db8::1"], "ports": [{"port": 80}]});
    let ingress = json!({"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}});
    for (path, object, wanted) in [
        (
            deployments,
            json!({"metadata": meta("a.b"), "spec": spec}),
            vec![
                owned,
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
                "spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.template.spec.imagePullSecrets[1].name: duplicate name \"s\"",
                "spec.template.spec.containers[0].resources.limits[memory]: fractional byte value \"100m\" is invalid, must be an integer",
                "spec.template.spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply",
                "spec.template.spec.containers[0].ports[1]: overlapping port definition with spec.template.spec.containers[0].ports[0]",
            ],
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({"metadata": {"name": "s"}, "spec": service}),
            vec![
                "spec.externalIPs[0]: IPv6 address \"2001:0db8::1\" should be in RFC 5952 canonical format (\"2001:db8::1\")",
                "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
            ],
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({"metadata": {"name": "i", "annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": ingress}),
            vec![
                "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead",
            ],
        ),
    ] {
        let answer = client.respond("POST", path, "application/json", object.to_string()).await?;
        let told: Vec<&str> =
            answer.headers().get_all("warning").iter().filter_map(|text| text.to_str().ok()).collect();
        let wanted: Vec<String> = wanted.iter().map(|text| format!("299 - {text:?}")).collect();
        assert_eq!(told, wanted, "{}", answer.status());
        assert_eq!(answer.status().as_u16(), 201);
        let made: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        let owners = made["metadata"]["ownerReferences"].as_array().map(Vec::len);
        assert_eq!(owners, (path == deployments).then_some(1));
    }
    let env: Vec<_> = (0..500).map(|number| json!({"name": "A", "value": number.to_string()})).collect();
    let many = json!({"containers": [{"name": "c", "image": "i", "env": env}]});
    let many = json!({"metadata": {"name": "many"}, "spec": many});
    let path = "/api/v1/namespaces/default/pods";
    let answer = client.respond("POST", path, "application/json", many.to_string()).await?;
    let told: usize = answer.headers().get_all("warning").iter().map(|text| text.len()).sum();
    assert!((3000..8000).contains(&told), "{told} bytes of warnings");
    running.stop().await;
    Ok(())
}

/// Waits until a condition holds, a minute at most.
pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !holds().await? {
        anyhow::ensure!(std::time::Instant::now() < deadline, "it never held");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_say_what_they_may() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let mut webhook = definition("as", "A", &[version("v1", true, anything())]);
    webhook["spec"]["conversion"] = json!({"strategy": "Foo"});
    let mut warned = version("v1", true, anything());
    warned["deprecationWarning"] = json!("x");
    let falsely = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false});
    let mut group = definition("as", "A", &[version("v1", true, anything())]);
    group["spec"]["group"] = json!("bad_group");
    for (object, wanted) in [
        (
            webhook,
            "spec.conversion.strategy: Unsupported value: \"Foo\": supported values: \"None\", \"Webhook\"",
        ),
        (
            definition("as", "A", &[warned]),
            "deprecationWarning: Invalid value: \"x\": can only be set for deprecated versions",
        ),
        (definition("as", "A", &[version("v1", true, falsely)]), "must be true or undefined"),
        (group, "a lowercase RFC 1123 subdomain must consist of"),
    ] {
        has(&client.call("POST", DEFINITIONS, Some(object)).await?, 422, wanted);
    }
    let number = json!({"type": "integer", "format": "int32"});
    let mac = json!({"type": "string", "format": "mac"});
    let spec = json!({"type": "object", "properties": {"n": number, "mac": mac}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    client.call("POST", DEFINITIONS, Some(definition("as", "A", &[version("v1", true, schema)]))).await?;
    let object = |spec: Value| json!({"apiVersion": "w.example.com/v1", "kind": "A", "metadata": {"name": "a"}, "spec": spec});
    let path = "/apis/w.example.com/v1/namespaces/default/as";
    for (spec, wanted) in [
        (
            json!({"n": 3_000_000_000_u64}),
            "Checked value must be of type integer with format int32 in spec.n",
        ),
        (json!({"mac": "x"}), "spec.mac in body must be of type mac: \"x\""),
    ] {
        has(&client.call("POST", path, Some(object(spec))).await?, 422, wanted);
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_read_before_anything_happens() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for name in ["a", "b", "c"] {
        client.call("POST", MAPS, Some(map(name))).await?;
    }
    let one = format!("{MAPS}/a");
    has(&client.call("DELETE", &format!("{one}?gracePeriodSeconds=x"), None).await?, 400, "strconv.ParseInt");
    let foreign = json!({"kind": "Foo", "apiVersion": "v1"});
    has(&client.call("DELETE", &one, Some(foreign)).await?, 400, "no kind \"Foo\" is registered for version");
    has(&client.call("DELETE", &format!("{MAPS}?resourceVersion=x"), None).await?, 400, "Invalid value");
    let (_, page) = client.call("DELETE", &format!("{MAPS}?limit=1"), None).await?;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.call("GET", &one, None).await?.0, 404);
    assert_eq!(client.call("GET", &format!("{MAPS}/b"), None).await?.0, 200);
    let patch = "application/json-patch+json";
    let many: Vec<Value> = (0..10_001).map(|_| json!({"op": "remove", "path": "/x"})).collect();
    let path = format!("{MAPS}/b");
    has(&client.send("PATCH", &path, patch, json!(many).to_string()).await?, 413, "10000, got 10001");
    let odd = json!([{"op": "add", "path": "/data/k", "value": "1", "extra": 1}]).to_string();
    let strict = client.send("PATCH", &format!("{path}?fieldValidation=Strict"), patch, odd).await?;
    has(&strict, 422, "json patch unknown field \"[0].extra\"");
    has(
        &client.call("GET", &format!("{MAPS}?sendInitialEvents=true"), None).await?,
        422,
        "sendInitialEvents is forbidden for list",
    );
    let twice = format!("{MAPS}?resourceVersionMatch=Bar");
    let (_, answer) = client.call("GET", &twice, None).await?;
    assert_eq!(answer["details"]["causes"].as_array().map(Vec::len), Some(2), "{answer}");
    has(
        &client.call("GET", &format!("{MAPS}?labelSelector=x%20in%20(a%20b)"), None).await?,
        400,
        "found 'b', expected: ',' or ')'",
    );
    let manager = "Invalid value: \"a\\nb\\u200b\": invalid character U+000A (at position 1)";
    has(
        &client.call("POST", &format!("{MAPS}?fieldManager=a%0Ab%E2%80%8B"), Some(map("d"))).await?,
        422,
        manager,
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn owned_namespaces_and_definitions_leave_nothing_behind() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let namespaces = "/api/v1/namespaces";
    let (_, owner) = client.call("POST", namespaces, Some(json!({"metadata": {"name": "oa"}}))).await?;
    let reference =
        json!([{"apiVersion": "v1", "kind": "Namespace", "name": "oa", "uid": owner["metadata"]["uid"]}]);
    let owned = json!({"metadata": {"name": "ob", "ownerReferences": reference}});
    client.call("POST", namespaces, Some(owned)).await?;
    client.call("POST", "/api/v1/namespaces/ob/configmaps", Some(map("left"))).await?;
    let mut kind = definition("os", "O", &[version("v1", true, anything())]);
    kind["metadata"]["ownerReferences"] = reference;
    client.call("POST", DEFINITIONS, Some(kind)).await?;
    let objects = "/apis/w.example.com/v1/namespaces/default/os";
    let object = json!({"apiVersion": "w.example.com/v1", "kind": "O", "metadata": {"name": "o"}});
    assert_eq!(client.call("POST", objects, Some(object)).await?.0, 201);
    let (_, map) = client.call("POST", MAPS, Some(map("told"))).await?;
    let uid = &map["metadata"]["uid"];
    let about = json!({"name": "e", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "told", "uid": uid}]});
    let event = json!({"metadata": about, "involvedObject": {"namespace": "default"}});
    assert_eq!(client.call("POST", EVENTS, Some(event)).await?.0, 201);
    client.call("DELETE", &format!("{MAPS}/told"), None).await?;
    client.call("DELETE", "/api/v1/namespaces/oa", None).await?;
    let gone = [
        "/api/v1/namespaces/ob",
        "/api/v1/namespaces/ob/configmaps/left",
        objects,
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/os.w.example.com",
    ];
    eventually(async || {
        for path in gone {
            if client.call("GET", path, None).await?.0 != 404 {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    let (status, _) = client.call("GET", &format!("{EVENTS}/e"), None).await?;
    assert_eq!(status, 200, "an event outlives what it is about");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_told() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    client.call("GET", MAPS, None).await?;
    let text = async |path: &str| anyhow::Ok(client.open(path).await?.text().await?);
    let verbose = text("/readyz?verbose&exclude=log").await?;
    assert!(verbose.starts_with("[+]ping ok\n[+]log excluded: ok\n"), "{verbose}");
    assert!(verbose.ends_with("readyz check passed\n"), "{verbose}");
    assert_eq!(text("/livez/etcd").await?, "ok");
    assert_eq!(client.open("/livez/nothing").await?.status().as_u16(), 404);
    let metrics = text("/metrics").await?;
    let counted = "apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"configmaps\",scope=\"namespace\",subresource=\"\",verb=\"LIST\",version=\"v1\"} 1";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    assert!(metrics.contains("apiserver_storage_objects{resource=\"namespaces\"} 4"), "{metrics}");
    let alice = client.acting_as("alice");
    assert_eq!(alice.call("GET", "/metrics", None).await?.0, 403);
    let (_, issuer) = client.call("GET", "/.well-known/openid-configuration", None).await?;
    assert_eq!(issuer["issuer"], "https://kubernetes.default.svc.cluster.local");
    assert_eq!(client.call("GET", "/openid/v1/jwks", None).await?.1, json!({"keys": []}));
    assert_eq!(client.call("HEAD", MAPS, None).await?.0, 405);
    running.stop().await;
    Ok(())
}

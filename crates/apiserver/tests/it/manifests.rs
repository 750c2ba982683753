//! What well-known manifests hold and generated ones rarely do.

use serde_json::{Value, json};

use crate::client::{Client, server};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments?dryRun=All";
const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/default/statefulsets?dryRun=All";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims?dryRun=All";
const CLASSES: &str = "/apis/storage.k8s.io/v1/volumeattributesclasses";
const SCHEMAS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";

#[tokio::test(flavor = "multi_thread")]
async fn profiles_in_annotations_are_told_where_the_field_is_missing() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let apparmor = "container.apparmor.security.beta.kubernetes.io/c";
    let deployment = |context: Value| {
        json!({"metadata": {"name": "d"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}, "annotations": {
                    apparmor: "unconfined", "seccomp.security.alpha.kubernetes.io/pod": "runtime/default",
                }},
                "spec": {"containers": [{"name": "c", "image": "i", "securityContext": context}]},
            },
        }})
    };
    let mut told = warnings(&client, DEPLOYMENTS, deployment(json!({}))).await?;
    told.sort();
    let expected = [
        format!(
            "spec.template.metadata.annotations[{apparmor}]: deprecated since v1.30; use the \\\"appArmorProfile\\\" field instead"
        ),
        "spec.template.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the \\\"seccompProfile\\\" field instead".to_owned(),
    ];
    assert_eq!(told, expected);
    let stated = json!({"appArmorProfile": {"type": "Unconfined"}});
    assert_eq!(warnings(&client, DEPLOYMENTS, deployment(stated)).await?, expected[1..]);
    let claim = json!({
        "metadata": {"name": "c", "annotations": {"volume.beta.kubernetes.io/storage-class": "x"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let told = warnings(&client, CLAIMS, claim).await?;
    assert_eq!(
        told,
        [
            "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \\\"storageClassName\\\" attribute instead"
        ]
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_strategy_of_a_stateful_set_is_left_as_it_is() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let set = |strategy: Value| {
        json!({"metadata": {"name": "s"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}}, "updateStrategy": strategy,
            "template": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        }})
    };
    let whole = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    for (stated, stored) in [
        (json!({"type": "RollingUpdate"}), json!({"type": "RollingUpdate"})),
        (json!({"type": "RollingUpdate", "rollingUpdate": {}}), whole.clone()),
        (json!({}), whole),
    ] {
        let (status, answer) = client.call("POST", STATEFUL_SETS, Some(set(stated))).await?;
        assert_eq!((status, &answer["spec"]["updateStrategy"]), (201, &stored), "{answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn some_kinds_begin_with_marks_of_controllers() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let node = json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}});
    let (_, node) = client.call("POST", "/api/v1/nodes", Some(node)).await?;
    let ready = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    assert_eq!(node["spec"]["taints"], json!([{"key": "a", "effect": "NoSchedule"}, ready]), "{node}");
    let schema =
        json!({"metadata": {"name": "f"}, "spec": {"priorityLevelConfiguration": {"name": "exempt"}}});
    let (_, schema) = client.call("POST", SCHEMAS, Some(schema)).await?;
    assert_eq!(schema["status"], json!({}), "{schema}");
    let class = json!({"metadata": {"name": "v"}, "driverName": "a.b", "parameters": {"a": "b"}});
    let (_, class) = client.call("POST", CLASSES, Some(class)).await?;
    assert_eq!(class["metadata"]["finalizers"], json!(["kubernetes.io/vac-protection"]), "{class}");
    let (status, _) = client.call("DELETE", &format!("{CLASSES}/v"), None).await?;
    assert_eq!(status, 200);
    crate::words::eventually(async || Ok(client.call("GET", &format!("{CLASSES}/v"), None).await?.0 == 404))
        .await?;
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_to_custom_objects_is_judged_as_it_stands() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let bare = json!({"type": "object"});
    let keyed = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number"],
        "items": {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}},
    });
    let fields = json!({
        "bare": bare, "list": {"type": "array", "items": bare}, "map": {"type": "object", "additionalProperties": bare},
        "known": {"type": "object", "properties": {"n": {"type": "integer"}, "x": {"type": "string"}}}, "keyed": keyed,
        "open": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"inner": {"type": "object", "properties": {"x": {"type": "string"}}}},
        },
    });
    define(&client, "bares", "Bare", fields).await?;
    let apply = async |metadata: Value, spec: Value| {
        let object =
            json!({"apiVersion": "example.com/v1", "kind": "Bare", "metadata": metadata, "spec": spec});
        let path = "/apis/example.com/v1/bares/x?fieldManager=m&dryRun=All";
        client.send("PATCH", path, "application/apply-patch+yaml", object.to_string()).await
    };
    for (stated, kept, owned) in [
        (json!({"bare": {"z": 1}}), json!({"bare": {}}), json!({"f:bare": {"f:z": {}}})),
        (
            json!({"open": {"inner": {"y": 1}}}),
            json!({"open": {"inner": {}}}),
            json!({"f:open": {"f:inner": {"f:y": {}}}}),
        ),
        (json!({"list": [{"z": 1}]}), json!({"list": [{}]}), json!({"f:list": {}})),
        (
            json!({"map": {"k": {"z": 1}}}),
            json!({"map": {"k": {}}}),
            json!({"f:map": {"f:k": {".": {}, "f:z": {}}}}),
        ),
    ] {
        let (status, answer) = apply(json!({"name": "x"}), stated).await?;
        assert_eq!((status, &answer["spec"]), (201, &kept), "{answer}");
        assert_eq!(answer["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"], owned, "{answer}");
    }
    let type_of = |path: &str, kind: &str| {
        format!("{path}: Invalid value: \"null\": {path} in body must be of type {kind}: \"null\"")
    };
    for (stated, status, why) in [
        (json!({"known": null}), 422, type_of("spec.known", "object")),
        (json!({"known": {"x": null}}), 422, type_of("spec.known.x", "string")),
        (json!({"map": {"k": null}}), 422, type_of("spec.map.k", "object")),
        (json!({"known": {"u": 1, "v": 2, "n": "s"}}), 500, ": .spec.known.u: field not declared in schema".to_owned()),
        (
            json!({"keyed": [{}, {}]}),
            500,
            ": .spec.keyed: element 0: associative list with keys has an element that omits all key fields [\"number\"] (and doesn't have default values for any key fields)".to_owned(),
        ),
    ] {
        let (found, answer) = apply(json!({"name": "x"}), stated).await?;
        assert!(found == status && crate::client::message(&answer).ends_with(&why), "{answer}");
    }
    let (status, answer) = apply(json!({"name": "x", "uid": "a-b"}), json!({})).await?;
    let why = "uid mismatch: the provided object specified uid a-b, and no existing object was found";
    assert!(status == 409 && crate::client::message(&answer).ends_with(why), "{answer}");
    let spec = json!({"map": {"k": null}, "known": null});
    let object =
        json!({"apiVersion": "example.com/v1", "kind": "Bare", "metadata": {"name": "x"}, "spec": spec});
    let (_, answer) = client.call("POST", "/apis/example.com/v1/bares", Some(object)).await?;
    assert_eq!(answer["spec"], json!({"map": {}}), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_loses_its_last_field_to_an_apply_is_null() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let text = json!({"type": "string"});
    let part = json!({"type": "object", "nullable": true, "properties": {"x": text}});
    let fields = json!({
        "map": {"type": "object", "additionalProperties": text}, "part": part,
        "filled": {"type": "object", "default": {"x": "1"}, "properties": {"x": text}},
        "any": {"type": "object", "additionalProperties": {"x-kubernetes-preserve-unknown-fields": true}},
    });
    define(&client, "lasts", "Last", fields).await?;
    let apply = async |spec: Value| {
        let object =
            json!({"apiVersion": "example.com/v1", "kind": "Last", "metadata": {"name": "x"}, "spec": spec});
        let path = "/apis/example.com/v1/lasts/x?fieldManager=m";
        client.send("PATCH", path, "application/apply-patch+yaml", object.to_string()).await
    };
    let (status, answer) =
        apply(json!({"map": {"a": "1"}, "part": {"x": "1"}, "filled": {"x": "2"}})).await?;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = apply(json!({"map": {}, "part": {"x": "1"}})).await?;
    let why = "spec.map: Invalid value: \"null\": spec.map in body must be of type object: \"null\"";
    assert!(status == 422 && crate::client::message(&answer).ends_with(why), "{answer}");
    let (status, answer) =
        apply(json!({"map": {"a": "1"}, "part": {}, "filled": {}, "any": {"k": null}})).await?;
    let kept = json!({"map": {"a": "1"}, "part": null, "filled": {"x": "1"}, "any": {}});
    assert_eq!((status, &answer["spec"]), (200, &kept), "{answer}");
    let metadata = json!({"name": "x", "resourceVersion": "0"});
    let object = json!({"apiVersion": "example.com/v1", "kind": "Last", "metadata": metadata, "spec": {}});
    let (status, answer) = client.call("PUT", "/apis/example.com/v1/lasts/x", Some(object)).await?;
    let why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    assert!(status == 422 && crate::client::message(&answer).ends_with(why), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_changed_roles_and_absent_templates_are_told_once() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let role = |rules: Value| Some(json!({"metadata": {"name": "r"}, "rules": rules}));
    assert_eq!(client.call("POST", roles, role(json!([]))).await?.0, 201);
    let (status, answer) =
        client.call("PUT", &format!("{roles}/r"), role(json!([{"verbs": ["get"]}]))).await?;
    let fields: Vec<&Value> =
        answer["details"]["causes"].as_array().into_iter().flatten().map(|cause| &cause["field"]).collect();
    assert_eq!((status, fields), (422, vec![&json!("rules[0].apiGroups"), &json!("rules[0].resources")]));
    let controllers = "/api/v1/namespaces/default/replicationcontrollers";
    let bare = json!({"metadata": {"name": "c"}, "spec": {"selector": {"a": "b"}}});
    let (status, answer) = client.call("POST", controllers, Some(bare)).await?;
    let why = "ReplicationController \"c\" is invalid: spec.template: Required value";
    assert_eq!((status, crate::client::message(&answer)), (422, why), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_ways_of_storage_and_classes_are_warned_of() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let old = json!({"key": "beta.kubernetes.io/os", "operator": "In", "values": ["x"]});
    let volume = json!({
        "metadata": {"name": "v", "annotations": {"volume.beta.kubernetes.io/storage-class": "x"}},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageos": {"volumeName": "x"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [old]}]}},
        },
    });
    let told = warnings(&client, "/api/v1/persistentvolumes?dryRun=All", volume).await?;
    let expected = [
        "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use \\\"storageClassName\\\" attribute instead",
        "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \\\"kubernetes.io/os\\\" instead",
        "spec.storageOS: deprecated in v1.22, non-functional in v1.25+",
    ];
    assert_eq!(told, expected);
    let instead = "deprecated since v1.14; use \\\"kubernetes.io/os\\\" instead";
    let topology = json!([{"matchLabelExpressions": [{"key": "beta.kubernetes.io/os", "values": ["x"]}]}]);
    let class = json!({"metadata": {"name": "c"}, "provisioner": "p", "allowedTopologies": topology});
    let told = warnings(&client, "/apis/storage.k8s.io/v1/storageclasses?dryRun=All", class).await?;
    assert_eq!(told, [format!("allowedTopologies[0].matchLabelExpressions[0].key: {instead}")]);
    let selector = json!({"nodeSelector": {"beta.kubernetes.io/os": "x"}});
    let class = json!({"metadata": {"name": "c"}, "handler": "h", "scheduling": selector});
    let told = warnings(&client, "/apis/node.k8s.io/v1/runtimeclasses?dryRun=All", class).await?;
    assert_eq!(told, [format!("scheduling.nodeSelector: {instead}")]);
    let driver = json!({"metadata": {"name": "d"}, "spec": {"tokenRequests": [{"audience": "a"}]}});
    let told = warnings(&client, "/apis/storage.k8s.io/v1/csidrivers?dryRun=All", driver).await?;
    assert_eq!(
        told,
        [
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes"
        ]
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_a_stateful_set_stand_before_its_volumes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let container = json!({
        "name": "c", "image": "i",
        "volumeMounts": [{"name": "data", "mountPath": "/d"}, {"name": "settings", "mountPath": "/s"}],
    });
    let claim = json!({"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
    }});
    let set = json!({"metadata": {"name": "s"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}}, "volumeClaimTemplates": [claim],
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [container], "volumes": [{"name": "data"}, {"name": "settings", "configMap": {}}]},
        },
    }});
    let (status, answer) = client.call("POST", STATEFUL_SETS, Some(set)).await?;
    let causes = answer["details"]["causes"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&Value> = causes.iter().map(|cause| &cause["field"]).collect();
    let mount = json!("spec.template.spec.containers[0].volumeMounts[1].name");
    let name = json!("spec.template.spec.volumes[1].configMap.name");
    assert_eq!((status, fields), (422, vec![&name, &mount]), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_another_type_are_told_of_by_their_formats() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let fields = json!({
        "count": {"type": "integer", "format": "int64"}, "at": {"type": "string", "format": "date-time"},
        "plain": {"type": "integer"}, "short": {"type": "string", "maxLength": 1},
        "either": {"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        "jobs": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object", "properties": {"steps": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        }}}},
    });
    define(&client, "formats", "Format", fields).await?;
    let object = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Format", "metadata": {"name": "x"}, "spec": spec});
    for (spec, why) in [
        (
            json!({"count": {}}),
            "spec.count: Invalid value: \"\": spec.count in body must be of type int64: \"\"",
        ),
        (
            json!({"plain": {}}),
            "spec.plain: Invalid value: \"object\": spec.plain in body must be of type integer: \"object\"",
        ),
        (
            json!({"at": 5}),
            "spec.at: Invalid value: \"int64\": spec.at in body must be of type date-time: \"int64\"",
        ),
        (
            json!({"count": 1.5}),
            "[spec.count: Invalid value: \"float64\": spec.count in body must be of type int64: \"float64\", <nil>: Invalid value: \"\": Checked value must be of type integer with format int64 in spec.count]",
        ),
        (json!({"short": "ab"}), "spec.short: Too long: may not be more than 1 byte"),
        (
            json!({"either": "x"}),
            "[spec.either: Invalid value: \"string\": spec.either in body must be of type object: \"string\", <nil>: Invalid value: \"\": \"spec.either\" must validate one and only one schema (oneOf). Found 2 valid alternatives]",
        ),
    ] {
        let (status, answer) =
            client.call("POST", "/apis/example.com/v1/formats", Some(object(spec))).await?;
        let head = "Format.example.com \"x\" is invalid: ";
        assert_eq!((status, crate::client::message(&answer)), (422, format!("{head}{why}").as_str()));
    }
    let path = "/apis/example.com/v1/formats/x?fieldManager=m";
    let applied = object(json!({"jobs": [{"steps": [{"name": "a"}, {"name": "a"}]}]}));
    let (status, answer) =
        client.send("PATCH", path, "application/apply-patch+yaml", applied.to_string()).await?;
    let why = ".spec.jobs[0].steps: duplicate entries for key [name=\"a\"]";
    assert!(status == 500 && crate::client::message(&answer).ends_with(why), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_resources_say_what_they_are() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let open = json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    define(&client, "holders", "Holder", json!({"inner": open})).await?;
    let grammar = "spec.inner.kind: Invalid value: \"A b\": may have mixed case, but should otherwise match: a DNS-1035 label must consist";
    let empty = "[spec.inner.apiVersion: Invalid value: \"\": must not be empty, spec.inner.kind: Invalid value: \"\": must not be empty]";
    for (inner, status, why) in [
        (json!({"apiVersion": "v1", "kind": "Pod"}), 201, ""),
        (json!({"apiVersion": "", "kind": ""}), 422, empty),
        (json!({"apiVersion": "v1", "kind": "A b"}), 422, grammar),
        (
            json!({"apiVersion": "v1", "kind": null}),
            400,
            "spec.inner.kind: Invalid value: null: must be a string",
        ),
        (
            json!({"apiVersion": 7, "kind": "Pod"}),
            400,
            "spec.inner.apiVersion: Invalid value: 7: must be a string",
        ),
    ] {
        let holder = json!({"apiVersion": "example.com/v1", "kind": "Holder", "metadata": {"name": "x"}, "spec": {"inner": inner}});
        let path = "/apis/example.com/v1/holders?dryRun=All";
        let (found, answer) = client.call("POST", path, Some(holder)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(why), "{answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_the_key_of_another_is_warned_of() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let [one, other] = [rcgen::KeyPair::generate()?, rcgen::KeyPair::generate()?];
    let certificate = rcgen::CertificateParams::new(vec!["example.com".to_owned()])?.self_signed(&one)?.pem();
    for (key, told) in [(&one, &[][..]), (&other, &["tls: private key does not match public key"][..])] {
        let secret = json!({
            "metadata": {"name": "s"}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate, "tls.key": key.serialize_pem()},
        });
        let path = "/api/v1/namespaces/default/secrets?dryRun=All";
        assert_eq!(warnings(&client, path, secret).await?, told);
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_in_a_list_of_a_strategic_patch_is_an_item() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
    let policy = json!({"metadata": {"name": "p"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    assert_eq!(client.call("POST", policies, Some(policy)).await?.0, 201);
    let strategic = "application/strategic-merge-patch+json";
    let patch = json!({"spec": {"policyTypes": [null, "Egress"]}}).to_string();
    let (status, answer) = client.send("PATCH", &format!("{policies}/p"), strategic, patch).await?;
    assert!(status == 422 && crate::client::message(&answer).contains("spec.policyTypes[0]"), "{answer}");
    let secrets = "/api/v1/namespaces/default/secrets";
    assert_eq!(client.call("POST", secrets, Some(json!({"metadata": {"name": "s"}}))).await?.0, 201);
    let patch = json!({"data": {"a": "<none>"}}).to_string();
    let (status, answer) = client.send("PATCH", &format!("{secrets}/s"), strategic, patch).await?;
    let why = "error decoding from json: illegal base64 data at input byte 0";
    assert!(status == 422 && crate::client::message(&answer).ends_with(why), "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_class_in_an_annotation_of_a_claim_stays() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let key = "volume.beta.kubernetes.io/storage-class";
    let claim = json!({
        "metadata": {"name": "c", "annotations": {key: "fast"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    assert_eq!(client.call("POST", claims, Some(claim)).await?.0, 201);
    let (path, merge) = (format!("{claims}/c"), "application/merge-patch+json");
    let drop = json!({"metadata": {"annotations": {key: null}}});
    let (status, answer) = client.send("PATCH", &path, merge, drop.to_string()).await?;
    let why = format!("metadata.annotations.{key}: Invalid value: \"\": field is immutable");
    assert!(status == 422 && crate::client::message(&answer).ends_with(&why), "{answer}");
    let moved = json!({"metadata": {"annotations": {key: null}}, "spec": {"storageClassName": "fast"}});
    assert_eq!(client.send("PATCH", &path, merge, moved.to_string()).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_counts_its_generations_once_it_changes() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let drivers = "/apis/storage.k8s.io/v1/csidrivers";
    let (_, answer) =
        client.call("POST", drivers, Some(json!({"metadata": {"name": "d"}, "spec": {}}))).await?;
    assert_eq!(answer["metadata"].get("generation"), None, "{answer}");
    let path = format!("{drivers}/d");
    for (patch, generation) in [
        (json!({"metadata": {"labels": {"a": "b"}}}), Value::Null),
        (json!({"spec": {"requiresRepublish": true}}), json!(1)),
        (json!({"spec": {"requiresRepublish": false}}), json!(2)),
    ] {
        let (_, answer) =
            client.send("PATCH", &path, "application/merge-patch+json", patch.to_string()).await?;
        assert_eq!(answer["metadata"]["generation"], generation, "{answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_not_called_deprecated() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    for (path, told) in [("endpoints/e", true), ("endpoints/e/status", false)] {
        let path = format!("/api/v1/namespaces/default/{path}");
        let response = client.open(&path).await?;
        assert_eq!(response.headers().contains_key("warning"), told, "{path}");
    }
    running.stop().await;
    Ok(())
}

/// Defines a kind of `example.com` with these fields in its `spec`.
async fn define(client: &Client, plural: &str, kind: &str, fields: Value) -> anyhow::Result<()> {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}});
    let definition = json!({"metadata": {"name": format!("{plural}.example.com")}, "spec": {
        "group": "example.com", "scope": "Cluster", "names": {"plural": plural, "kind": kind},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
    }});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (status, answer) = client.call("POST", definitions, Some(definition)).await?;
    anyhow::ensure!(status == 201, "{answer}");
    Ok(())
}

/// What is warned of when an object comes.
async fn warnings(client: &Client, path: &str, object: Value) -> anyhow::Result<Vec<String>> {
    let answer = client.respond("POST", path, "application/json", object.to_string()).await?;
    anyhow::ensure!(answer.status() == 201, "{}", answer.text().await?);
    let told = answer.headers().get_all("warning").iter().filter_map(|value| value.to_str().ok());
    Ok(told.map(|text| text.trim_start_matches("299 - \"").trim_end_matches('"').to_owned()).collect())
}

//! Definitions of custom kinds: taken, refused, explained.

use std::process::Command;

use anyhow::Context;
use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::{Client, server};

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_of_flux_are_taken_and_explain_themselves() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for definition in sealfast_k8s::flux::crds() {
        let (status, answer) = client.call("POST", DEFINITIONS, Some(definition)).await?;
        assert_eq!(status, 201, "{answer}");
    }
    let home = tempfile::tempdir()?;
    let kubeconfig = home.path().join("kubeconfig");
    std::fs::write(&kubeconfig, running.kubeconfig())?;
    let explain = move |field: &str| -> anyhow::Result<String> {
        let mut kubectl = Command::new("kubectl");
        let output = kubectl
            .args(["explain", field])
            .env("HOME", home.path())
            .env("KUBECONFIG", &kubeconfig)
            .env_remove("https_proxy")
            .output()
            .context("kubectl is needed: apt-get install kubernetes-client")?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let texts = tokio::task::spawn_blocking(move || {
        let fields = ["gitrepository.spec.ref", "kustomization.spec.decryption", "configmap.metadata"];
        fields.into_iter().map(explain).collect::<anyhow::Result<Vec<_>>>()
    });
    let texts = texts.await??;
    assert!(texts[0].contains("A range of versions"), "{}", texts[0]);
    assert!(texts[1].contains("The format of encrypted files"), "{}", texts[1]);
    assert!(texts[2].contains("Objects without which this one goes too"), "{}", texts[2]);
    for text in texts {
        assert!(!text.contains("<no description>") && !text.contains("<empty>"), "{text}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_that_are_not_structural_are_refused() -> anyhow::Result<()> {
    let text = json!({"type": "string"});
    let keyed = |key: &str| {
        json!({
            "type": "array", "items": {"type": "object", "properties": {"k": text}},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key],
        })
    };
    let keys = |field: Value, keys: Value| {
        json!({
            "type": "array", "items": {"type": "object", "properties": {"k": field}},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
        })
    };
    let rule = |rule: Value| json!({"type": "string", "x-kubernetes-validations": [rule]});
    let set = |items: Value| json!({"type": "array", "items": items, "x-kubernetes-list-type": "set"});
    let cases = [
        (json!({"type": "foo"}), "properties[a].type: Unsupported value: \"foo\""),
        (
            json!({"x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-int-or-string": true}),
            "must be false if x-kubernetes-int-or-string is true",
        ),
        (keyed("k"), "items.properties[k].default: Required value"),
        (
            keyed("z"),
            "x-kubernetes-list-map-keys: Invalid value: [\"z\"]: entries must all be names of item properties",
        ),
        (
            keys(json!({"type": "object"}), json!(["k"])),
            "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
        (
            keys(json!({"type": "string", "default": ""}), json!(["k", "k"])),
            "must not contain duplicate entries",
        ),
        (
            keys(json!({"type": "string", "default": "", "nullable": true}), json!(["k"])),
            "properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
        ),
        (json!({"type": "array", "items": text, "uniqueItems": true}), "uniqueItems: Forbidden"),
        (json!({"type": "string", "pattern": "("}), "properties[a].pattern: Invalid value: \"(\""),
        (rule(json!({"rule": "self >"})), "compilation failed"),
        (rule(json!({"rule": "self.b == 1"})), "type 'string' does not support field selection"),
        (rule(json!({"rule": "size(self)"})), "cel expression must evaluate to a bool"),
        (rule(json!({"rule": "true", "reason": "No"})), "reason: Unsupported value: \"No\""),
        (
            rule(json!({"rule": "true", "message": " "})),
            "message: Invalid value: \" \": must be non-empty if specified",
        ),
        (rule(json!({"rule": "true\n&& true"})), "message must be specified if rule contains line breaks"),
        (
            rule(json!({"rule": "true", "fieldPath": ".x"})),
            "fieldPath: Invalid value: \".x\": must be a valid path",
        ),
        (rule(json!({"rule": "true", "fieldPath": " "})), "must be non-empty if specified"),
        (rule(json!({"rule": "true", "messageExpression": "1"})), "must evaluate to a string"),
        (
            rule(json!({"rule": "true", "optionalOldSelf": true})),
            "optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule",
        ),
        (
            json!({"type": "array", "items": rule(json!({"rule": "self == oldSelf"}))}),
            "rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[a]",
        ),
        (
            json!({"type": "object", "default": {"a": 1, "b": 2}, "properties": {"a": {"type": "integer"}}}),
            "properties[a].default: Invalid value: {\"a\":1,\"b\":2}: must not have unknown fields",
        ),
        (
            json!({"type": "null"}),
            "type: Forbidden: type cannot be set to null, use nullable as an alternative",
        ),
        (
            json!({"x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true}),
            "type: Required value: must be object if x-kubernetes-map-type is specified",
        ),
        (
            json!({"type": "string", "x-kubernetes-list-type": "z"}),
            "Unsupported value: \"z\": supported values: \"atomic\", \"set\", \"map\"",
        ),
        (
            json!({"type": "object", "x-kubernetes-map-type": "x"}),
            "supported values: \"atomic\", \"granular\"",
        ),
        (json!({"type": "string", "anyOf": [{"type": "string"}]}), "anyOf[0].type: Forbidden: must be empty"),
        (
            json!({"type": "object", "oneOf": [{"properties": {"b": {"minLength": 1}}}]}),
            "properties[a].properties[b]: Required value: because it is defined in",
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            "properties: Required value: must not be empty if x-kubernetes-embedded-resource is true",
        ),
        (set(json!({"type": "object"})), "must be atomic as item of a list with x-kubernetes-list-type=set"),
        (
            set(json!({"type": "string", "nullable": true})),
            "cannot be nullable when x-kubernetes-list-type is set",
        ),
    ];
    let schemas = cases.map(|(field, wanted)| {
        (json!({"schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": field}}}}), wanted)
    });
    refused(&schemas).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_version_is_checked_too() -> anyhow::Result<()> {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"s": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}}}},
    }}});
    let with = |key: &str, value: Value| json!({"schema": schema, key: value});
    let root = |schema: Value| json!({"schema": {"openAPIV3Schema": schema}});
    let paths = |spec: &str, selector: &str| {
        let paths = json!({"specReplicasPath": spec, "statusReplicasPath": ".status.r", "labelSelectorPath": selector});
        with("subresources", json!({"scale": paths}))
    };
    let metadata = |mut said: Value| {
        said["type"] = json!("object");
        root(json!({"type": "object", "properties": {"metadata": said}}))
    };
    let column = |kind: &str, path: &str| {
        with("additionalPrinterColumns", json!([{"name": "c", "type": kind, "jsonPath": path}]))
    };
    refused(&[
        (column("x", ".spec.s"), "spec.additionalPrinterColumns[0].type: Invalid value: \"x\": must be one of"),
        (column("string", "spec.s"), "must be a simple json path starting with ."),
        (paths(".x", ""), "spec.subresources.scale.specReplicasPath: Invalid value: \".x\": should be a json path under .spec"),
        (paths(".spec.r", ".x"), "should be a json path under either .spec or .status"),
        (with("selectableFields", json!([{"jsonPath": ".spec.x"}])), "does not refer to a valid field"),
        (with("selectableFields", json!([{"jsonPath": ".spec.l"}])), "must point to a field of type string, boolean or integer"),
        (with("selectableFields", json!([{"jsonPath": ".metadata.name"}])), "does not refer to a valid field"),
        (with("selectableFields", json!([{"jsonPath": "spec.l"}])), "expected [ or . but got: spec"),
        (root(json!({"type": "object", "nullable": true})), "nullable cannot be true at the root"),
        (root(json!({"type": "object", "additionalProperties": true})), "must not be used at the root"),
        (metadata(json!({"maxProperties": 1})), "must not specify anything other than name and generateName"),
        (metadata(json!({"description": "d"})), "must not specify anything other than name and generateName"),
        (metadata(json!({"nullable": true})), "must not specify anything other than name and generateName"),
        (
            root(json!({"type": "object", "properties": {"kind": {"type": "string", "default": "a"}}})),
            "properties[kind].default: Forbidden: must not be set in top-level kind",
        ),
        (
            json!({"schema": {"openAPIV3Schema": {"type": "object", "minProperties": 1}}, "subresources": {"status": {}}}),
            "fields are allowed at the root of the schema if the status subresource is enabled",
        ),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn conversions_are_checked() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let asks = |client: Value| json!({"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}});
    let service =
        |name: &str, path: &str| asks(json!({"service": {"name": name, "namespace": "n", "path": path}}));
    let url = |url: &str| asks(json!({"url": url}));
    let spec = "spec.conversion.webhookClientConfig";
    let listed = |versions: Value| json!({"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://a.example.com/x"}, "conversionReviewVersions": versions}});
    for (conversion, wanted) in [
        (
            json!({"strategy": "Webhook"}),
            format!("{spec}: Required value: required when strategy is set to Webhook"),
        ),
        (asks(json!({})), format!("{spec}: Required value: exactly one of url or service is required")),
        (
            url("http://a"),
            format!("{spec}.url: Invalid value: \"http\": 'https' is the only allowed URL scheme"),
        ),
        (url("https://me:hunter2@a"), "user information is not permitted in the URL".into()),
        (url("https://a?b"), "Invalid value: \"b\": query parameters are not permitted in the URL".into()),
        (service("", "/"), format!("{spec}.service.name: Required value")),
        (
            service("a", "/b//c"),
            format!("{spec}.service.path: Invalid value: \"/b//c\": segment[1] may not be empty"),
        ),
        (listed(json!([])), "spec.conversion.conversionReviewVersions: Required value".into()),
        (
            listed(json!(["v1", "v1"])),
            "conversionReviewVersions[1]: Invalid value: \"v1\": duplicate version".into(),
        ),
        (listed(json!(["v2"])), "must include at least one of v1, v1beta1".into()),
        (
            json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}}),
            "conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"
                .into(),
        ),
    ] {
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}});
        let names = json!({"plural": "broken", "kind": "Broken"});
        let spec = json!({"group": "b.example.com", "scope": "Namespaced", "names": names, "versions": [version], "conversion": conversion});
        let object = json!({"metadata": {"name": "broken.b.example.com"}, "spec": spec});
        let (status, answer) = client.call("POST", DEFINITIONS, Some(object)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 422 && message.contains(&wanted), "{status} {message}, want {wanted}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    running.stop().await;
    Ok(())
}

/// Compared with what the reference says of the same definitions.
#[tokio::test(flavor = "multi_thread")]
async fn what_rules_may_cost_is_told_of_each_and_of_all() -> anyhow::Result<()> {
    let rule = |rule: &str| json!([{"rule": rule}]);
    let many = |items: Value| json!({"type": "array", "items": items});
    let spec = |spec: Value| json!({"schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}});
    let quadratic = "self.l.all(a, self.l.all(b, a == b))";
    let of_list = |rules: Value| {
        spec(
            json!({"type": "object", "properties": {"l": many(json!({"type": "string"}))}, "x-kubernetes-validations": rules}),
        )
    };
    let part = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
    let whole = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x";
    let message =
        json!([{"rule": "self.l.size() > 0", "messageExpression": format!("{quadratic} ? 'a' : 'b'")}]);
    refused(&[
        (of_list(rule(quadratic)), "rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try"),
        (of_list(rule(quadratic)), part),
        (of_list(rule(quadratic)), whole),
        (of_list(message), "messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x (try"),
    ])
    .await?;
    // How deep lists may stand in lists, a request has room for so many values and no more.
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let leaf = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": rule("self.n > 0")});
    let nested = json!({"type": "object", "properties": {"a": many(json!({"type": "object", "properties": {"b": many(many(leaf))}}))}});
    let mut version = spec(nested);
    for (key, value) in [("name", json!("v1")), ("served", json!(true)), ("storage", json!(true))] {
        version[key] = value;
    }
    let names = json!({"plural": "nests", "kind": "Nest"});
    let spec =
        json!({"group": "b.example.com", "scope": "Namespaced", "names": names, "versions": [version]});
    let object = json!({"metadata": {"name": "nests.b.example.com"}, "spec": spec});
    let (status, answer) = client.call("POST", DEFINITIONS, Some(object)).await?;
    assert_eq!(status, 201, "{answer}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_kubernetes_need_a_real_approval() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}});
    for (approval, wanted) in [
        ("nope", 422),
        ("", 422),
        ("unapproved, for a test", 201),
        ("https://github.com/kubernetes/enhancements/pull/1111", 201),
    ] {
        let plural = format!("widgets{}", approval.len());
        let names = json!({"plural": plural, "kind": format!("Widget{}", approval.len())});
        let spec = json!({"group": "x.k8s.io", "scope": "Cluster", "names": names, "versions": [version]});
        let metadata = json!({"name": format!("{plural}.x.k8s.io"), "annotations": {"api-approved.kubernetes.io": approval}});
        let (status, answer) =
            client.call("POST", DEFINITIONS, Some(json!({"metadata": metadata, "spec": spec}))).await?;
        assert_eq!(status, wanted, "{approval}: {answer}");
    }
    running.stop().await;
    Ok(())
}

/// Only a schema bounds the lists of custom objects: an inventory has an entry for each object that was applied.
#[tokio::test(flavor = "multi_thread")]
async fn a_custom_object_holds_lists_of_ten_thousand() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for definition in sealfast_k8s::flux::crds() {
        client.call("POST", DEFINITIONS, Some(definition)).await?;
    }
    let path = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations";
    let spec = json!({
        "interval": "10m", "path": "./", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "s"},
        "images": (0..2000).map(|number| json!({"name": format!("i{number}")})).collect::<Value>(),
    });
    let object = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "k"}, "spec": spec,
    });
    let (status, answer) = client.call("POST", path, Some(object)).await?;
    assert_eq!(status, 201, "{answer}");
    let entries: Value =
        (0..10_000).map(|number| json!({"id": format!("default_c{number}__ConfigMap"), "v": "v1"})).collect();
    let change = json!({"status": {"inventory": {"entries": entries}}});
    let status_path = format!("{path}/k/status");
    let (status, answer) =
        client.send("PATCH", &status_path, crate::client::MERGE, change.to_string()).await?;
    assert_eq!(status, 200, "{}", answer["message"]);
    assert_eq!(answer["status"]["inventory"]["entries"].as_array().map(Vec::len), Some(10_000));
    running.stop().await;
    Ok(())
}

/// Posts definitions of one version each and looks for a text in each refusal.
async fn refused(versions: &[(Value, &str)]) -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for (version, wanted) in versions {
        let mut version = version.clone();
        version["name"] = json!("v1");
        version["served"] = json!(true);
        version["storage"] = json!(true);
        let names = json!({"plural": "broken", "kind": "Broken"});
        let spec =
            json!({"group": "b.example.com", "scope": "Namespaced", "names": names, "versions": [version]});
        let object = json!({"metadata": {"name": "broken.b.example.com"}, "spec": spec});
        let (status, answer) = client.call("POST", DEFINITIONS, Some(object)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 422 && message.contains(wanted), "{status} {message}, want {wanted}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_converts_listens_at_443_unless_it_says() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let service = json!({"name": "converter", "namespace": "default"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tasks.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "tasks", "kind": "Task"},
            "conversion": {"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"], "clientConfig": {"service": service},
            }},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    });
    let (status, answer) = client.call("POST", DEFINITIONS, Some(definition)).await?;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"], 443);
    let bare = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "x.example.com"}, "spec": {"scope": "Cluster"},
    });
    let (status, answer) = client.call("POST", DEFINITIONS, Some(bare)).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    let wanted = "spec.versions: Invalid value: null: must have exactly one version marked";
    assert!(status == 422 && message.contains(wanted), "{message}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_a_name_at_the_same_moment_one_gets_it() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let post = async |client: Client, plural: String, kind: String| {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
        let spec = json!({
            "group": "names.example.com", "scope": "Cluster",
            "names": {"plural": plural, "kind": kind}, "versions": [version],
        });
        let object = json!({"metadata": {"name": format!("{plural}.names.example.com")}, "spec": spec});
        let (status, made) = client.call("POST", DEFINITIONS, Some(object)).await?;
        anyhow::ensure!(status == 201, "{made}");
        let (_, made) =
            client.call("GET", &format!("{DEFINITIONS}/{plural}.names.example.com"), None).await?;
        let conditions = made["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let accepted = conditions.iter().find(|condition| condition["type"] == "NamesAccepted");
        Ok(accepted.is_some_and(|accepted| accepted["status"] == "True"))
    };
    // Each over a connection of its own, so that they meet.
    let clients = [Client::of(&running)?, Client::of(&running)?];
    for round in 0..40 {
        let kind = format!("Wanted{round}");
        let [one, two] = ["ones", "twos"].map(|plural| format!("{plural}{round}"));
        let (one, two) = (
            tokio::spawn(post(clients[0].clone(), one, kind.clone())),
            tokio::spawn(post(clients[1].clone(), two, kind)),
        );
        let got = [one.await??, two.await??];
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "round {round}: {got:?}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_kinds_are_nobody_elses() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let definition = |plural: &str, kind: &str| {
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({
            "metadata": {
                "name": format!("{plural}.rbac.authorization.k8s.io"),
                "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
            },
            "spec": {
                "group": "rbac.authorization.k8s.io", "scope": "Cluster", "names": {"plural": plural, "kind": kind},
                "versions": [{"name": "v9", "served": true, "storage": true, "schema": schema}],
            },
        })
    };
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let (_, before) = client.call("GET", roles, None).await?;
    for (plural, kind, reason) in [
        ("clusterroles", "Foo", "PluralConflict"),
        ("foos", "ClusterRole", "ListKindConflict"),
        ("fooes", "Fooe", "NoConflicts"),
    ] {
        let (status, made) = client.call("POST", DEFINITIONS, Some(definition(plural, kind))).await?;
        assert_eq!(status, 201, "{made}");
        let one = format!("{DEFINITIONS}/{plural}.rbac.authorization.k8s.io");
        let (_, made) = client.call("GET", &one, None).await?;
        let conditions = made["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let accepted = conditions.iter().find(|condition| condition["type"] == "NamesAccepted");
        assert_eq!(accepted.map(|accepted| &accepted["reason"]), Some(&json!(reason)), "{made}");
        let served =
            client.call("GET", &format!("/apis/rbac.authorization.k8s.io/v9/{plural}"), None).await?;
        assert_eq!(served.0 == 200, reason == "NoConflicts", "{plural}: {}", served.1);
        assert_eq!(client.call("DELETE", &one, None).await?.0, 200);
        client.until_gone(&one, std::time::Duration::from_secs(10)).await?;
    }
    let (_, after) = client.call("GET", roles, None).await?;
    assert_eq!(before["items"], after["items"], "a definition took them with it");
    running.stop().await;
    Ok(())
}

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

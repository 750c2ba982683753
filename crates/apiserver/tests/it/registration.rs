//! Webhooks, admission policies and rarer kinds: defaults and refusals.

use serde_json::{Value, json};

use crate::client::{Client, merged, server};

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_webhooks_get_defaults_and_a_warning() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let rules = json!([{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]);
    let constraints = json!({"resourceRules": rules});
    let validations =
        json!([{"expression": "object.spec.replicas <= 5", "messageExpression": "'at most ' + string(5)"}]);
    let policy = json!({"metadata": {"name": "p"}, "spec": {"matchConstraints": constraints, "validations": validations}});
    let response =
        client.respond("POST", &path("validatingadmissionpolicies"), JSON, policy.to_string()).await?;
    let warning = response.headers().get("warning").and_then(|text| text.to_str().ok()).map(str::to_owned);
    let told = "299 - \"ValidatingAdmissionPolicy objects are kept by this server and never asked: they guard and change nothing\"";
    assert_eq!(warning.as_deref(), Some(told));
    let made: Value = response.json().await?;
    let spec = &made["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    let filled = &spec["matchConstraints"];
    assert_eq!(filled["matchPolicy"], "Equivalent");
    assert_eq!((&filled["namespaceSelector"], &filled["objectSelector"]), (&json!({}), &json!({})));
    assert_eq!(filled["resourceRules"][0]["scope"], "*");
    assert_eq!(made["metadata"]["generation"], 1);

    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"], "matchResources": {}}});
    let (status, made) =
        client.call("POST", &path("validatingadmissionpolicybindings"), Some(binding)).await?;
    assert_eq!((status, &made["spec"]["matchResources"]["matchPolicy"]), (201, &json!("Equivalent")));

    let patch = json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}});
    let mutating = json!({"metadata": {"name": "m"}, "spec": {
        "matchConstraints": constraints, "reinvocationPolicy": "Never", "mutations": [patch],
    }});
    let (status, made) = client.call("POST", &path("mutatingadmissionpolicies"), Some(mutating)).await?;
    assert_eq!((status, &made["spec"]["failurePolicy"]), (201, &json!("Fail")), "{made}");
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_webhooks_are_refused_in_the_words_of_the_reference() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    for (kind, object, wanted) in refusals() {
        let whole = merged(json!({"metadata": {"name": "x"}}), &object);
        let (status, answer) = client.call("POST", &path(kind), Some(whole)).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status, 422, "{kind}: {answer}");
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    running.stop().await;
    Ok(())
}

fn refusals() -> Vec<(&'static str, Value, &'static str)> {
    let hooks = "validatingwebhookconfigurations";
    let policies = "validatingadmissionpolicies";
    let bindings = "validatingadmissionpolicybindings";
    let hook = |more: Value| {
        let hook = json!({
            "name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "s", "namespace": "n"}},
        });
        json!({"webhooks": [merged(hook, &more)]})
    };
    let rule = |more: Value| {
        let rule = json!({"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]});
        json!([merged(rule, &more)])
    };
    let policy = |more: Value| {
        let spec = json!({"matchConstraints": {"resourceRules": rule(json!({}))}, "validations": [{"expression": "true"}]});
        json!({"spec": merged(spec, &more)})
    };
    vec![
        (
            hooks,
            hook(json!({"name": "a"})),
            "webhooks[0].name: Invalid value: \"a\": should be a domain with at least three segments separated by dots",
        ),
        (
            hooks,
            hook(json!({"sideEffects": null})),
            "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
        ),
        (
            hooks,
            hook(json!({"sideEffects": "Some"})),
            "webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\"",
        ),
        (
            hooks,
            hook(json!({"admissionReviewVersions": []})),
            "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
        ),
        (
            hooks,
            hook(json!({"clientConfig": {}})),
            "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
        ),
        (
            hooks,
            hook(json!({"clientConfig": {"url": "http://a"}})),
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        ),
        (hooks, hook(json!({"timeoutSeconds": 31})), "the timeout value must be between 1 and 30 seconds"),
        (
            hooks,
            hook(json!({"rules": rule(json!({"resources": ["pods/*", "pods/log"]}))})),
            "webhooks[0].rules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log",
        ),
        (
            hooks,
            hook(json!({"rules": rule(json!({"operations": ["*", "CREATE"]}))})),
            "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify other operations",
        ),
        (
            hooks,
            hook(json!({"matchConditions": [{"name": "c", "expression": "1"}]})),
            "webhooks[0].matchConditions[0].expression: Invalid value: \"1\": must evaluate to bool but got int",
        ),
        (policies, json!({"spec": {}}), "spec.matchConstraints: Required value"),
        (
            policies,
            policy(json!({"validations": []})),
            "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
        ),
        (
            policies,
            policy(json!({"validations": [{"expression": "object.x +"}]})),
            "spec.validations[0].expression: Invalid value: \"object.x +\": compilation failed: ERROR: <input>:1:11: Syntax error",
        ),
        (
            policies,
            policy(json!({"validations": [{"expression": "params.x == 1"}]})),
            "undeclared reference to 'params' (in container '')",
        ),
        (
            policies,
            policy(json!({"validations": [{"expression": "true", "reason": "Nope"}]})),
            "spec.validations[0].reason: Unsupported value: \"Nope\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"",
        ),
        (
            policies,
            policy(json!({"variables": [{"name": "a-b", "expression": "1"}]})),
            "spec.variables[0].name: Invalid value: \"a-b\": must be a valid CEL identifier",
        ),
        (
            policies,
            policy(json!({"paramKind": {"apiVersion": "a/b/c", "kind": "K"}})),
            "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
        ),
        (
            bindings,
            json!({"spec": {"policyName": "p"}}),
            "spec.validationActions: Required value: at least one validation action is required",
        ),
        (
            bindings,
            json!({"spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]}}),
            "must not contain both Deny and Warn",
        ),
        (
            bindings,
            json!({"spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": {}}}),
            "spec.paramRef: Required value: one of name or selector must be specified",
        ),
        (
            "mutatingadmissionpolicies",
            policy(json!({"mutations": [{"patchType": "JSONPatch"}]})),
            "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        ),
    ]
}

/// Kinds that few write by hand, with what the source of the reference fills in.
#[tokio::test(flavor = "multi_thread")]
async fn rarer_kinds_are_filled_in_and_checked() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let drivers = "/apis/storage.k8s.io/v1/csidrivers";
    let made = create(&client, drivers, json!({"metadata": {"name": "d.example.com"}, "spec": {}})).await?;
    let wanted = json!({
        "attachRequired": true, "podInfoOnMount": false, "storageCapacity": false, "requiresRepublish": false,
        "seLinuxMount": false, "fsGroupPolicy": "ReadWriteOnceWithFSType", "volumeLifecycleModes": ["Persistent"],
    });
    assert_eq!(made["spec"], wanted);

    let flow = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let limited = json!({"limitResponse": {"type": "Queue", "queuing": {}}});
    let level = json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": limited}});
    let made = create(&client, &format!("{flow}/prioritylevelconfigurations"), level).await?;
    let queuing = json!({"queues": 64, "handSize": 8, "queueLengthLimit": 50});
    let wanted = json!({"nominalConcurrencyShares": 30, "lendablePercent": 0, "limitResponse": {"type": "Queue", "queuing": queuing}});
    assert_eq!(made["spec"]["limited"], wanted);
    let schema = json!({"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "l"}}});
    let made = create(&client, &format!("{flow}/flowschemas"), schema).await?;
    assert_eq!(
        (&made["spec"]["matchingPrecedence"], &made["metadata"]["generation"]),
        (&json!(1000), &json!(1))
    );

    let services = "/apis/apiregistration.k8s.io/v1/apiservices";
    let spec = json!({"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10, "service": {"name": "s", "namespace": "n"}});
    let made =
        create(&client, services, json!({"metadata": {"name": "v1.g.example.com"}, "spec": spec})).await?;
    assert_eq!(made["spec"]["service"]["port"], 443);

    let status = json!({"capacity": {"cpu": "2"}});
    let made = create(&client, "/api/v1/nodes", json!({"metadata": {"name": "n"}, "status": status})).await?;
    assert_eq!(made["status"]["allocatable"], json!({"cpu": "2"}));

    for (path, object, wanted) in [
        (
            drivers,
            json!({"spec": {"fsGroupPolicy": "No"}}),
            "spec.fsGroupPolicy: Unsupported value: \"No\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\"",
        ),
        (
            services,
            json!({"spec": {"version": "v2"}}),
            "metadata.name: Invalid value: \"x\": must be `spec.version+\".\"+spec.group`: \"v2.\"",
        ),
        (
            "/apis/networking.k8s.io/v1/ipaddresses",
            json!({"spec": {}}),
            "metadata.name: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            "/apis/networking.k8s.io/v1/servicecidrs",
            json!({"spec": {}}),
            "spec.cidrs: Required value: at least one CIDR required",
        ),
        (
            "/apis/storage.k8s.io/v1/volumeattributesclasses",
            json!({"driverName": "d"}),
            "parameters: Required value: must contain at least one key/value pair",
        ),
        (
            "/apis/storage.k8s.io/v1/volumeattachments",
            json!({"spec": {"attacher": "a", "nodeName": "n", "source": {}}}),
            "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (
            "/apis/storage.k8s.io/v1/csinodes",
            json!({"spec": {"drivers": [{"name": "d", "nodeID": ""}]}}),
            "spec.drivers[0].nodeID: Required value",
        ),
        (
            "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations",
            json!({"spec": {"type": "Exempt"}}),
            "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
        ),
        (
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            json!({"spec": {"signerName": "a.b/c", "usages": ["no"], "request": "eA=="}}),
            "spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST",
        ),
        (
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            json!({"spec": {"signerName": "a.b/c", "usages": vec!["no"; 1001], "request": "eA=="}}),
            "spec.usages: Too many: 1001: must have at most 1000 items",
        ),
    ] {
        let whole = merged(json!({"metadata": {"name": "x"}}), &object);
        let (status, answer) = client.call("POST", path, Some(whole)).await?;
        assert_eq!(status, 422, "{path}: {answer}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains(wanted), "{path}: {message}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_certificate_is_not_for_them_to_say() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    // Only its frame is looked at.
    let request =
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";
    let spec = json!({"signerName": "example.com/s", "usages": ["client auth"], "request": request, "username": "root"});
    let made = create(&client, requests, json!({"metadata": {"name": "r"}, "spec": spec})).await?;
    assert_ne!(made["spec"]["username"], "root");
    assert!(
        made["spec"]["groups"].as_array().is_some_and(|groups| groups.contains(&json!("system:masters")))
    );
    let labels = json!({"metadata": {"labels": {"a": "b"}}}).to_string();
    let merge = "application/merge-patch+json";
    let (status, labelled) = client.send("PATCH", &format!("{requests}/r"), merge, labels).await?;
    assert_eq!((status, &labelled["status"]), (200, &made["status"]), "{labelled}");
    let approved = json!({"type": "Approved", "status": "True", "reason": "R", "message": "m"});
    let body = json!({"metadata": {"name": "r"}, "spec": {"username": "other"}, "status": {"conditions": [approved]}});
    let (status, told) = client.call("PUT", &format!("{requests}/r/approval"), Some(body)).await?;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["spec"], made["spec"]);
    assert!(told["status"]["conditions"][0]["lastUpdateTime"].is_string(), "{told}");
    running.stop().await;
    Ok(())
}

async fn create(client: &Client, path: &str, object: Value) -> anyhow::Result<Value> {
    let (status, made) = client.call("POST", path, Some(object)).await?;
    anyhow::ensure!(status == 201, "{path}: {made}");
    Ok(made)
}

fn path(plural: &str) -> String {
    format!("/apis/admissionregistration.k8s.io/v1/{plural}")
}

const JSON: &str = "application/json";

//! Objects of built-in kinds that the reference refuses, with its words.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::{Client, merged, server};

#[tokio::test(flavor = "multi_thread")]
async fn built_in_kinds_are_checked() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for (path, spec, wanted) in cases() {
        let object = merged(json!({"metadata": {"name": "x"}}), &spec);
        let (status, answer) = client.call("POST", path, Some(object)).await?;
        assert_eq!(status, 422, "{path}: {answer}");
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.contains(wanted), "{path}: {message}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_is_applied_in_its_own_name() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let template =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"serviceName": "s", "selector": {"matchLabels": {"a": "b"}}, "template": template});
    let sets = "/apis/apps/v1/namespaces/default/statefulsets";
    client.call("POST", sets, Some(json!({"metadata": {"name": "s"}, "spec": spec}))).await?;
    let scale = |replicas: u32| {
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "s"}, "spec": {"replicas": replicas}}).to_string()
    };
    let path = |query: &str| format!("{sets}/s/scale?{query}");
    let apply = "application/apply-patch+yaml";
    let (status, _) = client.send("PATCH", &path("fieldManager=one&force=true"), apply, scale(3)).await?;
    assert_eq!(status, 200);
    let (_, set) = client.call("GET", &format!("{sets}/s"), None).await?;
    let first = &set["metadata"]["managedFields"][0];
    assert_eq!(first["operation"], "Apply");
    assert_eq!(first["subresource"], "scale");
    assert_eq!(first["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    let (status, answer) = client.send("PATCH", &path("fieldManager=two"), apply, scale(4)).await?;
    assert_eq!(status, 409);
    let wanted =
        "Apply failed with 1 conflict: conflict with \"one\" with subresource \"scale\": .spec.replicas";
    assert_eq!(answer["message"], wanted);
    running.stop().await;
    Ok(())
}

fn cases() -> Vec<(&'static str, Value, &'static str)> {
    let pod =
        |more: Value| json!({"spec": {"containers": [merged(json!({"name": "c", "image": "i"}), &more)]}});
    let pods = "/api/v1/namespaces/default/pods";
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let crons = "/apis/batch/v1/namespaces/default/cronjobs";
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    vec![
        (pods, pod(json!({"image": ""})), "spec.containers[0].image: Required value"),
        (pods, pod(json!({"ports": [{"containerPort": 99999}]})), "must be between 1 and 65535, inclusive"),
        (
            pods,
            pod(json!({"volumeMounts": [{"name": "v", "mountPath": "/x"}]})),
            "volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            pods,
            pod(json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}})),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
        ),
        (
            jobs,
            json!({"spec": {"template": pod(json!({}))}}),
            "restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ),
        (
            crons,
            json!({"spec": {"schedule": "* *", "jobTemplate": {"spec": {"template": pod(json!({}))}}}}),
            "spec.schedule: Invalid value: \"* *\": expected exactly 5 fields, found 2: [* *]",
        ),
        (
            roles,
            json!({"rules": [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]}),
            "verbs must contain at least one value",
        ),
        (bindings, json!({"roleRef": {"kind": "Role"}}), "roleRef.name: Required value"),
        (ingresses, json!({"spec": {}}), "either `defaultBackend` or `rules` must be specified"),
        (claims, json!({"spec": {}}), "spec.accessModes: Required value: at least 1 access mode is required"),
        (leases, json!({"spec": {"leaseDurationSeconds": 0}}), "must be greater than 0"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_say_what_they_miss_and_tokens_whom_they_are_for() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let rights = "/apis/authorization.k8s.io/v1";
    let pods = json!({"verb": "get", "resource": "pods", "namespace": "other"});
    for (path, spec, wanted) in [
        (
            "subjectaccessreviews",
            json!({"resourceAttributes": pods}),
            "at least one of user or group must be specified",
        ),
        (
            "subjectaccessreviews",
            json!({"user": "a", "resourceAttributes": pods, "nonResourceAttributes": {"path": "/"}}),
            "cannot be specified in combination with resourceAttributes",
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            json!({"user": "a", "resourceAttributes": pods}),
            "spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace",
        ),
        ("selfsubjectrulesreviews", json!({}), "no namespace on request"),
    ] {
        let (status, answer) =
            client.call("POST", &format!("{rights}/{path}"), Some(json!({"spec": spec}))).await?;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(matches!(status, 400 | 422) && message.contains(wanted), "{status} {message}, want {wanted}");
    }
    let account = json!({"metadata": {"name": "s"}});
    client.call("POST", "/api/v1/namespaces/default/serviceaccounts", Some(account)).await?;
    let path = "/api/v1/namespaces/default/serviceaccounts/s/token";
    let (_, made) = client.call("POST", path, Some(json!({"spec": {"audiences": ["vault"]}}))).await?;
    let review =
        |audiences: &[&str]| json!({"spec": {"token": made["status"]["token"], "audiences": audiences}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, meant) = client.call("POST", reviews, Some(review(&["vault", "more"]))).await?;
    assert_eq!(meant["status"]["authenticated"], true);
    assert_eq!(meant["status"]["audiences"], json!(["vault"]));
    let (_, not_meant) = client.call("POST", reviews, Some(review(&[]))).await?;
    assert_eq!(not_meant["status"]["authenticated"], json!(null), "a token for others is nothing to us");
    assert_eq!(client.call("POST", reviews, Some(json!({"spec": {}}))).await?.0, 400);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_kinds_warn_of_old_versions_and_keep_whole_numbers() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "deprecated": !storage, "schema": schema});
    let names = json!({"plural": "olds", "kind": "Old"});
    let spec = json!({"group": "o.example.com", "scope": "Namespaced", "names": names, "versions": [version("v1", true), version("v1beta1", false)]});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    client
        .call("POST", definitions, Some(json!({"metadata": {"name": "olds.o.example.com"}, "spec": spec})))
        .await?;
    let collection = |version: &str| format!("/apis/o.example.com/{version}/namespaces/default/olds");
    let warnings =
        |answer: &reqwest::Response| answer.headers().get("warning").map(|text| text.as_bytes().to_vec());
    assert_eq!(warnings(&client.open(&collection("v1")).await?), None);
    let told = warnings(&client.open(&collection("v1beta1")).await?);
    assert_eq!(
        told.as_deref(),
        Some(&b"299 - \"o.example.com/v1beta1 Old is deprecated; use o.example.com/v1 Old\""[..])
    );
    let body = r#"{"apiVersion": "o.example.com/v1", "kind": "Old", "metadata": {"name": "n"}, "a": 1.0, "b": 1e3, "c": 1.5}"#;
    let (_, made) = client.send("POST", &collection("v1"), "application/json", body.into()).await?;
    assert_eq!((&made["a"], &made["b"], &made["c"]), (&json!(1), &json!(1000), &json!(1.5)));
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_lists_hold_items_alone() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let path = "/apis/apps/v1/namespaces/default/deployments/d?fieldManager=m";
    for (containers, wanted) in [
        (json!([{"name": "a"}, null]), "element 1: associative list with keys may not have a null element"),
        (json!(["a"]), "element 0: associative list with keys may not have non-map elements"),
    ] {
        let body = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"template": {"spec": {"containers": containers}}},
        });
        let answer = client.send("PATCH", path, "application/apply-patch+yaml", body.to_string()).await?;
        let message = answer.1["message"].as_str().unwrap_or_default();
        assert!(answer.0 == 500 && message.contains(wanted), "{message}, want {wanted}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn little_of_a_pod_may_change() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "x"}]}});
    assert_eq!(client.call("POST", pods, Some(pod)).await?.0, 201);
    let media = "application/strategic-merge-patch+json";
    for (spec, wanted) in [
        (json!({"containers": [{"name": "a", "image": "y"}]}), 200),
        (json!({"activeDeadlineSeconds": 5}), 200),
        (json!({"restartPolicy": "Never"}), 422),
        (json!({"containers": [{"name": "a", "command": ["x"]}]}), 422),
        (json!({"containers": [{"name": "b", "image": "y"}]}), 422),
    ] {
        let patch = json!({"spec": spec}).to_string();
        let (status, answer) = client.send("PATCH", &format!("{pods}/p"), media, patch).await?;
        assert_eq!(status, wanted, "{spec}: {answer}");
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_have_a_bounded_life() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    for (seconds, wanted) in
        [(599, 422), (600, 201), (1_i64 << 32, 201), ((1 << 32) + 1, 422), (i64::MAX, 422)]
    {
        let request = json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {"expirationSeconds": seconds},
        });
        let (status, answer) = client.call("POST", path, Some(request)).await?;
        assert_eq!(status, wanted, "{seconds}: {answer}");
    }
    running.stop().await;
    Ok(())
}

/// Every number of a query is taken or refused; none ends a connection.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_queries_may_be_as_large_as_they_like() -> anyhow::Result<()> {
    let (running, client) = server().await?;
    let path = "/api/v1/namespaces/default/configmaps";
    let mut calls = Vec::new();
    for name in ["limit", "timeoutSeconds", "timeout", "resourceVersion", "gracePeriodSeconds", "continue"] {
        for number in ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e400", "-1"] {
            for (method, rest) in [("GET", ""), ("GET", "watch=1&"), ("DELETE", "dryRun=All&")] {
                let (client, number) =
                    (client.clone(), format!("{number}{}", if name == "timeout" { "s" } else { "" }));
                let path = format!("{path}?{rest}{name}={number}");
                calls.push(tokio::spawn(async move {
                    let answer = client.respond(method, &path, "", String::new()).await;
                    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.context(path))
                }));
            }
        }
    }
    for call in calls {
        let status = call.await??;
        assert!([200, 400, 422, 500, 504].contains(&status), "{status}");
    }
    running.stop().await;
    Ok(())
}

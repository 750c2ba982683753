//! Objects of built-in kinds that the reference refuses, with its words.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::Client;

#[tokio::test(flavor = "multi_thread")]
async fn built_in_kinds_are_checked() -> anyhow::Result<()> {
    let running = start(Options::default()).await?;
    let client = Client::of(&running)?;
    for (path, spec, wanted) in cases() {
        let mut object = json!({"metadata": {"name": "x"}});
        object
            .as_object_mut()
            .into_iter()
            .for_each(|map| map.extend(spec.as_object().cloned().unwrap_or_default()));
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
    let pod = |more: Value| {
        let mut container = json!({"name": "c", "image": "i"});
        container
            .as_object_mut()
            .into_iter()
            .for_each(|map| map.extend(more.as_object().cloned().unwrap_or_default()));
        json!({"spec": {"containers": [container]}})
    };
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

//! Defaults of pods, and of the kinds that make them.

use serde_json::{Map, Value, json};

use super::{fill, items, map, set};

/// Fills in a Pod.
pub(super) fn pod(root: &mut Map<String, Value>) {
    if let Some(spec) = map(root, "spec") {
        pod_spec(spec);
        host_ports(spec);
        set(spec, "enableServiceLinks", json!(true));
        if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
            spec.insert("terminationGracePeriodSeconds".to_owned(), json!(1));
        }
        for field in ["initContainers", "containers"] {
            items(spec, field).for_each(request_limits);
        }
    }
    set(root, "status", json!({ "phase": "Pending" }));
}

/// In the network of the host, every port of a container is one of the host.
fn host_ports(spec: &mut Map<String, Value>) {
    if spec.get("hostNetwork") != Some(&json!(true)) {
        return;
    }
    for field in ["initContainers", "containers"] {
        for container in items(spec, field) {
            for port in items(container, "ports") {
                let number = port.get("containerPort").cloned().unwrap_or_default();
                set(port, "hostPort", number);
            }
        }
    }
}

/// What a running container is limited to, it requests too; templates of pods stay as they are.
fn request_limits(container: &mut Map<String, Value>) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { return };
    if let Some(Value::Object(limits)) = resources.get("limits").cloned()
        && let Some(requests) = map(resources, "requests")
    {
        for (name, amount) in limits {
            set(requests, &name, amount);
        }
    }
}

/// Fills in a kind of the group `apps`.
pub(super) fn apps(kind: &str, root: &mut Map<String, Value>) {
    if kind == "ControllerRevision" {
        return;
    }
    let Some(spec) = map(root, "spec") else { return };
    template(spec);
    let status = match kind {
        "Deployment" => {
            set(spec, "progressDeadlineSeconds", json!(600));
            set(spec, "replicas", json!(1));
            set(spec, "revisionHistoryLimit", json!(10));
            rolling(spec, "strategy", json!({ "maxSurge": "25%", "maxUnavailable": "25%" }));
            json!({})
        }
        "StatefulSet" => {
            stateful_set(spec);
            json!({ "availableReplicas": 0, "replicas": 0 })
        }
        "DaemonSet" => {
            set(spec, "revisionHistoryLimit", json!(10));
            rolling(spec, "updateStrategy", json!({ "maxSurge": 0, "maxUnavailable": 1 }));
            number_template(root);
            json!({ "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0 })
        }
        "ReplicaSet" => {
            set(spec, "replicas", json!(1));
            json!({ "replicas": 0 })
        }
        _ => return,
    };
    fill(root, "status", status);
}

fn stateful_set(spec: &mut Map<String, Value>) {
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    let retain = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
    fill(spec, "persistentVolumeClaimRetentionPolicy", retain);
    // Whoever names the strategy says all about it.
    let strategy = spec.get("updateStrategy");
    let named = strategy.is_some_and(|strategy| !strategy["type"].is_null());
    if !named || strategy.is_some_and(|strategy| strategy["rollingUpdate"].is_object()) {
        rolling(spec, "updateStrategy", json!({ "partition": 0 }));
    }
    for claim in items(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        fill(claim, "status", json!({ "phase": "Pending" }));
        if let Some(spec) = map(claim, "spec") {
            set(spec, "volumeMode", json!("Filesystem"));
        }
    }
}

/// The number of the template of a DaemonSet is one that can be read, where there are annotations.
fn number_template(root: &mut Map<String, Value>) {
    if let Some(notes) = map(root, "metadata").and_then(|metadata| map(metadata, "annotations")) {
        let stated = notes.get(TEMPLATE_NUMBER).and_then(Value::as_str);
        let number = stated.and_then(|text| text.parse().ok()).unwrap_or(1_i64).max(1);
        notes.insert(TEMPLATE_NUMBER.to_owned(), number.to_string().into());
    }
}

/// The strategy by which pods are replaced: rolling, with these numbers.
fn rolling(spec: &mut Map<String, Value>, field: &str, numbers: Value) {
    let Some(strategy) = map(spec, field) else { return };
    set(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type") != Some(&json!("RollingUpdate")) {
        return;
    }
    fill(strategy, "rollingUpdate", numbers);
}

/// Fills in a kind of the group `batch`.
pub(super) fn batch(kind: &str, root: &mut Map<String, Value>) {
    let Some(spec) = map(root, "spec") else { return };
    match kind {
        "Job" => {
            job(spec);
            labels_of_pods(root);
        }
        "CronJob" => {
            set(spec, "concurrencyPolicy", json!("Allow"));
            set(spec, "failedJobsHistoryLimit", json!(1));
            set(spec, "successfulJobsHistoryLimit", json!(3));
            set(spec, "suspend", json!(false));
            if let Some(job) = map(spec, "jobTemplate") {
                set(job, "metadata", json!({}));
                if let Some(spec) = map(job, "spec") {
                    template(spec);
                }
            }
        }
        _ => return,
    }
    set(root, "status", json!({}));
}

fn job(spec: &mut Map<String, Value>) {
    let by_index = spec.get("backoffLimitPerIndex").is_some_and(|limit| !limit.is_null());
    set(spec, "backoffLimit", json!(if by_index { i32::MAX } else { 6 }));
    set(spec, "completionMode", json!("NonIndexed"));
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        set(spec, "completions", json!(1));
    }
    set(spec, "manualSelector", json!(false));
    set(spec, "parallelism", json!(1));
    let policy = spec.get("podFailurePolicy").filter(|policy| !policy.is_null()).is_some();
    set(spec, "podReplacementPolicy", json!(if policy { "Failed" } else { "TerminatingOrFailed" }));
    if let Some(policy) = spec.get_mut("podFailurePolicy").and_then(Value::as_object_mut) {
        for rule in items(policy, "rules") {
            for pattern in items(rule, "onPodConditions") {
                if pattern.get("status").and_then(Value::as_str).is_none_or(str::is_empty) {
                    pattern.insert("status".to_owned(), json!("True"));
                }
            }
        }
    }
    set(spec, "suspend", json!(false));
    template(spec);
}

/// A Job without labels has those of its pods.
fn labels_of_pods(root: &mut Map<String, Value>) {
    let labels = root.get("spec").map(|spec| spec["template"]["metadata"]["labels"].clone());
    let is_labelled = |root: &Map<String, Value>| {
        let labels = root.get("metadata").and_then(|metadata| metadata["labels"].as_object());
        labels.is_some_and(|labels| !labels.is_empty())
    };
    if let Some(labels) = labels.filter(|labels| labels.is_object() && !is_labelled(root))
        && let Some(metadata) = map(root, "metadata")
    {
        metadata.insert("labels".to_owned(), labels);
    }
}

/// The labels by which a new Job finds its pods.
pub(super) fn job_labels(root: &mut Map<String, Value>) {
    let meta =
        |key: &str| root.get("metadata").and_then(|metadata| metadata[key].as_str()).unwrap_or_default();
    let (uid, name) = (meta("uid").to_owned(), meta("name").to_owned());
    let Some(spec) = map(root, "spec") else { return };
    if spec.get("manualSelector") == Some(&json!(true)) {
        return;
    }
    if let Some(selector) = map(spec, "selector") {
        fill(selector, "matchLabels", json!({ "batch.kubernetes.io/controller-uid": uid }));
    }
    let labels = map(spec, "template").and_then(|template| map(template, "metadata"));
    let Some(labels) = labels.and_then(|metadata| map(metadata, "labels")) else { return };
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        set(labels, label, json!(value));
    }
}

/// Fills in a ReplicationController: labels and selector follow the template.
pub(super) fn replication(root: &mut Map<String, Value>) {
    let labels = root.get("spec").map(|spec| spec["template"]["metadata"]["labels"].clone());
    let labels = labels.filter(Value::is_object);
    let Some(spec) = map(root, "spec") else { return };
    if spec.get("template").is_some_and(Value::is_object) {
        template(spec);
    }
    set(spec, "replicas", json!(1));
    if let Some(labels) = labels {
        set(spec, "selector", labels.clone());
        if let Some(metadata) = map(root, "metadata") {
            set(metadata, "labels", labels);
        }
    }
    fill(root, "status", json!({ "replicas": 0 }));
}

/// Fills in the pod template of a map that has one.
pub(super) fn template(spec: &mut Map<String, Value>) {
    let Some(template) = map(spec, "template") else { return };
    set(template, "metadata", json!({}));
    if let Some(spec) = map(template, "spec") {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut Map<String, Value>) {
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(spec, field) {
            self::container(container);
        }
    }
    // Pods are not placed in groups.
    spec.shift_remove("schedulingGroup");
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "securityContext", json!({}));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    // The older name of the field is kept beside the newer one.
    for (from, to) in [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")] {
        if let Some(account) = spec.get(from).cloned() {
            set(spec, to, account);
        }
    }
    for volume in items(spec, "volumes") {
        self::volume(volume);
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    set(container, "imagePullPolicy", json!(pull_policy(image)));
    set(container, "resources", json!({}));
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    for port in items(container, "ports") {
        set(port, "protocol", json!("TCP"));
    }
    for handler in ["postStart", "preStop"] {
        let handler = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(handler));
        if let Some(handler) = handler.and_then(Value::as_object_mut) {
            request(handler);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) {
            self::probe(probe);
        }
    }
    for variable in items(container, "env") {
        let field = variable.get_mut("valueFrom").and_then(|from| from.get_mut("fieldRef"));
        if let Some(field) = field.and_then(Value::as_object_mut) {
            set(field, "apiVersion", json!("v1"));
        }
    }
}

/// Images without a tag, or with `latest`, are pulled every time; what names no image never is.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let home = &image[..image.len() - image.rsplit('/').next().unwrap_or_default().len()];
    let pinned = image.contains('@') || tag != "latest" || !is_image_path(home, name);
    if pinned { "IfNotPresent" } else { "Always" }
}

/// Whether an image may be called so; `home` is what stands up to the last slash.
fn is_image_path(home: &str, name: &str) -> bool {
    let part = |part: &str| {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        let ends = part.starts_with(plain) && part.ends_with(plain);
        let between = |separator: &str| {
            separator.is_empty()
                || [".", "_", "__"].contains(&separator)
                || separator.chars().all(|letter| letter == '-')
        };
        ends && part.split(plain).all(between)
    };
    let mut parts = home.split_terminator('/');
    let first = parts.next().unwrap_or_default();
    let is_host = first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase);
    (first.is_empty() && home.is_empty() || is_host || part(first)) && parts.all(part) && part(name)
}

fn probe(probe: &mut Map<String, Value>) {
    set(probe, "failureThreshold", json!(3));
    set(probe, "periodSeconds", json!(10));
    set(probe, "successThreshold", json!(1));
    set(probe, "timeoutSeconds", json!(1));
    request(probe);
    if let Some(call) = probe.get_mut("grpc").and_then(Value::as_object_mut) {
        set(call, "service", json!(""));
    }
}

/// Fills in a request over HTTP that a probe or a hook makes.
fn request(handler: &mut Map<String, Value>) {
    if let Some(request) = handler.get_mut("httpGet").and_then(Value::as_object_mut) {
        set(request, "path", json!("/"));
        set(request, "scheme", json!("HTTP"));
    }
}

fn volume(volume: &mut Map<String, Value>) {
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
            set(source, "defaultMode", json!(420));
        }
    }
    if let Some(files) = volume.get_mut("downwardAPI").and_then(Value::as_object_mut) {
        own_fields(files);
    }
    if let Some(projected) = volume.get_mut("projected").and_then(Value::as_object_mut) {
        for source in items(projected, "sources") {
            if let Some(files) = source.get_mut("downwardAPI").and_then(Value::as_object_mut) {
                own_fields(files);
            }
            if let Some(token) = source.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
                set(token, "expirationSeconds", json!(3600));
            }
        }
    }
    if let Some(image) = volume.get_mut("image").and_then(Value::as_object_mut) {
        let reference = image.get("reference").and_then(Value::as_str).unwrap_or_default();
        let policy = if reference.is_empty() { "IfNotPresent" } else { pull_policy(reference) };
        set(image, "pullPolicy", json!(policy));
    }
    let claim = volume.get_mut("ephemeral").and_then(|source| source.get_mut("volumeClaimTemplate"));
    if let Some(spec) = claim.and_then(|claim| claim.get_mut("spec")).and_then(Value::as_object_mut) {
        set(spec, "volumeMode", json!("Filesystem"));
    }
    if let Some(path) = volume.get_mut("hostPath").and_then(Value::as_object_mut) {
        set(path, "type", json!(""));
    }
    if volume.len() == 1 {
        set(volume, "emptyDir", json!({}));
    }
}

/// Fills in the files of a volume that show fields of their pod.
fn own_fields(files: &mut Map<String, Value>) {
    for file in items(files, "items") {
        if let Some(field) = file.get_mut("fieldRef").and_then(Value::as_object_mut) {
            set(field, "apiVersion", json!("v1"));
        }
    }
}

/// Where a DaemonSet keeps how many templates it had.
pub(crate) const TEMPLATE_NUMBER: &str = "deprecated.daemonset.template.generation";

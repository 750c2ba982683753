//! What the reference finds wrong with built-in objects, cause by cause.

use sealfast_apiserver::server::{Options, start};
use serde_json::{Value, json};

use crate::client::{Client, merged};

/// An object that is sent, and the causes of its refusal: field and message.
struct Row {
    path: &'static str,
    body: Value,
    wanted: Vec<(&'static str, &'static str)>,
}

fn row(path: &'static str, body: Value, wanted: &[(&'static str, &'static str)]) -> Row {
    Row { path, body, wanted: wanted.to_vec() }
}

async fn check(rows: Vec<Row>) -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    for Row { path, mut body, wanted } in rows {
        if body["metadata"]["name"].is_null() {
            body["metadata"]["name"] = "x".into();
        }
        let (status, answer) = client.call("POST", path, Some(body.clone())).await?;
        let found: Vec<(&str, &str)> = answer["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| {
                (cause["field"].as_str().unwrap_or_default(), cause["message"].as_str().unwrap_or_default())
            })
            .collect();
        assert_eq!(status, 422, "{path} {body}: {answer}");
        assert_eq!(found, wanted, "{path} {body}");
    }
    running.stop().await;
    Ok(())
}

fn pod(container: Value) -> Value {
    pod_with(container, json!({}))
}

fn pod_with(container: Value, spec: Value) -> Value {
    let mut one = json!({"name": "c", "image": "i"});
    one = merged(one, &container);
    let mut whole = json!({"containers": [one], "automountServiceAccountToken": false});
    whole = merged(whole, &spec);
    json!({"spec": whole})
}

fn deployment(spec: Value) -> Value {
    let mut whole = json!({
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    });
    whole = merged(whole, &spec);
    json!({"spec": whole})
}

fn service(spec: Value) -> Value {
    let mut whole = json!({"ports": [{"port": 80}]});
    whole = merged(whole, &spec);
    json!({"spec": whole})
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SERVICES: &str = "/api/v1/namespaces/default/services";

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_checked() -> anyhow::Result<()> {
    check(vec![
        row(
            PODS,
            pod(json!({"ports": [
                {"name": "TOO-long-name-for-a-port", "containerPort": 1}, {"name": "a", "containerPort": 2},
                {"name": "a", "containerPort": 0, "hostPort": 70000},
            ]})),
            &[
                (
                    "spec.containers[0].ports[0].name",
                    "Invalid value: \"TOO-long-name-for-a-port\": must be no more than 15 characters",
                ),
                (
                    "spec.containers[0].ports[0].name",
                    "Invalid value: \"TOO-long-name-for-a-port\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                ),
                ("spec.containers[0].ports[2].name", "Duplicate value: \"a\""),
                ("spec.containers[0].ports[2].containerPort", "Required value"),
                (
                    "spec.containers[0].ports[2].hostPort",
                    "Invalid value: 70000: must be between 1 and 65535, inclusive",
                ),
            ],
        ),
        row(
            PODS,
            pod(json!({"env": [
                {"name": "a=b"}, {"value": "x"},
                {"name": "c", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}},
                {"name": "d", "valueFrom": {"configMapKeyRef": {"name": "A_", "key": "a b"}}},
            ], "envFrom": [{"prefix": "x"}]})),
            &[
                (
                    "spec.containers[0].env[0].name",
                    "Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='",
                ),
                ("spec.containers[0].env[1].name", "Required value"),
                (
                    "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath",
                    "Invalid value: \"spec.nope\": error converting fieldPath: field label not supported: spec.nope",
                ),
                (
                    "spec.containers[0].env[2].valueFrom",
                    "Invalid value: \"\": may not be specified when `value` is not empty",
                ),
                (
                    "spec.containers[0].env[3].valueFrom.configMapKeyRef.name",
                    "Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                ),
                (
                    "spec.containers[0].env[3].valueFrom.configMapKeyRef.key",
                    "Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                ),
                (
                    "spec.containers[0].envFrom",
                    "Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`",
                ),
            ],
        ),
        row(
            PODS,
            pod(json!({"resources": {"requests": {"cpu": "-1", "foo": "1", "memory": "2Gi"}, "limits": {"memory": "1Gi", "a.com/b": "500m"}}})),
            &[
                ("spec.containers[0].resources.limits[a.com/b]", "Invalid value: \"500m\": must be an integer"),
                ("spec.containers[0].resources.requests[a.com/b]", "Invalid value: \"500m\": must be an integer"),
                (
                    "spec.containers[0].resources.requests[cpu]",
                    "Invalid value: \"-1\": must be greater than or equal to 0",
                ),
                (
                    "spec.containers[0].resources.requests[foo]",
                    "Invalid value: \"foo\": must be a standard resource type or fully qualified",
                ),
                (
                    "spec.containers[0].resources.requests[foo]",
                    "Invalid value: \"foo\": must be a standard resource for containers",
                ),
                (
                    "spec.containers[0].resources.requests",
                    "Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi",
                ),
            ],
        ),
        row(
            PODS,
            pod(json!({
                "livenessProbe": {"httpGet": {"port": 0}, "exec": {"command": ["x"]}, "successThreshold": 2, "periodSeconds": -1},
                "readinessProbe": {}, "lifecycle": {"postStart": {}}, "terminationMessagePolicy": "X",
            })),
            &[
                (
                    "spec.containers[0].terminationMessagePolicy",
                    "Unsupported value: \"X\": supported values: \"File\", \"FallbackToLogsOnError\"",
                ),
                (
                    "spec.containers[0].lifecycle.postStart",
                    "Required value: must specify a handler type",
                ),
                (
                    "spec.containers[0].livenessProbe.httpGet",
                    "Forbidden: may not specify more than 1 handler type",
                ),
                (
                    "spec.containers[0].livenessProbe.periodSeconds",
                    "Invalid value: -1: must be greater than or equal to 0",
                ),
                ("spec.containers[0].livenessProbe.successThreshold", "Invalid value: 2: must be 1"),
                ("spec.containers[0].readinessProbe", "Required value: must specify a handler type"),
            ],
        ),
        row(
            PODS,
            pod_with(
                json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/a", "subPath": "../x"}]}),
                json!({"volumes": [{"name": "v", "secret": {}}, {"name": "w", "hostPath": {"path": "/x", "type": "Y"}}, {"name": "u", "emptyDir": {}, "nfs": {"server": "s", "path": "/"}}]}),
            ),
            &[
                ("spec.volumes[0].secret.secretName", "Required value"),
                (
                    "spec.volumes[1].hostPath.type",
                    "Unsupported value: \"Y\": supported values: \"\", \"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", \"FileOrCreate\", \"Socket\"",
                ),
                ("spec.volumes[2].nfs", "Forbidden: may not specify more than 1 volume type"),
                ("spec.containers[0].volumeMounts[0].name", "Not found: \"v\""),
                ("spec.containers[0].volumeMounts[1].name", "Not found: \"w\""),
                ("spec.containers[0].volumeMounts[1].mountPath", "Invalid value: \"/a\": must be unique"),
                ("spec.containers[0].volumeMounts.subPath", "Invalid value: \"../x\": must not contain '..'"),
            ],
        ),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_are_checked() -> anyhow::Result<()> {
    check(vec![
        row(
            PODS,
            pod_with(
                json!({"securityContext": {"runAsUser": -1}}),
                json!({
                    "activeDeadlineSeconds": 0, "hostname": "A_B", "nodeSelector": {"a b": "c"},
                    "restartPolicy": "X", "dnsPolicy": "None", "hostAliases": [{"ip": "1.2.3"}],
                }),
            ),
            &[
                (
                    "spec.containers[0].securityContext.runAsUser",
                    "Invalid value: -1: must be between 0 and 2147483647, inclusive",
                ),
                (
                    "spec.restartPolicy",
                    "Unsupported value: \"X\": supported values: \"Always\", \"OnFailure\", \"Never\"",
                ),
                (
                    "spec.nodeSelector",
                    "Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
                ),
                ("spec.dnsConfig", "Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
                (
                    "spec.activeDeadlineSeconds",
                    "Invalid value: 0: must be between 1 and 2147483647, inclusive",
                ),
                (
                    "spec.hostname",
                    "Invalid value: \"A_B\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
                ),
                (
                    "spec.hostAliases[0].ip",
                    "Invalid value: \"1.2.3\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                ),
            ],
        ),
        row(
            PODS,
            pod_with(
                json!({}),
                json!({
                    "tolerations": [{"operator": "Equal", "effect": "X"}],
                    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
                    "topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "X"}],
                }),
            ),
            &[
                (
                    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
                    "Required value: must have at least one node selector term",
                ),
                (
                    "spec.topologySpreadConstraints[0].maxSkew",
                    "Invalid value: 0: must be greater than zero",
                ),
                ("spec.topologySpreadConstraints[0].topologyKey", "Required value: can not be empty"),
                (
                    "spec.topologySpreadConstraints[0].whenUnsatisfiable",
                    "Unsupported value: \"X\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
                ),
                (
                    "spec.tolerations[0].operator",
                    "Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                ),
                (
                    "spec.tolerations[0].effect",
                    "Unsupported value: \"X\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
                ),
            ],
        ),
        row(
            PODS,
            pod_with(json!({}), json!({"initContainers": [{"name": "c", "image": "i", "livenessProbe": {"exec": {"command": ["x"]}}}]})),
            &[
                ("spec.initContainers[0].name", "Duplicate value: \"c\""),
                (
                    "spec.initContainers[0].livenessProbe",
                    "Forbidden: may not be set for init containers without restartPolicy=Always",
                ),
            ],
        ),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_are_checked() -> anyhow::Result<()> {
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let crons = "/apis/batch/v1/namespaces/default/cronjobs";
    let job = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let cron = |schedule: &str, more: Value| {
        let mut spec = json!({"schedule": schedule, "jobTemplate": {"spec": {"template": job}}});
        spec = merged(spec, &more);
        json!({"spec": spec})
    };
    check(vec![
        row(
            DEPLOYMENTS,
            deployment(json!({"selector": {}})),
            &[("spec.selector", "Invalid value: {}: empty selector is invalid for deployment")],
        ),
        row(
            DEPLOYMENTS,
            deployment(json!({
                "strategy": {"rollingUpdate": {"maxSurge": "abc", "maxUnavailable": "200%"}},
                "minReadySeconds": 700, "revisionHistoryLimit": -1,
            })),
            &[
                (
                    "spec.strategy.rollingUpdate.maxSurge",
                    "Invalid value: \"abc\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
                ),
                (
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    "Invalid value: \"200%\": must not be greater than 100%",
                ),
                ("spec.revisionHistoryLimit", "Invalid value: -1: must be greater than or equal to 0"),
                (
                    "spec.progressDeadlineSeconds",
                    "Invalid value: 600: must be greater than minReadySeconds",
                ),
            ],
        ),
        row(
            DEPLOYMENTS,
            deployment(json!({"selector": {"matchExpressions": [{"key": "a", "operator": "In"}, {"key": "a", "operator": "Foo"}]}})),
            &[
                (
                    "spec.selector.matchExpressions[0].values",
                    "Required value: must be specified when `operator` is 'In' or 'NotIn'",
                ),
                (
                    "spec.selector.matchExpressions[1].operator",
                    "Invalid value: \"Foo\": not a valid selector operator",
                ),
                (
                    "spec.selector",
                    "Invalid value: {\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"},{\"key\":\"a\",\"operator\":\"Foo\"}]}: invalid label selector",
                ),
            ],
        ),
        row(
            "/apis/apps/v1/namespaces/default/statefulsets",
            deployment(json!({"podManagementPolicy": "X", "updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}})),
            &[
                ("spec.podManagementPolicy", "Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'"),
                (
                    "spec.updateStrategy.rollingUpdate",
                    "Invalid value: {\"partition\":1}: only allowed for updateStrategy 'RollingUpdate'",
                ),
            ],
        ),
        row(
            "/apis/apps/v1/namespaces/default/daemonsets",
            deployment(json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}})),
            &[(
                "spec.updateStrategy.rollingUpdate.maxUnavailable",
                "Required value: cannot be 0 when maxSurge is 0",
            )],
        ),
        row(
            jobs,
            json!({"spec": {"completionMode": "Indexed", "parallelism": 1, "template": job}}),
            &[("spec.completions", "Required value: when completion mode is Indexed")],
        ),
        row(
            jobs,
            json!({"spec": {"manualSelector": true, "template": job}}),
            &[
                ("spec.selector", "Required value"),
                (
                    "spec.template.metadata.labels",
                    "Invalid value: null: `selector` does not match template `labels`",
                ),
            ],
        ),
        row(
            crons,
            cron("61 * * * *", json!({"startingDeadlineSeconds": -1, "timeZone": "../x"})),
            &[
                (
                    "spec.schedule",
                    "Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61",
                ),
                ("spec.startingDeadlineSeconds", "Invalid value: -1: must be greater than or equal to 0"),
                ("spec.timeZone", "Invalid value: \"../x\": unknown time zone ../x"),
            ],
        ),
        row(
            crons,
            cron("TZ=UTC * * * * *", json!({})),
            &[(
                "spec.schedule",
                "Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            )],
        ),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_checked() -> anyhow::Result<()> {
    check(vec![
        row(
            SERVICES,
            service(json!({"ports": [{"port": 80, "targetPort": "Bad_Name"}]})),
            &[(
                "spec.ports[0].targetPort",
                "Invalid value: \"Bad_Name\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            )],
        ),
        row(
            SERVICES,
            service(json!({"clusterIP": "1.2.3"})),
            &[(
                "spec.clusterIPs[0]",
                "Invalid value: \"1.2.3\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            )],
        ),
        row(
            SERVICES,
            service(json!({"clusterIP": "8.8.8.8"})),
            &[(
                "spec.clusterIPs",
                "Invalid value: [\"8.8.8.8\"]: failed to allocate IP 8.8.8.8: the provided network does not match the current range",
            )],
        ),
        row(
            SERVICES,
            service(json!({"type": "NodePort", "clusterIP": "None"})),
            &[("spec.clusterIPs[0]", "Invalid value: \"None\": may not be set to 'None' for NodePort services")],
        ),
        row(
            SERVICES,
            service(json!({"ports": [{"port": 80, "nodePort": 30001}], "sessionAffinity": "X", "externalTrafficPolicy": "Local"})),
            &[
                ("spec.sessionAffinity", "Unsupported value: \"X\": supported values: \"ClientIP\", \"None\""),
                ("spec.ports[0].nodePort", "Forbidden: may not be used when `type` is 'ClusterIP'"),
                (
                    "spec.externalTrafficPolicy",
                    "Invalid value: \"Local\": may only be set for externally-accessible services",
                ),
            ],
        ),
        row(
            SERVICES,
            service(json!({"ipFamilyPolicy": "RequireDualStack"})),
            &[(
                "spec.ipFamilyPolicy",
                "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
            )],
        ),
        row(
            SERVICES,
            service(json!({"ipFamilies": ["IPv6"]})),
            &[("spec.ipFamilies[0]", "Invalid value: \"IPv6\": not configured on this cluster")],
        ),
        row(
            SERVICES,
            service(json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]})),
            &[(
                "spec.ports[0].nodePort",
                "Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
            )],
        ),
        row(SERVICES, json!({"spec": {"type": "ExternalName"}}), &[("spec.externalName", "Required value")]),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn small_kinds_are_checked() -> anyhow::Result<()> {
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
    let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    check(vec![
        row(
            claims,
            json!({"spec": {"accessModes": ["X"], "resources": {"requests": {"storage": "-1"}}}}),
            &[
                (
                    "spec.accessModes",
                    "Unsupported value: \"X\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
                ),
                ("spec.resources[storage]", "Invalid value: \"-1\": must be greater than zero"),
            ],
        ),
        row(
            ingresses,
            json!({"spec": {"rules": [{"host": "1.2.3.4", "http": {"paths": [
                {"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "s"}}},
                {"path": "/", "pathType": "Prefix", "backend": {}},
            ]}}]}}),
            &[
                (
                    "spec.rules[0].host",
                    "Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address",
                ),
                ("spec.rules[0].http.paths[0].path", "Invalid value: \"x\": must be an absolute path"),
                (
                    "spec.rules[0].http.paths[0].backend",
                    "Required value: port name or number is required",
                ),
                (
                    "spec.rules[0].http.paths[1].backend",
                    "Invalid value: \"\": resource or service backend is required",
                ),
            ],
        ),
        row(
            policies,
            json!({"spec": {"podSelector": {}, "policyTypes": ["X"], "ingress": [{"ports": [{"port": 0}], "from": [{}, {"ipBlock": {"cidr": "10.0.0.0/33"}}]}]}}),
            &[
                (
                    "spec.ingress[0].ports[0].port",
                    "Invalid value: 0: must be between 1 and 65535, inclusive",
                ),
                ("spec.ingress[0].from[0]", "Required value: must specify a peer"),
                (
                    "spec.ingress[0].from[1].ipBlock.cidr",
                    "Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
                ),
                (
                    "spec.policyTypes[0]",
                    "Unsupported value: \"X\": supported values: \"Ingress\", \"Egress\"",
                ),
            ],
        ),
        row(
            "/apis/scheduling.k8s.io/v1/priorityclasses",
            json!({"value": 1_000_000_001}),
            &[("value", "Forbidden: maximum allowed value of a user defined priority is 1000000000")],
        ),
        row(
            "/api/v1/namespaces/default/resourcequotas",
            json!({"spec": {"hard": {"cpu": "1", "nope": "1"}, "scopes": ["BestEffort"]}}),
            &[
                ("spec.hard[nope]", "Invalid value: \"nope\": must be a standard resource type or fully qualified"),
                ("spec.hard[nope]", "Invalid value: \"nope\": must be a standard resource for quota"),
                (
                    "spec.scopes",
                    "Invalid value: [\"BestEffort\"]: unsupported scope applied to resource",
                ),
            ],
        ),
        row(
            "/api/v1/namespaces/default/limitranges",
            json!({"spec": {"limits": [{"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}}),
            &[("spec.limits[0].min[cpu]", "Invalid value: \"2\": min value 2 is greater than max value 1")],
        ),
        row(
            bindings,
            json!({"roleRef": role, "subjects": [
                {"kind": "ServiceAccount", "name": "A_", "apiGroup": "x"}, {"kind": "User", "name": "u", "apiGroup": "y"},
            ]}),
            &[
                (
                    "subjects[0].name",
                    "Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                ),
                ("subjects[0].apiGroup", "Unsupported value: \"x\": supported values: \"\""),
                (
                    "subjects[1].apiGroup",
                    "Unsupported value: \"y\": supported values: \"rbac.authorization.k8s.io\"",
                ),
            ],
        ),
        row(
            "/apis/events.k8s.io/v1/namespaces/default/events",
            json!({"regarding": {"kind": "Pod", "name": "p", "namespace": "default"}, "type": "Normal"}),
            &[("eventTime", "Required value")],
        ),
        row(
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 3, "maxReplicas": 2}}),
            &[
                ("spec.maxReplicas", "Invalid value: 2: must be greater than or equal to `minReplicas`"),
                (
                    "spec.scaleTargetRef.apiVersion",
                    "Invalid value: \"\": apiVersion must specify API group",
                ),
            ],
        ),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_change_stays() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    let claim = json!({"metadata": {"name": "x"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    assert_eq!(client.call("POST", claims, Some(claim)).await?.0, 201);
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    assert_eq!(
        client.call("POST", classes, Some(json!({"metadata": {"name": "x"}, "value": 1}))).await?.0,
        201
    );
    let namespaces = "/api/v1/namespaces/default/status";
    for (path, patch, field, wanted) in [
        (
            format!("{claims}/x"),
            json!({"spec": {"accessModes": ["ReadOnlyMany"]}}),
            "spec",
            "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -1,6 +1,6 @@\n {\n  \"AccessModes\": [\n-  \"ReadWriteOnce\"\n+  \"ReadOnlyMany\"\n  ],\n  \"Selector\": null,\n  \"Resources\": {\n",
        ),
        (format!("{classes}/x"), json!({"value": 2}), "value", "Forbidden: may not be changed in an update."),
        (
            namespaces.to_owned(),
            json!({"status": {"phase": "Terminating"}}),
            "status.Phase",
            "Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty",
        ),
    ] {
        let media = "application/merge-patch+json";
        let (status, answer) = client.send("PATCH", &path, media, patch.to_string()).await?;
        let cause = &answer["details"]["causes"][0];
        assert_eq!(
            (status, &cause["field"], &cause["message"]),
            (422, &json!(field), &json!(wanted)),
            "{answer}"
        );
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_have_the_priority_of_their_class() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let classed = |name: &str, class: &str| {
        let mut pod =
            pod_with(json!({}), json!({"priorityClassName": class, "terminationGracePeriodSeconds": -1}));
        pod["metadata"] = json!({"name": name});
        pod
    };
    let (status, answer) = client.call("POST", PODS, Some(classed("x", "none"))).await?;
    let wanted = "pods \"x\" is forbidden: no PriorityClass with name none was found";
    assert_eq!((status, &answer["message"]), (403, &json!(wanted)));
    let class = json!({"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"});
    client.call("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", Some(class)).await?;
    let (_, made) = client.call("POST", PODS, Some(classed("y", "high"))).await?;
    assert_eq!((&made["spec"]["priority"], &made["spec"]["preemptionPolicy"]), (&json!(7), &json!("Never")));
    assert_eq!(made["spec"]["terminationGracePeriodSeconds"], 1);
    let owned = json!({"metadata": {"name": "z", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]}});
    let (status, answer) = client.call("POST", "/api/v1/namespaces/default/configmaps", Some(owned)).await?;
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(
        status == 422 && message.ends_with("/v1, Kind=Event is disallowed from being an owner"),
        "{message}"
    );
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_ports_are_given_out_once() -> anyhow::Result<()> {
    let running = start(Options::default().with_ready_workloads(false)).await?;
    let client = Client::of(&running)?;
    let named = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": service(spec)["spec"]});
    let port = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30999}]});
    assert_eq!(client.call("POST", SERVICES, Some(named("a", port.clone()))).await?.0, 201);
    let (_, refused) = client.call("POST", SERVICES, Some(named("b", port.clone()))).await?;
    let wanted = "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30999: provided port is already allocated";
    assert_eq!(refused["message"], wanted);
    let address = json!({"clusterIP": "10.96.0.9"});
    assert_eq!(client.call("POST", SERVICES, Some(named("c", address.clone()))).await?.0, 201);
    let (_, refused) = client.call("POST", SERVICES, Some(named("d", address))).await?;
    let wanted = "Service \"d\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: failed to allocate IP 10.96.0.9: provided IP is already allocated";
    assert_eq!(refused["message"], wanted);
    let media = "application/merge-patch+json";
    let plain = json!({"spec": {"type": "ClusterIP"}}).to_string();
    let (status, plain) = client.send("PATCH", &format!("{SERVICES}/a"), media, plain).await?;
    assert_eq!(status, 200, "{plain}");
    assert_eq!(plain["spec"]["externalTrafficPolicy"], json!(null));
    assert_eq!(plain["spec"]["ports"][0]["nodePort"], json!(null));
    assert_eq!(client.call("POST", SERVICES, Some(named("b", port))).await?.0, 201, "the port is free again");
    let bare = json!({"clusterIP": "None"});
    let (_, bare) = client.call("POST", SERVICES, Some(named("e", bare))).await?;
    assert_eq!(bare["spec"]["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(bare["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    let local = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let (status, local) = client.call("POST", SERVICES, Some(named("f", local))).await?;
    assert_eq!(status, 201, "{local}");
    assert!(local["spec"]["healthCheckNodePort"].as_i64().is_some_and(|port| port >= 30_000));
    let many = (0..40).map(|number| {
        let (client, body) = (client.clone(), named(&format!("m{number}"), json!({"type": "NodePort"})));
        tokio::spawn(async move { client.call("POST", SERVICES, Some(body)).await })
    });
    let mut seen = std::collections::HashSet::new();
    for task in many.collect::<Vec<_>>() {
        let (status, made) = task.await??;
        assert_eq!(status, 201);
        assert!(seen.insert(made["spec"]["clusterIP"].to_string()), "{made}");
        assert!(seen.insert(made["spec"]["ports"][0]["nodePort"].to_string()), "{made}");
    }
    running.stop().await;
    Ok(())
}

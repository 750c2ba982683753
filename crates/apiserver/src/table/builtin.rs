//! Cells of the built-in kinds, column by column.

use serde_json::{Value, json};

use crate::clock;
use crate::fields::{self, get, text};
use crate::kinds::Resource;
use crate::select;

use super::cell::{age, none_if_empty};
use super::{bounds, policies, running};

/// The cells of one object.
pub(super) fn cells(resource: &Resource, item: &Value) -> Vec<Value> {
    let cell = |column: &crate::kinds::Column| match column.name.as_str() {
        "Name" => named(&resource.key, item),
        "Age" => age(fields::meta(item, "creationTimestamp")),
        "Created At" => fields::meta(item, "creationTimestamp").into(),
        "Containers" => containers(item, "name"),
        "Images" => containers(item, "image"),
        name => special(&resource.key, name, item).unwrap_or_else(|| json!("<none>")),
    };
    resource.columns.iter().map(cell).collect()
}

/// The name; a class that is the default says so.
fn named(key: &str, item: &Value) -> Value {
    let mark = match key {
        "storageclasses.storage.k8s.io" => "storageclass.kubernetes.io/is-default-class",
        "ingressclasses.networking.k8s.io" => "ingressclass.kubernetes.io/is-default-class",
        _ => return fields::name(item).into(),
    };
    let default = get(item, &["metadata", "annotations", mark]) == Some(&json!("true"));
    format!("{}{}", fields::name(item), if default { " (default)" } else { "" }).into()
}

fn special(key: &str, column: &str, item: &Value) -> Option<Value> {
    let count = |path: &[&str]| get(item, path).and_then(Value::as_i64).unwrap_or(0);
    let or_none = |path: &[&str]| Some(none_if_empty(text(item, path)));
    match (key, column) {
        ("configmaps" | "secrets", "Data") => {
            Some(json!(entries(item, "data") + entries(item, "binaryData")))
        }
        ("secrets", "Type") => Some(text(item, &["type"]).into()),
        ("namespaces", "Status") => Some(text(item, &["status", "phase"]).into()),
        ("events", _) => event(column, item),
        ("services", _) => service(column, item),
        ("pods", _) => running::pod(column, item),
        ("podtemplates", "Pod Labels") => {
            Some(none_if_empty(&select::as_text(get(item, &["template", "metadata", "labels"]))))
        }
        ("endpoints", "Endpoints") => Some(endpoints(item)),
        ("nodes", _) => running::node(column, item),
        ("deployments.apps", "Ready") => {
            Some(ratio(count(&["status", "readyReplicas"]), count(&["spec", "replicas"])))
        }
        ("deployments.apps", "Up-to-date") => Some(json!(count(&["status", "updatedReplicas"]))),
        ("deployments.apps", "Available") => Some(json!(count(&["status", "availableReplicas"]))),
        ("statefulsets.apps", "Ready") => {
            Some(ratio(count(&["status", "readyReplicas"]), count(&["spec", "replicas"])))
        }
        ("replicasets.apps" | "replicationcontrollers", "Desired") => {
            Some(json!(count(&["spec", "replicas"])))
        }
        ("replicasets.apps" | "replicationcontrollers", "Current") => {
            Some(json!(count(&["status", "replicas"])))
        }
        ("replicasets.apps" | "replicationcontrollers", "Ready") => {
            Some(json!(count(&["status", "readyReplicas"])))
        }
        ("daemonsets.apps", _) if column != "Selector" => daemon(column, item),
        (
            "deployments.apps"
            | "replicasets.apps"
            | "daemonsets.apps"
            | "jobs.batch"
            | "replicationcontrollers",
            "Selector",
        ) => Some(none_if_empty(&select::as_text(get(item, &["spec", "selector"])))),
        ("jobs.batch", _) => job(column, item),
        ("cronjobs.batch", _) => cron_job(column, item),
        ("ingresses.networking.k8s.io", _) => ingress(column, item),
        ("ingressclasses.networking.k8s.io", "Controller") => {
            Some(text(item, &["spec", "controller"]).into())
        }
        ("ingressclasses.networking.k8s.io", "Parameters") => Some(parameters(item)),
        ("networkpolicies.networking.k8s.io", "Pod-Selector") => {
            Some(none_if_empty(&select::as_text(get(item, &["spec", "podSelector"]))))
        }
        ("poddisruptionbudgets.policy", _) => budget(column, item),
        ("clusterrolebindings.rbac.authorization.k8s.io" | "rolebindings.rbac.authorization.k8s.io", _) => {
            binding(column, item)
        }
        ("leases.coordination.k8s.io", "Holder") => Some(text(item, &["spec", "holderIdentity"]).into()),
        ("resourcequotas", "Request" | "Limit") => Some(bounds::quota(column, item)),
        ("storageclasses.storage.k8s.io", _) => storage_class(column, item),
        ("persistentvolumeclaims", _) => claim(column, item),
        ("persistentvolumes", _) => volume(column, item),
        ("priorityclasses.scheduling.k8s.io", "Value") => Some(item["value"].clone()),
        ("priorityclasses.scheduling.k8s.io", "Global-Default") => {
            Some(item["globalDefault"].as_bool().unwrap_or(false).into())
        }
        ("priorityclasses.scheduling.k8s.io", "PreemptionPolicy") => or_none(&["preemptionPolicy"]),
        ("runtimeclasses.node.k8s.io", "Handler") => or_none(&["handler"]),
        ("horizontalpodautoscalers.autoscaling", _) => bounds::autoscaler(column, item),
        ("endpointslices.discovery.k8s.io", _) => slice(column, item),
        ("controllerrevisions.apps", "Revision") => Some(item["revision"].clone()),
        (_, "Webhooks") => Some(json!(item["webhooks"].as_array().map_or(0, Vec::len))),
        (key, _) if key.ends_with(".admissionregistration.k8s.io") => policies::cell(column, item),
        _ => None,
    }
}

fn event(column: &str, item: &Value) -> Option<Value> {
    let time = |key: &str, series: Option<&str>| {
        let found = [series.unwrap_or_default(), text(item, &[key]), text(item, &["eventTime"])]
            .into_iter()
            .find(|text| !text.is_empty());
        age(found.unwrap_or_default())
    };
    let note = if item.get("note").is_some() { "note" } else { "message" };
    let about = if item.get("regarding").is_some() { &item["regarding"] } else { &item["involvedObject"] };
    let (first, last, count, source) = if item["apiVersion"] == "events.k8s.io/v1" {
        ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount", "deprecatedSource")
    } else {
        ("firstTimestamp", "lastTimestamp", "count", "source")
    };
    Some(match column {
        "Last Seen" => time(last, get(item, &["series", "lastObservedTime"]).and_then(Value::as_str)),
        "First Seen" => time(first, None),
        "Type" => text(item, &["type"]).into(),
        "Reason" => text(item, &["reason"]).into(),
        "Object" => {
            let kind = text(about, &["kind"]).to_lowercase();
            let name = text(about, &["name"]);
            if name.is_empty() { kind.into() } else { format!("{kind}/{name}").into() }
        }
        "Subobject" => text(about, &["fieldPath"]).into(),
        "Source" => {
            let component = text(item, &[source, "component"]);
            let host = text(item, &[source, "host"]);
            let component =
                if component.is_empty() { text(item, &["reportingComponent"]) } else { component };
            if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
        }
        "Message" => text(item, &[note]).trim().into(),
        "Count" => get(item, &["series", "count"]).or(item.get(count)).cloned().unwrap_or(json!(1)),
        _ => return None,
    })
}

fn service(column: &str, item: &Value) -> Option<Value> {
    let kind = text(item, &["spec", "type"]);
    Some(match column {
        "Type" => kind.into(),
        "Cluster-IP" => none_if_empty(text(item, &["spec", "clusterIP"])),
        "External-IP" => match kind {
            "ExternalName" => text(item, &["spec", "externalName"]).into(),
            _ => {
                let ingress = get(item, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
                let found: Vec<&str> = ingress
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| entry["ip"].as_str().or(entry["hostname"].as_str()))
                    .chain(
                        get(item, &["spec", "externalIPs"])
                            .and_then(Value::as_array)
                            .into_iter()
                            .flatten()
                            .filter_map(Value::as_str),
                    )
                    .collect();
                match (found.is_empty(), kind) {
                    (true, "LoadBalancer") => "<pending>".into(),
                    _ => none_if_empty(&found.join(",")),
                }
            }
        },
        "Port(s)" => {
            let ports = get(item, &["spec", "ports"]).and_then(Value::as_array);
            let port = |port: &Value| {
                let node = port["nodePort"]
                    .as_i64()
                    .filter(|&port| port > 0)
                    .map(|port| format!(":{port}"))
                    .unwrap_or_default();
                format!("{}{node}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
            };
            let list: Vec<String> = ports.into_iter().flatten().map(port).collect();
            none_if_empty(&list.join(","))
        }
        "Selector" => none_if_empty(&select::as_text(get(item, &["spec", "selector"]))),
        _ => return None,
    })
}

fn endpoints(item: &Value) -> Value {
    let mut all = Vec::new();
    for subset in item["subsets"].as_array().into_iter().flatten() {
        let hosts: Vec<&str> =
            subset["addresses"].as_array().into_iter().flatten().map(|one| text(one, &["ip"])).collect();
        let ports = subset["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        if ports.is_empty() {
            all.extend(hosts.iter().map(|host| (*host).to_owned()));
        }
        for port in ports {
            let joined = |host: &&str| match host.contains(':') {
                true => format!("[{host}]:{}", port["port"]),
                false => format!("{host}:{}", port["port"]),
            };
            all.extend(hosts.iter().map(joined));
        }
    }
    match item["subsets"].as_array() {
        Some(subsets) if !subsets.is_empty() => first_three(&all).into(),
        _ => "<none>".into(),
    }
}

/// The first of many, and how many more there are.
fn first_three(all: &[String]) -> String {
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if all.len() > 3 { format!("{shown} + {} more...", all.len() - 3) } else { shown }
}

fn parameters(item: &Value) -> Value {
    let Some(found) = get(item, &["spec", "parameters"]) else { return "<none>".into() };
    let group = found.get("apiGroup").and_then(Value::as_str).map(|group| format!(".{group}"));
    format!("{}{}/{}", text(found, &["kind"]), group.unwrap_or_default(), text(found, &["name"])).into()
}

fn daemon(column: &str, item: &Value) -> Option<Value> {
    let key = match column {
        "Desired" => "desiredNumberScheduled",
        "Current" => "currentNumberScheduled",
        "Ready" => "numberReady",
        "Up-to-date" => "updatedNumberScheduled",
        "Available" => "numberAvailable",
        "Node Selector" => {
            return Some(none_if_empty(&select::as_text(get(
                item,
                &["spec", "template", "spec", "nodeSelector"],
            ))));
        }
        _ => return None,
    };
    Some(json!(get(item, &["status", key]).and_then(Value::as_i64).unwrap_or(0)))
}

fn job(column: &str, item: &Value) -> Option<Value> {
    let status = |key: &str| get(item, &["status", key]);
    Some(match column {
        "Status" => {
            let found = |kinds: &[&'static str]| {
                kinds.iter().copied().find(|kind| crate::conditions::holds(item, kind))
            };
            let over = found(&["Complete", "Failed"]);
            let going = fields::is_deleting(item).then_some("Terminating");
            let other = found(&["Suspended", "FailureTarget", "SuccessCriteriaMet"]);
            over.or(going).or(other).unwrap_or("Running").into()
        }
        "Completions" => {
            let done = status("succeeded").and_then(Value::as_i64).unwrap_or(0);
            match get(item, &["spec", "completions"]).and_then(Value::as_i64) {
                Some(wanted) => format!("{done}/{wanted}").into(),
                None => match get(item, &["spec", "parallelism"]).and_then(Value::as_i64).unwrap_or(0) {
                    many @ 2.. => format!("{done}/1 of {many}").into(),
                    _ => format!("{done}/1").into(),
                },
            }
        }
        "Duration" => {
            let time = |key: &str| {
                status(key)
                    .and_then(Value::as_str)
                    .and_then(|text| text.parse::<jiff::Timestamp>().ok())
                    .map(jiff::Timestamp::as_second)
            };
            match (time("startTime"), time("completionTime")) {
                (Some(start), Some(end)) => clock::duration(end - start).into(),
                (Some(start), None) => clock::duration(clock::unix() - start).into(),
                _ => "".into(),
            }
        }
        _ => return None,
    })
}

fn cron_job(column: &str, item: &Value) -> Option<Value> {
    Some(match column {
        "Schedule" => text(item, &["spec", "schedule"]).into(),
        "Timezone" => none_if_empty(text(item, &["spec", "timeZone"])),
        "Suspend" => {
            if get(item, &["spec", "suspend"]) == Some(&json!(true)) { "True" } else { "False" }.into()
        }
        "Active" => json!(get(item, &["status", "active"]).and_then(Value::as_array).map_or(0, Vec::len)),
        "Last Schedule" => match text(item, &["status", "lastScheduleTime"]) {
            "" => "<none>".into(),
            time => age(time),
        },
        _ => return None,
    })
}

fn ingress(column: &str, item: &Value) -> Option<Value> {
    Some(match column {
        "Class" => none_if_empty(text(item, &["spec", "ingressClassName"])),
        "Hosts" => {
            let rules = get(item, &["spec", "rules"]).and_then(Value::as_array);
            let hosts: Vec<&str> = rules
                .into_iter()
                .flatten()
                .filter_map(|rule| rule["host"].as_str())
                .filter(|host| !host.is_empty())
                .collect();
            if hosts.is_empty() { "*".into() } else { hosts.join(",").into() }
        }
        "Address" => {
            let list = get(item, &["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
            let found: Vec<&str> = list
                .into_iter()
                .flatten()
                .filter_map(|entry| entry["ip"].as_str().or(entry["hostname"].as_str()))
                .collect();
            found.join(",").into()
        }
        "Ports" => {
            let secure =
                get(item, &["spec", "tls"]).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
            if secure { "80, 443" } else { "80" }.into()
        }
        _ => return None,
    })
}

fn budget(column: &str, item: &Value) -> Option<Value> {
    let shown = |path: &[&str]| match get(item, path) {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        _ => "N/A".into(),
    };
    Some(match column {
        "Min Available" => shown(&["spec", "minAvailable"]),
        "Max Unavailable" => shown(&["spec", "maxUnavailable"]),
        "Allowed Disruptions" => {
            json!(get(item, &["status", "disruptionsAllowed"]).and_then(Value::as_i64).unwrap_or(0))
        }
        _ => return None,
    })
}

fn binding(column: &str, item: &Value) -> Option<Value> {
    let named = |kind: &str| {
        let subjects = item["subjects"].as_array().into_iter().flatten();
        let names: Vec<String> = subjects
            .filter(|subject| subject["kind"] == kind)
            .map(|subject| match kind {
                "ServiceAccount" => {
                    format!("{}/{}", text(subject, &["namespace"]), text(subject, &["name"]))
                }
                _ => text(subject, &["name"]).to_owned(),
            })
            .collect();
        Value::from(names.join(", "))
    };
    Some(match column {
        "Role" => format!("{}/{}", text(item, &["roleRef", "kind"]), text(item, &["roleRef", "name"])).into(),
        "Users" => named("User"),
        "Groups" => named("Group"),
        "ServiceAccounts" => named("ServiceAccount"),
        _ => return None,
    })
}

fn storage_class(column: &str, item: &Value) -> Option<Value> {
    Some(match column {
        "Provisioner" => text(item, &["provisioner"]).into(),
        "ReclaimPolicy" => text(item, &["reclaimPolicy"]).into(),
        "VolumeBindingMode" => text(item, &["volumeBindingMode"]).into(),
        "AllowVolumeExpansion" => item["allowVolumeExpansion"].as_bool().unwrap_or(false).into(),
        _ => return None,
    })
}

fn modes(item: &Value, path: &[&str]) -> Value {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        _ => "RWOP",
    };
    let list = get(item, path).and_then(Value::as_array);
    let modes: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).map(short).collect();
    modes.join(",").into()
}

fn claim(column: &str, item: &Value) -> Option<Value> {
    let unset = |text: &str| if text.is_empty() { Value::from("<unset>") } else { text.into() };
    Some(match column {
        "Status" if fields::is_deleting(item) => "Terminating".into(),
        "Status" => text(item, &["status", "phase"]).into(),
        "Volume" => text(item, &["spec", "volumeName"]).into(),
        "Capacity" => text(item, &["status", "capacity", "storage"]).into(),
        "Access Modes" => modes(item, &["status", "accessModes"]),
        "StorageClass" => text(item, &["spec", "storageClassName"]).into(),
        "VolumeAttributesClass" => unset(text(item, &["spec", "volumeAttributesClassName"])),
        "VolumeMode" => unset(text(item, &["spec", "volumeMode"])),
        _ => return None,
    })
}

fn volume(column: &str, item: &Value) -> Option<Value> {
    let unset = |text: &str| if text.is_empty() { Value::from("<unset>") } else { text.into() };
    Some(match column {
        "Capacity" => text(item, &["spec", "capacity", "storage"]).into(),
        "Access Modes" => modes(item, &["spec", "accessModes"]),
        "Reclaim Policy" => text(item, &["spec", "persistentVolumeReclaimPolicy"]).into(),
        "Status" => text(item, &["status", "phase"]).into(),
        "Claim" => match text(item, &["spec", "claimRef", "name"]) {
            "" => "".into(),
            name => format!("{}/{name}", text(item, &["spec", "claimRef", "namespace"])).into(),
        },
        "StorageClass" => text(item, &["spec", "storageClassName"]).into(),
        "VolumeAttributesClass" => unset(text(item, &["spec", "volumeAttributesClassName"])),
        "Reason" => text(item, &["status", "reason"]).into(),
        "VolumeMode" => unset(text(item, &["spec", "volumeMode"])),
        _ => return None,
    })
}

fn slice(column: &str, item: &Value) -> Option<Value> {
    let unset =
        |list: Vec<String>| if list.is_empty() { Value::from("<unset>") } else { first_three(&list).into() };
    Some(match column {
        "AddressType" => text(item, &["addressType"]).into(),
        "Ports" => unset(
            item["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|port| match &port["port"] {
                    Value::Null => port["name"].as_str().unwrap_or("*").to_owned(),
                    number => number.to_string(),
                })
                .collect(),
        ),
        "Endpoints" => {
            let endpoints = item["endpoints"].as_array().into_iter().flatten();
            unset(
                endpoints
                    .flat_map(|endpoint| endpoint["addresses"].as_array().into_iter().flatten())
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            )
        }
        _ => return None,
    })
}

fn containers(item: &Value, key: &str) -> Value {
    let paths: [&[&str]; 3] = [
        &["spec", "template", "spec", "containers"],
        &["spec", "jobTemplate", "spec", "template", "spec", "containers"],
        &["template", "spec", "containers"],
    ];
    let list = paths.iter().find_map(|path| get(item, path)).and_then(Value::as_array);
    let words: Vec<&str> = list.into_iter().flatten().map(|container| text(container, &[key])).collect();
    words.join(",").into()
}

fn entries(item: &Value, key: &str) -> usize {
    item.get(key).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn ratio(part: i64, whole: i64) -> Value {
    format!("{part}/{whole}").into()
}

//! Cells of what runs: Pods and Nodes.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::cell::{age, none_if_empty};
use crate::conditions::holds;
use crate::fields::{self, get, text};

/// A cell of a Pod.
pub(super) fn pod(column: &str, item: &Value) -> Option<Value> {
    Some(match column {
        "Ready" => {
            let sidecars = sidecars(item);
            let total = list(item, "spec", "containers").len() + sidecars.len();
            let ready = statuses(item, "containerStatuses").iter().filter(|one| is_running(one)).count();
            let beside = statuses(item, "initContainerStatuses")
                .iter()
                .filter(|one| is_sidecar(&sidecars, one) && one["started"] == true && one["ready"] == true)
                .count();
            let ready = if beginning(item).is_some() { 0 } else { ready };
            format!("{}/{total}", ready + beside).into()
        }
        "Status" => state(item).into(),
        "Restarts" => restarts(item),
        "IP" => {
            let first = get(item, &["status", "podIPs"]).and_then(|list| list[0]["ip"].as_str());
            none_if_empty(first.unwrap_or(text(item, &["status", "podIP"])))
        }
        "Node" => none_if_empty(text(item, &["spec", "nodeName"])),
        "Nominated Node" => none_if_empty(text(item, &["status", "nominatedNodeName"])),
        "Readiness Gates" => {
            let gates = list(item, "spec", "readinessGates");
            let met = gates.iter().filter(|gate| holds(item, text(gate, &["conditionType"]))).count();
            if gates.is_empty() { "<none>".into() } else { format!("{met}/{}", gates.len()).into() }
        }
        _ => return None,
    })
}

fn list<'a>(item: &'a Value, part: &str, key: &str) -> &'a [Value] {
    get(item, &[part, key]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn statuses<'a>(item: &'a Value, key: &str) -> &'a [Value] {
    list(item, "status", key)
}

/// Names of the containers that start first and stay.
fn sidecars(item: &Value) -> HashSet<&str> {
    let first = list(item, "spec", "initContainers").iter();
    first.filter(|one| one["restartPolicy"] == "Always").map(|one| text(one, &["name"])).collect()
}

fn is_sidecar(sidecars: &HashSet<&str>, status: &Value) -> bool {
    sidecars.contains(text(status, &["name"]))
}

fn is_running(status: &Value) -> bool {
    let state = |key: &str| get(status, &["state", key]).is_some();
    let waits = !text(status, &["state", "waiting", "reason"]).is_empty();
    status["ready"] == true && state("running") && !waits && !state("terminated")
}

fn restarts(item: &Value) -> Value {
    let beginning = beginning(item).is_some();
    let first = statuses(item, "initContainerStatuses").iter();
    let sidecars = sidecars(item);
    let first = first.filter(|one| beginning || is_sidecar(&sidecars, one));
    let then = statuses(item, "containerStatuses").iter().filter(|_| !beginning);
    let counted: Vec<&Value> = first.chain(then).collect();
    let count: i64 = counted.iter().filter_map(|one| one["restartCount"].as_i64()).sum();
    let ended = |one: &&Value| text(one, &["lastState", "terminated", "finishedAt"]).to_owned();
    let last = counted.iter().map(ended).max().unwrap_or_default();
    if count == 0 || last.is_empty() {
        return count.to_string().into();
    }
    format!("{count} ({} ago)", age(&last).as_str().unwrap_or_default()).into()
}

/// What the containers that start first are doing, unless they are done.
fn beginning(item: &Value) -> Option<String> {
    if holds(item, "Initialized") {
        return None;
    }
    let sidecars = sidecars(item);
    for (at, one) in statuses(item, "initContainerStatuses").iter().enumerate() {
        let terminated = get(one, &["state", "terminated"]);
        let waiting = text(one, &["state", "waiting", "reason"]);
        if terminated.is_some_and(|end| end["exitCode"].as_i64().unwrap_or(0) == 0)
            || (is_sidecar(&sidecars, one) && one["started"] == true)
        {
            continue;
        }
        return Some(match terminated {
            Some(end) => format!("Init:{}", ending(end)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{at}/{}", list(item, "spec", "initContainers").len()),
        });
    }
    None
}

fn ending(end: &Value) -> String {
    let number = |key: &str| end[key].as_i64().unwrap_or(0);
    match (text(end, &["reason"]), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn state(item: &Value) -> String {
    let (phase, why) = (text(item, &["status", "phase"]), text(item, &["status", "reason"]));
    if fields::is_deleting(item) {
        if why == "NodeLost" {
            return "Unknown".into();
        }
        if !matches!(phase, "Succeeded" | "Failed") {
            return "Terminating".into();
        }
    }
    let gated = list(item, "status", "conditions")
        .iter()
        .any(|one| one["type"] == "PodScheduled" && one["reason"] == "SchedulingGated");
    let plain = match (gated, why) {
        (true, _) => "SchedulingGated",
        (false, "") => phase,
        (false, why) => why,
    };
    beginning(item).unwrap_or_else(|| of_containers(item, plain))
}

/// The reason of the first container that has one.
fn of_containers(item: &Value, plain: &str) -> String {
    let (mut reason, mut failed, mut running) = (plain.to_owned(), None, false);
    for one in statuses(item, "containerStatuses").iter().rev() {
        let waiting = text(one, &["state", "waiting", "reason"]);
        if !waiting.is_empty() {
            reason = waiting.to_owned();
        } else if let Some(end) = get(one, &["state", "terminated"]) {
            reason = ending(end);
            if end["exitCode"].as_i64().unwrap_or(0) != 0 {
                failed = Some(reason.clone());
            }
        } else {
            running |= is_running(one);
        }
    }
    match (reason.as_str(), running, failed) {
        ("Completed", true, _) if holds(item, "Ready") => "Running".into(),
        ("Completed", _, Some(failed)) => failed,
        ("Completed", true, None) => "NotReady".into(),
        _ => reason,
    }
}

/// A cell of a Node.
pub(super) fn node(column: &str, item: &Value) -> Option<Value> {
    let info = |key: &str| text(item, &["status", "nodeInfo", key]);
    let or_unknown = |text: &str| if text.is_empty() { "<unknown>".to_owned() } else { text.to_owned() };
    let address = |kind: &str| {
        let found = list(item, "status", "addresses").iter().find(|one| one["type"] == kind);
        found.map_or_else(|| json!("<none>"), |one| text(one, &["address"]).into())
    };
    Some(match column {
        "Status" => {
            let told = list(item, "status", "conditions").iter().any(|one| one["type"] == "Ready");
            let ready = match (told, holds(item, "Ready")) {
                (false, _) => "Unknown",
                (true, true) => "Ready",
                (true, false) => "NotReady",
            };
            let closed = get(item, &["spec", "unschedulable"]) == Some(&json!(true));
            format!("{ready}{}", if closed { ",SchedulingDisabled" } else { "" }).into()
        }
        "Roles" => none_if_empty(&roles(item).join(",")),
        "Version" => info("kubeletVersion").into(),
        "Internal-IP" => address("InternalIP"),
        "External-IP" => address("ExternalIP"),
        "OS-Image" => or_unknown(info("osImage")).into(),
        "Kernel-Version" => match info("architecture") {
            "" => or_unknown(info("kernelVersion")).into(),
            machine => format!("{} ({machine})", or_unknown(info("kernelVersion"))).into(),
        },
        "Container-Runtime" => or_unknown(info("containerRuntimeVersion")).into(),
        _ => return None,
    })
}

fn roles(item: &Value) -> Vec<String> {
    let labels = get(item, &["metadata", "labels"]).and_then(Value::as_object);
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some("") => None,
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    let mut roles: Vec<String> = labels.into_iter().flatten().filter_map(role).collect();
    roles.sort();
    roles.dedup();
    roles
}

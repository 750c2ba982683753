//! Pods and their templates: containers, ports, mounts, volumes, resources.

use serde_json::{Value, json};

use super::list;
use super::metadata::label;
use crate::fields::{get, text};
use crate::quantity;
use crate::status_error::Cause;

/// What is wrong with the spec of a pod that stands at a path.
pub(super) fn spec(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = volumes(spec, path);
    if list(spec, "containers").is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut names: Vec<&str> = Vec::new();
    for field in ["initContainers", "containers"] {
        for (at, container) in list(spec, field).iter().enumerate() {
            let place = format!("{path}.{field}[{at}]");
            causes.extend(name(container, &mut names, &place));
            causes.extend(self::container(spec, container, &place));
        }
    }
    causes.extend(one_of(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"]));
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    causes.extend(one_of(spec, path, "dnsPolicy", &policies));
    causes
}

/// A name that nothing before it has.
fn name<'a>(item: &'a Value, before: &mut Vec<&'a str>, path: &str) -> Vec<Cause> {
    let name = text(item, &["name"]);
    let field = format!("{path}.name");
    if name.is_empty() {
        return vec![Cause::required(field, "")];
    }
    if before.contains(&name) {
        return vec![Cause::duplicate(field, &json!(name))];
    }
    before.push(name);
    label(name).iter().map(|why| Cause::invalid(field.clone(), &json!(name), why)).collect()
}

fn container(spec: &Value, container: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if text(container, &["image"]).is_empty() {
        causes.push(Cause::required(format!("{path}.image"), ""));
    }
    causes.extend(one_of(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"]));
    causes.extend(ports(container, path));
    for (at, variable) in list(container, "env").iter().enumerate() {
        if text(variable, &["name"]).is_empty() {
            causes.push(Cause::required(format!("{path}.env[{at}].name"), ""));
        }
    }
    causes.extend(mounts(spec, container, path));
    causes.extend(resources(container, path));
    causes
}

fn ports(container: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (at, port) in list(container, "ports").iter().enumerate() {
        let place = format!("{path}.ports[{at}]");
        match port["containerPort"].as_i64() {
            None | Some(0) => causes.push(Cause::required(format!("{place}.containerPort"), "")),
            Some(1..=65535) => {}
            Some(_) => causes.push(Cause::invalid(
                format!("{place}.containerPort"),
                &port["containerPort"],
                PORT_RANGE,
            )),
        }
        causes.extend(one_of(port, &place, "protocol", &["SCTP", "TCP", "UDP"]));
    }
    causes
}

fn mounts(spec: &Value, container: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut paths: Vec<&str> = Vec::new();
    for (at, mount) in list(container, "volumeMounts").iter().enumerate() {
        let place = format!("{path}.volumeMounts[{at}]");
        let name = text(mount, &["name"]);
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        } else if list(spec, "volumes").iter().all(|volume| volume["name"] != name)
            && list(spec, "volumeClaimTemplates").is_empty()
        {
            causes.push(Cause::not_found(format!("{place}.name"), &json!(name)));
        }
        let target = text(mount, &["mountPath"]);
        if target.is_empty() {
            causes.push(Cause::required(format!("{place}.mountPath"), ""));
        } else if paths.contains(&target) {
            causes.push(Cause::invalid(format!("{place}.mountPath"), &json!(target), "must be unique"));
        }
        paths.push(target);
    }
    causes
}

fn resources(container: &Value, path: &str) -> Vec<Cause> {
    let limits = get(container, &["resources", "limits"]).and_then(Value::as_object);
    let requests = get(container, &["resources", "requests"]).and_then(Value::as_object);
    let over = |(name, wanted): (&String, &Value)| {
        let limit = limits?.get(name)?.as_str()?;
        let wanted_text = wanted.as_str()?;
        (quantity::nanos(wanted_text)? > quantity::nanos(limit)?).then(|| {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            Cause::invalid(format!("{path}.resources.requests"), wanted, &why)
        })
    };
    requests.into_iter().flatten().filter_map(over).collect()
}

fn volumes(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (at, volume) in list(spec, "volumes").iter().enumerate() {
        let place = format!("{path}.volumes[{at}]");
        causes.extend(name(volume, &mut names, &place));
        let kinds = volume.as_object().into_iter().flatten().filter(|(key, _)| *key != "name");
        for (kind, _) in kinds.skip(1) {
            let why = "may not specify more than 1 volume type";
            causes.push(Cause::forbidden(format!("{place}.{kind}"), why));
        }
    }
    causes
}

/// A text outside a closed set.
pub(super) fn one_of(object: &Value, path: &str, key: &str, words: &[&str]) -> Option<Cause> {
    let stated = object.get(key)?;
    let known = stated.as_str().is_none_or(|text| words.contains(&text));
    (!known).then(|| Cause::not_supported(format!("{path}.{key}"), stated, words))
}

const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";

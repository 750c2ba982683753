//! Fields of features that are off: dropped, unless the object had them before.
//!
//! Follows: kube-apiserver 1.36 without any `--feature-gates`. Whoever wrote such a field owns it all the same.

use serde_json::Value;

use crate::fields;

/// Drops what an object may not have; `old` is what it was before.
pub(crate) fn drop_disabled(resource: &str, old: Option<&Value>, object: &mut Value) {
    if resource == "persistentvolumeclaims" {
        foreign_source(old, object);
        return;
    }
    let Some(path) = pod_spec(resource) else { return };
    let old = old.and_then(|old| fields::get(old, path));
    let Some(spec) = path.iter().try_fold(object, |at, step| at.get_mut(*step)) else { return };
    let had = |what: &dyn Fn(&Value) -> bool| old.is_some_and(what);
    if has_signal(spec) && !had(&has_signal) {
        containers_mut(spec).for_each(drop_signal);
    }
    if has_bundle(spec) && !had(&has_bundle) {
        for source in sources_mut(spec) {
            fields::remove(source, "clusterTrustBundle");
        }
    }
}

/// Where a kind has the spec of pods.
fn pod_spec(resource: &str) -> Option<&'static [&'static str]> {
    Some(match resource {
        "pods" => &["spec"],
        "podtemplates" => &["template", "spec"],
        "cronjobs.batch" => &["spec", "jobTemplate", "spec", "template", "spec"],
        "deployments.apps"
        | "replicasets.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch"
        | "replicationcontrollers" => &["spec", "template", "spec"],
        _ => return None,
    })
}

/// A source in another namespace goes, and with it the whole reference.
fn foreign_source(old: Option<&Value>, claim: &mut Value) {
    let reference = |claim: &Value| claim["spec"].get("dataSourceRef").is_some_and(Value::is_object);
    let is_foreign = !fields::text(claim, &["spec", "dataSourceRef", "namespace"]).is_empty();
    if is_foreign && !old.is_some_and(reference) {
        fields::remove(&mut claim["spec"], "dataSourceRef");
    }
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    CONTAINERS.iter().filter_map(|list| spec[*list].as_array()).flatten()
}

fn containers_mut(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = spec.as_object_mut().into_iter().flat_map(|spec| spec.iter_mut());
    let lists = lists.filter(|(name, _)| CONTAINERS.contains(&name.as_str()));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten()
}

fn has_signal(spec: &Value) -> bool {
    containers(spec).any(|container| !container["lifecycle"]["stopSignal"].is_null())
}

fn drop_signal(container: &mut Value) {
    let Some(lifecycle) = container.get_mut("lifecycle") else { return };
    fields::remove(lifecycle, "stopSignal");
    if lifecycle.as_object().is_some_and(serde_json::Map::is_empty) {
        fields::remove(container, "lifecycle");
    }
}

fn has_bundle(spec: &Value) -> bool {
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let mut sources = volumes.filter_map(|volume| volume["projected"]["sources"].as_array()).flatten();
    sources.any(|source| source["clusterTrustBundle"].is_object())
}

fn sources_mut(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let volumes = spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten();
    let projected =
        volumes.filter_map(|volume| volume.get_mut("projected")?.get_mut("sources")?.as_array_mut());
    projected.flatten()
}

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_features_that_are_off_go_unless_they_were_there() {
        let pod = |lifecycle: Value| json!({"spec": {"containers": [{"name": "a", "lifecycle": lifecycle}]}});
        let signal = pod(json!({"stopSignal": "SIGTERM"}));
        let mut dropped = signal.clone();
        drop_disabled("pods", None, &mut dropped);
        assert_eq!(dropped, json!({"spec": {"containers": [{"name": "a"}]}}));
        let mut kept = signal.clone();
        drop_disabled("pods", Some(&signal), &mut kept);
        assert_eq!(kept, signal);
        let hook = pod(json!({"preStop": {"sleep": {"seconds": 1}}}));
        let mut both = hook.clone();
        both["spec"]["containers"][0]["lifecycle"]["stopSignal"] = "SIGTERM".into();
        drop_disabled("pods", None, &mut both);
        assert_eq!(both, hook);
        let mut job = json!({"spec": {"template": {"spec": {"volumes": [
            {"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}, {"secret": {"name": "s"}}]}},
        ]}}}});
        drop_disabled("jobs.batch", None, &mut job);
        let sources = &job["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"];
        assert_eq!(*sources, json!([{}, {"secret": {"name": "s"}}]));
        let mut claim = json!({"spec": {"dataSourceRef": {"kind": "K", "name": "n", "namespace": "other"}}});
        drop_disabled("persistentvolumeclaims", None, &mut claim);
        assert_eq!(claim, json!({"spec": {}}));
    }
}

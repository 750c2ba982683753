//! Selectors over objects, and the drift rules that use them.
//!
//! Follows: selectors of kustomize (expressions anchored at both ends) and label selectors of Kubernetes.

use std::sync::Arc;

use sealfast_cluster::drift::Ignored;
use sealfast_k8s::flux::kustomization::{IgnoreRule, Selector};
use sealfast_k8s::object;
use sealfast_kustomize::select::Labels;
use sealfast_re2::Regex;
use serde_json::Value;

/// How every complaint about a selector begins.
const NO_SELECTOR: &str = "failed to create ignore rule selector";

/// The drift rules as one function from an object to its ignored paths; none without rules.
///
/// # Errors
/// A selector that is none.
pub fn ignored(rules: &[IgnoreRule]) -> Result<Option<Arc<Ignored>>, String> {
    if rules.is_empty() {
        return Ok(None);
    }
    let mut compiled = Vec::new();
    for rule in rules {
        let target = rule.target.as_ref().map(Target::compile).transpose()?;
        compiled.push((target, rule.paths.clone()));
    }
    Ok(Some(Arc::new(move |object: &Value| {
        let fits = |target: &Option<Target>| target.as_ref().is_none_or(|t| t.fits(object));
        compiled.iter().filter(|(t, _)| fits(t)).flat_map(|(_, paths)| paths.clone()).collect()
    })))
}

/// A selector, compiled; an empty expression fits all.
struct Target {
    expressions: [(Part, Option<Regex>); 5],
    labels: Labels,
    annotations: Labels,
}

#[derive(Clone, Copy)]
enum Part {
    Group,
    Version,
    Kind,
    Name,
    Namespace,
}

impl Target {
    fn compile(selector: &Selector) -> Result<Target, String> {
        let expression = |what: &str, text: &str| match text {
            "" => Ok(None),
            text => sealfast_re2::compile(&format!("^(?:{text})$"))
                .map(Some)
                .map_err(|why| format!("{NO_SELECTOR}: invalid {what} regex: error parsing regexp: {why}")),
        };
        Ok(Target {
            expressions: [
                (Part::Group, expression("group", &selector.group)?),
                (Part::Version, expression("version", &selector.version)?),
                (Part::Kind, expression("kind", &selector.kind)?),
                (Part::Name, expression("name", &selector.name)?),
                (Part::Namespace, expression("namespace", &selector.namespace)?),
            ],
            labels: labels("label", &selector.label_selector)?,
            annotations: labels("annotation", &selector.annotation_selector)?,
        })
    }

    fn fits(&self, object: &Value) -> bool {
        let id = object::id(object);
        let text = |part: Part| match part {
            Part::Group => &id.gvk.group,
            Part::Version => &id.gvk.version,
            Part::Kind => &id.gvk.kind,
            Part::Name => &id.name,
            Part::Namespace => &id.namespace,
        };
        self.expressions.iter().all(|(part, e)| e.as_ref().is_none_or(|e| e.is_match(text(*part))))
            && self.labels.hold(object["metadata"].get("labels"))
            && self.annotations.hold(object["metadata"].get("annotations"))
    }
}

fn labels(what: &str, text: &str) -> Result<Labels, String> {
    Labels::parse(text).map_err(|error| format!("{NO_SELECTOR}: invalid {what} selector: {}", error.chain()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_pick_objects() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "web-1", "namespace": "apps", "labels": {"tier": "front", "app": "web"}}});
        let fits = |name: &str, labels: &str| {
            let target = Selector {
                kind: "Deployment".into(),
                name: name.into(),
                label_selector: labels.into(),
                ..Selector::default()
            };
            let rule = IgnoreRule { paths: vec!["/spec/replicas".into()], target: Some(target) };
            ignored(&[rule]).map(|found| found.is_some_and(|paths| !paths(&object).is_empty()))
        };
        for labels in
            ["", "app=web", "app == web", "tier in (front, back)", "tier notin (x),app", "!other", "app!=x"]
        {
            assert_eq!(fits("web-.*", labels), Ok(true), "{labels}");
        }
        for labels in ["app=x", "tier in (back)", "tier notin (front)", "other", "!app", "app!=web"] {
            assert_eq!(fits("web-.*", labels), Ok(false), "{labels}");
        }
        assert_eq!(fits("web", ""), Ok(false));
        assert!(
            fits("(", "").is_err() && fits("", "app in (a").is_err() && fits("", "app within (a)").is_err()
        );
    }
}

//! What is asked before objects are kept: webhooks, policies and their bindings.
//!
//! They are checked as the reference checks them, and nobody asks them here: whoever makes one is told so.

use serde_json::{Value, json};

use super::at::At;
use super::{selector, webhook};
use crate::causes::Causes;
use crate::grammar::{LABEL_1035, is_label_1035, qualified, segment, subdomain};
use crate::kinds::Resource;
use crate::validate::policy::{Gives, Scope};

/// An object of the group.
pub(super) fn check(resource: &Resource, object: &Value, old: Option<&Value>, out: &mut Causes) {
    match resource.plural.as_str() {
        "validatingwebhookconfigurations" | "mutatingwebhookconfigurations" => webhooks(object, old, out),
        "validatingadmissionpolicies" => validating_policy(object, old, out),
        "mutatingadmissionpolicies" => mutating_policy(object, old, out),
        "validatingadmissionpolicybindings" => validating_binding(object, out),
        "mutatingadmissionpolicybindings" => mutating_binding(object, out),
        _ => {}
    }
}

/// A ValidatingWebhookConfiguration or its mutating twin.
fn webhooks(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let hooks = |object: &Value| object["webhooks"].as_array().cloned().unwrap_or_default();
    let before = old.map(hooks);
    let all_before = |is_right: &dyn Fn(&Value) -> bool| before.iter().flatten().all(is_right);
    let known = |hook: &Value| ["v1", "v1beta1"].iter().any(|version| listed(hook, version));
    let rules = Strictness {
        side_effects: all_before(&|hook| {
            NO_SIDE_EFFECTS.contains(&hook["sideEffects"].as_str().unwrap_or_default())
        }),
        versions: all_before(&known),
        conditions: before.as_ref().is_none_or(|before| {
            let conditions = |hooks: &[Value]| {
                hooks.iter().map(|hook| hook["matchConditions"].clone()).collect::<Vec<_>>()
            };
            conditions(before) != conditions(&hooks(object))
        }),
    };
    let mut names = Vec::new();
    for hook in root.get("webhooks").items() {
        one_webhook(hook, rules, out);
        let name = hook.text_of("name");
        if !name.is_empty() && names.contains(&name) {
            out.push(hook.get("name").duplicate());
        }
        names.push(name);
    }
}

/// What a change must not make worse: an older object may be as it is.
#[derive(Clone, Copy)]
struct Strictness {
    side_effects: bool,
    versions: bool,
    conditions: bool,
}

fn listed(hook: &Value, version: &str) -> bool {
    hook["admissionReviewVersions"].as_array().into_iter().flatten().any(|one| one == version)
}

fn one_webhook(hook: At<'_>, rules: Strictness, out: &mut Causes) {
    full_name(hook.get("name"), out);
    hook.get("rules").items().for_each(|rule| with_operations(rule, out));
    out.extend(hook.get("failurePolicy").one_of(&FAILURE_POLICIES));
    out.extend(hook.get("matchPolicy").one_of(&MATCH_POLICIES));
    let effects = hook.get("sideEffects");
    let allowed: &[&str] = if rules.side_effects { &NO_SIDE_EFFECTS } else { &SIDE_EFFECTS };
    if !effects.is_set() {
        out.push(effects.required(&format!("must specify one of {}", allowed.join(", "))));
    }
    out.extend(effects.one_of(allowed));
    let timeout = hook.get("timeoutSeconds");
    if timeout.number().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        out.push(timeout.invalid("the timeout value must be between 1 and 30 seconds"));
    }
    selector::selector(hook.get("namespaceSelector"), out);
    selector::selector(hook.get("objectSelector"), out);
    out.extend(hook.get("reinvocationPolicy").one_of(&REINVOCATION));
    webhook::client(hook.get("clientConfig"), out);
    if rules.conditions {
        conditions(hook.get("matchConditions"), &mut Scope::plain(), out);
    }
    let versions = hook.get("admissionReviewVersions");
    if rules.versions || versions.is_empty() {
        webhook::versions(versions, "must specify one of v1, v1beta1", out);
    }
}

/// A name of at least three parts.
fn full_name(at: At<'_>, out: &mut Causes) {
    let name = at.text();
    let whys = subdomain(name);
    if name.is_empty() {
        out.push(at.required(""));
    } else if !whys.is_empty() {
        out.push(at.invalid(&whys.join(",")));
    } else if name.split('.').count() < 3 {
        out.push(at.invalid("should be a domain with at least three segments separated by dots"));
    }
}

/// A ValidatingAdmissionPolicy.
fn validating_policy(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let mut scope = head_of_policy(spec, old, out);
    let (validations, annotations) = (spec.get("validations"), spec.get("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        for place in [validations, annotations] {
            out.push(place.required("validations or auditAnnotations must contain at least one item"));
        }
        return;
    }
    for validation in validations.items() {
        one_validation(validation, &mut scope, out);
    }
    if annotations.items().count() > MOST_ANNOTATIONS {
        out.push(
            annotations.invalid(&format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations")),
        );
    }
    let mut keys = Vec::new();
    for annotation in annotations.items() {
        let key = annotation.get("key");
        let whole = format!("{}/{}", crate::fields::name(object), annotation.text_of("key"));
        out.extend(qualified(&whole).iter().map(|why| key.wrong(whole.as_str(), why)));
        let expression = annotation.get("valueExpression");
        if expression.text().trim().is_empty() {
            out.push(expression.required("valueExpression is not specified"));
        } else if expression.text().trim().len() > MOST_ANNOTATION_BYTES {
            out.push(
                expression.required(&format!("must not exceed {MOST_ANNOTATION_BYTES} bytes in length")),
            );
        } else {
            expressed(expression, &mut scope, Gives::TextOrNothing, out);
        }
        if keys.contains(&annotation.text_of("key")) {
            out.push(key.duplicate());
        }
        keys.push(annotation.text_of("key"));
    }
}

/// A MutatingAdmissionPolicy.
fn mutating_policy(object: &Value, old: Option<&Value>, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    let mut scope = head_of_policy(spec, old, out);
    mutable(spec.get("matchConstraints"), out);
    let mutations = spec.get("mutations");
    if mutations.is_empty() {
        out.push(mutations.required("mutations must contain at least one item"));
    }
    for mutation in mutations.items() {
        one_mutation(mutation, &mut scope, out);
    }
    out.extend(spec.get("reinvocationPolicy").must_be(&REINVOCATION));
}

/// What both policies begin with; the variables that their expressions know.
fn head_of_policy(spec: At<'_>, old: Option<&Value>, out: &mut Causes) -> Scope {
    out.extend(spec.get("failurePolicy").must_be(&FAILURE_POLICIES));
    let (kind, constraints) = (spec.get("paramKind"), spec.get("matchConstraints"));
    if kind.is_set() {
        param_kind(kind, out);
    }
    if constraints.is_set() {
        match_resources(constraints, out);
        out.extend(constraints.get("resourceRules").needed());
    } else {
        out.push(constraints.required(""));
    }
    let mut scope = Scope::of_policy(kind.is_set());
    let same = |key: &str| old.is_some_and(|old| old["spec"].get(key) == spec.value.get(key));
    if !(same("paramKind") && same("matchConditions")) {
        conditions(spec.get("matchConditions"), &mut Scope::plain().with_params(kind.is_set()), out);
    }
    for variable in spec.get("variables").items() {
        let (name, expression) = (variable.get("name"), variable.get("expression"));
        if name.text().trim().is_empty() {
            out.push(name.required("name is not specified"));
        } else if !is_identifier(name.text()) {
            out.push(name.invalid("must be a valid CEL identifier"));
        }
        if expression.text().trim().is_empty() {
            out.push(expression.required("expression is not specified"));
        } else if let Err(why) = scope.add(variable.text_of("name"), expression.text()) {
            out.push(expression.invalid(&why));
        }
    }
    scope
}

fn one_validation(at: At<'_>, scope: &mut Scope, out: &mut Causes) {
    let (expression, message, words) = (at.get("expression"), at.get("message"), at.get("messageExpression"));
    if expression.text().trim().is_empty() {
        out.push(expression.required("expression is not specified"));
    } else {
        expressed(expression, scope, Gives::Truth, out);
    }
    let is_blank = |at: At<'_>| !at.is_empty() && at.text().trim().is_empty();
    if is_blank(words) {
        out.push(words.invalid("must be non-empty if specified"));
    } else if !words.is_empty() {
        expressed(words, scope, Gives::Text, out);
    }
    if is_blank(message) {
        out.push(message.invalid("must be non-empty if specified"));
    } else if message.text().trim().contains(['\n', '\r']) {
        out.push(message.invalid("must not contain line breaks"));
    }
    out.extend(at.get("reason").one_of(&REASONS));
}

fn one_mutation(at: At<'_>, scope: &mut Scope, out: &mut Causes) {
    const FORMS: [(&str, &str); 2] =
        [("JSONPatch", "jsonPatch"), ("ApplyConfiguration", "applyConfiguration")];
    let kind = at.get("patchType");
    out.extend(kind.must_be(&["ApplyConfiguration", "JSONPatch"]));
    let Some((form, own)) = FORMS.into_iter().find(|(form, _)| *form == kind.text()) else { return };
    let place = at.get(own);
    if place.is_set() {
        let expression = place.get("expression");
        match expression.text().trim().is_empty() {
            true => out.push(expression.required("")),
            false => expressed(expression, scope, Gives::Patch, out),
        }
    } else {
        out.push(place.required(&format!("must be specified when patchType is {form}")));
    }
    for (_, other) in FORMS.into_iter().filter(|(other, _)| *other != form) {
        let other_place = at.get(other);
        if other_place.is_set() {
            let why = format!("must not be specified when patchType is {form}");
            out.push(other_place.wrong(format!("{{{other}}}"), &why));
        }
    }
}

/// An expression that must give something.
fn expressed(at: At<'_>, scope: &mut Scope, gives: Gives, out: &mut Causes) {
    if let Some(why) = scope.fault(at.text(), gives) {
        out.push(at.invalid(&why));
    }
}

/// A ValidatingAdmissionPolicyBinding.
fn validating_binding(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    binding(spec, out);
    let actions = spec.get("validationActions");
    let mut seen = Vec::new();
    for action in actions.items() {
        out.extend(action.one_of(&["Audit", "Deny", "Warn"]));
        if seen.contains(&action.text()) {
            out.push(action.duplicate());
        }
        seen.push(action.text());
    }
    if seen.contains(&"Deny") && seen.contains(&"Warn") {
        out.push(actions.with_value(&json!(seen)).invalid("must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"));
    }
    if seen.is_empty() {
        out.push(actions.required("at least one validation action is required"));
    }
}

/// A MutatingAdmissionPolicyBinding.
fn mutating_binding(object: &Value, out: &mut Causes) {
    let root = At::root(object, "");
    let spec = root.get("spec");
    binding(spec, out);
    mutable(spec.get("matchResources"), out);
}

fn binding(spec: At<'_>, out: &mut Causes) {
    let policy = spec.get("policyName");
    out.extend(policy.needed());
    selector::name_in(policy, out);
    let params = spec.get("paramRef");
    if params.is_set() {
        param_reference(params, out);
    }
    let resources = spec.get("matchResources");
    if resources.is_set() {
        match_resources(resources, out);
    }
}

fn param_reference(at: At<'_>, out: &mut Causes) {
    let (name, chosen) = (at.get("name"), at.get("selector"));
    let both = "name and selector are mutually exclusive";
    out.extend(name.each(segment(name.text())));
    if !name.is_empty() && chosen.is_set() {
        out.push(name.forbidden(both));
    }
    selector::selector(chosen, out);
    if !name.is_empty() && chosen.is_set() {
        out.push(chosen.forbidden(both));
    }
    if name.is_empty() && !chosen.is_set() {
        out.push(at.required("one of name or selector must be specified"));
    }
    out.extend(at.get("parameterNotFoundAction").must_be(&["Deny", "Allow"]));
}

fn param_kind(at: At<'_>, out: &mut Causes) {
    let (api, kind) = (at.get("apiVersion"), at.get("kind"));
    let (group, version) = api.text().split_once('/').unwrap_or(("", api.text()));
    if api.is_empty() {
        out.push(api.required(""));
    } else if version.contains('/') {
        out.push(api.invalid(&format!("unexpected GroupVersion string: {}", api.text())));
    } else {
        let whys = if group.is_empty() { Vec::new() } else { subdomain(group) };
        if !whys.is_empty() {
            out.push(api.wrong(group, &whys.join(",")));
        }
        if version.is_empty() {
            out.push(api.invalid("version must be specified"));
        } else if !is_label_1035(version) {
            out.push(api.wrong(version, LABEL_1035));
        }
    }
    if kind.is_empty() {
        out.push(kind.required(""));
    } else if !is_label_1035(&kind.text().to_lowercase()) {
        out.push(kind.invalid(&format!("may have mixed case, but should otherwise match: {LABEL_1035}")));
    }
}

fn match_resources(at: At<'_>, out: &mut Causes) {
    out.extend(at.get("matchPolicy").one_of(&MATCH_POLICIES));
    for chosen in [at.get("namespaceSelector"), at.get("objectSelector")] {
        match chosen.is_set() {
            true => selector::selector(chosen, out),
            false => out.push(chosen.required("")),
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in at.get(list).items() {
            let mut seen = Vec::new();
            for name in rule.get("resourceNames").items() {
                out.extend(name.each(segment(name.text())));
                if seen.contains(&name.text()) {
                    out.push(name.duplicate());
                }
                seen.push(name.text());
            }
            with_operations(rule, out);
        }
    }
}

/// What is deleted cannot be changed.
fn mutable(at: At<'_>, out: &mut Causes) {
    const KNOWN: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
    // The reference names the list and not the rule in it.
    let rules = at.get("resourceRules");
    for rule in rules.items() {
        let operations = rule.get("operations");
        let unknown = operations.items().filter(|operation| !KNOWN.contains(&operation.text()));
        for operation in unknown {
            out.push(rules.get("operations").with_value(operation.value).not_supported(&KNOWN));
        }
    }
}

/// Operations on resources.
fn with_operations(at: At<'_>, out: &mut Causes) {
    let operations = at.get("operations");
    listed_or_all(operations, "operations", out);
    for operation in operations.items() {
        out.extend(
            operation
                .one_of(&OPERATIONS)
                .or_else(|| operation.is_empty().then(|| operation.not_supported(&OPERATIONS))),
        );
    }
    listed_or_all(at.get("apiGroups"), "API groups", out);
    let versions = at.get("apiVersions");
    listed_or_all(versions, "API versions", out);
    for version in versions.items() {
        out.extend(version.needed());
    }
    resources(at.get("resources"), out);
    out.extend(at.get("scope").one_of(&["*", "Cluster", "Namespaced"]));
}

/// A list that holds something, and nothing beside `*`.
fn listed_or_all(at: At<'_>, what: &str, out: &mut Causes) {
    out.extend(at.needed());
    super::selector::alone(at, what, out);
}

/// Resources and subresources: `pods`, `pods/*`, `*/scale`.
fn resources(at: At<'_>, out: &mut Causes) {
    out.extend(at.needed());
    let (mut every_part, mut every_resource, mut plain) = (Vec::new(), Vec::new(), false);
    for item in at.items() {
        let text = item.text();
        if text.is_empty() {
            out.push(item.required(""));
            continue;
        }
        let Some((resource, part)) = text.split_once('/') else {
            plain = text != "*";
            continue;
        };
        if every_part.contains(&resource) {
            out.push(item.invalid(&format!("if '{resource}/*' is present, must not specify {text}")));
        }
        if every_resource.contains(&part) {
            out.push(item.invalid(&format!("if '*/{part}' is present, must not specify {text}")));
        }
        if part == "*" {
            every_part.push(resource);
        }
        if resource == "*" {
            every_resource.push(part);
        }
    }
    let has = |wanted: &str| at.items().any(|item| item.text() == wanted);
    if at.items().count() > 1 && has("*/*") {
        out.push(at.invalid("if '*/*' is present, must not specify other resources"));
    }
    if has("*") && plain {
        out.push(at.invalid("if '*' is present, must not specify other resources without subresources"));
    }
}

/// What a request must fulfil to be looked at.
fn conditions(at: At<'_>, scope: &mut Scope, out: &mut Causes) {
    let count = at.items().count();
    if count > MOST_CONDITIONS {
        out.push(crate::causes::Cause::too_many(at.path(), count, MOST_CONDITIONS));
    }
    let mut names = Vec::new();
    for condition in at.items() {
        let (name, expression) = (condition.get("name"), condition.get("expression"));
        let trimmed = json!(expression.text().trim());
        match expression.text().trim().is_empty() {
            true => out.push(expression.required("")),
            false => expressed(expression.with_value(&trimmed), scope, Gives::Truth, out),
        }
        match name.needed() {
            Some(cause) => out.push(cause),
            None => out.extend(name.each(qualified(name.text()))),
        }
        if !name.is_empty() && names.contains(&condition.text_of("name")) {
            out.push(name.duplicate());
        }
        names.push(condition.text_of("name"));
    }
}

fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(letter)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !crate::validate::names::KEYWORDS.contains(&name)
}

/// Says that nobody will ask what was just made.
pub(super) fn warning(resource: &Resource) -> Option<String> {
    (resource.group == GROUP).then(|| {
        format!(
            "{} objects are kept by this server and never asked: they guard and change nothing",
            resource.kind
        )
    })
}

const GROUP: &str = "admissionregistration.k8s.io";
const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const SIDE_EFFECTS: [&str; 4] = ["None", "NoneOnDryRun", "Some", "Unknown"];
const NO_SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const REINVOCATION: [&str; 2] = ["IfNeeded", "Never"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const MOST_ANNOTATIONS: usize = 20;
const MOST_ANNOTATION_BYTES: usize = 5 * 1024;
const MOST_CONDITIONS: usize = 64;

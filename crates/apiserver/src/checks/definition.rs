//! Custom resource definitions: names, versions, and structural schemas.

use serde_json::{Value, json};

use crate::fields::{self, get, text};
use crate::status_error::Cause;
use crate::validate::types::{self, Wanted};

/// What is wrong with a definition.
pub(super) fn check(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    let (plural, group) = (text(spec, &["names", "plural"]), text(spec, &["group"]));
    names(definition, plural, group, &mut causes);
    if !["Cluster", "Namespaced"].contains(&text(spec, &["scope"])) {
        causes.push(Cause::not_supported(
            "spec.scope",
            &json!(text(spec, &["scope"])),
            &["Cluster", "Namespaced"],
        ));
    }
    if spec["preserveUnknownFields"] == true {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &json!(true), why));
    }
    let versions = super::list(spec, "versions");
    if versions.is_empty() {
        causes.push(Cause::required("spec.versions", ""));
    }
    for (at, version) in versions.iter().enumerate() {
        causes.extend(self::version(version, &versions[..at], at));
    }
    if spec["conversion"]["strategy"] == "Webhook" && spec["conversion"].get("webhook").is_none() {
        let why = "required when strategy is set to Webhook";
        causes.push(Cause::required("spec.conversion.webhookClientConfig", why));
    }
    schemas(versions, &mut causes);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
        causes.push(Cause::invalid(
            "status.storedVersions",
            &Value::Null,
            "must have at least one stored version",
        ));
    }
    causes
}

fn names(definition: &Value, plural: &str, group: &str, causes: &mut Vec<Cause>) {
    let name = fields::name(definition);
    if name != format!("{plural}.{group}") {
        causes.push(Cause::invalid(
            "metadata.name",
            &json!(name),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    for (key, value) in [("plural", plural), ("singular", text(definition, &["spec", "names", "singular"]))] {
        if value.is_empty() && key == "plural" {
            causes.push(Cause::required("spec.names.plural", ""));
        } else if !value.is_empty() && !is_dns_1035(value) {
            causes.push(Cause::invalid(format!("spec.names.{key}"), &json!(value), DNS_1035));
        }
    }
    if text(definition, &["spec", "names", "kind"]).is_empty() {
        causes.push(Cause::required("spec.names.kind", ""));
    }
    let protected = group == "k8s.io"
        || group == "kubernetes.io"
        || group.ends_with(".k8s.io")
        || group.ends_with(".kubernetes.io");
    let approved = get(definition, &["metadata", "annotations", "api-approved.kubernetes.io"]);
    if protected && approved.and_then(Value::as_str).unwrap_or_default().is_empty() {
        let why = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
        causes.push(Cause::required("metadata.annotations[api-approved.kubernetes.io]", why));
    }
}

/// Name, columns and scale of one version.
fn version(version: &Value, before: &[Value], at: usize) -> Vec<Cause> {
    let mut causes = Vec::new();
    let place = format!("spec.versions[{at}]");
    let name = text(version, &["name"]);
    if !is_dns_1035(name) {
        causes.push(Cause::invalid(format!("{place}.name"), &json!(name), DNS_1035));
    }
    if before.iter().any(|other| other["name"] == name) {
        causes.push(Cause::invalid("spec.versions", &json!(name), "must contain unique version names"));
    }
    let kinds = ["boolean", "date", "integer", "number", "string"];
    for (number, column) in super::list(version, "additionalPrinterColumns").iter().enumerate() {
        let place = format!("{place}.additionalPrinterColumns[{number}]");
        for key in ["name", "type", "jsonPath"] {
            if text(column, &[key]).is_empty() {
                causes.push(Cause::required(format!("{place}.{key}"), ""));
            }
        }
        let kind = text(column, &["type"]);
        if !kind.is_empty() && !kinds.contains(&kind) {
            let why = format!("must be one of {}", kinds.join(","));
            causes.push(Cause::invalid(format!("{place}.type"), &json!(kind), &why));
        }
    }
    let Some(scale) = get(version, &["subresources", "scale"]) else { return causes };
    for (key, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let path = text(scale, &[key]);
        let field = format!("{place}.subresources.scale.{key}");
        if path.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !path.starts_with(&format!("{root}.")) {
            causes.push(Cause::invalid(field, &json!(path), &format!("should be a json path under {root}")));
        }
    }
    causes
}

fn schemas(versions: &[Value], causes: &mut Vec<Cause>) {
    let of = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    let same = versions.iter().all(|version| of(version) == of(&versions[0]));
    for (at, version) in versions.iter().enumerate() {
        let schema = of(version);
        if !schema.is_object() {
            causes.push(Cause::required(format!("spec.versions[{at}].schema.openAPIV3Schema"), ""));
            continue;
        }
        if same && at > 0 {
            continue;
        }
        let path = if same {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{at}].schema.openAPIV3Schema")
        };
        let kind = text(&schema, &["type"]);
        if kind.is_empty() {
            causes.push(Cause::required(format!("{path}.type"), "must not be empty at the root"));
        } else if kind != "object" {
            causes.push(Cause::invalid(format!("{path}.type"), &json!(kind), "must be object at the root"));
        }
        structural(&schema, &path, Place::Root, causes);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Field,
    Item,
}

fn structural(schema: &Value, path: &str, place: Place, causes: &mut Vec<Cause>) {
    let free = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    let kind = text(schema, &["type"]);
    if kind.is_empty() && !free && place != Place::Root {
        let what = if place == Place::Item { "array items" } else { "object fields" };
        causes.push(Cause::required(
            format!("{path}.type"),
            &format!("must not be empty for specified {what}"),
        ));
    }
    if kind == "array" && schema.get("items").is_none_or(Value::is_null) {
        causes.push(Cause::required(format!("{path}.items"), "must be specified"));
    }
    causes.extend(forbidden(schema, path));
    causes.extend(list_keys(schema, path));
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    if schema["x-kubernetes-list-type"] == "map" && keys.is_none_or(Vec::is_empty) {
        let why = "must not be empty if x-kubernetes-list-type is map";
        causes.push(Cause::required(format!("{path}.x-kubernetes-list-map-keys"), why));
    }
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let field = format!("{path}.default");
        for problem in crate::validate::validate(schema, default, None) {
            // The place of a problem inside the default follows the place of the default.
            let inner = if problem.field == "<nil>" { String::new() } else { format!(".{}", problem.field) };
            causes.push(Cause {
                reason: problem.reason(),
                message: problem.message(),
                field: format!("{field}{inner}"),
            });
        }
    }
    rules(schema, path, place, causes);
    for (name, known) in schema["properties"].as_object().into_iter().flatten() {
        structural(known, &format!("{path}.properties[{name}]"), Place::Field, causes);
    }
    if let Some(known) = schema.get("additionalProperties").filter(|known| known.is_object()) {
        structural(known, &format!("{path}.additionalProperties"), Place::Field, causes);
    }
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        structural(items, &format!("{path}.items"), Place::Item, causes);
    }
}

/// Words that a structural schema may not hold, or not together.
fn forbidden(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(schema, &["type"]);
    let mut forbid = |key: &str, why: &str| causes.push(Cause::forbidden(format!("{path}.{key}"), why));
    if schema["x-kubernetes-int-or-string"] == true && !kind.is_empty() {
        forbid("type", "must be empty if x-kubernetes-int-or-string is true");
    }
    let closed = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
    let open = schema.get("additionalProperties").is_some_and(|values| values.is_object() || *values == true);
    if closed && open {
        forbid("additionalProperties", "additionalProperties and properties are mutual exclusive");
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        forbid("additionalProperties", "additionalProperties cannot be set to false");
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        forbid("uniqueItems", why);
    }
    for key in
        ["$ref", "definitions", "dependencies", "deprecated", "id", "patternProperties", "readOnly", "xml"]
    {
        if schema.get(key).is_some_and(|value| !value.is_null() && *value != false && *value != "") {
            forbid(key, &format!("{key} is not supported"));
        }
    }
    let kinds = ["array", "boolean", "integer", "number", "object", "string"];
    if !kind.is_empty() && !kinds.contains(&kind) {
        causes.push(Cause::not_supported(format!("{path}.type"), &json!(kind), &kinds));
    }
    let pattern = text(schema, &["pattern"]);
    if matches!(regex::Regex::new(pattern), Err(regex::Error::Syntax(_))) {
        let why = "must be a valid regular expression, but it cannot be parsed";
        causes.push(Cause::invalid(format!("{path}.pattern"), &json!(pattern), why));
    }
    causes
}

/// The keys of a list of type `map` are fields of its items, and always there.
fn list_keys(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(schema, &["x-kubernetes-list-type"]);
    if !["", "atomic", "map", "set"].contains(&kind) {
        let field = format!("{path}.x-kubernetes-list-type");
        causes.push(Cause::not_supported(field, &json!(kind), &["atomic", "map", "set"]));
    }
    if !kind.is_empty() && schema["type"] != "array" {
        let why = "must be array if x-kubernetes-list-type is specified";
        causes.push(Cause::invalid(format!("{path}.type"), &schema["type"], why));
    }
    let items = &schema["items"];
    for (at, key) in super::list(schema, "x-kubernetes-list-map-keys").iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        let Some(field) = items["properties"].get(name) else {
            let place = format!("{path}.x-kubernetes-list-map-keys[{at}]");
            causes.push(Cause::invalid(place, key, "entries must all be names of item properties"));
            continue;
        };
        let required = super::list(items, "required").contains(key);
        if !required && field.get("default").is_none() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(Cause::required(format!("{path}.items.properties[{name}].default"), why));
        }
    }
    causes
}

/// What is wrong with the rules of one schema.
fn rules(schema: &Value, path: &str, place: Place, causes: &mut Vec<Cause>) {
    for (at, rule) in super::list(schema, "x-kubernetes-validations").iter().enumerate() {
        let path = format!("{path}.x-kubernetes-validations[{at}]");
        causes.extend(rule_words(rule, &path));
        let below = text(rule, &["fieldPath"]);
        if !below.is_empty() && !leads_somewhere(schema, below) {
            let why = "fieldPath must be a valid path: does not refer to a valid field";
            causes.push(Cause::invalid(format!("{path}.fieldPath"), &json!(below), why));
        }
        let place =
            types::Place { root: place == Place::Root, optional_old: rule["optionalOldSelf"] == true };
        for (key, wanted) in [("rule", Wanted::Truth), ("messageExpression", Wanted::Text)] {
            let stated = text(rule, &[key]);
            if stated.trim().is_empty() {
                continue;
            }
            if let Some(why) = types::fault(stated, schema, place, wanted) {
                let why = if key == "rule" { why } else { format!("messageExpression {why}") };
                causes.push(Cause::invalid(format!("{path}.{key}"), rule, &why));
            }
        }
    }
}

/// The words of a rule, whatever they mean.
fn rule_words(rule: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let [stated, message, expression, reason] =
        ["rule", "message", "messageExpression", "reason"].map(|key| text(rule, &[key]));
    if stated.trim().is_empty() {
        causes.push(Cause::required(format!("{path}.rule"), "rule is not specified"));
    }
    if !message.is_empty() && message.trim().is_empty() {
        let why = "message must be non-empty if specified";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if message.trim().contains('\n') {
        let why = "message must not contain line breaks";
        causes.push(Cause::invalid(format!("{path}.message"), &json!(message), why));
    } else if stated.trim().contains('\n') && message.is_empty() {
        let why = "message must be specified if rule contains line breaks";
        causes.push(Cause::required(format!("{path}.message"), why));
    }
    if !expression.is_empty() && expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        causes.push(Cause::required(format!("{path}.messageExpression"), why));
    }
    if !reason.is_empty() && !REASONS.contains(&reason) {
        causes.push(Cause::not_supported(format!("{path}.reason"), &json!(reason), &REASONS));
    }
    causes
}

/// True when a path such as `.a['b-c'].d` names a field of a schema.
fn leads_somewhere(schema: &Value, path: &str) -> bool {
    let mut at = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, behind) = if let Some(quoted) = rest.strip_prefix("['") {
            let Some((name, behind)) = quoted.split_once("']") else { return false };
            (name, behind)
        } else if let Some(plain) = rest.strip_prefix('.') {
            plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
        } else {
            return false;
        };
        let known = at["properties"].get(name);
        let Some(below) =
            known.or_else(|| at.get("additionalProperties").filter(|values| values.is_object()))
        else {
            return false;
        };
        (at, rest) = (below, behind);
    }
    true
}

fn is_dns_1035(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && bytes.len() <= 63
}

/// What a broken rule may be reported as, sorted.
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

//! Custom resource definitions: names, versions, and structural schemas.

mod conversion;
mod defaults;
mod place;
mod rules;
mod schema;
mod structural;

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::causes::{Cause, Causes};
use crate::fields::{self, text};
use crate::grammar::{LABEL_1035, is_label_1035};
use crate::path::Path;
use crate::validate::field_path;

/// Gathers what is wrong with a definition.
pub(super) fn check(definition: &Value, causes: &mut Causes) {
    let spec = &definition["spec"];
    let (plural, group) = (text(spec, &["names", "plural"]), text(spec, &["group"]));
    names(definition, plural, group, causes);
    check_group(definition, group, causes);
    match text(spec, &["scope"]) {
        "Cluster" | "Namespaced" => {}
        "" => causes.push(Cause::required("spec.scope", "")),
        other => {
            causes.push(Cause::not_supported("spec.scope", &json!(other), &["Cluster", "Namespaced"]));
        }
    }
    if spec["preserveUnknownFields"] == true {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &json!(true), why));
    }
    conversion::check(&spec["conversion"], causes);
    causes.extend(crate::crds::spec::check(spec));
    let versions = super::list(spec, "versions");
    for (at, version) in versions.iter().enumerate() {
        causes.extend(self::version(version, at));
    }
    let mut called = HashSet::new();
    if !versions.iter().all(|version| called.insert(version["name"].as_str())) {
        causes.push(Cause::invalid("spec.versions", &spec["versions"], "must contain unique version names"));
    }
    for_each(versions, "additionalPrinterColumns", "additionalPrinterColumns", |_, part, path| {
        columns(part, &path, causes);
    });
    for_each(versions, "subresources", "subresources", |_, part, path| {
        causes.extend(part.get("scale").map(|stated| scale(stated, &path)).unwrap_or_default());
    });
    for_each(versions, "selectableFields", "selectableFields", |version, part, path| {
        selectable(version, part, &path, causes);
    });
    schemas(versions, causes);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], why));
        causes.push(Cause::invalid(
            "status.storedVersions",
            &Value::Null,
            "must have at least one stored version",
        ));
    }
}

fn names(definition: &Value, plural: &str, group: &str, causes: &mut Causes) {
    let name = fields::name(definition);
    if name != format!("{plural}.{group}") {
        causes.push(Cause::invalid(
            "metadata.name",
            &json!(name),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    for (key, value) in [("plural", plural), ("singular", text(definition, &["spec", "names", "singular"]))] {
        if value.is_empty() {
            causes.push(Cause::required(format!("spec.names.{key}"), ""));
        } else if !value.is_empty() && !is_label_1035(value) {
            causes.push(Cause::invalid(format!("spec.names.{key}"), &json!(value), LABEL_1035));
        }
    }
    let [kind, list_kind] = ["kind", "listKind"].map(|key| text(definition, &["spec", "names", key]));
    for (key, value) in [("kind", kind), ("listKind", list_kind)] {
        if value.is_empty() {
            causes.push(Cause::required(format!("spec.names.{key}"), ""));
        }
        if !value.is_empty() && !is_label_1035(&value.to_lowercase()) {
            let why = format!("may have mixed case, but should otherwise match: {LABEL_1035}");
            causes.push(Cause::invalid(format!("spec.names.{key}"), &json!(value), &why));
        }
    }
    if !kind.is_empty() && kind == list_kind {
        let why = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &json!(list_kind), why));
    }
    for key in ["shortNames", "categories"] {
        for (at, name) in super::list(&definition["spec"]["names"], key).iter().enumerate() {
            if causes.is_full() {
                return;
            }
            if !is_label_1035(name.as_str().unwrap_or_default()) {
                causes.push(Cause::invalid(format!("spec.names.{key}[{at}]"), name, LABEL_1035));
            }
        }
    }
}

fn check_group(definition: &Value, group: &str, causes: &mut Causes) {
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if let Some(why) = crate::grammar::subdomain(group).first() {
        causes.push(Cause::invalid("spec.group", &json!(group), why));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &json!(group), "should be a domain with at least one dot"));
    }
    let protected = group == "k8s.io"
        || group == "kubernetes.io"
        || group.ends_with(".k8s.io")
        || group.ends_with(".kubernetes.io");
    if protected {
        causes
            .extend(unapproved(text(definition, &["metadata", "annotations", "api-approved.kubernetes.io"])));
    }
}

/// What is wrong with the approval of a group of Kubernetes itself: an address, or a reason why there is none.
fn unapproved(approval: &str) -> Option<Cause> {
    const FIELD: &str = "metadata.annotations[api-approved.kubernetes.io]";
    const NEEDED: &str = "protected groups must have approval annotation \"api-approved.kubernetes.io\"";
    const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
    let has_host = approval.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.starts_with('/') && !rest.is_empty() && !approval.contains(' ')
    });
    if approval.is_empty() {
        Some(Cause::required(FIELD, &format!("{NEEDED}, {SEE}")))
    } else if approval.starts_with("unapproved") || has_host {
        None
    } else {
        let why = format!("{NEEDED} with either a URL or a reason starting with \"unapproved\", {SEE}");
        Some(Cause::invalid(FIELD, &json!(approval), &why))
    }
}

/// The name of one version.
fn version(version: &Value, at: usize) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(version, &["name"]);
    if !is_label_1035(name) {
        causes.push(Cause::invalid(format!("spec.versions[{at}].name"), &json!(name), LABEL_1035));
        if at == 0 {
            causes.push(Cause::invalid("spec.version", &json!(name), LABEL_1035));
        }
    }
    causes
}

/// Calls a check for a part of every version, or once, with the path `hoisted`, when all versions have the same.
fn for_each(versions: &[Value], part: &str, hoisted: &str, mut check: impl FnMut(&Value, &Value, String)) {
    let Some(first) = versions.first() else { return };
    if versions.iter().all(|version| version[part] == first[part]) {
        return check(first, &first[part], format!("spec.{hoisted}"));
    }
    for (at, version) in versions.iter().enumerate() {
        check(version, &version[part], format!("spec.versions[{at}].{part}"));
    }
}

fn columns(columns: &Value, path: &str, causes: &mut Causes) {
    for (number, column) in columns.as_array().into_iter().flatten().enumerate() {
        if causes.is_full() {
            return;
        }
        let place = format!("{path}[{number}]");
        let [name, kind, format, json_path] =
            ["name", "type", "format", "jsonPath"].map(|key| text(column, &[key]));
        if name.is_empty() {
            causes.push(Cause::required(format!("{place}.name"), ""));
        }
        if kind.is_empty() {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::required(format!("{place}.type"), &why));
        } else if !COLUMN_TYPES.contains(&kind) {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            causes.push(Cause::invalid(format!("{place}.type"), &json!(kind), &why));
        }
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
            causes.push(Cause::invalid(format!("{place}.format"), &json!(format), &why));
        }
        if json_path.is_empty() {
            causes.push(Cause::required(format!("{place}.JSONPath"), ""));
        } else {
            causes.extend(simple_path(json_path, format!("{place}.JSONPath"), &[]));
        }
    }
}

fn scale(scale: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, roots) in [
        ("specReplicasPath", &["spec"][..]),
        ("statusReplicasPath", &["status"]),
        ("labelSelectorPath", &["spec", "status"]),
    ] {
        let field = format!("{path}.scale.{key}");
        match text(scale, &[key]) {
            "" if key == "labelSelectorPath" => {}
            "" => causes.push(Cause::required(field, "")),
            stated => causes.extend(simple_path(stated, field, roots)),
        }
    }
    causes
}

/// A path such as `.spec.replicas`, perhaps below one of some fields.
fn simple_path(path: &str, field: String, roots: &[&str]) -> Option<Cause> {
    if !path.starts_with('.') {
        return Some(Cause::invalid(field, &json!(path), "must be a simple json path starting with ."));
    }
    if roots.is_empty() || roots.iter().any(|root| path.starts_with(&format!(".{root}."))) {
        return None;
    }
    let why = match roots {
        [root] => format!("should be a json path under .{root}"),
        [root, other, ..] => format!("should be a json path under either .{root} or .{other}"),
        [] => String::new(),
    };
    Some(Cause::invalid(field, &json!(path), &why))
}

/// Fields of a version by which objects may be selected.
fn selectable(version: &Value, stated: &Value, path: &str, causes: &mut Causes) {
    let schema = &version["schema"]["openAPIV3Schema"];
    if !schema.is_object() && stated.as_array().is_some_and(|list| !list.is_empty()) {
        let why = "may only be set when `version.schema.openAPIV3Schema` is not included";
        return causes.push(Cause::invalid(path, &json!(""), why));
    }
    let (mut seen, mut count) = (HashSet::new(), 0);
    for (at, stated) in stated.as_array().into_iter().flatten().enumerate() {
        if causes.is_full() {
            return;
        }
        let (json_path, place) = (text(stated, &["jsonPath"]), format!("{path}[{at}]"));
        let field = format!("{place}.jsonPath");
        if json_path.is_empty() {
            causes.push(Cause::required(field, ""));
            continue;
        }
        let found = field_path::field(schema, json_path).filter(|_| json_path.starts_with('.'));
        let Some(found) = found else {
            let why = match json_path.split(['.', '[']).next().unwrap_or_default() {
                "" if json_path.contains('[') => "array notation is not allowed".to_owned(),
                "" => "does not refer to a valid field".to_owned(),
                first => format!("expected [ or . but got: {first}"),
            };
            causes.push(Cause::invalid(field, &json!(json_path), &format!("is an invalid path: {why}")));
            continue;
        };
        if json_path.starts_with(".metadata") {
            causes.push(Cause::invalid(place, &json!(json_path), "must not point to fields in metadata"));
            continue;
        }
        if !["string", "boolean", "integer"].contains(&text(found, &["type"])) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            causes.push(Cause::invalid(field.clone(), &json!(json_path), why));
        }
        if !seen.insert(json_path) {
            causes.push(Cause::duplicate(field, &json!(json_path)));
        }
        count += 1;
    }
    if count > MOST_SELECTABLE {
        causes.push(Cause::too_many(path, count, MOST_SELECTABLE));
    }
}

/// What is wrong with the schemas of the versions of a definition.
pub(crate) fn schemas_of(versions: &[Value]) -> Vec<Cause> {
    let mut causes = Causes::default();
    schemas(versions, &mut causes);
    causes.told()
}

fn schemas(versions: &[Value], causes: &mut Causes) {
    let same = versions.iter().all(|version| schema_of(version) == schema_of(&versions[0]));
    for (at, version) in versions.iter().enumerate() {
        if causes.is_full() {
            return;
        }
        let schema = schema_of(version);
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
        let with_status = |version: &Value| version["subresources"]["status"].is_object();
        if with_status(version) || same && versions.iter().any(with_status) {
            causes.extend(beside_status(schema, &path));
        }
        if schema["nullable"] == true {
            causes.push(Cause::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
        }
        let place = Path::Field(&Path::Root, &path);
        let before = causes.len();
        // What has no structure is told of by its words alone.
        let has_structure = !schema::is_unstructured(schema);
        if has_structure {
            structural::check(schema, &place, causes);
        }
        if has_structure && causes.len() == before {
            defaults::check(schema, &place, causes);
        }
        let sound = has_structure && causes.len() == before;
        schema::check(schema, &place, sound, causes);
    }
}

fn schema_of(version: &Value) -> &Value {
    &version["schema"]["openAPIV3Schema"]
}

/// What the root of a schema may say when the status is written for itself, by its own part of the schema.
fn beside_status(schema: &Value, path: &str) -> Option<Cause> {
    let states = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let kind = text(schema, &["type"]);
    if !kind.is_empty() && kind != "object" {
        let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return Some(Cause::invalid(format!("{path}.type"), &json!(kind), why));
    }
    let mut stated = schema.as_object().into_iter().flatten();
    stated.any(|(key, value)| !AT_ROOT.contains(&key.as_str()) && states(value)).then(|| {
        let why = format!("only {ROOT_WORDS} fields are allowed at the root of the schema if the status subresource is enabled");
        Cause::invalid(path, schema, &why)
    })
}

/// Words at the root of a schema beside a status, as they are written and as the reference names them.
const AT_ROOT: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
const ROOT_WORDS: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MOST_SELECTABLE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::{MOST, MOST_BYTES};

    #[test]
    fn long_names_over_many_schemas_are_told_of_in_part() {
        let inner: serde_json::Map<String, Value> =
            (0..20_000).map(|at| (at.to_string(), json!({}))).collect();
        let named = |inner: Value| json!({"type": "object", "properties": {"k".repeat(50_000): inner}});
        let keys: Vec<String> = (0..20_000).map(|at| format!("key-{at}")).collect();
        let items = json!({"type": "object", "properties": {}});
        let keyed = json!({
            "type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
        });
        let rules = vec![json!({}); 20_000];
        for schema in [
            named(json!({"type": "object", "properties": inner})),
            named(json!({"type": "object", "allOf": vec![json!({"type": "string"}); 20_000]})),
            named(json!({"type": "object", "x-kubernetes-validations": rules})),
            named(keyed),
        ] {
            let told = schemas_of(&[json!({"name": "v1", "schema": {"openAPIV3Schema": schema}})]);
            let bytes: usize = told.iter().map(|cause| cause.field.len() + cause.message.len()).sum();
            assert!(
                (2..=MOST + 1).contains(&told.len()) && bytes < MOST_BYTES + 1000,
                "{} causes",
                told.len()
            );
        }
    }
}

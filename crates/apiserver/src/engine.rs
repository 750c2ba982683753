//! The pure engines behind the requests, for those who feed them foreign input.
//!
//! A server is reached over HTTP alone ([`crate::server`]). These doors lead to what needs no server: patches,
//! applies, selectors, protobuf bodies, schemas and their rules.

use std::sync::LazyLock;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::Value;

use crate::kinds::{Registry, split_api_version};
use crate::managed_fields::{self, Force, Shape, Writer};
use crate::select::Selection;
use crate::{checks, fields, patch, protobuf, validate};

/// The three patches that are no applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Strategic merge, for built-in kinds.
    Strategic,
}

/// Patches an object; its own `apiVersion` and `kind` say how lists merge.
///
/// # Errors
/// Why the patch does not fit.
pub fn patched(kind: Patch, object: &Value, patch: &Value) -> Result<Value, String> {
    let done = match (kind, type_of(object)) {
        (Patch::Json, _) => patch::json_patch(object, patch),
        (Patch::Strategic, Some(known)) => patch::strategic_merge_patch(known, object, patch),
        _ => Ok(patch::merge_patch(object, patch)),
    };
    done.map_err(|error| error.to_string())
}

/// Applies a configuration over a live object, or over nothing, by the schema of its kind.
///
/// # Errors
/// Conflicts, and what does not fit the schema.
pub fn applied(live: Option<&Value>, configuration: &Value, manager: &str) -> Result<Value, String> {
    let shape = type_of(configuration).map_or(Shape::Deduced, Shape::Struct);
    let api_version = fields::text(configuration, &["apiVersion"]);
    if api_version.is_empty() {
        return Err("the configuration has no apiVersion".to_owned());
    }
    let writer =
        Writer { manager, api_version, subresource: "", now: NOW, has_status: false, is_custom: false };
    managed_fields::apply(&shape, live, configuration, &Force::Never, &writer)
        .map_err(|error| error.to_string())
}

/// Reads label and field selectors as a list of Pods would, and asks them about an object.
///
/// # Errors
/// Why they cannot be read.
pub fn selects(labels: &str, fields: &str, object: &Value) -> Result<bool, String> {
    static KINDS: LazyLock<Registry> = LazyLock::new(Registry::new);
    let kinds = KINDS.current();
    let pods = kinds.resource("", "v1", "pods").ok_or("there are no Pods")?;
    let selection = Selection::parse(labels, fields, pods).map_err(|status| status.message)?;
    Ok(selection.matches(object))
}

/// Reads the protobuf body of a built-in kind.
///
/// # Errors
/// Why it cannot be read.
pub fn from_protobuf(body: &[u8]) -> Result<Value, String> {
    protobuf::decode(body).map_err(|error| error.to_string())
}

/// What is wrong with a definition whose one version has this schema.
#[must_use]
pub fn schema_faults(schema: &Value) -> Vec<String> {
    let version = serde_json::json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let causes = checks::schemas_of(&[version]);
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// Prunes, defaults and checks an object by a schema that has no faults; what is wrong with it.
pub fn checked(schema: &Value, object: &mut Value, old: Option<&Value>) -> Vec<String> {
    validate::prune(schema, object);
    validate::default(schema, object);
    let problems = validate::validate(schema, object, old);
    problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message())).collect()
}

fn type_of(object: &Value) -> Option<&'static schema::Type> {
    let (group, version) = split_api_version(fields::text(object, &["apiVersion"]));
    schema::builtin().root(&GroupVersionKind::new(group, version, fields::text(object, &["kind"])))
}

/// The time of every write through these doors.
const NOW: &str = "2001-01-01T00:00:00Z";

//! The replicas that a custom object states, where its definition says they are.

use serde_json::Value;

use crate::fields::text;
use crate::go_text;
use crate::status_error::Cause;

/// What is wrong with them; a write of the status alone leaves the wanted ones as they are.
pub(crate) fn causes(scale: &Value, object: &Value, subresource: &str) -> Vec<Cause> {
    let stated = [(subresource != "status").then_some("specReplicasPath"), Some("statusReplicasPath")];
    let paths = stated.into_iter().flatten().map(|key| text(scale, &[key]));
    paths.filter_map(|path| count(object, path)).collect()
}

/// What is wrong with one count; none is zero.
fn count(object: &Value, path: &str) -> Option<Cause> {
    let bare = path.trim_start_matches('.');
    let value = bare.split('.').try_fold(object, |value, key| value.get(key))?;
    let Some(count) = value.as_i64() else {
        let (shown, kind) = (go_text::of(value), kind(value));
        let why = format!(".{bare} accessor error: {shown} is of the type {kind}, expected int64");
        return Some(Cause::invalid(path, &0.into(), &why));
    };
    match count {
        ..0 => Some(Cause::invalid(path, value, "should be a non-negative integer")),
        MOST.. => Some(Cause::invalid(path, value, "should be less than or equal to 2147483647")),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The first count that is too large.
const MOST: i64 = 1 << 31;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::causes;

    #[test]
    fn counts_are_small_whole_numbers() {
        let scale = json!({"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"});
        let told = |spec: serde_json::Value, subresource: &str| -> Vec<String> {
            let object = json!({"spec": {"n": spec}, "status": {"n": -1}});
            let causes = causes(&scale, &object, subresource);
            causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
        };
        let status = ".status.n: Invalid value: -1: should be a non-negative integer";
        assert_eq!(told(json!(3), ""), [status]);
        let spec = ".spec.n: Invalid value: -2: should be a non-negative integer";
        assert_eq!(told(json!(-2), ""), [spec, status]);
        assert_eq!(told(json!(-2), "status"), [status]);
        let large = ".spec.n: Invalid value: 2147483648: should be less than or equal to 2147483647";
        assert_eq!(told(json!(1_u32 << 31), "")[0], large);
        let wrong =
            ".spec.n: Invalid value: 0: .spec.n accessor error: x is of the type string, expected int64";
        assert_eq!(told(json!("x"), "")[0], wrong);
    }
}

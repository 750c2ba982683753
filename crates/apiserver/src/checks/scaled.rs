//! The replicas that a custom object states, where its definition says they are.

use serde_json::Value;

use crate::causes::Cause;
use crate::fields::text;
use crate::go_text;

/// What is wrong with them; a write of the status alone leaves the wanted ones as they are.
pub(crate) fn causes(scale: &Value, object: &Value, subresource: &str) -> Vec<Cause> {
    let stated = [(subresource != "status").then_some("specReplicasPath"), Some("statusReplicasPath")];
    let paths = stated.into_iter().flatten().map(|key| text(scale, &[key]));
    let counts = paths.filter_map(|path| count(object, path));
    counts.chain(selector(object, text(scale, &["labelSelectorPath"]))).collect()
}

/// What is wrong with one count; none is zero.
fn count(object: &Value, path: &str) -> Option<Cause> {
    let value = match at(object, path) {
        Ok(value) => value?,
        Err(why) => return Some(Cause::invalid(path, &0.into(), &why)),
    };
    match value.as_i64() {
        None => Some(Cause::invalid(path, &0.into(), &of_other_type(path, value, "int64"))),
        Some(..0) => Some(Cause::invalid(path, value, "should be a non-negative integer")),
        Some(MOST..) => Some(Cause::invalid(path, value, "should be less than or equal to 2147483647")),
        Some(_) => None,
    }
}

/// What is wrong with the selector of what is scaled.
fn selector(object: &Value, path: &str) -> Option<Cause> {
    let why = match at(object, path) {
        Ok(None | Some(Value::String(_))) => return None,
        Ok(Some(value)) => of_other_type(path, value, "string"),
        Err(why) => why,
    };
    (!path.is_empty()).then(|| Cause::invalid(path, &"".into(), &why))
}

/// The value at a path, or what stands in the way to it.
fn at<'a>(object: &'a Value, path: &str) -> Result<Option<&'a Value>, String> {
    let bare = path.trim_start_matches('.');
    let mut value = object;
    for (at, key) in bare.split('.').enumerate() {
        let Value::Object(fields) = value else {
            let reached: Vec<&str> = bare.split('.').take(at + 1).collect();
            return match value {
                Value::Null => Ok(None),
                _ => Err(of_other_type(&reached.join("."), value, "map[string]interface{}")),
            };
        };
        let Some(below) = fields.get(key) else { return Ok(None) };
        value = below;
    }
    Ok(Some(value))
}

fn of_other_type(path: &str, value: &Value, wanted: &str) -> String {
    let (bare, shown, kind) = (path.trim_start_matches('.'), go_text::of(value), kind(value));
    format!(".{bare} accessor error: {shown} is of the type {kind}, expected {wanted}")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
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
        let scale = json!({"specReplicasPath": ".spec.n", "labelSelectorPath": ".status.a.b"});
        let object = json!({"spec": "x", "status": {"a": {"b": 5}}});
        let told: Vec<String> = causes(&scale, &object, "").into_iter().map(|cause| cause.message).collect();
        assert_eq!(
            told,
            [
                "Invalid value: 0: .spec.n accessor error: x is of the type string, expected map[string]interface{}",
                "Invalid value: \"\": .status.a.b accessor error: 5 is of the type int64, expected string",
            ]
        );
    }
}

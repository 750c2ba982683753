//! A JSON value as Go prints a map: `map[a:1 b:[x y]]`.

use serde_json::Value;

/// The text of a value.
pub(crate) fn of(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(of).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let shown: Vec<String> =
                fields.into_iter().map(|(name, value)| format!("{name}:{}", of(value))).collect();
            format!("map[{}]", shown.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn maps_are_sorted_and_texts_are_bare() {
        let value = json!({"b": ["x", 1, null], "a": {"c": true}});
        assert_eq!(super::of(&value), "map[a:map[c:true] b:[x 1 <nil>]]");
    }
}

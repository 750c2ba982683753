//! Paths such as `.a['b-c'].d`, by which definitions name a field.

use serde_json::Value;

use super::join;
use super::prune::of_field;

/// The names of a path, as far as it is one.
struct Names<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (name, behind) = match self.rest.strip_prefix("['") {
            Some(quoted) => quoted.split_once("']")?,
            None => {
                let plain = self.rest.strip_prefix('.')?;
                plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
            }
        };
        self.rest = behind;
        Some(name)
    }
}

/// The schema of the field that a path names; `None` for what is no path, or leads nowhere.
pub(crate) fn field<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = Names { rest: path };
    let mut at = schema;
    for name in names.by_ref() {
        at = of_field(at, name)?;
    }
    names.rest.is_empty().then_some(at)
}

/// A path as it is shown: fields by their names, keys of maps in brackets. What is no path, as it may have been stored
/// once, is shown as far as it is one.
pub(super) fn shown(schema: &Value, path: &str) -> String {
    let (mut at, mut shown) = (schema, String::new());
    for name in (Names { rest: path }) {
        let below = at["properties"].get(name);
        shown = match below {
            Some(_) => join(&shown, name),
            None => format!("{shown}[{name}]"),
        };
        at = below.unwrap_or(&at["additionalProperties"]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_path_leads_nowhere_and_is_shown_as_far_as_it_is_one() {
        let schema =
            json!({"properties": {"a": {"additionalProperties": {"properties": {"d": {"type": "string"}}}}}});
        assert_eq!(shown(&schema, ".a['b.c'].d"), "a[b.c].d");
        assert_eq!(field(&schema, ".a['b.c'].d"), Some(&json!({"type": "string"})));
        assert_eq!(field(&schema, ""), Some(&schema));
        for (path, as_far) in [(".a[b]", "a"), ("[", ""), (".a['b", "a"), ("a", "")] {
            assert_eq!((shown(&schema, path).as_str(), field(&schema, path)), (as_far, None), "{path}");
        }
        assert_eq!(field(&schema, ".b"), None);
    }
}

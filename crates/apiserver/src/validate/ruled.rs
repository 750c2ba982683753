//! Where a schema has rules in CEL, noted once for all that is checked by it.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

/// The parts of a schema that have rules, or are on the way to some.
#[derive(Debug, Default)]
pub(crate) struct Ruled {
    root: Option<Part>,
    /// How many expressions stand inside each other in the rules, once an object was checked by them.
    levels: OnceLock<usize>,
}

/// A part of a schema that has rules of its own or below it.
#[derive(Debug, Default)]
pub(super) struct Part {
    has_own: bool,
    fields: HashMap<String, Part>,
    /// Of the values of a map, and of the items of a list.
    pub(super) values: Option<Box<Part>>,
    pub(super) items: Option<Box<Part>>,
}

impl Ruled {
    /// Looks through a whole schema.
    pub(crate) fn of(schema: &Value) -> Self {
        Self { root: Part::of(schema), levels: OnceLock::new() }
    }

    /// Whether there are rules at any level.
    pub(crate) fn any(&self) -> bool {
        self.root.is_some()
    }

    pub(super) fn root(&self) -> Option<&Part> {
        self.root.as_ref()
    }

    /// The levels of the deepest rule, by what tells those of one.
    pub(super) fn levels(&self, schema: &Value, of_one: &dyn Fn(&Value) -> usize) -> usize {
        let found = || self.root.as_ref().map_or(0, |part| part.deepest(schema, of_one));
        *self.levels.get_or_init(found)
    }
}

impl Part {
    fn of(schema: &Value) -> Option<Self> {
        let below = |key: &str| schema.get(key).and_then(Self::of).map(Box::new);
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let part = Self {
            has_own: !own(schema).is_empty(),
            fields: fields.filter_map(|(name, field)| Some((name.clone(), Self::of(field)?))).collect(),
            values: below("additionalProperties"),
            items: below("items"),
        };
        let leads_on = !part.fields.is_empty() || part.values.is_some() || part.items.is_some();
        (part.has_own || leads_on).then_some(part)
    }

    /// The rules of a schema that this is the part for.
    pub(super) fn rules<'a>(&self, schema: &'a Value) -> &'a [Value] {
        if self.has_own { own(schema) } else { &[] }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Part> {
        self.fields.get(name)
    }

    fn deepest(&self, schema: &Value, of_one: &dyn Fn(&Value) -> usize) -> usize {
        let own = self.rules(schema).iter().map(of_one);
        let fields = self.fields.iter().map(|(name, part)| (part, &schema["properties"][name.as_str()]));
        let values = self.values.as_deref().map(|part| (part, &schema["additionalProperties"]));
        let items = self.items.as_deref().map(|part| (part, &schema["items"]));
        let below = fields.chain(values).chain(items).map(|(part, schema)| part.deepest(schema, of_one));
        own.chain(below).max().unwrap_or(0)
    }
}

fn own(schema: &Value) -> &[Value] {
    schema.get(RULES).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

const RULES: &str = "x-kubernetes-validations";

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_leads_to_rules_is_noted_and_levels_are_told_once() {
        let rules = json!([{"rule": "a"}, {"rule": "bb"}]);
        let schema = json!({"properties": {
            "plain": {"properties": {"a": {}}, "items": {}},
            "map": {"additionalProperties": {"items": {RULES: rules}}},
        }});
        let ruled = Ruled::of(&schema);
        let root = ruled.root().expect("there are rules");
        assert!(ruled.any() && root.field("plain").is_none() && root.items.is_none());
        let items = root.field("map").and_then(|map| map.values.as_ref()?.items.as_ref());
        assert_eq!(items.map(|items| items.has_own), Some(true));
        let asked = Cell::new(0);
        let levels = |rule: &Value| {
            asked.set(asked.get() + 1);
            rule["rule"].as_str().map_or(0, str::len)
        };
        assert_eq!([ruled.levels(&schema, &levels), ruled.levels(&schema, &levels)], [2, 2]);
        assert_eq!(asked.get(), 2);
        assert!(!Ruled::of(&json!({"properties": {"a": {RULES: []}}})).any());
    }
}

//! What is known about the fields of a kind: pruning, defaults and checks by it.

use std::collections::HashSet;
use std::sync::Arc;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::Value;

use crate::causes::{Cause, Causes, Complaints};
use crate::defaults;
use crate::fields;
use crate::go_text;
use crate::managed_fields::Shape as Merge;
use crate::path::Path;
use crate::typed;
use crate::validate::{self, Ruled};

/// What is known about the fields of a kind.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// A built-in kind.
    Builtin(GroupVersionKind),
    /// The structural schema of a custom kind, and where it has rules.
    Custom(Arc<Value>, Arc<Ruled>),
}

impl Shape {
    pub(crate) fn builtin(group: &str, version: &str, kind: &str) -> Self {
        Self::Builtin(GroupVersionKind::new(group, version, kind))
    }

    pub(crate) fn custom(schema: &Value) -> Self {
        Self::Custom(Arc::new(schema.clone()), Arc::new(Ruled::of(schema)))
    }

    /// Whether objects are checked by rules in CEL, which may take long.
    pub(crate) fn has_rules(&self) -> bool {
        matches!(self, Self::Custom(_, ruled) if ruled.any())
    }

    /// Drops what the schema does not know and empty values of built-in kinds; says what was wrong with fields.
    ///
    /// # Errors
    /// The first value whose type is wrong.
    pub(crate) fn prune(&self, object: &mut Value, doubled: &HashSet<String>) -> Result<Vec<String>, String> {
        match self {
            Self::Builtin(gvk) => match schema::builtin().root(gvk) {
                Some(kind) => {
                    let complaints = typed::check(kind, object, doubled)?;
                    // Its templates are numbered in a field of another version of the kind.
                    let number = object["metadata"]["annotations"].get(defaults::TEMPLATE_NUMBER);
                    if let Some(number) = number.filter(|_| gvk.kind == "DaemonSet") {
                        go_text::parse_int(number.as_str().unwrap_or_default())?;
                    }
                    Ok(complaints)
                }
                None => Ok(Vec::new()),
            },
            Self::Custom(known, _) => {
                fields::whole_numbers(object);
                let mut complaints = Complaints::default();
                if let Some(metadata) = object.get_mut("metadata") {
                    typed::check_metadata(metadata, &Path::Field(&Path::Root, "metadata"), &mut complaints)?;
                }
                let mut complaints = complaints.told();
                let gone = validate::pruned(known, object)?;
                complaints.extend(gone.iter().map(|path| format!("unknown field \"{path}\"")));
                let mut twice: Vec<&String> = doubled.iter().collect();
                twice.sort();
                complaints.extend(twice.into_iter().map(|path| format!("duplicate field \"{path}\"")));
                Ok(complaints)
            }
        }
    }

    /// Fills in defaults.
    pub(crate) fn default(&self, object: &mut Value) {
        match self {
            Self::Builtin(_) => defaults::apply(object),
            Self::Custom(known, _) => validate::default(known, object),
        }
    }

    /// The same for what was applied, in which a `null` stays to be judged.
    pub(crate) fn fill_in(&self, object: &mut Value) {
        match self {
            Self::Builtin(_) => defaults::apply(object),
            Self::Custom(known, _) => validate::fill_in(known, object),
        }
    }

    /// What a custom object breaks of its schema, and what it broke before, too.
    pub(crate) fn problems(&self, new: &Value, old: Option<&Value>) -> (Causes, Vec<String>) {
        let Self::Custom(known, ruled) = self else { return (Causes::default(), Vec::new()) };
        let found = validate::judged(known, ruled, new, old);
        let told = |problem: validate::Problem| format!("{}: {}", problem.field, problem.message());
        let tolerated = found.tolerated.into_iter().map(told).collect();
        let mut causes = Causes::default();
        causes.extend(found.problems.into_iter().map(|problem| Cause {
            reason: problem.reason(),
            message: problem.message(),
            field: problem.field,
        }));
        (causes, tolerated)
    }

    /// Does something with each resource within a custom object and its path.
    pub(crate) fn each_embedded(&self, object: &Value, told: &mut impl FnMut(&Path<'_>, &Value)) {
        if let Self::Custom(known, _) = self {
            validate::each_embedded(known, object, &Path::Root, told);
        }
    }

    pub(crate) fn merge(&self) -> Merge<'_> {
        match self {
            Self::Builtin(gvk) => schema::builtin().root(gvk).map_or(Merge::Deduced, Merge::Struct),
            Self::Custom(schema, _) => Merge::CustomRoot(schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An object with many such fields below a long key.
    fn long(value: &Value) -> Value {
        let fields: serde_json::Map<String, Value> =
            (0..2_000).map(|number| (format!("f{number}"), value.clone())).collect();
        json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "n"}, "spec": {"k".repeat(10_000): fields}})
    }

    fn shape(of: Value) -> Shape {
        Shape::custom(&json!({"type": "object", "properties": {"spec": {
            "type": "object", "additionalProperties": {"type": "object", "additionalProperties": of},
        }}}))
    }

    #[test]
    fn faults_below_a_long_key_are_told_of_in_part() {
        let number = json!({"type": "integer", "maximum": 1, "enum": [1], "x-kubernetes-validations": [
            {"rule": "self < 2", "message": "not so much"},
        ]});
        let either =
            json!({"anyOf": [number, {"type": "array"}], "allOf": [number], "oneOf": [number, number]});
        for (of, value) in [
            (number, json!(2)),
            (json!({"type": "string"}), json!(2)),
            (json!({"type": "array", "x-kubernetes-list-type": "set"}), json!([1, 1])),
            (json!({"type": "object", "required": ["a"]}), json!({})),
            (either, json!(2)),
        ] {
            let causes = shape(of.clone()).problems(&long(&value), None).0.told();
            let bytes = causes.iter().map(|cause| cause.field.len() + cause.message.len()).sum::<usize>();
            assert!(!causes.is_empty() && bytes <= crate::causes::MOST_BYTES + 100, "{bytes} of {of}");
            let last = causes.last().expect("there is one");
            assert!(last.message.contains("there may be more faults"), "{last:?}");
        }
    }

    #[test]
    fn unknown_fields_below_a_long_key_are_told_of_in_part() {
        let mut object = long(&json!({"x": 1}));
        let told = shape(json!({"type": "object"})).prune(&mut object, &HashSet::new());
        assert_eq!(told.map(|told| told.len()), Ok(105));
        let fields = object["spec"].as_object().and_then(|spec| spec.values().next()?.as_object());
        assert!(
            fields.is_some_and(
                |fields| fields.len() == 2_000 && fields.values().all(|field| field == &json!({}))
            )
        );

        let resource = json!({"type": "object", "x-kubernetes-embedded-resource": true});
        let mut object = long(&json!({"metadata": {"name": "n", "x": 1}}));
        let told = shape(resource).prune(&mut object, &HashSet::new()).expect("metadata can be read");
        assert_eq!(told.len(), 105);
        assert!(told[0].ends_with(".f0.metadata.x\""));
    }
}

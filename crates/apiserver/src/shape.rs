//! What is known about the fields of a kind: pruning, defaults and checks by it.

use std::collections::HashSet;
use std::sync::Arc;

use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::schema;
use serde_json::Value;

use crate::causes::Cause;
use crate::defaults;
use crate::fields;
use crate::go_text;
use crate::managed_fields::Shape as Merge;
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
                let mut complaints = match object.get_mut("metadata") {
                    Some(metadata) => typed::check_metadata(metadata, "metadata")?,
                    None => Vec::new(),
                };
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
    pub(crate) fn problems(&self, new: &Value, old: Option<&Value>) -> (Vec<Cause>, Vec<String>) {
        let Self::Custom(known, ruled) = self else { return (Vec::new(), Vec::new()) };
        let found = validate::judged(known, ruled, new, old);
        let told = |problem: validate::Problem| format!("{}: {}", problem.field, problem.message());
        let tolerated = found.tolerated.into_iter().map(told).collect();
        let problems = found.problems.into_iter();
        let causes = problems
            .map(|problem| Cause {
                reason: problem.reason(),
                message: problem.message(),
                field: problem.field,
            })
            .collect();
        (causes, tolerated)
    }

    /// The resources within a custom object, each with its path.
    pub(crate) fn embedded<'a>(&self, object: &'a Value) -> Vec<(String, &'a Value)> {
        let mut within = Vec::new();
        if let Self::Custom(known, _) = self {
            validate::embedded(known, object, "", &mut within);
        }
        within
    }

    pub(crate) fn merge(&self) -> Merge<'_> {
        match self {
            Self::Builtin(gvk) => schema::builtin().root(gvk).map_or(Merge::Deduced, Merge::Struct),
            Self::Custom(schema, _) => Merge::CustomRoot(schema),
        }
    }
}

//! Objects that do not have the shape of their kind.
//!
//! What of them can be read all the same, and which fields cannot.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One word for the conditions of such an object.
pub(crate) const INVALID: &str = "InvalidObject";

/// A field that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Its path, `spec.interval`.
    pub(crate) path: String,
    why: String,
}

impl Misfit {
    /// Whether it lies in a field, or is all that the field is in.
    pub(crate) fn is_in(&self, field: &str) -> bool {
        let within = |whole: &str, part: &str| {
            part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        within(field, &self.path) || within(&self.path, field)
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

/// All of them in one line.
pub(crate) fn listed(misfits: &[Misfit]) -> String {
    misfits.iter().map(Misfit::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads an object, without the fields of its `spec` and `status` that cannot be read. Those of a status are not told, as it is
/// written anew, but for the inventory: what is owned must not be forgotten.
///
/// # Errors
/// When there is something wrong beside them.
pub(crate) fn read<T: DeserializeOwned>(object: &Value) -> Result<(T, Vec<Misfit>), serde_json::Error> {
    if let Ok(typed) = T::deserialize(object) {
        return Ok((typed, Vec::new()));
    }
    let (mut object, mut misfits) = (object.clone(), Vec::new());
    for part in ["spec", "status"] {
        let Some(fields) = object[part].as_object_mut() else {
            misfits.extend(misfit::<T>(json!({part: object[part].take()})));
            object[part] = json!({});
            continue;
        };
        fields.retain(|name, value| {
            let found = misfit::<T>(json!({part: {name: value.clone()}}));
            let fits = found.is_none();
            misfits.extend(found.filter(|_| part == "spec" || name == "inventory"));
            fits
        });
    }
    Ok((T::deserialize(object)?, misfits))
}

/// What is wrong with an object that has one field.
fn misfit<T: DeserializeOwned>(object: Value) -> Option<Misfit> {
    let wrong = serde_path_to_error::deserialize::<_, T>(object).err()?;
    Some(Misfit { path: wrong.path().to_string(), why: wrong.inner().to_string() })
}

#[cfg(test)]
mod tests {
    use sealfast_k8s::flux::kustomization::Kustomization;

    use super::*;

    #[test]
    fn what_fits_is_read_and_the_rest_is_named() {
        let object = json!({"metadata": {"name": "app"}, "spec": {"interval": 5, "prune": true,
            "postBuild": {"substitute": {"a": "b", "c": ["d"]}}, "path": "x"},
            "status": {"observedGeneration": "1", "inventory": 5}});
        let (typed, misfits) = read::<Kustomization>(&object).expect("can be read");
        assert!(typed.spec.prune && typed.spec.path == "x" && typed.spec.interval.is_empty());
        assert_eq!((typed.metadata.name.as_str(), typed.spec.post_build), ("app", None));
        let told = listed(&misfits);
        for wanted in [
            "spec.interval: invalid type: integer `5`, expected a string",
            "spec.postBuild.substitute.c: invalid type: sequence, expected a string",
            "status.inventory: invalid type: integer `5`, expected struct Inventory",
        ] {
            assert!(told.contains(wanted), "{told}");
        }
        assert_eq!(misfits.len(), 3);
        let (_, misfits) = read::<Kustomization>(&json!({"spec": "none"})).expect("can be read");
        assert!(listed(&misfits).starts_with("spec: invalid type: string \"none\""), "{misfits:?}");
        assert!(read::<Kustomization>(&json!({"metadata": 5})).is_err());
    }
}

//! The Kustomization to build: of a file, the cluster, or found among objects.

use std::io::Read as _;
use std::path::Path;

use sealfast_k8s::flux::kustomization::Kustomization;
use sealfast_k8s::object;
use sealfast_yaml::scalar::float_text;
use serde_json::{Map, Value};

use super::plan::Plan;
use crate::flux::Failed;
use crate::flux::known;

/// A Kustomization, and where its variables lie.
pub(in crate::flux) struct Subject {
    /// As the controllers read it.
    pub(in crate::flux) typed: Kustomization,
    /// Its namespace, or the one that was asked for when it has none.
    pub(super) namespace: String,
    spec: Value,
}

/// What `v1` does not have any more; flux reads every version as that one.
const GONE: [&str; 3] = ["patchesStrategicMerge", "patchesJson6902", "validation"];

impl Subject {
    fn new(mut found: Value, namespace: &str) -> Result<Self, serde_json::Error> {
        without_nulls(&mut found);
        let typed: Kustomization = serde_json::from_value(found.clone())?;
        let own = &typed.metadata.namespace;
        let namespace = if own.is_empty() { namespace } else { own }.to_owned();
        let mut spec = found.get_mut("spec").map(Value::take).unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            // An empty text is as if it were not there.
            fields.retain(|field, value| !GONE.contains(&field.as_str()) && *value != "");
        }
        Ok(Self { typed, namespace, spec })
    }

    /// What changes the outermost kustomization file.
    pub(super) fn overlay(&self) -> Value {
        self.spec.clone()
    }

    /// Namespace and name, as written.
    pub(in crate::flux) fn id(&self) -> (String, String) {
        (self.typed.metadata.namespace.clone(), self.typed.metadata.name.clone())
    }
}

impl Plan {
    /// Finds the Kustomization that the command names.
    ///
    /// A file wins, and then the cluster only says what is applied so far; but it must be there unless that was excused.
    pub(in crate::flux) async fn subject(
        &self,
        name: &str,
        namespace: &str,
        file: Option<&Path>,
    ) -> Result<Subject, Failed> {
        let mend = |Failed(why)| Failed(format!("failed to get kustomization object: {why}"));
        let live = self.live(name, namespace, file).await.map_err(mend)?;
        let (found, origin) = match (file, live) {
            (Some(file), live) => {
                let mut found = from_file(file, name, namespace).map_err(mend)?;
                TEXTS.iter().for_each(|path| as_text(&mut found, path));
                let applied = live.as_ref().and_then(|live| live.get("status"));
                if let Some(status) = applied.filter(|status| status.get("inventory").is_some()) {
                    found["status"] = status.clone();
                }
                (found, format!("failed to unmarshall kustomization file {}", file.display()))
            }
            (None, Some(live)) => (live, "failed to read kustomization".to_owned()),
            (None, None) => return Err(mend(known::KUSTOMIZATION.missing(name))),
        };
        Subject::new(found, namespace).map_err(|error| mend(Failed(format!("{origin}: {error}"))))
    }

    /// Finds a Kustomization that is among the objects of another one: as it is in the cluster, if it is there.
    pub(super) async fn found(&self, found: &Value) -> Result<Subject, Failed> {
        let (name, namespace) = (object::name(found), object::namespace(found));
        let mend = |why: String| Failed(format!("failed to get kustomization object: {why}"));
        let live = match self.client() {
            Some(client) => match client.get(&known::KUSTOMIZATION.gvk(), namespace, name).await {
                Err(error) if error.is_not_found() => None,
                other => Some(other.map_err(|error| mend(error.chain()))?),
            },
            None => None,
        };
        let subject = Subject::new(live.unwrap_or_else(|| found.clone()), namespace);
        subject.map_err(|error| mend(format!("failed to convert to kustomization: {error}")))
    }

    async fn live(&self, name: &str, namespace: &str, file: Option<&Path>) -> Result<Option<Value>, Failed> {
        let Some(client) = self.client() else { return Ok(None) };
        match client.get(&known::KUSTOMIZATION.gvk(), namespace, name).await {
            Ok(live) => Ok(Some(live)),
            Err(error) if error.is_not_found() && self.excuses_missing && file.is_some() => Ok(None),
            Err(error) => Err(known::KUSTOMIZATION.failed(name, error)),
        }
    }
}

/// Whether an object is a Kustomization of Flux.
pub(in crate::flux) fn is_kustomization(found: &Value) -> bool {
    let gvk = object::gvk(found);
    gvk.kind == "Kustomization" && gvk.group == "kustomize.toolkit.fluxcd.io"
}

/// Namespace and name, as written.
pub(in crate::flux) fn id(found: &Value) -> (String, String) {
    (object::namespace(found).to_owned(), object::name(found).to_owned())
}

/// Finds the Kustomization in a file of any number of documents.
fn from_file(file: &Path, name: &str, namespace: &str) -> Result<Value, Failed> {
    let shown = file.display();
    let content =
        bytes(file).map_err(|error| format!("failed to read kustomization file {shown}: {error}"))?;
    let documents = sealfast_yaml::json::documents(&content)
        .map_err(|error| format!("failed to unmarshall kustomization file {shown}: {error}"))?;
    let fits = |found: &Value| {
        let own = object::namespace(found);
        is_kustomization(found) && object::name(found) == name && (own == namespace || own.is_empty())
    };
    documents.into_iter().find(fits).ok_or_else(|| {
        Failed(format!(
            "failed find kustomization with name '{name}' and namespace '{namespace}' in file '{shown}'"
        ))
    })
}

/// Where texts stand that a file may hold without quotes, as in `newTag: 1.0`; `*` is every entry.
const TEXTS: [&[&str]; 13] = [
    &["metadata", "labels", "*"],
    &["metadata", "annotations", "*"],
    &["spec", "commonMetadata", "labels", "*"],
    &["spec", "commonMetadata", "annotations", "*"],
    &["spec", "postBuild", "substitute", "*"],
    &["spec", "images", "*", "name"],
    &["spec", "images", "*", "newName"],
    &["spec", "images", "*", "newTag"],
    &["spec", "namePrefix"],
    &["spec", "nameSuffix"],
    &["spec", "targetNamespace"],
    &["spec", "path"],
    &["spec", "sourceRef", "*"],
];

/// Makes a text of a number or truth value, as flux does where it reads a file.
fn as_text(value: &mut Value, path: &[&str]) {
    let [field, below @ ..] = path else {
        match value {
            Value::Bool(truth) => *value = truth.to_string().into(),
            Value::Number(number) => {
                let float = number.as_f64().filter(|_| number.is_f64());
                *value = float.map_or_else(|| number.to_string(), float_text).into();
            }
            _ => {}
        }
        return;
    };
    match value {
        Value::Object(fields) if *field == "*" => fields.values_mut().for_each(|value| as_text(value, below)),
        Value::Array(items) if *field == "*" => items.iter_mut().for_each(|value| as_text(value, below)),
        value => {
            if let Some(value) = value.get_mut(*field) {
                as_text(value, below);
            }
        }
    }
}

/// Reads a file, which may be a pipe or a device, as far as it may reach.
fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(file)?.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(content)
}

/// How many bytes a file with Kustomizations may have.
const LARGEST: u64 = 16 << 20;

/// A field that is null is not there, but a variable that is null is empty.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(variables)) = fields.get_mut("substitute") {
                variables.values_mut().filter(|value| value.is_null()).for_each(|value| *value = "".into());
            }
            let plain = std::mem::take(fields);
            *fields = plain.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>();
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TEXTS, as_text};

    #[test]
    fn texts_need_no_quotes_in_a_file() {
        let mut found = json!({ "spec": {
            "postBuild": { "substitute": { "a": 1, "b": true, "c": 1.5, "d": 2.0, "e": "x" } },
            "images": [{ "newTag": 1.0 }], "prune": true,
        } });
        TEXTS.iter().for_each(|path| as_text(&mut found, path));
        let texts = json!({ "spec": {
            "postBuild": { "substitute": { "a": "1", "b": "true", "c": "1.5", "d": "2", "e": "x" } },
            "images": [{ "newTag": "1" }], "prune": true,
        } });
        assert_eq!(found, texts);
    }
}

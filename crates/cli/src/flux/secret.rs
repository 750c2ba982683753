//! A Secret on its way to a person or a cluster, wiped and not printable.

use std::io::Read as _;
use std::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Client;
use sealfast_k8s::object;
use serde_json::{Map, Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::Failed;
use super::wait::MANAGER;
use crate::sops::files;

/// A Secret to be. There is no Debug: only [`Secret::export`] shows values.
pub(super) struct Secret(Value);

impl Secret {
    /// An empty Secret.
    pub(super) fn new(name: &str, namespace: &str) -> Self {
        Self(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": namespace },
        }))
    }

    /// One that was there; what is in it is wiped, too.
    pub(super) fn found(object: Value) -> Self {
        Self(object)
    }

    /// Returns a value of one that was there, decoded.
    pub(super) fn bytes(&self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        STANDARD.decode(self.0["data"][key].as_str()?).ok().map(Zeroizing::new)
    }

    /// Returns the items, when it is a list of objects.
    pub(super) fn listed(&self) -> Option<&Vec<Value>> {
        self.0["items"].as_array().filter(|_| object::kind(&self.0).ends_with("List"))
    }

    /// Returns the object, for what is no secret in it.
    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    /// Returns its name.
    pub(super) fn name(&self) -> &str {
        object::name(&self.0)
    }

    /// Returns its namespace.
    pub(super) fn namespace(&self) -> &str {
        object::namespace(&self.0)
    }

    /// Sets the labels, when there are some.
    pub(super) fn labelled(mut self, labels: Map<String, Value>) -> Self {
        if !labels.is_empty() {
            self.0["metadata"]["labels"] = Value::Object(labels);
        }
        self
    }

    /// Sets an annotation.
    pub(super) fn annotated(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["annotations"][key] = value.into();
        self
    }

    /// Sets the type.
    pub(super) fn typed(mut self, kind: &str) -> Self {
        self.0["type"] = kind.into();
        self
    }

    /// Sets a value.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        let place = &mut self.0["stringData"][key];
        if let Value::String(former) = place {
            former.zeroize();
        }
        *place = value.into();
    }

    /// Sets a value, when there is one.
    pub(super) fn set_some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Tells whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.get("stringData").is_none()
    }

    /// Puts something else in the place of a field's values, which are wiped.
    pub(super) fn cover(&mut self, field: &str, shown: Option<Map<String, Value>>) {
        if let Some(shown) = shown {
            let values = std::mem::replace(&mut self.0[field], Value::Object(shown));
            drop(Self(json!({ field: values })));
        }
    }

    /// Returns a value that is no secret, such as a public key.
    pub(super) fn public(&self, key: &str) -> Option<&str> {
        self.0["stringData"][key].as_str()
    }

    /// Returns it as YAML, values included: what `--export` is for.
    pub(super) fn export(&self) -> Zeroizing<String> {
        let yaml = Zeroizing::new(sealfast_yaml::json::to_yaml(&self.0));
        Zeroizing::new(["---\n", &yaml].concat())
    }

    /// Creates it; where there is one already, values are set, labels and annotations are added.
    pub(super) async fn upsert(&self, client: &Client) -> Result<(), Failed> {
        let id = object::id(&self.0);
        let found = client.find(&id.gvk, &id.namespace, &id.name).await;
        let done = match found? {
            None => client.create(&self.0, MANAGER).await,
            Some(live) => client.update(&self.over(Self(live)).0, MANAGER).await,
        };
        drop(Self(done?));
        Ok(())
    }

    fn over(&self, mut live: Self) -> Self {
        for field in ["labels", "annotations"] {
            for (key, value) in self.0["metadata"][field].as_object().into_iter().flatten() {
                live.0["metadata"][field][key] = value.clone();
            }
        }
        if let Some(data) = self.0.get("stringData") {
            live.0["stringData"] = data.clone();
        }
        live
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// The objects of a build, opened Secrets among them; what they hold is wiped, however the work on them ends.
pub(super) struct Objects(Vec<Value>);

impl From<Vec<Value>> for Objects {
    fn from(objects: Vec<Value>) -> Self {
        Self(objects)
    }
}

impl Deref for Objects {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl DerefMut for Objects {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

/// Wipes the values of a Secret, or of those in a list.
fn wipe(object: &mut Value) {
    for field in ["data", "stringData"] {
        let values = object.get_mut(field).and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(Map::values_mut) {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
    for item in object.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        wipe(item);
    }
}

/// Reads a file that goes into a Secret. Nothing is read for an empty name, and an empty file counts as none.
pub(super) fn file(path: &str, what: &str) -> Result<Option<Zeroizing<String>>, Failed> {
    if path.is_empty() {
        return Ok(None);
    }
    let bytes = bytes(path).map_err(|why| format!("{what}: {why}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("{what}: {path}: no Secret holds more than {LONGEST} bytes").into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{what}: {path}: it is not text in UTF-8"))?;
    Ok((!text.is_empty()).then(|| Zeroizing::new(text.to_owned())))
}

/// Reads standard input in the same way.
pub(super) fn stdin(what: &str) -> Result<Option<Zeroizing<String>>, Failed> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize + 1));
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| format!("{what}: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("{what}: no Secret holds more than {LONGEST} bytes").into());
    }
    Ok((!text.is_empty()).then_some(text))
}

fn bytes(path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |verb: &str, error: &std::io::Error| format!("{verb} {path}: {}", files::reason(error));
    let file = std::fs::File::open(path).map_err(|error| failed("open", &error))?;
    // A pipe does not know its size.
    let size = file.metadata().map(|about| about.len()).ok().filter(|size| *size > 0);
    let size = usize::try_from(size.unwrap_or(LONGEST).min(LONGEST)).unwrap_or_default();
    // Room for all of it from the start, so that nothing stays behind where it grew out of.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| failed("read", &error))?;
    Ok(bytes)
}

/// What Kubernetes takes at most.
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Objects, wipe};

    #[test]
    fn built_objects_are_wiped() {
        let secret = json!({"kind": "Secret", "data": {"a": "x"}, "stringData": {"b": "y"}});
        let list = json!({"kind": "SecretList", "items": [{"data": {"c": "z"}}]});
        let mut objects = Objects::from(vec![secret, list]);
        objects.iter_mut().for_each(wipe);
        assert_eq!(objects[0], json!({"kind": "Secret", "data": {"a": ""}, "stringData": {"b": ""}}));
        assert_eq!(objects[1]["items"][0]["data"]["c"], "");
        assert!(std::mem::needs_drop::<Objects>());
    }
}

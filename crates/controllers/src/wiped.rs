//! Secrets as the API server sends them, wiped when they are dropped.

use std::ops::Deref;

use sealfast_cluster::client::Client;
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;
use zeroize::Zeroize as _;

/// An object whose texts are wiped when it is dropped. It has no printable form.
pub(crate) struct Wiped(Value);

impl Wiped {
    /// Takes an object.
    pub(crate) fn new(object: Value) -> Wiped {
        Wiped(object)
    }
}

impl Deref for Wiped {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads a Secret.
pub(crate) async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Wiped, Error> {
    client.get(&GroupVersionKind::new("", "v1", "Secret"), namespace, name).await.map(Wiped::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::wipe;

    #[test]
    fn no_text_is_left() {
        let mut secret =
            json!({"kind": "Secret", "data": {"key": "aHVudGVyMg=="}, "list": [{"deep": "x"}], "n": 1});
        wipe(&mut secret);
        assert_eq!(secret, json!({"kind": "", "data": {"key": ""}, "list": [{"deep": ""}], "n": 1}));
    }
}

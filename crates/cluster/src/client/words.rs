//! Kinds by what people call them: plural, singular, kind or short name.
//!
//! Follows: kubectl, but for groups that refuse to be read: those are an error.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::Value;

use crate::client::Client;
use crate::client::discovery::{Place, places, version_path};
use crate::client::request::{Call, encode};
use crate::error::Error;

/// How many lists are asked for at once.
const AT_ONCE: usize = 8;

/// The kinds that a server has, those of the core group first, then groups in the server's order.
pub struct Served(Vec<(Place, Vec<Value>)>);

/// Reads all kinds.
pub(super) async fn read(client: &Client) -> Result<Served, Error> {
    let read = places(client).await?.into_iter().map(|place| async move {
        let found = resources(client, &place).await?;
        Ok::<_, Error>((place, found))
    });
    Ok(Served(stream::iter(read).buffered(AT_ONCE).try_collect().await?))
}

/// The kinds of one group and version, without subresources. A group whose server is away hides no other.
async fn resources(client: &Client, (group, version): &Place) -> Result<Vec<Value>, Error> {
    let path = version_path(&encode(group), &encode(version));
    let mut listed = match client.call(Call::new(Method::GET, path)).await {
        Ok(listed) => listed,
        Err(error) if error.status().is_some_and(|status| matches!(status.code, 404 | 503)) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let Value::Array(mut entries) = listed["resources"].take() else { return Ok(Vec::new()) };
    entries.retain(|entry| entry["name"].as_str().is_some_and(|name| !name.contains('/')));
    Ok(entries)
}

impl Served {
    /// Finds the kind that a word stands for, with or without `.GROUP` or `.VERSION.GROUP`. Names come before short names.
    pub fn named(&self, word: &str) -> Option<GroupVersionKind> {
        let (name, place) = word.split_once('.').unwrap_or((word, ""));
        let name = name.to_lowercase();
        let short = |entry: &Value| {
            entry["shortNames"].as_array().is_some_and(|names| names.iter().any(|short| *short == name))
        };
        let full = |entry: &Value| {
            let kind = entry["kind"].as_str().unwrap_or_default();
            entry["name"] == name || entry["singularName"] == name || kind.to_lowercase() == name
        };
        self.find(place, full).or_else(|| self.find(place, short))
    }

    fn find(&self, place: &str, fits: impl Fn(&Value) -> bool) -> Option<GroupVersionKind> {
        let at = self.0.iter().filter(|(known, _)| is_at(known, place));
        let mut entries = at.flat_map(|(known, entries)| entries.iter().map(move |entry| (known, entry)));
        let ((group, version), entry) = entries.find(|(_, entry)| fits(entry))?;
        Some(GroupVersionKind::new(&**group, &**version, entry["kind"].as_str().unwrap_or_default()))
    }
}

/// Whether a group and version are those behind the first dot: `GROUP` (or its beginning), or `VERSION.GROUP`.
fn is_at((group, version): &Place, place: &str) -> bool {
    let behind = place.strip_prefix(version.as_str()).and_then(|rest| rest.strip_prefix('.'));
    place.is_empty() || group.starts_with(place) || behind.is_some_and(|rest| group.starts_with(rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_name_kinds_as_kubectl_takes_them() {
        let place = |group: &str, version: &str| (group.to_owned(), version.to_owned());
        let served = Served(vec![
            (
                place("", "v1"),
                vec![json!({ "name": "pods", "singularName": "pod", "kind": "Pod", "shortNames": ["po"] })],
            ),
            (
                place("apps", "v1"),
                vec![json!({ "name": "deployments", "kind": "Deployment", "shortNames": ["deploy", "pod"] })],
            ),
            (place("x.io", "v2"), vec![json!({ "name": "pods", "kind": "Pod" })]),
        ]);
        for (word, found) in [
            ("pod", Some("v1/Pod")),
            ("PO", Some("v1/Pod")),
            ("deploy", Some("apps/v1/Deployment")),
            ("pod.apps", Some("apps/v1/Deployment")),
            ("pods.v2.x.io", Some("x.io/v2/Pod")),
            ("pods.x", Some("x.io/v2/Pod")),
            ("scale", None),
        ] {
            let gvk = served.named(word).map(|gvk| format!("{}/{}", gvk.api_version(), gvk.kind));
            assert_eq!(gvk.as_deref(), found, "{word}");
        }
    }
}

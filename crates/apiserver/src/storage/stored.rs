//! One version of an object: JSON text that is pasted rather than read.
//!
//! The text is compact, begins with `apiVersion`, `kind` and `metadata` in this order, and holds no
//! resourceVersion, which the store numbers itself. So the text of an answer is the kept text with that number
//! put in, and an object is parsed only when something inside it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Refused;
use crate::fields;

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub revision: u64,
    text: Arc<Text>,
}

#[derive(Debug)]
struct Text {
    bytes: Box<[u8]>,
    /// Read when a selector first asks for them, because many watches ask about the same object.
    marks: OnceLock<Box<Marks>>,
}

/// The text of an object as bytes that know when they are gone.
struct Shared(Arc<Text>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

/// What selectors mostly look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Marks {
    pub name: String,
    pub namespace: String,
    pub labels: HashMap<String, String>,
}

/// What ties an object to others.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Bonds {
    uid: Option<String>,
    owner_references: Option<Vec<Owner>>,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    uid: Option<String>,
}

impl Bonds {
    pub(crate) fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or_default()
    }

    /// The uids of its owners.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &str> {
        self.owner_references.iter().flatten().map(|owner| owner.uid.as_deref().unwrap_or_default())
    }

    /// True once the object has a deletionTimestamp.
    pub(crate) fn is_deleting(&self) -> bool {
        self.deletion_timestamp.as_ref().is_some_and(|time| !time.is_empty())
    }
}

impl Stored {
    /// An object as it is kept.
    ///
    /// # Errors
    /// For objects that are too large or nested too deeply.
    pub(super) fn of(object: &Value, revision: u64) -> Result<Self, Refused> {
        if fields::depth(object) > fields::MOST_LEVELS {
            return Err(Refused::TooDeep);
        }
        if fields::count(object) > fields::MOST_KEPT_VALUES {
            return Err(Refused::TooMany);
        }
        let bytes = serde_json::to_vec(&InOrder(object)).map_err(|_| Refused::TooDeep)?;
        if bytes.len() > LARGEST {
            return Err(Refused::TooLarge);
        }
        Ok(Self::restored(bytes, revision))
    }

    /// What a journal gave back.
    pub(super) fn restored(bytes: Vec<u8>, revision: u64) -> Self {
        Self { revision, text: Arc::new(Text { bytes: bytes.into(), marks: OnceLock::new() }) }
    }

    pub(super) fn at(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// The kept text.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text.bytes
    }

    /// Bytes of the kept text.
    pub(crate) fn size(&self) -> usize {
        self.text.bytes.len()
    }

    /// The object, with its resourceVersion.
    pub(crate) fn object(&self) -> Value {
        let mut object = serde_json::from_slice(&self.text.bytes).unwrap_or(Value::Null);
        fields::set_meta(&mut object, "resourceVersion", self.revision.to_string().into());
        object
    }

    /// The same object with another resourceVersion (that of its deletion, for instance).
    pub(crate) fn numbered(&self, revision: u64) -> Self {
        self.clone().at(revision)
    }

    /// Appends the object's text to `out`, beginning with `head` in place of `kept`; false, and nothing is
    /// appended, when the kept text begins otherwise.
    pub(crate) fn write(&self, kept: &str, head: &str, out: &mut Vec<u8>) -> bool {
        let Some(rest) = self.behind(kept) else { return false };
        out.extend_from_slice(head.as_bytes());
        self.write_metadata(rest, out);
        true
    }

    /// The same in two parts: appends the beginning to `out` and returns the rest, which is shared and not copied.
    pub(crate) fn write_beginning(&self, kept: &str, head: &str, out: &mut Vec<u8>) -> Option<Bytes> {
        let rest = self.behind(kept)?;
        out.extend_from_slice(head.as_bytes());
        self.write_version(rest, out);
        let from = self.text.bytes.len() - rest.len();
        Some(Bytes::from_owner(Shared(Arc::clone(&self.text))).slice(from..))
    }

    fn behind(&self, kept: &str) -> Option<&[u8]> {
        self.text.bytes.strip_prefix(kept.as_bytes()).filter(|rest| rest.first() == Some(&b'"'))
    }

    /// Appends the object's `metadata` to `out`.
    pub(crate) fn write_partial(&self, out: &mut Vec<u8>) {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            metadata: &'a RawValue,
        }
        let Ok(outer) = serde_json::from_slice::<Outer<'_>>(&self.text.bytes) else { return };
        let Some(rest) = outer.metadata.get().strip_prefix('{') else { return };
        out.push(b'{');
        self.write_metadata(rest.as_bytes(), out);
    }

    fn write_metadata(&self, rest: &[u8], out: &mut Vec<u8>) {
        self.write_version(rest, out);
        out.extend_from_slice(rest);
    }

    /// Appends the resourceVersion as it stands before `rest`.
    fn write_version(&self, rest: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"resourceVersion\":\"");
        out.extend_from_slice(self.revision.to_string().as_bytes());
        out.extend_from_slice(if rest.first() == Some(&b'}') { b"\"" } else { b"\"," });
    }

    /// Uid, owners and whether it goes; read without the rest of the object.
    pub(crate) fn bonds(&self) -> Bonds {
        #[derive(Default, Deserialize)]
        struct Outer {
            metadata: Bonds,
        }
        serde_json::from_slice::<Outer>(&self.text.bytes).unwrap_or_default().metadata
    }

    /// Name, namespace and labels.
    pub(crate) fn marks(&self) -> &Marks {
        #[derive(Default, Deserialize)]
        struct Outer {
            metadata: Marks,
        }
        self.text.marks.get_or_init(|| {
            let outer: Outer = serde_json::from_slice(&self.text.bytes).unwrap_or_default();
            Box::new(outer.metadata)
        })
    }
}

/// How the text of an object in this version begins.
pub(crate) fn head(api_version: &str, kind: &str) -> String {
    format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",\"metadata\":{{")
}

/// Writes an object in the order it is kept in.
struct InOrder<'a>(&'a Value);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.0 else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for key in ["apiVersion", "kind"] {
            if let Some(value) = fields.get(key) {
                map.serialize_entry(key, value)?;
            }
        }
        map.serialize_entry("metadata", &Metadata(fields.get("metadata")))?;
        for (key, value) in fields.iter().filter(|(key, _)| !HEAD.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The metadata without its resourceVersion.
struct Metadata<'a>(Option<&'a Value>);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.and_then(Value::as_object);
        let kept = fields.into_iter().flatten().filter(|(key, _)| *key != "resourceVersion");
        serializer.collect_map(kept)
    }
}

const HEAD: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// Bytes of the largest object.
pub(super) const LARGEST: usize = 3 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored() -> Stored {
        let object = json!({
            "data": {"metadata": "{"},
            "metadata": {"resourceVersion": "7", "name": "a", "labels": {"k": "v\"{", "x": "\u{e4}"}},
            "kind": "ConfigMap", "apiVersion": "v1",
        });
        Stored::of(&object, 12).expect("a small object is kept")
    }

    #[test]
    fn pasted_text_says_what_the_object_says() {
        let stored = stored();
        let kept = head("v1", "ConfigMap");
        let mut text = Vec::new();
        assert!(stored.write(&kept, &kept, &mut text));
        assert_eq!(serde_json::from_slice::<Value>(&text).ok(), Some(stored.object()));
        assert_eq!(stored.object()["metadata"]["resourceVersion"], "12");
        assert!(!stored.write(&head("v2", "ConfigMap"), &kept, &mut text), "of another version");
        let mut parts = Vec::new();
        let rest = stored.write_beginning(&kept, &kept, &mut parts).expect("it is of this version");
        parts.extend_from_slice(&rest);
        assert_eq!(parts, text);
    }

    #[test]
    fn metadata_and_marks_are_read_alone() {
        let stored = stored().numbered(13);
        let mut text = Vec::new();
        stored.write_partial(&mut text);
        let metadata: Value = serde_json::from_slice(&text).expect("it is JSON");
        assert_eq!(metadata, stored.object()["metadata"]);
        let marks = stored.marks();
        assert_eq!(
            (marks.name.as_str(), marks.namespace.as_str(), marks.labels["k"].as_str()),
            ("a", "", "v\"{")
        );
    }

    #[test]
    fn objects_of_very_many_values_are_not_kept() {
        let object = |count: usize| json!({"apiVersion": "v1", "kind": "X", "spec": vec![0; count - 4]});
        assert!(Stored::of(&object(fields::MOST_KEPT_VALUES), 3).is_ok());
        assert!(matches!(Stored::of(&object(fields::MOST_KEPT_VALUES + 1), 3), Err(Refused::TooMany)));
    }

    #[test]
    fn an_object_without_metadata_gets_its_number() {
        let stored = Stored::of(&json!({"apiVersion": "v1", "kind": "X"}), 3).expect("kept");
        let mut text = Vec::new();
        stored.write_partial(&mut text);
        assert_eq!(text, b"{\"resourceVersion\":\"3\"}");
    }
}

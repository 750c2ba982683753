//! Keys that stand twice in one JSON object: the last wins, but the client is told.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Paths such as `data.a` and `spec.list[0].b`; nothing for a text that is no JSON.
pub(crate) fn find(text: &[u8]) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let _ = Place { path: String::new(), found: &mut found }.deserialize(&mut reader);
    found
}

/// True for a text that is JSON and holds no key twice.
pub(crate) fn is_clean(text: &[u8]) -> bool {
    let mut found = HashSet::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Place { path: String::new(), found: &mut found }.deserialize(&mut reader);
    read.is_ok() && reader.end().is_ok() && found.is_empty()
}

struct Place<'a> {
    path: String,
    found: &'a mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !seen.insert(key) {
                self.found.insert(path.clone());
            }
            map.next_value_seed(Place { path, found: &mut *self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut at = 0;
        loop {
            let path = format!("{}[{at}]", self.path);
            if items.next_element_seed(Place { path, found: &mut *self.found })?.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        IgnoredAny.visit_newtype_struct(reader).map(|_| ())
    }
}

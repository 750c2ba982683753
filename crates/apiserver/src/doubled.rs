//! JSON with keys that stand twice in one object: the last wins, and it is told.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use crate::fields;
use crate::path::Path;

/// Reads a JSON text, and the paths of what stands twice in it, such as `data.a` and `spec.list[0].b`.
///
/// # Errors
/// For a text that is no JSON, or one of too many values, which is an error of its data.
pub(crate) fn read(text: &[u8]) -> serde_json::Result<(Value, HashSet<String>)> {
    let (mut doubled, mut left) = (Doubled::default(), fields::MOST_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value =
        Place { path: Path::Root, doubled: &mut doubled, left: &mut left }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, doubled.paths))
}

/// What is said of a text that would fill the memory.
pub(crate) const TOO_MANY: &str = "there are more than 250000 values in it";

/// What stands twice; of many, or long ones, the first.
#[derive(Default)]
struct Doubled {
    paths: HashSet<String>,
    bytes: usize,
}

impl Doubled {
    fn note(&mut self, path: Path<'_>) {
        if self.bytes < MOST_TOLD {
            let path = path.to_string();
            self.bytes += path.len();
            self.paths.insert(path);
        }
    }
}

/// Bytes of paths after which no more of them are told: a long key above many others would fill the memory.
const MOST_TOLD: usize = 64 << 10;

struct Place<'a> {
    path: Path<'a>,
    doubled: &'a mut Doubled,
    /// How many more values there may be.
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = Path::Field(&self.path, &key);
            let value =
                map.next_value_seed(Place { path, doubled: &mut *self.doubled, left: &mut *self.left })?;
            match fields.entry(key) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(mut place) => {
                    self.doubled.note(Path::Field(&self.path, place.key()));
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Path::Item(&self.path, list.len());
            match items.next_element_seed(Place {
                path,
                doubled: &mut *self.doubled,
                left: &mut *self.left,
            })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_wins_and_its_path_is_told() {
        let text = br#"{"a": {"b": 1, "b": [{"c": null, "c": -2, "d": 1.5}]}, "e": true, "a.b": "x"}"#;
        let (value, doubled) = read(text).expect("it is JSON");
        assert_eq!(value, json!({"a": {"b": [{"c": -2, "d": 1.5}]}, "e": true, "a.b": "x"}));
        assert_eq!(doubled, HashSet::from(["a.b".to_owned(), "a.b[0].c".to_owned()]));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let twice =
            (0..2_000).map(|number| format!("\"a{number}\":1,\"a{number}\":1")).collect::<Vec<_>>().join(",");
        let (_, doubled) =
            read(format!("{{\"{}\":{{{twice}}}}}", "k".repeat(10_000)).as_bytes()).expect("JSON");
        assert_eq!(doubled.len(), 7, "of 2,000 paths of ten thousand letters");
    }

    #[test]
    fn values_are_counted_while_they_are_read() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(list(fields::MOST_VALUES).as_bytes()).is_ok());
        let refused = read(list(fields::MOST_VALUES + 1).as_bytes()).expect_err("it is one more");
        assert!(refused.is_data() && refused.to_string().starts_with(TOO_MANY), "{refused}");
    }

    #[test]
    fn values_are_those_of_the_library() {
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e400",
            "1e3",
            "\"\\ud83d\\ude00\"",
            "[[]]",
            "{} x",
            "",
        ] {
            let known = serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
            let read = read(text.as_bytes()).map(|(value, _)| value).map_err(|error| error.to_string());
            assert_eq!(read, known, "{text}");
        }
    }
}

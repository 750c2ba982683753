//! Built-in objects against the facts about their kinds.
//!
//! Follows: the JSON decoder of kube-apiserver 1.36, its words for wrong types included.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sealfast_k8s::schema::{Field, Type, builtin};
use serde_json::{Map, Value, json};

use crate::causes::Complaints;
use crate::path::Path;
use crate::quantity;

/// Checks a whole object and drops what is unknown or empty; says what was unknown or stood twice, in order.
///
/// # Errors
/// The first value whose type is wrong, in words.
pub(crate) fn check(
    kind: &Type,
    object: &mut Value,
    doubled: &HashSet<String>,
) -> Result<Vec<String>, String> {
    let name = object["kind"].as_str().unwrap_or_default().to_owned();
    let mut complaints = Complaints::at_most(MOST_COMPLAINTS);
    let lengths = doubled.iter().map(String::len).collect();
    let mut walk = Walk { doubled, lengths, complaints: &mut complaints };
    if let Some(map) = object.as_object_mut() {
        walk.fields(kind, &name, map, None)?;
    }
    Ok(complaints.told())
}

/// The same for the metadata of a custom object, or of an object embedded in one.
pub(crate) fn check_metadata(
    metadata: &mut Value,
    path: &Path<'_>,
    complaints: &mut Complaints,
) -> Result<(), String> {
    let mut walk = Walk { doubled: &HashSet::new(), lengths: HashSet::new(), complaints };
    if let (Some(kind), Some(map)) = (builtin().named("meta.ObjectMeta"), metadata.as_object_mut()) {
        let place = Place { above: None, step: Step::Top(path) };
        walk.fields(kind, "ObjectMeta", map, Some(&place))?;
    }
    Ok(())
}

/// Where a value stands; put into words only when something is wrong with it.
#[derive(Clone, Copy)]
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    /// Metadata that is read alone, in an object that is not.
    Top(&'a Path<'a>),
    Field {
        owner: &'a str,
        name: &'a str,
    },
    Key(&'a str),
    Item(usize),
}

impl Place<'_> {
    /// `spec.ports[0].name`.
    fn path(&self) -> String {
        let mut text = self.above.map(Place::path).unwrap_or_default();
        match self.step {
            Step::Top(path) => text.push_str(&path.to_string()),
            Step::Item(at) => text.push_str(&format!("[{at}]")),
            Step::Field { name, .. } | Step::Key(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
        }
        text
    }

    /// Bytes of the path.
    fn length(&self) -> usize {
        let above = self.above.map_or(0, Place::length);
        match self.step {
            Step::Top(path) => path.to_string().len(),
            Step::Item(at) => above + "[]".len() + at.checked_ilog10().unwrap_or(0) as usize + 1,
            Step::Field { name, .. } | Step::Key(name) => above + usize::from(above > 0) + name.len(),
        }
    }

    /// `ServicePort.spec.ports.name`: the innermost struct, and the fields that lead to the value.
    fn go_field(&self) -> String {
        let (mut owner, mut names) = (None, Vec::new());
        let mut at = Some(self);
        while let Some(place) = at {
            if let Step::Field { owner: own, name } = place.step {
                owner = owner.or(Some(own));
                names.push(name);
            }
            at = place.above;
        }
        names.extend(owner);
        names.reverse();
        names.join(".")
    }

    fn wrong(&self, value: &Value, go_type: &str) -> String {
        format!(
            "json: cannot unmarshal {} into Go struct field {} of type {go_type}",
            go_word(value),
            self.go_field()
        )
    }
}

struct Walk<'a> {
    doubled: &'a HashSet<String>,
    /// How long these are: of fields with paths of other lengths the path is not written.
    lengths: HashSet<usize>,
    complaints: &'a mut Complaints,
}

impl Walk<'_> {
    fn fields(
        &mut self,
        kind: &Type,
        owner: &str,
        map: &mut Map<String, Value>,
        above: Option<&Place<'_>>,
    ) -> Result<(), String> {
        let mut wrong = None;
        map.retain(|name, value| {
            if wrong.is_some() {
                return true;
            }
            self.field(kind, Place { above, step: Step::Field { owner, name } }, value).unwrap_or_else(
                |why| {
                    wrong = Some(why);
                    true
                },
            )
        });
        if let Some(why) = wrong {
            return Err(why);
        }
        always_there(kind, map, above.is_none());
        Ok(())
    }

    /// Checks one field; the answer is whether it stays.
    fn field(&mut self, kind: &Type, place: Place<'_>, value: &mut Value) -> Result<bool, String> {
        let Step::Field { name, .. } = place.step else { return Ok(true) };
        self.complain_if_doubled(&place);
        let at_root = place.above.is_none();
        let Some(field) = kind.fields.get(name) else {
            let known = at_root && matches!(name, "apiVersion" | "kind");
            if !known {
                self.complaints.note(|| format!("unknown field \"{}\"", place.path()));
            }
            return Ok(known);
        };
        self.value(field, value, &place)?;
        let either = kind_of_schema(place) && matches!(name, "additionalItems" | "additionalProperties");
        if either && !(value.is_boolean() || value.is_object() || value.is_null()) {
            return Err("boolean or JSON schema expected".to_owned());
        }
        if value.is_null() && kind.presence.always.get(name).is_some_and(|unset| !unset.is_null()) {
            // What is always there is filled in anew.
            return Ok(false);
        }
        if is_empty(value) && kind.presence.always.get(name).is_some_and(Value::is_null) {
            // Some lists state that there are none.
            *value = Value::Null;
        }
        // An empty list of entries asks to forget them all.
        let resets = name == "managedFields" && value.is_array();
        Ok(resets || !vanishes(kind, name, field, value))
    }

    fn complain_if_doubled(&mut self, place: &Place<'_>) {
        if self.lengths.is_empty() || !self.lengths.contains(&place.length()) {
            return;
        }
        let path = place.path();
        if self.doubled.contains(&path) {
            self.complaints.note(|| format!("duplicate field \"{path}\""));
        }
    }

    fn value(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        if let Some(kind) = builtin().type_of(field) {
            let owner = field.type_name().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
            let Value::Object(map) = value else { return Err(place.wrong(value, &go_type(field))) };
            return self.fields(kind, owner, map, Some(place));
        }
        match field.kind.as_str() {
            "list" => self.list(field, value, place),
            "map" => self.map(field, value, place),
            kind => scalar(kind, value, place),
        }
    }

    fn list(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), String> {
        let Value::Array(items) = value else { return Err(place.wrong(value, &go_type(field))) };
        let Some(of) = &field.of else { return Ok(()) };
        for (at, item) in items.iter_mut().enumerate() {
            fill_null(of, item);
            self.value(of, item, &Place { above: Some(place), step: Step::Item(at) })?;
        }
        Ok(())
    }

    fn map(&mut self, field: &Field, value: &mut Value, place: &Place<'_>) -> Result<(), String> {
        let Value::Object(map) = value else { return Err(place.wrong(value, &go_type(field))) };
        let Some(of) = &field.of else { return Ok(()) };
        for (name, value) in map {
            let place = Place { above: Some(place), step: Step::Key(name) };
            self.complain_if_doubled(&place);
            fill_null(of, value);
            self.value(of, value, &place)?;
            if of.kind == "quantity" {
                // Of amounts of resources nothing finer is kept.
                quantity::round_up_to_milli(value);
            }
        }
        Ok(())
    }
}

/// Whether a field is one of a schema within a definition.
fn kind_of_schema(place: Place<'_>) -> bool {
    matches!(place.step, Step::Field { owner: "JSONSchemaProps", .. })
}

/// A `null` among items or entries is the empty value of their type.
fn fill_null(of: &Field, value: &mut Value) {
    if !value.is_null() {
        return;
    }
    *value = match of.kind.as_str() {
        "string" | "bytes" => json!(""),
        "int32" | "int64" | "float" | "int-or-string" => json!(0),
        "bool" => json!(false),
        "quantity" => json!("0"),
        _ => builtin().type_of(of).map_or(Value::Null, |kind| builtin().unset(kind)),
    };
}

/// Adds what is written even when nobody set it.
fn always_there(kind: &Type, map: &mut Map<String, Value>, at_root: bool) {
    for (name, unset) in &kind.presence.always {
        // The status of an object is the business of those who store it.
        if map.contains_key(name) || (at_root && name == "status") {
            continue;
        }
        let below = kind.fields.get(name).filter(|_| unset.is_object());
        let below = below.and_then(|field| builtin().type_of(field));
        map.insert(name.clone(), below.map_or_else(|| unset.clone(), |kind| builtin().unset(kind)));
    }
}

fn scalar(kind: &str, value: &mut Value, place: &Place<'_>) -> Result<(), String> {
    match kind {
        "string" if !value.is_string() => Err(place.wrong(value, "string")),
        "bool" if !value.is_boolean() => Err(place.wrong(value, "bool")),
        "float" if !value.is_number() => Err(place.wrong(value, "float64")),
        "int32" | "int64" => whole(kind, value, place),
        "quantity" => quantity::canonical(value),
        "int-or-string" if !(value.is_string() || value.is_i64() || value.is_u64()) => {
            Err(format!("json: cannot unmarshal {} into Go value of type int32", go_word(value)))
        }
        "bytes" => bytes(value, place),
        "time" => time(value),
        "microtime" => micro_time(value),
        _ => Ok(()),
    }
}

fn whole(kind: &str, value: &Value, place: &Place<'_>) -> Result<(), String> {
    // A number such as `2.0` is none; where it is taken for one, it was made one when it was read.
    let fits = |number: i64| kind == "int64" || i32::try_from(number).is_ok();
    match value.as_i64().filter(|number| fits(*number)) {
        Some(_) => Ok(()),
        None if value.is_number() => Err(format!(
            "json: cannot unmarshal number {value} into Go struct field {} of type {kind}",
            place.go_field()
        )),
        None => Err(place.wrong(value, kind)),
    }
}

fn bytes(value: &mut Value, place: &Place<'_>) -> Result<(), String> {
    let text = value.as_str().ok_or_else(|| place.wrong(value, "[]uint8"))?;
    let plain: String = text.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
    if let Ok(decoded) = LENIENT.decode(&plain).map(zeroize::Zeroizing::new) {
        let shortest = STANDARD.encode(&*decoded);
        if shortest != text {
            *value = shortest.into();
        }
        return Ok(());
    }
    let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    let at = text.find(|found| !letter(found)).unwrap_or(text.len() / 4 * 4);
    Err(format!("illegal base64 data at input byte {at}"))
}

fn time(value: &mut Value) -> Result<(), String> {
    let text = time_text(value)?;
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let parsed = instant(text, "2006-01-02T15:04:05Z07:00")?;
    *value = parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    Ok(())
}

/// Exactly six digits after the point.
fn micro_time(value: &mut Value) -> Result<(), String> {
    let text = time_text(value)?;
    if text.is_empty() {
        *value = Value::Null;
        return Ok(());
    }
    let tail = text.get(19..).unwrap_or_default();
    let digits = tail.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if digits != 6 {
        let (rest, wanted) = if tail.is_empty() { (text, "2006") } else { (tail, ".000000") };
        return Err(format!(
            "parsing time \"{text}\" as \"{MICRO}\": cannot parse \"{rest}\" as \"{wanted}\""
        ));
    }
    let parsed = instant(text, MICRO)?;
    *value = parsed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into();
    Ok(())
}

fn time_text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("json: cannot unmarshal {} into Go value of type string", go_word(value)))
}

fn instant(text: &str, layout: &str) -> Result<jiff::Timestamp, String> {
    text.parse()
        .map_err(|_| format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\""))
}

/// What Go's decoder calls a JSON value.
pub(crate) fn go_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The Go type of a field: `[]v1.Container`, `map[string]string`.
fn go_type(field: &Field) -> String {
    let of = || field.of.as_deref().map_or_else(|| "interface {}".to_owned(), go_type);
    if let Some(name) = field.type_name() {
        let mut parts = name.rsplit('.');
        let (kind, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let package = if version == "meta" { "v1" } else { version };
        return format!("{package}.{kind}");
    }
    match field.kind.as_str() {
        "list" => format!("[]{}", of()),
        "map" => format!("map[string]{}", of()),
        "bytes" => "[]uint8".to_owned(),
        "float" => "float64".to_owned(),
        kind => kind.to_owned(),
    }
}

/// Empty values that the server does not write back.
fn vanishes(kind: &Type, name: &str, field: &Field, value: &Value) -> bool {
    let presence = &kind.presence;
    if presence.always.contains_key(name) {
        return false;
    }
    let told = presence.zero.iter().any(|known| known == name);
    match value {
        Value::Null => true,
        // What is any value at all may be an empty list.
        Value::Array(_) => field.kind != "any" && is_empty(value),
        Value::Object(map) => map.is_empty() && field.kind == "map",
        _ if told || !PLAIN.contains(&field.kind.as_str()) => false,
        Value::String(text) => text.is_empty(),
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Of so many complaints about fields the reference tells.
const MOST_COMPLAINTS: usize = 100;
/// Kinds of values that are left out when they are empty, where nothing else is known.
const PLAIN: [&str; 6] = ["string", "bytes", "bool", "int32", "int64", "float"];
/// Base64 whose last letter may hold bits that mean nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);
/// How times with fractions are written.
const MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_below_a_long_key_are_told_of_in_part() {
        let schema = |name: &str| json!({"type": "object", "x": 1, "items": {"x": 1}, "default": name});
        let definition = |key: &str, count: usize| {
            let schemas: Map<String, Value> = (0..count).map(|at| (format!("f{at}"), schema("a"))).collect();
            json!({"kind": "CustomResourceDefinition", "spec": {"versions": [{"schema": {"openAPIV3Schema": {
                "properties": {key: {"properties": schemas}},
            }}}]}})
        };
        let kind = builtin().named("apiextensions.v1.CustomResourceDefinition").expect("it is known");
        let told = |mut object: Value, doubled: &[String]| {
            check(kind, &mut object, &doubled.iter().cloned().collect()).expect("types are right")
        };
        assert_eq!(told(definition("a", 200), &[]).len(), MOST_COMPLAINTS);
        assert_eq!(told(definition(&"k".repeat(100_000), 200), &[]).len(), 11);

        let key = "k".repeat(1_000);
        let twice = format!("spec.versions[0].schema.openAPIV3Schema.properties.{key}.properties.f11");
        let told = told(definition(&key, 20), std::slice::from_ref(&twice));
        assert_eq!(told.iter().filter(|text| **text == format!("duplicate field \"{twice}\"")).count(), 1);
    }
}

//! Strategic merge patch: lists of the built-in kinds merge by their keys.

use std::collections::{HashMap, HashSet};

use sealfast_k8s::schema::{Field, Type, builtin};
use serde_json::{Map, Value};

use super::{Error, nothing};
use crate::go_text;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
/// Letters of a map that is told of.
const LONGEST_SHOWN: usize = 8 << 10;
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Applies a strategic patch to an object of a built-in type.
///
/// # Errors
///
/// [`Error::Strategic`] for an unknown directive or a list item without its merge key.
pub(crate) fn strategic_merge_patch(kind: &Type, object: &Value, patch: &Value) -> Result<Value, Error> {
    merge_map(Known::Struct(kind), object, patch)
}

/// What is known of a value's type.
#[derive(Clone, Copy)]
enum Known<'a> {
    Struct(&'a Type),
    Field(&'a Field),
    Nothing,
}

impl<'a> Known<'a> {
    fn field(self, name: &str) -> Known<'a> {
        let found = match self {
            Self::Struct(kind) => kind.fields.get(name),
            Self::Field(field) if field.kind == "map" => field.of.as_deref(),
            Self::Field(field) => builtin().type_of(field).and_then(|kind| kind.fields.get(name)),
            Self::Nothing => None,
        };
        found.map_or(Self::Nothing, Self::Field)
    }

    fn item(self) -> Known<'a> {
        match self {
            Self::Field(field) => field.of.as_deref().map_or(Self::Nothing, Self::Field),
            _ => Self::Nothing,
        }
    }

    fn has_strategy(self, strategy: &str) -> bool {
        matches!(self, Self::Field(field) if field.strategies.iter().any(|known| known == strategy))
    }

    fn merge_key(self) -> Option<&'a str> {
        match self {
            Self::Field(field) => field.merge_key.as_deref(),
            _ => None,
        }
    }
}

fn merge_map(known: Known<'_>, live: &Value, patch: &Value) -> Result<Value, Error> {
    let (Some(live), Some(patch)) = (live.as_object(), patch.as_object()) else { return Ok(patch.clone()) };
    match directive(patch)? {
        Some("replace") => return Ok(Value::Object(without_directives(patch))),
        Some("delete") => return Ok(nothing()),
        Some(other) => return Err(unknown(other, patch)),
        None => {}
    }
    patch.iter().try_for_each(|(name, order)| fits_order(known, patch, name, order))?;
    let mut merged = live.clone();
    if let Some(retained) = patch.get(RETAIN) {
        let retained = retained_keys(retained, patch)?;
        merged.retain(|name, _| retained.contains(name.as_str()));
    }
    for (name, value) in patch {
        if let Some(field) = name.strip_prefix(DELETE) {
            delete_primitives(&mut merged, field, value);
        }
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        if value.is_null() {
            merged.shift_remove(name);
            continue;
        }
        let value = match merged.get(name) {
            Some(before) => Some(merge_value(known.field(name), before, value)?),
            None => fresh(value),
        };
        if let Some(value) = value {
            merged.insert(name.clone(), value);
        }
    }
    // An order may come without items: the live ones are put into it.
    for (name, order) in patch {
        let Some(field) = name.strip_prefix(ORDER) else { continue };
        if let (Some(order), Some(Value::Array(items))) = (order.as_array(), merged.get_mut(field)) {
            let key = known.field(field).merge_key();
            let before = live.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            *items = ordered(std::mem::take(items), order, before, key);
        }
    }
    Ok(Value::Object(merged))
}

/// The keys that stay; what a patch sets is among them.
fn retained_keys<'a>(stated: &'a Value, patch: &Map<String, Value>) -> Result<HashSet<&'a str>, Error> {
    let malformed = || Error::Malformed("invalid patch format of retainKeys".to_owned());
    let keys: HashSet<&str> =
        stated.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    let is_free = |name: &str, value: &Value| {
        value.is_null() || name == RETAIN || name.starts_with(DELETE) || name.starts_with(ORDER)
    };
    let fits = patch.iter().all(|(name, value)| is_free(name, value) || keys.contains(name.as_str()));
    if fits { Ok(keys) } else { Err(malformed()) }
}

/// What a patch brings into a list stands in the order that it gives to the list.
fn fits_order(known: Known<'_>, patch: &Map<String, Value>, name: &str, order: &Value) -> Result<(), Error> {
    let Some(field) = name.strip_prefix(ORDER) else { return Ok(()) };
    let (Some(order), Some(items)) = (order.as_array(), patch.get(field).and_then(Value::as_array)) else {
        return Ok(());
    };
    let key = known.field(field).merge_key();
    let marked = |item: &Value| key.map_or_else(|| item.clone(), |key| item[key].clone());
    let brings = |item: &&Value| item.get(PATCH).is_none();
    let mut rest = order.iter().map(marked);
    if items.iter().filter(brings).map(marked).all(|item| rest.any(|place| place == item)) {
        return Ok(());
    }
    let shown = |list: &[Value]| go_text::of(&Value::Array(list.to_vec()));
    Err(Error::Strategic(format!(
        "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
        shown(items),
        shown(order)
    )))
}

/// What a patch brings where nothing was: directives go, and with `$patch` the whole map; so do fields that are
/// `null`.
fn fresh(patch: &Value) -> Option<Value> {
    match patch {
        Value::Null => None,
        Value::Object(fields) if fields.contains_key(PATCH) => None,
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !name.starts_with('$'));
            let kept = kept.filter_map(|(name, value)| Some((name.clone(), fresh(value)?)));
            Some(Value::Object(kept.collect()))
        }
        // A `null` in a list is an item.
        Value::Array(items) => {
            let items =
                items.iter().filter_map(|item| if item.is_null() { Some(Value::Null) } else { fresh(item) });
            Some(items.collect())
        }
        other => Some(other.clone()),
    }
}

fn merge_value(known: Known<'_>, live: &Value, patch: &Value) -> Result<Value, Error> {
    match (live, patch) {
        (Value::Object(_), Value::Object(fields)) => {
            if known.has_strategy("replace") && !fields.contains_key(PATCH) {
                return Ok(patch.clone());
            }
            merge_map(known, live, patch)
        }
        (Value::Array(live), Value::Array(items)) if known.has_strategy("merge") => {
            merge_list(known, live, items).map(Value::Array)
        }
        _ => Ok(fresh(patch).unwrap_or(Value::Null)),
    }
}

fn merge_list(known: Known<'_>, live: &[Value], patch: &[Value]) -> Result<Vec<Value>, Error> {
    let key = known.merge_key();
    let merged = match key {
        Some(key) if patch.iter().chain(live).all(Value::is_object) => merge_keyed(known, live, patch, key)?,
        _ => {
            let mut seen = HashSet::new();
            live.iter().chain(patch).filter(|item| seen.insert(item.to_string())).cloned().collect()
        }
    };
    Ok(ordered(merged, patch, live, key))
}

fn merge_keyed(known: Known<'_>, live: &[Value], patch: &[Value], key: &str) -> Result<Vec<Value>, Error> {
    let named = |item: &Value| item.get(key).map(Value::to_string).ok_or_else(|| without_key(item, key));
    let (mut replaces, mut plain, mut gone) = (false, Vec::new(), HashSet::new());
    for item in patch {
        match item_directive(item)? {
            // Whatever else the item says.
            Some("replace") => replaces = true,
            Some("delete") => drop(gone.insert(named(item)?)),
            Some(_) => {
                let why = "merging lists cannot yet be specified in the patch";
                return Err(Error::Strategic(why.to_owned()));
            }
            None => plain.push(item),
        }
    }
    if replaces {
        return Ok(plain.into_iter().filter_map(fresh).collect());
    }
    let stays = |item: &&Value| item.get(key).is_none_or(|name| !gone.contains(&name.to_string()));
    let mut merged: Vec<Value> = live.iter().filter(stays).cloned().collect();
    // By the text of its key, for lists may be long; of twins the first.
    let mut places = HashMap::new();
    for (at, item) in merged.iter().enumerate() {
        if let Some(name) = item.get(key) {
            places.entry(name.to_string()).or_insert(at);
        }
    }
    for item in plain {
        let name = named(item)?;
        match places.get(&name) {
            Some(&twin) => merged[twin] = merge_map(known.item(), &merged[twin], item)?,
            None => {
                if let Some(item) = fresh(item) {
                    places.insert(name, merged.len());
                    merged.push(item);
                }
            }
        }
    }
    Ok(merged)
}

fn item_directive(item: &Value) -> Result<Option<&str>, Error> {
    item.as_object().map_or(Ok(None), directive)
}

fn without_key(item: &Value, key: &str) -> Error {
    Error::Strategic(format!("map: {} does not contain declared merge key: {key}", go_text::of(item)))
}

fn delete_primitives(fields: &mut Map<String, Value>, name: &str, gone: &Value) {
    let (Some(items), Some(gone)) = (fields.get_mut(name).and_then(Value::as_array_mut), gone.as_array())
    else {
        return;
    };
    let gone: HashSet<String> = gone.iter().map(Value::to_string).collect();
    items.retain(|item| !gone.contains(&item.to_string()));
}

/// Puts items into a wanted order. Items that the order does not name keep theirs, and each stands before the
/// first named one that it preceded in the live list.
fn ordered(items: Vec<Value>, order: &[Value], live: &[Value], key: Option<&str>) -> Vec<Value> {
    let text = |item: &Value| key.map_or_else(|| item.to_string(), |key| item[key].to_string());
    let places = |list: &[Value]| {
        let mut places = HashMap::new();
        for (at, item) in list.iter().enumerate() {
            places.entry(text(item)).or_insert(at);
        }
        places
    };
    let (in_order, in_live) = (places(order), places(live));
    let marked = items.into_iter().map(|item| (text(&item), item));
    let (mut named, mut others): (Vec<_>, Vec<_>) = marked.partition(|(text, _)| in_order.contains_key(text));
    named.sort_by_key(|(text, _)| in_order.get(text));
    others.sort_by_key(|(text, _)| in_live.get(text));
    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (text, item) in named {
        let limit = in_live.get(&text);
        let before = |place: Option<&usize>| limit.is_some_and(|limit| place.is_some_and(|at| at < limit));
        while let Some((_, other)) = others.next_if(|(text, _)| before(in_live.get(text))) {
            out.push(other);
        }
        out.push(item);
    }
    out.extend(others.map(|(_, other)| other));
    out
}

fn directive(patch: &Map<String, Value>) -> Result<Option<&str>, Error> {
    match patch.get(PATCH) {
        None => Ok(None),
        Some(Value::String(word)) if ["replace", "delete", "merge"].contains(&word.as_str()) => {
            Ok(Some(word))
        }
        Some(other) => {
            let word = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            Err(unknown(&word, patch))
        }
    }
}

fn unknown(word: &str, patch: &Map<String, Value>) -> Error {
    let map = go_text::of(&Value::Object(patch.clone()));
    // Of a long one the beginning.
    let shown: String = map.chars().take(LONGEST_SHOWN).collect();
    Error::Strategic(format!("unknown patch type: {word} in map: {shown}"))
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use sealfast_k8s::id::GroupVersionKind;
    use serde_json::json;

    use super::*;

    fn pod_patch(containers: &Value, patch: &Value) -> Result<Value, Error> {
        let pod = builtin().root(&GroupVersionKind::new("", "v1", "Pod")).expect("a Pod is built in");
        let live = json!({ "spec": { "containers": containers } });
        strategic_merge_patch(pod, &live, patch).map(|pod| pod["spec"]["containers"].clone())
    }

    #[test]
    fn containers_merge_by_name() {
        let live = json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "2" }]);
        let patch = json!({ "spec": { "containers": [{ "name": "b", "image": "3" }, { "name": "c" }] } });
        assert_eq!(
            pod_patch(&live, &patch),
            Ok(json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "3" }, { "name": "c" }]))
        );
        let new = json!({ "spec": { "containers": [{ "name": "new" }] } });
        assert_eq!(
            pod_patch(&live, &new),
            Ok(json!([{ "name": "new" }, { "name": "a", "image": "1" }, { "name": "b", "image": "2" }]))
        );
        let delete = json!({ "spec": { "containers": [{ "name": "a", "$patch": "delete" }] } });
        assert_eq!(pod_patch(&live, &delete), Ok(json!([{ "name": "b", "image": "2" }])));
    }

    #[test]
    fn what_a_patch_sets_is_among_the_keys_that_stay() {
        let pod = builtin().root(&GroupVersionKind::new("", "v1", "Pod")).expect("a Pod is built in");
        let live = json!({ "metadata": { "name": "a", "labels": { "a": "1" } } });
        let patched = |metadata: Value| strategic_merge_patch(pod, &live, &json!({ "metadata": metadata }));
        let kept = patched(json!({ "$retainKeys": ["name", "uid"], "labels": null, "uid": "1" }));
        assert_eq!(kept, Ok(json!({ "metadata": { "name": "a", "uid": "1" } })));
        let malformed = || Err(Error::Malformed("invalid patch format of retainKeys".to_owned()));
        assert_eq!(patched(json!({ "$retainKeys": ["name"], "uid": "1" })), malformed());
        assert_eq!(patched(json!({ "$retainKeys": "name" })), malformed());
        let why = "unknown patch type: merge in map: map[$patch:merge uid:1]";
        let merge = patched(json!({ "$patch": "merge", "uid": "1" }));
        assert_eq!(merge, Err(Error::Strategic(why.to_owned())));
    }

    #[test]
    fn an_order_moves_items() {
        let live = json!([{ "name": "a" }, { "name": "x" }, { "name": "b" }]);
        let patch = json!({ "spec": {
            "$setElementOrder/containers": [{ "name": "b" }, { "name": "a" }],
            "containers": [{ "name": "a", "image": "1" }],
        } });
        assert_eq!(
            pod_patch(&live, &patch),
            Ok(json!([{ "name": "x" }, { "name": "b" }, { "name": "a", "image": "1" }]))
        );
    }

    #[test]
    fn long_lists_merge_by_name() {
        let named = |from: usize, to: usize| -> Vec<Value> {
            (from..to)
                .map(|number| json!({ "name": format!("a{number}"), "image": from.to_string() }))
                .collect()
        };
        let mut patch = named(20_000, 60_000);
        patch.push(json!({ "name": "a0", "$patch": "delete" }));
        patch.push(json!({ "name": "a59999", "tty": true }));
        let merged = pod_patch(&Value::from(named(0, 40_000)), &json!({ "spec": { "containers": patch } }));
        let merged = merged.expect("it merges");
        let merged = merged.as_array().expect("a list");
        assert_eq!(merged.len(), 59_999);
        let find = |name: &str| merged.iter().find(|item| item["name"] == name);
        assert_eq!(find("a0"), None);
        assert_eq!(find("a1").map(|item| &item["image"]), Some(&json!("0")));
        assert_eq!(find("a30000").map(|item| &item["image"]), Some(&json!("20000")));
        assert_eq!(find("a59999"), Some(&json!({ "name": "a59999", "image": "20000", "tty": true })));
    }
}

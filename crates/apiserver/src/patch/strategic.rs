//! Strategic merge patch: lists of the built-in kinds merge by their keys.

use sealfast_k8s::schema::{Field, Type, builtin};
use serde_json::{Map, Value};

use super::{Error, nothing};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
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
        _ => {}
    }
    let mut merged = live.clone();
    if let Some(retained) = patch.get(RETAIN).and_then(Value::as_array) {
        merged.retain(|name, _| retained.iter().any(|retained| retained == name));
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
        let below = known.field(name);
        let order = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array);
        let before = merged.get(name);
        let value = merge_value(below, before, value, order)?;
        merged.insert(name.clone(), value);
    }
    // An order may come without items: the live ones are put into it.
    for (name, order) in patch {
        let Some(field) = name.strip_prefix(ORDER) else { continue };
        if let (None, Some(order), Some(Value::Array(items))) =
            (patch.get(field), order.as_array(), merged.get_mut(field))
        {
            let key = known.field(field).merge_key();
            let live = items.clone();
            *items = ordered(std::mem::take(items), &live, order, key);
        }
    }
    Ok(Value::Object(merged))
}

fn merge_value(
    known: Known<'_>,
    live: Option<&Value>,
    patch: &Value,
    order: Option<&Vec<Value>>,
) -> Result<Value, Error> {
    match patch {
        Value::Object(fields) => {
            if known.has_strategy("replace") && !fields.contains_key(PATCH) {
                return Ok(patch.clone());
            }
            let empty = nothing();
            let live = live.filter(|live| live.is_object()).unwrap_or(&empty);
            merge_map(known, live, patch)
        }
        Value::Array(items) if known.has_strategy("merge") => {
            let live = live.and_then(Value::as_array).cloned().unwrap_or_default();
            merge_list(known, live, items, order).map(Value::Array)
        }
        Value::Array(items) => {
            Ok(Value::Array(items.iter().filter(|item| item.get(PATCH).is_none()).cloned().collect()))
        }
        _ => Ok(patch.clone()),
    }
}

fn merge_list(
    known: Known<'_>,
    live: Vec<Value>,
    patch: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<Vec<Value>, Error> {
    let key = known.merge_key();
    let merged = match key {
        Some(key) if patch.iter().chain(&live).all(Value::is_object) => {
            merge_keyed(known, &live, patch, key)?
        }
        _ => {
            let mut merged = live.clone();
            for item in patch {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            merged
        }
    };
    Ok(match order {
        Some(order) => ordered(merged, &live, order, key),
        None => merged,
    })
}

fn merge_keyed(known: Known<'_>, live: &[Value], patch: &[Value], key: &str) -> Result<Vec<Value>, Error> {
    let item_directive = |item: &Value| {
        item.as_object().map_or(Ok(None), |item| directive(item).map(|d| d.map(str::to_owned)))
    };
    let mut replaces = false;
    for item in patch {
        replaces |= item_directive(item)?.as_deref() == Some("replace");
    }
    let mut merged = if replaces { Vec::new() } else { live.to_vec() };
    for item in patch {
        let named = item.get(key);
        match item_directive(item)?.as_deref() {
            Some("replace") => {
                // An item that is more than the directive is the first of the new list.
                if let Some(fields) =
                    item.as_object().map(without_directives).filter(|fields| !fields.is_empty())
                {
                    merged.push(Value::Object(fields));
                }
                continue;
            }
            Some("delete") => {
                let named = named.ok_or_else(|| without_key(item, key))?;
                merged.retain(|known| known.get(key) != Some(named));
                continue;
            }
            _ => {}
        }
        let named = named.ok_or_else(|| without_key(item, key))?;
        match merged.iter().position(|known| known.get(key) == Some(named)) {
            Some(twin) => merged[twin] = merge_map(known.item(), &merged[twin], item)?,
            None => merged.push(merge_map(known.item(), &nothing(), item)?),
        }
    }
    Ok(merged)
}

fn without_key(item: &Value, key: &str) -> Error {
    let fields: Vec<&str> =
        item.as_object().into_iter().flat_map(|item| item.keys().map(String::as_str)).collect();
    Error::Strategic(format!("map: map[{}] does not contain declared merge key: {key}", fields.join(" ")))
}

fn delete_primitives(fields: &mut Map<String, Value>, name: &str, gone: &Value) {
    let (Some(items), Some(gone)) = (fields.get_mut(name).and_then(Value::as_array_mut), gone.as_array())
    else {
        return;
    };
    items.retain(|item| !gone.contains(item));
}

/// Puts items into a wanted order; those that it does not name keep their place in the live list as far as they can.
fn ordered(items: Vec<Value>, live: &[Value], order: &[Value], key: Option<&str>) -> Vec<Value> {
    let name =
        |item: &Value| key.map_or_else(|| item.clone(), |key| item.get(key).cloned().unwrap_or(Value::Null));
    let wanted: Vec<Value> = order.iter().map(name).collect();
    let live: Vec<Value> = live.iter().map(name).collect();
    let place = |list: &[Value], item: &Value| list.iter().position(|known| *known == name(item));
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(&wanted, item).is_some());
    named.sort_by_key(|item| place(&wanted, item));
    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    for other in others {
        let own = place(&live, &other);
        while let Some(next) = named.next_if(|next| place(&live, next).is_none_or(|place| Some(place) < own))
        {
            out.push(next);
        }
        out.push(other);
    }
    out.extend(named);
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
            Err(Error::Strategic(format!("unknown patch type found in map: {word}")))
        }
    }
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
        let delete = json!({ "spec": { "containers": [{ "name": "a", "$patch": "delete" }] } });
        assert_eq!(pod_patch(&live, &delete), Ok(json!([{ "name": "b", "image": "2" }])));
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
}

//! A configuration laid over a live object, and the fields it names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::given;
use super::path::{Step, Trail};
use super::shape::{Expected, Parts, Shape};
use super::tree::Tree;
use crate::causes::Complaints;

/// Returns the fields that a value names: leaves, list items, empty maps.
///
/// # Errors
///
/// A text that lists what does not fit, of each map and list up to the first field that the schema does not declare.
pub(super) fn tree_of(shape: &Shape<'_>, value: &Value) -> Result<Tree, String> {
    let mut problems = Complaints::default();
    let tree = walk(shape, value, &Trail::Root, &mut problems);
    match problems.told().as_slice() {
        [] => Ok(tree),
        [one] => Err(one.clone()),
        all => Err(format!(
            "errors:\n{}",
            all.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
        )),
    }
}

fn walk(shape: &Shape<'_>, value: &Value, trail: &Trail<'_>, problems: &mut Complaints) -> Tree {
    let parts = shape.parts(value);
    match (value, &parts) {
        (Value::Object(fields), Parts::Fields | Parts::DeducedFields) if !fields.is_empty() => {
            walk_fields(shape, fields, trail, problems)
        }
        (Value::Array(items), Parts::Set) => walk_set(items, trail, problems),
        (Value::Array(items), Parts::Keyed(keys)) => walk_keyed(shape, keys, items, trail, problems),
        _ => {
            check_whole(shape, value, trail, problems);
            Tree::leaf()
        }
    }
}

fn walk_fields(
    shape: &Shape<'_>,
    fields: &Map<String, Value>,
    trail: &Trail<'_>,
    problems: &mut Complaints,
) -> Tree {
    let mut tree = Tree::default();
    for (name, value) in fields {
        let below = Trail::Field(trail, name);
        let Some(field) = shape.field(name) else {
            problems.note(|| format!("{below}: field not declared in schema"));
            break;
        };
        let mut node = walk(&field, value, &below, problems);
        // Entries of maps are members themselves, whatever they hold.
        node.member |= !shape.declares(name);
        tree.put(Step::Field(name.clone()), node);
    }
    tree
}

fn walk_set(items: &[Value], trail: &Trail<'_>, problems: &mut Complaints) -> Tree {
    let mut tree = Tree::default();
    for (at, item) in items.iter().enumerate() {
        if let Some(why) = no_member(item) {
            problems.note(|| format!("{trail}: element {at}: {why}"));
            break;
        }
        let step = Step::Item(item.clone());
        if tree.below.contains_key(&step) {
            problems.note(|| format!("{trail}: duplicate entries for key {step}"));
        }
        tree.put(step, Tree::leaf());
    }
    tree
}

fn walk_keyed(
    shape: &Shape<'_>,
    keys: &[String],
    items: &[Value],
    trail: &Trail<'_>,
    problems: &mut Complaints,
) -> Tree {
    let mut tree = Tree::default();
    for (at, item) in items.iter().enumerate() {
        let step = match item_step(shape, keys, item) {
            Ok(step) => step,
            Err(why) => {
                problems.note(|| format!("{trail}: element {at}: {why}"));
                break;
            }
        };
        if tree.below.contains_key(&step) {
            problems.note(|| format!("{trail}: duplicate entries for key {step}"));
        }
        let mut node = walk(&shape.item(), item, &Trail::Step(trail, &step), problems);
        node.member = true;
        tree.put(step, node);
    }
    tree
}

/// Checks a value that is owned as a whole, and all in it.
fn check_whole(shape: &Shape<'_>, value: &Value, trail: &Trail<'_>, problems: &mut Complaints) {
    if let Some(why) = misfit(shape, value) {
        problems.note(|| format!("{trail}: {}", why()));
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = Trail::Field(trail, name);
                match shape.field(name) {
                    Some(shape) => drop(walk(&shape, value, &below, problems)),
                    None => {
                        problems.note(|| format!("{below}: field not declared in schema"));
                        break;
                    }
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(&shape.item(), item, &Trail::Index(trail, at), problems);
            }
        }
        _ => {}
    }
}

/// Why a value cannot be a member of a set.
fn no_member(item: &Value) -> Option<&'static str> {
    match item {
        Value::Null => Some("associative list without keys has an element that's an explicit null"),
        Value::Object(_) => Some("associative list without keys has an element that's a map type"),
        Value::Array(_) => Some("not supported: associative list with lists as elements"),
        _ => None,
    }
}

/// The step to an item of a keyed list, or why the value cannot be one.
fn item_step(shape: &Shape<'_>, keys: &[String], item: &Value) -> Result<Step, String> {
    if item.is_null() {
        return Err("associative list with keys may not have a null element".into());
    }
    if !item.is_object() {
        return Err("associative list with keys may not have non-map elements".into());
    }
    match key_of(shape, keys, item) {
        Step::Key(values) if values.is_empty() && !shape.keys_are_always_there() => {
            let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                keys.join(" ")
            ))
        }
        step => Ok(step),
    }
}

/// What is wrong with the type of a value; `null` fits everywhere.
fn misfit(shape: &Shape<'_>, value: &Value) -> Option<impl FnOnce() -> String> {
    if value.is_null() {
        return None;
    }
    let expected = shape.expected()?;
    let (fits, wanted) = match expected {
        Expected::Map => (value.is_object(), "map"),
        Expected::List => (value.is_array(), "list"),
        Expected::Text => (value.is_string(), "string"),
        Expected::Truth => (value.is_boolean(), "boolean"),
        Expected::Number => (value.is_number(), "numeric (int or float)"),
    };
    (!fits).then_some(move || format!("expected {wanted}, got {}", given::shown(expected, value)))
}

/// Returns the step to an item of a keyed list; missing keys take their defaults.
pub(super) fn key_of(shape: &Shape<'_>, keys: &[String], item: &Value) -> Step {
    let mut values: Vec<(String, Value)> = keys
        .iter()
        .filter_map(|key| {
            // A key that is `null` is one.
            Some((key.clone(), item.get(key).cloned().or_else(|| shape.key_default(key))?))
        })
        .collect();
    values.sort_by(|left, right| left.0.cmp(&right.0));
    Step::Key(values)
}

/// Returns the steps to every item of a list.
pub(super) fn steps(shape: &Shape<'_>, parts: &Parts, items: &[Value]) -> Vec<Step> {
    items
        .iter()
        .map(|item| match parts {
            Parts::Keyed(keys) => key_of(shape, keys, item),
            _ => Step::Item(item.clone()),
        })
        .collect()
}

/// Where each step first stands in its list.
pub(super) fn places(steps: &[Step]) -> BTreeMap<&Step, usize> {
    let mut places = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        places.entry(step).or_insert(at);
    }
    places
}

/// Merges a configuration over a live value.
///
/// # Errors
///
/// Never for configurations that [`tree_of`] took.
pub(super) fn merge(shape: &Shape<'_>, live: &Value, configuration: &Value) -> Result<Value, String> {
    let parts = shape.parts(configuration);
    Ok(match (live, configuration, &parts) {
        (Value::Object(live), Value::Object(wanted), Parts::Fields | Parts::DeducedFields) => {
            Value::Object(merge_fields(shape, live, wanted)?)
        }
        (_, Value::Object(wanted), Parts::Fields | Parts::DeducedFields) => {
            Value::Object(merge_fields(shape, &Map::new(), wanted)?)
        }
        (Value::Array(live), Value::Array(wanted), Parts::Set | Parts::Keyed(_)) => {
            Value::Array(merge_items(shape, &parts, live, wanted)?)
        }
        (_, Value::Array(wanted), Parts::Keyed(_)) => Value::Array(merge_items(shape, &parts, &[], wanted)?),
        _ => configuration.clone(),
    })
}

fn merge_fields(
    shape: &Shape<'_>,
    live: &Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut merged = Map::with_capacity(live.len() + wanted.len());
    // What is merged below is not copied here first: that would copy it again at every level.
    for (name, value) in live {
        match wanted.get(name) {
            None => drop(merged.insert(name.clone(), value.clone())),
            Some(wanted) => merge_field(shape, name, value, wanted, &mut merged)?,
        }
    }
    for (name, wanted) in wanted.iter().filter(|(name, _)| !live.contains_key(*name)) {
        merge_field(shape, name, &Value::Null, wanted, &mut merged)?;
    }
    Ok(merged)
}

fn merge_field(
    shape: &Shape<'_>,
    name: &str,
    live: &Value,
    wanted: &Value,
    merged: &mut Map<String, Value>,
) -> Result<(), String> {
    let below = shape.field(name).unwrap_or(Shape::Deduced);
    let value = match wanted {
        // Nothing is laid over what others put into it.
        Value::Null if below.parts(live) != Parts::Whole && !is_empty(live) => live.clone(),
        Value::Null => shape.empty_value().unwrap_or_default(),
        wanted => merge(&below, live, wanted)?,
    };
    merged.insert(name.to_owned(), value);
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Walks both lists together, so that each keeps its order as far as they agree.
fn merge_items(
    shape: &Shape<'_>,
    parts: &Parts,
    live: &[Value],
    wanted: &[Value],
) -> Result<Vec<Value>, String> {
    let live_steps = steps(shape, parts, live);
    let wanted_steps = steps(shape, parts, wanted);
    let (in_live, in_wanted) = (places(&live_steps), places(&wanted_steps));
    let merged = |at: usize| -> Result<Value, String> {
        match in_live.get(&wanted_steps[at]) {
            Some(&twin) if matches!(parts, Parts::Keyed(_)) => merge(&shape.item(), &live[twin], &wanted[at]),
            _ => merge(&shape.item(), &Value::Null, &wanted[at]),
        }
    };
    let mut out = Vec::with_capacity(live.len() + wanted.len());
    let (mut at_live, mut at_wanted, mut next_shared) = (0, 0, 0);
    loop {
        let live_step = live_steps.get(at_live);
        if live_step.is_some() && live_step == wanted_steps.get(at_wanted) {
            out.push(merged(at_wanted)?);
            at_live += 1;
            at_wanted += 1;
            continue;
        }
        if let Some(step) = live_step {
            if !in_wanted.contains_key(step) {
                out.push(live[at_live].clone());
                at_live += 1;
                continue;
            }
            next_shared = next_shared.max(at_wanted);
            while wanted_steps.get(next_shared).is_some_and(|step| !in_live.contains_key(step)) {
                next_shared += 1;
            }
            if wanted_steps.get(next_shared) != Some(step) {
                at_live += 1;
                continue;
            }
        }
        if at_wanted < wanted.len() {
            out.push(merged(at_wanted)?);
            at_wanted += 1;
            continue;
        }
        return Ok(out);
    }
}

//! Replacements: one value copied to fields of other objects.
//!
//! Sources are named exactly, targets by expressions. A scalar that is overwritten keeps its type.
//! Follows: the replacement filter of kustomize 5.8.1.

mod embedded;
pub(crate) mod path;

use std::collections::HashMap;

use serde_json::Value;

use crate::error::Error;
use crate::manifest;
use crate::patch::json6902::{MAX_COPIED, weight};
use crate::resource::{Resource, scalar_text};
use crate::resources::Resources;
use crate::select::Matcher;
use crate::spec::decode::{self, Record, Shape};
use crate::spec::records::REPLACEMENT;
use crate::spec::{FieldOptions, ReplacementEntry, ReplacementSource, ReplacementTarget, typed};
use crate::transform::replacements::path::{Missing, Segment, find, parse, visit};
use crate::transform::twins;

/// Where files of replacements are read.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, Error>;

/// Runs all replacements of a file in order.
///
/// # Errors
/// When an entry is not complete, or its source or a field of a target is missing.
pub(crate) fn run(
    resources: &mut Resources,
    entries: &[ReplacementEntry],
    read: ReadFile<'_>,
) -> Result<(), Error> {
    for entry in entries {
        if entry.path.is_empty() {
            replace(resources, entry)?;
            continue;
        }
        if entry.source.is_some() || entry.source_value.is_some() || !entry.targets.is_empty() {
            return Err(Error::Replacement("cannot specify both path and inline replacement".to_owned()));
        }
        for entry in parse_file(&read(&entry.path)?)? {
            replace(resources, &entry)?;
        }
    }
    Ok(())
}

/// Reads a file that holds one replacement or a list of them.
fn parse_file(content: &[u8]) -> Result<Vec<ReplacementEntry>, Error> {
    static FILE: Record =
        Record { name: "Replacements", fields: &[("list", Shape::List(&Shape::Record(&REPLACEMENT)))] };
    let value = sealfast_yaml::json::from_yaml(content)
        .map_err(|error| Error::Replacement(format!("error converting YAML to JSON: {error}")))?;
    let list = match value {
        Value::Array(items) => Value::Array(items),
        Value::Null => Value::Array(Vec::new()),
        one => Value::Array(vec![one]),
    };
    let checked = decode::record(serde_json::json!({ "list": list }), &FILE).map_err(Error::Replacement)?;
    let list = checked.get("list").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    typed(list, "replacements")
}

fn replace(resources: &mut Resources, entry: &ReplacementEntry) -> Result<(), Error> {
    if entry.source.is_none() && entry.source_value.is_none() || entry.targets.is_empty() {
        return Err(Error::Replacement(
            "replacements must specify a source and at least one target".to_owned(),
        ));
    }
    let value = match (&entry.source, &entry.source_value) {
        (Some(_), Some(_)) => {
            return Err(Error::Replacement("value and resource selectors are mutually exclusive".to_owned()));
        }
        (None, Some(text)) => Value::String(text.clone()),
        (Some(source), None) => source_value(resources, source)?,
        (None, None) => Value::Null,
    };
    entry.targets.iter().try_for_each(|target| apply(resources, target, &value))
}

fn source_value(resources: &Resources, source: &ReplacementSource) -> Result<Value, Error> {
    let found = source_object(resources, source)?;
    let field_path = if source.field_path.is_empty() { "metadata.name" } else { &source.field_path };
    let value = find(&found.value, &parse(field_path)?).filter(|value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    });
    let Some(value) = value else {
        return Err(Error::Replacement(format!(
            "fieldPath `{field_path}` is missing for replacement source {}",
            shown(source)
        )));
    };
    let Some(options) = source.options.as_ref().filter(|options| !options.delimiter.is_empty()) else {
        return Ok(value.clone());
    };
    let Some(text) = scalar_text(value) else {
        return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
    };
    let parts: Vec<&str> = text.split(options.delimiter.as_str()).collect();
    let part = usize::try_from(options.index).ok().and_then(|index| parts.get(index));
    let part = part.ok_or_else(|| {
        Error::Replacement(format!("options.index {} is out of bounds for value {text}", options.index))
    })?;
    Ok(retyped(value, part))
}

fn shown(source: &ReplacementSource) -> crate::id::Id {
    crate::id::Id {
        gvk: crate::id::Gvk {
            group: source.group.clone(),
            version: source.version.clone(),
            kind: source.kind.clone(),
        },
        name: source.name.clone(),
        namespace: source.namespace.clone(),
    }
}

fn source_object<'a>(resources: &'a Resources, source: &ReplacementSource) -> Result<&'a Resource, Error> {
    let wanted = shown(source);
    let fits = |id: &crate::id::Id| {
        id.gvk.is_selected_by(&wanted.gvk)
            && (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty() || wanted.namespace == id.namespace)
    };
    let items = resources.items();
    let positions =
        if wanted.name.is_empty() { (0..items.len()).collect() } else { resources.ever_named(&wanted.name) };
    let mut found = positions
        .into_iter()
        .map(|at| &items[at])
        .filter(|item| !item.is_gone() && raw_ids(item).iter().any(fits));
    let path = if source.field_path.is_empty() { String::new() } else { format!(":{}", source.field_path) };
    let first = found.next();
    if found.next().is_some() {
        return Err(Error::Replacement(format!("multiple matches for selector {wanted}{path}")));
    }
    first.ok_or_else(|| Error::Replacement(format!("nothing selected by {wanted}{path}")))
}

/// Returns all ids of an object; a current namespace stays as written.
fn raw_ids(item: &Resource) -> Vec<crate::id::Id> {
    item.ids()
}

fn apply(resources: &mut Resources, target: &ReplacementTarget, value: &Value) -> Result<(), Error> {
    let Some(select) = &target.select else {
        return Err(Error::Replacement("target must specify resources to select".to_owned()));
    };
    let select = Matcher::new(select)?;
    let reject: Vec<Matcher> = target.reject.iter().map(Matcher::new).collect::<Result<_, _>>()?;
    let default_paths = ["metadata.name".to_owned()];
    let texts = if target.field_paths.is_empty() { default_paths.as_slice() } else { &target.field_paths };
    let mut paths: HashMap<&str, Vec<Segment>> = HashMap::new();
    for text in texts {
        paths.insert(text, parse(text)?);
    }
    let is_target = |item: &Resource| {
        let ids = raw_ids(item);
        let is_rejected = reject.iter().any(|matcher| {
            (matcher.asks_for_id() && ids.iter().any(|id| matcher.matches_id(id)))
                || (matcher.asks_for_metadata() && matcher.matches_metadata(item))
        });
        !item.is_gone()
            && select.matches_metadata(item)
            && !is_rejected
            && ids.iter().any(|id| select.matches_id(id))
    };
    let options = target.options.clone().unwrap_or_default();
    for at in 0..resources.items().len() {
        if !is_target(&resources.items()[at]) {
            continue;
        }
        for text in texts {
            copy(resources.at_mut(at), text, &paths[text.as_str()], value, &options)?;
            twins::settle(resources.at_mut(at));
        }
        resources.note(at);
    }
    Ok(())
}

fn copy(
    resource: &mut Resource,
    text: &str,
    path: &[Segment],
    value: &Value,
    options: &FieldOptions,
) -> Result<(), Error> {
    let missing = if options.create { Missing::Make } else { Missing::Skip };
    if embedded::set(&mut resource.value, path, value, missing) {
        return Ok(());
    }
    let create = if options.create { "find or create" } else { "find" };
    let not_found = format!("unable to {create} field \"{text}\" in replacement target");
    let mut count = 0;
    let mut is_refused = false;
    let weight = weight(value);
    let visited = visit(&mut resource.value, path, missing, &mut |place, is_new| {
        count += 1;
        if weight.saturating_mul(count) > MAX_COPIED {
            return Err(Error::Limit(format!("the copies are larger than {MAX_COPIED} bytes")));
        }
        is_refused = true;
        *place = written(place, is_new, value, options)?;
        is_refused = false;
        Ok(())
    });
    // A field that is there and takes no such value was found.
    visited.map_err(|error| if is_refused { error } else { error.within(not_found.clone()) })?;
    if count == 0 { Err(Error::Replacement(not_found)) } else { Ok(()) }
}

/// Returns what a place holds after the value has been written there.
fn written(place: &Value, is_new: bool, value: &Value, options: &FieldOptions) -> Result<Value, Error> {
    let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
    let mut value = value.clone();
    if !options.delimiter.is_empty() {
        let present = if is_new { Some(String::new()) } else { scalar_text(place) };
        let Some(present) = present else {
            return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
        };
        let part = scalar_text(&value).unwrap_or_default();
        let mut parts: Vec<&str> = present.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &part),
            Ok(index) if index >= parts.len() => parts.push(&part),
            Ok(index) => parts[index] = &part,
        }
        value = Value::String(parts.join(&options.delimiter));
    }
    if !is_scalar(place) || !is_scalar(&value) {
        return Ok(value);
    }
    if is_new {
        // A scalar that was made has no type of its own: its text decides.
        return Ok(scalar_text(&value).map_or(value, |text| manifest::plain(&text)));
    }
    Ok(retyped(place, &scalar_text(&value).unwrap_or_default()))
}

/// Returns a text as a value of the type that another value has, where it can be one.
fn retyped(model: &Value, text: &str) -> Value {
    let string = || Value::String(text.to_owned());
    match model {
        Value::Bool(_) => text.parse::<bool>().map_or_else(|_| string(), Value::Bool),
        Value::Number(_) => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or_else(|_| string()),
        Value::Null => manifest::plain(text),
        _ => string(),
    }
}

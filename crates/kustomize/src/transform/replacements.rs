//! Replacements: one value copied to fields of other objects.
//!
//! Sources are named exactly, targets by expressions. A scalar that is overwritten keeps its type.
//! Follows: the replacement filter of kustomize 5.8.1.

mod embedded;
pub(crate) mod path;

use std::collections::HashMap;

use sealfast_yaml::scalar::plain_tag;
use serde_json::Value;

use crate::error::Error;
use crate::manifest;
use crate::patch::json6902::{MAX_COPIED, weight};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::select::Matcher;
use crate::spec::decode::{self, Record, Shape};
use crate::spec::records::REPLACEMENT;
use crate::spec::{FieldOptions, ReplacementEntry, ReplacementSource, ReplacementTarget, typed};
use crate::transform::replacements::path::{Missing, Segment, find, parse, visit};
use crate::transform::twins;
use crate::written::Notes;

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
    let copied = match (&entry.source, &entry.source_value) {
        (Some(_), Some(_)) => {
            return Err(Error::Replacement("value and resource selectors are mutually exclusive".to_owned()));
        }
        (None, Some(text)) => Copied::text(text),
        (Some(source), None) => source_value(resources, source)?,
        (None, None) => Copied::text(""),
    };
    entry.targets.iter().try_for_each(|target| apply(resources, target, &copied))
}

/// A value on its way from one object to others.
struct Copied {
    value: Value,
    /// A scalar as it was written.
    text: String,
    /// Whether messages leave the text out.
    is_secret: bool,
}

impl Copied {
    fn text(text: &str) -> Self {
        Self { value: Value::String(text.to_owned()), text: text.to_owned(), is_secret: false }
    }
}

fn source_value(resources: &Resources, source: &ReplacementSource) -> Result<Copied, Error> {
    let found = source_object(resources, source)?;
    let is_secret = found.kind() == "Secret";
    let field_path = if source.field_path.is_empty() { "metadata.name" } else { &source.field_path };
    let path = parse(field_path)?;
    if leads_through_scalar(&found.value, &path) {
        let what = "wrong node kind: expected MappingNode but got ScalarNode".to_owned();
        return Err(Error::Replacement(what).within("error looking up replacement source"));
    }
    let value = find(&found.value, &path).filter(|value| match value {
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
        let text = found.written.text(value).unwrap_or_default();
        return Ok(Copied { value: value.clone(), text, is_secret });
    };
    let Some(text) = found.written.text(value) else {
        return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
    };
    let parts: Vec<&str> = text.split(options.delimiter.as_str()).collect();
    let part = usize::try_from(options.index).ok().and_then(|index| parts.get(index));
    let part = part.ok_or_else(|| {
        let shown = if is_secret { "of a Secret" } else { text.as_str() };
        Error::Replacement(format!("options.index {} is out of bounds for value {shown}", options.index))
    })?;
    let value = if value.is_string() { Value::String((*part).to_owned()) } else { manifest::plain(part) };
    Ok(Copied { value, text: (*part).to_owned(), is_secret })
}

/// Whether a path goes on where there is a scalar.
fn leads_through_scalar(value: &Value, path: &[Segment]) -> bool {
    (1..path.len()).any(|end| {
        let is_scalar = |found: &Value| !found.is_null() && !found.is_object() && !found.is_array();
        matches!(path[end], Segment::Key(_)) && find(value, &path[..end]).is_some_and(is_scalar)
    })
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
    let mut path =
        if source.field_path.is_empty() { String::new() } else { format!(":{}", source.field_path) };
    if let Some(options) = &source.options
        && (!options.delimiter.is_empty() || options.create)
    {
        let (delimiter, index, create) = (&options.delimiter, options.index, options.create);
        path.push_str(&format!(":{delimiter}({index}), create={create}"));
    }
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

fn apply(resources: &mut Resources, target: &ReplacementTarget, copied: &Copied) -> Result<(), Error> {
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
            copy(resources.at_mut(at), text, &paths[text.as_str()], copied, &options)?;
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
    copied: &Copied,
    options: &FieldOptions,
) -> Result<(), Error> {
    let missing = if options.create { Missing::Make } else { Missing::Skip };
    if embedded::set(&mut resource.value, path, &copied.value, missing) {
        return Ok(());
    }
    let create = if options.create { "find or create" } else { "find" };
    let not_found = format!("unable to {create} field \"{text}\" in replacement target");
    let mut count = 0;
    let mut is_refused = false;
    let weight = weight(&copied.value);
    let is_secret = copied.is_secret || resource.kind() == "Secret";
    let mut writer = Writer {
        copied,
        options,
        notes: &resource.written,
        is_secret,
        misfit: None,
        becomes_text: is_annotation(path),
    };
    let visited = visit(&mut resource.value, path, missing, &mut |place, is_new| {
        count += 1;
        if weight.saturating_mul(count) > MAX_COPIED {
            return Err(Error::Limit(format!("the copies are larger than {MAX_COPIED} bytes")));
        }
        is_refused = true;
        *place = writer.written(place, is_new)?;
        is_refused = false;
        Ok(())
    });
    let misfit = writer.misfit;
    if resource.flaw.is_none() {
        resource.flaw = misfit;
    }
    // A field that is there and takes no such value was found.
    visited.map_err(|error| if is_refused { error } else { error.within(not_found.clone()) })?;
    if count == 0 { Err(Error::Replacement(not_found)) } else { Ok(()) }
}

/// Writes a value to places of one object.
struct Writer<'a> {
    copied: &'a Copied,
    options: &'a FieldOptions,
    /// How the scalars of the object were written.
    notes: &'a Notes,
    /// Whether messages leave out what is written: the value's own text and what stands around it.
    is_secret: bool,
    /// Why the object cannot be printed then: a scalar that was given no value of its type.
    misfit: Option<Box<str>>,
    /// Whether all that stands there becomes text in the end.
    becomes_text: bool,
}

/// Whether a path names an annotation of the object.
fn is_annotation(path: &[Segment]) -> bool {
    let is_key = |segment: &Segment, name: &str| matches!(segment, Segment::Key(key) if key == name);
    matches!(path, [metadata, annotations, _] if is_key(metadata, "metadata") && is_key(annotations, "annotations"))
}

impl Writer<'_> {
    /// Returns what a place holds after the value has been written there.
    fn written(&mut self, place: &Value, is_new: bool) -> Result<Value, Error> {
        let is_scalar = |value: &Value| !value.is_array() && !value.is_object();
        let Some(text) = self.text(place, is_new)? else { return Ok(self.copied.value.clone()) };
        if !is_scalar(place) {
            return Ok(match &self.copied.value {
                _ if !self.options.delimiter.is_empty() => Value::String(text),
                value => value.clone(),
            });
        }
        Ok(match place {
            // A scalar that was made has no type of its own: its text decides.
            _ if is_new => manifest::plain(&text),
            Value::String(_) => Value::String(text),
            _ if self.becomes_text => Value::String(text),
            model => self.retyped(model, text),
        })
    }

    /// Returns the text that a place gets; none for mappings and lists.
    fn text(&self, place: &Value, is_new: bool) -> Result<Option<String>, Error> {
        let copied = self.copied;
        if self.options.delimiter.is_empty() {
            let is_scalar = !copied.value.is_array() && !copied.value.is_object();
            return Ok(is_scalar.then(|| copied.text.clone()));
        }
        let present = if is_new { Some(String::new()) } else { self.notes.text(place) };
        let Some(present) = present else {
            return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
        };
        let mut parts: Vec<&str> = present.split(self.options.delimiter.as_str()).collect();
        match usize::try_from(self.options.index) {
            Err(_) => parts.insert(0, &copied.text),
            Ok(index) if index >= parts.len() => parts.push(&copied.text),
            Ok(index) => parts[index] = &copied.text,
        }
        Ok(Some(parts.join(&self.options.delimiter)))
    }

    /// Returns a text as a value of the type that another value has; what is none is told when the object is printed.
    fn retyped(&mut self, model: &Value, text: String) -> Value {
        let wanted = match self.notes.text(model) {
            Some(model) => plain_tag(&model),
            None => return Value::String(text),
        };
        let found = plain_tag(&text);
        if found == wanted || (found, wanted) == ("!!int", "!!float") {
            return manifest::plain(&text);
        }
        let shown = if self.is_secret { String::new() } else { format!("`{text}` ") };
        let misfit =
            format!("map[string]interface {{}}(nil): yaml: cannot decode {found} {shown}as a {wanted}");
        self.misfit.get_or_insert(misfit.into_boxed_str());
        Value::String(text)
    }
}

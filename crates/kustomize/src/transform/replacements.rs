//! Replacements: one value copied to fields of other objects.
//!
//! Sources are named exactly, targets by expressions. A scalar that is overwritten keeps its type.
//! Follows: the replacement filter of kustomize 5.8.1.

mod embedded;
pub(crate) mod path;
mod walk;

use std::collections::HashMap;

use sealfast_yaml::scalar::plain_tag;
use serde_json::Value;

use crate::error::Error;
use crate::loose::{Loose, Shown, Type};
use crate::manifest;
use crate::patch::json6902::{MAX_COPIED, weight};
use crate::resource::{Resource, Step};
use crate::resources::Resources;
use crate::sealed;
use crate::select::Matcher;
use crate::spec::decode::{self, Record, Shape};
use crate::spec::records::REPLACEMENT;
use crate::spec::{FieldOptions, ReplacementEntry, ReplacementSource, ReplacementTarget, typed};
use crate::told::Told;
use crate::transform::replacements::embedded::New;
use crate::transform::replacements::path::{MAX_DEPTH, Segment, find, parse};
use crate::transform::replacements::walk::{Found, Missing, Visitor, visit};
use crate::transform::twins;
use crate::written::Notes;

/// Where files of replacements are read.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, Error>;

/// Runs an entry of `replacements`: one, or those of a file in order; returns what is to be said of it.
///
/// # Errors
/// When an entry is not complete, or its source or a field of a target is missing.
pub(crate) fn run(
    resources: &mut Resources,
    entry: &ReplacementEntry,
    read: ReadFile<'_>,
    told: &Told,
) -> Result<Vec<String>, Error> {
    if entry.path.is_empty() {
        return Ok(replace(resources, entry, told)?.into_iter().collect());
    }
    if entry.source.is_some() || entry.source_value.is_some() || !entry.targets.is_empty() {
        return Err(Error::Replacement("cannot specify both path and inline replacement".to_owned()));
    }
    let entries = parse_file(&read(&entry.path)?)?;
    entries.iter().filter_map(|entry| replace(resources, entry, told).transpose()).collect()
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

fn replace(
    resources: &mut Resources,
    entry: &ReplacementEntry,
    told: &Told,
) -> Result<Option<String>, Error> {
    if entry.source.is_none() && entry.source_value.is_none() || entry.targets.is_empty() {
        return Err(Error::Replacement(
            "replacements must specify a source and at least one target".to_owned(),
        ));
    }
    resources.clock().check()?;
    let mut copied = match (&entry.source, &entry.source_value) {
        (Some(_), Some(_)) => {
            return Err(Error::Replacement("value and resource selectors are mutually exclusive".to_owned()));
        }
        (None, Some(text)) => Copied::text(text, told),
        (Some(source), None) => source_value(resources, source, told)?,
        (None, None) => Copied::text("", told),
    };
    entry.targets.iter().try_for_each(|target| apply(resources, target, &mut copied))?;
    Ok(copied.sealed.filter(|_| copied.is_written))
}

/// A value on its way from one object to others.
struct Copied<'a> {
    value: Value,
    /// A scalar as it was written.
    text: String,
    /// Scalars in it whose type is not that of their text.
    loose: Loose,
    /// Whether messages leave the text out.
    is_secret: bool,
    /// The object and the field that it is the whole of; what is written there is copied from then on.
    field: Option<(usize, Vec<Segment>)>,
    /// Who is told of texts that it, or a part of it, is put into.
    told: &'a Told,
    /// What is to be said where it is encrypted.
    sealed: Option<String>,
    /// Whether it was written anywhere.
    is_written: bool,
}

impl<'a> Copied<'a> {
    /// A text of no object; where it is put over a mapping or list, it becomes what it says.
    fn text(text: &str, told: &'a Told) -> Self {
        let mut copied = Self::part(Value::Null, text, false, told);
        copied.value = copied.loose.write(&[], Type::Open, text.to_owned(), Shown::Text);
        copied
    }

    /// Whether its text decides what it is: it has no type, or is a time.
    fn is_open(&self) -> bool {
        let is_time = self.value.as_str().is_some_and(|text| text != self.text);
        is_time || matches!(self.loose.at(&[], &self.value), Some((Type::Open, _)))
    }

    /// A scalar that is no whole field.
    fn part(value: Value, text: &str, is_secret: bool, told: &'a Told) -> Self {
        let (text, loose) = (text.to_owned(), Loose::default());
        Self { value, text, loose, is_secret, field: None, told, sealed: None, is_written: false }
    }

    /// Takes over what an object holds now, if it is the source.
    fn follow(&mut self, resources: &Resources, at: usize) {
        let Some((_, path)) = self.field.as_ref().filter(|(source, _)| *source == at) else { return };
        let source = &resources.items()[at];
        if let Ok(Some((place, value))) = find(&source.value, path) {
            self.text = text_at(source, &place, value).unwrap_or_default();
            self.loose = source.loose.part(&place);
            if *value != self.value {
                self.value = value.clone();
            }
        }
    }
}

/// Returns the text of a scalar of an object as it was written, or none for mappings and lists.
fn text_at(object: &Resource, place: &[Step], value: &Value) -> Option<String> {
    let loose = object.loose.at(place, value).map(|(_, text)| text.to_owned());
    loose.or_else(|| object.written.text(value))
}

fn source_value<'a>(
    resources: &Resources,
    source: &ReplacementSource,
    told: &'a Told,
) -> Result<Copied<'a>, Error> {
    let at = source_object(resources, source)?;
    let found = &resources.items()[at];
    let is_secret = found.kind() == "Secret";
    let field_path = if source.field_path.is_empty() { "metadata.name" } else { &source.field_path };
    let path = parse(field_path)?;
    let value = find(&found.value, &path)
        .map_err(|error| error.within("error looking up replacement source"))?
        .filter(|(_, value)| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        });
    let Some((place, value)) = value else {
        return Err(Error::Replacement(format!(
            "fieldPath `{field_path}` is missing for replacement source {}",
            shown(source)
        )));
    };
    let sealed = sealed::told(value, field_path, found);
    let Some(options) = source.options.as_ref().filter(|options| !options.delimiter.is_empty()) else {
        let text = text_at(found, &place, value).unwrap_or_default();
        let loose = found.loose.part(&place);
        let value = value.clone();
        let field = Some((at, path));
        return Ok(Copied { value, text, loose, is_secret, field, told, sealed, is_written: false });
    };
    let Some(text) = text_at(found, &place, value) else {
        return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
    };
    let parts: Vec<&str> = text.split(options.delimiter.as_str()).collect();
    let part = usize::try_from(options.index).ok().and_then(|index| parts.get(index));
    let part = part.ok_or_else(|| {
        let shown = if is_secret { "of a Secret" } else { text.as_str() };
        Error::Replacement(format!("options.index {} is out of bounds for value {shown}", options.index))
    })?;
    told.tell(&text, part);
    let value = if value.is_string() { Value::String((*part).to_owned()) } else { manifest::plain(part) };
    Ok(Copied { sealed, ..Copied::part(value, part, is_secret, told) })
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

fn source_object(resources: &Resources, source: &ReplacementSource) -> Result<usize, Error> {
    let wanted = shown(source);
    let fits = |id: &crate::id::Id| {
        id.gvk.is_selected_by(&wanted.gvk)
            && (wanted.name.is_empty() || wanted.name == id.name)
            && (wanted.namespace.is_empty() || wanted.namespace == id.namespace)
    };
    let items = resources.items();
    let positions =
        if wanted.name.is_empty() { (0..items.len()).collect() } else { resources.ever_named(&wanted.name) };
    let mut found =
        positions.into_iter().filter(|&at| !items[at].is_gone() && items[at].ids().iter().any(fits));
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

fn apply(
    resources: &mut Resources,
    target: &ReplacementTarget,
    copied: &mut Copied<'_>,
) -> Result<(), Error> {
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
        if item.is_gone() || !select.may_mean(item) || !select.matches_metadata(item) {
            return false;
        }
        let ids = item.ids();
        if !ids.iter().any(|id| select.matches_id(id)) {
            return false;
        }
        let is_rejected = reject.iter().any(|matcher| {
            (matcher.asks_for_id() && ids.iter().any(|id| matcher.matches_id(id)))
                || (matcher.asks_for_metadata() && matcher.matches_metadata(item))
        });
        !is_rejected
    };
    let options = target.options.clone().unwrap_or_default();
    for at in select.candidates(resources) {
        resources.clock().check()?;
        if !is_target(&resources.items()[at]) {
            continue;
        }
        for text in texts {
            resources.clock().check()?;
            copy(resources.at_mut(at), text, &paths[text.as_str()], copied, &options)?;
            copied.is_written = true;
            twins::settle(resources.at_mut(at));
            copied.follow(resources, at);
        }
        let changed = &resources.items()[at];
        if changed.kind().is_empty() && !changed.is_gone() {
            return manifest::check_object(changed);
        }
        resources.note(at);
    }
    Ok(())
}

fn copy(
    resource: &mut Resource,
    text: &str,
    path: &[Segment],
    copied: &Copied<'_>,
    options: &FieldOptions,
) -> Result<(), Error> {
    let missing = if options.create { Missing::Make } else { Missing::Skip };
    let new = New { value: &copied.value, text: &copied.text, is_open: copied.is_open() };
    if let Some(text) = embedded::set(&mut resource.value, path, new, missing) {
        copied.told.tell(&copied.text, &text);
        return Ok(());
    }
    let create = if options.create { "find or create" } else { "find" };
    let not_found = format!("unable to {create} field {text:?} in replacement target");
    let is_secret = copied.is_secret || resource.kind() == "Secret";
    let mut writer = Writer {
        copied,
        options,
        notes: &resource.written,
        blanks: &resource.blanks,
        loose: &mut resource.loose,
        shown: if is_secret { Shown::Nothing } else { Shown::Text },
        becomes_text: is_annotation(path),
        weight: weight(&copied.value),
        depth: depth(&copied.value),
        count: 0,
        is_refused: false,
    };
    let visited = visit(&mut resource.value, path, missing, &mut writer);
    let is_refused = writer.is_refused;
    let is_affixed = !resource.prefixes.is_empty() || !resource.suffixes.is_empty();
    if is_affixed && matches!(path, [metadata, name] if metadata.is_key("metadata") && name.is_key("name")) {
        // What a prefix or suffix was added to is no text by its type.
        resource.unquoted.push("/metadata/name");
    }
    // A field that is there and takes no such value was found.
    let found = visited.map_err(|error| if is_refused { error } else { error.within(not_found.clone()) })?;
    if found == 0 { Err(Error::Replacement(not_found)) } else { Ok(()) }
}

/// Writes a value to places of one object.
struct Writer<'a> {
    copied: &'a Copied<'a>,
    options: &'a FieldOptions,
    /// How the scalars of the object were written.
    notes: &'a Notes,
    /// Places of nulls that were written as nothing at all.
    blanks: &'a [Vec<Step>],
    /// Those whose type is not that of their text.
    loose: &'a mut Loose,
    /// Whether messages may show the value's own text and what stands around it.
    shown: Shown,
    /// Whether all that stands there becomes text in the end.
    becomes_text: bool,
    /// How many bytes a copy has.
    weight: usize,
    /// How many levels a copy has.
    depth: usize,
    /// How many places were found.
    count: usize,
    /// Whether a place takes no such value, or there are too many.
    is_refused: bool,
}

/// Whether a path names an annotation of the object.
fn is_annotation(path: &[Segment]) -> bool {
    matches!(path, [metadata, annotations, _] if metadata.is_key("metadata") && annotations.is_key("annotations"))
}

/// Returns how many levels a value has.
fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

impl Visitor<Value> for Writer<'_> {
    fn text(&self, way: &[Step], scalar: &Value) -> String {
        if scalar.is_null() && self.blanks.iter().any(|blank| blank == way) {
            return String::new();
        }
        self.notes.text(scalar).unwrap_or_default()
    }

    fn shown(&self, key: &str, part: &Value) -> String {
        match part {
            Value::String(text) if !self.notes.had_quotes(key, text) => text.clone(),
            Value::String(text) => match sealfast_yaml::json::to_yaml(part) {
                bare if bare.trim_end() == text => format!("\"{text}\""),
                quoted => quoted,
            },
            Value::Array(_) | Value::Object(_) => sealfast_yaml::json::to_yaml(part),
            scalar => self.notes.text(scalar).unwrap_or_default(),
        }
    }

    fn scalar(&mut self, way: &[Step], text: &str) -> Value {
        self.loose.write(way, Type::Open, text.to_owned(), Shown::Text)
    }

    fn arrive(&mut self, found: Found<'_, Value>) -> Result<(), Error> {
        self.is_refused = true;
        self.count += 1;
        if self.weight.saturating_mul(self.count) > MAX_COPIED {
            return Err(Error::Limit(format!("the copies are larger than {MAX_COPIED} bytes")));
        }
        if found.steps.len() + self.depth > MAX_DEPTH {
            return Err(Error::Limit(format!("the copy is nested deeper than {MAX_DEPTH} levels")));
        }
        self.write(found)?;
        self.is_refused = false;
        Ok(())
    }
}

impl Writer<'_> {
    fn write(&mut self, found: Found<'_, Value>) -> Result<(), Error> {
        let Found { place, is_new, steps } = found;
        let text = self.new_text(place, is_new, steps)?;
        *place = match text {
            Some(text) if is_scalar(place) => match self.type_of(place, is_new, steps) {
                Some(of) => self.loose.write(steps, of, text, self.shown),
                None => {
                    self.loose.forget(steps);
                    Value::String(text)
                }
            },
            _ => {
                self.loose.put(steps, &self.copied.loose, self.shown);
                self.copied.value.clone()
            }
        };
        Ok(())
    }

    /// Returns the type that a place keeps; none for text.
    fn type_of(&self, place: &Value, is_new: bool, steps: &[Step]) -> Option<Type> {
        if self.becomes_text {
            return None;
        }
        if is_new {
            return Some(Type::Open);
        }
        if let Some((of, _)) = self.loose.at(steps, place) {
            return Some(of);
        }
        let is_text = |text: &String| place.as_str() == Some(text);
        self.notes.text(place).filter(|text| !is_text(text)).map(|text| Type::Tagged(plain_tag(&text)))
    }

    /// Returns the text that a place gets, from a mapping or list an empty one; none where such a thing is made.
    fn new_text(&self, place: &Value, is_new: bool, steps: &[Step]) -> Result<Option<String>, Error> {
        let copied = self.copied;
        if self.options.delimiter.is_empty() {
            let is_text = is_scalar(&copied.value) || !is_new && is_scalar(place);
            return Ok(is_text.then(|| copied.text.clone()));
        }
        // What is made is of the kind of the value.
        let present = match self.loose.at(steps, place) {
            _ if is_new => is_scalar(&copied.value).then(String::new),
            Some((_, text)) => Some(text.to_owned()),
            None => self.notes.text(place),
        };
        let Some(present) = present else {
            return Err(Error::Replacement("delimiter option can only be used with scalar nodes".to_owned()));
        };
        let mut parts: Vec<&str> = present.split(self.options.delimiter.as_str()).collect();
        match usize::try_from(self.options.index) {
            Err(_) => parts.insert(0, &copied.text),
            Ok(index) if index >= parts.len() => parts.push(&copied.text),
            Ok(index) => parts[index] = &copied.text,
        }
        let made = parts.join(&self.options.delimiter);
        copied.told.tell(&copied.text, &made);
        Ok(Some(made))
    }
}

//! `edit set`: one field of the file.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{Draft, text};
use crate::flux::Failed;
use crate::kustomize::parse;

/// Runs `edit set FIELD ARGS`.
pub(super) fn run(field: &str, words: &[String]) -> Result<ExitCode, Failed> {
    let (args, _) = parse(words, &[])?;
    let names = args.names.as_slice();
    match field {
        "namespace" => namespace(names),
        "nameprefix" => affix("namePrefix", "prefix", names),
        "namesuffix" => affix("nameSuffix", "suffix", names),
        "label" => entries("commonLabels", "label", names),
        "annotation" => entries("commonAnnotations", "annotation", names),
        "image" => images(names),
        "replicas" => replicas(names),
        other if other.contains('=') => Err(as_assigned(other).into()),
        other => Err(format!("`kustomize edit set {other}` is not supported by this build").into()),
    }
}

/// Says how a value is given, to someone who assigned it.
fn as_assigned(word: &str) -> String {
    let (field, value) = word.split_once('=').unwrap_or((word, ""));
    let empties = if value.is_empty() { ", an empty one to take the field away" } else { "" };
    format!(
        "`{word}` is no field: the value is an argument of its own{empties}: `kustomize edit set {field} '{value}'`"
    )
}

fn namespace(names: &[String]) -> Result<ExitCode, Failed> {
    let [name] = names else { return Err("must specify exactly one namespace value".into()) };
    if !name.is_empty() && !is_label(name) {
        return Err(format!(
            "{name:?} is not a valid namespace name: at most 63 lower case letters, digits and '-', with a letter or digit at both ends"
        )
        .into());
    }
    let mut draft = Draft::open()?;
    draft.set_text("namespace", name);
    draft.store()
}

fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 63
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
}

fn affix(field: &str, what: &str, names: &[String]) -> Result<ExitCode, Failed> {
    let [affix] = names else { return Err(format!("must specify exactly one {what} value").into()) };
    let mut draft = Draft::open()?;
    draft.set_text(field, affix);
    draft.store()
}

/// Sets entries of a map, given as `key:value`.
fn entries(field: &str, what: &str, words: &[String]) -> Result<ExitCode, Failed> {
    if words.is_empty() {
        return Err(format!("must specify {what}").into());
    }
    let mut pairs = Vec::new();
    for word in words {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        if key.is_empty() {
            return Err(format!("invalid {what}: '{word}' (need k:v pair where v may be quoted)").into());
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        check(what, key, value)?;
        pairs.push((key.to_owned(), value.to_owned()));
    }
    let mut draft = Draft::open()?;
    let present = draft.fields.get(draft.name(field)).and_then(Value::as_object);
    let mut map = present.cloned().unwrap_or_default();
    map.extend(pairs.into_iter().map(|(key, value)| (key, Value::String(value))));
    draft.set(field, Value::Object(map));
    draft.store()
}

/// Keys are names with an optional domain in front; values of labels are names too.
fn check(what: &str, key: &str, value: &str) -> Result<(), Failed> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = |name: &str| {
        name.len() <= 63
            && name.bytes().all(inner)
            && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && name.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    if !is_name(name) || key.matches('/').count() > 1 {
        return Err(format!(
            "invalid {what} key: see the syntax and character set rules of Kubernetes: '{key}'"
        )
        .into());
    }
    if what == "label" && !value.is_empty() && !is_name(value) {
        return Err(format!("invalid label value: '{value}' of '{key}'").into());
    }
    Ok(())
}

fn images(words: &[String]) -> Result<ExitCode, Failed> {
    if words.is_empty() {
        return Err("no image specified".into());
    }
    let wanted: Vec<Map<String, Value>> = words.iter().map(|word| image(word)).collect::<Result<_, _>>()?;
    let mut draft = Draft::open()?;
    let mut images = draft.list("images");
    for image in wanted {
        let name = image.get("name").cloned();
        let present = images.iter_mut().find(|present| present.get("name") == name.as_ref());
        let kept =
            |field: &str| present.as_ref().map(|present| text(present, field).to_owned()).unwrap_or_default();
        let mut entry = Map::new();
        for (field, value) in image {
            let value = if value == "*" && field != "name" { Value::String(kept(&field)) } else { value };
            if value != "" {
                entry.insert(field, value);
            }
        }
        match present {
            Some(present) => *present = Value::Object(entry),
            None => images.push(Value::Object(entry)),
        }
    }
    draft.set_list("images", images);
    draft.store()
}

/// Reads `name=new:tag@digest`; all parts but the new name may be missing.
fn image(word: &str) -> Result<Map<String, Value>, Failed> {
    let (key, value) = word.split_once('=').map_or(("", word), |(key, value)| (key, value));
    let (name, tag, digest) = split_image(value);
    if name == word {
        return Err(INVALID_IMAGE.into());
    }
    let mut image = Map::new();
    let named = if key.is_empty() { name } else { key };
    image.insert("name".to_owned(), named.into());
    let new_name = if key.is_empty() { "" } else { name };
    for (field, text) in [("newName", new_name), ("newTag", tag), ("digest", digest)] {
        if !text.is_empty() {
            image.insert(field.to_owned(), text.into());
        }
    }
    Ok(image)
}

/// Splits an image into name, tag and digest; a port of the registry is part of the name.
fn split_image(text: &str) -> (&str, &str, &str) {
    let (rest, digest) = text.split_once('@').unwrap_or((text, ""));
    let start = rest.find('/').map_or(0, |slash| slash + 1);
    match rest[start..].rfind(':') {
        Some(colon) => (&rest[..start + colon], &rest[start + colon + 1..], digest),
        None => (rest, "", digest),
    }
}

fn replicas(words: &[String]) -> Result<ExitCode, Failed> {
    if words.is_empty() {
        return Err("no replicas specified".into());
    }
    let invalid = "invalid format of replica, use the following format: <name>=<count>";
    let mut wanted = Vec::new();
    for word in words {
        let (name, count) = word.split_once('=').ok_or(invalid)?;
        let count: i64 = count.parse().map_err(|_| invalid)?;
        wanted.push(json!({ "name": name, "count": count }));
    }
    let mut draft = Draft::open()?;
    let mut replicas = draft.list("replicas");
    for replica in wanted {
        match replicas.iter_mut().find(|present| present.get("name") == replica.get("name")) {
            Some(present) => *present = replica,
            None => replicas.push(replica),
        }
    }
    draft.set_list("replicas", replicas);
    draft.store()
}

const INVALID_IMAGE: &str = "invalid format of image, use one of the following options:
- <image>=<newimage>:<newtag>
- <image>=<newimage>@<digest>
- <image>=<newimage>:<newtag>@<digest>
- <image>=<newimage>
- <image>:<newtag>
- <image>@<digest>
- <image>:<newtag>@<digest>";

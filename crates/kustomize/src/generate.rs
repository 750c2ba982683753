//! ConfigMaps and Secrets from literals, files and environment files.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::files::{FileError, base_name};
use crate::flaw::Flaw;
use crate::resource::{Behavior, Resource};
use crate::spec::{GeneratorArgs, GeneratorOptions};

/// Where a generator reads a file that an entry names.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, Error>;

/// How wide a line of base64 text is.
const LINE: usize = 70;

/// Makes a ConfigMap.
///
/// # Errors
/// When the entry has no name, a source cannot be read, or a key comes twice.
pub(crate) fn config_map(
    args: &GeneratorArgs,
    defaults: Option<&GeneratorOptions>,
    read: ReadFile<'_>,
) -> Result<Resource, Error> {
    let pairs = collect(args, read)?;
    let mut data = Map::new();
    let mut binary = Map::new();
    for (key, content) in pairs {
        match String::from_utf8(content) {
            Ok(text) => data.insert(key, Value::String(text)),
            Err(error) => binary.insert(key, Value::String(encode(error.as_bytes()))),
        };
    }
    let mut fields = vec![("data", data), ("binaryData", binary)];
    fields.retain(|(_, map)| !map.is_empty());
    let fields = fields.into_iter().map(|(name, map)| (name, Value::Object(map))).collect();
    Ok(finish("ConfigMap", fields, args, defaults))
}

/// Makes a Secret.
///
/// # Errors
/// When the entry has no name, a source cannot be read, or a key comes twice.
pub(crate) fn secret(
    args: &GeneratorArgs,
    defaults: Option<&GeneratorOptions>,
    read: ReadFile<'_>,
) -> Result<Resource, Error> {
    let pairs = collect(args, read)?;
    let data: Map<String, Value> =
        pairs.into_iter().map(|(key, content)| (key, Value::String(encode(&content)))).collect();
    let secret_type = if args.secret_type.is_empty() { "Opaque" } else { &args.secret_type };
    let fields = vec![("data", Value::Object(data)), ("type", Value::String(secret_type.to_owned()))];
    Ok(finish("Secret", fields, args, defaults))
}

fn finish(
    kind: &str,
    fields: Vec<(&str, Value)>,
    args: &GeneratorArgs,
    defaults: Option<&GeneratorOptions>,
) -> Resource {
    let options = merged(args.options.as_ref(), defaults);
    let mut value = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": args.name } });
    if let Value::Object(object) = &mut value {
        for (name, field) in fields {
            object.insert(name.to_owned(), field);
        }
        if options.immutable {
            object.insert("immutable".to_owned(), Value::Bool(true));
        }
    }
    let mut resource = Resource::new(value);
    if !args.namespace.is_empty() {
        resource.set_metadata("namespace", &args.namespace);
    }
    for (map, entries) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        for (key, value) in entries {
            resource.set_metadata_entry(map, key, value);
            resource.flaw = resource.flaw.take().or_else(|| Flaw::of_new_key(key));
        }
    }
    resource.needs_hash = !options.disable_name_suffix_hash;
    resource.behavior = match args.behavior.as_str() {
        "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => Behavior::Unspecified,
    };
    resource
}

/// Joins an entry's options with those for all entries of the file.
fn merged(own: Option<&GeneratorOptions>, defaults: Option<&GeneratorOptions>) -> GeneratorOptions {
    let own = own.cloned().unwrap_or_default();
    let Some(defaults) = defaults else { return own };
    let unite = |defaults: &BTreeMap<String, String>, own: BTreeMap<String, String>| {
        let mut all = defaults.clone();
        all.extend(own);
        all
    };
    GeneratorOptions {
        labels: unite(&defaults.labels, own.labels),
        annotations: unite(&defaults.annotations, own.annotations),
        disable_name_suffix_hash: own.disable_name_suffix_hash || defaults.disable_name_suffix_hash,
        immutable: own.immutable || defaults.immutable,
    }
}

/// Gathers the pairs of an entry: environment files, literals, files.
fn collect(args: &GeneratorArgs, read: ReadFile<'_>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    if args.name.is_empty() {
        return Err(Error::Generator("a configmap must have a name".to_owned()));
    }
    let mut pairs = Vec::new();
    let mut envs = args.envs.clone();
    envs.extend(Some(args.env.clone()).filter(|env| !env.is_empty()));
    for path in &envs {
        let found = read(path).and_then(|content| environment(&content)).map_err(|error| {
            error.within(format!("loading KV pairs: env source files: [{}]", envs.join(" ")))
        })?;
        pairs.extend(found);
    }
    for source in &args.literals {
        pairs.push(literal(source).map_err(|error| {
            error.within(format!("loading KV pairs: literal sources [{}]", args.literals.join(" ")))
        })?);
    }
    for source in &args.files {
        let found = file_source(source).and_then(|(key, path)| Ok((key.to_owned(), read(path)?)));
        pairs.push(found.map_err(|error| {
            error.within(format!("loading KV pairs: file sources: [{}]", args.files.join(" ")))
        })?);
    }
    let mut seen = std::collections::HashSet::new();
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !seen.insert(key.clone())) {
        return Err(Error::Generator(format!("configmap {} illegally repeats the key `{key}`", args.name)));
    }
    Ok(pairs)
}

/// Splits `key=value`, taking one pair of quotes off the value.
fn literal(source: &str) -> Result<(String, Vec<u8>), Error> {
    let pair = source.split_once('=').filter(|(key, _)| !key.is_empty());
    let Some((key, value)) = pair else {
        return Err(Error::Generator(format!("invalid literal source {source}, expected key=value")));
    };
    let quoted = ['"', '\''].iter().find_map(|&quote| {
        let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
        (value.len() >= 2).then_some(inner)
    });
    Ok((key.to_owned(), quoted.unwrap_or(value).as_bytes().to_vec()))
}

/// Splits `key=path`; a path alone has its base name as key.
fn file_source(source: &str) -> Result<(&str, &str), Error> {
    let wrong = |message: String| Err(Error::Generator(message));
    match source.split_once('=') {
        None => Ok((base_name(source), source)),
        Some((_, path)) if path.contains('=') => {
            wrong(format!("source \"{source}\" key name or file path contains '='"))
        }
        Some(("", path)) => {
            wrong(format!("missing key name for file path \"{path}\" in source \"{source}\""))
        }
        Some((key, "")) => wrong(format!("missing file path for key name \"{key}\" in source \"{source}\"")),
        Some((key, path)) => Ok((key, path)),
    }
}

/// Reads the lines of an environment file.
fn environment(content: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut pairs = Vec::new();
    for (number, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if number == 0 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line) } else { line };
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(Error::Generator(format!("line {} has invalid utf8 bytes", number + 1)));
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !key.is_empty() {
            pairs.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(pairs)
}

/// Returns base64 text, in lines that all end with a line break when it is a line long or longer.
pub(crate) fn encode(content: &[u8]) -> String {
    let text = STANDARD.encode(content);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

impl From<FileError> for Box<Error> {
    fn from(error: FileError) -> Self {
        Box::new(Error::File(error))
    }
}

//! `edit add` and `edit remove` of ConfigMap and Secret generators.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::{Draft, glob, text};
use crate::flux::Failed;
use crate::flux::args::{Args, Flag, Kind};
use crate::kustomize::parse;
use crate::output;

const FLAGS: &[Flag] = &[
    Flag::long("from-file", Kind::List),
    Flag::long("from-literal", Kind::Text),
    Flag::long("from-env-file", Kind::Text),
    Flag::long("disableNameSuffixHash", Kind::Switch),
    Flag::long("behavior", Kind::Text),
    Flag::long("namespace", Kind::Text),
    Flag::long("type", Kind::Text),
];

fn field(what: &str) -> &'static str {
    if what == "secret" { "secretGenerator" } else { "configMapGenerator" }
}

/// Adds an entry, or adds sources to the entry of that name.
pub(super) fn add(what: &str, words: &[String]) -> Result<ExitCode, Failed> {
    let (args, _) = parse(words, FLAGS)?;
    let [name] = args.names.as_slice() else {
        return Err("failed to validate flags: name must be specified once".into());
    };
    check(&args)?;
    let files = sources(args.list("from-file"))?;
    let mut draft = Draft::open()?;
    let mut entries = draft.list(field(what));
    let namespace = args.text("namespace").unwrap_or_default();
    let at = entries.iter().position(|entry| is_same(entry, name, namespace)).unwrap_or_else(|| {
        entries.push(fresh(what, name, namespace, &args));
        entries.len() - 1
    });
    if let Some(Value::Object(entry)) = entries.get_mut(at) {
        extend(entry, "files", files);
        extend(entry, "literals", args.list("from-literal").to_vec());
        extend(entry, "envs", args.filled("from-env-file").map(str::to_owned).into_iter().collect());
        if let Some(behavior) = args.filled("behavior") {
            entry.insert("behavior".to_owned(), behavior.into());
        }
        if args.is_on("disableNameSuffixHash") {
            let options = entry.entry("options").or_insert_with(|| Value::Object(Map::new()));
            if let Some(options) = options.as_object_mut() {
                options.insert("disableNameSuffixHash".to_owned(), Value::Bool(true));
            }
        }
    }
    draft.set_list(field(what), entries);
    draft.store()
}

fn check(args: &Args) -> Result<(), Failed> {
    let has = |flag: &str| !args.list(flag).is_empty();
    if !has("from-env-file") && !has("from-file") && !has("from-literal") {
        return Err(
            "failed to validate flags: at least from-env-file, or from-file or from-literal must be set"
                .into(),
        );
    }
    if has("from-env-file") && (has("from-file") || has("from-literal")) {
        return Err(
            "failed to validate flags: from-env-file cannot be combined with from-file or from-literal"
                .into(),
        );
    }
    if let Some(wrong) =
        args.list("from-literal").iter().find(|literal| literal.find('=').is_none_or(|at| at == 0))
    {
        return Err(format!("invalid literal source {wrong}, expected key=value").into());
    }
    match args.filled("behavior") {
        None | Some("create" | "merge" | "replace") => Ok(()),
        Some(_) => Err("failed to validate flags: invalid behavior: must be one of \"create\", \"merge\", or \"replace\"".into()),
    }
}

/// Expands the patterns of `[key=]path` sources.
fn sources(patterns: &[String]) -> Result<Vec<String>, Failed> {
    let mut found = Vec::new();
    for pattern in patterns {
        let (key, path) =
            pattern.split_once('=').map_or((None, pattern.as_str()), |(key, path)| (Some(key), path));
        let files = glob::expand(path)?;
        match (key, files.as_slice()) {
            (_, []) => return Err(format!("{path} has no match: there is no such file").into()),
            (Some(key), [only]) => found.push(format!("{key}={only}")),
            (Some(_), many) => {
                return Err(
                    format!("pattern '{pattern}' catches files {many:?}, should catch only one").into()
                );
            }
            (None, _) => found.extend(files),
        }
    }
    Ok(found)
}

fn fresh(what: &str, name: &str, namespace: &str, args: &Args) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), name.into());
    if !namespace.is_empty() {
        entry.insert("namespace".to_owned(), namespace.into());
    }
    if what == "secret" {
        entry.insert("type".to_owned(), args.filled("type").unwrap_or("Opaque").into());
    }
    Value::Object(entry)
}

/// No namespace and `default` are one.
fn is_same(entry: &Value, name: &str, namespace: &str) -> bool {
    let plain =
        |namespace: &str| if namespace.is_empty() { "default".to_owned() } else { namespace.to_owned() };
    text(entry, "name") == name && plain(text(entry, "namespace")) == plain(namespace)
}

fn extend(entry: &mut Map<String, Value>, field: &str, more: Vec<String>) {
    if more.is_empty() {
        return;
    }
    let items = entry.entry(field).or_insert_with(|| Value::Array(Vec::new()));
    if let Some(items) = items.as_array_mut() {
        items.extend(more.into_iter().map(Value::String));
    }
}

/// Removes the entries of the names.
pub(super) fn remove(what: &str, words: &[String]) -> Result<ExitCode, Failed> {
    let (args, _) = parse(words, &[Flag::long("namespace", Kind::Text)])?;
    let names: Vec<&str> = match args.names.as_slice() {
        [] => return Err(format!("at least one {what} name must be specified").into()),
        [names] => names.split(',').collect(),
        many => {
            return Err(format!(
                "too many arguments: [{}]; to provide multiple {what}s to remove, please separate {what} names by commas",
                many.join(" ")
            )
            .into());
        }
    };
    let namespace = args.text("namespace").unwrap_or_default();
    let mut draft = Draft::open()?;
    let entries = draft.list(field(what));
    let is_meant = |entry: &Value| names.iter().any(|name| is_same(entry, name, namespace));
    let (gone, kept): (Vec<Value>, Vec<Value>) = entries.into_iter().partition(is_meant);
    if gone.is_empty() {
        return Err(format!("no specified {what}(s) were found in the kustomization.yaml file").into());
    }
    for name in names.iter().filter(|name| !gone.iter().any(|entry| text(entry, "name") == **name)) {
        output::talk(&format!("{what} {name} doesn't exist in kustomization file"));
    }
    draft.set_list(field(what), kept);
    draft.store()
}

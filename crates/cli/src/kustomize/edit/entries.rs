//! `edit add` and `edit remove` of resources, components and patches.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::{Draft, glob};
use crate::flux::Failed;
use crate::flux::args::{Args, Flag, Kind};
use crate::kustomize::parse;
use crate::kustomize::remote::Remote;
use crate::output;

fn field(what: &str) -> &'static str {
    if what == "component" { "components" } else { "resources" }
}

/// Adds paths that are not listed yet.
pub(super) fn add(what: &str, words: &[String]) -> Result<ExitCode, Failed> {
    let (args, _) = parse(words, &[Flag::long("no-verify", Kind::Switch)])?;
    if args.names.is_empty() {
        return Err(format!("must specify a {what} file").into());
    }
    let mut paths = Vec::new();
    for pattern in &args.names {
        let found = if args.is_on("no-verify") { Vec::new() } else { glob::expand(pattern)? };
        let is_taken_as_is =
            args.is_on("no-verify") || Remote::is_address(pattern) || Path::new(pattern).is_dir();
        match (found.is_empty(), is_taken_as_is) {
            (false, _) => paths.extend(found),
            (true, true) => paths.push(pattern.clone()),
            (true, false) => return Err(format!("{pattern} has no match: there is no such file").into()),
        }
    }
    let mut draft = Draft::open()?;
    let mut items = draft.list(field(what));
    for path in paths {
        if Path::new(&path) == draft.path {
            continue;
        }
        if items.iter().any(|item| item == path.as_str()) {
            output::talk(&format!("{what} {path} already in kustomization file"));
            continue;
        }
        items.push(Value::String(path));
    }
    draft.set_list(field(what), items);
    draft.store()
}

/// Removes the paths that fit the patterns.
pub(super) fn remove(what: &str, words: &[String]) -> Result<ExitCode, Failed> {
    let (args, _) = parse(words, &[])?;
    if args.names.is_empty() {
        return Err(format!("must specify a {what} file").into());
    }
    let patterns: Vec<glob::Pattern> =
        args.names.iter().map(|name| glob::Pattern::new(name)).collect::<Result<_, _>>()?;
    let mut draft = Draft::open()?;
    let mut items = draft.list(field(what));
    let is_meant = |path: &str| patterns.iter().any(|pattern| pattern.matches(path));
    items.retain(|item| !item.as_str().is_some_and(is_meant));
    draft.set_list(field(what), items);
    draft.store()
}

/// The fields of a patch target, as flag and as field.
const TARGET: [(&str, &str); 7] = [
    ("group", "group"),
    ("version", "version"),
    ("kind", "kind"),
    ("name", "name"),
    ("namespace", "namespace"),
    ("annotation-selector", "annotationSelector"),
    ("label-selector", "labelSelector"),
];

fn patch_args(words: &[String]) -> Result<Args, Failed> {
    let mut flags: Vec<Flag> = TARGET.iter().map(|(flag, _)| Flag::long(flag, Kind::Text)).collect();
    flags.extend([Flag::long("path", Kind::Text), Flag::long("patch", Kind::Text)]);
    let (args, _) = parse(words, &flags)?;
    if args.filled("path").is_some() && args.filled("patch").is_some() {
        return Err("patch and path can't be set at the same time".into());
    }
    Ok(args)
}

/// Returns the entry that the flags describe.
fn patch(args: &Args) -> Value {
    let mut entry = Map::new();
    for field in ["path", "patch"] {
        if let Some(text) = args.filled(field) {
            entry.insert(field.to_owned(), text.into());
        }
    }
    let target: Map<String, Value> = TARGET
        .iter()
        .filter_map(|(flag, field)| Some(((*field).to_owned(), args.filled(flag)?.into())))
        .collect();
    if !target.is_empty() {
        entry.insert("target".to_owned(), Value::Object(target));
    }
    Value::Object(entry)
}

/// Adds an entry to `patches`.
pub(super) fn add_patch(words: &[String]) -> Result<ExitCode, Failed> {
    let args = patch_args(words)?;
    if args.filled("path").is_none() && args.filled("patch").is_none() {
        return Err("must provide either patch or path".into());
    }
    let mut draft = Draft::open()?;
    let mut patches = draft.list("patches");
    let entry = patch(&args);
    if patches.contains(&entry) {
        output::talk("the patch is already in the kustomization file");
        return Ok(ExitCode::SUCCESS);
    }
    patches.push(entry);
    draft.set_list("patches", patches);
    draft.store()
}

/// Removes the entries of `patches` that are exactly as described.
pub(super) fn remove_patch(words: &[String]) -> Result<ExitCode, Failed> {
    let args = patch_args(words)?;
    let mut draft = Draft::open()?;
    let mut patches = draft.list("patches");
    let (before, entry) = (patches.len(), patch(&args));
    patches.retain(|present| *present != entry);
    if patches.len() == before {
        output::talk("the patch doesn't exist in the kustomization file");
        return Ok(ExitCode::SUCCESS);
    }
    draft.set_list("patches", patches);
    draft.store()
}

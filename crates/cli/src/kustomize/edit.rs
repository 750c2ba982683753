//! `kustomize edit`: changes to the kustomization file at hand.
//!
//! Differs: only the bytes of what changes are written anew; comments, order and quoting of the rest stay.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sealfast_kustomize::spec::{FILE_NAMES, Kustomization};
use serde_json::{Map, Value};

use crate::flux::Failed;
use crate::output;
use crate::replace;

mod entries;
mod generators;
mod glob;
mod set;
mod splice;

/// Runs `edit ARGS`.
pub(super) fn run(words: &[String]) -> Result<ExitCode, Failed> {
    let path: Vec<&str> = words.iter().map(String::as_str).take(2).collect();
    let rest = words.get(2..).unwrap_or_default();
    if words.iter().take_while(|word| *word != "--").any(|word| word == "--help" || word == "-h") {
        return Ok(output::data(HELP.as_bytes()));
    }
    match path.as_slice() {
        [] | ["add" | "remove" | "set"] => Ok(output::data(HELP.as_bytes())),
        ["set", field] => set::run(field, rest),
        ["add", "resource" | "component"] => entries::add(path[1], rest),
        ["remove", "resource" | "component"] => entries::remove(path[1], rest),
        ["add", "patch"] => entries::add_patch(rest),
        ["remove", "patch"] => entries::remove_patch(rest),
        ["add", "configmap" | "secret"] => generators::add(path[1], rest),
        ["remove", "configmap" | "secret"] => generators::remove(path[1], rest),
        words => Err(format!("`kustomize edit {}` is not supported by this build", words.join(" ")).into()),
    }
}

/// The kustomization file of the current directory, on its way to being changed.
struct Draft {
    path: PathBuf,
    text: String,
    fields: Map<String, Value>,
}

impl Draft {
    /// Reads the file.
    fn open() -> Result<Self, Failed> {
        let found: Vec<&str> = FILE_NAMES.into_iter().filter(|name| Path::new(name).exists()).collect();
        let path = match found.as_slice() {
            [] => return Err("Missing kustomization file 'kustomization.yaml'.".into()),
            [only] => PathBuf::from(only),
            _ => return Err(format!("Found multiple kustomization file: [{}]", found.join(" ")).into()),
        };
        let content = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let wrong = |error: String| Failed(format!("{}: {error}", path.display()));
        // An empty file is a file to begin with.
        if let Err(error) = Kustomization::parse(&content, ".", &mut Vec::new()).map(drop)
            && !error.chain().contains("is empty")
        {
            return Err(wrong(error.chain()));
        }
        let text = String::from_utf8(content).map_err(|_| wrong("the file is not UTF-8".to_owned()))?;
        let value =
            sealfast_yaml::json::from_yaml(text.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Ok(Self { path, text, fields })
    }

    /// Returns a field by its name, which the file may spell in other letter cases.
    fn name<'a>(&'a self, name: &'a str) -> &'a str {
        self.fields.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or(name, String::as_str)
    }

    fn set(&mut self, name: &str, value: Value) {
        let name = self.name(name).to_owned();
        self.fields.insert(name, value);
    }

    /// Sets a text field; an empty text takes the field away.
    fn set_text(&mut self, name: &str, text: &str) {
        let name = self.name(name).to_owned();
        if text.is_empty() {
            self.fields.shift_remove(&name);
        } else {
            self.fields.insert(name, text.into());
        }
    }

    /// Returns the entries of a list field.
    fn list(&self, name: &str) -> Vec<Value> {
        self.fields.get(self.name(name)).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Sets a list field; an empty list takes the field away.
    fn set_list(&mut self, name: &str, items: Vec<Value>) {
        if items.is_empty() {
            let name = self.name(name).to_owned();
            self.fields.shift_remove(&name);
        } else {
            self.set(name, Value::Array(items));
        }
    }

    /// Writes the file, whole or not at all.
    fn store(self) -> Result<ExitCode, Failed> {
        let text = splice::over(&self.text, &Value::Object(self.fields))
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        if text != self.text {
            replace::file(&self.path, text.as_bytes())
                .map_err(|error| format!("failed to write '{}': {error}", self.path.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a text field of an entry.
fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

const HELP: &str = "\
Changes the kustomization file in the current directory. Comments and layout of the rest stay as they are.

Usage:
  kustomize edit set image NAME=NEW[:TAG][@DIGEST]...
  kustomize edit set namespace NAME
  kustomize edit set nameprefix PREFIX
  kustomize edit set namesuffix SUFFIX
  kustomize edit set label KEY:VALUE...
  kustomize edit set annotation KEY:VALUE...
  kustomize edit set replicas NAME=COUNT...
  kustomize edit add resource|component PATH...
  kustomize edit remove resource|component PATTERN...
  kustomize edit add|remove patch --path FILE | --patch TEXT [--kind KIND] [--name NAME] [...]
  kustomize edit add configmap|secret NAME --from-literal=K=V | --from-file=[K=]PATH | --from-env-file=PATH
  kustomize edit remove configmap|secret NAME[,NAME] [--namespace NAMESPACE]

Flags:
      --no-verify                 add resources without a look whether they are there
      --path, --patch             the patch of an entry: a file, or the text itself
      --group, --version, --kind, --name, --namespace, --label-selector, --annotation-selector
                                  the target of the patch
      --behavior NAME             create, merge or replace an existing ConfigMap
      --type TYPE                 type of a Secret [default: Opaque]
      --disableNameSuffixHash     leave the hash away from the generated name
      --namespace NAME            namespace of the generated object

Examples:
  kustomize edit set image nginx=nginx:1.29
  kustomize edit set namesuffix -- -green
  kustomize edit add resource deployment.yaml
";

//! A directory as one text, and its laws: the same bytes twice, and no id twice.
//!
//! A first file `spec` is the spec of a Flux Kustomization: what it adds to the build, and variables for the output.
//!
//! The fuzz target and the test over its corpus share this file.

use std::collections::HashSet;

use sealfast_kustomize::engine::{Build, Options, Restriction, build};
use sealfast_kustomize::files::Memory;
use sealfast_kustomize::flux::Outermost;
use sealfast_kustomize::substitute::{self, Unset, Variables};
use serde_json::Value;

/// Builds the directory that a text describes, alone and as Flux does, twice each; says whether there is one.
pub(crate) fn builds_the_same_twice(text: &str) -> bool {
    let Some((files, spec)) = tree(text) else { return false };
    assert_eq!(alone(&files), alone(&files), "{text}");
    assert_eq!(under_flux(&files, &spec), under_flux(&files, &spec), "{text}");
    true
}

fn alone(files: &Memory) -> Result<String, String> {
    build(files, "/", &Options::default()).map(printed).map_err(|error| error.chain())
}

/// Returns the output, in which no two objects have one id.
pub(crate) fn printed(built: Build) -> String {
    let text = built.to_yaml();
    let mut seen = HashSet::new();
    for object in built.objects() {
        let id = ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"]
            .map(|place| object.pointer(place).map(ToString::to_string));
        assert!(seen.insert(id.clone()), "{id:?} twice\n{text}");
    }
    text
}

fn under_flux(files: &Memory, spec: &Value) -> Result<String, String> {
    let outermost = Outermost::lay_out(files, "/", spec, None).map_err(|error| error.chain())?;
    let options = Options { load: Restriction::None, outermost: Some(outermost), ..Options::default() };
    let built = build(files, "/", &options).map(printed).map_err(|error| error.chain())?;
    let unset = if spec.get("strict").is_some() { Unset::Refused } else { Unset::Empty };
    let variables = substitute::checked(variables(spec)).map_err(|error| error.chain())?;
    substitute::text(&built, &variables, unset).map_err(|error| error.chain())
}

fn variables(spec: &Value) -> Variables {
    let given = spec.pointer("/postBuild/substitute").and_then(Value::as_object).into_iter().flatten();
    given.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Reads a tree: each file begins with a line `>>> PATH`, a link with `>>> PATH -> TARGET`.
fn tree(text: &str) -> Option<(Memory, Value)> {
    let mut files = Memory::new();
    let mut spec = serde_json::json!({ "targetNamespace": "ns" });
    let all: Vec<&str> = text.split(">>> ").skip(1).take(32).collect();
    for file in &all {
        let (head, content) = file.split_once('\n')?;
        match head.split_once(" -> ") {
            None if head == "spec" => spec = sealfast_yaml::json::from_yaml(content.as_bytes()).ok()?,
            Some((path, target)) => files.insert_link(path, target),
            None => files.insert(head, content),
        }
    }
    (!all.is_empty()).then_some((files, spec))
}

//! A directory as one text, and its laws: the same bytes twice, and no id twice.
//!
//! The fuzz target and the test over its corpus share this file.

use std::collections::HashSet;

use sealfast_kustomize::engine::{Build, Options, Restriction, build};
use sealfast_kustomize::files::Memory;
use sealfast_kustomize::flux::Outermost;

/// Builds the directory that a text describes, alone and as Flux does, twice each; says whether there is one.
pub(crate) fn builds_the_same_twice(text: &str) -> bool {
    let Some(files) = tree(text) else { return false };
    for outcome in [alone, under_flux] {
        assert_eq!(outcome(&files), outcome(&files), "{text}");
    }
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

fn under_flux(files: &Memory) -> Result<String, String> {
    let spec = serde_json::json!({ "targetNamespace": "ns" });
    let outermost = Outermost::lay_out(files, "/", &spec, None).map_err(|error| error.chain())?;
    let options = Options { load: Restriction::None, outermost: Some(outermost), ..Options::default() };
    build(files, "/", &options).map(printed).map_err(|error| error.chain())
}

/// Reads a tree: each file begins with a line `>>> PATH`, a link with `>>> PATH -> TARGET`.
fn tree(text: &str) -> Option<Memory> {
    let mut files = Memory::new();
    let all: Vec<&str> = text.split(">>> ").skip(1).take(32).collect();
    for file in &all {
        let (head, content) = file.split_once('\n')?;
        match head.split_once(" -> ") {
            Some((path, target)) => files.insert_link(path, target),
            None => files.insert(head, content),
        }
    }
    (!all.is_empty()).then_some(files)
}

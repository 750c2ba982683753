//! A directory as one text, and the law that it builds the same twice.
//!
//! The fuzz target and the test over its corpus share this file.

use sealfast_kustomize::engine::{Options, Restriction, build};
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
    build(files, "/", &Options::default()).map(|built| built.to_yaml()).map_err(|error| error.chain())
}

fn under_flux(files: &Memory) -> Result<String, String> {
    let spec = serde_json::json!({ "targetNamespace": "ns" });
    let outermost = Outermost::lay_out(files, "/", &spec, None).map_err(|error| error.chain())?;
    let options = Options { load: Restriction::None, outermost: Some(outermost), ..Options::default() };
    build(files, "/", &options).map(|built| built.to_yaml()).map_err(|error| error.chain())
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

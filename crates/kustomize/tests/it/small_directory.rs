//! A directory as one text, and the law that it builds the same twice.
//!
//! The fuzz target and the test over its corpus share this file.

use sealfast_kustomize::engine::{Options, Restriction, build};
use sealfast_kustomize::files::Memory;

/// Builds the directory that a text describes, alone and as Flux does, twice each; says whether there is one.
pub(crate) fn builds_the_same_twice(text: &str) -> bool {
    let Some(files) = tree(text) else { return false };
    let flux = Options {
        load: Restriction::None,
        overlay: Some(serde_json::json!({ "targetNamespace": "ns" })),
        ..Options::default()
    };
    for options in [Options::default(), flux] {
        assert_eq!(outcome(&files, &options), outcome(&files, &options), "{text}");
    }
    true
}

fn outcome(files: &Memory, options: &Options) -> Result<String, String> {
    build(files, "/", options).map(|built| built.to_yaml()).map_err(|error| error.chain())
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

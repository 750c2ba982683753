//! Builds small directories: no panic, no hang, the same bytes twice.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sealfast_kustomize::engine::{Options, Restriction, build};
use sealfast_kustomize::files::Memory;

fuzz_target!(|text: &str| {
    let Some(files) = tree(text) else { return };
    let flux = Options {
        load: Restriction::None,
        overlay: Some(serde_json::json!({ "targetNamespace": "ns" })),
        ..Options::default()
    };
    for options in [Options::default(), flux] {
        let once = build(&files, "/", &options).map(|built| built.to_yaml()).map_err(|error| error.chain());
        let twice = build(&files, "/", &options).map(|built| built.to_yaml()).map_err(|error| error.chain());
        assert_eq!(once, twice);
    }
});

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

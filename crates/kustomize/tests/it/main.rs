//! Tests of the build engine beyond the recorded cases.

#![expect(clippy::unwrap_used, reason = "tests")]

use sealfast_kustomize::engine::{Options, build};
use sealfast_kustomize::error::Error;
use sealfast_kustomize::files::Memory;

mod corpus;
mod entries;
mod files;
mod finer_points;
mod flux;
mod ids;
mod laws;
mod nodes;
mod odd_input;
mod patches;
mod references;
mod refusals;
mod replacements;
mod scopes;
mod small_directory;
mod substitution;

/// Builds `/app` from files given as path and content.
fn outcome(files: &[(&str, &str)]) -> Result<String, String> {
    let mut memory = Memory::new();
    for (path, content) in files {
        memory.insert(path, *content);
    }
    build(&memory, "/app", &Options::default()).map(|built| built.to_yaml()).map_err(|error| words(&error))
}

/// Returns what an error says, without the entry that it names.
fn words(error: &Error) -> String {
    const FILE: &str = "/kustomization.yaml')";
    let mut text = error.chain();
    if let Some(end) = text.find(FILE)
        && let Some(start) = text[..end].rfind(" (")
    {
        text.replace_range(start..end + FILE.len(), "");
    }
    text
}

//! Tests of the build engine beyond the recorded cases.

#![expect(clippy::unwrap_used, reason = "tests")]

use sealfast_kustomize::error::Error;

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
mod small_directory;
mod substitution;

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

//! `golden/` holds what was recorded, unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sealfast_testkit::place;
use sealfast_testkit::scratch::files;

/// Fetched by the tests from beside the workspace instead of being copied.
const NOT_COPIED: &str = "yaml/suite";

#[test]
fn recorded_cases_are_unchanged() -> Result<()> {
    compare("golden", &place::root().join("golden"), &["data", "bench", NOT_COPIED])
}

#[test]
fn recorded_facts_are_unchanged() -> Result<()> {
    compare("data", &place::golden("data"), &[])
}

#[test]
fn recorded_sizes_and_inputs_for_benchmarks_are_unchanged() -> Result<()> {
    compare("bench", &place::golden("bench"), &[])
}

fn compare(area: &str, copy: &Path, left_out: &[&str]) -> Result<()> {
    let Some(original) = place::recordings(area) else { return Ok(()) };
    let listed = |folder: &Path| -> Result<Vec<PathBuf>> {
        let mut names = files(folder)?;
        names.retain(|name| !left_out.iter().any(|left| name.starts_with(left)) && !is_cache(name));
        Ok(names)
    };
    let (wanted, found) = (listed(&original)?, listed(copy)?);
    let missing: Vec<_> = wanted.iter().filter(|name| found.binary_search(name).is_err()).collect();
    let added: Vec<_> = found.iter().filter(|name| wanted.binary_search(name).is_err()).collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "missing from the copy: {missing:?}; added to it: {added:?}"
    );
    for name in &wanted {
        let (a, b) = (content(&original.join(name))?, content(&copy.join(name))?);
        assert!(a == b, "{} differs from its recording", name.display());
    }
    Ok(())
}

fn is_cache(name: &Path) -> bool {
    name.components().any(|part| part.as_os_str() == "__pycache__")
}

fn content(path: &Path) -> Result<Vec<u8>> {
    let bytes = match fs::symlink_metadata(path)?.is_symlink() {
        true => Ok(fs::read_link(path)?.into_os_string().into_encoded_bytes()),
        false => fs::read(path),
    };
    bytes.with_context(|| format!("reading {}", path.display()))
}

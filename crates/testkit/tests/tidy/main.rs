//! House rules that a machine can see, one test a rule.

mod circles;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sealfast_testkit::place::root;

/// Crates whose tests may reach over to what they are tested against.
const TESTED_TOGETHER: [&str; 2] = ["cluster", "controllers"];
/// Crates with modules that still use each other in circles; what is here is to become less.
const IN_CIRCLES: [&str; 8] =
    ["cli", "cluster", "controllers", "keys", "kustomize", "sops", "source", "yaml"];
/// Crates that take time, randomness, files and settings from their callers.
const PURE: [&str; 4] = ["yaml", "k8s", "sops", "kustomize"];
const IMPURE: [&str; 9] = [
    "std::net",
    "std::env",
    "std::process",
    "tokio::",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "thread_rng",
    "std::fs",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "common", "helpers", "helper", "types", "core", "misc", "mod"];
/// Folders that readers and tools pass over; `examples` is left to cargo's own use.
const HIDDEN_FOLDERS: [&str; 8] =
    ["build", "dist", "out", "target", "vendor", "generated", "docs", "fixtures"];

const FIRST_LINE_MOST: usize = 80;
const CODE_LINES_MOST: usize = 900;
const ARCHITECTURE_LINES_MOST: usize = 200;

#[test]
fn first_line_says_what_a_file_holds() -> Result<()> {
    check(&sources()?, |_, text| {
        let line = text.lines().next().unwrap_or_default();
        let clause = line.strip_prefix("//! ").unwrap_or_default();
        if clause.is_empty() {
            return vec!["the first line is not `//!` and a clause".to_owned()];
        }
        let length = line.chars().count();
        if length > FIRST_LINE_MOST + "//! ".len() {
            return vec![format!("the first line has {length} characters")];
        }
        Vec::new()
    })
}

#[test]
fn files_are_of_a_size_to_read() -> Result<()> {
    check(&sources()?, |_, text| {
        let lines = code(text).filter(|line| !line.trim().is_empty()).count();
        if lines > CODE_LINES_MOST {
            vec![format!("{lines} lines of code: split it by meaning")]
        } else {
            vec![]
        }
    })
}

#[test]
fn crates_depend_downwards_only() -> Result<()> {
    let arrows = arrows()?;
    let mut wrong = Vec::new();
    for (name, allowed) in &arrows {
        for (section, line) in sections(&read(&manifest(name))?) {
            let Some(used) = line.strip_prefix("sealfast-") else { continue };
            let used = used.split(['.', ' ', '=']).next().unwrap_or_default();
            let is_fine = match section {
                _ if section.ends_with("dev-dependencies") => {
                    used == "testkit" || TESTED_TOGETHER.contains(&&**name)
                }
                _ if section.ends_with("dependencies") => allowed.iter().any(|other| other == used),
                _ => true,
            };
            if !is_fine {
                wrong.push(format!("crates/{name}/Cargo.toml: [{section}] has an arrow to `{used}`"));
            }
        }
    }
    for entry in fs::read_dir(root().join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !arrows.contains_key(&name) {
            wrong.push(format!("crates/{name} has no place on a floor: draw it in ARCHITECTURE.md"));
        }
    }
    verdict(wrong)
}

/// Reads from ARCHITECTURE.md which of our crates each crate may use.
fn arrows() -> Result<BTreeMap<String, Vec<String>>> {
    let page = read(&root().join("ARCHITECTURE.md"))?;
    let drawing = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
    let mut arrows = BTreeMap::new();
    for line in drawing.context("ARCHITECTURE.md has no drawing of the crates")?.lines() {
        let line = line.get(10..).unwrap_or_default();
        match line.split_once("->") {
            Some((name, used)) => drop(arrows.insert(name.trim().to_owned(), words(used))),
            None => arrows.extend(
                words(line).into_iter().filter(|name| !name.contains(' ')).map(|name| (name, vec![])),
            ),
        }
    }
    Ok(arrows)
}

fn manifest(name: &str) -> PathBuf {
    root().join("crates").join(name).join("Cargo.toml")
}

#[test]
fn modules_use_each_other_one_way_only() -> Result<()> {
    let mut wrong = Vec::new();
    for name in arrows()?.into_keys() {
        let found = circles::of(&root().join("crates").join(&name).join("src"))?;
        match (IN_CIRCLES.contains(&&*name), found.is_empty()) {
            (false, _) => wrong.extend(found.iter().map(|circle| format!("crates/{name}: {circle}"))),
            (true, true) => {
                wrong.push(format!("crates/{name} has no circles any more: take it off the list"))
            }
            (true, false) => {}
        }
    }
    verdict(wrong)
}

#[test]
fn manifests_inherit_from_the_workspace() -> Result<()> {
    let mut wrong = Vec::new();
    for name in arrows()?.into_keys() {
        let manifest = read(&manifest(&name))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("crates/{name}/Cargo.toml does not take the lints of the workspace"));
        }
        for (section, line) in sections(&manifest) {
            let is_dependency = section.ends_with("dependencies") && line.contains('=');
            if is_dependency && !line.contains("workspace = true") {
                wrong.push(format!("crates/{name}/Cargo.toml: `{line}` is not set in the workspace"));
            }
        }
    }
    verdict(wrong)
}

#[test]
fn names_say_something() -> Result<()> {
    let mut wrong = Vec::new();
    for path in sources()? {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if EMPTY_NAMES.contains(&stem.as_str()) {
            wrong.push(format!("{}: the name `{stem}` says nothing", shown(&path)));
        }
        let inside = path.strip_prefix(root())?;
        for part in inside.parent().into_iter().flat_map(Path::components) {
            let part = part.as_os_str().to_string_lossy();
            if EMPTY_NAMES.contains(&&*part) || HIDDEN_FOLDERS.contains(&&*part) {
                wrong.push(format!("{}: a folder named `{part}`", shown(&path)));
            }
        }
    }
    verdict(wrong)
}

#[test]
fn every_test_file_is_listed() -> Result<()> {
    let mut wrong = Vec::new();
    for path in sources()? {
        let folder = path.parent().unwrap_or(&path);
        let main = folder.join("main.rs");
        let is_test = folder.parent().is_some_and(|parent| parent.ends_with("tests"));
        if !is_test || path == main || !main.is_file() {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let listed = read(&main)?.lines().any(|line| {
            line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ") == format!("mod {stem};")
        });
        if !listed {
            wrong.push(format!("{} is not listed in its main.rs, so it never runs", shown(&path)));
        }
    }
    verdict(wrong)
}

#[test]
fn environment_variables_are_read_in_one_file() -> Result<()> {
    let home = root().join("crates/cli/src/env.rs");
    let product: Vec<PathBuf> =
        sources()?.into_iter().filter(|path| is_product(path) && *path != home).collect();
    check(&product, |_, text| {
        let banned = ["env::var", "env::vars", "env::remove_var", "env::set_var", "home_dir("];
        let found = banned.iter().filter(|banned| code(text).any(|line| line.contains(**banned)));
        found.map(|banned| format!("`{banned}`: only crates/cli/src/env.rs reads the environment")).collect()
    })?;
    let text = read(&home)?;
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for name in text.split("Variable(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        *owners.entry(name).or_default() += 1;
    }
    verdict(
        owners
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(name, _)| format!("{name} is there twice"))
            .collect(),
    )
}

#[test]
fn controllers_ask_one_clock_for_the_time_of_day() -> Result<()> {
    let folder = root().join("crates/controllers/src");
    let home = folder.join("clock.rs");
    let files: Vec<PathBuf> =
        sources()?.into_iter().filter(|path| path.starts_with(&folder) && *path != home).collect();
    check(&files, |_, text| {
        let banned = ["Timestamp::now", "SystemTime::now", "Zoned::now"];
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let found = banned.iter().filter(|banned| code(product).any(|line| line.contains(**banned)));
        found.map(|banned| format!("`{banned}`: only clock.rs asks the system for the time of day")).collect()
    })
}

#[test]
fn pure_crates_stay_pure() -> Result<()> {
    let pure = |path: &PathBuf| {
        PURE.iter().any(|name| path.starts_with(root().join("crates").join(name).join("src")))
    };
    let files: Vec<PathBuf> = sources()?.into_iter().filter(pure).collect();
    check(&files, |_, text| {
        let found = IMPURE
            .iter()
            .filter(|banned| code(text).any(|line| !is_comment(line) && line.contains(**banned)));
        found.map(|banned| format!("`{banned}` in a crate that gets everything from its callers")).collect()
    })
}

#[test]
fn lib_files_hold_no_code() -> Result<()> {
    let files: Vec<PathBuf> = sources()?.into_iter().filter(|path| path.ends_with("src/lib.rs")).collect();
    check(&files, |_, text| {
        let is_guide = |line: &str| {
            let line = line.trim();
            let starts = ["//", "#![", "#[", "mod ", "pub mod ", "pub use ", "use "];
            line.is_empty() || starts.iter().any(|start| line.starts_with(start))
        };
        let code: Vec<&str> = text.lines().filter(|line| !is_guide(line)).take(1).collect();
        code.into_iter()
            .map(|line| format!("`{line}` is code: lib.rs is the guide and the list of modules"))
            .collect()
    })
}

#[test]
fn words_that_have_no_place_here() -> Result<()> {
    // Written in halves, so that this file does not break the rule.
    let banned = [("TO", "DO"), ("FIX", "ME"), ("XX", "X:")].map(|(a, b)| format!("{a}{b}"));
    check(&texts()?, |_, text| {
        let found = banned.iter().filter(|word| text.contains(word.as_str()));
        found
            .map(|word| format!("the word `{word}`: finish it, or write down what is missing and why"))
            .collect()
    })
}

#[test]
fn lines_end_cleanly() -> Result<()> {
    check(&texts()?, |_, text| {
        let mut wrong = Vec::new();
        if let Some(index) = text.lines().position(|line| line.ends_with([' ', '\t', '\r'])) {
            wrong.push(format!("line {} ends with a blank", index + 1));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.push("the last line has no line break".to_owned());
        }
        wrong
    })
}

#[test]
fn recorded_facts_that_are_compiled_in_are_the_recorded_ones() -> Result<()> {
    let copies = root().join("crates/k8s/data");
    if !copies.is_dir() {
        return Ok(());
    }
    let mut wrong = Vec::new();
    for entry in fs::read_dir(copies)? {
        let path = entry?.path();
        let original = root().join("golden/data").join(path.file_name().unwrap_or_default());
        if original.is_file() && fs::read(&path)? != fs::read(&original)? {
            wrong.push(format!("{} differs from {}", shown(&path), shown(&original)));
        }
    }
    verdict(wrong)
}

#[test]
fn banned_crates_stay_out() -> Result<()> {
    let lock = read(&root().join("Cargo.lock"))?;
    let rules = read(&root().join("deny.toml"))?;
    let banned: Vec<&str> = quoted_after(&rules, "{ crate = ").collect();
    anyhow::ensure!(banned.contains(&"openssl-sys"), "deny.toml names no banned crates: {banned:?}");
    let found = banned.iter().filter(|name| lock.contains(&format!("name = \"{name}\"\n")));
    verdict(
        found
            .map(|name| format!("Cargo.lock: `{name}` came in: `cargo tree -i {name}` says through whom"))
            .collect(),
    )
}

#[test]
fn licences_are_those_that_deny_toml_allows() -> Result<()> {
    let rules = read(&root().join("deny.toml"))?;
    let allowed = rules.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let allowed: Vec<&str> = allowed.split('"').skip(1).step_by(2).collect();
    let excepted: Vec<&str> = quoted_after(&rules, "\ncrate = ").collect();
    let metadata: serde_json::Value = serde_json::from_slice(&cargo_metadata()?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let wrong = packages
        .iter()
        .map(|package| (word(&package["name"]), word(&package["license"])))
        .filter(|(name, licence)| !excepted.contains(&&**name) && !is_allowed(licence, &allowed))
        .map(|(name, licence)| format!("{name} is under `{licence}`, which deny.toml does not allow"));
    verdict(wrong.collect())
}

/// `A OR (B AND C)`, with the older `A/B`: one alternative must be allowed in all its parts.
fn is_allowed(licence: &str, allowed: &[&str]) -> bool {
    let licence = licence.replace(['(', ')'], "").replace('/', " OR ");
    licence.split(" OR ").any(|choice| choice.split(" AND ").all(|part| allowed.contains(&part.trim())))
}

fn cargo_metadata() -> Result<Vec<u8>> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .context("running cargo metadata")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// The quoted texts that stand behind a mark.
fn quoted_after<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).filter_map(|rest| rest.trim_start_matches('"').split('"').next())
}

#[test]
fn pages_at_the_root_are_there_and_short() -> Result<()> {
    let mut wrong = Vec::new();
    for page in ["README", "ARCHITECTURE", "CONTRIBUTING", "COMPATIBILITY", "SECURITY", "CHANGELOG"] {
        if !root().join(format!("{page}.md")).is_file() {
            wrong.push(format!("{page}.md is missing"));
        }
    }
    let lines = read(&root().join("ARCHITECTURE.md"))?.lines().count();
    if lines > ARCHITECTURE_LINES_MOST {
        wrong.push(format!("ARCHITECTURE.md has {lines} lines: it says only what changes rarely"));
    }
    verdict(wrong)
}

/// All Rust files of the workspace.
fn sources() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["crates", "xtask", "fuzz"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            gather(&folder, &mut found, |path| path.extension().is_some_and(|end| end == "rs"))?;
        }
    }
    found.sort();
    Ok(found)
}

/// All files that people read: sources, manifests, pages, scripts.
fn texts() -> Result<Vec<PathBuf>> {
    let mut found = sources()?;
    let is_text =
        |path: &Path| path.extension().is_some_and(|end| end == "md" || end == "toml" || end == "py");
    for entry in fs::read_dir(root())? {
        let path = entry?.path();
        if path.is_file() && is_text(&path) {
            found.push(path);
        }
    }
    for folder in ["crates", "bench", "examples", ".ci", ".cargo"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            let is_script = |path: &Path| path.extension().is_none() || is_text(path);
            gather(&folder, &mut found, |path| {
                is_script(path) && !path.to_string_lossy().contains("/cases/")
            })?;
        }
    }
    Ok(found)
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>, wanted: impl Fn(&Path) -> bool + Copy) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.is_symlink() {
            gather(&path, found, wanted)?;
        } else if path.is_file() && wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Sources of what is shipped: not tests, not what tests need.
fn is_product(path: &Path) -> bool {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    inside.starts_with("crates")
        && !inside.starts_with("crates/testkit")
        && inside.components().any(|part| part.as_os_str() == "src")
}

/// The lines of a file before its tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("mod tests"))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The lines of a manifest with the name of their section.
fn sections(manifest: &str) -> impl Iterator<Item = (&str, &str)> {
    manifest.lines().scan("", |section, line| {
        if let Some(name) = line.strip_prefix('[') {
            *section = name.trim_end_matches(']');
        }
        Some((*section, line))
    })
}

fn check(files: &[PathBuf], rule: impl Fn(&Path, &str) -> Vec<String>) -> Result<()> {
    let mut wrong = Vec::new();
    for path in files {
        let Ok(text) = String::from_utf8(fs::read(path)?) else { continue };
        wrong.extend(rule(path, &text).into_iter().map(|complaint| format!("{}: {complaint}", shown(path))));
    }
    verdict(wrong)
}

fn verdict(wrong: Vec<String>) -> Result<()> {
    anyhow::ensure!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

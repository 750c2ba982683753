//! Compares what our own verbs did by its meaning.
//!
//! Values, keys and their order count, and which are encrypted; layout does not.

use std::fs;
use std::path::Path;
use std::process::Output;

use sealfast_sops::document::Plain;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::tree::{Branch, Value as Tree};
use serde_json::Value;

use crate::expect::allowed_codes;
use crate::normal::normalize;

/// Returns what is wrong; nothing when the step means what was recorded.
pub(crate) fn check(step: &Value, case: &Path, work: &Path, output: &Output) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let code = i64::from(output.status.code().unwrap_or(-1));
    if !allowed_codes(step).contains(&code) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        problems.push(format!("exit {code}, expected {:?}; stderr: {stderr}", allowed_codes(step)));
    }
    if code != 0 {
        return Ok(problems);
    }
    let expect = &step["expect"];
    for field in ["stdout", "stdout_normalized"] {
        if let Some(name) = expect[field].as_str() {
            compare(&mut problems, name, "stdout", &fs::read(case.join(name))?, &output.stdout);
        }
    }
    for (name, wanted) in expect["files"].as_object().into_iter().flatten() {
        let found = fs::read(work.join(name)).ok();
        if found.is_some() == wanted.is_null() {
            problems.push(format!("{name} is there: {}", found.is_some()));
        }
        for field in ["equals", "normalized"] {
            if let (Some(file), Some(found)) = (wanted[field].as_str(), &found) {
                compare(&mut problems, file, name, &fs::read(case.join(file))?, found);
            }
        }
    }
    Ok(problems)
}

fn compare(problems: &mut Vec<String>, name: &str, what: &str, wanted: &[u8], found: &[u8]) {
    let (wanted, found) = (meaning(name, wanted), meaning(name, found));
    if wanted != found {
        problems.push(format!("{what} means\n{found}\nexpected\n{wanted}"));
    }
}

/// Values as JSON, ciphertext by type and length; the text itself where no format reads it.
fn meaning(name: &str, bytes: &[u8]) -> String {
    let named = Format::for_path(name);
    let formats = if named == Format::Binary { vec![Format::Json, Format::Yaml] } else { vec![named] };
    let read = formats.into_iter().find_map(|format| {
        let plain = Plain::load(bytes, format).ok()?;
        let branches = plain.branches().iter().map(without_metadata).map(json).collect::<Option<Vec<_>>>()?;
        Some(branches.join("\n"))
    });
    let text = normalize(read.as_ref().map_or(bytes, |text| text.as_bytes()));
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

fn without_metadata(branch: &Branch) -> Branch {
    let is_metadata = |name: &str| name == "sops" || name.starts_with("sops_");
    let entries = branch.entries.iter().filter(|entry| !entry.key.name().is_some_and(is_metadata));
    let mut branch = Branch { entries: entries.cloned().collect() };
    branch.entries.iter_mut().for_each(|entry| settle(&mut entry.value));
    branch
}

/// Our own verbs keep `-0.0` as it stands; `sops` writes it `-0`, which is the integer nothing. Both are the same number.
fn settle(value: &mut Tree) {
    match value {
        Tree::Float(0.0) => *value = Tree::Int(0),
        Tree::List(items) => items.iter_mut().for_each(settle),
        Tree::Branch(branch) => branch.entries.iter_mut().for_each(|entry| settle(&mut entry.value)),
        _ => {}
    }
}

fn json(branch: Branch) -> Option<String> {
    let (plain, options) = (Plain::from_branches(vec![branch]), EmitOptions::default());
    // JSON has no word for what is no number.
    let text = plain.emit(Format::Json, &options).or_else(|_| plain.emit(Format::Yaml, &options)).ok()?;
    Some(String::from_utf8_lossy(text.expose()).into_owned())
}

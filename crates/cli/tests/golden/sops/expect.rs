//! Compares what a step did with what it should have done.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::normal::{normalize, values};

/// Returns what is wrong; nothing when the step is as recorded.
pub(crate) fn check(
    step: &Value,
    case: &Path,
    work: &Path,
    output: &Output,
    fill: &dyn Fn(&str) -> String,
) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let code = output.status.code().unwrap_or(-1);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let allowed = allowed_codes(step);
    if !allowed.contains(&i64::from(code)) {
        problems.push(format!("exit {code}, expected {allowed:?}; stderr: {stderr}"));
    }
    if code != 0 && step["exit"].is_array() && problems.is_empty() {
        return Ok(problems);
    }
    let expect = &step["expect"];
    let read = |name: &str| fs::read(case.join(name));
    if let Some(name) = expect["stdout"].as_str() {
        compare(&mut problems, "stdout", &read(name)?, &output.stdout);
    }
    if let Some(name) = expect["stdout_normalized"].as_str() {
        compare(&mut problems, "normalized stdout", &normalize(&read(name)?), &normalize(&output.stdout));
    }
    if let Some(text) = expect["stdout_exact"].as_str()
        && fill(text) != stdout
    {
        problems.push(format!("stdout {stdout:?}, expected {:?}", fill(text)));
    }
    contains(&mut problems, &expect["stdout_contains"], "stdout", &stdout, fill);
    lacks(&mut problems, &expect["stdout_lacks"], "stdout", &stdout, fill);
    contains(&mut problems, &expect["stderr_contains"], "stderr", &stderr, fill);
    for (name, wanted) in expect["files"].as_object().into_iter().flatten() {
        let found = fs::read(work.join(name)).ok();
        let (Some(found), false) = (&found, wanted.is_null()) else {
            if found.is_some() == wanted.is_null() {
                problems.push(format!("{name} is there: {}", found.is_some()));
            }
            continue;
        };
        if let Some(file) = wanted["equals"].as_str() {
            compare(&mut problems, name, &read(file)?, found);
        }
        if let Some(file) = wanted["normalized"].as_str() {
            compare(&mut problems, name, &normalize(&read(file)?), &normalize(found));
        }
        let text = String::from_utf8_lossy(found);
        contains(&mut problems, &wanted["contains"], name, &text, fill);
        lacks(&mut problems, &wanted["lacks"], name, &text, fill);
    }
    for (name, wanted) in expect["same_ciphertext"].as_object().into_iter().flatten() {
        let old = values(&fs::read(work.join(wanted["as"].as_str().unwrap_or_default()))?);
        let old: HashSet<_> = old.into_iter().collect();
        let new: HashSet<_> = values(&fs::read(work.join(name))?).into_iter().collect();
        let kept = old.intersection(&new).count() as u64;
        if kept < wanted["at_least"].as_u64().unwrap_or_default() {
            problems.push(format!("{name} keeps only {kept} ciphertexts, expected {}", wanted["at_least"]));
        }
    }
    Ok(problems)
}

/// The exit codes that a step may end with.
pub(crate) fn allowed_codes(step: &Value) -> Vec<i64> {
    match &step["exit"] {
        Value::Array(codes) => codes.iter().filter_map(Value::as_i64).collect(),
        code => vec![code.as_i64().unwrap_or(0)],
    }
}

fn compare(problems: &mut Vec<String>, what: &str, wanted: &[u8], found: &[u8]) {
    if wanted != found {
        let (wanted, found) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(found));
        let difference = similar::TextDiff::from_lines(wanted.as_ref(), found.as_ref())
            .unified_diff()
            .header("expected", "actual")
            .to_string();
        let shown: String = difference.chars().take(3000).collect();
        problems.push(format!("{what} differs\n{shown}"));
    }
}

fn contains(
    problems: &mut Vec<String>,
    wanted: &Value,
    what: &str,
    text: &str,
    fill: &dyn Fn(&str) -> String,
) {
    for part in wanted.as_array().into_iter().flatten().filter_map(Value::as_str).map(fill) {
        if !text.contains(&part) {
            let shown: String = text.chars().take(400).collect();
            problems.push(format!("{what} lacks {part:?} (got {shown:?})"));
        }
    }
}

fn lacks(
    problems: &mut Vec<String>,
    unwanted: &Value,
    what: &str,
    text: &str,
    fill: &dyn Fn(&str) -> String,
) {
    for part in unwanted.as_array().into_iter().flatten().filter_map(Value::as_str).map(fill) {
        if text.contains(&part) {
            problems.push(format!("{what} must not contain {part:?}"));
        }
    }
}

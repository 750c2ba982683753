//! The recordings of one line a case, checked in named batches.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sealfast_yaml::decode::{self, Decoder};
use sealfast_yaml::node::Node;
use sealfast_yaml::{emit, json, parse};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Check;
use crate::case::{LAYOUTS, emitted};
use crate::dump::Dumper;
use crate::report::Report;

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn batches(area: &str, lines: Vec<Value>, key: impl Fn(&Value) -> String) -> BTreeMap<String, Vec<Value>> {
    let mut batches: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines {
        batches.entry(format!("{area}/{}", key(&line))).or_default().push(line);
    }
    batches
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

pub(crate) fn matrix(path: &Path) -> Vec<Check> {
    let family = |line: &Value| text(line, "id").split('/').next().unwrap_or_default().to_owned();
    batches("matrix", lines(path), family)
        .into_iter()
        .map(|(name, lines)| {
            Check::new(name, move || {
                let mut report = Report::default();
                for line in &lines {
                    matrix_line(line, &mut report);
                }
                report.finish()
            })
        })
        .collect()
}

fn matrix_line(line: &Value, report: &mut Report) {
    let id = format!("{} {:?}", text(line, "id"), text(line, "in"));
    let (documents, error) = parse::partial(text(line, "in").as_bytes());
    if let Some(error) = error {
        report.compare(&id, &line["error"], &error.in_full().into());
        return;
    }
    report.compare(&format!("{id} error"), &line["error"], &Value::Null);
    report.compare(&format!("{id} comments"), &line["comments"], &comments(&documents));
    for (name, indent, compact) in [("indent4", 4, false), ("compact2", 2, true)] {
        if line.get(name).is_some() {
            report.compare(&format!("{id} {name}"), &line[name], &emitted(&documents, indent, compact));
        }
    }
}

/// Lists comments as `[path, place, text]`.
fn comments(documents: &[Node]) -> Value {
    fn walk(node: &Node, path: &str, found: &mut Vec<Value>) {
        if let Some(comments) = &node.comments {
            for (place, text) in
                [("head", &comments.head), ("line", &comments.line), ("foot", &comments.foot)]
            {
                if !text.is_empty() {
                    found.push(json!([path, place, text]));
                }
            }
        }
        for (number, child) in node.content.iter().enumerate() {
            walk(child, &format!("{path}.{number}"), found);
        }
    }
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        walk(document, &number.to_string(), &mut found);
    }
    Value::Array(found)
}

pub(crate) fn references(path: &Path, golden: &Path) -> Vec<Check> {
    let area = |line: &Value| text(line, "file").split('/').nth(1).unwrap_or_default().to_owned();
    let golden = golden.to_owned();
    batches("refs", lines(path), area)
        .into_iter()
        .map(|(name, lines)| {
            let golden = golden.clone();
            Check::new(name, move || {
                let mut report = Report::default();
                for line in &lines {
                    let Ok(input) =
                        fs::read(golden.join("..").join(text(line, "file").trim_start_matches("../")))
                    else {
                        continue;
                    };
                    if digest(&input) == text(line, "sha256") {
                        reference_line(line, &input, &mut report);
                    }
                }
                report.finish()
            })
        })
        .collect()
}

fn reference_line(line: &Value, input: &[u8], report: &mut Report) {
    let file = text(line, "file");
    let (documents, error) = parse::partial(input);
    let error = error.map_or(Value::Null, |error| error.in_full().into());
    report.compare(&format!("{file} error"), &line["error"], &error);
    report.compare(&format!("{file} documents"), &line["documents"], &json!(documents.len()));
    report.compare(
        &format!("{file} nodes"),
        &line["nodes"],
        &json!(documents.iter().map(nodes).sum::<usize>()),
    );
    let expected = line.get("comments").cloned().unwrap_or_else(|| json!([]));
    report.compare(&format!("{file} comments"), &expected, &comments(&documents));
    let mut dumper = Dumper::new(&documents);
    let trees: Vec<String> = documents.iter().map(|document| go_text(&dumper.tree(document))).collect();
    report.compare(
        &format!("{file} trees"),
        &line["tree_sha256"],
        &digest(trees.join("\n").as_bytes()).into(),
    );
    for (name, indent, compact) in LAYOUTS {
        let found = emitted(&documents, indent, compact);
        compare_text(&format!("{file} {name}"), &line[name], &found, input, report);
    }
    if let Some(expected) = line.get("sigs") {
        let found = match json::from_yaml(input).and_then(|value| json::text_to_yaml(&json::text(&value))) {
            Ok(text) => Value::String(text),
            Err(error) => json!({ "error": error.in_full() }),
        };
        compare_text(&format!("{file} sigs"), expected, &found, input, report);
    }
}

/// `true` stands for the input itself, an object for the digest of a long text.
fn compare_text(what: &str, expected: &Value, found: &Value, input: &[u8], report: &mut Report) {
    match (expected, found.as_str()) {
        (Value::Bool(true), Some(found)) => {
            report.compare(what, &String::from_utf8_lossy(input).into_owned().into(), &found.into());
        }
        (Value::Object(hash), Some(text)) if hash.contains_key("sha256") => {
            if hash["sha256"] != Value::String(digest(text.as_bytes())) {
                report.compare(what, expected, found);
            }
        }
        _ => report.compare(what, expected, found),
    }
}

fn nodes(node: &Node) -> usize {
    1 + node.content.iter().map(nodes).sum::<usize>()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON without blanks, with the escapes that Go writes beyond those of other writers.
fn go_text(value: &Value) -> String {
    value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

pub(crate) fn json_to_yaml(path: &Path) -> Vec<Check> {
    lines(path)
        .into_iter()
        .map(|line| {
            Check::new(format!("json2yaml/{}", text(&line, "id")), move || {
                let mut report = Report::default();
                json_line(&line, &mut report);
                report.finish()
            })
        })
        .collect()
}

fn json_line(line: &Value, report: &mut Report) {
    let source = text(line, "json");
    let found = match json::text_to_yaml(source) {
        Ok(text) => Value::String(text),
        Err(error) => json!({ "error": error.in_full() }),
    };
    report.compare("sigs", &line["sigs"], &found);
    let document = match parse::first(source.as_bytes()) {
        Ok(Some(document)) => document,
        Ok(None) => return,
        Err(error) => {
            report.compare("v3_error", &line["v3_error"], &error.in_full().into());
            return;
        }
    };
    match Decoder::new(std::slice::from_ref(&document)).value(&document) {
        Err(error) => report.compare("v3_error", &line["v3_error"], &error.in_full().into()),
        Ok(value) => {
            report.compare("v3_error", &line["v3_error"], &Value::Null);
            for (name, indent, compact_sequences) in LAYOUTS {
                let options = emit::Options { indent, compact_sequences };
                let found = emit::documents(&[decode::tree(&value)], &options);
                report.compare(name, &line[name], &found.unwrap_or_else(|error| error.in_full()).into());
            }
        }
    }
}

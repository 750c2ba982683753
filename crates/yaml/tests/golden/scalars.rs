//! `scalars.json`: what a text means, and how it is written.

use std::fs;
use std::path::Path;

use sealfast_yaml::decode::{self, Decoder, Entries, Plain};
use sealfast_yaml::json;
use sealfast_yaml::node::{Node, Style};
use sealfast_yaml::{parse, scalar};
use serde_json::{Value, json};

use crate::Check;
use crate::case::emitted;
use crate::dump::{Dumper, plain};
use crate::report::{Report, sorted_pairs};

const BATCH: usize = 50;

pub(crate) fn trials(path: &Path) -> Vec<Check> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
    all.chunks(BATCH)
        .enumerate()
        .map(|(number, batch)| {
            let batch = batch.to_vec();
            Check::new(format!("scalars/{number:02}"), move || {
                let mut report = Report::default();
                for scalar in &batch {
                    check(scalar, &mut report);
                }
                report.finish()
            })
        })
        .collect()
}

fn check(recorded: &Value, report: &mut Report) {
    let text = recorded["text"].as_str().unwrap_or_default();
    let mut compare = |field: &str, found: Value| {
        report.compare(&format!("{text:?} {field}"), &recorded[field], &found);
    };
    let string = || Plain::Str(text.to_owned());
    let map = |key: Plain, value: Plain| Plain::Map(Entries::from_iter([(key, value)]));
    let word = |word: &str| Plain::Str(word.to_owned());
    let marshal = |value: &Plain, indent, compact| emitted(&[decode::tree(value)], indent, compact);
    let nested = || map(word("a"), Plain::List(vec![string(), map(word("b"), string())]));
    compare("marshal", marshal(&string(), 4, false));
    compare("marshal_key", marshal(&map(string(), word("v")), 4, false));
    compare("marshal_nested", marshal(&nested(), 4, false));
    compare("marshal_nested_compact2", marshal(&nested(), 2, true));
    compare("node_untagged", node(text, "", Style::Plain));
    compare("node_str", node(text, "!!str", Style::Plain));
    compare("node_str_single", node(text, "!!str", Style::SingleQuoted));
    compare("node_str_double", node(text, "!!str", Style::DoubleQuoted));
    compare("node_str_literal", node(text, "!!str", Style::Literal));
    compare("node_str_folded", node(text, "!!str", Style::Folded));
    compare("node_str_flow", flow(text));
    compare("sigs", sigs(&json!({ "k": text })));
    compare("sigs_key", sigs(&json!({ text: "v" })));
    compare("sigs_nested", sigs(&json!({ "a": [text, { "b": text }] })));
    if recorded["plain"].is_object() {
        as_plain(text, &recorded["plain"], report);
    }
}

fn node(text: &str, tag: &str, style: Style) -> Value {
    let mut mapping = Node::mapping();
    mapping.content = vec![scalar::string_node("k"), Node { style, ..Node::scalar(tag, text) }];
    emitted(&[mapping], 4, false)
}

fn flow(text: &str) -> Value {
    let mut sequence = Node { style: Style::Flow, ..Node::sequence() };
    sequence.content.push(Node::scalar("!!str", text));
    emitted(&[sequence], 4, false)
}

fn sigs(value: &Value) -> Value {
    or_error(json::text_to_yaml(&json::text(value)))
}

fn or_error(outcome: Result<String, sealfast_yaml::error::Error>) -> Value {
    outcome.map_or_else(|error| json!({ "error": error.in_full() }), Value::String)
}

fn as_plain(text: &str, recorded: &Value, report: &mut Report) {
    let value = format!("k: {text}\n");
    let (documents, error) = parse::partial(value.as_bytes());
    let what = |field: &str| format!("{text:?} plain {field}");
    let Some(document) = documents.first() else {
        report.compare(&what("error"), &Value::Null, &json!(error.map(|error| error.in_full())));
        return;
    };
    let scalar = &document.content[0].content[1];
    let tree = Dumper::new(&documents).tree(scalar);
    report.compare(&what("tag"), &recorded["tag"], &tree["tag"]);
    let go = tree.get("go").cloned().unwrap_or_else(|| json!(["string", text]));
    report.compare(&what("go"), &recorded["go"], &go);
    if let Ok(value) = Decoder::new(&documents).value(scalar) {
        report.compare(&what("marshal"), &recorded["marshal"], &emitted(&[decode::tree(&value)], 4, false));
    }
    let as_json = |input: &str| or_error(json::from_yaml(input.as_bytes()).map(|value| json::text(&value)));
    report.compare(&what("sigs_json"), &recorded["sigs_json"], &as_json(&value));
    let key = format!("{text}: v\n");
    if let Some(expected) = recorded.get("sigs_key_json") {
        report.compare(&what("sigs_key_json"), expected, &as_json(&key));
    }
    let Some(expected) = recorded.get("key") else { return };
    let documents = match parse::documents(key.as_bytes()) {
        Ok(documents) => documents,
        Err(error) => {
            report.compare(&what("key"), expected, &json!({ "error": error.in_full() }));
            return;
        }
    };
    let found = match Decoder::new(&documents).value(&documents[0]) {
        Ok(value) => plain(&value),
        Err(error) => json!({ "error": error.in_full() }),
    };
    report.compare(&what("key"), &sorted_pairs(expected), &sorted_pairs(&found));
}

//! `own` and `suite`: one input a case, with everything recorded about it.

use std::fs;
use std::path::Path;

use sealfast_yaml::decode::{self, Decoder};
use sealfast_yaml::node::Node;
use sealfast_yaml::{emit, json, parse, trace};
use serde_json::{Value, json};

use crate::dump::{Dumper, plain};
use crate::report::{Report, sorted_pairs};
use crate::{Check, files};

/// Layouts: field name, indent, compact sequences.
pub(crate) const LAYOUTS: [(&str, usize, bool); 3] =
    [("indent4", 4, false), ("indent2", 2, false), ("compact2", 2, true)];

pub(crate) fn trials(area: &str, folder: &Path) -> Vec<Check> {
    files(folder, "json")
        .into_iter()
        .filter_map(|path| {
            let name = format!("{area}/{}", path.file_stem()?.to_str()?);
            Some(Check::new(name, move || check(&path)))
        })
        .collect()
}

fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    // One recording nests deeper than the JSON reader goes; it is YAML as well.
    let recorded: Value = match serde_json::from_str(&text) {
        Ok(recorded) => recorded,
        Err(_) => json::from_yaml(text.as_bytes()).map_err(|error| error.in_full())?,
    };
    let input = fs::read(path.with_extension("yaml")).map_err(|error| error.to_string())?;
    let mut report = Report::default();
    scanned(&recorded, &input, &mut report);
    let (documents, error) = parse::partial(&input);
    let error = error.map_or(Value::Null, |error| error.in_full().into());
    report.compare("error", &recorded["error"], &error);
    trees(&recorded, &documents, &mut report);
    map_error(&recorded, &input, &mut report);
    if let Some(stream) = recorded.get("stream") {
        for (name, indent, compact) in LAYOUTS {
            report.compare(&format!("stream {name}"), &stream[name], &emitted(&documents, indent, compact));
        }
    }
    if recorded.get("sigs").is_some() {
        sigs(&recorded, &input, &mut report);
    }
    report.finish()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn scanned(recorded: &Value, input: &[u8], report: &mut Report) {
    if recorded.get("tokens").is_none() {
        return;
    }
    let found = trace::tokens(input);
    let tokens: Vec<Value> = found.tokens.into_iter().map(Value::String).collect();
    report.compare_lists("tokens", list(&recorded["tokens"]), &tokens);
    report.compare("scan_error", &recorded["scan_error"], &found.error.map_or(Value::Null, Value::String));
    report.compare_lists("scan_comments", list(&recorded["scan_comments"]), &found.comments);
    report.compare_lists("events", list(&recorded["events"]), &trace::events(input));
}

fn trees(recorded: &Value, documents: &[Node], report: &mut Report) {
    let expected = list(&recorded["documents"]);
    if expected.len() != documents.len() {
        report.compare("number of documents", &json!(expected.len()), &json!(documents.len()));
    }
    let mut dumper = Dumper::new(documents);
    for (number, (expected, document)) in expected.iter().zip(documents).enumerate() {
        report.compare(&format!("tree {number}"), &expected["tree"], &dumper.tree(document));
        for (name, indent, compact) in LAYOUTS {
            let found = emitted(std::slice::from_ref(document), indent, compact);
            report.compare(&format!("emit {number} {name}"), &expected["emit"][name], &found);
            if let ("indent4" | "compact2", Some(text)) = (name, found.as_str()) {
                let again = expected.get(format!("again_{name}")).unwrap_or(&expected["emit"][name]);
                report.compare(
                    &format!("again {number} {name}"),
                    again,
                    &again_emitted(text, indent, compact),
                );
            }
        }
        decoded(number, expected, documents, document, report);
    }
}

fn decoded(number: usize, expected: &Value, documents: &[Node], document: &Node, report: &mut Report) {
    if expected.get("decoded").is_none() && expected.get("decode_error").is_none() {
        return;
    }
    match Decoder::new(documents).value(document) {
        Ok(value) => {
            report.compare(&format!("decode_error {number}"), &expected["decode_error"], &Value::Null);
            report.compare(
                &format!("decoded {number}"),
                &sorted_pairs(&expected["decoded"]),
                &sorted_pairs(&plain(&value)),
            );
            let tree = decode::tree(&value);
            report.compare(&format!("marshal {number}"), &expected["marshal"], &emitted(&[tree], 4, false));
        }
        Err(error) => {
            report.compare(
                &format!("decode_error {number}"),
                &expected["decode_error"],
                &error.in_full().into(),
            );
        }
    }
}

fn map_error(recorded: &Value, input: &[u8], report: &mut Report) {
    let (documents, error) = parse::partial(input);
    if error.is_some() && documents.is_empty() {
        return;
    }
    let found = match documents.first() {
        None if input.is_empty() => Value::Null,
        None => Value::from("EOF"),
        Some(_) => match Decoder::new(&documents).string_map(&documents[0]) {
            Ok(()) => Value::Null,
            Err(error) => error.in_full().into(),
        },
    };
    report.compare("map_error", &recorded["map_error"], &found);
}

fn sigs(recorded: &Value, input: &[u8], report: &mut Report) {
    let found = match json::from_yaml(input) {
        Err(error) => json!({ "error": error.in_full() }),
        Ok(value) => {
            let text = json::text(&value);
            match json::text_to_yaml(&text) {
                Ok(yaml) => json!({ "json": text, "yaml": yaml }),
                Err(error) => json!({ "json": text, "yaml_error": error.in_full() }),
            }
        }
    };
    report.compare("sigs", &recorded["sigs"], &found);
    let strict = json::from_yaml_strict(input).err().map_or(Value::Null, |error| error.in_full().into());
    report.compare("sigs_strict_error", &recorded["sigs_strict_error"], &strict);
}

/// Returns the text of documents, or `{"error": …}`.
pub(crate) fn emitted(documents: &[Node], indent: usize, compact: bool) -> Value {
    let options = emit::Options { indent, compact_sequences: compact };
    if documents.is_empty() {
        // The reference's encoder cannot be closed before it has written something.
        return json!({ "error": "yaml: expected STREAM-START" });
    }
    match emit::documents(documents, &options) {
        Ok(text) => Value::String(text),
        Err(error) => json!({ "error": error.in_full() }),
    }
}

fn again_emitted(text: &str, indent: usize, compact: bool) -> Value {
    match parse::documents(text.as_bytes()) {
        Err(error) => json!({ "error": error.in_full() }),
        Ok(documents) if documents.len() != 1 => json!({ "documents": documents.len() }),
        Ok(documents) => emitted(&documents, indent, compact),
    }
}

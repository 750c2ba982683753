//! Golden cases of the YAML reference: trees with comments, emission, and the JSON way.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use sealfast_yaml::emit::{self, Options};
use sealfast_yaml::node::{Kind, Node, Style};
use sealfast_yaml::{json, parse, scalar};
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let golden = root.join("golden/yaml");
    let mut trials = Vec::new();
    for folder in [golden.join("own"), root.join("../shared/golden/yaml/suite")] {
        for case in cases(&folder) {
            let name =
                format!("{}/{}", folder.file_name().unwrap().display(), case.file_stem().unwrap().display());
            trials.push(trial(name, move || document_case(&case)));
        }
    }
    let lines = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(golden.join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (number, batch) in lines("matrix.jsonl").chunks(100).enumerate() {
        let batch = batch.to_vec();
        trials.push(trial(format!("matrix/{number:03}"), move || matrix(&batch)));
    }
    for case in lines("json2yaml.jsonl") {
        trials.push(trial(format!("json2yaml/{}", case["id"].as_str().unwrap()), move || {
            json_to_yaml(&[case])
        }));
    }
    for (number, batch) in lines("refs.jsonl").chunks(50).enumerate() {
        let (batch, golden) = (batch.to_vec(), root.join("golden"));
        trials.push(trial(format!("refs/{number:03}"), move || references(&batch, &golden)));
    }
    let scalars: Value =
        serde_json::from_slice(&std::fs::read(golden.join("scalars.json")).unwrap()).unwrap();
    let scalars: Vec<Value> = match scalars {
        Value::Array(items) => items,
        Value::Object(fields) => {
            fields.into_iter().flat_map(|(_, v)| v.as_array().cloned().unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    };
    for (number, batch) in scalars.chunks(100).enumerate() {
        let batch = batch.to_vec();
        trials.push(trial(format!("scalars/{number:03}"), move || scalar_cases(&batch)));
    }
    libtest_mimic::run(&Arguments::from_args(), not_yet(trials)).exit_code()
}

/// What one case found wrong, one line a difference.
type Differences = Vec<String>;

struct Case {
    name: String,
    run: Box<dyn FnOnce() -> Differences + Send>,
}

fn trial(name: String, run: impl FnOnce() -> Differences + Send + 'static) -> Case {
    Case { name, run: Box::new(run) }
}

/// Turns cases into trials; a case listed in `not-yet.txt` must fail.
fn not_yet(cases: Vec<Case>) -> Vec<Trial> {
    let listed: Vec<(String, String)> = include_str!("not-yet.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .filter_map(|line| line.split_once(": ").map(|(name, why)| (name.to_owned(), why.to_owned())))
        .collect();
    for (name, _) in &listed {
        assert!(
            cases.iter().any(|case| case.name == *name) || name.starts_with("suite/"),
            "not-yet.txt lists `{name}`, which is no case"
        );
    }
    cases
        .into_iter()
        .map(|case| {
            let expected_to_fail = listed.iter().any(|(name, _)| *name == case.name);
            Trial::test(case.name, move || {
                let differences = (case.run)();
                match (differences.is_empty(), expected_to_fail) {
                    (true, false) | (false, true) => Ok(()),
                    (true, true) => Err(Failed::from("passes: take it off not-yet.txt")),
                    (false, false) => {
                        let shown: Vec<&str> = differences.iter().take(10).map(String::as_str).collect();
                        Err(Failed::from(format!("{} differences\n{}", differences.len(), shown.join("\n"))))
                    }
                }
            })
        })
        .collect()
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("not walked, because it is not there: {}", folder.display());
        return Vec::new();
    };
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    cases.sort();
    cases
}

fn check(differences: &mut Differences, what: &str, ours: &Value, theirs: &Value) {
    let any_of = theirs.get("any_of").and_then(Value::as_array);
    let same = any_of.map_or(ours == theirs, |choices| choices.contains(ours));
    if !same {
        differences.push(format!("{what}\n  ours   {ours}\n  theirs {theirs}"));
    }
}

fn document_case(path: &Path) -> Differences {
    let case: Value = match serde_json::from_slice(&std::fs::read(path).unwrap()) {
        Ok(case) => case,
        Err(error) => return vec![format!("the recording itself cannot be read: {error}")],
    };
    let input = std::fs::read(path.with_extension("yaml")).unwrap();
    let mut differences = Vec::new();
    let (documents, error) = parse::partial(&input);
    let message = error.as_ref().map_or(Value::Null, |error| Value::String(error.to_string()));
    check(&mut differences, "error", &message, case.get("error").unwrap_or(&Value::Null));
    let expected = case["documents"].as_array().cloned().unwrap_or_default();
    if error.is_none() && documents.len() != expected.len() {
        differences.push(format!("{} documents, not {}", documents.len(), expected.len()));
    }
    for (document, expected) in documents.iter().zip(&expected) {
        check(&mut differences, "tree", &tree(document), &without_go(&expected["tree"]));
        if let Some(emitted) = expected["emit"].as_object() {
            for (profile, text) in emitted {
                if let Some(options) = options(profile) {
                    check(
                        &mut differences,
                        profile,
                        &emit_text(std::slice::from_ref(document), &options),
                        text,
                    );
                }
            }
        }
    }
    if let (Some(stream), None) = (case["stream"].as_object(), &error) {
        for (profile, text) in stream {
            if let Some(options) = options(profile) {
                check(&mut differences, &format!("stream {profile}"), &emit_text(&documents, &options), text);
            }
        }
    }
    if let Some(sigs) = case["sigs"].as_object() {
        sigs_case(&mut differences, &input, sigs);
    }
    differences
}

fn sigs_case(differences: &mut Differences, input: &[u8], sigs: &Map<String, Value>) {
    let value = json::from_yaml(input);
    if let Some(expected) = sigs.get("json").and_then(Value::as_str) {
        match (&value, serde_json::from_str::<Value>(expected)) {
            (Ok(value), Ok(expected)) => {
                check(differences, "sigs json", &integral(value), &integral(&expected))
            }
            (Err(error), _) => differences.push(format!("sigs json: {error}")),
            (_, Err(_)) => {}
        }
    }
    if let (Some(expected), Ok(value)) = (sigs.get("yaml").and_then(Value::as_str), &value) {
        check(
            differences,
            "sigs yaml",
            &Value::String(json::to_yaml(value)),
            &Value::String(expected.to_owned()),
        );
    }
    if sigs.contains_key("error") && value.is_ok() {
        differences.push(format!("sigs refuses: {}", sigs["error"]));
    }
}

/// Numbers compare by value: 1.0 and 1 are the same in JSON.
fn integral(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap();
            if float.fract() == 0.0 && float.abs() < 1e15 { Value::from(float as i64) } else { value.clone() }
        }
        Value::Array(items) => items.iter().map(integral).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), integral(value))).collect(),
        _ => value.clone(),
    }
}

fn options(profile: &str) -> Option<Options> {
    match profile {
        "indent4" => Some(Options { indent: 4, compact_sequences: false }),
        "indent2" => Some(Options { indent: 2, compact_sequences: false }),
        "compact2" => Some(Options { indent: 2, compact_sequences: true }),
        _ => None,
    }
}

fn emit_text(documents: &[Node], options: &Options) -> Value {
    match emit::documents(documents, options) {
        Ok(text) => Value::String(text),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// The tree in the recorded form, keys in the recorded order.
fn tree(node: &Node) -> Value {
    let mut out = Map::new();
    let kind = match node.kind {
        Kind::Document => "document",
        Kind::Mapping => "map",
        Kind::Sequence => "seq",
        Kind::Scalar => "scalar",
        Kind::Alias => "alias",
    };
    out.insert("kind".into(), kind.into());
    let mut styles: Vec<&str> = Vec::new();
    if node.tagged {
        styles.push("tagged");
    }
    match node.style {
        Style::Plain => {}
        Style::DoubleQuoted => styles.push("double"),
        Style::SingleQuoted => styles.push("single"),
        Style::Literal => styles.push("literal"),
        Style::Folded => styles.push("folded"),
        Style::Flow => styles.push("flow"),
    }
    if !styles.is_empty() {
        out.insert("style".into(), json!(styles));
    }
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            out.insert(key.into(), value.into());
        }
    };
    text("tag", &node.tag);
    if node.kind == Kind::Alias {
        text("alias", &node.value);
    }
    text("anchor", &node.anchor);
    if node.kind == Kind::Scalar {
        out.insert("value".into(), node.value.as_str().into());
    }
    out.insert("line".into(), node.start.line.into());
    out.insert("column".into(), node.start.column.into());
    if let Some(comments) = &node.comments {
        for (key, value) in
            [("head", &comments.head), ("line_comment", &comments.line), ("foot", &comments.foot)]
        {
            if !value.is_empty() {
                out.insert(key.into(), value.as_str().into());
            }
        }
    }
    if !node.content.is_empty() {
        out.insert("content".into(), node.content.iter().map(tree).collect());
    }
    Value::Object(out)
}

fn without_go(tree: &Value) -> Value {
    let Some(fields) = tree.as_object() else { return tree.clone() };
    let alias = fields.get("kind").is_some_and(|kind| kind == "alias");
    fields
        .iter()
        .filter(|(key, _)| *key != "go" && !(alias && matches!(key.as_str(), "value" | "tag" | "raw_tag")))
        .map(|(key, value)| match value.as_array() {
            Some(children) if key == "content" => (key.clone(), children.iter().map(without_go).collect()),
            _ => (key.clone(), value.clone()),
        })
        .collect()
}

fn comment_list(documents: &[Node]) -> Value {
    fn walk(node: &Node, path: &str, out: &mut Vec<Value>) {
        if let Some(comments) = &node.comments {
            for (side, text) in [("head", &comments.head), ("line", &comments.line), ("foot", &comments.foot)]
            {
                if !text.is_empty() {
                    out.push(json!([path, side, text]));
                }
            }
        }
        for (number, child) in node.content.iter().enumerate() {
            walk(child, &format!("{path}.{number}"), out);
        }
    }
    let mut out = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        walk(document, &number.to_string(), &mut out);
    }
    Value::Array(out)
}

fn matrix(batch: &[Value]) -> Differences {
    let mut differences = Vec::new();
    for case in batch {
        let input = ["input", "in", "yaml"].iter().find_map(|key| case[*key].as_str()).unwrap();
        let name = ["case", "id", "name"].iter().find_map(|key| case[*key].as_str()).unwrap_or("?");
        let (documents, error) = parse::partial(input.as_bytes());
        let mut own = Vec::new();
        let message = error.map_or(Value::Null, |error| Value::String(error.to_string()));
        check(&mut own, "error", &message, case.get("error").unwrap_or(&Value::Null));
        if message.is_null() {
            let ours = comment_list(&documents);
            let theirs = normal_paths(case.get("comments").unwrap_or(&json!([])));
            check(&mut own, "comments", &ours, &theirs);
            for profile in ["indent4", "compact2"] {
                if let (Some(text), Some(options)) = (case.get(profile), options(profile)) {
                    check(&mut own, profile, &emit_text(&documents, &options), text);
                }
            }
        }
        if !own.is_empty() {
            differences.push(format!("{name}: {input:?}\n{}", own.join("\n")));
        }
    }
    differences
}

/// Paths as dotted text, however they were recorded.
fn normal_paths(comments: &Value) -> Value {
    let normal = |path: &Value| match path {
        Value::Array(steps) => {
            let mut text = String::new();
            for step in steps {
                let _ = write!(text, "{}{step}", if text.is_empty() { "" } else { "." });
            }
            Value::String(text)
        }
        Value::String(text) => Value::String(text.replace('/', ".")),
        other => other.clone(),
    };
    comments
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| json!([normal(&entry[0]), entry[1], entry[2]]))
        .collect()
}

fn references(batch: &[Value], golden: &Path) -> Differences {
    let mut differences = Vec::new();
    for case in batch {
        let Some(path) = ["file", "path"].iter().find_map(|key| case[*key].as_str()) else { continue };
        let Ok(input) = std::fs::read(golden.join(path.trim_start_matches("../"))) else { continue };
        let (documents, error) = parse::partial(&input);
        let Ok(text) = String::from_utf8(input.clone()) else { continue };
        let mut own = Vec::new();
        if error.is_some() != case.get("error").is_some() {
            own.push(format!("error {error:?}, theirs {:?}", case.get("error")));
        }
        if error.is_none() {
            for profile in ["indent4", "indent2", "compact2"] {
                let (Some(expected), Some(options)) = (case.get(profile), options(profile)) else { continue };
                let ours = emit_text(&documents, &options);
                match expected {
                    Value::Bool(true) => check(&mut own, profile, &ours, &Value::String(text.clone())),
                    Value::String(expected) if expected.contains('\n') => {
                        check(&mut own, profile, &ours, &Value::String(expected.clone()));
                    }
                    _ => {}
                }
            }
        }
        if !own.is_empty() {
            differences.push(format!("{path}\n{}", own.join("\n")));
        }
    }
    differences
}

fn json_to_yaml(batch: &[Value]) -> Differences {
    let mut differences = Vec::new();
    for case in batch {
        let (Some(input), Some(expected)) = (case["json"].as_str(), case.get("sigs")) else { continue };
        // Numbers out of range are text to the reference, and no JSON to others.
        let value = serde_json::from_str(input).or_else(|_| json::from_yaml(input.as_bytes()));
        let Ok(value) = value else {
            if expected.as_str().is_some() {
                differences.push(format!("{input} is refused"));
            }
            continue;
        };
        if expected.is_string() || expected.get("any_of").is_some() {
            check(&mut differences, input, &Value::String(json::to_yaml(&value)), expected);
        }
    }
    differences
}

fn scalar_cases(batch: &[Value]) -> Differences {
    let mut differences = Vec::new();
    for case in batch {
        let Some(text) = case["text"].as_str() else { continue };
        if let Some(tag) = case["plain"]["tag"].as_str() {
            check(
                &mut differences,
                &format!("tag of {text:?}"),
                &scalar::plain_tag(text).into(),
                &tag.into(),
            );
        }
        if let Some(expected) = case["marshal"].as_str() {
            let document = Node::document(scalar::string_node(text));
            let ours = emit_text(&[document], &Options::default());
            check(&mut differences, &format!("marshal of {text:?}"), &ours, &expected.into());
        }
        if let Some(expected) = case["sigs"].as_str() {
            let ours = json::to_yaml(&json!({ "k": text }));
            check(&mut differences, &format!("sigs of {text:?}"), &ours.into(), &expected.into());
        }
    }
    differences
}

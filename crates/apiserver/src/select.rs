//! Label and field selectors.

use serde_json::Value;

use crate::fields;
use crate::grammar;
use crate::keys;
use crate::kinds::Resource;
use crate::status_error::Status;
use crate::storage::Marks;

/// Which objects a list, a watch or a collection deletion is about.
#[derive(Debug, Default, Clone)]
pub(crate) struct Selection {
    labels: Vec<Requirement>,
    fields: Vec<FieldTest>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

#[derive(Debug, Clone)]
struct FieldTest {
    path: String,
    value: String,
    equal: bool,
}

impl Selection {
    /// Reads both selectors.
    ///
    /// # Errors
    /// 400 for what cannot be parsed and for unknown fields.
    pub(crate) fn parse(labels: &str, fields: &str, resource: &Resource) -> Result<Self, Status> {
        let labels = Parser::new(labels).requirements().map_err(Status::bad_request)?;
        Ok(Self { labels, fields: field_tests(fields, resource)? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// True when name, namespace and labels decide.
    pub(crate) fn looks_at_marks_alone(&self) -> bool {
        self.fields.iter().all(|test| matches!(test.path.as_str(), "metadata.name" | "metadata.namespace"))
    }

    /// Decides by name, namespace and labels.
    pub(crate) fn matches_marks(&self, marks: &Marks) -> bool {
        let label = |key: &str| marks.labels.get(key).map(String::as_str);
        let field =
            |path: &str| -> &str { if path == "metadata.name" { &marks.name } else { &marks.namespace } };
        self.labels.iter().all(|requirement| requirement.matches(label(&requirement.key)))
            && self.fields.iter().all(|test| (field(&test.path) == test.value) == test.equal)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = fields::get(object, &["metadata", "labels"]);
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|requirement| requirement.matches(label(&requirement.key)))
            && self.fields.iter().all(|test| (field(object, &test.path) == test.value) == test.equal)
    }
}

impl Requirement {
    /// Why no label can be meant by it.
    fn fault(&self) -> Option<String> {
        let key = &self.key;
        let whys = grammar::qualified(key);
        if !whys.is_empty() {
            return Some(format!("<nil>: Invalid value: {key:?}: {}", whys.join("; ")));
        }
        let (Test::In(values) | Test::NotIn(values)) = &self.test else { return None };
        values.iter().enumerate().find_map(|(at, value)| {
            let whys = grammar::label_value(value);
            (!whys.is_empty())
                .then(|| format!("values[{at}][{key}]: Invalid value: {value:?}: {}", whys.join("; ")))
        })
    }

    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.iter().any(|known| known == value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.iter().any(|known| known == value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::Above(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
        }
    }
}

fn field(object: &Value, path: &str) -> String {
    let mut value = object;
    for key in path.split('.') {
        let (key, alias) = match (path, key) {
            ("source", _) => ("source", Some("component")),
            ("reportingComponent", _) => ("reportingComponent", None),
            _ => (key, None),
        };
        let Some(found) = value.get(key) else { return default_field(path) };
        value = alias.and_then(|alias| found.get(alias)).unwrap_or(found);
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => default_field(path),
    }
}

fn default_field(path: &str) -> String {
    match path {
        "spec.unschedulable" | "spec.hostNetwork" => "false".into(),
        _ => String::new(),
    }
}

fn known_fields(resource: &Resource) -> Vec<String> {
    let mut known = vec!["metadata.name".to_owned(), "metadata.namespace".to_owned()];
    if let Some(custom) = &resource.custom {
        known.extend(custom.selectable.iter().cloned());
        return known;
    }
    let more: &[&str] = match &*resource.key {
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "replicationcontrollers" => &["status.replicas"],
        "jobs.batch" => &["status.successful"],
        "services" => &["spec.clusterIP", "spec.type"],
        keys::CERTIFICATE_REQUESTS => &["spec.signerName"],
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    };
    known.extend(more.iter().map(|&path| path.to_owned()));
    known
}

fn field_tests(text: &str, resource: &Resource) -> Result<Vec<FieldTest>, Status> {
    let known = known_fields(resource);
    let mut out = stated_tests(text)?;
    for test in &mut out {
        let path = &test.path;
        let path = match resource.group.as_str() {
            "events.k8s.io" if path.starts_with("involvedObject.") || path == "reportingComponent" => {
                return Err(unknown_field(&known, path));
            }
            "events.k8s.io" if path == "reportingController" => "reportingComponent".to_owned(),
            "events.k8s.io" => path.replace("regarding.", "involvedObject."),
            _ => path.clone(),
        };
        if !known.contains(&path) {
            return Err(unknown_field(&known, &path));
        }
        test.path = path;
    }
    Ok(out)
}

/// The one name that a field selector leaves; rights are asked for by the same reading that objects are chosen by.
pub(crate) fn only_name(text: &str) -> Option<String> {
    let tests = stated_tests(text).ok()?;
    let named = tests.into_iter().find(|test| test.equal && test.path == "metadata.name")?;
    grammar::segment(&named.value).is_empty().then_some(named.value)
}

/// The tests of a field selector as they stand, of whatever fields.
fn stated_tests(text: &str) -> Result<Vec<FieldTest>, Status> {
    let (mut out, mut parts) = (Vec::new(), split_escaped(text));
    parts.sort();
    for part in parts {
        let first = part.find(['!', '=']).map(|at| part.split_at(at));
        let found = first.and_then(|(path, rest)| {
            let operator = ["!=", "==", "="].into_iter().find(|operator| rest.starts_with(operator))?;
            Some((path, operator, &rest[operator.len()..]))
        });
        let Some((path, operator, value)) = found else {
            let why = format!("invalid selector: '{text}'; can't understand '{part}'");
            return Err(Status::bad_request(why));
        };
        out.push(FieldTest { path: path.into(), value: unescaped(value)?, equal: operator != "!=" });
    }
    Ok(out)
}

/// The refusal of a field that a kind is not selected by; some kinds have fields of their own, others tell which there are.
fn unknown_field(known: &[String], path: &str) -> Status {
    if known.len() > 2 {
        return Status::bad_request(format!("field label not supported: {path}"));
    }
    let list: Vec<String> = known.iter().map(|path| format!("\"{path}\"")).collect();
    Status::bad_request(format!("\"{path}\" is not a known field selector: only {}", list.join(", ")))
}

/// A value without its escapes.
fn unescaped(text: &str) -> Result<String, Status> {
    let mut letters = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (letter @ (',' | '='), false) => {
                return Err(Status::bad_request(format!(
                    "invalid field selector: unescaped character in value: {}",
                    letter as u32
                )));
            }
            (letter, false) => out.push(letter),
            (_, true) => match letters.next() {
                Some(escaped @ (',' | '=' | '\\')) => out.push(escaped),
                other => {
                    let rest: String = other.into_iter().collect();
                    return Err(Status::bad_request(format!(
                        "invalid field selector: invalid escape sequence: \\{rest}"
                    )));
                }
            },
        }
    }
    Ok(out)
}

fn split_escaped(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == ',' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.retain(|part| !part.is_empty());
    parts
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '(' | ')' | ',' => 1,
                '=' | '!' | '<' | '>' => {
                    rest.find(|letter| !matches!(letter, '=' | '!' | '<' | '>')).unwrap_or(rest.len())
                }
                _ => rest
                    .find(|letter: char| "(),=!<>".contains(letter) || letter.is_whitespace())
                    .unwrap_or(rest.len()),
            };
            tokens.extend(operators(&rest[..length]));
            rest = rest[length..].trim_start();
        }
        Self { tokens, at: 0 }
    }

    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirements(mut self) -> Result<Vec<Requirement>, String> {
        let mut out = Vec::new();
        while !self.peek().is_empty() {
            let first = self.peek();
            if first != "!" && is_operator(first) {
                return Err(format!("found '{first}', expected: !, identifier, or 'end of string'"));
            }
            let requirement = self.requirement();
            out.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            match self.next() {
                "" => break,
                "," => {
                    let next = self.peek();
                    if next.is_empty() || next != "!" && is_operator(next) {
                        return Err(format!("found '{next}', expected: identifier after ','"));
                    }
                }
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
        Ok(out)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == "!" {
            self.next();
            let key = self.identifier()?;
            let requirement = Requirement { key, test: Test::Absent };
            return requirement.fault().map_or(Ok(requirement), Err);
        }
        let key = self.identifier()?;
        let test = match self.peek() {
            "" | "," => Test::Exists,
            "=" | "==" => {
                self.next();
                Test::In(vec![self.value()?])
            }
            "!=" => {
                self.next();
                Test::NotIn(vec![self.value()?])
            }
            "in" => {
                self.next();
                Test::In(self.values()?)
            }
            "notin" => {
                self.next();
                Test::NotIn(self.values()?)
            }
            operator @ (">" | "gt" | "<" | "lt") => {
                self.next();
                let text = self.value()?;
                let limit = text
                    .parse()
                    .map_err(|_| format!("values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer"))?;
                if matches!(operator, ">" | "gt") { Test::Above(limit) } else { Test::Below(limit) }
            }
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let requirement = Requirement { key, test };
        requirement.fault().map_or(Ok(requirement), Err)
    }

    fn identifier(&mut self) -> Result<String, String> {
        let token = self.next();
        if token.is_empty() || is_operator(token) {
            return Err(format!("found '{token}', expected: !, identifier, or 'end of string'"));
        }
        Ok(token.into())
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            "" | "," => Ok(String::new()),
            token if is_operator(token) => Err(format!("found '{token}', expected: identifier")),
            token => {
                self.next();
                Ok(token.into())
            }
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        match self.peek() {
            ")" => {
                self.next();
                Ok(vec![String::new()])
            }
            token if token != "," && (token.is_empty() || is_operator(token)) => {
                Err(format!("found '{token}', expected: ',', ')' or identifier"))
            }
            _ => self.listed_values(),
        }
    }

    /// What stands between the brackets, and the closing one.
    fn listed_values(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        loop {
            match self.next() {
                "," => {
                    if out.is_empty() {
                        out.push(String::new());
                    }
                    match self.peek() {
                        ")" => out.push(String::new()),
                        "," => {
                            self.next();
                            out.push(String::new());
                            continue;
                        }
                        _ => continue,
                    }
                }
                token if token.is_empty() || is_operator(token) => {
                    return Err(format!("found '{token}', expected: ',', or identifier"));
                }
                token => out.push(token.into()),
            }
            match self.peek() {
                "," => {}
                ")" => {
                    self.next();
                    return Ok(out);
                }
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

/// Whether a selector in the form of an object chooses an object; an empty one chooses all.
pub(crate) fn chooses(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let mut expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.into_iter().all(|(key, value)| label(key) == value.as_str())
        && expressions.all(|expression| {
            let found = label(fields::text(expression, &["key"]));
            let listed = || {
                let mut values = expression["values"].as_array().into_iter().flatten();
                values.any(|value| value.as_str() == found)
            };
            match fields::text(expression, &["operator"]) {
                "In" => found.is_some() && listed(),
                "NotIn" => found.is_none() || !listed(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

fn is_operator(token: &str) -> bool {
    matches!(token, "(" | ")" | "," | "=" | "==" | "!=" | "!" | "<" | ">")
}

/// Splits a run of operator characters: `===` is `==` and `=`.
fn operators(run: &str) -> Vec<&str> {
    if !run.starts_with(['=', '!', '<', '>']) {
        return vec![run];
    }
    let mut out = Vec::new();
    let mut rest = run;
    while !rest.is_empty() {
        let length = if rest.starts_with("==") || rest.starts_with("!=") { 2 } else { 1 };
        out.push(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// A label selector as text.
pub(crate) fn as_text(selector: Option<&Value>) -> String {
    let Some(selector) = selector else { return String::new() };
    if let Some(text) = selector.as_str() {
        return text.into();
    }
    let labels = selector.get("matchLabels").unwrap_or(selector);
    let mut out: Vec<(&str, String)> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| value.as_str().map(|value| (key.as_str(), format!("{key}={value}"))))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = fields::text(expression, &["key"]);
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let text = match fields::text(expression, &["operator"]) {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        out.push((key, text));
    }
    out.sort_by_key(|(key, _)| *key);
    out.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

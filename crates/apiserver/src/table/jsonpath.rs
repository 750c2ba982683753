//! The part of JSONPath that printer columns use.

use serde_json::Value;

/// Values at a path such as `.status.conditions[?(@.type=="Ready")].status`; nothing for a path that is broken.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}');
    rest = rest.strip_prefix('$').unwrap_or(rest);
    while !rest.is_empty() {
        let (step, after) = step(rest);
        let Some(step) = step else { return Vec::new() };
        found = found.into_iter().flat_map(|value| step.apply(value)).collect();
        rest = after;
    }
    found
}

enum Step {
    Key(String),
    Index(i64),
    All,
    Filter { path: String, operator: &'static str, wanted: Value },
    Descend(String),
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Key(key) => value.get(key).into_iter().collect(),
            Self::Index(index) => {
                let Some(list) = value.as_array() else { return Vec::new() };
                let at = if *index < 0 { list.len() as i64 + index } else { *index };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Filter { path, operator, wanted } => {
                let list = value.as_array().into_iter().flatten();
                list.filter(|item| {
                    let at = find(item, path);
                    match (*operator, at.first()) {
                        ("", found) => found.is_some(),
                        ("==", Some(found)) => *found == wanted,
                        ("!=", Some(found)) => *found != wanted,
                        (operator, Some(found)) => number(found, wanted, operator),
                        _ => false,
                    }
                })
                .collect()
            }
            Self::Descend(key) => {
                let mut out = Vec::new();
                descend(value, key, &mut out, 0);
                out
            }
        }
    }
}

fn number(found: &Value, wanted: &Value, operator: &str) -> bool {
    let (Some(found), Some(wanted)) = (found.as_f64(), wanted.as_f64()) else { return false };
    match operator {
        "<" => found < wanted,
        "<=" => found <= wanted,
        ">" => found > wanted,
        _ => found >= wanted,
    }
}

fn descend<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a Value>, depth: usize) {
    if depth > 64 {
        return;
    }
    out.extend(value.get(key));
    match value {
        Value::Array(list) => list.iter().for_each(|item| descend(item, key, out, depth + 1)),
        Value::Object(map) => map.values().for_each(|item| descend(item, key, out, depth + 1)),
        _ => {}
    }
}

fn step(text: &str) -> (Option<Step>, &str) {
    if let Some(rest) = text.strip_prefix("..") {
        let (key, after) = word(rest);
        return (Some(Step::Descend(key)), after);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some(end) = closing(rest) else { return (None, "") };
        return (bracket(&rest[..end]), &rest[end + 1..]);
    }
    let (key, after) = word(text.strip_prefix('.').unwrap_or(text));
    match key.as_str() {
        "" => (None, ""),
        "*" => (Some(Step::All), after),
        _ => (Some(Step::Key(key)), after),
    }
}

fn word(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next().map(|(_, letter)| letter)),
            '.' | '[' => return (out, &text[at..]),
            _ => out.push(letter),
        }
    }
    (out, "")
}

fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, ']') => return Some(at),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

fn bracket(inner: &str) -> Option<Step> {
    let inner = inner.trim();
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter_step(filter.trim());
    }
    let quoted = inner.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
    match quoted {
        Some(key) => Some(Step::Key(key.into())),
        None => inner.parse().ok().map(Step::Index),
    }
}

fn filter_step(filter: &str) -> Option<Step> {
    for operator in ["==", "!=", "<=", ">=", "<", ">"] {
        if let Some((path, wanted)) = filter.split_once(operator) {
            let wanted = wanted.trim();
            let text = wanted.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
            let wanted = match text {
                Some(text) => Value::from(text),
                None => serde_json::from_str(wanted).ok()?,
            };
            return Some(Step::Filter { path: path.trim().strip_prefix('@')?.into(), operator, wanted });
        }
    }
    let path = filter.strip_prefix('@')?.trim().into();
    Some(Step::Filter { path, operator: "", wanted: Value::Null })
}

//! The part of JSONPath that printer columns use.

use serde_json::Value;

/// How many values may be looked at yet: `..a..a` finds many of them many times.
pub(crate) struct Steps(usize);

impl Default for Steps {
    fn default() -> Self {
        Self(MOST_STEPS)
    }
}

impl Steps {
    /// Whether there is one more.
    fn take(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// Values at a path such as `.status.conditions[?(@.type=="Ready")].status`; nothing for a path that is broken, and
/// nothing more when all steps are taken.
pub(crate) fn find<'a>(object: &'a Value, path: &str, steps: &mut Steps) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}');
    rest = rest.strip_prefix('$').unwrap_or(rest);
    while !rest.is_empty() {
        let (step, after) = step(rest);
        let Some(step) = step else { return Vec::new() };
        found = found.into_iter().flat_map(|value| step.apply(value, steps)).collect();
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
    fn apply<'a>(&self, value: &'a Value, steps: &mut Steps) -> Vec<&'a Value> {
        if !steps.take() {
            return Vec::new();
        }
        match self {
            Self::Key(key) => value.get(key).into_iter().collect(),
            Self::Index(index) => {
                let Some(list) = value.as_array() else { return Vec::new() };
                let at = if *index < 0 { list.len() as i64 + index } else { *index };
                usize::try_from(at).ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::All => match value {
                Value::Array(list) => list.iter().take_while(|_| steps.take()).collect(),
                Value::Object(map) => map.values().take_while(|_| steps.take()).collect(),
                _ => Vec::new(),
            },
            Self::Filter { path, operator, wanted } => {
                let list = value.as_array().into_iter().flatten();
                list.filter(|item| {
                    let at = find(item, path, steps);
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
                descend(value, key, &mut out, 0, steps);
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

fn descend<'a>(value: &'a Value, key: &str, out: &mut Vec<&'a Value>, depth: usize, steps: &mut Steps) {
    if depth > 64 || !steps.take() {
        return;
    }
    out.extend(value.get(key));
    match value {
        Value::Array(list) => list.iter().for_each(|item| descend(item, key, out, depth + 1, steps)),
        Value::Object(map) => map.values().for_each(|item| descend(item, key, out, depth + 1, steps)),
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

/// Values that are looked at for all cells of a row.
const MOST_STEPS: usize = 500_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_found_many_times_is_bounded() {
        let mut object = json!({});
        (0..60).for_each(|_| object = json!({"a": object}));
        let mut steps = Steps::default();
        assert_eq!(find(&object, "..a", &mut steps).len(), 60);
        assert!(find(&object, &"..a".repeat(30), &mut steps).len() < MOST_STEPS);
        assert!(!steps.take() && find(&object, ".a", &mut steps).is_empty(), "no more is looked at");
        assert_eq!(find(&json!({"a": [{"b": 1}, {"b": 2}]}), "..b", &mut Steps::default()).len(), 2);
    }
}

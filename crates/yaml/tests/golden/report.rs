//! Differences, gathered and printed ten at a time.

use serde_json::Value;

/// Differences found so far.
#[derive(Default)]
pub(crate) struct Report {
    differences: Vec<String>,
}

const SHOWN: usize = 10;

impl Report {
    /// Notes a difference between what is recorded and what was found, unless there is none.
    pub(crate) fn compare(&mut self, what: &str, expected: &Value, found: &Value) {
        if let Some(choices) = expected.get("any_of").and_then(Value::as_array) {
            if choices.contains(found) {
                return;
            }
        } else if expected == found {
            return;
        }
        self.differences.push(difference(what, expected, found));
    }

    /// Notes a difference between lists, at their first different entry.
    pub(crate) fn compare_lists(&mut self, what: &str, expected: &[Value], found: &[Value]) {
        let shorter = expected.len().min(found.len());
        let at = (0..shorter).find(|at| expected[*at] != found[*at]);
        if let Some(at) = at {
            self.differences.push(difference(&format!("{what}[{at}]"), &expected[at], &found[at]));
        } else if expected.len() != found.len() {
            let next = |list: &[Value]| list.get(shorter).cloned().unwrap_or(Value::Null);
            let what = format!("{what}: {} entries, found {}; next", expected.len(), found.len());
            self.differences.push(difference(&what, &next(expected), &next(found)));
        }
    }

    /// Returns the first differences and how many there are, or nothing.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.differences.is_empty() {
            return Ok(());
        }
        let shown = self.differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        Err(format!("{} differences\n{shown}", self.differences.len()))
    }
}

fn difference(what: &str, expected: &Value, found: &Value) -> String {
    format!("{what}\n  expected: {}\n  found:    {}", short(expected), short(found))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    text.char_indices().nth(1500).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

/// Puts lists of pairs into one order: that of the recordings is the order of a Go map.
pub(crate) fn sorted_pairs(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted_pairs).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let mut value = sorted_pairs(value);
                if let (true, Some(pairs)) = (key == "!pairs", value.as_array_mut()) {
                    pairs.sort_by_key(Value::to_string);
                }
                (key.clone(), value)
            })
            .collect(),
        value => value.clone(),
    }
}

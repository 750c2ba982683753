//! Whether an answer is the recorded one.

use serde_json::Value;

/// `None` when `got` meets `want`, else where it does not.
pub(crate) fn differs(want: &Value, got: &Value, subset: bool, at: &str) -> Option<String> {
    match (want, got) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, want) in wanted {
                let place = format!("{at}/{key}");
                match found.get(key) {
                    None => return Some(format!("{place}: missing, want {}", short(want))),
                    Some(got) => {
                        if let Some(why) = differs(want, got, subset, &place) {
                            return Some(why);
                        }
                    }
                }
            }
            let extra = found.iter().find(|(key, _)| !subset && !wanted.contains_key(*key));
            extra.map(|(key, value)| format!("{at}/{key}: not expected: {}", short(value)))
        }
        (Value::Array(wanted), Value::Array(found)) if subset => {
            let missing =
                wanted.iter().position(|want| found.iter().all(|got| differs(want, got, true, "").is_some()));
            missing.map(|place| format!("{at}/{place}: no such item: {}", short(&wanted[place])))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                return Some(format!("{at}: {} items, want {}: {}", found.len(), wanted.len(), short(got)));
            }
            let pairs = wanted.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(place, (want, got))| differs(want, got, false, &format!("{at}/{place}")))
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => None,
        _ if want == got => None,
        _ => Some(format!("{at}: got {} want {}", short(got), short(want))),
    }
}

/// Removes JSON pointers; `*` stands for every item or key.
pub(crate) fn strip(value: &mut Value, pointer: &str) {
    let parts: Vec<String> =
        pointer.trim_matches('/').split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    strip_parts(value, &parts);
}

fn strip_parts(value: &mut Value, parts: &[String]) {
    match (parts, value) {
        ([last], Value::Object(map)) => {
            map.shift_remove(last);
        }
        ([first, rest @ ..], Value::Object(map)) if first == "*" => {
            map.values_mut().for_each(|value| strip_parts(value, rest))
        }
        ([first, rest @ ..], Value::Array(list)) if first == "*" => {
            list.iter_mut().for_each(|value| strip_parts(value, rest))
        }
        ([first, rest @ ..], Value::Object(map)) => {
            map.get_mut(first).into_iter().for_each(|value| strip_parts(value, rest))
        }
        ([first, rest @ ..], Value::Array(list)) => {
            let found = first.parse::<usize>().ok().and_then(|at| list.get_mut(at));
            found.into_iter().for_each(|value| strip_parts(value, rest));
        }
        _ => {}
    }
}

/// Removes managed fields everywhere.
pub(crate) fn without_managers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.shift_remove("managedFields");
            map.values_mut().for_each(without_managers);
        }
        Value::Array(list) => list.iter_mut().for_each(without_managers),
        _ => {}
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.len() < 400 { text } else { text.chars().take(397).chain("...".chars()).collect() }
}

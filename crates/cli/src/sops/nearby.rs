//! What stands where a path leads no further: names and numbers, never values.

use sealfast_sops::document::Plain;
use sealfast_sops::path::Step;
use sealfast_sops::tree::Value;

use crate::sops::stop::Stop;

/// Keys that are told.
const MOST: usize = 20;

/// Tells what there is at the last step of a path that can be taken.
pub(super) fn told(stop: Stop, plain: &Plain, steps: &[Step]) -> Stop {
    let found =
        (0..steps.len()).rev().find_map(|length| Some((length, plain.extract(&steps[..length]).ok()?)));
    match found {
        Some((length, value)) => stop.hint(format!("{} {}", place(&steps[..length]), content(&value))),
        None => stop,
    }
}

fn place(steps: &[Step]) -> String {
    let shown = steps.iter().map(|step| match step {
        Step::Key(key) => format!("[\"{key}\"]"),
        Step::Index(index) => format!("[{index}]"),
    });
    if steps.is_empty() { "the document".to_owned() } else { format!("`{}`", shown.collect::<String>()) }
}

fn content(value: &Value) -> String {
    match value {
        Value::Branch(branch) => {
            let mut names: Vec<&str> = branch.named().map(|(name, _)| name).collect();
            let more = if names.len() > MOST { ", …" } else { "" };
            names.truncate(MOST);
            if names.is_empty() {
                "is empty".to_owned()
            } else {
                format!("has the keys {}{more}", names.join(", "))
            }
        }
        Value::List(items) => format!("is a list of {}", items.len()),
        _ => "is a value with nothing below it".to_owned(),
    }
}

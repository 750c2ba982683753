//! Differences of an object -> what people read.
//!
//! Follows: the report of `dyff` 1.10, as flux uses it. Differs: certificates are shown as the texts that they are.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use sealfast_controllers::kustomization::mask::Masks;
use serde_json::Value;
use similar::{Algorithm, DiffTag};

use super::compare::{self, Detail, scalar};
use super::cover;
use super::lines::{Block, Tint, flow, table};
use super::yaml;

/// The width of what is no terminal.
const WIDTH: usize = 80;
/// How long two texts are compared.
const LONGEST: Duration = Duration::from_secs(1);
/// How far added fields and items are indented.
const INDENT: usize = 2;

/// Writes the report on two versions of an object.
pub(super) fn report(from: &Value, to: &Value, masks: &Masks, terminal: usize) -> Block {
    let sorted = |value: &Value| {
        // The order in which YAML is written.
        let text = zeroize::Zeroizing::new(sealfast_yaml::json::to_yaml(value));
        sealfast_yaml::json::from_yaml(text.as_bytes()).unwrap_or_else(|_| value.clone())
    };
    let mut differences = compare::values(&sorted(from), &sorted(to));
    cover::cover(&mut differences, masks);
    let mut report = Block::default();
    for difference in differences {
        let blocks = difference.details.iter().map(|detail| block(detail, terminal)).collect();
        report = report
            .then(Block::of(Tint::Plain, &format!("\n{}\n", place(&difference.path))))
            .then(flow(0, blocks, terminal));
    }
    report.then(Block::of(Tint::Plain, "\n"))
}

/// The width of the terminal.
pub(super) fn terminal_width() -> usize {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return WIDTH;
    }
    rustix::termios::tcgetwinsize(&out).map_or(WIDTH, |size| usize::from(size.ws_col))
}

fn place(path: &[String]) -> String {
    if path.is_empty() {
        return "(root level)".to_owned();
    }
    path.iter().filter(|step| !step.is_empty()).map(String::as_str).collect::<Vec<_>>().join(".")
}

fn block(detail: &Detail, terminal: usize) -> Block {
    match detail {
        Detail::Added(value) => {
            let content = Block::of(Tint::Added, &yaml::text(&yaml::ordered(value)));
            heading(&format!("+ {} added:", counted(value))).then(flow(INDENT, vec![content], terminal))
        }
        Detail::Removed(value) => {
            let content = Block::of(Tint::Removed, &yaml::text(&yaml::ordered(value)));
            heading(&format!("- {} removed:", counted(value))).then(flow(0, vec![content], terminal))
        }
        Detail::Reordered { from, to } => reordered(from, to, terminal),
        Detail::Modified { from: Value::String(from), to: Value::String(to) } => texts(from, to, terminal),
        Detail::Modified { from, to } => {
            let (kind, new_kind) = (kind(from), self::kind(to));
            let what = if kind == new_kind {
                "± value change".to_owned()
            } else {
                format!("± type change from {kind} to {new_kind}")
            };
            heading(&what).then(sides(&yaml_of(from), &yaml_of(to)))
        }
    }
}

fn heading(text: &str) -> Block {
    Block::of(Tint::Changed, &format!("{text}\n"))
}

/// How many fields or items, in words.
fn counted(value: &Value) -> String {
    match value {
        Value::Array(items) => plural(items.len(), "list entry", "list entries"),
        value => plural(value.as_object().map_or(0, serde_json::Map::len), "map entry", "map entries"),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let number = WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned());
    format!("{number} {}", if count == 1 { one } else { many })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

fn yaml_of(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        value => yaml::text(value).trim_end_matches('\n').to_owned(),
    }
}

fn sides(from: &str, to: &str) -> Block {
    Block::of(Tint::Removed, &prefixed("- ", from)).then(Block::of(Tint::Added, &prefixed("+ ", to)))
}

/// A text behind a sign, its further lines below it.
fn prefixed(sign: &str, text: &str) -> String {
    let rest = " ".repeat(sign.len());
    let lines = text.split('\n').enumerate();
    lines.map(|(at, line)| format!("{}{line}\n", if at == 0 { sign } else { &rest })).collect()
}

/// A text with a sign before each line.
fn all_prefixed(sign: &str, text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| format!("{sign}{line}\n")).collect()
}

fn texts(from: &str, to: &str, terminal: usize) -> Block {
    let trimmed = |text: &str| text.trim_matches([' ', '\n']).to_owned();
    if trimmed(from) == trimmed(to) {
        let visible = |text: &str| text.replace('\n', "↵\n").replace(' ', "·");
        let blocks = vec![
            Block::of(Tint::Removed, &prefixed("- ", &visible(from))),
            Block::of(Tint::Added, &prefixed("+ ", &visible(to))),
        ];
        return heading("± whitespace only change").then(flow(0, blocks, terminal));
    }
    if from.contains('\n') || to.contains('\n') {
        return lines(from, to);
    }
    heading("± value change").then(sides(from, to))
}

/// What differs line by line.
fn lines(from: &str, to: &str) -> Block {
    let lines = |text| str::split_inclusive(text, '\n').collect::<Vec<_>>();
    let (from, to) = (lines(from), lines(to));
    // Texts without anything in common could take for ever.
    let deadline = Some(Instant::now() + LONGEST);
    let (mut inserts, mut deletions) = (0, 0);
    let mut body = Block::default();
    for op in similar::capture_diff_slices_deadline(Algorithm::Myers, &from, &to, deadline) {
        if op.tag() == DiffTag::Equal {
            continue;
        }
        let (old, new) = (from[op.old_range()].concat(), to[op.new_range()].concat());
        if !old.is_empty() {
            deletions += 1;
            body = body.then(Block::of(Tint::Removed, &all_prefixed("- ", &old)));
        }
        if !new.is_empty() {
            inserts += 1;
            body = body.then(Block::of(Tint::Added, &all_prefixed("+ ", &new)));
        }
    }
    let (inserts, deletions) =
        (plural(inserts, "insert", "inserts"), plural(deletions, "deletion", "deletions"));
    heading(&format!("± value change in multiline text ({inserts}, {deletions})"))
        .then(body)
        .then(Block::of(Tint::Plain, "\n"))
}

fn reordered(from: &[Value], to: &[Value], terminal: usize) -> Block {
    let words = |items: &[Value]| -> Vec<String> {
        let word = |item: &Value| match scalar(item) {
            text if text.is_empty() => yaml::text(item),
            text => text,
        };
        items.iter().map(word).collect()
    };
    let (from, to) = (words(from), words(to));
    let length = |words: &[String]| {
        words.iter().map(|word| word.chars().count()).sum::<usize>() + words.len().saturating_sub(1) * 2
    };
    let heading = heading("⇆ order changed");
    if length(&from).max(length(&to)) < terminal / 2 {
        let line =
            |tint, sign: &str, words: &[String]| Block::of(tint, &format!("{sign}{}\n", words.join(", ")));
        return heading.then(line(Tint::Removed, "- ", &from)).then(line(Tint::Added, "+ ", &to));
    }
    let column = |tint, words: &[String]| Block::of(tint, &words.join("\n"));
    heading.then(table(1, 2, vec![column(Tint::Removed, &from), column(Tint::Added, &to)]))
}

#[cfg(test)]
mod tests {
    use sealfast_controllers::kustomization::mask::Masks;
    use sealfast_controllers::kustomization::witness::Witness;

    use super::super::lines::Colour;
    use super::report;

    #[test]
    fn a_report_reads_as_dyff_writes_it() {
        let read = |text: &str| sealfast_yaml::json::from_yaml(text.as_bytes()).unwrap_or_default();
        let from = read(include_str!("../../../tests/cases/report/from.yaml"));
        let to = read(include_str!("../../../tests/cases/report/to.yaml"));
        let masks = Masks::of(&Witness::default());
        let report = |from, to| report(from, to, &masks, 80);
        let shown = report(&from, &to).shown(Colour::Off);
        assert_eq!(shown, include_str!("../../../tests/cases/report/expected.txt"));
        let coloured = report(&from, &to).shown(Colour::On);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), shown);
    }
}

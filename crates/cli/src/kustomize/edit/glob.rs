//! Patterns for paths: `*`, `?` and `[…]`, none of which matches a slash.

use std::path::Path;

use regex::Regex;

use crate::flux::Failed;

/// A pattern for a whole path.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(text: &str) -> Result<Self, Failed> {
        let mut expression = String::from("^");
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => expression.push_str("[^/]*"),
                '?' => expression.push_str("[^/]"),
                '[' => {
                    let class: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                    expression.push_str(&format!("[{}]", class.replace('[', "\\[")));
                }
                '\\' => expression.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
                plain => expression.push_str(&regex::escape(&plain.to_string())),
            }
        }
        expression.push('$');
        Regex::new(&expression).map(Self).map_err(|_| format!("syntax error in pattern: {text}").into())
    }

    /// Whether the pattern fits the whole path.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

/// Returns the files that a pattern means, in byte order.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, Failed> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![start.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = step(&found, part)?;
    }
    found.sort();
    Ok(found)
}

/// Goes one part further from every directory.
fn step(dirs: &[String], part: &str) -> Result<Vec<String>, Failed> {
    let below = |dir: &str, name: &str| match dir {
        "" => name.to_owned(),
        dir if dir.ends_with('/') => format!("{dir}{name}"),
        dir => format!("{dir}/{name}"),
    };
    if !part.contains(['*', '?', '[', '\\']) {
        let next = dirs.iter().map(|dir| below(dir, part));
        return Ok(next.filter(|path| Path::new(path).exists()).collect());
    }
    let pattern = Pattern::new(part)?;
    let mut next = Vec::new();
    for dir in dirs {
        let real = if dir.is_empty() { "." } else { dir };
        let Ok(entries) = std::fs::read_dir(real) else { continue };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if pattern.matches(&name) {
                next.push(below(dir, &name));
            }
        }
    }
    Ok(next)
}

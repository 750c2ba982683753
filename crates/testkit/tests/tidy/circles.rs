//! Modules of a crate that use each other in circles, by the paths in their code.
//!
//! What lies below a module counts as the module; that a module and those within it use each other is no circle. Tests
//! at the end of a file are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Result;
use sealfast_testkit::scratch::Scratch;

use super::{code, gather, read};

/// The names on the way to a module from the root of its crate.
type Module = Vec<String>;

/// Who uses whom.
type Uses = Vec<(Module, Module)>;

/// A text for each set of modules in the sources of a crate that use each other in circles.
pub(super) fn of(sources: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    gather(sources, &mut files, |path| path.extension().is_some_and(|end| end == "rs"))?;
    let mut texts: BTreeMap<Module, String> = BTreeMap::new();
    for path in &files {
        let inside = path.strip_prefix(sources)?.with_extension("");
        let mut module: Module =
            inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        if ["lib", "main"].contains(&module.join("/").as_str()) {
            module.clear();
        }
        let text: String = code(&read(path)?).flat_map(|line| [line, "\n"]).collect();
        texts.entry(module).or_default().push_str(&bare(&text));
    }
    let uses: Uses = texts
        .iter()
        .flat_map(|(module, text)| {
            paths(text)
                .into_iter()
                .filter_map(|path| used(module, &path, &texts))
                .map(|to| (module.clone(), to))
        })
        .collect();
    let parents: BTreeSet<&[String]> =
        texts.keys().filter_map(|module| module.split_last()).map(|(_, parent)| parent).collect();
    Ok(parents.into_iter().flat_map(|parent| among(parent, &uses)).collect())
}

/// The circles among the modules right below one.
fn among(parent: &[String], uses: &Uses) -> Vec<String> {
    let child = |module: &'_ Module| module.strip_prefix(parent)?.first().cloned();
    let mut arrows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (from, to) in uses {
        let (Some(a), Some(b)) = (child(from), child(to)) else { continue };
        if a != b {
            let example = format!("{} uses {}", from.join("::"), to.join("::"));
            arrows.entry(a).or_default().entry(b).or_insert(example);
        }
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|from| (from.as_str(), reached(from, &arrows))).collect();
    let reaches = |a: &str, b: &str| reached.get(a).is_some_and(|reached| reached.contains(b));
    let circles: BTreeSet<Vec<&str>> = reached
        .keys()
        .filter(|name| reaches(name, name))
        .map(|a| reached.keys().copied().filter(|b| reaches(a, b) && reaches(b, a)).collect())
        .collect();
    let told = |circle: Vec<&str>| {
        let inside = circle.iter().filter_map(|name| arrows.get(*name)).flatten();
        let examples: Vec<&str> = inside
            .filter(|(to, _)| circle.contains(&to.as_str()))
            .map(|(_, example)| example.as_str())
            .collect();
        format!("{} go round in a circle: {}", circle.join(", "), examples.join("; "))
    };
    circles.into_iter().map(told).collect()
}

/// All that a module uses, and what that uses in its turn.
fn reached<'a>(from: &'a str, arrows: &'a BTreeMap<String, BTreeMap<String, String>>) -> BTreeSet<&'a str> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(name) = waiting.pop() {
        let next = arrows.get(name).into_iter().flat_map(BTreeMap::keys).map(String::as_str);
        waiting.extend(next.filter(|name| found.insert(*name)));
    }
    found
}

/// The other module that a path leads to.
fn used(module: &Module, path: &str, known: &BTreeMap<Module, String>) -> Option<Module> {
    let mut words = path.split("::");
    let mut at = match words.next()? {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module.split_last()?.1.to_vec(),
        _ => return None,
    };
    for word in words {
        match word {
            "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name.to_owned()),
        }
    }
    while !known.contains_key(&at) {
        at.pop()?;
    }
    (at != *module).then_some(at)
}

/// The paths in a text that begin at the root, at the module itself or at the one above it.
fn paths(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, at, after)) = ["crate::", "super::", "self::"]
        .iter()
        .filter_map(|start| rest.find(start).map(|at| (&rest[..at], at, &rest[at..])))
        .min_by_key(|(_, at, _)| *at)
    {
        let is_inner = before.ends_with(|letter: char| letter.is_alphanumeric() || "_$:".contains(letter));
        let length = if is_inner { "self::".len() } else { tree(after, "", &mut out) };
        rest = &rest[at + length..];
    }
    out
}

/// Takes the paths of a tree as an import has one; returns how long it is.
fn tree(text: &str, head: &str, out: &mut Vec<String>) -> usize {
    let is_part = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
    let end = text.find(|letter| !is_part(letter)).unwrap_or(text.len());
    let path = format!("{head}{}", &text[..end]);
    if !text[end..].starts_with('{') {
        out.push(path.trim_end_matches(':').to_owned());
        return end;
    }
    let mut at = end + 1;
    while at < text.len() && !text[at..].starts_with('}') {
        at += match text[at..].starts_with(is_part) {
            true => tree(&text[at..], &path, out),
            false => text[at..].chars().next().map_or(1, char::len_utf8),
        };
    }
    (at + 1).min(text.len())
}

/// Code without comments and texts.
fn bare(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(letter) = rest.chars().next() {
        let length = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => text_length(rest),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw_length(rest),
            '\'' if rest.starts_with("'\"'") => 3,
            '\'' if rest.starts_with("'\\") => {
                4 + rest.get(3..).and_then(|rest| rest.find('\'')).unwrap_or(0)
            }
            _ => 0,
        };
        if length == 0 {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            out.push(' ');
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    out
}

fn text_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of a raw text; zero for a raw name.
fn raw_length(text: &str) -> usize {
    let marks = text[1..].len() - text[1..].trim_start_matches('#').len();
    if !text[1 + marks..].starts_with('"') {
        return 0;
    }
    let start = marks + 2;
    let end = format!("\"{}", "#".repeat(marks));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

#[test]
fn circles_are_found() -> Result<()> {
    let scratch = Scratch::new()?;
    for (name, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "mod x;\nuse crate::c::{self, deep::{One, Two}};\n"),
        ("a/x.rs", "const T: &str = \"crate::b\"; // crate::b\nuse super::Y;\n"),
        ("b.rs", "fn f() { crate::a::g() }\n"),
        ("c.rs", "mod tests {\n    use crate::b::f;\n}\n"),
    ] {
        scratch.write(name, text)?;
    }
    assert_eq!(of(scratch.path())?, Vec::<String>::new());
    fs::write(scratch.join("a/x.rs"), "const QUOTE: char = '\"';\nfn h() { super::super::b::f() }\n")?;
    assert_eq!(of(scratch.path())?, ["a, b go round in a circle: a::x uses b; b uses a"]);
    Ok(())
}

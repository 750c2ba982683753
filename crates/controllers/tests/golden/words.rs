//! Placeholders of the cases, put in before sending, taken out for comparing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use regex::{Captures, Regex};
use serde_json::Value;

use crate::cluster::House;
use crate::repo::Repo;

/// What one case calls its things.
pub(crate) struct Words<'a> {
    pub(crate) house: &'a House,
    /// The namespace, and the start of every name.
    pub(crate) id: String,
    pub(crate) repos: BTreeMap<String, Repo>,
    /// Repositories whose address was asked for; the empty one is always among them.
    names: BTreeSet<String>,
    /// Where artifacts were seen to be served.
    pub(crate) storage: BTreeSet<String>,
    cuts: Vec<(Regex, &'static str)>,
}

/// Addresses as they stand in cases: the placeholder's middle, and how they are printed.
const BASES: [(&str, &str); 3] = [("AUTH_", "git-auth"), ("TLS_", "git-tls"), ("", "git")];

static URLS: LazyLock<Regex> = LazyLock::new(|| regex(r"\$\{GIT_(AUTH_|TLS_)?URL(_[A-Z]+)?\}"));
static COMMITS: LazyLock<Regex> = LazyLock::new(|| regex(r"\$\{COMMIT(_[A-Z]+)?_(\d+)\}"));
static DURATIONS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(finished in|passed in|failed after) (?:\d+h)?(?:\d+m)?[0-9.]+(?:s|ms|µs)\b"));
/// Folders, digests, addresses and ids of a run.
static NOISE: LazyLock<[(Regex, &str); 5]> = LazyLock::new(|| {
    [
        (regex(r#"/[^\s'":]*?/?kustomization-[^\s/'":,]+"#), "<tmp>"),
        (regex(r#"/[^\s'":]*?/(?:gitrepository|git)-[^\s/'":,]+"#), "<tmp>"),
        (regex(r"\b(sha256|sha512|blake3):[0-9a-f]{32,}"), "${1}:<digest>"),
        (regex(r"\b127\.0\.0\.1:\d+"), "<host>"),
        (regex(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uid>"),
    ]
});

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the expression is well-formed")
}

impl<'a> Words<'a> {
    pub(crate) fn new(house: &'a House, id: String, cuts: &[&str]) -> Result<Words<'a>> {
        let cuts = cuts.iter().map(|text| cut(text)).collect::<Result<_>>()?;
        Ok(Words {
            house,
            id,
            repos: BTreeMap::new(),
            names: [String::new()].into(),
            storage: BTreeSet::new(),
            cuts,
        })
    }

    fn base(&self, middle: &str) -> &str {
        match middle {
            "AUTH_" => &self.house.git.auth,
            "TLS_" => &self.house.git.tls,
            _ => &self.house.git.plain,
        }
    }

    /// The file name of a repository, without `.git`.
    pub(crate) fn repository(&self, name: &str) -> String {
        if name.is_empty() { self.id.clone() } else { format!("{}-{name}", self.id) }
    }

    fn url(&self, name: &str, middle: &str) -> String {
        format!("{}/{}.git", self.base(middle), self.repository(name))
    }

    /// Puts names, addresses and commits in.
    pub(crate) fn fill(&mut self, text: &str) -> Result<String> {
        let mut text = text.to_owned();
        let plain =
            |part: Option<regex::Match<'_>>| part.map_or("", |m| m.as_str()).trim_matches('_').to_lowercase();
        for found in URLS.captures_iter(&text.clone()) {
            let name = plain(found.get(2));
            self.names.insert(name.clone());
            let url = self.url(&name, found.get(1).map_or("", |m| m.as_str()));
            text = text.replace(&found[0], &url);
        }
        for found in COMMITS.captures_iter(&text.clone()) {
            let repo = self.repos.get(&plain(found.get(1))).context("the repository is not there yet")?;
            let commit = repo.commits.get(&found[2].parse()?).context("the commit is not there yet")?;
            text = text.replace(&found[0], commit);
        }
        Ok(text.replace("${KUBECONFIG_JSON}", &self.house.kubeconfig).replace("${NS}", &self.id))
    }

    /// Takes everything out that differs from run to run.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for repo in self.repos.values() {
            for (number, commit) in &repo.commits {
                text = text.replace(commit, &format!("<{}commit-{number}>", repo.label));
            }
        }
        let mut names: Vec<&String> = self.names.iter().collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in names {
            for (middle, tag) in BASES {
                let shown = if name.is_empty() { format!("<{tag}>") } else { format!("<{tag}-{name}>") };
                text = text.replace(&self.url(name, middle), &shown);
            }
        }
        for address in &self.storage {
            text = text.replace(address, "<storage>");
        }
        text = text.replace(&self.id, "<ns>");
        text = DURATIONS
            .replace_all(&text, |found: &Captures<'_>| format!("{} <duration>", &found[1]))
            .into_owned();
        for (pattern, with) in NOISE.iter() {
            text = pattern.replace_all(&text, *with).into_owned();
        }
        for (pattern, with) in &self.cuts {
            text = pattern.replace(&text, *with).into_owned();
        }
        text
    }

    /// [`Words::clean`] over every text of a value.
    pub(crate) fn clean_tree(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.clean(text).into(),
            Value::Array(items) => items.iter().map(|item| self.clean_tree(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, inner)| (self.clean(key), self.clean_tree(inner))).collect()
            }
            other => other.clone(),
        }
    }
}

/// An expression with a look behind and perhaps one ahead, as groups that are kept.
fn cut(text: &str) -> Result<(Regex, &'static str)> {
    let Some(rest) = text.strip_prefix("(?<=") else {
        return Ok((Regex::new(&format!("(?s){text}"))?, "<...>"));
    };
    // The groups are balanced, so the look behind ends where its depth does.
    let mut depth = 1;
    let mut escaped = false;
    let end = rest
        .find(|letter: char| {
            match letter {
                '(' if !escaped => depth += 1,
                ')' if !escaped => depth -= 1,
                _ => {}
            }
            escaped = letter == '\\' && !escaped;
            depth == 0
        })
        .context("a look behind has an end")?;
    let (behind, body) = (&rest[..end], &rest[end + 1..]);
    match body.strip_suffix(')').and_then(|body| body.split_once("(?=")) {
        Some((body, ahead)) => {
            Ok((Regex::new(&format!("(?s)({behind})(?:{body})({ahead})"))?, "${1}<...>${2}"))
        }
        None => Ok((Regex::new(&format!("(?s)({behind})(?:{body})"))?, "${1}<...>")),
    }
}

//! Health: one word, or a line for each check.

use crate::http::{Answer, Request};

/// Answers `/healthz`, `/livez`, `/readyz` and the paths below them.
pub(super) fn answer(request: &Request, path: &str) -> Option<Answer> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let probe = parts.next().filter(|probe| ["healthz", "livez", "readyz"].contains(probe))?;
    if let Some(one) = parts.next() {
        let known = checks(probe).any(|check| check == one);
        return Some(if known { Answer::text(200, "ok") } else { Answer::no_page() });
    }
    let query = &request.query;
    if query.get("verbose").is_none() {
        return Some(Answer::text(200, "ok"));
    }
    let excluded = query.all("exclude");
    let mut text = String::new();
    for check in checks(probe) {
        let word = if excluded.contains(&check) { "excluded: ok" } else { "ok" };
        text.push_str(&format!("[+]{check} {word}\n"));
    }
    let unknown: Vec<String> = excluded
        .iter()
        .filter(|name| !checks(probe).any(|check| check == **name))
        .map(|name| format!("\"{name}\""))
        .collect();
    if !unknown.is_empty() {
        text.push_str(&format!(
            "warn: some health checks cannot be excluded: no matches for {}\n",
            unknown.join(",")
        ));
    }
    text.push_str(&format!("{probe} check passed\n"));
    Some(Answer::text(200, &text))
}

/// What a server that answers at all has passed: it starts only on a state that it can read.
fn checks(probe: &str) -> impl Iterator<Item = &'static str> {
    let more: &[&str] = if probe == "readyz" { &["etcd-readiness", "informer-sync"] } else { &[] };
    ["ping", "log", "etcd"].into_iter().chain(more.iter().copied())
}

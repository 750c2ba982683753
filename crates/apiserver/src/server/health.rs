//! Health: one word, or a line for each check.

use crate::app::App;
use crate::http::{Answer, Request};

/// Answers `/healthz`, `/livez`, `/readyz` and the paths below them.
pub(super) fn answer(app: &App, request: &Request, path: &str) -> Option<Answer> {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let probe = parts.next().filter(|probe| ["healthz", "livez", "readyz"].contains(probe))?;
    if let Some(one) = parts.next() {
        let known = checks(probe).any(|check| check == one);
        return Some(match known {
            true if passes(app, one) => Answer::text(200, "ok"),
            true => Answer::text(500, "internal server error: the state cannot be written\n"),
            false => Answer::no_page(),
        });
    }
    let query = &request.query;
    let excluded = query.all("exclude");
    let (mut text, mut healthy) = (String::new(), true);
    for check in checks(probe) {
        let line = match (excluded.contains(&check), passes(app, check)) {
            (true, _) => format!("[+]{check} excluded: ok\n"),
            (false, true) => format!("[+]{check} ok\n"),
            (false, false) => format!("[-]{check} failed: reason withheld\n"),
        };
        healthy &= line.starts_with("[+]");
        text.push_str(&line);
    }
    if healthy && query.get("verbose").is_none() {
        return Some(Answer::text(200, "ok"));
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
    text.push_str(&format!("{probe} check {}\n", if healthy { "passed" } else { "failed" }));
    Some(Answer::text(if healthy { 200 } else { 500 }, &text))
}

/// The disk may refuse what is written; the others a server has passed that answers at all.
fn passes(app: &App, check: &str) -> bool {
    !check.starts_with("etcd") || app.store.takes_writes()
}

fn checks(probe: &str) -> impl Iterator<Item = &'static str> {
    let more: &[&str] = if probe == "readyz" { &["etcd-readiness", "informer-sync"] } else { &[] };
    ["ping", "log", "etcd"].into_iter().chain(more.iter().copied())
}

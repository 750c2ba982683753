//! `flux logs`: what the controllers in the cluster say, a line each.
//!
//! Differs: `--follow` goes on until the person ends it.

use std::process::ExitCode;

use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::{Call, encode};
use sealfast_k8s::object;
use serde::Deserialize;
use serde_json::Value;

use super::args::{self, Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, told, wants_help};
use crate::output;
use lines::{LONGEST_LINE, Line, Lines};

mod lines;
mod pods;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("level", Kind::Checked(level)),
    Flag::long("kind", Kind::Text),
    Flag::long("name", Kind::Text),
    Flag::short("follow", 'f', Kind::Switch),
    Flag::long("tail", Kind::Checked(args::whole)),
    Flag::long("flux-namespace", Kind::Text),
    Flag::short("all-namespaces", 'A', Kind::Switch),
    Flag::long("since", Kind::Duration),
    Flag::long("since-time", Kind::Text),
];

pub(super) const HELP: &str = "\
Show what the controllers of Flux say about objects.

Usage:
  flux logs [flags]

Flags:
      --level LEVEL            debug, info or error
      --kind KIND              about objects of this kind
      --name NAME              about objects of this name
  -A, --all-namespaces         about objects of every namespace
      --flux-namespace NAME    where the controllers run (default flux-system)
      --since DURATION         not older than this, as 5s, 2m or 3h
      --since-time TIME        not older than this time (RFC 3339)
      --tail LINES             only the last lines of each controller
  -f, --follow                 go on until Ctrl-C

Examples:
  flux logs --all-namespaces --level=error --since=10m
  flux logs --kind=Kustomization --name=my-app --namespace=default --follow
";

fn level(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 3] = ["debug", "info", "error"];
    if text.trim().is_empty() {
        return Err(format!("no log level given, must be one of: {}", LEVELS.join(", ")));
    }
    if LEVELS.contains(&text) {
        return Ok(());
    }
    Err(format!("unsupported log level '{text}', must be one of: {}", LEVELS.join(", ")))
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if !args.names.is_empty() {
        return Err("no argument required".into());
    }
    let namespace = checked_namespace(args)?;
    let filter = Filter {
        level: args.filled("level"),
        kind: args.filled("kind"),
        name: args.filled("name"),
        namespace: (!args.is_on("all-namespaces")).then_some(namespace.as_str()),
    };
    let since = since(args)?;
    let read = |client: Client| async move { all(&client, args, &since, &filter).await };
    match args.is_on("follow") {
        true => connect::without_limit(args, |client| async {
            tokio::select! {
                ended = read(client) => ended,
                () = output::unread() => Ok(ExitCode::SUCCESS),
            }
        }),
        false => connect::with_client(args, read),
    }
}

/// Prints what every pod says: all at once when they are followed, else one behind the other.
async fn all(client: &Client, args: &Args, since: &Since, filter: &Filter<'_>) -> Result<ExitCode, Failed> {
    let place = args.text("flux-namespace").unwrap_or("flux-system");
    let pods = pods::of_flux(client, place).await?;
    let read = |pod: &Value| one(client, call(args, place, pod, since), filter);
    let ends = match args.is_on("follow") {
        true => try_join_all(pods.iter().map(&read)).await,
        false => stream::iter(&pods).then(&read).try_collect().await,
    };
    let failures: Vec<String> = match ends {
        Ok(ends) => ends.into_iter().flatten().collect(),
        Err(code) => return Ok(code),
    };
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    failures.iter().for_each(|why| output::talk(&format!("failed getting logs: {why}")));
    Err("failed to collect logs from all Flux pods".into())
}

/// A parameter that bounds the age of lines, and its value.
type Since = Option<(&'static str, String)>;

/// The parameter that bounds the age of lines, and its value.
fn since(args: &Args) -> Result<Since, Failed> {
    let span = args.span("since").filter(|span| !span.1.is_zero());
    match (args.filled("since-time"), span) {
        (Some(_), Some(_)) => Err("at most one of `sinceTime` or `sinceDuration` may be specified".into()),
        (Some(text), None) => {
            let time: Timestamp =
                text.parse().map_err(|_| format!("{text} is not a valid (RFC3339) time"))?;
            Ok(Some(("sinceTime", time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())))
        }
        (None, Some((is_negative, span))) => {
            let seconds = (span.as_secs_f64().round() as i64) * if is_negative { -1 } else { 1 };
            Ok(Some(("sinceSeconds", seconds.to_string())))
        }
        (None, None) => Ok(None),
    }
}

fn call(args: &Args, namespace: &str, pod: &Value, since: &Since) -> Call {
    let path = format!("/api/v1/namespaces/{}/pods/{}/log", encode(namespace), encode(object::name(pod)));
    let mut call = Call::new(http::Method::GET, path);
    if pod["spec"]["containers"].as_array().is_some_and(|containers| containers.len() > 1) {
        call.query("container", "manager");
    }
    if args.is_on("follow") {
        call.query("follow", "true");
    }
    if let Some((parameter, value)) = since {
        call.query(parameter, value);
    }
    if let Some(lines) = args.text("tail").filter(|lines| !lines.starts_with('-')) {
        call.query("tailLines", lines);
    }
    call
}

/// Prints what one pod says; returns why not all of it, or the code to end with when nobody reads on.
async fn one(client: &Client, call: Call, filter: &Filter<'_>) -> Result<Option<String>, ExitCode> {
    let mut lines = match client.lines(call).await {
        Ok(lines) => Lines::new(lines),
        Err(error) => return Ok(Some(error.chain())),
    };
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(told(&error))),
        };
        match line {
            Line::TooLong => output::talk(&format!("✗ left out a line of more than {LONGEST_LINE} bytes")),
            Line::Whole(line) if line.starts_with(b"{") => match serde_json::from_slice::<Entry>(&line) {
                Ok(entry) if filter.keeps(&entry) => output::part(entry.line().as_bytes())?,
                Ok(_) => {}
                Err(error) => output::talk(&format!("✗ parse error: {error}")),
            },
            Line::Whole(_) => {}
        }
    }
}

/// What the flags ask for.
struct Filter<'a> {
    level: Option<&'a str>,
    kind: Option<&'a str>,
    name: Option<&'a str>,
    /// None for all.
    namespace: Option<&'a str>,
}

impl Filter<'_> {
    fn keeps(&self, entry: &Entry) -> bool {
        let same = |wanted: Option<&str>, found: &[&str]| {
            wanted.is_none_or(|wanted| found.iter().any(|found| found.eq_ignore_ascii_case(wanted)))
        };
        self.level.is_none_or(|level| level == entry.level)
            && same(self.kind, &[&entry.kind, &entry.controller_kind])
            && same(self.name, &[&entry.name])
            && same(self.namespace, &[&entry.namespace])
    }
}

/// One line of a controller; what is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    ts: String,
    level: String,
    msg: String,
    error: String,
    #[serde(rename = "reconciler kind")]
    kind: String,
    #[serde(rename = "controllerKind")]
    controller_kind: String,
    name: String,
    namespace: String,
}

impl Entry {
    fn line(&self) -> String {
        let kind = if self.kind.is_empty() { &self.controller_kind } else { &self.kind };
        let place = match self.name.as_str() {
            "" => String::new(),
            name => format!("/{name}.{}", self.namespace),
        };
        format!("{} {} {kind}{place} - {} {}\n", self.ts, self.level, self.msg, self.error)
    }
}

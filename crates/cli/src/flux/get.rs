//! `flux get sources git` and `flux get kustomizations`: tables of what there is.

use std::process::ExitCode;

use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, wait, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::short("all-namespaces", 'A', Kind::Switch),
    Flag::long("no-header", Kind::Switch),
    Flag::long("status-selector", Kind::Text),
    Flag::short("label-selector", 'l', Kind::Text),
    Flag::long("show-source", Kind::Switch),
];

pub(super) const HELP: &str = "\
List objects with revision and readiness.

Usage:
  flux get sources git [NAME] [flags]
  flux get kustomizations [NAME] [flags]

Flags:
  -A, --all-namespaces           every namespace
      --no-header                rows only
      --status-selector T=S      rows whose condition T has (or, with !=, has not) the status S
  -l, --label-selector SELECTOR
      --show-source              the source of each Kustomization
";

/// Runs the command for one kind.
pub(super) fn run(kind: &str, args: &Args, words: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(words) {
        return Ok(help(HELP));
    }
    let (group, kind) = match kind {
        "git" => ("source.toolkit.fluxcd.io", "GitRepository"),
        "oci" => ("source.toolkit.fluxcd.io", "OCIRepository"),
        "bucket" => ("source.toolkit.fluxcd.io", "Bucket"),
        "kustomizations" | "kustomization" | "ks" => ("kustomize.toolkit.fluxcd.io", "Kustomization"),
        other => return Err(format!("unknown command {other:?} for \"flux get\"").into()),
    };
    let gvk = GroupVersionKind::new(group, "v1", kind);
    let namespace = checked_namespace(args)?;
    let rows =
        connect::with_client(args, |client| async move { gather(&client, &gvk, &namespace, args).await })?;
    Ok(output::data(rows.as_bytes()))
}

async fn gather(
    client: &Client,
    gvk: &GroupVersionKind,
    namespace: &str,
    args: &Args,
) -> Result<String, Failed> {
    let all = args.is_on("all-namespaces");
    let namespace = if all { "" } else { namespace };

    let place = if all { "any namespace".to_owned() } else { format!("{namespace:?} namespace") };
    let select =
        Select { labels: args.text("label-selector").unwrap_or_default().to_owned(), ..Select::default() };
    let listed = client.list(gvk, namespace, &select).await.map_err(|error| Failed::from_error(&error))?;
    let mut objects = listed.items;
    if let Some(name) = args.names.first() {
        objects.retain(|object| object::name(object) == name);
        if objects.is_empty() {
            return Err(format!("{} object '{name}' not found in {place}", gvk.kind).into());
        }
    }
    if objects.is_empty() {
        let place = if all { "\"any\" namespace".to_owned() } else { place };
        return Err(format!("no {} objects found in {place}", gvk.kind).into());
    }
    if let Some(selector) = args.filled("status-selector") {
        let selector = StatusSelector::parse(selector)?;
        objects.retain(|object| selector.fits(object));
    }
    objects.sort_by(|left, right| {
        (object::namespace(left), object::name(left)).cmp(&(object::namespace(right), object::name(right)))
    });
    Ok(table(args, gvk, all, &objects))
}

/// `type=status` or `type!=status`, without case.
struct StatusSelector {
    kind: String,
    status: String,
    equal: bool,
}

impl StatusSelector {
    fn parse(text: &str) -> Result<Self, Failed> {
        let parts = text
            .split_once("!=")
            .map(|parts| (parts, false))
            .or_else(|| text.split_once('=').map(|parts| (parts, true)));
        let Some(((kind, status), equal)) = parts else {
            return Err(format!(
                "expected status selector in type=status or type!=status format, but found: {text}"
            )
            .into());
        };
        Ok(Self { kind: kind.to_lowercase(), status: status.to_lowercase(), equal })
    }

    fn fits(&self, object: &Value) -> bool {
        let conditions = object["status"]["conditions"].as_array();
        let found = conditions
            .into_iter()
            .flatten()
            .find(|condition| text(&condition["type"]).to_lowercase() == self.kind);
        let same = found.is_some_and(|condition| text(&condition["status"]).to_lowercase() == self.status);
        found.is_some() && same == self.equal
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn table(args: &Args, gvk: &GroupVersionKind, all: bool, objects: &[Value]) -> String {
    let show_source = args.is_on("show-source") && gvk.kind == "Kustomization";
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !args.is_on("no-header") {
        let mut header = vec!["NAME", "REVISION", "SUSPENDED", "READY", "MESSAGE"];
        if show_source {
            header.insert(1, "SOURCE");
        }
        if all {
            header.insert(0, "NAMESPACE");
        }
        rows.push(header.into_iter().map(str::to_owned).collect());
    }
    for object in objects {
        let (ready, message) = match wait::condition(object, "Ready") {
            Some(ready) => (text(&ready["status"]), text(&ready["message"])),
            None => ("False", "waiting to be reconciled"),
        };
        let status = &object["status"];
        let revision = if gvk.kind == "Kustomization" {
            &status["lastAppliedRevision"]
        } else {
            &status["artifact"]["revision"]
        };
        let suspended = if object["spec"]["suspend"] == true { "True" } else { "False" };
        let mut row = vec![
            object::name(object).to_owned(),
            shortened(text(revision)),
            suspended.to_owned(),
            ready.to_owned(),
            shortened(message),
        ];
        if show_source {
            let reference = &object["spec"]["sourceRef"];
            let namespace = reference["namespace"].as_str().unwrap_or(object::namespace(object));
            row.insert(1, format!("{}/{namespace}/{}", text(&reference["kind"]), text(&reference["name"])));
        }
        if all {
            row.insert(0, object::namespace(object).to_owned());
        }
        rows.push(row);
    }
    padded(&rows)
}

/// Each cell padded to its column, with a tab behind it.
fn padded(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let blanks = width(column).unwrap_or_default().saturating_sub(cell.chars().count());
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', blanks));
            out.push('\t');
        }
        out.push('\n');
    }
    out
}

/// Cuts every hash (a word of 40 to 128 hexadecimal digits) to its first 8 digits.
fn shortened(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let flush = |word: &mut String, out: &mut String| {
        let hexadecimal = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let kept = if hexadecimal && (40..=128).contains(&word.len()) { &word[..8] } else { word.as_str() };
        out.push_str(kept);
        word.clear();
    };
    for letter in text.chars() {
        if is_word(letter) {
            word.push(letter);
        } else {
            flush(&mut word, &mut out);
            out.push(letter);
        }
    }
    flush(&mut word, &mut out);
    out
}

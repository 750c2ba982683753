//! `flux get`: tables of sources and Kustomizations.

use std::process::ExitCode;

use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::{Failed, checked_namespace, connect, help, table, wait, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::short("all-namespaces", 'A', Kind::Switch),
    Flag::short("watch", 'w', Kind::Switch),
    Flag::long("no-header", Kind::Switch),
    Flag::long("status-selector", Kind::Text),
    Flag::short("label-selector", 'l', Kind::Text),
    Flag::long("show-source", Kind::Switch),
];

pub(super) const HELP: &str = "\
List objects with revision and readiness.

Usage:
  flux get sources git|oci|bucket|helm|chart|external|all [NAME] [flags]
  flux get kustomizations [NAME] [flags]
  flux get all [flags]

Flags:
  -A, --all-namespaces           every namespace
  -w, --watch                    a row for every change, until Ctrl-C
      --no-header                rows only
      --status-selector T=S      rows whose condition T has (or, with !=, has not) the status S
  -l, --label-selector SELECTOR
      --show-source              the source of each Kustomization

Examples:
  flux get kustomizations --watch
  flux get sources git -A --status-selector ready=false
";

/// Runs the command for one kind, or for `all` of them.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let kinds = kinds(words)?;
    let single = matches!(kinds, Kinds::One(_));
    if args.is_on("watch") && !single {
        return Err("expected a single resource type, but found all".into());
    }
    let asked = Asked {
        namespace: if args.is_on("all-namespaces") { String::new() } else { checked_namespace(args)? },
        name: args.names.first().cloned(),
        labels: args.text("label-selector").unwrap_or_default().to_owned(),
        status: args.filled("status-selector").map(StatusSelector::parse).transpose()?,
        header: !args.is_on("no-header"),
        show_source: args.is_on("show-source"),
    };
    match kinds {
        Kinds::One(kind) if args.is_on("watch") => {
            connect::without_limit(args, |client| async move { Ok(watch(client, kind.gvk(), asked).await) })
        }
        Kinds::One(kind) => {
            let rows =
                connect::with_client(args, |client| async move { one(&client, &kind.gvk(), &asked).await })?;
            Ok(output::data(rows.as_bytes()))
        }
        Kinds::All(kinds) => {
            let rows = connect::with_client(args, |client| async move { all(&client, kinds, &asked).await })?;
            Ok(output::data(rows.as_bytes()))
        }
    }
}

/// A kind, and the words for it.
type Shown = (&'static [&'static str], Known);

/// In the order of `get sources all`.
const SOURCES: [Shown; 6] = [
    (&["oci"], known::OCI),
    (&["bucket"], known::BUCKET),
    (&["git"], known::GIT),
    (&["helm"], known::HELM),
    (&["chart"], known::CHART),
    (&["external"], known::EXTERNAL),
];

const APPLIED: [Shown; 2] = [
    (&["helmreleases", "helmrelease", "hr"], known::HELM_RELEASE),
    (&["kustomizations", "kustomization", "ks"], known::KUSTOMIZATION),
];

enum Kinds {
    One(Known),
    All(Vec<Known>),
}

fn kinds(words: &[&str]) -> Result<Kinds, Failed> {
    let find = |shown: &[Shown], word: &str| {
        shown.iter().find(|(words, _)| words.contains(&word)).map(|(_, known)| Kinds::One(*known))
    };
    let all = |shown: &[Shown]| shown.iter().map(|(_, known)| *known).collect::<Vec<_>>();
    let unknown = |word: &str| Failed::from(format!("unknown command {word:?} for \"flux get\""));
    match words {
        ["sources" | "source", "all"] => Ok(Kinds::All(all(&SOURCES))),
        ["sources" | "source", word] => find(&SOURCES, word).ok_or_else(|| unknown(word)),
        ["all"] => Ok(Kinds::All([all(&SOURCES), all(&APPLIED)].concat())),
        [word, ..] => find(&APPLIED, word).ok_or_else(|| unknown(word)),
        [] => Err(unknown("")),
    }
}

/// What the flags ask for.
struct Asked {
    /// Empty for all.
    namespace: String,
    name: Option<String>,
    labels: String,
    status: Option<StatusSelector>,
    header: bool,
    show_source: bool,
}

impl Asked {
    fn select(&self) -> Select {
        Select { labels: self.labels.clone(), ..Select::default() }
    }

    fn keeps(&self, object: &Value) -> bool {
        self.name.as_deref().is_none_or(|name| object::name(object) == name)
            && self.status.as_ref().is_none_or(|status| status.fits(object))
    }
}

async fn one(client: &Client, gvk: &GroupVersionKind, asked: &Asked) -> Result<String, Failed> {
    let listed = client.list(gvk, &asked.namespace, &asked.select()).await;
    let mut objects = listed?.items;
    let place = match asked.namespace.as_str() {
        "" => "any namespace".to_owned(),
        namespace => format!("{namespace:?} namespace"),
    };
    if let Some(name) = &asked.name {
        objects.retain(|object| object::name(object) == name);
        if objects.is_empty() {
            return Err(format!("{} object '{name}' not found in {place}", gvk.kind).into());
        }
    }
    if objects.is_empty() {
        return Err(format!("no {} objects found in {place}", gvk.kind).into());
    }
    Ok(table(asked, gvk, "", objects))
}

/// Every kind that is served and of which there is something.
async fn all(client: &Client, kinds: Vec<Known>, asked: &Asked) -> Result<String, Failed> {
    let mut tables = String::new();
    for kind in kinds {
        let gvk = kind.gvk();
        let objects = match client.list(&gvk, &asked.namespace, &asked.select()).await {
            Ok(listed) => listed.items,
            Err(error) if error.is_not_found() || error.is_no_match() => continue,
            Err(error) => return Err(error.into()),
        };
        if objects.iter().any(|object| asked.keeps(object)) {
            let prefix = format!("{}/", kind.kind.to_lowercase());
            tables.push_str(&table(asked, &gvk, &prefix, objects));
            tables.push('\n');
        }
    }
    Ok(tables)
}

/// Prints a row for every change until the person ends it, or nobody reads on.
async fn watch(client: Client, gvk: GroupVersionKind, mut asked: Asked) -> ExitCode {
    let mut watch = client.watch(&gvk, &asked.namespace, asked.select());
    loop {
        let objects = match watch.next().await {
            Event::Listed(objects) => objects,
            Event::Applied(object) => vec![object],
            Event::Deleted(_) => continue,
        };
        if objects.iter().any(|object| asked.keeps(object)) {
            if let Err(code) = output::part(table(&asked, &gvk, "", objects).as_bytes()) {
                return code;
            }
            asked.header = false;
        }
    }
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
        same == self.equal
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn table(asked: &Asked, gvk: &GroupVersionKind, prefix: &str, mut objects: Vec<Value>) -> String {
    objects.retain(|object| asked.keeps(object));
    objects.sort_by(|left, right| {
        (object::namespace(left), object::name(left)).cmp(&(object::namespace(right), object::name(right)))
    });
    let show_source = asked.show_source && gvk.kind == "Kustomization";
    let all = asked.namespace.is_empty();
    let mut header: Vec<String> = Vec::new();
    if asked.header {
        let columns = ["NAMESPACE", "NAME", "SOURCE", "REVISION", "SUSPENDED", "READY", "MESSAGE"];
        let shown = |column: &&str| (all || *column != "NAMESPACE") && (show_source || *column != "SOURCE");
        header = columns.into_iter().filter(shown).map(str::to_owned).collect();
    }
    let rows = objects.iter().map(|object| {
        let mut row = row(gvk, prefix, object);
        if show_source {
            let reference = &object["spec"]["sourceRef"];
            let namespace = reference["namespace"].as_str().unwrap_or(object::namespace(object));
            row.insert(1, format!("{}/{namespace}/{}", text(&reference["kind"]), text(&reference["name"])));
        }
        if all {
            row.insert(0, object::namespace(object).to_owned());
        }
        row
    });
    table::padded(&header, &rows.collect::<Vec<_>>())
}

fn row(gvk: &GroupVersionKind, prefix: &str, object: &Value) -> Vec<String> {
    let (ready, message) = match wait::condition(object, "Ready") {
        Some(ready) => (text(&ready["status"]), text(&ready["message"])),
        None => ("False", "waiting to be reconciled"),
    };
    let status = &object["status"];
    let revision = match gvk.kind.as_str() {
        "Kustomization" | "HelmRelease" => &status["lastAppliedRevision"],
        _ => &status["artifact"]["revision"],
    };
    let suspended = if object["spec"]["suspend"] == true { "True" } else { "False" };
    vec![
        format!("{prefix}{}", object::name(object)),
        shortened(text(revision)),
        suspended.to_owned(),
        ready.to_owned(),
        shortened(message),
    ]
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

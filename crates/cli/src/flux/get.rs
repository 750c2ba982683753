//! `flux get`: tables of sources and Kustomizations.

use std::process::ExitCode;

use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Select};
use sealfast_cluster::error::Error;
use sealfast_k8s::object;
use sealfast_kustomize::select;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::{Failed, checked_namespace, connect, help, table, told, wants_help};
use crate::output;
use columns::text;

mod columns;

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
  flux get kustomizations|helmreleases|receivers|alerts|alert-providers [NAME] [flags]
  flux get images repository|policy|update|all [NAME] [flags]
  flux get artifacts generators [NAME] [flags]
  flux get all [flags]

Flags:
  -A, --all-namespaces           every namespace
  -w, --watch                    a row for every change, until Ctrl-C
      --no-header                rows only
      --status-selector T=S      rows whose condition T has (or, with !=, has not) the status S
  -l, --label-selector SELECTOR
      --show-source              the source of each Kustomization or Helm release

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
    if let Kinds::One(kind) = kinds
        && args.text("show-source").is_some()
        && !has_source(kind)
    {
        return Err("unknown flag: --show-source".into());
    }
    let labels = args.text("label-selector").unwrap_or_default();
    select::check_labels(labels).map_err(|why| {
        format!("unable to parse label selector: couldn't parse the selector string {labels:?}: {why}")
    })?;
    let asked = Asked {
        namespace: if args.is_on("all-namespaces") { String::new() } else { checked_namespace(args)? },
        name: args.names.first().cloned(),
        labels: labels.to_owned(),
        status: args.filled("status-selector").map(StatusSelector::parse).transpose()?,
        header: !args.is_on("no-header"),
        show_source: args.is_on("show-source"),
    };
    match kinds {
        Kinds::One(kind) if args.is_on("watch") => {
            connect::without_limit(args, |client| async move { Ok(watch(client, kind, asked).await) })
        }
        Kinds::One(kind) => {
            let rows = connect::with_client(args, |client| async move { one(&client, kind, &asked).await })?;
            Ok(output::data(rows.as_bytes()))
        }
        Kinds::All(kinds) => {
            connect::with_client(args, |client| async move { all(&client, kinds, &asked).await })
        }
    }
}

enum Kinds {
    One(Known),
    All(Vec<Known>),
}

/// In the order of `get sources all`.
const SOURCES: [Known; 6] =
    [known::OCI, known::BUCKET, known::GIT, known::HELM, known::CHART, known::EXTERNAL];

const IMAGES: [Known; 3] = [known::IMAGE_REPOSITORY, known::IMAGE_POLICY, known::IMAGE_UPDATE];

const OTHERS: [Known; 5] =
    [known::HELM_RELEASE, known::KUSTOMIZATION, known::RECEIVER, known::PROVIDER, known::ALERT];

fn kinds(words: &[&str]) -> Result<Kinds, Failed> {
    Ok(match words {
        ["all"] => Kinds::All([SOURCES.as_slice(), &IMAGES, &OTHERS].concat()),
        [group, "all"] if known::group(group) == Some("source") => Kinds::All(SOURCES.to_vec()),
        [group, "all"] if known::group(group) == Some("image") => Kinds::All(IMAGES.to_vec()),
        words => Kinds::One(known::find("get", words)?),
    })
}

fn has_source(known: Known) -> bool {
    matches!(known.kind, "Kustomization" | "HelmRelease")
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

    fn keeps(&self, known: Known, object: &Value) -> bool {
        self.name.as_deref().is_none_or(|name| object::name(object) == name)
            && self.status.as_ref().is_none_or(|status| status.fits(known, object))
    }

    /// What is said when there is nothing.
    fn missing(&self, known: Known) -> Failed {
        let place = match self.namespace.as_str() {
            "" => "any namespace".to_owned(),
            namespace => format!("{namespace:?} namespace"),
        };
        match &self.name {
            Some(name) => format!("{} object '{name}' not found in {place}", known.kind).into(),
            None => format!("no {} objects found in {place}", known.kind).into(),
        }
    }

    /// Lists a kind, or the one object of it.
    async fn objects(&self, client: &Client, known: Known) -> Result<Vec<Value>, Error> {
        let mut objects = client.list(&known.gvk(), &self.namespace, &self.select()).await?.items;
        if let Some(name) = &self.name {
            objects.retain(|object| object::name(object) == name);
        }
        Ok(objects)
    }
}

async fn one(client: &Client, known: Known, asked: &Asked) -> Result<String, Failed> {
    let objects = asked.objects(client, known).await?;
    if objects.is_empty() {
        return Err(asked.missing(known));
    }
    Ok(table(asked, known, "", objects))
}

/// Every kind that is served and of which there is something. A kind that cannot be read fails the command, a name that
/// one does not have does not.
async fn all(client: &Client, kinds: Vec<Known>, asked: &Asked) -> Result<ExitCode, Failed> {
    let mut code = ExitCode::SUCCESS;
    for kind in kinds {
        let objects = match asked.objects(client, kind).await {
            Ok(objects) => objects,
            Err(error) if error.is_not_found() || error.is_no_match() => continue,
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => {
                output::talk(&format!("✗ {}", told(&error)));
                code = ExitCode::FAILURE;
                continue;
            }
        };
        if objects.is_empty() && asked.name.is_some() {
            output::talk(&format!("✗ {}", asked.missing(kind).0));
        }
        if objects.iter().any(|object| asked.keeps(kind, object)) {
            let prefix = format!("{}/", kind.kind.to_lowercase());
            let rows = format!("{}\n", table(asked, kind, &prefix, objects));
            if let Err(ended) = output::part(rows.as_bytes()) {
                return Ok(ended);
            }
        }
    }
    Ok(code)
}

/// Prints a row for every change until the person ends it, or nobody reads on.
async fn watch(client: Client, known: Known, mut asked: Asked) -> ExitCode {
    let mut watch = client.watch(&known.gvk(), &asked.namespace, asked.select());
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            () = output::unread() => return ExitCode::SUCCESS,
        };
        let objects = match event {
            Event::Listed(objects) => objects,
            Event::Applied(object) => vec![object],
            Event::Deleted(_) => continue,
        };
        if objects.iter().any(|object| asked.keeps(known, object)) {
            if let Err(code) = output::part(table(&asked, known, "", objects).as_bytes()) {
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

    fn fits(&self, known: Known, object: &Value) -> bool {
        // What no controller works on has no conditions, and is ready.
        let same = if matches!(known.kind, "Alert" | "Provider") {
            self.kind == "ready" && self.status == "true"
        } else {
            let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
            let found = conditions.find(|condition| text(&condition["type"]).to_lowercase() == self.kind);
            found.is_some_and(|condition| text(&condition["status"]).to_lowercase() == self.status)
        };
        same == self.equal
    }
}

fn table(asked: &Asked, known: Known, prefix: &str, mut objects: Vec<Value>) -> String {
    objects.retain(|object| asked.keeps(known, object));
    objects.sort_by(|left, right| {
        (object::namespace(left), object::name(left)).cmp(&(object::namespace(right), object::name(right)))
    });
    let show_source = asked.show_source && has_source(known);
    let all = asked.namespace.is_empty();
    let columns = columns::of(known.kind);
    let mut header = Vec::new();
    if asked.header {
        let first = [("NAMESPACE", all), ("NAME", true), ("SOURCE", show_source)];
        let first = first.into_iter().filter_map(|(column, is_shown)| is_shown.then_some(column));
        header = first.chain(columns.iter().copied()).map(str::to_owned).collect();
    }
    let rows = objects.iter().map(|object| {
        let mut row = vec![format!("{prefix}{}", object::name(object))];
        if show_source {
            row.push(columns::source(known.kind, object));
        }
        row.extend(columns.iter().map(|column| columns::cell(column, known.kind, object)));
        if all {
            row.insert(0, object::namespace(object).to_owned());
        }
        row
    });
    table::padded(&header, &rows.collect::<Vec<_>>())
}

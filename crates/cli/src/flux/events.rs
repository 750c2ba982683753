//! `flux events`: what Kubernetes remembers about objects of Flux.
//!
//! Differs: `--watch` goes on until the person ends it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use futures::future::join_all;
use jiff::Timestamp;
use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, table, wants_help};
use crate::output;

mod age;
mod subject;

pub(super) const FLAGS: &[Flag] = &[
    Flag::short("all-namespaces", 'A', Kind::Switch),
    Flag::short("watch", 'w', Kind::Switch),
    Flag::long("for", Kind::Text),
    Flag::long("types", Kind::List),
];

pub(super) const HELP: &str = "\
Show the events of objects of Flux, the oldest first.

Usage:
  flux events [--for KIND[/NAME]] [--types Normal,Warning] [flags]

Flags:
  -A, --all-namespaces    every namespace
      --for KIND[/NAME]   only of this kind or object; for an object also the events of its source
      --types TYPE        Normal or Warning
  -w, --watch             a row for every new event, until Ctrl-C

Examples:
  flux events --for Kustomization/my-app
  flux events -A --types Warning
";

/// Runs the command.
pub(super) fn run(args: &Args, rest: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(rest) {
        return Ok(help(HELP));
    }
    let types = args.list("types");
    let known = |kind: &&String| ["normal", "warning"].contains(&kind.to_lowercase().as_str());
    if let Some(kind) = types.iter().find(|kind| !known(kind)) {
        return Err(format!("type '{kind}' not supported. Supported types are Normal, Warning").into());
    }
    let own = checked_namespace(args)?;
    let namespace = if args.is_on("all-namespaces") { String::new() } else { own.clone() };
    if args.is_on("watch") {
        return connect::without_limit(args, |client| async move {
            Asked::of(client, args, &own, &namespace).await?.watch().await;
            Ok(ExitCode::SUCCESS)
        });
    }
    let (place, everywhere) = (&own, &namespace);
    let rows = connect::with_client(args, |client| async move {
        Asked::of(client, args, place, everywhere).await?.rows().await
    })?;
    match (rows, args.is_on("all-namespaces")) {
        (Some(text), _) => return Ok(output::data(text.as_bytes())),
        (None, true) => output::talk("✗ No events found."),
        (None, false) => {
            output::talk(&format!("✗ No events found in {own} namespace."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Which events are asked for at once.
struct Place {
    /// Empty for all.
    namespace: String,
    fields: String,
}

/// All events of the namespace, or those of a kind, or those of an object and of what it refers to.
async fn places(client: &Client, of: Option<&str>, own: &str, namespace: &str) -> Result<Vec<Place>, Failed> {
    let Some(of) = of else {
        return Ok(vec![Place { namespace: namespace.to_owned(), fields: String::new() }]);
    };
    let (kind, name) = match of.split_once('/') {
        Some((kind, name)) if !name.contains('/') => (kind, name),
        _ => (of, ""),
    };
    let (kind, name) = if kind.is_empty() { (name, "") } else { (kind, name) };
    if kind.is_empty() {
        return Err("--for selector must be of format <kind>[/<name>]".into());
    }
    let subject = subject::find(kind).ok_or_else(|| format!("'{kind}' is not a recognized Flux kind"))?;
    let fields = |kind: &str, name: &str| match name {
        "" => format!("involvedObject.kind={kind}"),
        name => format!("involvedObject.kind={kind},involvedObject.name={name}"),
    };
    let mut places = vec![Place { namespace: namespace.to_owned(), fields: fields(subject.kind, name) }];
    if !name.is_empty() {
        for (kind, name, namespace) in subject.references(client, own, name).await? {
            places.push(Place { namespace, fields: fields(&kind, &name) });
        }
    }
    Ok(places)
}

/// What the flags ask for.
struct Asked {
    client: Client,
    places: Vec<Place>,
    types: Vec<String>,
    shows_namespace: bool,
}

fn kind() -> GroupVersionKind {
    GroupVersionKind::new("", "v1", "Event")
}

impl Asked {
    async fn of(client: Client, args: &Args, own: &str, namespace: &str) -> Result<Self, Failed> {
        let places = places(&client, args.filled("for"), own, namespace).await?;
        let elsewhere = |place: &Place| place.namespace.is_empty() || place.namespace != namespace;
        let shows_namespace = places.iter().any(elsewhere);
        Ok(Self { client, places, types: args.list("types").to_vec(), shows_namespace })
    }

    /// The table, or nothing when there is no event.
    async fn rows(&self) -> Result<Option<String>, Failed> {
        let mut events = Vec::new();
        for place in &self.places {
            let select = Select { fields: place.fields.clone(), ..Select::default() };
            let listed = self.client.list(&kind(), &place.namespace, &select).await;
            events.extend(
                listed
                    .map_err(|error| format!("error getting events: {}", Failed::from_error(&error).0))?
                    .items,
            );
        }
        Ok(self.table(events, &self.header()))
    }

    fn table(&self, mut events: Vec<Value>, header: &[String]) -> Option<String> {
        events.retain(|event| self.keeps(event));
        events.sort_by_key(age::seen);
        let now = Timestamp::now();
        let rows: Vec<Vec<String>> = events.iter().map(|event| self.row(event, now)).collect();
        (!rows.is_empty()).then(|| table::padded(header, &rows))
    }

    fn header(&self) -> Vec<String> {
        let columns = ["NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        columns.into_iter().skip(usize::from(!self.shows_namespace)).map(str::to_owned).collect()
    }

    fn keeps(&self, event: &Value) -> bool {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&event["type"]);
        subject::find(&text(&event["involvedObject"]["kind"])).is_some()
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(&kind)))
    }

    fn row(&self, event: &Value, now: Timestamp) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = &event["involvedObject"];
        let mut row = vec![
            age::last_seen(event, now),
            text(&event["type"]),
            text(&event["reason"]),
            format!("{}/{}", text(&about["kind"]), text(&about["name"])),
            text(&event["message"]),
        ];
        if self.shows_namespace {
            row.insert(0, object::namespace(event).to_owned());
        }
        row
    }

    /// Prints a row for every event until the person ends it.
    async fn watch(&self) {
        output::data(table::padded(&self.header(), &[]).as_bytes());
        join_all(self.places.iter().map(|place| self.watch_one(place))).await;
    }

    async fn watch_one(&self, place: &Place) {
        let select = Select { fields: place.fields.clone(), ..Select::default() };
        let mut watch = self.client.watch(&kind(), &place.namespace, select);
        let mut shown = BTreeSet::new();
        loop {
            let events = match watch.next().await {
                // After a gap all come again.
                Event::Listed(events) => {
                    let known = std::mem::take(&mut shown);
                    shown = events.iter().map(version).collect();
                    events.into_iter().filter(|event| !known.contains(&version(event))).collect()
                }
                Event::Applied(event) => {
                    shown.insert(version(&event));
                    vec![event]
                }
                Event::Deleted(_) => continue,
            };
            if let Some(rows) = self.table(events, &[]) {
                output::data(rows.as_bytes());
            }
        }
    }
}

/// What changes whenever an event does.
fn version(event: &Value) -> (String, String) {
    let text = |field: &str| object::metadata_text(event, field).to_owned();
    (text("uid"), text("resourceVersion"))
}

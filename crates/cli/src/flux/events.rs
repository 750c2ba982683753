//! `flux events`: what Kubernetes remembers about objects of Flux.
//!
//! Differs: `--watch` goes on until the person ends it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use futures::future::try_join_all;
use jiff::Timestamp;
use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, known, table, told, wants_help};
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
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    check_types(args.list("types"))?;
    let own = checked_namespace(args)?;
    let namespace = if args.is_on("all-namespaces") { String::new() } else { own.clone() };
    if args.is_on("watch") {
        return connect::without_limit(args, |client| async move {
            let asked = Asked::of(client, args, &own, &namespace).await?;
            tokio::select! {
                ended = asked.watch() => Ok(ended.err().unwrap_or(ExitCode::SUCCESS)),
                () = output::unread() => Ok(ExitCode::SUCCESS),
            }
        });
    }
    let rows = connect::with_client(args, |client| async {
        Asked::of(client, args, &own, &namespace).await?.rows().await
    })?;
    let Some(text) = rows else {
        let place = if namespace.is_empty() { String::new() } else { format!(" in {own} namespace") };
        output::talk(&format!("✗ No events found{place}."));
        return Ok(ExitCode::SUCCESS);
    };
    Ok(output::data(text.as_bytes()))
}

fn check_types(types: &[String]) -> Result<(), Failed> {
    let known = |kind: &&String| ["normal", "warning"].contains(&kind.to_lowercase().as_str());
    match types.iter().find(|kind| !known(kind)) {
        Some(kind) => Err(format!("type '{kind}' not supported. Supported types are Normal, Warning").into()),
        None => Ok(()),
    }
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
    let subject = known::subject(kind).ok_or_else(|| format!("'{kind}' is not a recognized Flux kind"))?;
    let fields = |kind: &str, name: &str| match name {
        "" => format!("involvedObject.kind={kind}"),
        name => format!("involvedObject.kind={kind},involvedObject.name={name}"),
    };
    let mut places = vec![Place { namespace: namespace.to_owned(), fields: fields(subject.kind, name) }];
    if !name.is_empty() {
        for (kind, name, namespace) in subject::references(subject, client, own, name).await? {
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
            events.extend(listed.map_err(|error| format!("error getting events: {}", told(&error)))?.items);
        }
        let rows = self.cells(events);
        Ok((!rows.is_empty()).then(|| table::padded(&self.header(), &rows)))
    }

    /// The rows of events, the oldest first.
    fn cells(&self, mut events: Vec<Value>) -> Vec<Vec<String>> {
        events.retain(|event| self.keeps(event));
        events.sort_by_key(age::seen);
        let now = Timestamp::now();
        events.iter().map(|event| self.row(event, now)).collect()
    }

    fn header(&self) -> Vec<String> {
        let columns = ["NAMESPACE", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        columns.into_iter().skip(usize::from(!self.shows_namespace)).map(str::to_owned).collect()
    }

    fn keeps(&self, event: &Value) -> bool {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&event["type"]);
        known::subject(&text(&event["involvedObject"]["kind"])).is_some()
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

    /// Prints a row for every event until the person ends it, or nobody reads on.
    async fn watch(&self) -> Result<(), ExitCode> {
        let widths = WIDTHS.into_iter().skip(usize::from(!self.shows_namespace)).collect::<Vec<_>>();
        output::part(table::at_least(&widths, &self.header(), &[]).as_bytes())?;
        try_join_all(self.places.iter().map(|place| self.watch_one(place, &widths))).await.map(drop)
    }

    async fn watch_one(&self, place: &Place, widths: &[usize]) -> Result<(), ExitCode> {
        let select = Select { fields: place.fields.clone(), ..Select::default() };
        let mut watch = self.client.watch(&kind(), &place.namespace, select);
        let mut seen = Seen::default();
        loop {
            let rows = self.cells(seen.new_ones(watch.next().await));
            output::part(table::at_least(widths, &[], &rows).as_bytes())?;
        }
    }
}

/// Columns of a table that grows, wide enough for most; the message may be of any length.
const WIDTHS: [usize; 5] = [16, 9, 7, 24, 40];

/// The events that were shown, each in its last version.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    /// Returns what has to be shown. After a gap all events come again.
    fn new_ones(&mut self, event: Event) -> Vec<Value> {
        let text = |event: &Value, field: &str| object::metadata_text(event, field).to_owned();
        let version = |event: &Value| (text(event, "uid"), text(event, "resourceVersion"));
        match event {
            Event::Listed(mut events) => {
                let there = events.iter().map(version).collect();
                let known = std::mem::replace(&mut self.0, there);
                events.retain(|event| known.get(&version(event).0) != Some(&version(event).1));
                events
            }
            Event::Applied(event) => {
                let (uid, version) = version(&event);
                self.0.insert(uid, version);
                vec![event]
            }
            Event::Deleted(event) => {
                self.0.remove(&version(&event).0);
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(uid: &str, version: &str) -> Value {
        json!({ "metadata": { "uid": uid, "resourceVersion": version } })
    }

    #[test]
    fn only_the_last_version_of_what_is_there_is_kept() {
        let mut seen = Seen::default();
        assert_eq!(seen.new_ones(Event::Listed(vec![event("a", "1"), event("b", "1")])).len(), 2);
        for version in ["2", "3", "4"] {
            assert_eq!(seen.new_ones(Event::Applied(event("a", version))), [event("a", version)]);
        }
        assert_eq!(seen.0.len(), 2);
        assert!(seen.new_ones(Event::Deleted(event("b", "1"))).is_empty());
        assert_eq!(seen.0.len(), 1);
        let again = Event::Listed(vec![event("a", "4"), event("c", "1")]);
        assert_eq!(seen.new_ones(again), [event("c", "1")]);
    }
}

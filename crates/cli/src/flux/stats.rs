//! `flux stats`: how many objects run, fail and rest, and what they store.

use std::process::ExitCode;

use futures::future::join_all;
use sealfast_cluster::client::{Client, Select};
use sealfast_cluster::error::Error;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::{Failed, checked_namespace, connect, help, table, told, wait, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[Flag::short("all-namespaces", 'A', Kind::Switch)];

pub(super) const HELP: &str = "\
Count the objects of Flux: running, failing, suspended, and what their artifacts take up.

Usage:
  flux stats [flags]

Flags:
  -A, --all-namespaces   the whole cluster

Examples:
  flux stats --namespace default
  flux stats -A
";

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = args.names.first() {
        return Err(format!("unknown command {word:?} for \"flux stats\"").into());
    }
    let namespace = if args.is_on("all-namespaces") { String::new() } else { checked_namespace(args)? };
    let kinds = &known::RECONCILERS;
    let counted = connect::with_client(args, |client| async move {
        Ok(join_all(kinds.iter().map(|known| row(&client, *known, &namespace))).await)
    })?;
    report(counted)
}

/// Prints what was counted, and says what could not be.
fn report(counted: Vec<Result<Vec<String>, Failed>>) -> Result<ExitCode, Failed> {
    let (rows, refusals): (Vec<_>, Vec<_>) = counted.into_iter().partition(Result::is_ok);
    let rows: Vec<Vec<String>> = rows.into_iter().flatten().collect();
    let mut refusals = refusals.into_iter().filter_map(Result::err).peekable();
    if rows.is_empty() {
        return refusals.next().map_or(Ok(ExitCode::SUCCESS), Err);
    }
    let header = ["RECONCILERS", "RUNNING", "FAILING", "SUSPENDED", "STORAGE"].map(str::to_owned);
    let code = output::data(table::padded(&header, &rows).as_bytes());
    if refusals.peek().is_none() {
        return Ok(code);
    }
    refusals.for_each(|Failed(why)| output::talk(&format!("✗ {why}")));
    Ok(ExitCode::FAILURE)
}

/// Counts one kind; what the cluster does not have counts as none.
async fn row(client: &Client, known: Known, namespace: &str) -> Result<Vec<String>, Failed> {
    let items = match listed(client, known, namespace).await {
        Ok(items) => items,
        Err(error) if error.is_no_match() || error.is_not_found() => Vec::new(),
        Err(error) => return Err(format!("{}: {}", known.kind, told(&error)).into()),
    };
    let count = |counts: fn(&Value) -> bool| items.iter().filter(|item| counts(item)).count();
    let suspended = count(|item| item["spec"]["suspend"] == true);
    let failing =
        count(|item| wait::condition(item, "Ready").is_some_and(|ready| ready["status"] == "False"));
    let size = items.iter().filter_map(|item| item["status"]["artifact"]["size"].as_u64()).sum();
    let numbers = [items.len() - suspended, failing, suspended].map(|number| number.to_string());
    Ok([&[known.kind.to_owned()], numbers.as_slice(), &[shown(size)]].concat())
}

async fn listed(client: &Client, known: Known, namespace: &str) -> Result<Vec<Value>, Error> {
    let gvk = known.served(client).await?;
    Ok(client.list(&gvk, namespace, &Select::default()).await?.items)
}

/// A size in units of 1024, with one digit behind the point.
fn shown(size: u64) -> String {
    match size {
        0 => return "-".to_owned(),
        1..1024 => return format!("{size} B"),
        _ => {}
    }
    let mut unit = 0;
    while unit < 5 && size >> (10 * (unit + 2)) > 0 {
        unit += 1;
    }
    let letter = ["K", "M", "G", "T", "P", "E"][unit];
    // The last digit is rounded as a float is; sizes of artifacts fit one well.
    format!("{:.1} {letter}iB", size as f64 / f64::from(2).powi(10 * (unit as i32 + 1)))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn sizes_are_shown_as_the_reference_shows_them() {
        let shown = [0, 1, 1023, 1024, 1536, 1048575, 1048576, 5 << 30, u64::MAX].map(shown);
        let told =
            ["-", "1 B", "1023 B", "1.0 KiB", "1.5 KiB", "1024.0 KiB", "1.0 MiB", "5.0 GiB", "16.0 EiB"];
        assert_eq!(shown, told);
    }
}

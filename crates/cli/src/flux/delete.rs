//! `flux delete`.

use std::process::ExitCode;

use sealfast_cluster::client::Delete;

use super::args::{Args, Flag, Kind};
use super::{Failed, ask, checked_namespace, connect, help, known, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[Flag::short("silent", 's', Kind::Switch)];

pub(super) const HELP: &str = "\
Delete an object of Flux.

Usage:
  flux delete kustomization|helmrelease NAME [flags]
  flux delete source git|oci|bucket|helm|chart NAME [flags]
  flux delete image repository|policy|update NAME [flags]
  flux delete receiver|alert|alert-provider NAME [flags]

Flags:
  -s, --silent   do not ask
";

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = known::find("delete", words)?;
    let human = known.human;
    let name = args.names.first().ok_or_else(|| format!("{human} name is required"))?;
    let namespace = checked_namespace(args)?;
    connect::with_client(args, |client| async move {
        known.get(&client, &namespace, name).await?;
        if !args.is_on("silent") && !ask::agrees(&format!("Are you sure you want to delete this {human}"))? {
            return Err("aborting".into());
        }
        output::talk(&format!("► deleting {human} {name} in {namespace} namespace"));
        let deleted = client.delete(&known.gvk(), &namespace, name, &Delete::default()).await;
        deleted?;
        output::talk(&format!("✔ {human} deleted"));
        Ok(ExitCode::SUCCESS)
    })
}

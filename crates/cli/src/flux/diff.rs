//! `flux diff kustomization`: what a local directory would change in the cluster.
//!
//! Each object is tried in a dry run. Values of Secrets are never shown. The exit code is 1 when something differs and 2
//! when something failed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sealfast_cluster::client::Client;

use super::args::{Args, Flag, Kind};
use super::local::kustomization_file;
use super::local::plan::{Cluster, Plan};
use super::{Failed, checked_namespace, connect, help, wants_help};
use crate::output::{self, Spinner};
use human::terminal_width;
use lines::Colour;
use trip::{Found, Trip};

mod compare;
mod cover;
mod human;
mod lines;
mod secret;
mod trip;
mod yaml;

/// Beside those of every local build.
pub(super) const FLAGS: &[Flag] = &[
    Flag::long("progress-bar", Kind::Switch),
    Flag::long("ignore-not-found", Kind::Switch),
    Flag::long("decrypt", Kind::Switch),
    Flag::long("identity", Kind::List),
];

pub(super) const HELP: &str = "\
Print what a local directory would change in the cluster, if a Kustomization applied it.
Nothing is changed: every object is tried in a server-side dry run, which needs the right to patch.
Exit codes: 0 nothing differs, 1 something differs, 2 something failed.

Usage:
  flux diff kustomization NAME --path DIR [flags]
  flux diff ks NAME --path DIR [flags]

Flags:
      --path DIR                  directory of the manifests
      --kustomization-file FILE   read the Kustomization from this file
      --decrypt                   open what is encrypted with your own keys, as a controller would, and compare the values;
                                  they are shown as masks
      --identity FILE             the same with the keys of this file; may be repeated
      --ignore-not-found          the Kustomization of the file need not be in the cluster
      --ignore-paths PATTERNS     leave out what matches, in the words of .gitignore, separated by commas
      --strict-substitute         fail when a variable without a default is not set
  -r, --recursive                 compare the Kustomizations among the objects, too
      --local-sources KEY=DIR     where their sources lie, as GitRepository/NAMESPACE/NAME=DIR, separated by commas
      --progress-bar              say on a terminal what is being done (default true)
      --in-memory-build           read nothing outside the current directory
      --allow-remote PREFIX       fetch bases whose address starts with this (https:// only); may be repeated

Examples:
  flux diff kustomization my-app --path ./path/to/local/manifests
  flux diff kustomization my-app --path ./path/to/local/manifests --kustomization-file ./my-app.yaml
  flux diff ks my-app --path ./manifests --kustomization-file ./my-app.yaml --ignore-not-found
  flux diff ks my-app --path ./manifests --identity production.agekey
  flux diff ks my-app --path ./apps --recursive --local-sources GitRepository/flux-system/my-repo=./path/to/git
";

/// What scripts look at when the command itself failed.
const FAILED: u8 = 2;

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = words.first().filter(|word| !matches!(**word, "kustomization" | "ks")) {
        return Err(format!("unknown command {word:?} for \"flux diff\"").into());
    }
    let namespace = checked_namespace(args)?;
    let name = args.names.first().ok_or("kustomization name is required")?;
    let given = args.text("path").unwrap_or_default();
    if !Path::new(given).is_dir() {
        return Ok(failed(&format!("invalid resource path {given:?}")));
    }
    let file = kustomization_file(args)?;
    let colour = match anstream::AutoStream::choice(&std::io::stdout()) {
        anstream::ColorChoice::Never => Colour::Off,
        _ => Colour::On,
    };
    let found =
        connect::with_client(args, |client| find(args, client, name, &namespace, file, given, colour));
    Ok(match found {
        Ok(found) => report(&found),
        Err(Failed(why)) => failed(&why),
    })
}

async fn find(
    args: &Args,
    client: Client,
    name: &str,
    namespace: &str,
    file: Option<PathBuf>,
    directory: &str,
    colour: Colour,
) -> Result<Found, Failed> {
    if args.is_on("ignore-not-found") && file.is_none() {
        return Err("kustomization file is required when assuming new kustomizations".into());
    }
    let directory = std::path::absolute(directory)?;
    let plan = Plan::parse(args, Cluster::Live(client.clone()))?;
    let is_drawn = args.text("progress-bar").is_none_or(|on| on == "true");
    let spinner = if is_drawn { Spinner::start() } else { Spinner::none() };
    spinner.waits_for("Kustomization diffing... running dry-run");
    let subject = plan.subject(name, namespace, file.as_deref()).await?;
    let trip = Trip { plan: &plan, client: &client, spinner: &spinner, colour, width: terminal_width() };
    trip.one(&subject, &directory, &mut Vec::new()).await
}

/// Prints what differs, and then what failed.
fn report(found: &Found) -> ExitCode {
    if let Err(ended) = output::part(found.text.as_bytes())
        && ended != ExitCode::SUCCESS
    {
        return ExitCode::from(FAILED);
    }
    let mut errors = found.errors.clone();
    let mut seen = std::collections::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.as_slice() {
        [] if found.has_changes => {
            output::talk("⚠️ identified at least one change, exiting with non-zero exit code");
            ExitCode::FAILURE
        }
        [] => ExitCode::SUCCESS,
        [error] => failed(error),
        errors => failed(&format!("[{}]", errors.join(", "))),
    }
}

fn failed(why: &str) -> ExitCode {
    output::talk(&format!("✗ {why}"));
    ExitCode::from(FAILED)
}

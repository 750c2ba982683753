//! Sealfast's own command line: the verbs of three tools side by side, and ours.
//!
//! The verbs of `sops`, `flux` and `kustomize` do not collide, so each goes to its tool as it stands; a tool's
//! name in front (`sealfast sops …`) gives that tool's exact command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::output;
use crate::{flux, keys, kubectl, kustomize, run, sops, up};

/// Runs `sealfast ARGS`.
pub(crate) fn start(mut args: Vec<OsString>) -> ExitCode {
    let verb = args.first().and_then(|verb| verb.to_str()).unwrap_or_default().to_owned();
    match verb.as_str() {
        "sops" => sops::run(args.split_off(1), sops::Presentation::AsSops),
        "flux" => flux::run(args.split_off(1)),
        "kustomize" => kustomize::run(args.split_off(1)),
        "kubectl" => kubectl::run(args.split_off(1)),
        "create" if is_generic_secret(&args) => kubectl::run(args),
        verb if SECRET_VERBS.contains(&verb) => sops::run(args, sops::Presentation::Native),
        verb if CLUSTER_VERBS.contains(&verb) => flux::run(args),
        _ => ours(args),
    }
}

/// `create secret generic` is kubectl's; every other `create` is Flux's.
fn is_generic_secret(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| word == "secret") && args.get(2).is_some_and(|word| word == "generic")
}

fn ours(args: Vec<OsString>) -> ExitCode {
    let words = std::iter::once(OsString::from("sealfast")).chain(args);
    match Sealfast::try_parse_from(words) {
        Ok(Sealfast { verb: Verb::Completion { shell } }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Sealfast::command(), "sealfast", &mut text);
            output::data(&text)
        }
        Ok(Sealfast { verb: Verb::Up(args) }) => up::run(args),
        Ok(Sealfast { verb: Verb::Run(args) }) => run::run(args),
        Ok(Sealfast { verb: Verb::Keys(args) }) => match keys::run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
        Err(usage) => {
            let code = if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            output::usage(&usage);
            code
        }
    }
}

/// Keeps Kubernetes secrets encrypted in Git and delivers them, decrypted, to clusters.
#[derive(Parser)]
#[command(name = "sealfast", version, about, after_help = GROUPS, disable_help_subcommand = true)]
struct Sealfast {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run an embedded cluster and both controllers over a folder or a Git repository.
    Up(up::UpArgs),
    /// Run both controllers against a cluster.
    Run(run::RunArgs),
    /// Make keys.
    Keys(keys::KeysArgs),
    /// Print a completion script for a shell.
    Completion {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
}

const SECRET_VERBS: [&str; 13] = [
    "encrypt",
    "decrypt",
    "edit",
    "set",
    "unset",
    "rotate",
    "updatekeys",
    "groups",
    "exec-env",
    "exec-file",
    "publish",
    "filestatus",
    "keyservice",
];

const CLUSTER_VERBS: [&str; 21] = [
    "create",
    "get",
    "export",
    "reconcile",
    "suspend",
    "resume",
    "delete",
    "build",
    "diff",
    "tree",
    "trace",
    "events",
    "logs",
    "stats",
    "check",
    "install",
    "uninstall",
    "push",
    "pull",
    "tag",
    "envsubst",
];

const GROUPS: &str = "\
Secrets (the verbs of sops; each has --help):
  encrypt decrypt edit set unset rotate updatekeys filestatus exec-env exec-file

Cluster (the verbs of flux; each has --help):
  create source git | create kustomization | create secret generic
  get sources git | get kustomizations | reconcile source git | reconcile kustomization

Another tool's exact command line:
  sealfast sops … | sealfast flux … | sealfast kustomize …     (or links of these names)

Examples:
  sealfast up examples/guide --once
  sealfast encrypt --age age1… --encrypted-regex '^(data|stringData)$' --in-place secret.yaml
  sealfast kustomize build overlays/production";

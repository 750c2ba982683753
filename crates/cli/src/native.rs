//! Sealfast's own command line: the verbs of three tools side by side, and ours.
//!
//! The verbs of `sops`, `flux` and `kustomize` do not collide, so each goes to its tool as it stands; a tool's
//! name in front (`sealfast sops …`) gives that tool's exact command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::output;
use crate::{completion, flux, keys, kubectl, kustomize, manifests, render, run, sops, up};

/// Runs `sealfast ARGS`.
pub(crate) fn start(args: Vec<OsString>) -> ExitCode {
    let mut args = kubectl::verb_first(args);
    let verb = args.first().and_then(|verb| verb.to_str()).unwrap_or_default().to_owned();
    match verb.as_str() {
        "sops" => sops::run(args.split_off(1), sops::Presentation::AsSops),
        "flux" => flux::run(args.split_off(1)),
        "kustomize" => kustomize::run(args.split_off(1)),
        "kubectl" => kubectl::run(args.split_off(1)),
        "help" => ours(vec!["--help".into()]),
        "create" if is_kubectl_secret(&args) => kubectl::run(args),
        verb if SECRET_VERBS.contains(&verb) => sops::run(args, sops::Presentation::Native),
        verb if CLUSTER_VERBS.contains(&verb) => flux::run(args),
        _ => ours(args),
    }
}

/// `create secret` with one of kubectl's kinds, or none, is kubectl's; every other `create` is Flux's.
fn is_kubectl_secret(args: &[OsString]) -> bool {
    let kind = args.get(2).and_then(|word| word.to_str()).unwrap_or_default();
    args.get(1).is_some_and(|word| word == "secret")
        && (kind.is_empty() || kind.starts_with('-') || KUBECTL_SECRETS.contains(&kind))
}

fn ours(args: Vec<OsString>) -> ExitCode {
    let words = std::iter::once(OsString::from("sealfast")).chain(args);
    // The other tools' verbs are known here only so that a slip of the finger finds them.
    let matches = with_all_verbs(Sealfast::command(), Listed::No).try_get_matches_from(words);
    match matches.and_then(|matches| Sealfast::from_arg_matches(&matches)) {
        Ok(Sealfast { verb: Verb::Completion { shell, name } }) => completion::print(shell, name.described()),
        Ok(Sealfast { verb: Verb::Version }) => output::data(Sealfast::command().render_version().as_bytes()),
        Ok(Sealfast { verb: Verb::Up(args) }) => up::run(args),
        Ok(Sealfast { verb: Verb::Run(args) }) => run::run(*args),
        Ok(Sealfast { verb: Verb::Render(args) }) => render::run(args),
        Ok(Sealfast { verb: Verb::Manifests(args) }) => manifests::run(&args),
        Ok(Sealfast { verb: Verb::Keys(args) }) => match keys::run(args) {
            Ok(code) => code,
            Err(failure) => failure.report(),
        },
        Err(usage) => output::usage(&usage),
    }
}

/// Whether the other tools' verbs are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
}

fn with_all_verbs(command: Command, listed: Listed) -> Command {
    if listed == Listed::No {
        let verbs = SECRET_VERBS.into_iter().chain(CLUSTER_VERBS).chain(["sops", "flux", "kustomize"]);
        return command.subcommands(verbs.map(|verb| Command::new(verb).hide(true)));
    }
    let secrets = SECRET_VERBS.into_iter().map(sops::help::described);
    let others = CLUSTER_VERBS.into_iter().map(|verb| match verb {
        "create" => kubectl::with_secrets(flux::describe::described_verb(verb)),
        verb => flux::describe::described_verb(verb),
    });
    let tools =
        [sops::help::described_as_sops(), flux::describe::described(), kustomize::describe::described()];
    command.subcommands(secrets.chain(others).chain(tools))
}

/// A name that is completed.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Completed {
    Sealfast,
    Sops,
    Flux,
    Kustomize,
}

impl Completed {
    fn described(self) -> Command {
        match self {
            Self::Sealfast => with_all_verbs(Sealfast::command(), Listed::Yes),
            Self::Sops => sops::help::described_as_sops(),
            Self::Flux => flux::describe::described(),
            Self::Kustomize => kustomize::describe::described(),
        }
    }
}

const COMPLETION: &str = "\
Examples:
  source <(sealfast completion bash)
  source <(sealfast completion bash --for sops)
  sealfast completion fish > ~/.config/fish/completions/sealfast.fish";

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
    Run(Box<run::RunArgs>),
    /// Print what a cluster would get from a directory, decrypted and masked.
    Render(render::RenderArgs),
    /// Print what a cluster needs to run the controllers.
    Manifests(manifests::ManifestsArgs),
    /// Make keys.
    Keys(keys::KeysArgs),
    /// Print the version.
    Version,
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETION)]
    Completion {
        /// The shell to complete for.
        shell: clap_complete::Shell,
        /// The name that is completed, which may be that of a link.
        #[arg(long = "for", value_name = "NAME", default_value = "sealfast")]
        name: Completed,
    },
}

/// Kinds of Secret that `kubectl create secret` makes.
const KUBECTL_SECRETS: [&str; 3] = ["generic", "tls", "docker-registry"];

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

const CLUSTER_VERBS: [&str; 22] = [
    "create",
    "get",
    "export",
    "reconcile",
    "suspend",
    "resume",
    "delete",
    "build",
    "diff",
    "debug",
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
  encrypt decrypt edit set unset rotate updatekeys groups
  exec-env exec-file publish filestatus keyservice

Cluster (the verbs of flux; each has --help):
  create get export reconcile suspend resume delete build diff debug
  tree trace events logs stats check install uninstall push pull tag envsubst

Another tool's exact command line:
  sealfast sops … | sealfast flux … | sealfast kustomize …     (or links of these names)

Examples:
  sealfast up examples/guide --once
  sealfast encrypt --age age1… --encrypted-regex '^(data|stringData)$' --in-place secret.yaml
  sealfast kustomize build overlays/production";

#[cfg(test)]
mod tests {
    use super::{CLUSTER_VERBS, GROUPS, SECRET_VERBS};

    #[test]
    fn help_lists_every_verb() {
        let listed: Vec<&str> = GROUPS.split_whitespace().collect();
        for verb in SECRET_VERBS.iter().chain(&CLUSTER_VERBS) {
            assert!(listed.contains(verb), "{verb}");
        }
    }
}

//! The verbs: what each is called, what it takes, and what runs it.

use std::process::ExitCode;

use super::args::{self, Flag};
use super::{
    Failed, GLOBAL, artifact, build, check, create_kustomization, create_secret, create_source,
    create_tenant, debug, delete, diff, envsubst, events, export, get, help, install, known, local, logs,
    pack, parse, reconcile, stats, suspend, trace, tree, version,
};
use super::{describe, wants_help};
use crate::completion;

/// One verb.
pub(super) struct Verb {
    pub(super) word: &'static str,
    takes: Takes,
    /// The lines of the overview.
    usage: &'static str,
    /// Printed when nothing is named.
    help: &'static str,
    /// Flags that may also stand before the kind.
    flags: &'static [Flag],
    run: Run,
}

/// Runs a verb for the words behind it that name a kind, with the arguments behind those.
type Run = fn(&[&str], &[String]) -> Result<ExitCode, Failed>;

/// The words behind a verb that are no arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A kind.
    Kind,
    /// A kind, maybe behind the word of its group.
    Grouped,
}

const fn plain(word: &'static str, usage: &'static str, run: Run) -> Verb {
    Verb { word, takes: Takes::Nothing, usage, help: "", flags: &[], run }
}

const fn of_kind(word: &'static str, usage: &'static str, help: &'static str, run: Run) -> Verb {
    Verb { word, takes: Takes::Kind, usage, help, flags: &[], run }
}

const fn grouped(
    word: &'static str,
    flags: &'static [Flag],
    usage: &'static str,
    help: &'static str,
    run: Run,
) -> Verb {
    Verb { word, takes: Takes::Grouped, usage, help, flags, run }
}

/// All of them, in the order of the overview.
pub(super) const VERBS: [Verb; 26] = [
    of_kind("build", BUILD, build::HELP, |words, rest| match words {
        ["artifact"] => pack::run(&parse(rest, pack::FLAGS)?),
        words => build::run(words, &local::parse(rest, build::FLAGS)?),
    }),
    plain("check", "check [--pre]", |_, rest| check::run(&parse(rest, check::FLAGS)?)),
    plain("completion", "completion bash|elvish|fish|powershell|zsh", |_, rest| {
        let args = parse(rest, &[])?;
        if wants_help(&args) {
            return Ok(help("Print a completion script: source <(flux completion bash)\n"));
        }
        completion::run(&args.names, describe::described())
    }),
    grouped("create", &CREATE_FLAGS, CREATE, create_source::HELP, create),
    of_kind("debug", DEBUG, debug::HELP, |words, rest| debug::run(words, &parse(rest, debug::FLAGS)?)),
    grouped("delete", delete::FLAGS, "delete KIND NAME [flags]", delete::HELP, |words, rest| {
        delete::run(words, &parse(rest, delete::FLAGS)?)
    }),
    of_kind("diff", "diff kustomization NAME --path DIR [flags]", diff::HELP, |words, rest| match words {
        ["artifact"] => artifact::run("diff", words, rest),
        words => diff::run(words, &local::parse(rest, diff::FLAGS)?),
    }),
    plain("envsubst", "envsubst [--strict]", |_, rest| envsubst::run(&parse(rest, envsubst::FLAGS)?)),
    plain("events", "events [flags]", |_, rest| events::run(&parse(rest, events::FLAGS)?)),
    grouped("export", export::FLAGS, "export KIND NAME [flags]", export::HELP, |words, rest| {
        export::run(words, &parse(rest, export::FLAGS)?)
    }),
    grouped("get", get::FLAGS, "get KIND [NAME] [flags]", get::HELP, |words, rest| {
        get::run(words, &parse(rest, get::FLAGS)?)
    }),
    plain("help", "help", |_, _| Ok(help(&overview()))),
    plain("install", "install [--export] [--image IMAGE] [flags]", |_, rest| {
        install::run(&parse(rest, install::FLAGS)?)
    }),
    of_kind("list", "list artifacts URL [flags]", artifact::HELP, |words, rest| {
        artifact::run("list", words, rest)
    }),
    plain("logs", "logs [flags]", |_, rest| logs::run(&parse(rest, logs::FLAGS)?)),
    of_kind("pull", "pull artifact URL [flags]", artifact::HELP, |words, rest| {
        artifact::run("pull", words, rest)
    }),
    of_kind("push", "push artifact URL [flags]", artifact::HELP, |words, rest| {
        artifact::run("push", words, rest)
    }),
    grouped("reconcile", &[], RECONCILE, reconcile::HELP, |words, rest| {
        reconcile::run(words, &parse(rest, reconcile::FLAGS)?)
    }),
    grouped("resume", suspend::RESUME_FLAGS, "resume KIND NAME… [flags]", suspend::HELP, |words, rest| {
        suspend::resume(words, &parse(rest, suspend::RESUME_FLAGS)?)
    }),
    plain("stats", "stats [flags]", |_, rest| stats::run(&parse(rest, stats::FLAGS)?)),
    grouped("suspend", suspend::FLAGS, "suspend KIND NAME… [flags]", suspend::HELP, |words, rest| {
        suspend::run(words, &parse(rest, suspend::FLAGS)?)
    }),
    of_kind("tag", "tag artifact URL [flags]", artifact::HELP, |words, rest| {
        artifact::run("tag", words, rest)
    }),
    plain("trace", "trace RESOURCE NAME [flags]", |_, rest| trace::run(&parse(rest, trace::FLAGS)?)),
    of_kind("tree", "tree kustomization NAME [flags]", tree::HELP, |words, rest| {
        tree::run(words, &parse(rest, tree::FLAGS)?)
    }),
    plain("uninstall", "uninstall [flags]", |_, rest| {
        install::uninstall(&parse(rest, install::UNINSTALL_FLAGS)?)
    }),
    plain("version", "version [--client] [-o yaml|json]", |_, rest| {
        version::run(&parse(rest, version::FLAGS)?)
    }),
];

const BUILD: &str = "\
build kustomization NAME --path DIR [flags]
build artifact --path PATH [flags]";

const CREATE: &str = "\
create source git NAME --url URL --branch BRANCH [flags]
create kustomization NAME --source NAME [flags]
create secret git|githubapp|helm|notation|oci|proxy|receiver|sops|tls NAME [flags]
create tenant NAME --with-namespace NAMESPACE [flags]";

const DEBUG: &str = "debug kustomization NAME --show-status|--show-vars|--show-history";

const RECONCILE: &str = "\
reconcile source git|oci|bucket|helm|chart NAME [flags]
reconcile kustomization|helmrelease NAME [--with-source] [flags]
reconcile image repository|policy|update NAME [flags]
reconcile receiver NAME [flags]";

/// What every kind that `create` makes takes.
const CREATE_FLAGS: [Flag; 4] = [
    Flag::long("interval", args::Kind::Duration),
    Flag::long("export", args::Kind::Switch),
    Flag::long("label", args::Kind::List),
    Flag::long("fetch-timeout", args::Kind::Duration),
];

impl Verb {
    /// Runs it for what stands behind it.
    pub(super) fn run(&self, words: &[String]) -> Result<ExitCode, Failed> {
        let (kind, rest) = self.parted(words);
        match kind.as_slice() {
            [] if self.takes != Takes::Nothing => self.helped(&rest),
            [group] if self.takes == Takes::Grouped && known::group(group).is_some() => self.helped(&rest),
            kind => (self.run)(kind, &rest),
        }
    }

    /// Helps, unless there is a flag that nothing here has.
    fn helped(&self, rest: &[String]) -> Result<ExitCode, Failed> {
        parse(rest, self.flags)?;
        Ok(help(self.help))
    }

    /// Parts the words that name the kind from all others. Flags may stand between them.
    fn parted<'a>(&self, words: &'a [String]) -> (Vec<&'a str>, Vec<String>) {
        let flags = [self.flags, GLOBAL].concat();
        let (mut kind, mut flags_between, mut rest) = (Vec::new(), Vec::new(), words);
        while kind.len() < self.most(&kind) {
            let (before, behind) = rest.split_at(args::flags_before(rest, &flags).min(rest.len()));
            let Some((word, behind)) = behind.split_first().filter(|(word, _)| !word.starts_with('-')) else {
                break;
            };
            kind.push(word.as_str());
            flags_between.extend_from_slice(before);
            rest = behind;
        }
        (kind, [flags_between.as_slice(), rest].concat())
    }

    /// How many words name the kind, as far as the first of them tells.
    fn most(&self, kind: &[&str]) -> usize {
        let is_group = |word: &&str| known::group(word).is_some() || *word == "secret";
        match self.takes {
            Takes::Nothing => 0,
            Takes::Grouped if kind.first().is_some_and(is_group) => 2,
            Takes::Kind | Takes::Grouped => 1,
        }
    }
}

fn create(words: &[&str], rest: &[String]) -> Result<ExitCode, Failed> {
    match words {
        ["secret"] => {
            parse(rest, &CREATE_FLAGS)?;
            Ok(help(create_secret::HELP))
        }
        ["secret", kind] => create_secret::run(kind, rest),
        ["source", "git"] => create_source::run(&parse(rest, create_source::FLAGS)?),
        ["kustomization" | "ks"] => create_kustomization::run(&parse(rest, create_kustomization::FLAGS)?),
        ["tenant"] => create_tenant::run(&parse(rest, create_tenant::FLAGS)?),
        [group @ ("source" | "image"), kind] => {
            Err(format!("unknown command {kind:?} for \"flux create {group}\"").into())
        }
        words => Err(unknown(words, "create")),
    }
}

/// Says that a verb has no such kind.
pub(super) fn unknown(words: &[&str], verb: &str) -> Failed {
    format!("unknown command {:?} for \"flux {verb}\"", words.first().unwrap_or(&"")).into()
}

/// The overview of all verbs.
pub(super) fn overview() -> String {
    let lines = VERBS.iter().filter(|verb| verb.word != "help").flat_map(|verb| verb.usage.lines());
    let lines: String = lines.map(|line| format!("  flux {line}\n")).collect();
    format!("The verbs of flux that Sealfast stands in for.\n\nUsage:\n{lines}\n{FLAGS}")
}

const FLAGS: &str = "\
Flags of every command:
  -n, --namespace NAME   namespace of the objects (default flux-system)
      --kubeconfig FILE  kubeconfig of the cluster (default $KUBECONFIG, then ~/.kube/config)
      --context NAME     context of the kubeconfig
      --timeout DURATION limit for the whole command (default 5m)
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_stands_in_the_overview_once_and_in_order() {
        let words: Vec<&str> = VERBS.iter().map(|verb| verb.word).collect();
        assert!(words.is_sorted());
        let overview = overview();
        for verb in VERBS.iter().filter(|verb| verb.word != "help") {
            assert!(overview.contains(&format!("  flux {} ", verb.word)), "{}", verb.word);
            assert!(verb.usage.lines().all(|line| line.starts_with(verb.word)), "{}", verb.usage);
        }
    }

    #[test]
    fn a_group_stands_before_its_kind_and_flags_anywhere() {
        let parted = |verb: &str, words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let verb = VERBS.iter().find(|known| known.word == verb);
            let (kind, rest) = verb.map(|verb| verb.parted(&words)).unwrap_or_default();
            (kind.join(" "), rest.join(" "))
        };
        for (verb, words, kind, rest) in [
            ("get", "sources git app", "sources git", "app"),
            ("get", "sources -A git", "sources git", "-A"),
            ("get", "-n apps ks source", "ks", "-n apps source"),
            ("get", "images policy", "images policy", ""),
            ("trace", "deploy web", "", "deploy web"),
            ("tree", "source git", "source", "git"),
            (
                "create",
                "--export source --interval 2m git app -- --x",
                "source git",
                "--export --interval 2m app -- --x",
            ),
            ("create", "--url=x source git", "source git", "--url=x"),
            ("create", "--url x source git", "", "--url x source git"),
            ("create", "secret -n a git b", "secret git", "-n a b"),
        ] {
            assert_eq!(parted(verb, words), (kind.to_owned(), rest.to_owned()), "{verb} {words}");
        }
    }
}

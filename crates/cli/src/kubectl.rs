//! The `kubectl` commands that stand beside the guide's: `create secret`.
//!
//! Follows: kubectl 1.32 and 1.36; `metadata.creationTimestamp: null` of the older one is left out.

use std::ffi::OsString;
use std::process::ExitCode;

use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use serde_json::Value;

use crate::flux::args::{self, Flag, Kind as FlagKind};
use crate::{kubeconfig, output};

mod secret;

/// What went wrong, as kubectl prints it behind `error:`.
struct Failed(String);

impl<T: Into<String>> From<T> for Failed {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// Runs `kubectl ARGS`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> =
        verb_first(args).into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let asks_help = words.iter().any(|word| matches!(*word, "-h" | "--help"));
    let result = match words.as_slice() {
        ["create", "secret", kind, rest @ ..] if !asks_help => match Kind::parse(kind) {
            Some(kind) => create(kind, rest),
            None => Err(format!("unknown command {kind:?} for \"kubectl create secret\"").into()),
        },
        [] | ["create" | "help"] | ["create", "secret"] => return output::data(HELP.as_bytes()),
        _ if asks_help => return output::data(HELP.as_bytes()),
        [verb, ..] => {
            Err(format!("unknown command {verb:?}: of kubectl only `create secret` is here").into())
        }
    };
    match result {
        Ok(code) => code,
        Err(Failed(text)) => {
            output::talk(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Moves the flags that kubectl takes before its verb, as in `kubectl -n default create …`, behind everything else.
pub(crate) fn verb_first(words: Vec<OsString>) -> Vec<OsString> {
    const FLAGS: &[Flag] = &[
        Flag::short("namespace", 'n', FlagKind::Text),
        Flag::long("kubeconfig", FlagKind::Text),
        Flag::long("context", FlagKind::Text),
    ];
    args::verb_first(words, FLAGS)
}

/// A kind of Secret with its own sources.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Generic,
    Tls,
    DockerRegistry,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        [Self::Generic, Self::Tls, Self::DockerRegistry].into_iter().find(|kind| kind.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Tls => "tls",
            Self::DockerRegistry => "docker-registry",
        }
    }

    /// Its own flags, beside [`FLAGS`].
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Generic => &["--from-literal", "--from-file", "--from-env-file", "--type"],
            Self::Tls => &["--cert", "--key"],
            Self::DockerRegistry => &[
                "--docker-username",
                "--docker-password",
                "--docker-email",
                "--docker-server",
                "--from-file",
            ],
        }
    }
}

/// Flags with a value that every kind takes.
const FLAGS: [&str; 7] =
    ["--namespace", "-n", "--output", "-o", "--kubeconfig", "--context", "--field-manager"];

/// Adds the kinds of `create secret` that are kubectl's to the tree for completion scripts.
pub(crate) fn with_secrets(create: clap::Command) -> clap::Command {
    let kinds = [Kind::Generic, Kind::Tls, Kind::DockerRegistry];
    create.mut_subcommand("secret", |secret| {
        kinds.into_iter().fold(secret, |secret, kind| {
            let flags = kind.flags().iter().chain(&FLAGS).chain(&WITHOUT_VALUE);
            let names = flags.filter_map(|flag| flag.strip_prefix("--"));
            let of_kind = |command: clap::Command| {
                names.fold(command, |command, name| {
                    let is_there = command.get_arguments().any(|arg| arg.get_long() == Some(name));
                    if is_there { command } else { command.arg(clap::Arg::new(name).long(name)) }
                })
            };
            if secret.find_subcommand(kind.word()).is_some() {
                secret.mut_subcommand(kind.word(), of_kind)
            } else {
                secret.subcommand(of_kind(crate::completion::tool(kind.word())))
            }
        })
    })
}

/// Flags that need none.
const WITHOUT_VALUE: [&str; 2] = ["--append-hash", "--dry-run"];

/// What the command line asks for.
struct Wanted<'a> {
    names: Vec<&'a str>,
    values: Vec<(&'a str, &'a str)>,
    dry_run: &'a str,
    append_hash: bool,
}

impl<'a> Wanted<'a> {
    /// The last value of a flag, by any of its names.
    fn last(&self, flags: &[&str]) -> Option<&'a str> {
        self.values.iter().rev().find(|(flag, _)| flags.contains(flag)).map(|(_, value)| *value)
    }

    /// Every value of a flag.
    fn all(&self, flag: &str) -> Vec<&'a str> {
        self.values.iter().filter(|(name, _)| *name == flag).map(|(_, value)| *value).collect()
    }

    fn output(&self) -> String {
        self.last(&["--output", "-o"]).unwrap_or_default().to_lowercase()
    }
}

fn parse<'a>(kind: Kind, words: &[&'a str]) -> Result<Wanted<'a>, Failed> {
    let mut wanted = Wanted { names: Vec::new(), values: Vec::new(), dry_run: "none", append_hash: false };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            wanted.names.push(word);
            continue;
        }
        let (flag, given) = match word.split_once('=') {
            Some((flag, value)) if word.starts_with("--") => (flag, Some(value)),
            _ => match word.split_at_checked(2).filter(|(flag, value)| *flag != "--" && !value.is_empty()) {
                Some((flag, value)) => (flag, Some(value.trim_start_matches('='))),
                None => (word, None),
            },
        };
        match flag {
            "--append-hash" => wanted.append_hash = given.unwrap_or("true") == "true",
            "--save-config" => return Err("--save-config is not supported: use `kubectl apply`".into()),
            "--dry-run" => wanted.dry_run = given.unwrap_or("client"),
            "--validate" => wanted.values.push(("--validate", given.unwrap_or("strict"))),
            _ if FLAGS.contains(&flag) || kind.flags().contains(&flag) => {
                let value = given.or_else(|| words.next());
                let value = value.ok_or_else(|| format!("flag needs an argument: {flag}"))?;
                match flag {
                    // Lists of files may be given at once.
                    "--from-file" | "--from-env-file" => {
                        wanted.values.extend(value.split(',').map(|value| (flag, value)));
                    }
                    _ => wanted.values.push((flag, value)),
                }
            }
            _ => return Err(format!("unknown flag: {flag}").into()),
        }
    }
    Ok(wanted)
}

fn create(kind: Kind, words: &[&str]) -> Result<ExitCode, Failed> {
    let wanted = parse(kind, words)?;
    let [name] = wanted.names.as_slice() else {
        let (count, word) = (wanted.names.len(), kind.word());
        return Err(format!(
            "exactly one NAME is required, got {count}\nSee 'kubectl create secret {word} -h' for help and examples"
        )
        .into());
    };
    if name.is_empty() {
        return Err("name must be specified".into());
    }
    let validate = wanted.last(&["--validate"]).unwrap_or("strict");
    if !["strict", "true", "warn", "ignore", "false"].contains(&validate) {
        return Err(format!("invalid - validate option {validate:?}; must be one of: strict (or true), warn, ignore (or false)").into());
    }
    if !["none", "client", "server"].contains(&wanted.dry_run) {
        let given = wanted.dry_run;
        return Err(
            format!("Invalid dry-run value ({given}). Must be \"none\", \"server\", or \"client\".").into()
        );
    }
    if !["", "yaml", "json", "name"].contains(&wanted.output().as_str()) {
        return Err(format!(
            "unable to match a printer suitable for the output format {:?}, allowed formats are: json,name,yaml",
            wanted.output()
        )
        .into());
    }
    let mut object = match kind {
        Kind::Generic => secret::generic(name, &wanted)?,
        Kind::Tls => secret::tls(name, &wanted)?,
        Kind::DockerRegistry => secret::docker_registry(name, &wanted)?,
    };
    if wanted.append_hash {
        secret::append_hash(&mut object);
    }
    if let Some(namespace) = wanted.last(&["--namespace", "-n"]).filter(|name| !name.is_empty()) {
        object["metadata"]["namespace"] = namespace.into();
    }
    if wanted.dry_run == "client" {
        return Ok(show(&wanted, &object, " (dry run)"));
    }
    let created = send(&wanted, &mut object)?;
    let note = if wanted.dry_run == "server" { " (server dry run)" } else { "" };
    Ok(show(&wanted, &created, note))
}

fn send(wanted: &Wanted<'_>, object: &mut Value) -> Result<Value, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let manager = wanted.last(&["--field-manager"]).unwrap_or("kubectl-create");
    runtime.block_on(async {
        let files = kubeconfig::files(wanted.last(&["--kubeconfig"]));
        let client = Client::from_kubeconfigs(&files, wanted.last(&["--context"])).await;
        let client = client.map_err(|error| error.to_string())?;
        if object["metadata"].get("namespace").is_none() {
            let context = wanted.last(&["--context"]);
            let namespace = kubeconfig::context_namespace(wanted.last(&["--kubeconfig"]), context);
            object["metadata"]["namespace"] = namespace.unwrap_or_else(|| "default".to_owned()).into();
        }
        let mut call =
            Call::new(http::Method::POST, format!("/api/v1/namespaces/{}/secrets", namespace_of(object)));
        call.query("fieldManager", manager);
        call.query("dryRun", if wanted.dry_run == "server" { "All" } else { "" });
        call.json(object);
        client.call(call).await.map_err(|error| Failed(format!("failed to create secret {error}")))
    })
}

fn namespace_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or("default")
}

fn show(wanted: &Wanted<'_>, object: &Value, note: &str) -> ExitCode {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let text = match wanted.output().as_str() {
        "yaml" => sealfast_yaml::json::to_yaml(object),
        "json" => secret::pretty(object),
        "name" => format!("secret/{name}\n"),
        _ => format!("secret/{name} created{note}\n"),
    };
    output::data(text.as_bytes())
}

const HELP: &str = "\
Create a Secret from files and literals, as kubectl does.

Usage:
  kubectl create secret generic NAME [--type TYPE] [--from-file [KEY=]PATH]… [--from-literal KEY=VALUE]…
    [--from-env-file PATH]…
  kubectl create secret tls NAME --cert PATH --key PATH
  kubectl create secret docker-registry NAME --docker-username USER --docker-password PASSWORD
    [--docker-email EMAIL] [--docker-server URL] | --from-file [.dockerconfigjson=]PATH

Flags of all of them:
  [--dry-run=client|server|none] [-o yaml|json|name] [-n NAMESPACE] [--append-hash]

Examples:
  kubectl create secret generic sops-age --namespace=flux-system --from-file=age.agekey=/dev/stdin < age.agekey
  kubectl create secret generic basic-auth --from-literal=user=admin --dry-run=client -o yaml > basic-auth.yaml
";

//! The `flux` command line: the verbs of the guide.
//!
//! Follows: `flux` 2.9. Data goes to standard output; each step is one line on standard error with its sign.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::{kubeconfig, output};
use args::{Args, Flag, Kind};
use verbs::VERBS;

mod address;
pub(crate) mod args;
mod artifact;
mod ask;
mod build;
mod check;
mod connect;
mod create_kustomization;
mod create_secret;
mod create_source;
mod create_tenant;
mod debug;
mod delete;
mod deploy_key;
pub(crate) mod describe;
mod diff;
mod envsubst;
mod events;
mod export;
mod get;
mod image;
mod install;
mod known;
mod labelled;
mod local;
mod logs;
mod pack;
mod reconcile;
mod secret;
mod stats;
mod suggest;
mod suspend;
mod table;
mod trace;
mod tree;
mod verbs;
mod version;
mod wait;

/// Why a command ended early; printed behind `✗`.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Failed {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<sealfast_cluster::error::Error> for Failed {
    fn from(error: sealfast_cluster::error::Error) -> Self {
        Self(told(&error))
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self(told(&error))
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self(told(&error))
    }
}

impl From<crate::diagnostic::Failure> for Failed {
    fn from(failure: crate::diagnostic::Failure) -> Self {
        Self(failure.line())
    }
}

/// An error's text with those of its causes, as Go wraps them.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    if text.contains(connect::NO_CONFIGURATION) {
        text.push_str(" (no kubeconfig was found: name one with --kubeconfig or KUBECONFIG)");
    }
    text
}

/// Runs `flux ARGS`.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    let words = args.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    warn_of_namespace();
    match dispatch(&args::verb_first(words, GLOBAL)) {
        Ok(code) => code,
        Err(Failed(text)) => {
            output::talk(&format!("✗ {text}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<ExitCode, Failed> {
    match words.split_first() {
        Some((word, rest)) if !word.starts_with('-') => match VERBS.iter().find(|verb| verb.word == word) {
            Some(verb) => verb.run(rest),
            None => Err(suggest::unknown(word).into()),
        },
        _ => bare(words),
    }
}

/// What flags alone ask for.
fn bare(words: &[String]) -> Result<ExitCode, Failed> {
    let version = Flag::short("version", 'v', Kind::Switch);
    let args = Args::parse(words, &[GLOBAL, &[version]].concat())?;
    if args.is_on("version") && !wants_help(&args) {
        return Ok(version::line());
    }
    Ok(help(&verbs::overview()))
}

fn parse(words: &[String], flags: &[Flag]) -> Result<Args, Failed> {
    let mut all = flags.to_vec();
    if flags.iter().any(|flag| flag.is("password")) {
        all.extend(args::PASSWORD_WAYS);
    }
    all.extend_from_slice(GLOBAL);
    let mut args = Args::parse(words, &all)?;
    args.read_password()?;
    for flag in WITHOUT_EFFECT.into_iter().filter(|flag| args.text(flag).is_some()) {
        output::talk(&format!("⚠️ --{flag} has no effect here"));
    }
    Ok(args)
}

/// Flags that are taken because scripts give them.
const WITHOUT_EFFECT: [&str; 4] = ["cache-dir", "components", "components-extra", "disable-compression"];

fn help(text: &str) -> ExitCode {
    output::data(text.as_bytes())
}

/// Asked for help?
fn wants_help(args: &Args) -> bool {
    args.is_on("help")
}

/// The namespace that a `create` command writes; as in flux, neither checked nor taken from the kubeconfig.
fn namespace(args: &Args) -> String {
    args.text("namespace").map(str::to_owned).unwrap_or_else(default_namespace)
}

/// The namespace of a command that asks the cluster, checked before it does.
fn checked_namespace(args: &Args) -> Result<String, Failed> {
    let follows =
        args.is_on("ns-follows-kube-context") || crate::env::FLUX_NS_FOLLOWS_KUBE_CONTEXT.text().is_some();
    let from_context = || {
        follows
            .then(|| kubeconfig::context_namespace(args.filled("kubeconfig"), args.filled("context")))
            .flatten()
    };
    let chosen = args.text("namespace").map(str::to_owned);
    let namespace = chosen.or_else(from_context).unwrap_or_else(default_namespace);
    if is_dns_label(&namespace) {
        return Ok(namespace);
    }
    Err(format!("namespace must be a valid DNS label: {namespace:?}").into())
}

fn default_namespace() -> String {
    let wanted = crate::env::FLUX_SYSTEM_NAMESPACE.text().filter(|wanted| is_dns_label(wanted));
    wanted.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// Says that the environment names no namespace; flux says so whatever it is asked for.
fn warn_of_namespace() {
    let wanted = crate::env::FLUX_SYSTEM_NAMESPACE.text();
    if let Some(wanted) = wanted.filter(|wanted| !is_dns_label(wanted)) {
        output::talk(&format!("⚠️  ignoring invalid FLUX_SYSTEM_NAMESPACE: {wanted:?}"));
    }
}

const DEFAULT_NAMESPACE: &str = "flux-system";

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

/// The one name of a `create` command.
fn new_name(args: &Args) -> Result<&str, Failed> {
    let Some(name) = args.names.first() else { return Err("name is required".into()) };
    if name.len() < 2 || !is_dns_label(name) {
        return Err(format!(
            "name '{name}' is invalid, it should adhere to standard defined in RFC 1123, the name can only contain alphanumeric characters or '-'"
        )
        .into());
    }
    Ok(name)
}

/// `--label k=v` as a map.
fn labels(args: &Args) -> Result<serde_json::Map<String, serde_json::Value>, Failed> {
    let mut labels = serde_json::Map::new();
    for label in args.list("label") {
        let parts: Vec<&str> = label.split('=').collect();
        let [key, value] = parts.as_slice() else {
            return Err(format!("invalid label format '{label}', must be key=value").into());
        };
        let whys = sealfast_apiserver::label_key(key);
        if !whys.is_empty() {
            return Err(format!("invalid label '{key}': [{}]", whys.join(" ")).into());
        }
        let whys = sealfast_apiserver::label_value(value);
        if !whys.is_empty() {
            return Err(format!("invalid label value '{value}': [{}]", whys.join(" ")).into());
        }
        labels.insert((*key).to_owned(), (*value).into());
    }
    Ok(labels)
}

/// A `--export`ed object; an empty namespace is none.
fn print(mut object: serde_json::Value) -> ExitCode {
    if let Some(metadata) = object.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.retain(|field, value| field != "namespace" || *value != "");
    }
    output::data(exported(&object).as_bytes())
}

fn exported(object: &serde_json::Value) -> String {
    format!("---\n{}\n", sealfast_yaml::json::to_yaml(object).trim())
}

const GLOBAL: &[Flag] = &[
    Flag::short("namespace", 'n', Kind::Text),
    Flag::long("ns-follows-kube-context", Kind::Switch),
    Flag::long("kubeconfig", Kind::Text),
    Flag::long("context", Kind::Text),
    Flag::long("cluster", Kind::Text),
    Flag::long("user", Kind::Text),
    Flag::long("server", Kind::Text),
    Flag::long("token", Kind::Text),
    Flag::long("as", Kind::Text),
    Flag::long("as-group", Kind::List),
    Flag::long("cache-dir", Kind::Text),
    Flag::long("as-uid", Kind::Text),
    Flag::long("as-user-extra", Kind::List),
    Flag::long("certificate-authority", Kind::Text),
    Flag::long("client-certificate", Kind::Text),
    Flag::long("client-key", Kind::Text),
    Flag::long("insecure-skip-tls-verify", Kind::Switch),
    Flag::long("tls-server-name", Kind::Text),
    Flag::long("disable-compression", Kind::Switch),
    Flag::long("kube-api-qps", Kind::Checked(args::fraction)),
    Flag::long("kube-api-burst", Kind::Checked(args::whole)),
    Flag::long("timeout", Kind::Duration),
    Flag::long("verbose", Kind::Switch),
    Flag::short("help", 'h', Kind::Switch),
];

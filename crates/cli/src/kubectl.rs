//! The `kubectl` commands of the guide: `create secret generic`.
//!
//! Follows: kubectl 1.32 and 1.36; `metadata.creationTimestamp: null` of the older one is left out.

use std::ffi::OsString;
use std::process::ExitCode;

use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use serde_json::{Value, json};

use crate::output;

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
    let words: Vec<String> = args.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["create", "secret", "generic", rest @ ..]
            if !rest.iter().any(|word| matches!(*word, "-h" | "--help")) =>
        {
            create(rest)
        }
        _ => return output::data(HELP.as_bytes()),
    };
    match result {
        Ok(code) => code,
        Err(Failed(text)) => {
            output::talk(&format!("error: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Wanted<'a> {
    names: Vec<&'a str>,
    sources: secret::Sources<'a>,
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    output: &'a str,
    dry_run: &'a str,
    append_hash: bool,
    kubeconfig: Option<&'a str>,
    context: Option<&'a str>,
    manager: Option<&'a str>,
}

fn parse<'a>(words: &[&'a str]) -> Result<Wanted<'a>, Failed> {
    let mut wanted = Wanted { dry_run: "none", ..Wanted::default() };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            wanted.names.push(word);
            continue;
        }
        let (flag, given) = match word.split_once('=') {
            Some((flag, value)) if word.starts_with("--") => (flag, Some(value)),
            _ if word.len() > 2 && !word.starts_with("--") => {
                (&word[..2], Some(word[2..].trim_start_matches('=')))
            }
            _ => (word, None),
        };
        match flag {
            "--append-hash" => {
                wanted.append_hash = given.unwrap_or("true") == "true";
                continue;
            }
            "--save-config" => continue,
            "--dry-run" => {
                wanted.dry_run = given.unwrap_or("client");
                continue;
            }
            _ => {}
        }
        let known = [
            "--from-literal",
            "--from-file",
            "--from-env-file",
            "--type",
            "--namespace",
            "-n",
            "--output",
            "-o",
            "--kubeconfig",
            "--context",
            "--field-manager",
            "--validate",
        ];
        if !known.contains(&flag) {
            return Err(format!("unknown flag: {flag}").into());
        }
        let value =
            given.or_else(|| words.next()).ok_or_else(|| format!("flag needs an argument: {flag}"))?;
        match flag {
            "--from-literal" => wanted.sources.literals.push(value),
            "--from-file" => wanted.sources.files.push(value),
            "--from-env-file" => wanted.sources.env_files.push(value),
            "--type" => wanted.kind = Some(value),
            "--namespace" | "-n" => wanted.namespace = Some(value),
            "--output" | "-o" => wanted.output = value,
            "--kubeconfig" => wanted.kubeconfig = Some(value),
            "--context" => wanted.context = Some(value),
            "--field-manager" => wanted.manager = Some(value),
            _ => {}
        }
    }
    Ok(wanted)
}

fn create(words: &[&str]) -> Result<ExitCode, Failed> {
    let wanted = parse(words)?;
    let [name] = wanted.names.as_slice() else {
        let count = wanted.names.len();
        return Err(format!(
            "exactly one NAME is required, got {count}\nSee 'kubectl create secret generic -h' for help and examples"
        )
        .into());
    };
    if !["none", "client", "server"].contains(&wanted.dry_run) {
        let given = wanted.dry_run;
        return Err(
            format!("Invalid dry-run value ({given}). Must be \"none\", \"server\", or \"client\".").into()
        );
    }
    if !["", "yaml", "json", "name"].contains(&wanted.output) {
        return Err(format!(
            "unable to match a printer suitable for the output format {:?}, allowed formats are: json,name,yaml",
            wanted.output
        )
        .into());
    }
    let mut object = secret::object(name, &wanted.sources, wanted.kind)?;
    if wanted.append_hash {
        secret::append_hash(&mut object);
    }
    if let Some(namespace) = wanted.namespace {
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
    let manager = wanted.manager.unwrap_or("kubectl-create");
    runtime.block_on(async {
        let file = wanted.kubeconfig.map(std::path::Path::new);
        let client =
            Client::from_kubeconfig(file, wanted.context).await.map_err(|error| error.to_string())?;
        if wanted.namespace.is_none() {
            object["metadata"]["namespace"] = "default".into();
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
    let text = match wanted.output {
        "yaml" => sealfast_yaml::json::to_yaml(object),
        "json" => secret::pretty(object),
        "name" => format!("secret/{name}\n"),
        _ => format!("secret/{name} created{note}\n"),
    };
    output::data(text.as_bytes())
}

/// An empty Secret, for the fields that all of them have.
fn empty(name: &str) -> Value {
    json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": name } })
}

const HELP: &str = "\
Create a Secret from files and literals, as kubectl does.

Usage:
  kubectl create secret generic NAME [--type TYPE] [--from-file [KEY=]PATH]… [--from-literal KEY=VALUE]…
    [--from-env-file PATH]… [--dry-run=client|server|none] [-o yaml|json|name] [-n NAMESPACE] [--append-hash]

Examples:
  kubectl create secret generic sops-age --namespace=flux-system --from-file=age.agekey=/dev/stdin < age.agekey
  kubectl create secret generic basic-auth --from-literal=user=admin --dry-run=client -o yaml > basic-auth.yaml
";

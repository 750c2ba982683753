//! `flux create secret git`: credentials of a Git server.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::args::{Args, Flag, Kind};
use super::{Failed, address, connect, exported, help, labels, namespace, new_name, wait, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("url", Kind::Text),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
    Flag::long("bearer-token", Kind::Text),
    Flag::long("ca-crt-file", Kind::Text),
    Flag::long("private-key-file", Kind::Text),
    Flag::long("interval", Kind::Duration),
    Flag::long("label", Kind::List),
    Flag::long("export", Kind::Switch),
];

pub(super) const HELP: &str = "\
Create a Secret with the credentials of a Git server.

Usage:
  flux create secret git NAME --url URL (--username USER --password PASSWORD|--bearer-token TOKEN) [flags]

Flags:
      --url URL              http or https address of the repository
  -u, --username, -p, --password
      --bearer-token TOKEN
      --ca-crt-file FILE     certificate authority of the server
      --label KEY=VALUE
      --export               print the Secret instead of creating it
";

/// Runs the command.
pub(super) fn run(args: &Args, words: &[String]) -> Result<ExitCode, Failed> {
    if wants_help(words) {
        return Ok(help(HELP));
    }
    let name = new_name(args)?;
    let scheme = address::parsed(args.filled("url").ok_or("url is required")?)?;
    let labels = labels(args)?;
    let data = match scheme.as_str() {
        "ssh" => return Err(ssh(args)),
        "http" | "https" => credentials(args)?,
        scheme => return Err(address::unsupported(scheme)),
    };
    let mut metadata = json!({ "name": name, "namespace": namespace(args) });
    if !labels.is_empty() {
        metadata["labels"] = Value::Object(labels);
    }
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data });
    if args.is_on("export") {
        return Ok(output::data(format!("{}\n", exported(&secret)).as_bytes()));
    }
    connect::with_client(args, |client| async move {
        wait::create_or_update(&client, &secret).await?;
        output::talk(&format!("► git secret '{name}' created in '{}' namespace", namespace(args)));
        Ok(ExitCode::SUCCESS)
    })
}

/// Keys are not made here, and hosts are not asked for theirs.
fn ssh(args: &Args) -> Failed {
    if let Some(file) = args.filled("private-key-file")
        && let Err(error) = std::fs::File::open(file)
    {
        return format!("failed to open private key file: open {file}: {error}").into();
    }
    "Secrets for SSH are not made here: put the identity and known_hosts into one with `sealfast create secret generic`".into()
}

fn credentials(args: &Args) -> Result<Map<String, Value>, Failed> {
    let (username, password) = (args.filled("username"), args.filled("password"));
    let bearer = args.filled("bearer-token");
    let mut data = Map::new();
    match (username.zip(password), bearer) {
        (None, None) => {
            return Err("for Git over HTTP/S the username and password, or a bearer token is required".into());
        }
        (Some(_), Some(_)) => return Err("user credentials and bearer token cannot be used together".into()),
        (Some((username, password)), None) => {
            data.insert("username".into(), username.into());
            data.insert("password".into(), password.into());
        }
        (None, Some(token)) => drop(data.insert("bearerToken".into(), token.into())),
    }
    if let Some(file) = args.filled("ca-crt-file") {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("unable to read TLS CA file: open {file}: {error}"))?;
        data.insert("ca.crt".into(), text.into());
    }
    Ok(data)
}

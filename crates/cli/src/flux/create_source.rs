//! `flux create source git`.

use std::process::ExitCode;

use sealfast_cluster::client::Client;
use sealfast_k8s::{duration, object};
use serde_json::{Map, Value, json};

use super::args::{Args, Flag, Kind};
use super::secret::{self, Secret};
use super::{
    Failed, address, ask, connect, deploy_key, help, labels, namespace, new_name, print, wait, wants_help,
};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("url", Kind::Text),
    Flag::long("branch", Kind::Text),
    Flag::long("tag", Kind::Text),
    Flag::long("tag-semver", Kind::Text),
    Flag::long("ref-name", Kind::Text),
    Flag::long("commit", Kind::Text),
    Flag::long("interval", Kind::Duration),
    Flag::long("fetch-timeout", Kind::Duration),
    Flag::long("secret-ref", Kind::Text),
    Flag::long("proxy-secret-ref", Kind::Text),
    Flag::long("provider", Kind::Checked(provider)),
    Flag::long("recurse-submodules", Kind::Switch),
    Flag::long("ignore-paths", Kind::List),
    Flag::long("sparse-checkout-paths", Kind::List),
    Flag::long("label", Kind::List),
    Flag::long("export", Kind::Switch),
    Flag::short("username", 'u', Kind::Text),
    Flag::short("password", 'p', Kind::Text),
    Flag::long("ca-file", Kind::Text),
    Flag::long("private-key-file", Kind::Text),
    Flag::long("ssh-key-algorithm", Kind::Checked(deploy_key::algorithm)),
    Flag::long("ssh-rsa-bits", Kind::Checked(deploy_key::rsa_bits)),
    Flag::long("ssh-ecdsa-curve", Kind::Checked(deploy_key::curve)),
    Flag::short("silent", 's', Kind::Switch),
];

pub(super) const HELP: &str = "\
Create a GitRepository, and wait until its first artifact is there.

Usage:
  flux create source git NAME --url URL (--branch|--tag|--tag-semver|--ref-name|--commit) REF [flags]

Examples:
  flux create source git my-secrets --url=https://github.com/my-org/my-secrets --branch=main
  flux create source git my-secrets --url=https://github.com/my-org/my-secrets --branch=main --export > source.yaml

Flags:
      --url URL                    ssh, http or https address
      --branch, --tag, --tag-semver, --ref-name, --commit
                                   which commit; commit wins over ref-name, semver, tag, branch
      --interval DURATION          between polls (default 1m)
      --fetch-timeout DURATION     bounds one remote operation
      --secret-ref NAME            Secret with credentials
  -u, --username, -p, --password   credentials: kept in a Secret of the source's name
      --password-file FILE         read the password from a file
      --password-stdin             read it from standard input
      --ca-file FILE               certificate authority for https
      --private-key-file FILE      key for ssh; without it one is made (--ssh-key-algorithm, --ssh-rsa-bits,
                                   --ssh-ecdsa-curve)
  -s, --silent                     do not ask whether the server knows the key
      --ignore-paths, --sparse-checkout-paths, --recurse-submodules, --provider, --proxy-secret-ref, --label
      --export                     print the object instead of creating it
";

fn provider(text: &str) -> Result<(), String> {
    let known = ["generic", "github", "aws", "azure"];
    if known.contains(&text) {
        return Ok(());
    }
    if text.trim().is_empty() {
        return Err("no source Git provider given, please specify the Git provider name".to_owned());
    }
    Err(format!("source Git provider '{text}' is not supported, must be one of: {}", known.join("|")))
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let name = new_name(args)?;
    let url = args.filled("url").ok_or("url is required")?;
    let scheme = address::scheme(url)?;
    let reference = reference(args)?;
    if args.filled("ca-file").is_some() && scheme == "ssh" {
        return Err("specifying a CA file is not supported for Git over SSH".into());
    }
    let object = object(args, name, url, reference)?;
    if args.is_on("export") {
        return Ok(print(object));
    }
    connect::is_named(args)?;
    output::talk("✚ generating GitRepository source");
    let secret = match args.filled("secret-ref") {
        Some(_) => None,
        None => credentials(args, url, Secret::new(name, &namespace(args)), &scheme)?,
    };
    connect::with_client(args, |client| async move { apply(&client, object, secret).await })
}

/// Writes the Secret and the source, and waits for the first artifact.
async fn apply(client: &Client, mut object: Value, secret: Option<Secret>) -> Result<ExitCode, Failed> {
    let id = object::id(&object);
    if let Some(secret) = secret {
        output::talk("► applying secret with repository credentials");
        secret.upsert(client).await?;
        object["spec"]["secretRef"] = json!({ "name": id.name });
        output::talk("✔ authentication configured");
    }
    output::talk("► applying GitRepository source");
    let done = wait::create_or_update(client, &object).await?;
    output::talk(&format!("✔ GitRepository source {done}"));
    output::talk("◎ waiting for GitRepository source reconciliation");
    let ready = wait::until_ready(client, &id.gvk, &id.namespace, &id.name).await?;
    output::talk("✔ GitRepository source reconciliation completed");
    let revision = ready["status"]["artifact"]["revision"].as_str();
    let revision =
        revision.ok_or("GitRepository source reconciliation completed but no artifact was found")?;
    output::talk(&format!("✔ fetched revision: {revision}"));
    Ok(ExitCode::SUCCESS)
}

fn reference(args: &Args) -> Result<Value, Failed> {
    let mut reference = Map::new();
    if let Some(commit) = args.filled("commit") {
        reference.insert("commit".into(), commit.into());
        if let Some(branch) = args.filled("branch") {
            reference.insert("branch".into(), branch.into());
        }
        return Ok(Value::Object(reference));
    }
    for (flag, field) in
        [("ref-name", "name"), ("tag-semver", "semver"), ("tag", "tag"), ("branch", "branch")]
    {
        if let Some(wanted) = args.filled(flag) {
            reference.insert(field.into(), wanted.into());
            return Ok(Value::Object(reference));
        }
    }
    Err("a Git ref is required, use one of the following: --branch, --tag, --commit, --ref-name or --tag-semver".into())
}

fn object(args: &Args, name: &str, url: &str, reference: Value) -> Result<Value, Failed> {
    let labels = labels(args)?;
    let interval = args.printed_duration("interval").unwrap_or_else(|| "1m0s".to_owned());
    let mut spec = json!({ "interval": interval, "ref": reference, "url": url });
    if let Some(timeout) = args.duration("fetch-timeout") {
        spec["timeout"] = duration::format(timeout).into();
    }
    for (flag, field) in [("secret-ref", "secretRef"), ("proxy-secret-ref", "proxySecretRef")] {
        if let Some(secret) = args.filled(flag) {
            spec[field] = json!({ "name": secret });
        }
    }
    if let Some(provider) = args.filled("provider") {
        spec["provider"] = provider.into();
    }
    if args.is_on("recurse-submodules") {
        spec["recurseSubmodules"] = true.into();
    }
    if !args.list("ignore-paths").is_empty() {
        spec["ignore"] = args.list("ignore-paths").join("\n").into();
    }
    if !args.list("sparse-checkout-paths").is_empty() {
        spec["sparseCheckout"] = args.list("sparse-checkout-paths").into();
    }
    let mut metadata = json!({ "name": name, "namespace": namespace(args) });
    if !labels.is_empty() {
        metadata["labels"] = Value::Object(labels);
    }
    Ok(json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": metadata,
        "spec": spec,
    }))
}

/// The Secret of the source's own name, when there is something to put into it.
fn credentials(args: &Args, url: &str, mut secret: Secret, scheme: &str) -> Result<Option<Secret>, Failed> {
    if scheme == "ssh" {
        deploy_key::add(args, url, &mut secret)?;
        return hand_over(args, &secret).map(|()| Some(secret));
    }
    if scheme == "http" {
        output::talk("⚠️ insecure configuration: credentials configured for an HTTP URL");
    }
    if let Some((username, password)) = args.filled("username").zip(args.filled("password")) {
        secret.set("username", username);
        secret.set("password", password);
    }
    let authority = args.filled("ca-file").filter(|_| scheme == "https").unwrap_or_default();
    let authority = secret::file(authority, "unable to read TLS CA file")?;
    secret.set_some("ca.crt", authority.as_deref().map(String::as_str));
    Ok((!secret.is_empty()).then_some(secret))
}

/// Shows what the server has to know, and asks whether it knows it.
fn hand_over(args: &Args, secret: &Secret) -> Result<(), Failed> {
    let [host, key] = ["known_hosts", "identity.pub"].map(|key| secret.public(key).unwrap_or_default());
    output::talk(&format!("✔ collected public key from SSH server:\n{host}"));
    output::talk(&format!("✚ deploy key: {}", key.trim_end()));
    if args.is_on("silent") || ask::agrees("Have you added the deploy key to your repository")? {
        return Ok(());
    }
    Err("aborting".into())
}

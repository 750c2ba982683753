//! `flux create kustomization`.

use std::process::ExitCode;

use sealfast_k8s::duration;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::{Failed, connect, help, labels, namespace, new_name, print, wait, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("source", Kind::Checked(source_flag)),
    Flag::long("path", Kind::Text),
    Flag::long("prune", Kind::Switch),
    Flag::long("interval", Kind::Duration),
    Flag::long("retry-interval", Kind::Duration),
    Flag::long("depends-on", Kind::List),
    Flag::long("wait", Kind::Switch),
    Flag::long("health-check", Kind::List),
    Flag::long("health-check-timeout", Kind::Duration),
    Flag::long("service-account", Kind::Text),
    Flag::long("decryption-provider", Kind::Checked(decryption_provider)),
    Flag::long("decryption-secret", Kind::Text),
    Flag::long("target-namespace", Kind::Text),
    Flag::long("kubeconfig-secret-ref", Kind::Text),
    Flag::long("label", Kind::List),
    Flag::long("validation", Kind::Text),
    Flag::long("export", Kind::Switch),
];

const HELP: &str = "\
Create a Kustomization, and wait until it is applied.

Usage:
  flux create kustomization NAME --source [KIND/]NAME[.NAMESPACE] [flags]

Examples:
  flux create kustomization my-secrets --source=my-secrets --path=./clusters/cluster0 --prune=true \\
    --interval=10m --decryption-provider=sops --decryption-secret=sops-gpg

Flags:
      --source                 GitRepository (default), OCIRepository or Bucket
      --path PATH              folder below the source's root (default ./)
      --prune                  delete what left the source
      --interval DURATION      between runs (default 1m)
      --retry-interval DURATION
      --decryption-provider sops, --decryption-secret NAME
      --depends-on, --wait, --health-check, --health-check-timeout, --service-account,
      --target-namespace, --kubeconfig-secret-ref, --label
      --export                 print the object instead of creating it
";

const SOURCES: [&str; 3] = ["OCIRepository", "GitRepository", "Bucket"];

/// Kind, name and namespace of a source.
struct Source {
    kind: &'static str,
    name: String,
    namespace: Option<String>,
}

fn source_flag(text: &str) -> Result<(), String> {
    source(text).map(drop)
}

fn source(text: &str) -> Result<Source, String> {
    let kinds = SOURCES.join(", ");
    if text.trim().is_empty() {
        return Err(format!(
            "no Kustomization source given, please specify source that contains the Kubernetes manifests in the format '[<kind>/]<name>.<namespace>', where kind must be one of: ({kinds}), if kind is not specified it defaults to GitRepository"
        ));
    }
    // What has more than one slash is a name, as in flux.
    let (kind, name) = text.split_once('/').filter(|(_, name)| !name.contains('/')).unwrap_or(("", text));
    let (name, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
    if name.is_empty() {
        return Err(format!("no name given for source of kind '{kind}'"));
    }
    if kind.is_empty() && SOURCES.contains(&name) {
        return Err(format!("no kind specified for source '{name}'"));
    }
    let wanted = if kind.is_empty() { "GitRepository" } else { kind };
    let known = SOURCES.into_iter().find(|known| known.eq_ignore_ascii_case(wanted));
    let kind =
        known.ok_or_else(|| format!("source kind '{kind}' is not supported, must be one of: {kinds}"))?;
    let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
    Ok(Source { kind, name: name.to_owned(), namespace })
}

fn decryption_provider(text: &str) -> Result<(), String> {
    if text == "sops" {
        return Ok(());
    }
    if text.is_empty() {
        return Err("no decryption provider given, must be one of: sops".to_owned());
    }
    Err(format!("unsupported decryption provider '{text}', must be one of: sops"))
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if args.text("validation").is_some() {
        output::talk(
            "Flag --validation has been deprecated, this arg is no longer used, all resources are validated using server-side apply dry-run",
        );
    }
    let name = new_name(args)?;
    let source = source(args.text("source").ok_or("source is required")?)?;
    if !args.is_on("export") {
        output::talk("✚ generating Kustomization");
    }
    let object = object(args, name, &source)?;
    if args.is_on("export") {
        return Ok(print(object));
    }
    connect::with_client(args, |client| async move {
        output::talk("► applying Kustomization");
        let done = wait::create_or_update(&client, &object).await?;
        output::talk(&format!("✔ Kustomization {done}"));
        output::talk("◎ waiting for Kustomization reconciliation");
        let gvk = GroupVersionKind::new("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
        let ready = wait::until_ready(&client, &gvk, &namespace(args), name).await?;
        output::talk(&format!("✔ Kustomization {name} is ready"));
        let revision = ready["status"]["lastAppliedRevision"].as_str().unwrap_or_default();
        output::talk(&format!("✔ applied revision {revision}"));
        Ok(ExitCode::SUCCESS)
    })
}

fn object(args: &Args, name: &str, source: &Source) -> Result<Value, Failed> {
    let labels = labels(args)?;
    let time = |flag: &str| args.duration(flag).map(duration::format);
    let mut spec = json!({
        "interval": args.printed_duration("interval").unwrap_or_else(|| "1m0s".to_owned()),
        "path": confined(args.text("path").unwrap_or("./")),
        "prune": args.is_on("prune"),
        "sourceRef": { "kind": source.kind, "name": source.name },
    });
    if let Some(namespace) = &source.namespace {
        spec["sourceRef"]["namespace"] = namespace.as_str().into();
    }
    if let Some(retry) = time("retry-interval") {
        spec["retryInterval"] = retry.into();
    }
    let dependencies: Vec<Value> = args.list("depends-on").iter().map(|word| dependency(word)).collect();
    if !dependencies.is_empty() {
        spec["dependsOn"] = dependencies.into();
    }
    health(args, &mut spec)?;
    if let Some(account) = args.filled("service-account") {
        spec["serviceAccountName"] = account.into();
    }
    decryption(args, &mut spec);
    if let Some(namespace) = args.filled("target-namespace") {
        spec["targetNamespace"] = namespace.into();
    }
    if let Some(secret) = args.filled("kubeconfig-secret-ref") {
        spec["kubeConfig"] = json!({ "secretRef": { "name": secret } });
    }
    let mut metadata = json!({ "name": name, "namespace": namespace(args) });
    if !labels.is_empty() {
        metadata["labels"] = Value::Object(labels);
    }
    Ok(json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": metadata,
        "spec": spec,
    }))
}

fn decryption(args: &Args, spec: &mut Value) {
    let secret = args.filled("decryption-secret");
    match args.filled("decryption-provider") {
        Some(provider) => {
            spec["decryption"] = json!({ "provider": provider });
            if let Some(secret) = secret {
                spec["decryption"]["secretRef"] = json!({ "name": secret });
            }
        }
        None if secret.is_some() => {
            output::talk("⚠️ --decryption-secret has no effect without --decryption-provider=sops");
        }
        None => {}
    }
}

fn dependency(word: &str) -> Value {
    // An expression behind the name is cut off, as in flux.
    let word = word.split('@').next().unwrap_or_default();
    match word.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() => json!({ "name": name, "namespace": namespace }),
        Some((_, name)) => json!({ "name": name }),
        None => json!({ "name": word }),
    }
}

fn health(args: &Args, spec: &mut Value) -> Result<(), Failed> {
    let limit = args.printed_duration("health-check-timeout").unwrap_or_else(|| "2m0s".to_owned());
    if args.is_on("wait") {
        spec["wait"] = true.into();
        spec["timeout"] = limit.into();
        return Ok(());
    }
    let checks = args.list("health-check").iter().map(|check| health_check(check));
    let checks = checks.collect::<Result<Vec<Value>, Failed>>()?;
    if !checks.is_empty() {
        spec["healthChecks"] = checks.into();
        spec["timeout"] = limit.into();
    }
    Ok(())
}

fn health_check(text: &str) -> Result<Value, Failed> {
    let parts: Vec<&str> = text.split('/').collect();
    let [kind, object] = *parts else {
        return Err(format!(
            "invalid health check '{text}' must be in the format 'kind/name.namespace' [{}]",
            parts.join(" ")
        )
        .into());
    };
    if !["HelmRelease", "Deployment", "DaemonSet", "StatefulSet"].contains(&kind) {
        return Err(format!(
            "invalid health check kind '{kind}' can be HelmRelease, Deployment, DaemonSet or StatefulSet"
        )
        .into());
    }
    let parts: Vec<&str> = object.split('.').collect();
    let [name, namespace] = *parts else {
        return Err(
            format!("invalid health check '{text}' must be in the format 'kind/name.namespace'").into()
        );
    };
    let mut check = json!({ "kind": kind, "name": name });
    if !namespace.is_empty() {
        check["namespace"] = namespace.into();
    }
    if kind == "HelmRelease" {
        check["apiVersion"] = "helm.toolkit.fluxcd.io/v2".into();
    }
    Ok(check)
}

/// Cleans a path and keeps it inside: always `./…`.
fn confined(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.trim().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("./{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_flux_reads_them() {
        let read = |text: &str| {
            source(text).map(|found| format!("{} {} {:?}", found.kind, found.name, found.namespace))
        };
        for (text, found) in [
            ("a", "GitRepository a None"),
            ("/a", "GitRepository a None"),
            (" a ", "GitRepository  a  None"),
            ("x.", "GitRepository x None"),
            ("bucket", "GitRepository bucket None"),
            ("bucket/a.b.c", "Bucket a.b Some(\"c\")"),
            ("OCIRepository/a/b", "GitRepository OCIRepository/a/b None"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(found), "{text}");
        }
        assert_eq!(read(".y"), Err("no name given for source of kind ''".to_owned()));
        assert_eq!(read("Bucket"), Err("no kind specified for source 'Bucket'".to_owned()));
    }
}

//! `flux export`: objects as they would be created again.

use std::process::ExitCode;

use sealfast_cluster::client::{Client, Select};
use sealfast_k8s::duration;
use sealfast_k8s::id::GroupVersionKind;
use serde_json::{Map, Value, json};

use super::args::{Args, Flag, Kind};
use super::known::{self, Known};
use super::{Failed, checked_namespace, connect, exported, help, told, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] =
    &[Flag::long("all", Kind::Switch), Flag::long("with-credentials", Kind::Switch)];

pub(super) const HELP: &str = "\
Print objects as YAML, without status.

Usage:
  flux export kustomization|helmrelease NAME [flags]
  flux export source git|oci|bucket|helm|chart|external NAME [--with-credentials] [flags]
  flux export image repository|policy|update NAME [flags]
  flux export receiver|alert|alert-provider NAME [flags]
  flux export artifact generator NAME [flags]

Flags:
      --all                every object of the namespace
      --with-credentials   the Secrets of sources, too
";

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let known = known::find("export", words)?;
    if args.text("with-credentials").is_some() && !known.human.starts_with("source") {
        return Err("unknown flag: --with-credentials".into());
    }
    if args.names.is_empty() && !args.is_on("all") {
        return Err("name is required".into());
    }
    let namespace = checked_namespace(args)?;
    let text = connect::with_client(args, |client| async move {
        let mut text = String::new();
        for object in objects(&client, known, &namespace, args).await? {
            text.push_str(&exported(&bare(&object)));
            let secret =
                object["spec"]["secretRef"]["name"].as_str().filter(|_| args.is_on("with-credentials"));
            if let Some(secret) = secret {
                text.push_str(&exported(&credentials(&client, &namespace, secret).await?));
            }
        }
        Ok(text)
    })?;
    Ok(output::data(text.as_bytes()))
}

async fn objects(client: &Client, known: Known, namespace: &str, args: &Args) -> Result<Vec<Value>, Failed> {
    if !args.is_on("all") {
        return Ok(vec![known.get(client, namespace, &args.names[0]).await?]);
    }
    let listed = client.list(&known.gvk(), namespace, &Select::default()).await;
    let objects = listed?.items;
    if objects.is_empty() {
        return Err(format!("no objects found in {namespace} namespace").into());
    }
    Ok(objects)
}

/// Fields of `spec` that flux leaves out when they are false, by kind. Others (`prune`, `persistentClient`) are not the
/// same when they are missing.
const OFF_IS_UNSAID: [(&str, &[&str]); 13] = [
    ("GitRepository", &["suspend", "recurseSubmodules"]),
    ("OCIRepository", &["suspend", "insecure"]),
    ("Bucket", &["suspend", "insecure"]),
    ("HelmRepository", &["suspend", "insecure", "passCredentials"]),
    ("HelmChart", &["suspend", "ignoreMissingValuesFiles"]),
    ("Kustomization", &["suspend", "force", "wait", "ignoreMissingComponents"]),
    ("HelmRelease", &["suspend"]),
    ("Alert", &["suspend"]),
    ("Provider", &["suspend"]),
    ("Receiver", &["suspend"]),
    ("ImageRepository", &["suspend", "insecure"]),
    ("ImagePolicy", &["suspend"]),
    ("ImageUpdateAutomation", &["suspend"]),
];

/// Spans of time, which flux prints as Go does (`5m0s`), wherever they stand but in what people make up themselves.
const SPANS: [&str; 3] = ["interval", "retryInterval", "timeout"];
const FREE: [&str; 4] = ["commonMetadata", "patches", "postBuild", "values"];

fn respan(fields: &mut Map<String, Value>) {
    for (field, value) in fields {
        match value {
            Value::String(text) if SPANS.contains(&field.as_str()) => {
                if let Ok(span) = duration::parse(text) {
                    *text = duration::format(span);
                }
            }
            Value::Object(fields) if !FREE.contains(&field.as_str()) => respan(fields),
            _ => {}
        }
    }
}

/// What a person would write: no status, and nothing that only says what holds anyway.
fn bare(object: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let mut spec = object["spec"].clone();
    if let Some(fields) = spec.as_object_mut() {
        respan(fields);
    }
    let unsaid = OFF_IS_UNSAID.iter().find(|(kind, _)| object["kind"] == *kind);
    if let (Some(fields), Some((_, unsaid))) = (spec.as_object_mut(), unsaid) {
        fields.retain(|field, value| *value != json!(false) || !unsaid.contains(&field.as_str()));
    }
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": metadata,
        "spec": spec,
    })
}

async fn credentials(client: &Client, namespace: &str, name: &str) -> Result<Value, Failed> {
    let secret =
        client.get(&GroupVersionKind::new("", "v1", "Secret"), namespace, name).await.map_err(|error| {
            let why = if error.is_not_found() { format!("secrets {name:?} not found") } else { told(&error) };
            format!("failed to retrieve secret {name}, error: {why}")
        })?;
    let mut kept = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
    });
    for field in ["data", "type"] {
        if let Some(value) = secret.get(field) {
            kept[field] = value.clone();
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::bare;

    fn spec(kind: &str, spec: &Value) -> Value {
        bare(&json!({ "kind": kind, "metadata": {}, "spec": spec, "status": {} }))["spec"].clone()
    }

    #[test]
    fn only_what_says_nothing_when_it_is_off_is_left_out() {
        let release = json!({ "suspend": false, "persistentClient": false });
        assert_eq!(spec("HelmRelease", &release), json!({ "persistentClient": false }));
        let kustomization = json!({ "prune": false, "force": false, "wait": true });
        assert_eq!(spec("Kustomization", &kustomization), json!({ "prune": false, "wait": true }));
        assert_eq!(spec("GitRepository", &json!({ "recurseSubmodules": false })), json!({}));
    }

    #[test]
    fn spans_of_time_are_printed_as_go_prints_them() {
        let written = json!({
            "interval": "10m", "timeout": "90s", "install": { "strategy": { "retryInterval": "1h" } },
            "values": { "timeout": "90s" }, "postBuild": { "substitute": { "interval": "10m" } },
        });
        let printed = json!({
            "interval": "10m0s", "timeout": "1m30s", "install": { "strategy": { "retryInterval": "1h0m0s" } },
            "values": { "timeout": "90s" }, "postBuild": { "substitute": { "interval": "10m" } },
        });
        assert_eq!(spec("HelmRelease", &written), printed);
    }
}

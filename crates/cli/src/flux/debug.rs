//! `flux debug kustomization`: status, history and variables, as they are.

use std::collections::BTreeMap;
use std::process::ExitCode;

use parking_lot::Mutex;
use sealfast_cluster::client::Client;
use sealfast_controllers::kustomization::gather;
use sealfast_controllers::kustomization::witness::Witness;
use sealfast_k8s::flux::kustomization::PostBuild;
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::args::{Args, Flag, Kind};
use super::{Failed, checked_namespace, connect, help, known, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("show-status", Kind::Switch),
    Flag::long("show-vars", Kind::Switch),
    Flag::long("show-history", Kind::Switch),
];

pub(super) const HELP: &str = "\
Show what keeps a Kustomization from its goal.
With --show-vars values of Secrets are printed as they are, if substituteFrom names any.

Usage:
  flux debug kustomization NAME --show-status|--show-vars|--show-history [flags]
  flux debug ks NAME --show-status|--show-vars|--show-history [flags]

Flags:
      --show-status    print the status
      --show-vars      print the variables of the post-build substitution as NAME=VALUE
      --show-history   print the history of the runs

Examples:
  flux debug ks podinfo --show-status
  flux debug ks podinfo --show-vars > vars.env
  flux debug ks podinfo --show-history
";

const DOCUMENTATION: &str = "https://fluxcd.io/flux/components/kustomize/kustomizations/";

/// Runs the command.
pub(super) fn run(words: &[&str], args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    if let Some(word) = words.first().filter(|word| !matches!(**word, "kustomization" | "ks")) {
        return Err(format!("unknown command {word:?} for \"flux debug\"").into());
    }
    let [name] = args.names.as_slice() else {
        return Err(format!("accepts 1 arg(s), received {}", args.names.len()).into());
    };
    let shown: Vec<&str> =
        ["show-status", "show-vars", "show-history"].into_iter().filter(|flag| args.is_on(flag)).collect();
    let [shown] = shown.as_slice() else {
        return Err("exactly one of --show-status, --show-vars, or --show-history must be set".into());
    };
    let namespace = checked_namespace(args)?;
    let text = connect::with_client(args, |client| async move {
        let found = known::KUSTOMIZATION.get(&client, &namespace, name).await?;
        match *shown {
            "show-status" => {
                Ok(Zeroizing::new(yaml("Status", "kustomization-status", &found["status"], json!({}))))
            }
            "show-history" => {
                Ok(Zeroizing::new(yaml("History", "history", &found["status"]["history"], json!([]))))
            }
            _ => variables(&client, &namespace, &found).await,
        }
    })?;
    Ok(output::data(text.as_bytes()))
}

fn yaml(what: &str, place: &str, value: &Value, none: Value) -> String {
    let value = if value.is_null() { &none } else { value };
    format!("# {what} documentation: {DOCUMENTATION}#{place}\n{}", sealfast_yaml::json::to_yaml(value))
}

async fn variables(client: &Client, namespace: &str, found: &Value) -> Result<Zeroizing<String>, Failed> {
    let Some(post_build) = found["spec"].get("postBuild").filter(|found| !found.is_null()) else {
        return Err("no post build substitutions found".into());
    };
    let post_build: PostBuild = serde_json::from_value(post_build.clone())?;
    let witness = Mutex::new(Witness::default());
    let read = gather::variables(client, namespace, &post_build, &witness).await;
    let variables = read.map_err(|failure| failure.message)??;
    Ok(listed(variables))
}

/// A line for each variable; values may come from Secrets, and are wiped.
fn listed(mut variables: BTreeMap<String, String>) -> Zeroizing<String> {
    let length = variables.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for (name, value) in &mut variables {
        text.extend([name.as_str(), "=", value.as_str(), "\n"]);
        value.zeroize();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_listed_without_growing() {
        let variables = [("a", "1"), ("b", "two")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = listed(variables.into());
        assert_eq!(text.as_str(), "a=1\nb=two\n");
        assert_eq!(text.capacity(), text.len());
    }
}

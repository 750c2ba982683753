//! `flux install`, `flux uninstall`: the controllers of `sealfast run`.
//!
//! Differs: these are our controllers and not Flux's own, which may be there, too. Definitions, the objects of Flux and the
//! namespace stay when they go.

use std::process::ExitCode;

use sealfast_cluster::client::{Apply, Client, Delete, DryRun};
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::wait::MANAGER;
use super::{Failed, ask, checked_namespace, connect, exported, help, wants_help};
use crate::{manifests, output};

pub(super) const FLAGS: &[Flag] = &[Flag::long("export", Kind::Switch), Flag::long("image", Kind::Text)];

pub(super) const HELP: &str = "\
Install the controllers of `sealfast run`, with the definitions of Flux's kinds and the rights that they need. They take
GitRepositories and Kustomizations; Helm, image automation and notifications are left to Flux's own controllers.

Usage:
  flux install [flags]

Flags:
      --export        print the objects instead of applying them
      --image IMAGE   image that holds this program (default sealfast:latest)

Examples:
  flux install --image registry.example.com/sealfast:1.0
  flux install --export --namespace delivery > controllers.yaml
";

pub(super) const UNINSTALL_FLAGS: &[Flag] = &[
    Flag::short("silent", 's', Kind::Switch),
    Flag::long("dry-run", Kind::Switch),
    Flag::long("keep-namespace", Kind::Switch),
];

pub(super) const UNINSTALL_HELP: &str = "\
Delete the controllers that `flux install` made, and their rights. The definitions, all GitRepositories and Kustomizations, what
those applied, and the namespace stay: Flux's own controllers may go on with them. Kustomizations whose objects shall go, too,
have to be deleted first, while there is a controller.

Usage:
  flux uninstall [flags]

Flags:
  -s, --silent           do not ask
      --dry-run          only say what would be deleted
      --keep-namespace   accepted; the namespace always stays
";

/// Runs `flux install`.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let namespace = checked_namespace(args)?;
    let objects = manifests::all(&namespace, args.filled("image").unwrap_or(manifests::IMAGE));
    if args.is_on("export") {
        let text: String = objects.iter().map(exported).collect();
        return Ok(output::data(text.as_bytes()));
    }
    connect::with_client(args, |client| async move {
        output::talk(&format!("► installing the controllers of Sealfast in {namespace} namespace"));
        for object in &objects {
            apply(&client, object).await?;
        }
        output::talk("✔ install finished");
        Ok(ExitCode::SUCCESS)
    })
}

async fn apply(client: &Client, object: &Value) -> Result<(), Failed> {
    let id = object::id(object);
    let how = Apply { manager: MANAGER, force: true, dry_run: DryRun::No };
    let applied = client.apply(object, &how).await;
    applied.map_err(|error| format!("{id}: {}", error.chain()))?;
    output::talk(&format!("✔ {id} applied"));
    Ok(())
}

/// Runs `flux uninstall`.
pub(super) fn uninstall(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(UNINSTALL_HELP));
    }
    let namespace = checked_namespace(args)?;
    let objects = manifests::controllers(&namespace);
    let is_asked = !args.is_on("silent") && !args.is_on("dry-run");
    if is_asked
        && !ask::agrees(&format!("Are you sure you want to delete Sealfast's controllers in {namespace}"))?
    {
        return Err("aborting".into());
    }
    connect::with_client(args, |client| async move {
        for object in objects.iter().rev() {
            delete(&client, object, args.is_on("dry-run")).await?;
        }
        output::talk("✔ uninstall finished");
        Ok(ExitCode::SUCCESS)
    })
}

async fn delete(client: &Client, object: &Value, is_tried: bool) -> Result<(), Failed> {
    let id = object::id(object);
    let outcome = if is_tried {
        client.find(&id.gvk, &id.namespace, &id.name).await.map(|found| found.is_some())
    } else {
        match client.delete(&id.gvk, &id.namespace, &id.name, &Delete::default()).await {
            Err(error) if error.is_not_found() => Ok(false),
            deleted => deleted.map(|_| true),
        }
    };
    if outcome.map_err(|error| format!("{id}: {}", error.chain()))? {
        let how = if is_tried { " (dry run)" } else { "" };
        output::talk(&format!("✔ {id} deleted{how}"));
    }
    Ok(())
}

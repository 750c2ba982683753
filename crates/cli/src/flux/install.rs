//! `flux install`, `flux uninstall`: the controllers of `sealfast run`.
//!
//! Differs: these are our controllers and not Flux's own, which may be there, too. Definitions, the objects of Flux and the
//! namespace stay when they go.

use std::process::ExitCode;

use sealfast_cluster::client::{Apply, Client, Delete, DryRun};
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::Value;

use super::args::{Args, Flag, Kind};
use super::wait::MANAGER;
use super::{Failed, ask, checked_namespace, connect, exported, help, wants_help};
use crate::{in_process, manifests, output};

pub(super) const FLAGS: &[Flag] = &[Flag::long("export", Kind::Switch), Flag::long("image", Kind::Text)];

pub(super) const HELP: &str = "\
Install the controllers of `sealfast run`, with the definitions of Flux's kinds and the rights that they need. They take
GitRepositories and Kustomizations; Helm, image automation and notifications are left to Flux's own controllers. One
installation serves the whole cluster: where there is one in another namespace, nothing is done.

Usage:
  flux install [flags]

Flags:
      --export        print the objects instead of applying them
      --image IMAGE   image that holds this program, made with the project's Dockerfile

Examples:
  flux install --image registry.example.com/sealfast:1.0
  flux install --image registry.example.com/sealfast:1.0 --export --namespace delivery > controllers.yaml
";

pub(super) const UNINSTALL_FLAGS: &[Flag] = &[
    Flag::short("silent", 's', Kind::Switch),
    Flag::long("dry-run", Kind::Switch),
    Flag::long("keep-namespace", Kind::Switch),
];

pub(super) const UNINSTALL_HELP: &str = "\
Delete the controllers that `flux install` made, and their rights. The definitions, all GitRepositories and Kustomizations, what
those applied, and the namespace stay: Flux's own controllers may go on with them. Kustomizations whose objects shall go, too,
have to be deleted first, while there is a controller. Rights in the whole cluster that are bound to others stay.

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
    let image =
        args.filled("image").ok_or_else(|| format!("--image is required: {}", manifests::NO_IMAGE))?;
    let objects = manifests::all(&namespace, image);
    if args.is_on("export") {
        let text: String = objects.iter().map(exported).collect();
        return Ok(output::data(text.as_bytes()));
    }
    connect::with_client(args, |client| async move {
        if in_process::version(&client).await.is_some() {
            output::talk("✔ the controllers run inside `sealfast up` here: there is nothing to install");
            return Ok(ExitCode::SUCCESS);
        }
        refuse_second(&client, &objects, &namespace).await?;
        output::talk(&format!("► installing the controllers of Sealfast in {namespace} namespace"));
        for object in &objects {
            apply(&client, object).await?;
        }
        output::talk("✔ install finished");
        Ok(ExitCode::SUCCESS)
    })
}

/// Refuses to take rights in the whole cluster away from those who have them.
async fn refuse_second(client: &Client, objects: &[Value], namespace: &str) -> Result<(), Failed> {
    for id in objects.iter().map(object::id).filter(|id| id.gvk.kind == BINDING) {
        let live = client.find(&id.gvk, "", &id.name).await;
        let live = live.map_err(|error| format!("{id}: {}", error.chain()))?.unwrap_or_default();
        if let Some(other) = bound(&live).into_iter().find(|subject| *subject != account(namespace)) {
            return Err(format!(
                "{id} is bound to {other} already; take that installation out first (flux uninstall --namespace NAME)"
            )
            .into());
        }
    }
    Ok(())
}

/// What a binding gives rights to.
fn bound(binding: &Value) -> Vec<String> {
    let subjects = binding["subjects"].as_array().into_iter().flatten();
    let text = |subject: &Value, key: &str| subject[key].as_str().unwrap_or_default().to_owned();
    let shown = |subject: &Value| {
        let (kind, name) = (text(subject, "kind"), text(subject, "name"));
        match text(subject, "namespace").as_str() {
            "" => format!("{kind}/{name}"),
            namespace => format!("{kind}/{namespace}/{name}"),
        }
    };
    subjects.map(shown).collect()
}

/// Who the controllers are, as [`bound`] shows them.
fn account(namespace: &str) -> String {
    format!("ServiceAccount/{namespace}/{}", manifests::NAME)
}

const BINDING: &str = "ClusterRoleBinding";

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
        for object in &objects {
            delete(&client, object, &namespace, args.is_on("dry-run")).await?;
        }
        output::talk("✔ uninstall finished");
        Ok(ExitCode::SUCCESS)
    })
}

async fn delete(client: &Client, object: &Value, namespace: &str, is_tried: bool) -> Result<(), Failed> {
    let id = object::id(object);
    let failed = |error: Error| format!("{id}: {}", error.chain());
    let Some(live) = client.find(&id.gvk, &id.namespace, &id.name).await.map_err(failed)? else {
        return Ok(());
    };
    if let Some(why) = kept(client, object, &live, namespace).await.map_err(failed)? {
        output::talk(&format!("► {id} stays: {why}"));
        return Ok(());
    }
    if !is_tried {
        let how = Delete { uid: live["metadata"]["uid"].as_str().map(str::to_owned), ..Delete::default() };
        match client.delete(&id.gvk, &id.namespace, &id.name, &how).await {
            Err(error) if error.is_not_found() => {}
            deleted => drop(deleted.map_err(failed)?),
        }
    }
    let how = if is_tried { " (dry run)" } else { "" };
    output::talk(&format!("✔ {id} deleted{how}"));
    Ok(())
}

/// Why something that the whole cluster sees stays: it is not, or not only, bound to the controllers of this namespace.
async fn kept(
    client: &Client,
    object: &Value,
    live: &Value,
    namespace: &str,
) -> Result<Option<String>, Error> {
    let subjects = match object::kind(object) {
        BINDING => bound(live),
        "ClusterRole" => {
            let kind = GroupVersionKind::new("rbac.authorization.k8s.io", "v1", BINDING);
            let binding = client.find(&kind, "", object::name(object)).await?;
            binding.map(|binding| bound(&binding)).unwrap_or_default()
        }
        _ => return Ok(None),
    };
    let own = account(namespace);
    if !subjects.is_empty() && subjects.iter().all(|subject| *subject == own) {
        return Ok(None);
    }
    let shown = if subjects.is_empty() { "nobody".to_owned() } else { subjects.join(", ") };
    Ok(Some(format!("it is bound to {shown}")))
}

//! `flux create tenant`: namespaces, accounts and rights of a team.
//!
//! Follows: `flux` 2.9. What is there already is only written when it differs; a RoleBinding cannot be changed and is made anew.

use std::process::ExitCode;

use sealfast_cluster::client::{Client, Delete};
use sealfast_k8s::object;
use serde_json::{Value, json};

use super::args::{Args, Flag, Kind};
use super::wait::MANAGER;
use super::{Failed, connect, exported, help, labels, new_name, wants_help};
use crate::output;

pub(super) const FLAGS: &[Flag] = &[
    Flag::long("with-namespace", Kind::List),
    Flag::long("cluster-role", Kind::Text),
    Flag::long("with-service-account", Kind::Text),
    Flag::long("skip-namespace", Kind::Switch),
    Flag::long("interval", Kind::Duration),
    Flag::long("label", Kind::List),
    Flag::long("export", Kind::Switch),
];

pub(super) const HELP: &str = "\
Create the namespaces, service accounts and role bindings that keep a team's reconcilers to its own namespaces.

Usage:
  flux create tenant NAME --with-namespace NAMESPACE [--with-namespace NAMESPACE]… [flags]

Flags:
      --with-namespace NAMESPACE     a namespace of the tenant
      --with-service-account NAME    account that acts for the tenant (default the tenant's name)
      --cluster-role NAME            what the account may do (default cluster-admin)
      --skip-namespace               the namespaces are there already
      --label KEY=VALUE
      --export                       print the objects instead of creating them

Examples:
  flux create tenant dev-team --with-namespace=frontend --label=environment=dev
  flux create tenant dev-team --with-namespace=frontend --with-namespace=backend --export > dev-team.yaml
";

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failed> {
    if wants_help(args) {
        return Ok(help(HELP));
    }
    let tenant = new_name(args)?;
    let role = args.text("cluster-role").unwrap_or("cluster-admin");
    if role.is_empty() {
        return Err("cluster-role is required".into());
    }
    let mut parts = Vec::new();
    for namespace in args.list("with-namespace").iter().filter(|namespace| !namespace.is_empty()) {
        parts.push(Part::new(args, tenant, role, namespace)?);
    }
    if parts.is_empty() {
        return Err("with-namespace is required".into());
    }
    if args.is_on("export") {
        let text: String = parts.iter().flat_map(Part::objects).map(exported).collect();
        return Ok(output::data(text.as_bytes()));
    }
    connect::with_client(args, |client| async move {
        for object in parts.iter().flat_map(Part::objects) {
            apply(&client, object).await?;
        }
        output::talk("✔ tenant setup completed");
        Ok(ExitCode::SUCCESS)
    })
}

/// One namespace of the tenant.
struct Part {
    namespace: Option<Value>,
    account: Value,
    binding: Value,
}

impl Part {
    fn new(args: &Args, tenant: &str, role: &str, namespace: &str) -> Result<Self, Failed> {
        qualified("namespace", namespace)?;
        let mut labels = labels(args)?;
        labels.insert("toolkit.fluxcd.io/tenant".to_owned(), tenant.into());
        let account = args.filled("with-service-account").unwrap_or(tenant);
        qualified("service-account name", account)?;
        let about = |name: &str| json!({ "name": name, "namespace": namespace, "labels": labels });
        let user = format!("gotk:{namespace}:reconciler");
        Ok(Self {
            namespace: (!args.is_on("skip-namespace")).then(|| {
                json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "labels": labels },
                })
            }),
            account: json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": about(account) }),
            binding: json!({
                "apiVersion": format!("{RBAC}/v1"),
                "kind": "RoleBinding",
                "metadata": about(&format!("{tenant}-reconciler")),
                "roleRef": { "apiGroup": RBAC, "kind": "ClusterRole", "name": role },
                "subjects": [
                    { "apiGroup": RBAC, "kind": "User", "name": user },
                    { "kind": "ServiceAccount", "name": account, "namespace": namespace },
                ],
            }),
        })
    }

    fn objects(&self) -> impl Iterator<Item = &Value> {
        self.namespace.iter().chain([&self.account, &self.binding])
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn qualified(what: &str, name: &str) -> Result<(), Failed> {
    let whys = sealfast_apiserver::label_key(name);
    if whys.is_empty() {
        return Ok(());
    }
    Err(format!("invalid {what} '{name}': [{}]", whys.join(" ")).into())
}

async fn apply(client: &Client, object: &Value) -> Result<(), Failed> {
    let id = object::id(object);
    let (gvk, namespace, name) = (&id.gvk, &id.namespace, &id.name);
    let kind = match gvk.kind.as_str() {
        "Namespace" => "namespace",
        "ServiceAccount" => "service account",
        _ => "role binding",
    };
    output::talk(&format!("► applying {kind} {name}"));
    let Some(mut live) = client.find(gvk, namespace, name).await? else {
        return client.create(object, MANAGER).await.map(drop).map_err(Failed::from);
    };
    let labels = &object["metadata"]["labels"];
    let same_labels = covers(&live["metadata"]["labels"], labels);
    if gvk.kind == "RoleBinding" {
        let same = ["subjects", "roleRef"].into_iter().all(|field| covers(&live[field], &object[field]));
        if same && same_labels {
            return Ok(());
        }
        client.delete(gvk, namespace, name, &Delete::default()).await?;
        return client.create(object, MANAGER).await.map(drop).map_err(Failed::from);
    }
    if same_labels {
        return Ok(());
    }
    for (key, value) in labels.as_object().into_iter().flatten() {
        live["metadata"]["labels"][key] = value.clone();
    }
    client.update(&live, MANAGER).await.map(drop).map_err(Failed::from)
}

/// Tells whether all that is wanted is there; what nobody asked for may be there too.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| live.get(key).is_some_and(|live| covers(live, value)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::covers;

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let wanted = json!([{ "kind": "ServiceAccount", "name": "dev" }]);
        assert!(covers(&json!([{ "kind": "ServiceAccount", "name": "dev", "namespace": "apps" }]), &wanted));
        assert!(!covers(&json!([{ "kind": "ServiceAccount", "name": "other" }]), &wanted));
        assert!(!covers(&json!([]), &wanted));
    }
}

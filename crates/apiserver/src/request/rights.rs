//! What writers need beside the right to write: nobody grants more than he has.

use std::sync::Arc;

use serde_json::Value;

use crate::auth::{self, Attributes};
use crate::call::Call;
use crate::fields;
use crate::gathered::{gathers, rules_of};
use crate::keys;
use crate::status_error::Status;
use crate::storage::Key;

/// Nobody grants more than he has, or speaks for a signer unasked; `old` is what a change replaces.
pub(crate) fn check(call: &Call<'_>, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    match (&*call.resource.key, old) {
        (keys::CERTIFICATE_REQUESTS, Some(old)) => check_signer(call, old, object),
        _ if call.resource.group != keys::RBAC || call.resource.custom.is_some() => Ok(()),
        // Owners and finalizers are the collector's business, and grant nothing.
        (_, Some(old)) if differ_in_bonds_alone(old, object) => Ok(()),
        _ => check_grant(call, object, old),
    }
}

/// Equal but for owners and finalizers, and who wrote them.
fn differ_in_bonds_alone(old: &Value, new: &Value) -> bool {
    const BONDS: [&str; 4] = ["ownerReferences", "finalizers", "managedFields", "resourceVersion"];
    fields::equal_but(old, new, &["metadata"])
        && fields::equal_but(&old["metadata"], &new["metadata"], &BONDS)
}

fn check_grant(call: &Call<'_>, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let Some(rules) = granted(call, object)? else { return Ok(()) };
    let about = (call.resource.group.as_str(), call.resource.plural.as_str());
    let name = fields::name(object);
    let escalation = |rules: &[Value]| {
        auth::escalation(&call.request.user, rules, &call.namespace, about, name, &call.app.store)
    };
    if let Some(status) = escalation(&rules) {
        return Err(status);
    }
    // What gathers rules may gather any, of today and of tomorrow.
    if (gathers(object) || old.is_some_and(gathers))
        && escalation(&[auth::everything(), auth::every_path()]).is_some()
    {
        let why = "must have cluster-admin privileges to use an aggregationRule";
        return Err(Status::forbidden(about.0, about.1, name, why));
    }
    Ok(())
}

/// The rules that a role or a binding gives away; `None` when the user may give any of them.
fn granted(call: &Call<'_>, object: &Value) -> Result<Option<Vec<Value>>, Status> {
    if !["Role", "ClusterRole"].contains(&call.resource.kind.as_str()) {
        return bound(call, &object["roleRef"]);
    }
    let may = may(call, "escalate", &call.resource.plural, fields::name(object));
    Ok((!may).then(|| rules_of(object, &call.app.store)))
}

/// The rules of the role that a binding refers to.
fn bound(call: &Call<'_>, reference: &Value) -> Result<Option<Vec<Value>>, Status> {
    let (resource, store) = (&call.resource, &call.app.store);
    let role = fields::text(reference, &["name"]);
    let (plural, kept_under, namespace) = match reference["kind"] == "ClusterRole" {
        true => ("clusterroles", keys::CLUSTER_ROLES, ""),
        false => ("roles", keys::ROLES, call.namespace.as_str()),
    };
    if may(call, "bind", plural, role) {
        return Ok(None);
    }
    let key = Key::new(&Arc::from(kept_under), namespace, role);
    match store.get(&key) {
        Some(role) => Ok(Some(rules_of(&role.object(), store))),
        None if call.request.user.is_master() => Ok(None),
        None => Err(Status::not_found(&resource.group, &resource.plural, role)),
    }
}

fn may(call: &Call<'_>, verb: &str, plural: &str, name: &str) -> bool {
    let wanted = Attributes {
        verb: verb.into(),
        group: call.resource.group.clone(),
        resource: plural.into(),
        namespace: call.namespace.clone(),
        name: name.into(),
        path: None,
    };
    auth::allowed(&call.request.user, &wanted, &call.app.store)
}

/// Refuses verdicts and certificates of those who may not give them for the signer.
///
/// # Errors
/// 403 for who lacks `approve` or `sign` on the signer, by its name or its domain.
fn check_signer(call: &Call<'_>, old: &Value, new: &Value) -> Result<(), Status> {
    let signs =
        || ["certificate", "conditions"].iter().any(|field| new["status"][*field] != old["status"][*field]);
    let verb = match call.subresource.as_str() {
        "approval" => "approve",
        "status" if signs() => "sign",
        _ => return Ok(()),
    };
    let signer = fields::text(old, &["spec", "signerName"]);
    let domain = signer.split('/').next().unwrap_or_default();
    // Requests are in no namespace, as their signers are.
    if may(call, verb, "signers", signer) || may(call, verb, "signers", &format!("{domain}/*")) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(Status::forbidden(&call.resource.group, &call.resource.plural, &call.name, &why))
}

//! What has to be in order before a run begins. Only reads.

use std::time::{Duration, Instant};

use sealfast_k8s::flux::artifact::Artifact;
use sealfast_k8s::flux::kustomization::{Dependency, Kustomization};
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::{condition, duration, object};
use serde_json::Value;

use crate::expression::{self, Health};
use crate::gates::{Gate, Gates};
use crate::kustomization::missing::Missing;
use crate::kustomization::report::{EventText, Failure, Reason};
use crate::kustomization::shared::{Shared, kind};
use crate::options::CrossNamespace;
use crate::report::Retry;

const SOURCES: &str = "source.toolkit.fluxcd.io";
const TERMINAL: &str = "Reconciliation failed terminally due to configuration error";

/// Compiles the health check expressions.
///
/// # Errors
/// InvalidCELExpression, until the object changes.
pub async fn expressions(typed: &Kustomization) -> Result<Health, Failure> {
    let written = typed.spec.health_check_exprs.clone();
    let compiled = tokio::task::spawn_blocking(move || Health::compile(&written)).await;
    compiled
        .unwrap_or_else(|stopped| Err(stopped.to_string()))
        .map_err(|why| Failure::terminal(Reason::InvalidExpression, format!("{TERMINAL}: {why}")))
}

/// Refuses what needs an identity that we cannot give.
///
/// # Errors
/// FeatureGateDisabled, until the object changes.
pub fn account(typed: &Kustomization, gates: &Gates) -> Result<(), Failure> {
    if gates.has(Gate::ObjectLevelWorkloadIdentity) {
        return Ok(());
    }
    match typed.spec.decryption.as_ref().and_then(|decryption| decryption.service_account_name.as_ref()) {
        Some(_) => Err(Failure::terminal(
            Reason::FeatureGateDisabled,
            "to use spec.decryption.serviceAccountName for decryption authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
        )),
        None => Ok(()),
    }
}

/// Whether objects of other namespaces are out of reach.
fn is_blocked(shared: &Shared) -> bool {
    shared.options.cross_namespace == CrossNamespace::Blocked
}

/// Reads the source.
///
/// # Errors
/// ArtifactFailed when it does not exist, AccessDenied when it may not be used.
pub async fn source(shared: &Shared, typed: &Kustomization) -> Result<Value, Failure> {
    let reference = &typed.spec.source_ref;
    let namespace = reference.namespace.as_deref().unwrap_or(&typed.metadata.namespace);
    let shown = format!("{}/{namespace}/{}", reference.kind, reference.name);
    if namespace != typed.metadata.namespace && is_blocked(shared) {
        return Err(Failure::terminal(
            Reason::AccessDenied,
            format!("can't access '{shown}', cross-namespace references have been blocked"),
        )
        .hint("name a source in the namespace of the Kustomization; `--no-cross-namespace-refs` forbids all others"));
    }
    if reference.kind == "ExternalArtifact" && !shared.options.gates.has(Gate::ExternalArtifact) {
        return Err(Failure::terminal(
            Reason::AccessDenied,
            format!("can't access '{shown}', ExternalArtifact feature gate is disabled"),
        )
        .hint("the controllers take it with `--feature-gates=ExternalArtifact=true`"));
    }
    let gvk = GroupVersionKind::new(SOURCES, "v1", reference.kind.clone());
    shared.client.get(&gvk, namespace, &reference.name).await.map_err(|error| {
        if error.is_not_found() || error.is_no_match() {
            let missing = Missing::Source { kind: reference.kind.clone(), name: reference.name.clone() };
            Failure { event: EventText::None, ..Failure::new(Reason::ArtifactFailed, missing.to_string()) }
        } else {
            let message = format!("unable to get source '{namespace}/{}': {}", reference.name, error.chain());
            let failure = Failure::new(Reason::ArtifactFailed, message);
            Failure { retry: Retry::BackOff, event: EventText::None, ..failure }
        }
    })
}

/// The artifact of a source.
///
/// # Errors
/// ArtifactFailed when there is none yet.
pub fn artifact(source: &Value, retry: Duration) -> Result<Artifact, Failure> {
    let artifact = source.pointer("/status/artifact").cloned().and_then(|a| serde_json::from_value(a).ok());
    artifact.filter(|artifact: &Artifact| !artifact.url.is_empty()).ok_or_else(|| {
        let message = format!("Source artifact not found, retrying in {}", duration::format(retry));
        Failure::waiting(Reason::ArtifactFailed, message, EventText::None)
    })
}

/// Looks at each dependency.
///
/// # Errors
/// DependencyNotReady with the first that is not ready; InvalidCELExpression for what is no expression; AccessDenied for one
/// that would read an object of another namespace although references there are blocked.
pub async fn dependencies(
    shared: &Shared,
    own: &Value,
    typed: &Kustomization,
    revision: &str,
) -> Result<(), Failure> {
    let mut patience = Patience(expression::MOST_TIME);
    for dependency in &typed.spec.depends_on {
        one(shared, own, typed, revision, dependency, &mut patience).await?;
    }
    Ok(())
}

async fn one(
    shared: &Shared,
    own: &Value,
    typed: &Kustomization,
    revision: &str,
    dependency: &Dependency,
    patience: &mut Patience,
) -> Result<(), Failure> {
    let namespace = dependency.namespace.as_deref().unwrap_or(&typed.metadata.namespace);
    let shown = format!("'{namespace}/{}'", dependency.name);
    let foreign = namespace != typed.metadata.namespace;
    if dependency.ready_expr.is_some() && foreign && is_blocked(shared) {
        // An answer for each expression gives away the whole object, bit by bit.
        let message = format!(
            "can't evaluate readyExpr of dependency {shown}, cross-namespace references have been blocked"
        );
        return Err(Failure::terminal(Reason::AccessDenied, message)
            .hint("leave out readyExpr, or depend on an object of the own namespace"));
    }
    let retry = shared.options.requeue_dependency;
    let live = shared.client.get(&kind(), namespace, &dependency.name).await;
    let live = live
        .map_err(|error| not_ready(retry, format!("{shown} not found: {}", error.chain())).blame(&error))?;
    if let Some(expression) = &dependency.ready_expr {
        let Some(judged) = patience.judged(expression, own, &live).await else {
            let why = format!("{shown} is not looked at: the readyExpr of those before it take too long");
            return Err(not_ready(retry, why));
        };
        match judged {
            Ok(Ok(true)) if shared.options.gates.has(Gate::AdditiveCELDependencyCheck) => {}
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => {
                return Err(not_ready(retry, format!("{shown} is not ready according to readyExpr eval")));
            }
            Ok(Err(why)) => return Err(Failure { message: why, ..not_ready(retry, String::new()) }),
            Err(why) => {
                let name = &dependency.name;
                let why = format!("{TERMINAL}: terminal error: failed to evaluate dependency {name}: {why}");
                return Err(Failure::terminal(Reason::InvalidExpression, why));
            }
        }
    }
    is_ready(typed, &live, revision).map_err(|why| not_ready(retry, format!("{shown} {why}")))
}

/// What is waited for.
fn not_ready(retry: Duration, why: String) -> Failure {
    let retry = duration::format(retry);
    let notice = format!("Dependencies do not meet ready condition, retrying in {retry}");
    Failure::waiting(Reason::DependencyNotReady, format!("dependency {why}"), EventText::Notice(notice))
}

/// Whether another Kustomization is ready, with our own revision if it has our source.
fn is_ready(typed: &Kustomization, live: &Value, revision: &str) -> Result<(), &'static str> {
    let other: Kustomization = serde_json::from_value(live.clone()).unwrap_or_default();
    let observed = other.status.observed_generation == object::generation(live);
    if !observed || !condition::is_true(&other.status.conditions, "Ready") {
        return Err("is not ready");
    }
    if same_source(typed, &other) && other.status.last_applied_revision != revision {
        return Err("revision is not up to date");
    }
    Ok(())
}

/// The time left for the expressions of one run, which others wait behind.
struct Patience(Duration);

impl Patience {
    /// Runs an expression; `None` when there is no time left.
    async fn judged(
        &mut self,
        expression: &str,
        own: &Value,
        live: &Value,
    ) -> Option<Result<Result<bool, String>, String>> {
        if self.0.is_zero() {
            return None;
        }
        let began = Instant::now();
        let (expression, own, live) = (expression.to_owned(), own.clone(), live.clone());
        let run = move || expression::dependency_ready(&expression, &own, &live);
        let judged = tokio::task::spawn_blocking(run).await;
        self.0 = self.0.saturating_sub(began.elapsed());
        Some(judged.unwrap_or_else(|stopped| Ok(Err(stopped.to_string()))))
    }
}

fn same_source(one: &Kustomization, other: &Kustomization) -> bool {
    let resolved = |k: &Kustomization| {
        let reference = &k.spec.source_ref;
        let namespace = reference.namespace.clone().unwrap_or_else(|| k.metadata.namespace.clone());
        (reference.kind.clone(), reference.name.clone(), namespace)
    };
    resolved(one) == resolved(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn the_expressions_of_a_run_share_their_time() {
        let object = json!({});
        let mut patience = Patience(Duration::from_nanos(1));
        assert_eq!(patience.judged("true", &object, &object).await, Some(Ok(Ok(true))));
        assert_eq!(patience.judged("true", &object, &object).await, None, "nothing is left");
    }
}

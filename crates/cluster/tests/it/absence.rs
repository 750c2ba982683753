//! Whose word that something is not there is taken.

use std::time::Duration;

use anyhow::{Result, ensure};
use sealfast_cluster::apply::{Action, Owner};
use sealfast_cluster::client::{Apply, Delete, DryRun, Patch};
use sealfast_cluster::error::Error;
use sealfast_cluster::prune::{self, Pruned};
use sealfast_k8s::id::{GroupVersionKind, ObjectId};
use serde_json::json;

use crate::house::core;
use crate::scripted::{Said, Scripted};

fn widgets() -> GroupVersionKind {
    GroupVersionKind::new("x.io", "v1", "Widget")
}

async fn pruned(server: &Scripted, gvk: GroupVersionKind) -> Pruned {
    let entry = ObjectId { gvk, namespace: "ns".into(), name: "a".into() };
    let owner = Owner { name: "app".into(), namespace: "ns".into() };
    prune::delete(&server.client, &[entry], &owner, Duration::from_secs(60)).await
}

#[tokio::test]
async fn who_answers_not_found_to_everything_has_deleted_nothing() -> Result<()> {
    let page = || Said::new(404, "default backend - 404");
    let nothing = || Said::refused(404, "NotFound");
    let empty = || Said::new(200, "{}");
    for answer in [page, nothing, empty] {
        let server = Scripted::start(move |_| answer()).await?;
        for gvk in [core("ConfigMap"), widgets()] {
            let pruned = pruned(&server, gvk.clone()).await;
            ensure!(pruned.changes.is_empty() && pruned.is_transient(), "{:?}", pruned.message());
            let message = pruned.message().unwrap_or_default();
            ensure!(message.contains("and does not say of what: it may be no API server"), "{message}");
            let found = server.client.find(&gvk, "ns", "a").await;
            ensure!(matches!(found, Err(Error::Astray { .. })), "{found:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_address_that_answers_not_found_keeps_nothing_else_from_being_deleted() -> Result<()> {
    let server = Scripted::start(|asked| match asked {
        "GET /api/v1" => Said::kinds(&[("ConfigMap", "configmaps")]),
        "GET /apis" => Said::groups(&[("x.io", "v1")]),
        "GET /apis/x.io/v1" => Said::kinds(&[("Widget", "widgets")]),
        asked if asked.contains("/configmaps/") => Said::missing("a"),
        _ => Said::new(404, "404 page not found"),
    })
    .await?;
    let entry = |gvk| ObjectId { gvk, namespace: "ns".into(), name: "a".into() };
    let entries = [entry(core("ConfigMap")), entry(widgets())];
    let owner = Owner { name: "app".into(), namespace: "ns".into() };
    let pruned = prune::delete(&server.client, &entries, &owner, Duration::from_secs(60)).await;
    ensure!(pruned.left().eq(&entries[1..]) && pruned.is_transient(), "{:?}", pruned.message());
    ensure!(pruned.changes.len() == 1 && pruned.changes[0].object == entries[0], "{:?}", pruned.changes);
    Ok(())
}

#[tokio::test]
async fn not_found_is_believed_of_the_object_that_it_names() -> Result<()> {
    for (name, is_believed) in [("a", true), ("b", false)] {
        let server = Scripted::start(move |asked| match asked {
            "GET /apis/x.io/v1" => Said::kinds(&[("Widget", "widgets")]),
            _ => Said::missing(name),
        })
        .await?;
        ensure!(server.client.find(&widgets(), "ns", "a").await.is_ok() == is_believed);
        let deleted = server.client.delete(&widgets(), "ns", "a", &Delete::default()).await;
        ensure!(deleted.is_err_and(|error| error.is_not_found() == is_believed));
        let body = json!({});
        let patched = server.client.patch(&widgets(), "ns", "a", &Patch::Merge(&body), "test").await;
        ensure!(patched.is_err_and(|error| error.is_not_found() == is_believed));
        let pruned = pruned(&server, widgets()).await;
        ensure!(pruned.message().is_none() == is_believed);
        ensure!(pruned.changes.iter().all(|change| change.action == Action::Deleted));
    }
    Ok(())
}

#[tokio::test]
async fn who_makes_something_believes_not_found_that_names_something() -> Result<()> {
    let object =
        json!({"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "ns"}});
    for (said, is_believed) in [(Said::missing("ns"), true), (Said::new(404, "default backend - 404"), false)]
    {
        let server = Scripted::start(move |asked| match asked {
            "GET /apis/x.io/v1" => Said::kinds(&[("Widget", "widgets")]),
            "GET /api/v1" => Said::kinds(&[("ServiceAccount", "serviceaccounts")]),
            _ => said.clone(),
        })
        .await?;
        let how = Apply { manager: "test", force: true, dry_run: DryRun::No };
        for refused in [
            server.client.create(&object, "test").await.err(),
            server.client.update(&object, "test").await.err(),
            server.client.apply(&object, &how).await.err(),
            server.client.account_token("ns", "a", &[]).await.err(),
        ] {
            let is_expected = refused.as_ref().is_some_and(|error| {
                error.is_not_found() == is_believed && error.is_transient() != is_believed
            });
            ensure!(is_expected, "{refused:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_kind_is_gone_when_the_server_says_what_else_it_has() -> Result<()> {
    for (groups, version, is_gone) in [
        // Group, version, or the kind alone.
        (&[("y.io", "v1")][..], Said::new(404, "404 page not found"), true),
        (&[("x.io", "v2")], Said::new(404, "404 page not found"), true),
        (&[("x.io", "v1")], Said::kinds(&[("Gadget", "gadgets")]), true),
        // What is listed and answers "not found" is about to come or to go.
        (&[("x.io", "v1")], Said::new(404, "404 page not found"), false),
    ] {
        let server = Scripted::start(move |asked| match asked {
            "GET /apis" => Said::groups(groups),
            "GET /apis/x.io/v1" => version.clone(),
            "GET /apis/x.io/v2" => Said::kinds(&[("Gadget", "gadgets")]),
            _ => Said::new(404, "404 page not found"),
        })
        .await?;
        let found = server.client.find(&widgets(), "ns", "a").await;
        ensure!(found.is_ok() == is_gone, "{groups:?}: {found:?}");
        ensure!(pruned(&server, widgets()).await.message().is_none() == is_gone, "{groups:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_went_with_its_kind_is_gone() -> Result<()> {
    let known = std::sync::atomic::AtomicBool::new(true);
    let server = Scripted::start(move |asked| match asked {
        "GET /apis" => Said::groups(&[]),
        "GET /apis/x.io/v1" if known.swap(false, std::sync::atomic::Ordering::Relaxed) => {
            Said::kinds(&[("Widget", "widgets")])
        }
        _ => Said::new(404, "404 page not found"),
    })
    .await?;
    ensure!(server.client.resource(&widgets()).await.is_ok());
    ensure!(server.client.find(&widgets(), "ns", "a").await?.is_none());
    Ok(())
}

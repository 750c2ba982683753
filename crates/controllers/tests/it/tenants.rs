//! What one tenant cannot do to another, and what nobody gets to read.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Patch;
use sealfast_controllers::options::{CrossNamespace, Options};
use sealfast_keys::keyring::Keyring;
use sealfast_sops::document::Format;
use sealfast_testkit::place;
use serde_json::json;

use crate::hearing;
use crate::house::{House, config_map, is_applied, kind, kustomization, ready};
use crate::macs::sealed;

/// An identity and a Secret that it opens, from the recorded cases.
fn recorded(case: &str) -> Result<(String, String)> {
    let folder = place::golden("controllers").join(case);
    let objects = std::fs::read_to_string(folder.join("objects.yaml"))?;
    let secret = std::fs::read_to_string(folder.join("repo/s.yaml"))?;
    Ok((objects, secret))
}

fn identity(objects: &str) -> Result<String> {
    let line = objects.lines().find(|line| line.contains("AGE-SECRET-KEY-"));
    Ok(line.map(str::trim).unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_of_other_namespaces_can_be_blocked() -> Result<()> {
    let house = House::new().await?;
    let options = Options { cross_namespace: CrossNamespace::Blocked, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.namespace("tenant").await?;
    house.write("cm.yaml", &config_map("stolen", "x"))?;
    house.publish(&handle, "default").await?;
    let source = json!({"sourceRef": {"kind": "ExternalArtifact", "name": "repo", "namespace": "default"}});
    house.apply(kustomization("tenant", "thief", source)).await?;
    let refused = house.until("tenant", "thief", |object| ready(object)["status"] == "False").await?;
    ensure!(ready(&refused)["reason"] == "AccessDenied", "{}", ready(&refused));
    let message =
        "can't access 'ExternalArtifact/default/repo', cross-namespace references have been blocked";
    ensure!(ready(&refused)["message"] == message);
    ensure!(house.client.find(&kind("", "ConfigMap"), "default", "stolen").await?.is_none());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_alone_opens_no_artifact_of_another_namespace() -> Result<()> {
    let house = House::new().await?;
    let options = Options { cross_namespace: CrossNamespace::Blocked, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.namespace("tenant").await?;
    house.write("cm.yaml", &config_map("stolen", "x"))?;
    let revision = house.publish(&handle, "default").await?;
    house.apply(kustomization("default", "owner", json!({}))).await?;
    house.until("default", "owner", |object| is_applied(object, &revision)).await?;
    // It is unpacked by now, and somebody else says that it is theirs.
    let sources = kind("source.toolkit.fluxcd.io", "ExternalArtifact");
    let own = house.client.get(&sources, "default", "repo").await?;
    let metadata = json!({"name": "repo", "namespace": "tenant"});
    house
        .apply(json!({"apiVersion": own["apiVersion"], "kind": "ExternalArtifact", "metadata": metadata, "spec": {}}))
        .await?;
    let mut status = own["status"].clone();
    let url = own["status"]["artifact"]["url"].as_str().unwrap_or_default();
    status["artifact"]["path"] = "externalartifact/tenant/repo/none.tar.gz".into();
    status["artifact"]["url"] = url.replace("/default/", "/tenant/").into();
    let body = json!({"status": status});
    house.client.patch_status(&sources, "tenant", "repo", &Patch::Merge(&body), "test").await?;
    house.apply(kustomization("tenant", "thief", json!({"targetNamespace": "tenant"}))).await?;
    let refused =
        house.until("tenant", "thief", |object| ready(object)["reason"] == "ArtifactFailed").await?;
    let told = ready(&refused)["message"].as_str().unwrap_or_default();
    ensure!(told.starts_with("Source is not ready, artifact not found"), "{told}");
    ensure!(house.client.find(&kind("", "ConfigMap"), "tenant", "stolen").await?.is_none());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_reads_no_dependency_of_another_namespace_where_that_is_blocked() -> Result<()> {
    let house = House::new().await?;
    let options = Options { cross_namespace: CrossNamespace::Blocked, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.namespace("tenant").await?;
    house.write("cm.yaml", &config_map("made", "x"))?;
    house.publish(&handle, "tenant").await?;
    house
        .apply(kustomization(
            "default",
            "victim",
            json!({"suspend": true, "postBuild": {"substitute": {"password": "s3cret"}}}),
        ))
        .await?;
    let depends = |expression: &str| json!({"dependsOn": [{"name": "victim", "namespace": "default", "readyExpr": expression}]});
    let guess =
        |letter: &str| depends(&format!("dep.spec.postBuild.substitute.password.startsWith('{letter}')"));
    let denied = "can't evaluate readyExpr of dependency 'default/victim', cross-namespace references have been blocked";
    for (name, spec, reason, told) in [
        ("right", guess("s"), "AccessDenied", denied),
        ("wrong", guess("x"), "AccessDenied", denied),
        ("plain", depends(""), "DependencyNotReady", "dependency 'default/victim' is not ready"),
    ] {
        house.apply(kustomization("tenant", name, spec)).await?;
        let done = house
            .until("tenant", name, |object| {
                !ready(object)["reason"].is_null() && ready(object)["status"] != "Unknown"
            })
            .await?;
        ensure!(
            ready(&done)["reason"] == reason && ready(&done)["message"] == told,
            "{name}: {}",
            ready(&done)
        );
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_writes_only_where_it_may() -> Result<()> {
    let house = House::new().await?;
    let options = Options { default_service_account: Some("tenant".to_owned()), ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.namespace("tenant").await?;
    house.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant", "namespace": "tenant"}})).await?;
    house.write("cm.yaml", &config_map("foreign", "x"))?;
    house.publish(&handle, "tenant").await?;
    // An empty name is none, and no way back to the controller's own rights.
    for (name, spec) in [("unset", json!({})), ("empty", json!({"serviceAccountName": ""}))] {
        house.apply(kustomization("tenant", name, spec)).await?;
        let refused = house
            .until("tenant", name, |object| {
                !ready(object)["reason"].is_null() && ready(object)["status"] != "Unknown"
            })
            .await?;
        let message = ready(&refused)["message"].as_str().unwrap_or_default();
        ensure!(
            message.contains("(Forbidden)") && message.contains("system:serviceaccount:tenant:tenant"),
            "{name}: {message}"
        );
    }
    ensure!(house.client.find(&kind("", "ConfigMap"), "default", "foreign").await?.is_none());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_another_namespace_opens_nothing() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.namespace("tenant").await?;
    let (objects, secret) = recorded("sops-age-data")?;
    house.write("s.yaml", &secret.replace("${NS}", "default"))?;
    let keys = |namespace: &str, identity: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": namespace},
            "data": {"age.agekey": STANDARD.encode(identity)}})
    };
    let decryption = json!({"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}});
    house.apply(keys("default", &identity(&objects)?)).await?;
    house.publish(&handle, "default").await?;
    house.publish(&handle, "tenant").await?;
    house.apply(kustomization("tenant", "thief", decryption.clone())).await?;
    let refused = house.until("tenant", "thief", |object| ready(object)["status"] == "False").await?;
    ensure!(ready(&refused)["message"] == "secrets \"keys\" not found", "{}", ready(&refused));
    // The owner of the key is not affected, and the data key that it unwrapped is of no use to the other.
    let mut owner = kustomization("default", "owner", decryption);
    owner["spec"]["targetNamespace"] = "default".into();
    house.apply(owner).await?;
    let owned = house
        .until("default", "owner", |object| !ready(object).is_null() && ready(object)["status"] != "Unknown")
        .await?;
    ensure!(ready(&owned)["status"] == "True", "{}", ready(&owned));
    house.apply(keys("tenant", "# no key in here\n")).await?;
    let token = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "again"}}});
    let patch = sealfast_cluster::client::Patch::Merge(&token);
    house.client.patch(&crate::house::kustomizations(), "tenant", "thief", &patch, "test").await?;
    let again = house
        .until("tenant", "thief", |object| object["status"]["lastHandledReconcileAt"] == "again")
        .await?;
    ensure!(ready(&again)["status"] == "False", "{}", ready(&again));
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_reaches_neither_status_nor_events_nor_the_log() -> Result<()> {
    let heard = hearing::heard();
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    let (objects, secret) = recorded("sops-age-data")?;
    house.write("s.yaml", &secret.replace("${NS}", "default"))?;
    // A second object that the server refuses, and whose decrypted value the refusal quotes.
    let refused = "no label: hunter2!";
    let bad = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\n  labels:\n    secret: '{refused}'\n"
    );
    let mut keyring = Keyring::empty();
    keyring.add_age_identities(&identity(&objects)?)?;
    house.write("bad.yaml", &sealed(&bad, Format::Yaml, &keyring.age_recipients().concat()).await?)?;
    house
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "default"},
        "data": {"age.agekey": STANDARD.encode(identity(&objects)?)}}),
        )
        .await?;
    house.publish(&handle, "default").await?;
    let decryption = json!({"provider": "sops", "secretRef": {"name": "keys"}});
    let more = json!({"targetNamespace": "default", "decryption": decryption});
    house.apply(kustomization("default", "app", more)).await?;
    let failed = house.until("default", "app", |object| ready(object)["status"] == "False").await?;
    ensure!(ready(&failed).to_string().contains("**SOPS**"), "no value is quoted: {}", ready(&failed));
    std::fs::remove_file(house.scratch.join("tree/bad.yaml"))?;
    let revision = house.publish(&handle, "default").await?;
    let done = house.until("default", "app", |object| is_applied(object, &revision)).await?;
    let mut values = vec![refused.to_owned()];
    let secrets = house.client.list(&kind("", "Secret"), "default", &Default::default()).await?;
    for applied in secrets.items.iter().filter(|s| s["metadata"]["name"] != "keys") {
        for value in applied["data"].as_object().into_iter().flat_map(|data| data.values()) {
            values.push(value.as_str().unwrap_or_default().to_owned());
            values.push(String::from_utf8(STANDARD.decode(value.as_str().unwrap_or_default())?)?);
        }
    }
    values.retain(|value| value.len() > 3);
    ensure!(values.len() > 1, "nothing was decrypted");
    let (events, metrics, log) = (house.events("default").await?, handle.metrics().render(), heard.all());
    ensure!(log.contains("**SOPS**"), "the log says nothing of the refusal");
    let told = format!("{} {} {events:?} {metrics} {log}", failed["status"], done["status"]);
    for value in values {
        ensure!(!told.contains(&value), "a decrypted value is told");
    }
    handle.stop().await;
    Ok(())
}

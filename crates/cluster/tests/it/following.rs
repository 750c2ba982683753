//! Watches, impersonation, tokens, and what a refusal says.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sealfast_apiserver::server;
use sealfast_cluster::client::watch::Event;
use sealfast_cluster::client::{Client, Foreign, Select};
use sealfast_cluster::error::Error;
use sealfast_k8s::id::GroupVersionKind;
use sealfast_k8s::object;
use serde_json::json;

use crate::house::{House, config_map, core};
use crate::scripted::{Said, Scripted};

#[tokio::test]
async fn a_watch_shows_what_is_there_and_what_changes() -> Result<()> {
    let house = House::new().await?;
    house.client.create(&config_map("first", json!({})), "test").await?;
    let mut watch = house.client.watch(&core("ConfigMap"), "default", Select::default());
    let Event::Listed(objects) = watch.next().await else { anyhow::bail!("the list comes first") };
    ensure!(objects.iter().any(|o| object::name(o) == "first" && object::kind(o) == "ConfigMap"));
    house.client.create(&config_map("second", json!({})), "test").await?;
    house.client.delete(&core("ConfigMap"), "default", "first", &Default::default()).await?;
    let patience = Duration::from_secs(20);
    let Event::Applied(applied) = tokio::time::timeout(patience, watch.next()).await? else {
        anyhow::bail!("an object came")
    };
    ensure!(object::name(&applied) == "second");
    let Event::Deleted(gone) = tokio::time::timeout(patience, watch.next()).await? else {
        anyhow::bail!("an object went")
    };
    ensure!(object::name(&gone) == "first");
    Ok(())
}

#[tokio::test]
async fn a_selected_watch_shows_its_share_alone_and_no_content() -> Result<()> {
    let house = House::new().await?;
    let mut chosen = config_map("chosen", json!({"k": "secret"}));
    object::set_label(&mut chosen, "shard", "1");
    house.client.create(&chosen, "test").await?;
    house.client.create(&config_map("other", json!({})), "test").await?;
    let select = Select { labels: "shard=1".to_owned(), metadata_only: true, ..Select::default() };
    let mut watch = house.client.watch(&core("ConfigMap"), "", select);
    let Event::Listed(objects) = watch.next().await else { anyhow::bail!("the list comes first") };
    ensure!(objects.len() == 1 && object::name(&objects[0]) == "chosen" && objects[0].get("data").is_none());
    Ok(())
}

#[tokio::test]
async fn impersonation_and_tokens_have_the_rights_of_the_account() -> Result<()> {
    let house = House::new().await?;
    let tenant = house.client.impersonating("system:serviceaccount:default:tenant");
    let refused = tenant.create(&config_map("a", json!({})), "test").await;
    ensure!(refused.is_err_and(|error| error.reason() == "Forbidden" && !error.is_transient()));
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant", "namespace": "default"}});
    house.client.create(&account, "test").await?;
    let token = house.client.account_token("default", "tenant", &[]).await?;
    ensure!(!format!("{token:?}").contains('.'), "a token can be printed");
    Ok(())
}

#[tokio::test]
async fn requests_are_counted_and_refusals_keep_the_words_of_the_server() -> Result<()> {
    let house = House::new().await?;
    let refused = house.client.get(&core("ConfigMap"), "default", "missing").await;
    ensure!(
        refused.is_err_and(
            |error| error.is_not_found() && error.to_string() == "configmaps \"missing\" not found"
        )
    );
    let unknown = house.client.get(&GroupVersionKind::new("example.com", "v1", "Nothing"), "", "x").await;
    ensure!(unknown.is_err_and(|error| error.is_no_match()));
    let counts = house.client.requests();
    ensure!(
        counts.iter().any(|((method, code), count)| *method == "GET" && *code == Some(404) && *count >= 1),
        "{counts:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_foreign_kubeconfig_runs_no_programs_and_reads_no_files() -> Result<()> {
    // Another test of this process may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        contexts:\n- name: c\n  context: {cluster: c, user: u}\n\
        clusters:\n- name: c\n  cluster: {server: \"https://127.0.0.1:1\", certificate-authority: /etc/hostname}\n\
        users:\n- name: u\n  user:\n    tokenFile: /etc/hostname\n    exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false}\n";
    let client = Client::from_foreign_kubeconfig(text, Foreign::default()).await?;
    let refused = client.get(&core("ConfigMap"), "default", "a").await;
    ensure!(refused.is_err_and(|error| error.is_transient()));
    Ok(())
}

#[tokio::test]
async fn a_certificate_over_several_lines_is_trusted() -> Result<()> {
    // Another test of this process may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = server::start(server::Options::default()).await?;
    let text = running.kubeconfig();
    let (_, rest) = text.split_once("certificate-authority-data: ").context("a certificate")?;
    let authority = rest.lines().next().unwrap_or_default();
    let (first, second) = authority.split_at(64);
    let text = text.replace(authority, &format!("|\n      {first}\n      {second}"));
    let clients = [
        Client::from_kubeconfig_text(&text, None).await?,
        Client::from_foreign_kubeconfig(&text, Foreign::default()).await?,
    ];
    for client in clients {
        ensure!(client.find(&core("ConfigMap"), "default", "none").await?.is_none());
    }
    Ok(())
}

#[tokio::test]
async fn a_foreign_server_says_no_more_than_somebody_reads() -> Result<()> {
    for (length, said) in [
        (100, "x".repeat(100)),
        (100_000, "the server said why in 100000 bytes, too many to repeat them".to_owned()),
    ] {
        let server = Scripted::start(move |_| Said::new(400, "x".repeat(length))).await?;
        let refused = server.client.clone().foreign().get(&core("ConfigMap"), "default", "a").await;
        let Err(error) = refused else { anyhow::bail!("it is refused") };
        ensure!(error.chain().contains(&said) && error.chain().len() < 200, "{}", error.chain());
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_without_a_sensible_end_is_refused() -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n{").await?;
        // Held open, as by a server that goes on and on.
        let _ = stream.read(&mut request).await;
        std::io::Result::Ok(())
    });
    let client = Client::from_url(&url, None, None).await?;
    let refused = client.get(&core("ConfigMap"), "default", "a").await;
    ensure!(matches!(&refused, Err(Error::TooLarge { .. })), "{refused:?}");
    drop(client);
    server.await??;
    Ok(())
}

//! Repositories behind proxies and of clouds, from the object to the artifact.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_cluster::client::Patch;
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::identity::Clouds;
use sealfast_controllers::identity::own::{self, Own};
use sealfast_controllers::options::Options;
use sealfast_k8s::flux::REQUESTED_AT;
use sealfast_testkit::cloud::proxy::Proxy;
use sealfast_testkit::cloud::wire::{self, Answer, Wire};
use sealfast_testkit::cloud::{aws, azure};
use sealfast_testkit::git::tls::Certificates;
use sealfast_testkit::git::{self, Server};
use sealfast_testkit::github::{GitHub, INSTALLATION, TOKEN};
use serde_json::{Value, json};

use crate::house::{House, kind, ready};
use crate::identities::{account, aws_case, azure_case};

fn server(options: git::Options) -> Result<(Server, String)> {
    let server = Server::start_with(options)?;
    let url = server.create("repo")?;
    server.commit("repo", "main", &[("file", b"content")], "one")?;
    Ok((server, url))
}

fn repository(name: &str, url: &str, more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": name, "namespace": "default"},
        "spec": {"interval": "10m", "url": url, "ref": {"branch": "main"}},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data: Value = data.iter().map(|(key, value)| ((*key).to_owned(), STANDARD.encode(value))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "data": data})
}

impl House {
    /// Waits until a repository was fetched, or was not, and returns the message.
    async fn fetched(&self, object: Value, status: &str) -> Result<String> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        self.apply(object).await?;
        let repositories = kind("source.toolkit.fluxcd.io", "GitRepository");
        let over = |object: &Value| ready(object)["status"] == status;
        let object = self.until_any(&repositories, &namespace, &name, over).await?;
        Ok(ready(&object)["message"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_through_the_proxy_of_its_secret() -> Result<()> {
    let (_server, url) = server(git::Options::default())?;
    let at = url.split('/').nth(2).context("the URL has a host")?.parse()?;
    let (open, closed) = (Proxy::start(at, at)?, Proxy::start_for(at, at, Some(("me", "pass")))?);
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.apply(secret("open", &[("address", &open.url())])).await?;
    let login = [("address", closed.url()), ("username", "me".to_owned()), ("password", "pass".to_owned())];
    house.apply(secret("closed", &login.each_ref().map(|(key, value)| (*key, value.as_str())))).await?;
    house.apply(secret("refused", &[("address", &closed.url())])).await?;
    // Nobody finds this host but the proxies.
    let through = |name: &str| {
        repository(name, "http://git.invalid/repo.git", json!({"proxySecretRef": {"name": name}}))
    };
    for name in ["open", "closed"] {
        let message = house.fetched(through(name), "True").await?;
        ensure!(message.starts_with("stored artifact for revision 'main@sha1:"), "{message}");
    }
    let message = house.fetched(through("refused"), "False").await?;
    ensure!(message.contains("407"), "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_as_a_github_app() -> Result<()> {
    let basic_auth = Some(("x-access-token".to_owned(), TOKEN.to_owned()));
    let (_server, url) = server(git::Options { basic_auth, ..git::Options::default() })?;
    let github = GitHub::start(17, jiff::Timestamp::now().as_second())?;
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    let (installation, address) = (INSTALLATION.to_string(), github.url());
    let app = [
        ("githubAppID", "17"),
        ("githubAppInstallationID", installation.as_str()),
        ("githubAppPrivateKey", &github.key),
        ("githubAppBaseURL", &address),
    ];
    house.apply(secret("app", &app)).await?;
    let as_app = json!({"provider": "github", "secretRef": {"name": "app"}});
    house.fetched(repository("app", &url, as_app), "True").await?;
    ensure!(github.seen().iter().any(|asked| asked.ends_with("/access_tokens")), "{:?}", github.seen());
    house.apply(secret("half", &app[..2])).await?;
    let as_half = json!({"provider": "github", "secretRef": {"name": "half"}});
    let message = house.fetched(repository("half", &url, as_half), "False").await?;
    ensure!(message.contains("github app data must be specified"), "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_fetched_as_an_application_of_azure() -> Result<()> {
    let tls = Certificates::naming(&["dev.azure.com", "evil.example"])?;
    let (bearer, certificates) = (Some(azure::DEV_OPS_TOKEN.to_owned()), Some(tls.clone()));
    let (server, url) = server(git::Options { bearer, tls: certificates, ..git::Options::default() })?;
    let (_azure, case) = azure_case().await?;
    let proxy = Proxy::start(
        url.split('/').nth(2).context("the URL has a host")?.parse()?,
        ([127, 0, 0, 1], 1).into(),
    )?;
    let house = House::new().await?;
    let gates = Gates::default().with(Gate::ObjectLevelWorkloadIdentity);
    let options = Options { gates, clouds: case.clouds.clone(), ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.namespace("tenant").await?;
    for (name, data) in [("way", ("address", proxy.url())), ("authority", ("ca.crt", tls.ca))] {
        let mut object = secret(name, &[(data.0, &data.1)]);
        object["metadata"]["namespace"] = "tenant".into();
        house.apply(object).await?;
    }
    for (name, by, host, status) in [
        ("one", "decryptor", "https://dev.azure.com", "True"),
        ("two", "stranger", "https://dev.azure.com", "False"),
        ("elsewhere", "decryptor", "https://evil.example", "False"),
        ("plain", "decryptor", "http://dev.azure.com", "False"),
    ] {
        let before = server.seen().len();
        house.apply(account(by, &case.annotations)).await?;
        let spec = json!({"provider": "azure", "serviceAccountName": by, "proxySecretRef": {"name": "way"},
            "secretRef": {"name": "authority"}});
        let mut object = repository(name, &format!("{host}/repo"), spec);
        object["metadata"]["namespace"] = "tenant".into();
        let message = house.fetched(object, status).await?;
        ensure!(!message.contains(azure::DEV_OPS_TOKEN) && !message.contains("eyJ"), "{message}");
        let is_known = host == "https://dev.azure.com";
        ensure!(is_known || message.contains("requires an HTTPS URL of dev.azure.com"), "{name}: {message}");
        ensure!(is_known || server.seen().len() == before, "{name}: {:?}", server.seen());
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_code_commit_is_fetched_by_a_role() -> Result<()> {
    let host = format!("git-codecommit.{}.amazonaws.com", aws::REGION);
    let tls = Certificates::naming(&[&host])?;
    let certificates = Some(tls.clone());
    let server =
        Server::start_with(git::Options { code_commit: true, tls: certificates, ..git::Options::default() })?;
    let at = server.create("v1/repos/app")?.split('/').nth(2).context("the URL has a host")?.parse()?;
    server.commit("v1/repos/app", "main", &[("file", b"content")], "one")?;
    let (sts, mut case) = aws_case().await?;
    // Behind it every host with TLS is CodeCommit, and every other one STS.
    let proxy = Proxy::start(at, sts.address())?;
    let house = House::new().await?;
    let token_file = house.scratch.write("token", aws::WORKLOAD)?;
    let role = own::Aws::Role { role: aws::ROLE.to_owned(), token_file };
    case.clouds.own = Own { aws: Some(role), ..Own::default() };
    let gates = Gates::default().with(Gate::ObjectLevelWorkloadIdentity);
    let own_namespace = "ours".to_owned();
    let options = Options { gates, own_namespace, clouds: case.clouds.clone(), ..house.options() };
    let handle = house.start(&house.client, options).await?;
    for namespace in ["tenant", "ours"] {
        house.namespace(namespace).await?;
        for (name, data) in [("way", ("address", proxy.url())), ("authority", ("ca.crt", tls.ca.clone()))] {
            let mut object = secret(name, &[(data.0, &data.1)]);
            object["metadata"]["namespace"] = namespace.into();
            house.apply(object).await?;
        }
    }
    let url = format!("https://{host}/v1/repos/app");
    // With certificates of its own a tenant's proxy could read what our own pod shows.
    for (namespace, name, account_name, status) in [
        ("tenant", "borrowed", None, "False"),
        ("tenant", "one", Some("decryptor"), "True"),
        ("tenant", "two", Some("stranger"), "False"),
        ("ours", "own", None, "True"),
    ] {
        let mut spec =
            json!({"provider": "aws", "proxySecretRef": {"name": "way"}, "secretRef": {"name": "authority"}});
        if let Some(name) = account_name {
            house.apply(account(name, &case.annotations)).await?;
            spec["serviceAccountName"] = name.into();
        }
        let mut object = repository(name, &url, spec);
        object["metadata"]["namespace"] = namespace.into();
        let message = house.fetched(object, status).await?;
        ensure!(!message.contains("of-a-session") && !message.contains("eyJ"), "{message}");
        let is_borrowed = message.contains("shown to servers that everybody trusts alone");
        ensure!(is_borrowed == (name == "borrowed"), "{message}");
        ensure!(!is_borrowed || server.seen().is_empty() && proxy.seen().is_empty(), "{:?}", proxy.seen());
    }
    ensure!(server.seen().iter().any(|seen| seen.status == 200), "{:?}", server.seen());
    let sessions: Vec<_> = sts.asked().iter().filter_map(|asked| asked.form("RoleSessionName")).collect();
    let wanted = format!("decryptor.tenant.{}.fluxcd.io", aws::REGION);
    ensure!(sessions.contains(&wanted) && sessions.contains(&"sealfast".to_owned()), "{sessions:?}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_of_a_tenant_sees_the_token_of_our_own_pod() -> Result<()> {
    let agent = wire::Server::start(&Wire::Plain, |_| Answer::with(404, &json!({})))?;
    let proxy = Proxy::start(agent.address(), agent.address())?;
    let house = House::new().await?;
    let token_file = house.scratch.write("token", aws::WORKLOAD)?;
    let own = Own { aws: Some(own::Aws::Agent { address: agent.url(), token_file }), ..Own::default() };
    let clouds = Clouds { own, ..Clouds::default() };
    let handle = house.start(&house.client, Options { clouds, ..house.options() }).await?;
    house.apply(secret("way", &[("address", &proxy.url())])).await?;
    let spec = json!({"provider": "aws", "proxySecretRef": {"name": "way"}});
    let url = format!("https://git-codecommit.{}.amazonaws.com/v1/repos/app", aws::REGION);
    let message = house.fetched(repository("app", &url, spec), "False").await?;
    ensure!(message.contains("for the controller: 404"), "{message}");
    let asked = agent.asked();
    ensure!(!asked.is_empty() && asked[0].header("authorization") == aws::WORKLOAD, "{asked:?}");
    ensure!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_reaches_no_archive_of_another_one() -> Result<()> {
    let (server, url) = server(git::Options::default())?;
    server.create("empty")?;
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.namespace("tenant").await?;
    house.fetched(repository("victim", &url, json!({})), "True").await?;
    let repositories = kind("source.toolkit.fluxcd.io", "GitRepository");
    let victim = house.client.get(&repositories, "default", "victim").await?;
    let artifact = victim["status"]["artifact"].clone();
    let path = artifact["path"].as_str().context("it is stored")?;
    let file = house.scratch.join("artifacts").join(path);
    ensure!(file.is_file(), "it is not where it should be");
    let mut forged = artifact.clone();
    forged["digest"] = format!("sha256:{:064}", 0).into();
    let of_tenant = |name: &str, more: Value| {
        let mut object = repository(name, &url.replace("/repo", "/empty"), more);
        object["metadata"]["namespace"] = "tenant".into();
        object
    };
    house.fetched(of_tenant("thief", json!({})), "False").await?;
    // Whose digest is wrong goes, and what is right is copied: where it is one's own.
    for artifact in [forged, artifact.clone()] {
        let body = json!({"status": {"artifact": artifact}});
        house.client.patch_status(&repositories, "tenant", "thief", &Patch::Merge(&body), "thief").await?;
        let body = json!({"metadata": {"annotations": {REQUESTED_AT: artifact["digest"]}}});
        house.client.patch(&repositories, "tenant", "thief", &Patch::Merge(&body), "thief").await?;
        let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == artifact["digest"];
        let done = house.until_any(&repositories, "tenant", "thief", handled).await?;
        ensure!(done["status"]["artifact"].is_null(), "{}", done["status"]);
        ensure!(file.is_file(), "the archive of another one was removed");
    }
    let body = json!({"spec": {"suspend": true}, "status": {"artifact": artifact}});
    house.client.patch(&repositories, "tenant", "thief", &Patch::Merge(&body), "thief").await?;
    house.client.patch_status(&repositories, "tenant", "thief", &Patch::Merge(&body), "thief").await?;
    let mut includer = of_tenant("includer", json!({"include": [{"repository": {"name": "thief"}}]}));
    includer["spec"]["url"] = url.into();
    let message = house.fetched(includer, "False").await?;
    ensure!(message == "no artifact available for include 'thief'", "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_none_is_told_by_its_key() -> Result<()> {
    let house = House::new().await?;
    let handle = house.start(&house.client, house.options()).await?;
    house.apply(secret("authority", &[("ca.crt", "none")])).await?;
    let with = json!({"secretRef": {"name": "authority"}});
    let message = house.fetched(repository("app", "https://git.invalid/repo.git", with), "False").await?;
    let wanted = "failed to configure authentication options: secret 'default/authority': key 'ca.crt': failed to parse CA certificate: unable to parse bytes as PEM block";
    ensure!(message == wanted, "{message}");
    handle.stop().await;
    Ok(())
}

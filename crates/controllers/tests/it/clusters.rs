//! Clusters of EKS, AKS and GKE, from a ConfigMap to what is applied there.

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use sealfast_cluster::client::Client;
use sealfast_cluster::client::request::Call;
use sealfast_cluster::error::Error;
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::identity::Clouds;
use sealfast_controllers::identity::cache::Size;
use sealfast_controllers::identity::own::{self, Own};
use sealfast_controllers::options::Options;
use sealfast_testkit::cloud::wire::{Answer, Asked, Server, Wire};
use sealfast_testkit::cloud::{aws, azure, google};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::house::{House, config_map, kind, kustomization, ready};
use crate::identities::{account, aws_case, azure_case, google_case};

const EKS: &str = "arn:aws:eks:eu-central-1:123456789012:cluster/remote";
const AKS: &str = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/remote";
const GKE: &str = "projects/p/locations/l/clusters/remote";

/// A cluster that takes its cloud's tokens alone: what is asked with one goes on to a server of ours.
fn remote(client: &Client, check: fn(&str) -> Result<()>) -> Result<Server> {
    let client = client.clone();
    Server::start(&Wire::Tls(vec!["127.0.0.1".to_owned()]), move |asked| {
        let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        match check(token) {
            Ok(()) => Handle::current().block_on(pass(&client, asked)),
            Err(why) => {
                Answer::with(401, &json!({"kind": "Status", "code": 401, "message": format!("{why:#}")}))
            }
        }
    })
}

async fn pass(client: &Client, asked: &Asked) -> Answer {
    let method = Method::from_bytes(asked.method.as_bytes()).unwrap_or(Method::GET);
    let path = match asked.query.as_str() {
        "" => asked.path.clone(),
        query => format!("{}?{query}", asked.path),
    };
    let mut call = Call::new(method, path);
    if let Ok(body) = asked.json() {
        let kinds =
            ["application/apply-patch+yaml", "application/merge-patch+json", "application/json-patch+json"];
        let kind = kinds.into_iter().find(|kind| asked.header("content-type").starts_with(kind));
        call.body(&body, kind.unwrap_or("application/json"));
    }
    match client.call(call).await {
        Ok(answer) => Answer::ok(&answer),
        Err(Error::Refused(status)) => {
            Answer::with(status.code, &serde_json::to_value(&*status).unwrap_or_default())
        }
        Err(other) => Answer::with(502, &json!({"message": other.to_string()})),
    }
}

/// A cluster in which a tenant names others.
struct Tenant {
    house: House,
    handle: sealfast_controllers::run::Handle,
}

impl Tenant {
    async fn new(
        house: House,
        clouds: &Clouds,
        annotations: &Value,
        change: impl FnOnce(Options) -> Options,
    ) -> Result<Tenant> {
        let gates = Gates::default().with(Gate::ExternalArtifact).with(Gate::ObjectLevelWorkloadIdentity);
        let options = change(Options { gates, clouds: clouds.clone(), ..house.options() });
        let handle = house.start(&house.client, options).await?;
        house.namespace("tenant").await?;
        for name in ["decryptor", "stranger"] {
            house.apply(account(name, annotations)).await?;
        }
        house.write("cm.yaml", &config_map("made", "x"))?;
        house.publish(&handle, "tenant").await?;
        Ok(Tenant { house, handle })
    }

    /// Where the end of a run against the cluster that these data name stands.
    async fn run(&self, name: &str, data: Value) -> Result<Value> {
        let metadata = json!({"name": name, "namespace": "tenant"});
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        self.house.apply(map).await?;
        let spec = json!({"kubeConfig": {"configMapRef": {"name": name}}, "timeout": "20s"});
        self.house.apply(kustomization("tenant", name, spec)).await?;
        let over = |object: &Value| ["True", "False"].iter().any(|status| ready(object)["status"] == *status);
        Ok(ready(&self.house.until("tenant", name, over).await?).clone())
    }

    async fn reaches(&self, name: &str, data: Value) -> Result<()> {
        let end = self.run(name, data).await?;
        ensure!(end["status"] == "True", "{name}: {end}");
        self.house.client.get(&kind("", "ConfigMap"), "default", "made").await?;
        Ok(())
    }

    async fn refuses(&self, name: &str, data: Value) -> Result<String> {
        let end = self.run(name, data).await?;
        ensure!(end["status"] == "False" && end["reason"] == "ReconciliationFailed", "{name}: {end}");
        let message = end["message"].as_str().unwrap_or_default().to_owned();
        ensure!(!message.contains("token-") && !message.contains("eyJ"), "a secret is told: {message}");
        Ok(message)
    }
}

/// A server that a tenant has, to which nothing is ever told.
fn trap() -> Result<Server> {
    Server::start(&Wire::Tls(vec!["127.0.0.1".to_owned()]), |_| Answer::ok(&json!({})))
}

fn is_asked_with(server: &Server, is_right: impl Fn(&str) -> bool) -> bool {
    let asked = server.asked();
    !asked.is_empty()
        && asked
            .iter()
            .all(|asked| asked.header("authorization").strip_prefix("Bearer ").is_some_and(&is_right))
}

fn is_for_eks(token: &str) -> Result<()> {
    aws::caller(token, "remote")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_eks_is_reached_by_a_role() -> Result<()> {
    let (sts, mut case) = aws_case().await?;
    let (house, trap) = (House::new().await?, trap()?);
    let remote = remote(&house.client, is_for_eks)?;
    let (address, authority) = (remote.url(), STANDARD.encode(remote.certificate()));
    let eks = Server::start(&Wire::Plain, move |asked| match aws::authenticate(asked, "eks") {
        Ok(()) if asked.path == "/clusters/remote" => Answer::ok(
            &json!({"cluster": {"endpoint": address, "certificateAuthority": {"data": authority}}}),
        ),
        Ok(()) => Answer::with(404, &json!({"message": "No cluster found"})),
        Err(why) => Answer::with(403, &json!({"message": format!("{why:#}")})),
    })?;
    case.clouds.places.eks = Some(eks.url());
    let token_file = house.scratch.write("token", aws::WORKLOAD)?;
    let role = own::Aws::Role { role: aws::ROLE.to_owned(), token_file };
    case.clouds.own = Own { aws: Some(role), ..Own::default() };
    let tenant = Tenant::new(house, &case.clouds, &case.annotations, |options| options).await?;
    let by = |account: &str| json!({"provider": "aws", "cluster": EKS, "serviceAccountName": account});
    tenant.reaches("one", by("decryptor")).await?;
    let sessions: Vec<_> = sts.asked().iter().filter_map(|asked| asked.form("RoleSessionName")).collect();
    let wanted = format!("decryptor.tenant.{}.fluxcd.io", aws::REGION);
    ensure!(sessions == [wanted], "{sessions:?}");
    ensure!(is_asked_with(&remote, |token| is_for_eks(token).is_ok()), "{:?}", remote.asked());
    let message = tenant.refuses("two", by("stranger")).await?;
    let wanted = "failed to get access token for cluster: failed to create provider access token for service account 'tenant/stranger': ";
    ensure!(message.starts_with(wanted), "{message}");
    let message = tenant.refuses("three", json!({"provider": "aws", "cluster": "remote"})).await?;
    let wanted = r"invalid EKS cluster ARN: 'remote'. must match ^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$";
    ensure!(message == wanted, "{message}");
    let gone = json!({"provider": "aws", "cluster": EKS.replace("remote", "gone"), "serviceAccountName": "decryptor"});
    let message = tenant.refuses("four", gone).await?;
    ensure!(
        message
            .starts_with(&format!("failed to describe EKS cluster '{}': 404", EKS.replace("remote", "gone"))),
        "{message}"
    );
    // Our own pod's role, for an object of another namespace: where AWS says, and nowhere else.
    tenant.reaches("own", json!({"provider": "aws", "cluster": EKS})).await?;
    let elsewhere =
        json!({"provider": "aws", "cluster": EKS, "address": trap.url(), "ca.crt": trap.certificate()});
    let message = tenant.refuses("elsewhere", elsewhere).await?;
    ensure!(
        message
            .starts_with(&format!("no address found for EKS cluster {EKS} matching the specified address")),
        "{message}"
    );
    ensure!(trap.asked().is_empty(), "the token went where a tenant said");
    tenant.handle.stop().await;
    Ok(())
}

fn is_for_aks(token: &str) -> Result<()> {
    ensure!(token == azure::CLUSTER_TOKEN, "another token");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_aks_is_reached_by_an_application() -> Result<()> {
    let (_entra, mut case) = azure_case().await?;
    let house = House::new().await?;
    let remote = remote(&house.client, is_for_aks)?;
    let (address, authority) = (remote.url(), remote.certificate().to_owned());
    let config = json!({
        "current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c"}}],
        "clusters": [{"name": "b", "cluster": {"server": address, "certificate-authority-data": STANDARD.encode(&authority)}}],
    });
    let other = config.to_string().replace(&address, "https://private.example");
    let configs = json!({"kubeconfigs": [
        {"name": "p", "value": STANDARD.encode(other)}, {"name": "q", "value": STANDARD.encode(config.to_string())},
    ]});
    let manager = Server::start(&Wire::Plain, move |asked| {
        let known = asked.header("authorization") == format!("Bearer {}", azure::MANAGER_TOKEN);
        match (known && asked.parameter("api-version").is_some(), asked.method.as_str(), asked.path.as_str())
        {
            (false, ..) => Answer::with(401, &json!({"error": {"code": "InvalidAuthenticationToken"}})),
            (_, "GET", AKS) => Answer::ok(&json!({"properties": {"aadProfile": {"managed": true}}})),
            (_, "GET", path) if path.ends_with("/local") => Answer::ok(&json!({"properties": {}})),
            (_, "POST", path) if path == format!("{AKS}/listClusterUserCredential") => Answer::ok(&configs),
            _ => Answer::with(404, &json!({"error": {"code": "ResourceNotFound"}})),
        }
    })?;
    case.clouds.places.azure_manager = Some(manager.url());
    let tenant = Tenant::new(house, &case.clouds, &case.annotations, |options| options).await?;
    let at = |cluster: &str, address: &str, account: &str| json!({"provider": "azure", "cluster": cluster, "address": address, "serviceAccountName": account});
    tenant.reaches("one", at(AKS, &remote.url(), "decryptor")).await?;
    ensure!(is_asked_with(&remote, |token| token == azure::CLUSTER_TOKEN), "{:?}", remote.asked());
    let asked = manager.asked().len();
    // Nobody is asked about what was said.
    let mut said = at("", &remote.url(), "decryptor");
    said["ca.crt"] = remote.certificate().into();
    tenant.reaches("said", said).await?;
    ensure!(manager.asked().len() == asked, "the manager was asked again");
    let message = tenant.refuses("two", at(AKS, "elsewhere.example", "decryptor")).await?;
    let wanted = format!(
        "no kubeconfig found for AKS cluster {AKS} matching the specified address 'elsewhere.example'. cluster addresses: ['https://private.example:443', '{}']",
        remote.url()
    );
    ensure!(message == wanted, "{message}");
    let message = tenant.refuses("three", at(&AKS.replace("remote", "local"), "", "decryptor")).await?;
    ensure!(message.contains("does not have Microsoft Entra ID integration enabled"), "{message}");
    let message = tenant.refuses("four", at(AKS, "", "stranger")).await?;
    ensure!(message.starts_with("failed to get access token for cluster: "), "{message}");
    // The controller has no identity of Azure to lend.
    let message = tenant.refuses("five", json!({"provider": "azure", "cluster": AKS})).await?;
    ensure!(message.contains("for the controller: no identity of Azure is bound"), "{message}");
    tenant.handle.stop().await;
    Ok(())
}

fn is_for_gke(token: &str) -> Result<()> {
    if [google::IMPERSONATED_TOKEN, google::MACHINE_TOKEN].contains(&token) {
        return Ok(());
    }
    bail!("another token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_gke_is_reached_by_an_account_of_google() -> Result<()> {
    let (places, mut case) = google_case(json!({"iam.gke.io/gcp-service-account": google::EMAIL})).await?;
    let (house, trap) = (House::new().await?, trap()?);
    let remote = remote(&house.client, is_for_gke)?;
    let (address, authority) = (remote.address().to_string(), STANDARD.encode(remote.certificate()));
    let container = Server::start(&Wire::Plain, move |asked| {
        let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if is_for_gke(token).is_err() || asked.path != format!("/v1/{GKE}") {
            return Answer::with(403, &json!({"error": {"message": "Permission denied"}}));
        }
        Answer::ok(&json!({"endpoint": address, "masterAuth": {"clusterCaCertificate": authority}}))
    })?;
    case.clouds.places.google_container = container.url();
    case.clouds.own = Own { google: own::Google::Machine, ..Own::default() };
    // Nothing is remembered, but by the connection itself: no request asks for a token of its own.
    let forgetful = |options| Options { token_cache: Size { most: 0, ..Size::default() }, ..options };
    let tenant = Tenant::new(house, &case.clouds, &case.annotations, forgetful).await?;
    let data = json!({"provider": "gcp", "cluster": GKE, "serviceAccountName": "decryptor"});
    tenant.reaches("one", data).await?;
    ensure!(is_asked_with(&remote, |token| token == google::IMPERSONATED_TOKEN), "{:?}", remote.asked());
    let asked = places.asked();
    let given: Vec<_> = asked.iter().filter(|asked| asked.path.ends_with(":generateAccessToken")).collect();
    ensure!(
        !given.is_empty() && given.len() < remote.asked().len(),
        "{} for {:?}",
        given.len(),
        remote.asked()
    );
    let scope = given[0].json()?["scope"][1].clone();
    ensure!(scope == "https://www.googleapis.com/auth/userinfo.email", "{scope}");
    let message = tenant.refuses("two", json!({"provider": "gcp", "cluster": "remote"})).await?;
    let wanted = "invalid GKE cluster ID: 'remote'. must match ^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";
    ensure!(message == wanted, "{message}");
    tenant.reaches("own", json!({"provider": "gcp", "cluster": GKE})).await?;
    let elsewhere =
        json!({"provider": "gcp", "cluster": GKE, "address": trap.url(), "ca.crt": trap.certificate()});
    let message = tenant.refuses("elsewhere", elsewhere).await?;
    ensure!(
        message
            .starts_with(&format!("no address found for GKE cluster {GKE} matching the specified address")),
        "{message}"
    );
    ensure!(trap.asked().is_empty(), "the token went where a tenant said");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_default_account_is_told_as_flux_does() -> Result<()> {
    let (_sts, case) = aws_case().await?;
    let named = |options| Options { default_kubeconfig_account: Some("absent".to_owned()), ..options };
    let tenant = Tenant::new(House::new().await?, &case.clouds, &case.annotations, named).await?;
    let message = tenant.refuses("one", json!({"provider": "aws", "cluster": EKS})).await?;
    let wanted = "failed to get access token for cluster: failed to get service account 'tenant/absent': the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help";
    ensure!(message == wanted, "{message}");
    tenant.handle.stop().await;
    Ok(())
}

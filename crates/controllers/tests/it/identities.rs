//! Who an object is to a cloud: service accounts, annotations, and our own pod.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use sealfast_controllers::gates::{Gate, Gates};
use sealfast_controllers::identity::own::{self, Own};
use sealfast_controllers::identity::{Clouds, Places};
use sealfast_controllers::options::Options;
use sealfast_keys::http::Network;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, vault, wrap};
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, EmitOptions, Format, Plain};
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::metadata::{KeyGroup, Metadata};
use sealfast_sops::select::Selector;
use sealfast_sops::time::Time;
use sealfast_testkit::cloud::aws;
use sealfast_testkit::cloud::azure::{self, Azure};
use sealfast_testkit::cloud::google::{self, Google, Open};
use sealfast_testkit::cloud::real::Real;
use sealfast_testkit::cloud::vault as vault_server;
use sealfast_testkit::cloud::wire::Server;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::house::{House, kind, kustomization, ready};

const VALUE: &str = "hunter2";

fn now() -> Result<Time> {
    Ok(Time::parse("2026-01-02T03:04:05Z")?)
}

/// The text of a Secret that is encrypted for a key.
async fn sealed(key: MasterKey, keyring: &Keyring) -> Result<String> {
    let rng = &mut rand08::rngs::OsRng;
    let mut metadata = Metadata::new(vec![KeyGroup { keys: vec![key] }], now()?);
    metadata.selector = Some(Selector::EncryptedRegex("^stringData$".to_owned()));
    let data_key = DataKey::generate(rng);
    wrap::data_key(&mut metadata, &data_key, keyring, now()?, rng).await?;
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: opened\n  namespace: tenant\nstringData:\n  password: {VALUE}\n"
    );
    let plain = Plain::load(text.as_bytes(), Format::Yaml)?;
    let sealed = plain.encrypt(metadata, &data_key, Context { now: now()?, rng, reuse: None })?;
    Ok(String::from_utf8(sealed.emit(Format::Yaml, &EmitOptions::default())?)?)
}

/// What a test is about.
pub(crate) struct Case {
    pub(crate) clouds: Clouds,
    pub(crate) annotations: Value,
    sealed: String,
}

pub(crate) fn account(name: &str, annotations: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": "tenant", "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

pub(crate) async fn aws_case() -> Result<(Server, Case)> {
    let server = aws::start()?;
    let credentials = aws_kms::Credentials::Keys(aws_kms::Keys {
        access_key_id: aws::ACCESS_KEY.to_owned(),
        secret_access_key: SecretString::from(aws::SECRET_KEY),
        session_token: None,
    });
    let endpoint = Some(server.url());
    let access = aws_kms::Access { credentials, endpoint, host: String::new() };
    let case = Case {
        clouds: Clouds {
            places: Places { sts: Some(server.url()), ..Places::default() },
            aws_kms: Some(server.url()),
            ..Clouds::default()
        },
        annotations: json!({"eks.amazonaws.com/role-arn": aws::ROLE}),
        sealed: sealed(aws_key(aws::KEY)?, &Keyring::empty().with_aws_kms(access)).await?,
    };
    Ok((server, case))
}

fn aws_key(arn: &str) -> Result<MasterKey> {
    Ok(MasterKey::Kms {
        arn: arn.to_owned(),
        role: String::new(),
        context: BTreeMap::new(),
        aws_profile: String::new(),
        created_at: now()?,
        enc: String::new(),
    })
}

pub(crate) async fn azure_case() -> Result<(Azure, Case)> {
    let server = Azure::start()?;
    let addresses = [azure::VAULT, azure::LOGIN].map(|name| (name.to_owned(), server.address())).to_vec();
    let network = Network { roots: vec![server.certificate().into()], addresses };
    let login = azure_kv::Login::ClientSecret {
        tenant: azure::TENANT.to_owned(),
        client: azure::CLIENT.to_owned(),
        secret: SecretString::from(azure::SECRET),
    };
    let access = azure_kv::Access { logins: vec![login], authority: Some(server.authority()) };
    let keyring = Keyring::empty().with_network(network.clone()).with_azure_kv(access);
    let key = MasterKey::AzureKv {
        vault_url: server.vault(),
        name: azure::KEY.to_owned(),
        version: azure::VERSION.to_owned(),
        created_at: now()?,
        enc: String::new(),
    };
    let case = Case {
        clouds: Clouds {
            places: Places { entra: server.authority(), ..Places::default() },
            network,
            ..Clouds::default()
        },
        annotations: json!({
            "azure.workload.identity/tenant-id": azure::TENANT, "azure.workload.identity/client-id": azure::CLIENT,
        }),
        sealed: sealed(key, &keyring).await?,
    };
    Ok((server, case))
}

pub(crate) async fn google_case(annotations: Value) -> Result<(Google, Case)> {
    let server = Google::start(Open::WithToken)?;
    let access = gcp_kms::Access {
        credentials: gcp_kms::Credentials::Token(SecretString::from(google::PLAIN_TOKEN)),
        endpoint: Some(server.url()),
        ..gcp_kms::Access::default()
    };
    let key = MasterKey::GcpKms {
        resource_id: "projects/p/locations/global/keyRings/r/cryptoKeys/k".to_owned(),
        created_at: now()?,
        enc: String::new(),
    };
    let places = Places {
        google_sts: format!("{}/sts", server.url()),
        google_iam: server.url(),
        google_machine: server.url(),
        ..Places::default()
    };
    let case = Case {
        clouds: Clouds { places, google_kms: Some(server.url()), ..Clouds::default() },
        annotations,
        sealed: sealed(key, &Keyring::empty().with_gcp_kms(access)).await?,
    };
    Ok((server, case))
}

async fn vault_case() -> Result<(Server, Case)> {
    let server = vault_server::start()?;
    let token = SecretString::from(vault_server::ROOT);
    let key = MasterKey::Vault {
        vault_address: server.url(),
        engine_path: "transit".to_owned(),
        key_name: vault_server::KEY.to_owned(),
        created_at: now()?,
        enc: String::new(),
    };
    let clouds =
        Clouds { vault: vault::Access { retries: 0, ..vault::Access::default() }, ..Clouds::default() };
    let sealed = sealed(key, &Keyring::empty().with_vault_token(&token)).await?;
    Ok((server, Case { clouds, annotations: json!({}), sealed }))
}

/// A cluster in which a tenant's Kustomization opens a file.
struct Tenant {
    house: House,
    handle: sealfast_controllers::run::Handle,
}

impl Tenant {
    async fn new(case: &Case, change: impl FnOnce(Options) -> Options) -> Result<Tenant> {
        let house = House::new().await?;
        let base = house.options();
        let options = change(Options {
            gates: Gates::default().with(Gate::ExternalArtifact).with(Gate::ObjectLevelWorkloadIdentity),
            clouds: case.clouds.clone(),
            vault_map: Some("vaults".to_owned()),
            ..base
        });
        let handle = house.start(&house.client, options).await?;
        house.namespace("tenant").await?;
        house.namespace("flux-system").await?;
        house.apply(account("decryptor", &case.annotations)).await?;
        house.apply(account("stranger", &case.annotations)).await?;
        house.apply(account("nobody", &json!({}))).await?;
        house.write("s.yaml", &case.sealed)?;
        house.publish(&handle, "tenant").await?;
        Ok(Tenant { house, handle })
    }

    /// Where the end of the run of a Kustomization with this account stands.
    async fn run(&self, name: &str, account: Option<&str>) -> Result<Value> {
        let mut decryption = json!({"provider": "sops"});
        if let Some(account) = account {
            decryption["serviceAccountName"] = account.into();
        }
        self.house.apply(kustomization("tenant", name, json!({"decryption": decryption}))).await?;
        let over = |object: &Value| ["True", "False"].iter().any(|status| ready(object)["status"] == *status);
        Ok(ready(&self.house.until("tenant", name, over).await?).clone())
    }

    async fn opens(&self, name: &str, account: Option<&str>) -> Result<()> {
        let end = self.run(name, account).await?;
        ensure!(end["status"] == "True", "{end}");
        let secret = self.house.client.get(&kind("", "Secret"), "tenant", "opened").await?;
        ensure!(secret["data"]["password"] == "aHVudGVyMg==", "it was not opened");
        Ok(())
    }

    async fn refuses(&self, name: &str, account: Option<&str>) -> Result<String> {
        let end = self.run(name, account).await?;
        ensure!(end["status"] == "False", "{end}");
        Ok(end["message"].as_str().unwrap_or_default().to_owned())
    }
}

/// The account that the cloud knows opens, and no other does.
async fn only_the_known_account(case: &Case, operation: &str) -> Result<()> {
    let tenant = Tenant::new(case, |options| options).await?;
    tenant.opens("one", Some("decryptor")).await?;
    let message = tenant.refuses("two", Some("stranger")).await?;
    ensure!(message.contains("tenant/stranger") || message.contains("tenant_stranger"), "{message}");
    ensure!(!message.contains(VALUE) && !message.contains("eyJ"), "a secret is told: {message}");
    let message = tenant.refuses("three", Some("missing")).await?;
    let wanted = "failed to get service account 'tenant/missing': ServiceAccount \"missing\" not found";
    ensure!(message.contains(wanted), "{message}");
    let message = tenant.refuses("four", None).await?;
    ensure!(message.contains("the controller"), "{message}");
    let text = tenant.handle.metrics().render();
    let miss = format!(
        "gotk_token_cache_events_total{{event_type=\"cache_miss\",kind=\"Kustomization\",name=\"one\",namespace=\"tenant\",operation=\"{operation}\"}} 1"
    );
    ensure!(text.lines().any(|line| line == miss), "{miss} is missing in\n{text}");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_knows_an_account_by_its_role() -> Result<()> {
    let (_server, case) = aws_case().await?;
    only_the_known_account(&case, "decrypt_with_aws").await
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_knows_an_account_by_its_application() -> Result<()> {
    let (_server, case) = azure_case().await?;
    only_the_known_account(&case, "decrypt_with_azure").await
}

#[tokio::test(flavor = "multi_thread")]
async fn google_knows_an_account_of_a_cluster_of_its_own() -> Result<()> {
    let (_server, case) = google_case(json!({"iam.gke.io/gcp-service-account": google::EMAIL})).await?;
    only_the_known_account(&case, "decrypt_with_gcp").await
}

#[tokio::test(flavor = "multi_thread")]
async fn google_knows_an_account_of_any_cluster_by_a_provider() -> Result<()> {
    let provider = json!({
        "iam.gke.io/gcp-service-account": google::EMAIL, "gcp.auth.fluxcd.io/workload-identity-provider": google::PROVIDER,
    });
    let (_server, case) = google_case(provider).await?;
    only_the_known_account(&case, "decrypt_with_gcp").await
}

#[tokio::test(flavor = "multi_thread")]
async fn vault_logs_an_account_in_where_the_operator_says() -> Result<()> {
    let (server, case) = vault_case().await?;
    let tenant = Tenant::new(&case, |options| options).await?;
    let message = tenant.refuses("early", Some("decryptor")).await?;
    ensure!(message.contains("failed to get Vault ConfigMap 'flux-system/vaults'"), "{message}");
    let map = |address: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vaults", "namespace": "flux-system"},
            "data": {"config.yaml": format!("instances:\n- address: {address}\n  loginPath: {}\n", vault_server::LOGIN)}})
    };
    tenant.house.apply(map("https://vault.example.com")).await?;
    let message = tenant.refuses("elsewhere", Some("decryptor")).await?;
    let wanted = format!(
        "no Vault login path configured for address '{}' in ConfigMap 'flux-system/vaults'",
        server.url()
    );
    ensure!(message.contains(&wanted), "{message}");
    ensure!(server.asked().iter().all(|asked| !asked.path.contains("login")), "it logged in");
    tenant.house.apply(map(&server.url())).await?;
    tenant.opens("app", Some("decryptor")).await?;
    let message = tenant.refuses("other", Some("stranger")).await?;
    ensure!(message.contains("as role 'tenant_stranger'") && !message.contains("eyJ"), "{message}");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_names_no_vault_that_the_operator_does_not_allow() -> Result<()> {
    let (server, mut case) = vault_case().await?;
    case.clouds.vault.allowed = vault::Allowed::parse("https://vault.example.com")?;
    let tenant = Tenant::new(&case, |options| options).await?;
    let token = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "tenant"},
        "stringData": {"sops.vault-token": vault_server::ROOT}});
    tenant.house.apply(token).await?;
    let before = server.asked().len();
    let decryption = json!({"provider": "sops", "secretRef": {"name": "keys"}});
    tenant.house.apply(kustomization("tenant", "app", json!({"decryption": decryption}))).await?;
    let over = |object: &Value| ["True", "False"].iter().any(|status| ready(object)["status"] == *status);
    let end = ready(&tenant.house.until("tenant", "app", over).await?).clone();
    let message = end["message"].as_str().unwrap_or_default();
    ensure!(message.contains(&format!("Allowlist does not allow {}", server.url())), "{message}");
    ensure!(server.asked().len() == before, "the token went where the file said");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_checked_before_anybody_is_asked() -> Result<()> {
    let (server, case) = aws_case().await?;
    let tenant = Tenant::new(&case, |options| options).await?;
    let message = tenant.refuses("app", Some("nobody")).await?;
    let wanted = "failed to get provider identity from service account 'tenant/nobody' annotations: invalid eks.amazonaws.com/role-arn annotation: ''";
    ensure!(message.contains(wanted), "{message}");
    let asked = server.asked().iter().filter(|asked| asked.form("Action").is_some()).count();
    ensure!(asked == 0, "STS was asked");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_name_an_account_for_all_and_a_token_serves_all() -> Result<()> {
    let (server, case) = aws_case().await?;
    let named = |options| Options { default_decryption_account: Some("decryptor".to_owned()), ..options };
    let tenant = Tenant::new(&case, named).await?;
    for name in ["one", "two", "three"] {
        tenant.opens(name, None).await?;
    }
    let asked = server.asked();
    let count = |wanted: &dyn Fn(&&sealfast_testkit::cloud::wire::Asked) -> bool| {
        asked.iter().filter(|asked| wanted(asked)).count()
    };
    ensure!(count(&|asked| asked.form("Action").is_some()) == 1, "STS was asked again");
    let decrypted = count(&|asked| asked.header("x-amz-target").ends_with(".Decrypt"));
    ensure!(decrypted == 1, "the data key was asked for {decrypted} times");
    let session = asked.iter().find_map(|asked| asked.form("RoleSessionName")).context("no session")?;
    ensure!(session == format!("decryptor.tenant.{}.fluxcd.io", aws::REGION), "{session}");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_pod_serves_objects_without_account() -> Result<()> {
    let (_server, mut case) = aws_case().await?;
    let folder = sealfast_testkit::scratch::Scratch::new()?;
    let token_file = folder.write("token", aws::WORKLOAD)?;
    let aws = Some(own::Aws::Role { role: aws::ROLE.to_owned(), token_file });
    case.clouds.own = Own { aws, ..Own::default() };
    let tenant = Tenant::new(&case, |options| options).await?;
    tenant.opens("app", None).await?;
    // Who names an account is that account, and never the controller.
    let message = tenant.refuses("other", Some("stranger")).await?;
    ensure!(message.contains("tenant/stranger"), "{message}");
    tenant.handle.stop().await;

    let (_server, mut case) = google_case(json!({})).await?;
    case.clouds.own = Own { google: own::Google::Machine, ..Own::default() };
    let tenant = Tenant::new(&case, |options| options).await?;
    tenant.opens("app", None).await?;
    tenant.handle.stop().await;

    let (_server, mut case) = azure_case().await?;
    let token_file = folder.write("azure", azure::ASSERTION)?;
    let (tenant, client) = (azure::TENANT.to_owned(), azure::CLIENT.to_owned());
    case.clouds.own =
        Own { azure: Some(own::Azure::Workload { tenant, client, token_file }), ..Own::default() };
    let tenant = Tenant::new(&case, |options| options).await?;
    tenant.opens("app", None).await?;
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_needs_its_gate() -> Result<()> {
    let (server, case) = aws_case().await?;
    let closed = |options| Options { gates: Gates::default().with(Gate::ExternalArtifact), ..options };
    let tenant = Tenant::new(&case, closed).await?;
    let end = tenant.run("app", Some("decryptor")).await?;
    ensure!(end["reason"] == "FeatureGateDisabled", "{end}");
    let asked = server.asked().iter().filter(|asked| asked.form("Action").is_some()).count();
    ensure!(asked == 0, "STS was asked");
    tenant.handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_gives_a_session_to_an_account() -> Result<()> {
    let Some(moto) = Real::moto()? else { return Ok(()) };
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0";
    let headers = [
        ("x-amz-target", "TrentService.CreateKey"),
        ("content-type", "application/x-amz-json-1.1"),
        ("authorization", scope),
    ];
    let made: Value = serde_json::from_str(&moto.call("POST", "/", &headers, "{}")?)?;
    let arn = made["KeyMetadata"]["Arn"].as_str().context("no ARN")?;
    let credentials = aws_kms::Credentials::Keys(aws_kms::Keys {
        access_key_id: "any".to_owned(),
        secret_access_key: SecretString::from("any"),
        session_token: None,
    });
    let access = aws_kms::Access { credentials, endpoint: Some(moto.url()), host: String::new() };
    let case = Case {
        clouds: Clouds {
            places: Places { sts: Some(moto.url()), ..Places::default() },
            aws_kms: Some(moto.url()),
            ..Clouds::default()
        },
        annotations: json!({"eks.amazonaws.com/role-arn": aws::ROLE}),
        sealed: sealed(aws_key(arn)?, &Keyring::empty().with_aws_kms(access)).await?,
    };
    let tenant = Tenant::new(&case, |options| options).await?;
    tenant.opens("app", Some("decryptor")).await?;
    tenant.handle.stop().await;
    Ok(())
}

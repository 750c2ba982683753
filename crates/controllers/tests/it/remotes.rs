//! Other clusters that a Kustomization names by address.

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealfast_controllers::gates::Gate;
use sealfast_controllers::options::Options;
use serde_json::{Value, json};

use crate::house::{House, config_map, kind, kustomization, ready};

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data})
}

/// A Secret `trap` whose kubeconfig leads to an address.
fn leading_to(address: std::net::SocketAddr) -> Value {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"token": "x"}}],
    });
    let data = json!({"value": STANDARD.encode(config.to_string())});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "trap", "namespace": "default"}, "data": data})
}

fn by(name: &str) -> Value {
    json!({"kubeConfig": {"configMapRef": {"name": name}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_address_is_said_as_flux_does() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "here", "namespace": "default"}});
    house.apply(account).await?;
    let token = "failed to get access token for cluster: ";
    let file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    for (name, data, expected) in [
        (
            "missing",
            None,
            "failed to get configmap default/missing: configmaps \"missing\" not found".to_owned(),
        ),
        ("empty", Some(json!({})), "provider '' not implemented".to_owned()),
        (
            "own",
            Some(json!({"provider": "generic"})),
            format!(
                "{token}failed to create provider access token for the controller: failed to read service account token file {file}: open {file}: no such file or directory"
            ),
        ),
        (
            "nobody",
            Some(json!({"provider": "generic", "serviceAccountName": "nobody"})),
            format!(
                "{token}failed to get service account 'default/nobody': ServiceAccount \"nobody\" not found"
            ),
        ),
        (
            "gate",
            Some(json!({"provider": "generic", "serviceAccountName": "here"})),
            format!("{token}ObjectLevelWorkloadIdentity feature gate is not enabled"),
        ),
    ] {
        if let Some(data) = data {
            house.apply(map(name, data)).await?;
        }
        house.app(by(name), "ReconciliationFailed").await?;
        house.until("default", "app", |object| ready(object)["message"] == expected).await?;
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_never_answers_holds_no_worker() -> Result<()> {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let house = House::new().await?;
    let handle = house.start(&house.client, Options { concurrency: 1, ..house.options() }).await?;
    house.write("cm.yaml", &config_map("made", "x"))?;
    house.publish(&handle, "default").await?;
    house.apply(leading_to(trap.local_addr()?)).await?;
    let spec = json!({"kubeConfig": {"secretRef": {"name": "trap"}}});
    house.apply(kustomization("default", "stuck", spec)).await?;
    let held = trap.accept().await?;
    house.app(json!({}), "ReconciliationSucceeded").await?;
    let stuck = house.until("default", "stuck", |_| true).await?;
    ensure!(!["True", "False"].contains(&ready(&stuck)["status"].as_str().unwrap_or_default()), "{stuck}");
    drop((held, trap));
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_from_another_cluster_holds_no_room() -> Result<()> {
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let house = House::new().await?;
    let options = Options { concurrency: 1, unpacked_bytes: 1 << 20, ..house.options() };
    let handle = house.start(&house.client, options).await?;
    house.write("small/cm.yaml", &config_map("made", &"x".repeat(200 << 10)))?;
    house.write("small/kustomization.yaml", "resources: [cm.yaml]")?;
    // All the room there is, once it is built.
    let copies = ["a", "b", "c", "d", "e", "f"];
    for copy in copies {
        let text = format!("namePrefix: {copy}-\nresources: [../../small]");
        house.write(&format!("large/{copy}/kustomization.yaml"), &text)?;
    }
    house.write("large/kustomization.yaml", &format!("resources: [{}]", copies.join(", ")))?;
    house.publish(&handle, "default").await?;
    house.apply(leading_to(trap.local_addr()?)).await?;
    let spec = json!({"path": "./small", "kubeConfig": {"secretRef": {"name": "trap"}}});
    house.apply(kustomization("default", "stuck", spec)).await?;
    let held = trap.accept().await?;
    house.apply(kustomization("default", "app", json!({"path": "./large", "timeout": "10m"}))).await?;
    let is_waiting = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let mut said = conditions.filter_map(|condition| condition["message"].as_str());
        said.any(|message| message.starts_with("Building manifests"))
    };
    house.until("default", "app", is_waiting).await?;
    drop((held, trap));
    house.until("default", "app", |object| ready(object)["reason"] == "ReconciliationSucceeded").await?;
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_kubeconfig_is_said_as_flux_does() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    let config = |server: &str, authority: &str| {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {"token": "x"}}],
        })
        .to_string()
    };
    let nothing = "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
    let authority = "unable to load root certificates: unable to parse bytes as PEM block";
    for (text, expected) in [
        (String::new(), nothing),
        (config("", ""), nothing),
        (config("https://127.0.0.1:1", "eA=="), authority),
        (config("https://127.0.0.1:1", "%"), authority),
    ] {
        house
            .apply(json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "remote", "namespace": "default"}, "stringData": {"value": text}}))
            .await?;
        let by = json!({"kubeConfig": {"secretRef": {"name": "remote"}}, "timeout": format!("{}s", text.len() + 40)});
        house.app(by, "ReconciliationFailed").await?;
        house.until("default", "app", |object| ready(object)["message"] == expected).await?;
    }
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_the_controller_is_lent_to_no_other_namespace() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    handle.stop().await;
    let mut options = house.options();
    options.clouds.own.account = Some(("flux-system".to_owned(), "controllers".to_owned()));
    let handle = house.start(&house.client, options).await?;
    house.publish(&handle, "default").await?;
    house.apply(map("own", json!({"provider": "generic", "address": house.client.address()}))).await?;
    let message = house.app(by("own"), "ReconciliationFailed").await?;
    ensure!(message.contains("for objects of namespace 'flux-system' alone"), "{message}");
    handle.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_reached_by_its_address_alone() -> Result<()> {
    let (house, handle) = House::lived_in(&[("cm.yaml", &config_map("made", "x"))]).await?;
    handle.stop().await;
    let options = house.options();
    let gates = options.gates.clone().with(Gate::ObjectLevelWorkloadIdentity);
    let default = Some("here".to_owned());
    let options = Options { gates, default_kubeconfig_account: default, ..options };
    let handle = house.start(&house.client, options).await?;
    house.publish(&handle, "default").await?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "here", "namespace": "default"}});
    house.apply(account).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "here"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "here", "namespace": "default"}]});
    house.apply(binding).await?;
    let insecure = json!({"provider": "generic", "serviceAccountName": "here", "address": "http://x"});
    house.apply(map("insecure", insecure)).await?;
    let message = house.app(by("insecure"), "ReconciliationFailed").await?;
    let expected = "failed to parse cluster address http://x: the Kubernetes API server address 'http://x' must use https scheme";
    ensure!(message == expected, "{message}");
    let config: Value = sealfast_yaml::json::from_yaml(house.kubeconfig.as_bytes())?;
    let cluster = &config["clusters"][0]["cluster"];
    let authority = cluster["certificate-authority-data"].as_str().unwrap_or_default();
    let authority = String::from_utf8(STANDARD.decode(authority)?)?;
    let address = house.client.address().trim_start_matches("https://");
    let whole = json!({"provider": "generic", "address": address, "ca.crt": authority,
        "audiences": "https://kubernetes.default.svc.cluster.local"});
    house.apply(map("whole", whole)).await?;
    house.app(by("whole"), "ReconciliationSucceeded").await?;
    ensure!(house.client.find(&kind("", "ConfigMap"), "default", "made").await?.is_some());
    handle.stop().await;
    Ok(())
}

//! A state directory: kept over restarts, locked, and unreadable without its key.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use base64::Engine;
use sealfast_apiserver::error::Error;
use sealfast_apiserver::server::{Options, State, Sync, start};
use serde_json::{Value, json};

use crate::client::Client;

/// Bytes of the mark behind what was flushed.
const MARK: usize = 49;
const PLAIN: &str = "correct-horse-battery-staple";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_objects_token_and_certificate() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().join("state")));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"password": PLAIN}});
    let (status, first) = client.call("POST", "/api/v1/namespaces/default/secrets", Some(secret)).await?;
    assert_eq!(status, 201);
    assert!(matches!(start(options.clone()).await, Err(Error::InUse { .. })), "a second server is refused");
    let before = running.kubeconfig();
    let addr = running.addr();
    running.stop().await;

    let running = start(options.with_listen(addr)).await?;
    assert_eq!(running.kubeconfig(), before);
    let (_, again) = client.call("GET", "/api/v1/namespaces/default/secrets/s", None).await?;
    assert_eq!(again["data"], first["data"]);
    assert_eq!(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    running.stop().await;
    Ok(())
}

/// Whatever happens to the certificate, tokens stay what they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_for_the_address_and_is_made_anew_when_it_is_gone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let (mut kept, mut authorities) = (None, Vec::new());
    for (address, lost) in
        [("127.0.0.1:0", false), ("127.0.0.2:0", false), ("127.0.0.2:0", false), ("127.0.0.2:0", true)]
    {
        if lost {
            std::fs::remove_file(dir.path().join("server.crt"))?;
        }
        let running = start(options.clone().with_listen(address.parse()?)).await?;
        let client = Client::of(&running)?;
        let (status, answer) = client.call("POST", path, Some(json!({"spec": {}}))).await?;
        assert_eq!(status, 201, "{address}: {answer}");
        let kubeconfig = running.kubeconfig();
        let line = |key: &str| kubeconfig.lines().find(|line| line.contains(key)).map(str::to_owned);
        let now = (line("token:"), answer["status"]["token"].clone());
        let (token, account) = kept.get_or_insert(now.clone());
        assert_eq!(*token, now.0);
        let review = json!({"spec": {"token": account}});
        let (_, answer) =
            client.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", Some(review)).await?;
        assert_eq!(answer["status"]["authenticated"], true, "{answer}");
        authorities.push(line("certificate-authority-data:"));
        running.stop().await;
    }
    assert_ne!(authorities[0], authorities[1], "another address");
    assert_eq!(authorities[1], authorities[2], "the same address");
    assert_ne!(authorities[2], authorities[3], "no certificate");
    let running = start(Options::default().with_listen("127.0.0.3:0".parse()?)).await?;
    assert_eq!(Client::of(&running)?.call("GET", "/api", None).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_values_are_in_no_state_file() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let running = start(Options::default().with_state(State::Dir(dir.path().to_owned()))).await?;
    let client = Client::of(&running)?;
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"password": PLAIN}});
    client.call("POST", "/api/v1/namespaces/default/secrets", Some(secret)).await?;
    client.call("DELETE", "/api/v1/namespaces/default/secrets/s", None).await?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(PLAIN);
    for entry in std::fs::read_dir(dir.path())? {
        let path = entry?.path();
        let bytes = std::fs::read(&path)?;
        for wanted in [PLAIN.as_bytes(), encoded.as_bytes()] {
            assert!(
                !bytes.windows(wanted.len()).any(|part| part == wanted),
                "{} holds the value",
                path.display()
            );
        }
        let mode = std::fs::metadata(&path)?.permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is open to others", path.display());
    }
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_cut_short_costs_only_itself() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    let mut lost = 0;
    for name in ["a", "b"] {
        let body = json!({"metadata": {"name": name}});
        lost = version(&client.call("POST", "/api/v1/namespaces/default/configmaps", Some(body)).await?.1)?;
    }
    running.stop().await;
    let path = dir.path().join("state");
    let bytes = std::fs::read(&path)?;
    std::fs::write(&path, &bytes[..bytes.len() - MARK - 5])?;
    let running = start(options).await?;
    let client = Client::of(&running)?;
    assert_eq!(client.call("GET", "/api/v1/namespaces/default/configmaps/a", None).await?.0, 200);
    assert_eq!(client.call("GET", "/api/v1/namespaces/default/configmaps/b", None).await?.0, 404);
    // Its version was told to a client, and is not given to another object.
    let body = json!({"metadata": {"name": "c"}});
    let (_, other) = client.call("POST", "/api/v1/namespaces/default/configmaps", Some(body)).await?;
    assert!(version(&other)? > lost, "{} after {lost}", version(&other)?);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_state_of_ours_is_refused_by_name() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    for number in 0..3 {
        let body = json!({"metadata": {"name": format!("c{number}")}});
        client.call("POST", "/api/v1/namespaces/default/configmaps", Some(body)).await?;
    }
    running.stop().await;
    let (state, key) = (dir.path().join("state"), dir.path().join("state.key"));
    let (kept, kept_key) = (std::fs::read(&state)?, std::fs::read(&key)?);

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640))?;
    assert!(matches!(start(options.clone()).await, Err(Error::OpenToOthers { mode: 0o640, .. })));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;

    std::fs::write(&key, [1; 32])?;
    assert!(matches!(start(options.clone()).await, Err(Error::WrongKey { .. })));
    std::fs::write(&key, [1; 31])?;
    assert!(matches!(start(options.clone()).await, Err(Error::Damaged { .. })));
    std::fs::remove_file(&key)?;
    assert!(matches!(start(options.clone()).await, Err(Error::NoKey { .. })));
    assert!(!key.exists(), "no key is made for a state that has lost its own");
    std::fs::write(&key, kept_key)?;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;

    let mut broken = kept.clone();
    broken[kept.len() / 2] ^= 1;
    std::fs::write(&state, broken)?;
    assert!(matches!(start(options.clone()).await, Err(Error::DamagedRecord { .. })));
    std::fs::write(&state, "something else")?;
    assert!(matches!(start(options.clone()).await, Err(Error::NotOurs { .. })));
    std::fs::write(&state, kept)?;
    start(options).await?.stop().await;
    Ok(())
}

/// A record that the file says was flushed cannot be missing at the next start: it is damage, and no torn end.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_on_the_disk_before_it_is_acknowledged() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone().with_sync(Sync::Commit)).await?;
    let client = Client::of(&running)?;
    let path = "/api/v1/namespaces/default/configmaps";
    let mut writers = Vec::new();
    for writer in 0..16 {
        let client = client.clone();
        let body = json!({"metadata": {"name": format!("c{writer}")}});
        writers.push(tokio::spawn(async move { client.call("POST", path, Some(body)).await }));
    }
    for writer in writers {
        assert_eq!(writer.await??.0, 201);
    }
    let state = dir.path().join("state");
    let before = std::fs::read(&state)?.len();
    let (status, _) = client.call("POST", path, Some(json!({"metadata": {"name": "last"}}))).await?;
    let mut bytes = std::fs::read(&state)?;
    assert_eq!(status, 201);
    let other = tempfile::tempdir()?;
    std::fs::copy(dir.path().join("state.key"), other.path().join("state.key"))?;
    bytes[before + 20] ^= 1;
    std::fs::write(other.path().join("state"), bytes)?;
    let broken = start(Options::default().with_state(State::Dir(other.path().to_owned()))).await;
    assert!(matches!(broken, Err(Error::DamagedRecord { .. })));
    running.stop().await;
    let running = start(options).await?;
    let (_, list) = Client::of(&running)?.call("GET", &format!("{path}?limit=100"), None).await?;
    let names =
        list["items"].as_array().into_iter().flatten().map(|item| item["metadata"]["name"].to_string());
    assert_eq!(names.filter(|name| name.starts_with("\"c") || name == "\"last\"").count(), 17);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_after_their_time() -> anyhow::Result<()> {
    let running = start(Options::default().with_event_ttl(Duration::from_secs(1))).await?;
    let client = Client::of(&running)?;
    let about = json!({"kind": "ConfigMap", "namespace": "default", "name": "c"});
    let event =
        json!({"metadata": {"name": "e"}, "involvedObject": about, "reason": "Test", "type": "Normal"});
    let (status, answer) = client.call("POST", "/api/v1/namespaces/default/events", Some(event)).await?;
    assert_eq!(status, 201, "{answer}");
    let map = json!({"metadata": {"name": "c"}});
    client.call("POST", "/api/v1/namespaces/default/configmaps", Some(map)).await?;
    let end = Instant::now() + Duration::from_secs(60);
    while client.call("GET", "/api/v1/namespaces/default/events/e", None).await?.0 != 404 {
        anyhow::ensure!(Instant::now() < end, "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.call("GET", "/api/v1/namespaces/default/configmaps/c", None).await?.0, 200);
    running.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_written_out_of_the_file() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let options = Options::default().with_state(State::Dir(dir.path().to_owned()));
    let running = start(options.clone()).await?;
    let client = Client::of(&running)?;
    let object = |number: usize| json!({"metadata": {"name": "c"}, "data": {"n": number.to_string(), "x": "x".repeat(500_000)}});
    client.call("POST", "/api/v1/namespaces/default/configmaps", Some(object(0))).await?;
    for number in 1..20 {
        let path = "/api/v1/namespaces/default/configmaps/c";
        assert_eq!(client.call("PUT", path, Some(object(number))).await?.0, 200);
    }
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        // All that was written is longer than that.
        let length = std::fs::metadata(dir.path().join("state"))?.len();
        if length < 8_000_000 {
            break;
        }
        anyhow::ensure!(Instant::now() < end, "{length} bytes are kept for one object");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, before) = client.call("GET", "/api/v1/namespaces/default/configmaps/c", None).await?;
    running.stop().await;
    let running = start(options).await?;
    let client = Client::of(&running)?;
    let (_, after) = client.call("GET", "/api/v1/namespaces/default/configmaps/c", None).await?;
    assert_eq!(before, after);
    running.stop().await;
    Ok(())
}

fn version(object: &Value) -> anyhow::Result<u64> {
    Ok(object["metadata"]["resourceVersion"].as_str().unwrap_or_default().parse()?)
}

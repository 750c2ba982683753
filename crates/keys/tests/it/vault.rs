//! The transit engine, spoken to a small server that answers as Vault does.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use sealfast_keys::keyring::Keyring;
use sealfast_keys::vault::{Access, Allowed};
use sealfast_keys::{unlock, wrap};
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::cloud::real::Real;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{data_key, metadata, now};

/// Serves a transit engine whose ciphertext is the plaintext behind a prefix; returns its address and what it saw.
async fn serve() -> Result<(String, Arc<Mutex<Vec<String>>>)> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", socket.local_addr()?);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let (head, body) = read(&mut stream).await.unwrap_or_default();
            let (status, answer) = answer(&head, &body);
            if let Ok(mut log) = log.lock() {
                log.push(head);
            }
            let answer = answer.to_string();
            let length = answer.len();
            let text =
                format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
            drop(stream.write_all(text.as_bytes()).await);
        }
    });
    Ok((address, seen))
}

async fn read(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok()?;
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = match text.split_once("\r\n\r\n") {
            Some(parts) => parts,
            None if count > 0 => continue,
            None => return None,
        };
        if let Ok(body) = serde_json::from_str(body) {
            return Some((head.to_ascii_lowercase(), body));
        }
    }
}

fn answer(head: &str, body: &Value) -> (&'static str, Value) {
    if !head.contains("x-vault-token: good") || !head.contains("x-vault-request: true") {
        return ("403 Forbidden", json!({ "errors": ["permission denied"] }));
    }
    if head.starts_with("put /v1/deep/engine/encrypt/k2 ") {
        return (
            "200 OK",
            json!({ "data": { "ciphertext": format!("vault:v1:{}", body["plaintext"].as_str().unwrap_or_default()) } }),
        );
    }
    if head.starts_with("put /v1/deep/engine/decrypt/k2 ") {
        let text = body["ciphertext"].as_str().unwrap_or_default();
        return ("200 OK", json!({ "data": { "plaintext": text.trim_start_matches("vault:v1:") } }));
    }
    ("404 Not Found", json!({ "errors": [] }))
}

fn key(address: &str) -> Result<MasterKey> {
    Ok(MasterKey::Vault {
        vault_address: address.to_owned(),
        engine_path: "deep/engine".to_owned(),
        key_name: "k2".to_owned(),
        created_at: now()?,
        enc: String::new(),
    })
}

#[tokio::test]
async fn wrap_and_open() -> Result<()> {
    let (address, seen) = serve().await?;
    let keyring = Keyring::empty().with_vault_token(&SecretString::from(" good\n"));
    let mut document = metadata(vec![vec![key(&address)?]])?;
    let data_key = data_key();
    wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    assert!(document.key_groups[0].keys[0].enc().starts_with("vault:v1:"));
    let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
    assert_eq!(found.expose(), data_key.expose());
    assert_eq!(seen.lock().ok().context("poisoned")?.len(), 2);

    let wrong = Keyring::empty().with_vault_token(&SecretString::from("bad"));
    let Err(failure) = unlock::data_key(&document, &wrong, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    assert!(failure.to_string().contains("Code: 403. Errors:\n\n* permission denied"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_not_asked() -> Result<()> {
    let (address, seen) = serve().await?;
    let access = Access {
        token: Some(SecretString::from("good")),
        allowed: Allowed::parse("https://vault.example.com")?,
        ..Access::default()
    };
    let keyring = Keyring::empty().with_vault(access);
    let document = metadata(vec![vec![key(&address)?]])?;
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    assert!(failure.to_string().contains(&format!("Allowlist does not allow {address}")), "{failure}");
    assert!(seen.lock().ok().context("poisoned")?.is_empty());
    Ok(())
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_not_asked() -> Result<()> {
    let (address, seen) = serve().await?;
    let keyring = Keyring::empty().with_vault_token(&SecretString::from("good"));
    for (engine, name) in
        [("deep/../../v1/sys", "k2"), ("deep/engine", "../../sys/seal"), ("deep/engine", "k2?x=#")]
    {
        let mut hostile = key(&address)?;
        if let MasterKey::Vault { engine_path, key_name, enc, .. } = &mut hostile {
            (*engine_path, *key_name, *enc) =
                (engine.to_owned(), name.to_owned(), "vault:v1:AAAA".to_owned());
        }
        let words = crate::refused(&metadata(vec![vec![hostile]])?, &keyring).await?;
        assert!(words.contains("of the Vault key, \""), "{words}");
    }
    assert!(seen.lock().ok().context("poisoned")?.is_empty(), "it was asked");
    Ok(())
}

#[tokio::test]
async fn openbao_opens_what_it_wrapped() -> Result<()> {
    let Some(bao) = Real::openbao()? else { return Ok(()) };
    let root = [("x-vault-token", "root")];
    bao.call("POST", "/v1/sys/mounts/deep/engine", &root, "{\"type\":\"transit\"}")?;
    bao.call("POST", "/v1/deep/engine/keys/k2", &root, "{\"type\":\"rsa-4096\"}")?;
    let keyring = Keyring::empty().with_vault_token(&SecretString::from("root\n"));
    crate::round_trip(vec![key(&bao.url())?], &keyring, &keyring).await?;
    let document = metadata(vec![vec![key(&bao.url())?]])?;
    let access = Access { token: Some(SecretString::from("wrong-token")), ..Access::default() };
    let words = crate::refused(&document, &Keyring::empty().with_vault(access)).await?;
    let wanted = format!("URL: PUT {}/v1/deep/engine/decrypt/k2\nCode: 403. Errors:\n\n* ", bao.url());
    assert!(words.contains(&wanted) && words.contains("permission denied"), "{words}");
    assert!(!words.contains("wrong-token"));
    Ok(())
}

#[tokio::test]
async fn who_cannot_be_reached_is_named() -> Result<()> {
    let access = Access { retries: 0, ..Access::default() };
    let mut gone = key("http://127.0.0.1:1")?;
    if let MasterKey::Vault { enc, .. } = &mut gone {
        *enc = "vault:v1:AAAA".to_owned();
    }
    let words = crate::refused(&metadata(vec![vec![gone]])?, &Keyring::empty().with_vault(access)).await?;
    assert!(words.contains("dial tcp 127.0.0.1:1: connect: connection refused"), "{words}");
    assert!(!words.contains("client error"), "{words}");
    Ok(())
}

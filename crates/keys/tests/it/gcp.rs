//! Google Cloud KMS: every way to get a token, and the two calls.

use anyhow::Result;
use sealfast_keys::gcp_kms::{Access, Credentials};
use sealfast_keys::keyring::Keyring;
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::cloud::google::{Google, Open, PLAIN_TOKEN, WORKLOAD};
use sealfast_testkit::scratch::Scratch;
use secrecy::SecretString;

use crate::{metadata, now, refused, round_trip};

const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/k";

fn at(server: &Google, credentials: Credentials) -> Keyring {
    let endpoint = Some(server.url());
    Keyring::empty().with_gcp_kms(Access { credentials, endpoint, ..Access::default() })
}

fn key(name: &str) -> Result<MasterKey> {
    Ok(MasterKey::GcpKms { resource_id: name.to_owned(), created_at: now()?, enc: String::new() })
}

fn json(value: &serde_json::Value) -> SecretString {
    SecretString::from(value.to_string())
}

#[tokio::test]
async fn every_kind_of_credentials_gets_a_token() -> Result<()> {
    let server = Google::start(Open::WithToken)?;
    let folder = Scratch::new()?;
    let proof = folder.write("token", WORKLOAD)?;
    let ways = [
        Credentials::ServiceAccount(json(&server.service_account()?)),
        Credentials::Json(json(&server.service_account()?)),
        Credentials::Json(json(&server.authorized_user())),
        Credentials::Json(json(&server.external_account(&proof))),
        Credentials::Token(SecretString::from(format!("{PLAIN_TOKEN}\n"))),
    ];
    for credentials in ways {
        let keyring = at(&server, credentials);
        round_trip(vec![key(KEY)?], &keyring, &keyring).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_emulator_is_asked_without_token_and_the_service_is_not() -> Result<()> {
    let emulator = Google::start(Open::ToAll)?;
    let keyring = at(&emulator, Credentials::None);
    round_trip(vec![key(KEY)?], &keyring, &keyring).await?;
    assert!(emulator.asked().iter().all(|asked| asked.header("authorization").is_empty()));

    let mut document = metadata(vec![vec![key(KEY)?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    let words = refused(&document, &Keyring::empty()).await?;
    assert!(words.contains("no credentials for GCP KMS: none were given"), "{words}");
    Ok(())
}

#[tokio::test]
async fn refusals_are_told_in_the_words_of_the_service() -> Result<()> {
    let server = Google::start(Open::WithToken)?;
    let mut document = metadata(vec![vec![key(KEY)?]])?;
    document.key_groups[0].keys[0].set_enc("AAAAAAAAAAAAAAAA".to_owned(), now()?);
    let words =
        refused(&document, &at(&server, Credentials::Token(SecretString::from("wrong-secret")))).await?;
    assert!(words.contains("failed to decrypt sops data key with GCP KMS key: 401"), "{words}");
    assert!(words.contains("UNAUTHENTICATED") && !words.contains("wrong-secret"), "{words}");
    let known = at(&server, Credentials::Token(SecretString::from(PLAIN_TOKEN)));
    let words = refused(&document, &known).await?;
    assert!(words.contains("INVALID_ARGUMENT: the ciphertext is invalid"), "{words}");
    document.key_groups[0].keys = vec![key("projects/p")?];
    let words = refused(&document, &known).await?;
    assert!(words.contains("no valid resource ID found in \"projects/p\""), "{words}");
    Ok(())
}

#[tokio::test]
async fn credentials_of_somebody_else_are_service_accounts_or_nothing() -> Result<()> {
    let server = Google::start(Open::WithToken)?;
    let mut document = metadata(vec![vec![key(KEY)?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    let user = server.authorized_user();
    let mut broken = server.service_account()?;
    broken["private_key"] = serde_json::json!({ "s3cr3t": 1 });
    for json in [user.to_string(), broken.to_string(), "{ \"s3cr3t\"".to_owned(), String::new()] {
        let keyring = at(&server, Credentials::ServiceAccount(SecretString::from(json)));
        let words = refused(&document, &keyring).await?;
        assert!(words.contains("no credentials for GCP KMS: "), "{words}");
        assert!(!words.contains("s3cr3t") && !words.contains("refresh-secret"), "{words}");
    }
    assert!(server.asked().is_empty());
    Ok(())
}

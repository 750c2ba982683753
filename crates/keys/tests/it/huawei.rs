//! Huawei Cloud KMS: signed requests, projects, the key of a machine.

use anyhow::Result;
use sealfast_keys::huawei_kms::{Access, Credentials, Endpoints, Keys};
use sealfast_keys::keyring::Keyring;
use sealfast_keys::wrap;
use sealfast_sops::master_key::MasterKey;
use sealfast_sops::time::Time;
use sealfast_testkit::cloud::huawei;
use sealfast_testkit::cloud::wire::Server;
use secrecy::SecretString;

use crate::{data_key, metadata, now, refused, round_trip};

fn clock() -> Time {
    Time::from(jiff::Timestamp::UNIX_EPOCH)
}

fn at(server: &Server, credentials: Credentials) -> Keyring {
    let url = server.url();
    let endpoints = Some(Endpoints { kms: url.clone(), iam: url.clone(), metadata: url });
    let access = Access { credentials, project: None, endpoints, clock: Some(clock) };
    Keyring::empty().with_huawei_kms(access)
}

fn keys(secret: &str) -> Credentials {
    let (access_key, secret_key) = (huawei::ACCESS_KEY.to_owned(), SecretString::from(secret));
    Credentials::Keys(Keys { access_key, secret_key, security_token: None })
}

fn key(region: &str) -> Result<MasterKey> {
    let key_id = format!("{region}:{}", huawei::KEY);
    Ok(MasterKey::HuaweiKms { key_id, created_at: now()?, enc: String::new() })
}

#[tokio::test]
async fn an_access_key_and_a_machine_wrap_and_open() -> Result<()> {
    for credentials in [keys(huawei::SECRET_KEY), Credentials::Machine] {
        let server = huawei::start()?;
        let keyring = at(&server, credentials);
        round_trip(vec![key(huawei::REGION)?], &keyring, &keyring).await?;
        let looked_up = server.asked().iter().filter(|asked| asked.path == "/v3/projects").count();
        assert_eq!(looked_up, 1, "the project is looked up once");
    }
    Ok(())
}

#[tokio::test]
async fn refusals_are_told_in_the_words_of_the_service() -> Result<()> {
    let server = huawei::start()?;
    let mut document = metadata(vec![vec![key(huawei::REGION)?]])?;
    document.key_groups[0].keys[0].set_enc("AAAAAAAAAAAAAAAA".to_owned(), now()?);
    let words = refused(&document, &at(&server, keys("wrong-secret"))).await?;
    assert!(words.contains("APIGW.0301") && !words.contains("wrong-secret"), "{words}");
    let words = refused(&document, &at(&server, keys(huawei::SECRET_KEY))).await?;
    let expected =
        "failed to decrypt sops data key with HuaweiCloud KMS: 400 Bad Request: KMS.0205: Decryption failed";
    assert!(words.contains(expected), "{words}");
    document.key_groups[0].keys = vec![key("nowhere")?];
    let words = refused(&document, &at(&server, keys(huawei::SECRET_KEY))).await?;
    assert!(words.contains("there is no project for region nowhere"), "{words}");
    let words = refused(&document, &Keyring::empty()).await?;
    assert!(words.contains("no credentials for HuaweiCloud KMS: none were given"), "{words}");
    Ok(())
}

#[tokio::test]
async fn the_access_key_of_a_machine_is_asked_for_again_before_it_ends() -> Result<()> {
    use std::sync::atomic::{AtomicI64, Ordering};
    static NOW: AtomicI64 = AtomicI64::new(4_102_444_800 - 3600);
    fn clock() -> Time {
        Time::from(jiff::Timestamp::from_second(NOW.load(Ordering::SeqCst)).unwrap_or_default())
    }
    let server = huawei::start()?;
    let endpoints = Endpoints { kms: server.url(), iam: server.url(), metadata: server.url() };
    let keyring = Keyring::empty().with_huawei_kms(Access {
        credentials: Credentials::Machine,
        project: None,
        endpoints: Some(endpoints),
        clock: Some(clock),
    });
    let lent = || server.asked().iter().filter(|asked| asked.path.ends_with("/securitykey")).count();
    // The stand-in's key ends with the year 2099.
    for (before, count) in [(3600, 1), (301, 1), (299, 2)] {
        NOW.store(4_102_444_800 - before, Ordering::SeqCst);
        let mut document = metadata(vec![vec![key(huawei::REGION)?]])?;
        wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await?;
        assert_eq!(lent(), count, "{before} seconds before its end");
    }
    Ok(())
}

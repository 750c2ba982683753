//! AWS KMS: a stand-in that checks signatures, and the real `moto`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use sealfast_keys::aws_kms::{Access, Credentials, Keys};
use sealfast_keys::error::Error;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{unlock, wrap};
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::cloud::aws;
use sealfast_testkit::cloud::real::Real;
use secrecy::SecretString;

use crate::{data_key, metadata, now, refused, round_trip};

fn keys(secret: &str) -> Credentials {
    Credentials::Keys(Keys {
        access_key_id: aws::ACCESS_KEY.to_owned(),
        secret_access_key: SecretString::from(secret),
        session_token: None,
    })
}

fn at(url: &str, credentials: Credentials) -> Keyring {
    Keyring::empty().with_aws_kms(Access {
        credentials,
        endpoint: Some(url.to_owned()),
        host: "build-7.example".to_owned(),
    })
}

fn key(arn: &str, role: &str, context: &[(&str, &str)]) -> Result<MasterKey> {
    let context: BTreeMap<_, _> =
        context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (arn, role) = (arn.to_owned(), role.to_owned());
    Ok(MasterKey::Kms {
        arn,
        role,
        context,
        aws_profile: String::new(),
        created_at: now()?,
        enc: String::new(),
    })
}

#[tokio::test]
async fn keys_and_aliases_wrap_and_open_with_their_context() -> Result<()> {
    let server = aws::start()?;
    let keyring = at(&server.url(), keys(aws::SECRET_KEY));
    for arn in [aws::KEY, aws::ALIAS] {
        round_trip(vec![key(arn, "", &[])?], &keyring, &keyring.clone()).await?;
        round_trip(vec![key(arn, "", &[("App", "web"), ("Env", "prod")])?], &keyring, &keyring).await?;
    }
    let mut document = metadata(vec![vec![key(aws::KEY, "", &[("App", "web")])?]])?;
    wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    if let MasterKey::Kms { context, .. } = &mut document.key_groups[0].keys[0] {
        context.insert("App".to_owned(), "db".to_owned());
    }
    let words = refused(&document, &keyring).await?;
    assert!(
        words.contains("failed to decrypt sops data key with AWS KMS: InvalidCiphertextException"),
        "{words}"
    );
    Ok(())
}

#[tokio::test]
async fn a_role_is_taken_on_in_a_session_named_after_the_machine() -> Result<()> {
    let server = aws::start()?;
    let keyring = at(&server.url(), keys(aws::SECRET_KEY));
    round_trip(vec![key(aws::KEY, aws::ROLE, &[])?], &keyring, &keyring).await?;
    let asked = server.asked();
    let session = asked[0].form("RoleSessionName");
    assert_eq!(session.as_deref(), Some("sops@build-7.example"));
    let assumed = asked.iter().filter(|asked| asked.form("Action").as_deref() == Some("AssumeRole")).count();
    assert_eq!(assumed, 1, "one session serves every call");

    let mut document = metadata(vec![vec![key(aws::KEY, "arn:aws:iam::123456789012:role/other", &[])?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    let words = refused(&document, &keyring).await?;
    assert!(words.contains("no credentials for AWS KMS: ") && words.contains("not authorized"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_not_told() -> Result<()> {
    let server = aws::start()?;
    let mut document = metadata(vec![vec![key(aws::KEY, "", &[])?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    let words = refused(&document, &at(&server.url(), keys("another-secret"))).await?;
    assert!(words.contains("InvalidSignatureException: The signature does not match"), "{words}");
    assert!(!words.contains("another-secret"));
    Ok(())
}

#[tokio::test]
async fn nobody_and_no_arn_ask_nothing() -> Result<()> {
    let mut document = metadata(vec![vec![key(aws::KEY, "", &[])?]])?;
    let words = refused(&document, &Keyring::empty()).await?;
    assert!(words.contains("no credentials for AWS KMS: none were given"), "{words}");
    document.key_groups[0].keys = vec![key("arn:aws:sqs:x", "", &[])?];
    let words = refused(&document, &at("http://127.0.0.1:1", keys("s"))).await?;
    assert!(words.contains("no valid ARN found in 'arn:aws:sqs:x'"), "{words}");
    Ok(())
}

#[tokio::test]
async fn moto_opens_what_it_wrapped() -> Result<()> {
    let Some(moto) = Real::moto()? else { return Ok(()) };
    let ask = |action: &str, body: &str| {
        let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=0";
        let target = format!("TrentService.{action}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
            ("authorization", scope),
        ];
        moto.call("POST", "/", &headers, body)
    };
    let made: serde_json::Value = serde_json::from_str(&ask("CreateKey", "{}")?)?;
    let arn = made["KeyMetadata"]["Arn"].as_str().context("no ARN")?.to_owned();
    let id = made["KeyMetadata"]["KeyId"].as_str().context("no id")?;
    ask("CreateAlias", &format!("{{\"AliasName\":\"alias/sops\",\"TargetKeyId\":\"{id}\"}}"))?;
    let (account, _) = arn.split_once(":key/").context("another ARN")?;
    let alias = format!("{account}:alias/sops");

    let keyring = at(&moto.url(), keys("any"));
    let role = "arn:aws:iam::123456789012:role/keys";
    for (arn, role) in [(arn.as_str(), ""), (alias.as_str(), ""), (arn.as_str(), role)] {
        round_trip(vec![key(arn, role, &[("App", "x")])?], &keyring, &keyring).await?;
    }
    let mut document = metadata(vec![vec![key(&arn, "", &[("App", "x")])?]])?;
    wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    if let MasterKey::Kms { context, .. } = &mut document.key_groups[0].keys[0] {
        context.clear();
    }
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        bail!("it was opened without its context")
    };
    let Error::Cloud { reason, .. } = &failure.groups[0].failed[0].reasons[0] else { bail!("{failure}") };
    assert!(reason.starts_with("InvalidCiphertextException"), "{reason}");
    Ok(())
}

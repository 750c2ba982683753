//! No secret shows in what is printed for debugging or as an error.

use anyhow::Result;
use sealfast_keys::age;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::pgp::{self, PgpOptions};
use sealfast_keys::{aws_kms, azure_kv, gcp_kms, huawei_kms, unlock, vault, wrap};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{age_key, data_key, key_file, key_text, metadata, now};

#[tokio::test]
async fn nothing_that_is_printed_shows_a_secret() -> Result<()> {
    let identity = age::generate();
    let generated = pgp::generate(&PgpOptions { bits: 2048, ..PgpOptions::new("a") }, now()?)?;
    let secret = identity.secret().expose_secret().to_owned();
    let token = SecretString::from("s.verysecret");
    let mut keyring = Keyring::empty().with_vault_token(&token);
    keyring.add_age_identities(&secret)?;
    keyring.add_pgp_armored(key_file("gpg-rsa2048.sec.asc")?)?;
    keyring.add_ssh_identity(&key_file("ssh-ed25519")?, None)?;
    let access = vault::Access { token: Some(token.clone()), ..vault::Access::default() };
    let hidden = || SecretString::from("verysecret");
    let keys = aws_kms::Keys {
        access_key_id: "AKIA".to_owned(),
        secret_access_key: hidden(),
        session_token: Some(hidden()),
    };
    let aws = aws_kms::Access { credentials: aws_kms::Credentials::Keys(keys), ..aws_kms::Access::default() };
    let gcp = [
        gcp_kms::Credentials::ServiceAccount(hidden()),
        gcp_kms::Credentials::Json(hidden()),
        gcp_kms::Credentials::Token(hidden()),
    ];
    let (tenant, client) = ("t".to_owned(), "c".to_owned());
    let login = azure_kv::Login::ClientSecret { tenant, client, secret: hidden() };
    let azure = azure_kv::Access { logins: vec![login], authority: None };
    let keys = huawei_kms::Keys {
        access_key: "AK".to_owned(),
        secret_key: hidden(),
        security_token: Some(hidden()),
    };
    let huawei =
        huawei_kms::Access { credentials: huawei_kms::Credentials::Keys(keys), ..Default::default() };
    let tls = vault::Tls { identity: Some(hidden()), ..vault::Tls::default() };
    let keyring = keyring
        .with_aws_kms(aws.clone())
        .with_azure_kv(azure.clone())
        .with_huawei_kms(huawei.clone())
        .with_gcp_kms(gcp_kms::Access { credentials: gcp[0].clone(), ..gcp_kms::Access::default() });

    let mut document = metadata(vec![vec![age_key(&key_text("age1.pub")?)]])?;
    let key = data_key();
    wrap::data_key(&mut document, &key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    let printed = [
        format!("{keyring:?} {access:?} {identity:?} {generated:?} {key:?}"),
        format!("{failure} {failure:?} {}", failure.report()),
        format!("{:?}", identity.file_text(now()?)),
        format!("{aws:?} {gcp:?} {azure:?} {huawei:?} {tls:?}"),
    ]
    .join("\n");
    let armored = generated.armored_secret.expose_secret();
    let hex: String = key.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{:?}", key.expose());
    for secret in [secret.as_str(), "verysecret", &armored[200..260], &hex, &bytes[1..bytes.len() - 1]] {
        assert!(!printed.contains(secret), "{printed}");
    }
    Ok(())
}

//! Azure Key Vault: every login, versions, and what another implementation wrapped.

use anyhow::{Context as _, Result};
use sealfast_keys::azure_kv::{Access, Chain, Login};
use sealfast_keys::http::Network;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{unlock, wrap};
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::cloud::azure::{self, Azure};
use sealfast_testkit::scratch::Scratch;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{data_key, metadata, now, refused, round_trip};

fn at(server: &Azure, logins: Vec<Login>) -> Keyring {
    let addresses = [azure::VAULT, azure::LOGIN].map(|name| (name.to_owned(), server.address())).to_vec();
    let network = Network { roots: vec![server.certificate().into()], addresses };
    let authority = Some(server.authority());
    Keyring::empty().with_network(network).with_azure_kv(Access { logins, authority })
}

fn secret(text: &str) -> Login {
    Login::ClientSecret {
        tenant: azure::TENANT.to_owned(),
        client: azure::CLIENT.to_owned(),
        secret: SecretString::from(text),
    }
}

fn key(server: &Azure, version: &str) -> Result<MasterKey> {
    Ok(MasterKey::AzureKv {
        vault_url: server.vault(),
        name: azure::KEY.to_owned(),
        version: version.to_owned(),
        created_at: now()?,
        enc: String::new(),
    })
}

#[tokio::test]
async fn a_secret_and_a_workload_identity_get_tokens() -> Result<()> {
    let server = Azure::start()?;
    let folder = Scratch::new()?;
    let token_file = folder.write("token", azure::ASSERTION)?;
    let workload = Login::WorkloadIdentity {
        tenant: azure::TENANT.to_owned(),
        client: azure::CLIENT.to_owned(),
        token_file,
    };
    for logins in [vec![secret(azure::SECRET)], vec![workload.clone()], vec![secret("wrong"), workload]] {
        let keyring = at(&server, logins);
        round_trip(vec![key(&server, azure::VERSION)?], &keyring, &keyring).await?;
    }
    Ok(())
}

fn certificate(file: &str, password: Option<&str>, chain: Chain) -> Login {
    Login::ClientCertificate {
        tenant: azure::TENANT.to_owned(),
        client: azure::CLIENT.to_owned(),
        file: Ok(Zeroizing::new(file.as_bytes().to_vec())),
        password: password.map(SecretString::from),
        chain,
    }
}

#[tokio::test]
async fn a_client_certificate_gets_tokens() -> Result<()> {
    let server = Azure::start()?;
    let application = server.application();
    let (own, other) = (&application.certificate, server.certificate());
    for (file, password, chain) in [
        (format!("{own}{}", application.pkcs8), None, Chain::Thumbprint),
        (format!("{}{other}{own}", application.pkcs1), None, Chain::Sent),
        (format!("{own}{}", application.encrypted), Some(azure::PASSWORD), Chain::Thumbprint),
    ] {
        let keyring = at(&server, vec![certificate(&file, password, chain)]);
        round_trip(vec![key(&server, azure::VERSION)?], &keyring, &keyring).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_certificate_that_cannot_be_used_is_told() -> Result<()> {
    let server = Azure::start()?;
    let application = server.application();
    let (own, other) = (&application.certificate, server.certificate());
    let mut document = metadata(vec![vec![key(&server, azure::VERSION)?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    for (file, password, reason) in [
        (String::new(), None, "is neither a PEM nor a PKCS#12 file"),
        (own.clone(), None, "has no private key"),
        (application.pkcs8.clone(), None, "none of the certificates is that of the private key"),
        (
            format!("{other}{}", application.pkcs8),
            None,
            "none of the certificates is that of the private key",
        ),
        (format!("{own}{}{}", application.pkcs8, application.pkcs1), None, "more than one private key"),
        (format!("{own}{}", application.encrypted), None, "needs a password"),
        (
            format!("{own}{}", application.encrypted),
            Some("wrong"),
            "the password does not open the private key",
        ),
        (
            format!("{own}-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
            None,
            "is no RSA key",
        ),
    ] {
        let keyring = at(&server, vec![certificate(&file, password, Chain::Thumbprint)]);
        let words = refused(&document, &keyring).await?;
        assert!(words.contains("client certificate: ") && words.contains(reason), "{reason}: {words}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_without_version_is_looked_up_and_the_version_is_kept() -> Result<()> {
    let server = Azure::start()?;
    let keyring = at(&server, vec![secret(azure::SECRET)]);
    let mut document = metadata(vec![vec![key(&server, "")?]])?;
    let data_key = data_key();
    wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    let MasterKey::AzureKv { version, enc, .. } = &document.key_groups[0].keys[0] else {
        anyhow::bail!("another key")
    };
    assert_eq!(version, azure::VERSION);
    assert!(!enc.contains(['=', '+', '/']), "base64url without padding");
    let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
    assert_eq!(found.expose(), data_key.expose());

    let mut keys = vec![key(&server, "")?, key(&server, "fixed")?];
    wrap::complete(&mut keys, &keyring).await?;
    let names: Vec<String> = keys.iter().map(MasterKey::identity_string).collect();
    let base = format!("{}/keys/{}", server.vault(), azure::KEY);
    assert_eq!(names, [format!("{base}/{}", azure::VERSION), format!("{base}/fixed")]);
    Ok(())
}

#[tokio::test]
async fn what_another_implementation_wrapped_is_opened() -> Result<()> {
    let server = Azure::start()?;
    let keyring = at(&server, vec![secret(azure::SECRET)]);
    let (plaintext, enc) = azure::vector()?;
    let mut document = metadata(vec![vec![key(&server, azure::VERSION)?]])?;
    document.key_groups[0].keys[0].set_enc(enc, now()?);
    let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
    assert_eq!(found.expose().as_slice(), plaintext);
    Ok(())
}

#[tokio::test]
async fn refusals_name_the_key_and_each_login() -> Result<()> {
    let server = Azure::start()?;
    let mut document = metadata(vec![vec![key(&server, "another")?]])?;
    document.key_groups[0].keys[0].set_enc("AAAA".to_owned(), now()?);
    let words = refused(&document, &at(&server, vec![secret(azure::SECRET)])).await?;
    let name = format!("{}/keys/{}/another", server.vault(), azure::KEY);
    assert!(words.contains(&format!("with Azure Key Vault key '{name}': ")), "{words}");
    assert!(words.contains("KeyNotFound"), "{words}");
    let words = refused(&document, &at(&server, vec![secret("wrong-secret")])).await?;
    assert!(words.contains("no credentials for Azure Key Vault: client secret: "), "{words}");
    assert!(words.contains("AADSTS7000215") && !words.contains("wrong-secret"), "{words}");
    let words = refused(&document, &at(&server, Vec::new())).await?;
    assert!(words.contains("no credentials for Azure Key Vault: none were given"), "{words}");
    Ok(())
}

#[tokio::test]
async fn nothing_goes_to_a_vault_that_is_not_azures() -> Result<()> {
    let server = Azure::start()?;
    let keyring = at(&server, vec![secret(azure::SECRET)]);
    let mut document = metadata(vec![vec![key(&server, azure::VERSION)?]])?;
    if let MasterKey::AzureKv { vault_url, enc, .. } = &mut document.key_groups[0].keys[0] {
        *vault_url = format!("https://localhost:{}", server.address().port());
        *enc = "AAAA".to_owned();
    }
    let words = refused(&document, &keyring).await?;
    assert!(words.contains("doesn't match the requested domain"), "{words}");
    let tokens = server.asked().iter().filter(|asked| asked.path.ends_with("/token")).count();
    assert_eq!(tokens, 0, "no token was asked for it");
    server.asked().first().context("it was asked without token")?;
    Ok(())
}

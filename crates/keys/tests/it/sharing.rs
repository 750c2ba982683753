//! One question for one data key, calls side by side, and none that is not needed.

use std::collections::HashSet;
use std::sync::{Arc, Barrier};

use anyhow::Result;
use futures::future::join_all;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::vault::{Access, Allowed};
use sealfast_keys::{unlock, wrap};
use sealfast_sops::master_key::MasterKey;
use sealfast_testkit::cloud::wire::{Answer, Asked, Server, Wire};
use serde_json::json;

use crate::{age_key, data_key, key_text, metadata, now, refused};

/// A Vault whose encryption is none; `wait` runs before each answer.
fn vault(wait: impl Fn(&Asked) + Send + Sync + 'static) -> Result<Server> {
    Server::start(&Wire::Plain, move |asked| {
        wait(asked);
        let body = asked.json().unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match asked.path.contains("/encrypt/") {
            true => {
                Answer::ok(&json!({ "data": { "ciphertext": format!("vault:v1:{}", text("plaintext")) } }))
            }
            false => {
                let plaintext = text("ciphertext").trim_start_matches("vault:v1:").to_owned();
                Answer::ok(&json!({ "data": { "plaintext": plaintext } }))
            }
        }
    })
}

fn key(server: &Server, name: &str) -> Result<MasterKey> {
    Ok(MasterKey::Vault {
        vault_address: format!("http://{}", server.address()),
        engine_path: "transit".to_owned(),
        key_name: name.to_owned(),
        created_at: now()?,
        enc: String::new(),
    })
}

fn asked(server: &Server, action: &str) -> usize {
    server.asked().iter().filter(|asked| asked.path.contains(action)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_key_is_asked_for_once_whoever_shares_it() -> Result<()> {
    let server = vault(|_| {})?;
    let keyring = Keyring::empty().with_vault(Access { allowed: Allowed::All, ..Access::default() });
    let mut document = metadata(vec![vec![key(&server, "k")?]])?;
    let data_key = data_key();
    wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    let document = Arc::new(document);
    let many = (0..200).map(|_| {
        let (document, keyring) = (Arc::clone(&document), keyring.clone());
        tokio::spawn(async move { unlock::data_key(&document, &keyring, &unlock::Options::default()).await })
    });
    for found in join_all(many).await {
        assert_eq!(found??.expose(), data_key.expose());
    }
    assert_eq!(asked(&server, "/decrypt/"), 1);
    // Other keys are other questions.
    let other = Keyring::empty();
    unlock::data_key(&document, &other, &unlock::Options::default()).await?;
    assert_eq!(asked(&server, "/decrypt/"), 2);
    Ok(())
}

#[tokio::test]
async fn groups_are_wrapped_and_opened_side_by_side() -> Result<()> {
    // Nobody gets an answer before three have asked.
    let meeting = Arc::new(Barrier::new(3));
    let server = vault(move |_| {
        meeting.wait();
    })?;
    let groups = ["a", "b", "c"].map(|name| key(&server, name).map(|key| vec![key]));
    let mut document = metadata(groups.into_iter().collect::<Result<_>>()?)?;
    let (data_key, keyring) = (data_key(), Keyring::empty());
    let work = async {
        wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
        let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
        assert_eq!(found.expose(), data_key.expose());
        anyhow::Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), work).await?
}

#[tokio::test]
async fn a_service_that_is_not_needed_is_not_asked() -> Result<()> {
    let server = vault(|_| {})?;
    let mut keyring = Keyring::empty();
    for name in ["age1", "age2"] {
        keyring.add_age_identities(&key_text(&format!("{name}.agekey"))?)?;
    }
    let [age1, age2] =
        ["age1.pub", "age2.pub"].map(|name| key_text(name).map(|recipient| age_key(&recipient)));
    let mut document =
        metadata(vec![vec![key(&server, "a")?], vec![age1?, key(&server, "b")?], vec![age2?]])?;
    document.shamir_threshold = 2;
    let data_key = data_key();
    wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    let found = unlock::data_key(&document, &keyring, &unlock::Options::default()).await?;
    assert_eq!(found.expose(), data_key.expose());
    assert_eq!(asked(&server, "/decrypt/"), 0);
    // With the order turned round, the service comes first where a group has one.
    let order = vec!["hc_vault".to_owned(), "age".to_owned()];
    let fresh = keyring.clone().with_vault(Access::default());
    unlock::data_key(&document, &fresh, &unlock::Options { order }).await?;
    let names: HashSet<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert!(names.contains("/v1/transit/decrypt/a") || names.contains("/v1/transit/decrypt/b"), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn no_more_groups_are_opened_than_are_needed_unless_one_fails() -> Result<()> {
    let server = vault(|_| {})?;
    let groups = ["a", "b", "c", "d"].map(|name| key(&server, name).map(|key| vec![key]));
    let mut document = metadata(groups.into_iter().collect::<Result<_>>()?)?;
    document.shamir_threshold = 2;
    let (data_key, keyring) = (data_key(), Keyring::empty());
    wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    for (broken, count) in [(None, 2), (Some(1), 3)] {
        if let Some(group) = broken {
            document.key_groups[group].keys[0].set_enc("vault:v1:?".to_owned(), now()?);
        }
        let before = asked(&server, "/decrypt/");
        let found = unlock::data_key(&document, &Keyring::empty(), &unlock::Options::default()).await?;
        assert_eq!(found.expose(), data_key.expose());
        assert_eq!(asked(&server, "/decrypt/") - before, count);
    }
    Ok(())
}

#[tokio::test]
async fn a_vault_in_trouble_is_asked_again_and_a_wrong_question_is_not() -> Result<()> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&count);
    let server = Server::start(&Wire::Plain, move |asked| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        match (asked.path.ends_with("/good"), call) {
            (true, 0) => Answer::with(503, &json!({ "errors": ["sealed"] })),
            (true, 1) => Answer::with(429, &json!({ "errors": [] })),
            (true, _) => Answer::ok(&json!({ "data": { "ciphertext": "vault:v1:AAAA" } })),
            (false, _) => Answer::with(400, &json!({ "errors": ["encryption key not found"] })),
        }
    })?;
    let access = Access { pause: std::time::Duration::from_millis(1), ..Access::default() };
    let keyring = Keyring::empty().with_vault(access.clone());
    let mut document = metadata(vec![vec![key(&server, "good")?]])?;
    wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let document = metadata(vec![vec![key(&server, "bad")?]])?;
    let words = refused(&document, &keyring).await?;
    assert!(words.contains("Code: 400. Errors:\n\n* encryption key not found"), "{words}");
    assert_eq!(count.load(Ordering::SeqCst), 4);
    count.store(0, Ordering::SeqCst);
    let keyring = Keyring::empty().with_vault(Access { retries: 0, ..access });
    let document = metadata(vec![vec![key(&server, "good")?]])?;
    let words = refused(&document, &keyring).await?;
    assert!(words.contains("Code: 503. Errors:\n\n* sealed"), "{words}");
    Ok(())
}

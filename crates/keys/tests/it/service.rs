//! The remote key service: both sides, over TCP and a socket in the file system.

use std::sync::Arc;

use anyhow::Result;
use sealfast_keys::keyring::{Keyring, Own};
use sealfast_keys::service::{Approve, Listener, Question, Service};
use sealfast_keys::{unlock, wrap};
use sealfast_sops::time::Time;
use sealfast_testkit::scratch::Scratch;

use crate::{age_key, data_key, key_text, metadata, now, pgp_key, refused, round_trip};

fn clock() -> Time {
    Time::from(jiff::Timestamp::UNIX_EPOCH)
}

fn holding(name: &str) -> Result<Keyring> {
    let mut keyring = Keyring::empty();
    keyring.add_age_identities(&key_text(&format!("{name}.agekey"))?)?;
    Ok(keyring)
}

fn asking(addresses: &[String], own: Own) -> Result<Keyring> {
    let services = addresses.iter().map(|address| Service::parse(address)).collect::<Result<_, _>>()?;
    Ok(Keyring::empty().with_services(services, own))
}

#[tokio::test]
async fn a_service_wraps_and_opens_over_tcp_and_unix() -> Result<()> {
    let folder = Scratch::new()?;
    let socket = folder.join("ks.sock");
    let listeners = [Listener::tcp("127.0.0.1:0").await?, Listener::unix(&socket)?];
    for listener in listeners {
        let address = listener.address();
        let server = tokio::spawn(listener.serve(holding("age1")?, clock, None));
        let alone = asking(std::slice::from_ref(&address), Own::Unused)?;
        round_trip(vec![age_key(&key_text("age1.pub")?)], &alone, &alone).await?;
        // What this process cannot open, the service can.
        let both = asking(&[address], Own::Used)?;
        round_trip(vec![age_key(&key_text("age1.pub")?)], &Keyring::empty(), &both).await?;
        server.abort();
        drop(server.await);
    }
    assert!(!socket.exists(), "the socket goes with its listener");
    Ok(())
}

#[tokio::test]
async fn each_service_that_was_asked_is_reported() -> Result<()> {
    let listener = Listener::tcp("127.0.0.1:0").await?;
    let address = listener.address();
    let server = tokio::spawn(listener.serve(holding("age2")?, clock, None));
    let mut document = metadata(vec![vec![age_key(&key_text("age1.pub")?)]])?;
    wrap::data_key(&mut document, &data_key(), &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await?;
    let dead = "tcp://127.0.0.1:1".to_owned();
    let keyring = asking(&[dead, address.clone()], Own::Used)?;
    let Err(failure) = unlock::data_key(&document, &keyring, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    let reasons: Vec<String> = failure.groups[0].failed[0].reasons.iter().map(ToString::to_string).collect();
    assert_eq!(failure.groups[0].failed.len(), 1);
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].starts_with("failed to load age identities"), "{reasons:?}");
    assert!(reasons[1].starts_with("key service tcp://127.0.0.1:1: "), "{reasons:?}");
    assert!(reasons[1].contains("refused"), "{reasons:?}");
    assert!(
        reasons[2].starts_with(&format!("key service {address}: Unknown: failed to create reader")),
        "{reasons:?}"
    );
    server.abort();

    let nowhere = asking(&[], Own::Unused)?;
    let words = refused(&document, &nowhere).await?;
    assert!(words.contains("keys are not used in this process, and no key service is given"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_person_may_refuse() -> Result<()> {
    let listener = Listener::tcp("127.0.0.1:0").await?;
    let address = listener.address();
    let recipient = key_text("age1.pub")?;
    let key = format!("age key with recipient {recipient}");
    let only_encrypt: Approve = Arc::new(move |question: &Question| {
        assert_eq!(question.key, key);
        question.action == "encrypt"
    });
    let server = tokio::spawn(listener.serve(holding("age1")?, clock, Some(only_encrypt)));
    let keyring = asking(&[address], Own::Unused)?;
    let mut document = metadata(vec![vec![age_key(&recipient)]])?;
    wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await?;
    let words = refused(&document, &keyring).await?;
    assert!(words.contains("PermissionDenied: Request rejected by user"), "{words}");
    server.abort();
    Ok(())
}

#[tokio::test]
async fn keys_of_this_process_come_before_a_service() -> Result<()> {
    // A dead service is not waited for when a key at hand opens.
    let keyring = {
        let mut keyring = asking(&["tcp://127.0.0.1:1".to_owned()], Own::Used)?;
        keyring.add_age_identities(&key_text("age1.agekey")?)?;
        keyring
    };
    let keys = vec![pgp_key(&key_text("gpg-rsa2048.fpr")?)?, age_key(&key_text("age1.pub")?)];
    let mut wraps = Keyring::empty();
    wraps.add_pgp_armored(crate::key_file("gpg-rsa2048.pub.asc")?)?;
    round_trip(keys, &wraps, &keyring).await
}

#[tokio::test]
async fn who_is_connected_goes_with_the_service() -> Result<()> {
    use tokio::io::AsyncReadExt as _;
    let listener = Listener::tcp("127.0.0.1:0").await?;
    let address = listener.address();
    let server = tokio::spawn(listener.serve(holding("age1")?, clock, None));
    let mut client = tokio::net::TcpStream::connect(address.trim_start_matches("tcp://")).await?;
    // Its first words show that it is served.
    tokio::io::AsyncWriteExt::write_all(&mut client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await?;
    let mut words = [0; 9];
    client.read_exact(&mut words).await?;
    server.abort();
    let rest =
        tokio::time::timeout(std::time::Duration::from_secs(60), client.read_to_end(&mut Vec::new())).await?;
    // Closed in order or torn off, but not left open.
    drop(rest);
    Ok(())
}

#[tokio::test]
async fn silent_clients_do_not_keep_the_places() -> Result<()> {
    let folder = Scratch::new()?;
    let socket = folder.join("ks.sock");
    let listener = Listener::unix(&socket)?;
    let keyring = asking(&[listener.address()], Own::Unused)?;
    let server = tokio::spawn(listener.serve(holding("age1")?, clock, None));
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(tokio::net::UnixStream::connect(&socket).await?);
    }
    let question = round_trip(vec![age_key(&key_text("age1.pub")?)], &keyring, &keyring);
    tokio::time::timeout(std::time::Duration::from_secs(60), question).await??;
    drop(silent);
    server.abort();
    Ok(())
}

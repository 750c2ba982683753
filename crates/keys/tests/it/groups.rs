//! Key groups: shares, thresholds, order, and the report of a failure.

use anyhow::Result;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::{unlock, wrap};
use sealfast_sops::metadata::Metadata;

use crate::{age_key, data_key, key_text, metadata, now, pgp_key};

async fn three_groups(threshold: usize) -> Result<(Metadata, [u8; 32])> {
    let recipients = ["age1", "age2", "age3"].map(|name| key_text(&format!("{name}.pub")));
    let mut groups = Vec::new();
    for recipient in recipients {
        groups.push(vec![age_key(&recipient?)]);
    }
    let mut document = metadata(groups)?;
    document.shamir_threshold = threshold;
    let key = data_key();
    wrap::data_key(&mut document, &key, &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await?;
    Ok((document, *key.expose()))
}

fn holding(names: &[&str]) -> Result<Keyring> {
    let mut keyring = Keyring::empty();
    for name in names {
        keyring.add_age_identities(&key_text(&format!("{name}.agekey"))?)?;
    }
    Ok(keyring)
}

#[tokio::test]
async fn two_of_three() -> Result<()> {
    let (document, key) = three_groups(2).await?;
    let options = unlock::Options::default();
    for names in [["age1", "age2"], ["age2", "age3"], ["age1", "age3"]] {
        assert_eq!(*unlock::data_key(&document, &holding(&names)?, &options).await?.expose(), key);
    }
    assert_eq!(
        *unlock::data_key(&document, &holding(&["age1", "age2", "age3"])?, &options).await?.expose(),
        key
    );
    let Err(failure) = unlock::data_key(&document, &holding(&["age2"])?, &options).await else {
        anyhow::bail!("one share was enough")
    };
    let recipient = key_text("age1.pub")?;
    let expected = format!(
        "Failed to get the data key required to decrypt the SOPS file.\n\nGroup 0: FAILED\n  {recipient}: FAILED\n    - \
         | failed to create reader for decrypting sops data key with\n      | age: identity did not match any of the \
         recipients: incorrect\n      | identity for recipient block\n\nGroup 1: SUCCESS\n\nGroup 2: FAILED\n"
    );
    let report = failure.report();
    assert!(report.starts_with(&expected), "{report}");
    let closing = "\n\nRecovery failed because the file was encrypted with a Shamir threshold of\n2, but only 1 part(s) \
                   were successfully recovered, one for each successful\nkey group. In order for SOPS to recover the \
                   file, at least 2 groups have to\nbe successful. In order for a group to be successful, decryption \
                   has to\nsucceed with any of the keys in that key group.";
    assert!(report.ends_with(closing), "{report}");
    Ok(())
}

#[tokio::test]
async fn without_threshold_all_groups_are_needed() -> Result<()> {
    let (document, key) = three_groups(0).await?;
    assert_eq!(document.shamir_threshold, 3);
    let options = unlock::Options::default();
    assert!(unlock::data_key(&document, &holding(&["age1", "age2"])?, &options).await.is_err());
    let all = holding(&["age1", "age2", "age3"])?;
    assert_eq!(*unlock::data_key(&document, &all, &options).await?.expose(), key);
    Ok(())
}

#[tokio::test]
async fn types_are_tried_in_the_order_that_is_asked_for() -> Result<()> {
    let age = age_key(&key_text("age1.pub")?);
    let pgp = pgp_key(&key_text("gpg-rsa2048.fpr")?)?;
    let document = metadata(vec![vec![pgp, age]])?;
    for (order, first) in [(vec![], "age1"), (vec!["pgp"], &key_text("gpg-rsa2048.fpr")?[..4])] {
        let options = unlock::Options { order: order.into_iter().map(str::to_owned).collect() };
        let Err(failure) = unlock::data_key(&document, &Keyring::empty(), &options).await else {
            anyhow::bail!("it was opened")
        };
        assert!(failure.groups[0].failed[0].key.starts_with(first), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_is_stored_when_one_key_fails() -> Result<()> {
    let mut document = metadata(vec![vec![age_key(&key_text("age1.pub")?), age_key("age1nope")]])?;
    let before = document.clone();
    let wrapped =
        wrap::data_key(&mut document, &data_key(), &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await;
    let Err(failure) = wrapped else { anyhow::bail!("it wrapped") };
    assert!(failure.to_string().starts_with("failed to encrypt new data key with master key \"age1nope\": "));
    assert_eq!(document, before);
    let mut empty = metadata(vec![vec![]])?;
    let wrapped =
        wrap::data_key(&mut empty, &data_key(), &Keyring::empty(), now()?, &mut rand08::rngs::OsRng).await;
    assert_eq!(wrapped.map_err(|failure| failure.to_string()), Err("empty key group provided".to_owned()));
    Ok(())
}

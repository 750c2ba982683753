//! The real `gpg` program: both directions, and its words when it refuses.

use anyhow::Result;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::pgp::GpgProgram;
use sealfast_keys::{unlock, wrap};
use sealfast_testkit::gnupg::Home;
use sealfast_testkit::program;

use crate::{data_key, key_file, key_text, metadata, now, pgp_key, round_trip};

fn with_program(home: &Home) -> Result<Keyring> {
    let program = GpgProgram {
        program: program::find("gpg")?,
        home: Some(home.path().to_path_buf()),
        ..GpgProgram::default()
    };
    Ok(Keyring::empty().with_gpg(program))
}

#[tokio::test]
async fn gpg_and_this_process_open_each_others_messages() -> Result<()> {
    for name in ["gpg-rsa4096", "gpg-cv25519"] {
        let home = Home::new()?;
        home.import(&key_file(&format!("{name}.sec.asc"))?)?;
        let program = with_program(&home)?;
        let mut own = Keyring::empty();
        own.add_pgp_armored(key_file(&format!("{name}.sec.asc"))?)?;
        let fingerprint = key_text(&format!("{name}.fpr"))?;
        round_trip(vec![pgp_key(&fingerprint)?], &program, &own).await?;
        round_trip(vec![pgp_key(&fingerprint)?], &own, &program).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_gpg_says_is_carried() -> Result<()> {
    let home = Home::new()?;
    let program = with_program(&home)?;
    let mut document = metadata(vec![vec![pgp_key(&key_text("gpg-rsa2048.fpr")?)?]])?;
    let wrapped =
        wrap::data_key(&mut document, &data_key(), &program, now()?, &mut rand08::rngs::OsRng).await;
    let Err(failure) = wrapped else { anyhow::bail!("it wrapped for a key it does not have") };
    assert!(failure.to_string().contains("failed to encrypt sops data key with pgp: gpg: "), "{failure}");

    let mut own = Keyring::empty();
    own.add_pgp_armored(key_file("gpg-rsa2048.pub.asc")?)?;
    wrap::data_key(&mut document, &data_key(), &own, now()?, &mut rand08::rngs::OsRng).await?;
    let Err(failure) = unlock::data_key(&document, &program, &unlock::Options::default()).await else {
        anyhow::bail!("it was opened")
    };
    assert!(failure.to_string().contains("No secret key"), "{failure}");
    assert_eq!(
        failure.to_string().matches("could not decrypt data key with PGP key").count(),
        1,
        "{failure}"
    );
    assert!(
        failure.report().contains("    - | could not decrypt data key with PGP key: "),
        "{}",
        failure.report()
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_named() -> Result<()> {
    let program = GpgProgram { program: "/nonexistent/gpg".into(), ..GpgProgram::default() };
    let keyring = Keyring::empty().with_gpg(program);
    let mut document = metadata(vec![vec![pgp_key(&key_text("gpg-rsa2048.fpr")?)?]])?;
    let wrapped =
        wrap::data_key(&mut document, &data_key(), &keyring, now()?, &mut rand08::rngs::OsRng).await;
    let Err(failure) = wrapped else { anyhow::bail!("it wrapped") };
    assert!(
        failure.to_string().contains("the program `/nonexistent/gpg` could not be run: No such file"),
        "{failure}"
    );
    Ok(())
}

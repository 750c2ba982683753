//! The real `gpg` program: both directions, and its words when it refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use sealfast_keys::keyring::Keyring;
use sealfast_keys::pgp::GpgProgram;
use sealfast_keys::{unlock, wrap};
use sealfast_testkit::gnupg::Home;
use sealfast_testkit::program;
use sealfast_testkit::scratch::Scratch;

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

#[tokio::test]
async fn a_call_that_hangs_holds_up_its_own_home_alone_and_not_for_ever() -> Result<()> {
    let folder = Scratch::new()?;
    let hanging = "case $GNUPGHOME in *slow*) mkdir $GNUPGHOME.called 2>/dev/null && exec sleep 60;; esac";
    folder.write("gpg", format!("#!/bin/sh\n{hanging}\necho wrapped\n"))?;
    let program = folder.join("gpg");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    fs::create_dir(folder.join("slow"))?;
    let call = |home: &str| {
        let home = Some(folder.join(home));
        let patience = Duration::from_secs(1);
        let gpg = GpgProgram { program: program.clone(), home, patience, ..GpgProgram::default() };
        async move {
            let mut document = metadata(vec![vec![pgp_key(&key_text("gpg-rsa2048.fpr")?)?]])?;
            let keyring = Keyring::empty().with_gpg(gpg);
            let (data_key, mut rng) = (data_key(), rand08::rngs::OsRng);
            let wrapped = wrap::data_key(&mut document, &data_key, &keyring, now()?, &mut rng).await;
            anyhow::Ok(wrapped.map_err(|failure| failure.to_string()))
        }
    };
    // Neither is the second home there yet.
    for (slow, other) in [("slow", "quick"), ("slow-to-come", "to-come")] {
        let hangs = tokio::time::timeout(Duration::from_secs(4), call(slow));
        let others = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let elsewhere = call(other).await?;
            let start = Instant::now();
            anyhow::Ok((elsewhere, call(slow).await?, start.elapsed()))
        };
        let (hung, others) = tokio::join!(hangs, others);
        assert!(hung.is_err(), "the first call is still at work");
        let (elsewhere, behind, waited) = others?;
        assert_eq!((elsewhere, behind), (Ok(()), Ok(())));
        assert!(waited >= Duration::from_secs(1), "it waits for the first one: {waited:?}");
        assert_eq!(call(other).await?, Ok(()), "a home that is settled asks for no turn");
    }
    fs::create_dir(folder.join("of-others"))?;
    let other_process = fs::File::open(folder.join("of-others"))?;
    other_process.lock()?;
    let start = Instant::now();
    assert_eq!(call("of-others").await?, Ok(()));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    Ok(())
}

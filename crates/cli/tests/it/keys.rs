//! `keys generate`: files that other programs take, nothing overwritten.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;

use crate::person::{Person, need};

#[test]
fn age_identity_in_a_file_of_its_own() -> Result<()> {
    let person = Person::new()?;
    let recipient = person.sh("sealfast keys generate age --output a.agekey")?;
    assert!(recipient.trim().starts_with("age1"), "{recipient}");
    let file = person.path("work/a.agekey");
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file)?;
    assert!(text.contains(&format!("# public key: {}\nAGE-SECRET-KEY-1", recipient.trim())), "{text}");
    let again = person.try_sh("sealfast keys generate age --output a.agekey")?;
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file)?, text);
    let words = String::from_utf8(again.stderr)?;
    assert!(words.contains("`a.agekey` is there already") && words.contains("hint: "), "{words}");
    Ok(())
}

#[test]
fn post_quantum_identity_encrypts_and_decrypts() -> Result<()> {
    let person = Person::new()?;
    let printed = person.sh(
        "recipient=$(sealfast keys generate age --post-quantum --output pq.agekey 2>/dev/null)\n\
         printf 'a: secret\\n' > f.yaml && sops --age=$recipient -e -i f.yaml\n\
         grep -c secret f.yaml || true; SOPS_AGE_KEY_FILE=pq.agekey sops -d f.yaml",
    )?;
    assert_eq!(printed.trim(), "0\na: secret");
    Ok(())
}

#[test]
fn openpgp_key_is_taken_by_gpg() -> Result<()> {
    need(&["gpg"])?;
    let person = Person::new()?;
    let fingerprint = person.sh(
        "sealfast keys generate pgp --name cluster0 --comment 'flux secrets' --rsa-bits 2048 --output sops.asc \
         --public pub.asc 2>/dev/null",
    )?;
    let list = person
        .sh("gpg --batch --quiet --import sops.asc; gpg --list-secret-keys; gpg --show-keys pub.asc")?;
    assert!(list.contains(fingerprint.trim()) && list.contains("cluster0 (flux secrets)"), "{list}");
    person.sh("gpgconf --kill all")?;
    Ok(())
}

//! The keys that local builds open files with: those given, else one's own.

use std::path::PathBuf;

use sealfast_keys::keyring::Keyring;
use zeroize::Zeroizing;

use crate::diagnostic::Failure;
use crate::sops::keyring::{default_keyring, passphrases};

/// Returns the keys of the files, or the person's own when there are none.
pub(crate) fn keyring(files: &[PathBuf]) -> Result<Keyring, Failure> {
    if files.is_empty() {
        return Ok(default_keyring());
    }
    let mut keyring = Keyring::empty().with_pgp_passphrases(passphrases());
    for file in files {
        let shown = file.display();
        let content = std::fs::read(file)
            .map(Zeroizing::new)
            .map_err(|error| Failure::because(format!("failed to read the identity `{shown}`"), &error))?;
        let is_armored = content.windows(ARMOR.len()).any(|window| window == ARMOR);
        let added = if is_armored {
            keyring.add_pgp_armored(content.as_slice())
        } else {
            keyring.add_age_identities(&Zeroizing::new(String::from_utf8_lossy(&content).into_owned()))
        };
        added.map_err(|error| {
            Failure::because(format!("failed to read keys from `{shown}`"), &error)
                .hint("an age key is the text of a file from `sealfast keys generate age`")
        })?;
        keyring.note_age_place(shown.to_string());
    }
    Ok(keyring)
}

const ARMOR: &[u8] = b"-----BEGIN PGP PRIVATE KEY BLOCK-----";

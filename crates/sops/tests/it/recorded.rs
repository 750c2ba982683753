//! Files that the reference wrote: every one reads and is written again.

use std::io::Read as _;
use std::path::Path;

use age::armor::ArmoredReader;
use age::x25519::Identity;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Encrypted, MacCheck, is_encrypted};
use sealfast_sops::metadata::{MasterKey, Metadata};
use sealfast_sops::shamir;
use sealfast_sops::store::{EmitOptions, Format};

/// Broken on purpose.
const BROKEN: [&str; 6] = [
    "bad-lastmodified",
    "tamper-duplicate-key",
    "tamper-remove-keys",
    "tamper-remove-metadata",
    "two-selectors",
    "old-",
];

#[test]
fn encrypted_files_read_and_are_written_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops");
    let mut seen = 0;
    for case in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = case.file_name().to_string_lossy().into_owned();
        for file in std::fs::read_dir(case.path()).into_iter().flatten().flatten() {
            let file_name = file.file_name().to_string_lossy().into_owned();
            let is_file = file_name.starts_with("encrypted.") || file_name.starts_with("enc-");
            if !is_file || BROKEN.iter().any(|broken| name.starts_with(broken)) {
                continue;
            }
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            let format = Format::for_path(&file_name);
            let document =
                Encrypted::load(&bytes, format).unwrap_or_else(|wrong| panic!("{name}/{file_name}: {wrong}"));
            seen += 1;
            let rewritten = document.emit(format, &EmitOptions::default()).unwrap_or_default();
            let again = Encrypted::load(&rewritten, format)
                .unwrap_or_else(|wrong| panic!("{name}/{file_name} written again: {wrong}"));
            assert_eq!(document.metadata(), again.metadata(), "{name}/{file_name}");
            assert!(
                is_encrypted(&rewritten, format) || document.metadata().mac.is_empty(),
                "{name}/{file_name}"
            );
        }
    }
    assert!(seen > 80, "only {seen} files of golden/sops have been read: is the folder whole?");
}

/// Every file with a recorded plaintext whose age keys are at hand, compared byte for byte.
#[test]
fn encrypted_files_open_to_what_was_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/sops");
    let identities: Vec<Identity> = ["age1", "age2", "age3"]
        .iter()
        .map(|name| root.join(format!("keys/{name}.agekey")))
        .map(|path| {
            std::fs::read_to_string(&path).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()))
        })
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>())
        .collect();
    let mut opened = 0;
    for case in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        let name = case.file_name().to_string_lossy().into_owned();
        let Some((extension, bytes, wanted)) = recorded(&case.path()) else { continue };
        let format = Format::for_path(&format!("x.{extension}"));
        let document = Encrypted::load(&bytes, format).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let Some(key) = unlock(document.metadata(), &identities) else { continue };
        let decrypted =
            document.decrypt(&key, MacCheck::Verify).unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
        let found = decrypted.plain.emit(format, &EmitOptions::default());
        let found = found.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(String::from_utf8_lossy(found.expose()), String::from_utf8_lossy(&wanted), "{name}");
        opened += 1;
    }
    assert!(opened > 60, "only {opened} files of {} have been opened", root.display());
}

/// The encrypted file of a case and its plaintext.
fn recorded(case: &Path) -> Option<(String, Vec<u8>, Vec<u8>)> {
    let files = std::fs::read_dir(case).ok()?.flatten();
    let extension = files
        .filter_map(|file| file.file_name().to_string_lossy().strip_prefix("encrypted.").map(str::to_owned))
        .next()?;
    let bytes = std::fs::read(case.join(format!("encrypted.{extension}"))).ok()?;
    let wanted = std::fs::read(case.join(format!("expected-decrypted.{extension}"))).ok()?;
    Some((extension, bytes, wanted))
}

fn unlock(metadata: &Metadata, identities: &[Identity]) -> Option<DataKey> {
    let open = |enc: &str| {
        let armored = age::Decryptor::new(ArmoredReader::new(enc.as_bytes())).ok()?;
        let mut share = Vec::new();
        let identities = identities.iter().map(|identity| identity as &dyn age::Identity);
        armored.decrypt(identities).ok()?.read_to_end(&mut share).ok()?;
        Some(share)
    };
    let shares: Vec<Vec<u8>> = metadata
        .key_groups
        .iter()
        .filter_map(|group| {
            group
                .keys
                .iter()
                .find_map(|key| if let MasterKey::Age { enc, .. } = key { open(enc) } else { None })
        })
        .collect();
    match metadata.key_groups.len() {
        1 => DataKey::from_bytes(shares.first()?).ok(),
        _ => DataKey::from_bytes(&shamir::combine(&shares).ok()?).ok(),
    }
}

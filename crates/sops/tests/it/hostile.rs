//! What readers do with any bytes at all; the fuzz targets call the same functions.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::error::Error;
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::rules::{Config, line_of, place_at, unknown_fields};
use sealfast_sops::shamir;
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

const FORMATS: [Format; 5] = [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary];

/// Reads as every format; what reads is written, and what is written reads again.
pub(crate) fn stores(input: &[u8]) {
    let options = EmitOptions::default();
    for format in FORMATS {
        let Ok(plain) = Plain::load(input, format) else { continue };
        for other in FORMATS {
            let Ok(text) = plain.emit(other, &options) else { continue };
            let read = Plain::load(text.expose(), other);
            assert!(read.is_ok() || other != Format::Json, "JSON that was written does not read");
        }
    }
}

/// Reads as an encrypted document of every format; what reads is written, also into its own text.
pub(crate) fn metadata(input: &[u8]) {
    let options = EmitOptions::default();
    for format in FORMATS {
        let Ok((document, original)) = Encrypted::read(input, format) else { continue };
        if let Ok(text) = document.emit(format, &options) {
            let again = Encrypted::load(&text, format).map(|again| again.metadata().clone());
            assert!(format != Format::Json || again.is_ok_and(|again| again == *document.metadata()));
        }
        let mut rng = StdRng::seed_from_u64(1);
        let _ =
            document.update(&original, &DataKey::generate(&mut StdRng::seed_from_u64(7)), &mut rng, &options);
    }
}

/// Encrypts a text of every format into itself and opens it again: the same bytes come back.
pub(crate) fn layouts(input: &[u8]) {
    for format in FORMATS {
        let Some(file) = encrypted(input, format) else { continue };
        let (sealed, text) = Encrypted::read(&file, format).expect("what was encrypted reads");
        let metadata = sealed.metadata().clone();
        let opened = sealed.decrypt(&key(), MacCheck::Verify).expect("what was encrypted opens").plain;
        let back = opened.open(&text, &metadata, &key(), &EmitOptions::default()).expect("is written");
        assert_eq!(String::from_utf8_lossy(back.expose()), String::from_utf8_lossy(input), "{format:?}");
    }
}

/// Nothing for what cannot be encrypted.
fn encrypted(input: &[u8], format: Format) -> Option<Vec<u8>> {
    let (plain, original) = Plain::read(input, format).ok()?;
    if plain.is_empty() || plain.check_unencrypted(format).is_err() {
        return None;
    }
    let now = Time::parse("2026-01-02T03:04:05Z").ok()?;
    let metadata = Metadata::new(vec![KeyGroup { keys: MasterKey::age_list("age1test") }], now);
    let mut rng = StdRng::seed_from_u64(1);
    let document = plain.encrypt(metadata, &key(), Context { now, rng: &mut rng, reuse: None }).ok()?;
    document.seal(&original, None, &key(), &mut rng, &EmitOptions::default()).ok()
}

/// Opens a file that is encrypted under [`key`], whatever became of it, writes it into its text, and encrypts it again.
pub(crate) fn sealed(input: &[u8]) {
    for format in FORMATS {
        let _ = opened_and_sealed(input, format);
    }
}

fn opened_and_sealed(input: &[u8], format: Format) -> Result<(), Error> {
    let options = EmitOptions::default();
    let (document, original) = Encrypted::read(input, format)?;
    let metadata = document.metadata().clone();
    let _ = metadata.has_whole_layout(&key());
    let (decrypted, nonces) = document.decrypt_to_change(&key(), MacCheck::Skip)?;
    let plain = decrypted.plain;
    if let Ok(text) = plain.open(&original, &metadata, &key(), &options) {
        assert!(Plain::load(text.expose(), format).is_ok(), "what was opened does not read");
    }
    let mut rng = StdRng::seed_from_u64(1);
    let now = Time::parse("2026-01-02T03:04:05Z")?;
    let document = plain.encrypt(metadata, &key(), Context { now, rng: &mut rng, reuse: Some(&nonces) })?;
    let file = document.update(&original, &key(), &mut rng, &options)?;
    let again = Encrypted::load(&file, format).expect("what was encrypted again reads");
    again.decrypt(&key(), MacCheck::Verify).expect("what was encrypted again opens");
    Ok(())
}

/// The data key of the corpus.
fn key() -> DataKey {
    DataKey::from_bytes(&[7; 32]).expect("has 32 bytes")
}

/// Reads a configuration and asks it for rules.
pub(crate) fn rules(input: &[u8]) {
    for unknown in unknown_fields(input) {
        let _ = (line_of(input, &unknown.place), place_at(input, unknown.line));
    }
    let Ok(config) = Config::parse(input, "/project") else { return };
    let Ok(now) = Time::parse("2026-01-02T03:04:05Z") else { return };
    for path in ["/project/a/secret.yaml", "/elsewhere/x", ""] {
        if let Ok(Some(rule)) = config.rule_for(path) {
            let _ = rule.key_groups(&std::collections::BTreeMap::new(), now);
        }
        let _ = config.destination_for(path);
    }
}

/// Combines shares: the first byte says how long each is.
pub(crate) fn shares(input: &[u8]) {
    let Some((length, rest)) = input.split_first() else { return };
    let shares: Vec<&[u8]> = rest.chunks(usize::from(*length).max(1)).collect();
    let _ = shamir::combine(&shares);
}

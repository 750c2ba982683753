//! What readers do with any bytes at all; the fuzz targets call the same functions.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Encrypted, Plain};
use sealfast_sops::rules::Config;
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

/// Reads a configuration and asks it for rules.
pub(crate) fn rules(input: &[u8]) {
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

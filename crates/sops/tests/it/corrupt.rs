//! One wrong byte: an encrypted file is refused, or gives the same values.
//!
//! What the MAC does not cover, here as with the reference: names of keys whose values are in the clear (they are in no
//! additional data), keys of empty values, and comments in the clear.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

const TEXT: &str = "user: admin\nport: 8080\nlist:\n  - one\n  - deep: 1.5\nname_unencrypted: shown\n";

#[test]
fn every_single_byte_counts() {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    let now = Time::parse("2026-01-02T03:04:05Z").expect("a valid time");
    let groups = vec![KeyGroup { keys: MasterKey::age_list("age1test") }];
    let plain = Plain::load(TEXT.as_bytes(), Format::Yaml).expect("reads");
    let options = EmitOptions::default();
    let wanted = plain.emit(Format::Json, &options).expect("writes");
    let mut rng = StdRng::seed_from_u64(1);
    let document = plain
        .encrypt(Metadata::new(groups, now), &key, Context { now, rng: &mut rng, reuse: None })
        .expect("encrypts");
    let file = document.emit(Format::Yaml, &options).expect("writes");
    let opened = |bytes: &[u8]| {
        let document = Encrypted::load(bytes, Format::Yaml).ok()?;
        document.decrypt(&key, MacCheck::Verify).ok()?.plain.emit(Format::Json, &options).ok()
    };
    assert_eq!(opened(&file).as_ref(), Some(&wanted));
    let name = file.windows(16).position(|text| text == b"name_unencrypted").expect("is there");
    let suffix = file.windows(18).position(|text| text == b"unencrypted_suffix").expect("is there");
    let uncovered = [name..name + 17, suffix..suffix + 33];
    let mut refused = 0;
    for at in 0..file.len() {
        for other in [file[at] ^ 1, file[at] ^ 0x20, b'\n', b'A'] {
            if other == file[at] || uncovered.iter().any(|range| range.contains(&at)) {
                continue;
            }
            let mut bad = file.clone();
            bad[at] = other;
            match opened(&bad) {
                None => refused += 1,
                Some(found) => assert_eq!(
                    String::from_utf8_lossy(found.expose()),
                    String::from_utf8_lossy(wanted.expose()),
                    "byte {at} became {other}: {}",
                    String::from_utf8_lossy(&bad)
                ),
            }
        }
    }
    assert!(refused > 2 * file.len(), "only {refused} were refused");
}

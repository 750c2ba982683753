//! Speed of the engine: one Secret, and five megabytes, encrypted or in the clear.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;

fn metadata() -> Option<(Metadata, Time)> {
    let now = Time::parse("2026-01-02T03:04:05Z").ok()?;
    Some((Metadata::new(vec![KeyGroup { keys: MasterKey::age_list("age1bench") }], now), now))
}

/// Encrypts a text, laid out anew or into the text itself.
fn encrypted(text: &[u8], key: &DataKey, keeps_looks: bool) -> Option<Vec<u8>> {
    let (plain, original) = Plain::read(text, Format::Yaml).ok()?;
    let (metadata, now) = metadata()?;
    let mut rng = StdRng::seed_from_u64(1);
    let document = plain.encrypt(metadata, key, Context { now, rng: &mut rng, reuse: None }).ok()?;
    let options = EmitOptions::default();
    if keeps_looks {
        document.seal(&original, None, key, &mut rng, &options).ok()
    } else {
        document.emit(Format::Yaml, &options).ok()
    }
}

fn decrypted(file: &[u8], key: &DataKey, keeps_looks: bool) -> Option<usize> {
    let (document, original) = Encrypted::read(file, Format::Yaml).ok()?;
    let metadata = document.metadata().clone();
    let plain = document.decrypt(key, MacCheck::Verify).ok()?.plain;
    let options = EmitOptions::default();
    let text = if keeps_looks {
        plain.open(&original, &metadata, key, &options).ok()?
    } else {
        plain.emit(Format::Yaml, &options).ok()?
    };
    Some(text.expose().len())
}

const SECRET: &str = "apiVersion: v1\nkind: Secret\nstringData:\n  password: hunter2\n  user: admin\n";

fn large() -> String {
    (0..26_000).map(|index| format!("key{index}: value number {index} of a large file\n")).collect()
}

/// Five megabytes in the clear.
fn larger() -> String {
    let value = |index: usize| format!("value number {index} of a larger file, ");
    (0..25_500).map(|index| format!("key{index}: {:x<185}\n", value(index))).collect()
}

fn engine(criterion: &mut Criterion) {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10);
    let texts = [
        ("one secret", SECRET.to_owned()),
        ("five megabytes once encrypted", large()),
        ("five megabytes in the clear", larger()),
    ];
    for (name, text) in texts {
        for (layout, keeps_looks) in [("laid out anew", false), ("in its own text", true)] {
            let file = encrypted(text.as_bytes(), &key, keeps_looks).unwrap_or_default();
            group.bench_function(format!("encrypt {name}, {layout}"), |bench| {
                bench.iter(|| encrypted(black_box(text.as_bytes()), &key, keeps_looks));
            });
            group.bench_function(format!("decrypt {name}, {layout}"), |bench| {
                bench.iter(|| decrypted(black_box(&file), &key, keeps_looks));
            });
        }
    }
}

criterion_group!(benches, engine);
criterion_main!(benches);

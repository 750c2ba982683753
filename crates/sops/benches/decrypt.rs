//! How long decryption takes: one Secret, and five megabytes.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::cipher::DataKey;
use sealfast_sops::document::{Context, Encrypted, MacCheck, Plain};
use sealfast_sops::metadata::{KeyGroup, MasterKey, Metadata};
use sealfast_sops::store::{EmitOptions, Format};
use sealfast_sops::time::Time;
use sealfast_sops::tree::Branch;

fn encrypted(plain: Plain, key: &DataKey) -> Option<Vec<u8>> {
    let now = Time::parse("2026-01-02T03:04:05Z").ok()?;
    let mut rng = StdRng::seed_from_u64(1);
    let metadata = Metadata::new(vec![KeyGroup { keys: MasterKey::age_list("age1bench") }], now);
    let document = plain.encrypt(metadata, key, Context { now, rng: &mut rng, reuse: None }).ok()?;
    document.emit(Format::Yaml, &EmitOptions::default()).ok()
}

fn secret() -> Plain {
    let mut data = Branch::new();
    data.push("password", "hunter2");
    data.push("user", "admin");
    let mut branch = Branch::new();
    branch.push("apiVersion", "v1");
    branch.push("kind", "Secret");
    branch.push("stringData", data);
    Plain::from_branches(vec![branch])
}

fn large() -> Plain {
    let mut branch = Branch::new();
    for index in 0..20_000 {
        branch.push(format!("key{index}"), format!("value number {index} of a large file"));
    }
    Plain::from_branches(vec![branch])
}

fn decrypt(criterion: &mut Criterion) {
    let key = DataKey::generate(&mut StdRng::seed_from_u64(7));
    for (name, plain) in [("one secret", secret()), ("five megabytes", large())] {
        let file = encrypted(plain, &key).unwrap_or_default();
        criterion.bench_function(&format!("decrypt {name} ({} bytes)", file.len()), |bench| {
            bench.iter(|| {
                let document = Encrypted::load(black_box(&file), Format::Yaml);
                document.and_then(|document| document.decrypt(&key, MacCheck::Verify)).is_ok()
            });
        });
    }
}

criterion_group!(benches, decrypt);
criterion_main!(benches);

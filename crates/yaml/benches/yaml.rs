//! Speed of reading and writing a manifest stream of five megabytes.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sealfast_yaml::{emit, json, parse};

/// Returns a stream of deployments and config maps of about `size` bytes.
fn manifests(size: usize) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < size {
        number += 1;
        let _ = write!(
            text,
            "---\n# application {number}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\n  \
             namespace: team-{}\n  labels:\n    app.kubernetes.io/name: app-{number}\n    app.kubernetes.io/part-of: \
             \"shop\" # quoted\nspec:\n  replicas: {}\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: \
             app-{number}\n  template:\n    metadata:\n      labels: {{app.kubernetes.io/name: app-{number}}}\n    \
             spec:\n      containers:\n      - name: main\n        image: registry.example.com/shop/app-{number}:1.2.3\n        \
             args: [\"--listen=:8080\", '--level=info']\n        resources:\n          limits:\n            cpu: 500m\n            \
             memory: 128Mi\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\ndata:\n  \
             # several lines\n  app.conf: |\n    listen = 8080\n    level = info\n    workers = {}\n  enabled: \"true\"\n",
            number % 40,
            number % 7,
            number % 16,
        );
    }
    text
}

fn yaml(bench: &mut Criterion) {
    let text = manifests(5 << 20);
    let documents = parse::documents(text.as_bytes()).unwrap_or_default();
    let values = json::documents(text.as_bytes()).unwrap_or_default();
    let mut group = bench.benchmark_group("yaml");
    group.sample_size(10).throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |run| run.iter(|| parse::documents(black_box(text.as_bytes()))));
    group.bench_function("emit", |run| {
        run.iter(|| emit::documents(black_box(&documents), &emit::Options::default()));
    });
    group.bench_function("to values", |run| run.iter(|| json::documents(black_box(text.as_bytes()))));
    group.bench_function("from values", |run| {
        run.iter(|| values.iter().map(json::to_yaml).map(|text| text.len()).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, yaml);
criterion_main!(benches);

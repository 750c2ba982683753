#!/usr/bin/env python3
"""Measures `kustomize build` over generated trees of 100, 1,000, 5,000 and 20,000 objects: CPU time, peak memory, growth.

    cargo build --release && python3 bench/kustomize.py [--binary target/release/sealfast] [--runs 5] [--reference kustomize]

A tree has bases of ten objects (two each of Deployment, Service, ConfigMap, ServiceAccount and Secret generators), each in
its own directory, and an overlay over all of them with name prefix, namespace, labels, images, a strategic merge and a JSON
patch, a generator and a replacement. CPU time is user and system time of the process; the least of the runs counts,
because other work on the machine can only add to it. Prints a Markdown table.
"""

import argparse, pathlib, tempfile

import process

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = [100, 1_000, 5_000, 20_000]
# Objects of one base.
EACH = 10


def deployment(name, number):
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}-{number}
  labels: {{part: web}}
spec:
  replicas: 2
  template:
    spec:
      serviceAccountName: {name}-{number}
      containers:
      - name: web
        image: registry.example.com/web:1.0
        ports: [{{containerPort: 8080}}]
        env: [{{name: MODE, value: plain}}]
        envFrom:
        - configMapRef: {{name: {name}-settings-{number}}}
        - secretRef: {{name: {name}-secret-{number}}}
"""


def service(name, number):
    return f"""apiVersion: v1
kind: Service
metadata:
  name: {name}-{number}
spec:
  selector: {{app: {name}-{number}}}
  ports: [{{port: 80, targetPort: 8080}}]
"""


def account(name, number):
    return f"""apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}-{number}
"""


def base(folder, name):
    """Writes one base: six objects from files, four from generators."""
    folder.mkdir(parents=True)
    for number in range(2):
        (folder / f"all-{number}.yaml").write_text(
            "---\n".join([deployment(name, number), service(name, number), account(name, number)])
        )
    (folder / "kustomization.yaml").write_text(
        "resources: [all-0.yaml, all-1.yaml]\n"
        + "configMapGenerator:\n"
        + "".join(f"- name: {name}-settings-{n}\n  literals: [mode=plain, name={name}]\n" for n in range(2))
        + "secretGenerator:\n"
        + "".join(f"- name: {name}-secret-{n}\n  literals: [token=not-a-secret-{n}]\n" for n in range(2))
        + "images:\n- name: registry.example.com/web\n  newTag: '1.1'\n"
    )


OVERLAY = """namePrefix: shop-
namespace: shop
labels:
- pairs: {team: shop}
  includeSelectors: true
commonAnnotations: {owner: shop}
images:
- name: registry.example.com/web
  newTag: '2.0'
patches:
- target: {kind: Deployment}
  patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: any}
    spec:
      template:
        spec:
          containers:
          - name: web
            env: [{name: LEVEL, value: high}]
- target: {kind: Service}
  patch: |-
    - op: add
      path: /metadata/annotations/checked
      value: "yes"
replacements:
- source: {kind: Service, name: b0-0, fieldPath: metadata.name}
  targets:
  - select: {kind: Deployment}
    fieldPaths: ["spec.template.spec.containers.[name=web].env.[name=MODE].value"]
configMapGenerator:
- name: overlay-settings
  literals: [extra=yes]
"""


def tree(folder, size):
    """Writes a tree that builds to `size` objects and one more."""
    names = [f"b{number}" for number in range(size // EACH)]
    for name in names:
        base(folder / "bases" / name, name)
    overlay = folder / "overlay"
    overlay.mkdir()
    listed = "resources:\n" + "".join(f"- ../bases/{name}\n" for name in names)
    (overlay / "kustomization.yaml").write_text(listed + OVERLAY)
    return overlay


def measured(command, runs):
    """The least CPU time in ms and the largest peak RSS in MiB over `runs` runs that must succeed."""
    taken = [process.run(command) for _ in range(runs)]
    return min(run.cpu for run in taken) * 1000, max(run.peak for run in taken)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=ROOT / "target/release/sealfast")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--reference", help="another program with `build DIR`, measured beside ours up to 1,000 objects")
    options = options.parse_args()
    print("| objects | CPU ms | growth | peak MiB | reference |\n|---:|---:|---:|---:|---|")
    before = None
    for size in SIZES:
        with tempfile.TemporaryDirectory() as scratch:
            overlay = tree(pathlib.Path(scratch), size)
            cpu, peak = measured([options.binary, "kustomize", "build", overlay], options.runs)
            other = "–"
            if options.reference and size <= 1_000:
                theirs = measured([options.reference, "build", overlay], 1)
                other = f"{theirs[0]:.0f} ms, {theirs[1]:.0f} MiB"
        growth = "–" if before is None else f"{cpu / before:.1f}"
        print(f"| {size:,} | {cpu:.1f} | {growth} | {peak:.0f} | {other} |", flush=True)
        before = cpu


if __name__ == "__main__":
    main()

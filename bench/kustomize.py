#!/usr/bin/env python3
"""Measures `kustomize build` over generated trees of 100, 1,000, 5,000 and 20,000 objects: CPU time, peak memory, growth.

    cargo build --release && python3 bench/kustomize.py [--binary target/release/sealfast] [--runs 5] [--reference kustomize]

A tree has bases of ten objects (two each of Deployment, Service, ConfigMap, ServiceAccount and Secret generators), each in
its own directory, and an overlay over all of them with name prefix, namespace, labels, images, a strategic merge and a JSON
patch, a generator and a replacement. CPU time is user and system time of the process; the least of the runs counts,
because other work on the machine can only add to it. Prints a Markdown table.

A second table has single objects with long lists that are merged by key: a Service with many ports and a Deployment with many containers,
under a patch that only sets a label, and under one that names every element in reverse.
"""

import argparse, pathlib, tempfile

import process

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = [100, 1_000, 5_000, 20_000]
# Elements of one long list.
LENGTHS = [1_000, 4_000, 16_000]
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


PORTS = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
CONTAINERS = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"


def ports(numbers, protocol):
    return "spec: {ports: [%s]}\n" % ", ".join(f"{{port: {number}{protocol}}}" for number in numbers)


def containers(numbers, image):
    listed = ", ".join(f"{{name: c{number}, image: {image}}}" for number in numbers)
    return f"spec: {{template: {{spec: {{containers: [{listed}]}}}}}}\n"


def long_list(folder, object_text, patch):
    """Writes a tree of one object and one patch."""
    (folder / "object.yaml").write_text(object_text)
    (folder / "patch.yaml").write_text(patch)
    (folder / "kustomization.yaml").write_text("resources: [object.yaml]\npatches: [{path: patch.yaml}]\n")
    return folder


def long_lists(size):
    """Objects with lists of `size` elements, and patches for them, by name."""
    rising, falling = range(1, size + 1), range(size, 0, -1)
    service, workload = PORTS + ports(rising, ", protocol: TCP"), CONTAINERS + containers(rising, "a")
    labelled = "  labels: {a: b}\n"
    return {
        "ports, a label": (service, PORTS.replace("{name: web}", "\n  name: web") + labelled),
        "ports, each": (service, PORTS + ports(falling, "")),
        "containers, a label": (workload, CONTAINERS.replace("{name: web}", "\n  name: web") + labelled),
        "containers, each": (workload, CONTAINERS + containers(falling, "b")),
    }


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
    print("\n| elements | list and patch | CPU ms | growth |\n|---:|---|---:|---:|")
    before = {}
    for size in LENGTHS:
        for name, (object_text, patch) in long_lists(size).items():
            with tempfile.TemporaryDirectory() as scratch:
                folder = long_list(pathlib.Path(scratch), object_text, patch)
                cpu, _ = measured([options.binary, "kustomize", "build", folder], options.runs)
            growth = f"{cpu / before[name]:.1f}" if name in before else "–"
            print(f"| {size:,} | {name} | {cpu:.1f} | {growth} |", flush=True)
            before[name] = cpu


if __name__ == "__main__":
    main()

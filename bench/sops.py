#!/usr/bin/env python3
"""Measures encryption as whole processes: CPU seconds (user and system) and peak RSS in MiB, medians over some runs.

    cargo build --release && python3 bench/sops.py [--binary target/release/sealfast] [--runs 5] [--files 1000]

One Secret; a YAML with every value encrypted that has five megabytes once it is encrypted, and one that has them in the
clear; many small files under one age key, and many small files under one AWS KMS key whose stand-in takes 50 ms for a call. Where `sops` is on the PATH it is measured beside. Prints a Markdown table.
"""

import argparse, base64, http.server, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, threading, time

import process

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measured(args, env, cwd, runs, before=lambda: None):
    """Medians of CPU and wall seconds, and the largest peak RSS, of a command that must succeed."""
    taken = []
    for _ in range(runs):
        before()
        taken.append(process.run(args, env, cwd))
    return statistics.median(run.cpu for run in taken), statistics.median(run.wall for run in taken), max(run.peak for run in taken)


def row(what, figures):
    cpu, wall, peak = figures
    print(f"| {what} | {cpu:.3f} | {wall:.3f} | {peak:.0f} |", flush=True)


class Kms(http.server.BaseHTTPRequestHandler):
    """AWS KMS as far as wrapping needs it; the wrapped key is the key behind a mark."""

    protocol_version = "HTTP/1.1"
    calls = 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Kms.calls += 1
        time.sleep(0.05)
        if self.headers["X-Amz-Target"].endswith("Encrypt"):
            blob = base64.b64encode(b"wrapped:" + base64.b64decode(body["Plaintext"])).decode()
            answer = {"CiphertextBlob": blob, "KeyId": body["KeyId"]}
        else:
            answer = {"Plaintext": base64.b64encode(base64.b64decode(body["CiphertextBlob"])[8:]).decode(), "KeyId": body.get("KeyId", "")}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def small(folder, count):
    folder.mkdir()
    for index in range(count):
        (folder / f"secret{index}.yaml").write_text(
            f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: s{index}\nstringData:\n  password: value-{index}\n")


def large(file):
    """About five megabytes once it is encrypted by either program."""
    lines = [f"key{index}: value number {index} of a large file" for index in range(26_000)]
    file.write_text("\n".join(lines) + "\n")


def larger(file):
    """Five megabytes in the clear, in about as many values."""
    lines = [f"key{index}: {f'value number {index} of a larger file, '.ljust(185, 'x')}" for index in range(25_500)]
    file.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/release/sealfast", type=pathlib.Path)
    parser.add_argument("--runs", default=5, type=int)
    parser.add_argument("--files", default=1000, type=int)
    options = parser.parse_args()
    binary, runs = str(options.binary.resolve()), options.runs
    work = pathlib.Path(tempfile.mkdtemp(prefix="sealfast-bench-"))
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "SOPS_AGE_KEY_FILE": str(work / "key.txt")}
    try:
        subprocess.run([binary, "keys", "generate", "age", "--output", "key.txt"], env=env, cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        recipient = next(line.split(": ")[1] for line in open(work / "key.txt") if "public key" in line).strip()
        small(work / "one", 1)
        large(work / "large.yaml")
        larger(work / "larger.yaml")
        print("| what | CPU s | wall s | peak RSS MiB |\n|---|---|---|---|")
        programs = [("sealfast", [binary]), ("sealfast sops", [binary, "sops"])]
        if shutil.which("sops"):
            programs.append(("sops", ["sops"]))
        for name, program in programs:
            secret = f"one/{name}.yaml".replace(" ", "-")
            subprocess.run([*program, "encrypt", "--age", recipient, "--output", secret, "one/secret0.yaml"], env=env, cwd=work, check=True)
            row(f"`{name}`: decrypt one Secret", measured([*program, "decrypt", secret], env, work, runs))
            for plain in ("large.yaml", "larger.yaml"):
                big = f"{name}-{plain}".replace(" ", "-")
                size = (work / plain).stat().st_size / 1e6
                row(f"`{name}`: encrypt a YAML of {size:.1f} MB", measured([*program, "encrypt", "--age", recipient, "--output", big, plain], env, work, runs))
                row(f"`{name}`: decrypt it ({(work / big).stat().st_size / 1e6:.1f} MB)", measured([*program, "decrypt", big], env, work, runs))

        folder = work / "many"
        def fresh():
            shutil.rmtree(folder, ignore_errors=True)
            small(folder, options.files)
        encrypt = [binary, "encrypt", "--in-place", "--recursive", "many"]
        row(f"encrypt {options.files} files, one age key", measured([*encrypt, "--age", recipient], env, work, runs, fresh))
        keep = work / "kept"
        shutil.copytree(folder, keep)
        def again():
            shutil.rmtree(folder)
            shutil.copytree(keep, folder)
        row(f"decrypt {options.files} files, one age key", measured([binary, "decrypt", "--in-place", "--recursive", "many"], env, work, runs, again))

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cloud = env | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{server.server_port}"}
        arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        row(f"encrypt {options.files} files, one KMS key of 50 ms", measured([*encrypt, "--kms", arn], cloud, work, min(runs, 3), fresh))
        shutil.rmtree(keep)
        shutil.copytree(folder, keep)
        Kms.calls = 0
        row(f"decrypt {options.files} files, one KMS key of 50 ms", measured([binary, "decrypt", "--in-place", "--recursive", "many"], cloud, work, 1, again))
        print(f"\nKMS was asked {Kms.calls} times for the last line.")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

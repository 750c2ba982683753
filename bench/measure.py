#!/usr/bin/env python3
"""Measures whole processes: start-up, one decryption, the sample from nothing to Ready, a push to its arrival, idle memory.

    cargo build --release && python3 bench/measure.py [--binary target/release/sealfast] [--runs 20]

Every figure stands beside a reference that is measured in the same run: the tool whose place we take when it is on the PATH
(`sops`, `flux` cannot be installed from Debian), else one that every machine has (`git --version`, `kubectl version --client`,
`kubectl kustomize`, `gpg --version`). Prints a Markdown table; times are medians in milliseconds, memory is peak RSS in MiB.
"""

import argparse, os, pathlib, shutil, signal, statistics, subprocess, sys, tempfile, time

import git_http
import process

ROOT = pathlib.Path(__file__).resolve().parent.parent


def timed(args, env, runs, cwd):
    """Median wall time in ms and the largest peak RSS in MiB over `runs` runs of a command that must succeed."""
    taken = [process.run(args, env, cwd) for _ in range(runs)]
    return statistics.median(run.wall for run in taken) * 1000, max(run.peak for run in taken)


def row(what, ours, reference=None, name=""):
    wall, peak = ours
    line = f"| {what} | {wall:.1f} | {peak:.0f} |"
    if reference:
        line += f" `{name}` {reference[0]:.1f} ms, {reference[1]:.0f} MiB | {wall / reference[0]:.2f} |"
    else:
        line += " – | – |"
    print(line, flush=True)


def rss(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def serve(binary, env, work, args):
    """Starts `up` and waits until it has written its kubeconfig and the server answers."""
    kubeconfig = work / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    log = open(work / "up.log", "w")
    start = time.perf_counter()
    up = subprocess.Popen([binary, "up", *args, "--kubeconfig", kubeconfig], env=env, cwd=work, stdout=log, stderr=log)
    env["KUBECONFIG"] = str(kubeconfig)
    while not kubeconfig.exists() and up.poll() is None:
        time.sleep(0.002)
    return up, (time.perf_counter() - start) * 1000


def wait_for(what, limit=30):
    start = time.perf_counter()
    while time.perf_counter() - start < limit:
        if what():
            return (time.perf_counter() - start) * 1000
        time.sleep(0.01)
    sys.exit("did not happen within the limit")


def greeting(env, work):
    """The ConfigMap of the sample, whose name holds a hash of its content."""
    command = ["kubectl", "-n", "demo", "get", "configmaps", "-o", "name"]
    return subprocess.run(command, env=env, cwd=work, capture_output=True, text=True).stdout


def change(sample, old, new):
    file = sample / "base/kustomization.yaml"
    file.write_text(file.read_text().replace(f"GREETING={old}", f"GREETING={new}"))


def end(up):
    up.send_signal(signal.SIGINT)
    up.wait(20)


def saved_and_idle(binary, env, work, sample):
    up, started = serve(binary, env, work, [str(sample)])
    try:
        print(f"| `up` to kubeconfig written | {started:.1f} | – | – | – |")
        wait_for(lambda: "web-settings" in greeting(env, work))
        before = greeting(env, work)
        change(sample, "hello", "again")
        saved = wait_for(lambda: greeting(env, work) not in ("", before))
        probe = timed(["kubectl", "version"], env, 5, work)[0]
        print(f"| save to applied, seen by kubectl (one kubectl call is {probe:.1f} ms of it) | {saved:.1f} | – | – | – |")
        time.sleep(10)
        print(f"| idle `up` after the sample, RSS | – | {rss(up.pid):.0f} | – | – |")
    finally:
        end(up)


def pushed(binary, env, work, sample):
    """A push, then `flux reconcile … --with-source` as a webhook would ask for it, until the command says it is applied."""
    git = lambda *args: subprocess.run(["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", *args],
                                       env=env, cwd=sample, check=True, capture_output=True)
    served = work / "served"
    served.mkdir()
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "sample")
    subprocess.run(["git", "clone", "-q", "--bare", sample, served / "sample.git"], env=env, check=True)
    subprocess.run(["git", "-C", served / "sample.git", "config", "http.receivepack", "true"], env=env, check=True)
    url = f"{git_http.serve(served)}/sample.git"
    up, _ = serve(binary, env, work, [url, "--branch", "main", "--path", "overlays/demo", "--identity", str(sample / "demo.agekey")])
    try:
        wait_for(lambda: "web-settings" in greeting(env, work))
        laps = []
        for number in range(5):
            change(sample, ["again", 0, 1, 2, 3][number], number)
            git("commit", "-qam", f"change {number}")
            git("push", "-q", url, "HEAD:main")
            start = time.perf_counter()
            subprocess.run([binary, "flux", "reconcile", "kustomization", "sample", "--with-source"], env=env, cwd=work, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            laps.append((time.perf_counter() - start) * 1000)
        print(f"| push to applied: `flux reconcile kustomization --with-source` after it | {statistics.median(laps):.1f} | – | – | – |")
    finally:
        end(up)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/release/sealfast", type=pathlib.Path)
    parser.add_argument("--runs", default=20, type=int)
    options = parser.parse_args()
    binary = str(options.binary.resolve())
    runs = options.runs

    work = pathlib.Path(tempfile.mkdtemp(prefix="sealfast-bench-"))
    home = work / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    sample = work / "guide"
    shutil.copytree(ROOT / "examples/guide", sample)
    env["SOPS_AGE_KEY_FILE"] = str(sample / "demo.agekey")
    have = lambda name: shutil.which(name) is not None

    try:
        print("| what | ms | MiB | reference | ratio |\n|---|---|---|---|---|")
        reference = timed(["git", "--version"], env, runs, work)
        row("`sealfast --help`", timed([binary, "--help"], env, runs, work), reference, "git --version")
        secret = str(sample / "base/basic-auth.yaml")
        ours = timed([binary, "decrypt", secret], env, runs, work)
        if have("sops"):
            row("decrypt one Secret", ours, timed(["sops", "decrypt", secret], env, runs, work), "sops decrypt")
        else:
            row("decrypt one Secret", ours, timed(["gpg", "--version"], env, runs, work) if have("gpg") else None, "gpg --version")
        overlay = str(sample / "base")
        if have("kubectl"):
            reference = timed(["kubectl", "kustomize", overlay], env, runs, work)
            row("build the sample's base", timed([binary, "kustomize", "build", overlay], env, runs, work), reference, "kubectl kustomize")
            reference = timed(["kubectl", "version", "--client"], env, runs, work)
        row("`up examples/guide --once`", timed([binary, "up", str(sample), "--once"], env, max(3, runs // 4), work),
            reference if have("kubectl") else None, "kubectl version --client")

        if have("kubectl"):
            saved_and_idle(binary, env, work, sample)
            pushed(binary, env, work, sample)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

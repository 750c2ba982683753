#!/usr/bin/env python3
"""Measures a fleet of Kustomizations from scratch to Ready, after commits, and idle.

    cargo build --release && python3 bench/fleet.py [-n 100] [--rounds 5] [--binary target/release/sealfast]
    cargo build --release -p sealfast-apiserver --example serve && \\
        python3 bench/fleet.py --server target/release/examples/serve     # controllers and server in processes of their own

It makes the fleet with golden/bench/gen_fleet.py, serves it over HTTP on loopback, starts `sealfast up` (or the server alone and `sealfast run`),
and hands over to golden/bench/measure_fleet.py, whose JSON it prints. Needs Python 3, git and kubectl.
"""

import argparse, os, pathlib, shutil, subprocess, sys, tempfile, time

import git_http

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORDED = ROOT / "golden/bench"


def wait_for(path, what):
    for _ in range(600):
        if path.exists() and path.stat().st_size:
            return
        time.sleep(0.05)
    sys.exit(f"{what} did not come up")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("-n", type=int, default=100, help="Kustomizations")
    a.add_argument("-o", type=int, default=11, help="objects in each, one encrypted Secret among them")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--settle", type=float, default=10)
    a.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/sealfast")
    a.add_argument("--server", type=pathlib.Path, help="the server as a program of its own")
    a.add_argument("--disk", choices=["second", "commit"], help="`up` keeps the cluster on the disk and syncs so (not with --server)")
    a = a.parse_args()
    binary = a.binary.resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="sealfast-fleet-"))
    processes = []
    try:
        tools = work / "bin"
        tools.mkdir()
        (tools / "sops").symlink_to(binary)
        keygen = tools / "age-keygen"
        keygen.write_text(f'#!/bin/sh\ncase "$1" in\n-o) exec {binary} keys generate age --output "$2" ;;\n'
                          "-y) sed -n 's/^# public key: //p' \"$2\" ;;\nesac\n")
        keygen.chmod(0o755)
        env = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", HOME=str(work), GIT_CONFIG_GLOBAL="/dev/null")
        fleet = work / "fleet"
        url = git_http.serve(fleet)
        subprocess.run([sys.executable, RECORDED / "gen_fleet.py", "--out", fleet, "-n", str(a.n), "-o", str(a.o),
                        "--repo-url", f"{url}/fleet.git", "--sops", tools / "sops"], env=env, check=True)
        kubeconfig = work / "kubeconfig"
        env["KUBECONFIG"] = str(kubeconfig)

        def start(*command):
            # Alone it may write to a file; nothing of it is part of the figures.
            log = open(work / f"log-{len(processes)}", "wb")
            processes.append(subprocess.Popen([str(word) for word in command], env=env, stdout=log, stderr=log))
            return processes[-1].pid

        if a.server:
            pids = [f"server={start(a.server.resolve(), kubeconfig)}"]
            wait_for(kubeconfig, "the server")
            crds = subprocess.run([binary, "manifests", "--components", "definitions"], env=env, capture_output=True, check=True).stdout
            subprocess.run(["kubectl", "apply", "--server-side", "-f", "-"], env=env, input=crds, check=True, stdout=subprocess.DEVNULL)
            pids.append("controllers=%d" % start(binary, "run", "--kubeconfig", kubeconfig, "--storage-path", work / "artifacts",
                                                 "--storage-addr", "127.0.0.1:0", "--metrics-addr", "0", "--health-addr", "0"))
        else:
            kept = ["--state", work / "state", "--sync", a.disk] if a.disk else []
            pids = [f"all={start(binary, 'up', '--kubeconfig', kubeconfig, *kept)}"]
            wait_for(kubeconfig, "up")
        time.sleep(2)
        command = [sys.executable, RECORDED / "measure_fleet.py", "--fleet", fleet, "--rounds", str(a.rounds), "--settle", str(a.settle)]
        for pid in pids:
            command += ["--pid", pid]
        code = subprocess.run(command, env=env).returncode
        for process in processes:
            if process.poll() is not None:
                sys.exit(f"{process.args} ended with {process.returncode}")
        sys.exit(code)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
        shutil.rmtree(work, ignore_errors=True)


main()

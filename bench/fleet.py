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


class Fleet:
    """A fleet in a folder, served over HTTP, and the programs that work on it."""

    def __init__(self, work, binary, number, objects):
        self.work, self.binary, self.processes = work, binary, []
        tools = work / "bin"
        tools.mkdir()
        (tools / "sops").symlink_to(binary)
        keygen = tools / "age-keygen"
        keygen.write_text(f'#!/bin/sh\ncase "$1" in\n-o) exec {binary} keys generate age --output "$2" ;;\n'
                          "-y) sed -n 's/^# public key: //p' \"$2\" ;;\nesac\n")
        keygen.chmod(0o755)
        self.env = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}", HOME=str(work), GIT_CONFIG_GLOBAL="/dev/null")
        self.folder = work / "fleet"
        url = git_http.serve(self.folder)
        subprocess.run([sys.executable, RECORDED / "gen_fleet.py", "--out", self.folder, "-n", str(number), "-o", str(objects),
                        "--repo-url", f"{url}/fleet.git", "--sops", tools / "sops"], env=self.env, check=True, stdout=sys.stderr)
        self.kubeconfig = work / "kubeconfig"
        self.env["KUBECONFIG"] = str(self.kubeconfig)

    def start(self, *command):
        # Alone it may write to a file; nothing of it is part of the figures.
        log = open(self.work / f"log-{len(self.processes)}", "wb")
        self.processes.append(subprocess.Popen([str(word) for word in command], env=self.env, stdout=log, stderr=log))
        return self.processes[-1].pid

    def start_server(self, server):
        """The server as a program of its own, with the definitions in it."""
        pid = self.start(server.resolve(), self.kubeconfig)
        wait_for(self.kubeconfig, "the server")
        crds = subprocess.run([self.binary, "manifests", "--components", "definitions"], env=self.env, capture_output=True, check=True).stdout
        subprocess.run(["kubectl", "apply", "--server-side", "-f", "-"], env=self.env, input=crds, check=True, stdout=subprocess.DEVNULL)
        return pid

    def start_controllers(self, *under):
        return self.start(*under, self.binary, "run", "--kubeconfig", self.kubeconfig, "--storage-path", self.work / "artifacts",
                          "--storage-addr", "127.0.0.1:0", "--metrics-addr", "0", "--health-addr", "0")

    def measure(self, pids, rounds, settle, **how):
        command = [sys.executable, RECORDED / "measure_fleet.py", "--fleet", self.folder, "--rounds", str(rounds), "--settle", str(settle)]
        for pid in pids:
            command += ["--pid", pid]
        return subprocess.run(command, env=self.env, **how).returncode

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(60)


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
    fleet = None
    try:
        fleet = Fleet(work, binary, a.n, a.o)
        if a.server:
            pids = [f"server={fleet.start_server(a.server)}", f"controllers={fleet.start_controllers()}"]
        else:
            kept = ["--state", work / "state", "--sync", a.disk] if a.disk else []
            pids = [f"all={fleet.start(binary, 'up', '--kubeconfig', fleet.kubeconfig, *kept)}"]
            wait_for(fleet.kubeconfig, "up")
        time.sleep(2)
        code = fleet.measure(pids, a.rounds, a.settle)
        for process in fleet.processes:
            if process.poll() is not None:
                sys.exit(f"{process.args} ended with {process.returncode}")
        sys.exit(code)
    finally:
        if fleet:
            fleet.end()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

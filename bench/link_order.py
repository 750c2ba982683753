#!/usr/bin/env python3
"""Writes crates/cli/first.ld: the functions that decrypting or encrypting one Secret runs, to lie side by side in the program.

    python3 bench/link_order.py [--check]

Linux maps 64 KiB of a file for each place that is touched, and these functions are a hundredth of the program's code. Builds the
release program with a map of its sections, runs it under valgrind's callgrind and names each section that was run, without the
hash of the compiler. A function that a change renames only lies elsewhere again: `--check` builds the program, counts the names
that still stand for something, and fails when they are fewer than nine in ten. Then, and before a release, write the file anew.
"""

import argparse, bisect, collections, os, pathlib, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/sealfast"
SCRIPT = ROOT / "crates/cli/first.ld"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  password: value\n"
HEAD = "/* What decrypting or encrypting one Secret runs, side by side. Written by bench/link_order.py. */\n"
Section = collections.namedtuple("Section", "start size archive name")


def build(work):
    """The sections of code in the order of their addresses."""
    chart = work / "map"
    subprocess.run(["cargo", "rustc", "--release", "-p", "sealfast-cli", "--bin", "sealfast", "--", "-C", f"link-arg=-Wl,-Map={chart}"],
                   cwd=ROOT, check=True)
    line = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S.*):\((\.text\.[^)]*)\)$")
    with open(chart, errors="replace") as lines:
        found = (line.match(text) for text in lines)
        return sorted(Section(int(m[1], 16), int(m[2], 16), pathlib.Path(m[3]).name, m[4]) for m in found if m)


def executed(work, args, env):
    """Addresses of the program's instructions that a run executed."""
    trace = work / "trace"
    tool = ["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no", f"--callgrind-out-file={trace}"]
    subprocess.run([*tool, PROGRAM, *args], cwd=work, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    inside, addresses = False, set()
    for text in trace.read_text(errors="replace").splitlines():
        if text.startswith("ob="):
            inside = text == f"ob={PROGRAM}"
        elif inside and text.startswith("0x"):
            addresses.add(int(text.split()[0], 16))
    return addresses


def pattern(name):
    """A section's name with what the compiler makes anew left open."""
    name = re.sub(r"17h[0-9a-f]{16}E", "17h*E", name)
    name = re.sub(r"\.llvm\.\d+$", "*", name)
    if "._R" in name:
        name = re.sub(r"C?s[0-9A-Za-z]{10,12}_", "*", name)
    return re.sub(r"[^A-Za-z0-9_.*$]", "?", name)


def chosen(sections, addresses):
    """Patterns of the sections that hold the addresses, by the crate they come from."""
    starts = [section.start for section in sections]
    crates = collections.defaultdict(set)
    for place in sorted({bisect.bisect(starts, address) - 1 for address in addresses} - {-1}):
        section = sections[place]
        crate = re.sub(r"^lib", "", re.sub(r"-[0-9a-f]{16}.*", "", section.archive))
        crates[crate].add(pattern(section.name))
    return crates


def write(crates):
    groups = (f"    *{crate}-*(\n" + "".join(f"      {name}\n" for name in sorted(names)) + "    )\n" for crate, names in sorted(crates.items()))
    SCRIPT.write_text(f"{HEAD}SECTIONS\n{{\n  .text.first :\n  {{\n{''.join(groups)}  }}\n}}\nINSERT BEFORE .text;\n")


def check(sections):
    names = [line.strip() for line in SCRIPT.read_text().splitlines() if line.startswith("      ")]
    known = {pattern(section.name) for section in sections}
    found = sum(name in known for name in names)
    print(f"{found} of {len(names)} names stand for something")
    return found * 10 >= len(names) * 9


def profile(work, sections):
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "SOPS_AGE_KEY_FILE": str(work / "key.txt")}
    made = subprocess.run([PROGRAM, "keys", "generate", "age", "--output", "key.txt"], cwd=work, env=env, check=True, capture_output=True, text=True)
    recipient = re.search(r"age1[0-9a-z]+", (work / "key.txt").read_text() + made.stdout)[0]
    (work / ".sops.yaml").write_text(f"creation_rules:\n  - encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n")
    (work / "plain.yaml").write_text(SECRET)
    runs = [["sops", "-e", "--output", "secret.yaml", "plain.yaml"], ["sops", "-d", "secret.yaml"], ["encrypt", "plain.yaml"], ["decrypt", "secret.yaml"]]
    write(chosen(sections, set().union(*(executed(work, args, env) for args in runs))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    before = SCRIPT.read_text()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if options.check:
            sys.exit(0 if check(build(work)) else 1)
        try:
            # callgrind tells of no code outside .text.
            write({})
            profile(work, build(work))
        except BaseException:
            SCRIPT.write_text(before)
            raise


if __name__ == "__main__":
    main()

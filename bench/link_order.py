#!/usr/bin/env python3
"""Writes crates/cli/first.ld: what decrypting or encrypting one Secret runs and reads, to lie side by side in the program.

    python3 bench/link_order.py [--check]

Linux maps 64 KiB of a file for each place that is touched, and all this is a hundredth of the program. Builds the release program
with a map of its sections, runs it under valgrind's lackey and names each section that was run or read, without the hash of the
compiler; what decrypting needs comes before what only encrypting does. Constants without a name of their own are taken by the crate,
where a crate has few. What a change renames only lies elsewhere again: `--check` builds the program, counts the names that still
stand for something, and fails when they are fewer than nine in ten. Then, and before a release, write the file anew.
"""

import argparse, bisect, collections, os, pathlib, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/sealfast"
SCRIPT = ROOT / "crates/cli/first.ld"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  password: value\n"
HEAD = "/* What decrypting or encrypting one Secret runs and reads, side by side. Written by bench/link_order.py. */\n"
KINDS = [".text", ".rodata"]
# Where valgrind puts a program that may lie anywhere.
BASE = 0x108000
# A crate that has more bytes of nameless constants than this is not worth moving for the few that are read.
MOST_NAMELESS = 64 << 10
Section = collections.namedtuple("Section", "start size archive name")


def build(work):
    """The sections of code and constants in the order of their addresses."""
    chart = work / "map"
    subprocess.run(["cargo", "rustc", "--release", "-p", "sealfast-cli", "--bin", "sealfast", "--", "-C", f"link-arg=-Wl,-Map={chart}"],
                   cwd=ROOT, check=True)
    line = re.compile(r"\s*([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+(\S.*):\((\.(?:text|rodata)\.[^)]*)\)$")
    with open(chart, errors="replace") as lines:
        found = (line.match(text) for text in lines)
        return sorted(Section(int(m[1], 16), int(m[2], 16), pathlib.Path(m[3]).name, m[4]) for m in found if m)


def touched(work, sections, args, env):
    """Places in the list of the sections that a run executed or read, in the order of the list."""
    trace = work / "trace"
    tool = ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={trace}"]
    subprocess.run([*tool, PROGRAM, *args], cwd=work, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    access = re.compile(r"(?:I | L| M) +([0-9a-f]+),")
    with open(trace, errors="replace") as lines:
        addresses = {int(m[1], 16) - BASE for m in map(access.match, lines) if m}
    starts = [section.start for section in sections]
    places = ((bisect.bisect(starts, address) - 1, address) for address in addresses)
    return sorted({at for at, address in places if at >= 0 and address < sections[at].start + sections[at].size})


def crate(section):
    """The file that a section comes from, without its hash; what the linker merged comes from none."""
    return re.sub(r"-[0-9a-f]{16}.*", "", section.archive)


def pattern(name):
    """A section's name with what the compiler makes anew left open."""
    name = re.sub(r"(\.Lanon)\..*", r"\1*", name)
    name = re.sub(r"(\.Lswitch\.table)\..*", r"\1*", name)
    name = re.sub(r"17h[0-9a-f]{16}E", "17h*E", name)
    name = re.sub(r"\.llvm\.\d+$", "*", name)
    if "._R" in name:
        name = re.sub(r"C?s[0-9A-Za-z]{10,12}_", "*", name)
    return re.sub(r"[^A-Za-z0-9_.*$]", "?", name)


def chosen(sections, runs):
    """For each run the patterns of what it is the first to touch, by the crate they come from."""
    nameless = collections.Counter()
    for section in sections:
        if pattern(section.name).endswith(("Lanon*", "table*")):
            nameless[crate(section)] += section.size
    seen = set()
    for places in runs:
        crates = collections.defaultdict(set)
        for section in (sections[place] for place in places):
            key = crate(section), pattern(section.name)
            many = key[1].endswith(("Lanon*", "table*")) and nameless[key[0]] > MOST_NAMELESS
            if key not in seen and not many and not section.archive.startswith("<"):
                crates[key[0]].add(key[1])
            seen.add(key)
        yield crates


def write(runs):
    text = HEAD
    for kind in KINDS:
        text += f"SECTIONS\n{{\n  {kind}.first :\n  {{\n"
        for crates in runs:
            for name, patterns in sorted(crates.items()):
                names = sorted(pattern for pattern in patterns if pattern.startswith(kind))
                text += f"    */{name}-*(\n" + "".join(f"      {name}\n" for name in names) + "    )\n" if names else ""
        text += f"  }}\n}}\nINSERT BEFORE {kind};\n"
    SCRIPT.write_text(text)


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
    subprocess.run([PROGRAM, "sops", "-e", "--output", "secret.yaml", "plain.yaml"], cwd=work, env=env, check=True)
    runs = [["decrypt", "secret.yaml"], ["sops", "-d", "secret.yaml"], ["encrypt", "plain.yaml"], ["sops", "-e", "plain.yaml"]]
    write(list(chosen(sections, [touched(work, sections, args, env) for args in runs])))


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
            write([])
            profile(work, build(work))
        except BaseException:
            SCRIPT.write_text(before)
            raise


if __name__ == "__main__":
    main()

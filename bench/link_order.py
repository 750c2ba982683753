#!/usr/bin/env python3
"""Writes crates/cli/first.ld: what short runs and a small cluster touch, to lie side by side.

    python3 bench/link_order.py [--check]

Linux maps 64 KiB of a file for each place that is touched, and all this is a seventh of the program, a Secret's part a hundredth. Builds
the release program with a map of its sections, runs it under valgrind (lackey for one Secret, where constants count too, callgrind for
what is longer, whose time limits lackey would break) and names each section that was run or read, without the hash of the compiler. What
decrypting needs comes before what only encrypting does; the controllers with a small fleet, a build and a cluster in the program follow.
There, one pattern stands for all names that begin alike where most of what they name was run. Constants without a name of their own are
taken by the crate, where a crate has few. Needs valgrind, git and kubectl.

What a change renames only lies elsewhere again: `--check` builds the program, counts the names that still stand for something, and
fails when they are fewer than nine in ten. Then, and before a release, write the file anew.
"""

import argparse, bisect, collections, os, pathlib, re, shutil, subprocess, sys, tempfile, time

import fleet

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "target/release/sealfast"
SERVER = ROOT / "target/debug/examples/serve"
SCRIPT = ROOT / "crates/cli/first.ld"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  password: value\n"
HEAD = "/* What one Secret, one build and one small cluster run and read, side by side. Written by bench/link_order.py. */\n"
KINDS = [".text", ".rodata"]
# A crate that has more bytes of nameless constants than this is not worth moving for the few that are read.
MOST_NAMELESS = 64 << 10
# So much of what names that begin alike stand for must have been run for one pattern to stand for all of them.
DENSE = 0.6
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


def watched(work, env, tool, args):
    """Runs the program under a tool of valgrind."""
    subprocess.run(["valgrind", *tool, PROGRAM, *args], cwd=work, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def accessed(work, env, args):
    """The addresses that a short run executed or read."""
    trace = work / "trace"
    watched(work, env, ["--tool=lackey", "--trace-mem=yes", f"--log-file={trace}"], args)
    access = re.compile(r"(?:I | L| M) +([0-9a-f]+),")
    with open(trace, errors="replace") as lines:
        return {int(m[1], 16) for m in map(access.match, lines) if m}


def counting(trace):
    return ["--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={trace}"]


def executed(work, env, args):
    """The addresses that a run executed."""
    trace = work / "trace"
    watched(work, env, counting(trace), args)
    return counted(trace)


def executed_by_controllers(work):
    """The addresses that `run` executed with three Kustomizations and two commits."""
    subprocess.run(["cargo", "build", "-p", "sealfast-apiserver", "--example", "serve"], cwd=ROOT, check=True)
    trace, folder = work / "trace", work / "fleet"
    folder.mkdir()
    small = fleet.Fleet(folder, PROGRAM, 3, 11)
    try:
        small.start_server(SERVER)
        pid = small.start_controllers("valgrind", *counting(trace))
        time.sleep(10)
        if code := small.measure([f"controllers={pid}"], 2, 2, stdout=subprocess.DEVNULL):
            sys.exit(code)
    finally:
        small.end()
    return counted(trace)


def counted(trace):
    """The addresses in a profile of callgrind: by object, each as its distance from the one before."""
    addresses, objects, current, address = set(), {}, None, 0
    named = re.compile(r"(c?)ob=(\(\d+\))(?: (.*))?$")
    with open(trace, errors="replace") as lines:
        for line in lines:
            if m := named.match(line):
                objects.setdefault(m[2], m[3])
                current = current if m[1] else m[2]
            elif line.startswith(("0x", "+", "-", "*")):
                place = line.split()[0]
                if place.startswith("0x"):
                    address = int(place, 16)
                elif place != "*":
                    address += int(place)
                if objects.get(current) == str(PROGRAM):
                    addresses.add(address)
    return addresses


def touched(sections, addresses):
    """Places in the list of the sections that hold one of the addresses, in the order of the list."""
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


def gathered(sections, crates):
    """The same patterns, fewer: one for all names that begin alike where most of what they name is wanted."""
    trees = collections.defaultdict(Branch)
    for section in sections:
        name, key = pattern(section.name), crate(section)
        wanted = section.size if name in crates.get(key, ()) else 0
        branch = trees[key]
        for part in re.split(r"(?<=[A-Za-z_$])(?=\d)", name):
            branch = branch.children[part]
            branch.size += section.size
            branch.wanted += wanted
    return {key: set(trees[key].patterns("")) for key in crates}


class Branch:
    """Names that begin alike: how many bytes they stand for, and how many of these are wanted."""

    def __init__(self):
        self.size, self.wanted, self.children = 0, 0, collections.defaultdict(Branch)

    def patterns(self, start):
        for part, child in self.children.items():
            if not child.wanted:
                continue
            if not child.children:
                yield start + part
            elif child.wanted >= DENSE * child.size:
                yield f"{start}{part}*"
            else:
                yield from child.patterns(start + part)


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
    known = sorted({pattern(section.name) for section in sections})

    def stands(name):
        at = bisect.bisect_left(known, name.removesuffix("*"))
        return at < len(known) and (known[at] == name or name.endswith("*") and known[at].startswith(name.removesuffix("*")))

    found = sum(map(stands, names))
    print(f"{found} of {len(names)} names stand for something")
    return found * 10 >= len(names) * 9


def profile(work, sections):
    env = {"PATH": os.environ["PATH"], "HOME": str(work), "SOPS_AGE_KEY_FILE": str(work / "key.txt")}
    made = subprocess.run([PROGRAM, "keys", "generate", "age", "--output", "key.txt"], cwd=work, env=env, check=True, capture_output=True, text=True)
    recipient = re.search(r"age1[0-9a-z]+", (work / "key.txt").read_text() + made.stdout)[0]
    (work / ".sops.yaml").write_text(f"creation_rules:\n  - encrypted_regex: ^(data|stringData)$\n    age: {recipient}\n")
    (work / "plain.yaml").write_text(SECRET)
    subprocess.run([PROGRAM, "sops", "-e", "--output", "secret.yaml", "plain.yaml"], cwd=work, env=env, check=True)
    shutil.copytree(ROOT / "examples/guide", work / "guide")
    short = [["decrypt", "secret.yaml"], ["sops", "-d", "secret.yaml"], ["encrypt", "plain.yaml"], ["sops", "-e", "plain.yaml"]]
    long = [["kustomize", "build", "guide/base"], ["up", "guide", "--once"]]
    runs = [accessed(work, env, args) for args in short]
    runs += [executed_by_controllers(work)] + [executed(work, env, args) for args in long]
    parts = list(chosen(sections, [touched(sections, addresses) for addresses in runs]))
    write(parts[:len(short)] + [gathered(sections, part) for part in parts[len(short):]])


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

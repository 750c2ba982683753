"""One run of a command with what it took, for the measurements beside it."""

import collections, ctypes, os, subprocess, sys, tempfile, time

Run = collections.namedtuple("Run", "wall cpu peak")
SUBREAPER = 36


def run(args, env=None, cwd=None):
    """Runs a command that must succeed: wall and CPU seconds (user and system), and peak RSS in MiB.

    No other child of this process may end meanwhile.
    """
    # Whom a child leaves behind is ours to wait for.
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryFile() as talk:
        start = time.perf_counter()
        # A process begins with the peak of what it was forked from, so a small one starts it and leaves it to us.
        starter = ["setsid", "--fork", *map(str, args)]
        subprocess.run(starter, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=talk, check=True)
        _, status, usage = os.wait4(-1, 0)
        wall = time.perf_counter() - start
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            talk.seek(0)
            sys.exit(f"{args} failed with {code}:\n{talk.read().decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

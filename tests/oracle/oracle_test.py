#!/usr/bin/env python3
"""Seeded nasty histories through `fiverate replay` and through the oracle: the same rows, byte for byte.

    oracle_test.py --program build/dev/cli/fiverate [--first 1] [--seeds 8]

Two seeds at a time. What a failing seed wrote is kept; its folder is printed. FIVERATE_SEED=N runs that seed alone.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def try_seed(program, seed, scratch):
    """What went wrong; empty: nothing."""
    history, expected, actual = (scratch / str(seed) / name for name in ("in", "expected", "actual"))
    # Every fourth one has more outlets, days and trouble.
    size = ("--outlets", 10, "--days", 80, "--rate", 0.7) if seed % 4 == 0 else ()
    for step in ((sys.executable, HERE / "generate.py", "--seed", seed, "--out", history, *size),
                 (sys.executable, HERE / "oracle.py", "--in", history, "--out", expected),
                 (program, "replay", "--in", history, "--out", actual),
                 (sys.executable, HERE / "compare.py", expected, actual)):
        went_well, said = run(*step)
        if not went_well:
            return f"seed {seed}: {' '.join(map(str, step))}\n{said}"
    shutil.rmtree(scratch / str(seed))
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("FIVERATE_PROGRAM"))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    if not arguments.program:
        parser.error("--program or FIVERATE_PROGRAM")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if "FIVERATE_SEED" in os.environ:
        seeds = [int(os.environ["FIVERATE_SEED"])]

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fiverate-oracle-"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        faults = [fault for fault in pool.map(lambda seed: try_seed(arguments.program, seed, scratch), seeds) if fault]
    if faults:
        print("\n".join(faults), f"\nkept: {scratch}", sep="\n")
        return 1
    shutil.rmtree(scratch)
    print(f"{len(seeds)} histories agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Seeded nasty histories through `fiverate replay` and through the oracle: the same rows, byte for byte.

    oracle_test.py --program build/dev/cli/fiverate [--first 1] [--seeds 4] [--profile trade|shelf] [--no-alerts]

Of each seed a history of trade and one of shelves (see generate.py), two at a time. What a failing one wrote is kept;
its folder is printed. FIVERATE_SEED=N runs that seed alone. --no-alerts leaves alerts and implausible counts out.
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


def size_of(profile, seed):
    """Of trade, every fourth one has more outlets, days and trouble; shelves know their size themselves."""
    return ("--outlets", 10, "--days", 80, "--rate", 0.7) if profile == "trade" and seed % 4 == 0 else ()


def try_history(program, profile, seed, scratch, compare_flags):
    """What went wrong; empty: nothing."""
    folder = scratch / f"{profile}-{seed}"
    history, expected, actual = (folder / name for name in ("in", "expected", "actual"))
    for step in ((sys.executable, HERE / "generate.py", "--profile", profile, "--seed", seed, "--out", history,
                  *size_of(profile, seed)),
                 (sys.executable, HERE / "oracle.py", "--in", history, "--out", expected),
                 (program, "replay", "--in", history, "--out", actual),
                 (sys.executable, HERE / "compare.py", expected, actual, *compare_flags)):
        went_well, said = run(*step)
        if not went_well:
            return f"{profile}, seed {seed}: {' '.join(map(str, step))}\n{said}"
    shutil.rmtree(folder)
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("FIVERATE_PROGRAM"))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--profile", choices=("trade", "shelf"), help="default: both")
    parser.add_argument("--no-alerts", action="store_true")
    arguments = parser.parse_args()
    if not arguments.program:
        parser.error("--program or FIVERATE_PROGRAM")
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if "FIVERATE_SEED" in os.environ:
        seeds = [int(os.environ["FIVERATE_SEED"])]
    profiles = [arguments.profile] if arguments.profile else ["trade", "shelf"]
    compare_flags = ["--no-alerts"] if arguments.no_alerts else []

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fiverate-oracle-"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        tried = pool.map(
            lambda history: try_history(arguments.program, *history, scratch, compare_flags),
            [(profile, seed) for seed in seeds for profile in profiles])
        faults = [fault for fault in tried if fault]
    if faults:
        print("\n".join(faults), f"\nkept: {scratch}", sep="\n")
        return 1
    shutil.rmtree(scratch)
    print(f"{len(seeds) * len(profiles)} histories agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())

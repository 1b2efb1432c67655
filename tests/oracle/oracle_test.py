#!/usr/bin/env python3
"""Seeded nasty histories through `fiverate replay` and through the oracle: the same rows, byte for byte.

    oracle_test.py --program build/dev/cli/fiverate [--first 1] [--seeds N] [--profile trade|shelf|market]
                   [--all-days] [--no-alerts]

Of each profile (see generate.py) some seeds, two at a time. What a failing one wrote is kept; its folder is printed.
FIVERATE_SEED=N runs that seed alone. Of a long history some days are compared (days.txt), of a short one and with
--all-days all of them; alerts are always of all days. --no-alerts leaves alerts and implausible counts out.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import zip_longest

HERE = pathlib.Path(__file__).resolve().parent
# How many seeds of a profile. The calculator takes 1 to 8 seconds of one core for each.
SEEDS = {"trade": 6, "shelf": 7, "market": 9}


def run(*command):
    # The program refuses variables of its prefix that it does not know.
    environment = {name: value for name, value in os.environ.items() if name not in ("FIVERATE_SEED", "FIVERATE_PROGRAM")}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    return done.returncode == 0, done.stdout + done.stderr


def size_of(profile, seed):
    """Of trade, every fourth one has more outlets, days and trouble; the others know their size themselves."""
    return ("--outlets", 10, "--days", 80, "--rate", 0.7) if profile == "trade" and seed % 4 == 0 else ()


def limit_of(profile, seed):
    """The documents that an outlet may have of one day: with 1 many are rejected. None: the default."""
    return 1 if profile == "trade" and seed % 3 == 2 else None


def is_short(profile, seed):
    """60 days of 3 outlets, all of which are compared."""
    return profile == "shelf" and seed % 5 == 0


def try_history(program, profile, seed, scratch, all_days, compare_flags):
    """What went wrong (empty: nothing), and the seconds of each step."""
    folder = scratch / f"{profile}-{seed}"
    history, expected, actual = (folder / name for name in ("in", "expected", "actual"))
    seconds = []

    def days():
        return () if all_days or is_short(profile, seed) else ("--days", (history / "days.txt").read_text().strip())

    limit = limit_of(profile, seed)
    limit_of_oracle = ("--outlet-day-documents-max", limit) if limit else ()
    limit_of_program = ("-X", f"market.outlet_day_documents_max={limit}") if limit else ()
    for step in (lambda: (sys.executable, HERE / "generate.py", "--profile", profile, "--seed", seed, "--out", history,
                          *size_of(profile, seed)),
                 lambda: (sys.executable, HERE / "oracle.py", "--in", history, "--out", expected, *days(),
                          *limit_of_oracle),
                 # The program's --days is a first and a last day, so it writes them all.
                 lambda: (program, "replay", "--in", history, "--out", actual, *limit_of_program),
                 lambda: (sys.executable, HERE / "compare.py", expected, actual, *days(), *compare_flags)):
        begin = time.monotonic()
        succeeded, output = run(*step())
        seconds.append(time.monotonic() - begin)
        if not succeeded:
            return f"{profile}, seed {seed}: {' '.join(map(str, step()))}\n{output}", seconds
    shutil.rmtree(folder)
    return "", seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("FIVERATE_PROGRAM"))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seeds", type=int, help="of each profile; default: " + ", ".join(f"{n} of {p}" for p, n in SEEDS.items()))
    parser.add_argument("--profile", choices=tuple(SEEDS), help="default: all")
    parser.add_argument("--all-days", action="store_true")
    parser.add_argument("--no-alerts", action="store_true")
    arguments = parser.parse_args()
    if not arguments.program:
        parser.error("--program or FIVERATE_PROGRAM")
    profiles = [arguments.profile] if arguments.profile else list(SEEDS)
    histories = [(profile, seed) for profile in profiles
                 for seed in range(arguments.first, arguments.first + (arguments.seeds or SEEDS[profile]))]
    if "FIVERATE_SEED" in os.environ:
        histories = [(profile, int(os.environ["FIVERATE_SEED"])) for profile in profiles]
    compare_flags = ["--no-alerts"] if arguments.no_alerts else []

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="fiverate-oracle-"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        tried = list(pool.map(
            lambda history: try_history(arguments.program, *history, scratch, arguments.all_days, compare_flags), histories))
    faults = [fault for fault, _ in tried if fault]
    steps = [sum(some) for some in zip_longest(*(seconds for _, seconds in tried), fillvalue=0)]
    print("seconds: " + ", ".join(f"{name} {total:.0f}" for name, total in zip(("generate", "oracle", "replay", "compare"), steps)))
    if faults:
        print("\n".join(faults), f"\nkept: {scratch}", sep="\n")
        return 1
    shutil.rmtree(scratch)
    print(f"{len(histories)} histories agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Compares FINAL rows of simulation seeds with the rows that tests/oracle computes from the raw events.

    oracle_witness.py --program build/dev/tests/simulate --seeds 201..400 [--days 3] [--faults]

The program writes every second seed as files (tests/sim/seed_run.h). Of each seed some days are compared: all rows of a day have to be
identical. The program itself compares these rows with those of the disturbed run.

With --faults, for seeds 201..400, it also checks that each kind of fault occurs at least as often as in LEAST.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

import oracle  # noqa: E402
from days import format_day  # noqa: E402
from market import Market  # noqa: E402
from measures import Measures  # noqa: E402
from zoneinfo import ZoneInfo  # noqa: E402

AS_OF = len('{"as_of":"')

# Minimum counts for seeds 201 to 400 of the faults of tests/sim/faults.h: about a third of the counts when this was written. Changes of the
# program move the counts; a kind that hardly occurs any more is reported.
LEAST = {
    "crashes": 500, "moves": 600, "rebalances": 380, "zombies": 54, "refused commits": 98, "two at once": 78,
    "lost acks": 65, "late requests": 1000, "delayed acks": 2600, "connection losses": 290, "store failures": 19,
    "full disks": 73, "states lost": 72, "power losses": 63, "old copies": 16, "offsets lost": 89, "truncations": 6,
    "sabotages": 6, "far times": 20, "foreign records": 500, "growths": 10, "killed imports": 25,
    # Consequences of faults.
    "repetitions": 10000, "truncation: published again": 2, "held alerts": 40,
}
# How often each sabotage and truncation has to be noticed. These outcomes do not count as noticed:
NOT_NOTICED = ("right", "harmless", "only in log", "unnoticed")
NOTICED = {"truncation": 5, "a fickle stage": 1, "a dropped record": 2, "a swapped pair": 2, "a changed delta": 1}
OTHER_COUNTS = {"seeds"}


def rows_of_the_oracle(folder, seed, count):
    """Returns the compared days and their lines."""
    records = oracle.read_lines(folder)
    oracle.give_days(records, ZoneInfo("Asia/Shanghai"))
    reference, documents = oracle.replay(records)
    market = Market(reference, documents, records)
    days = oracle.days_to_write(records)
    chosen = sorted(random.Random(seed).sample(days, min(count, len(days))))
    return [format_day(day) for day in chosen], set(oracle.metrics_lines(market, Measures(market, days), chosen))


def differences(folder, seed, count):
    days, expected = rows_of_the_oracle(folder, seed, count)
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").split("\n")
    actual = {line for line in lines if line[AS_OF:AS_OF + 10] in days}
    if actual == expected:
        return len(days), []
    lines = [f"{folder}: {len(expected - actual)} lines only of the oracle, {len(actual - expected)} only here"]
    lines += [f"  oracle: {line[:600]}" for line in sorted(expected - actual)[:2]]
    lines += [f"  here:   {line[:600]}" for line in sorted(actual - expected)[:2]]
    return len(days), lines


def too_few(counts):
    """Returns the kinds that occur or are noticed less often than they have to, and kinds that this file does not list."""
    lines = [f"{counts.get(kind, 0)} {kind}, expected at least {least}" for kind, least in LEAST.items() if counts.get(kind, 0) < least]
    found = Counter()
    for count, times in counts.items():
        what, _, outcome = count.partition(": ")
        found[what] += times if outcome and outcome not in NOT_NOTICED else 0
    lines += [f"{what} was noticed {found[what]} times, expected at least {least}" for what, least in NOTICED.items() if found[what] < least]
    lines += [f"{count!r} is counted, but has no minimum in this file" for count in counts
             if count not in LEAST and count not in OTHER_COUNTS and count.split(":")[0] not in NOTICED]
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--seeds", default="201..400")
    parser.add_argument("--days", type=int, default=3, help="of each history")
    parser.add_argument("--faults", action="store_true", help="also check how often faults occur")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fiverate-sim-") as scratch:
        run = subprocess.run([arguments.program, *arguments.seeds.split(".."), scratch], capture_output=True, text=True)
        if run.returncode != 0:
            print(run.stdout, run.stderr)
            return 1
        simulated = time.monotonic()
        missing = too_few(json.loads(run.stdout.splitlines()[-1])) if arguments.faults else []
        if missing:
            print(*missing, sep="\n")
        failed = compared = 0
        folders = sorted(pathlib.Path(scratch).iterdir())
        for folder in folders:
            days, lines = differences(folder, int(folder.name.removeprefix("seed-")), arguments.days)
            compared += days
            failed += bool(lines)
            if lines:
                print(*lines, sep="\n")
        print(f"{len(folders)} histories, {compared} days: {failed} differ; simulated in {simulated - started:.0f} s, "
              f"calculated in {time.monotonic() - simulated:.0f} s")
        return 1 if failed or missing or not folders else 0


if __name__ == "__main__":
    sys.exit(main())

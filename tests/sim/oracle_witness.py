#!/usr/bin/env python3
"""An independent witness for seeds of the simulation: their FINAL rows are those of tests/oracle, over the raw events.

    oracle_witness.py --program build/dev/tests/simulate --seeds 201..400 [--days 3] [--faults]

The program writes every second seed as files (tests/sim/seed_run.h); of each some days are compared, all rows of a day to the
byte. That the same rows come out of the disturbed run is what the program itself compares.

With --faults, for seeds 201..400: each kind of fault strikes at least as often as LEAST says, so that no seed is right for want of it.
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

# What strikes in seeds 201 to 400, of the kinds of tests/sim/faults.h: about a third of what it was when this was written. A change of the
# program moves these counts; one that takes a kind away, or nearly, is found.
LEAST = {
    "crashes": 500, "moves": 600, "rebalances": 380, "zombies": 54, "refused commits": 98, "two at once": 78,
    "lost acks": 65, "late requests": 1000, "delayed acks": 2600, "connection losses": 290, "store failures": 19,
    "full disks": 73, "states lost": 72, "power cuts": 63, "old copies": 16, "offsets lost": 89, "truncations": 6,
    "sabotages": 6,
    # What they lead to.
    "repetitions": 10000, "written again": 3, "truncation: said again": 2,
}
# How often what spoils a log has to be found out in the run, in whatever way: with any outcome but these.
NOT_FOUND_OUT = ("right", "harmless", "only in log", "forgotten")
FOUND_OUT = {"truncation": 5, "a fickle stage": 1, "a dropped record": 2, "a swapped pair": 2, "a changed delta": 1}
OTHER_COUNTS = {"seeds"}


def rows_of_the_oracle(folder, seed, count):
    """The days that were looked at, and their lines."""
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
    told = [f"{folder}: {len(expected - actual)} lines only of the oracle, {len(actual - expected)} only here"]
    told += [f"  oracle: {line[:600]}" for line in sorted(expected - actual)[:2]]
    told += [f"  here:   {line[:600]}" for line in sorted(actual - expected)[:2]]
    return len(days), told


def too_seldom(counts):
    """Kinds that strike less often than LEAST says, that nobody found out, or that this file does not know."""
    told = [f"{counts.get(kind, 0)} {kind}, at least {least} are to be" for kind, least in LEAST.items() if counts.get(kind, 0) < least]
    found = Counter()
    for count, times in counts.items():
        what, _, outcome = count.partition(": ")
        found[what] += times if outcome and outcome not in NOT_FOUND_OUT else 0
    told += [f"{found[what]} times was {what} found out, at least {least} are to be" for what, least in FOUND_OUT.items() if found[what] < least]
    told += [f"{count!r} is counted, and nothing says how often it has to be" for count in counts
             if count not in LEAST and count not in OTHER_COUNTS and count.split(":")[0] not in FOUND_OUT]
    return told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--seeds", default="201..400")
    parser.add_argument("--days", type=int, default=3, help="of each history")
    parser.add_argument("--faults", action="store_true", help="how often they strike is looked at too")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fiverate-sim-") as scratch:
        run = subprocess.run([arguments.program, *arguments.seeds.split(".."), scratch], capture_output=True, text=True)
        if run.returncode != 0:
            print(run.stdout, run.stderr)
            return 1
        simulated = time.monotonic()
        vacuous = too_seldom(json.loads(run.stdout.splitlines()[-1])) if arguments.faults else []
        if vacuous:
            print(*vacuous, sep="\n")
        failed = compared = 0
        folders = sorted(pathlib.Path(scratch).iterdir())
        for folder in folders:
            days, told = differences(folder, int(folder.name.removeprefix("seed-")), arguments.days)
            compared += days
            failed += bool(told)
            if told:
                print(*told, sep="\n")
        print(f"{len(folders)} histories, {compared} days: {failed} differ; simulated in {simulated - started:.0f} s, "
              f"calculated in {time.monotonic() - simulated:.0f} s")
        return 1 if failed or vacuous or not folders else 0


if __name__ == "__main__":
    sys.exit(main())

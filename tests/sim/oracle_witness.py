#!/usr/bin/env python3
"""An independent witness for seeds of the simulation: their FINAL rows are those of tests/oracle, over the raw events.

    oracle_witness.py --program build/dev/tests/simulate --seeds 1..200 [--days 3]

The program writes every second seed as files (tests/sim/seed_run.h); of each some days are compared, all rows of a day to the
byte. That the same rows come out of the disturbed run is what the program itself compares.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))

import oracle  # noqa: E402
from days import format_day  # noqa: E402
from market import Market  # noqa: E402
from measures import Measures  # noqa: E402
from zoneinfo import ZoneInfo  # noqa: E402

AS_OF = len('{"as_of":"')


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--seeds", default="1..200")
    parser.add_argument("--days", type=int, default=3, help="of each history")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fiverate-sim-") as scratch:
        run = subprocess.run([arguments.program, *arguments.seeds.split(".."), scratch], capture_output=True, text=True)
        if run.returncode != 0:
            print(run.stdout, run.stderr)
            return 1
        simulated = time.monotonic()
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
        return 1 if failed or not folders else 0


if __name__ == "__main__":
    sys.exit(main())

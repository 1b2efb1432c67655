#!/usr/bin/env python3
"""The output bytes of a replay depend on its events only, not on the order of lines and files, the time zone, the locale or memory.
--days, --brand and --region select lines and change none. [rates] measures and windows select measures and change none.

    replay_test.py --program build/dev/fiverate
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

ORACLE = pathlib.Path(__file__).resolve().parent.parent / "oracle"
RESULTS = ("metrics.jsonl", "alerts.jsonl", "seals.jsonl")
ENVIRONMENTS = (
    {"TZ": "America/New_York", "LC_ALL": "de_DE.UTF-8"},
    {"TZ": "Pacific/Kiritimati", "LANG": "zh_CN.UTF-8", "MALLOC_PERTURB_": "170"},
    {"LC_ALL": "C", "MALLOC_ARENA_MAX": "1", "MALLOC_PERTURB_": "85"},
)


def replay(program, history, out, environment=None, options=()):
    """The bytes of the results. Of quarantine.jsonl the fields before the position of the line, sorted."""
    done = subprocess.run([program, "replay", "--in", history, "--out", out, *options], stderr=subprocess.PIPE, text=True,
                          env={**{name: value for name, value in os.environ.items() if name in ("PATH", "TSAN_OPTIONS")}, **(environment or {})})
    if done.returncode != 0:
        sys.exit(f"replay failed with exit code {done.returncode}: {done.stderr}")
    quarantined = (out / "quarantine.jsonl").read_bytes().splitlines()
    reasons = sorted(line.split(b'"file"')[0] for line in quarantined)
    return [(out / name).read_bytes() for name in RESULTS] + [b"\n".join(reasons)]


def shuffled_copy(history, folder, seed):
    """A copy with all lines shuffled and distributed over the two files."""
    lines = [line for name in ("reference.jsonl", "events.jsonl") for line in (history / name).read_bytes().split(b"\n") if line.strip()]
    rng = random.Random(seed)
    rng.shuffle(lines)
    middle = rng.randrange(len(lines))
    folder.mkdir()
    for name, part in (("reference.jsonl", lines[:middle]), ("events.jsonl", lines[middle:])):
        (folder / name).write_bytes(b"".join(line + b"\n" for line in part))
    return folder


def selections(rows, seed):
    """Options of a replay, and the lines of all rows that they select."""
    rng = random.Random(seed)

    def some(field):
        return rng.sample(sorted({row[field] for row in rows}), 2)

    brands, regions = [brand for brand in some("brand_id") if brand], some("region_id")
    yield ["--brand", ",".join(brands)], lambda row: row["brand_id"] in brands
    yield ["--region", regions[0], "--region", regions[1]], lambda row: row["region_id"] in regions
    one = rng.choice([row for row in rows if row["brand_id"]])
    key = ("as_of", "brand_id", "region_id")
    yield (["--days", one["as_of"], "--brand", one["brand_id"], "--region", one["region_id"]],
           lambda row: all(row[field] == one[field] for field in key))


def check_selections(program, history, scratch, metrics, seed):
    lines = metrics.splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    for number, (options, selects) in enumerate(selections(rows, seed)):
        expected = b"".join(line for line, row in zip(lines, rows) if selects(row))
        actual = replay(program, history, scratch / f"selection-{seed}-{number}", options=options)[0]
        if actual != expected or not 0 < len(expected) < len(metrics):
            yield f"seed {seed}: other lines with {options}"


GROUPS = {"purchases": "delivered_units returned_units net_delivered_units previous_net_delivered_units net_delivered_units_change "
                       "buying_outlets repeat_buying_outlets counties covered_counties",
          "prices": "price_readings price_q1_fen price_median_fen price_q3_fen price_index_readings price_index_q1_bp "
                    "price_index_median_bp price_index_q3_bp"}
RATES = {"purchases": "buying coverage repurchase growth growth_yoy", "prices": ""}
ALWAYS = ["active_outlets", "dormant_outlets"]
MAKE_NO_LINE = {*ALWAYS, "ordering_outlets", "counties"}


def reduced(row, groups, windows):
    """The row of a market that computes these groups and windows alone; None if it has no such line."""
    if row["window_days"] not in windows:
        return None
    if not row["brand_id"]:
        return row
    names = {*ALWAYS, *(name for group in groups for name in GROUPS[group].split())}
    rates = {name for group in groups for name in RATES[group].split()}
    row = {**row, "measures": {name: value for name, value in row["measures"].items() if name in names},
           "rates": {name: value for name, value in row["rates"].items() if name in rates}}
    if "prices" not in groups:
        row.pop("price_status", None)
    return row if any(value for name, value in row["measures"].items() if name not in MAKE_NO_LINE) else None


def check_measures(program, history, scratch, everything, seed):
    """A replay that computes some measures and windows has the same values, the same alerts of outlets and the same quarantine."""
    rows = [json.loads(line) for line in everything[0].splitlines()]
    for groups, windows in ((["purchases"], [7, 91]), (["purchases", "prices"], [0])):
        names = ["month" if window == 0 else str(window) for window in windows]
        options = ["-X", f"rates.measures={','.join(groups)}", "-X", f"rates.windows={','.join(names)}"]
        metrics, alerts, _, quarantined = replay(program, history, scratch / f"measures-{seed}-{windows[0]}", options=options)
        expected = [row for row in (reduced(row, groups, windows) for row in rows) if row]
        actual = [json.loads(line) for line in metrics.splitlines()]
        # Also in the same order of keys.
        if json.dumps(actual) != json.dumps(expected) or not 0 < len(expected) < len(rows):
            yield f"seed {seed}: other rows with {options}"
        of_outlets = [line for line in everything[1].splitlines() if json.loads(line)["rule"] not in ("R3", "R6", "R16")]
        if [line for line in alerts.splitlines() if json.loads(line)["rule"] != "R16"] != of_outlets:
            yield f"seed {seed}: other alerts with {options}"
        if quarantined != everything[3]:
            yield f"seed {seed}: other quarantine with {options}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--once", action="store_true", help="replay one history twice (for the thread sanitizer)")
    arguments = parser.parse_args()
    program = arguments.program
    faults = []
    with tempfile.TemporaryDirectory(prefix="fiverate-replay-") as scratch:
        scratch = pathlib.Path(scratch)
        for profile, seed in (("shelf", 5), ("market", 2))[:1 if arguments.once else None]:
            history = scratch / f"{profile}-{seed}"
            subprocess.run([sys.executable, ORACLE / "generate.py", "--profile", profile, "--seed", str(seed), "--out", history],
                           check=True, stdout=subprocess.DEVNULL)
            expected = replay(program, history, scratch / f"{profile}-expected")
            if len(expected[0].splitlines()) < 1000 or not all(expected):
                faults.append(f"{profile} {seed}: the history has too few results for this test")
            for number, environment in enumerate(ENVIRONMENTS[:1] if arguments.once else ENVIRONMENTS):
                if replay(program, history, scratch / f"{profile}-environment-{number}", environment) != expected:
                    faults.append(f"{profile} {seed}: different bytes with {environment}")
            if not arguments.once:
                faults += check_selections(program, history, scratch, expected[0], seed)
                faults += check_measures(program, history, scratch, expected, seed)
            for number in range(0 if arguments.once else 2):
                shuffled = shuffled_copy(history, scratch / f"{profile}-shuffled-{number}", number)
                if replay(program, shuffled, scratch / f"{profile}-shuffled-{number}-out") != expected:
                    faults.append(f"{profile} {seed}: different bytes with shuffled lines ({number})")
    print("\n".join(faults) or "all replays have the same bytes")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The bytes of a replay depend on its events alone: not on the order of lines and files, nor on time zone, locale or memory.

    replay_test.py --program build/dev/fiverate
"""

import argparse
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


def replay(program, history, out, environment=None):
    """The results, as bytes; of quarantine what does not say where a line stands."""
    done = subprocess.run([program, "replay", "--in", history, "--out", out], stderr=subprocess.PIPE, text=True,
                          env={**{name: value for name, value in os.environ.items() if name in ("PATH", "TSAN_OPTIONS")}, **(environment or {})})
    if done.returncode != 0:
        sys.exit(f"replay ended with {done.returncode}: {done.stderr}")
    quarantined = (out / "quarantine.jsonl").read_bytes().splitlines()
    reasons = sorted(line.split(b'"file"')[0] for line in quarantined)
    return [(out / name).read_bytes() for name in RESULTS] + [b"\n".join(reasons)]


def other_order(history, folder, seed):
    """All lines, shuffled and dealt to the two files anew; without those whose arrival cannot be read."""
    lines = [line for name in ("reference.jsonl", "events.jsonl") for line in (history / name).read_bytes().split(b"\n") if line.strip()]
    chance = random.Random(seed)
    chance.shuffle(lines)
    cut = chance.randrange(len(lines))
    folder.mkdir()
    for name, part in (("reference.jsonl", lines[:cut]), ("events.jsonl", lines[cut:])):
        (folder / name).write_bytes(b"".join(line + b"\n" for line in part))
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--once", action="store_true", help="one history, twice (thread sanitizer)")
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
                faults.append(f"{profile} {seed}: a history that shows little")
            for number, environment in enumerate(ENVIRONMENTS[:1] if arguments.once else ENVIRONMENTS):
                if replay(program, history, scratch / f"{profile}-environment-{number}", environment) != expected:
                    faults.append(f"{profile} {seed}: other bytes with {environment}")
            for number in range(0 if arguments.once else 2):
                shuffled = other_order(history, scratch / f"{profile}-shuffled-{number}", number)
                if replay(program, shuffled, scratch / f"{profile}-shuffled-{number}-out") != expected:
                    faults.append(f"{profile} {seed}: other bytes in another order of lines ({number})")
    print("\n".join(faults) or "the same bytes each time")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

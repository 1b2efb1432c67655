#!/usr/bin/env python3
"""Tests `fiverate simulate` as a program: wrong options, the files, and their results in a replay and in the oracle.

    simulate_test.py --program build/dev/fiverate
"""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

ORACLE = pathlib.Path(__file__).resolve().parents[1] / "oracle"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}
PROGRAM = ""


def call(*command):
    return subprocess.run([str(argument) for argument in command], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)


class Simulate(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="fiverate-simulate-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def ok(self, *command):
        done = call(*command)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stderr

    def replayed(self, *options):
        """Simulates a market with these options, replays it, and counts the quarantined lines by reason."""
        self.ok(PROGRAM, "simulate", "--out", self.folder / "in", *options)
        self.ok(PROGRAM, "replay", "--in", self.folder / "in", "--out", self.folder / "out")
        self.assertTrue((self.folder / "out" / "metrics.jsonl").stat().st_size > 0)
        lines = (self.folder / "out" / "quarantine.jsonl").read_text().splitlines()
        return collections.Counter(json.loads(line)["reason"] for line in lines)

    def test_wrong_flags(self):
        for options, message in (
            (["--outlets", "0"], "--outlets"),
            (["--outlets", "2000000"], "--outlets"),
            (["--days", "x"], "--days"),
            (["--seed", "-1"], "--seed"),
            (["--brands", "9", "--skus", "8"], "every brand"),
            (["--start", "2026-02-30"], "--start"),
            (["--start", "1980-01-01"], "--start"),
            (["--speed", "-1"], "--speed"),
            (["--speed", "fast"], "--speed"),
            (["--fast-days", "-1"], "--fast-days"),
            (["--trouble", "21"], "--trouble"),
            (["--rate", "late"], "NAME=SHARE"),
            (["--rate", "lateness=0.1"], "conflict"),
            (["--rate", "late=1.5"], "--rate late"),
            (["--truth", "x"], "--truth"),
        ):
            with self.subTest(options):
                done = call(PROGRAM, "simulate", "--out", self.folder / "out", *options)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertFalse((self.folder / "out").exists(), "a wrong option writes nothing")

    def test_a_folder_that_cannot_be_created(self):
        (self.folder / "file").write_text("")
        done = call(PROGRAM, "simulate", "--out", self.folder / "file" / "x", "--days", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("file/x", done.stderr)

    def test_without_trouble_nothing_is_quarantined(self):
        self.assertEqual(self.replayed("--trouble", "0", "--outlets", "40", "--days", "40", "--skus", "16"), {})

    def test_trouble_is_quarantined(self):
        reasons = self.replayed("--trouble", "8", "--outlets", "60", "--days", "40", "--skus", "16", "--brands", "4")
        for reason in ("malformed", "missing_field", "bad_value", "negative_quantity", "duplicate_sku", "unknown_outlet", "unknown_sku",
                       "future", "late", "event_id_conflict", "revision_conflict"):
            self.assertGreater(reasons[reason], 0, reason)

    def test_replay_and_oracle_agree(self):
        self.replayed("--trouble", "8", "--outlets", "12", "--days", "30", "--skus", "8", "--brands", "3", "--seed", "5")
        self.ok(sys.executable, ORACLE / "oracle.py", "--in", self.folder / "in", "--out", self.folder / "expected")
        self.ok(sys.executable, ORACLE / "compare.py", self.folder / "expected", self.folder / "out")

    def test_speed(self):
        options = ["--outlets", "20", "--days", "2", "--brands", "2", "--skus", "8"]
        self.ok(PROGRAM, "simulate", "--out", self.folder / "at-once", *options)
        self.ok(PROGRAM, "simulate", "--out", self.folder / "paced", *options, "--speed", "150000")
        began = time.monotonic()
        self.ok(PROGRAM, "simulate", "--out", self.folder / "past-at-once", *options, "--speed", "43200", "--fast-days", "1")
        self.assertGreater(time.monotonic() - began, 1.9, "the second day runs at the speed")
        self.assertLess(time.monotonic() - began, 3.9, "the first day runs as fast as possible")
        for folder in ("paced", "past-at-once"):
            for name in ("events.jsonl", "reference.jsonl", "truth.jsonl"):
                self.assertEqual((self.folder / folder / name).read_bytes(), (self.folder / "at-once" / name).read_bytes(), name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], *rest])

#!/usr/bin/env python3
"""`fiverate simulate` as a program: flags that are wrong, files, and what a replay and the oracle make of them.

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


def call(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False)


class Simulate(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="fiverate-simulate-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def ok(self, *words):
        done = call(*words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stderr

    def replayed(self, *words):
        """Reasons of quarantine, by number, of a market simulated with these words."""
        self.ok(PROGRAM, "simulate", "--out", self.folder / "in", *words)
        self.ok(PROGRAM, "replay", "--in", self.folder / "in", "--out", self.folder / "out")
        self.assertTrue((self.folder / "out" / "metrics.jsonl").stat().st_size > 0)
        lines = (self.folder / "out" / "quarantine.jsonl").read_text().splitlines()
        return collections.Counter(json.loads(line)["reason"] for line in lines)

    def test_wrong_flags(self):
        for words, says in (
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
            with self.subTest(words):
                done = call(PROGRAM, "simulate", "--out", self.folder / "out", *words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertFalse((self.folder / "out").exists(), "nothing is written")

    def test_a_folder_that_cannot_be(self):
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

    def test_a_replay_and_the_oracle_agree_on_it(self):
        self.replayed("--trouble", "8", "--outlets", "12", "--days", "30", "--skus", "8", "--brands", "3", "--seed", "5")
        self.ok(sys.executable, ORACLE / "oracle.py", "--in", self.folder / "in", "--out", self.folder / "expected")
        self.ok(sys.executable, ORACLE / "compare.py", self.folder / "expected", self.folder / "out")

    def test_speed(self):
        words = ["--outlets", "20", "--days", "2", "--brands", "2", "--skus", "8"]
        self.ok(PROGRAM, "simulate", "--out", self.folder / "at-once", *words)
        self.ok(PROGRAM, "simulate", "--out", self.folder / "paced", *words, "--speed", "150000")
        began = time.monotonic()
        self.ok(PROGRAM, "simulate", "--out", self.folder / "past-at-once", *words, "--speed", "43200", "--fast-days", "1")
        self.assertGreater(time.monotonic() - began, 1.9, "the second day has its time")
        self.assertLess(time.monotonic() - began, 3.9, "and the first day takes none of it")
        for folder in ("paced", "past-at-once"):
            for name in ("events.jsonl", "reference.jsonl", "truth.jsonl"):
                self.assertEqual((self.folder / folder / name).read_bytes(), (self.folder / "at-once" / name).read_bytes(), name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], *rest])

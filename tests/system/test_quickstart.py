#!/usr/bin/env python3
"""deploy/quickstart with a program that is built: alerts and rates come out of Kafka, it ends by itself, and works twice."""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

from support import CLEAN_ENVIRONMENT, ROOT, eventually, scratch

QUICKSTART = ROOT / "deploy" / "quickstart"
WITHIN = 90  # s; 15 to 25 on two cores


@unittest.skipUnless((ROOT / "build/release/fiverate").exists(), "quickstart would build the release first")
class Quickstart(unittest.TestCase):
    def setUp(self):
        self.folder = scratch() / "quickstart"
        self.environment = CLEAN_ENVIRONMENT | {"FIVERATE_QUICKSTART_DIR": str(self.folder)}

    def quickstart(self, *arguments):
        return subprocess.run([QUICKSTART, *arguments], capture_output=True, text=True, env=self.environment, stdin=subprocess.DEVNULL,
                              timeout=WITHIN)

    def assert_well(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(re.findall(r"^[1-6]/6  ", done.stdout, re.M)), 6, done.stdout)
        first = re.search(r"first alert on the screen after ([0-9.]+) s: (critical|warning|info) R\d, \S+ in \S+", done.stdout)
        self.assertTrue(first, done.stdout)
        self.assertLess(float(first[1]), 60)
        found = re.search(r"^Done in [0-9.]+ s: (\d+) open alerts and (\d+) rows of rates", done.stdout, re.M)
        self.assertTrue(found, done.stdout)
        self.assertGreater(int(found[1]), 0)
        self.assertGreater(int(found[2]), 0)
        lines = [json.loads(line) for line in (self.folder / "watched.jsonl").read_text().splitlines()]
        self.assertTrue(any("alert_id" in line for line in lines))
        self.assertTrue(any("as_of" in line for line in lines))
        for line in lines:
            if "as_of" in line:
                self.assertEqual((line["region_id"], line["window_days"]), ("", 28))
        self.assert_nothing_runs()

    def assert_nothing_runs(self):
        left = []
        for arguments in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.folder).encode() in arguments.read_bytes():
                    left.append(arguments.read_bytes())
            except OSError:
                pass  # ended meanwhile
        self.assertEqual(left, [])

    def test_twice_and_after_a_kill(self):
        self.assert_well(self.quickstart("--seconds", "12"))
        child = subprocess.Popen([QUICKSTART], stdout=subprocess.DEVNULL, env=self.environment, start_new_session=True)
        eventually(lambda: (self.folder / "simulate.pid").exists(), WITHIN, "a market that lives")
        os.killpg(child.pid, signal.SIGKILL)  # its processes have sessions of their own and continue
        child.wait(timeout=10)
        self.assert_well(self.quickstart("--seconds", "12", "--lang", "zh"))

    def test_wrong_usage(self):
        for arguments in (["--seconds", "x"], ["--lang", "de"], ["--lang"], ["now"]):
            self.assertEqual(self.quickstart(*arguments).returncode, 2)


if __name__ == "__main__":
    unittest.main()

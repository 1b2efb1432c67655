#!/usr/bin/env python3
"""Events far from all others, such as those with a mistyped year: `replay --in` and `import` refuse them and name them.

    outliers_test.py --program build/dev/fiverate
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}
PROGRAM = ""


def call(*command):
    return subprocess.run([str(argument) for argument in (PROGRAM, *command)], capture_output=True, text=True, env=ENVIRONMENT,
                          timeout=60, check=False)


class Outliers(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="fiverate-outliers-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.history = self.folder / "in"
        self.assertEqual(call("simulate", "--out", self.history, "--outlets", "10", "--brands", "1", "--skus", "4", "--days", "10", "--trouble", "0").returncode, 0)

    def retyped(self, years, file="events.jsonl", kinds=("order", "delivery", "visit")):
        """Changes the year of lines, {index among the lines of these kinds: year}. Returns their positions in the file."""
        path = self.history / file
        lines = path.read_text().splitlines()
        chosen = [number for number, line in enumerate(lines) if any(f'"{kind}":{{' in line for kind in kinds)]
        for index, year in years.items():
            lines[chosen[index]] = lines[chosen[index]].replace("2026-", f"{year}-")
        path.write_text("\n".join(lines) + "\n")
        return [f"{file}:{chosen[index] + 1}" for index in years]

    def replay(self, *options):
        return call("replay", "--in", self.history, "--out", self.folder / "out", "--through", "2026-01-20", *options)

    def refused(self, *texts, options=()):
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        done = self.replay(*options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse((self.folder / "out").exists())
        for text in ("Replay rejected, nothing was written", "--yes", "import.outlier_days", *texts):
            self.assertIn(text, done.stderr)
        return done.stderr

    def accepted(self, *options):
        done = self.replay(*options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_an_ordinary_history(self):
        self.assertNotIn("far from", self.accepted())

    def test_a_mistyped_year(self):
        positions = self.retyped({5: 2206, 9: 1996, 20: 9999})
        self.refused("3 of ", *positions, "2206-01-", "1996-01-", "9999-01-", "event_id ")
        self.refused(positions[0], options=("-X", "import.outlier_days=9999"))

    def test_accepted(self):
        positions = self.retyped({5: 2027, 8: 2028})
        self.assertNotIn("far from", self.accepted())  # 365 days apart
        self.refused("2 of ", *positions, options=("-X", "import.outlier_days=100"))
        self.assertIn("Accepted with --yes: 2 of ", self.accepted("--yes", "-X", "import.outlier_days=100"))

    def test_more_than_ten(self):
        self.retyped({index: 2206 for index in range(13)})
        self.assertEqual(self.refused("13 of ", "... and 3 more").count("event_id "), 10)

    def test_a_policy_of_the_future_moves_the_clock(self):
        line = {"event_id": "p", "source": "t", "event_time": "2206-01-01T00:00:00+08:00",
                "policy": {"policy_id": "p", "valid_from": "2206-01-01", "rules": []}}
        with open(self.history / "reference.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.refused("1 of ", "event_id p")

    def test_old_reference_data(self):
        """Reference data may be many years older than the documents."""
        self.retyped({0: 1999, 3: 2001}, file="reference.jsonl", kinds=("region", "sku", "plan", "allocation"))
        self.retyped({0: 2003, 1: 2009}, file="reference.jsonl", kinds=("plan", "allocation"))
        self.assertNotIn("far from", self.accepted())

    def test_a_year_that_no_market_has(self):
        """An event of 1926 is invalid: it is quarantined and moves no clock."""
        self.retyped({5: 1926})
        self.accepted()
        self.assertIn("1926-01-", (self.folder / "out" / "quarantine.jsonl").read_text())

    def test_a_converted_table(self):
        table = self.folder / "t.csv"
        table.write_text("shop,at,item,units\n" + "".join(f"R1,20{26 if day != 7 else 62}-03-{day:02},s,1\n" for day in range(1, 20)))
        (self.folder / "map.toml").write_text(
            '[csv]\nsource = "t"\n[delivery]\nid = "{at}/{shop}"\noutlet_id = "{shop}"\nevent_time = "{at}T12:00:00"\n'
            'direction = "OUT"\nsku_id = "{item}"\nquantity = "{units}"\n')
        self.assertEqual(call("import", table, "--map", self.folder / "map.toml", "--out", self.history, "--force").returncode, 0)
        self.refused("1 of 19 events", "2062-03-07")


def main():
    global PROGRAM
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.program
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()

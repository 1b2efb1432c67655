#!/usr/bin/env python3
"""Histories full of faults through the whole program, compared byte for byte with the reference program, tests/oracle."""

import json
import unittest
from collections import Counter

from support import Market, lines_of, nasty, oracle_of, same_lines, shared_kafka, shuffled

SEEDS = (1, 2, 3)


class OracleLive(unittest.TestCase):
    def check(self, seed, files, partitions=(4, 4, 2)):
        oracle = oracle_of(nasty(seed))
        market = Market(self, shared_kafka(), partitions).create_topics()
        run = market.run()
        market.import_files(*files)
        market.await_final((oracle / "metrics.jsonl").read_bytes())
        reasons = Counter(json.loads(line)["reason"] for line in (oracle / "quarantine.jsonl").read_bytes().splitlines())
        found = market.quarantined()
        for counter in (found, reasons):
            del counter["count_implausible"]  # whether a count is implausible depends on the order of arrival
        self.assertEqual(found, reasons)
        run.stop()

    def test_as_it_was_written(self):
        for seed in SEEDS:
            with self.subTest(seed=seed):
                self.check(seed, sorted(nasty(seed).glob("*.jsonl")))

    def test_shuffled_in_one_partition(self):
        self.check(1, [shuffled(nasty(1), 1)], (1, 1, 1))

    def test_shuffled_in_many_partitions(self):
        self.check(2, [shuffled(nasty(2), 102)], (3, 5, 3))

    def test_alerts_of_regions(self):
        """Alerts of outlets and of regions are those of a replay of the ledger, byte for byte."""
        folder = nasty(2, "--profile", "market")
        market = Market(self, shared_kafka(), (2, 3, 2)).create_topics()
        run = market.run()
        market.import_history(folder)
        market.await_up_to_date()
        run.stop()
        out = folder.parent / "regions-replayed"
        market.ok("replay", "--kafka", "--out", out)
        expected = (out / "alerts.jsonl").read_bytes()
        fired = Counter(row["rule"] for row in map(json.loads, expected.splitlines()) if row["state"] == "FIRING")
        self.assertLessEqual({"R1", "R2", "R5", "R6"}, set(fired), fired)
        same_lines(self, market.ok("alerts", "log"), expected)

    def test_alerts_of_source_topics(self):
        """Many rejected documents: rule R16 fires as in a replay of the files, byte for byte."""
        folder = nasty(3)
        expected = [line for line in (oracle_of(folder) / "alerts.jsonl").read_bytes().splitlines(True) if b'"rule":"R16"' in line]
        self.assertGreaterEqual(len({json.loads(line)["source_topic"] for line in expected}), 2)
        market = Market(self, shared_kafka(), (2, 3, 2)).create_topics()
        run = market.run()
        market.import_history(folder)
        market.await_up_to_date()
        # The import ends two weeks after the last day, up to which the replay evaluates.
        found = market.ok("alerts", "log", "--rule", "R16", "--without-positions").splitlines(True)
        last = max(json.loads(line)["at"] for line in expected)
        same_lines(self, b"".join(line for line in found if json.loads(line)["at"] <= last), b"".join(expected))
        run.stop()
        market.same_alerts()

    def test_an_import_takes_every_malformed_line(self):
        """No content of a line stops an import: the pipeline quarantines it."""
        folder = nasty(4, "--rate", "4")
        market = Market(self, shared_kafka()).create_topics()
        done = market.import_history(folder)
        lines = sum(1 for line in lines_of(folder) if line.strip(b" \t\r") and b'"mark"' not in line)
        imported = int(done.stderr.split(" events and ")[0].rsplit("\n", 1)[-1])
        self.assertGreaterEqual(imported, lines)
        reasons = {json.loads(line)["reason"] for line in (oracle_of(folder) / "quarantine.jsonl").read_bytes().splitlines()}
        self.assertGreaterEqual(len(reasons), 10, "the history is nasty enough")


if __name__ == "__main__":
    unittest.main(verbosity=2)

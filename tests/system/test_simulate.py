#!/usr/bin/env python3
"""`simulate` into Kafka: the results are those of a replay of the same simulation from files."""

import functools
import re
import signal
import subprocess
import time
import unittest

from support import CLEAN_ENVIRONMENT, DONE_WITHIN, Market, eventually, program, replayed, scratch, shared_kafka

# Without truncated lines: they have an arrival time in Kafka, but none in files.
SMALL = ("--outlets", "40", "--brands", "3", "--skus", "12", "--days", "40", "--trouble", "5", "--rate", "broken=0")


@functools.cache
def simulated():
    folder = scratch() / "simulated"
    subprocess.run([program(), "simulate", "--out", folder, *SMALL], check=True, env=CLEAN_ENVIRONMENT, stderr=subprocess.DEVNULL,
                   timeout=DONE_WITHIN)
    return folder


class Simulate(unittest.TestCase):
    def setUp(self):
        self.market = Market(self, shared_kafka()).create_topics()

    def test_live_is_replay(self):
        run = self.market.run()
        truth = self.market.folder / "truth.jsonl"
        done = self.market.call("simulate", *SMALL, "--truth", truth)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.market.ends = re.search(r"the market's clock goes to (\S+)", done.stderr).group(1)
        self.market.await_final(replayed(simulated()))
        self.assertEqual(truth.read_bytes(), (simulated() / "truth.jsonl").read_bytes())
        self.market.fails(1, "simulate", *SMALL, "--seed", "2", message=["Simulation rejected: it starts on", "topics.prefix"])
        run.stop()

    def test_ends_at_a_signal(self):
        """At one simulated day per second: the signal ends the simulation, and the days so far are complete."""
        child = subprocess.Popen(self.market.command("simulate", *SMALL, "--speed", "86400"), env=CLEAN_ENVIRONMENT,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        eventually(lambda: len(self.market.records("orders")) > 20, DONE_WITHIN, "orders")
        child.send_signal(signal.SIGINT)
        signalled = time.monotonic()
        errors = child.communicate(timeout=DONE_WITHIN)[1]
        self.assertLess(time.monotonic() - signalled, 10)
        self.assertEqual(child.returncode, 0, errors)
        self.assertRegex(errors, r"ended early: .*the market's clock goes to 2026-01-")

    def test_refuses_a_clock_of_today(self):
        self.market.fails(1, "-X", "intake.clock=wall", "simulate", *SMALL, message="marks")


if __name__ == "__main__":
    unittest.main()

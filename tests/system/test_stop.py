#!/usr/bin/env python3
"""SIGTERM at any moment ends the process cleanly within seconds. A process that freezes during a commit and resumes late does no harm."""

import re
import signal
import time
import unittest

from support import Market, eventually, parts_of, replayed, shared_kafka, small_market

STOPS_WITHIN = 5  # s
SESSION_S = 3


class Stop(unittest.TestCase):
    def setUp(self):
        self.history = small_market(40, 45, 2, brands=2, skus=6)
        self.parts = list(parts_of(self.history, 18))
        self.market = Market(self, shared_kafka(), kafka={"session.timeout.ms": SESSION_S * 1000},
                             run={"commit_every_ms": 50}).create_topics()

    def stops(self, run):
        began = time.monotonic()
        run.send(signal.SIGTERM)
        run.send(signal.SIGCONT)
        run.ends(0, within=10)
        self.assertLess(time.monotonic() - began, STOPS_WITHIN, run.text())

    def freeze(self, at):
        """Starts a process that freezes at a failpoint while it has records to process."""
        self.market.import_files(self.parts.pop(0), open=True)
        run = self.market.run(failpoint=f"{at}:stop")
        eventually(lambda: run.is_frozen() or not run.is_alive(), 40, run.text)
        self.assertTrue(run.is_alive(), run.text())
        return run

    def finish(self):
        self.market.import_files(*self.parts)
        self.market.await_final(replayed(self.history))
        self.market.same_alerts(least=10)

    def test_at_every_stage_of_its_life(self):
        run = self.market.run()
        run.logs("running against", 20)
        self.stops(run)
        for at in ("run.start:1", "task.assigned:3", "checkpoint.read:5", "state.read:7", "output.sent:9", "commit.begin:2",
                   "commit.acked:3", "checkpoint.acked:1", "commit.written:4"):
            with self.subTest(at):
                self.stops(self.freeze(at))
        run = self.market.run().is_working()
        self.market.import_files(*[self.parts.pop(0) for _ in range(4)], open=True)
        self.stops(run)  # at work
        run = self.market.run()
        self.finish()
        self.stops(run)

    def test_twice(self):
        """A second SIGTERM ends the process at once with exit code 1. The process freezes while it stops, so that the first signal has been
        handled and the process has not ended when the second one is sent."""
        for at in ("revoke.begin:1", "stop.requested:1"):
            with self.subTest(at):
                run = self.market.run(failpoint=f"{at}:stop").is_working()
                self.market.import_files(self.parts.pop(0), open=True)
                self.assertFalse(run.is_frozen(), "it freezes only after SIGTERM")
                run.send(signal.SIGTERM)
                eventually(lambda: not run.is_alive() or run.is_frozen(), STOPS_WITHIN, run.text)
                self.assertTrue(run.is_alive(), run.text())
                run.send(signal.SIGTERM)
                run.send(signal.SIGCONT)
                output = run.ends(1, within=STOPS_WITHIN)
                self.assertEqual(len(re.findall(r"info stopping$", output, re.MULTILINE)), 1, output)
                self.assertNotRegex(output, r" info stopped\b| (error|critical) ")
        run = self.market.run()
        self.finish()
        run.stop()

    def test_a_zombie_in_the_middle_of_a_commit(self):
        """Frozen between outputs and state, or between state and checkpoint, for longer than its session. Another process continues."""
        for number, at in enumerate(("commit.acked:4", "commit.written:4")):
            with self.subTest(at):
                zombie = self.freeze(at)
                other = self.market.run(state=self.market.folder / f"other-{number}").is_working()
                self.market.import_files(self.parts.pop(0), self.parts.pop(0), open=True)
                eventually(self.market.up_to_date, 60, other.text)
                started = zombie.text().count(": reading ")
                zombie.send(signal.SIGCONT)
                eventually(lambda: zombie.text().count(": reading ") > started, 60, zombie.text)
                other.stop()
                zombie.stop()
        run = self.market.run()
        self.finish()
        run.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

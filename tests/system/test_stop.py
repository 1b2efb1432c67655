#!/usr/bin/env python3
"""SIGTERM at any moment: a clean end within seconds. And a process that froze at the worst moment of a commit wakes up late."""

import signal
import time
import unittest

from support import Market, eventually, parts_of, replayed, shared_kafka, small_market

STOPS_WITHIN = 5  # s
SESSION_S = 3


class Stop(unittest.TestCase):
    def setUp(self):
        self.history = small_market(40, 45, 2, brands=2, skus=6)
        self.parts = parts_of(self.history, 6)
        self.market = Market(self, shared_kafka(), kafka={"session.timeout.ms": SESSION_S * 1000},
                             run={"commit_every_ms": 50}).create_topics()

    def stops(self, run):
        began = time.monotonic()
        run.send(signal.SIGTERM)
        run.send(signal.SIGCONT)
        run.ends(0, within=10)
        self.assertLess(time.monotonic() - began, STOPS_WITHIN, run.text())

    def freeze(self, at):
        run = self.market.run(failpoint=f"{at}:stop")
        eventually(run.is_frozen, 40, run.text)
        return run

    def finish(self, parts):
        self.market.import_files(*parts)
        self.market.await_final(replayed(self.history))
        self.market.same_alerts(least=10)

    def test_at_every_stage_of_its_life(self):
        run = self.market.run()
        run.says("running against", 20)
        self.stops(run)
        self.market.import_files(self.parts[0], open=True)
        for at in ("run.start", "seat.assigned:3", "tails.read:5", "state.read:7", "output.sent:9", "commit.begin:2",
                   "commit.acked:3", "intake.appended:1", "commit.written:4"):
            with self.subTest(at):
                self.stops(self.freeze(at))
        self.market.import_files(self.parts[1], open=True)
        run = self.market.run().is_working()
        self.market.import_files(*self.parts[2:4], open=True)
        self.stops(run)  # at work
        run = self.market.run()
        self.finish(self.parts[4:])
        self.stops(run)

    def test_twice(self):
        """The second time at once, and with another code: it was not asked to be clean any more."""
        self.market.import_files(*self.parts[:3], open=True)
        run = self.freeze("commit.acked:2")
        run.send(signal.SIGTERM)
        run.send(signal.SIGCONT)
        run.says("stopping|stopped", 5)
        if run.is_alive():
            run.send(signal.SIGTERM)
        run.child.wait(timeout=STOPS_WITHIN)
        self.assertIn(run.child.returncode, (0, 1), run.text())
        run = self.market.run()
        self.finish(self.parts[3:])
        run.stop()

    def test_a_zombie_in_the_middle_of_a_commit(self):
        """Frozen between outputs and state, or state and group, for longer than its session; another process goes on meanwhile."""
        for number, at in enumerate(("commit.acked:4", "commit.written:4")):
            with self.subTest(at):
                zombie = self.market.run(failpoint=f"{at}:stop")
                zombie.says("this is a drill", 20)
                self.market.import_files(self.parts[2 * number], open=True)
                eventually(zombie.is_frozen, 40, zombie.text)
                other = self.market.run(state=self.market.folder / f"other-{number}").is_working()
                self.market.import_files(self.parts[2 * number + 1], open=True)
                eventually(self.market.caught_up, 60, other.text)
                seats = zombie.text().count(": reading ")
                zombie.send(signal.SIGCONT)
                eventually(lambda: zombie.text().count(": reading ") > seats, 60, zombie.text)
                other.stop()
                zombie.stop()
        run = self.market.run()
        self.finish(self.parts[4:])
        run.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

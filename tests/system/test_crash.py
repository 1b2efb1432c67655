#!/usr/bin/env python3
"""Processes are killed, stopped, lose their state or share the tasks: the results are those of a replay.

The history is imported in parts, so that each fault hits another part of it. FIVERATE_TEST_SEED (default 1) is the seed of the random
moments; a failure prints it.
"""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

from support import CLEAN_ENVIRONMENT, DONE_WITHIN, Market, eventually, parts_of, replayed, shared_kafka, small_market

SEED = int(os.environ.get("FIVERATE_TEST_SEED", "1"))
SHORT_SESSION = {"session.timeout.ms": 6000}  # the shortest that a broker allows by default


class Crash(unittest.TestCase):
    def setUp(self):
        self.history = small_market(100, 200)
        self.expected = replayed(self.history)
        self.random = random.Random(SEED)
        self.market = Market(self, shared_kafka(), kafka=SHORT_SESSION, run={"commit_every_ms": 50}).create_topics()

    def strike(self, run, latest):
        """Kills the process after a random time."""
        moment = self.random.uniform(0, latest)
        time.sleep(moment)
        self.assertTrue(run.is_alive(), run.text())
        run.kill()

    def importing(self, part, last):
        """Starts an import in the background."""
        child = subprocess.Popen(self.market.command("import", part, *([] if last else ["--open"])), env=CLEAN_ENVIRONMENT,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        return child

    def finish(self, child):
        _, errors = child.communicate(timeout=DONE_WITHIN)
        self.assertEqual(child.returncode, 0, errors)
        return errors

    def test_killed_again_and_again(self):
        parts = parts_of(self.history, 10)
        run = self.market.run().is_working()
        begun = time.monotonic()
        self.finish(self.importing(parts[0], last=False))
        eventually(self.market.up_to_date, 60, run.text, every=0.05)
        work_s = time.monotonic() - begun  # the time that one part takes on this machine
        kills_at_work = 0
        for number, part in enumerate(parts[1:], 1):
            last = number == len(parts) - 1
            child = self.importing(part, last)
            with self.subTest(seed=SEED, part=number):
                self.strike(run, work_s)
                kills_at_work += not self.market.up_to_date()
                run = self.market.run()
                if number % 3 == 2:
                    self.strike(run, 0.8)  # while it starts
                    run = self.market.run()
            errors = self.finish(child)
            if last:
                self.market.ends = errors.split("the market's clock goes to ")[1].strip()
        self.market.await_final(self.expected)
        self.assertGreaterEqual(kills_at_work, 4, "most kills have to hit a process that has records to process")
        self.market.assert_written_once("seals")
        out = self.market.same_alerts(least=100)
        self.assertEqual((out / "metrics.jsonl").read_bytes(), self.expected)
        run.stop()

    def test_a_zombie(self):
        """A process stops for longer than its session, another one with a state of its own replaces it, and then it resumes."""
        first, second, third = parts_of(self.history, 3)
        zombie = self.market.run().is_working()
        child = self.importing(first, last=False)
        time.sleep(self.random.uniform(0.3, 1.2))
        zombie.send(signal.SIGSTOP)
        self.finish(child)
        other = self.market.run(state=self.market.folder / "other").is_working()
        self.market.import_files(second, open=True)
        eventually(self.market.up_to_date, 60, "the other process continues")
        started = zombie.text().count(": reading ")
        zombie.send(signal.SIGCONT)
        eventually(lambda: zombie.text().count(": reading ") > started, 60, zombie.text)
        self.market.import_files(third)
        self.market.await_final(self.expected)
        self.market.same_alerts(least=100)
        zombie.stop()
        other.stop()

    def test_state_lost_between_restarts(self):
        parts = parts_of(self.history, 3)
        run = self.market.run().is_working()
        child = self.importing(parts[0], last=False)
        self.strike(run, 1.5)
        shutil.rmtree(self.market.state)
        run = self.market.run()
        self.finish(child)
        child = self.importing(parts[1], last=False)
        run.is_working()
        self.strike(run, 1.5)
        for folder in ("market-0", "outlet-1", "reference-0"):
            shutil.rmtree(self.market.state / folder)
        run = self.market.run()
        self.finish(child)
        eventually(self.market.up_to_date, 60, run.text)
        run.stop()
        shutil.rmtree(self.market.state)  # the groups are at the end, so the state has to be rebuilt from the log
        run = self.market.run()
        self.market.import_files(parts[2])
        self.market.await_final(self.expected)
        run.stop()

    def test_the_end_of_the_write_ahead_log_lost(self):
        """The process is killed, and the write-ahead logs of some stores are truncated at a random byte, as by a power failure."""
        history = small_market(40, 45, 2, brands=2, skus=6)
        parts = parts_of(history, 5)
        truncated = 0
        for number, part in enumerate(parts[:-1]):
            run = self.market.run()
            child = self.importing(part, last=False)
            run.is_working()
            with self.subTest(seed=SEED, part=number):
                self.strike(run, 1.5)
                self.finish(child)
                for log in sorted(self.market.state.glob("*-*/*.log")):
                    if log.stat().st_size > 0 and self.random.random() < 0.6:
                        os.truncate(log, self.random.randrange(log.stat().st_size))
                        truncated += 1
        self.assertGreater(truncated, 5)
        run = self.market.run()
        self.market.import_files(parts[-1])
        self.market.await_final(replayed(history))
        self.market.same_alerts(least=10)
        run.stop()

    def test_two_processes_with_states_of_their_own(self):
        parts = parts_of(self.history, 4)
        one = self.market.run()
        other = self.market.run(state=self.market.folder / "other")
        self.market.import_files(parts[0], open=True)
        other.logs(": reading ", 60)
        child = self.importing(parts[1], last=False)
        self.strike(other, 1.0)
        self.finish(child)
        self.market.import_files(parts[2], open=True)
        other = self.market.run(state=self.market.folder / "other")
        eventually(self.market.up_to_date, 60, one.text)
        one.stop()
        self.market.import_files(parts[3])
        self.market.await_final(self.expected)
        other.stop()

    def test_two_processes_that_share_a_state_folder(self):
        """They share the tasks: one process at a time has a state open."""
        parts = parts_of(self.history, 2)
        one = self.market.run().is_working()
        other = self.market.run()
        self.market.import_files(parts[0], open=True)
        other.logs(": reading ", 60)
        self.market.import_files(parts[1])
        self.market.await_final(self.expected)
        one.stop()
        other.stop()

    def test_a_state_that_another_process_holds_keeps_one_task_waiting(self):
        run = self.market.run().is_working()
        run.stop()
        with open(self.market.state / "outlet-2" / "LOCK", "r+") as held:
            fcntl.lockf(held, fcntl.LOCK_EX)  # as RocksDB does
            run = self.market.run()
            run.logs("outlet-2 is in use by another process .*The task waits for it", 40)
            for partition in (0, 1, 3):
                run.logs(f"outlet/{partition}: reading ledger", 10)
            self.market.import_history(self.history)
            lag = {task["partition"]: task["lag_records"] for task in self.market.status() if task["stage"] == "outlet"}
            self.assertGreater(lag[2], 0)
        run.logs("outlet/2: reading ledger", 10)
        self.market.await_final(self.expected)
        run.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

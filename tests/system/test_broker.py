#!/usr/bin/env python3
"""A broker that is unreachable, starts late, stops, or is killed. The test starts its own, since others need the shared one."""

import os
import time
import unittest

from cluster import free_ports
from proxy import Proxy
from support import Broker, Market, Process, eventually, parts_of, replayed, scratch, small_market

HISTORY = (100, 200)
AWAY_S = int(os.environ.get("FIVERATE_TEST_AWAY", "35"))  # tests/system/drill --away 180
GROWS_MIB = 64  # for clients of librdkafka that are closed and opened again


class Weight:
    """Memory, threads and open files of a process."""

    def __init__(self, run):
        self.mib = run.memory_mib()
        self.threads = len(os.listdir(f"/proc/{run.child.pid}/task"))
        self.files = len(os.listdir(f"/proc/{run.child.pid}/fd"))

    def __lt__(self, other):
        return self.mib < other.mib

    def __str__(self):
        return f"{self.mib:.0f} MiB, {self.threads} threads, {self.files} files"


class BrokerFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(scratch() / "broker-of-faults").start()
        cls.addClassCleanup(cls.broker.kill)

    def setUp(self):
        self.broker.start()  # if a test stopped it

    def test_away(self):
        """Other commands report the missing broker and end within seconds. `run` reports it and retries until the broker starts."""
        market = Market(self, self.broker.address).create_topics()
        self.broker.stop()
        began = time.monotonic()
        commands = [Process(market, *arguments) for arguments in (
            ["rates"], ["rates", "--final"], ["topics", "check"], ["topics", "create"], ["status"], ["watch", "rates"],
            ["replay", "--kafka", "--out", "out"], ["import", small_market() / "events.jsonl"])]
        run = market.run()
        run.logs("No Kafka broker answered.*Trying again", 10)
        for command in commands:
            with self.subTest(command.log.name):
                output = command.ends(1, within=max(0.1, began + 12 - time.monotonic()))  # 10 s, and ten processes that start
                self.assertRegex(output, f"No Kafka broker answered at {market.address}")
        self.broker.start()
        run.is_working()
        market.import_history(small_market())
        market.await_final(replayed(small_market()))
        run.stop()

    def test_stops_while_the_broker_is_away(self):
        market = Market(self, self.broker.address).create_topics()
        working = market.run().is_working()
        self.broker.stop()
        waiting = market.run()
        waiting.logs("Trying again", 10)
        waiting.stop()
        working.stop()

    def test_away_for_long(self):
        """The broker is away for longer than sessions and delivery timeouts. The process neither ends nor grows."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 3)
        market = Market(self, self.broker.address, kafka={"session.timeout.ms": 6000}, run={"commit_every_ms": 50}).create_topics()
        run = market.run().is_working()
        market.import_files(parts[0], open=True)
        eventually(market.up_to_date, 60, run.text)
        before = Weight(run)
        market.import_files(parts[1], open=True)
        self.broker.kill()  # at work
        until, heaviest = time.monotonic() + AWAY_S, before
        while time.monotonic() < until:
            time.sleep(1)
            self.assertTrue(run.is_alive(), run.text())
            heaviest = max(heaviest, Weight(run))
        self.broker.start()
        eventually(market.up_to_date, 90, run.text)
        market.import_files(parts[2])
        market.await_final(replayed(history))
        print(f"away for {AWAY_S} s: {before} before, at most {heaviest}, {Weight(run)} at the end")
        self.assertLess(heaviest.mib, before.mib + GROWS_MIB)
        self.assertLess(heaviest.threads, 3 * before.threads)
        self.assertLess(Weight(run).files, 2 * before.files)
        lines = run.text().count("\n")
        self.assertLess(lines, 200 + 10 * AWAY_S, "it does not log without a limit")
        run.stop()

    def test_back_at_another_address(self):
        """The broker moves to another port. `run` finds it in bootstrap.servers or through a proxy, without a restart."""
        first, second = free_ports(2)
        proxy = Proxy()
        self.addCleanup(proxy.close)
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 2)
        broker = Broker(scratch() / "broker-that-moves", port=first).start()
        self.addCleanup(broker.kill)
        listed = Market(self, f"127.0.0.1:{first},127.0.0.1:{second}").create_topics()
        behind = Market(self, proxy.to(broker.address).address).create_topics()
        runs = {market: market.run().is_working() for market in (listed, behind)}
        for market in runs:
            market.import_files(parts[0], open=True)
            eventually(market.up_to_date, 60, runs[market].text)
        before = {market: Weight(run) for market, run in runs.items()}
        broker.kill()
        for run in runs.values():
            run.logs("Connection refused", 20)
        broker.port = second
        broker.start()
        proxy.to(broker.address)
        for market, run in runs.items():
            market.import_files(parts[1])
            market.await_final(replayed(history))
            self.assertTrue(run.is_alive(), run.text())
            after = Weight(run)
            self.assertLess(after.mib, before[market].mib + GROWS_MIB)
            self.assertLess(after.threads, 2 * before[market].threads)
            run.stop()

    def test_stopped_and_killed_at_work(self):
        history = small_market(*HISTORY)
        parts = parts_of(history, 3)
        market = Market(self, self.broker.address, run={"commit_every_ms": 50}).create_topics()
        run = market.run().is_working()
        for leave, part in ((self.broker.stop, parts[0]), (self.broker.kill, parts[1])):
            with self.subTest(leave.__name__):
                market.import_files(part, open=True)
                leave()
                self.broker.start()
                eventually(market.up_to_date, 60, run.text)
        market.import_files(parts[2])
        market.await_final(replayed(history))
        self.assertTrue(run.is_alive())
        run.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

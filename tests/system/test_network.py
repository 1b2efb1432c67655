#!/usr/bin/env python3
"""The network between `fiverate run` and its broker loses, delays and swallows messages: the results are those of the oracle.

The broker has written the records whose Produce response is lost. The client sends them again, and they must not count twice.
"""

import subprocess
import time
import unittest

from proxy import Proxy
from support import (CLEAN_ENVIRONMENT, DONE_WITHIN, Broker, Market, eventually, oracle_of, parts_of, replayed, same_lines, scratch,
                     small_market)

SESSION_S = 3


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.proxy = Proxy()
        cls.addClassCleanup(cls.proxy.close)
        cls.broker = Broker(scratch() / "broker-behind-a-proxy", advertise=cls.proxy.address).start()
        cls.addClassCleanup(cls.broker.kill)
        cls.proxy.to(cls.broker.address)
        cls.history = small_market(40, 30, 2, brands=2, skus=6)
        cls.expected = replayed(cls.history)

    def setUp(self):
        self.broker.start()
        self.proxy.friendly()
        self.proxy.counts.clear()
        self.addCleanup(self.proxy.friendly)
        self.market = Market(self, self.proxy.address, kafka={"session.timeout.ms": SESSION_S * 1000},
                             run={"commit_every_ms": 50}).create_topics()
        self.parts = parts_of(self.history, 5)
        self.run_ = self.market.run().is_working()

    def import_all_but_the_last(self, between=lambda number: None):
        for number, part in enumerate(self.parts[:-1]):
            self.market.import_files(part, open=True)
            between(number)

    def finish(self):
        """Imports the rest of the history without faults and compares all results."""
        self.proxy.friendly()
        self.market.import_files(self.parts[-1])
        self.market.await_final(self.expected)
        self.market.same_alerts(least=10)
        self.assertTrue(self.run_.is_alive(), self.run_.text())
        self.run_.stop()

    def test_answers_delayed_and_dropped(self):
        self.proxy.delay_produce(0.02)
        self.proxy.drop_produce(7)
        self.import_all_but_the_last()
        eventually(lambda: self.proxy.counts["dropped"] >= 10 and self.market.up_to_date(), 90, lambda: dict(self.proxy.counts))
        self.finish()
        same_lines(self, self.expected, (oracle_of(self.history) / "metrics.jsonl").read_bytes())

    def test_connections_closed_at_random(self):
        self.proxy.close_connections(0.02)
        self.import_all_but_the_last()
        eventually(lambda: self.proxy.counts["closed"] >= 10, 60, lambda: dict(self.proxy.counts))
        self.finish()

    def test_all_is_swallowed_for_longer_than_a_session(self):
        """The broker removes the members from their groups, and they receive the error only after the network is back."""
        self.market.import_files(*self.parts[:2], open=True)
        child = subprocess.Popen(self.market.command("import", *self.parts[2:4], "--open"), env=CLEAN_ENVIRONMENT,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        time.sleep(0.5)
        self.proxy.swallow(True)
        time.sleep(2 * SESSION_S)
        self.assertGreater(self.proxy.counts["swallowed"], 0)
        self.proxy.swallow(False)
        _, errors = child.communicate(timeout=DONE_WITHIN)
        self.assertEqual(child.returncode, 0, errors)
        self.finish()

    def test_the_broker_is_killed_while_it_acknowledges(self):
        """Responses are delayed, so that the killed broker has records in its log whose producers have no acknowledgement."""
        def strike(number):
            if number != 1:
                return
            self.proxy.delay_produce(0.4)
            produced = self.proxy.counts["produce"]
            eventually(lambda: self.proxy.counts["produce"] > produced + 2, 20, lambda: dict(self.proxy.counts), every=0.01)
            self.broker.kill()
            self.proxy.friendly()
            self.broker.start()

        self.import_all_but_the_last(strike)
        eventually(self.market.up_to_date, 60, self.run_.text)
        self.finish()


if __name__ == "__main__":
    unittest.main(verbosity=2)

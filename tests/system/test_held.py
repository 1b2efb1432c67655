#!/usr/bin/env python3
"""Records that would move the market's clock months ahead are held: shown, decided by a person, and the decision outlives a crash."""

import json
import subprocess
import unittest

from support import Market, eventually, replayed, shared_kafka, small_market

PARTITION = 1


class HeldRecords(unittest.TestCase):
    def setUp(self):
        self.market = Market(self, shared_kafka()).create_topics()
        self.folder = small_market()
        self.run_process = self.market.run()
        self.market.import_history(self.folder)
        self.market.await_final(replayed(self.folder))
        self.clock = self.task("deliveries")["watermark"]
        sku = next(line for line in map(json.loads, (self.folder / "reference.jsonl").read_text().splitlines()) if "sku" in line)
        outlet = next(line for line in map(json.loads, (self.folder / "reference.jsonl").read_text().splitlines()) if "outlet" in line)
        self.sku, self.outlet = sku["sku"]["sku_id"], outlet["outlet"]["outlet_id"]

    def produce(self, topic, event_id):
        """Kafka stamps it with the present time, which is months after this market's clock. Returns its position."""
        event = {"event_id": event_id, "source": "test", "event_time": self.clock,
                 "delivery": {"delivery_id": event_id, "outlet_id": self.outlet, "direction": "OUT",
                              "lines": [{"sku_id": self.sku, "quantity": 3}]}}
        if topic == "visits":
            event = {"event_id": event_id, "source": "test", "event_time": self.clock,
                     "visit": {"visit_id": event_id, "outlet_id": self.outlet, "visitor_id": "v", "outcome": "DONE", "checks": []}}
        offset = sum(record.partition == PARTITION for record in self.market.records(topic))
        done = subprocess.run(["kcat", "-P", "-b", self.market.address, "-t", self.market.prefix + topic, "-p", str(PARTITION),
                               "-H", "fiverate-arrival=1000"], input=json.dumps(event).encode(), capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return f"{topic}/{PARTITION}/{offset}"

    def task(self, topic, partition=PARTITION):
        return next(task for task in self.market.status() if (task["topic"], task["partition"]) == (topic, partition))

    def held(self):
        return [json.loads(line)["record"] for line in self.market.ok("quarantine", "held").splitlines()]

    def await_alerts(self, expected):
        """The transitions of rule R16 of deliveries, as "FIRING deliveries/1/30"."""
        def transitions():
            found = []
            for row in map(json.loads, self.market.ok("alerts", "log", "--rule", "R16").splitlines()):
                [held] = row["evidence"]
                found.append(f"{row['state']} {held['topic']}/{held['partition']}/{held['offset']}")
                self.assertEqual((row["source_topic"], row["severity"], row["unit"]), ("deliveries", "critical", "partitions"))
                self.assertEqual(row["known_at"], self.clock, "the market's clock waits")
            return found
        eventually(lambda: transitions() == expected, 30, self.run_process.text)

    def ledger_has(self, event_id):
        return any(event_id.encode() in record.value for record in self.market.records("ledger"))

    def test_a_person_decides(self):
        first = self.produce("deliveries", "far-1")
        eventually(lambda: self.held() == [first], 20, self.run_process.text)
        self.assertRegex(self.run_process.text(), rf"record {first} is held: it would move the clock of its partition from \S+ to \S+\.")
        self.await_alerts([f"FIRING {first}"])
        self.assertRegex(self.market.ok("alerts", "ls", "-o", "table", "--lang", "en").decode(),
                         rf"critical +firing +R16 data quality +Record {first} held: the market's clock waits")
        self.assertRegex(self.task("deliveries")["held"], r"^20\d\d-")
        self.assertEqual(self.task("deliveries")["watermark"], self.clock)
        self.assertRegex(self.market.ok("status", "-o", "table").decode(), rf"held: {first} would move the clock .* fiverate quarantine accept")
        self.market.fails(1, "quarantine", "accept", "deliveries/0/99", message="is not held. `fiverate quarantine held` lists")
        self.market.ok("quarantine", "reject", first, "--author", "ann")
        eventually(lambda: self.held() == [], 20, self.run_process.text)
        alerts = [f"FIRING {first}", f"RESOLVED {first}"]
        self.await_alerts(alerts)
        rows = [json.loads(line) for line in self.market.ok("quarantine", "ls", "--reason", "future").splitlines()]
        self.assertIn((f"{first}/0", "far-1"), [(row["cause"], row["event_id"]) for row in rows])
        self.assertEqual(self.task("deliveries")["watermark"], self.clock)

        # A crash while another one is held, and another after the decision, which therefore is still the same.
        second = self.produce("deliveries", "far-2")
        eventually(lambda: self.held() == [second], 20, self.run_process.text)
        alerts += [f"FIRING {second}"]
        self.await_alerts(alerts)
        self.run_process.kill()
        self.run_process = self.market.run()
        eventually(lambda: f"record {second} is held" in self.run_process.text(), 30, self.run_process.text)
        self.market.ok("quarantine", "accept", second)
        eventually(lambda: self.held() == [] and self.task("deliveries")["watermark"] > self.clock, 20, self.run_process.text)
        self.assertTrue(self.ledger_has("far-2"))
        alerts += [f"RESOLVED {second}"]
        self.await_alerts(alerts)

        # Another partition that makes the jump too is not held any more, and the rejected document can be brought back.
        self.produce("visits", "far-3")
        eventually(lambda: self.task("visits")["watermark"] > self.clock, 20, self.run_process.text)
        self.assertEqual(self.held(), [])
        before = len([record for record in self.market.records("ledger") if b"far-1" in record.value])
        self.assertEqual(self.market.ok("quarantine", "retry", f"{first}/0"), b"sent again: 1\n")
        eventually(lambda: len([record for record in self.market.records("ledger") if b"far-1" in record.value]) == before + 1, 20,
                   self.run_process.text)
        brought_back = [record for record in self.market.records("ledger") if b"far-1" in record.value][-1]
        self.assertIn(b"commands/0/", brought_back.headers)
        self.assertIn(f"{first}/0".encode(), brought_back.value, "its first position")
        self.await_alerts(alerts)
        self.market.same_alerts()
        self.assertNotRegex(self.run_process.stop(), " error ")


if __name__ == "__main__":
    unittest.main()

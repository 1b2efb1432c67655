#!/usr/bin/env python3
"""Alerts through the whole program: the alert manager with transitions written by the test, and from events to an alert and its end."""

import csv
import io
import json
import subprocess
import unittest

from support import DONE_WITHIN, ROOT, Market, Process, eventually, same_lines, shared_kafka

NOON = "T12:00:00+08:00"
PROTO = ROOT / "schemas" / "proto"


def event(event_id, when, **payload):
    return json.dumps({"event_id": event_id, "source": "test", "event_time": when, **payload})


REFERENCE = [
    event("r1", "2026-01-01" + NOON, region={"region_id": "city", "level": "CITY"}),
    event("r2", "2026-01-01" + NOON, region={"region_id": "north", "parent_id": "city", "level": "COUNTY"}),
    event("s1", "2026-01-01" + NOON, sku={"sku_id": "SKU1", "brand_id": "LARK", "valid_from": "2026-01-01"}),
    event("o1", "2026-01-01" + NOON, outlet={"outlet_id": "SHOP", "valid_from": "2026-01-01", "region_id": "north", "state": "ACTIVE",
                                            "classes": []}),
]


def delivery(number, day, quantity):
    return event(f"d{number}", day + NOON, delivery={"delivery_id": f"D{number}", "outlet_id": "SHOP", "direction": "OUT",
                                                     "lines": [{"sku_id": "SKU1", "quantity": quantity}]})


def visit(number, day, count):
    return event(f"v{number}", day + NOON, visit={"visit_id": f"V{number}", "outlet_id": "SHOP", "visitor_id": "ann", "outcome": "DONE",
                                                  "checks": [{"sku_id": "SKU1", "count": count}]})


class AlertsMarket(Market):
    def __init__(self, test):
        super().__init__(test, shared_kafka(), partitions=(2, 8, 2))
        self.create_topics()

    def history(self, *lines, name="history"):
        file = self.folder / f"{name}.jsonl"
        file.write_text("\n".join(lines) + "\n")
        self.import_files(file, open=True)

    def alerts(self, *arguments):
        return [json.loads(line) for line in self.ok("alerts", "ls", *arguments).splitlines()]

    def await_alert(self, condition, *arguments):
        """Waits until these filters select one alert that fulfils the condition, and returns it."""
        def probe():
            alerts = self.alerts(*arguments)
            return alerts[0] if len(alerts) == 1 and condition(alerts[0]) else None

        return eventually(probe, 40, lambda: json.dumps(self.alerts("--all"), indent=0))

    def write_transition(self, number, state, alert_id="aa11223344556677", partition=0, **fields):
        """Writes a transition to `signals`, each as the first record of another outlet task: such a record needs no chain."""
        known = {"rule": '"R1"', "severity": "WARNING", "brand_id": '"LARK"', "sku_id": '"SKU1"', "outlet_id": '"SHOP"',
                 "region_id": '"north"', "episode": 1, "at_ms": 1772424000000 + number, "since_ms": 1772424000000,
                 "known_at_ms": 1772424000000 + number, "unit": '"count"', **fields}
        text = f'transition {{ alert_id: "{alert_id}" transition: {number} state: {state} ' + \
               " ".join(f"{name}: {value}" for name, value in known.items()) + \
               ' evidence { event_id: "v1" topic: "visits" partition: 1 offset: 7 } }'
        value = subprocess.run(["protoc", f"-I{PROTO}", "--encode=fiverate.SignalRecord", PROTO / "deltas.proto"], input=text.encode(),
                               capture_output=True, check=True, timeout=DONE_WITHIN).stdout
        file = self.folder / f"signal-{alert_id}-{number}"
        file.write_bytes(value)
        subprocess.run(["kcat", "-P", "-b", self.address, "-t", self.prefix + "signals", "-p", str(partition),
                        "-H", f"fiverate-cause=outlet/{number}/1000/0", "-H", "fiverate-previous=-", "-H", "fiverate-chain=0000000000000000",
                        str(file)], check=True, timeout=DONE_WITHIN)


class AlertManager(unittest.TestCase):
    """The alert manager applies transitions, which the test writes, and commands, which the program sends."""

    def setUp(self):
        self.market = AlertsMarket(self)
        self.run_process = self.market.run()
        self.run_process.is_working()
        self.market.history(*REFERENCE, delivery(1, "2026-03-02", 10))
        self.market.await_up_to_date()

    def test_the_life_of_an_alert(self):
        market = self.market
        watching = Process(market, "watch", "alerts", "--region", "city")
        market.write_transition(1, "FIRING")
        market.write_transition(1, "FIRING", alert_id="ab00000000000000", partition=1, brand_id='"PLUM"', severity="CRITICAL")
        first = market.await_alert(lambda alert: True, "--brand", "LARK")
        self.assertEqual((first["state"], first["severity"], first["acked_by"], first["silenced"]), ("FIRING", "warning", None, []))
        eventually(lambda: len(market.alerts()) == 2, 20, "both are open")
        self.assertEqual([alert["severity"] for alert in market.alerts("--region", "city")], ["critical", "warning"])
        self.assertEqual(market.alerts("--region", "elsewhere"), [])

        # Prefixes: one alert, several, none.
        market.fails(1, "alerts", "ack", "a", message="Several alerts begin with a: aa11223344556677 ab00000000000000")
        market.fails(1, "alerts", "show", "ff", message="No alert ff")
        sent = json.loads(market.ok("alerts", "ack", "aa", "--author", "ann", "--text", "on my way"))
        self.assertEqual((sent["command"]["verb"], sent["command"]["alert_id"]), ("ACK", "aa11223344556677"))
        self.assertLess(sent["event_time"], "2026-03-04", "the market's clock, not the wall's")
        acked = market.await_alert(lambda alert: alert["acked_by"] == "ann", "--brand", "LARK")
        self.assertEqual(acked["comment"], "on my way")
        market.ok("alerts", "assign", "aa", "bob", "--author", "ann")
        market.ok("alerts", "verdict", "aa", "--false", "--author", "ann")
        market.await_alert(lambda alert: alert["assignee"] == "bob" and alert["true_alarm"] is False, "--brand", "LARK")
        market.fails(2, "alerts", "verdict", "aa", "--author", "ann")

        silence = json.loads(market.ok("alerts", "silence", "--region", "city", "--rule", "R1", "--for", "2d", "--author", "ann"))
        silence_id = silence["command"]["silence"]["silence_id"]
        market.await_alert(lambda alert: [one["silence_id"] for one in alert["silenced"]] == [silence_id], "--brand", "LARK")
        market.await_alert(lambda alert: len(alert["silenced"]) == 1, "--brand", "PLUM")
        market.ok("alerts", "unsilence", silence_id[:10], "--author", "ann")
        market.await_alert(lambda alert: not alert["silenced"], "--brand", "LARK")
        market.fails(2, "alerts", "silence", "--for", "2d", "--author", "ann", message="Give at least one of --brand")
        market.fails(2, "alerts", "silence", "--rule", "R1", "--for", "2 days", message="Invalid duration")

        market.write_transition(2, "RESOLVED")
        resolved = market.await_alert(lambda alert: True, "--brand", "LARK", "--state", "resolved")
        self.assertEqual(resolved["acked_by"], "ann")
        market.write_transition(3, "FIRING", episode=2)
        again = market.await_alert(lambda alert: alert["episode"] == 2, "--brand", "LARK")
        self.assertEqual((again["acked_by"], again["true_alarm"], again["assignee"]), (None, None, "bob"))

        shown = json.loads(market.ok("alerts", "show", "aa", "-o", "json"))
        self.assertEqual([step.get("transition") or f"a{step['action']}" for step in shown["history"]],
                         [1, "a1", "a2", "a3", "a4", "a5", 2, 3])
        for_people = market.ok("alerts", "show", "aa", "-o", "table", "--lang", "zh").decode()
        for text in ("断货", "v1 (visits partition 1 offset 7)", "on my way"):
            self.assertIn(text, for_people)
        log = [json.loads(line) for line in market.ok("alerts", "log", "--brand", "LARK").splitlines()]
        self.assertEqual([(line["transition"], line["state"]) for line in log], [(1, "FIRING"), (2, "RESOLVED"), (3, "FIRING")])
        self.assertEqual(json.loads(market.ok("alerts", "log", "--without-positions").splitlines()[0])["evidence"], [{"event_id": "v1"}])
        table = list(csv.DictReader(io.StringIO(market.ok("alerts", "ls", "-o", "csv").decode())))
        self.assertEqual({row["alert_id"] for row in table}, {"aa11223344556677", "ab00000000000000"})

        eventually(lambda: watching.out.read_bytes().count(b"\n") == 4, 20, lambda: watching.out.read_text())
        watching.stop()
        # Records are ordered within a partition; the two alerts are in different ones.
        watched = [json.loads(line) for line in watching.out.read_text().splitlines()]
        self.assertEqual([line["transition"] for line in watched if line["brand_id"] == "LARK"], [1, 2, 3])
        eventually(lambda: sum(task["alerts_open"] or 0 for task in market.status() if task["stage"] == "desk") == 2, 20, "status")

        # Killed and started without its state: no record is written twice or differs.
        before = [(record.key, record.value) for record in market.records("alert-log")]
        self.run_process.kill()
        self.run_process = market.run(state=market.folder / "fresh")
        self.run_process.is_working()
        market.write_transition(4, "RETRACTED", episode=2)
        market.await_alert(lambda alert: True, "--state", "retracted")
        after = [(record.key, record.value) for record in market.records("alert-log")]
        self.assertEqual(sorted(one for one in after if b",4]" not in one[0]), sorted(before))


class Quarantine(unittest.TestCase):
    def test_rejected_and_sent_again(self):
        market = AlertsMarket(self)
        run = market.run()
        run.is_working()
        unknown = delivery(9, "2026-03-02", 5).replace("SHOP", "ELSEWHERE")
        broken = delivery(8, "2026-03-02", -5)
        market.history(*REFERENCE, delivery(1, "2026-03-02", 10), unknown, broken, delivery(2, "2026-03-05", 1), delivery(3, "2026-03-06", 1))
        eventually(lambda: len(market.ok("quarantine", "ls").splitlines()) == 2, 40, "two are rejected")
        rows = [json.loads(line) for line in market.ok("quarantine", "ls").splitlines()]
        self.assertEqual({row["reason"] for row in rows}, {"unknown_outlet", "negative_quantity"})
        self.assertEqual([json.loads(line)["records"] for line in market.ok("quarantine", "ls", "--summary").splitlines()], [1, 1])
        self.assertEqual(len(market.ok("quarantine", "ls", "--reason", "unknown_outlet").splitlines()), 1)
        self.assertEqual(market.ok("quarantine", "ls", "--since", "2026-03-20"), b"")
        market.fails(2, "quarantine", "ls", "--reason", "nonsense", message="Unknown reason")

        cause = next(row["cause"] for row in rows if row["reason"] == "unknown_outlet")
        shown = json.loads(market.ok("quarantine", "show", cause))
        self.assertEqual((shown["reason"], shown["event"]["event_id"]), ("unknown_outlet", "d9"))
        market.fails(1, "quarantine", "show", "deliveries/0/999/0")
        market.fails(1, "quarantine", "retry", "deliveries/0/999/0", message="Nothing was sent")
        market.fails(2, "quarantine", "retry")
        self.assertEqual(market.ok("quarantine", "retry", cause), b"sent again: 1\n")
        # The outlet is still unknown and the day of waiting has passed, so the record is rejected again, with its first arrival and
        # position, and is listed once.
        rejections = lambda: [record for record in market.records("quarantine") if record.key == cause.encode()]
        eventually(lambda: len(rejections()) == 2, 40, "rejected once more")
        self.assertEqual(len({record.value for record in rejections()}), 1)
        self.assertEqual(len(market.ok("quarantine", "ls", "--reason", "unknown_outlet").splitlines()), 1)
        self.assertGreater(max(float(task["quarantine_rate"] or 0) for task in market.status()), 0)


class FromEvents(unittest.TestCase):
    """Deliveries and visits in, R1 out: a count of 0 fires, a delivery resolves."""

    def test_a_stockout(self):
        market = AlertsMarket(self)
        market.run().is_working()
        market.history(*REFERENCE, delivery(1, "2026-03-02", 10), visit(1, "2026-03-05", 0))
        fired = market.await_alert(lambda alert: alert["state"] == "FIRING", "--rule", "R1")
        self.assertEqual((fired["outlet_id"], fired["sku_id"], fired["brand_id"], fired["region_id"], fired["severity"]),
                         ("SHOP", "SKU1", "LARK", "north", "warning"))
        self.assertEqual(fired["at"], "2026-03-05T12:00:00.000+08:00")
        self.assertIn("visits", {evidence.get("topic") for evidence in fired["evidence"]})
        market.ok("alerts", "ack", fired["alert_id"][:6], "--author", "ann")
        market.await_alert(lambda alert: alert["acked_by"] == "ann", "--rule", "R1")
        market.history(delivery(2, "2026-03-07", 5), name="later")
        resolved = market.await_alert(lambda alert: alert["state"] == "RESOLVED", "--rule", "R1", "--all")
        self.assertEqual((resolved["acked_by"], resolved["at"]), ("ann", "2026-03-07T12:00:00.000+08:00"))

    def test_live_is_replay(self):
        """The log of the live run is alerts.jsonl of a replay of its ledger, byte for byte. A replay of files reads the documents in
        another order, so its known_at and evidence may differ."""
        market = AlertsMarket(self)
        market.run().is_working()
        market.history(*REFERENCE, delivery(1, "2026-03-02", 10), visit(1, "2026-03-05", 0), delivery(2, "2026-03-07", 5),
                       visit(2, "2026-03-20", 0), delivery(3, "2026-03-21", 6), visit(3, "2026-03-22", 0), delivery(4, "2026-03-23", 1))
        eventually(lambda: len(market.ok("alerts", "log", "--rule", "R1").splitlines()) == 6, 60, lambda: market.ok("alerts", "log").decode())
        market.await_up_to_date()
        market.ok("replay", "--kafka", "--out", market.folder / "replayed")
        expected = b"".join(line for line in (market.folder / "replayed" / "alerts.jsonl").read_bytes().splitlines(keepends=True)
                            if json.loads(line)["rule"] == "R1")
        found = market.ok("alerts", "log", "--rule", "R1")
        same_lines(self, found, expected)
        self.assertIn(b'"topic":"visits"', found)
        self.assertNotIn(b'"topic"', market.ok("alerts", "log", "--without-positions"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""Records that somebody else writes into the topics of fiverate by accident: tasks skip them, readers ignore them, and both show how many. The
results are those of a clean run. A record of a real sender that does not fit what it sent before still stops the task that reads it."""

import json
import re
import subprocess
import unittest

from support import DONE_WITHIN, Market, Record, eventually, parts_of, replayed, same_lines, shared_kafka, small_market

INTERNAL = ("ledger", "deltas", "signals")
RESULTS = ("metrics", "metrics-final", "alerts", "alert-log", "seals", "quarantine")
FIRST_LINK = {"fiverate-previous": "-", "fiverate-chain": "0" * 16}
# Of each internal topic: a task that does not write there.
NO_SENDER = {"ledger": "outlet/0", "deltas": "market/0", "signals": "deliveries/0"}


NOTHING_YET = Record(0, 0, b"value", b"key", b"fiverate-cause=outlet/0/1/0")


def headers_of(record):
    """The headers of a record as kcat prints them: "name=value,name=value"."""
    return dict(header.split("=", 1) for header in record.headers.decode().split(",") if "=" in header)


class Foreign(unittest.TestCase):
    def setUp(self):
        self.market = Market(self, shared_kafka()).create_topics()
        self.written = {}  # topic: number of foreign records

    def produce(self, topic, value, key=None, headers=None, partition=0):
        file = self.market.folder / "foreign"
        file.write_bytes(value)
        done = subprocess.run(["kcat", "-P", "-b", self.market.address, "-t", self.market.prefix + topic, "-p", str(partition),
                               *(["-k", key] if key else []), *(part for pair in (headers or {}).items() for part in ("-H", "=".join(pair))),
                               str(file)], capture_output=True, timeout=DONE_WITHIN)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.written[topic] = self.written.get(topic, 0) + 1

    def copy(self, topic):
        """A record of a task in partition 0, as bytes and key, and its headers."""
        record = next((one for one in self.market.records(topic) if one.partition == 0 and b"fiverate-cause" in one.headers), NOTHING_YET)
        return record.value, record.key.decode(), headers_of(record)

    def write_rubbish(self):
        """Something of every kind into every topic, 3 records or more each."""
        for topic in INTERNAL:
            value, key, headers = self.copy(topic)
            self.produce(topic, b"rubbish")
            self.produce(topic, value, key)  # its headers were lost
            self.produce(topic, value, key, {**headers, "fiverate-cause": "nonsense"})
            self.produce(topic, value, key, {"fiverate-cause": headers["fiverate-cause"]})
            self.produce(topic, value, key, {**FIRST_LINK, "fiverate-cause": "outlet/99/5/0"})
            self.produce(topic, value, key, {**FIRST_LINK, "fiverate-cause": f"{NO_SENDER[topic]}/5/0"})
            self.produce(topic, b"\x12\x00", partition=1)  # parses as an empty definition, or deltas
        for topic in RESULTS:
            value, key, headers = self.copy(topic)
            self.produce(topic, b"rubbish", key)
            self.produce(topic, value[:-1] + bytes([value[-1] ^ 1]), key)
            self.produce(topic, value, key, {"fiverate-cause": "deliveries/5000/5/0"})
        for task in ("outlet/0", "deliveries/1", "market/0"):
            self.produce("checkpoints", b"rubbish", task)

    def foreign_in_status(self):
        counts = {}
        for task in self.market.status():
            if task["topic"] in INTERNAL:
                counts[task["topic"]] = counts.get(task["topic"], 0) + task["foreign_records"]
            else:
                self.assertEqual(task["foreign_records"], 0, task)
        return counts

    def assert_ignored(self, topic, *arguments):
        """The command succeeds, and its one sentence about the topic has the number of foreign records."""
        done = self.market.call(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rf"{self.written[topic]} records of {topic} were not written by a processor and are ignored: "
                                      rf"{topic}/0/\d+ \(no cause\), ")
        return done.stdout

    def test_everything_continues_and_the_results_are_those_of_a_clean_run(self):
        market, expected = self.market, replayed(small_market())
        parts = parts_of(small_market(), 3)
        run = market.run()
        market.import_files(parts[0], open=True)
        market.await_up_to_date()
        self.write_rubbish()  # while it runs
        run.logs(r"outlet/0 skipped .* of ledger partition 0 that fiverate did not write, .*offset \d+: ", 20)
        market.import_files(parts[1], open=True)
        market.await_up_to_date()
        run.stop()
        self.write_rubbish()  # before a restart
        run = market.run()
        market.import_files(parts[2])
        market.await_up_to_date()
        self.assertRegex(run.stop(), r"checkpoints partition 0 offset \d+ has the key of a task, but fiverate did not write it")
        # Again from the log's beginning.
        run = market.run(state=market.folder / "another-state")
        run.is_working()
        market.await_up_to_date()

        same_lines(self, self.assert_ignored("metrics-final", "rates", "--final", "--through", last_day(expected), "-o", "json"), expected)
        self.assert_ignored("metrics", "rates", "-o", "json")
        self.assert_ignored("alerts", "alerts", "ls", "-o", "json")
        alerts = self.assert_ignored("alert-log", "alerts", "log")
        self.assert_ignored("quarantine", "quarantine", "ls", "-o", "json")
        self.assert_ignored("metrics", "watch", "rates", "-o", "json", "--seconds", "3")
        eventually(lambda: self.foreign_in_status() == {topic: self.written[topic] for topic in INTERNAL}, 20,
                   lambda: f"{self.foreign_in_status()}, written {self.written}")
        self.assertRegex(market.ok("status", "-o", "table").decode(),
                         r"foreign: outlet/0 skipped \d+ records of ledger partition 0 that fiverate did not write, the last at offset \d+: its cause ")

        done = market.call("replay", "--kafka", "--out", market.folder / "replayed")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = (market.folder / "replayed" / "metrics.jsonl").read_bytes()
        same_lines(self, found[: len(expected)], expected)
        same_lines(self, alerts, (market.folder / "replayed" / "alerts.jsonl").read_bytes())
        skipped = re.findall(r"outlet/\d skipped (\d+|a) records? of ledger partition \d that fiverate did not write", done.stderr)
        self.assertEqual(sum(1 if count == "a" else int(count) for count in skipped), self.written["ledger"], done.stderr)
        run.stop()

    def test_the_clock_of_commands_is_not_that_of_foreign_records(self):
        """kcat stamps its records with the present time, which is months after this market's clock."""
        market = self.market
        run = market.run()
        market.import_history(small_market())
        market.await_up_to_date()
        run.stop()
        for partition in range(4):
            for _ in range(2):
                self.produce("ledger", b"rubbish", partition=partition)
        silence = json.loads(market.ok("alerts", "silence", "--rule", "R1", "--for", "2d", "--author", "ann", "-o", "json"))
        self.assertLessEqual(silence["event_time"][:10], market.ends[:10])

    def test_a_record_of_a_real_sender_that_does_not_fit_stops_the_task(self):
        """Its predecessor is the last record of this sender, but it was sent after other records: this sender did not repeat itself."""
        market = self.market
        run = market.run().is_working()
        market.import_history(small_market())
        market.await_up_to_date()
        last = [headers_of(one) for one in market.records("ledger") if one.partition == 0 and b"fiverate-cause=reference" in one.headers][-1]
        _, _, position = last["fiverate-cause"].partition("reference/0/")
        self.produce("ledger", b"rubbish", headers={"fiverate-cause": "reference/0/999999/0", "fiverate-previous": position,
                                                    "fiverate-chain": "0123456789abcdef"})
        self.assertIn("reference/0 did not repeat its outputs", run.ends(1))


def last_day(lines):
    return json.loads(lines.rstrip().rsplit(b"\n", 1)[-1])["as_of"]


if __name__ == "__main__":
    unittest.main(verbosity=2)

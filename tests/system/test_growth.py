#!/usr/bin/env python3
"""Somebody adds partitions to topics in Kafka while a market runs. Source topics: no day closes until `fiverate topics extend` has taken
the partitions in, and then no record is lost or late. Other topics: the partitions are not used. Commands that refuse write nothing."""

import datetime
import json
import pathlib
import socket
import unittest
import urllib.error
import urllib.request
import zlib
from collections import Counter, defaultdict

from admin import Admin
from producer import produce
from support import Market, eventually, is_json, parts_of, replayed, same_lines, shared_kafka, small_market

BEFORE, AFTER = 2, 4  # source partitions
NOTICED_WITHIN = 60  # s
MARKET_ZONE = datetime.timezone(datetime.timedelta(hours=8))
TOPICS = {"order": "orders", "delivery": "deliveries", "visit": "visits"}
DAY_MS = 86_400_000
REMEDY = "fiverate topics extend"


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def millis(time):
    return round(datetime.datetime.fromisoformat(time).timestamp() * 1000)


def records_of(file):
    """What a producer of another program writes: by topic and partition, documents by the hash of their outlet, with the timestamps of
    their arrivals, and a mark at each midnight in all partitions. The last mark is 15 days after the last day."""
    events = sorted((json.loads(line) for line in file.read_bytes().splitlines() if is_json(line)),
                    key=lambda event: millis(event.get("arrival_time", event["event_time"])))
    partitions = {(topic, partition): [] for topic in TOPICS.values() for partition in range(AFTER)}
    partitions |= {("reference", 0): [], ("commands", 0): []}
    days = set()

    def mark_all(time):
        for records in partitions.values():
            records.append((time, json.dumps({"mark": {"complete_through": datetime.datetime.fromtimestamp(time / 1000, MARKET_ZONE).isoformat()}}).encode()))

    marked = 0
    for event in events:
        kind = next((kind for kind in TOPICS if kind in event), None)
        arrival = millis(event.get("arrival_time", event["event_time"]))
        midnight = (arrival + 8 * 3_600_000) // DAY_MS * DAY_MS - 8 * 3_600_000
        if midnight > marked:
            mark_all(midnight)
            marked = midnight
        key = event[kind]["outlet_id"] if kind else ""
        target = (TOPICS[kind], zlib.crc32(key.encode()) % AFTER) if kind else ("reference", 0)
        partitions[target].append((arrival, json.dumps(event).encode()))
        days.add(midnight)
    mark_all(max(days) + 16 * DAY_MS)
    return partitions


class Growth(unittest.TestCase):
    def setUp(self):
        self.folder = small_market()
        self.expected = replayed(self.folder)
        self.health = free_address()
        self.market = Market(self, shared_kafka(), (BEFORE, 3, 2), run={"health": self.health}).create_topics()
        self.admin = Admin(self.market.address)

    def grow(self, partitions, *topics):
        for topic in topics:
            self.admin.grow_topic(self.market.prefix + topic, partitions)

    def ready(self):
        """The status of /readyz, and the reasons in its answer."""
        try:
            with urllib.request.urlopen(f"http://{self.health}/readyz", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def written(self, topic):
        """Records by partition."""
        counts = defaultdict(int)
        for record in self.market.records(topic):
            counts[record.partition] += 1
        return counts

    def is_final(self):
        return self.market.final(self.expected) == self.expected

    def await_final(self, run):
        eventually(self.is_final, 90, lambda: f"{json.dumps(self.market.status())}\n{run.text()}")
        self.market.assert_written_once()

    def quarantined_by_replay(self):
        lines = (pathlib.Path(f"{self.folder}-replayed") / "quarantine.jsonl").read_bytes().splitlines()
        return Counter(json.loads(line)["reason"] for line in lines)

    def same_as_replay(self):
        out = self.market.folder / "from-kafka"
        self.market.ok("replay", "--kafka", "--out", out)
        same_lines(self, (out / "metrics.jsonl").read_bytes(), self.expected)

    def test_source_partitions(self):
        first, second = parts_of(self.folder, 2)
        run = self.market.run()
        self.market.import_files(first, open=True)
        self.market.await_up_to_date()
        eventually(lambda: self.ready()[0] == 200, 30, self.ready)
        final = self.market.final()

        # Records go into the new partitions before anybody has noticed them.
        self.grow(AFTER, "orders", "deliveries")
        self.grow(AFTER + 1, "visits")
        for (topic, partition), records in records_of(second).items():
            produce(self.market.address, self.market.prefix + topic, partition, records)
        message = rf"The topic deliveries has {AFTER} partitions in Kafka, {BEFORE} of them in the definition.*no day closes.*`{REMEDY}`"
        run.logs(message, NOTICED_WITHIN)
        status, reasons = self.ready()
        self.assertEqual(status, 503)
        self.assertRegex(reasons, message)
        self.assertRegex(self.market.call("status").stderr, message)
        self.assertRegex(self.market.call("watch", "market", "--seconds", "1").stderr, f"deliveries has {AFTER} partitions.*{REMEDY}")

        # Commands that refuse write nothing.
        commands = (("topics", "create"), ("import", "--yes", second))
        before = {topic: self.written(topic) for topic in ("ledger", "deltas", "deliveries")}
        for command in commands:
            self.market.fails(1, *command, message=REMEDY)
        self.market.fails(1, "topics", "check", message=REMEDY)
        self.market.fails(1, "import", "--yes", second, "-X", f"topics.source_partitions={AFTER + 1}", message="another definition")
        self.market.fails(1, "topics", "extend", message="Nothing was changed: .*Stop all processes")
        self.assertEqual({topic: self.written(topic) for topic in before}, before)
        self.assertEqual(self.market.final(), final, "no day has closed")

        # A restart is paused as well.
        run.stop()
        run = self.market.run()
        run.logs(message, NOTICED_WITHIN)
        eventually(lambda: self.ready()[0] == 503, 30, self.ready)
        run.stop()
        self.assertEqual(self.market.final(), final, "no day has closed")

        self.market.fails(2, "topics", "extend", "--source-partitions", BEFORE, message="Nothing was changed: .*Kafka cannot remove any")
        self.market.fails(2, "topics", "extend", "-X", "market.timezone=Europe/Berlin", message="Nothing was changed: .*")
        out = self.market.ok("topics", "extend").decode()
        self.assertRegex(out, rf"definition with {AFTER + 1} source partitions written to 3 partitions of ledger")
        ledger = self.written("ledger")
        self.assertIn("Nothing to do", self.market.ok("topics", "extend").decode())
        self.assertEqual(self.written("ledger"), ledger)
        self.market.ok("topics", "create")
        self.assertIn(f"{AFTER + 1} source partitions (created with {BEFORE})", self.market.call("topics", "check").stderr)

        # Partition 4 of each topic was empty, and got a mark with the time of the others.
        run = self.market.run()
        run.is_working()
        self.await_final(run)
        found, expected = self.market.quarantined(), self.quarantined_by_replay()
        for counter in (found, expected):
            del counter["count_implausible"]  # whether a count is implausible depends on the order of arrival
        self.assertEqual(found, expected, "no record is late because of the extension")
        eventually(lambda: self.ready()[0] == 200, 30, self.ready)
        self.assertEqual(self.market.call("status").stderr, "")
        run.stop()
        self.same_as_replay()

        # The configuration may have any number that the market has had, and states are rebuilt from the log.
        for number in (BEFORE, AFTER + 1):
            with self.subTest(source_partitions=number):
                run = self.market.run("-X", f"topics.source_partitions={number}", state=self.market.folder / f"state-{number}").is_working()
                self.market.await_up_to_date()
                run.stop()
                self.market.assert_written_once()
        self.market.fails(2, "run", "-X", f"topics.source_partitions={AFTER}", within=30,
                          message=rf"topics.source_partitions: topics have {AFTER + 1}, this configuration has {AFTER}")
        self.assertTrue(self.is_final())
        self.market.same_alerts()

    def test_imports_before_and_after(self):
        first, second = parts_of(self.folder, 2)
        self.market.import_files(first, open=True)
        out = self.market.ok("topics", "extend", "--source-partitions", AFTER).decode()
        self.assertIn(f"visits: {AFTER} partitions, before {BEFORE}", out)
        self.assertIn("Nothing to do", self.market.ok("topics", "extend").decode())
        run = self.market.run()
        self.market.import_files(second)
        self.await_final(run)
        run.stop()
        self.assertEqual(set(self.written("deliveries")), set(range(AFTER)))
        self.same_as_replay()

    def test_partitions_of_other_topics(self):
        first, second = parts_of(self.folder, 2)
        run = self.market.run()
        self.market.import_files(first, open=True)
        self.market.await_up_to_date()
        others = ("ledger", "deltas", "signals", "metrics", "metrics-final", "alerts", "alert-log", "seals", "quarantine", "checkpoints")
        self.grow(5, *others)
        run.stop()
        done = self.market.call("topics", "create")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"Warning: \S+\.ledger: partitions is 5, expected 3; the others are not used")
        self.assertEqual(self.market.call("topics", "check").returncode, 0)
        run = self.market.run().is_working()
        self.assertRegex(run.text(), r"\.ledger: partitions is 5, expected 3; the others are not used")
        self.market.import_files(second)
        self.market.await_final(self.expected)
        run.logs(r"\.ledger partition 4 is not part of the definition of this market: it is not read", 30)
        eventually(lambda: self.ready()[0] == 200, 30, self.ready)
        run.stop()
        for topic in others:
            least = {"checkpoints": 1, "ledger": 3, "seals": 3, "quarantine": 3}.get(topic, 2)
            self.assertLess(max(self.written(topic), default=0), least, topic)
        self.same_as_replay()

    def test_reference_has_one_partition(self):
        """Another one is reported and never read. It cannot hold up the market: Kafka cannot remove it."""
        self.grow(2, "reference")
        run = self.market.run()
        run.logs(r"The topic reference has 2 partitions.*write to partition 0 only", NOTICED_WITHIN)
        self.assertNotIn(REMEDY, run.text())
        self.assertRegex(self.market.call("status").stderr, "write to partition 0 only")
        eventually(lambda: self.ready()[0] == 200, 30, self.ready)
        run.stop()

    def test_topics_create_refuses_before_it_writes(self):
        self.admin.delete_topic(self.market.prefix + "alert-log")
        eventually(lambda: (self.market.prefix + "alert-log", 0) not in self.admin.partitions(), 20, "the topic is deleted")
        before = self.admin.partitions().keys()
        for wrong in ("market.timezone=Europe/Berlin", "topics.ledger_partitions=5", "topics.source_partitions=1"):
            with self.subTest(wrong):
                self.market.fails(1, "topics", "create", "-X", wrong, message="Nothing was created")
        self.admin.set_topic(self.market.prefix + "ledger", "retention.ms", "1000000000000")
        self.market.fails(1, "topics", "create", message=["Nothing was created", "retention.ms"])
        self.assertEqual(self.admin.partitions().keys(), before)
        self.admin.set_topic(self.market.prefix + "ledger", "retention.ms", "-1")
        self.assertIn("created", self.market.ok("topics", "create").decode())

    def test_an_interrupted_extension_is_completed(self):
        other = Market(self, self.market.address, (BEFORE, 3, 2)).create_topics()
        other.ok("topics", "extend", "--source-partitions", AFTER)
        extension = next(record for record in other.records("ledger") if record.offset == 1)
        run = self.market.run()
        self.market.import_history(self.folder)
        self.await_final(run)
        run.stop()
        # The topics have grown, and the last partition of the ledger has the definition.
        self.grow(AFTER, "orders", "visits")
        year_10000 = 253_402_300_800_000
        before = self.written("ledger")
        produce(self.market.address, self.market.prefix + "ledger", 2, [(year_10000 + 1, extension.value)])
        run = self.market.run()
        run.logs(rf"The topic orders has {AFTER} partitions.*`{REMEDY}`", NOTICED_WITHIN)
        run.stop()
        out = self.market.ok("topics", "extend").decode()
        self.assertIn(f"deliveries: {AFTER} partitions, before {BEFORE}", out)
        self.assertIn("written to 2 partitions of ledger", out)
        after = self.written("ledger")
        self.assertGreaterEqual(after[2], before[2] + 1)
        extensions = [record for record in self.market.records("ledger") if record.value == extension.value]
        self.assertEqual(sorted(record.partition for record in extensions), [0, 1, 2])
        self.assertIn("Nothing to do", self.market.ok("topics", "extend").decode())
        run = self.market.run().is_working()
        eventually(lambda: self.ready()[0] == 200, 30, self.ready)
        run.stop()
        self.same_as_replay()


if __name__ == "__main__":
    unittest.main()

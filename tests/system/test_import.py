#!/usr/bin/env python3
"""`import` that is interrupted and repeated, refused, or repeated after its end: no document is written twice, and none is missing."""

import functools
import random
import re
import signal
import subprocess
import time
import unittest
from collections import defaultdict

from support import DONE_WITHIN, Market, Process, eventually, parts_of, replayed, shared_kafka, small_market

SOURCES = ("orders", "deliveries", "visits", "reference", "commands")
# A small buffer for sending, so that an import of a few seconds is killed while most of it is not written.
SLOW = {"queue.buffering.max.messages": 200, "batch.num.messages": 20}


def files_of(folder):
    return [folder / "reference.jsonl", folder / "events.jsonl"]


@functools.cache
def large_market():
    return small_market(150, 120)


class Import(unittest.TestCase):
    def setUp(self):
        self.market = Market(self, shared_kafka(), kafka=SLOW).create_topics()

    def contents(self, market):
        """Key, value and header of all records of each source partition, in order."""
        found = defaultdict(list)
        for topic in SOURCES:
            for record in market.records(topic):
                found[topic, record.partition].append((record.key, record.value, record.headers))
        return dict(found)

    @functools.cache
    def expected(self, folder):
        """The source topics after an import that nothing has interrupted."""
        market = Market(self, shared_kafka()).create_topics()
        market.import_files(*files_of(folder))
        return self.contents(market)

    def count(self):
        return sum(len(records) for records in self.contents(self.market).values())

    def written(self):
        """How many records the source topics hold, by their offsets."""
        offsets = subprocess.run(["kcat", "-Q", "-b", self.market.address, *(part for topic, partitions in zip(SOURCES, (4, 4, 4, 1, 1))
                                  for partition in range(partitions) for part in ("-t", f"{self.market.prefix}{topic}:{partition}:-1"))],
                                 capture_output=True, text=True, check=True, timeout=DONE_WITHIN).stdout
        return sum(int(line.rsplit(" ", 1)[1]) for line in offsets.splitlines())

    def interrupted(self, number, records, *files, command="import"):
        """Starts it, and sends the signal once it has written so many records more. Returns the process.

        It is stopped while its records are counted, since on a busy machine it would write all of them meanwhile."""
        before = self.written()
        child = Process(self.market, command, *files)

        def is_interrupted():
            if not child.is_alive():
                return True
            child.send(signal.SIGSTOP)
            enough = self.written() >= before + records
            if enough:
                child.send(number)
            child.send(signal.SIGCONT)
            return enough

        eventually(is_interrupted, DONE_WITHIN, child.text)
        child.child.wait(timeout=DONE_WITHIN)
        return child

    def complete(self, *files):
        done = self.market.import_files(*files)
        return done.stderr

    def test_killed_several_times(self):
        """Killed at random moments while `run` processes what is there. FINAL rows are those of a replay of the files."""
        folder = small_market(40, 60)
        expected = self.expected(folder)
        total = sum(map(len, expected.values()))
        rng = random.Random(20260301)
        run = self.market.run()
        kills = 0
        for _ in range(6):
            child = self.interrupted(signal.SIGKILL, rng.randrange(total // 8), *files_of(folder))
            kills += child.child.returncode == -signal.SIGKILL
        self.assertGreaterEqual(kills, 4)
        message = self.complete(*files_of(folder))
        self.assertRegex(message, r"\d+ events and \d+ marks written in .*, \d+ events skipped, which were written before")
        self.assertEqual(self.contents(self.market), expected)
        self.market.await_final(replayed(folder))
        run.stop()

    def test_a_signal(self):
        folder = large_market()
        child = self.interrupted(signal.SIGINT, 1_000, *files_of(folder))
        self.assertEqual(child.child.returncode, 1, child.text())
        self.assertRegex(child.text(), r"interrupted: \d+ events and \d+ marks written")
        self.assertRegex(child.text(), r"\d+ of \d+ events are not written yet\. Repeat the command with the same files")
        self.complete(*files_of(folder))
        self.assertEqual(self.contents(self.market), self.expected(folder))

    def test_repeated_after_its_end(self):
        """Also from another folder, with the lines in other files."""
        folder = small_market()
        self.complete(*files_of(folder))
        lines = b"".join(file.read_bytes() for file in files_of(folder)).splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        other = self.market.folder / "other.jsonl"
        other.write_bytes(b"".join(lines))
        message = self.complete(other)
        self.assertIn("0 events and 0 marks written", message)
        self.assertIn(f"{len(lines)} events skipped, which were written before", message)
        self.assertEqual(self.contents(self.market), self.expected(folder))

    def changed(self, folder):
        file = self.market.folder / "changed.jsonl"
        text = b"".join(path.read_bytes() for path in files_of(folder))
        file.write_bytes(re.sub(rb'"requested":(\d+)', rb'"requested":1\1', text, count=1))
        return file

    def test_changed_files_are_refused(self):
        folder = large_market()
        self.interrupted(signal.SIGKILL, 1_000, *files_of(folder))
        before = self.count()
        for files in ([self.changed(folder)], files_of(small_market()), files_of(folder)[1:]):
            self.market.fails(1, "import", *files, message=["Import rejected: the topics hold the first part of another import", "stopped at 20",
                                                            "its files, .* have changed", "Repeat that one first"])
        self.market.fails(1, "simulate", "--days", "3", message="Simulation rejected: the topics hold the first part of another import")
        self.assertEqual(self.count(), before)
        self.complete(*files_of(folder))
        self.assertEqual(self.contents(self.market), self.expected(folder))
        self.market.fails(1, "import", self.changed(folder), message=["Import rejected: it starts on", "topics.prefix"])

    def test_actions_of_people_in_between(self):
        """Their records follow those of the import in `commands`, and belong to no import."""
        folder = large_market()
        self.interrupted(signal.SIGKILL, 1_000, *files_of(folder))
        run = self.market.run().is_working()
        eventually(lambda: any(record.offset > 0 for record in self.market.records("ledger")), 30, run.text)  # the market has a clock
        for region in ("A", "B"):
            self.market.ok("alerts", "silence", "--region", region, "--for", "2d", "--author", "t", "--text", "test")
        run.stop()
        self.complete(*files_of(folder))
        found = self.contents(self.market)
        commands = found["commands", 0]
        self.assertEqual(sum(b"fiverate-import" not in headers for _, _, headers in commands), 2)
        found["commands", 0] = [record for record in commands if b"fiverate-import" in record[2]]
        self.assertEqual(found, self.expected(folder))
        message = self.complete(*files_of(folder))
        self.assertIn("0 events and 0 marks written", message)

    def test_imports_one_after_another(self):
        """Each is left open and repeated; the last repetition closes it. Live results are those of a replay."""
        folder = small_market()
        parts = parts_of(folder, 3)
        run = self.market.run()
        for number, part in enumerate(parts):
            self.market.import_files(part, open=True)
            before = self.count()
            self.market.import_files(part, open=True)
            for earlier in parts[:number]:  # another import follows it
                done = self.market.import_files(earlier, open=True)
                self.assertRegex(done.stderr, "Nothing was written|0 events and 0 marks written")
            self.assertEqual(self.count(), before)
        self.complete(parts[-1])
        self.market.await_final(replayed(folder))
        run.stop()

    def test_killed_within_the_second_of_two(self):
        folder = large_market()
        first, second = parts_of(folder, 2)
        self.market.import_files(first, open=True)
        kills = sum(self.interrupted(signal.SIGKILL, records, second).child.returncode == -signal.SIGKILL for records in (1, 1_000))
        self.assertGreaterEqual(kills, 1)  # on a busy machine the second one may end before the signal
        self.complete(second)
        documents = lambda contents: {partition: [record for record in records if record[0]] for partition, records in contents.items()}
        strip = lambda contents: {partition: [record[:2] for record in records] for partition, records in documents(contents).items()}
        self.assertEqual(strip(self.contents(self.market)), strip(self.expected(folder)))

    def test_a_mistyped_year(self):
        folder = small_market()
        file = self.market.folder / "events.jsonl"
        lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
        lines[300] = lines[300].replace(b"2026-", b"2206-")
        file.write_bytes(b"".join(lines))
        self.market.fails(1, "import", file, folder / "reference.jsonl",
                          message=[r"events.jsonl: \d+ documents of 2026-01-05 to 2206-", "Import rejected, nothing was written: 1 of",
                                   r"events.jsonl:301: arrives 2206-", "--yes"])
        self.assertEqual(self.written(), 0)
        self.complete(*files_of(folder))
        self.assertEqual(self.contents(self.market), self.expected(folder))

    def test_a_start_long_after_the_clock(self):
        folder = small_market()
        self.complete(*files_of(folder))
        before = self.count()
        later = self.market.folder / "later.jsonl"
        later.write_bytes((folder / "events.jsonl").read_bytes().replace(b"2026-", b"2206-"))
        self.market.fails(1, "import", later, message=["Import rejected: it starts on 2206-", "import.outlier_days", "--yes"])
        self.market.fails(1, "simulate", "--days", "2", "--start", "2206-01-01", message="Simulation rejected: it starts on 2206-")
        self.assertEqual(self.count(), before)
        self.market.ok("import", later, "--yes", "--open")
        self.assertGreater(self.count(), before)


class Simulate(unittest.TestCase):
    OPTIONS = ("--outlets", "200", "--days", "60", "--rate", "broken=0")

    def test_killed_and_repeated(self):
        market = Market(self, shared_kafka(), kafka=SLOW).create_topics()
        for _ in range(3):
            child = Process(market, "simulate", *self.OPTIONS)
            time.sleep(0.4)
            child.kill()
        truth = market.folder / "truth.jsonl"
        done = market.call("simulate", *self.OPTIONS, "--truth", truth)
        self.assertEqual(done.returncode, 0, done.stderr)
        other = Market(self, shared_kafka()).create_topics()
        whole = other.folder / "truth.jsonl"
        other.ok("simulate", *self.OPTIONS, "--truth", whole)
        for topic in SOURCES:
            self.assertEqual(sorted(market.records(topic)), sorted(other.records(topic)), topic)
        self.assertEqual(truth.read_bytes(), whole.read_bytes())
        done = market.call("simulate", *self.OPTIONS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("of them skipped", done.stderr)
        market.fails(1, "simulate", *self.OPTIONS, "--seed", "7", message="Simulation rejected: it starts on")

    def test_two_at_once(self):
        """The second is refused while the first one writes, and continues after its end."""
        market = Market(self, shared_kafka()).create_topics()
        slow = (*self.OPTIONS, "--speed", "3600")
        child = Process(market, "simulate", *slow)
        eventually(lambda: market.records("commands"), DONE_WITHIN, child.text)
        market.fails(1, "simulate", *slow, message="Simulation rejected: another process is writing to the topics now")
        child.send(signal.SIGINT)
        self.assertIn("Repeat the command to continue", child.ends(0, within=DONE_WITHIN))
        before = len(market.records("commands"))
        child = Process(market, "simulate", *slow)
        eventually(lambda: len(market.records("commands")) > before, DONE_WITHIN, child.text)
        child.send(signal.SIGINT)
        self.assertRegex(child.ends(0, within=DONE_WITHIN), r"ended early: .*, \d+ of them skipped, since the topics hold them already")
        numbers = re.findall(rb"fiverate-import=\w+/(\d+)(?![/\d])", b"\n".join(record.headers for record in market.records("commands")))
        self.assertEqual(list(map(int, numbers)), list(range(1, len(numbers) + 1)))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Overload: bad records, one outlet, alerts at one moment, a backlog on a small machine. Nothing is lost or published twice,
other partitions do not wait, memory stays within its limit, and people can still work with it.

FIVERATE_TEST_FLOOD=60: seconds of bad records (default 10). FIVERATE_TEST_HOT=20000: documents of the market with the hot outlet
(5,000). FIVERATE_TEST_STOCKOUT=200000: outlets that run dry at one moment (20,000). FIVERATE_TEST_FIGURES=FILE: what was measured.
"""

import fcntl
import json
import os
import pathlib
import pty
import random
import re
import struct
import subprocess
import termios
import threading
import time
import unittest
import urllib.request
from collections import Counter
from datetime import datetime, timedelta, timezone

from support import CLEAN_ENVIRONMENT, Market, eventually, replayed, same_lines, scratch, shared_kafka
from test_faults import TODAY, as_bytes, at, delivery, reference, usual

FLOOD_S = float(os.environ.get("FIVERATE_TEST_FLOOD", "10"))
HOT_DOCUMENTS = int(os.environ.get("FIVERATE_TEST_HOT", "5000"))
STOCKOUTS = int(os.environ.get("FIVERATE_TEST_STOCKOUT", "20000"))
SMALL_MIB = 256
OVERHEAD_MIB = 128  # beside state.memory_mib (cli/live/memory_limit.h)
SHANGHAI = timezone(timedelta(hours=8))
START = datetime(2026, 1, 5, tzinfo=SHANGHAI)
DOCUMENT_TOPICS = ("orders", "deliveries", "visits")


def figure(text):
    """For callers."""
    if "FIVERATE_TEST_FIGURES" in os.environ:
        with open(os.environ["FIVERATE_TEST_FIGURES"], "a") as file:
            file.write(text + "\n")


class Witness:
    """Reads `status` and /livez repeatedly, in a thread, from a run's start to its end."""

    def __init__(self, test, market, run):
        self.market, self.run = market, run
        run.logs("health: http://", 20)
        self.livez = "http://" + re.search(r"health: http://(\S+)/livez", run.text()).group(1) + "/livez"
        self.seen, self.unwell, self.over = [], [], threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()
        test.addCleanup(self.stop)

    def look(self):
        while not self.over.wait(0.5):
            try:
                urllib.request.urlopen(self.livez, timeout=5).read()
            except OSError as refused:
                self.unwell.append(str(refused))
            self.seen.append((time.monotonic(), self.market.status()))

    def stop(self):
        self.over.set()
        self.thread.join()

    def longest_standstill(self, stage):
        """Of the clock of any task of a stage, in s, until all records had arrived."""
        since, clock, longest = {}, {}, 0
        for moment, tasks in self.seen:
            for task in tasks:
                if task["stage"] != stage or not task["watermark"]:
                    continue
                number = task["partition"]
                if clock.get(number) != task["watermark"] or self.market.at_the_end(task):
                    clock[number], since[number] = task["watermark"], moment
                longest = max(longest, moment - since[number])
        return longest


class Floods(unittest.TestCase):
    def start(self, *prefix, **sections):
        """A market, its process, and the thread that watches it."""
        sections.setdefault("run", {}).update({"commit_every_ms": 100, "health": "127.0.0.1:0"})
        self.market = Market(self, shared_kafka(), **sections).create_topics()
        self.process = self.market.run(*prefix)
        self.witness = Witness(self, self.market, self.process)
        return self.process.is_working()

    def finish(self, memory_mib):
        """It was well all the time, and is not too big."""
        self.witness.stop()
        peak = self.process.memory_mib("VmHWM")
        figure(f"{self.id()}: peak {peak:.0f} MiB of {memory_mib}")
        output = self.process.stop()
        self.assertEqual(self.witness.unwell, [])
        self.assertNotRegex(output, " (warn|error) ")
        self.assertLess(peak, memory_mib)

    # ---- bad records ----

    def test_nothing_but_bad_records(self):
        """In one partition, as fast as they can be rejected: each is in quarantine once, and what is good elsewhere waits for 2 s at most,
        as in any backlog."""
        self.start(state={"memory_mib": 256})
        events = reference()
        self.produce("reference", 0, [as_bytes(one) for one in events])
        eventually(self.market.up_to_date, 40, self.process.text)
        flood, delays = BadRecords(self, self.market), Delays(self, self.market)
        good, until = [], time.monotonic() + FLOOD_S
        while time.monotonic() < until:
            flood.fill()
            documents = usual(f"beside {len(good)}", -3)
            good += documents
            for number, kind in enumerate(("delivery", "visit")):
                self.produce({"delivery": "deliveries", "visit": "visits"}[kind], (len(good) // 12 + number) % BadRecords.PARTITION,
                             [as_bytes(one) for one in documents if kind in one])
        sent = flood.end()
        figure(f"bad records: {sent} in {FLOOD_S:.0f} s; {len(good)} good ones beside; delays of these in s: {delays.summary()}")
        rates = {(task["topic"], task["partition"]): float(task["quarantine_rate"] or 0) for task in self.market.status()}
        self.assertGreater(rates["deliveries", BadRecords.PARTITION], 0.99)
        self.assertEqual({rate for (topic, partition), rate in rates.items()
                          if topic in DOCUMENT_TOPICS and (topic, partition) != ("deliveries", BadRecords.PARTITION)}, {0})
        eventually(self.market.up_to_date, 60, self.process.text)
        self.close(TODAY + timedelta(days=17))
        expected = self.replay_of(events, good)
        self.assertGreater(expected.count(b"\n"), 100)
        same_lines(self, self.market.final(expected), expected)
        self.assertEqual(flood.quarantined(), sent)
        summary = {row["reason"]: row["records"] for row in map(json.loads, self.market.ok("quarantine", "ls", "--summary").splitlines())}
        self.assertEqual({reason: number for reason, number in summary.items() if reason in BadRecords.REASONS}, flood.expected())
        self.assertLess(delays.longest(), 10, delays.summary())
        self.finish(256)

    def produce(self, topic, partition, values):
        done = subprocess.run(["kcat", "-P", "-b", self.market.address, "-t", self.market.prefix + topic, "-p", str(partition), "-D", "\x1e"],
                              input=b"\x1e".join(values), capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def close(self, instant):
        """All days up to it, by marks in every partition."""
        self.market.ends = instant.isoformat(timespec="milliseconds")
        marks = [as_bytes({"mark": {"complete_through": self.market.ends}})]
        for topic, partitions in {**dict.fromkeys(DOCUMENT_TOPICS, 4), "reference": 1, "commands": 1}.items():
            for partition in range(partitions):
                self.produce(topic, partition, marks)
        self.market.await_up_to_date()

    def replay_of(self, events, documents):
        """FINAL rows of these alone, in files."""
        folder, out = self.market.folder / "good", self.market.folder / "good-replayed"
        folder.mkdir()
        now = datetime.now(SHANGHAI).isoformat(timespec="milliseconds")
        for name, chosen in (("reference", events), ("events", documents)):
            (folder / f"{name}.jsonl").write_bytes(b"\n".join(as_bytes({**one, "arrival_time": now}) for one in chosen))
        self.market.ok("replay", "--in", folder, "--out", out)
        return (out / "metrics.jsonl").read_bytes()

    # ---- one outlet ----

    def test_a_hot_outlet(self):
        """It has 99 of 100 documents: its partition has the work, and the clocks of the others advance."""
        folder = hot_market(HOT_DOCUMENTS)
        self.start(state={"memory_mib": 256})
        began = time.monotonic()
        self.market.import_history(folder)
        self.market.await_final(replayed(folder), within=60 + HOT_DOCUMENTS / 50)
        standstill = self.witness.longest_standstill("outlet")
        figure(f"hot outlet: {HOT_DOCUMENTS} documents in {time.monotonic() - began:.1f} s; longest standstill of a clock {standstill:.1f} s")
        self.assertLess(standstill, 10 + HOT_DOCUMENTS / 1000)
        self.market.same_alerts(least=100)
        self.finish(256)

    # ---- alerts at one moment ----

    def test_all_run_dry_at_once(self):
        """Every outlet is counted empty at the same moment: each has its alert, once, and people can still look at them."""
        folder = stockout_market(STOCKOUTS)
        self.start(partitions=(4, 4, 2), state={"memory_mib": 1024})
        began = time.monotonic()
        self.market.import_history(folder)
        imported = time.monotonic()
        self.market.await_up_to_date(within=60 + STOCKOUTS / 500)
        eventually(lambda: self.open_alerts() >= STOCKOUTS, 30, lambda: json.dumps(self.market.status()))
        figure(f"{STOCKOUTS} outlets run dry: import {imported - began:.1f} s, all alerts there {time.monotonic() - imported:.1f} s later")
        out = self.market.folder / "from-kafka"
        self.market.ok("replay", "--kafka", "--out", out, within=300)
        expected = (out / "alerts.jsonl").read_bytes()
        log = self.timed("alerts log", "alerts", "log")
        same_lines(self, log, expected)
        fired = Counter(row["outlet_id"] for row in map(json.loads, log.splitlines()) if row["rule"] == "R1")
        self.assertEqual((len(fired), set(fired.values())), (STOCKOUTS, {1}))
        self.market.assert_written_once("alert-log")

        listed = [json.loads(line) for line in self.timed("alerts ls", "alerts", "ls").splitlines()]
        self.assertEqual(sum(alert["rule"] == "R1" for alert in listed), STOCKOUTS)
        severities = [alert["severity"] for alert in listed]
        self.assertEqual(severities, sorted(severities, key=["critical", "warning", "info"].index))
        one = listed[-1]["alert_id"]
        self.assertIn(one.encode(), self.timed("alerts show", "alerts", "show", one))
        self.assertEqual(len(self.timed("alerts ls of a county", "alerts", "ls", "--region", "K007", "--rule", "R1").splitlines()),
                         sum(alert["region_id"] == "K007" and alert["rule"] == "R1" for alert in listed))
        for arguments in (["watch", "alerts"], ["watch", "market"]):
            with self.subTest(arguments):
                took, screen = self.watch(len(listed), *arguments)
                figure(f"{' '.join(arguments)}: all are counted on the screen after {took:.1f} s\n{screen}")
                self.assertLess(screen.count("\n"), 32)
        self.finish(1024)

    def open_alerts(self):
        return sum(task["alerts_open"] or 0 for task in self.market.status() if task["stage"] == "desk")

    def timed(self, name, *arguments):
        began = time.monotonic()
        found = self.market.ok(*arguments)
        took = time.monotonic() - began
        figure(f"{name}: {took:.1f} s, {len(found)} bytes")
        self.assertLess(took, 3 + STOCKOUTS / 10_000, name)
        return found

    def watch(self, open_alerts, *arguments):
        """On a terminal of 32 lines: seconds until all are counted there, and what stands on it then."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 140, 0, 0))
        began = time.monotonic()
        child = subprocess.Popen(self.market.command(*arguments, "--lang", "en"), stdin=theirs, stdout=theirs, stderr=theirs,
                                 env={**CLEAN_ENVIRONMENT, "TERM": "xterm", "NO_COLOR": "1"}, start_new_session=True)
        self.addCleanup(child.kill)
        os.close(theirs)
        os.set_blocking(ours, False)
        written = b""

        def screen():
            nonlocal written
            try:
                written += os.read(ours, 1 << 20)
            except BlockingIOError:
                pass
            pictures = written.split(b"\x1b[H")[-2:]  # the last one may not be whole
            shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", pictures[0]).decode(errors="replace").replace("\r", "")
            return shown if re.search(rf"open alerts: {open_alerts}\b", shown) and " more" in shown else None

        try:
            shown = eventually(screen, 5 + STOCKOUTS / 5_000, lambda: written[-4000:].decode(errors="replace"))
            return time.monotonic() - began, shown
        finally:
            child.terminate()
            child.wait(10)
            os.close(ours)

    # ---- a small machine ----

    def test_a_backlog_in_256_mib_on_one_processor(self):
        """The work waits, not the watchdog, and the system has no reason to kill it."""
        limit = MemoryLimit(self, SMALL_MIB)
        self.market = Market(self, shared_kafka(), state={"memory_mib": SMALL_MIB - OVERHEAD_MIB}, run={"health": "127.0.0.1:0"}).create_topics()
        done = self.market.call("simulate", "--outlets", "250", "--days", "60", "--seed", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.market.ends = re.search(r"the market's clock goes to (\S+)", done.stderr).group(1)
        began = time.monotonic()

        def confined():
            limit.enter()
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

        self.process = self.market.run(preexec=confined)
        self.witness = Witness(self, self.market, self.process)
        self.market.await_up_to_date(within=120)
        figure(f"one processor: {time.monotonic() - began:.1f} s, {limit.summary()}")
        self.finish(SMALL_MIB)

    def test_a_limit_that_the_configuration_does_not_fit_into(self):
        """run names the setting before it does anything, and starts with it."""
        limit = MemoryLimit(self, SMALL_MIB)
        if not limit.folder:
            self.skipTest("no cgroup may be made")
        self.market = Market(self, shared_kafka(), state={"memory_mib": SMALL_MIB}).create_topics()
        output = self.market.run(preexec=limit.enter).ends(2)
        self.assertIn(f"state.memory_mib is 256, but this process may use 256 MiB ({limit.folder}/memory.limit_in_bytes), and it needs 128 MiB "
                      "beside state.memory_mib. Set state.memory_mib to 128 or less, or raise the limit to 384 MiB or more.", output)
        run = self.market.run("-X", "state.memory_mib=128", preexec=limit.enter)
        run.is_working()
        run.stop()

    def test_more_cells_than_the_limit_allows(self):
        """The cells of market are outside of state.memory_mib. The process ends with a sentence before the kernel kills it."""
        limit = MemoryLimit(self, 64 + OVERHEAD_MIB)
        if not limit.folder:
            self.skipTest("no cgroup may be made")
        self.market = Market(self, shared_kafka(), state={"memory_mib": 64}).create_topics()
        self.market.ok("simulate", "--outlets", "1500", "--days", "60", "--brands", "24", "--skus", "96", within=300)
        output = self.market.run(preexec=limit.enter).ends(1, within=240)
        self.assertRegex(output, rf"Out of memory: the process uses \d+ of the 192 MiB that {limit.folder}/memory.limit_in_bytes allows")


class MemoryLimit:
    """A cgroup (version 1) of this test's own; where none can be made, what the process needs is measured alone."""

    def __init__(self, test, mib):
        self.folder = pathlib.Path(f"/sys/fs/cgroup/memory/fiverate-test-{os.getpid()}")
        try:
            self.folder.mkdir()
            (self.folder / "memory.limit_in_bytes").write_text(str(mib << 20))
        except OSError:
            self.folder = None
            return
        test.addCleanup(self.folder.rmdir)

    def enter(self):
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def summary(self):
        if not self.folder:
            return "no cgroup"
        return f"at most {int((self.folder / 'memory.max_usage_in_bytes').read_text()) >> 20} MiB in its cgroup"


class BadRecords:
    """Into one partition of deliveries that has nothing else, so that the offset identifies each."""

    PARTITION = 3
    REASONS = ("malformed", "missing_field", "negative_quantity", "bad_payload", "bad_value")
    AHEAD = 60_000  # records: as fast as they are rejected, not as fast as Kafka takes them

    def __init__(self, test, market):
        self.test, self.market, self.sent = test, market, 0
        good = delivery("bad", "o1", at(-2), ("s1", 5))
        nameless = {name: value for name, value in good.items() if name != "event_id"}
        negative = delivery("bad", "o1", at(-2), ("s1", -5))
        overfull = delivery("bad", "o1", at(-2), ("s1", 1 << 40))
        self.records = [random.Random(1).randbytes(80).replace(b"\x1e", b"\x1f"), as_bytes(nameless), as_bytes(negative),
                        as_bytes({**good, "visit": {}}), as_bytes(overfull)]
        self.child = subprocess.Popen(["kcat", "-P", "-b", market.address, "-t", market.prefix + "deliveries", "-p", str(self.PARTITION),
                                       "-D", "\x1e"], stdin=subprocess.PIPE)
        test.addCleanup(self.child.kill)

    def consumed(self):
        return next((task["offset"] or 0 for task in self.market.status() if (task["topic"], task["partition"]) == ("deliveries", self.PARTITION)), 0)

    def fill(self):
        times = max(0, int(self.consumed()) + self.AHEAD - self.sent) // len(self.records)
        self.child.stdin.write(b"".join(one + b"\x1e" for one in self.records) * times)
        self.child.stdin.flush()
        self.sent += times * len(self.records)

    def end(self):
        self.child.stdin.close()
        self.test.assertEqual(self.child.wait(60), 0)
        return self.sent

    def expected(self):
        return {reason: self.sent // len(self.REASONS) for reason in self.REASONS}

    def quarantined(self):
        """How many: each at its offset, with its reason. Read as it comes: there are many."""
        reader = subprocess.Popen(["kcat", "-C", "-b", self.market.address, "-t", self.market.prefix + "quarantine", "-e", "-q", "-f", "%k %S\n%s"],
                                  stdout=subprocess.PIPE)
        self.test.addCleanup(reader.kill)
        seen = bytearray(self.sent)
        while head := reader.stdout.readline():
            key, size = head.rsplit(b" ", 1)
            value = reader.stdout.read(int(size))
            topic, partition, offset, _ = key.decode().split("/", 3)
            if (topic, partition) != ("deliveries", str(self.PARTITION)):
                continue
            offset = int(offset)
            self.test.assertEqual(value[2 : 2 + value[1]].decode(), self.REASONS[offset % len(self.REASONS)], key)
            seen[offset] += 1
        reader.stdout.close()
        reader.wait(30)
        self.test.assertEqual(set(seen), {1})
        return len(seen)


class Delays:
    """From when a good document was produced to when it stands in the ledger."""

    def __init__(self, test, market):
        self.found = []
        follow = subprocess.Popen(["kcat", "-C", "-u", "-b", market.address, "-t", market.prefix + "ledger", "-o", "end", "-q", "-f", "%T %h\n"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        pick = subprocess.Popen(["grep", "--line-buffered", "-E", f"cause=(visits/|deliveries/[^{BadRecords.PARTITION}])"], stdin=follow.stdout,
                                stdout=subprocess.PIPE)
        follow.stdout.close()
        threading.Thread(target=self.read, args=[pick.stdout], daemon=True).start()
        for end in (pick.wait, follow.wait, follow.kill):  # the last one first
            test.addCleanup(end)

    def read(self, lines):
        with lines:
            for line in lines:
                self.found.append(time.time() - int(line.split(b" ", 1)[0]) / 1000)

    def longest(self):
        return max(self.found)

    def summary(self):
        found = sorted(self.found)
        return f"half {found[len(found) // 2]:.2f}, 99 of 100 {found[len(found) * 99 // 100]:.2f}, longest {found[-1]:.2f}" if found else "none"


# ---- histories -------------------------------------------------------------------------------------------------------------------


def line(event_id, when, **payload):
    when = when.isoformat(timespec="milliseconds")
    return json.dumps({"event_id": event_id, "event_time": when, "arrival_time": when, **payload}) + "\n"


def region(name, parent, level):
    return line(f"region {name}", START, region={"region_id": name, "parent_id": parent, "level": level})


def outlet(name, county):
    return line(f"outlet {name}", START, outlet={"outlet_id": name, "valid_from": "2026-01-01", "region_id": county, "state": "ACTIVE",
                                                "classes": [{"dimension": "scale", "value": "A"}]})


def sku(name, brand):
    return line(f"sku {name}", START, sku={"sku_id": name, "brand_id": brand, "valid_from": "2026-01-01"})


def received(name, when, shop, sku, quantity):
    return line(f"d {name}", when, delivery={"delivery_id": f"d {name}", "outlet_id": shop, "direction": "OUT",
                                            "lines": [{"sku_id": sku, "quantity": quantity}]})


def counted(name, when, shop, sku, count):
    return line(f"v {name}", when, visit={"visit_id": f"v {name}", "outlet_id": shop, "visitor_id": "p1", "outcome": "DONE",
                                         "checks": [{"sku_id": sku, "count": count}]})


def written(name, reference_lines, lines):
    folder = scratch() / name
    folder.mkdir()
    (folder / "reference.jsonl").write_text("".join(reference_lines))
    (folder / "events.jsonl").write_text("".join(lines))
    return folder


def hot_market(documents, days=60):
    """One outlet has 99 of 100 documents; 19 others share the rest."""
    chance = random.Random(1)
    lines = []
    for number in range(documents):
        shop = "O0" if number % 100 else f"O{1 + number // 100 % 19}"
        when = START + timedelta(hours=1) + timedelta(days=days) * (number / documents)
        if number % 3 == 2:
            lines.append(counted(number, when, shop, f"S{number % 6}", chance.randrange(5)))
        else:
            lines.append(received(number, when, shop, f"S{number % 6}", chance.randrange(1, 9)))
    return written(f"hot-{documents}", [region("P", "", "PROVINCE"), region("K", "P", "COUNTY"), *(sku(f"S{n}", f"B{n % 2}") for n in range(6)),
                                        *(outlet(f"O{n}", "K") for n in range(20))], lines)


def stockout_market(outlets):
    """Delivered on the first day, all counted empty at one moment of the tenth; 100 outlets a county."""
    counties = [f"K{number:03}" for number in range(-(-outlets // 100))]
    names = [f"O{number:06}" for number in range(outlets)]
    dry = START + timedelta(days=9, hours=12)
    return written(f"dry-{outlets}",
                   [region("P", "", "PROVINCE"), *(region(county, "P", "COUNTY") for county in counties), sku("S1", "LARK"),
                    *(outlet(name, counties[number // 100]) for number, name in enumerate(names))],
                   [*(received(name, START + timedelta(hours=8), name, "S1", 10) for name in names),
                    *(counted(name, dry, name, "S1", 0) for name in names)])


if __name__ == "__main__":
    unittest.main(verbosity=2)

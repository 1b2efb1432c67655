#!/usr/bin/env python3
"""A process ends or loses its disk, and its tasks continue from a snapshot, from a standby or from the log. The results are those of a
replay, and /livez and /readyz report the state of the tasks. test_tasks.py has the tests of `fiverate tasks reset`."""

import json
import re
import shutil
import time
import unittest
import urllib.error
import urllib.request

from support import Market, delete_records, eventually, parts_of, replayed, shared_kafka, small_market

SHORT_SESSION = {"session.timeout.ms": 6000}  # the shortest that a broker allows by default
HISTORY = (100, 120)


class Takeover(unittest.TestCase):
    def setUp(self):
        self.history = small_market(*HISTORY)
        self.expected = replayed(self.history)

    def market(self, **sections):
        sections.setdefault("run", {})["commit_every_ms"] = 50
        market = Market(self, shared_kafka(), kafka=SHORT_SESSION, **sections).create_topics()
        (market.folder / "snapshots").mkdir()
        return market

    def written(self, market, topic):
        """All records of a topic, partition by partition, except progress records, which have no cause and are sent again after a start."""
        records = sorted(market.records(topic), key=lambda record: (record.partition, record.offset))
        return [(record.partition, record.key, record.value, record.headers) for record in records if b"fiverate-cause=" in record.headers]

    def work_off(self, market, part, run):
        """Imports a part of the history and waits until all tasks have processed it."""
        market.import_files(part, open=True)
        eventually(market.up_to_date, 60, run.text)

    # ---- snapshots ----

    def test_a_lost_disk_is_restored_from_a_snapshot_and_nothing_is_published_twice(self):
        market = self.market()
        options = ["-X", f"snapshots.dir={market.folder / 'snapshots'}", "-X", "snapshots.every_s=1"]
        parts = parts_of(self.history, 3)
        run = market.run(*options).is_working()
        self.work_off(market, parts[0], run)
        run.logs(r"outlet-\d: snapshot at offset \d+", 20, times=4)
        self.work_off(market, parts[1], run)
        run.stop()
        written = self.written(market, "deltas"), self.written(market, "signals"), self.written(market, "quarantine")
        shutil.rmtree(market.state)
        run = market.run(*options).is_working()
        run.logs(r"outlet/\d: restored from the snapshot at offset \d+", 20, times=4)
        eventually(market.up_to_date, 60, run.text)
        self.assertEqual(written, (self.written(market, "deltas"), self.written(market, "signals"), self.written(market, "quarantine")),
                         "the replay publishes nothing")
        market.import_files(parts[2])
        market.await_final(self.expected)
        run.stop()

    def test_a_state_that_is_far_behind_gives_way_to_a_snapshot(self):
        market = self.market()
        options = ["-X", f"snapshots.dir={market.folder / 'snapshots'}", "-X", "snapshots.every_s=1"]
        parts = parts_of(self.history, 3)
        run = market.run(*options[:2]).is_working()
        self.work_off(market, parts[0], run)
        run.stop()
        shutil.copytree(market.state, market.folder / "a-week-ago")
        run = market.run(*options).is_working()
        self.work_off(market, parts[1], run)
        worked_off = {task["partition"]: task["offset"] for task in market.status() if task["stage"] == "outlet"}
        self.assertEqual(len(worked_off), 4)

        def snapshots_have_come():  # the first ones are taken before there is anything to do
            return all(any(int(offset) >= end for offset in re.findall(rf"outlet-{partition}: snapshot at offset (\d+)", run.text()))
                       for partition, end in worked_off.items())

        eventually(snapshots_have_come, 20, run.text)
        run.stop()
        run = market.run(*options, state=market.folder / "a-week-ago").is_working()
        run.logs(r"outlet/\d: restored from the snapshot at offset \d+", 20)
        market.import_files(parts[2])
        market.await_final(self.expected)
        run.stop()

    def test_without_a_snapshot_the_log_is_replayed_without_publishing(self):
        market = self.market()
        parts = parts_of(self.history, 2)
        run = market.run().is_working()
        self.work_off(market, parts[0], run)
        run.stop()
        topics = ("deltas", "signals", "quarantine", "metrics-final", "alert-log")
        written = [self.written(market, topic) for topic in topics]
        shutil.rmtree(market.state)
        run = market.run().is_working()
        run.logs("replaying up to its checkpoint first", 20)
        eventually(market.up_to_date, 60, run.text)
        self.assertEqual(written, [self.written(market, topic) for topic in topics])
        market.import_files(parts[1])
        market.await_final(self.expected)
        run.stop()

    def test_damaged_snapshots_are_left_out(self):
        market = self.market()
        folder = market.folder / "snapshots"
        options = ["-X", f"snapshots.dir={folder}", "-X", "snapshots.every_s=1"]
        parts = parts_of(self.history, 2)
        run = market.run(*options).is_working()
        self.work_off(market, parts[0], run)
        run.logs(r"market-\d: snapshot at offset \d+", 20, times=2)
        run.stop()
        for file in folder.glob("*/files/*"):
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        shutil.rmtree(market.state)
        run = market.run(*options).is_working()
        run.logs("is left out", 20)
        market.import_files(parts[1])
        market.await_final(self.expected)
        run.stop()

    # ---- standby ----

    def test_a_standby_takes_over(self):
        market = self.market()
        options = ["--standby", "8", "-X", f"snapshots.dir={market.folder / 'snapshots'}", "-X", "snapshots.every_s=1"]
        parts = parts_of(self.history, 3)
        one = market.run(*options, state=market.folder / "one").is_working()
        other = market.run(*options, "-X", "run.health=127.0.0.1:0", state=market.folder / "other")
        market.import_files(parts[0], open=True)
        other.logs("standby from offset", 60)
        eventually(market.up_to_date, 60, one.text)
        self.work_off(market, parts[1], one)
        other.logs("health: http://", 1)
        address = re.search(r"health: http://(\S+)/livez", other.text()).group(1)

        def followed():
            standbys = self.get(address, "/readyz")[1]["standbys"]
            return standbys and all(standby["behind_records"] == 0 for standby in standbys) and standbys

        tasks = [standby["task"] for standby in eventually(followed, 20, lambda: self.get(address, "/readyz"))]
        self.assertTrue(any(task.startswith("outlet/") for task in tasks), tasks)
        shown = market.ok("-X", f"run.health={address}", "status", "-o", "table").decode()
        for task in tasks:
            self.assertRegex(shown, rf"{task}  offset \d+, \d+ records behind its owner")
        before = len(re.findall("taking over at offset", other.text()))
        one.kill()
        market.import_files(parts[2])
        other.logs("taking over at offset", 30, times=before + 4)
        market.await_final(self.expected)
        other.stop()

    def test_a_standby_wants_a_folder_of_its_own(self):
        market = self.market()
        run = market.run().is_working()
        market.fails(1, "run", "--standby", "1", message="needs a folder of its own")
        run.stop()
        run = market.run("--standby", "1").is_working()
        market.fails(1, "run", message="has it to itself")
        run.stop()
        market.fails(1, "run", "--standby", "1", "-X", "run.outlet_threads=2", message="run.outlet_threads is 2")
        market.fails(1, "run", "-X", f"snapshots.dir={market.folder / 'unmounted'}", message="is not a folder")

    # ---- a log whose beginning is gone ----

    def ends_of(self, market, topic):
        ends = {}
        for record in market.records(topic):
            ends[record.partition] = max(record.offset + 1, ends.get(record.partition, 0))
        return ends

    def test_retention_that_passes_what_a_source_was_read_to(self):
        """Unread records are gone: `run` reports this and ends, and computes nothing from the rest."""
        market = self.market()
        parts = parts_of(self.history, 2)
        run = market.run().is_working()
        self.work_off(market, parts[0], run)
        run.stop()
        read_to = next(task["offset"] for task in market.status() if (task["topic"], task["partition"]) == ("deliveries", 2))
        market.import_files(parts[1])
        delete_records(market.address, market.prefix + "deliveries", {2: read_to + 3})
        output = market.run().ends(1)
        self.assertRegex(output, rf"PARTIAL: deliveries/2 has to be computed from deliveries partition 2 offset {read_to} on, "
                               rf"but this log begins at {read_to + 3}: .*Put back a snapshot or the log; nothing is computed from a part")
        entered = [re.search(rb"fiverate-cause=deliveries/2/(\d+)", record.headers) for record in market.records("ledger")]
        self.assertLess(max(int(cause[1]) for cause in entered if cause), read_to)

    def test_a_complete_state_needs_no_beginning_of_the_log(self):
        market = self.market()
        parts = parts_of(self.history, 2)
        run = market.run().is_working()
        self.work_off(market, parts[0], run)
        run.stop()
        for topic in ("ledger", "deltas", "signals"):
            delete_records(market.address, market.prefix + topic, self.ends_of(market, topic))
        run = market.run()
        run.logs(r"definition in partition \d is none: the log begins at offset \d+", 40)
        market.import_files(parts[1])
        market.await_final(self.expected)
        run.stop()

    def test_a_task_without_state_whose_log_has_lost_its_beginning(self):
        """The process that takes the task over reports what is missing and ends; so does a process that is started then. The rows stay."""
        market = self.market()
        one = market.run(state=market.folder / "one").is_working()
        other = market.run(state=market.folder / "other")
        other.logs(r"outlet/\d: reading ledger", 40)  # before the import, so `one` has almost no state of the tasks that moved
        self.work_off(market, parts_of(self.history, 2)[0], one)
        rows = market.final()
        delete_records(market.address, market.prefix + "ledger", self.ends_of(market, "ledger"))
        other.kill()
        output = one.ends(1, within=40)
        self.assertRegex(output, r"PARTIAL: outlet/\d has to be computed from ledger partition \d offset \d+ on, but this log begins at \d+: "
                               r".*Put back a snapshot or the log")
        market.fails(1, "run", message="PARTIAL: outlet/")
        self.assertEqual(market.final(), rows)

    # ---- health, leaving ----

    def get(self, address, path):
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_livez_and_readyz(self):
        market = self.market(run={"health": "127.0.0.1:0"})
        run = market.run()
        run.logs("health: http://", 20)
        address = re.search(r"health: http://(\S+)/livez", run.text()).group(1)
        self.assertEqual(self.get(address, "/livez")[0], 200)
        self.assertIn(self.get(address, "/readyz")[0], (200, 503))
        run.is_working()
        eventually(lambda: self.get(address, "/readyz")[0] == 200, 30, lambda: self.get(address, "/readyz"))
        self.assertEqual(self.get(address, "/readyz")[1],
                         {"ready": True, "assigned": True, "restored": True, "up_to_date": True, "waiting": [], "standbys": []})
        self.assertEqual(self.get(address, "/nothing")[0], 404)
        run.stop()
        market.fails(1, "run", "-X", "run.health=203.0.113.1:8081", message="Cannot listen at 203.0.113.1:8081")  # not of this machine

    def readers(self, *runs):
        """The process that reads each input: the last one that logged it."""
        logged = sorted((time, what, number) for number, run in enumerate(runs)
                      for time, what in re.findall(r"^(\S+ \S+) info (\w+/\d+: reading \w+ partition \d+) ", run.text(), re.MULTILINE))
        return {what: runs[number] for _, what, number in logged}

    def test_an_orderly_stop_hands_over_at_once(self):
        market = self.market()
        parts = parts_of(self.history, 2)
        one = market.run(state=market.folder / "one").is_working()
        other = market.run(state=market.folder / "other")
        market.import_files(parts[0], open=True)
        several = {"orders", "deliveries", "visits", "outlet", "market", "desk"}

        def shared():
            """Both processes have tasks of each stage that has several."""
            readers = self.readers(one, other)
            return all(several <= {what.split("/")[0] for what in readers if readers[what] is run} for run in (one, other))

        eventually(shared, 60, other.text)
        eventually(market.up_to_date, 60, one.text)
        readers = self.readers(one, other)
        self.assertEqual(len(readers), 22, readers)
        handed_over = {what for what, run in readers.items() if run is one}
        before = len(other.text())
        began = time.monotonic()
        one.stop()

        def missing():
            return {what for what in handed_over if f"{what} from" not in other.text()[before:]}

        eventually(lambda: not missing(), max(0.1, began + 5 - time.monotonic()), lambda: f"{missing()} in\n{other.text()[before:]}")
        market.import_files(parts[1])
        market.await_final(self.expected)
        other.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

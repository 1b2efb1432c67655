#!/usr/bin/env python3
"""`fiverate tasks ls` and `fiverate tasks reset` on a real broker: lost records are published again, and the results are those of a replay."""

import json
import re
import shutil
import unittest
import urllib.error
import urllib.request

from admin import Admin
from support import Market, eventually, parts_of, replayed, shared_kafka, small_market

SESSION_S = 6  # the shortest that a broker allows by default
MISSING_REPORTED_WITHIN = 40  # s; a task waits 10 s for missing records before it logs a warning
TASKS = {*(f"{topic}-{partition}" for topic in ("orders", "deliveries", "visits") for partition in range(4)), "commands-0", "reference-0",
         *(f"outlet-{partition}" for partition in range(4)), "market-0", "market-1", "desk-0", "desk-1"}


class Tasks(unittest.TestCase):
    def setUp(self):
        self.history = small_market(100, 120)
        self.expected = replayed(self.history)
        self.parts = parts_of(self.history, 2)
        self.market = Market(self, shared_kafka(), kafka={"session.timeout.ms": SESSION_S * 1000}, run={"commit_every_ms": 50}).create_topics()

    def process_first_part(self):
        run = self.market.run().is_working()
        self.market.import_files(self.parts[0], open=True)
        eventually(self.market.up_to_date, 60, run.text)
        run.stop()

    def list(self):
        rows = map(json.loads, self.market.ok("tasks", "ls", "-o", "json").splitlines())
        return {row["task"]: row for row in rows}

    def recreate(self, topic):
        """All records of the topic are lost, as with the disk of the only broker."""
        Admin(self.market.address).delete_topic(self.market.prefix + topic)
        self.market.create_topics()

    def reset(self, *arguments):
        """Succeeds once the group has dropped the members of a process that ended by an error. Returns the output of the command."""
        def attempt():
            done = self.market.call("tasks", "reset", *arguments)
            if done.returncode != 1:
                self.assertEqual(done.returncode, 0, done.stderr)
                return done.stdout.decode()
            self.assertRegex(done.stderr, r"Nothing was changed: \d+ processes of this stage are running")
            return None

        output = eventually(attempt, 3 * SESSION_S, f"tasks reset {arguments}", every=0.5)
        self.assertIn(f"Done. {arguments[0]} publishes again at the next `fiverate run`", output)
        return output

    def finish(self, run):
        self.market.import_files(self.parts[1])
        self.market.await_final(self.expected)
        self.market.same_alerts(least=10)
        run.stop()

    def test_ls(self):
        self.process_first_part()
        tasks = self.list()
        self.assertEqual(set(tasks), TASKS)
        for name, task in tasks.items():
            with self.subTest(name):
                self.assertEqual(f"{task['input_topic']}-{task['input_partition']}",
                                 re.sub("outlet", "ledger", re.sub("market", "deltas", re.sub("desk", "signals", name))))
                self.assertEqual((task["offset"], task["lag_records"], task["reset_epoch"]), (task["log_end"], 0, 0))
                self.assertGreaterEqual(task["checkpoint"], 0)

    def test_dry_run_changes_nothing(self):
        self.process_first_part()
        tasks, checkpoints = self.list(), len(self.market.records("checkpoints"))
        output = self.market.ok("tasks", "reset", "outlet-1", "--offset", "5", "--dry-run").decode()
        self.assertRegex(output, r"publishes again what offsets 5 to \d+ cause")
        self.assertIn("Nothing was changed", output)
        self.assertEqual((self.list(), len(self.market.records("checkpoints"))), (tasks, checkpoints))
        self.assertTrue((self.market.state / "outlet-1").exists())

    def test_wrong_arguments(self):
        self.process_first_part()
        self.market.fails(2, "tasks", "reset", "outlet-9", message='There is no task "outlet-9".*outlet-0, outlet-1')
        self.market.fails(2, "tasks", "reset", "outlet-1", message="hold all that its last checkpoint names.*--offset N")
        self.market.fails(2, "tasks", "reset", "outlet-1", "--offset", "1000000", message="has read its input up to offset")
        self.market.fails(2, "tasks", "reset", message="Name a task, or give --missing")
        self.market.fails(2, "tasks", "reset", "--missing", message="Nothing was changed: no task waits for missing records")

    def test_running_processes_are_not_reset(self):
        run = self.market.run().is_working()
        self.market.import_files(self.parts[0], open=True)
        eventually(self.market.up_to_date, 60, run.text)
        checkpoints = len(self.market.records("checkpoints"))
        self.market.fails(1, "tasks", "reset", "outlet-1", "--offset", "0", message=r"Nothing was changed: \d+ processes of this stage are running")
        self.assertTrue(all(task["reset_epoch"] == 0 for task in self.list().values()))
        self.assertGreaterEqual(len(self.market.records("checkpoints")), checkpoints)
        self.finish(run)

    def test_outputs_are_published_again(self):
        """Receivers drop the repetitions, and states from before the reset are discarded on every disk."""
        self.process_first_part()
        shutil.copytree(self.market.state, self.market.folder / "other-disk")
        before = self.caused_by_outlet(1)
        self.reset("outlet-1", "--offset", "1")
        self.assertFalse((self.market.state / "outlet-1").exists())
        self.assertEqual(self.list()["outlet-1"]["reset_epoch"], 1)
        run = self.market.run(state=self.market.folder / "other-disk")
        run.logs("other-disk/outlet-1: the state is removed: it was built before a reset of its task", 40)
        run.is_working()
        eventually(self.market.up_to_date, 60, run.text)
        self.assertEqual(self.caused_by_outlet(1), sorted(before + before))
        self.finish(run)

    def caused_by_outlet(self, partition):
        """The records of one outlet task in `deltas`."""
        return sorted((record.partition, record.headers, record.value) for record in self.market.records("deltas")
                      if b"fiverate-cause=outlet/%d/" % partition in record.headers)

    def test_lost_final_rows_are_published_again(self):
        self.process_first_part()
        rows = self.market.final()
        self.assertTrue(rows)
        self.recreate("metrics-final")
        self.assertEqual(self.market.final(), b"")
        output = self.market.run().ends(1, within=60)
        self.assertRegex(output, r"Acknowledged results of market/\d are gone: metrics-final partition \d ends at offset \d+")
        self.assertIn("run `fiverate tasks reset --missing`", output)
        for task in ("market-0", "market-1"):
            self.assertRegex(self.reset(task), r"Lost: metrics-final partition \d ends at offset \d+")
        run = self.market.run().is_working()
        eventually(lambda: self.market.final() == rows, 60, run.text)
        self.finish(run)

    def test_one_command_publishes_all_lost_results_again(self):
        """Several result topics are deleted and created again. One start names one command, after which nothing is missing."""
        self.process_first_part()
        topics = ("metrics-final", "alert-log", "seals", "quarantine")
        before = {topic: sorted(record.value for record in self.market.records(topic)) for topic in topics}
        for topic in topics:
            self.recreate(topic)
        output = self.market.run().ends(1, within=60)
        self.assertIn("run `fiverate tasks reset --missing`", output)
        self.assertEqual(self.market.call("tasks", "reset", "--missing", "--dry-run").returncode, 0)
        self.reset_missing()
        run = self.market.run().is_working()
        for topic in topics:
            eventually(lambda topic=topic: sorted({record.value for record in self.market.records(topic)}) == sorted(set(before[topic])), 90, run.text)
        self.market.fails(2, "tasks", "reset", "--missing", message="no results are gone")
        self.finish(run)

    def readyz(self, run):
        address = re.search(r"health: http://(\S+)/livez", run.text()).group(1)
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def noted(self):
        """What `status` shows of missing records, by task."""
        return {f"{row['stage']}-{row['partition']}": row["missing"] for row in self.market.status() if row["missing"]}

    def test_a_sequence_gap_behind_intake_is_shown_and_closed(self):
        """The ledger loses records before outlet tasks read them. These wait for the records; `status`, /readyz, `watch` and the log name
        all of them and the command that publishes them again."""
        run = self.market.run("--stage", "intake")
        run.logs(r"deliveries/0: reading deliveries", 40)
        self.market.import_files(self.parts[0], open=True)
        eventually(lambda: all(self.list()[task]["lag_records"] == 0 for task in TASKS if task[:4] in ("orde", "deli", "visi", "refe")), 60, run.text)
        run.stop()
        self.recreate("ledger")
        run = self.market.run("-X", "run.health=127.0.0.1:0").is_working()
        self.market.import_files(self.parts[1])
        waits = r"warning outlet/\d has waited 10 s for missing records: those caused by \S+ offsets \d+ to \d+.*run `fiverate tasks reset --missing`"
        run.logs(waits, MISSING_REPORTED_WITHIN, times=4)
        self.assertEqual(self.market.final(), b"")

        def waiting_tasks():
            code, ready = self.readyz(run)
            self.assertEqual((code, ready["ready"], ready["up_to_date"]), (503, False, False), ready)
            return {entry["task"].replace("/", "-"): entry for entry in ready["waiting"] if "missing" in entry}

        def same_everywhere():  # once intake has sent all
            waiting, noted = waiting_tasks(), self.noted()
            texts = {task: ", ".join(f"{one['sender']} offsets {one['from']} to {one['to']}" for one in entry["missing"]) for task, entry in waiting.items()}
            return noted == texts and (waiting, noted)

        waiting, noted = eventually(same_everywhere, 20, lambda: (waiting_tasks(), self.noted()))
        self.assertEqual(set(noted), {f"outlet-{partition}" for partition in range(4)})
        for task, ranges in noted.items():
            with self.subTest(task):
                row = next(row for row in self.market.status() if f"{row['stage']}-{row['partition']}" == task)
                self.assertEqual(row["sequence_gaps"], len(ranges.split(", ")))
                self.assertIn("deliveries/", ranges)
                self.assertIn("fiverate tasks reset --missing", waiting[task]["because"])
        table = self.market.ok("status", "-o", "table").decode()
        watched = self.market.call("watch", "rates", "-o", "json", "--seconds", "4").stderr
        for text in (table, watched):
            for task, ranges in noted.items():
                self.assertIn(f"{task.replace('-', '/')} waits for missing records: those caused by {ranges}.", text)
            self.assertIn("stop all processes, run `fiverate tasks reset --missing`", text)
        self.market.fails(1, "tasks", "reset", "--missing", message="Nothing was changed: .* are running")
        run.stop()
        self.assertEqual(self.noted(), noted, "it is known while nothing runs")
        dry = self.market.ok("tasks", "reset", "--missing", "--dry-run").decode()
        senders = {one["sender"].replace("/", "-") for entry in waiting.values() for one in entry["missing"]}
        self.assertEqual(set(re.findall(r"^(\S+) reads ", dry, re.MULTILINE)), senders)
        self.assertEqual(len(run_all := re.findall(r"Done\. (\S+) publishes again", self.reset_missing())), len(senders), run_all)
        run = self.market.run("-X", "run.health=127.0.0.1:0")
        run.logs(r"info outlet/\d: the missing records have come", 60, times=4)
        self.market.await_final(self.expected)
        self.assertEqual(self.noted(), {})
        eventually(lambda: self.readyz(run)[0] == 200, 20, lambda: self.readyz(run))
        self.market.fails(2, "tasks", "reset", "--missing", message="no task waits for missing records")
        self.market.same_alerts(least=10)
        run.stop()

    def reset_missing(self):
        def attempt():
            done = self.market.call("tasks", "reset", "--missing")
            return done.stdout.decode() if done.returncode == 0 else None

        return eventually(attempt, 3 * SESSION_S, "tasks reset --missing", every=0.5)


if __name__ == "__main__":
    unittest.main(verbosity=2)

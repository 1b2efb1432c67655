#!/usr/bin/env python3
"""What the program writes: --out keeps earlier results and follows no links, secrets stay hidden, data cannot forge a line.

    safety_test.py --program build/dev/fiverate
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import unittest

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FIVERATE_")}
PROGRAM = ""
SANITIZED = False
SMALL = ("--outlets", "5", "--days", "3", "--brands", "1", "--skus", "2")
MAP = """[reference]
since = "2012-01-01"

[region]
region_id = "{region}"
level = "COUNTY"
"""


def call(*command, environment=None, preexec=None, within=60):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          env={**ENVIRONMENT, **(environment or {})}, timeout=within, check=False, preexec_fn=preexec)


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="fiverate-safety-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def ends(self, code, *arguments, **options):
        done = call(PROGRAM, *arguments, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        return done


class Out(Case):
    """replay, simulate and import write into an empty folder, or replace their files with --force."""

    def setUp(self):
        super().setUp()
        self.history = self.folder / "history"
        self.ends(0, "simulate", "--out", self.history, *SMALL)
        (self.folder / "regions.csv").write_text("region\nA\n")
        (self.folder / "map.toml").write_text(MAP)
        self.commands = {
            "metrics.jsonl": ["replay", "--in", self.history],
            "events.jsonl": ["simulate", *SMALL],
            "reference.jsonl": ["import", self.folder / "regions.csv", "--map", self.folder / "map.toml"],
        }

    def test_earlier_results_are_kept(self):
        for name, command in self.commands.items():
            with self.subTest(command[0]):
                out = self.folder / command[0]
                out.mkdir()
                (out / name).write_text("evidence")
                done = self.ends(2, *command, "--out", out)
                self.assertIn(f"Folder {out} is not empty: it contains {name}. Use a new folder, or --force", done.stderr)
                self.assertEqual([(each.name, each.read_text()) for each in out.iterdir()], [(name, "evidence")])
                (out / "other.txt").write_text("kept")
                self.ends(0, *command, "--out", out, "--force")
                self.assertNotEqual((out / name).read_text(), "evidence")
                self.assertEqual((out / "other.txt").read_text(), "kept")

    def test_links_are_not_followed(self):
        for name, command in self.commands.items():
            with self.subTest(command[0]):
                out = self.folder / command[0]
                out.mkdir()
                evidence = self.folder / "evidence"
                evidence.write_text("evidence")
                (out / name).symlink_to(evidence)
                self.ends(2, *command, "--out", out)
                self.ends(0, *command, "--out", out, "--force")
                self.assertEqual(evidence.read_text(), "evidence")
                self.assertFalse((out / name).is_symlink())

    def test_the_same_results_by_force(self):
        out = self.folder / "out"
        self.ends(0, "replay", "--in", self.history, "--out", out)
        first = {each.name: each.read_bytes() for each in out.iterdir()}
        self.ends(0, "replay", "--in", self.history, "--out", out, "--force")
        self.assertEqual({each.name: each.read_bytes() for each in out.iterdir()}, first)

    def test_a_truth_file_that_exists(self):
        (self.folder / "truth").write_text("evidence")
        done = self.ends(2, "simulate", "--truth", self.folder / "truth", *SMALL)
        self.assertIn(f"File {self.folder / 'truth'} exists. Use another name, or --force", done.stderr)


class Secrets(Case):
    PASSWORD = "tiger-lily-7"

    def hidden(self, code, *arguments, **options):
        done = self.ends(code, *arguments, **options)
        self.assertNotIn(self.PASSWORD, done.stdout + done.stderr)
        return done

    def test_a_password_in_the_address_of_a_broker(self):
        address = f"kafka.bootstrap.servers=user:{self.PASSWORD}@127.0.0.1:1"
        done = self.hidden(1, "rates", "-X", address)
        self.assertIn("user:(redacted)@127.0.0.1:1", done.stderr)
        done = self.hidden(0, "config", "show", "--origin", "-X", address)
        self.assertIn('"bootstrap.servers" = "user:(redacted)@127.0.0.1:1"', done.stdout)

    def test_everything_that_librdkafka_logs(self):
        """SASL to a port at which nothing listens, with all debug lines."""
        for log_format in ("text", "json"):
            with self.subTest(log_format):
                done = self.hidden(1, "rates", "-X", "kafka.bootstrap.servers=127.0.0.1:1", "-X", "kafka.debug=all", "-X", "log.level=trace",
                                   "-X", f"log.format={log_format}", "-X", "kafka.security.protocol=sasl_plaintext", "-X",
                                   "kafka.sasl.mechanisms=PLAIN", "-X", "kafka.sasl.username=user",
                                   environment={"FIVERATE_KAFKA_SASL_PASSWORD": self.PASSWORD})
                self.assertIn("kafka: ", done.stderr)
                if log_format == "json":
                    for line in done.stderr.splitlines():
                        if line.startswith("{"):
                            json.loads(line)

    def test_mistakes_in_secrets(self):
        for arguments in (["rates", "-X", f"kafka.sasl.pasword={self.PASSWORD}"], ["rates", "-X", f"kafka.sasl.password {self.PASSWORD}"],
                          ["rates", f"kafka.sasl.password={self.PASSWORD}"], ["rates", f"--sasl.password={self.PASSWORD}"],
                          ["rates", "-X", f"sasl.password={self.PASSWORD}"]):
            with self.subTest(arguments):
                self.hidden(2, *arguments)


class Messages(Case):
    HOSTILE = "x\nfiverate: all is well\x1b[2J\x9b1m"

    def assert_safe(self, text):
        self.assertNotRegex(text, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
        self.assertNotRegex(text, r"(?m)^fiverate: all is well")

    def test_arguments_and_names_of_files(self):
        hostile = self.folder / self.HOSTILE
        for code, arguments in ((2, [self.HOSTILE]), (2, ["rates", self.HOSTILE]), (2, ["rates", f"--{self.HOSTILE}"]),
                                (2, ["rates", "-X", f"topics.prefix={self.HOSTILE}"]), (2, ["rates", "--config", hostile]),
                                (2, ["run", "--stage", self.HOSTILE]), (1, ["replay", "--in", hostile, "--out", self.folder / "out"]),
                                (2, ["rates", "-o", self.HOSTILE])):
            with self.subTest(arguments):
                done = self.ends(code, *arguments)
                self.assert_safe(done.stderr)
                self.assertTrue(done.stderr.startswith("fiverate: "))

    def test_data_of_a_csv(self):
        (self.folder / "hostile.csv").write_text('region,level\n"A\u202e\nfiverate: all is well\x1b[2J",nonsense\n')
        (self.folder / "map.toml").write_text(MAP.replace('"COUNTY"', '"{level}"'))
        done = self.ends(0, "import", self.folder / "hostile.csv", "--map", self.folder / "map.toml", "--out", self.folder / "out")
        self.assert_safe(done.stderr)


class Memory(Case):
    def test_a_limit_of_the_address_space(self):
        """Under any limit a replay succeeds or ends with a sentence, never by a signal."""
        if SANITIZED:
            self.skipTest("the address sanitizer reserves terabytes of addresses")
        history, out = self.folder / "history", self.folder / "out"
        self.ends(0, "simulate", "--out", history, "--outlets", "60", "--days", "40", "--skus", "20", "--brands", "4")
        codes = set()
        for mib in (60, 80, 100, 120, 140, 160, 200, 250, 300, 2000):
            with self.subTest(mib=mib):
                done = call(PROGRAM, "replay", "--in", history, "--out", out, "--force",
                            preexec=lambda limit=mib << 20: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
                if done.returncode == 127:  # the system cannot load the program
                    continue
                codes.add(done.returncode)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                if done.returncode == 1:
                    self.assertRegex(done.stderr, r"(?m)^fiverate: (Out of memory|A thread cannot be started|.*Cannot allocate memory)")
        self.assertEqual(codes, {0, 1})


class Times(Case):
    """Times at both ends of the range are bad input of their own lines, never a fault of the program or of another line."""

    def replayed(self, *deliveries):
        """The FINAL days with deliveries, and (reason, file, line) of the quarantine."""
        history, out = self.folder / "in", self.folder / "out"
        history.mkdir(exist_ok=True)
        common = {"source": "test", "event_time": "1970-01-01T00:00:00Z"}
        (history / "reference.jsonl").write_text("".join(json.dumps({**common, "event_id": name, **payload}) + "\n" for name, payload in (
            ("r", {"region": {"region_id": "R", "level": "COUNTY"}}),
            ("s", {"sku": {"sku_id": "S", "brand_id": "B", "valid_from": "1970-01-01"}}),
            ("o", {"outlet": {"outlet_id": "O", "region_id": "R", "valid_from": "1970-01-01", "state": "ACTIVE", "classes": []}}))))
        (history / "events.jsonl").write_text("".join(json.dumps({
            "event_id": f"d{number}", "source": "test", **times, "delivery": {
                "delivery_id": f"D{number}", "outlet_id": "O", "direction": "OUT", "lines": [{"sku_id": "S", "quantity": 1}]}}) + "\n"
            for number, times in enumerate(deliveries, start=1)))
        self.ends(0, "replay", "--in", history, "--out", out, "--force")
        quarantined = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        units = {row["as_of"]: row["measures"]["delivered_units"] for row in rows
                 if row["brand_id"] == "B" and row["region_id"] == "" and row["window_days"] == 28}
        return units, {line["line"]: (line["reason"], line["file"], line["detail"].split(":")[0]) for line in quarantined}, len(quarantined)

    def test_before_1970(self):
        units, rejected, count = self.replayed(
            {"event_time": "1970-01-01T00:00:00Z"}, {"event_time": "1970-01-01T07:59:59+08:00"}, {"event_time": "1969-12-31T23:59:59Z"},
            {"event_time": "1970-01-02T00:00:00Z", "arrival_time": "1960-01-01T00:00:00Z"}, {"event_time": "0001-01-01T00:00:00Z"})
        self.assertEqual(units, {"1970-01-01": 1}, "the first day of Shanghai begins before 1970, and counts")
        self.assertEqual(rejected, {2: ("bad_value", "events.jsonl", "event_time"), 3: ("bad_value", "events.jsonl", "event_time"),
                                    4: ("bad_value", "events.jsonl", "arrival_time"), 5: ("bad_value", "events.jsonl", "event_time")})
        self.assertEqual(count, 4)

    def test_at_the_end_of_9999(self):
        units, rejected, count = self.replayed(
            {"event_time": "1970-03-01T12:00:00Z"}, {"event_time": "9999-12-31T23:59:59Z"}, {"event_time": "9999-12-31T00:00:00+08:00"},
            {"event_time": "1970-03-01T13:00:00Z", "arrival_time": "9999-12-31T23:59:59Z"}, {"event_time": "9999-12-31T23:59:60Z"})
        self.assertEqual(units["1970-03-01"], 1)
        self.assertEqual({line: reason for line, (reason, *_) in rejected.items()}, {2: "future", 3: "future", 4: "future", 5: "bad_value"})
        self.assertEqual(count, 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--sanitized", action="store_true", help="the program has the address sanitizer, which reserves terabytes of addresses")
    arguments, rest = parser.parse_known_args()
    PROGRAM, SANITIZED = arguments.program, arguments.sanitized
    unittest.main(argv=[sys.argv[0], *rest])

#!/usr/bin/env python3
"""A small market through the whole program, from `import` to `rates`: the results are those of a replay."""

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from support import Market, Process, eventually, replayed, same_lines, shared_kafka, small_market


KEY_FIELDS = ("as_of", "brand_id", "region_id", "class_dimension")
PROTO = pathlib.Path(os.environ.get("FIVERATE_TEST_ROOT", pathlib.Path(__file__).parents[2])) / "schemas" / "proto"
SAMPLED = 29  # every so many records are compared
REPEATED = ("records", "lines", "windows")


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def decoded(message, file, values):
    """Each value as a dictionary of texts, by protoc: the values become one message that repeats `message`."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "all.proto").write_text(
            f'syntax = "proto3"; import "{file}"; message All {{ repeated {message} records = 1; }}')
        text = subprocess.run(["protoc", f"-I{PROTO}", f"-I{folder}", "--decode=All", "all.proto"], capture_output=True, check=True,
                              input=b"".join(b"\x0a" + varint(len(value)) + value for value in values)).stdout.decode()
    return parsed(iter(text.splitlines()))["records"]


def parsed(lines):
    """One message of Protobuf's text format."""
    fields = {}
    for line in map(str.strip, lines):
        if line == "}":
            break
        name, value = (line[:-2], parsed(lines)) if line.endswith(" {") else line.split(": ", 1)
        value = value.strip('"') if isinstance(value, str) else value
        if name in REPEATED:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


class Pipeline(unittest.TestCase):
    """One market that ran to its end; the tests look at it from all sides."""

    @classmethod
    def setUpClass(cls):
        cls.history = small_market()
        cls.expected = replayed(cls.history)
        cls.rows = [json.loads(line) for line in cls.expected.splitlines()]
        cls.first = cls("test_final_rows")  # provides cleanups and assertions to the shared market
        cls.addClassCleanup(cls.first.doCleanups)
        cls.market = Market(cls.first, shared_kafka())
        cls.made = cls.market.ok("topics", "create").decode()
        cls.watching = Process(cls.market, "watch", "rates")
        cls.run_process = cls.market.run()
        cls.market.import_history(cls.history)
        cls.market.await_up_to_date()

    def lines(self, condition):
        """The lines of the replay for which this holds, as bytes."""
        return b"".join(raw + b"\n" for raw, row in zip(self.expected.splitlines(), self.rows) if condition(row))

    def test_final_rows(self):
        self.market.test = self
        same_lines(self, self.market.ok("rates", "--final", "-o", "json"), self.expected)
        self.assertEqual(self.market.assert_written_once(), 0)

    def test_records_by_the_proto_file_alone(self):
        """A consumer that has only metrics.proto finds every measure and rate of a row by its name."""
        expected = {}
        for row in self.rows:
            expected[tuple(row[field] for field in (*KEY_FIELDS, "class_value", "window_days"))] = row
        values = [record.value for record in self.market.records("metrics-final")][::SAMPLED]
        compared = 0
        for row in decoded("fiverate.MetricsRow", "metrics.proto", values):
            self.assertEqual((row["status"], row["revision"]), ("FINAL", "1"))
            key = tuple(row.get(field, "") for field in KEY_FIELDS)
            for line in row["lines"]:
                if row.get("class_dimension") and "class_value" not in line:
                    continue  # the total, which is the line of another row
                for window in line["windows"]:
                    published = expected[(*key, line.get("class_value", ""), int(window.get("window_days", 0)))]
                    compared += 1
                    self.assertEqual(window.get("period"), published.get("period"))
                    self.assertEqual(window.get("price_status"), published.get("price_status"))
                    self.assertEqual({name: int(value) for name, value in window["measures"].items()},
                                     {name: value for name, value in published["measures"].items() if value != 0})
                    rates = {name: {"numerator": int(rate.pop("numerator", 0)), "denominator": int(rate.pop("denominator", 0)),
                                    "status": rate.pop("status", "NO_DENOMINATOR"), **{part: float(value) for part, value in rate.items()}}
                             for name, rate in window.get("rates", {}).items()}
                    self.assertEqual(rates, published["rates"])
        self.assertGreater(compared, 100)

    def test_replay_from_the_ledger(self):
        out = self.market.folder / "from-kafka"
        self.market.ok("replay", "--kafka", "--out", out)
        same_lines(self, (out / "metrics.jsonl").read_bytes(), self.expected)

    def test_one_day_and_some_days(self):
        for day in ("2026-01-05", "2026-02-10", self.rows[-1]["as_of"]):
            with self.subTest(day):
                same_lines(self, self.market.ok("rates", "--as-of", day), self.lines(lambda row: row["as_of"] == day))
        some = self.market.ok("rates", "--final", "--from", "2026-01-30", "--through", "2026-02-02")
        same_lines(self, some, self.lines(lambda row: "2026-01-30" <= row["as_of"] <= "2026-02-02"))
        self.assertEqual(self.market.ok("rates", "--as-of", "2031-01-01"), b"")

    def test_filters(self):
        filters = {"--brand": ("brand_id", "B02"), "--region": ("region_id", "P1C1"),
                   "--class": ("class_dimension", "scale"), "--window": ("window_days", 28)}
        for option, (field, value) in filters.items():
            with self.subTest(option):
                found = self.market.ok("rates", "--final", option, value)
                self.assertTrue(found)
                same_lines(self, found, self.lines(lambda row: row[field] == value))
        together = [part for option, (_, value) in filters.items() for part in (option, value)]
        same_lines(self, self.market.ok("rates", "--final", *together),
                   self.lines(lambda row: all(row[field] == value for field, value in filters.values())))
        same_lines(self, self.market.ok("rates", "--final", "--brand", "", "--region", "", "--class", ""),
                   self.lines(lambda row: not row["brand_id"] and not row["region_id"] and not row["class_dimension"]))

    def test_latest_rows(self):
        rows = [json.loads(line) for line in self.market.ok("rates", "-o", "json").splitlines()]
        keys = [(row["brand_id"], row["region_id"], row["class_dimension"], row["class_value"], row["window_days"]) for row in rows]
        self.assertEqual(len(keys), len(set(keys)), "one row a key")
        self.assertEqual(keys, sorted(keys, key=lambda key: tuple(str(part).encode() for part in key[:4]) + (key[4],)))
        self.assertEqual({row["as_of"] for row in rows}, {self.market.ends[:10]}, "as of today, by the market's clock")
        self.assertEqual({row["brand_id"] for row in rows}, {"", "B01", "B02", "B03"})

    def test_formats(self):
        table = self.market.ok("rates", "--as-of", "2026-02-10", "-o", "table").decode().splitlines()
        self.assertEqual(table[0].split()[:3], ["as_of", "brand_id", "region_id"])
        comma = list(csv.DictReader(io.StringIO(self.market.ok("rates", "--as-of", "2026-02-10", "-o", "csv").decode())))
        expected = [row for row in self.rows if row["as_of"] == "2026-02-10"]
        self.assertEqual(len(table) - 1, len(expected))
        self.assertEqual(len(comma), len(expected))
        for found, row in zip(comma, expected):
            self.assertEqual((found["as_of"], found["brand_id"], found["window"], found["status"]),
                             (row["as_of"], row["brand_id"], str(row["window_days"]), "FINAL"))
            if row["brand_id"]:
                self.assertEqual(found["net_delivered_units"], str(row["measures"]["net_delivered_units"]))

    def test_status(self):
        tasks = self.market.status()
        stages = [task["stage"] for task in tasks]
        self.assertEqual({stage: stages.count(stage) for stage in stages}, {"intake": 13, "reference": 1, "outlet": 4, "market": 2, "desk": 2})
        for task in tasks:
            self.assertLessEqual(task["lag_records"], 1, "only a progress record may be unread")
            self.assertEqual((task["sequence_gaps"], task["repetitions"]), (0, 0), task)
        self.assertIn(f"quarantined so far: {sum(self.market.quarantined().values())}", self.market.ok("status", "-o", "table").decode())

    def test_topics_again(self):
        self.assertEqual(self.made.count("created "), 15)
        self.assertEqual(self.market.ok("topics", "create").decode().split("\n")[0], "all topics exist")
        self.assertEqual(self.market.ok("topics", "check"), b"")

    def test_watching(self):
        """In a pipe: JSON lines as they come, and an end in order."""
        live = Process(self.market, "watch", "rates", "--brand", "B01", "--window", "28")
        for watching in (self.watching, live):
            eventually(lambda: watching.out.read_bytes().count(b"\n") > 30, 30, watching.text)
        for watching in (self.watching, live):
            watching.stop(signal.SIGINT)
            self.assertEqual(watching.text(), "")
        latest = self.market.ok("rates")
        self.assertEqual(set(latest.splitlines()) - set(self.watching.out.read_bytes().splitlines()), set())
        for row in map(json.loads, live.out.read_bytes().splitlines()):
            self.assertEqual((row["brand_id"], row["window_days"]), ("B01", 28))

    def test_a_reader_that_goes_away(self):
        first = Process(self.market, "rates", "--final")
        self.assertEqual(first.ends(0), "")

    def test_exit_codes_of_bad_usage(self):
        for arguments in (["rates", "--as-of", "yesterday"], ["rates", "--window", "5"], ["rates", "--from", "2026-01-01"],
                      ["rates", "-o", "xml"], ["rates", "--fnial"], ["topics"], ["status", "-o", "yaml"], ["replay", "--out", "x"],
                      ["replay", "--in", "x"], ["replay", "--in", str(small_market()), "--out", "x", "--days", "2026-02-02..2026-02-01"],
                      ["import"], ["nonsense"], [], ["run", "--stage", "nonsense"]):
            with self.subTest(arguments):
                done = self.market.call(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr.strip())
        for arguments in (["--help"], ["--version"], ["rates", "--help"]):
            self.assertTrue(self.market.ok(*arguments))


class Life(unittest.TestCase):
    def test_what_is_missing_is_listed(self):
        market = Market(self, shared_kafka())
        missing = market.call("topics", "check", "-o", "json")
        self.assertEqual(missing.returncode, 1)
        self.assertEqual(len(missing.stdout.splitlines()), 15)
        market.create_topics()
        self.assertEqual(market.ok("rates"), b"")
        self.assertEqual(market.ok("rates", "--final"), b"")

    def test_stages_in_processes_of_their_own(self):
        """Four processes, one stage each, which come in the wrong order and go in order."""
        market = Market(self, shared_kafka()).create_topics()
        runs = [market.run("--stage", stage, state=market.folder / stage) for stage in ("desk", "market", "outlet")]
        market.import_history(small_market())
        runs.append(market.run("--stage", "intake"))
        market.await_final(replayed(small_market()))
        for run in runs:
            run.stop(signal.SIGINT)


if __name__ == "__main__":
    unittest.main(verbosity=2)

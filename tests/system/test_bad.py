#!/usr/bin/env python3
"""Wrong input by people, and failing disks: the message names the remedy, the exit code is right, and no data is lost."""

import resource
import shutil
import subprocess
import unittest

from admin import Admin
from support import Market, parts_of, replayed, shared_kafka, small_market


class Configuration(unittest.TestCase):
    def refused(self, toml, *messages):
        market = Market(self, "127.0.0.1:1")
        market.config.write_text(toml)
        for arguments in (["rates"], ["run"], ["config", "show"]):
            with self.subTest(arguments):
                market.fails(2, *arguments, message=messages, within=10)

    def test_an_unknown_key(self):
        self.refused('[topics]\nprefix = "x."\nleger_partitions = 4\n',
                     r"fiverate\.toml:3:1: ", "leger_partitions", 'did you mean "ledger_partitions"')

    def test_an_unknown_section(self):
        self.refused('\n[topcis]\nprefix = "x."\n', r"fiverate\.toml:2:\d+: ", 'did you mean "topics"')

    def test_an_unknown_kafka_property(self):
        self.refused('[kafka]\n"bootstrap.server" = "x"\n', r"fiverate\.toml:2:1: ", 'did you mean "bootstrap.servers"')

    def test_no_toml(self):
        self.refused("[topics\nprefix = 3", r"fiverate\.toml:\d+:\d+: ")

    def test_wrong_values(self):
        self.refused('[market]\ntimezone = "Asia/Shangai"\n[topics]\nledger_partitions = 0\n',
                     r"fiverate\.toml:2:\d+: ", r"fiverate\.toml:4:\d+: ", "1..1024")

    def test_bad_flags(self):
        market = Market(self, "127.0.0.1:1")
        market.fails(2, "rates", "-X", "state.dri=x", message='did you mean "dir"', within=10)
        market.fails(2, "rates", "-X", "nonsense", message="section.key=value", within=10)
        market.fails(2, "run", "--stage", "nonsense", message="intake, outlet, market", within=10)
        market.fails(2, "run", "--stagee", "intake", within=10)
        market.config.unlink()
        market.fails(2, "rates", message=["fiverate.toml", "no such"], within=10)


class Definition(unittest.TestCase):
    """Topics are created for one time zone and one number of partitions. `run` refuses others and names the difference."""

    def setUp(self):
        self.market = Market(self, shared_kafka()).create_topics()

    def test_no_topics(self):
        market = Market(self, shared_kafka())
        market.fails(2, "run", message="topics create", within=30)
        market.fails(1, "rates", message="topics create", within=30)

    def test_partitions(self):
        self.market.fails(2, "run", "-X", "topics.ledger_partitions=5", within=30, message=r"ledger: partitions is 4, expected 5")
        self.assertEqual(self.market.call("topics", "check", "-X", "topics.market_partitions=3").returncode, 1)
        self.assertEqual(self.market.call("topics", "create", "-X", "topics.source_partitions=3").returncode, 1)

    def test_timezone(self):
        self.market.fails(2, "run", "-X", "market.timezone=Europe/Berlin", within=30,
                          message=["definition", "(?i)time ?zone", "Asia/Shanghai", "Europe/Berlin"])

    def test_changed_and_changed_back(self):
        """A refused `run` changes nothing."""
        self.market.call("run", "-X", "market.timezone=Europe/Berlin", within=30)
        run = self.market.run()
        self.market.import_history(small_market())
        self.market.await_final(replayed(small_market()))
        run.stop()


class DeletedTopic(unittest.TestCase):
    """A source topic that was deleted and created again, and the steps of docs/operating.md, "Begin again under a new prefix"."""

    def test_begin_again_under_a_new_prefix(self):
        history, (first, second) = small_market(), parts_of(small_market(), 2)
        old = Market(self, shared_kafka()).create_topics()
        run = old.run().is_working()
        old.import_files(first, open=True)
        old.await_up_to_date()
        Admin(old.address).delete_topic(old.prefix + "deliveries")
        old.create_topics()
        self.assertRegex(run.ends(1), "deliveries partition .* was truncated or created again")
        for _ in range(2):  # a start changes nothing
            self.assertRegex(old.run().ends(1), "deliveries partition .* was truncated or created again")
        old.fails(1, "import", second, message="Import rejected: the topics hold the first part of another import")

        new = Market(self, shared_kafka())  # another prefix and another state.dir
        new.ok("topics", "create")
        new.import_files(first, second, open=True)
        run = new.run()
        new.await_up_to_date()
        self.assertTrue(all(task["lag_records"] == 0 for task in new.status()))
        before, after = old.final().splitlines(), new.final().splitlines()
        self.assertGreater(len(before), 100, "the old market is still readable")
        self.assertEqual(set(before) - set(after), set(), "what was final is final again")
        new.import_files(first, second)
        new.await_final(replayed(history))
        run.stop()


class Imports(unittest.TestCase):
    def test_twice(self):
        market = Market(self, shared_kafka()).create_topics()
        market.import_history(small_market())
        before = len(market.records("deliveries"))
        market.fails(1, "import", small_market() / "events.jsonl", message=["Import rejected: it starts on", "topics.prefix"])
        self.assertEqual(len(market.records("deliveries")), before, "nothing was written")
        run = market.run()
        market.await_final(replayed(small_market()))
        run.stop()

    def test_files_that_cannot_be_read(self):
        market = Market(self, shared_kafka()).create_topics()
        market.fails(1, "import", "absent.jsonl", message=["absent.jsonl", "No such file"])
        market.fails(1, "import", market.folder, message=[str(market.folder), "directory"])
        (market.folder / "empty.jsonl").write_bytes(b"")
        market.fails(1, "import", market.folder / "empty.jsonl", message="Nothing to import")
        self.assertEqual(market.records("deliveries"), [])

    def test_replay_of_nothing(self):
        market = Market(self, "127.0.0.1:1")
        empty = market.folder / "empty"
        empty.mkdir()
        market.fails(1, "replay", "--in", empty, "--out", market.folder / "out", message=[str(empty), "events.jsonl"])
        market.fails(1, "replay", "--in", market.folder / "absent", "--out", market.folder / "out", message="absent")


class State(unittest.TestCase):
    """A damaged state is refused by its path. Without it, the results are rebuilt from the log."""

    def test_damage(self):
        market = Market(self, shared_kafka()).create_topics()
        parts = parts_of(small_market(), 2)
        run = market.run()
        market.import_files(parts[0], open=True)
        market.await_up_to_date()
        run.stop()
        market.run().is_working().stop()  # this moves the content of write-ahead logs to SST files
        whole = market.folder / "whole"
        shutil.copytree(market.state, whole)
        for damage, folder in ((flip_tables, "market-0"), (flip_tables, "outlet-1"), (flip_manifest, "market-1"),
                               (empty_current, "outlet-2"), (no_current, "outlet-3"), (no_tables, "market-0"), (foreign, "outlet-0")):
            with self.subTest(damage.__name__, folder=folder):
                shutil.rmtree(market.state)
                shutil.copytree(whole, market.state)
                damage(market.state / folder)
                self.assertIn(str(market.state / folder), market.run().ends(1))
        shutil.rmtree(market.state / "outlet-0")
        run = market.run().is_working()
        market.import_files(parts[1])
        market.await_final(replayed(small_market()))
        run.stop()

    def test_of_another_definition(self):
        """A state of another program version or another time zone."""
        other = Market(self, shared_kafka(), market={"timezone": "Europe/Berlin"}).create_topics()
        run = other.run().is_working()
        other.import_history(small_market())
        other.await_up_to_date()
        run.stop()
        market = Market(self, shared_kafka()).create_topics()
        market.import_history(small_market())
        for folder in ("outlet-2", "market-1", "reference-0", "desk-0"):
            with self.subTest(folder):
                shutil.rmtree(market.state, ignore_errors=True)
                shutil.copytree(other.state / folder, market.state / folder)
                output = market.run().ends(1)
                self.assertIn(str(market.state / folder), output)
                self.assertIn("another definition", output)
        shutil.rmtree(market.state)
        run = market.run()
        market.await_final(replayed(small_market()))
        run.stop()

    def test_a_folder_that_cannot_be_written(self):
        market = Market(self, shared_kafka()).create_topics()
        market.state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", market.state], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs may be mounted: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", market.state], capture_output=True)
        output = market.run().ends(1, within=20)
        self.assertIn(str(market.state), output)
        self.assertRegex(output, "(?i)read-only")
        subprocess.run(["mount", "-o", "remount,rw,size=64m", market.state], check=True)
        run = market.run()
        market.import_history(small_market())
        market.await_final(replayed(small_market()))
        run.stop()

    def test_too_few_files(self):
        """With 64 file descriptors `run` reports the error and ends. With more, no result is missing."""
        market = Market(self, shared_kafka()).create_topics()
        market.import_history(small_market())
        run = market.run(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        output = run.ends(1, within=60)
        self.assertRegex(output, "(?i)too many open files")
        run = market.run()
        market.await_final(replayed(small_market()))
        run.stop()

    def test_too_little_address_space(self):
        """`run` refuses a limit of ulimit -v under which it cannot work, and works with the least that it accepts."""
        market = Market(self, shared_kafka(), state={"memory_mib": 128}).create_topics()
        market.import_history(small_market())

        def limited(mib):
            return market.run(preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20)))

        for mib in (200, 895):
            self.assertIn(f"is limited to {mib} MiB (ulimit -v), but with state.memory_mib 128 it needs 896 MiB", limited(mib).ends(2))
        run = limited(896)
        market.await_final(replayed(small_market()))
        run.stop()

    def test_a_full_disk(self):
        market = Market(self, shared_kafka(), kafka={"session.timeout.ms": 6000}).create_topics()
        market.state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", market.state], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs may be mounted: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", market.state], capture_output=True)
        history = small_market(100, 200)
        run = market.run()
        market.import_history(history)
        output = run.ends(1, within=60)
        self.assertRegex(output, "(?i)disk is full|No space left")
        self.assertIn(str(market.state), output)
        subprocess.run(["mount", "-o", "remount,size=256m", market.state], check=True)
        run = market.run()
        market.await_final(replayed(history))
        run.stop()


def flip(path):
    content = bytearray(path.read_bytes())
    for at in range(0, len(content), 16):
        content[at] ^= 0x5A
    path.write_bytes(content)


def flip_tables(folder):
    tables = list(folder.glob("*.sst"))
    assert tables, f"no tables in {folder}"
    for table in tables:
        flip(table)


def flip_manifest(folder):
    for manifest in folder.glob("MANIFEST-*"):
        flip(manifest)


def empty_current(folder):
    (folder / "CURRENT").write_bytes(b"")


def no_current(folder):
    (folder / "CURRENT").unlink()


def no_tables(folder):
    for table in folder.glob("*.sst"):
        table.unlink()


def foreign(folder):
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "outlet-1", folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)

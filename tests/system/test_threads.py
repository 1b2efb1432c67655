#!/usr/bin/env python3
"""All threads of the program together, for the thread sanitizer: two threads per stage, snapshots, the health server and standbys, while
partitions are assigned and revoked. The histories are short, since such a build is up to fifty times slower. A report of the sanitizer
fails the test (support.py).
"""

import re
import shutil
import threading
import unittest
import urllib.error
import urllib.request

from support import Market, eventually, parts_of, replayed, shared_kafka, small_market

WITHIN = 90  # s


class Threads(unittest.TestCase):
    def setUp(self):
        self.history = small_market(10, 30, 4, brands=1, skus=3)
        self.expected = replayed(self.history)
        self.market = Market(self, shared_kafka(), (2, 4, 2), kafka={"session.timeout.ms": 6000},
                             run={"commit_every_ms": 50, "health": "127.0.0.1:0"}).create_topics()

    def work_off(self, part, run):
        self.market.import_files(part, open=True)
        eventually(self.market.up_to_date, WITHIN, run.text)

    def poll_health(self, run):
        """Requests /livez and /readyz all the time until the process ends."""
        run.logs("health: http://", 20)
        address = re.search(r"health: http://(\S+)/livez", run.text()).group(1)
        over = threading.Event()

        def poll():
            while not over.wait(0.01):
                for path in ("/livez", "/readyz"):
                    try:
                        urllib.request.urlopen(f"http://{address}{path}", timeout=5).read()
                    except urllib.error.HTTPError:
                        pass  # not ready
                    except OSError:
                        over.set()  # the process has ended

        polling = threading.Thread(target=poll)
        polling.start()
        self.addCleanup(polling.join)
        self.addCleanup(over.set)

    def test_threads_of_a_stage_while_a_guest_comes_and_goes_and_a_disk_is_lost(self):
        snapshots = self.market.folder / "snapshots"
        snapshots.mkdir()
        options = [part for setting in (f"snapshots.dir={snapshots}", "snapshots.every_s=1",
                                        *(f"run.{stage}_threads=2" for stage in ("intake", "outlet", "market", "desk")))
                   for part in ("-X", setting)]
        parts = parts_of(self.history, 4)
        run = self.market.run(*options)
        self.poll_health(run)
        self.work_off(parts[0], run)
        guest = self.market.run(*options, state=self.market.folder / "guest")
        guest.logs("reading ledger", WITHIN)
        self.market.import_files(parts[1], open=True)
        guest.stop()  # while it has records to process
        run.logs(r"outlet-\d: snapshot at offset \d+", WITHIN)
        self.work_off(parts[2], run)
        run.stop()
        shutil.rmtree(self.market.state)
        run = self.market.run(*options)
        self.poll_health(run)
        run.logs(r"outlet/\d: restored from the snapshot at offset \d+", WITHIN)
        self.market.import_files(parts[3])
        self.market.await_final(self.expected)
        run.stop()

    def test_a_standby_takes_over(self):
        parts = parts_of(self.history, 3)
        one = self.market.run("--standby", "8", state=self.market.folder / "one").is_working()
        other = self.market.run("--standby", "8", state=self.market.folder / "other")
        self.poll_health(other)
        self.market.import_files(parts[0], open=True)
        other.logs("standby from offset", WITHIN)
        self.work_off(parts[1], one)
        before = len(re.findall("taking over at offset", other.text()))
        one.kill()
        self.market.import_files(parts[2])
        other.logs("taking over at offset", WITHIN, times=before + 3)
        self.market.await_final(self.expected)
        other.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)

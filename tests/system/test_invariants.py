#!/usr/bin/env python3
"""In every record of `metrics` of a live run, with moving outlets and corrections, the totals are the sums of their parts.

FIVERATE_INVARIANTS_OUTLETS=6000 makes a run of a million lines; without it, a small one.
"""

import os
import pathlib
import re
import subprocess
import unittest

from support import CLEAN_ENVIRONMENT, Market, scratch, shared_kafka

OUTLETS = int(os.environ.get("FIVERATE_INVARIANTS_OUTLETS", "150"))
WITHIN = 60 + OUTLETS // 2  # s


class Invariants(unittest.TestCase):
    def test_hold_in_every_record(self):
        checker = pathlib.Path(os.environ["FIVERATE_TEST_INVARIANTS"])
        market = Market(self, shared_kafka()).create_topics()
        stop = scratch() / "invariants-over"
        environment = {**CLEAN_ENVIRONMENT, "FIVERATE_TEST_KAFKA": market.address, "FIVERATE_TEST_PREFIX": market.prefix,
                       "FIVERATE_TEST_STOP": str(stop), "FIVERATE_TEST_PARTITIONS": "2"}
        checking = subprocess.Popen([checker, "--gtest_filter=MetricsInvariants.*"], env=environment, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(checking.kill)
        done = market.call("simulate", "--outlets", str(OUTLETS), "--brands", "4", "--skus", "20", "--days", "60", "--trouble", "4", within=WITHIN)
        self.assertEqual(done.returncode, 0, done.stderr)
        market.ends = re.search(r"the market's clock goes to (\S+)", done.stderr).group(1)
        run = market.run()
        market.await_up_to_date(within=WITHIN)
        stop.touch()
        output, _ = checking.communicate(timeout=WITHIN)
        run.stop()
        self.assertEqual(checking.returncode, 0, output)
        print(done.stderr.strip().splitlines()[-1], re.search(r".* of metrics .*", output).group(0), sep="\n")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Three brokers with three replicas, as in production: each is killed at work, and nobody notices in the numbers."""

import functools
import subprocess
import unittest

from cluster import Cluster
from support import CLEAN_ENVIRONMENT, DONE_WITHIN, Market, eventually, parts_of, replayed, scratch, small_market

STAGES = ("intake", "outlet", "market", "desk")


@functools.cache
def cluster():
    return Cluster(scratch() / "cluster", {"min.insync.replicas": 2}).start()


def tearDownModule():
    cluster().kill()


class Killed(unittest.TestCase):
    def test_one_broker_after_another(self):
        """Whoever coordinates the groups, leads the partitions or controls the cluster is among them: each of these has to move."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 7)
        market = Market(self, cluster().address, kafka={"session.timeout.ms": 6000}, topics={"replication": 3},
                        run={"commit_every_ms": 50}).create_topics()
        runs = [market.run(), market.run(state=market.folder / "other")]
        for run in runs:
            run.says(": reading ", 60)
        coordinators, controllers, led = {stage: set() for stage in STAGES}, set(), {}
        kills_at_work = 0

        def look(admin):
            controllers.add(admin.controller())
            for stage in STAGES:
                coordinators[stage].add(admin.coordinator(f"{market.prefix}fiverate-{stage}"))
            for name, partition in admin.partitions().items():
                led.setdefault(name, set()).add(partition.leader)

        for number, node in cluster().nodes.items():
            look(cluster().admin())
            child = self.importing(market, parts[2 * number - 2])
            node.kill()
            if number == 2:  # tasks that begin while a leader is gone ask where its partitions end
                runs[1].kill()
                runs[1] = market.run(state=market.folder / "other")
            kills_at_work += not market.caught_up()
            self.finish(child)
            cluster().await_moved_from(number)
            look(cluster().admin(but=number))
            market.import_files(parts[2 * number - 1], open=True)
            eventually(market.caught_up, 60, runs[0].text)  # the work is done without the dead one
            node.start()
            cluster().await_whole()
            for run in runs:
                self.assertTrue(run.is_alive(), run.text())
        self.assertGreater(kills_at_work, 0, "a kill has to strike at work")
        self.assertGreater(len(controllers), 1, "the controller has moved")
        for name, nodes in {**coordinators, **led}.items():
            self.assertGreater(len(nodes - {-1}), 1, f"{name} has moved")

        market.import_files(parts[6])
        market.await_final(replayed(history))
        market.same_alerts(least=10)
        market.assert_no_contradiction("seals")
        for run in runs:
            run.stop()

    def importing(self, market, part):
        """An import that goes on beside."""
        child = subprocess.Popen(market.command("import", part, "--open"), env=CLEAN_ENVIRONMENT, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        return child

    def finish(self, child):
        _, said = child.communicate(timeout=2 * DONE_WITHIN)
        self.assertEqual(child.returncode, 0, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""Three brokers with three replicas, as in production: each is killed at work, and the results are those of a replay."""

import functools
import re
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
        """Coordinators of the groups, leaders of the partitions and the controller of the cluster have to move to other brokers."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 7)
        market = Market(self, cluster().address, kafka={"session.timeout.ms": 6000}, topics={"replication": 3},
                        run={"commit_every_ms": 50}).create_topics()
        runs = [market.run(), market.run(state=market.folder / "other")]
        for run in runs:
            run.logs(": reading ", 60)
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
            if number == 2:  # so tasks start, and query the ends of partitions, while a leader is missing
                runs[1].kill()
                runs[1] = market.run(state=market.folder / "other")
            kills_at_work += not market.up_to_date()
            self.finish(child)
            cluster().await_moved_from(number)
            look(cluster().admin(but=number))
            market.import_files(parts[2 * number - 1], open=True)
            eventually(market.up_to_date, 60, runs[0].text)  # the work is done without the dead one
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
        market.assert_written_once("seals")
        for run in runs:
            run.stop()

    def importing(self, market, part):
        """Starts an import in the background."""
        child = subprocess.Popen(market.command("import", part, "--open"), env=CLEAN_ENVIRONMENT, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        return child

    def finish(self, child):
        _, errors = child.communicate(timeout=2 * DONE_WITHIN)
        self.assertEqual(child.returncode, 0, errors)


class Unclean(unittest.TestCase):
    """A replica that was behind becomes the leader of a partition, and the end of the log is gone. This is reported, and no row is wrong."""

    def setUp(self):
        self.history = small_market(40, 30, 2, brands=2, skus=6)
        self.parts = parts_of(self.history, 8)  # the first rows are final after 15 days
        cluster().start()  # the brokers that an earlier test left stopped
        self.market = Market(self, cluster().address, partitions=(2, 1, 1), topics={"replication": 2},
                             run={"commit_every_ms": 50}).create_topics()
        self.admin = cluster().admin()
        for topic in {topic for topic, _ in self.admin.partitions() if topic.startswith(self.market.prefix)}:
            self.admin.set_topic(topic, "min.insync.replicas", "1")
        self.run_ = self.market.run().is_working()
        self.market.import_files(*self.parts[:5], open=True)
        eventually(self.market.up_to_date, 60, self.run_.text)

    def lose_the_end(self, topic, before=lambda: None):
        """Loses the end of partition 0 of one topic: the leader writes without its follower, is killed, and the follower becomes the leader."""
        name = self.market.prefix + topic
        self.admin.set_topic(name, "unclean.leader.election.enable", "true")
        replicas = self.admin.partitions()[name, 0]
        leader = cluster().nodes[replicas.leader]
        follower = cluster().nodes[next(number for number in replicas.replicas if number != replicas.leader)]
        end = len(self.market.records(topic))
        self.assertGreater(end, 0)
        follower.stop()
        eventually(lambda: cluster().admin(but=self.number_of(follower)).partitions()[name, 0].in_sync == [replicas.leader], 30,
                   "the leader is alone")
        self.market.import_files(self.parts[5], open=True)
        eventually(self.market.up_to_date, 60, self.run_.text)
        acknowledged = len(self.market.records(topic))
        self.assertGreater(acknowledged, end)
        before()
        leader.kill()
        follower.start()
        eventually(lambda: cluster().admin(but=replicas.leader).partitions()[name, 0].leader == self.number_of(follower), 60,
                   "the other one leads, uncleanly")
        leader.start()
        cluster().await_whole()
        self.admin.set_topic(name, "unclean.leader.election.enable", "false")  # `run` refuses to start with it
        self.assertLess(len(self.market.records(topic)), acknowledged, "acknowledged records are gone")

    def number_of(self, node):
        return next(number for number, each in cluster().nodes.items() if each is node)

    def test_final_rows(self):
        """The next start reports the loss and names the command that publishes the rows again."""
        self.lose_the_end("metrics-final", before=self.run_.stop)
        output = self.market.run().ends(1, within=60)
        self.assertRegex(output, "Acknowledged results of market/0 are gone: metrics-final partition 0 ends at offset")
        self.assertIn("run `fiverate tasks reset --missing`", output)
        eventually(lambda: self.market.call("tasks", "reset", "--missing").returncode == 0, 60, "the group drops the members of the process that ended")
        run = self.market.run()
        self.market.import_files(*self.parts[6:])
        self.market.await_final(replayed(self.history))
        self.market.same_alerts(least=10)
        run.stop()

    def test_ledger(self):
        """Readers of the lost records stop, and stop again after a restart. No wrong row becomes final."""
        self.lose_the_end("ledger")
        self.market.import_files(self.parts[6], open=True)
        lost = "another record at offset|truncated or created again|has lost records that were acknowledged"
        self.assertRegex(self.run_.ends(1, within=60), lost)
        self.assertRegex(self.market.run().ends(1, within=60), lost)
        found, expected = self.market.final(), replayed(self.history)
        self.assertTrue(set(found.splitlines()) <= set(expected.splitlines()), "a wrong row is final")
        self.market.assert_written_once()


if __name__ == "__main__":
    unittest.main(verbosity=2)

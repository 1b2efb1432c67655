"""Several brokers of deploy/kafka/kafka as one cluster, each also a controller.

    cluster = Cluster(scratch() / "cluster", {"min.insync.replicas": 2}).start()
    market = Market(self, cluster.address, topics={"replication": 3})
    node = cluster.nodes[2];  node.kill();  cluster.await_moved_from(2);  node.start();  cluster.await_whole()

Nodes are numbered from 1. Two of three have to be there for anything to move.
"""

import concurrent.futures
import pathlib
import random
import socket

from admin import Admin
from support import Broker, eventually

MOVED_WITHIN = 60  # s; a dead broker's session is 4
WHOLE_WITHIN = 90


class Cluster:
    def __init__(self, folder, properties, count=3):
        numbers = range(1, count + 1)
        ports = free_ports(2 * count)
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in zip(numbers, ports[count:]))
        cluster_id = "fiverate" + "".join(random.choices("ABCDEFGHIJKLMNOP", k=13)) + "A"  # 16 bytes in base64
        self.nodes = {
            number: Broker(pathlib.Path(folder) / f"node-{number}", port=port, controller_port=controller_port, cluster_id=cluster_id,
                           properties={"node.id": number, "controller.quorum.voters": voters, "default.replication.factor": count,
                                       "offsets.topic.replication.factor": count, **properties})
            for number, port, controller_port in zip(numbers, ports, ports[count:])}

    def start(self):
        """All at once: none answers before most of them are there."""
        with concurrent.futures.ThreadPoolExecutor() as threads:
            list(threads.map(Broker.start, self.nodes.values()))
        self.address = ",".join(node.address for node in self.nodes.values())
        return self

    def kill(self):
        for node in self.nodes.values():
            node.kill()

    def admin(self, but=None):
        """Of any node but this one."""
        return Admin(next(node.address for number, node in self.nodes.items() if number != but))

    def await_moved_from(self, number):
        """It leads nothing any more, and all that it led is led by others."""
        eventually(lambda: all(partition.leader not in (-1, number) for partition in self.admin(but=number).partitions().values()),
                   MOVED_WITHIN, lambda: f"others lead what node {number} led: {self.admin(but=number).partitions()}", every=0.2)

    def await_whole(self):
        """All replicas are in sync."""
        def lagging():
            return {name: found for name, found in self.admin().partitions().items() if set(found.replicas) != set(found.in_sync)}
        eventually(lambda: not lagging(), WHOLE_WITHIN, lambda: f"all replicas are in sync: {lagging()}", every=0.2)


def free_ports(count):
    """Below the range from which the system takes ports for outgoing connections, so that none slips in between."""
    found = []
    for port in random.sample(range(20000, 32000), 1000):
        with socket.socket() as probe:
            if len(found) < count and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found

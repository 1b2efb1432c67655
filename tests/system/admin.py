"""Administrative requests in Kafka's own protocol, which need neither a JVM per request nor another tool.

    admin = Admin("127.0.0.1:9092")              # any broker; it forwards requests to the controller
    admin.coordinator("fiverate-outlet")         # node that coordinates a group
    admin.controller()                           # node that is the active controller
    admin.partitions()                           # {(topic, partition): Partition(leader, replicas, in_sync)}
    admin.set_topic("ledger", "min.insync.replicas", "1")
    admin.delete_topic("ledger")
    admin.add_user("alice", "secret")            # SCRAM-SHA-512
    admin.allow("User:alice", TOPIC, "ledger", READ);  admin.forbid("User:alice", TOPIC, "ledger", READ)

One request a connection. A request is a length, a header (key, version, correlation id, client id) and its fields; those of
"flexible" versions have lengths as varints and end with a list of tags, which is empty here. The numbers are Kafka's.
"""

import hashlib
import os
import socket
import struct
from collections import namedtuple

Partition = namedtuple("Partition", "leader replicas in_sync")

TOPIC, GROUP, CLUSTER = 2, 3, 4  # kinds of resources
READ, WRITE, CREATE, DESCRIBE_CONFIGS = 3, 4, 5, 10  # operations
OPERATIONS = {"Read": READ, "Write": WRITE, "Create": CREATE, "Alter": 7, "Describe": 8, "DescribeConfigs": DESCRIBE_CONFIGS,
              "AlterConfigs": 11}
LITERAL, PREFIXED = 3, 4
ALLOW = 3
METADATA, FIND_COORDINATOR, DELETE_TOPICS, CREATE_ACLS, DELETE_ACLS, CREATE_PARTITIONS, CONFIGURE, SCRAM, QUORUM = 3, 10, 20, 30, 31, 37, 44, 51, 55
TOPIC_CONFIG, SET = 2, 0
SCRAM_SHA_512, ITERATIONS = 2, 4096


class Admin:
    def __init__(self, address):
        host, port = address.split(",")[0].rsplit(":", 1)
        self.at = (host, int(port))

    def coordinator(self, group):
        """-1 while there is none."""
        error, node = self.send(FIND_COORDINATOR, 0, text(group)).unpack(">hi")
        return -1 if error else node

    def controller(self):
        """-1 while there is none."""
        answer = self.send(QUORUM, 0, b"\2" + short_text("__cluster_metadata") + b"\2" + struct.pack(">i", 0) + b"\0\0\0", flexible=True)
        (error,) = answer.unpack(">h")
        if error:
            return -1
        answer.unpack(">b"), answer.skip(answer.unpack(">B")[0] - 1), answer.unpack(">b")  # one topic, its name, one partition
        _, error, leader = answer.unpack(">ihi")
        return -1 if error else leader

    def partitions(self):
        """The partitions of all topics, including those of Kafka itself."""
        answer, found = self.send(METADATA, 1, struct.pack(">i", -1)), {}
        for _ in range(answer.count()):
            answer.unpack(">i"), answer.text(), answer.unpack(">i"), answer.text()  # a broker: id, host, port, rack
        answer.unpack(">i")
        for _ in range(answer.count()):
            answer.unpack(">h")
            topic = answer.text()
            answer.unpack(">b")
            for _ in range(answer.count()):
                _, number, leader = answer.unpack(">hii")
                found[topic, number] = Partition(leader, answer.numbers(), answer.numbers())
        return found

    def set_topic(self, topic, name, value):
        answer = self.send(CONFIGURE, 0, struct.pack(">ib", 1, TOPIC_CONFIG) + text(topic) + struct.pack(">i", 1) + text(name) +
                          struct.pack(">b", SET) + text(value) + b"\0")
        answer.unpack(">ii")
        answer.expect_no_error(f"{name} of {topic}")

    def delete_topic(self, topic):
        answer = self.send(DELETE_TOPICS, 1, struct.pack(">i", 1) + text(topic) + struct.pack(">i", 10_000))
        answer.unpack(">ii"), answer.text()  # throttle time, one topic, its name
        answer.expect_no_error(f"deletion of {topic}")

    def grow_topic(self, topic, partitions):
        answer = self.send(CREATE_PARTITIONS, 0, struct.pack(">i", 1) + text(topic) + struct.pack(">iiib", partitions, -1, 10_000, 0))
        answer.unpack(">ii"), answer.text()  # throttle time, one topic, its name
        answer.expect_no_error(f"{partitions} partitions of {topic}")

    def add_user(self, name, password):
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
        answer = self.send(SCRAM, 0, b"\1\2" + short_text(name) + struct.pack(">bi", SCRAM_SHA_512, ITERATIONS) + short_text(salt) +
                          short_text(salted) + b"\0\0", flexible=True)
        answer.unpack(">ib")
        answer.skip(answer.unpack(">B")[0] - 1)
        answer.expect_no_error(f"user {name}")

    def allow(self, principal, kind, name, operation, pattern=LITERAL):
        answer = self.send(CREATE_ACLS, 1, struct.pack(">ib", 1, kind) + text(name) + struct.pack(">b", pattern) + text(principal) +
                          text("*") + struct.pack(">bb", operation, ALLOW))
        answer.unpack(">ii")
        answer.expect_no_error(f"a right of {principal}")

    def forbid(self, principal, kind, name, operation, pattern=LITERAL):
        """Removes a right that `allow` added with the same arguments."""
        answer = self.send(DELETE_ACLS, 1, struct.pack(">ib", 1, kind) + text(name) + struct.pack(">b", pattern) + text(principal) +
                          text("*") + struct.pack(">bb", operation, ALLOW))
        answer.unpack(">ii")
        answer.expect_no_error(f"a right of {principal}")
        answer.text()
        if answer.count() != 1:
            raise AssertionError(f"{principal} has no such right that could be answer_fields")

    def send(self, key, version, fields, flexible=False):
        request = struct.pack(">hhi", key, version, 1) + text("tests") + (b"\0" if flexible else b"") + fields
        with socket.create_connection(self.at, timeout=10) as connection:
            connection.settimeout(30)  # the broker may forward it to a controller that is being elected
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb")
            (size,) = struct.unpack(">i", answer.read(4))
            answer_fields = Answer(answer.read(size))
        answer_fields.unpack(">ib" if flexible else ">i")  # correlation id
        return answer_fields


class Answer:
    def __init__(self, content):
        self.content, self.at = content, 0

    def unpack(self, layout):
        values = struct.unpack_from(layout, self.content, self.at)
        self.at += struct.calcsize(layout)
        return values

    def skip(self, size):
        self.at += max(0, size)

    def count(self):
        return self.unpack(">i")[0]

    def numbers(self):
        return [self.unpack(">i")[0] for _ in range(self.count())]

    def text(self):
        (size,) = self.unpack(">h")
        self.skip(size)
        return self.content[self.at - max(0, size) : self.at].decode()

    def expect_no_error(self, what):
        (error,) = self.unpack(">h")
        if error:
            raise AssertionError(f"{what}: Kafka answers with error {error}")


def text(value):
    value = value.encode()
    return struct.pack(">h", len(value)) + value


def short_text(value):
    """A text of less than 127 bytes, as flexible versions encode it."""
    value = value if isinstance(value, bytes) else value.encode()
    return bytes([len(value) + 1]) + value

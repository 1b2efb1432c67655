#!/usr/bin/env python3
"""TLS, passwords and access rights: the numbers over an encrypted connection, and the messages when one of the three is wrong.

One broker has a listener for each certificate under test. One user has a password (PLAIN and SCRAM-SHA-512, over TLS) and only the
rights that docs/operating.md lists. The tests read the topics through a plain listener, whose users may do anything.
"""

import argparse
import functools
import json
import os
import pathlib
import shlex
import subprocess
import time
import unittest

from admin import CREATE, DESCRIBE_CONFIGS, GROUP, LITERAL, OPERATIONS, PREFIXED, READ, TOPIC, WRITE, Admin
from cluster import free_ports
from support import Broker, Market, Process, eventually, parts_of, replayed, scratch, small_market

USER, PASSWORD = "fiverate", "correct horse battery staple"
RIGHTS = [(TOPIC, READ), (TOPIC, WRITE), (TOPIC, CREATE), (TOPIC, DESCRIBE_CONFIGS), (GROUP, READ)]
ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("producer", "importer", "processor", "reader", "operator", "administrator")
SPINS_S = 0.2  # of the processor, in a second


# ---- certificates ------------------------------------------------------------------------------------------------------


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


def new_key(folder, name):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", folder / f"{name}.key")
    return folder / f"{name}.key"


def authority(folder, name):
    key = new_key(folder, name)
    openssl("req", "-x509", "-new", "-key", key, "-subj", f"/CN={name}", "-days", 2, "-out", folder / f"{name}.pem")


def certificate(folder, name, issuer, host="localhost", days=2):
    """Key and certificate in one file, as Kafka reads them."""
    key, request, extensions, made = new_key(folder, name), folder / f"{name}.csr", folder / f"{name}.ext", folder / f"{name}.crt"
    extensions.write_text(f"subjectAltName=DNS:{host}\n")
    openssl("req", "-new", "-key", key, "-subj", f"/CN={host}", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial",
            "-days", days, "-extfile", extensions, "-out", made)
    store = folder / f"{name}-store.pem"
    store.write_text(key.read_text() + made.read_text())
    return store


# ---- the broker --------------------------------------------------------------------------------------------------------


class Secure:
    """A broker that has a plain listener for the tests and an encrypted one for each certificate."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        authority(folder, "ca")
        authority(folder, "other-ca")
        stores = {
            "good": certificate(folder, "good", "ca"),
            "otherhost": certificate(folder, "otherhost", "ca", host="kafka.example"),
            "expired": certificate(folder, "expired", "ca", days=-1),
            "unknown": certificate(folder, "unknown", "other-ca"),
        }
        plain, controller, *ports = free_ports(2 + len(stores))
        self.addresses = {name: f"localhost:{port}" for name, port in zip(stores, ports)}
        listeners = [f"{name.upper()}://127.0.0.1:{address.split(':')[1]}" for name, address in self.addresses.items()]
        properties = {
            "listeners": ",".join([f"PLAINTEXT://127.0.0.1:{plain}", f"CONTROLLER://127.0.0.1:{controller}", *listeners]),
            "advertised.listeners": ",".join([f"PLAINTEXT://127.0.0.1:{plain}",
                                              *(f"{name.upper()}://{address}" for name, address in self.addresses.items())]),
            "listener.security.protocol.map": ",".join(["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT",
                                                        *(f"{name.upper()}:SASL_SSL" for name in stores)]),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # of the plain listener: the tests, and the broker itself
        }
        for name, store in stores.items():
            properties[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
            properties[f"listener.name.{name}.ssl.keystore.location"] = store
            properties[f"listener.name.{name}.scram-sha-512.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;")
        self.password_is(PASSWORD, properties)
        self.broker = Broker(folder / "broker", port=plain, controller_port=controller, properties=properties).start()
        self.admin = Admin(self.broker.address)
        self.admin.add_user(USER, PASSWORD)
        for role in ROLES:
            self.admin.add_user(role, PASSWORD)

    def password_is(self, password, properties):
        """The password for PLAIN from the next start of the broker on."""
        for name in self.addresses:
            properties[f"listener.name.{name}.plain.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.plain.PlainLoginModule required " +
                " ".join(f'user_{user}="{password}"' for user in (USER, *ROLES)) + ";")

    def change_password(self, password):
        self.broker.kill()
        self.password_is(password, self.broker.properties)
        self.broker.start()

    def market(self, test, listener="good", password=PASSWORD, mechanism="PLAIN", user=USER, **sections):
        market = Market(test, self.addresses[listener], kafka={
            "security.protocol": "sasl_ssl", "ssl.ca.location": str(self.folder / "ca.pem"), "broker.address.family": "v4",
            "sasl.mechanisms": mechanism, "sasl.username": user, "sasl.password": password}, **sections)
        market.address = self.broker.address  # the tests read the topics through the plain listener
        return market

    def allow(self, market, *rights):
        for kind, operation in rights:
            self.admin.allow(f"User:{USER}", kind, market.prefix, operation, PREFIXED)

    def give_role(self, market, role):
        """The rights that the commands of deploy/access name, to the user of that name."""
        printed = subprocess.run([ROOT / "deploy/access", "--prefix", market.prefix, "--role", role, "--user", role], check=True,
                                 capture_output=True, text=True, timeout=30).stdout
        parser = argparse.ArgumentParser()
        for option in ("--bootstrap-server", "--allow-principal", "--topic", "--group", "--resource-pattern-type"):
            parser.add_argument(option)
        parser.add_argument("--operation", action="append")
        parser.add_argument("--add", action="store_true")
        for line in printed.splitlines():
            name, *arguments = shlex.split(line)
            given = parser.parse_args(arguments)
            assert name == "kafka-acls" and given.add
            for operation in given.operation:
                self.admin.allow(given.allow_principal, TOPIC if given.topic else GROUP, given.topic or given.group,
                                 OPERATIONS[operation], PREFIXED if given.resource_pattern_type == "prefixed" else LITERAL)

    def forbid(self, market, *rights):
        for kind, operation in rights:
            self.admin.forbid(f"User:{USER}", kind, market.prefix, operation, PREFIXED)


@functools.cache
def secure():
    return Secure(scratch() / "secure")


def tearDownModule():
    secure().broker.kill()


def cpu_s(process):
    """Processor time that a process has used so far."""
    fields = pathlib.Path(f"/proc/{process.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the tests ---------------------------------------------------------------------------------------------------------


class Work(unittest.TestCase):
    def test_the_broker_is_killed(self):
        """TLS connections that end without a close message are reconnected like plain ones."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 2)
        market = secure().market(self)
        secure().allow(market, *RIGHTS)
        run = market.create_topics().run().is_working()
        market.import_files(parts[0], open=True)
        secure().broker.kill()
        secure().broker.start()
        eventually(market.up_to_date, 60, run.text)
        market.import_files(parts[1])
        market.await_final(replayed(history))
        market.same_alerts(least=10)
        self.assertTrue(run.is_alive(), run.text())
        run.stop()
        self.assertNotIn(PASSWORD, run.text())

    def test_scram(self):
        """The password never crosses the connection; Kafka and the program prove to each other that they know it."""
        market = secure().market(self, mechanism="SCRAM-SHA-512")
        secure().allow(market, *RIGHTS)
        reached = market.call("topics", "create")
        if "refuse SCRAM from librdkafka" in reached.stderr:  # a build with a librdkafka before 2.6.1
            self.assertRegex(reached.stderr, "refused us.*whatever the password")
            self.skipTest("this program is built with Debian's librdkafka")
        self.assertEqual(reached.returncode, 0, reached.stderr)
        history = small_market(40, 30, 2, brands=2, skus=6)
        run = market.run().is_working()
        market.import_files(*parts_of(history, 1))
        market.await_final(replayed(history))
        run.stop()
        self.assertNotIn(PASSWORD, run.text())

    def test_rights_that_are_removed(self):
        """A process that loses a right while it works names the right and ends. With the right restored, a new process continues."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        removed = [((TOPIC, WRITE), "Topic authorization failed"), ((TOPIC, READ), "Topic authorization failed"),
                   ((GROUP, READ), "Group authorization failed")]
        parts = parts_of(history, len(removed) + 1)
        market = secure().market(self, run={"commit_every_ms": 50})
        importer = secure().market(self)  # writes to the same topics as another user, who keeps the right to write
        importer.config.write_text(importer.config.read_text().replace(importer.prefix, market.prefix)
                                   .replace(secure().addresses["good"], secure().broker.address).replace("sasl_ssl", "plaintext"))
        secure().allow(market, *RIGHTS)
        market.create_topics()
        for number, (right, message) in enumerate(removed):
            with self.subTest(right):
                run = market.run().is_working()
                secure().forbid(market, right)
                importer.import_files(parts[number], open=True)
                output = run.ends(1, within=60)
                self.assertRegex(output, message)
                self.assertRegex(output, "Check the access rights of this user")
                secure().allow(market, right)
        run = market.run().is_working()
        importer.import_files(parts[-1])
        market.ends = importer.ends
        market.await_final(replayed(history))
        run.stop()


class Roles(unittest.TestCase):
    """Each role of deploy/access can do its work, and not that of the others."""

    def test_roles(self):
        markets = {role: secure().market(self, user=role) for role in ROLES}
        market = markets["administrator"]
        for role, other in markets.items():
            other.config.write_text(other.config.read_text().replace(other.prefix, market.prefix))
            other.prefix = market.prefix
            secure().give_role(market, role)
        denied = "(?i)authorization failed"
        history = small_market(40, 30, 2, brands=2, skus=6)

        markets["importer"].fails(1, "topics", "create", message=denied)
        market.create_topics()
        for role in ("producer", "reader", "operator"):
            self.assertIn(markets[role].call("import", *parts_of(history, 1)).returncode, (1, 2), role)
        run = markets["processor"].run().is_working()
        markets["importer"].import_files(*parts_of(history, 1))
        market.ends = markets["importer"].ends
        self.assertRegex(markets["reader"].run().ends(1, within=60), denied)

        reader = markets["reader"]
        reader.ends = market.ends
        reader.await_final(replayed(history))
        alert = json.loads(reader.ok("alerts", "ls", "--all", "-o", "json").splitlines()[0])["alert_id"]
        reader.fails(1, "alerts", "ack", alert, message=denied)

        operator = markets["operator"]
        operator.fails(2, "alerts", "ack", alert, "--author", "ann", message="this Kafka connection belongs to User:operator")
        self.assertIn(b"Sent as User:operator:", operator.ok("alerts", "comment", alert, "on my way", "-o", "table"))
        eventually(lambda: b"comment by User:operator: on my way" in reader.ok("alerts", "show", alert, "--lang", "en", "-o", "table"), 30, run.text)

        for topic, allowed in {"deliveries": True, "reference": True, "commands": False, "ledger": False, "metrics-final": False}.items():
            with self.subTest(topic):
                self.assertEqual(self.can_write("producer", market.prefix + topic), allowed)
        for topic, allowed in {"commands": True, "deliveries": False, "metrics-final": False}.items():
            with self.subTest(topic):
                self.assertEqual(self.can_write("operator", market.prefix + topic), allowed)
        run.stop()
        self.assertRegex(market.ok("tasks", "ls").decode(), "outlet-0")

    def can_write(self, role, topic):
        done = subprocess.run(
            ["kcat", "-P", "-b", secure().addresses["good"], "-t", topic, "-X", "security.protocol=sasl_ssl",
             "-X", f"ssl.ca.location={secure().folder / 'ca.pem'}", "-X", "broker.address.family=v4", "-X", "sasl.mechanisms=PLAIN",
             "-X", f"sasl.username={role}", "-X", f"sasl.password={PASSWORD}"], input=b"{}", capture_output=True, timeout=60)
        return done.returncode == 0 and b"authorization failed" not in done.stderr


class Refused(unittest.TestCase):
    """A command that ends gives the reason once; `run` repeats it rarely. Neither spins, and neither prints the password."""

    def fails_with(self, market, *patterns):
        done = market.call("rates")
        self.assertEqual(done.returncode, 1, done.stderr)
        for pattern in patterns:
            self.assertRegex(done.stderr, pattern)
        self.assertLess(done.stderr.count("\n"), 5, done.stderr)

    def test_certificates(self):
        """The broker's certificate may be replaced, so `run` retries while other commands end. All run at once, since each takes 10 s."""
        handshake = "SSL handshake failed"
        wrong = {"otherhost": [handshake, "(?i)certificate verify failed|hostname mismatch"],
                 "expired": [handshake, "(?i)certificate verify failed|expired"],
                 "unknown": [handshake, "certificate verify failed", "ssl.ca.location"],
                 "good": ["No Kafka broker answered"]}  # without TLS
        markets = {listener: secure().market(self, listener) for listener in wrong}
        plain = markets["good"].config
        plain.write_text(plain.read_text().replace("sasl_ssl", "sasl_plaintext"))
        begun = time.monotonic()
        started = [(listener, market.run(), Process(market, "rates")) for listener, market in markets.items()]
        for listener, run, command in started:
            with self.subTest(listener):
                output = command.ends(1, within=30)
                run.logs("Trying again", 30)
                for pattern in wrong[listener]:
                    self.assertRegex(output, pattern)
                    self.assertRegex(run.text(), pattern)
                took = time.monotonic() - begun
                self.assertLess(cpu_s(run), 0.5 + SPINS_S * took, run.text())
                self.assertLess(output.count("\n"), 5, output)
                self.assertLess(run.text().count("\n"), 5 + took, run.text())
                run.stop()
                self.assertNotIn(PASSWORD, output + run.text())

    def test_a_wrong_password(self):
        wrong = "swordfish-42"
        for mechanism in ("PLAIN", "SCRAM-SHA-512"):
            with self.subTest(mechanism):
                market = secure().market(self, password=wrong, mechanism=mechanism)
                self.fails_with(market, "refused us", "(?i)authentication failed")
                output = market.run().ends(2, within=30)
                self.assertRegex(output, "refused us")
                self.assertLess(output.count("\n"), 5, output)
                shown = market.ok("config", "show", "--origin").decode()
                self.assertIn("sasl.password", shown)
                everything = output + shown + market.call("rates").stderr + market.call("topics", "create").stderr
                self.assertNotIn(wrong, everything)

    def test_a_password_that_is_changed(self):
        """A working process keeps its connections. The broker refuses it after the next disconnect, and it ends."""
        market = secure().market(self)
        secure().allow(market, *RIGHTS)
        run = market.create_topics().run().is_working()
        self.addCleanup(secure().change_password, PASSWORD)
        secure().change_password("a different one")
        output = run.ends(1, within=90)
        self.assertRegex(output, "(?i)authentication failed")
        self.assertLess(output.count("\n"), 100, output)
        self.assertNotIn(PASSWORD, output)


if __name__ == "__main__":
    unittest.main(verbosity=2)

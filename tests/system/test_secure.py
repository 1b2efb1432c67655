#!/usr/bin/env python3
"""TLS, passwords and rights: the numbers over an encrypted connection, and what is said when one of the three is wrong.

One broker with a listener for each certificate that it might have; a user who has a password (PLAIN, inside TLS) and the rights
that docs/operating.md lists, and no other. The tests look into it through a plain listener, whose users may do anything.
"""

import functools
import os
import pathlib
import subprocess
import time
import unittest

from admin import CREATE, DESCRIBE_CONFIGS, GROUP, PREFIXED, READ, TOPIC, WRITE, Admin
from cluster import free_ports
from support import Broker, Market, Process, eventually, parts_of, replayed, scratch, small_market

USER, PASSWORD = "fiverate", "correct horse battery staple"
RIGHTS = [(TOPIC, READ), (TOPIC, WRITE), (TOPIC, CREATE), (TOPIC, DESCRIBE_CONFIGS), (GROUP, READ)]
SPINS_S = 0.2  # of the processor, in a second


# ---- certificates ------------------------------------------------------------------------------------------------------


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


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
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # the plain listener's: the tests, and the broker itself
        }
        for name, store in stores.items():
            properties[f"listener.name.{name}.ssl.keystore.type"] = "PEM"
            properties[f"listener.name.{name}.ssl.keystore.location"] = store
            properties[f"listener.name.{name}.scram-sha-256.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;")
        self.password_is(PASSWORD, properties)
        self.broker = Broker(folder / "broker", port=plain, controller_port=controller, properties=properties).start()
        self.admin = Admin(self.broker.address)
        self.admin.add_user(USER, PASSWORD)

    def password_is(self, password, properties):
        """From the next start on."""
        for name in self.addresses:
            properties[f"listener.name.{name}.plain.sasl.jaas.config"] = (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{password}";')

    def change_password(self, password):
        self.broker.kill()
        self.password_is(password, self.broker.properties)
        self.broker.start()

    def market(self, test, listener="good", password=PASSWORD, mechanism="PLAIN", **sections):
        market = Market(test, self.addresses[listener], kafka={
            "security.protocol": "sasl_ssl", "ssl.ca.location": str(self.folder / "ca.pem"), "broker.address.family": "v4",
            "sasl.mechanisms": mechanism, "sasl.username": USER, "sasl.password": password}, **sections)
        market.address = self.broker.address  # for what the tests themselves read
        return market

    def allow(self, market, *rights):
        for kind, operation in rights:
            self.admin.allow(f"User:{USER}", kind, market.prefix, operation, PREFIXED)

    def forbid(self, market, *rights):
        for kind, operation in rights:
            self.admin.forbid(f"User:{USER}", kind, market.prefix, operation, PREFIXED)


@functools.cache
def secure():
    return Secure(scratch() / "secure")


def tearDownModule():
    secure().broker.kill()


def cpu_s(process):
    """What it has used of the processor so far."""
    fields = pathlib.Path(f"/proc/{process.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- the tests ---------------------------------------------------------------------------------------------------------


class Work(unittest.TestCase):
    def test_the_broker_is_killed(self):
        """An end of a TLS connection without a farewell is an end like any other."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        parts = parts_of(history, 2)
        market = secure().market(self)
        secure().allow(market, *RIGHTS)
        run = market.create_topics().run().is_working()
        market.import_files(parts[0], open=True)
        secure().broker.kill()
        secure().broker.start()
        eventually(market.caught_up, 60, run.text)
        market.import_files(parts[1])
        market.await_final(replayed(history))
        market.same_alerts(least=10)
        self.assertTrue(run.is_alive(), run.text())
        run.stop()
        self.assertNotIn(PASSWORD, run.text())

    def test_rights_taken_away(self):
        """Each of them at work: the process says which and ends; with the right back, a new one goes on."""
        history = small_market(40, 30, 2, brands=2, skus=6)
        taken = [((TOPIC, WRITE), "Topic authorization failed"), ((TOPIC, READ), "Topic authorization failed"),
                 ((GROUP, READ), "Group authorization failed")]
        parts = parts_of(history, len(taken) + 1)
        market = secure().market(self, run={"commit_every_ms": 50})
        importer = secure().market(self)  # the same topics, by somebody who may write while `run` may not
        importer.config.write_text(importer.config.read_text().replace(importer.prefix, market.prefix)
                                   .replace(secure().addresses["good"], secure().broker.address).replace("sasl_ssl", "plaintext"))
        secure().allow(market, *RIGHTS)
        market.create_topics()
        for number, (right, says) in enumerate(taken):
            with self.subTest(right):
                run = market.run().is_working()
                secure().forbid(market, right)
                importer.import_files(parts[number], open=True)
                said = run.ends(1, within=60)
                self.assertRegex(said, says)
                self.assertRegex(said, "Check the access rights of this user")
                secure().allow(market, right)
        run = market.run().is_working()
        importer.import_files(parts[-1])
        market.ends = importer.ends
        market.await_final(replayed(history))
        run.stop()


class Refused(unittest.TestCase):
    """Said once by what ends, again and again but seldom by what waits; without spinning, and without the password."""

    def says_so(self, market, *says):
        done = market.call("rates")
        self.assertEqual(done.returncode, 1, done.stderr)
        for pattern in says:
            self.assertRegex(done.stderr, pattern)
        self.assertLess(done.stderr.count("\n"), 5, done.stderr)

    def test_certificates(self):
        """What is wrong may be mended at the broker: `run` goes on trying, and other commands end. All at once: each takes 10 s."""
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
                said = command.ends(1, within=30)
                run.says("Trying again", 30)
                for pattern in wrong[listener]:
                    self.assertRegex(said, pattern)
                    self.assertRegex(run.text(), pattern)
                took = time.monotonic() - begun
                self.assertLess(cpu_s(run), 0.5 + SPINS_S * took, run.text())
                self.assertLess(said.count("\n"), 5, said)
                self.assertLess(run.text().count("\n"), 5 + took, run.text())
                run.stop()
                self.assertNotIn(PASSWORD, said + run.text())

    def test_scram(self):
        """librdkafka before 2.6.1 repeats itself in a way that Kafka 4 takes for an attack: with the right password, too."""
        done = secure().market(self, mechanism="SCRAM-SHA-256").call("topics", "create")
        if done.returncode != 0:
            self.assertRegex(done.stderr, "refused us.*SCRAM.* whatever the password")

    def test_a_wrong_password(self):
        wrong = "swordfish-42"
        market = secure().market(self, password=wrong)
        self.says_so(market, "refused us", "(?i)authentication failed")
        said = market.run().ends(2, within=30)
        self.assertRegex(said, "refused us")
        self.assertLess(said.count("\n"), 5, said)
        shown = market.ok("config", "show", "--origin").decode()
        self.assertIn("sasl.password", shown)
        everything = said + shown + market.call("rates").stderr + market.call("topics", "create").stderr
        self.assertNotIn(wrong, everything)

    def test_a_password_that_is_changed(self):
        """While it works: it goes on with the connections that it has; behind the next cut it is refused, and ends."""
        market = secure().market(self)
        secure().allow(market, *RIGHTS)
        run = market.create_topics().run().is_working()
        self.addCleanup(secure().change_password, PASSWORD)
        secure().change_password("another one")
        said = run.ends(1, within=90)
        self.assertRegex(said, "(?i)authentication failed")
        self.assertLess(said.count("\n"), 100, said)
        self.assertNotIn(PASSWORD, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""Limits of the health server: one short request within 5 s per connection, and 64 connections. It answers before Kafka is reached, so
these tests need no broker. test_takeover.py and tests/cli/health_test.cc test the content of /livez and /readyz."""

import re
import socket
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from support import Market, eventually

HEADER_MAX = 8 * 1024
REQUEST_WITHIN = 5  # s
CONNECTIONS_MAX = 64
AT_ONCE = 2  # s; far from REQUEST_WITHIN, on a busy machine too
LIVEZ = b"GET /livez HTTP/1.1\r\n\r\n"


class Health(unittest.TestCase):
    def setUp(self):
        market = Market(self, "127.0.0.1:1", run={"health": "127.0.0.1:0"})  # no broker
        self.process = market.run()
        self.process.logs("health: http://", 20)
        host, port = re.search(r"health: http://(\S+):(\d+)/livez", self.process.text()).groups()
        self.address = host, int(port)

    def tearDown(self):
        self.assertEqual(self.answer(LIVEZ)[0], 200, "the server still answers")
        self.process.kill()

    def connect(self):
        connection = socket.create_connection(self.address, timeout=3 * REQUEST_WITHIN)
        self.addCleanup(connection.close)
        return connection

    def answer_on(self, connection):
        """All that comes until the server closes: status (none if nothing came), head, body."""
        received = b""
        try:
            while more := connection.recv(65536):
                received += more
        except ConnectionError:  # closed with something of ours unread
            pass
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else None, head, body

    def answer(self, *pieces, every=0.0):
        connection = self.connect()
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(every)
        except ConnectionError:
            pass
        return self.answer_on(connection)

    def closed_after(self, *pieces, every=0.0):
        """Seconds, and nothing was answered."""
        began = time.monotonic()
        self.assertEqual(self.answer(*pieces, every=every), (None, b"", b""), pieces)
        return time.monotonic() - began

    def test_what_it_knows_and_what_not(self):
        self.assertEqual(self.answer(LIVEZ)[::2], (200, b'{"alive":true,"stuck":[]}\n'))
        self.assertEqual(self.answer(b"HEAD /livez HTTP/1.1\r\n\r\n")[::2], (200, b""))
        for path in (b"/", b"/nothing", b"/livez/", b"/../livez"):
            with self.subTest(path):
                self.assertEqual(self.answer(b"GET " + path + b" HTTP/1.1\r\n\r\n")[0], 404)
        status, head, _ = self.answer(b"POST /livez HTTP/1.1\r\n\r\n")
        self.assertEqual(status, 405)
        self.assertIn(b"Allow: GET, HEAD", head)
        self.assertLess(self.closed_after(b"hello\r\n\r\n"), AT_ONCE)

    def test_a_header_of_8_kib(self):
        def of_size(size):
            return LIVEZ[:-2] + b"X: " + b"x" * (size - len(LIVEZ) - 5) + b"\r\n\r\n"

        self.assertEqual(len(of_size(HEADER_MAX)), HEADER_MAX)
        self.assertEqual(self.answer(of_size(HEADER_MAX))[0], 200)
        self.assertLess(self.closed_after(of_size(HEADER_MAX + 100)), AT_ONCE)
        self.assertLess(self.closed_after(of_size(HEADER_MAX * 4)[:-4]), AT_ONCE)  # without its end

    def test_a_body_is_not_waited_for(self):
        for method in (b"GET", b"POST"):
            announced = method + b" /livez HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
            self.assertLess(self.closed_after(announced), AT_ONCE)
            self.assertLess(self.closed_after(announced + b"hello"), AT_ONCE)
        self.assertEqual(self.answer(b"GET /livez HTTP/1.1\r\nContent-Length: 0\r\n\r\n")[0], 200)

    def test_slow_clients_are_disconnected(self):
        slow = {
            "nothing": (),
            "half": (LIVEZ[:-2],),
            "a body in chunks that do not come": (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",),
        }
        drops = [bytes([byte]) for byte in LIVEZ]  # one every 0.5 s: 12 s, and each is something
        with ThreadPoolExecutor() as pool:
            waiting = {name: pool.submit(self.closed_after, *pieces) for name, pieces in slow.items()}
            waiting["drop by drop"] = pool.submit(self.closed_after, *drops, every=0.5)
            self.assertEqual(self.answer(LIVEZ)[0], 200, "others are answered meanwhile")
            for name, after in waiting.items():
                with self.subTest(name):
                    self.assertGreater(after.result(), REQUEST_WITHIN - 0.5)
                    self.assertLess(after.result(), REQUEST_WITHIN + AT_ONCE)

    def test_64_at_once(self):
        began = time.monotonic()
        held = [self.connect() for _ in range(CONNECTIONS_MAX)]
        self.assertLess(self.closed_after(), AT_ONCE)  # the 65th, before it has sent a byte
        held[-1].sendall(LIVEZ)  # the 64th was taken
        self.assertEqual(self.answer_on(held[-1])[0], 200)
        eventually(lambda: self.answer(LIVEZ)[0] == 200, AT_ONCE, "the place of the one that was answered")
        self.assertLess(time.monotonic() - began, REQUEST_WITHIN - 0.5, "this machine is too slow: the server has closed the other connections")
        # A client that holds all connections blocks others no longer than one connection may stay open.
        held.extend(self.connect() for _ in range(CONNECTIONS_MAX))
        self.assertLess(self.closed_after(), AT_ONCE)
        eventually(lambda: self.answer(LIVEZ)[0] == 200, REQUEST_WITHIN + AT_ONCE, "the server closes idle connections")


if __name__ == "__main__":
    unittest.main(verbosity=2)

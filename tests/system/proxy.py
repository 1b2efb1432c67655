"""A TCP proxy between clients and one broker that understands as much of Kafka's protocol as it takes to be cruel:

    proxy = Proxy()                                     # listens on proxy.address
    broker = Broker(folder, advertise=proxy.address)    # so that clients do not go past it
    proxy.to(broker.start().address)

    proxy.delay_produce(0.3)       each answer to a Produce comes so many seconds late
    proxy.drop_produce(5)          every 5th Produce is carried out, but its answer never comes: the connection ends instead
    proxy.close_connections(0.02)  each request ends its connection with this probability, unsent
    proxy.swallow(True)            nothing passes in either direction and nothing ends: a cable that was pulled
    proxy.friendly()               as if it were not there

Requests and answers are frames: four bytes of length, then api_key (2), version (2), correlation id (4) in a request, and the
correlation id in its answer. Runs in threads of its own; belongs to the test process and ends with it.
"""

import collections
import random
import socket
import struct
import threading
import time

PRODUCE = 0
CHUNK = 1 << 16


class Proxy:
    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.counts = collections.Counter()  # what was done: "produce", "dropped", "delayed", "closed", "swallowed"
        self.target = None
        self.pairs = set()
        self.friendly()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def to(self, address):
        host, port = address.rsplit(":", 1)
        self.target = (host, int(port))
        return self

    def close(self):
        self.listener.close()
        for pair in list(self.pairs):
            pair.end()

    # ---- what it is to do ----

    def friendly(self):
        self.delay, self.drop_every, self.close_share, self.holds = 0, 0, 0, False

    def delay_produce(self, seconds):
        self.delay = seconds

    def drop_produce(self, every):
        self.drop_every = every

    def close_connections(self, share):
        self.close_share = share

    def swallow(self, holds):
        self.holds = holds

    # ---- connections ----

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self.target, timeout=2)
            except OSError:
                client.close()  # as if nobody listened
                continue
            broker.settimeout(None)
            pair = Pair(self, client, broker)
            self.pairs.add(pair)
            for pump in (pair.requests, pair.answers):
                threading.Thread(target=pump, daemon=True).start()

    def counted(self, what):
        with self.lock:
            self.counts[what] += 1
            return self.counts[what]


class Pair:
    """One connection of a client, and the one to the broker that it is forwarded to."""

    def __init__(self, proxy, client, broker):
        self.proxy, self.client, self.broker = proxy, client, broker
        self.produces = set()  # correlation ids that wait for an answer
        for one in (client, broker):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self):
        self.proxy.pairs.discard(self)
        for one in (self.client, self.broker):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def held(self):
        if self.proxy.holds:
            self.proxy.counted("swallowed")
        while self.proxy.holds:
            time.sleep(0.05)

    def requests(self):
        proxy = self.proxy
        try:
            while frame := read_frame(self.client):
                api_key, _, correlation = struct.unpack_from(">hhi", frame, 4)
                if proxy.close_share and proxy.random.random() < proxy.close_share:
                    proxy.counted("closed")
                    break
                if api_key == PRODUCE:
                    proxy.counted("produce")
                    self.produces.add(correlation)
                self.held()
                self.broker.sendall(frame)
        except OSError:
            pass
        self.end()

    def answers(self):
        proxy = self.proxy
        try:
            while frame := read_frame(self.broker):
                (correlation,) = struct.unpack_from(">i", frame, 4)
                if correlation in self.produces:
                    self.produces.discard(correlation)
                    if proxy.drop_every and proxy.counted("answered") % proxy.drop_every == 0:
                        proxy.counted("dropped")
                        break
                    if proxy.delay:  # and with it what is behind: a connection answers in order
                        proxy.counted("delayed")
                        time.sleep(proxy.delay)
                self.held()
                self.client.sendall(frame)
        except OSError:
            pass
        self.end()


def read_frame(connection):
    """With its length in front; nothing at the end."""
    head = read_exactly(connection, 4)
    if not head:
        return None
    return head + read_exactly(connection, struct.unpack(">i", head)[0])


def read_exactly(connection, size):
    content = bytearray()
    while len(content) < size:
        piece = connection.recv(min(CHUNK, size - len(content)))
        if not piece:
            return b"" if not content and size == 4 else end_inside()
        content += piece
    return bytes(content)


def end_inside():
    raise OSError("the connection ended inside a frame")

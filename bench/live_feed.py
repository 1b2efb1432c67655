"""Shared by the benchmarks with a broker: events as JSON with the present time, and a client that sends them."""

import ctypes
import datetime
import json
import sys
import time


def instant(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(event_id, **payload):
    return json.dumps({"event_id": event_id, "source": "bench", "event_time": instant(time.time()), **payload})


def outlet_id(number):
    return f"R{number:05}"


class Producer:
    """A client of librdkafka that sends each record at once. (kcat would wait until its buffer of lines is full.)"""

    MSG_COPY, ANY_PARTITION = 2, -1

    def __init__(self, market, topic):
        self.kafka = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
            getattr(self.kafka, name).restype = ctypes.c_void_p
        error = ctypes.create_string_buffer(512)
        settings = ctypes.c_void_p(self.kafka.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", market.address), ("linger.ms", "0"), ("partitioner", "murmur2_random")):
            if self.kafka.rd_kafka_conf_set(settings, name.encode(), value.encode(), error, 512) != 0:
                sys.exit(error.value.decode())
        self.client = ctypes.c_void_p(self.kafka.rd_kafka_new(0, settings, error, 512))
        self.topic = ctypes.c_void_p(self.kafka.rd_kafka_topic_new(self.client, (market.prefix + topic).encode(), None))

    def send(self, key, line):
        key, line = key.encode(), line.encode()
        while self.kafka.rd_kafka_produce(self.topic, self.ANY_PARTITION, self.MSG_COPY, line, ctypes.c_size_t(len(line)), key,
                                          ctypes.c_size_t(len(key)), None) != 0:
            self.kafka.rd_kafka_poll(self.client, 100)  # the send queue is full
        self.kafka.rd_kafka_poll(self.client, 0)

    def close(self):
        if self.kafka.rd_kafka_flush(self.client, 30_000) != 0:
            sys.exit("not everything could be sent")
        self.kafka.rd_kafka_topic_destroy(self.topic)
        self.kafka.rd_kafka_destroy(self.client)

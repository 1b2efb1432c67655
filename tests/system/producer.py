"""A producer of another program: it chooses partition and timestamp of each record, which kcat cannot. Produce version 7 of Kafka's
protocol, to a broker that leads all partitions."""

import struct

from admin import Admin, text

PRODUCE, ALL_ACKS = 0, -1
BATCH_RECORDS = 2_000
POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def table_of():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        yield byte


TABLE = list(table_of())


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 if value >= 0 else (-value << 1) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def batch_of(records):
    """A record batch of records (timestamp, value), without keys."""
    base = records[0][0]
    encoded = b""
    for number, (timestamp, value) in enumerate(records):
        body = b"\0" + varint(timestamp - base) + varint(number) + varint(-1) + varint(len(value)) + value + varint(0)
        encoded += varint(len(body)) + body
    latest = max(timestamp for timestamp, _ in records)
    checked = struct.pack(">hiqqqhii", 0, len(records) - 1, base, latest, -1, -1, -1, len(records)) + encoded
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, 2, crc32c(checked)) + checked


def produce(address, topic, partition, records):
    """Appends records (timestamp in ms, value) to a partition and waits for the acknowledgement of each batch."""
    for begin in range(0, len(records), BATCH_RECORDS):
        batch = batch_of(records[begin : begin + BATCH_RECORDS])
        fields = struct.pack(">hhi", -1, ALL_ACKS, 10_000) + struct.pack(">i", 1) + text(topic)
        fields += struct.pack(">ii", 1, partition) + struct.pack(">i", len(batch)) + batch
        answer = Admin(address).send(PRODUCE, 7, fields)
        answer.unpack(">i"), answer.text(), answer.unpack(">ii")  # one topic, its name, one partition
        answer.expect_no_error(f"records for {topic} partition {partition}")

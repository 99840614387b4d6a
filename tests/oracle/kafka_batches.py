# SPDX-License-Identifier: BSL-1.0
"""Record batches as a real client of Kafka (python-kafka) makes and reads them.

  kafka_batches.py encode LOG    writes a segment of batches of every kind, and tells what is in it
  kafka_batches.py decode LOG    tells what is in a segment, after checking each checksum

A line for each batch: its first and last offset, its attributes, its greatest time, its producer's id,
epoch and sequence; then, where it is not compressed, one for each record: offset, time, key, value and
headers, in hex digits, - for none.
"""
import struct
import sys

from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.util import calc_crc32c


def hexed(value):
    return "-" if value is None else "=" + value.hex()


def batch_of(records, base, compression=0, control=False, **producer):
    settings = {"is_transactional": False, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1}
    settings.update(producer)
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=compression, batch_size=1 << 20, **settings)
    for i, (time, key, value, headers) in enumerate(records):
        builder.append(i, time, key, value, headers)
    raw = bytearray(builder.build())
    raw[0:8] = struct.pack(">q", base)  # as a broker does
    if control:
        raw[22] |= 0x20
        raw[17:21] = struct.pack(">I", calc_crc32c(bytes(raw[21:])))
    return bytes(raw)


def encode(path):
    now = 1_700_000_000_000
    all_batches = [
        batch_of([(now, b"key", b"value", [])], 0),
        batch_of([(now + i, None, b"v" * i, []) for i in range(40)], 1),
        batch_of([(now - 5, b"", None, [("name", b"text"), ("none", b"")]), (now + 99, b"k" * 300, b"", [])], 41),
        batch_of([(now, b"packed", b"x" * 500, [])] * 3, 43, compression=1),
        batch_of([(now, b"a", b"b", [])], 46, is_transactional=True, producer_id=77, producer_epoch=3,
                 base_sequence=12),
        batch_of([(now, b"\0\0\0\1", b"\0\0\0\0\0\0", [])], 47, control=True, is_transactional=True,
                 producer_id=77, producer_epoch=3),
        batch_of([(0, None, None, [])], 1000),  # behind what compaction has taken away
    ]
    with open(path, "wb") as log:
        log.write(b"".join(all_batches))


def tell(path):
    with open(path, "rb") as log:
        records = MemoryRecords(log.read())
    while records.has_next():
        batch = records.next_batch()
        if not batch.validate_crc():
            sys.exit("a checksum is wrong")
        header = batch._header_data  # the client has no other way to its producer's numbers
        (base, _, _, _, _, attributes, last, _, max_time, producer, epoch, sequence, count) = header
        print(f"batch {base} {base + last} {attributes} {max_time} {producer} {epoch} {sequence} {count}")
        if batch.compression_type == 0:
            for record in batch:
                headers = "".join(f" {hexed(key.encode())}{hexed(value)}" for key, value in record.headers)
                print(f"{record.offset} {record.timestamp} {hexed(record.key)} {hexed(record.value)}{headers}")


if sys.argv[1] == "encode":
    encode(sys.argv[2])
tell(sys.argv[2])

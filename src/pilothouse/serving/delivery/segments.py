"""Segment files of the spool: a header, then one record for each request, appended and never changed.

Each frame is its length and CRC-32 (two little-endian uint32) and a msgpack body. A frame that is short or whose checksum
does not fit ends the file: it was being written when the process or the machine stopped, and its request was not
acknowledged. So do zeros: a file that grows has room ahead of it (``reserve``), since a flush that need not record a new
length takes two thirds of the time. A segment becomes one ``PredictionBatch``, or one ``PairBatch`` (``pair_records``); its
rows are the batch's, in order.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.wire import (
    PairBatch,
    PredictionBatch,
    RequestTiming,
    code_texts,
    pack_numbers,
    pack_timings,
)
from pilothouse.domain.identifiers import producer_name
from pilothouse.serving.delivery.pair_records import PairHeader, PairRecord, to_pair_batch

_FRAME = struct.Struct("<II")
"""Head of a frame: length of the body, CRC-32 of the body."""
_FORMAT = 1
_ROOM = 128 << 10
"""Bytes that are reserved at once."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Version with the columns that are kept of it; its predictions share segments."""

    model: str
    version: int
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    rollout: int = 0
    """Roll-out of whose trial its requests are, and its share; 0 outside of one."""
    share: float = 0.0

    def header(self, producer: str, sequence: int, target: str) -> "SegmentHeader":
        """Header of a new segment."""
        return SegmentHeader(
            producer,
            sequence,
            target,
            self.model,
            self.version,
            list(self.numeric),
            list(self.categorical),
            rollout=self.rollout,
            share=self.share,
        )


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True, tag="segment"):
    """Header of a segment: what all its records share."""

    producer: str
    sequence: int
    target: str
    model: str
    version: int
    numeric: list[str]
    categorical: list[str]
    format: int = _FORMAT
    rollout: int = 0
    share: float = 0.0


class PredictionRecord(msgspec.Struct, frozen=True, array_like=True, tag="prediction"):
    """Record of one request: columns in the header's order, as in PredictionBatch."""

    rows: int
    event_times: bytes
    scores: bytes
    numeric: list[bytes]
    categorical: list[list[str | None]]
    labels: list[str]
    latency_us: int
    at_us: int
    called_us: int = 0
    usual_us: int = 0
    draw: int = 0
    trace: str = ""


class ErrorRecord(msgspec.Struct, frozen=True, array_like=True, tag="errors"):
    """Record of requests that were answered with an error; ``draws``: one each of a canary, none otherwise."""

    count: int
    draws: list[int] = []


Header = SegmentHeader | PairHeader
Record = PredictionRecord | ErrorRecord | PairRecord

_ENCODER = msgspec.msgpack.Encoder()
_HEADER = msgspec.msgpack.Decoder(Header)
_RECORD = msgspec.msgpack.Decoder(Record)


@dataclass(frozen=True, slots=True)
class SegmentContent:
    """Whole frames of a segment file. ``whole_bytes`` is where the last of them ends."""

    header: Header
    records: tuple[Record, ...]
    whole_bytes: int
    is_torn: bool
    """True where something that is no whole frame follows, not room alone."""

    @property
    def rows(self) -> int:
        """Number of predictions, or of pairs."""
        return sum(record.rows for record in self.records if not isinstance(record, ErrorRecord))


def new_producer(target: str) -> str:
    """Name of a producer of a target that nobody has had."""
    return producer_name(target, secrets.token_hex(6))


def frame(body: Header | Record) -> bytes:
    """Bytes of a header or record in the file."""
    data = _ENCODER.encode(body)
    return _FRAME.pack(len(data), zlib.crc32(data)) + data


def read_segment(path: Path, size: int | None = None) -> SegmentContent | None:
    """Content up to the first frame that is not whole, or up to ``size``; None where not even the header is.

    Raises IntegrityError where a whole frame is none of ours (another format), OSError where it cannot be read.
    """
    data = path.read_bytes()[:size]
    bodies, size = _whole_frames(data)
    if not bodies:
        return None
    try:
        header = _HEADER.decode(bodies[0])
        records = tuple(_RECORD.decode(body) for body in bodies[1:])
    except msgspec.DecodeError as error:
        raise IntegrityError(f"{path.name} is not a segment of this spool: {error}") from None
    if header.format != _FORMAT:
        raise IntegrityError(f"{path.name} has format {header.format}; expected {_FORMAT}")
    return SegmentContent(header, records, size, bool(data[size:].strip(b"\0")))


def reserve(descriptor: int, reserved: int, end: int) -> int:
    """Reserve room in a file that grows: ``reserved`` bytes are, bytes up to ``end`` are to be written. Returns how many are
    now; where the file system has no room to give, as many as before."""
    if end <= reserved:
        return reserved
    length = -(-end // _ROOM) * _ROOM
    try:
        os.posix_fallocate(descriptor, reserved, length - reserved)
    except OSError:  # a full disk: the write says so, if it needs more
        return reserved
    return length


def truncate(path: Path, whole_bytes: int) -> None:
    """Cut a torn tail off, durably."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, whole_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def batch_of(content: SegmentContent) -> PredictionBatch | PairBatch:
    """Batch of a segment, as the hub takes it."""
    if isinstance(content.header, SegmentHeader):
        return to_batch(content.header, content.records)
    return to_pair_batch(
        content.header, [record for record in content.records if isinstance(record, PairRecord)]
    )


def to_batch(header: SegmentHeader, records: Sequence[Record]) -> PredictionBatch:
    """Batch of the records of a segment of predictions."""
    predictions = [record for record in records if isinstance(record, PredictionRecord)]
    failed = [record for record in records if isinstance(record, ErrorRecord)]
    is_canary = header.share > 0
    is_traced = any(record.trace for record in predictions)
    return PredictionBatch(
        producer=header.producer,
        sequence=header.sequence,
        target=header.target,
        model=header.model,
        version=header.version,
        rows=sum(record.rows for record in predictions),
        event_times=b"".join(record.event_times for record in predictions),
        scores=b"".join(record.scores for record in predictions),
        numeric={
            name: b"".join(record.numeric[i] for record in predictions)
            for i, name in enumerate(header.numeric)
        },
        categorical={
            name: code_texts([value for record in predictions for value in record.categorical[i]])
            for i, name in enumerate(header.categorical)
        },
        labels=code_texts([label for record in predictions for label in record.labels]),
        requests=pack_timings(
            [RequestTiming(r.rows, r.latency_us, r.at_us, r.called_us, r.usual_us) for r in predictions]
        ),
        errors=sum(record.count for record in failed),
        rollout=header.rollout,
        share=header.share,
        draws=pack_numbers([record.draw for record in predictions]) if is_canary else b"",
        failed_draws=pack_numbers([draw for record in failed for draw in record.draws]) if is_canary else b"",
        traces=code_texts([record.trace for record in predictions for _ in range(record.rows)])
        if is_traced
        else [],
    )


def _whole_frames(data: bytes) -> tuple[list[memoryview], int]:
    view, bodies, at = memoryview(data), [], 0
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        body = view[at + _FRAME.size : at + _FRAME.size + length]
        if length == 0 or len(body) < length or zlib.crc32(body) != checksum:
            break
        bodies.append(body)
        at += _FRAME.size + length
    return bodies, at

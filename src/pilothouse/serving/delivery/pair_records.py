"""Pairs of a shadow in the spool: what both versions of a trial answered to the same requests, in segments of their own.

A record holds the requests of one round of the shadow, column by column. A segment becomes one ``PairBatch``.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from sys import byteorder

import msgspec

from pilothouse.domain.formats.wire import PairBatch, PairedRequests, code_texts


class PairHeader(msgspec.Struct, frozen=True, array_like=True, tag="pair segment"):
    """Header of a segment of pairs: what all its records share."""

    producer: str
    sequence: int
    target: str
    rollout: int
    model: str
    champion: int
    challenger: int
    format: int = 1


@dataclass(frozen=True, slots=True)
class PairStream:
    """Shadow of one roll-out over one champion; its pairs share segments."""

    rollout: int
    model: str
    champion: int
    challenger: int

    def header(self, producer: str, sequence: int, target: str) -> PairHeader:
        """Header of a new segment."""
        return PairHeader(
            producer, sequence, target, self.rollout, self.model, self.champion, self.challenger
        )


class PairRecord(msgspec.Struct, frozen=True, array_like=True, tag="pairs"):
    """Requests that both versions answered, one entry each in the lists from ``producers`` on, and counts of those that the
    champion alone did since the record before."""

    rows: int
    event_times: bytes
    champion_scores: bytes
    challenger_scores: bytes
    champion_labels: list[str]
    challenger_labels: list[str]
    producers: list[str]
    sequences: list[int]
    offsets: list[int]
    request_rows: list[int]
    champion_us: list[int]
    challenger_us: list[int]
    dropped: int = 0
    failed: int = 0
    unfit: int = 0


def to_pair_batch(header: PairHeader, records: Sequence[PairRecord]) -> PairBatch:
    """Batch of a segment's records, as the hub takes it."""

    def numbers(name: str) -> bytes:
        packed = array("q", [number for record in records for number in getattr(record, name)])
        if byteorder == "big":
            packed.byteswap()
        return packed.tobytes()

    return PairBatch(
        producer=header.producer,
        sequence=header.sequence,
        target=header.target,
        rollout=header.rollout,
        model=header.model,
        champion=header.champion,
        challenger=header.challenger,
        rows=sum(record.rows for record in records),
        event_times=b"".join(record.event_times for record in records),
        champion_scores=b"".join(record.champion_scores for record in records),
        challenger_scores=b"".join(record.challenger_scores for record in records),
        champion_labels=code_texts([text for record in records for text in record.champion_labels]),
        challenger_labels=code_texts([text for record in records for text in record.challenger_labels]),
        requests=PairedRequests(
            code_texts([text for record in records for text in record.producers]),
            numbers("sequences"),
            numbers("offsets"),
            numbers("request_rows"),
            numbers("champion_us"),
            numbers("challenger_us"),
        ),
        dropped=sum(record.dropped for record in records),
        failed=sum(record.failed for record in records),
        unfit=sum(record.unfit for record in records),
    )

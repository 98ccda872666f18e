"""Streams of one transaction with what arrived for each, those of few rows rolled up together.

Profiling a row by itself costs as much as a hundred: the calls, not the numbers. So small streams of one specification are
profiled as groups of one table.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.intake.admission import VersionFacts
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.rows.columns import Features, Predictions, join_features
from pilothouse.telemetry.rows.requests import Requests, joined_requests

_SMALL_ROWS = 256
"""Rows of a stream up to which it is rolled up together with others."""
_ROWS_TOGETHER = 65_536
"""Rows that are rolled up together at most."""


@dataclass(slots=True)
class RowlessErrors:
    """Failed requests of batches without rows, and the event time to which they belong."""

    count: int = 0
    time_us: int = 0


@dataclass(slots=True, eq=False)
class Accepted:
    """Batch of which rows are kept; ``id`` is its number once its head is stored."""

    batch: PredictionBatch
    producer: int
    checksum: int
    rejected: int
    by_the_clock: frozenset[int]
    predictions: Predictions
    features: Features
    requests: Requests
    id: int = 0


@dataclass(slots=True, eq=False)
class ArrivedStream:
    """Batches of one stream, joined in ``given``, and the increments of its windows."""

    stream: Stream
    facts: VersionFacts
    accepted: Sequence[Accepted]
    given: rollup.Arrived
    newest_before_us: int | None = None
    """Newest event of the stream before these, where it is known."""
    parts: rollup.Increments = field(default_factory=dict)


def arrived_stream(
    stream: Stream,
    facts: VersionFacts,
    accepted: Sequence[Accepted],
    predictions: Predictions,
    newest_before_us: int | None,
) -> ArrivedStream:
    """Batches joined; ``predictions`` are theirs, joined already. Nothing is rolled up yet."""
    given = rollup.Arrived(
        predictions,
        join_features([part.features for part in accepted]),
        joined_requests([part.requests for part in accepted]),
        stream.minutes_since_us,
    )
    return ArrivedStream(stream, facts, accepted, given, newest_before_us)


def rolled_up(streams: Iterable[ArrivedStream]) -> Iterator[Sequence[ArrivedStream]]:
    """The same streams with their increments, in another order, those of one specification together; no more than some
    thousand rows wait at once."""
    small: dict[str, list[ArrivedStream]] = {}
    rows = 0
    for one in streams:
        of_one = one.given.predictions.rows
        if of_one > _SMALL_ROWS:
            yield _together([one])
            continue
        small.setdefault(one.facts.specification.digest, []).append(one)
        rows += of_one
        if rows > _ROWS_TOGETHER:
            for group in small.values():
                yield _together(group)
            small, rows = {}, 0
    for group in small.values():
        yield _together(group)


def _together(group: Sequence[ArrivedStream]) -> Sequence[ArrivedStream]:
    found = rollup.increments(group[0].facts.specification, [one.given for one in group])
    for one, parts in zip(group, found, strict=True):
        one.parts = parts
    return group

"""What the tables say of streams, clocks and rejected events. Functions take a connection."""

import json
from dataclasses import dataclass

from pilothouse.domain.wire import PredictionBatch
from pilothouse.sqlite import Connection
from pilothouse.statistics.specification import ProfileSpecification

from .admission import Clock, Rejection, VersionFacts
from .columns import Ints, pack


@dataclass(frozen=True, slots=True)
class Stream:
    """One version of one model on one target. Times are microseconds; ``last_arrival_us`` is by the wall clock."""

    id: int
    model: str
    version: int
    target: str
    specification_id: int
    minutes_since_us: int | None
    first_event_us: int
    last_event_us: int
    last_arrival_us: int
    rows: int
    labelled: int


@dataclass(frozen=True, slots=True)
class RejectedCount:
    """Events of one reason that were not taken in."""

    reason: str
    count: int
    last_us: int
    example: str


_STREAM = (
    "SELECT id, model, version, target, specification_id, minutes_since, first_event, last_event, last_arrival, "
    "rows, labelled FROM streams"
)


def find_stream(connection: Connection, model: str, version: int, target: str) -> Stream | None:
    """The stream, or None where nothing has arrived."""
    row = connection.execute(
        f"{_STREAM} WHERE model=? AND version=? AND target=?", (model, version, target)
    ).fetchone()
    return Stream(*row) if row else None


def get_stream(connection: Connection, stream_id: int) -> Stream:
    """The stream of that id, which exists."""
    return Stream(*connection.execute(f"{_STREAM} WHERE id=?", (stream_id,)).fetchone())


def slices_of(connection: Connection, stream_id: int) -> tuple[str, ...]:
    """The features by which a stream's outcomes are cut, as they were at its first event."""
    (listed,) = connection.execute("SELECT slices FROM streams WHERE id=?", (stream_id,)).fetchone()
    return tuple(json.loads(listed))


def list_streams(connection: Connection, model: str | None = None, target: str | None = None) -> list[Stream]:
    """All streams, of one model and target where these are given, in the order in which they began."""
    rows = connection.execute(
        f"{_STREAM} WHERE (? IS NULL OR model=?) AND (? IS NULL OR target=?) ORDER BY id",
        (model, model, target, target),
    )
    return [Stream(*row) for row in rows]


def advance_stream(
    connection: Connection,
    batch: PredictionBatch,
    facts: VersionFacts,
    times: Ints,
    now_us: int,
    rows: int,
    dense: bool,
) -> Stream:
    """Count ``rows`` with these event times into the stream of a batch, making the stream where this is its first."""
    first, last = int(times.min()), int(times.max())
    found = find_stream(connection, batch.model, batch.version, batch.target)
    if found is None:
        connection.execute(
            "INSERT INTO streams (model, version, target, specification_id, minutes_since, first_event, last_event, "
            "last_arrival, rows, slices) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                batch.model,
                batch.version,
                batch.target,
                _specification_id(connection, facts.specification),
                0 if facts.minutes else None,
                first,
                last,
                now_us,
                rows,
                json.dumps(facts.slices),
            ),
        )
    else:
        connection.execute(
            "UPDATE streams SET first_event=min(first_event, ?), last_event=max(last_event, ?), last_arrival=?, "
            "rows=rows+? WHERE id=?",
            (first, last, now_us, rows, found.id),
        )
    if dense:
        # complete only from the first minute that nothing can have reached before
        connection.execute(
            "UPDATE streams SET minutes_since=? WHERE model=? AND version=? AND target=? AND minutes_since IS NULL",
            (
                first if found is None else max(first, found.last_event_us + 1),
                batch.model,
                batch.version,
                batch.target,
            ),
        )
    stream = find_stream(connection, batch.model, batch.version, batch.target)
    assert stream is not None
    return stream


def _specification_id(connection: Connection, specification: ProfileSpecification) -> int:
    row = connection.execute(
        "SELECT id FROM specifications WHERE digest=?", (specification.digest,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    added = connection.execute(
        "INSERT INTO specifications (digest, data) VALUES (?,?)",
        (specification.digest, specification.to_bytes()),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def producer_id(connection: Connection, name: str) -> int:
    """The number of a producer, given out at its first batch."""
    row = connection.execute("SELECT id FROM producers WHERE name=?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    added = connection.execute("INSERT INTO producers (name) VALUES (?)", (name,))
    assert added.lastrowid is not None
    return added.lastrowid


def read_clock(connection: Connection, target: str) -> Clock | None:
    """The event clock of a target, or None before its first event."""
    row = connection.execute(
        "SELECT event, arrived, far, far_count FROM clocks WHERE target=?", (target,)
    ).fetchone()
    return Clock(*row) if row else None


def write_clock(connection: Connection, target: str, clock: Clock) -> None:
    """Keep the clock of a target."""
    connection.execute(
        "INSERT OR REPLACE INTO clocks VALUES (?,?,?,?,?)",
        (target, clock.event_us, clock.arrived_us, clock.far_us, clock.far_count),
    )


def write_rejections(
    connection: Connection,
    batch: PredictionBatch,
    rejections: list[Rejection],
    facts: VersionFacts | None,
    now_us: int,
) -> None:
    """Keep what was not taken in, with its reason; never a column that the version does not know."""
    for rejection in rejections:
        connection.execute(
            "INSERT INTO rejected (received, reason, count, model, version, target, producer, sequence, example, data) "
            "VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                now_us,
                rejection.reason,
                rejection.count,
                batch.model,
                batch.version,
                batch.target,
                batch.producer,
                batch.sequence,
                rejection.example,
                None if rejection.kept else _rows_as_they_came(batch, rejection, facts),
            ),
        )


def write_faults(connection: Connection, faults: list[tuple[str, str]], now_us: int) -> None:
    """Keep outcomes that could not be used: (reason, example)."""
    connection.executemany(
        "INSERT INTO rejected (received, reason, count, model, version, target, producer, sequence, example) "
        "VALUES (?,?,1,'',0,'','',0,?)",
        [(now_us, reason, example[:200]) for reason, example in faults],
    )


def count_received(connection: Connection) -> int:
    """Rows received so far, taken in or not; a batch that came twice counts once."""
    (taken,) = connection.execute("SELECT coalesce(sum(rows), 0) FROM streams").fetchone()
    (refused,) = connection.execute(
        "SELECT coalesce(sum(rejected), 0) FROM batches WHERE rejected > 0"
    ).fetchone()
    return int(taken + refused)


def rejected_counts(connection: Connection) -> list[RejectedCount]:
    """Rejected events by reason, most frequent first; the example is the newest."""
    rows = connection.execute(
        "SELECT r.reason, s.total, r.received, r.example FROM rejected r JOIN "
        "(SELECT reason, sum(count) AS total, max(id) AS newest FROM rejected GROUP BY reason) s ON r.id = s.newest "
        "ORDER BY s.total DESC, r.reason"
    )
    return [RejectedCount(*row) for row in rows]


def _rows_as_they_came(batch: PredictionBatch, rejection: Rejection, facts: VersionFacts | None) -> bytes:
    known = set(facts.specification.by_name) if facts else set()
    plain = {
        "offsets": list(rejection.offsets),
        "event_times": batch.event_times,
        "scores": batch.scores,
        "labels": batch.labels,
        "foreign_ids": batch.foreign_ids,
        "numeric": {name: data for name, data in batch.numeric.items() if name in known},
        "categorical": {name: data for name, data in batch.categorical.items() if name in known},
    }
    if rejection.offsets:
        places = list(rejection.offsets)
        plain |= {
            "event_times": _pick(batch.event_times, places),
            "scores": _pick(batch.scores, places),
            "labels": [batch.labels[i] for i in places] if batch.labels else [],
            "foreign_ids": [batch.foreign_ids[i] for i in places] if batch.foreign_ids else [],
            "numeric": {n: _pick(d, places) for n, d in batch.numeric.items() if n in known},
            "categorical": {n: [d[i] for i in places] for n, d in batch.categorical.items() if n in known},
        }
    return pack(plain)


def _pick(data: bytes, places: list[int]) -> bytes:
    return b"".join(data[8 * i : 8 * i + 8] for i in places)

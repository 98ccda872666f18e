"""Streams, clocks and rejected events in the tables. Functions take a connection."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import HOUR_US, from_us
from pilothouse.domain.formats.wire import CodedTexts, PredictionBatch
from pilothouse.domain.monitoring.rejections import RejectedEvents, RejectionReason
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.sqlite.inserts import insert
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake.admission import Clock, Rejection, VersionFacts
from pilothouse.telemetry.rows.columns import Predictions, decode_predictions, pack

EXAMPLES_A_REASON = 100
"""Rejections of a reason that are kept as examples; all are counted."""
_ROWS_AN_EXAMPLE = 100
"""Rows of an example at most."""
_EXAMPLE_BYTES = 64 * 1024
"""Bytes of an example at most."""


StreamKey = tuple[str, int, str]
"""Model, version and target of a stream."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Stream of one version of one model on one target. Times are microseconds; ``last_arrival_us`` is by the wall clock."""

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


_NO_ORIGIN: dict[str, object] = {"model": "", "version": 0, "target": "", "producer": "", "sequence": 0}


_STREAM = (
    "SELECT id, model, version, target, specification_id, minutes_since, first_event, last_event, last_arrival, "
    "rows, labelled FROM streams"
)


def find_stream(connection: Connection, model: str, version: int, target: str) -> Stream | None:
    """Stream, or None where nothing has arrived."""
    row = connection.execute(
        f"{_STREAM} WHERE model=? AND version=? AND target=?", (model, version, target)
    ).fetchone()
    return Stream(*row) if row else None


def get_stream(connection: Connection, stream_id: int) -> Stream:
    """Stream of that id, which exists."""
    stream = stream_of_id(connection, stream_id)
    assert stream is not None
    return stream


def stream_of_id(connection: Connection, stream_id: int) -> Stream | None:
    """Stream of that id; None in the past where it had not begun."""
    row = connection.execute(f"{_STREAM} WHERE id=?", (stream_id,)).fetchone()
    return Stream(*row) if row else None


def slices_of(connection: Connection, stream_id: int) -> tuple[str, ...]:
    """Features by which a stream's outcomes are cut, as they were at its first event."""
    (listed,) = connection.execute("SELECT slices FROM streams WHERE id=?", (stream_id,)).fetchone()
    return tuple(json.loads(listed))


def list_streams(connection: Connection, model: str | None = None, target: str | None = None) -> list[Stream]:
    """All streams, of one model and target where these are given, in the order in which they began."""
    conditions, values = where({"model=?": model, "target=?": target})
    rows = connection.execute(f"{_STREAM} {conditions} ORDER BY id", values)
    return [Stream(*row) for row in rows]


def arrivals_after(connection: Connection, stream_id: int, event_us: int, arrived_us: int) -> list[int]:
    """Wall-clock times, in order and after ``arrived_us``, at which rows with events after ``event_us`` arrived, whatever
    segments have been merged since."""
    found, heads = set(), dict[int, Predictions]()
    for segment, first_us, received, first, rows in connection.execute(
        "SELECT s.id, s.first_event, b.received, b.segment_start, b.rows FROM segments s JOIN batches b ON b.segment_id=s.id "
        "WHERE s.stream_id=?1 AND s.last_event>?2 AND s.received>?3 AND b.received>?3 AND b.rows>0 ORDER BY s.id",
        (stream_id, event_us, arrived_us),
    ):
        if received in found:
            continue
        if first_us <= event_us and segment not in heads:
            (data,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
            heads = {segment: decode_predictions(data)}
        if first_us > event_us or heads[segment].part(first, rows).last_us > event_us:
            found.add(received)
    return sorted(found)


def advance_stream(
    connection: Connection,
    key: StreamKey,
    facts: VersionFacts,
    span: tuple[int, int],
    now_us: int,
    rows: int,
    dense: bool,
    known: Stream | None,
) -> Stream:
    """Stream with ``rows`` more, whose event times reach from the first to the last of a ``span``; made where it is the first,
    else ``write_moved`` stores it. ``known`` is the stream as it is stored, where the caller has it."""
    first, last = span
    before = known or find_stream(connection, *key)
    if before is None:
        since = 0 if facts.minutes else first - first % HOUR_US if dense else None
        columns: dict[str, object] = {
            **dict(zip(("model", "version", "target"), key, strict=True)),
            "specification_id": _specification_id(connection, facts.specification),
            "minutes_since": since,
            "first_event": first,
            "last_event": last,
            "last_arrival": now_us,
            "rows": rows,
            "slices": json.dumps(facts.slices),
        }
        return get_stream(connection, insert(connection, "streams", columns))
    since = before.minutes_since_us
    if since is None and dense:
        # From the first hour without an event yet: an hour is the sum of its minutes, so none may have rows of its own.
        since = -(-max(first, before.last_event_us + 1) // HOUR_US) * HOUR_US
    return Stream(
        before.id,
        *key,
        before.specification_id,
        since,
        min(before.first_event_us, first),
        max(before.last_event_us, last),
        now_us,
        before.rows + rows,
        before.labelled,
    )


def write_moved(connection: Connection, moved: Iterable[Stream]) -> None:
    """Store what ``advance_stream`` has counted into streams."""
    connection.executemany(
        "UPDATE streams SET minutes_since=?, first_event=?, last_event=?, last_arrival=?, rows=? WHERE id=?",
        [
            (s.minutes_since_us, s.first_event_us, s.last_event_us, s.last_arrival_us, s.rows, s.id)
            for s in moved
        ],
    )


def _specification_id(connection: Connection, specification: ProfileSpecification) -> int:
    row = connection.execute(
        "SELECT id FROM specifications WHERE digest=?", (specification.digest,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    columns = {"digest": specification.digest, "data": specification.to_bytes()}
    return insert(connection, "specifications", columns)


def producer_id(connection: Connection, name: str) -> int:
    """Number of a producer, given out at its first batch."""
    row = connection.execute("SELECT id FROM producers WHERE name=?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    return insert(connection, "producers", {"name": name})


def read_clock(connection: Connection, model: str, target: str) -> Clock | None:
    """Event clock of a model on a target, or None before its first event there."""
    row = connection.execute(
        "SELECT event, arrived, far, far_count FROM clocks WHERE model=? AND target=?", (model, target)
    ).fetchone()
    return Clock(*row) if row else None


def clocks_of(
    connection: Connection, deployments: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], datetime]:
    """Event clocks of these models on their targets, as far as there are any."""
    rows = connection.execute(
        "SELECT c.model, c.target, c.event FROM json_each(?) k CROSS JOIN clocks c "
        "ON c.model = k.value ->> 0 AND c.target = k.value ->> 1",
        (json.dumps([list(key) for key in deployments]),),
    )
    return {(model, target): from_us(event) for model, target, event in rows}


def newest_event_us(connection: Connection) -> int | None:
    """Time of the newest event of any stream, or None before the first."""
    (event_us,) = connection.execute("SELECT max(last_event) FROM streams").fetchone()
    return None if event_us is None else int(event_us)


def newest_clock_us(connection: Connection, target: str) -> int | None:
    """Newest event of any model on a target, or None before its first."""
    (event,) = connection.execute("SELECT max(event) FROM clocks WHERE target=?", (target,)).fetchone()
    return None if event is None else int(event)


def clocks_us(connection: Connection, model: str) -> dict[str, int]:
    """Event clocks of a model by target, where it has had an event."""
    rows = connection.execute("SELECT target, event FROM clocks WHERE model=?", (model,))
    return {target: int(event) for target, event in rows}


def live_targets(connection: Connection, model: str) -> list[str]:
    """Targets whose events of a model came as they happened: their clock goes on with the wall clock when no event comes."""
    rows = connection.execute(
        "SELECT target FROM clocks WHERE model=? AND abs(arrived - event) <= ? ORDER BY target",
        (model, HOUR_US),
    )
    return [target for (target,) in rows]


def newest_clocks_us(connection: Connection) -> dict[str, int]:
    """Newest event of any model, by target."""
    rows = connection.execute("SELECT target, max(event) FROM clocks GROUP BY target")
    return {target: int(event) for target, event in rows}


def write_clocks(connection: Connection, clocks: Mapping[tuple[str, str], Clock]) -> None:
    """Write the event clocks of models on targets, and put these on the monitor's worklist."""
    connection.executemany(
        "INSERT INTO clocks (model, target, event, arrived, far, far_count) VALUES (?,?,?,?,?,?) "
        "ON CONFLICT (model, target) DO UPDATE SET event = excluded.event, arrived = excluded.arrived, far = excluded.far, "
        "far_count = excluded.far_count, moved = moved + 1, look_at = 0",
        [
            (*key, clock.event_us, clock.arrived_us, clock.far_us, clock.far_count)
            for key, clock in clocks.items()
        ],
    )


def write_rejections(
    connection: Connection,
    batch: PredictionBatch,
    rejections: list[Rejection],
    facts: VersionFacts | None,
    now_us: int,
) -> None:
    """Count what was not taken in, for good, and keep some of the newest rows of each reason as examples; never a column
    that the version does not know."""
    for rejection in rejections:
        count_rejected(connection, rejection.reason, rejection.count, rejection.example, now_us)
        is_row_kept = not rejection.kept and rejection.reason is not RejectionReason.ERASED
        data = _rows_as_they_came(batch, rejection, facts) if is_row_kept else None
        _keep_example(connection, rejection.reason, rejection.count, rejection.example, now_us, batch, data)
        _drop_old_examples(connection, rejection.reason)


def write_refusal(connection: Connection, rows: int, example: str, now_us: int) -> None:
    """Count rows that could not be read as a batch, with the newest fault as example."""
    _keep_example(connection, RejectionReason.UNREADABLE, rows, example[:200], now_us)
    count_rejected(connection, RejectionReason.UNREADABLE, rows, example[:200], now_us)
    _drop_old_examples(connection, RejectionReason.UNREADABLE)


def write_faults(connection: Connection, faults: list[tuple[RejectionReason, str]], now_us: int) -> None:
    """Count outcomes that could not be used, and keep some as examples: (reason, example)."""
    for reason in sorted({reason for reason, _ in faults}):
        examples = [example[:200] for named, example in faults if named == reason]
        count_rejected(connection, reason, len(examples), examples[-1], now_us)
        for example in examples[-EXAMPLES_A_REASON:]:
            _keep_example(connection, reason, 1, example, now_us)
        _drop_old_examples(connection, reason)


def count_rejected(
    connection: Connection, reason: RejectionReason, count: int, example: str, now_us: int
) -> None:
    """Count rows of a reason for good; ``example`` is the newest."""
    connection.execute(
        "INSERT INTO rejected_totals VALUES (?,?,?,?) ON CONFLICT (reason) DO UPDATE SET "
        "count = count + excluded.count, last = excluded.last, example = excluded.example",
        (str(reason), count, now_us, example),
    )


def _keep_example(
    connection: Connection,
    reason: RejectionReason,
    count: int,
    example: str,
    now_us: int,
    batch: PredictionBatch | None = None,
    data: bytes | None = None,
) -> None:
    origin = {name: getattr(batch, name) for name in _NO_ORIGIN} if batch else _NO_ORIGIN
    columns = {"received": now_us, "reason": str(reason), "count": count, "example": example, "data": data}
    insert(connection, "rejected", {**columns, **origin})


def _drop_old_examples(connection: Connection, reason: RejectionReason) -> None:
    connection.execute(
        "DELETE FROM rejected WHERE reason=?1 AND id <= "
        "(SELECT id FROM rejected WHERE reason=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (str(reason), EXAMPLES_A_REASON),
    )


def count_received(connection: Connection) -> int:
    """Number of rows received so far, taken in or not; a batch that came twice counts once."""
    (taken,) = connection.execute("SELECT coalesce(sum(rows), 0) FROM streams").fetchone()
    (refused,) = connection.execute(
        "SELECT coalesce(sum(rejected), 0) FROM batches WHERE rejected > 0"
    ).fetchone()
    return int(taken + refused)


def rejected_counts(connection: Connection) -> list[RejectedEvents]:
    """Rejected events by reason, most frequent first; the example is the newest."""
    rows = connection.execute(
        "SELECT reason, count, last, example FROM rejected_totals ORDER BY count DESC, reason"
    )
    return [RejectedEvents(reason, count, from_us(last), example) for reason, count, last, example in rows]


def _rows_as_they_came(
    batch: PredictionBatch, rejection: Rejection, facts: VersionFacts | None
) -> bytes | None:
    """Some rows of the columns that the version knows, for an example; None where even those are too long to keep."""
    known = set(facts.specification.by_name) if facts else set()
    rows = list(rejection.offsets or range(max(batch.rows, 0)))[:_ROWS_AN_EXAMPLE]
    plain = {
        "offsets": rows,
        "event_times": _pick(batch.event_times, rows),
        "scores": _pick(batch.scores, rows),
        "labels": _pick_texts(batch.labels, rows),
        "foreign_ids": _pick_texts(batch.foreign_ids, rows),
        "numeric": {n: _pick(d, rows) for n, d in batch.numeric.items() if n in known},
        "categorical": {n: _pick_texts(d, rows) for n, d in batch.categorical.items() if n in known},
    }
    packed = pack(plain)
    return packed if len(packed) <= _EXAMPLE_BYTES else None


def _pick(data: bytes, rows: list[int]) -> bytes:
    return b"".join(data[8 * i : 8 * i + 8] for i in rows)


def _pick_texts(column: Sequence[str | None] | CodedTexts, rows: list[int]) -> list[str | None]:
    """Texts of these rows, as far as there are any: the column may be cut, or no column at all."""
    try:
        texts = CodedColumn.of(column)
        return [texts.vocabulary[texts.codes[i]] for i in rows if i < len(texts)]
    except (TypeError, ValueError):
        return []

"""What telemetry.db holds as bytes, read to its end: rows, windows, packs and outcomes that are not as they were written.

Each blob carries a checksum, but for the outcomes of rows and what earlier releases wrote, of which the form alone is looked
at. Functions take a connection.
"""

import hashlib
from collections.abc import Callable, Iterator

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_S, from_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency, outcome_profile, profile_storage
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.telemetry.intake import window_packs
from pilothouse.telemetry.intake.streams import Stream
from pilothouse.telemetry.rows.columns import decode_features, decode_predictions

_LEVELS = {DAY_S: "day", HOUR_S: "hour"}
"""Words for the length of a window; another is a minute."""


def damaged_parts(connection: Connection, stream: Stream) -> Iterator[str]:
    """Each part of a stream that is not as it was written: ``delay/2 on ewr: the hour from 2026-03-01 05:00 UTC``."""
    name = f"{version_uri(stream.model, stream.version)} on {stream.target}"
    digest, data = connection.execute(
        "SELECT digest, data FROM specifications WHERE id=?", (stream.specification_id,)
    ).fetchone()
    if hashlib.sha256(data).hexdigest() != digest:
        yield f"{name}: the specification of its profiles, without which none of its windows can be read"
        return
    specification = ProfileSpecification.from_bytes(data)
    for part in (_segments, _windows, _packs, _outcomes):
        for text in part(connection, specification, stream.id):
            yield f"{name}: {text}"


def _segments(connection: Connection, _: ProfileSpecification, stream_id: int) -> Iterator[str]:
    for rows, first, last, *data in connection.execute(
        "SELECT rows, first_event, last_event, predictions, features FROM segments WHERE stream_id=? ORDER BY first_event",
        (stream_id,),
    ):
        if not _holds(_is_segment, *data, (rows, first, last)):
            yield f"rows from {_minute(first)} to {_minute(last)} UTC ({rows:,})"


def _is_segment(head: bytes, body: bytes, told: tuple[int, int, int]) -> bool:
    predictions, features = decode_predictions(head), decode_features(body)
    lengths = {*map(len, features.numeric.values()), *map(len, features.categorical.values())}
    return (predictions.rows, predictions.first_us, predictions.last_us) == told and lengths <= {told[0]}


def _windows(connection: Connection, specification: ProfileSpecification, stream_id: int) -> Iterator[str]:
    for level, start, *data in connection.execute(
        "SELECT level, start, rows, requests, latency, profile FROM windows WHERE stream_id=? ORDER BY level, start",
        (stream_id,),
    ):
        if not _holds(_is_window, specification, *data):
            yield f"the {_LEVELS.get(level, 'minute')} from {_minute(start)} UTC"


def _is_window(
    specification: ProfileSpecification, rows: int, requests: int, asked: bytes | None, content: bytes | None
) -> bool:
    of_rows = rows if content is None else profile_storage.decode(specification, content).rows
    return (of_rows, 0 if asked is None else latency.decode(asked).requests) == (rows, requests)


def _packs(connection: Connection, specification: ProfileSpecification, stream_id: int) -> Iterator[str]:
    rows_of, lost = dict[int, int](), False
    for first, last, *data in connection.execute(
        "SELECT first, last, counts, latencies, profiles FROM window_packs WHERE stream_id=? ORDER BY first",
        (stream_id,),
    ):
        hours = _hours(specification, data)
        if not hours or (hours[0][0], hours[-1][0]) != (first, last):
            lost = True
            yield f"the packed hours from {_minute(first)} to {_minute(last)} UTC"
        for start, hour in hours:
            day = start - start % DAY_US
            rows_of[day] = rows_of.get(day, 0) + hour.rows
    for day, rows in {} if lost else window_packs.whole_days(connection, stream_id).items():
        if rows_of.get(day) != rows:
            yield f"the day from {_minute(day)} UTC: {rows:,} rows, in its packed hours {rows_of.get(day, 0):,}"


def _hours(specification: ProfileSpecification, data: list[bytes]) -> window_packs.Hours:
    try:
        return window_packs.decode(specification, *data)
    except IntegrityError:
        return []


def _outcomes(connection: Connection, specification: ProfileSpecification, stream_id: int) -> Iterator[str]:
    for start, data in connection.execute(
        "SELECT start, data FROM outcome_days WHERE stream_id=? ORDER BY start", (stream_id,)
    ):
        if not _holds(lambda: outcome_profile.decode(specification, data).rows >= 0):  # noqa: B023 - called at once
            yield f"the outcomes of {_day(start)}"
    for feature, start, data in connection.execute(
        "SELECT feature, start, data FROM outcome_slices WHERE stream_id=? ORDER BY start", (stream_id,)
    ):
        if not _holds(lambda: outcome_profile.decode_parts(specification, data) is not None):  # noqa: B023 - called at once
            yield f"the outcomes of {_day(start)} by {feature}"
    width = 2 if specification.classes else 8
    for rows, first in connection.execute(
        "SELECT b.rows, s.first_event FROM segments s JOIN batches b ON b.segment_id=s.id "
        "JOIN outcomes o ON o.batch_id=b.id WHERE s.stream_id=? AND length(o.data) <> ? * b.rows",
        (stream_id, width),
    ):
        yield f"the outcomes of a batch of {rows:,} rows, from {_minute(first)} UTC on"


def _holds(check: Callable[..., bool], *given: object) -> bool:
    try:
        return check(*given)
    except (IntegrityError, ValueError):
        return False


def _minute(us: int) -> str:
    return _time(us, "%Y-%m-%d %H:%M")


def _day(us: int) -> str:
    return _time(us, "%Y-%m-%d")


def _time(us: int, form: str) -> str:
    try:
        return f"{from_us(us):{form}}"
    except (OverflowError, ValueError):  # the time is damaged too
        return f"{us} µs"

"""Closed windows judged again by themselves, once rows or outcomes of them have come late.

The earlier finding is kept. Alerts are drawn from the newest windows alone: an alert is about the present. Everything here is
keyed and can be cut off anywhere.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from pilothouse.domain.alert_rules import Span
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.judging import MOST_TOGETHER
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.time_units import SECOND_US, to_us
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import weeks_before, window_closing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.significance import null_windows
from pilothouse.telemetry import Stream, late_days, revisions
from pilothouse.telemetry.late_days import OF_OUTCOMES, OF_ROWS, LateDay
from pilothouse.telemetry.readings import DRIFT
from pilothouse.telemetry.streams import get_stream, list_streams

_AT_MOST = 200
"""Windows judged again in one round, but for those of one stream."""
_DAYS_AT_ONCE = 92
"""Late days of one stream that are taken in one round, so that alerts are drawn during a long catch-up."""
EARLIER_AT_ONCE = 500
"""Windows before the oldest that are closed in one round, for rows older than it."""


@dataclass(slots=True)
class LateRound:
    """Windows whose findings have changed, and the faults of streams that could not be judged."""

    changed: int = 0
    judged: int = 0
    faults: list[PilothouseError] = field(default_factory=list)


JudgedAgain = Callable[[Stream, ModelSpec, str, int], None]
"""Function that is told of each window of a monitor that was judged again, by its end."""


def judge_late(services: Services, judged_again: JudgedAgain = lambda *_: None) -> LateRound:
    """Judge windows again of which something has come late, stream by stream; what is left is for the next round."""
    round_ = LateRound()
    now_us = to_us(services.now())
    with services.telemetry.read() as connection:
        due = late_days.due(connection, now_us)
    for (stream_id, _), group in groupby(due, key=attrgetter("stream_id", "kind")):
        days = list(group)[:_DAYS_AT_ONCE]
        try:
            _judge_stream(services, stream_id, days, round_, judged_again)
        except PilothouseError as error:
            round_.faults.append(error)
        if round_.judged >= _AT_MOST:
            break
    return round_


def _judge_stream(
    services: Services,
    stream_id: int,
    days: Sequence[LateDay],
    round_: LateRound,
    judged_again: JudgedAgain,
) -> None:
    kind = days[0].kind
    with services.telemetry.read() as connection:
        stream = get_stream(connection, stream_id)
    with services.registry.read() as registry:
        spec = spec_in_force(registry, stream.model)
    complete = True
    for monitor in (OF_ROWS if kind == "rows" else OF_OUTCOMES) if spec is not None else ():
        assert spec is not None
        with services.telemetry.read() as connection:
            earlier, all_of_them = _earlier(connection, stream, spec, monitor)
            spans = [*earlier, *_touched(connection, stream, spec, monitor, days, bool(earlier))]
            beside = _beside(connection, stream, spec, days) if monitor == DRIFT else []
        complete &= all_of_them
        for of, touched in ((stream, spans), *beside):
            changed: dict[str, set[int]] = {}
            for span in touched:
                round_.judged += 1
                windows = window_closing.recomputed_windows(services, of, spec, monitor, span)
                for name, closed in windows.items():
                    with services.telemetry.transaction() as connection:
                        outcome = revisions.replace(
                            connection, of.id, name, closed, to_us(services.now()), late=kind
                        )
                        if outcome == "changed":
                            changed.setdefault(name, set()).add(span.end_us)
                            revisions.draw_again(connection, of.id, name, changed[name], spec.monitoring.of)
                    judged_again(of, spec, name, span.end_us)
            round_.changed += sum(map(len, changed.values()))
    if complete:
        with services.telemetry.transaction() as connection:
            late_days.settle(connection, days)


def _earlier(
    connection: Connection, stream: Stream, spec: ModelSpec, monitor: str
) -> tuple[list[Span], bool]:
    """Windows before the oldest closed one that events have now, the oldest first, and whether these are all."""
    oldest = revisions.oldest_closed(connection, stream.id, monitor)
    if oldest is None:
        return [], True  # the monitor closes the first windows itself
    spans = window_closing.windows_before(stream, window_closing.grids(spec)[monitor], oldest)
    chosen = spans[-EARLIER_AT_ONCE:]
    if not spans or chosen[0].start_us == spans[0].start_us:  # the first windows are short and start together
        return spans, True
    return chosen, False


def _touched(
    connection: Connection,
    stream: Stream,
    spec: ModelSpec,
    monitor: str,
    days: Sequence[LateDay],
    with_earlier: bool,
) -> Iterator[Span]:
    """Windows with late events, and those judged together with them or beside them, the oldest first. ``with_earlier``:
    there are new windows before the oldest."""
    # a window of inputs is judged beside those just before it, and counts how many of the last were significant
    following = null_windows.RECENT + spec.monitoring.of - 1 if monitor == DRIFT else 0
    touched_until = 0
    oldest = revisions.oldest_closed(connection, stream.id, monitor)
    if oldest is not None and with_earlier:
        touched_until = oldest.start_us + following * (oldest.end_us - oldest.start_us)
    ends = [day.last_us for day in days]  # days are in order
    for span, rows, judged in revisions.closed_since(connection, stream.id, monitor, days[0].first_us):
        length = span.end_us - span.start_us
        few = rows < spec.monitoring.minimum_rows
        number = bisect_left(ends, span.start_us - (MOST_TOGETHER - 1) * length if few else span.start_us)
        late = number < len(days) and days[number].first_us < span.end_us
        if late and (few or not judged or _grew(connection, stream, spec, monitor, span, rows)):
            touched_until = span.end_us + following * length
            yield span
        elif span.start_us < touched_until:
            yield span


def _beside(
    connection: Connection, stream: Stream, spec: ModelSpec, days: Sequence[LateDay]
) -> list[tuple[Stream, list[Span]]]:
    """Windows of inputs of other versions on the target whose past has late events of this one, and those that count them."""
    reach = (weeks_before.REACH + spec.monitoring.of - 1) * spec.monitoring.window * SECOND_US
    starts = [day.first_us for day in days]
    beside = []
    for other in list_streams(connection, stream.model, stream.target):
        if other.id == stream.id or other.last_event_us < starts[0]:
            continue
        spans = []
        for span, _, _ in revisions.closed_since(connection, other.id, DRIFT, starts[0]):
            number = bisect_left(starts, span.start_us)  # of the days before it
            if number and span.start_us - days[number - 1].last_us <= reach:
                spans.append(span)
        beside.append((other, spans))
    return beside


def _grew(
    connection: Connection, stream: Stream, spec: ModelSpec, monitor: str, span: Span, rows: int
) -> bool:
    """True where a window holds more than it was judged by, but for what a window is closed without too."""
    now = window_closing.rows_now(connection, stream, spec, monitor, span)
    return abs(now - rows) > (1 - window_closing.ENOUGH_OUTCOMES) * now

"""Closed windows judged again by themselves, once rows or outcomes of them have come late, or findings that they rest on
have changed.

The earlier finding is kept. Alerts are drawn from the newest windows alone: an alert is about the present. Everything here is
keyed and can be cut off anywhere.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import chain, groupby
from operator import attrgetter

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.time_units import SECOND_US, to_us
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.judging import MOST_TOGETHER
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import weeks_before, window_closing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.significance import null_windows
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import get_stream, list_streams
from pilothouse.telemetry.windows import late_days, readings, revisions
from pilothouse.telemetry.windows.late_days import OF_OUTCOMES, OF_ROWS, Kind, LateDay
from pilothouse.telemetry.windows.readings import DRIFT

_AT_MOST = 200
"""Windows judged again in one round, but for those of one stream."""
_MONITORS: Mapping[Kind, tuple[str, ...]] = {"rows": OF_ROWS, "outcomes": OF_OUTCOMES, "findings": (DRIFT,)}
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
    complete, settled = True, list(days)
    for monitor in _MONITORS[kind] if spec is not None else ():
        assert spec is not None
        with services.telemetry.read() as connection:
            if kind == "findings":
                of_days = (Span(day.first_us, day.last_us) for day in days)
                resting = [weeks_before.resting_on(connection, stream, spec.monitoring, of) for of in of_days]
                windows = list(chain.from_iterable(resting))
            else:
                earlier, all_of_them = _earlier(connection, stream, spec, monitor)
                touched = _touched(connection, stream, spec, monitor, days, bool(earlier))
                windows = [(stream, span) for span in (*earlier, *touched)]
                windows += _beside(connection, stream, spec, days) if monitor == DRIFT else []
                complete &= all_of_them
        judging = _Judging(services, spec, monitor, round_, judged_again)
        judging.add(windows, kind)
        settled += judging.run()
    with services.telemetry.transaction() as connection:
        late_days.settle(connection, settled if complete else settled[len(days) :])


@dataclass(slots=True)
class _Judging:
    """Windows of one monitor on a target that are judged again in order of time, each once: those given, and those that rest
    on the findings of one that has changed, which are later always."""

    services: Services
    spec: ModelSpec
    monitor: str
    round_: LateRound
    judged_again: JudgedAgain
    waiting: list[tuple[int, int, int]] = field(default_factory=list)
    """Heap of (end, number of the stream, start)."""
    reasons: dict[tuple[int, int, int], Kind] = field(default_factory=dict)
    streams: dict[int, Stream] = field(default_factory=dict)
    settled: list[LateDay] = field(default_factory=list)
    """Notes about windows that have changed, of which all that rest on them are on the heap."""

    def add(self, windows: Iterable[tuple[Stream, Span]], reason: Kind) -> None:
        for stream, span in windows:
            key = (span.end_us, stream.id, span.start_us)
            if key not in self.reasons:
                self.streams[stream.id] = stream
                self.reasons[key] = reason
                heappush(self.waiting, key)

    def run(self) -> list[LateDay]:
        """Judge all; returns the notes that are settled."""
        changed: dict[tuple[int, str], set[int]] = {}
        while self.waiting:
            key = heappop(self.waiting)
            end_us, stream_id, start_us = key
            stream, span = self.streams[stream_id], Span(start_us, end_us)
            self.round_.judged += 1
            windows = window_closing.recomputed_windows(self.services, stream, self.spec, self.monitor, span)
            for name, closed in windows.items():
                with self.services.telemetry.transaction() as connection:
                    rested_on = weeks_before.rested_on(
                        readings.find(connection, stream_id, name, end_us), name
                    )
                    outcome = revisions.replace(
                        connection,
                        stream_id,
                        name,
                        closed,
                        to_us(self.services.now()),
                        late=self.reasons[key],
                    )
                    if outcome == "changed":
                        ends = changed.setdefault((stream_id, name), set())
                        ends.add(end_us)
                        revisions.draw_again(connection, stream_id, name, ends, self.spec.monitoring.of)
                    now = readings.find(connection, stream_id, name, end_us)
                    if rested_on != weeks_before.rested_on(now, name):
                        self._follow(connection, stream, span)
                self.judged_again(stream, self.spec, name, end_us)
        self.round_.changed += sum(map(len, changed.values()))
        return self.settled

    def _follow(self, connection: Connection, stream: Stream, span: Span) -> None:
        """Have the windows judged again that rest on one, in this round or, where this one is long already, the next."""
        resting = weeks_before.resting_on(connection, stream, self.spec.monitoring, span)
        if not resting:
            return
        note = late_days.note_findings(connection, stream.id, span, to_us(self.services.now()))
        if self.round_.judged < _AT_MOST:
            self.settled.append(note)
            self.add(resting, "findings")


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
) -> list[tuple[Stream, Span]]:
    """Windows of inputs of other versions on the target whose past has late events of this one."""
    reach = weeks_before.REACH * spec.monitoring.window * SECOND_US
    starts = [day.first_us for day in days]
    beside = []
    for other in list_streams(connection, stream.model, stream.target):
        if other.id == stream.id or other.last_event_us < starts[0]:
            continue
        for span, _, _ in revisions.closed_since(connection, other.id, DRIFT, starts[0]):
            number = bisect_left(starts, span.start_us)  # of the days before it
            if number and span.start_us - days[number - 1].last_us <= reach:
                beside.append((other, span))
    return beside


def _grew(
    connection: Connection, stream: Stream, spec: ModelSpec, monitor: str, span: Span, rows: int
) -> bool:
    """True where a window holds more than it was judged by, but for what a window is closed without too."""
    now = window_closing.rows_now(connection, stream, spec, monitor, span)
    return abs(now - rows) > (1 - window_closing.ENOUGH_OUTCOMES) * now

"""Telemetry as it was at a past time by the data's clocks, and the wall clock that each model's data had then."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from pilothouse.domain.formats.time_units import DAY_US, HOUR_US
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where

_UNFOLDED = "EXISTS (SELECT 1 FROM main.unfolded_windows u WHERE u.stream_id = w.stream_id AND "
_COUNTED_ONCE = (
    f"AND NOT {_UNFOLDED} u.level = w.level AND u.start = w.start) AND (w.level = 86400 "
    f"OR w.level = 3600 AND {_UNFOLDED} u.level = 86400 AND u.start = w.start - w.start % 86400000000) "
    f"OR w.level = 60 AND {_UNFOLDED} u.level = 3600 AND u.start = w.start - w.start % 3600000000))"
)
"""SQL condition under which no row is counted twice: a coarse window that is not summed yet stands for its finer ones,
which are counted instead (see ``rollup``)."""
_IN_PACK = (
    "(SELECT coalesce(sum(o.value ->> 1), 0) FROM main.window_packs w, json_each(w.open_rows) o WHERE w.stream_id = t.id "  # noqa: S608 - ours
    f"AND w.last - w.last % {DAY_US} + (o.value ->> 0) * {HOUR_US} < {{at}} "
    f"AND {_UNFOLDED} u.level = 86400 AND u.start = w.last - w.last % {DAY_US}))"
)
"""SQL of the rows of packed hours of a day that is not summed yet, which no window counts."""


def event_of_wall(connection: Connection, model: str, wall_us: int, low_us: int, now_us: int) -> int | None:
    """First event time from ``low_us`` on at which the wall clock of a model was ``wall_us`` or later; None where no
    event time up to now was. The inverse of ``wall_clocks``, which only grows, found by halving."""
    high_us = max(now_us, low_us)
    if _wall(connection, model, high_us, now_us) < wall_us:
        return None
    while low_us < high_us:
        middle = (low_us + high_us) // 2
        if _wall(connection, model, middle, now_us) >= wall_us:
            high_us = middle
        else:
            low_us = middle + 1
    return low_us


def _wall(connection: Connection, model: str, at_us: int, now_us: int) -> int:
    """Wall clock of a model at an event time; for a model without data, as for live data, they are the same."""
    return wall_clocks(connection, at_us, now_us, model).get(model, at_us)


def wall_clocks(connection: Connection, at_us: int, now_us: int, model: str | None = None) -> dict[str, int]:
    """Wall clock (microseconds) of one model, or each, at which its data had come to the event time ``at_us``.

    It is interpolated between the batch before and the batch after: for live data it is the same time, for a history that
    is replayed a moment of the replay. Of several targets the one that came there first counts, so that nothing is shown
    that lay ahead of any; before the first batch the data is taken to have come as late as that one did. After its last
    batch a model has no clock of its own: the first model whose data goes on gives it, not before that batch came; where
    none goes on, as much time has passed since as event time.
    """
    clocks = _own_clocks(connection, at_us, now_us, model)
    others = clocks
    if model is not None and any(not clock.goes_on for clock in clocks.values()):
        others = _own_clocks(connection, at_us, now_us)
    return _walls(clocks, others, now_us)


def _walls(clocks: Mapping[str, "_Clock"], others: Mapping[str, "_Clock"], now_us: int) -> dict[str, int]:
    """Wall clocks of models by their own clocks; by those of ``others`` whose data goes on, where their own has ended."""
    going = min((clock.wall_us for clock in others.values() if clock.goes_on), default=now_us)
    return {
        name: clock.wall_us if clock.goes_on else max(clock.came_us, min(clock.wall_us, going))
        for name, clock in clocks.items()
    }


class ModelMoment(NamedTuple):
    """Moment of a model at an event time: the wall clock, and the event time up to which its data is shown."""

    wall_us: int
    at_us: int
    begun: bool
    """False where all its data is of a later event time."""


def moments(connection: Connection, at_us: int, now_us: int) -> dict[str, ModelMoment]:
    """Moment of each model at the event time ``at_us``.

    The wall clock is that of ``wall_clocks``, and data is shown up to ``at_us``. But a model whose data has ended and came
    later than what another model's data has only come to then is shown as it was at that moment: up to the event time that its
    own data had come to. So no part of it is later than the rest of the workspace.
    """
    clocks = _own_clocks(connection, at_us, now_us)
    walls = _walls(clocks, clocks, now_us)
    going = min((c.wall_us for c in clocks.values() if c.begun and c.goes_on), default=now_us)
    by_model = {}
    for model, clock in clocks.items():
        wall_us, shown_us = walls[model], at_us
        if clock.begun and not clock.goes_on and going < wall_us:
            wall_us, shown_us = going, _event_at(connection, model, going, at_us, now_us)
        by_model[model] = ModelMoment(wall_us, shown_us, clock.begun)
    return by_model


def _event_at(connection: Connection, model: str, wall_us: int, at_us: int, now_us: int) -> int:
    """Last event time up to ``at_us`` that a model's own data had come to at a wall clock, found by halving."""
    low_us, high_us = 0, at_us
    while low_us < high_us:
        middle = (low_us + high_us + 1) // 2
        if _own_clocks(connection, middle, now_us, model)[model].wall_us <= wall_us:
            low_us = middle
        else:
            high_us = middle - 1
    return low_us


class _Clock(NamedTuple):
    wall_us: int
    goes_on: bool
    """True where there is data after that event time."""
    came_us: int
    """Time at which the newest data before it came."""
    begun: bool = True
    """True where there is data before it."""


def _own_clocks(
    connection: Connection, at_us: int, now_us: int, model: str | None = None
) -> dict[str, _Clock]:
    """Clock of each model by its own batches alone."""
    deployments: dict[tuple[str, str], list[int]] = {}
    conditions, values = where({"model = ?": model})
    streams = connection.execute(f"SELECT id, model, target FROM streams {conditions}", values)  # noqa: S608 - ours
    for stream_id, name, target in streams.fetchall():
        deployments.setdefault((name, target), []).append(stream_id)
    reached: dict[str, list[_Clock]] = {}
    to_come: dict[str, list[_Clock]] = {}
    for (name, _), own in deployments.items():
        before = max(filter(None, (_batch(connection, s, at_us, "<=", "DESC") for s in own)), default=None)
        after = min(filter(None, (_batch(connection, s, at_us, ">", "ASC") for s in own)), default=None)
        if before is not None:
            wall_us = _between(before, after, at_us, now_us)
            reached.setdefault(name, []).append(_Clock(wall_us, after is not None, before[1]))
        elif after is not None:
            to_come.setdefault(name, []).append(_Clock(after[1] - (after[0] - at_us), True, 0))
    by_model = {}
    for name in {*reached, *to_come}:
        clocks = reached.get(name) or to_come[name]
        goes_on = any(clock.goes_on for clock in (*reached.get(name, ()), *to_come.get(name, ())))
        came_us = max(clock.came_us for clock in clocks)
        by_model[name] = _Clock(min(clocks).wall_us, goes_on, came_us, name in reached)
    return by_model


def _batch(
    connection: Connection, stream_id: int, at_us: int, comparison: str, order: str
) -> tuple[int, int] | None:
    """(newest event, time of receipt) of the rows that came together, next to a time."""
    row = connection.execute(
        f"SELECT last_event, received FROM segments WHERE stream_id = ? AND last_event {comparison} ? "  # noqa: S608 - ours
        f"ORDER BY last_event {order} LIMIT 1",
        (stream_id, at_us),
    ).fetchone()
    return (row[0], row[1]) if row else None


def _between(before: tuple[int, int], after: tuple[int, int] | None, at_us: int, now_us: int) -> int:
    """Wall clock at an event time from the batches around it; one that arrived late is not used."""
    if after is None:
        return min(now_us, before[1] + at_us - before[0])
    if before[1] >= after[1]:
        return after[1] - 1
    return before[1] + (after[1] - before[1]) * (at_us - before[0]) // (after[0] - before[0])


def _last_event(at_us: str) -> str:
    """SQL of a stream's newest event by a time: that of the rows that came together before it; the time itself where rows
    around it came together, or are gone."""
    of_stream = "FROM main.segments s WHERE s.stream_id = t.id AND s.last_event"
    before = f"SELECT max(s.last_event) {of_stream} <= {at_us}"
    after = f"SELECT s.first_event {of_stream} > {at_us} ORDER BY s.last_event LIMIT 1"
    return (
        f"CASE WHEN t.last_event <= {at_us} THEN t.last_event WHEN ({after}) <= {at_us} THEN {at_us} "
        f"ELSE coalesce(({before}), {at_us}) END"
    )


_REVISED = ("rows", "judged", "significant", "data", "revision", "late", "recorded")


def _as_it_was(column: str, wall_us: int) -> str:
    """SQL of a column of a reading as it was at a wall clock: that of the newest revision made by then, or of the first."""
    made = f"e.recorded <= {wall_us}"
    return (
        f"CASE WHEN t.revision = 0 OR t.recorded <= {wall_us} THEN t.{column} ELSE (SELECT e.{column} "  # noqa: S608 - names of our own schema and numbers
        f"FROM main.earlier_readings e WHERE e.reading_id = t.id ORDER BY {made} DESC, "
        f"CASE WHEN {made} THEN -e.revision ELSE e.revision END LIMIT 1) END"
    )


def showing(
    at_us: int, wall_us: int, held_back: Mapping[str, int] | None = None
) -> Callable[[Connection], None]:
    """Function that makes a connection show telemetry as of a time, and change nothing (see ``store.past``). ``held_back``:
    models whose data is shown up to an earlier event time."""
    at = f"{at_us}"
    at_of_stream = at_of_model = at_of_id = at
    if held_back:
        held = "min({at}, coalesce((SELECT min(h.at) FROM temp.held_back h WHERE h.{key} = t.{own}), {at}))"
        at_of_id = held.format(at=at, key="stream_id", own="id")
        at_of_stream = held.format(at=at, key="stream_id", own="stream_id")
        at_of_model = held.format(at=at, key="model", own="model")
    counted = "(SELECT coalesce(sum(w.rows), 0) FROM main.{table} w WHERE w.stream_id = t.id AND w.start < {at} {where})"
    rows = counted.format(table="windows", at=at_of_id, where=_COUNTED_ONCE)
    rows = f"{rows} + {_IN_PACK.format(at=at_of_id)}"
    labelled = counted.format(table="outcome_days", at=at_of_id, where="")
    views = {
        "streams": (
            f"(t.first_event <= {at_of_id} OR EXISTS (SELECT 1 FROM main.readings r "  # noqa: S608 - ours
            f"WHERE r.stream_id = t.id AND r.window_end <= {at_of_id}))",
            {
                "last_event": _last_event(at_of_id),
                "last_arrival": f"min(t.last_arrival, {wall_us})",
                "rows": rows,
                "labelled": labelled,
            },
        ),
        "windows": (f"t.start + t.level * 1000000 <= {at_of_stream}", {}),
        "window_packs": ("1", {"last": f"min(t.last, {at_of_stream} - {HOUR_US})"}),
        "outcome_days": (f"t.start + {DAY_US} <= {at_of_stream}", {}),
        "readings": (f"t.window_end <= {at_of_stream}", {c: _as_it_was(c, wall_us) for c in _REVISED}),
        "earlier_readings": (f"t.recorded <= {wall_us}", {}),
        "retrainings": (f"t.clock <= {at_of_model}", {}),
        "clocks": ("1", {"event": f"min(t.event, {at_of_model})", "arrived": f"min(t.arrived, {wall_us})"}),
        "rejected": (f"t.received <= {wall_us}", {}),
        "kept_rejections": (f"t.received <= {wall_us}", {}),
        "rejected_totals": (f"t.last <= {wall_us}", {}),
        "deletions": (f"t.recorded <= {wall_us}", {}),
        "trials": (f"t.first_received <= {wall_us}", {}),
        "trial_pairs": (f"t.received <= {wall_us}", {}),
        "trial_outcomes": (f"t.received <= {wall_us}", {}),
        "trial_arms": (f"t.hour <= {wall_us}", {}),
        "trial_hours": (f"t.closed <= {wall_us}", {}),
    }

    def prepare(connection: Connection) -> None:
        connection.execute(
            "CREATE TEMP TABLE held_back (stream_id INTEGER PRIMARY KEY, model TEXT, at INTEGER)"
        )
        for model, shown_us in (held_back or {}).items():
            connection.execute(
                "INSERT INTO held_back SELECT id, model, ? FROM main.streams WHERE model = ?",
                (shown_us, model),
            )
        for name, (condition, changed) in views.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")]
            shown = ", ".join(f"{changed[c]} AS {c}" if c in changed else f"t.{c}" for c in columns)
            view = f"CREATE TEMP VIEW {name} AS SELECT {shown} FROM main.{name} t WHERE {condition}"  # noqa: S608 - names of our own schema and numbers
            connection.execute(view)
        connection.execute("PRAGMA query_only = ON")

    return prepare

"""Telemetry as it was at a time by the data's clocks, and which wall clock each model's data had then."""

from collections.abc import Callable

from pilothouse.sqlite import Connection

DAY_US = 86_400_000_000
_LIVE_US = DAY_US
"""Data that arrives within a day of its events is live: its clock is the wall clock."""


def wall_clocks(connection: Connection, at_us: int, now_us: int) -> dict[str, int]:
    """Model to the wall clock (microseconds) at which its data had come to the event time ``at_us``.

    For live data that is the same time. For a history that is replayed it is the moment before the first batch arrived
    that lies behind it, on whichever target came there first; now, where no batch does.
    """
    walls: dict[str, int] = {}
    for stream_id, model in connection.execute("SELECT id, model FROM streams").fetchall():
        before = connection.execute(
            "SELECT last_event, received FROM batches WHERE stream_id = ? AND last_event <= ? "
            "ORDER BY last_event DESC LIMIT 1",
            (stream_id, at_us),
        ).fetchone()
        after = connection.execute(
            "SELECT last_event, received FROM batches WHERE stream_id = ? AND last_event > ? ORDER BY last_event LIMIT 1",
            (stream_id, at_us),
        ).fetchone()
        nearest = before or after
        live = nearest is not None and abs(nearest[1] - nearest[0]) <= _LIVE_US
        replayed = after[1] - 1 if after else now_us
        wall = at_us if live else replayed
        walls[model] = min(wall, walls.get(model, now_us))
    return walls


def showing(at_us: int, wall_us: int) -> Callable[[Connection], None]:
    """What makes a connection see telemetry at a time, and change nothing (see ``store.past``)."""
    day = "(SELECT coalesce(sum({column}), 0) FROM main.{table} w WHERE w.stream_id = t.id {level} AND w.start < {at})"
    rows = day.format(column="w.rows", table="windows", level="AND w.level = 86400", at=at_us)
    labelled = day.format(column="w.rows", table="outcome_days", level="", at=at_us)
    views = {
        "streams": (
            f"t.first_event <= {at_us}",
            {
                "last_event": f"min(t.last_event, {at_us})",
                "last_arrival": f"min(t.last_arrival, {wall_us})",
                "rows": rows,
                "labelled": labelled,
            },
        ),
        "windows": (f"t.start + t.level * 1000000 <= {at_us}", {}),
        "outcome_days": (f"t.start + {DAY_US} <= {at_us}", {}),
        "readings": (f"t.window_end <= {at_us}", {}),
        "retrainings": (f"t.clock <= {at_us}", {}),
        "clocks": ("1", {"event": f"min(t.event, {at_us})", "arrived": f"min(t.arrived, {wall_us})"}),
        "rejected": (f"t.received <= {wall_us}", {}),
    }

    def prepare(connection: Connection) -> None:
        for name, (where, changed) in views.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")]
            shown = ", ".join(f"{changed[c]} AS {c}" if c in changed else f"t.{c}" for c in columns)
            connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {shown} FROM main.{name} t WHERE {where}")  # noqa: S608 - names of our own schema and numbers
        connection.execute("PRAGMA query_only = ON")

    return prepare

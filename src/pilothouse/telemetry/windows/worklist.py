"""Worklist of the monitor: the deployments whose events or outcomes have come since it looked, and the times at which
silence is to be looked for. Functions take a connection; it costs as much as there is to do, not as there are deployments.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.sqlite import Connection

NEVER_US = 1 << 62
"""No silence is looked for before the next event."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Deployment on the worklist: its clock, and how often it was put there."""

    model: str
    target: str
    event_us: int
    arrived_us: int
    times: int


def moved(connection: Connection, limit: int = -1) -> list[Moved]:
    """Deployments that the monitor has to look at, those that wait the longest by the data first."""
    rows = connection.execute(
        "SELECT model, target, event, arrived, moved FROM clocks WHERE moved > 0 ORDER BY event LIMIT ?",
        (limit,),
    )
    return [Moved(*row) for row in rows]


def all_clocks(connection: Connection) -> list[Moved]:
    """Every deployment of which an event has come."""
    return [
        Moved(*row) for row in connection.execute("SELECT model, target, event, arrived, moved FROM clocks")
    ]


def settle(connection: Connection, done: Iterable[Moved]) -> None:
    """Take deployments off the worklist, but those that were put there again meanwhile."""
    connection.executemany(
        "UPDATE clocks SET moved = 0 WHERE model = ? AND target = ? AND moved = ?",
        [(item.model, item.target, item.times) for item in done],
    )


def put_all(connection: Connection) -> None:
    """Put every deployment on the worklist."""
    connection.execute("UPDATE clocks SET moved = moved + 1, look_at = 0")


def put_models(connection: Connection, models: Iterable[str]) -> None:
    """Put every deployment of some models on the worklist."""
    connection.execute(
        "UPDATE clocks SET moved = moved + 1, look_at = 0 WHERE model IN (SELECT value FROM json_each(?))",
        (json.dumps(list(models)),),
    )


def put(connection: Connection, deployments: Iterable[tuple[str, str]]) -> None:
    """Put some deployments on the worklist."""
    connection.execute(
        "UPDATE clocks SET moved = moved + 1, look_at = 0 "
        "WHERE (model, target) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
        (json.dumps([list(key) for key in deployments]),),
    )


def to_look_at(connection: Connection, now_us: int, limit: int) -> list[Moved]:
    """Deployments of which silence is to be looked for now."""
    rows = connection.execute(
        "SELECT model, target, event, arrived, moved FROM clocks WHERE look_at <= ? ORDER BY look_at LIMIT ?",
        (now_us, limit),
    )
    return [Moved(*row) for row in rows]


def look_later(connection: Connection, times: Iterable[tuple[Moved, int]]) -> None:
    """Set when silence is looked for next, unless an event has come meanwhile."""
    connection.executemany(
        "UPDATE clocks SET look_at = ? WHERE model = ? AND target = ? AND arrived = ?",
        [(at_us, item.model, item.target, item.arrived_us) for item, at_us in times],
    )

"""A workspace as it was at a time: every reading operation works on it as on the present, and none can change it.

The time is event time, the clock of the targets' data. What carries a time of its data counts by that: deployments, alerts,
windows and their figures, retrainings. What only people and machines did counts by the wall clock, at the moment when the
model's data had come so far: requests, decisions, versions, jobs, holds, aliases, the audit log.
"""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.roles import Actor
from pilothouse.domain.time_parsing import parse_moment
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import models
from pilothouse.store import past as past_registry
from pilothouse.store.past import Moment, PastRegistry
from pilothouse.telemetry import TelemetryStore, past

_LOOKED_AT = 20
"""Requests and decisions that are looked at: several may fall on the moment that is shown already."""
_EARLIEST_US = 0
"""No event is looked for before 1970."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time by the data's clock."""

    at: datetime
    words: str


def read_time(services: Services, actor: Actor, text: str) -> datetime:
    """A time as typed; ``-7d`` is before the time that is looked at, else before the newest event.

    Raises InvalidInputError (no time, or one to come) or NotAllowedError.
    """
    newest = newest_event(services, actor)
    found = parse_moment(text, services.at or newest)
    if found > max(newest, services.now()):
        raise InvalidInputError(
            f"{found:%Y-%m-%d %H:%M} is still to come: the newest event is of {newest:%Y-%m-%d %H:%M}"
        )
    return found


def newest_event(services: Services, actor: Actor) -> datetime:
    """The newest event of any target; the wall clock before the first."""
    with reading(services, actor):
        pass
    if not services.paths.telemetry.exists():
        return services.now()
    with services.telemetry.read() as connection:
        (event,) = connection.execute("SELECT max(last_event) FROM streams").fetchone()
    return from_us(event) if event is not None else services.now()


def open_past(services: Services, actor: Actor, at: datetime) -> Services:
    """The workspace at ``at``; close it when it is no longer looked at. Raises NotAllowedError."""
    with reading(services, actor):
        pass
    now_us, at_us = to_us(services.now()), to_us(at)
    walls: dict[str, int] = {}
    if services.paths.telemetry.exists():
        with services.telemetry.read() as connection:
            walls = past.wall_clocks(connection, at_us, now_us)
    wall_us = min(walls.values(), default=at_us)
    wall = from_us(wall_us)
    return Services(
        paths=services.paths,
        registry=PastRegistry(services.paths.registry, Moment(at_us, walls, wall_us)),
        artifacts=services.artifacts,
        now=lambda: wall,
        open_telemetry=lambda: TelemetryStore(services.paths.telemetry, prepare=past.showing(at_us, wall_us)),
        at=at,
    )


def step(services: Services, actor: Actor, at: datetime, steps: int) -> Event | None:
    """The event after ``at`` (before it for negative ``steps``), whatever model it is of; None where there is none.

    Deployments and alerts at the time of their data; requests and decisions when the model's data had come so far.
    ``services`` is the present. Raises NotAllowedError.
    """
    later = steps > 0
    with reading(services, actor) as connection:
        before, after = past_registry.neighbours(connection, to_us(at))
        found = [event for event in [after if later else before] if event is not None]
        for model in models.listed(connection):
            found += _signed(services, connection, model.name, to_us(at), later=later)
    if not found:
        return None
    nearest = (min if later else max)(event_us for event_us, _ in found)
    return Event(from_us(nearest), "; ".join(words for event_us, words in found if event_us == nearest))


def _signed(
    services: Services, connection: Connection, model: str, at_us: int, *, later: bool
) -> list[tuple[int, str]]:
    """(event time, words) of the next request or decision about a model; none where there is none."""
    if not services.paths.telemetry.exists():
        rows = past_registry.signed_near(connection, model, at_us, later=later, limit=_LOOKED_AT)
        return _together([row for row in rows if row[0] != at_us])
    now_us = to_us(services.now())
    with services.telemetry.read() as telemetry:
        wall_us = past.wall_clocks(telemetry, at_us, now_us, model).get(model, at_us)
        rows = past_registry.signed_near(connection, model, wall_us, later=later, limit=_LOOKED_AT)
        while together := _together(rows):
            rows = rows[len(together) :]
            earliest = at_us if later else _EARLIEST_US
            event_us = past.event_of_wall(telemetry, model, together[0][0], earliest, now_us)
            if event_us is not None and (event_us > at_us if later else event_us < at_us):
                return [(event_us, words) for _, words in together]
    return []


def _together(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first of them, and those at the same time."""
    return [row for row in rows if row[0] == rows[0][0]]

"""A workspace as it was at a time: every reading operation works on it as on the present, and none can change it.

The time is event time, the clock of the targets' data. Records with an event time of their own are selected by that:
deployments, alerts, windows and their figures, retrainings. The others are selected by the wall clock at which the model's data
had reached that event time: requests, decisions, versions, jobs, holds, aliases, the audit log.
A model whose data ended before that time, and came later than the rest of the workspace had come so far, is held back: it is
shown at the event time that its data had reached by then.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_parsing import parse_moment
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployment_states
from pilothouse.store.history import past as past_registry
from pilothouse.store.history.past import Moment, PastRegistry
from pilothouse.store.models import models
from pilothouse.telemetry import TelemetryStore, past
from pilothouse.telemetry.intake.streams import newest_event_us

_MOST_READ = 20
"""Requests and decisions that are read: several may fall on the time that is shown already."""
_EARLIEST_US = 0
"""Earliest event time that is searched: 1970."""


@dataclass(frozen=True, slots=True)
class Event:
    """Deployment, alert, request or decision, by its event time."""

    at: datetime
    text: str


def read_time(services: Services, actor: Actor, text: str) -> datetime:
    """A time as typed; ``-7d`` counts back from the time that is shown, in the present from the newest event.

    Raises InvalidInputError (no time, or one to come) or NotAllowedError.
    """
    newest = newest_event(services, actor)
    time = parse_moment(text, services.at or newest)
    if time > max(newest, services.now()):
        raise InvalidInputError(
            f"{time:%Y-%m-%d %H:%M} is still to come: the newest event is of {newest:%Y-%m-%d %H:%M}"
        )
    return time


def newest_event(services: Services, actor: Actor) -> datetime:
    """Time of the newest event of any target; the wall clock before the first. Raises NotAllowedError."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        event_us = newest_event_us(connection) if connection is not None else None
    return from_us(event_us) if event_us is not None else services.now()


def open_past(services: Services, actor: Actor, at: datetime) -> Services:
    """The workspace as it was at ``at``, for the caller to close. Raises NotAllowedError."""
    authorise(services, actor)
    now_us, at_us = to_us(services.now()), to_us(at)
    moments: dict[str, past.ModelMoment] = {}
    live: dict[str, int] = {}
    held_back: dict[str, int] = {}
    if services.paths.telemetry.exists():
        with services.telemetry.read() as connection:
            moments = past.moments(connection, at_us, now_us)
        held_back = {model: moment.at_us for model, moment in moments.items() if moment.at_us < at_us}
        with services.registry.read() as connection:
            live = past_registry.recorded_by(connection, at_us, held_back)
    # what went live while no data came is dated by the data before it: whatever was needed for that was there
    walls = {model: max(moment.wall_us, live.get(model, 0)) for model, moment in moments.items()}
    # a model whose data is all of later says nothing of that time
    begun = [walls[model] for model, moment in moments.items() if moment.begun]
    wall_us = min(begun or walls.values(), default=at_us)
    wall = from_us(wall_us)
    past_services = replace(
        services,
        now=lambda: wall,
        open_telemetry=lambda: TelemetryStore(
            services.paths.telemetry, prepare=past.showing(at_us, wall_us, held_back)
        ),
        at=at,
    )
    computed: list[list[tuple[Any, ...]]] = []

    def fill(connection: Connection) -> None:
        """Put the states of that time into a new connection. They are computed once, for all connections."""
        if computed:
            deployment_states.fill(connection, computed)
        else:
            states.rebuild(past_services, connection)
            computed.extend(deployment_states.on_record(connection))

    past_services.registry = PastRegistry(
        services.paths.registry, Moment(at_us, walls, wall_us, held_back), fill
    )
    return past_services


def step(services: Services, actor: Actor, at: datetime, steps: int) -> Event | None:
    """The event after ``at`` (before it for negative ``steps``), of any model; None where there is none.

    Requests and decisions lie at the event time that their model's data had reached. ``services`` is the present. Raises
    NotAllowedError.
    """
    later = steps > 0
    with reading(services, actor) as connection:
        before, after = past_registry.neighbours(connection, to_us(at))
        events = [event for event in [after if later else before] if event is not None]
        for model in models.names(connection):
            events += _signed(services, connection, model, to_us(at), later=later)
    if not events:
        return None
    nearest = (min if later else max)(event_us for event_us, _ in events)
    return Event(from_us(nearest), "; ".join(text for event_us, text in events if event_us == nearest))


def _signed(
    services: Services, connection: Connection, model: str, at_us: int, *, later: bool
) -> list[tuple[int, str]]:
    """(event time, text) of the next requests or decisions about a model, which share one time."""
    if not services.paths.telemetry.exists():
        rows = past_registry.signed_near(connection, model, at_us, later=later, limit=_MOST_READ)
        return _together([row for row in rows if row[0] != at_us])
    now_us = to_us(services.now())
    with services.telemetry.read() as telemetry:
        wall_us = past.wall_clocks(telemetry, at_us, now_us, model).get(model, at_us)
        rows = past_registry.signed_near(connection, model, wall_us, later=later, limit=_MOST_READ)
        while together := _together(rows):
            rows = rows[len(together) :]
            earliest = at_us if later else _EARLIEST_US
            event_us = past.event_of_wall(telemetry, model, together[0][0], earliest, now_us)
            if event_us is not None and (event_us > at_us if later else event_us < at_us):
                return [(event_us, text) for _, text in together]
    return []


def _together(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The first row and those at the same time."""
    return [row for row in rows if row[0] == rows[0][0]]

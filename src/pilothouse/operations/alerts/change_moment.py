"""Moment of the change that an alert is about, by what was known when its newest window closed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pilothouse.domain.formats.time_units import DAY_US, SECOND_US, from_us, to_us
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts.explaining_windows import monitor_of
from pilothouse.operations.services import Services
from pilothouse.statistics.change_point import daily_loss, locate
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.store import read_outcome_days
from pilothouse.telemetry.windows import revisions
from pilothouse.telemetry.windows.readings import TRAFFIC

_BEFORE_DAYS = 28
"""Days before the first window that is significant, with which the days in it are compared."""


@dataclass(frozen=True, slots=True)
class ChangeMoment:
    """Day of a change. ``by``: ``outcomes`` where the loss shows the day, ``window`` where only the first significant window is
    known, whose beginning it is. ``known_days``: days from that one to the day of the newest row whose outcome was known, both
    included, as the split of a training counts them."""

    at: datetime
    by: Literal["outcomes", "window"]
    known_days: int


def moment_of_change(
    services: Services, spec: ModelSpec, alert: Alert, window_end: datetime, clock: datetime
) -> ChangeMoment | None:
    """When what an alert is about began; None for latency, errors and silence, and where no window is on record."""
    monitor = monitor_of(alert)
    if monitor is None or monitor == TRAFFIC:
        return None
    with services.telemetry.read() as connection:
        stream = find_stream(connection, alert.model, alert.version, alert.target)
        if stream is None:
            return None
        first = revisions.first_significant(
            connection, stream.id, monitor, opened_us=to_us(alert.effective_at), until_us=to_us(window_end)
        )
        if first is None:
            return None
        start, end = first.start_us // DAY_US, -(-first.end_us // DAY_US)
        encoded = read_outcome_days(
            connection, stream.id, (start - _BEFORE_DAYS) * DAY_US, to_us(clock) // DAY_US * DAY_US
        )
        specification = services.telemetry.specification(connection, stream.id)
    days = [at_us // DAY_US for at_us, _ in encoded]
    loss, rows = daily_loss(spec.task, [outcome_profile.decode(specification, data) for _, data in encoded])
    inside = [index for index, day in enumerate(days) if start <= day < end]
    point = locate(loss, rows, inside[0], inside[-1]) if inside else None
    at_us = days[point.index] * DAY_US if point else first.start_us
    newest_us = to_us(clock) - spec.data.outcome_delay * SECOND_US
    known = newest_us // DAY_US - at_us // DAY_US + 1
    return ChangeMoment(from_us(at_us), "outcomes" if point else "window", max(0, known))

"""The windows that explain an alert: those around the one that fired. One that was opened again, since its version went live
again, is explained by the windows since then."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.monitoring.incidents import CLASSES, JOINT
from pilothouse.domain.records import Alert
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.log import audit
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, MULTIVARIATE, PERFORMANCE, QUALITY, TRAFFIC, Reading

_BEFORE, _AFTER = 6, 3
"""Windows shown before the one that fired, and after it."""
_MONITORS = {
    "data_drift": DRIFT,
    "score_drift": DRIFT,
    "data_quality": QUALITY,
    "performance": PERFORMANCE,
    "latency": TRAFFIC,
    "errors": TRAFFIC,
}


@dataclass(frozen=True, slots=True)
class Firing:
    """Event times of an alert: the end of the window that ``fired``, and when it was opened ``again`` (None: it was not)."""

    fired: datetime
    again: datetime | None = None


def firing_of(registry: Connection, alert: Alert) -> Firing:
    """The window that fired an alert: that of the first of those that it repeats, where it was opened again."""
    first = alert
    while entries := audit.about(registry, f"alert {first.id}", (alerts.REOPENED,)):
        before = alerts.find(registry, entries[0].detail["before"])
        if before is None:
            break
        first = before
    return Firing(first.effective_at, None if first is alert else alert.effective_at)


def monitor_of(alert: Alert) -> str | None:
    """Monitor whose readings an alert was drawn from; None where it was drawn from none."""
    of_subject = {JOINT: MULTIVARIATE, CLASSES: PERFORMANCE}
    return of_subject.get(alert.subject) or _MONITORS.get(alert.kind)


def windows_of(telemetry: Connection, stream_id: int, monitor: str, firing: Firing) -> list[Reading]:
    """Readings of windows before the one that fired, of that one, and of some after it; of one that was opened again, that one
    and the newest since then, where there are any."""
    history = readings.history(telemetry, stream_id, monitor, limit=400)
    fired = to_us(firing.fired)
    before = [reading for reading in history if reading.end_us <= fired][-(_BEFORE + 1) :]
    since = _since(history, firing)
    if since:
        return before[-1:] + since[-(_BEFORE + _AFTER) :]
    return before + [reading for reading in history if reading.end_us > fired][:_AFTER]


def explaining(around: list[Reading], firing: Firing) -> Reading | None:
    """The reading whose details explain an alert: that of the window that fired; of one that was opened again the newest since
    then that is significant."""
    worse = [reading for reading in _since(around, firing) if reading.significant]
    fired = [reading for reading in around if reading.end_us <= to_us(firing.fired)]
    return (worse or fired or [None])[-1]  # type: ignore[list-item]


def _since(history: list[Reading], firing: Firing) -> list[Reading]:
    if firing.again is None:
        return []
    again = to_us(firing.again)
    return [reading for reading in history if reading.end_us > again and reading.rows]

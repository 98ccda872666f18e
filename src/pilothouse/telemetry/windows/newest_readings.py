"""The newest reading of a monitor that was judged: the one whose figure every screen and command shows."""

from collections.abc import Sequence

from pilothouse.domain.monitoring.findings import PerformanceFinding
from pilothouse.sqlite import Connection
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import PERFORMANCE, Reading, finding_of

LOOKED_AT = 8
"""Readings among which one is sought at first; of the judged ones all are looked through."""


def newest_judged(
    connection: Connection, stream_id: int, monitor: str, newest: Sequence[Reading]
) -> Reading | None:
    """The newest judged reading of a monitor. ``newest``: its newest readings, oldest first, which were read already."""
    for reading in reversed(newest):
        if reading.judged:
            return reading
    older = readings.history(connection, stream_id, monitor, limit=1, judged=True) if newest else []
    return older[0] if older else None


def newest_measured(connection: Connection, stream_id: int, newest: Sequence[Reading]) -> Reading | None:
    """The newest reading of performance in which the metric is defined, the judged one where there is one."""
    judged = newest_judged(connection, stream_id, PERFORMANCE, newest)
    if judged is not None and finding_of(judged, PerformanceFinding).value is not None:
        return judged
    defined = [r for r in newest if finding_of(r, PerformanceFinding).value is not None]
    return defined[-1] if defined else None

"""What monitors found about a version, month by month, from the readings of its windows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.domain.audit.dossier import MonitoredMonth
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    EstimateFinding,
    PerformanceFinding,
    QualityFinding,
)
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import Reading

_MONITORS = (
    readings.PERFORMANCE,
    readings.ESTIMATE,
    readings.DRIFT,
    readings.QUALITY,
    readings.MULTIVARIATE,
    readings.TRAFFIC,
)
_NAMED = 4
_AT_ONCE = 500
"""Readings that are held at once: one of many features has tens of kilobytes, and hourly windows are thousands a year."""


@dataclass
class _Month:
    """What is counted of the windows that ended in a month."""

    windows: int = 0
    judged: int = 0
    significant: int = 0
    rows: int = 0
    low: float | None = None
    high: float | None = None
    metric: str = ""
    reference: float | None = None
    named: Counter[str] = field(default_factory=Counter)

    def take(self, monitor: str, reading: Reading) -> None:
        self.windows += 1
        self.judged += reading.judged
        self.significant += reading.significant
        self.rows += reading.rows
        if monitor in (readings.PERFORMANCE, readings.ESTIMATE):
            self._take_figure(monitor, reading)
        elif monitor in (readings.DRIFT, readings.QUALITY):
            self.named.update(set(_significant(monitor, reading)))

    def _take_figure(self, monitor: str, reading: Reading) -> None:
        kind = PerformanceFinding if monitor == readings.PERFORMANCE else EstimateFinding
        found = readings.finding_of(reading, kind)
        if found.value is None:
            return
        if self.low is None or self.high is None:  # the newest window comes first
            self.low = self.high = found.value
            self.metric, self.reference = found.metric, found.reference
        self.low, self.high = min(self.low, found.value), max(self.high, found.value)

    @property
    def figures(self) -> str:
        """``auc 0.601 to 0.655, reference 0.672``, or ``carrier in 3, distance in 1``; empty where there is nothing to say."""
        if self.low is not None:
            against = f", reference {self.reference:.4g}" if self.reference is not None else ""
            return f"{self.metric} {self.low:.4g} to {self.high:.4g}{against}"
        often = sorted(self.named.items(), key=lambda pair: (-pair[1], pair[0]))
        return ", ".join(f"{name} in {count}" for name, count in often[:_NAMED])


def monitored_months(services: Services, model: str, version: int) -> tuple[MonitoredMonth, ...]:
    """Every month with a closed window, by target and monitor; none where nothing was served."""
    with services.reading_telemetry() as connection:
        if connection is None:
            return ()
        streams = [one for one in list_streams(connection, model) if one.version == version]
        return tuple(
            month
            for stream in sorted(streams, key=lambda one: one.target)
            for monitor in _MONITORS
            for month in _months(connection, stream, monitor)
        )


def _months(connection: Connection, stream: Stream, monitor: str) -> Iterator[MonitoredMonth]:
    counted: dict[str, _Month] = {}
    for reading in _newest_first(connection, stream.id, monitor):
        month = f"{from_us(reading.end_us):%Y-%m}"
        counted.setdefault(month, _Month()).take(monitor, reading)
    for name in sorted(counted):
        one = counted[name]
        yield MonitoredMonth(
            name, stream.target, monitor, one.windows, one.judged, one.significant, one.rows, one.figures
        )


def _newest_first(connection: Connection, stream_id: int, monitor: str) -> Iterator[Reading]:
    """Every reading, part by part."""
    until_us: int | None = None
    while True:
        part = readings.history(connection, stream_id, monitor, until_us=until_us, limit=_AT_ONCE)
        yield from reversed(part)
        if len(part) < _AT_ONCE:
            return
        until_us = part[0].end_us - 1  # of one end there is one reading: they are keyed by it


def _significant(monitor: str, reading: Reading) -> Iterator[str]:
    if monitor == readings.DRIFT:
        found = readings.findings_of(reading, DriftFinding)
        yield from (one.feature for one in found if one.significant)
    else:
        faults = readings.findings_of(reading, QualityFinding)
        yield from (f"{one.feature} ({one.fault})" for one in faults if one.significant)

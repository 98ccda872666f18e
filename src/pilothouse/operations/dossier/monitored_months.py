"""What monitors found about a version, month by month, from the readings of its windows."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from pilothouse.domain.dossier import MonitoredMonth
from pilothouse.domain.findings import DriftFinding, EstimateFinding, PerformanceFinding, QualityFinding
from pilothouse.domain.time_units import from_us
from pilothouse.operations.services import Services
from pilothouse.telemetry import Stream, readings
from pilothouse.telemetry.readings import Reading
from pilothouse.telemetry.streams import list_streams

_MONITORS = (
    readings.PERFORMANCE,
    readings.ESTIMATE,
    readings.DRIFT,
    readings.QUALITY,
    readings.MULTIVARIATE,
    readings.TRAFFIC,
)
_NAMED = 4


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
            for month in _months(
                stream, monitor, readings.history(connection, stream.id, monitor, limit=1_000_000)
            )
        )


def _months(stream: Stream, monitor: str, closed: list[Reading]) -> Iterator[MonitoredMonth]:
    for month, of_month in groupby(closed, key=lambda one: f"{from_us(one.end_us):%Y-%m}"):
        windows = list(of_month)
        yield MonitoredMonth(
            month,
            stream.target,
            monitor,
            len(windows),
            sum(one.judged for one in windows),
            sum(one.significant for one in windows),
            sum(one.rows for one in windows),
            _figures(monitor, windows),
        )


def _figures(monitor: str, windows: list[Reading]) -> str:
    """``auc 0.601 to 0.655, reference 0.672``, or ``carrier in 3, distance in 1``; empty where there is nothing to say."""
    if monitor in (readings.PERFORMANCE, readings.ESTIMATE):
        kind = PerformanceFinding if monitor == readings.PERFORMANCE else EstimateFinding
        found = [readings.finding_of(one, kind) for one in windows]
        values = [one.value for one in found if one.value is not None]
        if not values:
            return ""
        reference = found[-1].reference
        against = f", reference {reference:.4g}" if reference is not None else ""
        return f"{found[-1].metric} {min(values):.4g} to {max(values):.4g}{against}"
    if monitor in (readings.DRIFT, readings.QUALITY):
        counted: Counter[str] = Counter()
        for one in windows:
            counted.update(sorted(set(_significant(monitor, one))))
        return ", ".join(f"{name} in {count}" for name, count in counted.most_common(_NAMED))
    return ""


def _significant(monitor: str, one: Reading) -> Iterator[str]:
    if monitor == readings.DRIFT:
        yield from (found.feature for found in readings.findings_of(one, DriftFinding) if found.significant)
    else:
        faults = (found for found in readings.findings_of(one, QualityFinding) if found.significant)
        yield from (f"{found.feature} ({found.fault})" for found in faults)

"""Evidence of what changed around a window, gathered from stored readings, and its diagnosis.

Windows of inputs and of performance differ in length, and outcomes come late. So an alert is diagnosed by the readings stored
at the time: when it opens, and again whenever somebody reads it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import TypeVar

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.change_diagnosis import Diagnosis, Evidence, Measured, diagnose
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    EstimateFinding,
    PerformanceFinding,
    QualityFinding,
)
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts.explaining_windows import Firing, explaining, monitor_of, windows_of
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    ESTIMATE,
    PERFORMANCE,
    QUALITY,
    Reading,
    finding_of,
    findings_of,
)

T = TypeVar("T")

DIAGNOSED = ("data_drift", "score_drift", "data_quality", "performance")
"""Kinds of alerts that have a diagnosis of what changed."""
_USUAL = 8
"""Windows before this one from which the usual volume is taken."""


def diagnose_alert(services: Services, alert: Alert, firing: Firing) -> Diagnosis | None:
    """The diagnosis by all readings stored now, of the window that explains the alert; None for kinds that are not about data,
    or where telemetry has nothing."""
    if alert.kind not in DIAGNOSED:
        return None
    with services.reading_telemetry() as connection:
        if connection is None:
            return None
        stream = find_stream(connection, alert.model, alert.version, alert.target)
        if stream is None:
            return None
        around = windows_of(connection, stream.id, monitor_of(alert) or DRIFT, firing)
        shown = explaining(around, firing)
        end_us = max(to_us(firing.fired), shown.end_us if shown is not None else 0)
        return diagnose(_evidence_at(connection, stream.id, end_us))


def diagnose_window(services: Services, stream_id: int, end_us: int) -> Diagnosis:
    """The diagnosis of the windows of a stream around one that ends at ``end_us``."""
    with services.telemetry.read() as connection:
        return diagnose(_evidence_at(connection, stream_id, end_us))


def _evidence_at(connection: Connection, stream_id: int, end_us: int) -> Evidence:
    """Evidence from the windows that contain the time just before ``end_us``."""

    def judged(monitor: str, since_us: int, until_us: int) -> list[Reading]:
        history = readings.history(connection, stream_id, monitor, until_us=until_us, judged=True)
        return [reading for reading in history if reading.end_us > since_us]

    estimates = _around(readings.history(connection, stream_id, ESTIMATE), end_us)
    outcomes = _around(readings.history(connection, stream_id, PERFORMANCE), end_us)
    pairs = [(e, o) for e in estimates for o in outcomes if (e.start_us, e.end_us) == (o.start_us, o.end_us)]
    estimate, outcome = pairs[0] if pairs else (next(iter(estimates), None), next(iter(outcomes), None))
    if estimate is not None and outcome is not None and estimate.window.together != outcome.window.together:
        estimate = None  # outcomes are too few where predictions are enough: figures of different times
    performance = outcome or estimate
    since = min(end_us - 1, to_us(performance.window.since)) if performance is not None else end_us - 1
    until = max(end_us, performance.end_us) if performance is not None else end_us
    drift, quality = judged(DRIFT, since, until), judged(QUALITY, since, until)
    measured = finding_of(outcome, PerformanceFinding) if outcome is not None and outcome.judged else None
    estimated = finding_of(estimate, EstimateFinding) if estimate is not None and estimate.judged else None
    significant = [{f.feature for f in findings_of(r, DriftFinding) if f.significant} for r in drift]
    drifting = _often(significant)
    faults = _often(
        [{(f.feature, f.fault) for f in findings_of(r, QualityFinding) if f.significant} for r in quality]
    )
    finding = measured or estimated
    return Evidence(
        finding.metric if finding is not None else "performance",
        sorted(drifting - {SCORE}),
        SCORE in drifting,
        sorted(faults),
        _volume(readings.history(connection, stream_id, DRIFT, until_us=end_us, limit=_USUAL + 1)),
        _measured(measured),
        _figures(estimated.by_inputs) if estimated is not None else None,
        estimated,
        finding.reference if finding is not None else None,
        sorted(set().union(*significant) - drifting - {SCORE}),
    )


def _around(history: Sequence[Reading], end_us: int) -> list[Reading]:
    """Readings of the windows that contain the time just before ``end_us``; first the one that ends soonest."""
    return [reading for reading in history if reading.start_us < end_us <= reading.end_us]


def _often(significant: Sequence[set[T]]) -> set[T]:
    """The subjects that were significant in at least half of the windows."""
    counts = Counter(subject for subjects in significant for subject in subjects)
    return {subject for subject, count in counts.items() if 2 * count >= len(significant)}


def _volume(windows: Sequence[Reading]) -> float | None:
    """Rows of the newest window over the median of the windows of the same length before it in which there were any: in those
    without, another version was live."""
    if not windows:
        return None
    newest = windows[-1]
    length = newest.end_us - newest.start_us
    before = [w.rows for w in windows[:-1] if w.end_us - w.start_us == length and w.rows]
    usual = median(before) if before else 0
    return newest.rows / usual if usual else None


def _measured(finding: PerformanceFinding | None) -> Measured | None:
    return _figures(finding.measured) if finding is not None else None


def _figures(value: MetricValue) -> Measured | None:
    figures = (value.value, value.low, value.high)
    return Measured(*figures) if all(map(math.isfinite, figures)) else None

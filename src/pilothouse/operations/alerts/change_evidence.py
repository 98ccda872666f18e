"""The evidence of what changed around a window, gathered from stored readings, and its diagnosis.

Windows of inputs and of performance differ in length, and outcomes come late. An alert is judged by the readings that there
are when it is asked about: at its opening, and again whenever somebody reads it.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import TypeVar

from pilothouse.domain.change_diagnosis import Diagnosis, Evidence, Measured, diagnose
from pilothouse.domain.findings import DriftFinding, EstimateFinding, PerformanceFinding, QualityFinding
from pilothouse.domain.records import Alert
from pilothouse.domain.time_units import to_us
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.specification import SCORE
from pilothouse.telemetry import readings
from pilothouse.telemetry.readings import (
    DRIFT,
    ESTIMATE,
    PERFORMANCE,
    QUALITY,
    Reading,
    finding_of,
    findings_of,
)
from pilothouse.telemetry.streams import find_stream

T = TypeVar("T")

EXPLAINED = ("data_drift", "score_drift", "data_quality", "performance")
"""Kinds of alerts of which it can be said what changed."""
_USUAL = 8
"""Windows before this one by which the usual volume is told."""


def diagnose_alert(services: Services, alert: Alert) -> Diagnosis | None:
    """What changed, by all that is known now; None for kinds that are not about data, or where telemetry has nothing."""
    if alert.kind not in EXPLAINED or not services.paths.telemetry.exists():
        return None
    with services.telemetry.read() as connection:
        stream = find_stream(connection, alert.model, alert.version, alert.target)
        if stream is None:
            return None
        return diagnose(evidence_at(connection, stream.id, to_us(alert.effective_at)))


def diagnose_window(services: Services, stream_id: int, end_us: int) -> Diagnosis:
    """What changed in the windows of a stream around one that ends at ``end_us``."""
    with services.telemetry.read() as connection:
        return diagnose(evidence_at(connection, stream_id, end_us))


def evidence_at(connection: Connection, stream_id: int, end_us: int) -> Evidence:
    """What is known about the windows that hold the time just before ``end_us``."""

    def ending(monitor: str, since_us: int, until_us: int) -> list[Reading]:
        found = readings.history(connection, stream_id, monitor, until_us=until_us)
        return [one for one in found if one.end_us > since_us]

    estimates = _around(readings.history(connection, stream_id, ESTIMATE), end_us)
    outcomes = _around(readings.history(connection, stream_id, PERFORMANCE), end_us)
    pairs = [(e, o) for e in estimates for o in outcomes if (e.start_us, e.end_us) == (o.start_us, o.end_us)]
    estimate, outcome = pairs[0] if pairs else (next(iter(estimates), None), next(iter(outcomes), None))
    performance = outcome or estimate
    since = min(end_us - 1, performance.start_us) if performance is not None else end_us - 1
    until = max(end_us, performance.end_us) if performance is not None else end_us
    drift = [one for one in ending(DRIFT, since, until) if one.judged]
    quality = [one for one in ending(QUALITY, since, until) if one.judged]
    measured = finding_of(outcome, PerformanceFinding) if outcome is not None and outcome.judged else None
    estimated = finding_of(estimate, EstimateFinding) if estimate is not None and estimate.judged else None
    significant = [{f.feature for f in findings_of(one, DriftFinding) if f.significant} for one in drift]
    drifting = _often(significant)
    faults = _often(
        [{(f.feature, f.fault) for f in findings_of(one, QualityFinding) if f.significant} for one in quality]
    )
    known = measured or estimated
    return Evidence(
        known.metric if known is not None else "performance",
        sorted(drifting - {SCORE}),
        SCORE in drifting,
        sorted(faults),
        _volume(readings.history(connection, stream_id, DRIFT, until_us=end_us, limit=_USUAL + 1)),
        _measured(measured),
        _measured(estimated),
        known.reference if known is not None else None,
        sorted(set().union(*significant) - drifting - {SCORE}),
    )


def _around(found: Sequence[Reading], end_us: int) -> list[Reading]:
    """The windows that hold the time just before ``end_us``, the one that ends there (or soonest after it) first."""
    return [one for one in found if one.start_us < end_us <= one.end_us]


def _often(significant: Sequence[set[T]]) -> set[T]:
    """What was significant in at least half of the windows."""
    counts = Counter(subject for found in significant for subject in found)
    return {subject for subject, count in counts.items() if 2 * count >= len(significant)}


def _volume(windows: Sequence[Reading]) -> float | None:
    """Rows of the newest window over the median of those before, where these are of its length."""
    if not windows:
        return None
    newest = windows[-1]
    before = [
        one.rows for one in windows[:-1] if one.end_us - one.start_us == newest.end_us - newest.start_us
    ]
    usual = median(before) if before else 0
    return newest.rows / usual if usual else None


def _measured(finding: PerformanceFinding | EstimateFinding | None) -> Measured | None:
    if finding is None or finding.value is None or finding.low is None or finding.high is None:
        return None
    return Measured(finding.value, finding.low, finding.high)

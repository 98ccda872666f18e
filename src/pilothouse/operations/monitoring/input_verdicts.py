"""Verdicts on the inputs of one window, or of windows merged: drift and data quality, by a version's reference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding
from pilothouse.operations.monitoring.baselines import Baseline
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.significance import thresholds
from pilothouse.statistics.significance.quality import judge_quality

InputFinding = TypeVar("InputFinding", DriftFinding, QualityFinding)


def judge_inputs(
    base: Baseline,
    monitoring: MonitoringSpec,
    current: Profile,
    windows: int = 1,
    recent: Profile | None = None,
    lasting: Profile | None = None,
) -> tuple[list[DriftFinding], list[QualityFinding]]:
    """Verdicts on the profile ``current`` of ``windows`` merged. ``recent`` and ``lasting``, of one window alone, are those of
    ``thresholds.judge``."""
    against = (base.specification, base.calibration, base.profile, current)
    rate, ignore = monitoring.false_alarm_rate, monitoring.ignore
    if windows > 1:
        return (
            thresholds.judge_together(*against, windows, false_alarm_rate=rate, ignore=ignore),
            judge_quality(*against, windows=windows, false_alarm_rate=rate, ignore=ignore),
        )
    return (
        thresholds.judge(*against, recent=recent, lasting=lasting, false_alarm_rate=rate, ignore=ignore),
        judge_quality(*against, lasting=lasting, false_alarm_rate=rate, ignore=ignore),
    )


def counted(finding: InputFinding, judged: bool, before: Sequence[bool]) -> InputFinding:
    """The finding with the number of the last windows in which it was significant. ``before``: whether it was, in each of
    the judged windows before this one."""
    significant = finding.significant and judged
    return replace(
        finding,
        significant=significant,
        significant_windows=significant + sum(before),
        judged_windows=judged + len(before),
    )

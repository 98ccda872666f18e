"""Verdicts on windows: is this drift, is the data broken, has the model become worse?

A column speaks where its drift is larger than the reference's own days make it (``calibration``) and large enough to be
worth a word. A column's p-value is its statistics' smallest, times their number; Benjamini–Hochberg over the columns
keeps the rate at which a window gives a false alarm.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.model_spec import Direction

from . import calibration as calibrations
from . import drift
from .calibration import EFFECT, FEWEST_ROWS, Calibration, Null, calibrate
from .intervals import quantile
from .profile import Histogram, Profile, histogram
from .specification import CategoricalColumn, Column, ProfileSpecification

__all__ = [
    "Calibration",
    "DriftJudgement",
    "QualityJudgement",
    "calibrate",
    "judge",
    "judge_quality",
    "performance_bound",
    "performance_speaks",
]

SMALLEST_LOSS = 0.01
"""A metric that is better when higher must fall by this much to be worth a word."""
SMALLEST_RISE = 0.03
"""A loss must rise by this share of its reference value to be worth a word."""


@dataclass(frozen=True, slots=True)
class DriftJudgement:
    """The verdict on one column (or "score") of one window.

    ``statistic``, ``value`` and ``threshold`` are of the statistic that says most; ``p_value`` counts all of the column's.
    ``speaks``: the value reached the threshold, which Benjamini–Hochberg sets over all columns together. A column without
    usable rows has an empty ``statistic``, does not speak, and shows in ``missing``.
    """

    feature: str
    statistic: str
    value: float
    threshold: float
    p_value: float
    speaks: bool
    statistics: dict[str, float]
    missing: float
    unseen: float


@dataclass(frozen=True, slots=True)
class QualityJudgement:
    """The verdict on the share of rows of one window that are ``missing``, or of categories ``unseen`` in the reference."""

    feature: str
    fault: str
    value: float
    reference: float
    threshold: float
    p_value: float
    speaks: bool


@dataclass(frozen=True, slots=True)
class _Finding:
    null: Null
    p_value: float
    tests: int
    """Statistics of the column that were looked at: the p-value is multiplied by them."""


def judge(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    *,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[DriftJudgement]:
    """Judge every column and the score of a window, in the specification's order.

    ``reference`` holds the training rows' features and the hold-out's score (``TargetReference.profile``). Columns in
    ``ignore`` are measured, never speak, and do not count among those looked at.
    """
    measured: list[tuple[Column, dict[str, float], int, _Finding | None]] = []
    for column in specification.columns:
        statistics = drift.column_drift(specification, column.name, reference, current)
        rows = histogram(specification, current, column.name).present
        nulls = calibration.columns.get(column.name)
        if nulls is None:
            base = histogram(specification, reference, column.name)
            nulls = calibrations.nulls_by_chance(column, base, rows)
        measured.append((column, statistics, rows, _most_telling(nulls, statistics, rows)))
    p_values = [f.p_value for column, _, _, f in measured if f and column.name not in ignore]
    critical = _benjamini_hochberg(p_values, false_alarm_rate)
    return [
        _judgement(column.name, statistics, rows, finding, critical, column.name in ignore)
        for column, statistics, rows, finding in measured
    ]


def _most_telling(nulls: Sequence[Null], statistics: dict[str, float], rows: int) -> _Finding | None:
    judged = [n for n in nulls if n.statistic in statistics and n.statistic not in ("missing", "unseen")]
    if not judged or rows < FEWEST_ROWS:
        return None
    p_values = [null.p_value(statistics[null.statistic], rows) for null in judged]
    least = min(p_values)
    return _Finding(judged[p_values.index(least)], min(least * len(judged), 1.0), len(judged))


def _judgement(
    name: str,
    statistics: dict[str, float],
    rows: int,
    finding: _Finding | None,
    critical: float,
    ignored: bool,
) -> DriftJudgement:
    missing, unseen = statistics["missing"], statistics["unseen"]
    shown = {k: v for k, v in statistics.items() if k not in ("missing", "unseen")}
    if finding is None:
        return DriftJudgement(name, "", 0.0, 0.0, 1.0, False, shown, missing, unseen)
    null = finding.null
    value, effect = statistics[null.statistic], EFFECT[null.statistic]
    threshold = max(null.value_at(critical / finding.tests, rows), effect)
    speaks = not ignored and finding.p_value <= critical and value >= effect
    return DriftJudgement(
        name, null.statistic, value, threshold, finding.p_value, speaks, shown, missing, unseen
    )


def _benjamini_hochberg(p_values: Sequence[float], rate: float) -> float:
    """The p-value up to which to speak: rate·k/n for the largest k whose k-th smallest p-value is not above it, else rate/n."""
    n = max(len(p_values), 1)
    hits = [k for k, p in enumerate(sorted(p_values), 1) if p <= rate * k / n]
    return rate * max(hits, default=1) / n


def judge_quality(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    *,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[QualityJudgement]:
    """Judge each feature's missing rows, and each categorical feature's unseen categories.

    A share speaks where it has risen by EFFECT, is beyond what the reference's windows show (Benjamini–Hochberg over all
    looked at), and beyond chance by the test of two shares. Numbers out of range are drift and not judged here.
    """
    found = []
    for column in specification.features:
        base, now = (histogram(specification, p, column.name) for p in (reference, current))
        if column.name in ignore or now.rows < FEWEST_ROWS or not base.rows:
            continue
        nulls = {null.statistic: null for null in calibration.columns.get(column.name, ())}
        for fault, before, after in _faults(column, base, now):
            _, p_value = drift.two_proportion_z(before, base.rows, after, now.rows)
            if fault in nulls:
                p_value = max(p_value, nulls[fault].p_value(after / now.rows, now.rows))
            found.append(
                (column.name, fault, before / base.rows, after / now.rows, p_value, nulls.get(fault))
            )
    critical = _benjamini_hochberg([entry[4] for entry in found], false_alarm_rate)
    judged = []
    for name, fault, before_share, share, p_value, null in found:
        threshold = before_share + EFFECT[fault]
        if null is not None:
            threshold = max(threshold, null.value_at(critical, null.rows[-1]))
        speaks = p_value <= critical and share >= threshold
        judged.append(QualityJudgement(name, fault, share, before_share, threshold, p_value, speaks))
    return judged


def _faults(column: Column, base: Histogram, now: Histogram) -> list[tuple[str, int, int]]:
    """Each fault with its rows in the reference and now."""
    faults = [("missing", base.missing, now.missing)]
    if isinstance(column, CategoricalColumn) and base.present:
        faults.append(("unseen", 0, int(now.counts[base.counts == 0].sum())))
    return faults


def performance_speaks(
    reading: MetricValue, reference: MetricValue, direction: Direction, *, level: float = 0.84
) -> bool:
    """True where a window is worse than its reference by more than chance (one-sided, at ``level``) and worth a word.

    Both carry 95 % intervals over days (``outcomes.realised_over_days``, ``TargetReference.performance``): days differ more
    than their rows tell. The level is one standard error: two weeks held out and four weeks watched are each known to
    some 0.05 of AUROC, and a stricter one finds no decay that matters. One window is not yet an alarm: ask for k of
    the last n. False where a value or the window's interval is not known.
    """
    deficit = (reference.value - reading.value) * (1 if direction == "higher" else -1)
    least, chance = _let_pass(reading, reference, direction, level)
    if not math.isfinite(deficit) or not math.isfinite(chance):
        return False
    return deficit >= least and deficit > chance


def performance_bound(
    reading: MetricValue, reference: MetricValue, direction: Direction, *, level: float = 0.84
) -> float:
    """The value beyond which ``performance_speaks`` calls the window worse; NaN where it cannot be said."""
    allowed = max(_let_pass(reading, reference, direction, level))
    return reference.value - allowed * (1 if direction == "higher" else -1)


def _let_pass(
    reading: MetricValue, reference: MetricValue, direction: Direction, level: float
) -> tuple[float, float]:
    """The smallest loss worth a word, and the loss that chance makes; that is NaN where the window's error is not known."""
    least = SMALLEST_LOSS if direction == "higher" else SMALLEST_RISE * abs(reference.value)
    known = _error(reference)
    chance = math.hypot(_error(reading), known if math.isfinite(known) else 0.0)
    return least, quantile(2 * level - 1) * chance


def _error(value: MetricValue) -> float:
    return (value.high - value.low) / (2 * quantile(0.95))

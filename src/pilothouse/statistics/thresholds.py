"""Verdicts on windows: is this drift, is the data broken, has the model become worse?

A column speaks where its drift is larger than the reference's own days make it (``calibration``) and large enough to be
worth a word, measured against the reference or against the days just before the window. A column's p-value is the smallest
of its tests', times their number; Benjamini–Hochberg over the columns keeps the rate at which a window gives a false alarm.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.grounds import Grounds
from pilothouse.domain.model_spec import Direction

from . import calibration as calibrations
from . import drift, null_windows
from .calibration import EFFECT, FEWEST_ROWS, Calibration, Null, calibrate
from .intervals import quantile
from .profile import Histogram, Profile, histogram
from .specification import CategoricalColumn, Column, NumericColumn, ProfileSpecification

__all__ = [
    "Calibration",
    "DriftJudgement",
    "QualityJudgement",
    "calibrate",
    "judge",
    "judge_quality",
    "performance_bound",
    "performance_is_certain",
    "performance_speaks",
]

SMALLEST_LOSS = 0.01
"""A metric that is better when higher must fall by this much to be worth a word."""
SMALLEST_RISE = 0.03
"""A loss must rise by this share of its reference value to be worth a word."""


_DRIFTED = 0.01
"""A recent past so improbable against the reference has drifted itself."""
RECENT_PREFIX = "recent_"
"""Begins the name of a statistic that is measured against the days just before the window."""
CERTAIN = 0.1
"""A window is certain by itself where its p-value is this share of the smallest that would do to speak."""
_CERTAIN_LEVEL = 0.99865
"""Three standard errors, one-sided: a loss that is certain without a second window."""


@dataclass(frozen=True, slots=True)
class DriftJudgement:
    """The verdict on one column (or "score") of one window.

    ``statistic``, ``value`` and ``threshold`` are of the test that says most; ``p_value`` counts all of the column's.
    ``speaks``: the value reached the threshold, which Benjamini–Hochberg sets over all columns together. A column without
    usable rows has an empty ``statistic``, does not speak, and shows in ``missing``. ``compared_with`` is "reference" or
    "recent" (the days just before the window: a sudden change), where the statistic's name begins with RECENT_PREFIX.
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
    compared_with: str = "reference"
    grounds: Grounds = field(default_factory=Grounds)


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
    grounds: Grounds = field(default_factory=Grounds)


@dataclass(frozen=True, slots=True)
class _Test:
    """One statistic of a column against one thing that it is compared with."""

    null: Null
    value: float
    rows: int
    """Rows by which the null is read: those of the window, or fewer where the recent past is short of rows."""
    p_value: float
    by_chance: bool

    @property
    def name(self) -> str:
        """The statistic's, as it is shown."""
        return f"{RECENT_PREFIX}{self.null.statistic}" if self.null.recent else self.null.statistic

    @property
    def large(self) -> bool:
        return self.value >= EFFECT[self.null.statistic]


def judge(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    *,
    recent: Profile | None = None,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[DriftJudgement]:
    """Judge every column and the score of a window, in the specification's order.

    ``reference`` holds the training rows' features and the hold-out's score (``TargetReference.profile``); ``recent`` the
    ``null_windows.RECENT`` windows just before, where the stream has them. Columns in ``ignore`` are measured, never speak,
    and do not count among those looked at.
    """
    shown: list[dict[str, float]] = []
    found: list[tuple[str, list[_Test]]] = []
    for column in specification.columns:
        statistics = drift.column_drift(specification, column.name, reference, current)
        nulls = calibration.columns.get(column.name, ())
        tests = _against_reference(specification, column, nulls, reference, current, statistics)
        if recent is not None:
            sudden = _against_recent(specification, column, nulls, reference, recent, current, tests)
            statistics |= {test.name: test.value for test in sudden}
            tests += sudden
        shown.append(statistics)
        found.append((column.name, tests))
    p_values = {name: _p_value(tests) for name, tests in found if tests and name not in ignore}
    # A trifle that is certain with many rows must not ease the bound of the others: it counts among them as quiet.
    heavy = {name for name, tests in found if any(t.large for t in tests)}
    critical = _benjamini_hochberg(
        [p if name in heavy else 1.0 for name, p in p_values.items()], false_alarm_rate
    )
    ranks = {name: k for k, name in enumerate(sorted(p_values, key=lambda name: p_values[name]), 1)}
    return [
        _judgement(name, statistics, tests, critical, false_alarm_rate, ranks)
        for (name, tests), statistics in zip(found, shown, strict=True)
    ]


def _against_reference(
    specification: ProfileSpecification,
    column: Column,
    nulls: Sequence[Null],
    reference: Profile,
    current: Profile,
    statistics: dict[str, float],
) -> list[_Test]:
    rows = histogram(specification, current, column.name).present
    own = [n for n in nulls if n.statistic not in ("missing", "unseen") and not n.recent]
    by_chance = not own
    if by_chance:
        base = histogram(specification, reference, column.name)
        own = list(calibrations.nulls_by_chance(column, base, rows))
    return [
        _Test(n, statistics[n.statistic], rows, n.p_value(statistics[n.statistic], rows), by_chance)
        for n in own
        if n.statistic in statistics and rows >= FEWEST_ROWS
    ]


def _against_recent(
    specification: ProfileSpecification,
    column: Column,
    nulls: Sequence[Null],
    reference: Profile,
    recent: Profile,
    current: Profile,
    against_reference: Sequence[_Test],
) -> list[_Test]:
    """A sudden change is one away from the reference: coming back to it after a time of drift has a p-value of 1."""
    own = [n for n in nulls if n.recent]
    base, before, now = (histogram(specification, p, column.name) for p in (reference, recent, current))
    if not own or min(before.present, now.present) < FEWEST_ROWS:
        return []
    scale = drift.scale_of(column, base) if isinstance(column, NumericColumn) else 1.0
    pairs = [(h.counts, h.positions) for h in (base, before, now)]
    measured = null_windows.measure(column, pairs[1], pairs[2], scale)
    then = null_windows.measure(column, pairs[0], pairs[1], scale)
    drifted = [t.null.p_value(float(then[t.null.statistic]), before.present) for t in against_reference]
    comes_back = min(drifted, default=1.0) < min(_DRIFTED, *(t.p_value for t in against_reference), 1.0)
    # The null knows a past of RECENT times the window's rows; with another one chance is that of so many rows.
    share = 1 + 1 / null_windows.RECENT
    rows = max(1, round(share / (1 / now.present + 1 / before.present)))
    values = [(n, float(measured[n.statistic])) for n in own]
    return [
        _Test(n, v, rows, 1.0 if comes_back else n.p_value(v, rows), False)
        for n, v in values
        if math.isfinite(v)
    ]


def _p_value(tests: Sequence[_Test]) -> float:
    """The column's: its tests' smallest, times their number (Bonferroni). Tests of a change too small to be worth a word are
    left out where another is large."""
    return min(min(t.p_value for t in _worth(tests)) * len(tests), 1.0)


def _worth(tests: Sequence[_Test]) -> Sequence[_Test]:
    return [t for t in tests if t.large] or tests


def _judgement(
    name: str,
    statistics: dict[str, float],
    tests: Sequence[_Test],
    critical: float,
    rate: float,
    ranks: Mapping[str, int],
) -> DriftJudgement:
    missing, unseen = statistics["missing"], statistics["unseen"]
    shown = {k: v for k, v in statistics.items() if k not in ("missing", "unseen")}
    if not tests:
        return DriftJudgement(name, "", 0.0, 0.0, 1.0, False, shown, missing, unseen)
    p_value, looked_at = _p_value(tests), max(len(ranks), 1)
    speaks = name in ranks and p_value <= critical and any(t.large for t in tests)
    said = _worth(tests)
    if not speaks:  # a chart of quiet windows stays with one comparison
        said = [t for t in said if not t.null.recent] or [t for t in tests if not t.null.recent] or said
    test = min(said, key=lambda t: t.p_value)
    effect = EFFECT[test.null.statistic]
    calibrated = test.null.value_at(critical / len(tests), test.rows)
    grounds = Grounds(
        effect,
        calibrated,
        test.null.usual(test.rows),
        0.0 if test.by_chance else test.null.windows,
        len(tests),
        critical,
        ranks.get(name, 0),
        looked_at,
        speaks and p_value <= CERTAIN * rate / looked_at,
    )
    compared_with = "recent" if test.null.recent else "reference"
    threshold = max(calibrated, effect)
    return DriftJudgement(
        name,
        test.name,
        test.value,
        threshold,
        p_value,
        speaks,
        shown,
        missing,
        unseen,
        compared_with,
        grounds,
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
    p_values = [p if now - before >= EFFECT[fault] else 1.0 for _, fault, before, now, p, _ in found]
    critical = _benjamini_hochberg(p_values, false_alarm_rate)
    judged = []
    for name, fault, before_share, share, p_value, null in found:
        calibrated = null.value_at(critical, null.rows[-1]) if null is not None else 0.0
        threshold = max(before_share + EFFECT[fault], calibrated)
        speaks = p_value <= critical and share >= threshold
        grounds = Grounds(
            EFFECT[fault],
            calibrated,
            null.usual(null.rows[-1]) if null is not None else before_share,
            null.windows if null is not None else 0.0,
            1 if null is None else 2,
            critical,
            1 + sum(p < p_value for p in p_values),
            len(found),
            speaks and p_value <= CERTAIN * false_alarm_rate / len(found),
        )
        judged.append(QualityJudgement(name, fault, share, before_share, threshold, p_value, speaks, grounds))
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


def performance_is_certain(reading: MetricValue, reference: MetricValue, direction: Direction) -> bool:
    """True where the loss is beyond three standard errors of the difference, so that one window is enough."""
    return performance_speaks(reading, reference, direction, level=_CERTAIN_LEVEL)


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

"""Verdicts on windows: which columns drift?

A column's drift is significant where it is larger than the reference's own days make it (``calibration``), measured
against the reference or against the days just before the window, and where it reaches its EFFECT. A column's p-value
is the smallest of its tests', each over its weight; Benjamini–Hochberg over the columns keeps the rate at which a
window gives a false alarm.

A *stationary* column (``sampling_null``) is judged by ranks too (``ranks``), and its p-value is the tests' weighted
harmonic mean. It is also judged over its last LASTING windows together, for what is too weak for one: a *lasting
change*. Its tests reuse rows of windows before, so it is significant only where it would open an alert by itself.

Windows of too few rows are judged as one (``judge_together``) by the null of a single window (``merged_calibration``).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pilothouse.domain.monitoring.findings import DriftFinding, Grounds
from pilothouse.statistics.distances import drift
from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.profiles.profile import Profile, histogram, present_rows
from pilothouse.statistics.profiles.specification import Column, NumericColumn, ProfileSpecification
from pilothouse.statistics.significance import calibration as calibrations
from pilothouse.statistics.significance import null_windows
from pilothouse.statistics.significance.calibration import EFFECT, FEWEST_ROWS, Calibration, Null
from pilothouse.statistics.significance.column_tests import ColumnTest, Looked, weighed, worth
from pilothouse.statistics.significance.merged_calibration import calibration_of_merged
from pilothouse.statistics.significance.multiplicity import (
    FAULTS,
    LASTING,
    LASTS,
    LEANS,
    OVERDISPERSED_WEIGHTS,
    WEIGHTS,
    benjamini_hochberg,
    certain_level,
)
from pilothouse.statistics.significance.overdispersion import SHARE
from pilothouse.statistics.significance.power import power_of

_DRIFTED = 0.01
"""p-value of the recent past against the reference from which that past has drifted itself."""
_DISTANCES = ("ks", "wasserstein", "within", "js")
"""Statistics without a direction, which a chart shows for windows without a finding."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Window that is judged: ``rows`` with a value by column, ``rows_together`` those of the last windows and their
    statistics ``together``; empty where these are not looked at."""

    specification: ProfileSpecification
    reference: Profile
    current: Profile
    recent: Profile | None
    rows: Mapping[str, int]
    rows_together: Mapping[str, int]
    together: Mapping[str, Mapping[str, float]]
    windows: int = 1
    """Windows that ``current`` was merged from."""


def judge(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    *,
    recent: Profile | None = None,
    lasting: Profile | None = None,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[DriftFinding]:
    """Verdicts on the drift of every column and the score of a window, in the specification's order.

    ``reference`` holds the training rows' features and the hold-out's score (``TargetReference.profile``); ``recent``
    the ``null_windows.RECENT`` windows just before, and ``lasting`` the last LASTING windows with this one, where the
    stream has them. Columns in ``ignore`` are measured, never significant, and not counted among the tested. A column
    with fewer than FEWEST_ROWS values has an empty ``statistic`` and is not significant. The rules are those of the
    module, at ``false_alarm_rate``.
    """
    prepared = _prepared(specification, reference)
    shown = window_drift(prepared, current)
    any_stationary = any(
        null.sampling is not None for nulls in calibration.columns.values() for null in nulls
    )
    together = window_drift(prepared, lasting) if lasting is not None and any_stationary else {}
    window = _Window(
        specification,
        reference,
        current,
        recent,
        present_rows(specification, current),
        present_rows(specification, lasting) if lasting is not None else {},
        together,
    )
    return _verdicts(window, calibration, shown, false_alarm_rate, ignore)


def judge_together(
    specification: ProfileSpecification,
    calibration: Calibration,
    reference: Profile,
    current: Profile,
    windows: int,
    *,
    false_alarm_rate: float = 0.01,
    ignore: Collection[str] = (),
) -> list[DriftFinding]:
    """Verdicts as ``judge`` gives them on ``windows`` merged into ``current``, of which each has too few rows.

    ``calibration`` is that of single windows. As the next merged window shares rows with this one, a column is significant
    only where it would open an alert by itself: windows that overlap are no two witnesses.
    """
    shown = window_drift(_prepared(specification, reference), current)
    window = _Window(
        specification, reference, current, None, present_rows(specification, current), {}, {}, windows
    )
    return _verdicts(window, calibration_of_merged(calibration), shown, false_alarm_rate, ignore)


def _verdicts(
    window: _Window,
    calibration: Calibration,
    shown: dict[str, dict[str, float]],
    false_alarm_rate: float,
    ignore: Collection[str],
) -> list[DriftFinding]:
    looked_at = sum(name not in ignore and rows >= FEWEST_ROWS for name, rows in window.rows.items())
    looks: list[tuple[str, Looked]] = []
    for column in window.specification.columns:
        nulls = calibration.columns.get(column.name, ())
        stationary = any(null.sampling is not None for null in nulls if null.statistic not in FAULTS)
        certain = certain_level(stationary, false_alarm_rate, looked_at)
        looks.append((column.name, _look_at(window, column, nulls, shown[column.name], certain)))
    p_values = {name: look.p_value for name, look in looks if look.tests and name not in ignore}
    # A small drift that is certain with many rows must not ease the bound of the others: it counts among them with p = 1.
    heavy = {name for name, look in looks if look.large}
    critical = benjamini_hochberg(
        [p if name in heavy else 1.0 for name, p in p_values.items()], false_alarm_rate
    )
    ranks = {name: k for k, name in enumerate(sorted(p_values, key=lambda name: p_values[name]), 1)}
    alone = false_alarm_rate / max(len(p_values), 1)  # that of a column which moves while no other does
    powers = {
        name: power_of(
            window.specification, window.reference, name, look.tests, _level(look, alone, window.windows)
        )
        for name, look in looks
        if name in p_values
    }
    return [
        replace(
            _judgement(
                name, shown[name], look, _level(look, critical, window.windows), ranks, window.windows
            ),
            power=powers.get(name),
        )
        for name, look in looks
    ]


def _level(look: Looked, critical: float, windows: int) -> float:
    """p-value up to which a column is significant: of windows judged together that at which it is certain."""
    return critical if windows == 1 else min(critical, look.certain)


def _look_at(
    window: _Window, column: Column, nulls: Sequence[Null], statistics: dict[str, float], certain: float
) -> Looked:
    """Tests of a column; values that are measured beside those against the reference are added to its ``statistics``."""
    statistics |= _shares(window, column, nulls)
    tests = _against_reference(window, column, nulls, statistics)
    if window.recent is not None:
        sudden = _against_recent(window, column, nulls, window.recent, tests)
        statistics |= {test.name: test.value for test in sudden}
        tests += sudden
    last: list[ColumnTest] = []
    if window.together:
        last = _lasting(nulls, window.rows_together[column.name], window.together[column.name], tests)
        statistics |= {test.name: test.value for test in last}
    laws_known = all(t.null.sampling is not None for t in tests)
    weights = WEIGHTS if laws_known else OVERDISPERSED_WEIGHTS
    tests, last = weighed(tests, weights, 1 - LASTS if last else 1.0), weighed(last, weights, LASTS)
    look = Looked(tests, len(tests) + len(last), laws_known, certain)
    with_last = replace(look, tests=[*tests, *last])
    return with_last if any(t.large for t in last) and with_last.p_value <= certain else look


_prepared = lru_cache(maxsize=8)(prepare)


def _against_reference(
    window: _Window, column: Column, nulls: Sequence[Null], statistics: Mapping[str, float]
) -> list[ColumnTest]:
    """Tests of a window against the reference; by sampling alone where the calibration has no null of the column."""
    rows = window.rows[column.name]
    own = [n for n in nulls if n.statistic not in FAULTS and not n.recent]
    sampled = not own
    if sampled:
        base = histogram(window.specification, window.reference, column.name)
        own = list(calibrations.sampling_nulls(column, base, rows))
    return [
        ColumnTest(n, statistics[n.statistic], rows, n.p_value(statistics[n.statistic], rows), sampled)
        for n in own
        if n.statistic in statistics and rows >= FEWEST_ROWS
    ]


def _shares(window: _Window, column: Column, nulls: Sequence[Null]) -> dict[str, float]:
    """Value of SHARE where the column is overdispersed, so that the usual deviation of each share is known; else
    nothing."""
    parts = [null.overdispersion for null in nulls if null.statistic == SHARE]
    if not parts or parts[0] is None:
        return {}
    return {SHARE: parts[0].share(histogram(window.specification, window.current, column.name).counts)}


def _against_recent(
    window: _Window,
    column: Column,
    nulls: Sequence[Null],
    recent: Profile,
    against_reference: Sequence[ColumnTest],
) -> list[ColumnTest]:
    """Tests of a window against its recent past. A sudden change is one away from the reference: coming back to it
    after a time of drift has a p-value of 1."""
    own = [n for n in nulls if n.recent]
    if not own:
        return []
    sides = (window.reference, recent, window.current)
    base, before, now = (histogram(window.specification, side, column.name) for side in sides)
    if min(before.present, now.present) < FEWEST_ROWS:
        return []
    scale = drift.scale_of(column, base) if isinstance(column, NumericColumn) else 1.0
    pairs = [(h.counts, h.positions) for h in (base, before, now)]
    measured = null_windows.measure(column, pairs[1], pairs[2], scale)
    then = null_windows.measure(column, pairs[0], pairs[1], scale)
    drifted = [
        t.null.p_value(float(then[t.null.statistic]), before.present)
        for t in against_reference
        if t.null.statistic in then
    ]
    comes_back = min(drifted, default=1.0) < min(_DRIFTED, *(t.p_value for t in against_reference), 1.0)
    # The null knows a past of RECENT times the window's rows. With a past of another size the sampling variance, 1/n + 1/m, is
    # that of a window of so many rows with such a past.
    share = 1 + 1 / null_windows.RECENT
    rows = max(1, round(share / (1 / now.present + 1 / before.present)))
    values = [(n, float(measured[n.statistic])) for n in own]
    return [
        ColumnTest(n, v, rows, 1.0 if comes_back else n.p_value(v, rows), False)
        for n, v in values
        if math.isfinite(v)
    ]


def _lasting(
    nulls: Sequence[Null],
    rows: int,
    statistics: Mapping[str, float],
    tests: Sequence[ColumnTest],
) -> list[ColumnTest]:
    """Tests of a stationary column's last windows together. While the newest window has no p-value up to LEANS for
    the same statistic they have a p-value of 1, so that one window is not significant again in those after it."""
    leaning = {t.null.statistic for t in tests if t.p_value <= LEANS}
    return [
        ColumnTest(
            n,
            statistics[n.statistic],
            rows,
            n.p_value(statistics[n.statistic], rows) if n.statistic in leaning else 1.0,
            False,
            True,
        )
        for n in nulls
        if n.sampling is not None and n.statistic in statistics and n.statistic not in FAULTS
    ]


def _judgement(
    name: str,
    statistics: dict[str, float],
    look: Looked,
    critical: float,
    ranks: Mapping[str, int],
    windows: int,
) -> DriftFinding:
    missing, unseen = statistics["missing"], statistics["unseen"]
    shown = {k: v for k, v in statistics.items() if k not in FAULTS}
    tests = look.tests
    if not tests:
        return DriftFinding(
            feature=name,
            statistic="",
            value=0.0,
            threshold=0.0,
            p_value=1.0,
            significant=False,
            statistics=shown,
            missing=missing,
            unseen=unseen,
        )
    p_value = look.p_value
    significant = name in ranks and p_value <= critical and look.large
    candidates = worth(tests)
    if not significant:  # a chart of quiet windows keeps to one comparison without a direction
        of_reference = [t for t in tests if not t.null.recent]
        candidates = [t for t in of_reference if t.null.statistic in _DISTANCES] or of_reference or candidates
    test = min(candidates, key=lambda t: t.p_value / t.weight)
    effect = EFFECT[test.null.statistic]
    calibrated = look.value_needed(test, min(critical, look.certain) if test.lasting else critical)
    return DriftFinding(
        feature=name,
        statistic=test.name,
        value=test.value,
        threshold=max(calibrated, effect),
        p_value=p_value,
        significant=significant,
        statistics=shown,
        missing=missing,
        unseen=unseen,
        compared_with="recent" if test.null.recent else "reference",
        grounds=Grounds(
            effect=effect,
            calibrated=calibrated,
            usual=test.null.usual(test.rows),
            blocks=0.0 if test.sampled or test.null.sampling is not None else test.null.windows,
            tests=look.made,
            level=critical,
            rank=ranks.get(name, 0),
            looked_at=max(len(ranks), 1),
            certain=significant and p_value <= look.certain,
            together=LASTING if test.lasting else windows,
        ),
    )

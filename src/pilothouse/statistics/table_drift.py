"""Drift of two tables of raw values, column by column: exact figures, and a ``fault`` where a column cannot be
compared.

A bad column (empty, of another type, absent) does not affect the others. The verdict rests on effect size and a test
against sampling alone: two tables do not show how the reference varies from week to week, which monitoring learns. Data
quality is judged as in monitoring (``significance.quality``): by a rise over what the reference shows of itself, and one
test for all shares of the table.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.distances import distances
from pilothouse.statistics.distances.drift import group_starts, grouped
from pilothouse.statistics.distances.ranks import raw_rank_statistics
from pilothouse.statistics.profiles.placement import bins_of
from pilothouse.statistics.profiles.samples import (
    Numbers,
    Sample,
    kind_of,
    missing_share,
    present,
    unseen_share,
)
from pilothouse.statistics.profiles.samples import value_counts as counts_of
from pilothouse.statistics.profiles.specification import numeric_column
from pilothouse.statistics.significance.calibration import EFFECT, FEWEST_ROWS
from pilothouse.statistics.significance.multiplicity import benjamini_hochberg
from pilothouse.statistics.significance.permutation_null import chi_square_p_value, unseen_p_value
from pilothouse.statistics.significance.sampling_null import share_tail

FALSE_ALARM_RATE = 0.01
"""Expected share of false findings among a table's drifting columns (Benjamini and Hochberg 1995, J. Royal
Statistical Society B 57:289); where nothing has changed, the probability that any column drifts."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """Drift of one column of two tables. ``statistic`` is the one that decides; it is empty where nothing could be
    compared, and ``fault`` says why. ``statistics`` are all. ``missing`` and ``unseen`` are shares of current's rows,
    0 to 1; ``usual_unseen`` is what ``unseen`` would be if nothing had changed."""

    column: str
    kind: str
    statistic: str = ""
    value: float = math.nan
    threshold: float = math.nan
    drifts: bool = False
    fault: str = ""
    skipped: bool = False
    """True where the ``fault`` is none of the tables': a type that is not compared, on both sides alike."""
    statistics: Mapping[str, float] = field(default_factory=dict)
    reference_rows: int = 0
    rows: int = 0
    reference_missing: float = 0.0
    missing: float = 0.0
    unseen: float = 0.0
    usual_unseen: float = 0.0
    rises: Mapping[str, float] = field(default_factory=dict)
    """p-values of the rises of ``missing`` and ``unseen``, those that are tested; 1 for one of less than its EFFECT."""
    worse: tuple[str, ...] = ()
    """Names of the ``rises`` that are significant (``judged_quality``)."""
    chunks: tuple[tuple[float, bool], ...] = ()
    """(value, alert) of each part of current, for rules that judge it in parts."""


Columns = Mapping[str, Sample | None]
"""Columns by name; None for a column of a type that is not compared (times, lists)."""


def table_drift(reference: Columns, current: Columns) -> list[ColumnDrift]:
    """Drift of every column by Pilothouse's own rules, judged together (``judged``), in the reference's order with
    columns that only current has last. Raises nothing: what cannot be compared has a ``fault``."""
    columns = [column_drift(name, reference, current) for name in column_names(reference, current)]
    return judged_quality(judged(columns))


def column_names(reference: Columns, current: Columns) -> list[str]:
    """Names of the reference's columns in their order, then of those that only current has."""
    return [*reference, *(name for name in current if name not in reference)]


def describe(name: str, reference: Columns, current: Columns) -> ColumnDrift:
    """Rows, missing and unseen shares of a column, and the ``fault`` that forbids a comparison (absent on a side,
    another type, no usable value); no statistic yet. ``name`` must be in one of the tables."""
    before, now = reference.get(name), current.get(name)
    if name not in current:
        return ColumnDrift(name, kind_of(before) if before else "other", fault="is missing in current")
    if name not in reference:
        return ColumnDrift(name, kind_of(now) if now else "other", fault="is not in the reference")
    if before is None and now is None:
        return ColumnDrift(name, "other", fault="is neither number nor text: not compared", skipped=True)
    if before is None or now is None or kind_of(before) != kind_of(now):
        kinds = [kind_of(sample) if sample else "of another type" for sample in (before, now)]
        return ColumnDrift(name, kinds[0], fault=f"changed its type: it was {kinds[0]}, now it is {kinds[1]}")
    description = _described(name, before, now)
    empty = [where for sample, where in ((before, "the reference"), (now, "current")) if not present(sample)]
    if empty:
        return replace(description, fault=f"is empty in {' and in '.join(empty)}", skipped=len(empty) == 2)
    return description


def _described(name: str, before: Sample, now: Sample) -> ColumnDrift:
    """Shares of a column, and the p-values of their rises. Numbers out of range are drift, and not judged as unseen.

    Missing: Fisher's exact test, as in monitoring. Unseen: the share is held against the reference's rows that are the
    only one of their category, the share of its next rows that it does not hold (Good 1953, Biometrika 40:237), and
    tested by the permutation null (``permutation_null.unseen_p_value``).
    """
    description = ColumnDrift(
        name,
        kind_of(before),
        reference_rows=before.rows,
        rows=now.rows,
        reference_missing=missing_share(before),
        missing=missing_share(now),
        unseen=unseen_share(before, now),
    )
    if now.rows < FEWEST_ROWS or not before.rows:
        return description
    rises = {}
    if description.missing >= description.reference_missing + EFFECT["missing"]:
        tail = share_tail(before.rows - present(before), before.rows, now.rows)
        rises["missing"] = tail.p_value(now.rows - present(now))
    else:
        rises["missing"] = 1.0
    if isinstance(before, Numbers) or isinstance(now, Numbers) or not present(before):
        return replace(description, rises=rises)
    counts = counts_of(before, now)
    usual = float((counts[0] == 1).sum()) / present(before) * present(now) / now.rows
    large = description.unseen >= usual + EFFECT["unseen"]
    rises["unseen"] = unseen_p_value(*counts) if large else 1.0
    return replace(description, usual_unseen=usual, rises=rises)


def column_drift(name: str, reference: Columns, current: Columns) -> ColumnDrift:
    """Exact statistics of one column, without a verdict: ``statistic`` is the one among ks, wasserstein and js that
    is largest in units of its EFFECT, ``threshold`` that EFFECT. A ``fault`` replaces them where the column cannot be
    compared, or has fewer than FEWEST_ROWS values."""
    description = describe(name, reference, current)
    before, now = reference.get(name), current.get(name)
    if description.fault or before is None or now is None:
        return description
    few = [
        f"{values} of the {FEWEST_ROWS} values in {where}"
        for values, where in ((present(before), "the reference"), (present(now), "current"))
        if values < FEWEST_ROWS
    ]
    if few:
        fault = f"has {' and '.join(few)} that a verdict needs"
        return replace(description, fault=fault, skipped=len(few) == 2)
    statistics = sample_statistics(before, now)
    if not isinstance(before, Numbers):
        statistics["permutation_p"] = chi_square_p_value(*counts_of(before, now))
    judges = ("ks", "wasserstein") if isinstance(before, Numbers) else ("js",)
    statistic = max((n for n in judges if n in statistics), key=lambda name: statistics[name] / EFFECT[name])
    return replace(
        description,
        statistic=statistic,
        value=statistics[statistic],
        threshold=EFFECT[statistic],
        statistics=statistics,
    )


def sample_statistics(reference: Sample, current: Sample) -> dict[str, float]:
    """Every statistic that fits two samples of one kind, exact on raw values; one that is not finite is left out.

    Numbers: ``psi``, ``js``, ``hellinger`` over groups of about equal reference mass (the groups of profiles),
    ``ks``, ``ks_p``, ``wasserstein`` in the reference's standard deviations, ``within`` (the same with current
    clipped to the reference's range) and ``ranks.RANKS``. Categories: ``psi``, ``js``, ``hellinger``, ``l_infinity``,
    ``chi2``, ``chi2_p``. Neither sample may be empty.
    """
    statistics: dict[str, float] = {}
    if isinstance(reference, Numbers) and isinstance(current, Numbers):
        x, y = reference.finite, current.finite
        column = numeric_column("", x, 1024)
        r, c = (np.bincount(bins_of(column, values), minlength=column.bins) for values in (x, y))
        starts = group_starts(column, r)
        r, c = grouped(r, starts), grouped(c, starts)
        d = distances.ks(x, y)
        statistics |= {"ks": d, "ks_p": distances.ks_p_value(d, len(x), len(y))}
        deviation = _deviation(x)
        statistics["wasserstein"] = distances.wasserstein(x, y) / deviation
        statistics["within"] = distances.wasserstein(x, np.clip(y, x.min(), x.max())) / deviation
        statistics |= raw_rank_statistics(x, y)
    else:
        r, c = counts_of(reference, current)
        statistics["l_infinity"] = float(distances.l_infinity(r, c))
        statistics["chi2"], statistics["chi2_p"] = map(float, distances.chi_square(r, c))
    statistics |= {
        "psi": float(distances.psi(r, c)),
        "js": float(distances.jensen_shannon(r, c)),
        "hellinger": float(distances.hellinger(r, c)),
    }
    return {name: value for name, value in statistics.items() if math.isfinite(value)}


def _deviation(values: Floats) -> float:
    """Standard deviation, at least a thousandth of the range; of a constant its absolute value, at least 1 (as for
    profiles)."""
    half = float(values.max() / 2 - values.min() / 2)  # halves: the range of huge values may overflow
    if half == 0:
        return max(abs(float(values[0])), 1.0)
    return 2 * half * max(float(np.std((values / 2 - values.min() / 2) / half)), 1e-3)


def judged(columns: Sequence[ColumnDrift], rate: float = FALSE_ALARM_RATE) -> list[ColumnDrift]:
    """Columns with ``drifts`` set: ``value`` is at least ``threshold``, and the p-value (of ks, or of chi-square under the
    permutation null) is at most Benjamini and Hochberg's bound at ``rate`` over all columns that have one. A column with
    a fault does not drift and is not counted."""
    p_values = [p for column in columns if (p := _p_value(column)) is not None]
    critical = benjamini_hochberg(p_values, rate)
    return [
        replace(
            column,
            drifts=(p := _p_value(column)) is not None and p <= critical and column.value >= column.threshold,
        )
        for column in columns
    ]


def judged_quality(columns: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """Columns with ``worse`` set: rises whose p-value is at most Benjamini and Hochberg's bound at ``FALSE_ALARM_RATE`` over
    all shares that are tested, apart from drift."""
    critical = benjamini_hochberg([p for column in columns for p in column.rises.values()], FALSE_ALARM_RATE)
    return [
        replace(column, worse=tuple(share for share, p in column.rises.items() if p <= critical))
        for column in columns
    ]


def _p_value(column: ColumnDrift) -> float | None:
    if not column.statistic:
        return None
    return column.statistics.get("ks_p" if column.kind == "number" else "permutation_p")

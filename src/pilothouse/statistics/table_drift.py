"""Drift of two tables of raw values, column by column: exact figures, and a ``fault`` where a column cannot be
compared.

A bad column (empty, of another type, absent) does not affect the others. The verdict rests on effect size and a test
against sampling alone: two tables do not show how the reference varies from week to week, which monitoring learns.
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

FALSE_ALARM_RATE = 0.01
"""Expected share of false findings among a table's drifting columns (Benjamini and Hochberg 1995, J. Royal
Statistical Society B 57:289); where nothing has changed, the probability that any column drifts."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """Drift of one column of two tables. ``statistic`` is the one that decides; it is empty where nothing could be
    compared, and ``fault`` says why. ``statistics`` are all. ``missing`` and ``unseen`` are shares of current's rows,
    0 to 1."""

    column: str
    kind: str
    statistic: str = ""
    value: float = math.nan
    threshold: float = math.nan
    drifts: bool = False
    fault: str = ""
    statistics: Mapping[str, float] = field(default_factory=dict)
    reference_rows: int = 0
    rows: int = 0
    reference_missing: float = 0.0
    missing: float = 0.0
    unseen: float = 0.0
    worse: tuple[str, ...] = ()
    """Names among ``missing`` and ``unseen`` of the shares that have risen significantly and by EFFECT or more."""
    chunks: tuple[tuple[float, bool], ...] = ()
    """(value, alert) of each part of current, for rules that judge it in parts."""


Columns = Mapping[str, Sample | None]
"""Columns by name; None for a column of a type that is not compared (times, lists)."""


def table_drift(reference: Columns, current: Columns) -> list[ColumnDrift]:
    """Drift of every column by Pilothouse's own rules, judged together (``judged``), in the reference's order with
    columns that only current has last. Raises nothing: what cannot be compared has a ``fault``."""
    columns = [column_drift(name, reference, current) for name in column_names(reference, current)]
    return judged(columns)


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
        return ColumnDrift(name, "other", fault="is neither number nor text: not compared")
    if before is None or now is None or kind_of(before) != kind_of(now):
        kinds = [kind_of(sample) if sample else "of another type" for sample in (before, now)]
        return ColumnDrift(name, kinds[0], fault=f"changed its type: it was {kinds[0]}, now it is {kinds[1]}")
    description = ColumnDrift(
        name,
        kind_of(before),
        reference_rows=before.rows,
        rows=now.rows,
        reference_missing=missing_share(before),
        missing=missing_share(now),
        unseen=unseen_share(before, now),
    )
    description = replace(description, worse=_worse(description))
    for sample, where in ((before, "the reference"), (now, "current")):
        if not present(sample):
            return replace(description, fault=f"is empty in {where}")
    return description


def _worse(description: ColumnDrift) -> tuple[str, ...]:
    """Shares that have risen by EFFECT with a two-sided p-value of at most FALSE_ALARM_RATE. Numbers out of range are
    drift, and not counted as unseen here."""
    shares = [("missing", description.reference_missing, description.missing)]
    if description.kind != "number":
        shares.append(("unseen", 0.0, description.unseen))
    return tuple(
        name
        for name, before, now in shares
        if now >= before + EFFECT[name]
        and distances.two_proportion_z(
            round(before * description.reference_rows),
            description.reference_rows,
            round(now * description.rows),
            description.rows,
        )[1]
        <= FALSE_ALARM_RATE
    )


def column_drift(name: str, reference: Columns, current: Columns) -> ColumnDrift:
    """Exact statistics of one column, without a verdict: ``statistic`` is the one among ks, wasserstein and js that
    is largest in units of its EFFECT, ``threshold`` that EFFECT. A ``fault`` replaces them where the column cannot be
    compared."""
    description = describe(name, reference, current)
    before, now = reference.get(name), current.get(name)
    if description.fault or before is None or now is None:
        return description
    statistics = sample_statistics(before, now)
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
    """Columns with ``drifts`` set: ``value`` is at least ``threshold``, and the p-value (of ks or chi-square) is at most
    Benjamini and Hochberg's bound at ``rate`` over all columns that have one (1995, J. Royal Statistical Society B
    57:289). A column with a fault or fewer than ``calibration.FEWEST_ROWS`` usable rows does not drift and is not
    counted."""
    p_values = [p for column in columns if (p := _p_value(column)) is not None]
    critical = benjamini_hochberg(p_values, rate)
    return [
        replace(
            column,
            drifts=(p := _p_value(column)) is not None and p <= critical and column.value >= column.threshold,
        )
        for column in columns
    ]


def _p_value(column: ColumnDrift) -> float | None:
    if not column.statistic or column.rows * (1 - column.missing) < FEWEST_ROWS:
        return None
    return column.statistics.get("ks_p" if column.kind == "number" else "chi2_p")

"""Drift of one column after another, by the definitions: what ``window_drift`` of all columns at once is held against."""

import math
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import AnyArray
from pilothouse.statistics.distances.distances import (
    areas_of_laid,
    bin_sizes,
    chi_square,
    jensen_shannon,
    ks_of_counts,
    ks_p_value,
    l_infinity,
    lay,
    psi,
    shares,
    wasserstein_of_laid,
)
from pilothouse.statistics.distances.drift import group_starts, grouped, inside, missing_share, scale_of
from pilothouse.statistics.distances.ranks import rank_scores, rank_statistics
from pilothouse.statistics.profiles.profile import Histogram, Profile, histogram
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Column,
    NumericColumn,
    ProfileSpecification,
)


def column_drift(
    specification: ProfileSpecification, feature: str, reference: Profile, current: Profile
) -> dict[str, float]:
    """Every statistic that fits a column, as ``window_drift`` names them."""
    column = specification.by_name[feature]
    r, c = (histogram(specification, profile, feature) for profile in (reference, current))
    starts = group_starts(column, r.counts)
    groups = grouped(r.counts, starts), grouped(c.counts, starts)
    values = {"psi": float(psi(*groups)), "js": float(jensen_shannon(*groups))}
    if isinstance(column, NumericColumn):
        d = float(ks_of_counts(r.counts, c.counts))
        distance = wasserstein_of_counts(column, (r.counts, r.positions), (c.counts, c.positions))
        values |= {
            "ks": d,
            "ks_p": ks_p_value(d, r.present, c.present),
            "wasserstein": float(distance) / scale_of(column, r),
            "within": _within(column, r, c),
        }
        ranks = rank_statistics(rank_scores(r.counts), shares(c.counts))
        values |= {name: float(value) for name, value in ranks.items()}
    else:
        values["l_infinity"] = float(l_infinity(r.counts, c.counts))
        values["chi2"], values["chi2_p"] = map(float, chi_square(r.counts, c.counts))
    values = {name: value for name, value in values.items() if math.isfinite(value)}
    return values | {"missing": missing_share(c), "unseen": unseen_share(column, r, c)}


def _within(column: NumericColumn, reference: Histogram, current: Histogram) -> float:
    """Wasserstein's distance with every value beyond the reference's smallest or largest taken as that one; NaN where
    a side is empty."""
    if not column.edges.size or not reference.present or not current.present:
        return math.nan
    sizes = bin_sizes(column)
    sides = [lay(*sizes, side.counts, side.positions) for side in (reference, current)]
    areas = areas_of_laid(sizes[0], *sides)
    return float((areas * inside(reference.counts)[1:-1]).sum()) / scale_of(column, reference)


def wasserstein_of_counts(
    column: NumericColumn,
    reference: tuple[AnyArray, AnyArray],
    current: tuple[AnyArray, AnyArray],
) -> Any:
    """First Wasserstein distance of two sides (counts, positions), each [..., bins] → [...], in units of the column's
    span. NaN where a side is empty or the column has no edges."""
    if not column.edges.size:
        return np.full(np.broadcast_shapes(reference[0].shape, current[0].shape)[:-1], np.nan)
    width, unit = bin_sizes(column)
    return wasserstein_of_laid(width, lay(width, unit, *reference), lay(width, unit, *current))


def unseen_share(column: Column, reference: Histogram, current: Histogram) -> float:
    """Share of all rows that lie outside the reference's range, or in categories that the reference does not hold, 0
    to 1; 0 where either side is empty."""
    if not current.rows or not reference.present:
        return 0.0
    if isinstance(column, CategoricalColumn):
        return float(current.counts[reference.counts == 0].sum()) / current.rows
    filled = np.flatnonzero(reference.counts)
    outside = current.counts[: filled[0]].sum() + current.counts[filled[-1] + 1 :].sum()
    return float(outside) / current.rows

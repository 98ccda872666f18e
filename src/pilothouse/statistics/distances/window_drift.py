"""Drift of all columns of a window at once, with a fiftieth of the numpy calls that one column after another takes.

The numeric columns' bins lie side by side, [columns, bins], each column's overflow bin last and bins of width 0
without counts between, so that every statistic of ``distances`` works on all of them together.
"""

import math
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances import distances
from pilothouse.statistics.distances.drift import group_starts, inside, missing_share, scale_of
from pilothouse.statistics.distances.ranks import RankScores, rank_scores, rank_statistics
from pilothouse.statistics.profiles.profile import Profile, histogram
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
)


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Numeric columns of a similar number of bins, [columns, bins]. ``cells`` are numbers of cells (one past the
    last where a column has no such bin), ``group`` numbers each bin's group through all columns, ``inside`` marks the
    bins of the reference's range."""

    columns: tuple[NumericColumn, ...]
    cells: Ints
    group: Ints
    groups: int
    inside: Floats
    width: Floats
    unit: Floats
    scale: Floats
    rows: Ints
    laid: distances.Laid
    grouped: Ints
    ranks: RankScores


@dataclass(frozen=True, slots=True, eq=False)
class _Categories:
    """Categorical columns side by side, [columns, bins]; ``cells`` as in ``_Stack``."""

    columns: tuple[CategoricalColumn, ...]
    cells: Ints
    counts: Ints


@dataclass(frozen=True, slots=True, eq=False)
class PreparedReference:
    """Reference profile laid out for comparison with many windows."""

    specification: ProfileSpecification
    profile: Profile
    numeric: tuple[_Stack, ...]
    categorical: "_Categories"


def prepare(specification: ProfileSpecification, reference: Profile) -> PreparedReference:
    """Reference profile laid out for ``window_drift``. Deterministic; an empty profile is legal."""
    numeric = sorted(
        (c for c in specification.columns if isinstance(c, NumericColumn) and c.edges.size),
        key=lambda column: column.bins,
    )
    stacks: list[list[NumericColumn]] = []
    for column in numeric:
        # bins are padded to the widest of a stack, so a stack takes only columns of up to 30 % more bins than its first
        if not stacks or column.bins > 1.3 * stacks[-1][0].bins + 50:
            stacks.append([])
        stacks[-1].append(column)
    return PreparedReference(
        specification,
        reference,
        tuple(_stack(specification, reference, tuple(columns)) for columns in stacks),
        _categories(specification, reference),
    )


def _categories(specification: ProfileSpecification, reference: Profile) -> _Categories:
    columns = tuple(c for c in specification.columns if isinstance(c, CategoricalColumn))
    shape = len(columns), max((column.bins for column in columns), default=0)
    cells = np.full(shape, specification.cells, np.int64)
    for i, column in enumerate(columns):
        cells[i, : column.bins] = specification.layout[column.name].start + np.arange(column.bins)
    return _Categories(columns, cells, _dense(specification, reference)[0][cells])


def _stack(
    specification: ProfileSpecification, reference: Profile, columns: tuple[NumericColumn, ...]
) -> _Stack:
    """Layout of numeric columns side by side, with the reference's side of each comparison."""
    bins = max(column.bins for column in columns)
    shape = len(columns), bins
    cells = np.full(shape, specification.cells, np.int64)
    group = np.zeros(shape, np.int64)
    width, unit = np.zeros((len(columns), bins - 2)), np.zeros(shape)
    scale, within = np.ones(len(columns)), np.zeros(shape)
    score, square = np.zeros(shape), np.zeros(shape)
    below, above = np.zeros(shape), np.zeros(shape)
    for i, column in enumerate(columns):
        of_reference = histogram(specification, reference, column.name)
        # the overflow bin in the last place, where ``lay`` expects what lies beyond the last edge
        order = np.append(np.arange(column.bins - 1), bins - 1)
        cells[i, order] = specification.layout[column.name].start + np.arange(column.bins)
        starts = group_starts(column, of_reference.counts)
        group[i, order] = np.searchsorted(starts, np.arange(column.bins), side="right") - 1
        width[i, : column.bins - 2], unit[i, order] = distances.bin_sizes(column)
        scale[i] = scale_of(column, of_reference)
        within[i, order] = inside(of_reference.counts)
        ranks = rank_scores(of_reference.counts)
        score[i, order], square[i, order] = ranks.score, ranks.square
        below[i, order], above[i, order] = ranks.below, ranks.above
    groups = int(group.max(initial=0)) + 1
    # numbered through all columns, so that one bincount sums the groups of all
    group += groups * np.arange(len(columns))[:, None]
    dense, moved = _dense(specification, reference)
    counts = dense[cells]
    return _Stack(
        columns,
        cells,
        group,
        groups,
        within,
        width,
        unit,
        scale,
        counts.sum(axis=1),
        distances.lay(width, unit, counts, moved[cells]),
        _grouped(group, groups, counts),
        RankScores(score, square, below, above),
    )


def _dense(specification: ProfileSpecification, profile: Profile) -> tuple[Ints, Ints]:
    """Counts and positions of a profile in all cells, int64[cells + 1] each; the last cell is a dummy that holds none."""
    counts, positions = (np.zeros(specification.cells + 1, np.int64) for _ in range(2))
    counts[profile.cells], positions[profile.cells] = profile.counts, profile.positions
    return counts, positions


def _grouped(group: Ints, groups: int, counts: Ints) -> Ints:
    """Counts int64[columns, bins] summed over each column's groups → int64[columns, groups]; groups that a column
    lacks hold 0."""
    size = len(counts) * groups
    flat = np.bincount(group.ravel(), weights=counts.ravel(), minlength=size)
    return flat.reshape(len(counts), groups).astype(np.int64)


def window_drift(reference: PreparedReference, current: Profile) -> dict[str, dict[str, float]]:
    """Every statistic that fits a column of a window, and the shares of rows ``missing`` and ``unseen``, 0 to 1, by
    column in the specification's order. ``current`` must be of the reference's specification.

    Numbers: ``psi``, ``js``, ``ks``, ``ks_p``, ``wasserstein`` (in the reference's standard deviations), ``within``
    (the same with values clipped to the reference's range) and ``ranks.RANKS``. Categories: ``psi``, ``js``,
    ``l_infinity``, ``chi2``, ``chi2_p``. ``unseen`` is the share beyond the reference's range, or of categories that
    it does not hold. A statistic that is not finite (an empty side) is left out.
    """
    specification = reference.specification
    dense, moved = _dense(specification, current)
    by_column: dict[str, dict[str, float]] = {}
    for stack in reference.numeric:
        by_column |= _numbers(specification, stack, dense, moved)
    if reference.categorical.columns:
        by_column |= _texts(specification, reference.categorical, dense)
    for name in specification.by_name:
        if name not in by_column:
            by_column[name] = _without_edges(specification, name, reference.profile, current)
    return {name: by_column[name] for name in specification.by_name}


def _numbers(
    specification: ProfileSpecification, stack: _Stack, dense: Ints, moved: Ints
) -> dict[str, dict[str, float]]:
    """Statistics of a stack's columns in a window, by column and name; ``dense`` and ``moved`` are its counts and
    positions a cell."""
    counts = dense[stack.cells]
    rows = counts.sum(axis=1)
    laid = distances.lay(stack.width, stack.unit, counts, moved[stack.cells])
    d = distances.ks_of_laid(stack.laid, laid)
    areas = distances.areas_of_laid(stack.width, stack.laid, laid)
    w = distances.wasserstein_of_areas(areas, stack.laid, laid) / stack.scale
    within = np.einsum("ij,ij->i", areas, stack.inside[:, 1:-1]) / stack.scale
    ranks = rank_statistics(stack.ranks, distances.shares(counts))
    groups = stack.grouped, _grouped(stack.group, stack.groups, counts)
    psi, js = distances.psi(*groups), distances.jensen_shannon(*groups)
    outside = rows - (counts * stack.inside).sum(axis=1)
    by_column = {}
    for i, column in enumerate(stack.columns):
        missing = int(dense[specification.layout[column.name].missing])
        total = int(rows[i]) + missing
        by_column[column.name] = _finite(
            psi=float(psi[i]),
            js=float(js[i]),
            ks=float(d[i]),
            ks_p=distances.ks_p_value(float(d[i]), int(stack.rows[i]), int(rows[i])),
            wasserstein=float(w[i]),
            within=float(within[i]),
            **{name: float(values[i]) for name, values in ranks.items()},
        ) | {
            "missing": missing / total if total else 0.0,
            "unseen": float(outside[i]) / total if total and stack.rows[i] else 0.0,
        }
    return by_column


def _without_edges(
    specification: ProfileSpecification, name: str, reference: Profile, current: Profile
) -> dict[str, float]:
    """Statistics of a number of which the specification's rows had no value to put an edge at: one bin holds all."""
    before, now = (histogram(specification, profile, name) for profile in (reference, current))
    counts = before.counts, now.counts
    d = float(distances.ks_of_counts(*counts))
    ranks = rank_statistics(rank_scores(before.counts), distances.shares(now.counts))
    return _finite(
        psi=float(distances.psi(*counts)),
        js=float(distances.jensen_shannon(*counts)),
        ks=d,
        ks_p=distances.ks_p_value(d, before.present, now.present),
        **{name: float(value) for name, value in ranks.items()},
    ) | {"missing": missing_share(now), "unseen": 0.0}


def _texts(
    specification: ProfileSpecification, stack: _Categories, dense: Ints
) -> dict[str, dict[str, float]]:
    """Statistics of the categorical columns in a window, by column and name; ``dense`` are its counts a cell."""
    before, now = stack.counts, dense[stack.cells]
    psi, js = distances.psi(before, now), distances.jensen_shannon(before, now)
    farthest = distances.l_infinity(before, now)
    chi2, chi2_p = distances.chi_square(before, now)
    present, reference_rows = now.sum(axis=1), before.sum(axis=1)
    unseen = (now * (before == 0)).sum(axis=1)
    by_column = {}
    for i, column in enumerate(stack.columns):
        missing = int(dense[specification.layout[column.name].missing])
        total = int(present[i]) + missing
        by_column[column.name] = _finite(
            psi=float(psi[i]),
            js=float(js[i]),
            l_infinity=float(farthest[i]),
            chi2=float(chi2[i]),
            chi2_p=float(chi2_p[i]),
        ) | {
            "missing": missing / total if total else 0.0,
            "unseen": float(unseen[i]) / total if total and reference_rows[i] else 0.0,
        }
    return by_column


def _finite(**values: float) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}

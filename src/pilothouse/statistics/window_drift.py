"""The drift of all columns of a window at once, from profiles: what ``drift.column_drift`` gives for each, in a fiftieth of
the calls.

The numeric columns' bins are laid side by side, [columns, bins], each column's overflow bin last and bins of width 0
without counts between, so that every statistic of ``distances`` works on all of them together.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import distances
from .arrays import Flags, Floats, Ints
from .drift import chi_square, column_drift, group_starts, grouped, missing_share, scale_of, unseen_share
from .profile import Histogram, Profile, histogram
from .specification import CategoricalColumn, NumericColumn, ProfileSpecification


@dataclass(frozen=True, slots=True, eq=False)
class PreparedReference:
    """A reference profile made ready for many windows. ``places`` [columns, bins] are cells (the dummy after the last where
    there is none), ``group`` [columns, bins] each bin's group, ``inside`` the bins of the reference's range."""

    specification: ProfileSpecification
    profile: Profile
    columns: tuple[NumericColumn, ...]
    places: Ints
    group: Ints
    groups: int
    counts: Ints
    positions: Ints
    width: Floats
    unit: Floats
    scale: Floats
    inside: Flags
    categorical: tuple[tuple[CategoricalColumn, Histogram], ...]


def prepare(specification: ProfileSpecification, reference: Profile) -> PreparedReference:
    """Lay a reference profile out."""
    columns = tuple(c for c in specification.columns if isinstance(c, NumericColumn) and c.edges.size)
    bins = max((column.bins for column in columns), default=2)
    shape = len(columns), bins
    places = np.full(shape, specification.cells, np.int64)
    group = np.zeros(shape, np.int64)
    width, unit = np.zeros((len(columns), bins - 2)), np.zeros(shape)
    scale, inside = np.ones(len(columns)), np.zeros(shape, np.bool_)
    for i, column in enumerate(columns):
        held = histogram(specification, reference, column.name)
        order = np.append(np.arange(column.bins - 1), bins - 1)
        places[i, order] = specification.layout[column.name].start + np.arange(column.bins)
        starts = group_starts(column, held.counts)
        group[i, order] = np.searchsorted(starts, np.arange(column.bins), side="right") - 1
        width[i, : column.bins - 2], unit[i, order] = distances.bin_sizes(column)
        scale[i] = scale_of(column, held)
        counted = np.flatnonzero(held.counts)
        if counted.size:
            inside[i, order[counted[0] : counted[-1] + 1]] = True
    counts, positions = _dense(specification, reference)
    groups = int(group.max(initial=0)) + 1
    return PreparedReference(
        specification,
        reference,
        columns,
        places,
        group + groups * np.arange(len(columns))[:, None],
        groups,
        counts[places],
        positions[places],
        width,
        unit,
        scale,
        inside,
        tuple(
            (column, histogram(specification, reference, column.name))
            for column in specification.columns
            if isinstance(column, CategoricalColumn)
        ),
    )


def _dense(specification: ProfileSpecification, profile: Profile) -> tuple[Ints, Ints]:
    counts, positions = (np.zeros(specification.cells + 1, np.int64) for _ in range(2))
    counts[profile.cells], positions[profile.cells] = profile.counts, profile.positions
    return counts, positions


def window_drift(reference: PreparedReference, current: Profile) -> dict[str, dict[str, float]]:
    """Every column's statistics by name, as ``drift.column_drift`` gives them one by one."""
    specification = reference.specification
    dense, moved = _dense(specification, current)
    counts, positions = dense[reference.places], moved[reference.places]
    rows, base_rows = counts.sum(axis=1), reference.counts.sum(axis=1)
    d = distances.ks_of_counts(reference.counts, counts)
    w = distances.wasserstein_of_bins(
        reference.width, reference.unit, (reference.counts, reference.positions), (counts, positions)
    )
    before, now = _grouped(reference, reference.counts), _grouped(reference, counts)
    psi, js = distances.psi(before, now), distances.jensen_shannon(before, now)
    outside = np.where(reference.inside, 0, counts).sum(axis=1)
    found: dict[str, dict[str, float]] = {}
    for i, column in enumerate(reference.columns):
        missing = int(dense[specification.layout[column.name].missing])
        total = int(rows[i]) + missing
        found[column.name] = _finite(
            psi=float(psi[i]),
            js=float(js[i]),
            ks=float(d[i]),
            ks_p=distances.ks_p_value(float(d[i]), int(base_rows[i]), int(rows[i])),
            wasserstein=float(w[i] / reference.scale[i]),
        ) | {
            "missing": missing / total if total else 0.0,
            "unseen": float(outside[i]) / total if total and base_rows[i] else 0.0,
        }
    for category, held in reference.categorical:
        found[category.name] = _category(category, held, histogram(specification, current, category.name))
    for left in specification.columns:
        if left.name not in found:  # the reference had no value to put an edge at
            found[left.name] = column_drift(specification, left.name, reference.profile, current)
    return {column.name: found[column.name] for column in specification.columns}


def _grouped(reference: PreparedReference, counts: Ints) -> Ints:
    """Counts [columns, bins] summed over each column's groups, [columns, groups]; groups that it lacks hold 0."""
    shape = len(reference.columns), reference.groups
    flat = np.bincount(reference.group.ravel(), weights=counts.ravel(), minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.int64)


def _category(column: CategoricalColumn, before: Histogram, now: Histogram) -> dict[str, float]:
    chi2, p_value = chi_square(before.counts, now.counts)
    starts = group_starts(column, before.counts)
    r, c = grouped(before.counts, starts), grouped(now.counts, starts)
    return _finite(
        psi=float(distances.psi(r, c)),
        js=float(distances.jensen_shannon(r, c)),
        l_infinity=float(distances.l_infinity(before.counts, now.counts)),
        chi2=chi2,
        chi2_p=p_value,
    ) | {"missing": missing_share(now), "unseen": unseen_share(column, before, now)}


def _finite(**values: float) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}

"""Shares of a column's rows by group of values: which have changed most since the reference."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pilothouse.statistics.profiles.profile import Histogram
from pilothouse.statistics.profiles.specification import CategoricalColumn, Column, NumericColumn

GROUPS = 8
"""Groups of about equal reference mass into which a number's bins are gathered."""


@dataclass(frozen=True, slots=True)
class Share:
    """Group of values with its share of the rows that have a value, or of all rows for "missing"; 0 to 1."""

    label: str
    reference: float
    window: float


def changed_shares(column: Column, reference: Histogram, window: Histogram, most: int = 6) -> list[Share]:
    """Groups whose shares differ most between a reference and a window, at most ``most`` of them, largest difference
    first; a group that is empty on both sides is left out. Empty where either side has no row with a value."""
    if not reference.present or not window.present:
        return []
    shares = (
        _of_categories(column, reference, window)
        if isinstance(column, CategoricalColumn)
        else _of_numbers(column, reference, window)
    )
    shares.append(Share("missing", reference.missing / reference.rows, window.missing / window.rows))
    shares = [share for share in shares if share.reference or share.window]
    return sorted(shares, key=lambda s: -abs(s.window - s.reference))[:most]


def _of_categories(column: CategoricalColumn, reference: Histogram, window: Histogram) -> list[Share]:
    names = [*column.categories, "any other"]
    before, after = reference.counts / reference.present, window.counts / window.present
    return [Share(name, float(a), float(b)) for name, a, b in zip(names, before, after, strict=True)]


def _of_numbers(column: NumericColumn, reference: Histogram, window: Histogram) -> list[Share]:
    """Shares below the reference's range, in groups of bins of about equal reference mass, and above its range."""
    edges = column.edges
    if edges.size < 2:
        return []
    inner = reference.counts[1:-1]
    between = np.searchsorted(np.cumsum(inner), np.arange(1, GROUPS) * inner.sum() / GROUPS) + 1
    cuts = np.unique(np.concatenate(([0], between, [len(inner)])))
    before, after = reference.counts / reference.present, window.counts / window.present
    groups = [Share(f"below {edges[0]:.4g}", float(before[0]), float(after[0]))]
    for first, last in pairwise(cuts):
        low, high = float(edges[first]), float(edges[last])
        label = f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"{low:.4g} to {high:.4g}"
        groups.append(
            Share(label, float(before[first + 1 : last + 1].sum()), float(after[first + 1 : last + 1].sum()))
        )
    return [*groups, Share(f"{edges[-1]:.4g} or more", float(before[-1]), float(after[-1]))]

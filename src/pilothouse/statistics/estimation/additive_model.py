"""Additive model: a sum of functions, one of each column, over the cells of a profile; fitted on rows, read from
histograms.

Of a number the function is linear between knots at the quantiles of the rows it was fitted on and constant beyond the
outermost, or constant in groups of them; of a category, and of a missing value, it is a number of its own. Because
the sum is additive over cells, its mean over a window is a dot product with the window's histograms: exact, whatever
the number of events.

Fitted by penalised least squares: second differences of neighbouring knots (P-splines; Eilers and Marx 1996,
Statistical Science 11:89) bend a function only where rows ask for it and let it go on straight into a thin tail; a
ridge draws all values towards 0.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints, frozen
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
)

_BEND = (1.0, -2.0, 1.0)
"""Coefficients of a second difference."""
_ZERO = np.float64(0.0)
"""Start of a sum: from a float of Python's own, ``sum`` rounds otherwise before Python 3.12 than since."""
CATEGORIES = 24
"""Terms of a categorical column: one for each of the most frequent categories, the last for all others together."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Basis of an additive model over the cells of a profile. A cell stands for term ``first`` (int64[cells]) but for
    ``share`` (float64[cells]), which is the next term's. ``bends`` (int64[k]) are terms whose second difference with
    the two after them is penalised."""

    first: Ints
    share: Floats
    terms: int
    bends: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def masses(self, cells: Ints, counts: Ints) -> Floats:
        """Mass of each term in a histogram (``counts`` int64[k] in ``cells`` int64[k]), float64[terms]; all columns
        count together."""
        share = self.share[cells] * counts
        first = self.first[cells]
        own = np.bincount(first, weights=counts - share, minlength=self.terms)
        return np.asarray(
            own + np.bincount(first + 1, weights=share, minlength=self.terms + 1)[:-1], np.float64
        )

    def design(self, cells: Ints) -> Floats:
        """Design matrix of rows (``cells`` int64[columns, n]), float64[n, terms]."""
        n = cells.shape[1]
        matrix = np.zeros((n, self.terms + 1))
        rows = np.arange(n)
        for column in cells:
            share = self.share[column]
            matrix[rows, self.first[column]] = 1.0 - share
            matrix[rows, self.first[column] + 1] += share
        return matrix[:, :-1]


def basis_of(specification: ProfileSpecification, cells: Ints, parts: int, *, steps: bool = False) -> Basis:
    """Basis for rows that lie in ``cells`` (int64[columns, n], ``profile.cells_of``). A number has at most ``parts``
    knots; with ``steps`` so many groups of about equal mass, and a function constant in each. A column without a
    value has one term for all its bins and one for missing."""
    first, share = np.zeros(specification.cells, np.int64), np.zeros(specification.cells)
    bends: list[int] = []
    next_term = 0
    for i, column in enumerate(specification.columns):
        where = specification.layout[column.name]
        own = slice(where.start, where.start + where.bins)
        counts = np.bincount(cells[i] - where.start, minlength=where.bins + 1)[: where.bins]
        if isinstance(column, CategoricalColumn):
            # rank of each category by frequency, 0 for the most frequent
            rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
            positions, knots = np.minimum(rank, CATEGORIES - 1).astype(np.float64), 0
        else:
            positions, knots = (_steps(counts, parts), 0) if steps else _knot_positions(column, counts, parts)
        whole = np.floor(positions).astype(np.int64)
        first[own], share[own] = next_term + whole, positions - whole
        bends += range(next_term, next_term + knots - 2)
        first[where.missing] = next_term + int(np.ceil(positions.max(initial=0.0))) + 1
        next_term = int(first[where.missing]) + 1
    return Basis(frozen(first), frozen(share), next_term, frozen(np.array(bends, np.int64)))


def _knot_positions(column: NumericColumn, counts: Ints, most: int) -> tuple[Floats, int]:
    """Position of each bin among the column's knots, float64[bins] from 0 to knots − 1, and the number of knots."""
    filled = np.flatnonzero(counts)
    if not filled.size:
        return np.zeros(column.bins), 1
    shares = np.cumsum(counts[filled]) / counts.sum()
    at = filled[np.minimum(np.searchsorted(shares, np.linspace(0.0, 1.0, most)), len(filled) - 1)]
    knots = np.unique(column.anchors[at])
    return np.interp(column.anchors, knots, np.arange(len(knots), dtype=np.float64)), len(knots)


def _steps(counts: Ints, most: int) -> Floats:
    """Group of each bin, float64[bins] of whole numbers. Nothing ties a group to the next: there a function may jump."""
    centre = np.cumsum(counts) - 0.5 * counts
    cut = np.clip(np.floor(centre / max(counts.sum(), 1) * most), 0, most - 1)
    return np.unique(cut, return_inverse=True)[1].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of rows that a fit needs: ``size``, sums of the terms (float64[terms]), of their products
    (float64[terms, terms]), of the outcome with them (float64[terms]), of the outcome, and of its square. Moments of
    disjoint rows add up."""

    size: float
    terms: Floats
    products: Floats
    together: Floats
    outcome: float
    square: float


def moments_of(design: Floats, outcome: Floats) -> Moments:
    """Moments of rows: ``design`` float64[n, terms], ``outcome`` float64[n], all finite; n may be 0."""
    return Moments(
        float(len(outcome)), design.sum(axis=0), design.T @ design, design.T @ outcome,
        float(outcome.sum()), float(outcome @ outcome),
    )  # fmt: skip


def weigh(parts: list[Moments], weights: Floats) -> Moments:
    """Moments of all parts, each counted ``weights`` (float64[parts]) times. At least one weight must differ from 0."""
    counted = [(part, float(weight)) for part, weight in zip(parts, weights, strict=True) if weight]
    sums: list[Any] = [
        sum((w * getattr(part, name) for part, w in counted), _ZERO) for name in Moments.__slots__
    ]
    return Moments(*sums)


def fit(basis: Basis, rows: Moments, bending: float, ridge: float) -> tuple[float, Floats]:
    """Constant and value of each term (float64[terms]) of a penalised least-squares fit: the normal equations of
    centred terms with ``bending`` times the squared second differences (P-splines, Eilers and Marx 1996) and
    ``ridge`` times the squared values (Hoerl and Kennard 1970, Technometrics 12:55) added. Penalties are in rows; a
    ``ridge`` above 0 makes the system regular."""
    means, centre = rows.terms / rows.size, rows.outcome / rows.size
    products = rows.products - np.outer(means, rows.terms)
    for i, a in enumerate(_BEND):
        for j, b in enumerate(_BEND):
            products[basis.bends + i, basis.bends + j] += bending * a * b
    products[np.diag_indices_from(products)] += ridge
    values = np.linalg.solve(products, rows.together - centre * rows.terms)
    return centre - float(means @ values), np.asarray(values, np.float64)


def squared_error(rows: Moments, constant: float, values: Floats) -> float:
    """Sum of squared residuals of a fit over rows, from their moments; in the outcome's unit squared."""
    fitted = float(values @ rows.products @ values) + 2 * constant * float(values @ rows.terms)
    cross = float(values @ rows.together) + constant * rows.outcome
    return rows.square - 2 * cross + fitted + constant**2 * rows.size

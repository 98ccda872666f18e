"""Samples: one column's raw values, outside of any profile, as numbers or as coded categories."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Numeric sample: ``values`` float64[n], NaN where missing; ``integers`` where the source holds whole numbers and
    none is missing."""

    values: Floats
    integers: bool = False

    @property
    def rows(self) -> int:
        """Number of rows, missing ones too."""
        return len(self.values)

    @property
    def finite(self) -> Floats:
        """Values that are finite, float64[k], in their order."""
        return self.values[np.isfinite(self.values)]

    def part(self, rows: slice) -> "Numbers":
        """Sample of a slice of the rows."""
        return Numbers(self.values[rows], self.integers)


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """Categorical sample: ``codes`` int64[n] are positions in ``names`` (each name once), −1 where missing."""

    codes: Ints
    names: tuple[str, ...]
    kind: Literal["text", "boolean"] = "text"

    @property
    def rows(self) -> int:
        """Number of rows, missing ones too."""
        return len(self.codes)

    def part(self, rows: slice) -> "Categories":
        """Sample of a slice of the rows, under the same names."""
        return Categories(self.codes[rows], self.names, self.kind)


Sample = Numbers | Categories


def kind_of(sample: Sample) -> str:
    """Kind of a sample's values: "number", "text" or "boolean"."""
    return "number" if isinstance(sample, Numbers) else sample.kind


def present(sample: Sample) -> int:
    """Number of rows with a usable value: finite, or not missing."""
    if isinstance(sample, Numbers):
        return int(np.isfinite(sample.values).sum())
    return int((sample.codes >= 0).sum())


def missing_share(sample: Sample) -> float:
    """Share of rows without a usable value, 0 to 1; 0 where there are no rows."""
    return 1 - present(sample) / sample.rows if sample.rows else 0.0


def value_counts(reference: Sample, current: Sample) -> tuple[Ints, Ints]:
    """Counts of each distinct value in either sample, over the values that occur in one of them, each int64[k]:
    numbers in increasing order, texts in the reference's order with new ones last. Missing and infinite values are
    left out. Both samples must be of one kind."""
    if isinstance(reference, Numbers) and isinstance(current, Numbers):
        first, second = reference.finite, current.finite
        distinct, index = np.unique(np.concatenate((first, second)), return_inverse=True)
        return (
            np.bincount(index[: len(first)], minlength=len(distinct)),
            np.bincount(index[len(first) :], minlength=len(distinct)),
        )
    assert isinstance(reference, Categories)
    assert isinstance(current, Categories)
    code_of = {name: i for i, name in enumerate(reference.names)}
    for name in current.names:
        code_of.setdefault(name, len(code_of))
    moved = np.array([code_of[name] for name in current.names], np.int64)
    counts = (
        np.bincount(reference.codes[reference.codes >= 0], minlength=len(code_of)),
        np.bincount(moved[current.codes[current.codes >= 0]], minlength=len(code_of))
        if len(moved)
        else np.zeros(len(code_of), np.int64),
    )
    occurs = (counts[0] + counts[1]) > 0
    return counts[0][occurs], counts[1][occurs]


def unseen_share(reference: Sample, current: Sample) -> float:
    """Share of current's rows that lie outside the reference's range, or in categories that it does not hold, 0 to 1;
    0 where current has no rows or the reference no value."""
    if not current.rows or not present(reference):
        return 0.0
    if isinstance(reference, Numbers) and isinstance(current, Numbers):
        low, high, values = reference.finite.min(), reference.finite.max(), current.finite
        return float(((values < low) | (values > high)).sum()) / current.rows
    before, now = value_counts(reference, current)
    return float(now[before == 0].sum()) / current.rows

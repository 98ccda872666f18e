"""Power: the smallest change of a column that its tests would have found in a window.

A number's mean is shifted, a category's share moved, until a statistic of the reference so changed reaches its threshold.
What the window does by itself may lie the other way: its level by as much as is exceeded in one window of four is added, so
that a change of the size that is named is found in three windows of four.

- A number is translated. Where most of its rows hold values that have a bin of their own (counts, grades, 0 and 1), these
  values stay and their shares change (exponential tilting), since no row would have a value between. Wasserstein's distance is
  the shift itself in both cases: all mass moves one way.
- A category takes its rows from all others in proportion, by which a given move changes a distance least: Jensen–Shannon's is
  then that of the two cells *this one* and *any other*. A frequent one grows towards one half, a more frequent one shrinks: the
  direction in which a move shows least.

Of both directions, and of all categories looked at, the one that shows least counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pilothouse.domain.monitoring.findings import Power
from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.distances.distances import jensen_shannon
from pilothouse.statistics.distances.drift import scale_of
from pilothouse.statistics.distances.ranks import rank_scores
from pilothouse.statistics.profiles.profile import Histogram, Profile, bin_means, histogram
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    NumericColumn,
    ProfileSpecification,
)
from pilothouse.statistics.significance.calibration import EFFECT
from pilothouse.statistics.significance.column_tests import RECENT_PREFIX, ColumnTest
from pilothouse.statistics.significance.overdispersion import MOST_CATEGORIES, SHARE, SMALLEST_MOVE

LARGEST_SHIFT = 1.0
"""Standard deviations of the reference: a number in which no smaller shift would be found cannot be judged."""
LARGEST_MOVE = 0.2
"""Share of rows: a category column in which no smaller move of one category would be found cannot be judged."""
AGAINST = 0.25
"""Share of windows that by themselves lie farther the other way than is allowed for."""
_POINTS = 200
"""Values of equal mass by which a number's distribution is translated."""
_SIZES = np.concatenate(([0.0], np.geomspace(0.02, 20.0, 40)))
"""Sizes of shift, in standard deviations, and exponents of tilting, for which statistics are computed; between them they are
interpolated."""


_MOVES = np.linspace(0.0, 0.5, 101)
"""Points of a category, as shares, for which a distance is computed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Statistics of a number shifted one way, float64[sizes] each, by the ``sizes`` of the shift in standard deviations, which
    increase."""

    sizes: Floats
    ks: Floats
    level: Floats

    def size_at(self, statistic: str, value: float) -> float:
        """Least shift at which a statistic has this value; ∞ where it never has."""
        if statistic in ("wasserstein", "within"):  # within the range it is a little less
            return value if value <= self.sizes[-1] else math.inf
        return _first(self.sizes, self.ks if statistic == "ks" else self.level, value)

    def __post_init__(self) -> None:
        for name in ("ks", "level"):
            object.__setattr__(self, name, np.maximum.accumulate(getattr(self, name)))


@dataclass(frozen=True, slots=True, eq=False)
class _Shifts:
    """A number's reference shifted up and down, and its standard deviation in the column's own ``unit``."""

    up: _Side
    down: _Side
    unit: float


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """The most frequent categories of a reference of so many ``rows``: their ``bins`` and ``share``, and the Jensen–Shannon
    ``distance`` float64[bins, moves] by which each of _MOVES shows."""

    bins: list[int]
    share: list[float]
    distance: Floats
    rows: int


def power_of(
    specification: ProfileSpecification,
    reference: Profile,
    feature: str,
    tests: Sequence[ColumnTest],
    level: float,
) -> Power | None:
    """Power of a column's ``tests`` in a window, significant at p-values up to ``level``; None where there is no test, or the
    reference has no value. Tests of several windows together find nothing in the first of them and do not count."""
    own = [test for test in tests if not test.lasting]
    changed = _changed(specification, reference).get(feature)
    if not own or changed is None:
        return None
    return (
        _of_categories(changed, own, level)
        if isinstance(changed, _Moves)
        else _of_number(changed, own, level)
    )


def _of_number(shifts: _Shifts, tests: Sequence[ColumnTest], level: float) -> Power:
    by_itself = {test.null.statistic: test for test in tests if not test.null.recent}
    thresholds = [
        (test, _threshold(test, level))
        for test in tests
        if test.null.statistic in ("ks", "wasserstein", "higher", "lower")
    ]
    found = []
    for side, opposite, other in ((shifts.up, shifts.down, "lower"), (shifts.down, shifts.up, "higher")):
        against_reference = _own_shift(opposite, by_itself, other)
        recent = [test for test in tests if test.null.recent]
        against_recent = _usual_shift(side, recent) if recent else 0.0
        sizes = [
            (
                side.size_at(test.null.statistic, threshold)
                + (against_recent if test.null.recent else against_reference),
                test.name,
            )
            for test, threshold in thresholds
            if test.null.statistic != other
        ]
        found.append(min(sizes, default=(math.inf, "")))
    size, name = max(found)
    return _power("shift", size, name, LARGEST_SHIFT, size * shifts.unit)


def _own_shift(opposite: _Side, tests: Mapping[str, ColumnTest], statistic: str) -> float:
    """Shift that windows exceed by themselves towards ``opposite`` in AGAINST of cases."""
    test = tests.get(statistic)
    if test is not None:
        return opposite.size_at(statistic, test.null.value_at(AGAINST, test.rows))
    return _usual_shift(opposite, list(tests.values()))


def _usual_shift(side: _Side, tests: Sequence[ColumnTest]) -> float:
    """The same where only distances tell: half of the windows lie farther away than is usual, half of those that way."""
    sizes = [
        side.size_at(test.null.statistic, test.null.value_at(2 * AGAINST, test.rows))
        for test in tests
        if test.null.statistic in ("wasserstein", "within", "ks")
    ]
    return min(sizes, default=0.0)


def _of_categories(moves: _Moves, tests: Sequence[ColumnTest], level: float) -> Power:
    thresholds = [(test, _threshold(test, level)) for test in tests if test.null.statistic in ("js", SHARE)]
    found = []
    for i, (k, share) in enumerate(zip(moves.bins, moves.share, strict=True)):
        sizes = []
        excess = _excess(tests, k)
        for test, threshold in thresholds:
            law = test.null.overdispersion
            usual = _deviation(share, test.rows, moves.rows, excess)
            if test.null.statistic == SHARE and law is not None and k in law.bins:
                size = max(threshold * usual, SMALLEST_MOVE)
            elif test.null.statistic == "js":
                size = _first(_MOVES, moves.distance[i], threshold)
            else:
                continue
            sizes.append((size + _QUARTILE * usual, test.name))
        found.append(min(sizes, default=(math.inf, "")))
    size, name = max(found)
    return _power("share", size, name, LARGEST_MOVE, None)


_QUARTILE = 0.6744897501960817
"""Normal quantile of 1 − AGAINST."""


def _excess(tests: Sequence[ColumnTest], category: int) -> float:
    """Variance of a category's share between windows beyond sampling, where it was learnt; else 0."""
    laws = [test.null.overdispersion for test in tests if test.null.statistic == SHARE]
    law = laws[0] if laws else None
    return law.excess[law.bins.index(category)] if law is not None and category in law.bins else 0.0


def _deviation(share: float, rows: int, against: int, excess: float) -> float:
    return math.sqrt(max(share * (1 - share), 0.0) * (1 / rows + 1 / against) + excess)


def _threshold(test: ColumnTest, level: float) -> float:
    """Value at which a test by itself makes its column significant."""
    return max(EFFECT[test.null.statistic], test.null.value_at(level * test.weight, test.rows))


def _power(kind: str, size: float, name: str, largest: float, own: float | None) -> Power:
    known = math.isfinite(size)
    return Power(
        kind=kind,
        smallest=size if known else None,
        own_unit=own if known and own is not None and math.isfinite(own) else None,
        statistic=name if known else "",
        compared_with="recent" if known and name.startswith(RECENT_PREFIX) else "reference",
        enough=size <= largest,
    )


@lru_cache(maxsize=64)
def _changed(specification: ProfileSpecification, reference: Profile) -> dict[str, "_Shifts | _Moves"]:
    """Columns of a reference, changed, by name; those without values are left out. Made once for each reference."""
    changed: dict[str, _Shifts | _Moves] = {}
    for column in specification.columns:
        of_reference = histogram(specification, reference, column.name)
        if not of_reference.present:
            continue
        if isinstance(column, CategoricalColumn):
            changed[column.name] = _moves_of(of_reference)
        elif column.edges.size:
            changed[column.name] = _shifts_of(column, of_reference)
    return changed


def _moves_of(reference: Histogram) -> _Moves:
    share = reference.counts / reference.present
    bins = np.argsort(share, kind="stable")[::-1][:MOST_CATEGORIES]
    bins = bins[share[bins] > 0]
    own = share[bins, None]
    moved = np.where(own <= 0.5, own + _MOVES, own - _MOVES)
    cells, now = (np.stack((part, 1 - part), axis=-1).clip(0.0, 1.0) for part in (own, moved))
    return _Moves(bins.tolist(), share[bins].tolist(), jensen_shannon(cells, now), reference.present)


def _shifts_of(column: NumericColumn, reference: Histogram) -> _Shifts:
    scale = scale_of(column, reference)
    filled = np.flatnonzero(reference.counts)
    share = reference.counts[filled] / reference.present
    # values in standard deviations from the first edge; halves, as the difference of huge values may overflow
    values = (bin_means(column, reference)[filled] / 2 - column.anchors[0] / 2) / (column.span / 2) / scale
    scores = rank_scores(reference.counts).score[filled]
    unit = scale * column.span
    atoms = np.isin(column.edges, column.atoms)[np.clip(filled - 1, 0, None)] & (filled > 0)
    if len(filled) > 1 and share[atoms].sum() >= 0.5:
        return _Shifts(_tilted(values, share, scores, 1.0), _tilted(values, share, scores, -1.0), float(unit))
    return _Shifts(
        _translated(values, share, scores, 1.0), _translated(values, share, scores, -1.0), float(unit)
    )


def _translated(values: Floats, share: Floats, scores: Floats, sign: float) -> _Side:
    """A number of which every value has moved by the same."""
    middle = np.cumsum(share) - share / 2
    level = (np.arange(_POINTS) + 0.5) / _POINTS
    points = np.interp(level, middle, values)
    moved = points + sign * _SIZES[:, None]
    # the largest difference of the distribution functions, read at the values of either side
    before = np.interp(moved, points, level, left=0.0, right=1.0)
    ks = np.abs(before - level).max(axis=1)
    ks[0] = 0.0
    score = np.interp(moved, values, scores).mean(axis=1)
    return _Side(_SIZES, ks, np.maximum(sign * (score - score[0]), 0.0))


def _tilted(values: Floats, share: Floats, scores: Floats, sign: float) -> _Side:
    """A number of which the shares of its values have changed by exp(θ·value), which moves the mean with the least change of
    the distribution (of all with that mean it has the least Kullback–Leibler divergence)."""
    mean = float(share @ values)
    exponent = np.log(share) + sign * _SIZES[:, None] * (values - mean)
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    sizes = np.maximum.accumulate(np.abs(weight @ values - mean))
    sizes[0] = 0.0
    ks = np.abs(np.cumsum(weight, axis=1) - np.cumsum(share)).max(axis=1)
    level = np.maximum(sign * (weight @ scores - float(share @ scores)), 0.0)
    # beyond what its values allow the mean can move only to values that it did not have
    beyond = _translated(values, share, scores, sign)
    farther = beyond.sizes > sizes[-1]
    return _Side(
        np.concatenate((sizes, beyond.sizes[farther])),
        np.concatenate((ks, beyond.ks[farther])),
        np.concatenate((level, beyond.level[farther])),
    )


def _first(sizes: Floats, values: Floats, wanted: float) -> float:
    """Least size at which values float64[sizes], which do not fall, reach one, by straight lines between them; ∞ where they
    never do."""
    if not wanted <= values[-1]:
        return math.inf
    after = int(values.searchsorted(wanted))
    if after == 0:
        return float(sizes[0])
    low, high = float(values[after - 1]), float(values[after])
    part = (wanted - low) / (high - low) if high > low else 1.0
    return float(sizes[after - 1] + part * (sizes[after] - sizes[after - 1]))

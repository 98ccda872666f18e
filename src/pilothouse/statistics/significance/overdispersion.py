"""Overdispersion of a column's parts from window to window: each category's share, a number's location and scale.

A distance between distributions forgets where the move went. A share, a mean score and its square (``ranks``) are
means over a window's rows: near to normal, with the variance of sampling and that between windows. The latter is
learnt from the reference's windows, so that a new window's move over the root of both follows Student's t. So a
category that has kept its share for a year is found when it grows, though others exchange so much that the distance
is no larger than usual.
"""

import math
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.ranks import level_and_spread, moved, rank_scores, scatter, statistic_at
from pilothouse.statistics.significance.null_windows import Sides

FEWEST_HITS = 5
"""Rows of a category in the median window; the share of a rarer one is not near to normal."""
MOST_CATEGORIES = 12
"""Categories whose shares are tested at most: the most frequent ones."""
SMALLEST_MOVE = 0.02
"""Least move of a category's share that counts."""
SHARE = "share"
"""Statistic of categories: the move of one category's share in its usual deviations, of that category where it is
largest."""
_LEAST_VARIANCE = 1e-12
"""Least variance of a move, so that nothing is divided by 0."""


@dataclass(frozen=True, slots=True)
class Overdispersion:
    """Law of the moves of an overdispersed column's parts. Of each part: the ``mean``, the ``variance`` of a single
    row, and ``excess``, the variance between windows beyond that of sampling.

    For categories, whose ``bins`` are named, the mean is their share in the reference; for a location or a scale,
    with no bins, how far windows lie from the reference on average: a week of an overdispersed location is narrower
    than a year. ``windows`` is how many independent windows' worth of evidence there is, ``against`` the reference's
    rows.
    """

    bins: tuple[int, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    excess: tuple[float, ...]
    windows: float
    against: int

    def share(self, counts: Ints) -> float:
        """Value of SHARE for a window, from its counts int64[bins]; 0 where no share has moved by SMALLEST_MOVE, or
        without rows."""
        rows = int(counts.sum())
        if not rows:
            return 0.0
        move = counts[list(self.bins)] / rows - np.array(self.mean)
        usual = np.array([self._usual(i, rows) for i in range(len(self.bins))])
        return float(np.max(np.abs(move) / usual, where=np.abs(move) >= SMALLEST_MOVE, initial=0.0))

    def p_value(self, statistic: str, value: float, rows: int) -> float:
        """Probability of a value this large or larger in a window of ``rows`` rows while nothing has changed:
        Student's t with windows − 1 degrees of freedom, for SHARE two-sided and times the number of categories
        (Bonferroni). 1 for a value of 0."""
        from scipy.special import stdtr

        if value <= 0:
            return 1.0
        if statistic == SHARE:
            return min(2 * len(self.bins) * float(stdtr(self._freedom, -value / self._widened)), 1.0)
        beyond = moved(statistic, value) - self._as_a_rule(statistic)
        return float(stdtr(self._freedom, -beyond / self._usual(0, rows) / self._widened))

    def value_at(self, statistic: str, p_value: float, rows: int) -> float:
        """Value that has this p-value in a window of ``rows`` rows; the inverse of ``p_value``, at least 0."""
        from scipy.special import stdtrit

        if statistic == SHARE:
            return -float(stdtrit(self._freedom, p_value / (2 * len(self.bins)))) * self._widened
        t = -float(stdtrit(self._freedom, p_value))
        move = self._as_a_rule(statistic) + t * self._usual(0, rows) * self._widened
        return max(statistic_at(statistic, max(move, 0.0)), 0.0)

    def _as_a_rule(self, statistic: str) -> float:
        """Mean move in the statistic's direction."""
        return self.mean[0] if statistic in ("higher", "wider") else -self.mean[0]

    @property
    def _freedom(self) -> float:
        return max(self.windows - 1, 1.0)

    @property
    def _widened(self) -> float:
        """Factor of a prediction's error over the deviation's: √(1 + 1/windows)."""
        return math.sqrt(1 + 1 / self.windows)

    def _usual(self, part: int, rows: int) -> float:
        """Standard deviation of a part's move in windows of ``rows`` rows."""
        sampling = self.variance[part] * (1 / rows + 1 / self.against)
        return math.sqrt(max(self.excess[part] + sampling, _LEAST_VARIANCE))


def overdispersion_of_numbers(sides: Sides, worth: float, against: int) -> dict[str, Overdispersion]:
    """Law of location ("higher", "lower") and scale ("wider", "narrower") of an overdispersed number, by statistic;
    empty where ``scatter`` gives none. The reference's windows are ``worth`` so many independent ones; new windows
    are compared with ``against`` rows.

    The variance between windows is found by the method of moments: the mean square of their moves less the sampling
    variance.
    """
    scores = rank_scores(sides.reference)
    laws = scatter(scores, sides.reference)
    if laws is None:
        return {}
    here, there = (level_and_spread(scores, share) for share in sides.shares)
    laws_of: dict[str, Overdispersion] = {}
    for i, names in enumerate((("higher", "lower"), ("wider", "narrower"))):
        variance = laws[i].deviation ** 2
        moves = here[i] - there[i]
        rule = float(moves.mean())
        by_itself = float(_beyond_sampling(moves - rule, np.array(variance), sides))
        law = Overdispersion((), (rule,), (variance,), (by_itself,), worth, against)
        laws_of |= dict.fromkeys(names, law)
    return laws_of


def overdispersion_of_categories(sides: Sides, worth: float, against: int) -> Overdispersion | None:
    """Law of the shares of the most frequent categories of an overdispersed column; None where fewer than two have
    FEWEST_HITS rows in the median window. ``worth``, ``against`` and the method are those of ``overdispersion_of_numbers``."""
    share = sides.reference / sides.reference.sum()
    rows = float(np.median(sides.rows[0]))
    frequent = np.argsort(share, kind="stable")[::-1][:MOST_CATEGORIES]
    bins = np.sort(frequent[share[frequent] * rows >= FEWEST_HITS])
    if len(bins) < 2:
        return None
    here, there = (side[:, bins] for side in sides.shares)
    variance = share[bins] * (1 - share[bins])
    by_itself = _beyond_sampling(here - there, variance, sides)
    mean, of_rows, excess = (tuple(map(float, values)) for values in (share[bins], variance, by_itself))
    return Overdispersion(tuple(map(int, bins)), mean, of_rows, excess, worth, against)


def _beyond_sampling(moves: Floats, variance: Floats, sides: Sides) -> Floats:
    """Mean square of moves float64[windows, ...] less the sampling variance for rows of this ``variance``
    float64[...], at least 0."""
    rows, other_rows = sides.rows
    by_sampling = np.multiply.outer(1 / rows + 1 / other_rows, variance)
    return np.asarray(np.maximum((moves**2 - by_sampling).mean(axis=0), 0.0), np.float64)

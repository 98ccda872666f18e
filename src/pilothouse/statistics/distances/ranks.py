"""Where a window's values lie among the reference's, by rank: is the column higher or lower, wider or narrower, or outside?

A value's *normal score* is Φ⁻¹ of its rank among the reference's values, a number between 0 and 1; all values of a bin have
their mean score. That tells whether the level has moved (van der Waerden 1952, Indagationes Mathematicae 14:453), the mean
square whether the spread has (Klotz 1962, Annals of Mathematical Statistics 33:498). Of normal values both are as good as the
best tests that know them to be normal; of any others their laws are known all the same, from how the reference fills the bins:

- ``higher``, ``lower``: the mean score, in standard deviations of a normal column;
- ``wider``, ``narrower``: by what share the spread of the scores has grown or shrunk. A level that moves changes nothing here;
- ``outside``: the share of values beyond the reference's largest, or below its smallest, whichever is more.

Each is 0 where the column has moved the other way, so that a name tells the direction.
"""

import bisect
import math
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.pearson_type_iii import pearson_at, pearson_tail

_LEAST_SCATTER = 1e-6
"""Of scores. What is less is rounding."""
RANKS = ("higher", "lower", "wider", "narrower", "outside")


@dataclass(frozen=True, slots=True, eq=False)
class RankScores:
    """Of each bin [..., bins] the mean normal ``score`` and its mean ``square``; 1 for bins that lie ``below`` or ``above`` all
    of the reference's values, else 0."""

    score: Floats
    square: Floats
    below: Floats
    above: Floats


def rank_scores(reference: Ints) -> RankScores:
    """The scores of bins by a reference's counts [bins] in them. A bin that it leaves empty has the score of its place; one
    beyond its values that of the outermost. All are 0 where the reference is empty."""
    held = np.flatnonzero(reference)
    places = np.arange(len(reference))
    if not held.size:
        nothing = np.zeros(len(reference))
        return RankScores(nothing, nothing, nothing, nothing)
    total = float(reference.sum())
    level = np.cumsum(reference) / total
    share = reference / total
    at = np.concatenate(([0.0], level))
    at[held[-1] + 1 :] = 1.0  # rounding must not leave a sliver above the largest
    quantile, density = _normal(at)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(share > 0, (density[:-1] - density[1:]) / share, quantile[1:])
        weighed = np.where(np.isfinite(quantile), quantile, 0.0) * density
        square = np.where(share > 0, 1 + (weighed[:-1] - weighed[1:]) / share, quantile[1:] ** 2)
    inner = np.clip(places, held[0], held[-1])
    below, above = (np.asarray(marks, np.float64) for marks in (places < held[0], places > held[-1]))
    return RankScores(score[inner], square[inner], below, above)


def _normal(levels: Floats) -> tuple[Floats, Floats]:
    """The normal quantile at each level, and the density there."""
    from scipy.special import ndtri

    quantile = np.asarray(ndtri(levels), np.float64)
    return quantile, np.exp(-(quantile**2) / 2) / math.sqrt(2 * math.pi)


def rank_statistics(scores: RankScores, share: Floats) -> dict[str, Floats]:
    """RANKS of windows of whose rows each bin holds a ``share`` [..., bins]; NaN where that is."""
    level, variance = level_and_spread(scores, share)
    spread = np.sqrt(variance)
    outside = np.maximum(_weighed(share, scores.below), _weighed(share, scores.above))
    return {
        "higher": np.maximum(level, 0.0),
        "lower": np.maximum(-level, 0.0),
        "wider": np.maximum(spread - 1, 0.0),
        "narrower": np.maximum(1 - spread, 0.0),
        "outside": outside,
    }


def raw_rank_statistics(reference: Floats, current: Floats) -> dict[str, float]:
    """RANKS of raw values (float64[n], float64[m], all finite): a bin for each value of the reference and for each gap."""
    values = np.unique(reference)

    def counts(of: Floats) -> Ints:
        left, right = (np.searchsorted(values, of, side) for side in ("left", "right"))
        return np.bincount(left + right, minlength=2 * len(values) + 1)

    share = counts(current) / max(len(current), 1)
    return {name: float(x) for name, x in rank_statistics(rank_scores(counts(reference)), share).items()}


def level_and_spread(scores: RankScores, share: Floats) -> tuple[Floats, Floats]:
    """The mean score and the scores' variance."""
    level = _weighed(share, scores.score)
    return level, np.maximum(_weighed(share, scores.square) - level**2, 0.0)


def _weighed(share: Floats, values: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...i->...", share, values), np.float64)


def moved(statistic: str, value: float) -> float:
    """How far the mean score, or the scores' variance, has moved in the direction of one of RANKS but ``outside``."""
    if statistic in ("higher", "lower"):
        return value
    return (1 + value) ** 2 - 1 if statistic == "wider" else 1 - (1 - value) ** 2


def statistic_at(statistic: str, move: float) -> float:
    """The value of the statistic where that has moved so far."""
    if statistic in ("higher", "lower"):
        return move
    return math.sqrt(1 + move) - 1 if statistic == "wider" else 1 - math.sqrt(max(1 - move, 0.0))


@dataclass(frozen=True, slots=True)
class Scatter:
    """How scores scatter over the reference's rows: their ``deviation``, their ``skew``, and the variance of the level's own,
    which takes its part from the spread's mean."""

    deviation: float
    skew: float
    of_level: float


def scatter(scores: RankScores, reference: Ints) -> tuple[Scatter, Scatter] | None:
    """Of the scores and of their squares, over a reference's counts [bins] that is not empty; None where either is the same for
    all rows (one bin holds them, or two hold half of them each)."""
    share = reference / float(reference.sum())
    variance = float((share * scores.score**2).sum())
    found = []
    for values, mean in ((scores.score, 0.0), (scores.square, 1.0)):
        deviation = math.sqrt(float((share * (values - mean) ** 2).sum()))
        if deviation <= _LEAST_SCATTER:
            return None
        third = float((share * (values - mean) ** 3).sum())
        found.append(Scatter(deviation, third / deviation**3, variance))
    return found[0], found[1]


@dataclass(frozen=True, slots=True)
class RankLaw:
    """The law of one of RANKS in windows of ``rows`` rows held against a reference of ``against``. ``apart`` is by how much the
    squares of the reference's own windows exceed chance's."""

    statistic: str
    scatter: Scatter
    rows: int
    against: int
    apart: float

    def p_value(self, value: float) -> float:
        """How probable a value this large is; one half of 0, for then the column has moved the other way."""
        if self.statistic == "outside":
            return self._of_hits(round(value * self.rows))
        move = moved(self.statistic, value) - self._shift
        return pearson_tail(max(move, 0.0) / self._error, self._skew) if value > 0 else 0.5

    def value_at(self, p_value: float) -> float:
        """The least value that is no more probable."""
        if self.statistic == "outside":
            hits = bisect.bisect_left(range(self.rows + 1), -p_value, key=lambda k: -self._of_hits(k))
            return min(hits / self.rows, 1.0)
        move = max(pearson_at(p_value, self._skew), 0.0) * self._error
        return max(statistic_at(self.statistic, move + self._shift), 0.0)

    @property
    def _shift(self) -> float:
        """The level's own variance takes its part from the scores': it is expected that much narrower."""
        part = self.scatter.of_level * self._sizes
        return {"wider": -part, "narrower": part}.get(self.statistic, 0.0)

    @property
    def _sizes(self) -> float:
        return 1 / self.rows + 1 / self.against

    @property
    def _error(self) -> float:
        return self.scatter.deviation * math.sqrt(self._sizes * (1 + self.apart))

    @property
    def _skew(self) -> float:
        """Of the difference of two means, of ``rows`` and of ``against`` rows."""
        sign = -1.0 if self.statistic in ("lower", "narrower") else 1.0
        return float(sign * self.scatter.skew * (self.rows**-2.0 - self.against**-2.0) / self._sizes**1.5)

    def _of_hits(self, hits: int) -> float:
        """Twice (for either side) the chance that so many of a window's values lie beyond all of the reference's: that the
        largest of all rows are the window's, whatever the distribution."""
        n, both = self.rows, self.rows + self.against
        k = hits / (1 + self.apart)
        log = math.lgamma(n + 1) - math.lgamma(n - k + 1) - math.lgamma(both + 1) + math.lgamma(both - k + 1)
        return min(2 * math.exp(log), 1.0)

"""Rank statistics of a window among its reference: is a column higher or lower, wider or narrower, or outside?

The *normal score* of a value is Φ⁻¹ of its rank among the reference's values, a number between 0 and 1; all values of
a bin have their mean score. The mean score shows a shift of the location (van der Waerden 1952, Indagationes
Mathematicae 14:453), the mean square a change of scale (Klotz 1962, Annals of Mathematical Statistics 33:498). On
normal data both are asymptotically as powerful as the t and F tests; on any other data their null distributions are
known too, from how the reference fills the bins.

- ``higher``, ``lower``: the mean score, in standard deviations of a normal column; - ``wider``, ``narrower``:
relative growth or loss of the scores' standard deviation, which a shift of location leaves alone; - ``outside``: the
share of values beyond the reference's largest, or below its smallest, whichever is more.

Each is 0 where the column has moved the other way, so that its name tells the direction.
"""

import bisect
import math
from dataclasses import dataclass

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.pearson_type_iii import pearson_at, pearson_tail

_LEAST_SCATTER = 1e-6
"""Standard deviation of scores below which they count as constant: what is less is rounding."""
RANKS = ("higher", "lower", "wider", "narrower", "outside")
"""Names of the rank statistics, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class RankScores:
    """Mean normal ``score`` and mean ``square`` of the scores in each bin, float64[..., bins]; ``below`` and
    ``above`` are 1 for bins that lie below or above all of the reference's values, else 0."""

    score: Floats
    square: Floats
    below: Floats
    above: Floats


def rank_scores(reference: Ints) -> RankScores:
    """Normal scores of the bins by a reference's counts int64[bins], each float64[bins]. A bin that the reference
    leaves empty has the score at its rank, one beyond the reference's values that of the outermost. All are 0 where
    the reference is empty. The moments of a bin are those of a truncated normal distribution (Johnson, Kotz and
    Balakrishnan 1994, Continuous Univariate Distributions 1, section 13.10.1)."""
    filled = np.flatnonzero(reference)
    bins = np.arange(len(reference))
    if not filled.size:
        nothing = np.zeros(len(reference))
        return RankScores(nothing, nothing, nothing, nothing)
    total = float(reference.sum())
    level = np.cumsum(reference) / total
    share = reference / total
    at = np.concatenate(([0.0], level))
    at[filled[-1] + 1 :] = 1.0  # rounding must not leave a sliver above the largest
    quantile, density = _normal(at)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.where(share > 0, (density[:-1] - density[1:]) / share, quantile[1:])
        weighed = np.where(np.isfinite(quantile), quantile, 0.0) * density
        square = np.where(share > 0, 1 + (weighed[:-1] - weighed[1:]) / share, quantile[1:] ** 2)
    inner = np.clip(bins, filled[0], filled[-1])
    below, above = (np.asarray(marks, np.float64) for marks in (bins < filled[0], bins > filled[-1]))
    return RankScores(score[inner], square[inner], below, above)


def _normal(levels: Floats) -> tuple[Floats, Floats]:
    """Normal quantile at each level, and the density there."""
    from scipy.special import ndtri

    quantile = np.asarray(ndtri(levels), np.float64)
    return quantile, np.exp(-(quantile**2) / 2) / math.sqrt(2 * math.pi)


def rank_statistics(scores: RankScores, share: Floats) -> dict[str, Floats]:
    """RANKS of windows, float64[...] each, from the share of their rows in each bin, float64[..., bins]; NaN where a
    share is. Location and scale are those of the module's docstring; 0 stands for a move the other way."""
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
    """RANKS of raw values against a reference (float64[n], float64[m], all finite): ``rank_statistics`` with a bin
    for each distinct value of the reference and for each gap between. An empty ``current`` has a share of 0 in every
    bin."""
    values = np.unique(reference)

    def counts(of: Floats) -> Ints:
        ordered = np.sort(of)  # needles in order are found ten times as fast
        left, right = (np.searchsorted(values, ordered, side) for side in ("left", "right"))
        return np.bincount(left + right, minlength=2 * len(values) + 1)

    share = counts(current) / max(len(current), 1)
    return {name: float(x) for name, x in rank_statistics(rank_scores(counts(reference)), share).items()}


def level_and_spread(scores: RankScores, share: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the normal scores of windows, float64[...] each, from the share of their rows in each bin,
    float64[..., bins]. NaN where a share is."""
    level = _weighed(share, scores.score)
    return level, np.maximum(_weighed(share, scores.square) - level**2, 0.0)


def _weighed(share: Floats, values: Floats) -> Floats:
    return np.asarray(np.einsum("...i,...i->...", share, values), np.float64)


def moved(statistic: str, value: float) -> float:
    """Shift of the mean score, or relative change of the scores' variance, that a value of one of RANKS but
    ``outside`` stands for; these are means over rows, whose null distribution is known. Inverse of ``statistic_at``."""
    if statistic in ("higher", "lower"):
        return value
    return (1 + value) ** 2 - 1 if statistic == "wider" else 1 - (1 - value) ** 2


def statistic_at(statistic: str, move: float) -> float:
    """Value of one of RANKS but ``outside`` at a shift of the mean score, or a relative change of the scores'
    variance. Inverse of ``moved``."""
    if statistic in ("higher", "lower"):
        return move
    return math.sqrt(1 + move) - 1 if statistic == "wider" else 1 - math.sqrt(max(1 - move, 0.0))


@dataclass(frozen=True, slots=True)
class Scatter:
    """Moments of scores over the reference's rows: ``deviation``, ``skew``, and ``of_level``, the variance of the
    scores, by which the window's own mean lowers the expected variance about it."""

    deviation: float
    skew: float
    of_level: float


def scatter(scores: RankScores, reference: Ints) -> tuple[Scatter, Scatter] | None:
    """Moments over a reference's counts int64[bins] (not all 0) of the scores and of their squares; None where either
    is the same for all rows (one bin holds them all, or two hold half each), so that nothing can be tested."""
    share = reference / float(reference.sum())
    variance = float((share * scores.score**2).sum())
    scatters = []
    for values, mean in ((scores.score, 0.0), (scores.square, 1.0)):
        deviation = math.sqrt(float((share * (values - mean) ** 2).sum()))
        if deviation <= _LEAST_SCATTER:
            return None
        third = float((share * (values - mean) ** 3).sum())
        scatters.append(Scatter(deviation, third / deviation**3, variance))
    return scatters[0], scatters[1]


@dataclass(frozen=True, slots=True)
class RankLaw:
    """Null distribution of one of RANKS in windows of ``rows`` rows compared with a reference of ``against`` rows.
    ``apart`` is the excess of the squares of the reference's own windows over sampling's (0.2: a fifth more).

    Own construction: location and scale are differences of two means over rows, taken as Pearson type III of the same
    variance and skewness; ``outside`` follows the distribution of exceedances (``_of_hits``).
    """

    statistic: str
    scatter: Scatter
    rows: int
    against: int
    apart: float

    def p_value(self, value: float) -> float:
        """Probability of a value this large or larger while nothing has changed; 0.5 for a value of 0 of all but
        ``outside``, where the column has moved the other way."""
        if self.statistic == "outside":
            return self._of_hits(round(value * self.rows))
        move = moved(self.statistic, value) - self._shift
        return pearson_tail(max(move, 0.0) / self._error, self._skew) if value > 0 else 0.5

    def value_at(self, p_value: float) -> float:
        """Least value whose p-value is at most ``p_value``; at most 1 for ``outside``, at least 0."""
        if self.statistic == "outside":
            hits = bisect.bisect_left(range(self.rows + 1), -p_value, key=lambda k: -self._of_hits(k))
            return min(hits / self.rows, 1.0)
        move = max(pearson_at(p_value, self._skew), 0.0) * self._error
        return max(statistic_at(self.statistic, move + self._shift), 0.0)

    @property
    def _shift(self) -> float:
        """Expected change of the scores' variance while nothing has changed: the variance about a window's own mean
        is smaller."""
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
        """Skewness of the difference of two means, of ``rows`` and of ``against`` rows."""
        sign = -1.0 if self.statistic in ("lower", "narrower") else 1.0
        return float(sign * self.scatter.skew * (self.rows**-2.0 - self.against**-2.0) / self._sizes**1.5)

    def _of_hits(self, hits: int) -> float:
        """Probability that so many of a window's values lie beyond all of the reference's, on either side: twice the
        probability that the ``hits`` largest of all rows are the window's, n!/(n − k)! · (N − k)!/N! for any
        continuous distribution (Gumbel and von Schelling 1950, Annals of Mathematical Statistics 21:247).
        Overdispersion makes a hit count for less."""
        n, both = self.rows, self.rows + self.against
        k = hits / (1 + self.apart)
        log = math.lgamma(n + 1) - math.lgamma(n - k + 1) - math.lgamma(both + 1) + math.lgamma(both - k + 1)
        return min(2 * math.exp(log), 1.0)

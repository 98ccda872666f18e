"""Sampling nulls: what sampling alone makes of a statistic, for columns whose reference windows lie no farther apart
than that.

There nothing has to be learnt from thirteen weeks: the distribution is known, and its tail too. Kolmogorov–Smirnov's
D follows Kolmogorov's law (conservative where values repeat), and the rank statistics (``ranks``) laws of their own.
The square of the Jensen–Shannon distance is a weighted sum of chi-squares and follows a gamma law of the same mean
and variance (Satterthwaite 1946, Biometrics Bulletin 2:110). Wasserstein's distance within the reference's range, to
the power 0.4, follows a Pearson III law of the same three moments, so that its tail is as heavy as the column makes
it. The moments come from samples drawn from the reference; these never go beyond its range, and so what does is left
to the ranks.

All shrink with the root of the rows, so that what was drawn for one number of rows serves larger ones.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.pearson_type_iii import pearson_at, pearson_tail
from pilothouse.statistics.distances.ranks import (
    RANKS,
    RankLaw,
    RankScores,
    Scatter,
    level_and_spread,
    rank_scores,
    scatter,
)
from pilothouse.statistics.significance.null_windows import Sides

DRAWN = ("js", "wasserstein")
"""Statistics whose law takes samples; that of ``ks`` is known without."""
_POWER = 0.4
"""Exponent under which Wasserstein's distance is taken as Pearson III."""
_STATIONARY = 2.0
"""Standard errors by which windows may lie farther apart than sampling has them and still count as stationary."""


@dataclass(frozen=True, slots=True)
class SamplingNull:
    """Sampling null of one statistic v. ``against`` is the reference's rows; ``rows`` (increasing) are those of
    samples with the ``mean`` and ``deviation`` of v²·n (js) or (v·√n)^0.4 (Wasserstein's), n being ``_worth`` rows;
    ``skew`` is that of all of them.

    Of RANKS mean, deviation and skew are the scores' (``ranks.Scatter``, the mean that of the location's variance),
    whatever the rows. ``beyond`` is the excess of the squares of the reference's windows, of ``at`` rows, over
    sampling's: 0.2 is a fifth.
    """

    against: int
    rows: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    skew: float = 0.0
    beyond: float = 0.0
    at: int = 1

    def p_value(self, statistic: str, value: float, rows: int) -> float:
        """Probability of a value this large or larger in a window of ``rows`` rows while nothing has changed, by the
        law of the statistic that the module names. For ``ks`` with Stephens's correction (1970, J. Royal Statistical
        Society B 32:115)."""
        from scipy.special import gammaincc, kolmogorov

        if statistic in RANKS:
            return self._rank_law(statistic, rows).p_value(value)
        size, spread = _worth(rows, self.against), self._spread(rows)
        v = max(value, 0.0) / spread
        if statistic == "ks":
            return float(kolmogorov((math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size)) * v))
        mean, deviation = self._at(rows)
        if statistic == "js":
            return float(gammaincc((mean / deviation) ** 2, v * v * size * mean / deviation**2))
        return pearson_tail(((v * math.sqrt(size)) ** _POWER - mean) / deviation, max(self.skew, 0.0))

    def value_at(self, statistic: str, p_value: float, rows: int) -> float:
        """Value that has this p-value in a window of ``rows`` rows; the inverse of ``p_value``, in the statistic's
        own unit."""
        from scipy.special import gammainccinv, kolmogi

        if statistic in RANKS:
            return self._rank_law(statistic, rows).value_at(p_value)
        size, spread = _worth(rows, self.against), self._spread(rows)
        if statistic == "ks":
            return spread * float(kolmogi(p_value)) / (math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size))
        mean, deviation = self._at(rows)
        if statistic == "js":
            square = float(gammainccinv((mean / deviation) ** 2, p_value)) * deviation**2 / mean
            return spread * math.sqrt(square / size)
        z = pearson_at(p_value, max(self.skew, 0.0))
        return float(spread * max(mean + z * deviation, 0.0) ** (1 / _POWER) / math.sqrt(size))

    def _rank_law(self, statistic: str, rows: int) -> RankLaw:
        of_scores = Scatter(self.deviation[0], self.skew, self.mean[0])
        return RankLaw(statistic, of_scores, rows, self.against, self.beyond * rows / self.at)

    def _at(self, rows: int) -> tuple[float, float]:
        return at_rows(self.rows, rows, self.mean), at_rows(self.rows, rows, self.deviation)

    def _spread(self, rows: int) -> float:
        """Factor on distances for overdispersion: a variance between windows does not shrink with their rows, so its
        share grows with them."""
        return math.sqrt(1 + self.beyond * rows / self.at)


def sampling_null_of(
    statistic: str,
    windows: Floats,
    independent: float,
    alike: float,
    drawn: Sequence[Floats],
    rows: Sequence[int],
    compared: int,
    against: int,
) -> SamplingNull | None:
    """Sampling null of a statistic, where its values on the reference's ``windows`` float64[windows] (``independent``
    of them) are no larger than those ``drawn`` by sampling and neighbours do not resemble each other (``alike``, from
    ``null_windows.likeness``); else None. The weeks of a timetable may lie closer together than samples do and still
    move on from month to month.

    ``drawn`` has samples float64[draws] for each of ``rows``, the last being the windows', against ``compared`` rows;
    the law is for windows compared with ``against`` rows. Values that are not finite are left out. Own construction:
    both tests allow _STATIONARY standard errors.
    """
    own, of_samples = (v[np.isfinite(v)] ** 2 for v in (windows, drawn[-1]))
    expected = float(of_samples.mean()) if of_samples.size else 0.0
    if not own.size or expected <= 0:
        return None
    beyond = float(own.mean()) / expected - 1
    variation = float(of_samples.std()) / expected
    # standard error of the ratio of the two mean squares
    error = variation * math.sqrt(1 / independent + 1 / of_samples.size)
    if beyond > _STATIONARY * error or alike > _STATIONARY * variation / math.sqrt(independent - 1):
        return None
    law = law_of(statistic, drawn, rows, compared, against)
    return None if law is None else replace(law, beyond=max(beyond, 0.0), at=rows[-1])


def law_of(
    statistic: str, drawn: Sequence[Floats], rows: Sequence[int], compared: int, against: int
) -> SamplingNull | None:
    """Sampling null of a statistic from samples ``drawn`` (float64[draws]) of each of ``rows``, by the moments that
    the module names; None where all samples are the same. ``compared`` and ``against`` are as for ``sampling_null_of``."""
    if statistic not in DRAWN:
        return SamplingNull(against)
    means, deviations, cubes = [], [], []
    for size, values in zip(rows, drawn, strict=True):
        n = _worth(size, compared)
        scaled = values**2 * n if statistic == "js" else (values * math.sqrt(n)) ** _POWER
        mean, deviation = float(scaled.mean()), float(scaled.std())
        if not deviation > 0:
            return None
        means.append(mean)
        deviations.append(deviation)
        cubes.append(float((((scaled - mean) / deviation) ** 3).mean()))
    skew = float(np.mean(cubes)) if statistic == "wasserstein" else 0.0
    means, deviations = _smooth(rows, means), _smooth(rows, deviations)
    return SamplingNull(against, tuple(rows), tuple(means), tuple(deviations), skew)


def rank_laws(scores: RankScores, reference: Ints, against: int) -> dict[str, SamplingNull]:
    """Sampling nulls of RANKS in a column by name, from its reference's counts int64[bins], which must not all be 0,
    for windows compared with ``against`` rows; empty where ``scatter`` gives none."""
    scattered = scatter(scores, reference)
    if scattered is None:
        return {}

    def law(of: Scatter) -> SamplingNull:
        return SamplingNull(against, (1,), (of.of_level,), (of.deviation,), of.skew)

    level, spread = map(law, scattered)
    return {
        "higher": level,
        "lower": level,
        "wider": spread,
        "narrower": spread,
        "outside": SamplingNull(against, (1,), (0.0,), (0.0,)),
    }


def rank_laws_of_windows(sides: Sides, independent: float, against: int) -> dict[str, SamplingNull] | None:
    """Sampling nulls of RANKS, where the reference's windows (``independent`` of them) lie no farther from what they
    are compared with than sampling has it, in location and in scale, within _STATIONARY standard errors of a mean of
    squares; else None. Empty where ``scatter`` gives none."""
    scores = rank_scores(sides.reference)
    laws = rank_laws(scores, sides.reference, against)
    if not laws:
        return {}
    rows, other_rows = sides.rows
    here, there = (level_and_spread(scores, share) for share in sides.shares)
    beyond = []
    for i, name in enumerate(("higher", "wider")):
        expected = laws[name].deviation[0] ** 2 * (1 / rows + 1 / other_rows)
        beyond.append(float(np.mean((here[i] - there[i]) ** 2 / expected)) - 1)
        if beyond[-1] > _STATIONARY * math.sqrt(2 / independent):
            return None
    of_level, of_spread = (max(x, 0.0) for x in beyond)
    at = max(int(np.median(rows)), 1)
    return {
        name: replace(law, beyond=of_spread if name in ("wider", "narrower") else of_level, at=at)
        for name, law in laws.items()
    }


def sampling_null_of_share(shares: Floats, rows: Ints, independent: float) -> SamplingNull | None:
    """Sampling null of a share of rows, from the ``shares`` float64[windows] of the reference's windows with ``rows``
    int64[windows]; None where they scatter more than the binomial distribution has it, by more than _STATIONARY standard
    errors of Pearson's dispersion. A share of 0 or 1 throughout, or no windows, counts as stationary."""
    total = float(rows.sum())
    share = float((shares * rows).sum()) / total if total else 0.0
    at = max(int(np.median(rows)), 1) if rows.size else 1
    if not rows.size or not 0 < share < 1:
        return SamplingNull(0, at=at)
    squares = (shares - share) ** 2 * rows / (share * (1 - share))
    beyond = float(squares.mean()) * independent / (independent - 1) - 1
    error = math.sqrt(2 / (independent - 1))
    return SamplingNull(0, beyond=max(beyond, 0.0), at=at) if beyond <= _STATIONARY * error else None


def at_rows(known: Sequence[int], rows: int, values: Sequence[float]) -> float:
    """Value for a number of rows: ``values`` belong to the ``known`` numbers (increasing, not empty), between which
    it is interpolated over the logarithm of the rows; beyond them the outermost hold."""
    i = bisect.bisect_right(known, rows)
    if i in (0, len(known)):
        return values[max(i - 1, 0)]
    share = math.log(rows / known[i - 1]) / math.log(known[i] / known[i - 1])
    return values[i - 1] + share * (values[i] - values[i - 1])


def _smooth(rows: Sequence[int], values: Sequence[float]) -> list[float]:
    """Values by a straight line over the logarithm of the rows, on which they hardly depend: there are few samples of
    each number of rows."""
    if len(values) < 3:
        return [float(np.mean(values))] * len(values)
    log_rows = np.log(rows)
    fitted = np.polynomial.Polynomial.fit(log_rows, values, 1)(log_rows)
    return [float(max(x, min(values) / 2)) for x in fitted]


def _worth(rows: int, against: int) -> float:
    """Effective rows n·m/(n + m): a sample of so many, compared with a known distribution, scatters as ``rows``
    compared with a sample of ``against`` do."""
    return rows * against / (rows + against)


@dataclass(frozen=True, slots=True, eq=False)
class ShareTail:
    """Upper tail of a number of hits in ``rows`` rows: ``tail`` float64[k] is the probability of at least ``first``
    hits, one more, and so on. ``beyond`` is the overdispersion, by which hits and rows count for less."""

    rows: float
    first: int
    tail: Floats
    beyond: float

    def p_value(self, hits: int) -> float:
        """Probability of at least so many hits; 1 up to the expected number. Between whole numbers the logarithm is
        interpolated."""
        position = hits / (1 + self.beyond) - self.first
        if position <= 0 or not len(self.tail):
            return 1.0
        return float(np.exp(np.interp(position, np.arange(len(self.tail)), np.log(self.tail))))

    def share_at(self, p_value: float) -> float:
        """Least share of the rows, of a whole number of hits, whose p-value is at most ``p_value``; at most 1, and 1
        without rows."""
        positions = np.arange(len(self.tail))
        position = np.interp(-math.log(p_value), -np.log(self.tail), positions) if len(self.tail) else 0.0
        hits = math.ceil((self.first + float(position)) * (1 + self.beyond) - 1e-9)
        rows = self.rows * (1 + self.beyond)
        return min((hits + (self.p_value(hits) > p_value)) / rows, 1.0) if rows else 1.0


def share_tail(before: int, of_before: int, rows: int, beyond: float = 0.0) -> ShareTail:
    """Upper tail of the hits in ``rows`` rows where a reference had ``before`` hits in ``of_before`` rows, while
    nothing has changed.

    The beta-binomial law whose tail is Fisher's exact test, one-sided (Altham 1969, Journal of the Royal Statistical
    Society B 31:261). ``beyond`` is the excess of the variance of the reference's own windows over sampling's: each
    row counts for that much less. An empty tail (p-value 1) where every row of the reference was a hit.
    """
    from scipy.special import gammaln

    n, a, b = rows / (1 + beyond), before / (1 + beyond) + 1, (of_before - before) / (1 + beyond)
    if b <= 0 or n < 1:  # every row was a hit: there is no more to come
        return ShareTail(n, 0, np.zeros(0), beyond)
    share = a / (a + b)
    deviation = math.sqrt(n * share * (1 - share) * (a + b + n) / (a + b + 1))
    # the tail is kept from the mean on, up to 12 deviations and 20 hits beyond it
    first = math.floor(n * share)
    hits = np.arange(first, min(first + math.ceil(12 * deviation) + 20, math.floor(n)) + 1, dtype=np.float64)
    # logarithm of the beta-binomial probability: C(n, hits)·B(hits + a, n − hits + b)/B(a, b)
    weights = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    weights += gammaln(hits + a) + gammaln(n - hits + b) - gammaln(n + a + b)
    weights += gammaln(a + b) - gammaln(a) - gammaln(b)
    tail = np.cumsum(np.exp(weights)[::-1])[::-1]
    return ShareTail(n, first, np.clip(tail, 1e-300, 1.0), beyond)

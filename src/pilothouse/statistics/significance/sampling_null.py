"""What chance alone makes of a statistic, for columns whose reference windows lie no farther apart than chance has them.

There nothing has to be learnt from thirteen weeks: the law is known, and its tail too. Kolmogorov–Smirnov's D follows
Kolmogorov's law (conservative where values repeat), and what is told by ranks (``ranks``) laws of its own. The square of the
Jensen–Shannon distance is a weighted sum of chi-squares and follows a gamma law of the same mean and variance (Satterthwaite
1946, Biometrics Bulletin 2:110). Wasserstein's distance within the reference's range, to the power 0.4, follows a Pearson III
law of the same three moments, so that its tail is as heavy as the column makes it. The moments come from samples drawn from
the reference; these never go beyond its range, and so what does is left to the ranks.

All shrink with the root of the rows, so that what was drawn for one number of rows serves larger ones.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

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
_STEADY = 2.0
"""Windows that lie farther apart than chance has them by more than so many standard errors are not steady."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The law of one statistic v under chance. ``against`` is the reference's rows; ``rows`` (increasing) are those of samples
    with the ``mean`` and ``deviation`` of v²·n (js) or (v·√n)^0.4 (Wasserstein's), n being ``_worth`` rows; ``skew`` of all of
    them. Of RANKS they are the scores' (``ranks.Scatter``, the mean that of the level's variance), whatever the rows.
    ``beyond`` is by how much the squares of the reference's windows, of ``at`` rows, exceed chance's: 0.2 says a fifth.
    """

    against: int
    rows: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    skew: float = 0.0
    beyond: float = 0.0
    at: int = 1

    def p_value(self, statistic: str, value: float, rows: int) -> float:
        """How probable a value this large is in a window of ``rows`` rows."""
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
        """The value that has this p-value."""
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

    @classmethod
    def of_plain(cls, fields: Sequence[Any]) -> "Chance":
        """What ``dataclasses.astuple`` gave, lists for tuples. Raises TypeError or ValueError."""
        against, rows, mean, deviation, skew, beyond, at = fields
        return cls(
            int(against), tuple(rows), tuple(mean), tuple(deviation), float(skew), float(beyond), int(at)
        )

    def _rank_law(self, statistic: str, rows: int) -> RankLaw:
        of_scores = Scatter(self.deviation[0], self.skew, self.mean[0])
        return RankLaw(statistic, of_scores, rows, self.against, self.beyond * rows / self.at)

    def _at(self, rows: int) -> tuple[float, float]:
        return at_rows(self.rows, rows, self.mean), at_rows(self.rows, rows, self.deviation)

    def _spread(self, rows: int) -> float:
        """What moves the windows beside chance does not shrink with their rows: its share of the variance grows with them."""
        return math.sqrt(1 + self.beyond * rows / self.at)


def chance_of(
    statistic: str,
    windows: Floats,
    independent: float,
    alike: float,
    drawn: Sequence[Floats],
    rows: Sequence[int],
    compared: int,
    against: int,
) -> Chance | None:
    """The law of a statistic, where its values on the reference's ``windows`` (``independent`` of them) are no larger than
    those ``drawn`` by chance and neighbours are not ``alike`` (``null_windows.likeness``); else None. A timetable's weeks may
    lie closer together than chance has them and still move on from month to month. ``drawn`` has samples for each of
    ``rows``, the last being the windows', against ``compared`` rows; the law is for windows held against ``against`` rows.
    """
    own, by_chance = (v[np.isfinite(v)] ** 2 for v in (windows, drawn[-1]))
    expected = float(by_chance.mean()) if by_chance.size else 0.0
    if not own.size or expected <= 0:
        return None
    beyond = float(own.mean()) / expected - 1
    variation = float(by_chance.std()) / expected
    error = variation * math.sqrt(1 / independent + 1 / by_chance.size)
    if beyond > _STEADY * error or alike > _STEADY * variation / math.sqrt(independent - 1):
        return None
    law = law_of(statistic, drawn, rows, compared, against)
    return None if law is None else replace(law, beyond=max(beyond, 0.0), at=rows[-1])


def law_of(
    statistic: str, drawn: Sequence[Floats], rows: Sequence[int], compared: int, against: int
) -> Chance | None:
    """The law of a statistic from samples ``drawn`` of each of ``rows``; None where they are all the same."""
    if statistic not in DRAWN:
        return Chance(against)
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
    return Chance(against, tuple(rows), tuple(means), tuple(deviations), skew)


def rank_laws(scores: RankScores, reference: Ints, against: int) -> dict[str, Chance]:
    """The laws of RANKS in a column, from its reference's counts [bins]; empty where ``scatter`` gives none. For windows held
    against ``against`` rows."""
    scattered = scatter(scores, reference)
    if scattered is None:
        return {}

    def law(of: Scatter) -> Chance:
        return Chance(against, (1,), (of.of_level,), (of.deviation,), of.skew)

    level, spread = map(law, scattered)
    return {
        "higher": level,
        "lower": level,
        "wider": spread,
        "narrower": spread,
        "outside": Chance(against, (1,), (0.0,), (0.0,)),
    }


def rank_laws_of_windows(sides: Sides, independent: float, against: int) -> dict[str, Chance] | None:
    """The same, where the reference's windows (``independent`` of them) lie no farther from what they are compared with than
    chance has it, in level and in spread; else None."""
    scores = rank_scores(sides.reference)
    laws = rank_laws(scores, sides.reference, against)
    if not laws:
        return {}
    rows, held = sides.rows
    here, there = (level_and_spread(scores, share) for share in sides.shares)
    beyond = []
    for i, name in enumerate(("higher", "wider")):
        expected = laws[name].deviation[0] ** 2 * (1 / rows + 1 / held)
        beyond.append(float(np.mean((here[i] - there[i]) ** 2 / expected)) - 1)
        if beyond[-1] > _STEADY * math.sqrt(2 / independent):
            return None
    of_level, of_spread = (max(x, 0.0) for x in beyond)
    at = max(int(np.median(rows)), 1)
    return {
        name: replace(law, beyond=of_spread if name in ("wider", "narrower") else of_level, at=at)
        for name, law in laws.items()
    }


def chance_of_share(shares: Floats, rows: Ints, independent: float) -> Chance | None:
    """The law of a share of rows, from those of the reference's windows [windows] of so many ``rows``; None where they scatter
    more than the binomial law has them."""
    total = float(rows.sum())
    share = float((shares * rows).sum()) / total if total else 0.0
    at = max(int(np.median(rows)), 1) if rows.size else 1
    if not rows.size or not 0 < share < 1:
        return Chance(0, at=at)
    squares = (shares - share) ** 2 * rows / (share * (1 - share))
    beyond = float(squares.mean()) * independent / (independent - 1) - 1
    error = math.sqrt(2 / (independent - 1))
    return Chance(0, beyond=max(beyond, 0.0), at=at) if beyond <= _STEADY * error else None


def at_rows(known: Sequence[int], rows: int, values: Sequence[float]) -> float:
    """The value for a number of rows: ``values`` belong to the ``known`` ones (increasing), between which the logarithm of the
    rows is gone along; beyond them the outermost hold."""
    i = bisect.bisect_right(known, rows)
    if i in (0, len(known)):
        return values[max(i - 1, 0)]
    share = math.log(rows / known[i - 1]) / math.log(known[i] / known[i - 1])
    return values[i - 1] + share * (values[i] - values[i - 1])


def _smooth(rows: Sequence[int], values: Sequence[float]) -> list[float]:
    """Values that hardly depend on the rows, by a straight line over the logarithm of these: of each number of rows there are
    few samples."""
    if len(values) < 3:
        return [float(np.mean(values))] * len(values)
    place = np.log(rows)
    found = np.polynomial.Polynomial.fit(place, values, 1)(place)
    return [float(max(x, min(values) / 2)) for x in found]


def _worth(rows: int, against: int) -> float:
    """Rows of a sample held against a known law that scatter as much as ``rows`` held against a sample of ``against``."""
    return rows * against / (rows + against)


@dataclass(frozen=True, slots=True, eq=False)
class ShareTail:
    """How probable at least so many hits are: ``tail`` [k] of ``first`` hits, one more, … in ``rows`` rows."""

    rows: float
    first: int
    tail: Floats
    beyond: float

    def p_value(self, hits: int) -> float:
        """Of at least so many hits; 1 where that is less than expected."""
        place = hits / (1 + self.beyond) - self.first
        if place <= 0 or not len(self.tail):
            return 1.0
        return float(np.exp(np.interp(place, np.arange(len(self.tail)), np.log(self.tail))))

    def share_at(self, p_value: float) -> float:
        """The least share of rows whose p-value is no larger: of a whole number of rows."""
        places = np.arange(len(self.tail))
        place = np.interp(-math.log(p_value), -np.log(self.tail), places) if len(self.tail) else 0.0
        hits = math.ceil((self.first + float(place)) * (1 + self.beyond) - 1e-9)
        rows = self.rows * (1 + self.beyond)
        return min((hits + (self.p_value(hits) > p_value)) / rows, 1.0) if rows else 1.0


def share_tail(before: int, of_before: int, rows: int, beyond: float = 0.0) -> ShareTail:
    """What ``rows`` rows hold by chance where a reference had ``before`` hits in ``of_before`` rows.

    The beta-binomial law whose tail is Fisher's exact test, one-sided (Altham 1969, Journal of the Royal Statistical Society B
    31:261). ``beyond`` is by how much the variance of the reference's own windows exceeds chance's: each row counts for that
    much less.
    """
    from scipy.special import gammaln

    n, a, b = rows / (1 + beyond), before / (1 + beyond) + 1, (of_before - before) / (1 + beyond)
    if b <= 0 or n < 1:  # every row was a hit: there is no more to come
        return ShareTail(n, 0, np.zeros(0), beyond)
    share = a / (a + b)
    deviation = math.sqrt(n * share * (1 - share) * (a + b + n) / (a + b + 1))
    first = math.floor(n * share)
    hits = np.arange(first, min(first + math.ceil(12 * deviation) + 20, math.floor(n)) + 1, dtype=np.float64)
    weights = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    weights += gammaln(hits + a) + gammaln(n - hits + b) - gammaln(n + a + b)
    weights += gammaln(a + b) - gammaln(a) - gammaln(b)
    tail = np.cumsum(np.exp(weights)[::-1])[::-1]
    return ShareTail(n, first, np.clip(tail, 1e-300, 1.0), beyond)

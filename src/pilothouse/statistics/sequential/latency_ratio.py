"""Latency: a quantile of the challenger's requests over the champion's on the same machine, from bucketed counts.

For one arm: of latencies below its true quantile x at q there are q at most, and of those beyond it 1 − q at most, whatever
their law is. So each x at which the counts say otherwise is refuted, by the test of a share of ``shares`` (the beta-binomial
mixture of Howard and Ramdas 2022, Bernoulli 28:1704). With Fᵢ = ½ + ½ Eᵢ, half of the wealth not betted, the two arms together
give, against "the challenger's quantile is at most f times the champion's",

    E(f) = min over x of F₀(x is beyond the champion's quantile) · F₁(f x is below the challenger's)

The true x of the champion is one of these, and there the product is a test martingale, since each request moves one factor
only: the minimum is below it at all looks (own construction, after the universal inference of Wasserman, Ramdas and
Balakrishnan 2020, PNAS 117:16880). Where x lies within a bucket its bounds are taken so that E is
smaller: ratios are cautious by two buckets, 4 %.

**What it stands on**: that the arms' laws stay what they are while both answer. Load that comes and goes for both alike moves
both quantiles and cancels by about; where it must hold to the promise even so, judge "slower than a stated limit" as errors
by ``arm_errors``, which holds under any load. All counts add up: order and batches do not matter.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.profiles.latency import BUCKETS, GROWTH, LatencyProfile
from pilothouse.statistics.sequential.shares import log_e_above_many
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, decide, no_traffic

Counts = tuple[tuple[int, int], ...]
"""Numbers of buckets (``profiles.latency``) that hold a request, increasing, each with its count."""
_HALF = math.log(0.5)


@dataclass(frozen=True, slots=True)
class TwoLatencies:
    """Requests of both arms by bucket of latency."""

    challenger: Counts = ()
    champion: Counts = ()

    def __post_init__(self) -> None:
        for counts in (self.challenger, self.champion):
            buckets = [bucket for bucket, _ in counts]
            if buckets != sorted(set(buckets)) or any(not 0 <= b <= BUCKETS or n < 1 for b, n in counts):
                raise InvalidInputError("counts of latencies that cannot be; the record is damaged")

    def plus(self, other: "TwoLatencies") -> "TwoLatencies":
        """The requests of both; associative, in any order."""
        return TwoLatencies(
            _summed(self.challenger, other.challenger), _summed(self.champion, other.champion)
        )


def collect(challenger: LatencyProfile, champion: LatencyProfile) -> TwoLatencies:
    """Counts of two latency profiles of the same stretch of time on the same machine."""
    return TwoLatencies(
        *(
            tuple(zip(profile.buckets.tolist(), profile.counts.tolist(), strict=True))
            for profile in (challenger, champion)
        )
    )


def _summed(first: Counts, second: Counts) -> Counts:
    total = dict(first)
    for bucket, count in second:
        total[bucket] = total.get(bucket, 0) + count
    return tuple(sorted(total.items()))


def _below(counts: Counts) -> Floats:
    """Requests in the buckets before each, float64[BUCKETS + 2]; the last holds all."""
    each = np.zeros(BUCKETS + 2)
    for bucket, count in counts:
        each[bucket + 1] = count
    return np.cumsum(each)


@dataclass(frozen=True, slots=True)
class RatioEvidence:
    """The two arms' counts, ready for many factors."""

    challenger: Floats
    champion: Floats
    buckets: Ints
    """Buckets in which the champion's quantile is looked for: beyond its counts nothing changes but at the ends."""
    quantile: float

    def slower(self, factor: float, times: float = 1.0) -> float:
        """log E against: the challenger's quantile is at most ``factor`` times the champion's; with all counts multiplied
        by ``times``."""
        return self._slower(math.ceil(math.log(factor) / GROWTH - 1e-9), times)

    def faster(self, factor: float, times: float = 1.0) -> float:
        """log E against: the challenger's quantile is at least ``factor`` times the champion's."""
        return self._faster(math.floor(math.log(factor) / GROWTH + 1e-9), times)

    def bounds(self, log_low: float, log_high: float) -> tuple[float, float | None]:
        """Ratios up to the first are refuted by an e-value of exp(``log_low``), those from the second on by one of
        exp(``log_high``); None without such a bound."""
        low = _last(lambda shift: self._slower(shift, 1.0) >= log_low)
        high = _last(lambda shift: self._faster(-shift, 1.0) >= log_high)
        return 0.0 if low is None else math.exp(low * GROWTH), None if high is None else math.exp(
            -high * GROWTH
        )

    def _slower(self, shift: int, times: float) -> float:
        beyond = self.challenger[-1] - self._of_challenger(shift + 1)
        champion = self._too_many_below(self.champion[self.buckets], self.champion[-1], times)
        return float((champion + self._too_many_beyond(beyond, self.challenger[-1], times)).min())

    def _faster(self, shift: int, times: float) -> float:
        beyond = self.champion[-1] - self.champion[self.buckets + 1]
        champion = self._too_many_beyond(beyond, self.champion[-1], times)
        below = self._of_challenger(shift)
        return float((champion + self._too_many_below(below, self.challenger[-1], times)).min())

    def _of_challenger(self, shift: int) -> Floats:
        """The challenger's requests before the bucket that is ``shift`` further on than each of ``buckets``."""
        return self.challenger[np.clip(self.buckets + shift, 0, BUCKETS + 1)]

    def _too_many_below(self, below: Floats, requests: float, times: float) -> Floats:
        """log F against: at most ``quantile`` of the requests are below."""
        prior = (max(self.quantile / (1 - self.quantile), 1.0), 1.0)
        return _half_kept(log_e_above_many(below * times, requests * times, self.quantile, prior))

    def _too_many_beyond(self, beyond: Floats, requests: float, times: float) -> Floats:
        """log F against: at most 1 − ``quantile`` of the requests are beyond."""
        prior = (1.0, max(self.quantile / (1 - self.quantile), 1.0))
        return _half_kept(log_e_above_many(beyond * times, requests * times, 1 - self.quantile, prior))


def _half_kept(log_e: Floats) -> Floats:
    """log(½ + ½ E)."""
    return np.logaddexp(_HALF, _HALF + log_e)


def evidence_of(state: TwoLatencies, quantile: float = 0.95) -> RatioEvidence:
    """The evidence about the ratio of the arms' ``quantile``."""
    held = [bucket for bucket, _ in state.champion] or [0]
    within = np.arange(max(held[0] - 1, 0), min(held[-1] + 2, BUCKETS + 1))
    buckets = np.unique(np.concatenate([within, [0, BUCKETS]])).astype(np.int64)
    return RatioEvidence(_below(state.challenger), _below(state.champion), buckets, quantile)


def verdict(state: TwoLatencies, settings: Settings, quantile: float = 0.95) -> Verdict:
    """Verdict on the ratio of the arms' ``quantile`` (0 to 1, exclusive), challenger over champion. ``margin`` and
    ``harm_above`` of the settings are ratios, above 0: the factor that the plan states. Raises InvalidInputError for
    others."""
    if not 0 < quantile < 1:
        raise InvalidInputError(f"quantile is {quantile!r}, expected between 0 and 1")
    if not settings.harm_above > 0:
        raise InvalidInputError(
            f"harm_above is {settings.harm_above!r}, expected a ratio above 0 such as 1.2"
        )
    evidence = evidence_of(state, quantile)
    challenger, champion = int(evidence.challenger[-1]), int(evidence.champion[-1])
    if not challenger or not champion:
        return no_traffic(settings, challenger + champion)
    seen = _bucket(evidence.challenger, quantile) - _bucket(evidence.champion, quantile)
    return decide(
        settings,
        lambda times: evidence.slower(settings.harm_above, times),
        lambda times: evidence.faster(settings.margin, times),
        challenger + champion,
        (math.exp(seen * GROWTH), *evidence.bounds(settings.log_needed, settings.log_safe)),
    )


def _bucket(below: Floats, quantile: float) -> int:
    """Bucket of the nearest-rank quantile."""
    rank = max(1, math.ceil(quantile * below[-1] - 1e-9))
    return int(np.searchsorted(below[1:], rank))


def _last(refuted: Callable[[int], bool]) -> int | None:
    """The largest shift, in buckets, up to which all are ``refuted``; None where none is."""
    low, high = -BUCKETS - 1, BUCKETS + 1
    if not refuted(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low

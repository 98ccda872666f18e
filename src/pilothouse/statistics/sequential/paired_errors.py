"""Shadow, outcomes known: both models answered the same requests, each right or wrong.

Where both are right or both wrong nothing is learnt. Of the other pairs, let the challenger alone be wrong in w and the
champion alone in l. While the challenger is not worse, its share of these is at most ½ at each pair, given all before:

    E = 2ⁿ · 2 · B(w + 1, l + 1) · P(Beta(w + 1, l + 1) > ½),   n = w + l,

the uniform mixture over shares in (½, 1): ``shares`` at p = ½, a sequential McNemar's test. It is the mixture over bets
on the difference d (1, 0 or −1 of each pair) at the null of 0; the confidence sequence of the mean difference is the same
mixture at other nulls m, where concordant pairs count too (Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical
Society B 86:1, with the bets mixed over instead of chosen):

    E(m) = ∫₀¹ Π (1 − u + u (d + 1)/(1 + m)) du.

All counts add up: the order of pairs and their batches do not matter.
"""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Flags, Floats
from pilothouse.statistics.sequential.integrals import log_integral
from pilothouse.statistics.sequential.shares import log_e_above
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

_NEAR = 1 - 1e-9
"""Largest difference that is asked about."""


@dataclass(frozen=True, slots=True)
class PairedErrors:
    """Counts of requests that both models answered: ``pairs`` of them, of these ``challenger_alone`` and
    ``champion_alone`` with one model wrong. Raises InvalidInputError for counts that cannot be."""

    pairs: int = 0
    challenger_alone: int = 0
    champion_alone: int = 0

    def __post_init__(self) -> None:
        if min(self.challenger_alone, self.champion_alone) < 0 or self.pairs < (
            self.challenger_alone + self.champion_alone
        ):
            raise InvalidInputError(f"counts of pairs that cannot be: {self}; expected parts of all pairs")

    def plus(self, other: "PairedErrors") -> "PairedErrors":
        """The pairs of both; associative, in any order."""
        return PairedErrors(
            self.pairs + other.pairs,
            self.challenger_alone + other.challenger_alone,
            self.champion_alone + other.champion_alone,
        )


def count(challenger_wrong: Flags, champion_wrong: Flags) -> PairedErrors:
    """Counts of pairs, bool[pairs] each: whether the models were wrong on the same requests."""
    return PairedErrors(
        len(challenger_wrong),
        int((challenger_wrong & ~champion_wrong).sum()),
        int((champion_wrong & ~challenger_wrong).sum()),
    )


def log_e_worse(state: PairedErrors, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the challenger's error rate is above the champion's by ``null`` (−1 to 1,
    exclusive) at most; with all counts multiplied by ``times``."""
    w, lost, tied = state.challenger_alone, state.champion_alone, state.pairs
    return _log_e(w * times, lost * times, (tied - w - lost) * times, null)


def log_e_better(state: PairedErrors, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the difference of error rates is ``null`` at least."""
    w, lost, tied = state.challenger_alone, state.champion_alone, state.pairs
    return _log_e(lost * times, w * times, (tied - w - lost) * times, -null)


def _log_e(worse: float, better: float, tied: float, null: float) -> float:
    if null == 0:
        return log_e_above(worse, worse + better, 0.5)

    def wealth(u: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            total = worse * np.log1p(u * (2 / (1 + null) - 1)) + tied * np.log1p(u * (1 / (1 + null) - 1))
            return np.asarray(total + (better * np.log1p(-u) if better else 0.0), np.float64)

    return log_integral(wealth, 0.0, 1.0)


def verdict(state: PairedErrors, settings: Settings) -> Verdict:
    """Verdict on the difference of error rates, challenger minus champion (−1 to 1)."""
    if not state.pairs:
        return no_traffic(settings, 0)
    seen = (state.challenger_alone - state.champion_alone) / state.pairs
    # what was seen is never refuted: no bet on more than the mean gains by it
    low = crossing(lambda m: log_e_worse(state, m), settings.log_needed, -_NEAR, min(seen, _NEAR))
    high = crossing(lambda m: log_e_better(state, -m), settings.log_safe, -_NEAR, min(-seen, _NEAR))
    return decide(
        settings,
        lambda times: log_e_worse(state, settings.harm_above, times),
        lambda times: log_e_better(state, settings.margin, times),
        state.pairs,
        (seen, -1.0 if low is None else low, 1.0 if high is None else -high),
    )

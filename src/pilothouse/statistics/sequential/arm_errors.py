"""Canary: failed requests of two arms that get stated shares, also where the champion has had none.

Let the challenger's share be p and the ratio of the error rates ρ. Which arm an error came from is then a draw:

    P(challenger | error) = p ρ / (p ρ + 1 − p)

whatever the rates are, so that the error rate is no unknown (the conditional binomial test of two rates; Przyborowski and
Wilenski 1940, Biometrika 31:313). Each error multiplies the wealth of a bet on ρ′ by the ratio of its probabilities under ρ′
and under the null; the e-value is the mean over a fixed set of ρ′. A champion without errors is a count of 0 like any other:
ten errors of an arm that gets a tenth of the requests refute equal rates by much, none on either side say nothing.

All counts add up: the order of requests and their batches do not matter. **One observation a draw**, as in ``two_arms``.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Floats, frozen
from pilothouse.statistics.sequential.arm_stages import check_share, together
from pilothouse.statistics.sequential.bets import mixed
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

RATIOS = 32
"""Number of ratios that are bet on, from 2 % to a thousandfold beyond the null, on either side."""
_STEPS: Floats = frozen(np.geomspace(math.log(1.02), math.log(1000.0), RATIOS))
_AROUND: Floats = frozen(1 / (1 + np.log(_STEPS / math.log(2.0)) ** 2))
_LOG_WEIGHTS: Floats = frozen(np.log(_AROUND / _AROUND.sum()))
"""Weights around a ratio of two, as those of ``bets`` around the expected effect."""
_FARTHEST = math.log(1e6)


@dataclass(frozen=True, slots=True)
class Stage:
    """Counts at one share: ``share`` (0 to 1, exclusive) is the challenger's; requests, failed ones among them."""

    share: float
    challenger: int = 0
    champion: int = 0
    challenger_errors: int = 0
    champion_errors: int = 0

    def __post_init__(self) -> None:
        check_share(self.share)
        if not (
            0 <= self.challenger_errors <= self.challenger and 0 <= self.champion_errors <= self.champion
        ):
            raise InvalidInputError(
                f"counts of errors that cannot be: {self}; expected parts of all requests"
            )

    def plus(self, other: "Stage") -> "Stage":
        """The counts of both, at the same share."""
        return replace(
            self,
            challenger=self.challenger + other.challenger,
            champion=self.champion + other.champion,
            challenger_errors=self.challenger_errors + other.challenger_errors,
            champion_errors=self.champion_errors + other.champion_errors,
        )


@dataclass(frozen=True, slots=True)
class ArmErrors:
    """Counts of a roll-out by stage, one a share, in the order of the shares."""

    stages: tuple[Stage, ...] = ()

    def plus(self, other: "ArmErrors") -> "ArmErrors":
        """The requests of both; associative, in any order."""
        return ArmErrors(together(self.stages, other.stages, Stage.plus))


def log_e_ratio(state: ArmErrors, log_null: float, side: int, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the logarithm of the ratio of error rates is ``log_null`` at most (``side``
    1) or at least (−1); with all counts multiplied by ``times``."""
    total = np.zeros(RATIOS)
    for stage in state.stages:
        odds = math.log(stage.share) - math.log1p(-stage.share)
        null, bets = odds + log_null, odds + log_null + side * _STEPS
        # log of the logistic function is −log(1 + e^−x)
        total += stage.challenger_errors * (np.logaddexp(0, -null) - np.logaddexp(0, -bets))
        total += stage.champion_errors * (np.logaddexp(0, null) - np.logaddexp(0, bets))
    return mixed(times * total, _LOG_WEIGHTS)


def verdict(state: ArmErrors, settings: Settings) -> Verdict:
    """Verdict on the ratio of error rates, challenger over champion. ``margin`` and ``harm_above`` of the settings are
    ratios, above 0: 1.0 where harm is any larger rate. A ratio without bound (no errors of the champion) is None."""
    if not settings.harm_above > 0:
        raise InvalidInputError(
            f"harm_above is {settings.harm_above!r}, expected a ratio above 0 such as 1.0"
        )
    challenger = sum(stage.challenger for stage in state.stages)
    champion = sum(stage.champion for stage in state.stages)
    if not challenger or not champion:
        return no_traffic(settings, challenger + champion)
    low = crossing(lambda r: log_e_ratio(state, r, 1), settings.log_needed, -_FARTHEST, _FARTHEST)
    high = crossing(lambda r: log_e_ratio(state, -r, -1), settings.log_safe, -_FARTHEST, _FARTHEST)
    harmless, margin = math.log(settings.harm_above), math.log(settings.margin)
    return decide(
        settings,
        lambda times: log_e_ratio(state, harmless, 1, times),
        lambda times: log_e_ratio(state, margin, -1, times),
        challenger + champion,
        (_ratio(state), 0.0 if low is None else math.exp(low), None if high is None else math.exp(-high)),
    )


def _ratio(state: ArmErrors) -> float | None:
    """Ratio of the error rates from the errors and the stated shares, summed over the stages as Mantel and Haenszel do
    (1959, Journal of the National Cancer Institute 22:719); None without errors of the champion."""
    above = sum(stage.challenger_errors * (1 - stage.share) for stage in state.stages)
    below = sum(stage.champion_errors * stage.share for stage in state.stages)
    return above / below if below else None

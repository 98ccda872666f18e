"""What a sequential test says of a roll-out at a look, and from which rates it follows.

An *e-value* is a number that is at least 0 and, while the null hypothesis holds, at most 1 on average at any time one may
stop (an e-process; Ramdas, Grünwald, Vovk and Shafer 2023, Statistical Science 38:576). By Ville's inequality (Ville 1939,
Étude critique de la notion de collectif) the probability that it *ever* reaches 1/α is at most α. So a look costs nothing,
and there may be as many as one likes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pilothouse.domain.errors import InvalidInputError

MOST = 1e300
"""Largest e-value that is given; what is larger is given as this, so that it is a number in JSON."""
_FARTHEST = 1000.0
"""Times the observations so far beyond which nothing is said about how many more it takes."""


class Outcome(StrEnum):
    """What a test says."""

    NO_TRAFFIC = "no traffic"
    """There is an arm without an observation: neither pass nor fail."""
    UNDECIDED = "undecided"
    NOT_WORSE = "not worse"
    """Shown not to be worse by more than the margin."""
    HARM = "harm"


@dataclass(frozen=True, slots=True)
class Settings:
    """Rates and effects that a plan states, before the first observation.

    ``level``: the promised probability of ever saying harm where there is none. ``harm_above``: harm is an effect above this
    (a difference of means, a ratio, a share, by test). ``margin``: the effect that is shown not to be reached where the
    verdict is *not worse*. ``safety_level``: the probability of ever saying so where the effect is the margin or more. Where
    the effect lies between ``harm_above`` and ``margin`` both are true; *harm* then goes before.
    Raises InvalidInputError for rates outside of 0 to 1 and for a margin below ``harm_above``.
    """

    level: float = 0.05
    margin: float = 0.01
    harm_above: float = 0.0
    safety_level: float = 0.05

    def __post_init__(self) -> None:
        for name in ("level", "safety_level"):
            if not 0 < getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)!r}, expected a rate between 0 and 1")
        if not (math.isfinite(self.harm_above) and math.isfinite(self.margin)):
            raise InvalidInputError("margin and harm_above must be finite numbers")
        if self.margin < self.harm_above:
            raise InvalidInputError(
                f"margin {self.margin!r} is below harm_above {self.harm_above!r}; expected at least as much"
            )

    @property
    def needed(self) -> float:
        """E-value that says harm: 1/``level``."""
        return 1 / self.level

    @property
    def log_needed(self) -> float:
        """Natural logarithm of ``needed``."""
        return -math.log(self.level)

    @property
    def log_safe(self) -> float:
        """Natural logarithm of the e-value against the margin that says *not worse*."""
        return -math.log(self.safety_level)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says at a look.

    ``e_value`` is the evidence of harm, of ``needed``. ``estimate`` is the effect seen; its true value lies above ``low`` but
    for the test's ``level``, and below ``high`` but for its ``safety_level``, at all looks together; None: no such bound yet.
    ``more``: about how many more observations a verdict takes at what was seen so far; 0 where there is one, None where that
    cannot be said.
    """

    outcome: Outcome
    e_value: float
    needed: float
    estimate: float | None
    low: float | None
    high: float | None
    observations: int
    more: int | None

    @property
    def decided(self) -> bool:
        """Whether it is harm or not worse."""
        return self.outcome in (Outcome.HARM, Outcome.NOT_WORSE)


def no_traffic(settings: Settings, observations: int) -> Verdict:
    """Verdict where an arm has no observation."""
    return Verdict(Outcome.NO_TRAFFIC, 1.0, settings.needed, None, None, None, observations, None)


Evidence = Callable[[float], float]
"""Natural logarithm of an e-value with all counts multiplied by a factor."""


def decide(
    settings: Settings,
    harm: Evidence,
    safe: Evidence,
    observations: int,
    interval: tuple[float | None, float | None, float | None],
) -> Verdict:
    """Verdict from the evidence of ``harm`` (against: the effect is at most ``harm_above``) and ``safe`` (against: it is
    at least the margin) and from ``interval`` (estimate, low, high)."""

    def reached(factor: float) -> bool:
        return harm(factor) >= settings.log_needed or safe(factor) >= settings.log_safe

    log_e = harm(1.0)
    outcome = Outcome.UNDECIDED
    if log_e >= settings.log_needed:
        outcome = Outcome.HARM
    elif safe(1.0) >= settings.log_safe:
        outcome = Outcome.NOT_WORSE
    more = 0 if outcome is not Outcome.UNDECIDED else more_needed(reached, observations)
    return Verdict(outcome, as_e_value(log_e), settings.needed, *interval, observations, more)


def more_needed(reached: Callable[[float], bool], observations: int) -> int | None:
    """About how many more observations are needed, if what comes is as what was seen: the least factor of all counts, within
    1 %, at which the verdict is ``reached``. None where a thousandfold does not reach it."""
    below, above = 1.0, 1.25
    while not reached(above):
        if above >= _FARTHEST:
            return None
        below, above = above, min(above * 1.5, _FARTHEST)
    while above - below > 0.01 * (above - 1):
        middle = (below + above) / 2
        below, above = (below, middle) if reached(middle) else (middle, above)
    return max(math.ceil(observations * (above - 1)), 1)


def as_e_value(log_e: float) -> float:
    """The e-value of a natural logarithm, ``MOST`` at most."""
    return math.exp(log_e) if log_e < math.log(MOST) else MOST


def crossing(evidence: Callable[[float], float], enough: float, low: float, high: float) -> float | None:
    """The largest null effect between ``low`` and ``high`` that is refuted: ``evidence`` (natural logarithm of the e-value
    against effects up to a null) falls with the null, and refutes from ``enough`` on. None where not even ``low`` is
    refuted. The answer errs to the side of the refuted, by 2⁻²⁹ of the range at most."""
    from scipy.optimize import brentq

    if evidence(low) < enough:
        return None
    if evidence(high) >= enough:
        return high
    within = (high - low) * 2**-30
    root = brentq(lambda null: evidence(null) - enough, low, high, xtol=within, rtol=1e-14, maxiter=200)
    return max(float(root) - within, low)

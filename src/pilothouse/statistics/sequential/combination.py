"""Several tests of one roll-out (errors, latency, decisions, at several targets) under one promised rate.

**Harm** is said where the mean of the e-values, weighted as the plan states, reaches 1/level. A mean of e-values is an e-value
however the tests depend on each other (Vovk and Wang 2021, Annals of Statistics 49:1736), and tests on the same requests do.
Bonferroni's rule, each of K tests at level/K, is as valid, but never sooner: where one e-value reaches K/level, the mean of
all has reached 1/level, and two that are half of that do so together. Tests are fixed beforehand with their weights; one that
has not begun counts with its e-value of 1.

**Not worse** is said where every required test says it, each at its whole ``safety_level``: that all say so while one is
worse by its margin has at most that one's rate (intersection–union test; Berger 1982, Technometrics 24:295).

**No traffic** of any required test is said before anything but harm: it is neither pass nor fail.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.sequential.verdicts import MOST, Outcome, Settings, Verdict


@dataclass(frozen=True, slots=True)
class Combined:
    """What all tests of a roll-out say together.

    ``e_value`` of ``needed`` is the evidence of harm of all. ``leading``: the test with the most evidence, by its weight.
    ``lacking``: required tests without traffic; ``undecided``: those that are neither harm nor shown not to be worse.
    ``more``: about how many more observations the slowest of these takes at what was seen so far; None: cannot be said.
    """

    outcome: Outcome
    e_value: float
    needed: float
    leading: str
    lacking: tuple[str, ...]
    undecided: tuple[str, ...]
    more: int | None


def equal_weights(names: Collection[str]) -> dict[str, float]:
    """The same weight for each test."""
    return {name: 1 / len(names) for name in names}


def settings_of_part(settings: Settings, weight: float) -> Settings:
    """Settings of one test of a roll-out whose promised rate is ``settings.level``: its own verdict is harm only where that
    of all is."""
    return replace(settings, level=settings.level * weight)


def combine(
    verdicts: Mapping[str, Verdict],
    level: float,
    weights: Mapping[str, float],
    required: Collection[str] | None = None,
) -> Combined:
    """The verdict of all tests by name, at the promised rate ``level`` of ever saying harm without cause. ``weights`` add
    up to 1 over all tests of the plan; one without a verdict has no traffic. ``required``: the tests that must say *not
    worse*, all by default. Raises InvalidInputError for weights that do not fit."""
    if not weights or any(weight < 0 for weight in weights.values()):
        raise InvalidInputError("a roll-out needs tests with weights of at least 0")
    if abs(math.fsum(weights.values()) - 1) > 1e-9:
        raise InvalidInputError(f"weights add up to {math.fsum(weights.values()):g}, expected 1")
    unknown = (set(verdicts) | set(required or ())) - set(weights)
    if unknown:
        raise InvalidInputError(f"tests without a weight: {', '.join(sorted(unknown))}")
    worth = {name: weight * _e_value(verdicts.get(name)) for name, weight in weights.items()}
    e_value = min(math.fsum(worth.values()), MOST)
    asked = sorted(weights if required is None else required)
    lacking = tuple(name for name in asked if _outcome(verdicts.get(name)) is Outcome.NO_TRAFFIC)
    undecided = tuple(name for name in asked if _outcome(verdicts.get(name)) is not Outcome.NOT_WORSE)
    if e_value >= 1 / level:
        outcome = Outcome.HARM
    elif lacking:
        outcome = Outcome.NO_TRAFFIC
    else:
        outcome = Outcome.UNDECIDED if undecided or not asked else Outcome.NOT_WORSE
    waits = [verdicts[name].more for name in undecided if name in verdicts]
    more = None if lacking or None in waits else max((wait for wait in waits if wait is not None), default=0)
    return Combined(
        outcome=outcome,
        e_value=e_value,
        needed=1 / level,
        leading=max(worth, key=lambda name: worth[name]),
        lacking=lacking,
        undecided=tuple(name for name in undecided if name not in lacking),
        more=0 if outcome is Outcome.HARM else more,
    )


def _e_value(verdict: Verdict | None) -> float:
    return 1.0 if verdict is None else verdict.e_value


def _outcome(verdict: Verdict | None) -> Outcome:
    return Outcome.NO_TRAFFIC if verdict is None else verdict.outcome

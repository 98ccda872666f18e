"""Canary, before outcomes exist: how far apart are the answers of two arms that get stated shares of the requests?

For each of some events of an answer (``answer_events``) the difference of its shares in the arms is tested as ``two_arms``
tests that of losses, in both directions; the evidence that *some* share differs by more than the stated effect is the mean of
the e-values, as in ``paired_answers``. It takes many more requests than pairs do: shadow goes first. All counts add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Flags
from pilothouse.statistics.sequential.arm_stages import check_share, together
from pilothouse.statistics.sequential.bets import Block, added, log_e_mean_above
from pilothouse.statistics.sequential.paired_answers import mean_of
from pilothouse.statistics.sequential.two_arms import SMALLEST_EFFECT, Expected, arm_blocks
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

_EVENT = np.array([1.0, 0.0])


@dataclass(frozen=True, slots=True)
class Stage:
    """Answers at one share: ``share`` (0 to 1, exclusive) is the challenger's; requests of the arms, and for each event how
    many answers were one."""

    share: float
    challenger: int = 0
    champion: int = 0
    challenger_events: tuple[int, ...] = ()
    champion_events: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_share(self.share)
        if (
            len(self.challenger_events) != len(self.champion_events)
            or any(not 0 <= count <= self.challenger for count in self.challenger_events)
            or any(not 0 <= count <= self.champion for count in self.champion_events)
        ):
            raise InvalidInputError("counts of answers that cannot be; expected parts of all requests")

    def plus(self, other: "Stage") -> "Stage":
        """The counts of both, at the same share."""
        return replace(
            self,
            challenger=self.challenger + other.challenger,
            champion=self.champion + other.champion,
            challenger_events=added(self.challenger_events, other.challenger_events),
            champion_events=added(self.champion_events, other.champion_events),
        )


@dataclass(frozen=True, slots=True)
class ArmAnswers:
    """Answers of a roll-out by stage, one a share, in the order of the shares."""

    stages: tuple[Stage, ...] = ()

    def plus(self, other: "ArmAnswers") -> "ArmAnswers":
        """The answers of both; associative, in any order."""
        return ArmAnswers(together(self.stages, other.stages, Stage.plus))


def collect(share: float, challenger: Flags, champion: Flags) -> ArmAnswers:
    """Counts of events bool[requests, events] of the answers of each arm while the challenger's share was ``share``."""
    return ArmAnswers(
        (
            Stage(
                share,
                len(challenger),
                len(champion),
                tuple(challenger.sum(axis=0).tolist()),
                tuple(champion.sum(axis=0).tolist()),
            ),
        )
    )


def _blocks(stages: Sequence[Stage], event: int, expected: Expected) -> tuple[list[Block], list[Block]]:
    """Values z of one event, as in ``two_arms``, and their negatives."""
    found = []
    for stage in stages:
        for requests, events, challenger in (
            (stage.challenger, stage.challenger_events, True),
            (stage.champion, stage.champion_events, False),
        ):
            if requests:
                weights = np.array([events[event], requests - events[event]], np.float64)
                found.append(arm_blocks(_EVENT, weights, stage.share, challenger, expected))
    return [pair[0] for pair in found], [pair[1] for pair in found]


def verdict(state: ArmAnswers, settings: Settings, centres: Sequence[float]) -> Verdict:
    """Verdict on the largest absolute difference, over the events, of the shares of answers (0 to 1). ``centres`` (0 to 1)
    are the events' shares that the plan expects; whatever they are, the rates hold. Raises InvalidInputError for another
    number of centres than of events."""
    challenger = sum(stage.challenger for stage in state.stages)
    champion = sum(stage.champion for stage in state.stages)
    if not challenger or not champion or not centres:
        return no_traffic(settings, challenger + champion)
    if any(len(stage.challenger_events) not in (0, len(centres)) for stage in state.stages):
        raise InvalidInputError(f"{len(centres)} expected shares for another number of events")
    filled = [stage for stage in state.stages if stage.challenger_events]
    effect = max(settings.harm_above, SMALLEST_EFFECT)
    pairs = [_blocks(filled, event, Expected(centre, effect)) for event, centre in enumerate(centres)]
    sides = [side for pair in pairs for side in pair]
    others = [side for up, down in pairs for side in (down, up)]
    near = 1 - 1e-6

    def apart(null: float, times: float = 1.0) -> float:
        return mean_of(np.array([log_e_mean_above(side, null, times, effect) for side in sides]))

    def close(null: float, times: float = 1.0) -> float:
        return min(log_e_mean_above(side, -null, times, effect) for side in others)

    low = crossing(apart, settings.log_needed, 0.0, near)
    high = crossing(lambda m: close(-m), settings.log_safe, -near, 0.0)
    return decide(
        settings,
        lambda times: apart(settings.harm_above, times),
        lambda times: close(settings.margin, times),
        challenger + champion,
        (_largest(filled), low or 0.0, 1.0 if high is None else -high),
    )


def _largest(stages: Sequence[Stage]) -> float | None:
    """Largest absolute difference of the events' shares, mean over the stages by their requests; None where no stage has
    both arms."""
    both = [stage for stage in stages if stage.challenger and stage.champion]
    if not both:
        return None
    sizes = np.array([stage.challenger + stage.champion for stage in both], np.float64)
    apart = np.array(
        [
            np.array(stage.challenger_events) / stage.challenger
            - np.array(stage.champion_events) / stage.champion
            for stage in both
        ]
    )
    return float(np.abs(sizes @ apart / sizes.sum()).max())

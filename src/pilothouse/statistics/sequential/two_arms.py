"""Canary: each request is answered by one of two models, drawn with stated shares; each has a loss between 0 and 1.

With the challenger's share p, the loss y and any fixed number c (``centre``),

    z = (y − c)/p where the challenger answered,   z = −(y − c)/(1 − p) where the champion did,

has the difference of the mean losses as its mean (Horvitz and Thompson 1952, Journal of the American Statistical Association
47:663). Its mixture over bets (``bets``) is the test, with bets around the one for twice the margin. Where y is 0 or 1, a bet
at the null of 0 is the likelihood ratio of two Bernoulli laws against one common law with the mean c (Turner, Ly and Grünwald
2024, Journal of Statistical Planning and Inference 230:106116); it is linear in y, so that it holds for losses in between. The
nearer c is to the mean loss, the less z varies: the plan states the champion's loss of before. At c = 0 only errors count,
and the test is the binomial one of which arm an error came from, given the shares.

The shares are part of the evidence, not estimated: a stage of a roll-out has one, and its counts are kept apart. So mean losses
may move from hour to hour, and stages with other traffic do not mix. **One observation a draw**: where a request key always
goes to the same arm, the draw is the key's, and one observation is one key (its mean loss within a stage).

All weights add up: the order of requests and their batches do not matter.
"""

from dataclasses import dataclass, replace

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.sequential.arm_stages import check_share, together
from pilothouse.statistics.sequential.bets import UNIT, Block, added, log_e_mean_above, on_nodes
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

STEPS = 100
"""Steps of the grid over 0 to 1 on which losses are kept."""
_NODES = np.linspace(0.0, 1.0, STEPS + 1)
SMALLEST_EFFECT = 0.001
"""Effect that bets are for at least."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plan expects, so that harm is found sooner: the ``centre`` of the losses (0 to 1), and the ``effect``, the
    difference of mean losses that matters (above 0). Whatever they are, the rates hold."""

    centre: float
    effect: float

    def __post_init__(self) -> None:
        if not 0 <= self.centre <= 1:
            raise InvalidInputError(f"centre is {self.centre!r}, expected a mean loss from 0 to 1")
        if not self.effect > 0:
            raise InvalidInputError(f"effect is {self.effect!r}, expected above 0")


def arm_blocks(
    losses: Floats, weights: Floats, share: float, challenger: bool, expected: Expected
) -> tuple[Block, Block]:
    """Values z of ``losses`` with ``weights`` (float64[k] each) of one arm, and their negatives."""
    c, p = expected.centre, share
    values = (losses - c) / p if challenger else (c - losses) / (1 - p)
    least, most = min(-c / p, -(1 - c) / (1 - p)), max((1 - c) / p, c / (1 - p))
    # of losses that are 0 or 1; without a centre, of as many as the effect
    variance = max(c * (1 - c), min(expected.effect, 0.25)) / (p * (1 - p))
    block = Block(values, weights, least, variance)
    return block, block.mirrored(most)


@dataclass(frozen=True, slots=True)
class Stage:
    """Losses of the requests of one share: ``share`` (0 to 1, exclusive) is the challenger's; numbers of requests, and the
    weights (``UNIT`` a request) of the nodes of a grid over 0 to 1; empty without requests."""

    share: float
    challenger: int = 0
    champion: int = 0
    challenger_weights: tuple[int, ...] = ()
    champion_weights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_share(self.share)
        for requests, weights in (
            (self.challenger, self.challenger_weights),
            (self.champion, self.champion_weights),
        ):
            wanted = STEPS + 1 if requests else len(weights)
            if len(weights) != wanted or sum(weights) != requests * UNIT:
                raise InvalidInputError(
                    f"weights do not add up to {requests} requests; the record is damaged"
                )

    def plus(self, other: "Stage") -> "Stage":
        """The requests of both, at the same share."""
        return replace(
            self,
            challenger=self.challenger + other.challenger,
            champion=self.champion + other.champion,
            challenger_weights=added(self.challenger_weights, other.challenger_weights),
            champion_weights=added(self.champion_weights, other.champion_weights),
        )


@dataclass(frozen=True, slots=True)
class TwoArms:
    """Losses of a roll-out by stage, one a share, in the order of the shares."""

    stages: tuple[Stage, ...] = ()

    def plus(self, other: "TwoArms") -> "TwoArms":
        """The requests of both; exact and associative, in any order."""
        return TwoArms(together(self.stages, other.stages, Stage.plus))


def collect(share: float, challenger: Floats, champion: Floats) -> TwoArms:
    """Losses float64[requests] (0 to 1; errors as 0 and 1) of the requests that each model answered while the challenger's
    share was ``share``. Raises InvalidInputError for others."""
    weights = [
        tuple(on_nodes(losses, 0.0, 1.0, STEPS).tolist()) if len(losses) else ()
        for losses in (challenger, champion)
    ]
    return TwoArms((Stage(share, len(challenger), len(champion), *weights),))


def log_e_worse(state: TwoArms, null: float, expected: Expected, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the challenger's mean loss is above the champion's by ``null`` (−1 to 1,
    exclusive) at most; with all counts multiplied by ``times``."""
    worse = [pair[0] for pair in _blocks(state, expected)]
    return log_e_mean_above(worse, null + _rounding(state), times, expected.effect)


def log_e_better(state: TwoArms, null: float, expected: Expected, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the difference of the mean losses is ``null`` at least."""
    better = [pair[1] for pair in _blocks(state, expected)]
    return log_e_mean_above(better, _rounding(state) - null, times, expected.effect)


def _blocks(state: TwoArms, expected: Expected) -> list[tuple[Block, Block]]:
    """Values z of all stages and their negatives, for both arms."""
    found = []
    for stage in state.stages:
        for weights, challenger in ((stage.challenger_weights, True), (stage.champion_weights, False)):
            if weights:
                found.append(
                    arm_blocks(
                        _NODES, np.array(weights, np.float64) / UNIT, stage.share, challenger, expected
                    )
                )
    return found


def _rounding(state: TwoArms) -> float:
    """How far a value z may have moved when its loss was put on the grid, at most."""
    return max(1 / min(stage.share, 1 - stage.share) for stage in state.stages) / (2 * STEPS * UNIT)


def verdict(state: TwoArms, settings: Settings, centre: float = 0.0) -> Verdict:
    """Verdict on the difference of the mean losses, challenger minus champion (−1 to 1). ``centre`` (0 to 1) is the mean
    loss that the plan expects; whatever it is, the rates hold. Raises InvalidInputError for another centre."""
    expected = Expected(centre, 2 * max(settings.margin, SMALLEST_EFFECT))
    challenger = sum(stage.challenger for stage in state.stages)
    champion = sum(stage.champion for stage in state.stages)
    if not challenger or not champion:
        return no_traffic(settings, challenger + champion)
    near = 1 - 1e-6  # z may be as low as −1 or lower, whatever share and centre are
    low = crossing(lambda m: log_e_worse(state, m, expected), settings.log_needed, -near, near)
    high = crossing(lambda m: log_e_better(state, -m, expected), settings.log_safe, -near, near)
    return decide(
        settings,
        lambda times: log_e_worse(state, settings.harm_above, expected, times),
        lambda times: log_e_better(state, settings.margin, expected, times),
        challenger + champion,
        (_difference(state), -1.0 if low is None else low, 1.0 if high is None else -high),
    )


def _difference(state: TwoArms) -> float | None:
    """Mean over the stages, by their requests, of the difference of the arms' mean losses; None where no stage has both."""
    total, requests = 0.0, 0
    for stage in state.stages:
        if stage.challenger and stage.champion:
            means = [
                float(np.array(weights, np.float64) @ _NODES) / UNIT / n
                for weights, n in (
                    (stage.challenger_weights, stage.challenger),
                    (stage.champion_weights, stage.champion),
                )
            ]
            both = stage.challenger + stage.champion
            total, requests = total + both * (means[0] - means[1]), requests + both
    return total / requests if requests else None

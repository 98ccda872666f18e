"""Shadow, outcomes known: both models answered the same requests, each with a bounded loss.

What is tested is the mean of the pairs' differences, the challenger's loss minus the champion's, over ``scale``, which the
plan states: −1 to 1. The mixture over bets is that of ``bets``. What is bounded, and how:

- *Brier score, absolute error of a probability*: by itself; scale 1 (2 for the Brier score summed over classes).
- *Log loss*: probabilities are clipped at ``LEAST_PROBABILITY``, so that one confident mistake cannot outweigh all else;
  scale ``log_loss_scale()``. The mean is that of the clipped loss.
- *A regression*, whose errors have no bound: the difference of the absolute errors is cut at ± scale (``truncated``), scale
  being what the plan states, for example p95 of the champion's absolute errors on the hold-out. It is the difference that is
  cut, and not the errors: a request on which both are far off, and alike, counts in full. The verdict is about the mean of
  the cut difference. Beside it the sign test, which needs no scale: on how many requests is the challenger farther off
  (``farther``, judged by ``paired_errors``)? It is about a share of requests, so it does not see that a few errors are large.

All weights add up: the order of pairs and their batches do not matter.
"""

import math
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.sequential.bets import UNIT, Block, added, log_e_mean_above, on_nodes
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

STEPS = 200
"""Steps of the grid over −1 to 1 on which differences are kept."""
LEAST_PROBABILITY = 0.001
_NODES = np.linspace(-1.0, 1.0, STEPS + 1)
_ROUNDING = 1 / (STEPS * UNIT)
"""How far a difference may have moved when it was put on the grid, at most."""


@dataclass(frozen=True, slots=True)
class PairedLosses:
    """Differences of losses on requests that both models answered: ``pairs`` of them, and the ``weights`` (``UNIT`` a
    pair) of the nodes of a grid over −1 to 1; empty without pairs."""

    pairs: int = 0
    weights: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        wanted = STEPS + 1 if self.pairs else len(self.weights)
        if len(self.weights) != wanted or sum(self.weights) != self.pairs * UNIT:
            raise InvalidInputError(f"weights do not add up to {self.pairs} pairs; the record is damaged")

    def plus(self, other: "PairedLosses") -> "PairedLosses":
        """The pairs of both; exact and associative, in any order."""
        return PairedLosses(self.pairs + other.pairs, added(self.weights, other.weights))


def collect(challenger: Floats, champion: Floats, scale: float) -> PairedLosses:
    """Differences of the losses float64[pairs] of the two models on the same requests, over ``scale``. Raises
    InvalidInputError for a scale that is not above 0, and where a difference exceeds it."""
    if not scale > 0:
        raise InvalidInputError(f"scale is {scale!r}, expected above 0")
    if not len(challenger):
        return PairedLosses()
    differences = (np.asarray(challenger, np.float64) - np.asarray(champion, np.float64)) / scale
    return PairedLosses(len(differences), tuple(on_nodes(differences, -1.0, 1.0, STEPS).tolist()))


def truncated(challenger: Floats, champion: Floats, scale: float) -> PairedLosses:
    """``collect`` with differences beyond ± ``scale`` taken as that."""
    if not scale > 0:
        raise InvalidInputError(f"scale is {scale!r}, expected above 0")
    difference = np.clip(np.asarray(challenger, np.float64) - np.asarray(champion, np.float64), -scale, scale)
    return collect(difference, np.zeros_like(difference), scale)


def farther(challenger: Floats, champion: Floats) -> PairedErrors:
    """Sign test of absolute errors float64[pairs]: which model is farther off, as ``paired_errors`` judges it. Ties count
    as pairs in which nothing differs."""
    return PairedErrors(
        len(challenger), int((challenger > champion).sum()), int((champion > challenger).sum())
    )


def log_loss(probability_of_outcome: Floats) -> Floats:
    """−log of the probability that was given to what happened, clipped at ``LEAST_PROBABILITY`` on both sides."""
    return -np.log(np.clip(probability_of_outcome, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))


def log_loss_scale() -> float:
    """Largest difference of two clipped log losses."""
    return math.log(1 - LEAST_PROBABILITY) - math.log(LEAST_PROBABILITY)


def log_e_worse(state: PairedLosses, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the challenger's mean loss is above the champion's by ``null`` (−1 to 1,
    exclusive, in units of the scale) at most; with all counts multiplied by ``times``."""
    return log_e_mean_above([Block(_NODES, _weights(state), -1.0)], null + _ROUNDING, times)


def log_e_better(state: PairedLosses, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: the mean difference is ``null`` at least."""
    return log_e_mean_above([Block(-_NODES, _weights(state), -1.0)], _ROUNDING - null, times)


def _weights(state: PairedLosses) -> Floats:
    return np.array(state.weights, np.float64) / UNIT


def verdict(state: PairedLosses, settings: Settings) -> Verdict:
    """Verdict on the mean difference, challenger minus champion, in units of the scale (−1 to 1); so are the settings'
    ``margin`` and ``harm_above``."""
    if not state.pairs:
        return no_traffic(settings, 0)
    near = 1 - 1e-6
    low = crossing(lambda m: log_e_worse(state, m), settings.log_needed, -near, near)
    high = crossing(lambda m: log_e_better(state, -m), settings.log_safe, -near, near)
    return decide(
        settings,
        lambda times: log_e_worse(state, settings.harm_above, times),
        lambda times: log_e_better(state, settings.margin, times),
        state.pairs,
        (
            float(_weights(state) @ _NODES) / state.pairs,
            -1.0 if low is None else low,
            1.0 if high is None else -high,
        ),
    )

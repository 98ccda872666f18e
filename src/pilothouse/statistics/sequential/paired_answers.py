"""Shadow, before outcomes exist: how far apart are the two models' answers to the same requests?

For each of some events of an answer (``answer_events``: its score is above a threshold, its class is a certain one), the
difference of the events' shares is the mean of a difference that is 1, 0 or −1 on each request. Where scores hardly move most
are 0, so that far fewer pairs tell than requests of two arms would. Evidence that *some* share differs by more than the stated
effect, in either direction, is the mean of the events' e-values, both signs (Vovk and Wang 2021, Annals of Statistics 49:1736:
a mean of e-values is one, however they depend on each other). All counts add up.
"""

from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Flags, Floats
from pilothouse.statistics.sequential.bets import log_wealth, mixed
from pilothouse.statistics.sequential.verdicts import Settings, Verdict, crossing, decide, no_traffic

_VALUES = np.array([1.0, -1.0, 0.0])


@dataclass(frozen=True, slots=True)
class PairedAnswers:
    """Requests that both models answered: ``pairs`` of them, and for each event to how many of these only the challenger's
    and only the champion's answer was one."""

    pairs: int = 0
    challenger_alone: tuple[int, ...] = ()
    champion_alone: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        alone = zip(self.challenger_alone, self.champion_alone, strict=False)
        if len(self.challenger_alone) != len(self.champion_alone) or any(
            min(a, b) < 0 or a + b > self.pairs for a, b in alone
        ):
            raise InvalidInputError("counts of answers that cannot be; expected parts of all pairs")

    def plus(self, other: "PairedAnswers") -> "PairedAnswers":
        """The pairs of both; associative, in any order. Raises InvalidInputError for other events."""
        if not self.pairs or not other.pairs:
            return self if self.pairs else other
        if len(self.challenger_alone) != len(other.challenger_alone):
            raise InvalidInputError("counts of other events do not add up; expected the same thresholds")
        return PairedAnswers(
            self.pairs + other.pairs,
            tuple(a + b for a, b in zip(self.challenger_alone, other.challenger_alone, strict=True)),
            tuple(a + b for a, b in zip(self.champion_alone, other.champion_alone, strict=True)),
        )


def collect(challenger: Flags, champion: Flags) -> PairedAnswers:
    """Counts of events bool[pairs, events] of the two models' answers to the same requests."""
    return PairedAnswers(
        len(challenger),
        tuple((challenger & ~champion).sum(axis=0).tolist()),
        tuple((champion & ~challenger).sum(axis=0).tolist()),
    )


def log_e_apart(state: PairedAnswers, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: no event's share differs by more than ``null`` (0 to 1, exclusive); with
    all counts multiplied by ``times``."""
    return mean_of(_log_es(_counts(state), null, times))


def log_e_close(state: PairedAnswers, null: float, times: float = 1.0) -> float:
    """Natural logarithm of the e-value against: some event's share differs by ``null`` at least: the least of those
    against each event and direction."""
    return float(_log_es(_counts(state)[[1, 0, 2]], -null, times).min())


def _counts(state: PairedAnswers) -> Floats:
    """Pairs with a difference of 1, −1 and 0, float64[3, 2 · events]: each event in both directions."""
    more, less = np.array(state.challenger_alone, np.float64), np.array(state.champion_alone, np.float64)
    same = state.pairs - more - less
    return np.stack([np.concatenate([more, less]), np.concatenate([less, more]), np.tile(same, 2)])


def verdict(state: PairedAnswers, settings: Settings) -> Verdict:
    """Verdict on the largest absolute difference, over the events, of the shares of answers (0 to 1): the effect that
    ``margin`` and ``harm_above`` are of. ``low`` bounds the largest; ``high`` bounds all of them."""
    if not state.pairs or not state.challenger_alone:
        return no_traffic(settings, 0)
    alone = zip(state.challenger_alone, state.champion_alone, strict=True)
    seen = max(abs(more - less) for more, less in alone) / state.pairs
    near = 1 - 1e-6
    low = crossing(lambda m: log_e_apart(state, m), settings.log_needed, 0.0, near)
    high = crossing(lambda m: log_e_close(state, -m), settings.log_safe, -near, 0.0)
    return decide(
        settings,
        lambda times: log_e_apart(state, settings.harm_above, times),
        lambda times: log_e_close(state, settings.margin, times),
        state.pairs,
        (seen, low or 0.0, 1.0 if high is None else -high),
    )


def _log_es(counts: Floats, null: float, times: float) -> Floats:
    """log E of each event against: its mean difference is ``null`` at most; ``counts`` float64[3, events] of 1, −1, 0."""
    wealth = times * (log_wealth(_VALUES, -1.0, null) @ counts)
    return np.array([mixed(of) for of in wealth.T])


def mean_of(log_es: Floats) -> float:
    """Natural logarithm of the mean of e-values, given by their logarithms."""
    top = float(log_es.max())
    return top + float(np.log(np.exp(log_es - top).mean()))

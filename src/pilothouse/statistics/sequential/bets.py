"""Mixtures over bets: evidence that the mean of bounded values lies above a stated one.

Of values z ≥ a whose mean is at most m, given all before, a bet of the share u of one's wealth multiplies it by

    1 − u + u (z − a)/(m − a)

which is at least 0 and at most 1 on average (Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86:1,
section 4). The e-value is the mean wealth over a fixed set of bets. A bet that is chosen from the values before (aGRAPA) would
depend on their order; the mixture does not, so that counts add up and a process that was killed goes on from them to the same
number. It is never behind the best single bet by more than that bet's weight (Cover 1991, Mathematical Finance 1:1).

**Values between nodes.** A value between two nodes of a grid counts for both, by its distance, so that sums are kept. The
logarithm of the wealth is concave in the value: the chord lies below it, and the e-value so found is at most that of the values
themselves. The error is one of power, and none of validity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.arrays import Floats, Ints, frozen

UNIT = 1 << 20
"""Integer weight of one value, so that weights add up exactly in any order. A value moves by 2⁻²¹ of a grid's step at most."""
BETS = 32
"""Number of bets. Neighbours are a factor of 1.3 apart: the best lies within 14 % of one, which costs 2 % of its growth."""
_GROWTH = 1.3
_LARGEST = 0.99
_SHARES: Floats = frozen(_LARGEST * _GROWTH ** -np.arange(BETS, dtype=np.float64))
_LOG_WEIGHTS: Floats = frozen(0.5 * np.log(_SHARES) - np.log(np.sqrt(_SHARES).sum()))
"""Weights as √u: between those of a uniform law, which hardly hold small bets, and of a log-uniform one, which hold as many
tiny bets as large ones. It is the law of Krichevsky and Trofimov 1981, IEEE Transactions on Information Theory 27:199, at 0."""
_SMALLER = 12
_MULTIPLES: Floats = frozen(_GROWTH ** (np.arange(BETS, dtype=np.float64) - _SMALLER))
_AROUND: Floats = frozen(1 / (1 + np.log(_MULTIPLES) ** 2))
_LOG_WEIGHTS_AROUND: Floats = frozen(np.log(_AROUND / _AROUND.sum()))
"""Weights of bets around the one that suits an expected effect, as 1/(1 + x²) of its log multiple: effects that are three
times smaller or larger cost a factor of two."""


@dataclass(frozen=True, slots=True)
class Block:
    """Values that may be as low as ``least``: ``weights`` (float64[k]) of each of the ``values`` (float64[k]).
    ``variance`` is what is expected of the values where bets are chosen by an expected effect."""

    values: Floats
    weights: Floats
    least: float
    variance: float = 1.0

    def mirrored(self, most: float) -> "Block":
        """The values' negatives, of values that may be as high as ``most``."""
        return replace(self, values=-self.values, least=-most)


def log_e_mean_above(
    blocks: Sequence[Block], null: float, times: float = 1.0, effect: float | None = None
) -> float:
    """Natural logarithm of the e-value against: each value's mean, given those before, is ``null`` at most; with all
    weights multiplied by ``times``. ``null`` lies above each block's least value.

    With an ``effect`` (above 0: how far above the null the plan expects a mean that matters) the bets lie around the one
    that suits it, effect/variance of each block (Kelly 1956, Bell System Technical Journal 35:917, to the first order).
    """
    wealth = np.zeros(BETS)
    for block in blocks:
        shares = _SHARES
        if effect is not None:
            shares = np.minimum(_LARGEST, _MULTIPLES * effect / block.variance * (null - block.least))
        wealth += log_wealth(block.values, block.least, null, shares) @ block.weights
    return mixed(times * wealth, _LOG_WEIGHTS if effect is None else _LOG_WEIGHTS_AROUND)


def log_wealth(values: Floats, least: float, null: float, shares: Floats = _SHARES) -> Floats:
    """Natural logarithm of what each bet of a share of the wealth makes of each value, float64[BETS, k]."""
    return np.log1p(np.outer(shares, (values - least) / (null - least) - 1))


def mixed(log_wealths: Floats, log_weights: Floats = _LOG_WEIGHTS) -> float:
    """Natural logarithm of the mean wealth over the bets, of the logarithms of each, float64[BETS]."""
    total = log_wealths + log_weights
    top = float(total.max())
    return top + float(np.log(np.exp(total - top).sum()))


def on_nodes(values: Floats, least: float, most: float, steps: int) -> Ints:
    """Weights int64[steps + 1] of the nodes of a grid from ``least`` to ``most``, of ``UNIT`` for each of the ``values``.
    Raises InvalidInputError for values outside of the grid or NaN."""
    values = np.asarray(values, np.float64)
    if values.size and not (values.min() >= least and values.max() <= most):
        raise InvalidInputError(f"a loss is outside of its bounds, {least:g} to {most:g}, or is no number")
    at = (values - least) * (steps / (most - least))
    node = np.minimum(at.astype(np.int64), steps - 1)
    upper = np.rint((at - node) * UNIT).astype(np.int64)
    weights = np.zeros(steps + 1, np.int64)
    np.add.at(weights, node, UNIT - upper)
    np.add.at(weights, node + 1, upper)
    return weights


def added(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """Sums of weights; those of nothing are empty. Raises InvalidInputError for weights of other grids."""
    if not first or not second:
        return first or second
    if len(first) != len(second):
        raise InvalidInputError(
            f"weights of {len(first)} and {len(second)} nodes do not add up; expected one grid"
        )
    return tuple(a + b for a, b in zip(first, second, strict=True))

"""Canary: do the arms get the shares of the requests that the plan states? The tests of two arms stand on it.

Each request is a draw; the e-value against the stated share p is the uniform mixture over all shares, of k of n requests

    E = B(k + 1, n − k + 1) / (pᵏ (1 − p)ⁿ⁻ᵏ)

multiplied over the stages (elsewhere: the test of a sample ratio mismatch). A split that is not as stated means that requests
of one arm get lost before they are counted, or that the draw is none: what the arms' tests say then is worth nothing.
"""

import math
from collections.abc import Iterable

Split = tuple[float, int, int]
"""The challenger's stated share (0 to 1, exclusive), requests of the challenger, requests of the champion."""


def log_e_split(splits: Iterable[Split]) -> float:
    """Natural logarithm of the e-value against: each stage's requests were split as stated."""
    total = 0.0
    for share, challenger, champion in splits:
        total += (
            math.lgamma(challenger + 1) + math.lgamma(champion + 1) - math.lgamma(challenger + champion + 2)
        )
        total -= challenger * math.log(share) + champion * math.log1p(-share)
    return total


def split_as_stated(splits: Iterable[Split], level: float = 0.001) -> bool:
    """Whether the shares may be as stated; a right split is ever called wrong with a probability of ``level`` at most."""
    return log_e_split(splits) < -math.log(level)

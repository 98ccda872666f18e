"""Multiplicity: p-values of many tests and columns together, and the levels at which they are significant."""

import math
from collections.abc import Sequence

FAULTS = ("missing", "unseen")
"""Statistics of data quality, which are judged beside a column's drift."""
LASTING = 3
"""Windows that are judged together, the newest among them."""
LEANS = 0.25
"""p-value of the newest window by itself up to which a lasting change is tested. One loud window is so not
significant again in those after it."""
LASTS = 0.25
"""Share of a column's level that is left to the test of its last windows together."""
WEIGHTS = {
    "ks": 2.0,
    "higher": 2.0,
    "lower": 2.0,
    "wider": 1.0,
    "narrower": 1.0,
    "within": 0.5,
    "outside": 0.5,
    "js": 1.0,
}
"""Weights of a stationary column's statistics in the rest of its level: a location shifts more often than anything else."""
OVERDISPERSED_WEIGHTS = WEIGHTS | {
    "wasserstein": 2.0,
    "higher": 1.0,
    "lower": 1.0,
    "wider": 0.5,
    "narrower": 0.5,
    "js": 2.0,
    "share": 1.0,
}
"""Weights of the statistics of an overdispersed column, or of one that is judged by its recent past too."""
CERTAIN = 0.1
"""Share of Bonferroni's bound up to which one window opens an alert by itself."""
CERTAIN_OF_STATIONARY = 1.0
"""The same share for a stationary column, whose null is known without extrapolation."""
PROMISE = 0.1
"""Largest share of the rate at which one window opens an alert, however few columns there are: by default one false
alert in 1,000 feature-windows."""


def certain_level(stationary: bool, rate: float, looked_at: int) -> float:
    """p-value up to which one window opens an alert by itself, at a false alarm ``rate`` and with ``looked_at``
    columns tested: Bonferroni's bound times CERTAIN (of a stationary column CERTAIN_OF_STATIONARY), at most PROMISE times
    the rate."""
    return rate * min((CERTAIN_OF_STATIONARY if stationary else CERTAIN) / max(looked_at, 1), PROMISE)


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> float:
    """p-value up to which a test is significant at the false discovery rate ``rate``: rate·k/n for the largest k
    whose k-th smallest p-value is not above it (Benjamini and Hochberg 1995, J. Royal Statistical Society B 57:289);
    rate/n where there is none, and ``rate`` without tests."""
    n = max(len(p_values), 1)
    hits = [k for k, p in enumerate(sorted(p_values), 1) if p <= rate * k / n]
    return rate * max(hits, default=1) / n


def harmonic(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """p-value of several tests together: their weighted harmonic mean, at most 1 (Wilson 2019, Proceedings of the
    National Academy of Sciences 116:1195). The ``weights`` add up to one at most; the rest is the weight of tests
    that are left out. Tests that agree count as little more than one, where Bonferroni charges for each; in return
    their nulls must be known far into the tails. 1 without tests."""
    total = math.fsum(w / max(p, 1e-300) for p, w in zip(p_values, weights, strict=True))
    return min(1 / total, 1.0) if total else 1.0


def needed(level: float, weight: float, others: Sequence[float], weights: Sequence[float]) -> float:
    """p-value at which one test of this ``weight`` brings the harmonic mean (``harmonic``) down to ``level``, with
    the ``others`` and their ``weights`` as they are; at most ``level``, which is also returned where the others
    suffice."""
    remainder = 1 / level - math.fsum(w / max(p, 1e-300) for p, w in zip(others, weights, strict=True))
    return min(weight / remainder, level) if remainder > 0 else level

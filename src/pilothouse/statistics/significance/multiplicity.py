"""How improbable a figure must be to speak, and to open an alert without a second window."""

import math
from collections.abc import Sequence

FAULTS = ("missing", "unseen")
"""What is judged of a column beside its drift."""
LASTING = 3
"""Windows that are judged together, the newest among them."""
LEANS = 0.25
"""A change lasts only while the newest window leans to it: no more probable than this by itself. So one loud window does not
speak again in those after it."""
LASTS = 0.25
"""The part of a column's chance to err that is left to its last windows together."""
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
"""How the rest is shared among a steady column's statistics: a level moves more often than anything else does."""
WANDER_WEIGHTS = WEIGHTS | {
    "wasserstein": 2.0,
    "higher": 1.0,
    "lower": 1.0,
    "wider": 0.5,
    "narrower": 0.5,
    "js": 2.0,
    "share": 1.0,
}
"""The same for a column that wanders, or is judged by its recent past too."""
CERTAIN = 0.1
"""A window is certain by itself where its p-value is this share of the smallest that would do to speak …"""
CERTAIN_OF_STEADY = 1.0
"""… of a steady column this share, for there the law is known and nothing is extrapolated …"""
PROMISE = 0.1
"""… and never above this share of the rate, however few columns there are: by default one false alert in 1,000
feature-windows."""


def certain_level(steady: bool, rate: float, looked_at: int) -> float:
    """The p-value up to which one window opens an alert."""
    return rate * min((CERTAIN_OF_STEADY if steady else CERTAIN) / max(looked_at, 1), PROMISE)


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> float:
    """The p-value up to which to speak: rate·k/n for the largest k whose k-th smallest p-value is not above it, else rate/n."""
    n = max(len(p_values), 1)
    hits = [k for k, p in enumerate(sorted(p_values), 1) if p <= rate * k / n]
    return rate * max(hits, default=1) / n


def harmonic(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """One p-value of tests whose ``weights`` add up to one at most, the rest being those of tests that do not speak for a
    change: their weighted harmonic mean (Wilson 2019, Proceedings of the National Academy of Sciences 116:1195). Tests that
    agree count as little more than one, where Bonferroni takes each for another chance to err; the tests' laws must be known
    far into their tails."""
    total = math.fsum(w / max(p, 1e-300) for p, w in zip(p_values, weights, strict=True))
    return min(1 / total, 1.0) if total else 1.0


def needed(level: float, weight: float, others: Sequence[float], weights: Sequence[float]) -> float:
    """The p-value at which one test of this ``weight`` brings the harmonic mean down to ``level``, the ``others`` being as they
    are."""
    rest = 1 / level - math.fsum(w / max(p, 1e-300) for p, w in zip(others, weights, strict=True))
    return min(weight / rest, level) if rest > 0 else level

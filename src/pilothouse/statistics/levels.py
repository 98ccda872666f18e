"""How improbable a figure must be to speak, and to open an alert without a second window."""

from collections.abc import Sequence

LASTING = 3
"""Windows that are judged together, the newest among them."""
LEANS = 0.25
"""A change lasts only while the newest window leans to it: no more probable than this by itself. So one loud window does not
speak again in those after it."""
FAULTS = ("missing", "unseen")
"""What is judged of a column beside its drift."""
CERTAIN = 0.1
"""A window is certain by itself where its p-value is this share of the smallest that would do to speak …"""
CERTAIN_OF_STEADY = 1.0
"""… of a steady column this share, for there the law is known and nothing is extrapolated …"""
PROMISE = 0.001
"""… and never above this, however few columns there are: one false alert in 1,000 feature-windows."""


def certain_level(steady: bool, rate: float, looked_at: int) -> float:
    """The p-value up to which one window opens an alert."""
    return min((CERTAIN_OF_STEADY if steady else CERTAIN) * rate / max(looked_at, 1), PROMISE)


def benjamini_hochberg(p_values: Sequence[float], rate: float) -> float:
    """The p-value up to which to speak: rate·k/n for the largest k whose k-th smallest p-value is not above it, else rate/n."""
    n = max(len(p_values), 1)
    hits = [k for k, p in enumerate(sorted(p_values), 1) if p <= rate * k / n]
    return rate * max(hits, default=1) / n


def harmonic(p_values: Sequence[float], made: int) -> float:
    """One p-value of ``made`` tests, of which these speak for a change: their harmonic mean, the others being 1 (Wilson
    2019, Proceedings of the National Academy of Sciences 116:1195). Tests that agree count as little more than one, where
    Bonferroni takes each for another chance to err; the tests' laws must be known far into their tails."""
    weight = sum(1 / max(p, 1e-300) for p in p_values)
    return min(made / weight, 1.0) if weight else 1.0


def needed(level: float, others: Sequence[float], made: int) -> float:
    """The p-value at which one test brings the harmonic mean down to ``level``, the ``others`` being as they are."""
    rest = made / level - sum(1 / max(p, 1e-300) for p in others)
    return min(1 / rest, level) if rest > 0 else level

"""Rules that roll back: ours, a z-test at each look, mSPRT, and Kayenta's Mann–Whitney classifier from its published rules.

Each takes a roll-out's counts look by look and gives the requests until it rolled back (inf: never), some also the requests
until the challenger was shown not to be worse."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from rollout_cases import LOOK, Keyed, Rollout
from scipy.stats import norm, rankdata

from pilothouse.statistics.sequential import paired_errors, paired_losses, two_arms
from pilothouse.statistics.sequential.two_arms import Expected
from pilothouse.statistics.sequential.verdicts import Settings

SETTINGS = Settings(level=0.05, margin=0.01, safety_level=0.05)
Found = tuple[float, float]
"""Requests until rolled back, and until shown not to be worse."""
ONE_SIDED = float(norm.isf(0.05))
Rates = tuple[np.ndarray, np.ndarray]


def watched(
    harm: Callable[[int], float], safe: Callable[[int], float], looks: int, settings: Settings = SETTINGS
) -> Found:
    """What is said first, of the logarithms of e-values at each look."""
    for i in range(looks):
        if harm(i) >= settings.log_needed:
            return LOOK * (i + 1), math.inf
        if safe(i) >= settings.log_safe:
            return math.inf, LOOK * (i + 1)
    return math.inf, math.inf


def paired(rollout: Rollout) -> Found:
    """Ours, in shadow, errors."""
    state, states = paired_errors.PairedErrors(), []
    for look in rollout.looks():
        state = state.plus(paired_errors.count(rollout.wrong[0][look], rollout.wrong[1][look]))
        states.append(state)
    return watched(
        lambda i: paired_errors.log_e_worse(states[i], 0.0),
        lambda i: paired_errors.log_e_better(states[i], SETTINGS.margin),
        len(states),
    )


def paired_brier(rollout: Rollout) -> Found:
    """Ours, in shadow, Brier scores."""
    state, states = paired_losses.PairedLosses(), []
    for look in rollout.looks():
        state = state.plus(paired_losses.collect(rollout.brier[0][look], rollout.brier[1][look], 1.0))
        states.append(state)
    return watched(
        lambda i: paired_losses.log_e_worse(states[i], 0.0),
        lambda i: paired_losses.log_e_better(states[i], SETTINGS.margin),
        len(states),
    )


def canary(rollout: Rollout, share: float, centre: float) -> Found:
    """Ours, with two arms, errors."""
    state, states, expected = two_arms.TwoArms(), [], Expected(centre, 2 * SETTINGS.margin)
    for look in rollout.looks():
        own = rollout.draw[look] < share
        state = state.plus(
            two_arms.collect(
                share,
                rollout.wrong[0][look][own].astype(float),
                rollout.wrong[1][look][~own].astype(float),
            )
        )
        states.append(state)
    return watched(
        lambda i: two_arms.log_e_worse(states[i], 0.0, expected),
        lambda i: two_arms.log_e_better(states[i], SETTINGS.margin, expected),
        len(states),
    )


def by_key(made: Keyed, share: float, centre: float, *, once: bool) -> float:
    """Ours, with two arms, of requests with keys: one observation a key (``once``), or one a request as if each were a draw."""
    state, expected = two_arms.TwoArms(), Expected(centre, 2 * SETTINGS.margin)
    for start in range(0, len(made.own), LOOK):
        look = slice(start, start + LOOK)
        counted = made.first[look] if once else np.ones(LOOK, bool)
        own, wrong = made.own[look], made.wrong[look].astype(float)
        state = state.plus(two_arms.collect(share, wrong[own & counted], wrong[~own & counted]))
        if two_arms.log_e_worse(state, 0.0, expected) >= SETTINGS.log_needed:
            return start + LOOK
    return math.inf


def arm_counts(rollout: Rollout, share: float) -> np.ndarray:
    """Cumulative counts at each look, float64[4, looks]: requests and errors of challenger and champion."""
    own = rollout.draw < share
    each = (own, own & rollout.wrong[0], ~own, ~own & rollout.wrong[1])
    return np.array([np.cumsum(c)[LOOK - 1 :: LOOK] for c in each], np.float64)


def differences(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the error rates and its pooled variance at each look."""
    n1, e1, n0, e0 = counts
    pooled = (e1 + e0) / (n1 + n0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return e1 / n1 - e0 / n0, pooled * (1 - pooled) * (1 / n1 + 1 / n0)


def first(looks: np.ndarray) -> float:
    """Requests until the first look that says so."""
    return LOOK * float(np.argmax(looks) + 1) if looks.any() else math.inf


def z_test(counts: np.ndarray) -> float:
    """One-sided z-test of two shares at 5 %, at each look as if it were the only one."""
    apart, variance = differences(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return first(apart / np.sqrt(variance) > ONE_SIDED)


def msprt(counts: np.ndarray, scale: float = 0.02) -> float:
    """mSPRT (Johari, Koomen, Pekelis and Walsh 2022, Operations Research 70:1806): a normal mixture of deviation ``scale``
    over the difference; rolled back where it reaches 20 and the challenger is the worse."""
    apart, variance = differences(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_e = 0.5 * np.log(variance / (variance + scale**2)) + apart**2 * scale**2 / (
            2 * variance * (variance + scale**2)
        )
        return first((log_e >= math.log(20)) & (apart > 0))


# --- Kayenta


TOLERANCE, CONFIDENCE = 0.25, 0.98
ROOT_WITHIN = 1e-4
"""How exactly it solves for the estimate."""
BOUND = float(norm.isf((1 - CONFIDENCE) / 2))


def mann_whitney(challenger: np.ndarray, champion: np.ndarray, shift: float) -> float:
    """Standardised rank sum of the challenger's values minus ``shift`` beside the champion's, with the corrections for
    continuity and ties, as R's wilcox.test has it; falls with the shift. 0 where all values are tied."""
    n, m = len(challenger), len(champion)
    ranks = rankdata(np.concatenate([challenger - shift, champion]))
    apart = ranks[:n].sum() - n * (n + 1) / 2 - n * m / 2
    ties = np.bincount(np.rint(2 * ranks).astype(np.int64)).astype(float)  # ranks are whole or halves
    variance = n * m / 12 * (n + m + 1 - float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1)))
    return (apart - 0.5 * np.sign(apart)) / math.sqrt(variance) if variance > 0 else 0.0


def kayenta_fails(challenger: np.ndarray, champion: np.ndarray) -> bool:
    """Whether the classifier says *High*: the interval (98 %) of the Hodges–Lehmann shift lies above a quarter of its
    estimate. Values are one metric's, one an interval of time; its removal of outliers is left out."""
    if mann_whitney(challenger, champion, 0.0) <= BOUND:
        return False  # the lower end is not above 0
    if mann_whitney(challenger, champion, TOLERANCE * ROOT_WITHIN) <= BOUND:
        return False  # nor above a quarter of any estimate: values are tied at 0
    low, high = 0.0, float(challenger.max() - champion.min())
    for _ in range(30):  # the estimate: where the statistic is 0
        middle = (low + high) / 2
        low, high = (middle, high) if mann_whitney(challenger, champion, middle) > 0 else (low, middle)
    return mann_whitney(challenger, champion, TOLERANCE * (low + high) / 2) > BOUND


def kayenta(values: Rates, points: int, looks: Sequence[int]) -> float:
    """Kayenta at each look, on all intervals so far; ``points`` intervals lie between two looks."""
    for look in looks:
        ours, theirs = (of[: points * look] for of in values)
        ours, theirs = ours[np.isfinite(ours)], theirs[np.isfinite(theirs)]
        if len(ours) and len(theirs) and kayenta_fails(ours, theirs):
            return float(LOOK * look)
    return math.inf


def interval_rates(rollout: Rollout, share: float, points: int) -> Rates:
    """Error rates of both arms in intervals, ``points`` of them between two looks."""
    own = rollout.draw < share
    size = LOOK // points

    def sums(flags: np.ndarray) -> np.ndarray:
        return flags.reshape(-1, size).sum(axis=1).astype(float)

    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            sums(own & rollout.wrong[0]) / sums(own),
            sums(~own & rollout.wrong[1]) / sums(~own),
        )

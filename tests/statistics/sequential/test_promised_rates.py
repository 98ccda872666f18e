"""Rates of wrong verdicts at every look together: exact where that can be computed, else simulated with a stated seed.

The bound of a simulation is the number of wrong runs that a test which keeps its rate exceeds once in 10,000 (binomial)."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from pilothouse.statistics.profiles.latency import profile_latencies
from pilothouse.statistics.sequential import (
    answer_events,
    arm_answers,
    arm_errors,
    decisions,
    latency_ratio,
    paired_answers,
    paired_errors,
    paired_losses,
    splits,
    two_arms,
)
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.shares import log_e_above
from pilothouse.statistics.sequential.two_arms import Expected

LEVEL = 0.05
ENOUGH = -math.log(LEVEL)
RUNS, LOOKS, BATCH = 400, 12, 100
MOST = int(binom.ppf(0.9999, RUNS, LEVEL))
FEWER = 120
MOST_OF_FEWER = int(binom.ppf(0.9999, FEWER, LEVEL))


def crossings(
    evidence_of_run: Callable[[np.random.Generator], list[float]], seed: int, runs: int = RUNS
) -> int:
    """Runs in which the evidence reached 1/level at some look."""
    rng = np.random.default_rng(seed)
    return sum(max(evidence_of_run(rng)) >= ENOUGH for _ in range(runs))


def run(draw, log_e) -> Callable[[np.random.Generator], list[float]]:
    """Looks at a state that is folded from LOOKS increments."""

    def looks(rng: np.random.Generator) -> list[float]:
        state, found = draw(rng), []
        for _ in range(LOOKS):
            found.append(log_e(state))
            state = state.plus(draw(rng))
        return found

    return looks


def ever_crossed(pairs: int, enough: float) -> float:
    """Exact probability that the paired e-value ever reaches exp(enough) within so many discordant pairs, at ½: the law of
    w, pair by pair, of the runs that have not crossed."""
    alive, crossed = np.ones(1), 0.0
    for n in range(1, pairs + 1):
        alive = (np.append(alive, 0.0) + np.append(0.0, alive)) / 2
        # the e-value grows with w: the least w that crosses
        low, high = 0, n + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if log_e_above(middle, n, 0.5) >= enough else (middle + 1, high)
        crossed += float(alive[low:].sum())
        alive[low:] = 0.0
    return crossed


def test_the_paired_test_keeps_its_rate_exactly():
    short, long = ever_crossed(100, ENOUGH), ever_crossed(600, ENOUGH)
    assert 0.01 < short < long <= LEVEL


def three(rng: np.random.Generator, worse: float, better: float) -> PairedErrors:
    draws = rng.random(BATCH)
    return PairedErrors(BATCH, int((draws < worse).sum()), int((draws > 1 - better).sum()))


@pytest.mark.parametrize(
    ("null", "worse", "better"), [(0.0, 0.05, 0.05), (0.02, 0.05, 0.03), (-0.02, 0.03, 0.05)]
)
def test_paired_errors(null, worse, better):
    draw = lambda rng: three(rng, worse, better)  # noqa: E731
    assert crossings(run(draw, lambda s: paired_errors.log_e_worse(s, null)), 11) <= MOST
    assert crossings(run(draw, lambda s: paired_errors.log_e_better(s, null)), 12) <= MOST


def losses(rng: np.random.Generator, apart: float) -> paired_losses.PairedLosses:
    """Skewed differences with the mean ``apart``: rare large ones one way, frequent small ones the other."""
    rare = rng.random(BATCH) < 0.05
    difference = np.where(rare, 0.76, -0.04) + apart
    return paired_losses.collect(difference, np.zeros(BATCH), 1.0)


@pytest.mark.parametrize("null", [0.0, 0.03])
def test_paired_losses(null):
    draw = lambda rng: losses(rng, null)  # noqa: E731
    assert crossings(run(draw, lambda s: paired_losses.log_e_worse(s, null)), 21) <= MOST
    assert crossings(run(draw, lambda s: paired_losses.log_e_better(s, null)), 22) <= MOST


def arms(rng: np.random.Generator, share: float, challenger: float, champion: float) -> two_arms.TwoArms:
    """Errors of both arms whose rates move from batch to batch, alike."""
    busy = rng.random() < 0.5
    n = int(rng.binomial(BATCH, share))
    move = 0.1 if busy else 0.0
    return two_arms.collect(
        share,
        (rng.random(n) < challenger + move).astype(float),
        (rng.random(BATCH - n) < champion + move).astype(float),
    )


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(("null", "centre"), [(0.0, 0.2), (0.0, 0.0), (0.05, 0.6)])
def test_two_arms(share, null, centre):
    draw = lambda rng: arms(rng, share, 0.2 + null, 0.2)  # noqa: E731
    expected = Expected(centre, 0.02)
    assert crossings(run(draw, lambda s: two_arms.log_e_worse(s, null, expected)), 31) <= MOST
    assert crossings(run(draw, lambda s: two_arms.log_e_better(s, null, expected)), 32) <= MOST


def rare_errors(rng: np.random.Generator, share: float, ratio: float) -> arm_errors.ArmErrors:
    n = int(rng.binomial(BATCH, share))
    rate = 0.01 * (1 + 4 * (rng.random() < 0.2))
    return arm_errors.ArmErrors(
        (
            arm_errors.Stage(
                share, n, BATCH - n, int(rng.binomial(n, rate * ratio)), int(rng.binomial(BATCH - n, rate))
            ),
        )
    )


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_errors_of_two_arms(share, ratio):
    draw = lambda rng: rare_errors(rng, share, ratio)  # noqa: E731
    null = math.log(ratio)
    assert crossings(run(draw, lambda s: arm_errors.log_e_ratio(s, null, 1)), 41) <= MOST
    assert crossings(run(draw, lambda s: arm_errors.log_e_ratio(s, null, -1)), 42) <= MOST


def latencies(rng: np.random.Generator, ratio: float) -> latency_ratio.TwoLatencies:
    return latency_ratio.collect(
        profile_latencies(ratio * rng.lognormal(9, 0.5, BATCH), np.ones(BATCH)),
        profile_latencies(rng.lognormal(9, 0.5, BATCH), np.ones(BATCH)),
    )


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_latencies(ratio):
    draw = lambda rng: latencies(rng, ratio)  # noqa: E731
    assert (
        crossings(run(draw, lambda s: latency_ratio.evidence_of(s).slower(ratio)), 51, FEWER) <= MOST_OF_FEWER
    )
    assert (
        crossings(run(draw, lambda s: latency_ratio.evidence_of(s).faster(ratio)), 52, FEWER) <= MOST_OF_FEWER
    )


def test_latencies_under_load_that_comes_and_goes_for_both():
    def draw(rng: np.random.Generator) -> latency_ratio.TwoLatencies:
        load = rng.choice([1.0, 3.0])
        return latency_ratio.collect(
            *(profile_latencies(load * rng.lognormal(9, 0.5, BATCH), np.ones(BATCH)) for _ in range(2))
        )

    assert (
        crossings(run(draw, lambda s: latency_ratio.evidence_of(s).slower(1.0)), 53, FEWER) <= MOST_OF_FEWER
    )


def test_decisions():
    def draw(rng: np.random.Generator) -> decisions.Decisions:
        return decisions.Decisions((decisions.OfClass("1", BATCH, int(rng.binomial(BATCH, 0.1))),))

    def log_e(state: decisions.Decisions) -> float:
        held = state.classes[0]
        return log_e_above(held.changed, held.requests, 0.1)

    assert crossings(run(draw, log_e), 61) <= MOST


THRESHOLDS = tuple(np.arange(1, 20) / 20)


def moved(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Uniform scores, one in ten moved from below ½ to above: 10 % apart at ½."""
    scores = rng.random(rows)
    return np.where((scores < 0.5) & (rng.random(rows) < 0.2), scores + 0.5, scores)


def test_scores_of_pairs():
    def draw(rng: np.random.Generator) -> paired_answers.PairedAnswers:
        scores = rng.random(BATCH)
        lifted = np.where((scores < 0.5) & (rng.random(BATCH) < 0.2), scores + 0.5, scores)
        return paired_answers.collect(
            answer_events.above(lifted, THRESHOLDS), answer_events.above(scores, THRESHOLDS)
        )

    assert crossings(run(draw, lambda s: paired_answers.log_e_apart(s, 0.1)), 71) <= MOST
    assert crossings(run(draw, lambda s: paired_answers.log_e_close(s, 0.1)), 72) <= MOST


def test_scores_of_two_arms():
    from pilothouse.statistics.sequential.verdicts import Outcome, Settings

    rng, wrong = np.random.default_rng(81), 0
    settings = Settings(level=LEVEL, harm_above=0.1, margin=0.1)
    runs, thresholds = 40, (0.25, 0.5, 0.75)
    for _ in range(runs):
        state = arm_answers.ArmAnswers()
        for _ in range(5):
            n = int(rng.binomial(300, 0.3))
            state = state.plus(
                arm_answers.collect(
                    0.3,
                    answer_events.above(moved(rng, n), thresholds),
                    answer_events.above(rng.random(300 - n), thresholds),
                )
            )
            found = arm_answers.verdict(state, settings, [1 - t for t in thresholds])
            if found.outcome in (Outcome.HARM, Outcome.NOT_WORSE):
                wrong += 1
                break
    # both verdicts are wrong at the boundary
    assert wrong <= binom.ppf(0.9999, runs, 2 * LEVEL)


def test_splits():
    rng = np.random.default_rng(91)
    wrong = 0
    for _ in range(RUNS):
        n = challenger = 0
        for _ in range(LOOKS):
            n, challenger = n + BATCH, challenger + int(rng.binomial(BATCH, 0.1))
            if not splits.split_as_stated([(0.1, challenger, n - challenger)], LEVEL):
                wrong += 1
                break
    assert wrong <= MOST


def test_a_fixed_sample_test_would_fail_these_bounds():
    """The bound can tell: a z-test at the same looks exceeds it."""

    def z_test(state: PairedErrors) -> float:
        n = state.challenger_alone + state.champion_alone
        z = (state.challenger_alone - state.champion_alone) / math.sqrt(max(n, 1))
        return ENOUGH if z > 1.645 else 0.0

    assert crossings(run(lambda rng: three(rng, 0.05, 0.05), z_test), 11) > MOST

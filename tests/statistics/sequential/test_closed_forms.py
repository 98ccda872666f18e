"""E-values against closed forms, brute force over orders and bets, and integration by other means."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from pilothouse.statistics.profiles.latency import GROWTH, profile_latencies
from pilothouse.statistics.sequential import arm_errors, latency_ratio, paired_errors, paired_losses, two_arms
from pilothouse.statistics.sequential.bets import (
    _LOG_WEIGHTS,
    _SHARES,
    UNIT,
    Block,
    log_e_mean_above,
    on_nodes,
)
from pilothouse.statistics.sequential.integrals import log_integral
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.shares import log_e_above, log_e_above_many, share_bounds
from pilothouse.statistics.sequential.splits import log_e_split, split_as_stated
from pilothouse.statistics.sequential.two_arms import Expected
from pilothouse.statistics.sequential.verdicts import Settings


def exact_paired_e(w: int, lost: int) -> Fraction:
    """2 ∫ (2q)^w (2(1 − q))^l dq over (½, 1), term by term of the binomial expansion about q = ½ + x/2."""
    # with q = (1 + x)/2: ∫₀¹ (1 + x)^w (1 − x)^l dx
    total = Fraction(0)
    for i, j in itertools.product(range(w + 1), range(lost + 1)):
        total += Fraction(math.comb(w, i) * math.comb(lost, j) * (-1) ** j, i + j + 1)
    return total


@pytest.mark.parametrize(
    ("w", "lost"), [(0, 0), (1, 0), (0, 1), (5, 0), (0, 7), (12, 3), (3, 12), (20, 20), (30, 8)]
)
def test_the_paired_e_value_is_the_exact_one(w, lost):
    state = PairedErrors(w + lost + 9, w, lost)
    assert math.exp(paired_errors.log_e_worse(state, 0.0)) == pytest.approx(
        float(exact_paired_e(w, lost)), rel=1e-9
    )


@pytest.mark.parametrize(("w", "lost"), [(20, 10), (300, 250), (4100, 3000), (100, 160)])
def test_the_paired_e_value_is_the_stated_formula(w, lost):
    n = w + lost
    from scipy.special import betaln

    stated = n * math.log(2) + math.log(2) + betaln(w + 1, lost + 1) + math.log(beta.sf(0.5, w + 1, lost + 1))
    assert paired_errors.log_e_worse(PairedErrors(n, w, lost), 0.0) == pytest.approx(stated, rel=1e-10)


@pytest.mark.parametrize("null", [-0.3, -0.01, 0.01, 0.2])
@pytest.mark.parametrize(("w", "lost", "tied"), [(0, 0, 5), (3, 1, 20), (15, 9, 200), (0, 12, 30), (9, 0, 0)])
def test_the_mixture_at_other_nulls_is_its_integral(null, w, lost, tied):
    def wealth(u: float) -> float:
        return math.prod((1 - u + u * (d + 1) / (1 + null)) ** k for d, k in ((1, w), (0, tied), (-1, lost)))

    state = PairedErrors(w + lost + tied, w, lost)
    expected, _ = quad(wealth, 0, 1, epsabs=0, epsrel=1e-11, limit=200)
    assert math.exp(paired_errors.log_e_worse(state, null)) == pytest.approx(expected, rel=1e-8)
    mirrored = PairedErrors(w + lost + tied, lost, w)
    assert paired_errors.log_e_better(mirrored, -null) == paired_errors.log_e_worse(state, null)


def test_the_mixture_is_continuous_at_the_null_of_no_difference():
    state = PairedErrors(5000, 160, 120)
    closed = paired_errors.log_e_worse(state, 0.0)
    assert paired_errors.log_e_worse(state, 1e-9) == pytest.approx(closed, abs=1e-4)
    assert paired_errors.log_e_worse(state, -1e-9) == pytest.approx(closed, abs=1e-4)


@pytest.mark.parametrize("scale", [10**3, 10**6, 10**9])
def test_many_observations_are_as_exact_as_few(scale):
    """Laplace's approximation of the integral has a relative error of 1/n: it must agree to that."""
    w, lost = 51 * scale, 49 * scale
    n = w + lost
    q = w / n
    # 2 ∫ (2q)^w (2(1−q))^l dq ≈ 2 · 2^n q^w (1−q)^l √(2π q(1−q)/n), the mode lying far inside of (½, 1)
    laplace = (
        math.log(2)
        + w * math.log(2 * q)
        + lost * math.log(2 * (1 - q))
        + 0.5 * math.log(2 * math.pi * q * (1 - q) / n)
    )
    found = paired_errors.log_e_worse(PairedErrors(n, w, lost), 0.0)
    tail = beta.sf(0.5, w + 1, lost + 1)
    assert found == pytest.approx(laplace + math.log(tail), abs=2 / n + 1e-12 * abs(laplace) + 1e-6)


@pytest.mark.parametrize(("hits", "trials", "share"), [(0, 10_000, 0.5), (10, 50_000, 0.2), (1, 10**7, 0.01)])
def test_a_tail_below_the_smallest_number_is_integrated_in_log_space(hits, trials, share):
    # far below the share the integrand falls exponentially from it on: E → 1/|slope| (integration by parts, twice)
    slope = trials * (share - hits / trials) / (share * (1 - share))
    expected = -math.log(slope) - math.log(1 - share)
    assert log_e_above(hits, trials, share) == pytest.approx(expected, abs=5 / math.sqrt(trials))


def test_many_counts_at_once_say_what_each_says_alone():
    hits = np.arange(0, 41, dtype=float)
    many = log_e_above_many(hits, 40.0, 0.3, (1.0, 4.0))
    alone = [log_e_above(k, 40.0, 0.3, (1.0, 4.0)) for k in hits]
    assert np.allclose(many, alone, rtol=1e-12)


def test_a_log_integral_finds_a_narrow_peak():
    width = 1e-7
    found = log_integral(lambda x: -0.5 * ((x - 0.3) / width) ** 2, 0.0, 1.0)
    assert found == pytest.approx(math.log(width * math.sqrt(2 * math.pi)), abs=1e-9)


def test_bounds_of_a_share_are_where_its_e_values_reach_what_is_asked():
    low, high = share_bounds(37, 500, math.log(20), math.log(50))
    assert log_e_above(37, 500, low) == pytest.approx(math.log(20), abs=1e-4)
    assert log_e_above(463, 500, 1 - high) == pytest.approx(math.log(50), abs=1e-4)
    assert low < 37 / 500 < high
    assert share_bounds(0, 500, math.log(20), math.log(20))[0] == 0.0
    assert share_bounds(500, 500, math.log(20), math.log(20))[1] == 1.0


def wealth_of_bets(values, least, null):
    """Mean wealth over the bets, one observation after the other."""
    wealth = np.ones(len(_SHARES))
    for value in values:
        wealth *= 1 - _SHARES + _SHARES * (value - least) / (null - least)
    return float((np.exp(_LOG_WEIGHTS) * wealth).sum())


def test_bets_on_nodes_are_the_product_over_observations():
    rng = np.random.default_rng(1)
    values = rng.choice(np.linspace(-1, 1, 201), 60)
    weights = on_nodes(values, -1.0, 1.0, 200) / UNIT
    block = Block(np.linspace(-1, 1, 201), weights, -1.0)
    for null in (-0.4, 0.0, 0.3):
        assert math.exp(log_e_mean_above([block], null)) == pytest.approx(
            wealth_of_bets(values, -1.0, null), rel=1e-6
        )
    assert math.fsum(np.exp(_LOG_WEIGHTS)) == pytest.approx(1, abs=1e-12)


def test_values_between_nodes_never_claim_more_than_they_hold():
    rng = np.random.default_rng(2)
    for _ in range(20):
        values = rng.uniform(-1, 1, 40) * rng.choice([1.0, 0.1, 0.01])
        block = Block(np.linspace(-1, 1, 201), on_nodes(values, -1.0, 1.0, 200) / UNIT, -1.0)
        held = math.exp(log_e_mean_above([block], 1 / (200 * UNIT)))
        exact = wealth_of_bets(values, -1.0, 0.0)
        assert held <= exact * (1 + 1e-9)
        assert held >= 0.99 * exact


def test_two_arms_of_errors_are_the_likelihood_ratio_of_two_bernoulli_laws():
    """At the null of 0, with one bet: (θ₁, θ₀) against their mean c, by shares p and 1 − p."""
    p, c, theta_1 = 0.3, 0.2, 0.26
    theta_0 = (c - p * theta_1) / (1 - p)
    gain = p * (theta_1 - c) / (c * (1 - c))
    for challenger, y in itertools.product((True, False), (0.0, 1.0)):
        theta = theta_1 if challenger else theta_0
        ratio = (theta if y else 1 - theta) / (c if y else 1 - c)
        block, _ = two_arms.arm_blocks(np.array([y]), np.ones(1), p, challenger, Expected(c, 0.05))
        assert 1 + gain * float(block.values[0]) == pytest.approx(ratio, rel=1e-12)


def ratios():
    """Logarithms of the ratios that are bet on beyond the null, with their weights: largest at a doubling."""
    steps = np.geomspace(math.log(1.02), math.log(1000), 32)
    around = 1 / (1 + np.log(steps / math.log(2)) ** 2)
    return list(zip(steps, around / around.sum(), strict=True))


RATIOS = ratios()


def test_errors_of_two_arms_are_the_binomial_test_of_where_they_came_from():
    share, errors = 0.1, (7, 12)
    state = arm_errors.ArmErrors((arm_errors.Stage(share, 500, 4_000, *errors),))
    for null in (1.0, 1.5):
        expected = 0.0
        for step, weight in RATIOS:
            ratio = null * math.exp(step)
            bet, before = (share * r / (share * r + 1 - share) for r in (ratio, null))
            expected += weight * (bet / before) ** errors[0] * ((1 - bet) / (1 - before)) ** errors[1]
        assert math.exp(arm_errors.log_e_ratio(state, math.log(null), 1)) == pytest.approx(expected, rel=1e-9)


def test_stages_multiply_within_each_bet():
    stages = (arm_errors.Stage(0.1, 90, 800, 4, 9), arm_errors.Stage(0.5, 400, 410, 11, 8))
    total = 0.0
    for step, weight in RATIOS:
        wealth = 1.0
        for stage in stages:
            p, rho = stage.share, math.exp(step)
            q = p * rho / (p * rho + 1 - p)
            wealth *= (q / p) ** stage.challenger_errors * ((1 - q) / (1 - p)) ** stage.champion_errors
        total += weight * wealth
    found = arm_errors.log_e_ratio(arm_errors.ArmErrors(stages), 0.0, 1)
    assert math.exp(found) == pytest.approx(total, rel=1e-9)


def test_the_latency_evidence_is_below_that_of_the_raw_latencies_at_every_quantile():
    """For each possible quantile x of the champion: ½ + ½ E of both arms from the raw latencies, no buckets."""
    rng = np.random.default_rng(3)
    champion, challenger = rng.lognormal(9, 0.5, 400), 2.2 * rng.lognormal(9, 0.5, 300)
    state = latency_ratio.collect(
        profile_latencies(challenger, np.ones(300)), profile_latencies(champion, np.ones(400))
    )
    evidence = latency_ratio.evidence_of(state)
    for factor in (1.0, 1.3, 1.8, 2.5):
        raw = []
        for x in np.exp(np.arange(9.0, 11.0, 0.002)):
            below, beyond = (champion < x).sum(), (challenger > factor * x).sum()
            first = log_e_above(float(below), 400.0, 0.95, (0.95 / (1 - 0.95), 1.0))
            second = log_e_above(float(beyond), 300.0, 1 - 0.95, (1.0, 0.95 / (1 - 0.95)))
            half = math.log(0.5)
            raw.append(float(np.logaddexp(half, half + first) + np.logaddexp(half, half + second)))
        found, two_buckets = evidence.slower(factor), 2 * GROWTH
        assert found <= min(raw) + 0.02  # a grid of x may miss the least by a little
        assert found >= evidence.slower(factor * math.exp(two_buckets)) - 1e-9


def test_a_split_is_judged_by_its_integral():
    share, k, n = 0.1, 14, 60
    expected, _ = quad(lambda q: (q / share) ** k * ((1 - q) / (1 - share)) ** (n - k), 0, 1)
    assert math.exp(log_e_split([(share, k, n - k)])) == pytest.approx(expected, rel=1e-9)
    assert split_as_stated([(0.1, 1_000, 9_000), (0.5, 500, 520)])
    assert not split_as_stated([(0.1, 1_000, 7_000)])


def test_log_losses_are_clipped_and_their_scale_is_reached():
    losses = paired_losses.log_loss(np.array([0.0, 1.0, 0.5]))
    assert losses[0] - losses[1] == pytest.approx(paired_losses.log_loss_scale())
    state = paired_losses.collect(losses[:1], losses[1:2], paired_losses.log_loss_scale())
    assert paired_losses.verdict(state, Settings()).estimate == pytest.approx(1.0)

"""What tests say at the ends: no traffic, extreme counts, a control without errors, settings, all tests together."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.statistics.profiles.latency import empty_latencies, profile_latencies
from pilothouse.statistics.sequential import (
    answer_events,
    arm_answers,
    arm_errors,
    decisions,
    latency_ratio,
    paired_answers,
    paired_errors,
    paired_losses,
    two_arms,
)
from pilothouse.statistics.sequential.combination import combine, equal_weights, settings_of_part
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.verdicts import MOST, Outcome, Settings, Verdict, more_needed

RATIOS = Settings(margin=1.5, harm_above=1.0)
SHARES = Settings(margin=0.1, harm_above=0.1)
TEN_MS = profile_latencies(np.full(50, 10_000.0), np.ones(50))
EVENTS = np.ones((4, 2), bool)


@pytest.mark.parametrize(
    ("verdict", "observations"),
    [
        (paired_errors.verdict(PairedErrors(), Settings()), 0),
        (paired_losses.verdict(paired_losses.PairedLosses(), Settings()), 0),
        (two_arms.verdict(two_arms.TwoArms(), Settings()), 0),
        (two_arms.verdict(two_arms.collect(0.1, np.ones(0), np.ones(9)), Settings(), 0.2), 9),
        (two_arms.verdict(two_arms.collect(0.1, np.ones(9), np.ones(0)), Settings(), 0.2), 9),
        (arm_errors.verdict(arm_errors.ArmErrors((arm_errors.Stage(0.1, 500, 0, 400, 0),)), RATIOS), 500),
        (arm_errors.verdict(arm_errors.ArmErrors((arm_errors.Stage(0.1, 0, 500, 0, 3),)), RATIOS), 500),
        (latency_ratio.verdict(latency_ratio.collect(TEN_MS, empty_latencies()), RATIOS), 50),
        (latency_ratio.verdict(latency_ratio.collect(empty_latencies(), TEN_MS), RATIOS), 50),
        (decisions.verdict(decisions.Decisions(), SHARES), 0),
        (paired_answers.verdict(paired_answers.PairedAnswers(), SHARES), 0),
        (arm_answers.verdict(arm_answers.collect(0.5, EVENTS, EVENTS[:0]), SHARES, (0.5, 0.5)), 4),
    ],
)
def test_an_arm_without_observations_is_no_traffic(verdict, observations):
    assert verdict == Verdict(Outcome.NO_TRAFFIC, 1.0, 20.0, None, None, None, observations, None)


def test_errors_beside_a_control_without_any_are_found():
    def after(errors: int, control: int = 0) -> Verdict:
        state = arm_errors.ArmErrors((arm_errors.Stage(0.1, 100, 900, errors, control),))
        return arm_errors.verdict(state, RATIOS)

    assert after(0).outcome is Outcome.UNDECIDED
    assert after(0).e_value == 1.0
    assert [after(n).outcome for n in (1, 2)] == [Outcome.UNDECIDED, Outcome.UNDECIDED]
    assert after(3).outcome is Outcome.HARM
    assert after(3).estimate is None
    assert after(3).high is None
    assert after(3).low > 1
    assert after(3, 27).outcome is Outcome.UNDECIDED
    # the e-value of n errors, all the challenger's, at a share of 0.1 is at most 10ⁿ: all probability on it
    assert all(after(n).e_value < 10**n for n in range(1, 9))


def test_errors_of_the_control_alone_show_that_the_challenger_is_not_worse():
    state = arm_errors.ArmErrors((arm_errors.Stage(0.5, 1_000, 1_000, 0, 40),))
    found = arm_errors.verdict(state, RATIOS)
    assert found.outcome is Outcome.NOT_WORSE
    assert (found.estimate, found.low) == (0.0, 0.0)
    assert found.high < 1


@pytest.mark.parametrize("pairs", [1, 1_000, 10**6, 10**10])
def test_extreme_counts_of_pairs_have_finite_figures(pairs):
    for state in (PairedErrors(pairs, pairs, 0), PairedErrors(pairs, 0, pairs), PairedErrors(pairs, 0, 0)):
        found = paired_errors.verdict(state, Settings())
        assert 0 <= found.e_value <= MOST
        assert -1 <= found.low <= found.estimate <= found.high <= 1
    worst = paired_errors.verdict(PairedErrors(10**10, 10**10, 0), Settings())
    assert worst.outcome is Outcome.HARM
    assert worst.e_value == MOST


def test_extreme_losses_have_finite_figures():
    for difference in (1.0, -1.0, 0.0):
        state = paired_losses.collect(np.full(500, difference), np.zeros(500), 1.0)
        found = paired_losses.verdict(state, Settings())
        assert -1 <= found.low <= found.estimate <= found.high <= 1
        assert found.outcome is (Outcome.HARM if difference == 1 else Outcome.NOT_WORSE)
    for centre in (0.0, 0.3, 1.0):
        for ours, theirs in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
            state = two_arms.collect(0.05, np.full(400, ours), np.full(7_600, theirs))
            found = two_arms.verdict(state, Settings(margin=0.3), centre)
            assert -1 <= found.low <= found.estimate <= found.high <= 1
            assert (found.outcome is Outcome.HARM) == (ours > theirs)


def test_latencies_at_the_ends_of_the_buckets():
    day, nothing = (profile_latencies(np.full(300, us), np.ones(300)) for us in (1e12, 0.0))
    for ours, theirs, outcome in (
        (day, nothing, Outcome.HARM),
        (nothing, day, Outcome.NOT_WORSE),
        (nothing, nothing, Outcome.NOT_WORSE),
    ):
        found = latency_ratio.verdict(
            latency_ratio.collect(ours, theirs), Settings(margin=1.2, harm_above=1.2)
        )
        assert found.outcome is outcome
        assert math.isfinite(found.low)


def test_a_harm_that_is_there_is_found_by_each_test():
    rng = np.random.default_rng(9)
    rows = 4_000
    base = rng.random(rows) * 0.5
    assert (
        paired_losses.verdict(paired_losses.collect(base + 0.05, base, 1.0), Settings()).outcome
        is Outcome.HARM
    )
    arms = two_arms.collect(0.5, base[:2_000] + 0.05, base[2_000:])
    assert two_arms.verdict(arms, Settings(), 0.25).outcome is Outcome.HARM
    slow, usual = (
        profile_latencies(factor * rng.lognormal(9, 0.3, 3_000), np.ones(3_000)) for factor in (1.6, 1.0)
    )
    limit = Settings(margin=1.2, harm_above=1.2)
    assert latency_ratio.verdict(latency_ratio.collect(slow, usual), limit).outcome is Outcome.HARM
    thresholds = answer_events.thresholds_of(base)
    events = [answer_events.above(scores, thresholds) for scores in (base + 0.15, base)]
    assert paired_answers.verdict(paired_answers.collect(*events), SHARES).outcome is Outcome.HARM
    of_arms = arm_answers.collect(0.5, events[0][:2_000], events[1][2_000:])
    centres = [1 - k / 20 for k in range(1, 20)]
    assert arm_answers.verdict(of_arms, SHARES, centres).outcome is Outcome.HARM
    labels = [rng.choice(["a", "b"], rows, p=p).tolist() for p in ((0.5, 0.5), (0.8, 0.2))]
    assert decisions.verdict(decisions.collect(*labels), SHARES).outcome is Outcome.HARM


def test_a_class_is_named_at_its_part_of_the_level():
    state = decisions.Decisions((decisions.OfClass("a", 500, 150), decisions.OfClass("b", 500, 10)))
    found = decisions.verdicts_by_class(state, SHARES, ["a", "b", "c"])
    assert {name: of.outcome for name, of in found.items()} == {
        "a": Outcome.HARM,
        "b": Outcome.NOT_WORSE,
        "c": Outcome.NO_TRAFFIC,
    }
    assert found["a"].needed == pytest.approx(60)


def test_a_regression_is_judged_by_the_sign_and_by_the_cut_difference():
    rng = np.random.default_rng(10)
    champion = np.abs(rng.standard_cauchy(3_000))
    challenger = champion + 0.2
    challenger[0] = 1e9
    cut = paired_losses.truncated(challenger, champion, 2.0)
    assert paired_losses.verdict(cut, Settings()).estimate == pytest.approx(0.1, abs=0.001)
    assert paired_losses.verdict(cut, Settings()).outcome is Outcome.HARM
    sign = paired_losses.farther(challenger, champion)
    assert (sign.challenger_alone, sign.champion_alone) == (3_000, 0)


def test_how_many_more_is_what_it_then_takes():
    early = PairedErrors(1_000, 36, 24)
    found = paired_errors.verdict(early, Settings())
    assert found.outcome is Outcome.UNDECIDED
    for part, outcome in ((0.9, Outcome.UNDECIDED), (1.05, Outcome.HARM)):
        factor = 1 + part * found.more / 1_000
        later = PairedErrors(*(round(n * factor) for n in (1_000, 36, 24)))
        assert paired_errors.verdict(later, Settings()).outcome is outcome


def test_how_many_more_cannot_be_said_where_nothing_was_learnt():
    assert more_needed(lambda factor: False, 10) is None
    assert more_needed(lambda factor: factor >= 3, 10) == pytest.approx(20, abs=1)


def test_harm_goes_before_not_worse():
    state = PairedErrors(1_000_000, 12_000, 10_000)
    assert paired_errors.verdict(state, Settings(margin=0.01)).outcome is Outcome.HARM
    assert paired_errors.verdict(state, Settings(margin=0.01, harm_above=0.01)).outcome is Outcome.NOT_WORSE


@pytest.mark.parametrize(
    "given",
    [{"level": 0}, {"level": 1}, {"safety_level": 2}, {"margin": -0.1}, {"margin": math.nan}],
)
def test_settings_that_cannot_be_are_refused(given):
    with pytest.raises(InvalidInputError):
        Settings(**given)


def test_effects_that_a_test_cannot_have_are_refused():
    latencies = latency_ratio.collect(TEN_MS, TEN_MS)
    with pytest.raises(InvalidInputError, match="a ratio above 0"):
        latency_ratio.verdict(latencies, Settings())
    with pytest.raises(InvalidInputError, match="quantile"):
        latency_ratio.verdict(latencies, RATIOS, 1.0)
    with pytest.raises(InvalidInputError, match="a ratio above 0"):
        arm_errors.verdict(arm_errors.ArmErrors((arm_errors.Stage(0.5, 3, 3, 1, 1),)), Settings())
    with pytest.raises(InvalidInputError, match="shares between 0 and 1"):
        decisions.verdict(decisions.collect(["a"], ["b"]), Settings())
    with pytest.raises(InvalidInputError, match="centre"):
        two_arms.verdict(two_arms.collect(0.5, np.ones(1), np.ones(1)), Settings(), 1.2)
    with pytest.raises(InvalidInputError, match="another number of events"):
        arm_answers.verdict(arm_answers.collect(0.5, EVENTS, EVENTS), SHARES, (0.5,))


# --- all tests together


QUIET = Verdict(Outcome.NOT_WORSE, 0.1, 20.0, 0.0, -0.01, 0.005, 900, 0)
OPEN = Verdict(Outcome.UNDECIDED, 3.1, 20.0, 0.01, -0.01, 0.03, 1_000, 900)
LOUD = Verdict(Outcome.HARM, 70.0, 60.0, 0.05, 0.01, 0.1, 1_000, 0)
SILENT = Verdict(Outcome.NO_TRAFFIC, 1.0, 20.0, None, None, None, 0, None)


def test_evidence_is_averaged_and_the_leading_test_named():
    weights = equal_weights(["errors", "latency", "scores"])
    found = combine({"errors": LOUD, "latency": QUIET, "scores": OPEN}, 0.05, weights)
    assert found.e_value == pytest.approx((70 + 0.1 + 3.1) / 3)
    assert (found.outcome, found.leading, found.more) == (Outcome.HARM, "errors", 0)
    two_halves = replace(OPEN, e_value=25.0)
    together = combine(
        {"errors": two_halves, "latency": two_halves, "scores": replace(OPEN, e_value=11)}, 0.05, weights
    )
    assert together.outcome is Outcome.HARM  # none reaches 60, what Bonferroni's rule asks


def test_a_test_that_is_harm_at_its_part_is_harm_of_all():
    weights = {"errors": 0.8, "latency": 0.2}
    for name, weight in weights.items():
        part = settings_of_part(Settings(), weight)
        alone = Verdict(Outcome.HARM, part.needed, part.needed, 0.1, 0.0, 0.2, 100, 0)
        assert combine({name: alone}, 0.05, weights).outcome is Outcome.HARM


def test_not_worse_takes_every_required_test():
    weights = equal_weights(["errors", "latency", "scores"])
    held = {"errors": QUIET, "latency": QUIET, "scores": OPEN}
    found = combine(held, 0.05, weights)
    assert (found.outcome, found.undecided, found.more) == (Outcome.UNDECIDED, ("scores",), 900)
    assert combine(held, 0.05, weights, ["errors", "latency"]).outcome is Outcome.NOT_WORSE
    assert combine(held, 0.05, weights, []).outcome is Outcome.UNDECIDED


def test_no_traffic_of_a_required_test_is_neither_pass_nor_fail():
    weights = equal_weights(["errors", "latency"])
    for held in ({"errors": QUIET, "latency": SILENT}, {"errors": QUIET}):
        found = combine(held, 0.05, weights)
        assert (found.outcome, found.lacking, found.more) == (Outcome.NO_TRAFFIC, ("latency",), None)
    assert combine({"errors": LOUD, "latency": SILENT}, 0.05, weights).outcome is Outcome.HARM


@pytest.mark.parametrize("weights", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"b": 1.0}])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(InvalidInputError):
        combine({"a": QUIET}, 0.05, weights)


# --- the interval and the outcome say the same


def made(rng: np.random.Generator, size: int) -> list[tuple[Verdict, Settings]]:
    """Verdicts of all tests on some traffic, with effects near to what is asked."""
    worse = rng.uniform(-0.05, 0.1)
    base = rng.random(size) * 0.8
    moved = np.clip(base + worse + rng.normal(0, 0.1, size), 0, 1)
    wrong = (rng.random(size) < 0.2 + max(worse, 0), rng.random(size) < 0.2)
    half = size // 2
    slow = profile_latencies((1.25 + worse) * rng.lognormal(9, 0.3, size), np.ones(size))
    usual = profile_latencies(rng.lognormal(9, 0.3, size), np.ones(size))
    thresholds = (0.2, 0.4, 0.6)
    ours, theirs = answer_events.above(moved, thresholds), answer_events.above(base, thresholds)
    errors = arm_errors.Stage(0.3, half, size, int(wrong[0][:half].sum()), int(wrong[1].sum()))
    labels = [np.where(scores > 0.4, "a", "b").tolist() for scores in (moved, base)]
    ratios, factors = Settings(margin=1.2, harm_above=1.1), Settings(margin=1.3, harm_above=1.2)
    differences, shares = Settings(margin=0.04, harm_above=0.01), Settings(margin=0.12, harm_above=0.08)
    two = two_arms.collect(0.5, moved[:half], base[half:])
    return [
        (paired_errors.verdict(paired_errors.count(*wrong), differences), differences),
        (paired_losses.verdict(paired_losses.collect(moved, base, 1.0), differences), differences),
        (two_arms.verdict(two, differences, 0.4), differences),
        (arm_errors.verdict(arm_errors.ArmErrors((errors,)), ratios), ratios),
        (latency_ratio.verdict(latency_ratio.collect(slow, usual), factors), factors),
        (decisions.verdict(decisions.collect(*labels), shares), shares),
        (paired_answers.verdict(paired_answers.collect(ours, theirs), shares), shares),
        (
            arm_answers.verdict(
                arm_answers.collect(0.5, ours[:half], theirs[half:]), shares, (0.75, 0.5, 0.25)
            ),
            shares,
        ),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_harm_is_where_the_lower_end_is_above_what_is_harmless(seed):
    rng = np.random.default_rng([11, seed])
    for verdict, settings in made(rng, int(rng.choice([60, 600, 3_000]))):
        # a latency's ends are whole buckets: 2 %
        near = 0.02 * settings.harm_above if settings.harm_above > 1.15 else 1e-6
        if verdict.low > settings.harm_above + near:
            assert verdict.outcome is Outcome.HARM
        if verdict.low < settings.harm_above - near:
            assert verdict.outcome is not Outcome.HARM
        if verdict.high is not None and verdict.high < settings.margin - near:
            assert verdict.decided
        if verdict.high is None or verdict.high > settings.margin + near:
            assert verdict.outcome is not Outcome.NOT_WORSE
        assert (verdict.outcome is Outcome.HARM) == (verdict.e_value >= verdict.needed)
        assert verdict.decided == (verdict.more == 0)


def test_all_outcomes_occur_among_these():
    seen = {
        verdict.outcome
        for seed in range(12)
        for verdict, _ in made(np.random.default_rng([11, seed]), 3_000 if seed % 2 else 600)
    }
    assert seen == {Outcome.HARM, Outcome.NOT_WORSE, Outcome.UNDECIDED}

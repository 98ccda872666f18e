"""States add up: the same number from any batches in any order, from one record to the next, after a kill in the middle."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError, InvalidInputError
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
    two_arms,
)
from pilothouse.statistics.sequential.records import from_plain, to_plain
from pilothouse.statistics.sequential.verdicts import Settings

RATIOS = Settings(margin=1.3, harm_above=1.1)
SHARES = Settings(margin=0.2, harm_above=0.1)
THRESHOLDS = (0.2, 0.5, 0.8)


def paired_errors_of(rng, rows):
    return paired_errors.count(rng.random(rows) < 0.25, rng.random(rows) < 0.2)


def paired_losses_of(rng, rows):
    return paired_losses.collect(rng.random(rows), rng.random(rows) ** 1.2, 1.0)


def two_arms_of(rng, rows):
    share = 0.1 if rng.random() < 0.5 else 0.5
    n = int(rng.binomial(rows, share))
    return two_arms.collect(share, rng.random(n), rng.random(rows - n))


def arm_errors_of(rng, rows):
    share = 0.1 if rng.random() < 0.5 else 0.5
    n = int(rng.binomial(rows, share))
    stage = arm_errors.Stage(
        share, n, rows - n, int(rng.binomial(n, 0.05)), int(rng.binomial(rows - n, 0.03))
    )
    return arm_errors.ArmErrors((stage,))


def latencies_of(rng, rows):
    return latency_ratio.collect(
        *(profile_latencies(rng.lognormal(9, 0.5, rows), np.ones(rows)) for _ in range(2))
    )


def decisions_of(rng, rows):
    return decisions.collect(
        rng.choice(["a", "b"], rows).tolist(), rng.choice(["a", "b", "c"], rows).tolist()
    )


def paired_answers_of(rng, rows):
    return paired_answers.collect(
        *(answer_events.above(rng.random(rows) ** power, THRESHOLDS) for power in (1.1, 1.0))
    )


def arm_answers_of(rng, rows):
    return arm_answers.collect(
        0.3,
        answer_events.above(rng.random(rows // 3), THRESHOLDS),
        answer_events.above(rng.random(rows - rows // 3), THRESHOLDS),
    )


TESTS = {
    "paired errors": (paired_errors_of, lambda s: paired_errors.verdict(s, Settings())),
    "paired losses": (paired_losses_of, lambda s: paired_losses.verdict(s, Settings())),
    "two arms": (two_arms_of, lambda s: two_arms.verdict(s, Settings(), 0.5)),
    "arm errors": (arm_errors_of, lambda s: arm_errors.verdict(s, RATIOS)),
    "latencies": (latencies_of, lambda s: latency_ratio.verdict(s, RATIOS)),
    "decisions": (decisions_of, lambda s: decisions.verdict(s, SHARES)),
    "paired answers": (paired_answers_of, lambda s: paired_answers.verdict(s, SHARES)),
    "arm answers": (arm_answers_of, lambda s: arm_answers.verdict(s, SHARES, (0.8, 0.5, 0.2))),
}


def folded(parts):
    total = type(parts[0])()
    for part in parts:
        total = total.plus(part)
    return total


@pytest.mark.parametrize("name", TESTS)
def test_batches_and_their_order_do_not_matter(name):
    make, verdict = TESTS[name]
    rng = np.random.default_rng(5)
    parts = [make(rng, rows) for rows in (1, 7, 40, 40, 3, 120, 25)]
    whole = folded(parts)
    shuffled = folded([parts[i] for i in (4, 2, 6, 0, 5, 1, 3)])
    grouped = folded(parts[:3]).plus(folded(parts[3:5])).plus(folded(parts[5:]))
    assert whole == shuffled == grouped
    assert verdict(whole) == verdict(shuffled)
    assert whole.plus(type(whole)()) == whole


@pytest.mark.parametrize("name", TESTS)
def test_a_record_in_the_middle_goes_on_to_the_same_number(name):
    make, verdict = TESTS[name]
    parts = [make(np.random.default_rng([6, i]), 50) for i in range(6)]
    state = type(parts[0])()
    for part in parts:
        record = json.dumps(to_plain(state), allow_nan=False)
        state = from_plain(type(part), json.loads(record)).plus(part)
    assert state == folded(parts)
    found = verdict(state)
    assert found == verdict(folded(parts))
    json.dumps([found.outcome, found.e_value, found.low, found.high], allow_nan=False)


@pytest.mark.parametrize("name", TESTS)
def test_a_damaged_record_is_refused(name):
    make, _ = TESTS[name]
    state = make(np.random.default_rng(7), 30)
    plain = to_plain(state)
    key = next(iter(plain))
    for damaged in ({**plain, key: "x"}, [], {**plain, key: -3}):
        with pytest.raises(IntegrityError, match="damaged"):
            from_plain(type(state), json.loads(json.dumps(damaged)))


def test_rows_one_by_one_are_the_rows_at_once():
    rng = np.random.default_rng(8)
    ours, theirs = rng.random(80), rng.random(80)
    at_once = paired_losses.collect(ours, theirs, 1.0)
    one_by_one = folded([paired_losses.collect(ours[i : i + 1], theirs[i : i + 1], 1.0) for i in range(80)])
    assert one_by_one == at_once


def test_states_of_other_shapes_do_not_add_up():
    first = paired_answers.PairedAnswers(3, (1, 0), (0, 1))
    with pytest.raises(InvalidInputError, match="same thresholds"):
        first.plus(paired_answers.PairedAnswers(3, (1,), (0,)))
    with pytest.raises(InvalidInputError, match="one grid"):
        arm_answers.ArmAnswers((arm_answers.Stage(0.5, 3, 3, (1, 0), (0, 1)),)).plus(
            arm_answers.ArmAnswers((arm_answers.Stage(0.5, 3, 3, (1,), (0,)),))
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda: paired_errors.PairedErrors(3, 2, 2),
        lambda: paired_errors.PairedErrors(3, -1, 2),
        lambda: replace(paired_losses.collect(np.ones(2), np.zeros(2), 1.0), pairs=3),
        lambda: paired_losses.collect(np.ones(2) * 3, np.zeros(2), 1.0),
        lambda: paired_losses.collect(np.array([np.nan]), np.zeros(1), 1.0),
        lambda: paired_losses.collect(np.ones(2), np.zeros(2), 0.0),
        lambda: two_arms.Stage(1.0),
        lambda: two_arms.Stage(0.0),
        lambda: two_arms.collect(0.5, np.array([1.5]), np.zeros(1)),
        lambda: arm_errors.Stage(0.5, 3, 3, 4, 0),
        lambda: arm_answers.Stage(0.5, 3, 3, (4,), (0,)),
        lambda: paired_answers.PairedAnswers(3, (2,), (2,)),
        lambda: latency_ratio.TwoLatencies(((5, 0),)),
        lambda: latency_ratio.TwoLatencies(((5, 1), (5, 1))),
        lambda: decisions.OfClass("a", 2, 3),
    ],
)
def test_counts_that_cannot_be_are_refused(make):
    with pytest.raises(InvalidInputError):
        make()

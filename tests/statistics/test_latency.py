"""Latency percentiles from buckets are within 1 % of the exact ones, and buckets add up."""

import math

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.performance.traffic_verdicts import judge_traffic
from pilothouse.statistics.profiles.latency import (
    decode,
    empty_latencies,
    encode,
    merge_all,
    percentile_ms,
    percentiles_ms,
    profile_latencies,
    profile_latency_groups,
)


@pytest.mark.parametrize("seed", range(4))
def test_percentiles_are_within_one_percent(seed: int):
    rng = np.random.default_rng(seed)
    micros = np.maximum(1, rng.lognormal(3 + 2 * seed, 1.5, 5000)).astype(np.int64)
    profile = profile_latencies(micros, np.ones(5000, np.int64))
    for percent in (0, 1, 50, 95, 99, 99.9, 100):
        rank = max(1, math.ceil(round(percent * 50, 6)))
        exact = np.sort(micros)[rank - 1] / 1000
        assert percentile_ms(profile, percent) == pytest.approx(exact, rel=0.01)


def test_latencies_merge_exactly_and_survive_storage():
    micros = np.random.default_rng(0).integers(1, 10**7, 300)
    whole = profile_latencies(micros, np.full(300, 17))
    parts = [profile_latencies(micros[a : a + 100], np.full(100, 17)) for a in (0, 100, 200)]
    for merged in (merge_all(parts), merge_all([merge_all(parts[2::-2]), parts[1]]), decode(encode(whole))):
        assert (merged.requests, merged.rows, merged.total_us) == (300, 5100, int(micros.sum()))
        assert merged.longest_us == micros.max()
        assert np.array_equal(merged.buckets, whole.buckets)
        assert np.array_equal(merged.counts, whole.counts)


def test_requests_profiled_by_groups_are_those_profiled_apart():
    rng = np.random.default_rng(4)
    groups = rng.permutation(np.repeat([3, 5, 9, 12], [1, 40, 200, 2]))
    micros = rng.lognormal(9, 3, len(groups)).astype(np.int64)
    micros[:3] = [-5, 0, 1 << 50]
    rows, called, usual = rng.integers(0, 90, (3, len(groups)))
    found = profile_latency_groups(micros, rows, (called, usual), groups)
    assert [group for group, _ in found] == [3, 5, 9, 12]
    for group, profile in found:
        own = groups == group
        assert encode(profile) == encode(profile_latencies(micros[own], rows[own], (called[own], usual[own])))


def test_nothing_and_nonsense_do_no_harm():
    assert math.isnan(percentile_ms(empty_latencies(), 95))
    assert merge_all([]).requests == 0
    assert profile_latencies([], []).requests == 0
    odd = profile_latencies(np.array([0.0, -5.0, np.nan, 1e30]), [1, 1, 1, 1])
    assert percentile_ms(odd, 50) == pytest.approx(0.001)
    assert percentile_ms(merge_all([odd, odd]), 100) == pytest.approx(86_400_000)
    with pytest.raises(IntegrityError):
        decode(encode(odd)[:-4])


def test_many_profiles_at_once_say_what_each_says_alone():
    rng = np.random.default_rng(0)
    sizes = [
        0,
        1,
        7,
        300,
        70_000,
        *rng.integers(1, 50, 300),
    ]  # counts of one, two and four bytes; more than are summed at once
    profiles = [profile_latencies(rng.lognormal(8, 1.0, size), np.ones(size, int)) for size in sizes]
    profiles.append(profile_latencies(np.full(70_000, 900), np.ones(70_000, int)))
    percents = (0.0, 50.0, 95.0, 99.0, 100.0)
    found = percentiles_ms([*map(encode, profiles), None], percents)
    alone = [[percentile_ms(profile, percent) for percent in percents] for profile in profiles]
    np.testing.assert_array_equal(found, [*alone, [math.nan] * len(percents)])
    for damage in (
        lambda data: data[:-1],
        lambda data: data[:20],
        lambda data: data[:5] + b"\x03" + data[6:],
    ):
        with pytest.raises(IntegrityError, match="latency profile is damaged"):
            percentiles_ms([encode(profiles[3]), damage(encode(profiles[4]))], percents)


def test_calls_add_up_and_come_back_from_the_bytes():
    known = profile_latencies(np.full(40, 9_000), np.ones(40, int), (np.full(40, 6_000), np.full(40, 2_000)))
    unknown = profile_latencies(np.full(10, 900), np.ones(10, int))
    assert unknown.slowdown is None
    both = decode(encode(merge_all([known, unknown])))
    assert (both.requests, both.called_us, both.usual_us, both.slowdown) == (50, 240_000, 80_000, 3.0)
    assert encode(unknown) == encode(profile_latencies(np.full(10, 900), np.ones(10, int)))
    frames = [encode(known), encode(unknown), None]
    np.testing.assert_array_equal(
        percentiles_ms(frames, (50.0,))[:, 0],
        [percentile_ms(known, 50), percentile_ms(unknown, 50), math.nan],
    )
    odd = profile_latencies([1], [1], (np.array([-5]), np.array([1 << 62])))
    assert (odd.called_us, odd.slowdown) == (0, 1.0)
    with pytest.raises(IntegrityError):
        decode(encode(known)[:45])


@pytest.mark.parametrize(
    ("called", "usual", "fault", "machine"),
    [
        (0, 0, True, False),  # the serving process does not say
        (8_000, 8_000, True, False),  # the processor time has grown too: it is the model
        (8_000, 6_000, True, False),  # slower by less than what is beyond the threshold
        (8_000, 2_000, False, True),
    ],
)
def test_the_machine_is_slow_where_the_latency_fits_without_its_slowdown(called, usual, fault, machine):
    latencies = profile_latencies(
        np.full(30, 9_000), np.ones(30, int), (np.full(30, called), np.full(30, usual))
    )
    finding, judged = judge_traffic(latencies, 30, 0, baseline_p95_ms=1.0, factor=3.0)
    assert judged
    assert (finding.latency_significant, finding.machine_slow) == (fault, machine)
    quick, _ = judge_traffic(latencies, 30, 0, baseline_p95_ms=9.0, factor=3.0)
    assert (quick.latency_significant, quick.machine_slow) == (False, False)

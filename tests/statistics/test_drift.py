"""Drift statistics: equal to the published formulas on raw values, and close to them on profiles."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import draw, specify

from pilothouse.statistics.distances import distances
from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.profiles.profile import empty_profile, profile_rows
from pilothouse.statistics.profiles.specification import build_specification

REFERENCE, CURRENT = np.array([60, 40, 0]), np.array([50, 30, 20])
X = np.arange(100) / 10
Y = X + 2


def test_the_statistics_equal_the_values_that_other_libraries_give():
    assert distances.psi(REFERENCE, CURRENT) == pytest.approx(1.5664207645870358, abs=1e-12)
    assert distances.jensen_shannon(REFERENCE, CURRENT) == pytest.approx(0.3293228447522065, abs=1e-12)
    natural = distances.jensen_shannon(REFERENCE, CURRENT) * math.sqrt(math.log(2))
    assert natural == pytest.approx(0.27417925295802015, abs=1e-12)
    assert distances.hellinger(REFERENCE, CURRENT) == pytest.approx(0.32537252646936626, abs=1e-12)
    assert distances.l_infinity(REFERENCE, CURRENT) == pytest.approx(0.2, abs=1e-12)
    statistic, p = distances.chi_square(REFERENCE, CURRENT)
    assert statistic == pytest.approx(22.337662337662337, abs=1e-12)
    assert p == pytest.approx(1.4107e-5, rel=1e-4)
    assert distances.wasserstein(X, Y) == pytest.approx(2.0, abs=1e-12)
    assert distances.wasserstein(X, Y) / np.std(X) == pytest.approx(0.6928549666419949, abs=1e-12)
    assert distances.ks(X, Y) == pytest.approx(0.2, abs=1e-12)
    assert distances.ks_p_value(0.2, 100, 100) == pytest.approx(0.0364, rel=0.15)
    edges = np.histogram_bin_edges(np.concatenate((X, Y)), "sturges")
    binned = np.histogram(X, edges)[0], np.histogram(Y, edges)[0]
    assert distances.psi(*binned) == pytest.approx(2.1012195638745648, abs=1e-12)
    assert distances.jensen_shannon(*binned) * math.sqrt(math.log(2)) == pytest.approx(
        0.3258538224165169, abs=1e-12
    )
    doane = np.histogram_bin_edges(X, "doane")
    kept = np.histogram(X, doane)[0], np.histogram(Y, doane)[0]
    outside = [np.append(counts, 100 - counts.sum()) for counts in kept]
    assert distances.jensen_shannon(*outside) == pytest.approx(0.41917968809231987, abs=1e-12)
    assert distances.hellinger(*outside) == pytest.approx(0.4153797456254356, abs=1e-12)


def test_chi_square_and_z_equal_scipys():
    for table in ((np.array([30, 70]), np.array([45, 55])), (np.array([5, 9, 30]), np.array([9, 9, 9]))):
        exact = scipy.stats.chi2_contingency(np.array(table))
        assert distances.chi_square(*table) == pytest.approx((exact.statistic, exact.pvalue), abs=1e-12)
    z, p = distances.two_proportion_z(30, 100, 45, 100)
    assert z == pytest.approx(2.1909, abs=1e-4)
    assert p == pytest.approx(2 * scipy.stats.norm.sf(z), abs=1e-12)
    assert math.isnan(distances.chi_square(np.array([3, 0]), np.array([9, 0]))[1])
    assert distances.two_proportion_z(0, 10, 0, 10) == (0.0, 1.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rows", "shift"), [(100, 0.0), (100, 0.5), (3000, 0.0), (3000, 0.1), (3000, 4.0)])
def test_profiles_give_ks_and_wasserstein_within_their_bounds(seed: int, rows: int, shift: float):
    specification = specify(20_000)
    first, second = draw(20_000, 1), draw(rows, 100 + seed, shift)
    reference, current = profile_rows(specification, *first), profile_rows(specification, *second)
    for name in ("amount", "level", "weekday", "rain", "age"):
        x, y = first[0][name], second[0][name]
        found = window_drift(prepare(specification, reference), current)[name]
        assert found["ks"] == pytest.approx(distances.ks(x, y), abs=0.002), name
        exact = distances.wasserstein(x, y) / np.nanstd(x)
        assert found["wasserstein"] == pytest.approx(exact, rel=0.01, abs=0.001), name


def test_raw_ks_and_wasserstein_equal_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 300), np.round(rng.normal(0.3, 1.5, 77), 1)
    assert distances.ks(x, y) == pytest.approx(scipy.stats.ks_2samp(x, y).statistic, abs=1e-12)
    assert distances.wasserstein(x, y) == pytest.approx(scipy.stats.wasserstein_distance(x, y), abs=1e-12)


def test_many_pairs_are_measured_at_once_as_one_by_one():
    rng = np.random.default_rng(1)
    many = rng.integers(0, 30, (5, 12))
    for statistic in (
        distances.psi,
        distances.jensen_shannon,
        distances.hellinger,
        distances.l_infinity,
        distances.ks_of_counts,
    ):
        one_by_one = [statistic(many[0], row) for row in many]
        assert np.allclose(statistic(many[0], many), one_by_one)


def test_the_same_rows_do_not_drift():
    specification = specify()
    profile = profile_rows(specification, *draw(2000, 3))
    for column in specification.columns:
        found = window_drift(prepare(specification, profile), profile)[column.name]
        for statistic in ("psi", "js", "ks", "wasserstein", "l_infinity", "chi2"):
            assert found.get(statistic, 0.0) == pytest.approx(0.0, abs=1e-9)


def test_what_is_missing_and_unseen_is_told_as_shares():
    specification = specify()
    reference = profile_rows(specification, *draw(5000, 1))
    columns, texts, scores = draw(10, 4)
    columns["level"] = np.array([10.0] * 4 + [np.nan] * 3 + [900.0, -900.0, 901.0])
    texts["carrier"] = ["AA"] * 5 + ["ZZ"] * 2 + [None] * 3
    current = profile_rows(specification, columns, texts, scores)
    level = window_drift(prepare(specification, reference), current)["level"]
    assert (level["missing"], level["unseen"]) == (0.3, 0.3)
    carrier = window_drift(prepare(specification, reference), current)["carrier"]
    assert (carrier["missing"], carrier["unseen"]) == (0.3, 0.2)


def test_an_empty_column_has_no_statistics_and_spoils_none():
    specification = specify()
    columns, texts, scores = draw(200, 4)
    reference = profile_rows(specification, *draw(500, 3))
    current = profile_rows(specification, {**columns, "level": np.full(200, np.nan)}, texts, scores)
    assert window_drift(prepare(specification, reference), current)["level"] == {
        "missing": 1.0,
        "unseen": 0.0,
    }
    assert "ks" in window_drift(prepare(specification, reference), current)["rain"]
    nothing = window_drift(prepare(specification, reference), empty_profile(specification))["rain"]
    assert nothing == {"missing": 0.0, "unseen": 0.0}


def test_a_constant_column_that_moves_is_far_away():
    five = np.full(100, 5.0)
    specification = build_specification("regression", {"x": five}, {}, five, ())
    reference = profile_rows(specification, {"x": five}, {}, five)
    current = profile_rows(specification, {"x": five + 1}, {}, five)
    found = window_drift(prepare(specification, reference), current)["x"]
    assert found["ks"] == 1.0
    assert found["wasserstein"] == pytest.approx(200, rel=1e-3)


values = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=40)


@settings(max_examples=100, deadline=None)
@given(values, values, values)
def test_no_floats_make_a_statistic_fail(specified, first, second):
    specification = build_specification(
        "regression", {"x": np.array(specified)}, {}, np.zeros(len(specified)), (), bins=16
    )
    profiles = [
        profile_rows(specification, {"x": np.array(v)}, {}, np.zeros(len(v))) for v in (first, second)
    ]
    found = window_drift(prepare(specification, profiles[0]), profiles[1])["x"]
    assert all(math.isfinite(value) for value in found.values())

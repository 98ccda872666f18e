"""Level, spread and range by ranks: right on raw values, each in its direction, with laws that hold for any shape."""

import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import hypergeom

from pilothouse.statistics.distances.distances import shares
from pilothouse.statistics.distances.pearson_type_iii import pearson_at, pearson_tail
from pilothouse.statistics.distances.ranks import (
    RANKS,
    RankLaw,
    Scatter,
    rank_scores,
    rank_statistics,
    scatter,
)
from pilothouse.statistics.profiles.profile import Profile, histogram, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

ROWS, AGAINST = 100, 1_300
SHAPES = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "skewed": lambda rng, n: rng.lognormal(0, 1, n),
    "whole": lambda rng, n: rng.integers(0, 7, n).astype(float),
    "mostly zero": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.exponential(1, n)),
}


def specify(values: np.ndarray) -> ProfileSpecification:
    return build_specification("binary", {"x": values}, {}, np.linspace(0, 1, len(values)), ("0", "1"))


def counts_of(specification: ProfileSpecification, values: np.ndarray) -> np.ndarray:
    held: Profile = profile_rows(specification, {"x": values}, {}, np.zeros(len(values)))
    return histogram(specification, held, "x").counts


def measured(reference: np.ndarray, window: np.ndarray) -> dict[str, float]:
    specification = specify(reference)
    scores = rank_scores(counts_of(specification, reference))
    found = rank_statistics(scores, shares(counts_of(specification, window)))
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_the_reference_itself_has_moved_nowhere(shape: str):
    values = SHAPES[shape](np.random.default_rng(1), 5_000)
    assert measured(values, values) == pytest.approx(dict.fromkeys(RANKS, 0.0), abs=1e-9)


def test_level_and_spread_are_those_of_normal_scores_of_raw_values():
    rng = np.random.default_rng(2)
    reference, window = rng.lognormal(0, 1, 20_000), rng.lognormal(0.2, 1.2, 4_000)
    below = np.searchsorted(np.sort(reference), window)
    exact = ndtri(np.clip((below + 0.5) / (len(reference) + 1), 1e-4, 1 - 1e-4))
    found = measured(reference, window)
    assert found["higher"] == pytest.approx(exact.mean(), abs=0.01)
    assert found["wider"] == pytest.approx(
        exact.std() - 1, abs=0.03
    )  # the outermost bins end it a little sooner


@pytest.mark.parametrize(
    ("change", "name", "size"),
    [
        (lambda v: v + 0.5, "higher", 0.5),
        (lambda v: v - 0.5, "lower", 0.5),
        (lambda v: v * 1.3, "wider", 0.3),
        (lambda v: v * 0.7, "narrower", 0.3),
    ],
)
def test_a_name_tells_what_moved_and_by_how_much(change, name: str, size: float):
    rng = np.random.default_rng(3)
    found = measured(rng.normal(0, 1, 50_000), change(rng.normal(0, 1, 20_000)))
    assert found[name] == pytest.approx(size, abs=0.05)
    assert all(found[other] < 0.05 for other in RANKS if other != name)


def test_values_beyond_the_range_are_counted_on_the_side_that_has_more():
    rng = np.random.default_rng(4)
    reference = rng.uniform(0, 1, 5_000)
    window = np.concatenate((rng.uniform(0.1, 0.9, 90), np.full(7, 9_999.0), np.full(3, -5.0)))
    assert measured(reference, window)["outside"] == pytest.approx(0.07)


def test_columns_without_values_say_nothing():
    for counts in (np.array([0, 9, 0]), np.array([0, 7, 7, 0])):  # nothing scatters, or the squares do not
        assert scatter(rank_scores(counts), counts) is None
    nothing = np.zeros(5, np.int64)
    assert rank_statistics(rank_scores(nothing), shares(np.array([1, 2, 0, 0, 0])))["higher"] == 0
    assert all(
        math.isnan(value)
        for value in rank_statistics(rank_scores(np.array([0, 3, 4, 2, 0])), shares(nothing)).values()
    )


@pytest.mark.parametrize("shape", list(SHAPES))
def test_laws_hold_for_references_and_windows_drawn_anew(shape: str):
    """As it is in life: the reference is a sample too, and windows hold values that it has never seen."""
    rng = np.random.default_rng(5)
    p_values: dict[str, list[float]] = {name: [] for name in RANKS}
    specification = specify(SHAPES[shape](rng, 20_000))
    for _ in range(60):
        counts = counts_of(specification, SHAPES[shape](rng, AGAINST))
        scores = rank_scores(counts)
        scattered = scatter(scores, counts)
        assert scattered is not None
        level, spread = scattered
        windows = np.array([counts_of(specification, SHAPES[shape](rng, ROWS)) for _ in range(60)])
        for name, values in rank_statistics(scores, shares(windows)).items():
            of = spread if name in ("wider", "narrower") else level
            law = RankLaw(name, of, ROWS, AGAINST, 0.0)
            p_values[name] += [law.p_value(float(value)) for value in values]
    for name, found in p_values.items():
        assert np.mean(np.array(found) <= 0.01) <= 0.02, name
        if name != "outside":
            assert np.mean(np.array(found) <= 0.05) >= 0.02, name


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("skew", [-0.8, 0.0, 0.5])
@pytest.mark.parametrize("rows", [40, 5_000])
def test_a_threshold_has_the_p_value_that_it_was_asked_for(name: str, skew: float, rows: int):
    law = RankLaw(name, Scatter(1.4, skew, 0.9), rows, 2_000, 0.3)
    values = [law.value_at(p) for p in (0.1, 0.01, 0.001)]
    assert values == sorted(values)
    for p_value, value in zip((0.1, 0.01, 0.001), values, strict=True):
        if name == "outside":
            assert law.p_value(value) <= p_value < law.p_value(value - 1 / rows)
        elif 0 < value < 1:
            assert law.p_value(value) == pytest.approx(p_value, rel=1e-6)
    assert law.p_value(0.0) >= 0.5


def test_what_lies_outside_has_the_exact_law_of_the_largest():
    law = RankLaw("outside", Scatter(0.0, 0.0, 0.0), ROWS, AGAINST, 0.0)
    for hits in (1, 2, 5):
        exact = hypergeom.pmf(
            hits, ROWS + AGAINST, ROWS, hits
        )  # the largest so many of all rows are the window's
        assert law.p_value(hits / ROWS) == pytest.approx(min(2 * exact, 1.0), rel=1e-9)


@pytest.mark.parametrize("skew", [-1.0, -0.1, 0.0, 0.2, 2.0])
def test_pearsons_law_goes_back_and_forth(skew: float):
    for p_value in (0.9, 0.5, 0.01, 1e-6):
        assert pearson_tail(pearson_at(p_value, skew), skew) == pytest.approx(p_value, rel=1e-6)
    draws = np.random.default_rng(6).gamma(4 / max(abs(skew), 0.1) ** 2, size=200_000)
    standard = (draws - draws.mean()) / draws.std()
    if skew > 0.1:
        assert np.mean(standard > pearson_at(0.01, skew)) == pytest.approx(0.01, abs=0.001)

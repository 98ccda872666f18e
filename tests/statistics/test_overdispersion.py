"""Parts of an overdispersed column: a move is told where it goes another way than the column is used to."""

import math

import numpy as np
import pytest

from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.significance import calibration_storage
from pilothouse.statistics.significance.calibration import Calibration, Null, calibrate
from pilothouse.statistics.significance.overdispersion import SHARE, Overdispersion
from pilothouse.statistics.significance.thresholds import judge

DAYS, A_DAY = 7 * 52, 60
Day = tuple[dict[str, np.ndarray], dict[str, list[str]], np.ndarray]


def stream(seed: int, days: int) -> list[Day]:
    """Two categories take from each other from day to day, a third keeps its fifth; a level wanders, its spread does not."""
    rng = np.random.default_rng(seed)
    taken = level = 0.0
    found: list[Day] = []
    for _ in range(days):
        taken = 0.7 * taken + math.sqrt(1 - 0.49) * rng.normal()
        level = 0.7 * level + math.sqrt(1 - 0.49) * rng.normal()
        first = 0.4 + 0.12 * math.tanh(taken)
        mix = rng.choice(["a", "b", "c"], A_DAY, p=(first, 0.8 - first, 0.2)).tolist()
        numbers = rng.normal(0.7 * level, 1, A_DAY)
        found.append(({"weather": numbers}, {"mix": mix}, rng.random(A_DAY)))
    return found


@pytest.fixture(scope="module")
def year() -> tuple[ProfileSpecification, Profile, Calibration]:
    days = stream(1, DAYS)
    specification = build_specification(
        "binary",
        {"weather": np.concatenate([n["weather"] for n, _, _ in days])},
        {"mix": [value for _, t, _ in days for value in t["mix"]]},
        np.concatenate([s for _, _, s in days]),
        ("0", "1"),
    )
    daily = [profile_rows(specification, *day) for day in days]
    return specification, merge_all(specification, daily), calibrate(specification, daily, 7)


def verdict(year, days: list[Day], column: str) -> DriftFinding:
    specification, whole, calibration = year
    week = merge_all(specification, [profile_rows(specification, *day) for day in days])
    return next(j for j in judge(specification, calibration, whole, week) if j.feature == column)


def grown(days: list[Day]) -> list[Day]:
    """A third of the first category's rows go to the third one."""
    return [
        (n, {"mix": ["c" if v == "a" and i % 3 == 0 else v for i, v in enumerate(t["mix"])]}, s)
        for n, t, s in days
    ]


def shaken(days: list[Day]) -> list[Day]:
    """The level's days as they are, with twice the noise about them."""
    return [({"weather": 2 * n["weather"] - n["weather"].mean()}, t, s) for n, t, s in days]


def test_both_columns_are_overdispersed(year):
    calibration = year[2]
    for column, parts in (("mix", {SHARE}), ("weather", {"higher", "lower", "wider", "narrower"})):
        nulls = calibration.columns[column]
        assert not any(null.sampling for null in nulls if null.statistic != "missing")
        assert {null.statistic for null in nulls if null.overdispersion} == parts


def test_weeks_as_usual_are_quiet(year):
    significant = [
        verdict(year, stream(seed, 7), column).significant
        for seed in range(100, 160)
        for column in ("mix", "weather")
    ]
    assert sum(significant) <= 1


def test_a_category_that_kept_its_share_is_told_when_it_grows(year):
    for seed in (11, 12, 13):
        found = verdict(year, grown(stream(seed, 7)), "mix")
        assert found.significant
        assert found.statistic == SHARE
        assert found.value >= found.threshold == found.grounds.calibrated > 1
        assert found.statistics["js"] < 1.5 * found.threshold  # the distance by itself is nothing unusual
        assert found.grounds.set_by == "calibration"


def test_more_noise_about_an_overdispersed_level_is_told(year):
    found = [verdict(year, shaken(stream(seed, 7)), "weather") for seed in range(21, 27)]
    assert sum(j.significant for j in found) >= 4
    assert {j.statistic for j in found if j.significant} == {"wider"}


def test_a_share_that_moved_too_little_is_not_worth_a_word():
    stationary = Overdispersion((0, 1), (0.5, 0.5), (0.25, 0.25), (0.0, 0.0), 50.0, 10**9)
    assert stationary.share(np.array([5_100_000, 4_900_000])) == 0.0
    assert stationary.share(np.array([5_300_000, 4_700_000])) > 100
    assert stationary.share(np.array([0, 0])) == 0.0


@pytest.mark.parametrize("name", [SHARE, "higher", "lower", "wider", "narrower"])
def test_a_threshold_has_the_p_value_that_it_was_asked_for(name: str):
    bins = (0, 1, 2) if name == SHARE else ()
    law = Overdispersion(bins, (0.02, 0.3, 0.5), (0.16, 0.21, 0.25), (0.01, 0.0, 0.02), 13.0, 5_000)
    for p_value in (0.1, 0.001, 1e-5):
        value = law.value_at(name, p_value, 300)
        if 0 < value < 1 or name != "narrower":
            assert law.p_value(name, value, 300) == pytest.approx(p_value, rel=1e-6)
    assert law.p_value(name, 0.0, 300) == 1.0
    stored = Calibration(7, {"x": (Null(name, (), (), (), (), 13.0, overdispersion=law),)})
    assert calibration_storage.decode(calibration_storage.encode(stored)) == stored

"""Verdicts keep quiet while nothing has changed, and speak when something has."""

import math

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.evaluation import MetricValue
from pilothouse.statistics import calibration
from pilothouse.statistics.profile import Profile, empty_profile, merge_all, profile_rows
from pilothouse.statistics.specification import ProfileSpecification, build_specification
from pilothouse.statistics.thresholds import Calibration, calibrate, judge, judge_quality, performance_speaks

DAYS, A_DAY = 84, 60
Columns = tuple[dict[str, np.ndarray], dict[str, list[str]], np.ndarray]


def season(seed: int, days: int = DAYS) -> list[Columns]:
    """Days whose level wanders (weather, autocorrelation 0.7), with a steady column and categories beside it."""
    rng = np.random.default_rng(seed)
    level, out = 0.0, []
    for _ in range(days):
        level = 0.7 * level + math.sqrt(1 - 0.49) * rng.normal()
        numeric = {
            "weather": rng.normal(1.5 * level, 1, A_DAY),
            "steady": rng.normal(0, 1, A_DAY),
            "constant": np.full(A_DAY, 3.0),
            "sparse": np.where(rng.random(A_DAY) < 0.1, np.nan, rng.normal(0, 1, A_DAY)),
        }
        mix = rng.choice(["a", "b", "c"], A_DAY, p=(0.5, 0.3, 0.2)).tolist()
        out.append((numeric, {"mix": mix}, 1 / (1 + np.exp(-rng.normal(0, 1, A_DAY)))))
    return out


def profiles(specification: ProfileSpecification, days: list[Columns]) -> list[Profile]:
    return [profile_rows(specification, *day) for day in days]


@pytest.fixture(scope="module")
def reference() -> tuple[ProfileSpecification, list[Profile], Calibration]:
    days = season(0)
    specification = build_specification(
        "binary",
        {name: np.concatenate([day[0][name] for day in days]) for name in days[0][0]},
        {"mix": [value for day in days for value in day[1]["mix"]]},
        np.concatenate([day[2] for day in days]),
        ("0", "1"),
    )
    daily = profiles(specification, days)
    return specification, daily, calibrate(specification, daily, 7, score_days=14)


def changed(seed: int, **changes: object) -> list[Columns]:
    """A week like the reference's, with some columns replaced by a function of themselves."""
    days = []
    for numeric, texts, scores in season(seed, 7):
        numeric = {k: changes[k](v) if k in changes else v for k, v in numeric.items()}  # type: ignore[operator]
        texts = {k: changes[k](v) if k in changes else v for k, v in texts.items()}  # type: ignore[operator]
        days.append((numeric, texts, scores))
    return days


def test_weeks_like_the_reference_are_quiet(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    spoken = 0
    for seed in range(100, 140):
        week = merge_all(specification, profiles(specification, season(seed, 7)))
        spoken += sum(j.speaks for j in judge(specification, calibration_, whole, week))
        spoken += sum(j.speaks for j in judge_quality(specification, calibration_, whole, week))
    assert spoken <= 1


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_weeks_with_few_rows_are_quiet_too(reference, share: float):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    kept = int(A_DAY * share)
    spoken = 0
    for seed in range(200, 230):
        days = [
            ({k: v[:kept] for k, v in n.items()}, {k: v[:kept] for k, v in t.items()}, s[:kept])
            for n, t, s in season(seed, 7)
        ]
        week = merge_all(specification, profiles(specification, days))
        spoken += sum(j.speaks for j in judge(specification, calibration_, whole, week))
    assert spoken <= 1


def test_a_change_is_found_in_its_column_alone(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    cases = {
        "steady": lambda v: v + 0.6,
        "weather": lambda v: v + 9.0,
        "constant": lambda v: v + 0.01,
        "mix": lambda v: ["c" if i % 3 == 0 else x for i, x in enumerate(v)],
    }
    for name, change in cases.items():
        week = merge_all(specification, profiles(specification, changed(7, **{name: change})))
        found = judge(specification, calibration_, whole, week)
        assert [j.feature for j in found if j.speaks] == [name]
        spoken = next(j for j in found if j.speaks)
        assert spoken.value >= spoken.threshold > 0
        assert spoken.p_value < 0.01
        assert spoken.statistics[spoken.statistic] == spoken.value


def test_the_score_is_judged_like_a_column(reference):
    specification, daily, calibration_ = reference
    week = merge_all(
        specification,
        profiles(specification, [(n, t, np.clip(s + 0.3, 0, 1)) for n, t, s in season(7, 7)]),
    )
    found = judge(specification, calibration_, merge_all(specification, daily), week)
    assert [j.feature for j in found if j.speaks] == ["score"]
    assert [j.feature for j in found] == [c.name for c in specification.columns]


def test_the_same_shift_is_drift_in_a_steady_column_and_weather_in_a_wandering_one(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    week = merge_all(
        specification,
        profiles(specification, changed(8, steady=lambda v: v + 1.0, weather=lambda v: v + 1.0)),
    )
    found = {j.feature: j for j in judge(specification, calibration_, whole, week)}
    assert found["steady"].speaks
    assert not found["weather"].speaks
    assert found["weather"].threshold > found["steady"].threshold


def test_ignored_and_empty_columns_are_shown_and_do_not_speak(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    nothing = np.full(A_DAY, np.nan)
    week = merge_all(
        specification,
        profiles(specification, changed(7, steady=lambda v: v + 5.0, weather=lambda v: nothing)),
    )
    found = {j.feature: j for j in judge(specification, calibration_, whole, week, ignore=("steady",))}
    assert found["steady"].value > found["steady"].threshold
    assert not any(j.speaks for j in found.values())
    assert (found["weather"].statistic, found["weather"].missing) == ("", 1.0)
    empty = judge(specification, calibration_, whole, empty_profile(specification))
    assert len(empty) == len(specification.columns)
    assert not any(j.speaks for j in empty)


def test_rising_missing_and_new_categories_are_broken_data(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)

    def half(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(values)) % 2, values, np.nan)

    week = merge_all(
        specification,
        profiles(
            specification,
            changed(7, sparse=half, mix=lambda v: ["new" if i % 20 == 0 else x for i, x in enumerate(v)]),
        ),
    )
    found = judge_quality(specification, calibration_, whole, week)
    assert {(j.feature, j.fault) for j in found if j.speaks} == {("sparse", "missing"), ("mix", "unseen")}
    sparse = next(j for j in found if j.feature == "sparse")
    assert sparse.value == pytest.approx(0.55, abs=0.05)
    assert sparse.reference == pytest.approx(0.1, abs=0.02)
    assert sparse.reference < sparse.threshold < sparse.value


def test_a_reference_without_days_is_judged_by_chance(reference):
    specification, daily, _ = reference
    whole = merge_all(specification, daily)
    none = calibrate(specification, [whole], 7)
    assert none.columns == {}
    rng = np.random.default_rng(0)

    def rows(shift: float, n: int = 300) -> Profile:
        numeric = {"steady": rng.normal(shift, 1, n), "constant": np.full(n, 3.0)}
        return profile_rows(specification, numeric, {}, 1 / (1 + np.exp(-rng.normal(0, 1, n))))

    quiet = sum(j.speaks for _ in range(30) for j in judge(specification, none, whole, rows(0.0)))
    assert quiet <= 1
    assert [j.feature for j in judge(specification, none, whole, rows(0.5)) if j.speaks] == ["steady"]


@pytest.mark.parametrize(("days", "window"), [(1, 7), (2, 7), (3, 28), (10, 7), (40, 28)])
def test_a_short_reference_calibrates_without_crying_wolf(reference, days: int, window: int):
    specification, daily, _ = reference
    short = calibrate(specification, daily[:days], window)
    whole = merge_all(specification, daily[:days])
    week = merge_all(specification, profiles(specification, season(301, 7)))
    found = {j.feature: j for j in judge(specification, short, whole, week)}
    assert days == 1 or not found["steady"].speaks
    assert all(math.isfinite(j.threshold) and 0 <= j.p_value <= 1 for j in found.values())


def test_a_calibration_is_deterministic_and_comes_back_from_its_bytes(reference):
    specification, daily, calibration_ = reference
    assert calibration.decode(calibration.encode(calibration_)) == calibration_
    again = calibrate(specification, daily, 7, score_days=14, features=("steady",))
    assert again == calibrate(specification, daily, 7, score_days=14, features=("steady",))
    assert set(again.columns) == {"steady"}
    with pytest.raises(IntegrityError):
        calibration.decode(calibration.encode(calibration_)[:-5])


def metric(value: float, half_width: float) -> MetricValue:
    return MetricValue("auc", value, value - half_width, value + half_width, 2000)


def test_performance_speaks_only_beyond_chance_and_only_to_the_worse():
    reference = metric(0.70, 0.05)
    assert performance_speaks(metric(0.64, 0.045), reference, "higher")  # four weeks of April
    assert not performance_speaks(metric(0.71, 0.035), reference, "higher")  # June
    assert not performance_speaks(metric(0.62, 0.16), reference, "higher")  # a week of one airport
    assert not performance_speaks(metric(0.80, 0.01), reference, "higher")
    assert performance_speaks(metric(0.80, 0.01), reference, "lower")
    assert not performance_speaks(metric(0.695, 0.0001), metric(0.70, 0.0001), "higher")
    assert performance_speaks(metric(0.66, 0.01), metric(0.70, 0.03), "higher")
    assert not performance_speaks(metric(0.66, 0.01), metric(0.70, 0.10), "higher")
    nan = MetricValue("auc", math.nan, math.nan, math.nan, 0)
    assert not performance_speaks(nan, reference, "higher")
    assert not performance_speaks(metric(0.5, 0.01), nan, "higher")
    error = MetricValue("mae", 40.0, 36.0, 44.0, 300)
    assert performance_speaks(MetricValue("mae", 94.0, 80.0, 108.0, 300), error, "lower")
    assert not performance_speaks(MetricValue("mae", 30.0, 29.0, 31.0, 300), error, "lower")

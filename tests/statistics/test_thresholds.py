"""Verdicts keep quiet while nothing has changed, and are significant when something has."""

import math

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.findings import PerformanceFinding
from pilothouse.statistics.performance.performance_verdicts import (
    Loss,
    is_significantly_worse,
    loss_of,
    performance_bound,
    performance_is_certain,
)
from pilothouse.statistics.profiles.profile import Profile, empty_profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.significance import calibration_storage
from pilothouse.statistics.significance.calibration import Calibration, calibrate
from pilothouse.statistics.significance.quality import judge_quality
from pilothouse.statistics.significance.thresholds import judge

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
    significant = 0
    for seed in range(100, 140):
        week = merge_all(specification, profiles(specification, season(seed, 7)))
        significant += sum(j.significant for j in judge(specification, calibration_, whole, week))
        significant += sum(j.significant for j in judge_quality(specification, calibration_, whole, week))
    assert significant <= 1


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_weeks_with_few_rows_are_quiet_too(reference, share: float):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    kept = int(A_DAY * share)
    significant = 0
    for seed in range(200, 230):
        days = [
            ({k: v[:kept] for k, v in n.items()}, {k: v[:kept] for k, v in t.items()}, s[:kept])
            for n, t, s in season(seed, 7)
        ]
        week = merge_all(specification, profiles(specification, days))
        significant += sum(j.significant for j in judge(specification, calibration_, whole, week))
    assert significant <= 1


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
        assert [j.feature for j in found if j.significant] == [name]
        significant = next(j for j in found if j.significant)
        assert significant.value >= significant.threshold > 0
        assert significant.p_value < 0.01
        assert significant.statistics[significant.statistic] == significant.value


def test_the_score_is_judged_like_a_column(reference):
    specification, daily, calibration_ = reference
    week = merge_all(
        specification,
        profiles(specification, [(n, t, np.clip(s + 0.3, 0, 1)) for n, t, s in season(7, 7)]),
    )
    found = judge(specification, calibration_, merge_all(specification, daily), week)
    assert [j.feature for j in found if j.significant] == ["score"]
    assert [j.feature for j in found] == [c.name for c in specification.columns]


def test_the_same_shift_is_drift_in_a_stationary_column_and_weather_in_an_overdispersed_one(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    week = merge_all(
        specification,
        profiles(specification, changed(8, steady=lambda v: v + 1.0, weather=lambda v: v + 1.0)),
    )
    found = {j.feature: j for j in judge(specification, calibration_, whole, week)}
    assert found["steady"].significant
    assert not found["weather"].significant
    assert found["weather"].threshold > found["steady"].threshold


def test_ignored_and_empty_columns_are_shown_and_never_significant(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    nothing = np.full(A_DAY, np.nan)
    week = merge_all(
        specification,
        profiles(specification, changed(7, steady=lambda v: v + 5.0, weather=lambda v: nothing)),
    )
    found = {j.feature: j for j in judge(specification, calibration_, whole, week, ignore=("steady",))}
    assert found["steady"].value > found["steady"].threshold
    assert not any(j.significant for j in found.values())
    assert (found["weather"].statistic, found["weather"].missing) == ("", 1.0)
    empty = judge(specification, calibration_, whole, empty_profile(specification))
    assert len(empty) == len(specification.columns)
    assert not any(j.significant for j in empty)


def test_an_empty_column_changes_no_verdict_on_the_others(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    week = changed(7, steady=lambda v: v + 0.6)
    emptied = [({**n, "weather": np.full(A_DAY, np.nan)}, t, s) for n, t, s in week]
    full, without = (
        judge(specification, calibration_, whole, merge_all(specification, profiles(specification, days)))
        for days in (week, emptied)
    )
    assert [(j.feature, j.significant, j.value) for j in full if j.feature != "weather"] == [
        (j.feature, j.significant, j.value) for j in without if j.feature != "weather"
    ]


def test_a_verdict_carries_its_grounds(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    week = merge_all(specification, profiles(specification, changed(7, steady=lambda v: v + 0.6)))
    found = judge(specification, calibration_, whole, week)
    for j in found:
        assert j.threshold == pytest.approx(max(j.grounds.effect, j.grounds.calibrated))
        learnt = (
            "calibration" if j.feature == "weather" else "sampling"
        )  # what is stationary follows a known law
        assert j.grounds.set_by == ("effect" if j.threshold == j.grounds.effect else learnt)
        assert 0 <= j.grounds.usual < j.threshold
        assert j.grounds.looked_at == len(specification.columns)
        assert j.significant == (j.p_value <= j.grounds.level and j.value >= j.threshold)
    assert sorted(j.grounds.rank for j in found) == list(range(1, len(found) + 1))
    (significant,) = [j for j in found if j.significant]
    assert significant.grounds.rank == 1
    assert significant.grounds.certain
    assert significant.grounds.together == 1
    assert 2 <= next(j for j in found if j.feature == "weather").grounds.blocks <= 12


@pytest.fixture(scope="module")
def year() -> tuple[ProfileSpecification, list[Columns], list[Profile], Calibration]:
    """A year whose level wanders widely, the next eight weeks, and what the year teaches."""
    rng = np.random.default_rng(5)
    level, days = 0.0, []
    for day in range(364 + 56):
        level = 0.9 * level + math.sqrt(1 - 0.81) * rng.normal()
        values = rng.normal(3 * level + 6 * math.sin(2 * math.pi * day / 364), 1, A_DAY)
        days.append(({"weather": values}, {}, rng.random(A_DAY)))
    specification = build_specification(
        "binary",
        {"weather": np.concatenate([d[0]["weather"] for d in days[:364]])},
        {},
        np.concatenate([d[2] for d in days[:364]]),
        ("0", "1"),
    )
    daily = profiles(specification, days[:364])
    return specification, days[364:], daily, calibrate(specification, daily, 7)


def weather_of(year, shift: float, first: int, recent_shift: float = 0.0):
    """The verdict on a week of the next year, moved by ``shift``, with three weeks before it moved by ``recent_shift``."""
    specification, after, daily, calibration_ = year

    def moved(days: list[Columns], by: float) -> Profile:
        shifted = [({"weather": n["weather"] + by}, t, s) for n, t, s in days]
        return merge_all(specification, profiles(specification, shifted))

    found = judge(
        specification,
        calibration_,
        merge_all(specification, daily),
        moved(after[first : first + 7], shift),
        recent=moved(after[first - 21 : first], recent_shift),
    )
    return next(j for j in found if j.feature == "weather")


def test_a_sudden_change_of_an_overdispersed_column_is_found_against_the_days_before(year):
    quiet = [weather_of(year, 0.0, first) for first in (21, 28, 35, 42, 49)]
    assert not any(j.significant for j in quiet)
    assert all(j.compared_with == "reference" and "recent_ks" in j.statistics for j in quiet)
    found = weather_of(year, 14.0, 28)
    assert found.significant
    assert found.compared_with == "recent"
    assert found.statistics[found.statistic] == found.value >= found.threshold


def test_coming_back_to_the_reference_is_no_sudden_change(year):
    back = weather_of(year, 0.0, 28, recent_shift=60.0)
    assert not back.significant
    assert back.statistics["recent_ks"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("rows", "trifle", "change"), [(100, 0.1, 1.0), (1_000, 0.05, 0.5), (100_000, 0.05, 0.2)]
)
def test_neither_few_rows_nor_many_make_a_trifle_significant(rows: int, trifle: float, change: float):
    rng = np.random.default_rng(rows)
    values = rng.normal(0, 1, 13 * rows)
    specification = build_specification(
        "binary", {"x": values}, {}, rng.random(13 * rows), ("0", "1"), bins=128
    )
    parts = np.array_split(values, 91)
    daily = [profile_rows(specification, {"x": part}, {}, rng.random(len(part))) for part in parts]
    calibration_ = calibrate(specification, daily, 7, features=("x",))
    whole = merge_all(specification, daily)

    def is_significant(shift: float) -> bool:
        now = profile_rows(specification, {"x": rng.normal(shift, 1, rows)}, {}, rng.random(rows))
        return any(j.significant for j in judge(specification, calibration_, whole, now) if j.feature == "x")

    assert not any(is_significant(trifle) for _ in range(5))
    assert all(is_significant(change) for _ in range(5))


def test_trifles_that_are_certain_ease_nothing_for_the_others(reference):
    specification, daily, calibration_ = reference
    whole = merge_all(specification, daily)
    week = merge_all(specification, profiles(specification, season(301, 7)))
    found = judge(specification, calibration_, whole, week)
    least = 0.01 / len(found)
    assert all(j.grounds.level == pytest.approx(least) for j in found if not j.significant)


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
    assert {(j.feature, j.fault) for j in found if j.significant} == {
        ("sparse", "missing"),
        ("mix", "unseen"),
    }
    sparse = next(j for j in found if j.feature == "sparse")
    assert sparse.value == pytest.approx(0.55, abs=0.05)
    assert sparse.reference == pytest.approx(0.1, abs=0.02)
    assert sparse.reference < sparse.threshold < sparse.value


def few(seed: int, **changes: object) -> list[Columns]:
    """A week of a quarter of the rows."""
    kept = A_DAY // 4
    return [
        ({k: v[:kept] for k, v in n.items()}, {k: v[:kept] for k, v in t.items()}, s[:kept])
        for n, t, s in changed(seed, **changes)
    ]


def three_weeks(reference, weeks: list[list[Columns]]):
    """The verdicts on drift and quality of the last of three weeks, and of the three together."""
    specification, daily, calibration_ = reference
    parts = [merge_all(specification, profiles(specification, week)) for week in weeks]
    whole, together = merge_all(specification, daily), merge_all(specification, parts)
    return (
        {j.feature: j for j in judge(specification, calibration_, whole, parts[-1], lasting=together)},
        {j.feature: j for j in judge_quality(specification, calibration_, whole, parts[-1], lasting=together)
         if j.fault == "missing"},
    )  # fmt: skip


def test_what_is_too_weak_for_one_window_is_found_in_three_together(reference):
    def more_missing(values: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(values)) % 28 == 0, np.nan, values)

    moved = [few(s, steady=lambda v: v + 0.3) for s in (21, 22, 23)]
    broken = [changed(s, sparse=more_missing) for s in (21, 22, 23)]
    drift, alone = (three_weeks(reference, weeks)[0] for weeks in (moved, [few(24), few(25), moved[-1]]))
    quality, unbroken = (
        three_weeks(reference, weeks)[1] for weeks in (broken, [changed(24), changed(25), broken[-1]])
    )
    for found, before in ((drift["steady"], alone["steady"]), (quality["sparse"], unbroken["sparse"])):
        assert not before.grounds.certain
        assert before.grounds.together == 1
        assert found.significant
        assert found.grounds.certain
        assert found.grounds.together == 3
        assert found.value >= found.threshold
    assert drift["steady"].statistic.startswith("lasting_")
    assert drift["steady"].statistics[drift["steady"].statistic] == drift["steady"].value
    assert not any(name.startswith("lasting_") for name in drift["weather"].statistics)


def test_one_loud_window_is_not_significant_again_in_those_after_it(reference):
    nothing = np.full(A_DAY, np.nan)
    loud = few(31, steady=lambda v: v + 3.0, sparse=lambda v: nothing)
    calm = next(
        week
        for week in (few(s) for s in range(32, 60))
        if three_weeks(reference, [week, week, week])[0]["steady"].p_value > 0.5
    )
    drift, _ = three_weeks(reference, [loud, calm, calm])
    assert drift["steady"].statistics["lasting_within"] > 0.5
    assert not drift["steady"].significant


def test_a_reference_without_days_is_judged_by_the_sampling_null(reference):
    specification, daily, _ = reference
    whole = merge_all(specification, daily)
    none = calibrate(specification, [whole], 7)
    assert none.columns == {}
    rng = np.random.default_rng(0)

    def rows(shift: float, n: int = 300) -> Profile:
        numeric = {"steady": rng.normal(shift, 1, n), "constant": np.full(n, 3.0)}
        return profile_rows(specification, numeric, {}, 1 / (1 + np.exp(-rng.normal(0, 1, n))))

    quiet = sum(j.significant for _ in range(30) for j in judge(specification, none, whole, rows(0.0)))
    assert quiet <= 1
    assert [j.feature for j in judge(specification, none, whole, rows(0.5)) if j.significant] == ["steady"]


@pytest.mark.parametrize(("days", "window"), [(1, 7), (2, 7), (3, 28), (10, 7), (40, 28)])
def test_a_short_reference_calibrates_without_crying_wolf(reference, days: int, window: int):
    specification, daily, _ = reference
    short = calibrate(specification, daily[:days], window)
    whole = merge_all(specification, daily[:days])
    week = merge_all(specification, profiles(specification, season(301, 7)))
    found = {j.feature: j for j in judge(specification, short, whole, week)}
    assert days == 1 or not found["steady"].significant
    assert all(math.isfinite(j.threshold) and 0 <= j.p_value <= 1 for j in found.values())


def test_a_calibration_is_deterministic_and_comes_back_from_its_bytes(reference):
    specification, daily, calibration_ = reference
    assert calibration_storage.decode(calibration_storage.encode(calibration_)) == calibration_
    again = calibrate(specification, daily, 7, score_days=14, features=("steady",))
    assert again == calibrate(specification, daily, 7, score_days=14, features=("steady",))
    assert set(again.columns) == {"steady"}
    with pytest.raises(IntegrityError):
        calibration_storage.decode(calibration_storage.encode(calibration_)[:-5])


def metric(value: float, half_width: float) -> MetricValue:
    return MetricValue("auc", value, value - half_width, value + half_width, 2000)


def loss(value: float, half_width: float, *significant: bool, metric: str = "auc") -> Loss:
    """Loss of a window with this figure against 0.647 ± 0.035, significant as the last of ``significant``."""
    finding = PerformanceFinding(
        metric=metric, value=value, low=value - half_width, high=value + half_width, reference=0.647,
        reference_low=0.612, reference_high=0.682, labelled_share=1.0, significant=significant[-1],
    )  # fmt: skip
    return loss_of(finding, significant, MonitoringSpec())


def test_no_window_is_fine_whose_own_interval_excludes_its_reference_on_the_worse_side():
    assert loss(0.581, 0.048, False) is Loss.SUSPECTED
    assert loss(0.713, 0.048, False) is Loss.NONE  # better
    assert loss(0.713, 0.048, False, metric="mae") is Loss.SUSPECTED  # and worse where lower is better
    assert loss(0.581, 0.067, False) is Loss.NONE  # the interval holds it
    assert loss(0.640, 0.005, False) is Loss.NONE  # it does not, by less than counts
    assert loss(0.636, 0.005, False) is Loss.SUSPECTED


def test_a_significant_loss_is_suspected_until_an_alert_would_open_by_it():
    assert loss(0.600, 0.05, True) is Loss.SUSPECTED
    assert loss(0.600, 0.05, True, False, True) is Loss.CERTAIN  # two of the last three
    assert loss(0.600, 0.05, True, False, False, True) is Loss.SUSPECTED
    assert loss(0.450, 0.05, True) is Loss.CERTAIN  # by itself
    assert loss(0.600, 0.05, True, True, False) is Loss.NONE


def test_a_lower_rate_of_false_alarms_lets_larger_losses_pass():
    reference, reading = metric(0.70, 0.03), metric(0.65, 0.03)
    assert is_significantly_worse(reading, reference, "higher", 0.01)
    assert not performance_is_certain(reading, reference, "higher", 0.01)
    assert performance_is_certain(metric(0.60, 0.03), reference, "higher", 0.01)
    assert not performance_is_certain(metric(0.60, 0.03), reference, "higher", 1e-9)
    assert not is_significantly_worse(reading, reference, "higher", 1e-5)
    bounds = [performance_bound(reading, reference, "higher", rate) for rate in (0.2, 0.05, 0.01, 0.001)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(
        0.69
    )  # the least that is worth a word: half of all windows would do by chance


def test_performance_is_significant_only_beyond_chance_and_only_to_the_worse():
    reference = metric(0.70, 0.05)
    assert is_significantly_worse(metric(0.64, 0.045), reference, "higher", 0.01)  # four weeks of April
    assert not is_significantly_worse(metric(0.71, 0.035), reference, "higher", 0.01)  # June
    assert not is_significantly_worse(metric(0.62, 0.16), reference, "higher", 0.01)  # a week of one airport
    assert not is_significantly_worse(metric(0.80, 0.01), reference, "higher", 0.01)
    assert is_significantly_worse(metric(0.80, 0.01), reference, "lower", 0.01)
    assert not is_significantly_worse(metric(0.695, 0.0001), metric(0.70, 0.0001), "higher", 0.01)
    assert is_significantly_worse(metric(0.66, 0.01), metric(0.70, 0.03), "higher", 0.01)
    assert not is_significantly_worse(metric(0.66, 0.01), metric(0.70, 0.10), "higher", 0.01)
    nan = MetricValue("auc", math.nan, math.nan, math.nan, 0)
    assert not is_significantly_worse(nan, reference, "higher", 0.01)
    assert not is_significantly_worse(metric(0.5, 0.01), nan, "higher", 0.01)
    error = MetricValue("mae", 40.0, 36.0, 44.0, 300)
    assert is_significantly_worse(MetricValue("mae", 94.0, 80.0, 108.0, 300), error, "lower", 0.01)
    assert not is_significantly_worse(MetricValue("mae", 30.0, 29.0, 31.0, 300), error, "lower", 0.01)

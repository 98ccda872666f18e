"""The expected course of a column: a figure beside what was expected of it, with the band of what would be found."""

from dataclasses import replace

import numpy as np
import pytest

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.findings import Power
from pilothouse.statistics.course import Sides, course_of
from pilothouse.statistics.profiles.profile import Profile, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.reference import TargetReference

NO_REFERENCE = TargetReference((), (), (), (), (), MetricValue("auc", 0.5, 0.4, 0.6, 1))
RNG = np.random.default_rng(3)
ROWS = 1_000


def rows(mean: float, of_a: int) -> tuple[dict[str, np.ndarray], dict[str, list[str | None]], np.ndarray]:
    texts: list[str | None] = ["a"] * of_a + ["b"] * (ROWS - of_a)
    return {"temp": RNG.normal(mean, 1, ROWS)}, {"kind": texts}, np.full(ROWS, 0.5)


@pytest.fixture(scope="module")
def made() -> tuple[ProfileSpecification, Profile, Profile, Profile]:
    """Specification, reference, days before and window."""
    parts = [rows(0, 700), rows(4, 600), rows(5, 550)]
    specification = build_specification("binary", *parts[0], ("0", "1"))
    return specification, *(profile_rows(specification, *part) for part in parts)


def test_a_mean_is_expected_where_the_days_before_had_it(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, before, now = made
    power = Power(kind="shift", smallest=0.5, own_unit=0.5)
    course = course_of(specification, "temp", Sides(now, reference, before), power)
    assert course is not None
    assert (course.value, course.expected) == (pytest.approx(5, abs=0.15), pytest.approx(4, abs=0.15))
    assert course.low == pytest.approx(course.expected - 0.5)
    assert course.high == pytest.approx(course.expected + 0.5)
    assert course.beside == "recent"
    alone = course_of(specification, "temp", Sides(now, reference), None)
    assert alone is not None
    assert (alone.expected, alone.low, alone.beside) == (pytest.approx(0, abs=0.15), None, "reference")


def test_of_a_category_the_share_of_the_most_frequent_one_is_followed(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, before, now = made
    course = course_of(
        specification, "kind", Sides(now, reference, before), Power(kind="share", smallest=0.1)
    )
    assert course is not None
    assert (course.category, course.value, course.expected) == ("a", 0.55, 0.6)
    assert (course.low, course.high) == (pytest.approx(0.5), pytest.approx(0.7))


def test_without_values_there_is_no_course(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, _, _ = made
    empty = profile_rows(specification, {}, {}, np.full(3, 0.5))
    assert course_of(specification, "temp", Sides(empty, reference), None) is None


def test_the_same_season_of_the_year_before_is_shown_where_it_is_on_record(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, before, now = made
    course = course_of(specification, "temp", Sides(now, reference, before, before), None)
    assert course is not None
    assert course.year_before == course.expected
    days = tuple(range(100, 500))
    of_day = {day: profile_rows(specification, *rows(day / 10, 500)) for day in days}
    own = replace(NO_REFERENCE, training_days=days, training=[of_day[day] for day in days])
    season = own.season(specification, 600, 606)
    assert season is not None
    assert season.rows == ROWS * (7 + 2 * 21)
    around = course_of(specification, "temp", Sides(now, reference, season=season), None)
    assert around is not None
    assert around.year_before == pytest.approx((603 - 364) / 10, abs=0.1)
    assert own.season(specification, 470, 476) is not None  # 106 to 112: half of the days around are there
    assert own.season(specification, 430, 436) is None

"""The expected course of a column: a figure beside what was expected of it, with the band of what would be found."""

import numpy as np
import pytest

from pilothouse.domain.findings import Power
from pilothouse.statistics.course import course_of
from pilothouse.statistics.profiles.profile import Profile, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

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
    course = course_of(specification, "temp", now, reference, before, power)
    assert course is not None
    assert (course.value, course.expected) == (pytest.approx(5, abs=0.15), pytest.approx(4, abs=0.15))
    assert course.low == pytest.approx(course.expected - 0.5)
    assert course.high == pytest.approx(course.expected + 0.5)
    assert course.beside == "recent"
    alone = course_of(specification, "temp", now, reference, None, None)
    assert alone is not None
    assert (alone.expected, alone.low, alone.beside) == (pytest.approx(0, abs=0.15), None, "reference")


def test_of_a_category_the_share_of_the_most_frequent_one_is_followed(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, before, now = made
    course = course_of(specification, "kind", now, reference, before, Power(kind="share", smallest=0.1))
    assert course is not None
    assert (course.category, course.value, course.expected) == ("a", 0.55, 0.6)
    assert (course.low, course.high) == (pytest.approx(0.5), pytest.approx(0.7))


def test_without_values_there_is_no_course(
    made: tuple[ProfileSpecification, Profile, Profile, Profile],
) -> None:
    specification, reference, _, _ = made
    empty = profile_rows(specification, {}, {}, np.full(3, 0.5))
    assert course_of(specification, "temp", empty, reference, None, None) is None

"""``--like``: what the two libraries give for published samples, to 1e-12, and what they refuse and we do not."""

import math

import numpy as np
import pytest

from pilothouse.statistics import like_evidently as evidently
from pilothouse.statistics import like_nannyml as nannyml
from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample

LETTERS = Categories(np.repeat([0, 1], [60, 40]), ("a", "b"))
MORE_LETTERS = Categories(np.repeat([0, 1, 2], [50, 30, 20]), ("a", "b", "c"))
X, Y = Numbers(np.arange(100) / 10), Numbers(np.arange(100) / 10 + 2)


@pytest.mark.parametrize(
    ("method", "category", "number"),
    [
        ("psi", 1.5664207645870358, 2.1012195638745648),
        ("jensenshannon", 0.27417925295802015, 0.3258538224165169),
        ("kl_div", 0.22358330948034957, 1.050504731464136),
        ("wasserstein", None, 0.6928549666419949),
        ("ks", None, 0.03638428787491733),
        ("chisquare", 0.0, None),
        ("hellinger", 0.32537252646936626, 0.39376519109957164),
    ],
)
def test_evidently_gave_these_values(method, category, number):
    if category is not None:
        assert evidently.measure(method, LETTERS, MORE_LETTERS, True) == pytest.approx(category, abs=1e-12)
    if number is not None:
        assert evidently.measure(method, X, Y, False) == pytest.approx(number, abs=1e-12)


@pytest.mark.parametrize(
    ("method", "category", "number"),
    [
        ("jensen_shannon", 0.3293228447522065, 0.41917968809231987),
        ("hellinger", 0.32537252646936615, 0.4153797456254356),
        ("l_infinity", 0.2, None),
        ("chi2", 22.337662337662337, None),
        ("wasserstein", None, 2.0),
        ("kolmogorov_smirnov", None, 0.2),
    ],
)
def test_nannyml_gave_these_values(method, category, number):
    if category is not None:
        value, p_value = nannyml.fit(LETTERS, method).measure(MORE_LETTERS)
        assert value == pytest.approx(category, abs=1e-12)
        assert math.isnan(p_value) or p_value == pytest.approx(1.4107e-5, rel=1e-4)
    if number is not None:
        assert nannyml.fit(X, method).measure(Y)[0] == pytest.approx(number, abs=1e-12)


def normal(rows: int, shift: float = 0.0, seed: int = 0) -> Numbers:
    return Numbers(np.random.default_rng(seed).normal(shift, 1, rows))


def letters(rows: int, names: str = "abc", seed: int = 0) -> Categories:
    return Categories(np.random.default_rng(seed).integers(0, len(names), rows), tuple(names))


@pytest.mark.parametrize(
    ("reference", "current", "statistic", "drifts"),
    [
        (normal(1000), normal(300, 1.0, 1), "ks", True),
        (normal(1001), normal(300, 1.0, 1), "wasserstein", True),
        (normal(1001), normal(300, 0.0, 1), "wasserstein", False),
        (letters(1000), letters(100, seed=1), "chisquare", False),
        (letters(1000, "ab"), letters(100, "ab", 1), "z", False),
        (letters(1001), letters(100, "abcd", 1), "jensenshannon", True),
        (Numbers(np.arange(300.0) % 5), Numbers(np.arange(99.0) % 4), "chisquare", True),
        (Numbers(np.arange(300.0) % 2), Numbers(np.arange(99.0) % 2), "z", False),
        (Numbers(np.arange(3000.0) % 5), Numbers(np.arange(99.0) % 4), "jensenshannon", True),
        (Numbers(np.arange(3000.0) % 9), Numbers(np.arange(99.0) % 9, integers=True), "jensenshannon", False),
    ],
)
def test_evidently_chooses_by_rows_and_values(reference, current, statistic, drifts):
    (found,) = evidently.table_drift({"x": reference}, {"x": current})
    assert (found.statistic, found.drifts) == (statistic, drifts)


def test_evidently_holds_a_table_for_drifted_from_half_of_its_columns():
    moved = {"x": normal(2000, 3.0, 1), "y": normal(2000, 0.0, 2)}
    found = evidently.table_drift({"x": normal(2000), "y": normal(2000)}, moved)
    assert evidently.table_drifts(found)
    assert not evidently.table_drifts(found[1:])
    assert not evidently.table_drifts([])


def test_nannyml_judges_each_tenth_against_the_references_tenths():
    reference, current = normal(1000), normal(1003, 0.0, 1)
    moved = Numbers(np.concatenate((current.values[:900], current.values[900:] + 3)))
    (found,) = nannyml.table_drift({"x": reference}, {"x": moved})
    assert len(found.chunks) == 11
    assert [alert for _, alert in found.chunks[:9]] == [False] * 9
    assert found.chunks[9][1]
    assert found.drifts
    assert found.value == max(value for value, _ in found.chunks)


REFUSED: list[tuple[Sample | None, Sample | None, str]] = [
    (Numbers(np.full(9, np.nan)), X, "is empty in the reference"),
    (X, Numbers(np.array([np.nan, np.inf])), "is empty in current"),
    (X, Numbers(np.empty(0)), "is empty in current"),
    (LETTERS, Categories(np.full(5, -1), ("a",)), "is empty in current"),
    (X, LETTERS, "changed its type: it was number, now it is text"),
    (None, X, "changed its type: it was of another type, now it is number"),
]


@pytest.mark.parametrize(("reference", "current", "fault"), REFUSED)
@pytest.mark.parametrize("rules", [evidently, nannyml])
def test_one_bad_column_says_what_it_is_and_spoils_no_other(rules, reference, current, fault):
    found = rules.table_drift(
        {"bad": reference, "gone": X, "good": X}, {"bad": current, "good": Y, "new": LETTERS}
    )
    assert [column.fault for column in found] == [
        fault,
        "is missing in current",
        "",
        "is not in the reference",
    ]
    assert found[2].drifts


def test_what_evidently_gives_to_a_classifier_is_said():
    words = Categories(np.arange(10), tuple("abcdefghij"))
    (found,) = evidently.table_drift({"note": words}, {"note": words})
    assert "free text" in found.fault


def test_a_chunk_without_values_does_not_alert():
    reference = letters(1000)
    gone = Categories(np.concatenate((np.zeros(90, np.int64), np.full(10, -1))), ("a", "b", "c"))
    (found,) = nannyml.table_drift({"x": reference}, {"x": gone}, "chi2")
    assert [alert for _, alert in found.chunks] == [True] * 9 + [False]
    assert math.isnan(found.chunks[-1][0])


def test_huge_values_are_one_bin_where_there_is_no_width_to_divide():
    huge = Numbers(np.concatenate(([-1.7e308, 1.7e308], np.arange(30.0))))
    for method in evidently.THRESHOLDS:
        assert not math.isnan(evidently.measure(method, huge, X, False)) or method == "wasserstein"
    for method in ("jensen_shannon", "hellinger", "kolmogorov_smirnov"):
        assert math.isfinite(nannyml.fit(huge, method).measure(X)[0])

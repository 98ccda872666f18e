"""Verdicts on the categories of two tables: nothing is found where both are of one law, however many categories it has."""

import math

import numpy as np
import pytest

from pilothouse.statistics.profiles.samples import Categories, Numbers
from pilothouse.statistics.significance.permutation_null import chi_square_p_value, unseen_p_value
from pilothouse.statistics.table_drift import ColumnDrift, table_drift

LAWS = {
    "uniform": lambda k: np.full(k, 1 / k),
    "Zipf": lambda k: 1 / np.arange(1, k + 1) / (1 / np.arange(1, k + 1)).sum(),
}


def drawn(rng, law, rows: int, new: float = 0.0, categories: int = 10) -> Categories:
    """Rows of a law, a share ``new`` of them of categories that it does not have."""
    values = rng.choice(len(law), rows, p=law)
    values = np.where(rng.random(rows) < new, len(law) + rng.integers(0, categories, rows), values)
    names, codes = np.unique(values, return_inverse=True)
    return Categories(codes.astype(np.int64), tuple(map(str, names)))


def verdict(reference: Categories, current: Categories) -> ColumnDrift:
    return table_drift({"k": reference}, {"k": current})[0]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("categories", [50, 800, 5_000])
@pytest.mark.parametrize("rows", [(300, 3_000), (3_000, 300), (3_000, 3_000)], ids=str)
def test_one_law_is_seldom_more_unseen_and_seldom_drifts(law, categories, rows) -> None:
    rng = np.random.default_rng(categories)
    law = LAWS[law](categories)
    columns = [verdict(*(drawn(rng, law, n) for n in rows)) for _ in range(100)]
    # of 100 at 1 % more than 5 have a probability of 0.0005
    assert sum("unseen" in c.worse for c in columns) <= 5
    assert sum(c.drifts for c in columns) <= 5


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("categories", [2, 50, 800])
def test_a_twentieth_of_new_categories_is_found(law, categories) -> None:
    rng = np.random.default_rng(categories)
    law = LAWS[law](categories)
    columns = [verdict(drawn(rng, law, 3_000), drawn(rng, law, 3_000, 0.05)) for _ in range(20)]
    assert sum("unseen" in c.worse for c in columns) >= 19


def test_what_the_reference_shows_of_itself_is_given() -> None:
    rng = np.random.default_rng(0)
    law = LAWS["uniform"](800)
    column = verdict(drawn(rng, law, 3_000), drawn(rng, law, 3_000))
    # a row's category is one of 800 that 3,000 rows have all missed
    assert column.usual_unseen == pytest.approx(math.exp(-3_000 / 800), abs=0.01)
    assert column.unseen == pytest.approx(column.usual_unseen, abs=0.01)
    assert column.rises["unseen"] > 0.01


def dealt(reference, current, statistic) -> float:
    """p-value over 20,000 ways to deal the rows of both."""
    rng = np.random.default_rng(0)
    deals = rng.multivariate_hypergeometric(
        reference + current, int(current.sum()), 20_000, method="marginals"
    )
    values = [statistic(reference + current - now, now) for now in deals]
    return float(np.mean(np.array(values) >= statistic(reference, current) - 1e-9))


def unseen(reference, current) -> float:
    return float(current[reference == 0].sum())


def chi_square(reference, current) -> float:
    pooled = reference + current
    expected = pooled * current.sum() / pooled.sum()
    return float(((current - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("rows", [(40, 60), (300, 40), (40, 300)], ids=str)
def test_the_permutation_null_is_what_dealing_the_rows_gives(rows) -> None:
    rng = np.random.default_rng(3)
    law = LAWS["Zipf"](60)
    for _ in range(8):
        counts = np.array([rng.multinomial(n, law) for n in rows])
        before, now = counts[:, counts.sum(axis=0) > 0]
        for p_value, statistic in ((unseen_p_value, unseen), (chi_square_p_value, chi_square)):
            p, expected = p_value(before, now), dealt(before, now, statistic)
            assert p == pytest.approx(expected, abs=0.01 + 0.2 * expected)


def test_where_every_row_is_its_own_category_nothing_is_more_unseen() -> None:
    one = Categories(np.arange(1_000), tuple(map(str, range(1_000))))
    other = Categories(np.arange(500), tuple(map(str, range(5_000, 5_500))))
    column = verdict(one, other)
    assert (column.unseen, column.usual_unseen, column.worse, column.drifts) == (1.0, 1.0, (), False)


def test_many_columns_share_one_level() -> None:
    """A rise that is one in two hundred of its own is none among twenty columns."""
    quiet = Categories(np.zeros(1_000, np.int64), ("a",))
    before, now = (np.where(np.arange(1_000) < n, np.nan, 1.0) for n in (61, 93))
    alone = table_drift({"x": Numbers(before)}, {"x": Numbers(now)})
    crowd = {f"q{i}": quiet for i in range(20)}
    among = table_drift({"x": Numbers(before)} | crowd, {"x": Numbers(now)} | crowd)
    assert (alone[0].worse, among[0].worse) == (("missing",), ())
    assert 0.001 < alone[0].rises["missing"] < 0.01


@pytest.mark.parametrize(("rows", "where"), [((4, 900), "the reference"), ((900, 4), "current")])
def test_too_few_values_are_no_calm(rows, where) -> None:
    column = table_drift(*({"x": Numbers(np.arange(n, dtype=np.float64))} for n in rows))[0]
    assert column.fault == f"has 4 of the 5 values in {where} that a verdict needs"
    assert not column.skipped


def test_a_column_that_is_nearly_empty_in_both_is_no_fault() -> None:
    values = Numbers(np.where(np.arange(900) < 4, 1.0, np.nan))
    column = table_drift({"x": values}, {"x": values})[0]
    assert (
        column.fault
        == "has 4 of the 5 values in the reference and 4 of the 5 values in current that a verdict needs"
    )
    assert column.skipped

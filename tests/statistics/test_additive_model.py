"""A sum of functions over a profile's cells: what is fitted on rows is read exactly from histograms."""

import numpy as np
import pytest

from pilothouse.statistics.estimation.additive_model import basis_of, fit, moments_of, squared_error, weigh
from pilothouse.statistics.profiles.profile import cells_of, profile_rows
from pilothouse.statistics.profiles.specification import build_specification

KINDS = ["plain", "rare", "odd"]


def rows(n, seed, spread=1.0):
    chance = np.random.default_rng(seed)
    x = chance.normal(0, spread, n)
    x[chance.random(n) < 0.05] = np.nan
    numeric = {"x": x, "tail": chance.lognormal(0, 1.5, n), "flat": np.full(n, 3.0)}
    kind = [KINDS[i] for i in chance.choice(3, n, p=[0.7, 0.2, 0.1])]
    return numeric, {"kind": kind}, chance.normal(0, 1, n)


def outcome_of(numeric, kind, chance, noise=0.5):
    known = np.where(np.isnan(numeric["x"]), 2.0, np.abs(np.nan_to_num(numeric["x"])))
    return known + np.array([KINDS.index(k) for k in kind]) + chance.normal(0, noise, len(kind))


@pytest.fixture(scope="module")
def fitted():
    numeric, texts, scores = rows(3_000, 1)
    specification = build_specification("regression", numeric, texts, scores, ())
    cells = cells_of(specification, numeric, texts, scores)
    basis = basis_of(specification, cells, 8)
    outcome = outcome_of(numeric, texts["kind"], np.random.default_rng(2))
    return specification, basis, moments_of(basis.design(cells), outcome), cells, outcome


def test_a_histogram_holds_what_its_rows_hold(fitted):
    specification, basis, *_ = fitted
    numeric, texts, scores = rows(500, 3, spread=3.0)
    profile = profile_rows(specification, numeric, texts, scores)
    design = basis.design(cells_of(specification, numeric, texts, scores))
    assert np.allclose(basis.masses(profile.cells, profile.counts), design.sum(axis=0), atol=1e-9)
    assert np.allclose(design.sum(axis=1), len(specification.columns))


def test_functions_of_numbers_categories_and_missing_values_are_found(fitted):
    specification, basis, moments, *_ = fitted
    constant, values = fit(basis, moments, 3.0, 1.0)
    for spread in (1.0, 0.4, 1.4):
        numeric, texts, scores = rows(20_000, 4, spread)
        profile = profile_rows(specification, numeric, texts, scores)
        truth = outcome_of(numeric, texts["kind"], np.random.default_rng(5)).mean()
        told = constant + values @ basis.masses(profile.cells, profile.counts) / profile.rows
        assert told == pytest.approx(truth, abs=0.06)


def test_moments_of_parts_add_up_and_say_the_squared_error(fitted):
    _, basis, moments, cells, outcome = fitted
    parts = [
        moments_of(basis.design(cells[:, part]), outcome[part])
        for part in (slice(0, 1_000), slice(1_000, None))
    ]
    whole = weigh(parts, np.ones(2))
    constant, values = fit(basis, whole, 30.0, 10.0)
    assert np.allclose(values, fit(basis, moments, 30.0, 10.0)[1])
    left = outcome - constant - basis.design(cells) @ values
    assert squared_error(moments, constant, values) == pytest.approx(float(left @ left), rel=1e-9)
    twice = weigh(parts, np.array([2.0, 0.0]))
    assert twice.size == 2_000
    assert twice.outcome == pytest.approx(2 * outcome[:1_000].sum())


def test_the_stronger_the_penalty_the_flatter(fitted):
    _, basis, moments, cells, _ = fitted
    spans = [
        np.ptp(basis.design(cells) @ fit(basis, moments, *p)[1]) for p in ((3.0, 1.0), (3.0, 1e4), (3.0, 1e9))
    ]
    assert spans[0] > spans[1] > spans[2]
    assert spans[2] < 0.01

"""The sampling nulls hold far into their tails, for columns of any shape."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from pilothouse.statistics.distances import drift
from pilothouse.statistics.profiles.profile import Histogram, histogram, profile_rows
from pilothouse.statistics.profiles.specification import (
    CategoricalColumn,
    Column,
    NumericColumn,
    build_specification,
)
from pilothouse.statistics.significance import calibration_storage, null_windows
from pilothouse.statistics.significance.calibration import Calibration, Null
from pilothouse.statistics.significance.sampling_null import (
    law_of,
    sampling_null_of,
    sampling_null_of_share,
    share_tail,
)

ROWS, AGAINST, SAMPLES = 100, 5_000, 20_000
BLOCK = 50
"""Samples measured together: so few stay in the processor's cache."""


def column_of(kind: str) -> tuple[Column, Histogram]:
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(0, 1, AGAINST),
        "skewed": rng.lognormal(0, 1, AGAINST),
        "whole": rng.integers(0, 7, AGAINST).astype(float),
    }
    texts = {
        "three": rng.choice(["a", "b", "c"], AGAINST, p=(0.5, 0.3, 0.2)).tolist(),
        "twelve": rng.choice([f"c{i}" for i in range(12)], AGAINST).tolist(),
    }
    scores = rng.random(AGAINST)
    specification = build_specification("binary", values, texts, scores, ("0", "1"))
    whole = profile_rows(specification, values, texts, scores)
    return specification.by_name[kind], histogram(specification, whole, kind)


def samples(column: Column, held: Histogram, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Statistics of samples of so many rows, held against what they are drawn from."""
    rng = np.random.default_rng(seed)
    scale = drift.scale_of(column, held) if isinstance(column, NumericColumn) else 1.0
    middle = held.positions / np.maximum(held.counts, 1)
    bins = len(held.counts)
    bin_of = np.repeat(np.arange(bins), held.counts)
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(SAMPLES // BLOCK):
        drawn = bin_of[rng.integers(0, held.present, (BLOCK, rows))] + bins * np.arange(BLOCK)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=bins * BLOCK).reshape(BLOCK, bins)
        moved = np.rint(counts * middle).astype(np.int64)
        measured = null_windows.measure(column, (held.counts, held.positions), (counts, moved), scale)
        for name, values in measured.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}


@pytest.mark.parametrize("kind", ["normal", "skewed", "whole", "three", "twelve"])
@pytest.mark.parametrize("rows", [ROWS, 3 * ROWS])
def test_samples_go_beyond_their_bounds_no_more_often_than_said(kind: str, rows: int):
    column, held = column_of(kind)
    sizes = [50, 150, 400]
    drawn = null_windows.sampled_values(column, held, sizes, 0, held.present)
    actual = samples(column, held, rows, 2)
    for name in null_windows.statistics_for(column):
        law = law_of(name, [d[name] for d in drawn], sizes, held.present, held.present)
        assert law is not None
        for p_value, most in ((0.01, 2.5), (0.001, 4.0)):
            bound = law.value_at(name, p_value, rows)
            assert np.mean(actual[name] >= bound) <= most * p_value
            assert law.p_value(name, bound, rows) == pytest.approx(p_value, rel=1e-6)
        if isinstance(column, CategoricalColumn):  # neither is it far too careful
            assert np.mean(actual[name] >= law.value_at(name, 0.01, rows)) >= 0.004


def test_overdispersed_windows_have_no_sampling_null():
    column, held = column_of("three")
    drawn = [null_windows.sampled_values(column, held, [ROWS], 0, held.present)[0]["js"]]
    windows = np.quantile(samples(column, held, ROWS, 3)["js"], (np.arange(13) + 0.5) / 13)
    law = sampling_null_of("js", windows, 13.0, 0.0, drawn, [ROWS], held.present, held.present)
    assert law is not None
    assert sampling_null_of("js", 2 * windows, 13.0, 0.0, drawn, [ROWS], held.present, held.present) is None
    stored = Calibration(7, {"x": (Null("js", (), (), (), (), 13.0, sampling=law),)})
    assert calibration_storage.decode(calibration_storage.encode(stored)) == stored
    assert sampling_null_of("js", windows, 13.0, 0.7, drawn, [ROWS], held.present, held.present) is None
    apart = sampling_null_of("js", 1.15 * windows, 13.0, 0.0, drawn, [ROWS], held.present, held.present)
    assert apart is not None
    assert apart.beyond > law.beyond
    assert apart.p_value("js", 0.2, ROWS) > law.p_value("js", 0.2, ROWS)


@pytest.mark.parametrize(
    ("before", "of_before", "now", "rows"),
    [(0, 1_300, 3, 100), (65, 1_300, 12, 100), (5, 50, 4, 20), (4_000, 130_000, 3_500, 100_000)],
)
def test_the_tail_of_a_share_is_fishers_exact_test(before: int, of_before: int, now: int, rows: int):
    exact = hypergeom.sf(now - 1, of_before + rows, before + now, rows)
    tail = share_tail(before, of_before, rows)
    assert tail.p_value(now) == pytest.approx(exact, rel=1e-6)
    assert tail.p_value(int(before / of_before * rows) - 1) == 1.0
    assert tail.p_value(round(tail.share_at(0.001) * rows)) <= 0.001
    assert tail.p_value(round(tail.share_at(0.001) * rows) - 1) > 0.001


def test_a_share_that_scatters_more_than_samples_takes_more_to_be_believed():
    rng = np.random.default_rng(4)
    rows = np.full(13, 200)
    stationary = sampling_null_of_share(rng.binomial(200, 0.1, 13) / 200, rows, 13.0)
    assert stationary is not None
    assert sampling_null_of_share(np.linspace(0.0, 0.3, 13), rows, 13.0) is None
    assert share_tail(260, 2_600, 200, 0.5).p_value(40) > share_tail(260, 2_600, 200).p_value(40)
    assert sampling_null_of_share(np.zeros(13), rows, 13.0) is not None
    assert share_tail(50, 50, 20).p_value(20) == 1.0

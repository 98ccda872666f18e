"""Figures from profiles against the exact ones on raw rows: the bounds that docs/monitoring.md states."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_rows import outcomes

from pilothouse.statistics.distances import distances
from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.performance.metrics import measure
from pilothouse.statistics.performance.outcomes import measured
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.outcome_profile import profile_outcomes
from pilothouse.statistics.profiles.profile import profile_rows
from pilothouse.statistics.profiles.samples import Numbers
from pilothouse.statistics.profiles.scored_rows import scored_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.table_drift import sample_statistics

SHAPES = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "heavy tail": lambda rng, n: rng.standard_cauchy(n),
    "long tail": lambda rng, n: rng.lognormal(0, 2, n),
    "power law": lambda rng, n: rng.pareto(1.2, n),
    "spikes": lambda rng, n: np.where(
        rng.random(n) < 0.5, rng.choice([0, 1, 7.25, 100], n), rng.normal(3, 2, n)
    ),
    "far cluster": lambda rng, n: np.where(rng.random(n) < 0.01, rng.normal(1000, 1, n), rng.normal(0, 1, n)),
    "two clusters": lambda rng, n: np.where(
        rng.random(n) < 0.5, rng.normal(-50, 0.1, n), rng.normal(50, 0.1, n)
    ),
    "rounded": lambda rng, n: np.round(rng.normal(0, 100, n), 1),
    "counts": lambda rng, n: rng.poisson(40, n).astype(float),
    "rare jumps": lambda rng, n: np.where(rng.random(n) < 0.002, 1000.0, 0.0),
    "weekday": lambda rng, n: rng.integers(0, 7, n).astype(float),
}
MOVES = {
    "same": lambda y, s: y,
    "a little": lambda y, s: y + 0.01 * s,
    "clearly": lambda y, s: y + 0.3 * s,
    "wider": lambda y, s: y * 1.5,
    "far outside": lambda y, s: y + 5 * s,
    "to one point": lambda y, s: np.full(len(y), 0.4 * s),
}


def hold(x: np.ndarray, y: np.ndarray, what: object = "", *, spread_out: bool = True) -> None:
    """KS within 0.002, Wasserstein within 1 % or 0.001 σ, PSI and Jensen–Shannon on the same bins exact, level and spread by
    ranks within 0.03 where the window is ``spread_out`` over the reference's range."""
    specification = build_specification("regression", {"x": x}, {}, np.zeros(len(x)), ())
    reference, current = (profile_rows(specification, {"x": v}, {}, np.zeros(len(v))) for v in (x, y))
    found = window_drift(prepare(specification, reference), current)["x"]
    exact = sample_statistics(Numbers(x), Numbers(y))
    assert found["ks"] == pytest.approx(exact["ks"], abs=0.002), what
    distance = distances.wasserstein(x, y) / max(
        float(np.nanstd(x)), 1e-3 * float(np.nanmax(x) - np.nanmin(x))
    )
    assert found["wasserstein"] == pytest.approx(distance, rel=0.01, abs=0.001), what
    assert found["psi"] == pytest.approx(exact["psi"], abs=1e-12), what
    assert found["js"] == pytest.approx(exact["js"], abs=1e-9), what
    assert found["within"] == pytest.approx(exact["within"], rel=0.03, abs=0.003), what
    outermost = np.mean((y >= np.nanquantile(x, 0.998)) | (y <= np.nanquantile(x, 0.002)))
    for name in ("higher", "lower", "wider", "narrower"):
        allowed = 0.03 if spread_out and outermost <= 0.02 and exact["narrower"] < 0.75 else 0.5
        assert found[name] == pytest.approx(exact[name], rel=0.03, abs=allowed), (name, what)
    assert found["outside"] == pytest.approx(exact["outside"], abs=1e-9), what


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    before=st.sampled_from(sorted(SHAPES)),
    after=st.one_of(st.none(), st.sampled_from(sorted(SHAPES))),
    move=st.sampled_from(sorted(MOVES)),
    rows=st.sampled_from([300, 700, 900, 1_000, 1_100, 2_000, 20_000]),
    current_rows=st.sampled_from([50, 1_000, 10_000]),
)
def test_hard_distributions_keep_the_bounds(seed, before, after, move, rows, current_rows):
    rng = np.random.default_rng(seed)
    x = SHAPES[before](rng, rows)
    y = SHAPES[after or before](rng, current_rows)
    y[rng.random(len(y)) < 0.02] = np.nan
    if float(np.std(x)) == 0:
        x[0] += 1
    hold(
        x,
        MOVES[move](y, float(np.std(x))),
        (before, after, move, rows, current_rows),
        spread_out=after in (None, before) and move not in ("far outside", "to one point"),
    )


def test_real_flights_and_bikes_keep_the_bounds(sample_data: Path):
    flights = pd.read_parquet(sample_data / "flights.parquet").sort_values("scheduled_at")
    for name in (
        "temp",
        "dewp",
        "wind_speed",
        "precip",
        "pressure",
        "distance",
        "hour",
        "plane_year",
        "arr_delay",
    ):
        values = flights[name].to_numpy(float)
        hold(values[:20_000], values[60_000:62_000], name)
    bikes = pd.read_parquet(sample_data / "bikeshare.parquet")
    for name in ("temp", "hum", "windspeed", "hr", "bikers"):
        values = bikes[name].to_numpy(float)
        hold(values[:2_000], values[4_000:4_700], name)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(1, 5_000), st.floats(1.0, 8e10)), min_size=1, max_size=300),
    st.sampled_from([1, 50, 95, 99, 99.9, 100]),
)
def test_a_latency_percentile_is_within_a_hundredth(micros, percent):
    profile = latency.profile_latencies(np.array(micros, np.float64), np.ones(len(micros), np.int64))
    exact = np.sort(micros)[max(int(np.ceil(percent / 100 * len(micros) - 1e-9)), 1) - 1] / 1000
    assert latency.percentile_ms(profile, percent) == pytest.approx(exact, rel=0.01)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    shape=st.sampled_from([(2, 5), (0.5, 0.5), (1, 60), (30, 30), (8, 1)]),
    decimals=st.sampled_from([2, 3, 16]),
    tilt=st.sampled_from([1.0, 1.3, 0.7]),
)
def test_auroc_is_within_a_thousandth(seed, shape, decimals, tilt):
    rng = np.random.default_rng(seed)
    before = np.round(rng.beta(*shape, 20_000), decimals)
    specification = build_specification("binary", {}, {}, before, ("0", "1"))
    scores = np.round(rng.beta(*shape, 5_000) ** tilt, decimals)
    labels, truth = outcomes(scores, seed)
    if truth.min() == truth.max():
        truth[0] = 1 - truth[0]
    found = measured(specification, profile_outcomes(specification, scores, labels, truth), "auc")
    assert found.value == pytest.approx(
        measure("auc", scored_rows("binary", truth, scores, labels, ("0", "1"))).value, abs=0.001
    )

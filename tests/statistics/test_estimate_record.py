"""An estimate corrected by its own record: against an independent computation, and on streams of which the course is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics.estimation.estimate_record import (
    FORECASTS,
    HALF_LIFE,
    MOST_WINDOWS,
    STEP,
    EstimatedWindow,
    correct,
)

WEEK = 7.0


def windows_of(metric: str, estimates, measured, half: float, length: float = WEEK, step: float = WEEK):
    """Windows one after another; ``half`` is half of the width of each band."""
    return [
        EstimatedWindow(length + i * step, length, MetricValue(metric, e, e - half, e + half, 500), y)
        for i, (e, y) in enumerate(zip(estimates, measured, strict=True))
    ]


def by_hand(metric: str, windows, reference: MetricValue, delay: float):
    """Value, band and weights of the last window by the formulas of docs/statistics.md, one window at a time."""
    share = metric == "auc"
    g = (lambda v: np.log(v / (1 - v))) if share else np.log
    back = (lambda x: 1 / (1 + np.exp(-x))) if share else np.exp
    error = lambda v: (g(v.high) - g(v.low)) / 3.92  # noqa: E731
    r = g(reference.value)
    results = []
    for now in windows:
        known = [
            (w, f)
            for w, f in zip(windows, results, strict=False)
            if w.end + delay <= now.end and w is not now
        ]
        c = g(now.inputs.value)
        omega = np.array([2.0 ** -((now.end - w.end) / (HALF_LIFE * WEEK)) for w, _ in known])
        y = np.array([g(w.measured) for w, _ in known])
        e = np.array([g(w.inputs.value) for w, _ in known])
        n = omega.sum()
        forecasts = np.array(
            [r, c, (r + (omega * y).sum()) / (1 + n), c + (omega * (y - e)).sum() / (1 + n),
             y[-1] if known else r, c + (y[-1] - e[-1] if known else 0)]
        )  # fmt: skip
        s2 = error(now.inputs) ** 2 + error(reference) ** 2
        squares = np.array(
            [s2 + sum(o * (g(w.measured) - f["forecasts"][k]) ** 2 for o, (w, f) in zip(omega, known, strict=True))
             for k in range(6)]
        )  # fmt: skip
        weights = np.array([2, 2, 1, 1, 1, 1]) * squares ** (-(1 + n) / 2)
        weights /= weights.sum()
        mean = (weights * forecasts).sum()
        past = sum(o * (g(w.measured) - f["mean"]) ** 2 for o, (w, f) in zip(omega, known, strict=True))
        sigma = np.sqrt((s2 + (weights * (forecasts - mean) ** 2).sum() + past) / (1 + n))
        level = 0.05
        for w, f in known:
            missed = not f["low"] <= g(w.measured) <= f["high"]
            level = np.clip(level + STEP * (0.05 - missed), 0.001, 0.5)
        width = sigma * stats.t(4 + n).ppf(1 - level / 2)
        results.append(
            {
                "forecasts": forecasts,
                "mean": mean,
                "low": mean - width,
                "high": mean + width,
                "weights": weights,
            }
        )
    last = results[-1]
    return back(last["mean"]), back(last["low"]), back(last["high"]), last["weights"]


@pytest.mark.parametrize(("metric", "delay"), [("auc", 0.0), ("auc", 14.0), ("mae", 7.0)])
def test_the_rule_is_that_of_the_document(metric: str, delay: float) -> None:
    chance = np.random.default_rng(3)
    level, half = (0.7, 0.02) if metric == "auc" else (3.0, 0.2)
    measured = level + chance.normal(0, half, 12) - half * np.arange(12) / 3
    estimates = level + chance.normal(0, half, 12)
    windows = windows_of(metric, estimates, measured, half)
    reference = MetricValue(metric, level, level - half, level + half, 400)
    for until in (1, 2, 5, 12):
        found = correct(windows[until - 1], windows[: until - 1], reference, delay=delay, step=WEEK)
        value, low, high, weights = by_hand(metric, windows[:until], reference, delay)
        assert (found.value.value, found.value.low, found.value.high) == pytest.approx(
            (value, low, high), rel=1e-3
        )
        assert [found.weights[name] for name in FORECASTS] == pytest.approx(list(weights), abs=1e-3)
        assert found.windows == sum(w.end + delay <= windows[until - 1].end for w in windows[: until - 1])


def test_nothing_that_is_known_later_is_used() -> None:
    chance = np.random.default_rng(4)
    windows = windows_of("auc", 0.7 + chance.normal(0, 0.02, 20), 0.66 + chance.normal(0, 0.02, 20), 0.02)
    reference = MetricValue("auc", 0.7, 0.68, 0.72, 400)
    delay = 21.0
    known = lambda i: windows[i].end + delay  # noqa: E731
    for other in (5, 11, 19):
        turned = [replace(w, measured=0.3) if i == other else w for i, w in enumerate(windows)]
        for i, window in enumerate(windows):
            before = correct(window, windows, reference, delay=delay, step=WEEK)
            after = correct(
                replace(window, measured=turned[i].measured), turned, reference, delay=delay, step=WEEK
            )
            assert (before == after) == (window.end < known(other)), (other, i)


def test_without_a_record_it_is_halfway_between_inputs_and_reference_and_as_wide_as_sampling() -> None:
    reference = MetricValue("mae", 4.0, 3.8, 4.2, 400)
    (window,) = windows_of("mae", [5.0], [math.nan], 0.4)
    found = correct(window, [], reference, delay=0.0, step=WEEK)
    assert found.value.value == pytest.approx(math.sqrt(4.0 * 5.0))
    assert found.weights == pytest.approx(FORECASTS)
    assert found.value.high - found.value.low > window.inputs.high - window.inputs.low
    assert found.windows == 0
    assert found.explained == window.inputs


def test_without_a_reference_the_estimate_from_inputs_stands() -> None:
    (window,) = windows_of("auc", [0.7], [math.nan], 0.02)
    found = correct(window, [], MetricValue("auc", math.nan, math.nan, math.nan, 0), delay=0.0, step=WEEK)
    assert (found.value, found.weights) == (window.inputs, {})


def test_what_inputs_explain_is_learnt_from_windows_without_a_loss() -> None:
    windows = windows_of("auc", [0.7] * 6, [0.7] * 3 + [0.5] * 3, 0.02)
    reference = MetricValue("auc", 0.7, 0.68, 0.72, 400)
    (now,) = windows_of("auc", [0.7], [math.nan], 0.02)
    now = replace(now, end=windows[-1].end + WEEK)
    loud = correct(now, windows, reference, delay=0.0, step=WEEK).explained
    quiet = correct(
        now, [replace(w, lost=w.measured == 0.5) for w in windows], reference, delay=0.0, step=WEEK
    ).explained
    assert loud.low < 0.5 < quiet.low
    assert quiet.high - quiet.low < 0.06


def test_windows_that_overlap_much_count_no_more_than_four_a_length() -> None:
    daily = windows_of("auc", [0.7] * 300, [0.68] * 300, 0.02, length=28.0, step=1.0)
    found = correct(daily[-1], daily[:-1], MetricValue("auc", 0.7, 0.68, 0.72, 400), delay=0.0, step=1.0)
    assert found.windows == math.ceil((300 - 1) / 7)
    assert found.windows <= MOST_WINDOWS


COURSES = {
    "nothing": lambda t: (0.0 * t, 0.0 * t),
    "inputs move": lambda t: (-0.4 * (t >= 15), 0.0 * t),
    "outcomes move": lambda t: (0.0 * t, -0.4 * (t >= 15)),
    "outcomes wander": lambda t: (0.0 * t, 0.15 * np.sin(t / 5)),
    "inputs mislead": lambda t: (0.3 * np.sin(t / 3), -0.3 * np.sin(t / 3)),
}
"""Course of the log-odds by time: what inputs explain, and what they do not."""


def simulated(course: str, seed: int, windows: int = 45):
    chance = np.random.default_rng(seed)
    explained, hidden = COURSES[course](np.arange(windows, dtype=float))
    odds = 0.9 + explained
    noise = 0.08
    shares = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    offset = chance.normal(0, 0.05)  # the estimator's own error, learnt from one hold-out
    estimates = shares(odds + offset)
    measured = shares(odds + hidden + chance.normal(0, noise, windows))
    held_out = float(shares(0.9 + chance.normal(0, noise)))
    half = 1.96 * noise * held_out * (1 - held_out)
    reference = MetricValue("auc", held_out, held_out - half, held_out + half, 400)
    return windows_of("auc", estimates, measured, 0.035), reference


@pytest.mark.parametrize("course", COURSES)
def test_on_every_course_it_is_about_as_near_as_the_better_of_the_estimate_and_nothing_changed(
    course: str,
) -> None:
    ours, inputs, same, inside = [], [], [], []
    for seed in range(8):
        windows, reference = simulated(course, seed)
        for i, window in enumerate(windows):
            found = correct(window, windows[:i], reference, delay=7.0, step=WEEK).value
            ours.append(abs(found.value - window.measured))
            inputs.append(abs(window.inputs.value - window.measured))
            same.append(abs(reference.value - window.measured))
            inside.append(found.low <= window.measured <= found.high)
    assert np.mean(ours) <= 1.03 * min(np.mean(inputs), np.mean(same))
    assert 0.90 <= np.mean(inside) <= 0.99

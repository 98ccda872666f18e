"""Verdicts on columns that nobody expects: significant where their value has reached its threshold, and they never raise."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from pilothouse.statistics.profiles.profile import merge_all, profile_groups, profile_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.significance import calibration_storage
from pilothouse.statistics.significance.calibration import calibrate
from pilothouse.statistics.significance.quality import judge_quality
from pilothouse.statistics.significance.thresholds import judge

Random = np.random.Generator
COLUMNS: dict[str, Callable[[Random, int], np.ndarray]] = {
    "constant": lambda rng, n: np.full(n, 3.0),
    "two": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "huge": lambda rng, n: rng.normal(0, 1e300, n),
    "tiny": lambda rng, n: rng.normal(0, 1e-300, n),
    "empty": lambda rng, n: np.full(n, np.nan),
    "nearly always zero": lambda rng, n: np.where(rng.random(n) < 0.999, 0.0, 1.0),
    "infinite": lambda rng, n: np.where(rng.random(n) < 0.1, np.inf, rng.normal(0, 1, n)),
    "heavy": lambda rng, n: np.exp(rng.normal(0, 8, n)),
    "normal": lambda rng, n: rng.normal(0, 1, n),
}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("seed", range(12))
def test_awkward_columns_are_judged_by_what_is_shown(seed: int):
    rng = np.random.default_rng(seed)
    kinds = list(COLUMNS)
    days, a_day = int(rng.integers(1, 120)), int(rng.integers(1, 60))
    rows = days * a_day
    names = ["a", "b", "c", *(f"rare {i}" for i in range(int(rng.integers(0, 40))))]
    numbers = {name: column(rng, rows) for name, column in COLUMNS.items()}
    texts = {"many": rng.choice(names, rows).tolist(), "one": ["z"] * rows}
    scores = rng.random(rows)
    specification = build_specification("binary", numbers, texts, scores, ("0", "1"))
    each = np.repeat(np.arange(days), a_day)
    daily = [profile for _, profile in profile_groups(specification, numbers, texts, scores, each)]
    window_days, score_days = int(rng.integers(1, 15)), int(rng.integers(1, 20))
    calibration = calibrate(specification, daily, window_days, score_days=score_days)
    assert calibration_storage.decode(calibration_storage.encode(calibration)) == calibration
    whole, windows = merge_all(specification, daily), []
    for _ in range(5):
        size = int(rng.integers(1, 400))
        now = {k: COLUMNS[str(rng.choice(kinds)) if rng.random() < 0.5 else k](rng, size) for k in kinds}
        said = {
            "many": rng.choice(["a", "b", "new"], size).tolist(),
            "one": rng.choice(["z", "y"], size).tolist(),
        }
        windows.append(profile_rows(specification, now, said, rng.random(size)))
        recent = merge_all(specification, windows[-4:-1]) if len(windows) > 3 else None
        last = merge_all(specification, windows[-3:]) if len(windows) > 2 else None
        rate = float(rng.choice([0.001, 0.01, 0.2]))
        given = specification, calibration, whole, windows[-1]
        drift = judge(*given, recent=recent, lasting=last, false_alarm_rate=rate)
        quality = judge_quality(*given, lasting=last, false_alarm_rate=rate)
        for one in (*drift, *quality):
            assert math.isfinite(one.threshold)
            assert 0 <= one.p_value <= 1
            assert not one.significant or one.value >= one.threshold * (1 - 1e-9), one
        for one in drift:
            assert all(math.isfinite(value) for value in one.statistics.values())
            quiet = not one.significant and one.statistic and one.grounds.rank
            assert not quiet or one.value < one.threshold * (1 + 1e-9), one

"""Windows of few rows, judged together: false alarms in windows that do not change, and weeks until a shift is found.

``python tests/benchmarks/bench_thin_windows.py`` prints the figures of docs/statistics.md and docs/monitoring.md; ``--streams``
says of how many references each is. Seeds are fixed.
"""

import argparse
import math
import os
import sys
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from verdict_files import MIX, SHOPS

from pilothouse.domain.monitoring.judging import windows_together
from pilothouse.statistics.profiles.profile import merge_all, profile_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.significance.calibration import calibrate
from pilothouse.statistics.significance.quality import judge_quality
from pilothouse.statistics.significance.thresholds import judge_together

MINIMUM, DAYS, WEEKS, CHANGE = 300, 91, 26, 9
Columns = tuple[dict[str, np.ndarray], dict[str, list[str]], np.ndarray]
MEMORY = {
    "overdispersed": ((0.8, 1.0), (0.5, 0.5), (0.7, 0.5), (0.6, 0.4)),
    "slow": ((0.97, 1.0), (0.95, 0.5), (0.97, 0.5), (0.95, 0.4)),
}
"""Memory from day to day and size of the levels of four columns."""


def wave(rng: np.random.Generator, memory: float, size: float) -> np.ndarray:
    """A daily level (autoregressive) from the reference's first day to the last week."""
    steps, now = rng.normal(0, size * math.sqrt(1 - memory**2), DAYS + 7 * WEEKS), rng.normal(0, size)
    level = np.empty(len(steps))
    for i, step in enumerate(steps):
        level[i] = now = memory * now + step
    return level


def independent(rng: np.random.Generator, rows: int) -> Columns:
    """Rows of a day that hang together with nothing."""
    numeric = {
        "level": rng.normal(0, 1, rows),
        "amount": rng.lognormal(3, 1, rows),
        "rain": np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(1, rows)),
        "weekday": rng.integers(0, 7, rows).astype(float),
        "sparse": np.where(rng.random(rows) < 0.05, np.nan, rng.normal(0, 1, rows)),
    }
    codes = {"mix": rng.choice(3, rows, p=MIX), "shop": rng.choice(12, rows, p=SHOPS)}
    return numeric, {name: [f"c{code}" for code in of] for name, of in codes.items()}, rng.beta(2, 5, rows)


def moving(rng: np.random.Generator, rows: int, levels: list[float]) -> Columns:
    """Rows of a day on which columns have these levels; one has none."""
    weather, pressure, mixing, score = levels
    share = 1 / (1 + math.exp(0.5 - mixing))
    numeric = {
        "weather": weather + rng.normal(0, 1, rows),
        "pressure": pressure + rng.normal(0, 1, rows),
        "level": rng.normal(0, 1, rows),
        "rain": np.where(rng.random(rows) < 1 - share * 0.3, 0.0, rng.exponential(1, rows)),
    }
    mix = np.where(rng.random(rows) < share, 0, rng.integers(1, 3, rows))
    return (
        numeric,
        {"mix": [f"c{code}" for code in mix]},
        1 / (1 + np.exp(1 - score - rng.normal(0, 1, rows))),
    )


def days_of(kind: str, a_day: float, rng: np.random.Generator) -> Iterator[Columns]:
    levels = [wave(rng, *of) for of in MEMORY.get(kind, ())]
    for day in range(DAYS + 7 * WEEKS):
        rows = int(rng.poisson(a_day))
        yield moving(rng, rows, [float(of[day]) for of in levels]) if levels else independent(rng, rows)


def joined(days: list[Columns]) -> Columns:
    numeric, texts = days[0][0], days[0][1]
    return (
        {name: np.concatenate([day[0][name] for day in days]) for name in numeric},
        {name: [text for day in days for text in day[1][name]] for name in texts},
        np.concatenate([day[2] for day in days]),
    )


def stream(task: tuple[str, float, float, int]) -> tuple[list[tuple[int, bool, bool]], float]:
    """(windows together, significant drift, faulty data) of each judged window of one stream, and the weeks until a shift of
    ``level`` (in deviations, from week CHANGE on) was found."""
    kind, a_day, shift, seed = task
    rng = np.random.default_rng([seed, round(100 * a_day)])
    days = list(days_of(kind, a_day, rng))
    if shift:
        for day in days[DAYS + 7 * CHANGE :]:
            day[0]["level"] = day[0]["level"] + shift
    specification = build_specification("binary", *joined(days[:DAYS]), ("0", "1"))
    profiles = [profile_rows(specification, *day) for day in days]
    reference, calibration = (
        merge_all(specification, profiles[:DAYS]),
        calibrate(specification, profiles[:DAYS], 7),
    )
    weeks = [merge_all(specification, profiles[DAYS + 7 * i : DAYS + 7 * i + 7]) for i in range(WEEKS)]
    judged, wait = [], math.inf
    for i in range(WEEKS):
        together = windows_together([week.rows for week in weeks[i::-1]], MINIMUM)
        current = merge_all(specification, weeks[i + 1 - together : i + 1])
        if current.rows < MINIMUM:
            continue
        given = specification, calibration, reference, current
        drifted = [f.feature for f in judge_together(*given, together) if f.significant]
        faulty = any(f.significant for f in judge_quality(*given, windows=together))
        judged.append((together, bool(drifted), faulty))
        if shift and i >= CHANGE and "level" in drifted:
            wait = min(wait, i - CHANGE + 1)
    return judged, wait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=60)
    count = parser.parse_args().streams
    with Pool() as pool:
        for kind in ("independent", "overdispersed", "slow"):
            for a_day in (60.0, 42.0, 100 / 7, 40 / 7):
                found = pool.map(stream, [(kind, a_day, 0.0, seed) for seed in range(count)])
                windows = np.array([window for of, _ in found for window in of], float)
                together, drifted, faulty = windows.mean(axis=0)
                print(
                    f"{kind}, {7 * a_day:.0f} rows a week: {len(windows):,} windows, {together:.1f} together; "
                    f"significant by drift {drifted:.2%}, by data quality {faulty:.2%}",
                    flush=True,
                )
        for shift in (0.3, 0.5, 1.0):
            for a_day in (42.0, 100 / 7, 40 / 7):
                found = pool.map(stream, [("independent", a_day, shift, seed) for seed in range(count)])
                waits = np.sort([wait for _, wait in found])
                middle, late = waits[len(waits) // 2], waits[int(0.9 * len(waits))]
                print(
                    f"{shift:+} σ, {7 * a_day:.0f} rows a week: {middle:.0f} weeks, nine of ten {late:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""Windows of few rows merged into one: quiet while nothing changes, significant only where certain, and no shift is missed."""

import numpy as np
import pytest

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.judging import windows_together
from pilothouse.statistics.performance.performance_verdicts import (
    judge_performance,
    performance_bound,
    rate_of,
)
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.significance.calibration import Calibration, calibrate
from pilothouse.statistics.significance.quality import judge_quality
from pilothouse.statistics.significance.thresholds import judge, judge_together

MINIMUM, DAYS, WEEKS = 300, 91, 20
Columns = tuple[dict[str, np.ndarray], dict[str, list[str]], np.ndarray]


class Stream:
    """A reference of ``a_day`` rows a day, and the weeks that follow it: five columns that do not change by themselves."""

    def __init__(self, a_day: float, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.a_day = a_day
        days = [self.day() for _ in range(DAYS)]
        self.specification: ProfileSpecification = build_specification("binary", *_joined(days), ("0", "1"))
        daily = [self.profile(day) for day in days]
        self.reference = merge_all(self.specification, daily)
        self.calibration: Calibration = calibrate(self.specification, daily, 7)

    def day(self, shift: float = 0.0, missing: float = 0.05) -> Columns:
        rng, rows = self.rng, self.rng.poisson(self.a_day)
        numeric = {
            "level": rng.normal(shift, 1, rows),
            "amount": rng.lognormal(3, 1, rows),
            "sparse": np.where(rng.random(rows) < missing, np.nan, rng.normal(0, 1, rows)),
        }
        mix = rng.choice(["a", "b", "c"], rows, p=(0.5, 0.3, 0.2)).tolist()
        return numeric, {"mix": mix}, rng.beta(2, 5, rows)

    def profile(self, day: Columns) -> Profile:
        return profile_rows(self.specification, *day)

    def weeks(self, count: int, **change: float) -> list[Profile]:
        return [
            merge_all(self.specification, [self.profile(self.day(**change)) for _ in range(7)])
            for _ in range(count)
        ]

    def merged(self, weeks: list[Profile]) -> tuple[int, Profile]:
        """The newest weeks that are judged as one."""
        windows = windows_together([week.rows for week in reversed(weeks)], MINIMUM)
        return windows, merge_all(self.specification, weeks[-windows:])

    def against(self, current: Profile) -> tuple[ProfileSpecification, Calibration, Profile, Profile]:
        return self.specification, self.calibration, self.reference, current


def _joined(days: list[Columns]) -> Columns:
    return (
        {name: np.concatenate([day[0][name] for day in days]) for name in days[0][0]},
        {"mix": [value for day in days for value in day[1]["mix"]]},
        np.concatenate([day[2] for day in days]),
    )


@pytest.mark.parametrize(("a_day", "streams"), [(42.0, 4), (100 / 7, 4), (40 / 7, 6)])
def test_the_rate_of_false_alarms_holds(a_day: float, streams: int) -> None:
    windows = alarms = 0
    for seed in range(streams):
        stream = Stream(a_day, seed)
        weeks = stream.weeks(WEEKS)
        for end in range(1, WEEKS + 1):
            together, current = stream.merged(weeks[:end])
            if current.rows < MINIMUM or together == 1:
                continue
            windows += 1
            findings = judge_together(*stream.against(current), together)
            shares = judge_quality(*stream.against(current), windows=together)
            alarms += any(f.significant for f in findings) or any(f.significant for f in shares)
    assert windows > 35
    # at most two in a hundred (drift and quality) are promised; here far fewer are
    assert alarms <= 1


@pytest.mark.parametrize(("a_day", "within"), [(42.0, 2), (100 / 7, 2), (40 / 7, 6)])
def test_a_shift_of_one_deviation_is_found_within_weeks(a_day: float, within: int) -> None:
    for seed in range(4):
        stream = Stream(a_day, seed)
        weeks = [*stream.weeks(8), *stream.weeks(within, shift=1.0)]
        together, current = stream.merged(weeks)
        found = {f.feature: f for f in judge_together(*stream.against(current), together)}["level"]
        assert found.significant
        assert found.grounds.together == together


def test_more_missing_rows_are_found_over_several_windows() -> None:
    stream = Stream(40 / 7, 0)
    weeks = stream.weeks(8, missing=0.3)
    together, current = stream.merged(weeks)
    faults = {(f.feature, f.fault): f for f in judge_quality(*stream.against(current), windows=together)}
    found = faults["sparse", "missing"]
    assert found.significant
    assert (found.grounds.together, found.grounds.certain) == (together, True)


def test_windows_that_share_rows_are_significant_only_where_certain() -> None:
    stream = Stream(42.0, 1)
    between = 0
    for shift in np.linspace(0.1, 0.4, 16):
        current = merge_all(stream.specification, stream.weeks(2, shift=float(shift)))
        alone = {f.feature: f for f in judge(*stream.against(current))}["level"]
        merged = {f.feature: f for f in judge_together(*stream.against(current), 2)}["level"]
        assert merged.significant == merged.grounds.certain
        assert merged.significant == (
            merged.value >= merged.threshold and merged.p_value <= merged.grounds.level
        )
        assert merged.threshold >= alone.threshold * (1 - 1e-9) or alone.statistic != merged.statistic
        between += alone.significant and not alone.grounds.certain
        assert merged.significant <= alone.significant
    assert merged.significant


def test_a_loss_over_several_windows_counts_where_it_needs_no_second_one() -> None:
    reference = MetricValue("auc", 0.70, 0.68, 0.72, 4_000)
    value = MetricValue("auc", 0.65, 0.59, 0.71, 400)  # beyond one window in ten, not beyond one in a hundred

    def judged(windows: int) -> bool:
        finding, has_verdict = judge_performance(
            value,
            reference,
            "higher",
            false_alarm_rate=0.01,
            minimum_rows=MINIMUM,
            labelled_share=1.0,
            windows=windows,
        )
        assert has_verdict
        return finding.significant

    assert judged(1)
    assert not judged(2)
    assert (rate_of(0.01, 1), rate_of(0.01, 2)) == (0.1, 0.01)
    bounds = [performance_bound(value, reference, "higher", 0.01, windows) for windows in (1, 2)]
    assert bounds[0] > value.value > bounds[1]

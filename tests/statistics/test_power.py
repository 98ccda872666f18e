"""Power: the smallest change that a verdict would have found, and features that cannot be judged."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.significance.calibration import calibrate
from pilothouse.statistics.significance.null_windows import RECENT
from pilothouse.statistics.significance.thresholds import judge, judge_together

WEEKS, A_DAY = 26, 60
Columns = dict[str, np.ndarray]


def _day(rng: np.random.Generator, wander: float, at: int) -> Columns:
    return {
        "still": rng.normal(10, 2, A_DAY),
        "wanders": rng.normal(wander, 1, A_DAY),
        "season": rng.normal(2 * math.sin(2 * math.pi * at / 365), 2, A_DAY),
        "flag": (rng.random(A_DAY) < 0.3).astype(float),
        "constant": np.full(A_DAY, 7.0),
        "mix": rng.choice(3, A_DAY, p=(0.5, 0.3, 0.2)),
    }


@dataclass(frozen=True, eq=False)
class Stream:
    days: list[Columns]

    def __post_init__(self) -> None:
        reference = self.days[: 7 * WEEKS]
        together = {name: np.concatenate([day[name] for day in reference]) for name in reference[0]}
        mix = [str(code) for code in together.pop("mix")]
        scores = np.zeros(len(mix))
        specification = build_specification("binary", together, {"mix": mix}, scores, ("0", "1"))
        object.__setattr__(self, "specification", specification)
        daily = [self.profile([day]) for day in reference]
        object.__setattr__(self, "whole", merge_all(specification, daily))
        object.__setattr__(self, "calibration", calibrate(specification, daily, 7))

    def profile(self, days: list[Columns]) -> Profile:
        rows = {name: np.concatenate([day[name] for day in days]) for name in days[0]}
        mix = [str(code) for code in rows.pop("mix")]
        return profile_rows(self.specification, rows, {"mix": mix}, np.zeros(len(mix)))

    def week(self, number: int, **moves: float) -> Profile:
        days = self.days[7 * number : 7 * number + 7]
        return self.profile([{name: day[name] + moves.get(name, 0.0) for name in day} for day in days])

    def judged(self, now: Profile, *, recent: int | None = None, **given: float) -> dict[str, DriftFinding]:
        before = None
        if recent is not None:
            before = merge_all(self.specification, [self.week(recent - 1 - i) for i in range(RECENT)])
        found = judge(self.specification, self.calibration, self.whole, now, recent=before, **given)
        return {finding.feature: finding for finding in found}


@pytest.fixture(scope="module")
def stream() -> Stream:
    rng = np.random.default_rng(4)
    wander, days = 0.0, []
    for at in range(7 * (WEEKS + 8)):
        wander = 0.97 * wander + 0.8 * rng.normal()
        days.append(_day(rng, wander, at))
    return Stream(days)


def test_a_still_column_finds_little_and_says_so_in_its_own_unit(stream: Stream) -> None:
    finding = stream.judged(stream.week(WEEKS))["still"]
    power = finding.power
    assert power is not None
    assert power.smallest is not None
    assert 0.1 <= power.smallest < 0.4
    assert power.own_unit == pytest.approx(2 * power.smallest, rel=0.05)
    assert (power.kind, power.enough, finding.blind) == ("shift", True, False)


def test_a_shift_of_the_size_named_is_found_and_a_quarter_of_it_is_not(stream: Stream) -> None:
    named = stream.judged(stream.week(WEEKS))["still"].power
    assert named is not None
    assert named.own_unit is not None
    found = [
        stream.judged(stream.week(WEEKS + i, still=named.own_unit))["still"].significant for i in range(8)
    ]
    assert sum(found) >= 6
    quarter = [
        stream.judged(stream.week(WEEKS + i, still=named.own_unit / 4))["still"].significant for i in range(8)
    ]
    assert sum(quarter) <= 1


def test_a_column_that_wanders_is_not_judged_and_no_window_of_it_is_quiet(stream: Stream) -> None:
    finding = stream.judged(stream.week(WEEKS))["wanders"]
    assert finding.power is not None
    assert finding.power.smallest is None or finding.power.smallest > 1
    assert not finding.power.enough
    assert finding.blind


def test_what_is_found_in_spite_of_it_is_drift(stream: Stream) -> None:
    finding = stream.judged(stream.week(WEEKS, wanders=40.0))["wanders"]
    assert finding.significant
    assert not finding.blind


def test_a_seasonal_column_that_the_weeks_before_can_judge_is_judged(stream: Stream) -> None:
    by_itself = stream.judged(stream.week(WEEKS + 3))["season"].power
    beside = stream.judged(stream.week(WEEKS + 3), recent=WEEKS + 3)["season"].power
    assert by_itself is not None
    assert beside is not None
    assert not by_itself.enough
    assert beside.smallest is not None
    assert beside.enough
    assert beside.compared_with == "recent"


def test_counts_move_by_their_shares_and_a_constant_by_its_value(stream: Stream) -> None:
    verdicts = stream.judged(stream.week(WEEKS))
    flag, constant, mix = (verdicts[name].power for name in ("flag", "constant", "mix"))
    assert flag is not None
    assert flag.own_unit is not None
    assert 0.04 < flag.own_unit < 0.15  # of the share of ones; no row has a value between 0 and 1
    assert constant is not None
    assert constant.enough
    assert mix is not None
    assert mix.smallest is not None
    assert (mix.kind, mix.own_unit) == ("share", None)
    assert 0.03 < mix.smallest < 0.15


def test_power_follows_the_rows_and_the_level_in_force(stream: Stream) -> None:
    def smallest(now: Profile, **given: float) -> float:
        power = stream.judged(now, **given)["still"].power
        assert power is not None
        assert power.smallest is not None
        return power.smallest

    few = stream.profile([{name: values[:8] for name, values in day.items()} for day in stream.days[-7:]])
    assert smallest(few) > 2 * smallest(stream.week(WEEKS))
    assert smallest(few, false_alarm_rate=0.1) < smallest(few)


def test_a_column_that_is_ignored_or_empty_has_no_power(stream: Stream) -> None:
    verdicts = judge(
        stream.specification, stream.calibration, stream.whole, stream.week(WEEKS), ignore=("wanders",)
    )
    assert {f.feature: f.power is None for f in verdicts} | {"still": False, "wanders": True} == {
        f.feature: f.power is None for f in verdicts
    }
    nothing = {name: values[:2] for name, values in stream.days[-1].items()}
    assert all(f.power is None for f in stream.judged(stream.profile([nothing])).values())


def test_windows_judged_together_have_power_too(stream: Stream) -> None:
    few = [{name: values[:8] for name, values in day.items()} for day in stream.days[-21:]]
    together = judge_together(stream.specification, stream.calibration, stream.whole, stream.profile(few), 3)
    alone = stream.judged(stream.profile(few[-7:]))["still"].power
    merged = next(f for f in together if f.feature == "still").power
    assert alone is not None
    assert merged is not None
    assert alone.smallest is not None
    assert merged.smallest is not None
    assert merged.smallest < alone.smallest


def test_power_changes_no_verdict_and_is_deterministic(stream: Stream) -> None:
    first, again = (stream.judged(stream.week(WEEKS + 1)) for _ in range(2))
    assert first == again

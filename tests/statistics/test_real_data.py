"""On real flights and rented bikes: quiet in spring, loud in summer, and only where something really moved."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.statistics.performance.outcomes import measured_over_days
from pilothouse.statistics.performance.performance_verdicts import is_significantly_worse
from pilothouse.statistics.profiles.outcome_profile import profile_outcomes
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.reference import DatedRows, target_reference
from pilothouse.statistics.significance.thresholds import judge

WEATHER = ("temp", "dewp", "humid", "wind_speed", "pressure", "visib")
PLANNED = ("distance", "hour", "weekday", "seats", "plane_year")
TEXTS = ("carrier", "dest")


def rows_of(frame: pd.DataFrame, numeric: tuple[str, ...], texts: tuple[str, ...]) -> DatedRows:
    return DatedRows(
        frame["day"].to_numpy(),
        {name: frame[name].to_numpy(float) for name in numeric},
        {name: frame[name].to_numpy(object) for name in texts},
        frame["score"].to_numpy(),
        frame["label"].to_numpy(),
        frame["truth"].to_numpy(),
    )


@pytest.fixture(scope="module")
def la_guardia(sample_data: Path) -> dict[str, list[DriftFinding]]:
    """Verdicts on each week after the hold-out, by the week's first day; the score is how late that hour was in winter."""
    frame = pd.read_parquet(sample_data / "flights.parquet")
    frame = frame[frame["origin"] == "LGA"].copy()
    local = frame["scheduled_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    frame["day"] = (local - pd.Timestamp("2013-01-01")).dt.days
    frame["truth"], frame["label"] = frame["late"], "0"
    frame["score"] = frame["hour"].map(frame[frame["day"] < 76].groupby("hour")["late"].mean()).fillna(0.3)
    training, holdout = (
        rows_of(part, WEATHER + PLANNED, TEXTS)
        for part in (frame[frame["day"] < 76], frame[frame["day"].between(76, 89)])
    )
    specification = build_specification(
        "binary",
        training.numeric,
        {name: values.tolist() for name, values in training.categorical.items()},
        holdout.scores,
        ("0", "1"),
    )
    reference = target_reference(specification, "auc", training, holdout)
    calibration = reference.calibrate(specification, 7)
    base = reference.profile(specification)

    def daily(first: int) -> Iterator[Profile]:
        for _, day in rows_of(
            frame[frame["day"].between(first, first + 6)], WEATHER + PLANNED, TEXTS
        ).by_day():
            texts = {name: values.tolist() for name, values in day.categorical.items()}
            yield profile_rows(specification, day.numeric, texts, day.scores)

    found = {}
    for first in range(90, 300, 7):
        week = merge_all(specification, daily(first))
        name = str((pd.Timestamp("2013-01-01") + pd.Timedelta(days=first)).date())
        found[name] = judge(specification, calibration, base, week)
    return found


def significant_by_week(verdicts: dict[str, list[DriftFinding]], since: str, until: str) -> list[set[str]]:
    return [
        {j.feature for j in found if j.significant}
        for week, found in verdicts.items()
        if since <= week < until
    ]


def test_april_is_quiet(la_guardia):
    assert not set().union(*significant_by_week(la_guardia, "2013-04-01", "2013-04-29"))


def test_summer_heat_is_found_every_week(la_guardia):
    weeks = significant_by_week(la_guardia, "2013-06-10", "2013-09-01")
    assert all("temp" in week for week in weeks)
    assert sum("dewp" in week for week in weeks) >= len(weeks) - 2
    assert not any({"pressure", "wind_speed", "visib", "weekday"} & week for week in weeks)


def test_the_new_schedule_of_september_is_found(la_guardia):
    before = significant_by_week(la_guardia, "2013-06-10", "2013-08-31")
    after = significant_by_week(la_guardia, "2013-09-02", "2013-10-20")
    assert sum("carrier" in week for week in before) <= len(before) // 3
    assert all({"carrier", "dest", "seats", "plane_year"} <= week for week in after)


def test_a_winter_model_of_bikes_is_found_out_in_may(sample_data: Path):
    frame = pd.read_parquet(sample_data / "bikeshare.parquet")
    frame["day"] = (frame["hour_starting"] - pd.Timestamp("2011-01-01")).dt.days
    frame["truth"], frame["label"] = frame["bikers"].astype(float), ""
    winter = frame[frame["day"] < 72]
    by_hour = winter.groupby(["workingday", "hr"])["bikers"].mean().rename("score").reset_index()
    frame = frame.merge(by_hour, on=["workingday", "hr"]).sort_values("hour_starting")
    numeric, texts = ("temp", "atemp", "hum", "windspeed", "hr"), ("weathersit",)
    training = rows_of(frame[frame["day"] < 72], numeric, texts)
    holdout = rows_of(frame[frame["day"].between(72, 78)], numeric, texts)
    weather = {name: values.tolist() for name, values in training.categorical.items()}
    specification = build_specification("regression", training.numeric, weather, holdout.scores, ())
    reference = target_reference(specification, "mae", training, holdout)

    def is_significant(first: int) -> bool:
        part = frame[frame["day"].between(first, first + 13)]
        days = [
            profile_outcomes(specification, day.scores, [], day.outcomes)
            for _, day in rows_of(part, numeric, texts).by_day()
        ]
        return is_significantly_worse(
            measured_over_days(specification, days, "mae"), reference.performance, "lower", 0.01
        )

    assert not is_significant(72)
    assert all(is_significant(first) for first in range(120, 151, 7))
    assert np.isfinite(reference.performance.low)

"""Streams that nothing was chosen by: two real ones cut anew from the sample data, and made ones with a known day of change.

The laws below were written down before the first run and no constant of the program was set by them. A made stream has a weekly
rhythm and days of its own, so that its rows are no independent draws.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
"""First day of the history of a made stream."""
NUMBERS = ("x0", "x1", "x2", "x3", "x4", "x5")
GROUPS = np.array(["north", "south", "east", "west", "other"])

Draw = Callable[[np.ndarray, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Case:
    """A stream: ``frame`` has ``at``, the features and ``truth``; live from ``live_from`` for ``days`` days.

    ``changes``: what changes, ``concept``, ``inputs``, or nothing; None for a real stream, of which nobody knows. From
    ``change_day`` on (a day of the stream, counted from ``live_from``), fully after ``ramp`` days. ``draw`` gives fresh rows of
    given days of a made stream."""

    name: str
    task: str
    change: str
    changes: str | None
    frame: pd.DataFrame
    features: tuple[str, ...]
    categoricals: tuple[str, ...]
    estimator: str
    parameters: dict[str, Any]
    live_from: datetime
    days: int
    rate: int
    change_day: int | None = None
    ramp: int = 0
    draw: Draw | None = None
    retrain_on: tuple[str, ...] = ("performance",)
    monitoring: dict[str, Any] = field(default_factory=dict)
    comparison_rows: int = 500

    @property
    def metric(self) -> str:
        """The metric that the stream is watched by: the task's own."""
        return {"binary": "auc", "multiclass": "accuracy", "regression": "mae"}[self.task]

    @property
    def changed_at(self) -> datetime | None:
        """Moment of the change."""
        return None if self.change_day is None else self.live_from + timedelta(days=self.change_day)

    @property
    def last_changed_at(self) -> datetime | None:
        """Moment from which the change is whole."""
        return None if self.changed_at is None else self.changed_at + timedelta(days=self.ramp)


TREES = "sklearn.ensemble.HistGradientBoosting{}"
TREES_SETTINGS = {"max_iter": 50, "early_stopping": False}


def case_of(name: str, days: int | None = None) -> Case:
    """A stream by its name; ``days`` cuts it short."""
    case = CASES[name]()
    return replace(case, days=min(days, case.days)) if days else case


def _made(
    name: str, task: str, law: "Law", estimator: str, parameters: dict[str, Any], *, rate: int,
    history: int, days: int, **how: Any,
) -> Case:  # fmt: skip
    """A made stream: its rows are drawn from ``law`` day by day."""
    chance = np.random.default_rng(law.seed)
    day = np.repeat(np.arange(-history, days), rate)
    frame = law.draw(day, chance)
    second = (np.tile(np.arange(rate), history + days) + 0.5) * 86_400 / rate
    live_from = FIRST + timedelta(days=history)
    at = pd.Timestamp(live_from) + pd.to_timedelta(day * 86_400 + second, unit="s")
    frame.insert(0, "at", at.as_unit("us"))
    return Case(
        name, task, law.text, law.changes, frame, (*NUMBERS, "group"), ("group",), estimator, parameters,
        live_from, days, rate, law.change_day, law.ramp, law.draw, **how,
    )  # fmt: skip


@dataclass(frozen=True)
class Law:
    """Law of a made stream: outcomes given inputs, inputs given the day, and what of it changes when."""

    task: str
    text: str
    changes: str
    seed: int
    change_day: int | None = None
    ramp: int = 0
    size: float = 1.0
    """Part of the way from the old weights to others, drawn by themselves."""
    classes: int = 3
    interactions: bool = True

    def share(self, day: np.ndarray) -> np.ndarray:
        """How much of the change has happened on a day, 0 to 1."""
        if self.change_day is None:
            return np.zeros(len(day))
        return np.clip((day - self.change_day + 1) / (self.ramp + 1), 0, 1)

    def draw(self, day: np.ndarray, chance: np.random.Generator) -> pd.DataFrame:
        """Rows of these days."""
        fixed = np.random.default_rng(self.seed + 1)
        count, share = len(day), self.share(day)
        x = chance.normal(0, 1, (count, len(NUMBERS)))
        x[:, 1] = 0.5 * x[:, 0] + 0.87 * x[:, 1]
        x[:, 4] += 0.5 * np.sin(2 * np.pi * day / 7)  # a weekly rhythm
        group = chance.choice(5, count, p=[0.35, 0.25, 0.2, 0.15, 0.05])
        if self.changes == "inputs":
            moved = share > 0
            x[moved, 0] += 1.0
            x[moved, 2] -= 0.5
            group = np.where(moved & (chance.random(count) < 0.2), 3, group)
        outputs = {"binary": 1, "multiclass": self.classes, "regression": 1}[self.task]
        old, new = fixed.normal(0, 0.8, (2, len(NUMBERS), outputs))
        new = old + (new - old) * (self.size if self.changes == "concept" else 0)
        offset = fixed.normal(0, 0.3, (5, outputs))
        days = fixed.normal(0, 0.15, (1000, outputs))[day % 1000]  # a day has its own level
        level = (1 - share)[:, None] * (x @ old) + share[:, None] * (x @ new) + offset[group] + days
        if self.interactions:
            level[:, 0] += 0.4 * x[:, 2] * x[:, 3]
        if self.task == "binary":
            truth: np.ndarray = (chance.random(count) < 1 / (1 + np.exp(-level[:, 0] + 0.8))).astype(int)
        elif self.task == "multiclass":
            truth = np.argmax(level + chance.gumbel(0, 1, level.shape), axis=1)
        else:
            truth = 50 + 10 * level[:, 0] + 8 * chance.normal(0, 1, count)
        return pd.DataFrame({n: x[:, i] for i, n in enumerate(NUMBERS)}).assign(
            group=GROUPS[group], truth=truth
        )


def sudden_binary() -> Case:
    law = Law("binary", "sudden", "concept", 9_100, change_day=31)
    estimator = TREES.format("Classifier")
    return _made("sudden-binary", "binary", law, estimator, TREES_SETTINGS, rate=1_000, history=98, days=98)


def sudden_mild() -> Case:
    law = Law("binary", "sudden, a third of the way", "concept", 9_800, change_day=36, size=1 / 3)
    estimator = TREES.format("Classifier")
    return _made("sudden-mild", "binary", law, estimator, TREES_SETTINGS, rate=400, history=98, days=98)


def sudden_multiclass() -> Case:
    law = Law("multiclass", "sudden", "concept", 9_200, change_day=38, interactions=False)
    estimator, settings = "sklearn.linear_model.LogisticRegression", {"max_iter": 300}
    return _made("sudden-multiclass", "multiclass", law, estimator, settings, rate=300, history=98, days=98)


def sudden_thin() -> Case:
    law = Law("regression", "sudden", "concept", 9_300, change_day=33)
    return _made(
        "sudden-regression-thin", "regression", law, TREES.format("Regressor"), TREES_SETTINGS,
        rate=100, history=120, days=98,
    )  # fmt: skip


def gradual_binary() -> Case:
    law = Law("binary", "gradual, over six weeks", "concept", 9_400, change_day=29, ramp=42)
    return _made(
        "gradual-binary", "binary", law, TREES.format("Classifier"), TREES_SETTINGS,
        rate=500, history=98, days=119,
    )  # fmt: skip


def inputs_regression() -> Case:
    law = Law("regression", "inputs alone", "inputs", 9_500, change_day=37, interactions=False)
    return _made(
        "inputs-regression", "regression", law, "sklearn.linear_model.Ridge", {"alpha": 1.0},
        rate=2_000, history=70, days=84, retrain_on=("performance", "data_drift"),
    )  # fmt: skip


def still_binary() -> Case:
    law = Law("binary", "none", "", 9_600, interactions=False)
    estimator, settings = "sklearn.linear_model.LogisticRegression", {"max_iter": 300}
    return _made("still-binary", "binary", law, estimator, settings, rate=5_000, history=56, days=84)


def flights_three() -> Case:
    """Flights of two airports from May on, with three classes of arrival; live from September."""
    rows = pd.read_parquet(SAMPLES / "flights.parquet")
    rows = rows[rows["origin"].isin(["JFK", "LGA"]) & (rows["scheduled_at"] >= "2013-05-01")]
    rows = rows.sort_values("scheduled_at", kind="stable").reset_index(drop=True)
    numbers = ("hour", "weekday", "distance", "temp", "wind_speed", "visib", "precip")
    frame = rows[[*numbers, "origin", "carrier"]].astype(dict.fromkeys(numbers, float))
    frame.insert(0, "at", rows["scheduled_at"].astype("datetime64[us, UTC]"))
    frame["truth"] = np.digitize(rows["arr_delay"], [-10, 15])
    return Case(
        "flights-early-late", "multiclass", "real", None, frame, (*numbers, "origin", "carrier"),
        ("origin", "carrier"), TREES.format("Classifier"), TREES_SETTINGS,
        datetime(2013, 9, 1, tzinfo=UTC), 112, 560,
    )  # fmt: skip


def bikes_registered() -> Case:
    """Bikes rented by registered riders in an hour, from April; live from August."""
    rows = pd.read_parquet(SAMPLES / "bikeshare.parquet").sort_values("hour_starting", kind="stable")
    rows = rows[rows["hour_starting"] >= "2011-04-01"].reset_index(drop=True)
    numbers = ("hr", "weekday", "workingday", "temp", "hum", "windspeed")
    frame = rows[list(numbers)].astype(float)
    frame["weathersit"] = rows["weathersit"].astype(str)
    frame.insert(0, "at", rows["hour_starting"].dt.tz_localize("UTC").astype("datetime64[us, UTC]"))
    frame["truth"] = rows["registered"].astype(float)
    return Case(
        "bikes-registered", "regression", "real", None, frame, (*numbers, "weathersit"), ("weathersit",),
        TREES.format("Regressor"), TREES_SETTINGS, datetime(2011, 8, 1, tzinfo=UTC), 126, 24,
        monitoring={"minimum_rows": 100}, comparison_rows=100,
    )  # fmt: skip


def short() -> Case:
    """A small stream for the test suite: a week before a sudden change and the weeks after it."""
    law = Law("binary", "sudden", "concept", 9_700, change_day=9, interactions=False)
    estimator, settings = "sklearn.linear_model.LogisticRegression", {"max_iter": 200}
    return _made(
        "short", "binary", law, estimator, settings, rate=200, history=42, days=30,
        monitoring={"performance_window": "7d"},
    )  # fmt: skip


CASES: dict[str, Callable[[], Case]] = {
    "flights-early-late": flights_three,
    "bikes-registered": bikes_registered,
    "sudden-binary": sudden_binary,
    "sudden-mild": sudden_mild,
    "sudden-multiclass": sudden_multiclass,
    "sudden-regression-thin": sudden_thin,
    "gradual-binary": gradual_binary,
    "inputs-regression": inputs_regression,
    "still-binary": still_binary,
}

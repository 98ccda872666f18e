"""Streams of months on which estimates are followed window by window: made ones with a known change, and real ones.

Each has a model that is trained once and never again, a hold-out just before the first window, and a delay of outcomes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from estimation_cases import SAMPLES, WEATHER, Case

KINDS = ("none", "days", "abrupt", "gradual", "recurring", "covariates", "seasons", "labels")
"""What happens to a made stream. ``days``: the level of the outcome moves from day to day and nothing lasts."""
TASKS = ("binary", "multiclass", "regression")
RATES = (100, 400, 1500, 5000)
"""Rows a day."""
TRAINED, HELD_OUT, LIVE = 60, 14, 196
"""Days of training, of hold-out and of live traffic of a made stream."""
_MOST_TRAINED = 8_000
_FEATURES = ["a", "b", "c", "d", "e"]


@dataclass(frozen=True)
class Stream:
    """Windows of ``length`` days, one every ``step`` days, whose outcomes come ``delay`` days late."""

    case: Case
    kind: str
    task: str
    metric: str
    length: int
    step: int
    delay: int
    rate: float

    @property
    def ends(self) -> list[int]:
        """Last day of each window, and one more."""
        return [self.length + self.step * number for number in range(len(self.case.windows))]


def made(seeds: int = 2) -> Iterator[Stream]:
    """A stream of each kind and task for each seed; rates of rows, delays and the kind of model take turns."""
    number = 0
    for seed in range(seeds):
        for kind in KINDS:
            for task in TASKS:
                yield _made(kind, task, number, np.random.default_rng(70_000 + number + 1_000 * seed))
                number += 1


def _made(kind: str, task: str, number: int, chance: np.random.Generator) -> Stream:
    rate, delay = RATES[number % 4], (0, 7, 14, 28)[(number // 4) % 4]
    length, step = (7, 7) if rate > 1000 else (28, 7)
    classes = {"binary": 2, "multiclass": 4, "regression": 1}[task]
    old, new = chance.normal(0, 0.8, (2, 5, classes))
    effects = _effects(chance, classes) if kind == "days" else np.zeros((TRAINED + HELD_OUT + LIVE, classes))
    start = TRAINED + HELD_OUT
    parts = []
    for day in range(start + LIVE):
        live = day - start
        moved = {
            "abrupt": 0.7 * (live >= 70),
            "gradual": 0.8 * min(max(live, 0) / 140, 1.0),
            "recurring": 0.6 * (live > 0 and live % 80 >= 40),
        }.get(kind, 0.0)
        shift = {"covariates": 1.0 * (live >= 60), "seasons": np.sin(2 * np.pi * day / 180)}.get(kind, 0.0)
        favoured = kind == "labels" and live >= 60
        parts.append(
            _day(chance, task, day, rate, (1 - moved) * old + moved * new, shift, effects[day], favoured)
        )
    rows = pd.concat(parts, ignore_index=True)
    name = f"{kind}-{task}-{number}"
    return _scored(rows, _FEATURES, task, start, Stream(
        Case(f"made, {kind}", name, rows, []), kind, task, "", length, step, delay, rate
    ), linear=number % 2 == 1)  # fmt: skip


def _effects(chance: np.random.Generator, classes: int) -> np.ndarray:
    """Levels of days with a memory of 0.7 from day to day."""
    levels = np.zeros((TRAINED + HELD_OUT + LIVE, classes))
    for day in range(1, len(levels)):
        levels[day] = 0.7 * levels[day - 1] + chance.normal(0, 0.35, classes)
    return levels


def _day(
    chance: np.random.Generator, task: str, day: int, rate: int, weights: np.ndarray, shift: float,
    effect: np.ndarray, favoured: bool,
) -> pd.DataFrame:  # fmt: skip
    n = int(chance.poisson(rate)) + 1
    drawn = 4 * n if favoured else n
    x = chance.normal(0, 1, (drawn, 5))
    x[:, 0] += shift
    x[:, 2] -= 0.5 * shift
    x[:, 3] *= 1 + 0.3 * shift
    signal = x @ weights + 0.4 * (x[:, :1] * x[:, 3:4]) * weights[:1] + effect
    if task == "regression":
        truth = 10 * np.tanh(signal[:, 0] / 2) + chance.normal(0, 1, drawn) * (
            1 + np.abs(x[:, 1]) + 0.5 * np.abs(x[:, 0])
        )
        weight = np.where(truth > 5, 3.0, 1.0)
    else:
        odds = np.column_stack([np.zeros(drawn), signal[:, 0] - 1]) if signal.shape[1] == 2 else signal
        truth = (odds + chance.gumbel(0, 1, odds.shape)).argmax(axis=1)
        weight = np.where(truth == 1, 3.0, 1.0)
    if favoured:
        chosen = chance.choice(drawn, n, replace=False, p=weight / weight.sum())
        x, truth = x[chosen], truth[chosen]
    return pd.DataFrame(x, columns=_FEATURES).assign(truth=truth, day=day)


def _scored(
    rows: pd.DataFrame, features: list[str], task: str, start: int, stream: Stream, *, linear: bool = False
) -> Stream:
    """The stream with a model trained on all but the last two weeks before ``start``, and its windows from there on."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    makers: dict[tuple[bool, bool], Callable[[], Any]] = {
        (True, True): LinearRegression,
        (True, False): lambda: LogisticRegression(max_iter=300),
        (False, True): lambda: HistGradientBoostingRegressor(max_iter=60, random_state=1),
        (False, False): lambda: HistGradientBoostingClassifier(max_iter=60, random_state=1),
    }
    inputs = rows[features].astype(float)
    inputs = inputs.fillna(inputs.median())
    day, truth = rows["day"].to_numpy(), rows["truth"].to_numpy()
    train = np.flatnonzero(day < start - HELD_OUT)
    train = train[:: max(1, len(train) // _MOST_TRAINED)]
    model = make_pipeline(StandardScaler(), makers[linear, task == "regression"]())
    model.fit(inputs.to_numpy()[train], truth[train])
    later = day >= start - HELD_OUT
    frame = inputs[later].reset_index(drop=True)
    if task == "regression":
        frame["score"] = model.predict(inputs[later].to_numpy())
        metric = "mae"
    else:
        shares = model.predict_proba(inputs[later].to_numpy())
        frame["score"] = shares[:, 1] if task == "binary" else shares.max(axis=1)
        frame["label"] = shares.argmax(axis=1)
        metric = "auc" if task == "binary" else "accuracy"
        if task == "multiclass":
            for number in range(shares.shape[1]):
                frame[f"proba_{number}"] = shares[:, number]
    frame["truth"], frame["day"] = truth[later], day[later]
    last = int(day.max()) + 1
    windows = [
        frame[(frame["day"] >= end - stream.length) & (frame["day"] < end)]
        for end in range(start + stream.length, last + 1, stream.step)
    ]
    case = Case(stream.case.group, stream.case.name, frame[frame["day"] < start], windows)
    return Stream(case, stream.kind, task, metric, stream.length, stream.step, stream.delay, stream.rate)


def real(start: int = 90) -> Iterator[Stream]:
    """Flights by carrier and by airport, with other targets than the sample's own, and rented bikes: nine months each."""
    rows = pd.read_parquet(SAMPLES / "flights.parquet").sort_values("scheduled_at", kind="stable")
    for text in ("origin", "carrier", "dest"):
        rows[f"{text}_code"] = rows[text].astype("category").cat.codes.astype(float)
    rows["day"] = (rows["scheduled_at"] - pd.Timestamp("2013-01-01", tz="UTC")).dt.days
    rows = rows[rows["arr_delay"].notna()]
    delay = rows["arr_delay"]
    truths = {
        "late": ("binary", rows["late"].astype(int)),
        "hour late": ("binary", (delay > 60).astype(int)),
        "class": ("multiclass", np.digitize(delay, (-15, 0, 30))),
        "minutes": ("regression", delay.clip(-60, 180)),
    }
    schedule = [
        "distance",
        "hour",
        "weekday",
        "seats",
        "plane_year",
        "dest_code",
        "carrier_code",
        "origin_code",
    ]
    cuts = [("carrier", name) for name in ("UA", "B6", "EV", "DL", "MQ")]
    cuts += [("origin", name) for name in ("EWR", "JFK", "LGA")]
    number = 0
    for by, name in cuts:
        here = rows[by] == name
        for what in ("late", "class", "minutes") if by == "origin" else ("hour late", "late"):
            task, truth = truths[what]
            features = schedule if number % 2 else [*schedule, *WEATHER]
            frame = rows[here].assign(truth=truth[here])
            yield _real("flights", f"{name}-{what}", frame, features, task, start, number)
            number += 1
    bikes = pd.read_parquet(SAMPLES / "bikeshare.parquet").sort_values("hour_starting", kind="stable")
    bikes["day"] = (bikes["hour_starting"] - pd.Timestamp("2011-01-01")).dt.days
    weather = ["hr", "weekday", "workingday", "holiday", "temp", "atemp", "hum", "windspeed"]
    busy = (bikes["bikers"] > bikes["bikers"][bikes["day"] < start].median()).astype(int)
    level = np.digitize(bikes["bikers"], np.quantile(bikes["bikers"][bikes["day"] < start], (0.3, 0.7)))
    for what, task, truth in (
        ("bikers", "regression", bikes["bikers"]), ("casual", "regression", bikes["casual"]),
        ("registered", "regression", bikes["registered"]), ("busy", "binary", busy), ("level", "multiclass", level),
    ):  # fmt: skip
        yield _real("bikes", what, bikes.assign(truth=truth), weather, task, start, number)
        number += 1


def _real(
    data: str, what: str, rows: pd.DataFrame, features: list[str], task: str, start: int, number: int
) -> Stream:
    rate = len(rows) / (int(rows["day"].max()) + 1)
    stream = Stream(
        Case(f"{data}, {task}", f"{data}-{what}", rows, []),
        "real",
        task,
        "",
        28,
        7,
        (0, 7, 14, 28)[number % 4],
        rate,
    )
    return _scored(rows, features, task, start, stream)

"""References and windows on which estimates without outcomes are compared: real flights and bikes, and drifts of known size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
DRIFTS = ((0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (-0.5, 1.0), (-1.0, 1.0), (0.0, 1.5), (0.0, 0.6))
"""Shift of two inputs in deviations, and the factor on all deviations. The outcome given the inputs never changes."""


@dataclass(frozen=True)
class Case:
    """One model's hold-out and the windows after it, with ``score``, ``truth``, ``day`` and for classes ``label``."""

    group: str
    name: str
    reference: pd.DataFrame
    windows: list[pd.DataFrame]


def flights(as_of: tuple[int, ...] = (90, 150, 210, 270)) -> Iterator[Case]:
    """Two models trained up to four days of 2013, two weeks held out; the four months after in windows of four weeks."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = pd.read_parquet(SAMPLES / "flights.parquet").sort_values("scheduled_at", kind="stable")
    inputs = rows[["distance", "hour", "weekday", "seats", "plane_year", *WEATHER]].astype(float)
    for text in ("origin", "carrier", "dest"):
        inputs[text] = rows[text].astype("category").cat.codes.astype(float)
    day = (rows["scheduled_at"] - pd.Timestamp("2013-01-01", tz="UTC")).dt.days.to_numpy()
    truth, origin = rows["late"].to_numpy().astype(int), rows["origin"].to_numpy()
    models = {
        "trees": lambda: HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=7),
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    }
    for end in as_of:
        for kind, make in models.items():
            x = inputs.to_numpy() if kind == "trees" else np.nan_to_num(inputs.to_numpy())
            train, later = day < end - 14, (day >= end - 14) & (day < end + 120)
            model = make().fit(x[train], truth[train])
            score = model.predict_proba(x[later])[:, 1]
            frame = pd.DataFrame(
                {"score": score, "truth": truth[later], "label": (score > 0.5).astype(int), "day": day[later]}
            )
            for port in ("all", "EWR", "JFK", "LGA"):
                here = frame if port == "all" else frame[origin[later] == port]
                starts = range(end, min(end + 93, 365 - 27), 14)
                yield Case(
                    f"flights, {kind}",
                    f"flights-{kind}-{end}-{port}",
                    here[here["day"] < end],
                    [here[(here["day"] >= s) & (here["day"] < s + 28)] for s in starts],
                )


def drifts(problems: int = 12, seed: int = 50_000) -> Iterator[Case]:
    """Models of four kinds, good and bad in their probabilities, each with hold-outs of three sizes; windows of 2,000 rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB

    kinds = {
        "logistic": LogisticRegression,
        "boosted trees": lambda: HistGradientBoostingClassifier(max_iter=60, random_state=1),
        "naive Bayes": GaussianNB,
        "forest": lambda: RandomForestClassifier(40, min_samples_leaf=3, random_state=1),
    }
    for problem in range(problems):
        chance = np.random.default_rng(seed + problem)
        weights, base = chance.normal(0, 1, 6), chance.uniform(-2, 1)

        def draw(n, shift=0.0, spread=1.0, chance=chance, weights=weights, base=base):
            x = chance.normal(0, 1, (n, 6)) * spread
            x[:, 1] = 0.8 * x[:, 0] + 0.6 * x[:, 1]
            x[:, 0] += shift
            x[:, 2] += shift / 2
            odds = 0.6 * x @ weights + 0.5 * x[:, 0] * x[:, 3] + 0.4 * np.abs(x[:, 4]) + base
            return x, (chance.random(n) < 1 / (1 + np.exp(-odds))).astype(int)

        kind = list(kinds)[problem % len(kinds)]
        model = kinds[kind]().fit(*draw(2000))

        def scored(n, draw=draw, model=model, **how):
            x, truth = draw(n, **how)
            score = model.predict_proba(x)[:, 1]
            return pd.DataFrame(
                {
                    "score": score,
                    "truth": truth,
                    "label": (score > 0.5).astype(int),
                    "day": np.arange(n) * 14 // n,
                }
            )

        for size in (500, 1500, 5000):
            windows = [scored(2000, shift=shift, spread=spread) for shift, spread in DRIFTS]
            yield Case(f"drifts, {kind}", f"drifts-{problem}-{size}", scored(size), windows)


def bikes(as_of: tuple[int, ...] = (90, 150, 210, 270)) -> Iterator[Case]:
    """Rented bikes an hour; four models with two weeks held out, the two months after in windows of two weeks."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = pd.read_parquet(SAMPLES / "bikeshare.parquet").sort_values("hour_starting", kind="stable")
    features = ["hr", "weekday", "workingday", "holiday", "temp", "atemp", "hum", "windspeed"]
    frame = rows[features].astype(float)
    frame["truth"] = rows["bikers"].to_numpy(float)
    frame["day"] = (rows["hour_starting"] - pd.Timestamp("2011-01-01")).dt.days.to_numpy()
    for end in as_of:
        train = frame[frame["day"] < end - 14]
        model = HistGradientBoostingRegressor(max_iter=150, early_stopping=False, random_state=7)
        model.fit(train[features], train["truth"])
        later = frame.assign(score=model.predict(frame[features]))
        windows = [later[(later["day"] >= s) & (later["day"] < s + 14)] for s in range(end, end + 60, 7)]
        reference = later[(later["day"] >= end - 14) & (later["day"] < end)]
        yield Case("bikes", f"bikes-{end}", reference, [w for w in windows if len(w) > 200])


def losses(problems: int = 8, seed: int = 60_000) -> Iterator[Case]:
    """Regressions whose noise depends on the inputs, under drifts of known size; hold-outs of two sizes."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    for problem in range(problems):
        chance = np.random.default_rng(seed + problem)
        weights, noise = chance.normal(0, 1, 5), np.abs(chance.normal(0, 0.5, 5))

        def draw(n, shift=0.0, spread=1.0, chance=chance, weights=weights, noise=noise):
            x = chance.normal(0, 1, (n, 5)) * spread
            x[:, 0] += shift
            x[:, 2] += shift / 2
            return x, 10 * np.tanh(x @ weights) + chance.normal(0, 1, n) * (1 + np.abs(x) @ noise)

        model = HistGradientBoostingRegressor(max_iter=60, random_state=1).fit(*draw(2000))

        def scored(n, draw=draw, model=model, **how):
            x, truth = draw(n, **how)
            frame = pd.DataFrame(x, columns=list("abcde"))
            return frame.assign(score=model.predict(x), truth=truth, day=np.arange(n) * 14 // n)

        for size in (500, 5000):
            windows = [scored(2000, shift=shift, spread=spread) for shift, spread in DRIFTS]
            yield Case("losses", f"losses-{problem}-{size}", scored(size), windows)

"""Rows from before a change: which are trained on, on made data whose law is known."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from steps_support import Bench, rows, spec

from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.training.data.rows import read_rows, schema_of, training_frame
from pilothouse.training.models import recency
from pilothouse.training.models.fitting import fitter, takes_weights
from pilothouse.training.models.recency import (
    ALL,
    AS_MANY,
    NEW,
    WEIGHED,
    OlderRows,
    choose_older_rows,
    rows_of,
)
from pilothouse.training.models.scoring import load_predictor

DAY_US = 86_400_000_000
OLD_DAYS, NEW_DAYS, A_DAY = 60, 14, 60
CHANGED_US = OLD_DAYS * DAY_US
SEEDS = range(12)


def drawn(seed: int, days: np.ndarray, size: float, ramp: int) -> tuple[pd.DataFrame, Any]:
    """Rows of these days: the weights of five inputs go part of the way (``size``) to others, from day OLD_DAYS on."""
    law, chance = np.random.default_rng(seed), np.random.default_rng([seed, len(days)])
    old, other = law.normal(0, 0.8, (2, 5))
    level = law.normal(0, 0.3, 1_000)[days]
    share = size * np.clip((days - OLD_DAYS + 1) / (ramp + 1), 0, 1)
    x = chance.normal(0, 1, (len(days), 5))
    logit = (1 - share) * (x @ old) + share * (x @ other) + level
    y = (chance.random(len(days)) < 1 / (1 + np.exp(-logit))).astype(int)
    return pd.DataFrame(x).add_prefix("x"), pd.Series(y)


def fit(X: Any, y: Any, weights: Any = None) -> Any:
    return LogisticRegression().fit(X, y, weights)


def asked(seed: int, size: float, ramp: int) -> tuple[OlderRows, float]:
    """The choice after NEW_DAYS days, and what it gains over all rows on plenty of rows of the 28 days that follow."""
    days = np.repeat(np.arange(OLD_DAYS + NEW_DAYS), A_DAY)
    X, y = drawn(seed, days, size, ramp)
    older = choose_older_rows(X, y, days * DAY_US, CHANGED_US, "auc", fit, weighs=True)
    later = np.repeat(np.arange(OLD_DAYS + NEW_DAYS, OLD_DAYS + NEW_DAYS + 28), 300)
    X_later, y_later = drawn(seed, later, size, ramp)

    def auc(model: Any) -> float:
        return float(roc_auc_score(y_later, model.predict_proba(X_later)[:, 1]))

    return older, auc(fit(X[older.kept], y[older.kept], older.weights)) - auc(fit(X, y))


@pytest.mark.parametrize(("size", "ramp", "least"), [(1.0, 42, 0.01), (1.0, 0, 0.1), (0.3, 0, 0.003)])
def test_after_a_change_the_choice_gains_on_the_days_that_follow(
    size: float, ramp: int, least: float
) -> None:
    gains = [asked(seed, size, ramp)[1] for seed in SEEDS]
    assert np.mean(gains) > least
    assert np.min(gains) > -0.01


def test_where_nothing_changes_the_choice_costs_next_to_nothing() -> None:
    gains = [asked(seed, 0.0, 0)[1] for seed in SEEDS]
    assert np.mean(gains) > -0.001
    assert np.min(gains) > -0.01


def test_a_small_difference_is_taken_too() -> None:
    """Early in a gradual change it is small, and what is left out or kept costs alike."""
    choices = [asked(seed, 1.0, 84)[0] for seed in SEEDS]
    small = [o for o in choices if o.choice != ALL and o.scores[o.choice] - o.scores[ALL] < 0.01]
    assert small
    for older in choices:
        assert older.scores[older.choice] == max(older.scores.values())
        assert older.text.startswith(f"trained on {older.choice}: auc on days since 1970-03-02 ")


def test_the_weights_make_both_sides_count_alike_and_never_count_the_new_ones_less() -> None:
    new = np.arange(100) >= 80
    among = np.arange(100) % 2 == 0
    kept, weights = rows_of(WEIGHED, new, among)
    assert weights is not None
    assert (kept == among).all()
    assert weights[new[kept]].sum() == weights[~new[kept]].sum() == 40
    _, weights = rows_of(WEIGHED, np.arange(100) >= 30, np.ones(100, bool))
    assert weights is not None
    assert set(weights.tolist()) == {1.0}
    kept, weights = rows_of(AS_MANY, new, among)
    assert (np.flatnonzero(kept) == np.arange(60, 100, 2)).all()
    assert weights is None
    assert (rows_of(NEW, new, among)[0] == (among & new)).all()


def test_an_estimator_without_weights_is_offered_as_many_older_rows_instead() -> None:
    days = np.repeat(np.arange(OLD_DAYS + NEW_DAYS), A_DAY)
    X, y = drawn(1, days, 1.0, 0)

    def plain(X: Any, y: Any, weights: Any = None) -> Any:
        assert weights is None
        return fit(X, y)

    older = choose_older_rows(X, y, days * DAY_US, CHANGED_US, "auc", plain)
    assert list(older.scores) == [ALL, AS_MANY, NEW]


@pytest.mark.parametrize(
    ("training", "takes"),
    [
        ({"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"}, True),
        ({"estimator": "sklearn.neighbors.KNeighborsClassifier"}, False),
        ({"estimator": None, "function": "train.py:fit"}, False),
    ],
)
def test_whether_weights_are_taken_is_asked_of_the_estimator(training: dict[str, Any], takes: bool) -> None:
    changes = {f"training__{key}": value for key, value in training.items()}
    assert takes_weights(spec_from_plain(spec(training__parameters={}, **changes), "model.toml")) is takes


@pytest.mark.parametrize(
    "estimator",
    ["sklearn.ensemble.HistGradientBoostingClassifier", "sklearn.linear_model.LogisticRegression"],
)
@pytest.mark.parametrize("preprocessing", [None, {"categories": "auto"}])
def test_weights_reach_the_estimator_behind_the_preprocessing(
    bench: Bench, estimator: str, preprocessing: dict[str, str] | None
) -> None:
    table = {"training__preprocessing": preprocessing} if preprocessing else {}
    model = spec_from_plain(
        spec(training__estimator=estimator, training__parameters={}, **table), "model.toml"
    )
    snapshot = bench.run("snapshot", spec(), {"source": bench.source(rows())}, {}, "snapshot")
    read = read_rows(Path(snapshot.outputs["train"]), model)
    schema = schema_of(read, model)
    X, y = training_frame(read, schema, model)
    train = fitter(model, schema, bench.folder, 3, 1)
    heavy = np.where(np.arange(len(X)) < len(X) // 2, 1e-9, 1.0)
    weighed, half, plain = (
        model.predict_proba(X)[:, 1]
        for model in (
            train(X, y, {}, heavy),
            train(X.iloc[len(X) // 2 :], y.iloc[len(X) // 2 :], {}),
            train(X, y, {}),
        )
    )
    assert np.abs(weighed - half).mean() < np.abs(weighed - plain).mean()


def test_a_fit_whose_choice_is_on_record_makes_the_same_model_without_asking(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = spec(gates__metric=[], gates__comparison={"minimum_rows": 100})
    options: dict[str, Any] = {"changed_us": int(pd.Timestamp("2024-02-18", tz="UTC").timestamp() * 1e6)}
    snapshot = bench.run("snapshot", plain, {"source": bench.source(rows())}, options, "snapshot")
    inputs = {"train": snapshot.outputs["train"], "model_folder": bench.folder}
    first = bench.run("fit", plain, inputs, options, "first")
    choice = first.record["older_rows_choice"]
    assert choice in first.record["older_rows"]
    monkeypatch.setattr(recency, "scores_of", lambda *_: pytest.fail("it is not asked again"))
    again = bench.run("fit", plain, inputs, {**options, "older_rows": choice}, "again")
    other = bench.run("fit", plain, inputs, {**options, "older_rows": NEW if choice != NEW else ALL}, "other")
    columns = {"wind": [1.0, 4.0, 9.0], "rain": [0.5, 2.0, 5.0], "port": ["N", "S", "S"]}
    answers = [
        load_predictor(Path(made.outputs["model"]), Path(made.outputs["schema"])).predict(columns, 3).scores
        for made in (first, again, other)
    ]
    assert (answers[0] == answers[1]).all()
    assert (answers[0] != answers[2]).any()
